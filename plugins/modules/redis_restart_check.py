#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_restart_check
short_description: Say what a restart of a Redis server would lose
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - A restart is an obstacle when changes are unsaved and the last save failed, or when persistence is off and replicas are attached, since
    an empty primary makes them empty too.
  - What cannot be seen counts as there. So a server that is frozen or down is an obstacle too, unless O(accept_data_loss).
  - It only reads.
extends_documentation_fragment:
  - oncall.incident.redis
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.attributes.redis
options:
  accept_data_loss:
    description: Whether all of that is accepted.
    type: bool
    default: false
seealso:
  - module: oncall.incident.redis_repair
"""

EXAMPLES = r"""
- name: Ask before a restart
  oncall.incident.redis_restart_check:
    login_host: cache1.example.org
  register: restart
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/verdict/1).
  returned: always
  type: str
status:
  description: The worst status of all findings, C(ok), C(warning), C(unknown) or C(critical).
  returned: when it was judged
  type: str
findings:
  description: What was judged.
  returned: when it was judged
  type: list
  elements: dict
skipped_checks:
  description: What could not be judged, and why. Never counts as ok.
  returned: when it was judged
  type: list
  elements: dict
obstacles:
  description: Why the server must not be restarted now. Empty when nothing is in the way.
  returned: when it was judged
  type: list
  elements: str
seen:
  description: What was seen of role, changes, saves and replicas. Null where it could not be seen.
  returned: when it was judged
  type: dict
listening:
  description: Whether anybody on this host listens where the server should be. Null when that is not this host, or cannot be told.
  returned: when it was judged
  type: bool
process_id:
  description:
    - The process of this host that is the server, that is who listens there, or, where we may not see that, who the server says it is.
    - Null when nobody listens, or the server is not on this host, or it cannot be told.
    - What is restarted must be this one.
  returned: when it was judged
  type: int
error:
  description: What kind of failure it is.
  returned: failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._redis.args import connection_spec
from ansible_collections.oncall.incident.plugins.module_utils._redis.restarting import restart_check


def main() -> None:
    module = AnsibleModule(
        argument_spec={**connection_spec(), "accept_data_loss": {"type": "bool", "default": False}}, supports_check_mode=True,
    )
    leave(module, lambda: restart_check(module.params))


if __name__ == "__main__":
    main()
