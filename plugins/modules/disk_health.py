#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_health
short_description: Judge the disk space of a file system
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Says how full the file system of a path is, in space and in inodes, as a verdict. It only reads.
  - What only the superuser may use counts as used, since a service cannot use it.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
options:
  path:
    description: A file or directory on the file system. Where it cannot be reached, the nearest directory above that can.
    type: path
    required: true
  warning_percent:
    description: Use that is a warning.
    type: float
    default: 80
  critical_percent:
    description: Use that is critical.
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
  description: The checks C(disk_space) and C(disk_inodes), in percent.
  returned: success
  type: list
  elements: dict
skipped_checks:
  description: What could not be judged. File systems without a fixed number of inodes are here.
  returned: success
  type: list
  elements: dict
path:
  description: The path that was looked at.
  returned: success
  type: str
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._host.decisions.disk import judge_disk, nearest


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "warning_percent": {"type": "float", "default": 80},
            "critical_percent": {"type": "float", "default": 90},
        },
        supports_check_mode=True,
    )
    limits = {"warning": module.params["warning_percent"], "critical": module.params["critical_percent"]}
    try:
        path, usage = nearest(module.params["path"], os.statvfs)
    except IncidentError as exc:
        module.fail_json(**exc.as_result())
    module.exit_json(changed=False, path=path, **judge_disk(path, usage, **limits))


if __name__ == "__main__":
    main()
