#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_clean
short_description: Remove or empty the files that a list allows, when a disk is full
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Removes or truncates files, only where a rule of O(rules) names their directory, their pattern and their age, and only inside limits.
  - Links are never followed, neither to a file nor in the path of a directory; what is mounted below a directory is left alone.
  - A file that somebody has open for writing is only ever truncated, and only by a rule that says so. One that is open is not removed,
    since that would free nothing.
  - Never touched are the system's directories, and directories that are a server's data by what is in them (C(PG_VERSION), C(pg_wal),
    C(dump.rdb), C(ibdata1) and their like), whatever the rules say.
  - With more candidates than O(max_files) or O(max_bytes) nothing is touched.
  - Where a file system is out of inodes, it takes many files to give it back some. Those that are removed there have a limit of their own,
    O(max_files_for_inodes), and the oldest go; the others are left for the next run.
  - It has to see the open files of all processes, so it runs as root.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.mitigates
  - oncall.incident.approved
attributes:
  platform:
    platforms: linux
options:
  rules:
    description: What may be cleaned. The first rule that finds a file decides.
    type: list
    elements: dict
    required: true
    suboptions:
      directory:
        description: Absolute path of the directory, with no symbolic link in it. One that is not there is passed over.
        type: str
        required: true
      pattern:
        description: Pattern of file names, as of a shell. V(*) alone is refused.
        type: str
        required: true
      min_age:
        description: How long the content must not have changed. V(0s) takes files that are written to now.
        type: str
        default: 1d
      operation:
        description: V(truncate) empties a file and leaves it where it is, for logs whose writer keeps them open.
        type: str
        choices: [remove, truncate]
        default: remove
      recursive:
        description: Whether subdirectories are included.
        type: bool
        default: false
      keep:
        description: How many of the newest files of each directory that match are kept.
        type: int
        default: 0
  protect:
    description: Paths that are never touched, with everything below them.
    type: list
    elements: str
    default: []
  max_files:
    description: How many files may be cleaned.
    type: int
    default: 200
  max_bytes:
    description: How many bytes may be cleaned.
    type: int
    default: 53687091200
  max_files_for_inodes:
    description:
      - How many files may be removed on file systems of which inodes are used to O(inodes_percent) or more. They do not count as
        O(max_files), and their bytes count as O(max_bytes).
      - Of more candidates the oldest go. Each file is an action of its own, so many thousands make a plan that nobody can read.
    type: int
    default: 2000
  inodes_percent:
    description: Use of inodes at which O(max_files_for_inodes) applies.
    type: float
    default: 90
  spent:
    description: How much of O(max_files), and of O(max_files_for_inodes), this run has used already.
    type: int
    default: 0
seealso:
  - module: oncall.incident.disk_survey
  - module: oncall.incident.disk_health
"""

EXAMPLES = r"""
- name: Make room on a disk that logs have filled
  oncall.incident.disk_clean:
    rules:
      - directory: /var/log/shop
        pattern: "*.log.*"
        min_age: 1d
        keep: 2
      - directory: /var/log/shop
        pattern: access.log
        min_age: 0s
        operation: truncate
    max_bytes: 10737418240
  become: true
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/actions/1).
  returned: success
  type: str
changed:
  description: Whether something was cleaned. In check mode, whether it is planned.
  returned: always
  type: bool
actions:
  description:
    - One action per file, the biggest first, and one for each approved file that is not a candidate any more. C(done) when the file is gone
      or empty, C(not_needed) when it was gone before, C(moved_on) when it is not the one any more that was judged, C(refused) when the
      plan does not have it or with a limit exceeded, C(not_permitted), C(failed) or C(unknown) otherwise, which fails the task.
    - C(detail.why) says why in a word, C(detail.error) what the system said.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Identity of the action, to be compared with an approved one; never to be taken apart.
      type: str
    resource:
      description: The server or service that it is done on.
      type: str
    identity:
      description: What identifies the target on it. With C(verb) and C(resource) it makes C(id).
      type: dict
    name:
      description: The target in words.
      type: str
      sample: /var/log/shop/shop.log.1
limits:
  description: The limits. C(max_files_for_inodes) is one of them where a file system is out of inodes.
  returned: success
  type: dict
protected:
  description: Matching files that were spared, and why.
  returned: success
  type: list
  elements: dict
freed:
  description: Bytes that the cleaned files took. In check mode, that they would give.
  returned: success
  type: int
avoided:
  description: Directories that were not looked at, with the reason.
  returned: success
  type: list
  elements: str
error:
  description: What kind of failure it is.
  returned: failure
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
from ansible_collections.oncall.incident.plugins.module_utils._core.acting import APPROVED_SPEC, read_approved
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._host.cleaning import Limits, clean_up
from ansible_collections.oncall.incident.plugins.module_utils._host.decisions.cleaning import OPERATIONS, VERBS, Rule, check_rule
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "rules": {"type": "list", "elements": "dict", "required": True, "options": {
                "directory": {"type": "str", "required": True},
                "pattern": {"type": "str", "required": True},
                "min_age": {"type": "str", "default": "1d"},
                "operation": {"type": "str", "choices": list(OPERATIONS), "default": "remove"},
                "recursive": {"type": "bool", "default": False},
                "keep": {"type": "int", "default": 0},
            }},
            "protect": {"type": "list", "elements": "str", "default": []},
            "max_files": {"type": "int", "default": 200},
            "max_bytes": {"type": "int", "default": 53687091200},
            "max_files_for_inodes": {"type": "int", "default": 2000},
            "inodes_percent": {"type": "float", "default": 90},
            "spent": {"type": "int", "default": 0},
            "approved": APPROVED_SPEC,
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        rules = [check_rule(Rule(**{**one, "min_age": parse_duration(one["min_age"], name="min_age")})) for one in params["rules"]]
        limits = Limits(
            max_files=params["max_files"], max_bytes=params["max_bytes"], spent=params["spent"],
            max_files_for_inodes=params["max_files_for_inodes"], inodes_percent=params["inodes_percent"],
        )
        approved = read_approved(params["approved"])
        return clean_up(rules, protect=params["protect"], limits=limits, approved=approved, check_mode=module.check_mode)

    leave(module, work, verbs=VERBS)


if __name__ == "__main__":
    main()
