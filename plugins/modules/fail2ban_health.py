#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fail2ban_health
short_description: Check fail2ban or CrowdSec, and whether their bans reach the packet filter
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Says whether the daemon answers, which jails it has and how many they ban, whether every ban has its rule in the packet filter, whether
    rules are left of bans that are over, and whether the logs that the jails read are there. It only reads.
  - A daemon that does not run or hangs is a critical finding. The module fails where it may not look.
extends_documentation_fragment:
  - oncall.incident.fail2ban
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.verdict
options:
  asked:
    default: [server, jails, bans, jail_log, database, ban_rules, leftover_rules]
  fail_on:
    default: never
  expected_jails:
    description: Jails that must be there.
    type: list
    elements: str
    default: []
  warning_bans:
    description: Number of bans that is a warning. No number is one unless said.
    type: int
  verify:
    description: Packet filters to compare with. An empty list compares with none.
    type: list
    elements: str
    choices: [auto, nftables, ipset, iptables, firewalld, hosts_deny, route]
    default: [auto]
seealso:
  - module: oncall.incident.fail2ban_unban
"""

EXAMPLES = r"""
- name: Look at fail2ban
  oncall.incident.fail2ban_health:
    expected_jails: [sshd]
  register: fail2ban
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
  description: The checks C(server), C(jails), C(bans), C(jail_log), C(database), C(ban_rules) and C(leftover_rules).
  returned: success
  type: list
  elements: dict
skipped_checks:
  description: What could not be judged, and why.
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
held:
  description: Whether the awaited checks were good for as long as they should.
  returned: with O(wait_for)
  type: bool
waited:
  description: How long was waited, in seconds.
  returned: with O(wait_for)
  type: float
polls:
  description: How often was looked.
  returned: with O(wait_for)
  type: int
history:
  description: The status of each awaited check whenever one changed.
  returned: with O(wait_for)
  type: list
  elements: dict
not_recovered:
  description: Why it is not called recovered. Empty when it is.
  returned: with O(wait_for)
  type: str
jails:
  description: The jails with their bans, actions and logs; C(recidive) tells those for repeat offenders.
  returned: success
  type: list
  elements: dict
count:
  description: How many bans there are in all jails.
  returned: success
  type: int
backend:
  description: The daemon, its version, and how it was reached.
  returned: success
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
from ansible_collections.oncall.incident.plugins.module_utils._bans.args import daemon_spec, open_backend
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.health import CHECKS, DaemonSeen, decide
from ansible_collections.oncall.incident.plugins.module_utils._bans.health import look_at_daemon, unreachable
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import CannotReach, IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import answer, question_from, question_spec
from ansible_collections.oncall.incident.plugins.module_utils._firewall.filters import KINDS
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import run
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **daemon_spec(),
            "expected_jails": {"type": "list", "elements": "str", "default": []},
            "warning_bans": {"type": "int"},
            "verify": {"type": "list", "elements": "str", "choices": list(KINDS), "default": ["auto"]},
            **question_spec(default=CHECKS),
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        question = question_from(params, checks=CHECKS, default=CHECKS, what="The daemon")
        return answer(question, lambda: decide(look(params), tuple(params["expected_jails"]), params["warning_bans"], question.asked))

    leave(module, work)


def look(params: t.Mapping[str, t.Any]) -> DaemonSeen:
    """One look, over a connection of its own."""
    try:
        backend = open_backend(params)
    except CannotReach as exc:
        return unreachable(exc)
    try:
        return look_at_daemon(backend, run=run, verify=params["verify"])
    except CannotReach as exc:
        return unreachable(exc)
    finally:
        backend.close()


if __name__ == "__main__":
    main()
