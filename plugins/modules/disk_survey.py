#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_survey
short_description: Find out what fills a host's disks
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Judges every local file system that can be written to, in space, inodes and growth, and names what takes the space. It only reads.
  - Files that were deleted and are still open take space that C(du) does not see; their processes are named.
  - What only the superuser may use counts as used, since a service cannot use it.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
attributes:
  platform:
    platforms: linux
options:
  file_systems:
    description: Mount points to judge. Empty means all local ones that can be written to.
    type: list
    elements: path
    default: []
  warning_percent:
    description: Use that is a warning.
    type: float
    default: 80
  critical_percent:
    description: Use that is critical.
    type: float
    default: 90
  sample:
    description: Time between two looks, from which the growth is told. V(0s) looks once.
    type: str
    default: 2s
  full_within:
    description: A file system that would be full within this time at its present growth is a warning.
    type: str
    default: 1d
  deleted_warning_bytes:
    description: Bytes of deleted and still open files that are a warning.
    type: int
    default: 1073741824
  look_below:
    description: Directories of which the biggest files and directories are named, each on its own file system.
    type: list
    elements: path
    default: []
  look_for:
    description: Time for all of O(look_below). What was not reached by then is said to be incomplete.
    type: str
    default: 10s
  most:
    description: How many files and directories are named.
    type: int
    default: 20
  wait_for:
    description:
      - Look again until no file system is critical, or the time is up. One that could not be looked at is not known to have room.
    type: dict
    suboptions:
      hold:
        description: How long it has to stay so.
        type: str
        default: 0s
      timeout:
        description: How long to wait for it, the holding included.
        type: str
        default: 1m
seealso:
  - module: oncall.incident.disk_clean
  - module: oncall.incident.disk_health
"""

EXAMPLES = r"""
- name: Find out what fills the disks
  oncall.incident.disk_survey:
    look_below: [/var]
  become: true
  register: disks

- name: Wait until there is room again
  oncall.incident.disk_survey:
    file_systems: [/var/lib/postgresql]
    wait_for:
      hold: 10s
      timeout: 2m
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/verdict/1).
  returned: success
  type: str
status:
  description: The worst status of RV(findings).
  returned: success
  type: str
findings:
  description: The checks C(disk_space), C(disk_inodes), C(disk_growth) for each file system, and C(deleted_open).
  returned: success
  type: list
  elements: dict
skipped_checks:
  description: What could not be judged, and why.
  returned: success
  type: list
  elements: dict
checks:
  description: The worst status of each check.
  returned: success
  type: dict
deleted:
  description: "The biggest deleted files that are still open: path, pid, process, bytes."
  returned: success
  type: list
  elements: dict
biggest:
  description: "For each directory of O(look_below): files and directories with their bytes, and whether it was looked through whole."
  returned: success
  type: dict
full:
  description: The file systems on which C(disk_space) or C(disk_inodes) is critical.
  returned: success
  type: list
  elements: str
full_reason:
  description: The same as a sentence with the highest percentage. Empty when none is full.
  returned: success
  type: str
held:
  description: Whether no file system was critical, for as long as was asked.
  returned: when O(wait_for) is given
  type: bool
waited:
  description: Seconds until it held, or until the time was up.
  returned: when O(wait_for) is given
  type: float
polls:
  description: How many looks there were.
  returned: when O(wait_for) is given
  type: int
history:
  description: The status of C(disk_space) and C(disk_inodes) whenever one changed, with the seconds since the start.
  returned: when O(wait_for) is given
  type: list
  elements: dict
not_recovered:
  description: Why it is not called recovered. Empty when there is room.
  returned: when O(wait_for) is given
  type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.waiting import pace_from
from ansible_collections.oncall.incident.plugins.module_utils._host.decisions.disk import told
from ansible_collections.oncall.incident.plugins.module_utils._host.looking import Survey, survey, watch_room
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave

#: Between two looks of a wait.
INTERVAL = "500ms"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "file_systems": {"type": "list", "elements": "path", "default": []},
            "warning_percent": {"type": "float", "default": 80},
            "critical_percent": {"type": "float", "default": 90},
            "sample": {"type": "str", "default": "2s"},
            "full_within": {"type": "str", "default": "1d"},
            "deleted_warning_bytes": {"type": "int", "default": 1073741824},
            "look_below": {"type": "list", "elements": "path", "default": []},
            "look_for": {"type": "str", "default": "10s"},
            "most": {"type": "int", "default": 20},
            "wait_for": {"type": "dict", "options": {
                "hold": {"type": "str", "default": "0s"},
                "timeout": {"type": "str", "default": "1m"},
            }},
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        asked = Survey(
            sample=parse_duration(params["sample"], name="sample"), full_within=parse_duration(params["full_within"], name="full_within"),
            look_for=parse_duration(params["look_for"], name="look_for"), file_systems=params["file_systems"],
            warning_percent=params["warning_percent"], critical_percent=params["critical_percent"],
            deleted_warning_bytes=params["deleted_warning_bytes"], look_below=params["look_below"], most=params["most"],
        )
        if params["wait_for"] is None:
            return {"changed": False, **told(survey(asked))}, None
        return {"changed": False, **told(watch_room(asked, pace=pace_from({**params["wait_for"], "interval": INTERVAL})))}, None

    leave(module, work)


if __name__ == "__main__":
    main()
