#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall_trace
short_description: Find what blocks an address on this host
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Goes through the host's nftables, iptables and ip6tables rules (also the legacy ones), ipsets, C(hosts.deny), dead routes and the
    bans of fail2ban or CrowdSec as a packet from the address would, and names each rule that drops it. It only reads, and sends nothing.
  - That is a model. With O(trace_for) it is measured as well, and the rule is named that dropped a real packet.
  - What cannot be told from the address (an interface, a mark, a connection's state) is a condition of the rule, and such a rule is said to
    block perhaps. Rules behind one that accepts the address are not reached.
extends_documentation_fragment:
  - oncall.incident.fail2ban
  - oncall.incident.attributes
  - oncall.incident.attributes.traces
  - oncall.incident.attributes.read_only
options:
  addresses:
    description: Addresses and networks, in any spelling.
    type: list
    elements: str
    required: true
  resolve:
    description: Look up host names in O(addresses). Without it a host name is an error.
    type: bool
    default: false
  port:
    description: The port that they want to reach. Rules about other ports are left out, and whether anything listens there is judged.
    type: int
  protocol:
    description: The protocol of O(port).
    type: str
    choices: [tcp, udp]
  bans:
    description: Whether to ask the daemon that bans. If it does not answer, RV(skipped_checks) says so.
    type: bool
    default: true
  verify:
    description: Packet filters to look at. V(auto) is every one on this host, and fails where none can be read.
    type: list
    elements: str
    choices: [auto, nftables, ipset, iptables, firewalld, hosts_deny, route]
    default: [auto]
  trace_for:
    description:
      - How long packets that begin a connection from O(addresses) are traced, such as V(30s), while the person tries again. Empty
        disables it. It ends as soon as it is known what became of a packet of each. At most ten minutes, and never in check mode.
      - For that time a table of nftables of our own is in the kernel. It lets everything through, nothing else of the host is touched,
        the kernel itself forgets whom to trace, and the table is removed at the end. RV(trace) says so.
      - What legacy iptables drops cannot be traced. There its counters are read twice, and the rules whose counters rose are said to be
        likely. Where nobody tried, the check C(traced) is unknown.
    type: str
    default: ""
notes:
  - Needs root. The packet filter is that of the network namespace in which the module runs; what is filtered before the host is not seen.
seealso:
  - module: oncall.incident.fail2ban_unban
"""

EXAMPLES = r"""
- name: Ask why a customer cannot reach the web server
  oncall.incident.firewall_trace:
    addresses: [203.0.113.7]
    port: 443
    protocol: tcp
  register: trace

- name: Name the rule that drops a packet of the customer, who tries again meanwhile
  oncall.incident.firewall_trace:
    addresses: [203.0.113.7]
    port: 443
    protocol: tcp
    trace_for: 30s
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
    - The check C(blocked) for each address, critical where a rule keeps it out, a warning where one may, unknown where that cannot be
      told from the rules, which its hint names; and C(listening) for O(port). What keeps everybody out of some ports is a warning where
      O(port) is not given.
    - With O(trace_for) also C(traced) for each address, which says what became of its real packets. C(blocked) then goes by them.
  returned: success
  type: list
  elements: dict
skipped_checks:
  description: What could not be read, and why.
  returned: success
  type: list
  elements: dict
addresses:
  description: >-
    Each address with its C(blocks), its C(bans), and the C(cause) (C(fail2ban), C(crowdsec), C(route), C(hosts_deny), C(firewall),
    C(service), C(none), C(unknown)). With O(trace_for) C(traced) has the C(packets) that came, each with its C(fate) (C(dropped),
    C(arrived), C(queued), C(lost)), the C(rule) that dropped it and what the host answered, and the C(likely) rules of legacy iptables.
  returned: success
  type: list
  elements: dict
trace:
  description:
    - Our C(object) in the kernel, how it C(ends) and when at the latest it C(expires), whether it is C(removed), and what could not be
      done (C(problem)).
  returned: with O(trace_for), null without
  type: dict
blocks:
  description: >-
    All blocks of all addresses in the order in which a packet meets them. Each has where, family, table, chain, handle or number, the rule,
    how it matched, on which conditions, whose it is and of which jail.
  returned: success
  type: list
  elements: dict
filters:
  description: The packet filters that were read.
  returned: success
  type: list
  elements: str
jails:
  description: The jails that were asked.
  returned: success
  type: list
  elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._bans.args import daemon_spec, open_backend, targets_of
from ansible_collections.oncall.incident.plugins.module_utils._bans.trace import trace
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._firewall.filters import KINDS
from ansible_collections.oncall.incident.plugins.module_utils._firewall.tracer import left_behind, trace_time
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import run
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **daemon_spec(),
            "addresses": {"type": "list", "elements": "str", "required": True},
            "resolve": {"type": "bool", "default": False},
            "port": {"type": "int"},
            "protocol": {"type": "str", "choices": ["tcp", "udp"]},
            "bans": {"type": "bool", "default": True},
            "trace_for": {"type": "str", "default": ""},
            "verify": {"type": "list", "elements": "str", "choices": list(KINDS), "default": ["auto"]},
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        targets = targets_of(params["addresses"], resolve=params["resolve"])
        said = trace(
            targets, open_daemon=(lambda: open_backend(params)) if params["bans"] else None, run=run, verify=params["verify"],
            port=params["port"], protocol=params["protocol"], trace_for=0.0 if module.check_mode else trace_time(params["trace_for"]),
        )
        return {"changed": left_behind(said["trace"]), **said}, None

    leave(module, work)


if __name__ == "__main__":
    main()
