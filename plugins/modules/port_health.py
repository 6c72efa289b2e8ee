#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: port_health
short_description: Check whether ports answer
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Connects to TCP ports, of this host or of another, and says whether somebody answers, as a verdict. It sends
    nothing but C(PING) to Redis.
  - The kernel accepts connections also of a service that hangs. Where a service speaks first, its first words are read; of this host
    also how many connections wait to be accepted.
  - Of this host it also reads where the ports are open. One that listens on loopback addresses alone is a warning, since nobody else
    can reach it, whatever a firewall says.
  - A UDP port can only be judged on its own host, by whether it is open. From elsewhere it is in RV(skipped_checks).
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.verdict
options:
  asked:
    default: [port]
  fail_on:
    default: never
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
  expect:
    description:
      - What the service says first, over TCP. V(auto) goes by the port (21, 22, 25, 110, 143, 587, 3306, 6379), and expects nothing of
        others. V(any) is any word at all, V(none) expects nothing.
      - One that accepts and says nothing, ends the connection instead, or refuses is critical. One that says something else is a warning
        with V(auto), else critical.
    type: str
    choices: [auto, any, none, ssh, ftp, smtp, pop3, imap, mysql, redis]
    default: auto
  clients:
    description:
      - Addresses and networks that want to reach the ports of this host. The ports are tried at the addresses of this host at which
        routing says that these come in, and each of them has to answer. Nothing is sent to the clients.
    type: list
    elements: str
    default: []
  refusals_since:
    description:
      - How far back the logs are read for why a service itself turned O(clients) away, such as V(1h). Empty disables it. Known are
        sshd's reasons (AllowUsers, MaxAuthTries, MaxStartups and others), hosts.deny, PAM, and rejections of mail servers.
    type: str
    default: ""
  logs:
    description: Logs to read for O(refusals_since). Empty takes those that the system usually has.
    type: list
    elements: path
    default: []
  journal:
    description: Whether the journal is read for O(refusals_since).
    type: bool
    default: true
  resolve:
    description: Look up host names in O(clients). Without it a host name is an error.
    type: bool
    default: false
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
  description:
    - One C(port) for each port; C(detail) says which addresses were tried, how long each took, what the service said first, and where
      the port is open.
    - Of this host also one C(accept_queue) for each TCP port where somebody listens. It is critical where it is full, and a warning where
      connections are not accepted within O(timeout).
    - With O(clients) and O(refusals_since) also C(refusals), a warning where a log says why a service turned one of them away. C(detail)
      has the lines.
  returned: success
  type: list
  elements: dict
skipped_checks:
  description: What could not be judged.
  returned: success
  type: list
  elements: dict
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
  description: Whether all of RV(asked) are C(ok). Null when that could not be seen, or nothing was asked.
  returned: success
  type: bool
remaining:
  description: The checks beside the awaited ones that are not ok, and not worse than at the start.
  returned: with O(baseline)
  type: dict
new:
  description: The checks that are worse than at the start.
  returned: with O(baseline)
  type: dict
not_recovered:
  description: Why it is not called recovered. Empty when it is.
  returned: with O(wait_for)
  type: str
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
from ansible_collections.oncall.incident.plugins.module_utils._core import hosts, ranges
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput, IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import answer, question_from, question_spec
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._probe.decisions.ports import CHECK, CHECKS
from ansible_collections.oncall.incident.plugins.module_utils._probe.ports import clients_from, look
from ansible_collections.oncall.incident.plugins.module_utils._probe.refusals import Wanted


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "default": ""},
            "ports": {"type": "list", "elements": "int", "required": True},
            "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
            "timeout": {"type": "str", "default": "3s"},
            "expect": {
                "type": "str", "choices": ["auto", "any", "none", "ssh", "ftp", "smtp", "pop3", "imap", "mysql", "redis"],
                "default": "auto",
            },
            "clients": {"type": "list", "elements": "str", "default": []},
            "refusals_since": {"type": "str", "default": ""},
            "logs": {"type": "list", "elements": "path", "default": []},
            "journal": {"type": "bool", "default": True},
            "resolve": {"type": "bool", "default": False},
            **question_spec(default=[CHECK]),
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        if not params["ports"]:
            raise BadInput("ports is empty.", hint=f"Give numbers: {ranges.PORT}.", argument="ports")
        host = hosts.read_host(params["host"], name="host")
        timeout = ranges.read(params["timeout"], name="timeout")
        clients = clients_from(params["clients"], resolve=params["resolve"])
        since = params["refusals_since"]
        wanted = Wanted(parse_duration(since, name="refusals_since"), tuple(params["logs"]), params["journal"]) if since else None
        question = question_from(params, checks=CHECKS, default=[CHECK], what="The port")
        return answer(question, lambda: look(
            host=host, ports=sorted(set(params["ports"])), protocol=params["protocol"], timeout=timeout,
            asked=question.asked, expect=params["expect"], clients=clients, refusals=wanted,
        ))

    leave(module, work)


if __name__ == "__main__":
    main()
