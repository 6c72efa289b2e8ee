#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: access_health
short_description: Check whether addresses are let in or blocked
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Asks the daemon that bans and reads the packet filters, the ways of routing and hosts.deny, and checks each address against the expected
    state. It only reads, and sends no packet.
  - Judges one new connection from the address to each port, as the rules are now. Its first packet passes the hooks that it really passes,
    and the answer its own; routes, rules of routing and neighbours count. A published container's port is forwarded, a service of the host
    is not.
  - O(let_in) is C(ok) only where the packets surely pass, O(kept_out) only where they are surely dropped at every port. What the rules
    alone do not tell, such as a rate limit, is C(unknown), and the rule is named.
  - A line of hosts.deny counts for O(let_in) where the process that listens at the port has libwrap loaded and is meant. An sshd that
    reads it refuses surely; of other programs it is C(unknown) whether they ask.
  - A port counts as closed for O(kept_out) as well where each program that listens there surely asks hosts.deny and refuses the address.
  - The daemon's answer is never taken for the state of the packet filter.
  - Rules that were read are a model. With O(trace_for) it is measured as well, and the rule is named that dropped a real packet.
extends_documentation_fragment:
  - oncall.incident.fail2ban
  - oncall.incident.attributes
  - oncall.incident.attributes.traces
  - oncall.incident.attributes.read_only
  - oncall.incident.verdict
options:
  asked:
    description: >-
      Default is what the call names, C(daemon) unless O(daemon) is V(false), and C(traced) with O(trace_for)
      unless O(trace_when=undecided).
  fail_on:
    default: never
  let_in:
    description: Addresses and networks that must be let in, in any spelling.
    type: list
    elements: str
    default: []
  not_banned:
    description: Addresses and networks that must not be banned, whatever else blocks them.
    type: list
    elements: str
    default: []
  operators:
    description: Whether addresses that are logged in over SSH must not be banned either.
    type: bool
    default: false
  kept_out:
    description: Addresses and networks that must be blocked.
    type: list
    elements: str
    default: []
  resolve:
    description: Look up host names among them.
    type: bool
    default: false
  ports:
    description: >-
      Destination ports that O(let_in) and O(kept_out) are about. Empty is every one; of O(kept_out), those of the rules about the address,
      with a warning where nothing of this host listens at these.
    type: list
    elements: int
    default: []
  protocol:
    description: Their protocol.
    type: str
    choices: [tcp, udp]
    default: tcp
  daemon:
    description: Whether a daemon bans on this host. One that does not answer is critical.
    type: bool
    default: true
  trace_for:
    description:
      - How long packets that begin a connection from O(let_in) and O(kept_out) to O(ports) are traced, such as V(30s), while the person
        tries again. Empty disables it. It ends as soon as it is known what became of a packet of each to each port. At most ten
        minutes, and never in check mode.
      - With O(wait_for) each look traces for so long those whose packets are not known to come through.
      - See M(oncall.incident.firewall_trace) for what is in the kernel meanwhile; RV(trace) says so.
    type: str
    default: ""
  trace_when:
    description:
      - Which packets are traced. V(undecided) are those of whom the rules do not say whether they are let in or kept out; then
        C(traced) is not asked by itself, since C(let_in) and C(kept_out) stay unknown where nobody tried.
    type: str
    choices: [always, undecided]
    default: always
notes:
  - Needs root on most hosts.
  - The packet filter is that of the network namespace in which the module runs.
  - Outside the question are what stands between the two hosts, IPsec, programs of a control group, and whether the service answers.
    Programs at an interface (XDP, tc) are seen, and leave the answer C(unknown).
seealso:
  - module: oncall.incident.firewall_trace
  - module: oncall.incident.fail2ban_health
"""

EXAMPLES = r"""
- name: Measure that a colleague is let in again, for ten seconds without a break
  oncall.incident.access_health:
    let_in: [192.0.2.7]
    ports: [22, 443]
    wait_for:
      hold: 10s
      timeout: 1m

- name: Measure that an attacker is kept out, and nobody who is logged in
  oncall.incident.access_health:
    kept_out: [198.51.100.7]
    operators: true

- name: Name the rule that drops a packet of a colleague, who tries again meanwhile
  oncall.incident.access_health:
    let_in: [192.0.2.7]
    ports: [22]
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
    - C(daemon), and one C(let_in), C(not_banned) or C(kept_out) for each address.
    - C(detail.cause) of one that is not let in is C(fail2ban), C(route), C(hosts_deny) or C(firewall); C(detail.blocks) has every rule that
      keeps it out, with its C(remedy).
    - With O(trace_for) also C(traced) for each address of O(let_in) and O(kept_out), which says what became of its real packets. It is
      unknown where nobody tried. C(let_in) and C(kept_out) then go by the packets, and say so.
    - C(detail.walk) has what becomes of a connection to each port. C(outcome) is C(accepted), C(dropped) or C(undecided), C(by) the rule,
      policy or route that decides, C(way) C(back) where it is the answer that is dropped, C(unknown) what is not known of which rule.
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
  description: Whether all of RV(asked) are C(ok) or C(warning). Null when that could not be seen, or nothing was asked.
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
  description: Whether it stayed so for as long as it should.
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
trace:
  description:
    - Our C(object) in the kernel, how it C(ends) and when at the latest it C(expires), whether it is C(removed), and what could not be
      done (C(problem)).
  returned: with O(trace_for), null where nobody had to be traced
  type: dict
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
from ansible_collections.oncall.incident.plugins.module_utils._bans.access import Question, look
from ansible_collections.oncall.incident.plugins.module_utils._bans.args import daemon_spec, open_backend, targets_of
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.access import CHECKS
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import answer, question_from, question_spec
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.measured import CHECK as TRACED
from ansible_collections.oncall.incident.plugins.module_utils._firewall.tracer import trace_time
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import run
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **daemon_spec(),
            "let_in": {"type": "list", "elements": "str", "default": []},
            "not_banned": {"type": "list", "elements": "str", "default": []},
            "operators": {"type": "bool", "default": False},
            "kept_out": {"type": "list", "elements": "str", "default": []},
            "resolve": {"type": "bool", "default": False},
            "ports": {"type": "list", "elements": "int", "default": []},
            "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
            "daemon": {"type": "bool", "default": True},
            "trace_for": {"type": "str", "default": ""},
            "trace_when": {"type": "str", "choices": ["always", "undecided"], "default": "always"},
            **question_spec(),
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        wanted = Question(
            let_in=targets_of(params["let_in"], resolve=params["resolve"], name="let_in"),
            not_banned=targets_of(params["not_banned"], resolve=params["resolve"], name="not_banned"),
            kept_out=targets_of(params["kept_out"], resolve=params["resolve"], name="kept_out"),
            operators=params["operators"], ports=params["ports"], protocol=params["protocol"], daemon=params["daemon"],
            trace_for=0.0 if module.check_mode else trace_time(params["trace_for"]),
            trace_undecided=params["trace_when"] == "undecided",
        )
        question = question_from(params, checks=(*CHECKS, TRACED), default=wanted.named, what="Access")

        tracing = wanted.tracing(run)
        return answer(question, lambda: look(
            wanted, open_daemon=lambda: open_backend(params), run=run, asked=question.asked, tracing=tracing,
        ))

    leave(module, work)


if __name__ == "__main__":
    main()
