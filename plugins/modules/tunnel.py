#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tunnel
short_description: Open a forwarded port for a limited time
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Runs a command that forwards a local port (C(ssh -N -L), C(kubectl port-forward)), waits until the port takes connections, and
    leaves it running in the background.
  - It ends when closed, and at the latest after O(lifetime), so that nothing stays behind a controller that died.
  - Meant for the controller, with C(delegate_to=localhost).
extends_documentation_fragment:
  - oncall.incident.attributes
attributes:
  check_mode:
    support: full
    details:
      - Opens and closes in check mode too, since otherwise nothing behind the tunnel could be looked at. Nothing on a managed host changes.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - Opening always opens another one. Closing one that is closed does nothing.
options:
  state:
    description: Whether to open or close the tunnel.
    type: str
    choices: [open, closed]
    required: true
  command:
    description: The command and its arguments, with C({local_port}) where the port to listen on goes. Must listen on 127.0.0.1.
    type: list
    elements: str
  handle:
    description: What opening it returned as RV(handle).
    type: str
  timeout:
    description: How long it may take until the port takes connections.
    type: str
    default: 20s
  lifetime:
    description: When it ends by itself.
    type: str
    default: 1h
"""

EXAMPLES = r"""
- name: Reach the database behind the bastion
  oncall.incident.tunnel:
    state: open
    command:
      - ssh
      - -N
      - -oBatchMode=yes
      - -oExitOnForwardFailure=yes
      - -L127.0.0.1:{local_port}:db1.example.org:5432
      - bastion.example.org
  delegate_to: localhost
  register: tunnel

- name: Close it
  oncall.incident.tunnel:
    state: closed
    handle: "{{ tunnel.handle }}"
  delegate_to: localhost
"""

RETURN = r"""
host:
  description: Address the tunnel listens on.
  returned: when opened
  type: str
  sample: 127.0.0.1
port:
  description: Port it listens on.
  returned: when opened
  type: int
handle:
  description: What closes it.
  returned: when opened
  type: str
was_open:
  description: Whether it was still open.
  returned: when closed
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core import ranges
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._tunnel.supervisor import close_tunnel, open_tunnel


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["open", "closed"], "required": True},
            "command": {"type": "list", "elements": "str"},
            "handle": {"type": "str"},
            "timeout": {"type": "str", "default": "20s"},
            "lifetime": {"type": "str", "default": "1h"},
        },
        required_if=[("state", "open", ["command"]), ("state", "closed", ["handle"])],
        supports_check_mode=True,
    )
    try:
        if module.params["state"] == "open":
            result = open_tunnel(
                module.params["command"], timeout=ranges.read(module.params["timeout"], name="timeout"),
                lifetime=ranges.read(module.params["lifetime"], name="lifetime"),
            )
        else:
            result = {"was_open": close_tunnel(module.params["handle"])}
    except IncidentError as exc:
        module.fail_json(**exc.as_result())
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
