#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_survey
short_description: Find what fills a host's disks
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Judges every local file system that can be written to, in space, inodes and growth, and names what takes the space.
  - It only reads, but for its own file of O(samples), where one is named.
  - A full file system is examined from its own mount point, by bytes or by entries as the check is. The three biggest
    consumers are in the finding's C(hint), and with them what C(du) does not see, such as files that were deleted and are still open,
    with their processes, what is hidden under mount points, and bytes that nothing accounts for.
  - What only the superuser may use counts as used, since a service cannot use it.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.verdict
attributes:
  platform:
    platforms: linux
options:
  asked:
    default: [disk_space, disk_inodes, disk_writable]
  fail_on:
    default: never
  file_systems:
    description:
      - Mount points to judge. Empty means all local ones that can be written to, those that are mounted read-only although fstab(5)
        says otherwise, and those that the kernel has made read-only. Bind mounts of a file system, and overlays that write to it, are
        that file system, once.
      - What is named must be looked at. Of the others, a mount without a device of this host that cannot be entered, such as another user's
        FUSE mount, does not apply.
    type: list
    elements: path
    default: []
  warning_percent:
    description: Usage that is a warning.
    type: float
    default: 80
  critical_percent:
    description: Usage that is critical.
    type: float
    default: 90
  sample:
    description:
      - Time between two readings, from which the present growth is computed, as C(detail.now) of C(disk_growth). Nothing is
        judged by it. V(0s) looks once, as does a call without O(samples).
    type: str
    default: 2s
  full_within:
    description: A file system that would be full within this time at the rate of the last hours is a warning.
    type: str
    default: 1d
  samples:
    description:
      - Absolute path of a file on the host in which each look keeps how much space is available. C(disk_growth) is predicted from it.
        Empty keeps nothing, and predicts nothing.
      - It takes samples of at least an hour. With less, C(disk_growth) is among RV(skipped_checks), which say how much there is.
      - Samples are kept for 72 hours, one of a quarter of an hour, and the file has at most 1 MiB. The user that the module runs as
        must be able to write to its directory, which is made where it is missing. In check mode nothing is written.
      - The rate is that since the moment when most was available, at least an hour ago, or that of the latter half of this time where it
        is lower, so that one burst of writes that is over is not a warning.
    type: path
    default: ""
  deleted_warning_bytes:
    description: Bytes of deleted and still open files that are a warning.
    type: int
    default: 1073741824
  look_below:
    description: Further directories of which the biggest files and directories are named, each on its own file system.
    type: list
    elements: path
    default: []
  look_for:
    description:
      - Time for examining full file systems and O(look_below). What was not reached by then is reported as incomplete.
      - V(0s) does not look. With O(wait_for) only what is critical at the end is looked into.
    type: str
    default: 10s
  most:
    description: How many files and directories are named.
    type: int
    default: 20
seealso:
  - module: oncall.incident.disk_clean
  - module: oncall.incident.disk_health
"""

EXAMPLES = r"""
- name: Find what fills the disks
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
  description:
    - The checks C(disk_space), C(disk_inodes), C(disk_writable) for each file system, C(disk_growth) where there are O(samples), and
      C(deleted_open).
    - A file system that is mounted read-only is critical. Its C(detail.kernel) has what the kernel said about the device last, and its
      C(hint) the last lines of that.
  returned: success
  type: list
  elements: dict
  contains:
    asked:
      description: Whether the check is among O(asked).
      type: bool
skipped_checks:
  description: What could not be judged, and why.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: C(not_applicable) where there is no such thing, C(could_not_look) otherwise.
      type: str
checks:
  description: The worst status of each check.
  returned: success
  type: dict
asked:
  description: The checks that had to be answered.
  returned: success
  type: list
  elements: str
healthy:
  description: Whether all of RV(asked) are C(ok) or C(warning). Null when that could not be seen.
  returned: success
  type: bool
deleted:
  description: "The biggest deleted files that are still open: path, pid, process, bytes, and the number of their device."
  returned: success
  type: list
  elements: dict
biggest:
  description:
    - For each file system that has no room, and each directory of O(look_below), C(files) and C(directories) with their bytes, the
      C(crowded) directories with their entries, and C(complete), whether it was looked through whole.
    - Of a file system also what is C(hidden) under mount points, bytes of its C(deleted) files that are still open, bytes that are
      C(unaccounted) for, null where not everything could be looked at, and C(why) not.
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
remaining:
  description: The checks beside the awaited ones that are not ok, and not worse than at the start.
  returned: when O(baseline) is given
  type: dict
new:
  description: The checks that are worse than at the start.
  returned: when O(baseline) is given
  type: dict
polls:
  description: How often was looked.
  returned: when O(wait_for) is given
  type: int
history:
  description: The status of each awaited check whenever one changed.
  returned: when O(wait_for) is given
  type: list
  elements: dict
held:
  description: Whether no awaited check was critical or unknown, for as long as was asked.
  returned: when O(wait_for) is given
  type: bool
waited:
  description: Seconds until it held, or until the time was up.
  returned: when O(wait_for) is given
  type: float
not_recovered:
  description: Why it is not called recovered. Empty when there is room.
  returned: when O(wait_for) is given
  type: str
reading:
  description:
    - What was decided from, of the target and of the call, so that the decision can be made again from a record. In C(invocation) where the
      module fails, since Ansible prints the rest.
    - At most 64 KiB. What is left out is named in C(left_out), and C(complete) is false then.
  returned: where it looked
  type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import answer, question_from, question_spec
from ansible_collections.oncall.incident.plugins.module_utils._host.decisions.disk import CHECKS, DECISIVE
from ansible_collections.oncall.incident.plugins.module_utils._host.looking import Survey, survey
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "file_systems": {"type": "list", "elements": "path", "default": []},
            "warning_percent": {"type": "float", "default": 80},
            "critical_percent": {"type": "float", "default": 90},
            "sample": {"type": "str", "default": "2s"},
            "full_within": {"type": "str", "default": "1d"},
            "samples": {"type": "path", "default": ""},
            "deleted_warning_bytes": {"type": "int", "default": 1073741824},
            "look_below": {"type": "list", "elements": "path", "default": []},
            "look_for": {"type": "str", "default": "10s"},
            "most": {"type": "int", "default": 20},
            **question_spec(default=DECISIVE),
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        question = question_from(params, checks=CHECKS, default=DECISIVE, what="The disk")
        wanted = Survey(
            sample=parse_duration(params["sample"], name="sample"), full_within=parse_duration(params["full_within"], name="full_within"),
            look_for=parse_duration(params["look_for"], name="look_for"), file_systems=params["file_systems"], asked=question.asked,
            warning_percent=params["warning_percent"], critical_percent=params["critical_percent"],
            deleted_warning_bytes=params["deleted_warning_bytes"], look_below=params["look_below"], most=params["most"],
            samples=params["samples"], keep=not module.check_mode,
        )
        return answer(question, lambda: survey(wanted.last() if question.wait else wanted), brief=lambda: survey(wanted.brief()))

    leave(module, work)


if __name__ == "__main__":
    main()
