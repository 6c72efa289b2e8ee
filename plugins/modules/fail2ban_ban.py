#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fail2ban_ban
short_description: Ban addresses with fail2ban or CrowdSec, never an operator's
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Bans addresses and networks within a limit, and measures at the daemon and at the packet filter that they are kept out.
  - Never bans whoever is logged in to the host by SSH, or came by SSH to do this (C(SSH_CONNECTION), also of the processes that led to the
    module), what O(never_ban) names, the host's own addresses, its gateways and name servers, the loopback, and what the jail ignores.
    Where neither a session nor O(never_ban) says who the operators are, nobody is banned and the module fails.
  - A connection to sshd that has not logged in is not a session, since those who try passwords hold such connections.
  - A ban whose rule is gone from the packet filter, since somebody flushed it, is lifted and made again, so that it is kept from then on.
    That is done where the jail's action is one of fail2ban's that write rules on this host, and every packet filter could be read.
extends_documentation_fragment:
  - oncall.incident.fail2ban
  - oncall.incident.attributes
  - oncall.incident.attributes.mitigates
  - oncall.incident.approved
options:
  addresses:
    description:
      - Addresses and networks, in any spelling. Networks wider than /16 (IPv6 /32) are never banned. May be empty with O(repair).
      - fail2ban can drop a network only where the jail's action can. Where it is banned and nothing drops it, the ban is taken back.
    type: list
    elements: str
    required: true
  jail:
    description: Jail of fail2ban that bans them. For V(crowdsec) it is the reason of the decision.
    type: str
    required: true
  bantime:
    description:
      - For how long. fail2ban has no ban time for one address, so for V(fail2ban) another time than the jail's is refused.
      - For V(crowdsec) the duration of the decision, V(4h) unless said.
    type: str
  max_victims:
    description: How many may be banned. If there are more, nobody is and the module fails, unless O(over_limit) says otherwise.
    type: int
    default: 10
  over_limit:
    description:
      - What to do when more are to be banned than may be. V(fail) bans nobody. V(leave) bans the first ones in the order of
        O(addresses) and names the rest in RV(protected).
      - Addresses that are protected or already banned do not count.
    type: str
    choices: [fail, leave]
    default: fail
  spent:
    description: How much of O(max_victims) this run has used already.
    type: int
    default: 0
  never_ban:
    description: Addresses and networks that are never banned. An address or network that shares one of theirs is spared.
    type: list
    elements: str
    default: []
  allow_private:
    description: Whether private networks (RFC 1918 and the like) may be banned.
    type: bool
    default: false
  repair:
    description:
      - Whether every ban of O(jail) is made again whose rule is gone from the packet filter, beside O(addresses) and within the same limit.
      - Those who must not be banned are not banned again. For V(fail2ban) alone.
    type: bool
    default: false
  verify:
    description:
      - Packet filters to measure. V(auto) is every one on this host; it fails before anybody is banned where none can be read.
      - An empty list measures the daemon alone, for jails that filter elsewhere.
    type: list
    elements: str
    choices: [auto, nftables, ipset, iptables, firewalld, hosts_deny, route]
    default: [auto]
notes:
  - Needs root on most hosts, for the socket as well as for the sessions of others.
seealso:
  - module: oncall.incident.fail2ban_unban
  - module: oncall.incident.failed_logins
"""

EXAMPLES = r"""
- name: Ban the worst of those who try passwords
  oncall.incident.fail2ban_ban:
    addresses: "{{ logins.worst | map(attribute='address') }}"
    jail: sshd
    max_victims: 5
    never_ban: [203.0.113.0/28]
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/actions/1).
  returned: success
  type: str
changed:
  description: Whether somebody was banned. In check mode, whether it is planned.
  returned: always
  type: bool
actions:
  description:
    - One action per address that is not spared, and one for each approved address that is. C(detail.state) is C(banned),
      C(already_banned), C(not_filtered), C(let_in) where its rule is there and another one lets the address in before, C(not_banned), or
      C(not_measured) where the packet filter could not be read. The last four fail the task; a C(planned) action that is
      C(not_filtered) is a ban that is to be made again.
    - C(detail.why) says why in a word, such as C(protected) for an address that an operator has come from meanwhile, C(detail.error) in a
      sentence.
  returned: when the daemon answered
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
      sample: 192.0.2.7 in sshd
limits:
  description: The limits.
  returned: when the daemon answered
  type: dict
protected:
  description: >-
    Who was spared, and why. Reasons are C(operator), C(never_ban), C(own_address), C(gateway), C(resolver), C(ignored_by_jail),
    C(loopback), C(special), C(too_wide) and C(private), and C(over_limit) for those that O(over_limit=leave) left.
  returned: when the daemon answered
  type: list
  elements: dict
operators:
  description: The addresses of operators that were found or named.
  returned: when the daemon answered
  type: list
  elements: str
before:
  description: The bans of these addresses before.
  returned: when the daemon answered
  type: list
  elements: dict
after:
  description: The bans of these addresses afterwards.
  returned: when the daemon answered
  type: list
  elements: dict
backend:
  description: The daemon, its version, and how it was reached.
  returned: when the daemon answered
  type: dict
filters:
  description: Which packet filters were read, and which could not be.
  returned: when the daemon answered
  type: dict
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
from ansible_collections.oncall.incident.plugins.module_utils._bans.args import daemon_spec, open_backend, targets_of
from ansible_collections.oncall.incident.plugins.module_utils._bans.ban import Order, ban
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.banning import VERB
from ansible_collections.oncall.incident.plugins.module_utils._bans.operators import named
from ansible_collections.oncall.incident.plugins.module_utils._core.acting import APPROVED_SPEC, read_approved
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.limits import Budget
from ansible_collections.oncall.incident.plugins.module_utils._firewall.filters import KINDS
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import run
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **daemon_spec(),
            "addresses": {"type": "list", "elements": "str", "required": True},
            "jail": {"type": "str", "required": True},
            "bantime": {"type": "str"},
            "max_victims": {"type": "int", "default": 10},
            "over_limit": {"type": "str", "choices": ["fail", "leave"], "default": "fail"},
            "spent": {"type": "int", "default": 0},
            "never_ban": {"type": "list", "elements": "str", "default": []},
            "allow_private": {"type": "bool", "default": False},
            "repair": {"type": "bool", "default": False},
            "verify": {"type": "list", "elements": "str", "choices": list(KINDS), "default": ["auto"]},
            "approved": APPROVED_SPEC,
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        targets = targets_of(params["addresses"], resolve=False)
        order = Order(
            targets=tuple(network for found in targets.values() for network in found), jail=params["jail"],
            seconds=None if params["bantime"] is None else parse_duration(params["bantime"], name="bantime"),
            budget=Budget(max_count=params["max_victims"], spent=params["spent"]), never_ban=tuple(named(params["never_ban"])),
            allow_private=params["allow_private"], verify=tuple(params["verify"]),
            leave_rest=params["over_limit"] == "leave", repair=params["repair"],
        )
        approved = read_approved(params["approved"])
        backend = open_backend(params)
        try:
            return ban(backend, order, run=run, approved=approved, check_mode=module.check_mode)
        finally:
            backend.close()

    leave(module, work, verbs=(VERB,))


if __name__ == "__main__":
    main()
