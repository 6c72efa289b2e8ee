#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: log_excerpt
short_description: Read the warnings and errors at the end of a log
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Reads at most the last O(max_kib) of a log and returns its warnings and errors, as evidence. It only reads.
  - Quoted values and passwords in the lines are replaced, since a database's log holds its users' data.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
options:
  path:
    description: The log, or a directory, of which the file written last is taken.
    type: path
    required: true
  max_kib:
    description: How much of its end is read.
    type: int
    default: 64
  max_lines:
    description: How many lines are returned, the last ones.
    type: int
    default: 200
  levels:
    description: Words that a line must contain one of.
    type: list
    elements: str
    default: [WARNING, ERROR, FATAL, PANIC]
"""

EXAMPLES = r"""
- name: Read the server's last errors
  oncall.incident.log_excerpt:
    path: /var/log/postgresql
  register: log
"""

RETURN = r"""
readable:
  description: Whether the log could be read.
  returned: success
  type: bool
reason:
  description: Why not.
  returned: when it could not be read
  type: str
path:
  description: The file that was read.
  returned: success
  type: str
bytes_read:
  description: How much of it was read.
  returned: when it could be read
  type: int
counts:
  description: How many lines there are of each level.
  returned: when it could be read
  type: dict
lines:
  description: The lines, redacted.
  returned: when it could be read
  type: list
  elements: str
left_out:
  description: How many earlier lines of these levels were left out.
  returned: when it could be read
  type: int
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core.excerpt import excerpt, newest, read_end


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "max_kib": {"type": "int", "default": 64},
            "max_lines": {"type": "int", "default": 200},
            "levels": {"type": "list", "elements": "str", "default": ["WARNING", "ERROR", "FATAL", "PANIC"]},
        },
        supports_check_mode=True,
    )
    path = module.params["path"]
    try:
        if os.path.isdir(path):
            path = newest(path)
        text = read_end(path, max_bytes=max(module.params["max_kib"], 1) * 1024)
    except OSError as exc:
        # Evidence that is not there is no reason to stop an incident's run.
        module.exit_json(changed=False, readable=False, path=path, reason=exc.strerror or str(exc))
    module.exit_json(
        changed=False, readable=True, path=path, bytes_read=len(text),
        **excerpt(text.decode("utf-8", "replace"), levels=module.params["levels"], max_lines=max(module.params["max_lines"], 1)),
    )


if __name__ == "__main__":
    main()
