#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fail2ban_unban
short_description: Lift bans of fail2ban or CrowdSec, and measure that the packet filter lets the address in
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Finds the bans of addresses and networks in any spelling, lifts them in the spelling that the daemon stores, and measures before and
    after at the daemon, its database and the packet filter itself. fail2ban's own client answers the number of bans that it forgot, also
    when the rule stays since its action failed, and C(0) for a banned address that is spelt differently.
  - Speaks the fail2ban server's own socket protocol (0.11 to 1.1). Nothing of an answer is imported or executed, and fail2ban need not be
    there for the Python that runs the module.
extends_documentation_fragment:
  - oncall.incident.fail2ban
  - oncall.incident.attributes
  - oncall.incident.attributes.mitigates
  - oncall.incident.approved
options:
  addresses:
    description:
      - Addresses and networks, IPv4 and IPv6, in any spelling. An IPv4 address written as IPv6 is the IPv4 one.
      - A network means the ban of exactly this network; O(members_of) is for the bans inside one.
    type: list
    elements: str
    default: []
  jails:
    description:
      - Jails to look at. Every one unless said, the jails for repeat offenders too, which are told apart in RV(jails) and RV(before).
      - For V(crowdsec) the scenarios of its decisions.
    type: list
    elements: str
    default: []
  resolve:
    description: Look up host names in O(addresses) and lift the bans of all their addresses. Without it a host name is an error.
    type: bool
    default: false
  covering:
    description:
      - What to do about an address that is inside a banned network.
      - V(report) leaves the network banned and says so, V(remove) lifts the whole network's ban, V(fail) fails before anything is changed.
    type: str
    choices: [report, remove, fail]
    default: report
  members_of:
    description: Networks of which every ban inside is lifted, within O(max_entries).
    type: list
    elements: str
    default: []
  max_entries:
    description: How many bans O(members_of) may find. If there are more, nothing is done and the module fails.
    type: int
    default: 20
  max_victims:
    description: How many bans a run may lift. If there are more, nothing is done and the module fails.
    type: int
    default: 1000
  spent:
    description: How much of O(max_victims) this run has used already.
    type: int
    default: 0
  confirm_all:
    description:
      - Lift every ban of O(jails). The value is how many there are, counted by the caller (RV(count)); another number fails and names the
        right one.
    type: int
  verify:
    description:
      - Packet filters to measure. V(auto) is every one on this host; it fails before anything is changed where none can be read.
      - An empty list measures the daemon and its database alone.
      - What V(ufw) and V(firewalld) make is seen as the rules of V(nftables) and V(iptables) that it becomes.
    type: list
    elements: str
    choices: [auto, nftables, ipset, iptables, firewalld, hosts_deny, route]
    default: [auto]
  repair:
    description:
      - Take out a rule that stays although the daemon has let the address go. A rule or a set's member that carries fail2ban's own name and
        is about exactly this address is removed; for others the address is banned and unbanned again, so that the daemon's own action
        runs once more.
    type: bool
    default: false
  hold:
    description:
      - For how long the affected jails are to ignore the address, so that its log does not have it banned again within seconds.
      - A systemd timer that lifts the hold is made first. Where none can be made the module fails before anything is changed.
      - A reload of fail2ban wipes the hold. Between V(10s) and V(24h). Not for CrowdSec.
    type: str
  change:
    description:
      - Takes back what was done for a while, in place of O(addresses). An action of this module with O(hold), or of
        M(oncall.incident.fail2ban_ban), as its record has it.
      - A hold's entry leaves the ignore list, and its timer ends with the last of its entries. A ban is lifted as long as it is the one
        that was made; one that was made since is left alone.
    type: dict
  observe:
    description: For how long the daemon is watched afterwards, in case it bans again.
    type: str
    default: 3s
notes:
  - Needs root on most hosts, for the socket as well as for the packet filter.
  - The packet filter is that of the network namespace in which the module runs.
seealso:
  - module: oncall.incident.fail2ban_ban
  - module: oncall.incident.fail2ban_health
  - module: oncall.incident.firewall_trace
"""

EXAMPLES = r"""
- name: Let a colleague in again, and keep fail2ban from banning the address again at once
  oncall.incident.fail2ban_unban:
    addresses: [203.0.113.7, "2001:db8::7"]
    hold: 15m
  register: let_in

- name: End a hold before its timer does
  oncall.incident.fail2ban_unban:
    change: "{{ let_in.actions[0] }}"

- name: Lift an office's bans, and take out rules that failed to go
  oncall.incident.fail2ban_unban:
    members_of: [198.51.100.0/24]
    max_entries: 50
    repair: true
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/actions/1).
  returned: success
  type: str
changed:
  description: Whether a ban, a rule or an ignore list is another than before. In check mode, whether that is planned.
  returned: always
  type: bool
