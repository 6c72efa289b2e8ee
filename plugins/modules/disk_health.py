#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_health
short_description: Check the disk space of a file system
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Says how full the file system of a path is, in space and in inodes, as a verdict. It only reads.
  - What only the superuser may use counts as used, since a service cannot use it.
  - It needs the right to search each directory on the way to O(path), and no right at the path itself.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.verdict
options:
  asked:
    default: [disk_space, disk_inodes, disk_writable]
  fail_on:
    default: never
  path:
    description:
      - A file or directory on the file system.
      - Where it is not there, or a directory on the way to it may not be searched, the checks are C(unknown). The directory above may be
        another file system, and says nothing of this one.
    type: path
    required: true
  warning_percent:
    description: Usage that is a warning.
    type: float
    default: 80
  critical_percent:
    description: Usage that is critical.
    type: float
    default: 90
"""

EXAMPLES = r"""
- name: Look at the disk of the database
  oncall.incident.disk_health:
    path: /var/lib/postgresql
    critical_percent: 95
  register: disk
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
  description: The checks C(disk_space) and C(disk_inodes), in percent, and C(disk_writable), critical where it is
    mounted read-only or the kernel has made it so.
  returned: success
  type: list
  elements: dict
  contains:
    asked:
      description: Whether the check is among O(asked).
      type: bool
skipped_checks:
  description: What could not be judged. File systems without a fixed number of inodes are here.
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
remaining:
  description: The checks beside the awaited ones that are not ok, and not worse than at the start.
  returned: when O(baseline) is given
  type: dict
new:
  description: The checks that are worse than at the start.
  returned: when O(baseline) is given
  type: dict
held:
  description: Whether no awaited check was critical or unknown, for as long as was asked.
  returned: when O(wait_for) is given
  type: bool
waited:
  description: Seconds until it held, or until the time was up.
  returned: when O(wait_for) is given
  type: float
polls:
  description: How often was looked.
  returned: when O(wait_for) is given
  type: int
history:
  description: The status of each awaited check whenever one changed.
  returned: when O(wait_for) is given
  type: list
  elements: dict
not_recovered:
  description: Why it is not called recovered. Empty when it is.
  returned: when O(wait_for) is given
  type: str
path:
  description: The path that was looked at.
  returned: success
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
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import answer, question_from, question_spec
from ansible_collections.oncall.incident.plugins.module_utils._host.decisions.disk import DECISIVE
from ansible_collections.oncall.incident.plugins.module_utils._host.looking import one_path
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "warning_percent": {"type": "float", "default": 80},
            "critical_percent": {"type": "float", "default": 90},
            **question_spec(default=DECISIVE),
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        question = question_from(params, checks=DECISIVE, default=DECISIVE, what="The disk")
        return answer(question, lambda: one_path(
            params["path"], asked=question.asked, warning=params["warning_percent"], critical=params["critical_percent"],
        ))

    leave(module, work)


if __name__ == "__main__":
    main()
