#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: port_health
short_description: Judge whether ports answer
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Connects to TCP ports, of this host or of another, and says whether somebody answers, as a verdict. It sends nothing.
  - Of this host it also reads where the ports are open. One that listens on loopback addresses alone is a warning, since nobody else
    can reach it, whatever a firewall says.
  - A UDP port can only be judged on its own host, by whether it is open. From elsewhere it is in RV(skipped_checks).
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
options:
  host:
    description: Name or address to connect to. Empty is the host that the module runs on.
    type: str
    default: ""
  ports:
    description: The ports.
    type: list
    elements: int
    required: true
  protocol:
    description: Their protocol.
    type: str
    choices: [tcp, udp]
    default: tcp
  timeout:
    description: How long one attempt to connect may take.
    type: str
    default: 3s
  wait_for:
    description: Look again until all ports are ok and stay so.
    type: dict
    suboptions:
      hold:
        description: How long they must be ok without a break.
        type: str
        default: 10s
      timeout:
        description: How long it is waited for at most, the holding included.
        type: str
        default: 2m
      interval:
        description: Pause between two looks.
        type: str
        default: 1s
seealso:
  - module: oncall.incident.firewall_trace
"""

EXAMPLES = r"""
- name: See whether the mail server listens and answers on its own host
  oncall.incident.port_health:
    ports: [25, 587]

- name: See from a bastion whether the web server can be reached, for ten seconds without a break
  oncall.incident.port_health:
    host: www.example.org
    ports: [443]
    wait_for:
      hold: 10s
      timeout: 1m
  delegate_to: bastion.example.org
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
  description: One C(port) for each port; C(detail) says which addresses were tried, how long each took, and where the port is open.
  returned: success
  type: list
  elements: dict
skipped_checks:
  description: What could not be judged.
  returned: success
  type: list
  elements: dict
held:
  description: Whether they stayed ok for as long as they should.
  returned: with O(wait_for)
  type: bool
waited:
  description: How long it was waited, in seconds.
  returned: with O(wait_for)
  type: float
polls:
  description: How often it was looked.
  returned: with O(wait_for)
  type: int
history:
  description: The status whenever it changed.
  returned: with O(wait_for)
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput, IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import verdict
from ansible_collections.oncall.incident.plugins.module_utils._core.waiting import follow, of_all, pace_from
from ansible_collections.oncall.incident.plugins.module_utils._probe.ports import look


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "default": ""},
            "ports": {"type": "list", "elements": "int", "required": True},
            "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
            "timeout": {"type": "str", "default": "3s"},
            "wait_for": {"type": "dict", "options": {
                "hold": {"type": "str", "default": "10s"},
                "timeout": {"type": "str", "default": "2m"},
                "interval": {"type": "str", "default": "1s"},
            }},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        wrong = [port for port in params["ports"] if not 1 <= port <= 65535]
        if wrong or not params["ports"]:
            raise BadInput(
                f"ports: {wrong[0]} is no port." if wrong else "ports is empty.", hint="Give numbers from 1 to 65535.", argument="ports",
            )
        timeout = parse_duration(params["timeout"], name="timeout")
        if timeout <= 0:
            raise BadInput("timeout: 0 would mean no limit.", hint="Give a time above zero, for example 3s.", argument="timeout")
        pace = pace_from(params["wait_for"]) if params["wait_for"] else None
        wanted = {"host": params["host"].strip(), "ports": sorted(set(params["ports"])), "protocol": params["protocol"], "timeout": timeout}
        if pace:
            watched = follow(lambda _left: look(**wanted), lambda seen: of_all(*seen), pace=pace)
            module.exit_json(changed=False, **verdict(*watched.last), **watched.as_dict())
        findings, skipped = look(**wanted)
        module.exit_json(changed=False, **verdict(findings, skipped))
    except IncidentError as exc:
        module.fail_json(**exc.as_result())


if __name__ == "__main__":
    main()