actions:
  description:
    - One action per ban, one per address that nothing bans, and one for each approved ban that is gone or is another one by now.
      C(detail.state) is C(unbanned), C(not_banned), C(covered_by),
      C(still_filtered), C(banned_again), C(still_banned), C(still_in_database) or C(not_measured), where the jail's set could not be
      read; the last five fail the task.
    - C(detail.why) says why in a word, C(detail.error) in a sentence. Without the hold that was asked for nothing is lifted
      (C(not_tried)).
    - C(detail.ban) is the evidence of why. C(detail.also_blocked_by) lists rules of others that keep the address out.
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
  description: Always empty.
  returned: when the daemon answered
  type: list
  elements: dict
before:
  description: >-
    The bans concerned before: jail, address, when, for how long, when it ends, whether it is permanent, how it matched, whether the jail is
    one for repeat offenders, how often, and the last lines of the log that led to it.
  returned: when the daemon answered
  type: list
  elements: dict
after:
  description: Those of them that are there afterwards.
  returned: when the daemon answered
  type: list
  elements: dict
unbanned:
  description: The jail and address of each ban that the daemon no longer has.
  returned: when the daemon answered
  type: list
  elements: dict
jails:
  description: The jails looked at, with how many bans they had before and after, and whether they are for repeat offenders.
  returned: when the daemon answered
  type: list
  elements: dict
count:
  description: How many bans there were in all jails.
  returned: when the daemon answered
  type: int
hold:
  description: >-
    The hold that was made, its timer's unit, its end, and what wipes it. C(replaced) are the timers of earlier holds that it has taken
    over; C(ends_with) of an address that was ignored already is the earlier timer that ends that.
  returned: when the daemon answered
  type: dict
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
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.unbanning import COVERINGS, END_HOLD, REPORT, VERB, Wish
from ansible_collections.oncall.incident.plugins.module_utils._bans.unban import Order, unban
from ansible_collections.oncall.incident.plugins.module_utils._core.acting import APPROVED_SPEC, read_approved
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput, IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._firewall.filters import KINDS
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import run
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **daemon_spec(),
            "addresses": {"type": "list", "elements": "str", "default": []},
            "jails": {"type": "list", "elements": "str", "default": []},
            "resolve": {"type": "bool", "default": False},
            "covering": {"type": "str", "choices": list(COVERINGS), "default": REPORT},
            "members_of": {"type": "list", "elements": "str", "default": []},
            "max_entries": {"type": "int", "default": 20},
            "max_victims": {"type": "int", "default": 1000},
            "spent": {"type": "int", "default": 0},
            "confirm_all": {"type": "int"},
            "verify": {"type": "list", "elements": "str", "choices": list(KINDS), "default": ["auto"]},
            "repair": {"type": "bool", "default": False},
            "hold": {"type": "str"},
            "observe": {"type": "str", "default": "3s"},
            "change": {"type": "dict"},
            "approved": APPROVED_SPEC,
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        change = None if params["change"] is None else Action.from_dict(params["change"])
        if change is not None and (params["addresses"] or params["members_of"] or params["confirm_all"] is not None or params["hold"]):
            raise BadInput("change does not go with addresses, members_of, confirm_all or hold.", hint="Give it alone.", argument="change")
        wish = Wish(targets={}) if change is not None else wish_from(params)
        order = Order(
            jails=tuple(params["jails"]), verify=tuple(params["verify"]), observe=parse_duration(params["observe"], name="observe"),
            repair=params["repair"], hold=None if params["hold"] is None else parse_duration(params["hold"], name="hold"),
            client_command=tuple(params["client_command"] or ()),
        )
        approved = read_approved(params["approved"])
        backend = open_backend(params)
        try:
            if change is not None:
                # Letting somebody in need not load it.
                from ansible_collections.oncall.incident.plugins.module_utils._bans.undoing import undo

                return undo(backend, change, order, run=run, approved=approved, check_mode=module.check_mode)
            return unban(backend, wish, order, run=run, approved=approved, check_mode=module.check_mode)
        finally:
            backend.close()

    leave(module, work, verbs=(VERB, END_HOLD))


def wish_from(params: t.Mapping[str, t.Any]) -> Wish:
    """What the arguments ask for; every address is checked before the daemon is asked anything."""
    named = bool(params["addresses"] or params["members_of"])
    if named == (params["confirm_all"] is not None):
        raise BadInput(
            "addresses and members_of are empty." if not named else "confirm_all does not go with addresses or members_of.",
            hint="Name what to unban. Every ban is lifted only by confirm_all, which says how many there are.", argument="addresses",
        )
    members = targets_of(params["members_of"], resolve=False, name="members_of")
    return Wish(
        targets=targets_of(params["addresses"], resolve=params["resolve"]), members_of=[one for found in members.values() for one in found],
        covering=params["covering"], max_entries=params["max_entries"], max_victims=params["max_victims"], spent=params["spent"],
        confirm_all=params["confirm_all"],
    )


if __name__ == "__main__":
    main()
