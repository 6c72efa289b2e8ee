#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall_remove
short_description: Remove rules that drop only one address
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Removes the rules, set entries and dead routes that somebody made by hand for one of the named addresses, and measures in the packet
    filter that they are gone.
  - Only what names exactly this address is removed, by an identity that no other rule has. Rules of broader networks, policies, and
    whatever fail2ban, ufw, firewalld, CrowdSec or Docker keep for themselves are left alone and named in RV(protected), with what a
    person can do.
  - Only what drops the address on its way to O(ports), or the answer on its way back, is touched. A rule of which nobody knows whether it
    applies stays, and so does an entry of a set that other rules use for something else than dropping.
  - A rule that a file brings back at the next boot is gone only until then.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.mitigates
  - oncall.incident.approved
options:
  addresses:
    description: Addresses and networks, IPv4 and IPv6, in any spelling.
    type: list
    elements: str
    required: true
  ports:
    description: Destination ports that matter. Empty is every one.
    type: list
    elements: int
    default: []
  protocol:
    description: Their protocol.
    type: str
    choices: [tcp, udp]
    default: tcp
  max_rules:
    description: How many rules may be removed, each copy of one counted. If there are more, nothing is done and the module fails.
    type: int
    default: 3
  spent:
    description: How much of O(max_rules) this run has used already.
    type: int
    default: 0
seealso:
  - module: oncall.incident.firewall_trace
  - module: oncall.incident.fail2ban_unban
"""

EXAMPLES = r"""
- name: Take back what somebody dropped by hand last night
  oncall.incident.firewall_remove:
    addresses: [192.0.2.7]
    ports: [443]
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/actions/1).
  returned: always
  type: str
changed:
  description: Whether a rule was removed. In check mode, whether it is planned.
  returned: always
  type: bool
actions:
  description:
    - One action per rule, and one for each approved rule that does not keep out O(addresses) any more. C(done) when the packet filter no
      longer has it, C(not_needed) when it was gone before, C(moved_on) when it is another one by now, C(refused) when it was not
      approved or with a limit exceeded, C(failed) or C(unknown) otherwise, which fails the task.
    - C(detail.why) says why in a word, C(detail.error) what the packet filter said.
  returned: when the packet filter could be read
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
      sample: 192.0.2.7 in host ip filter INPUT handle 4
limits:
  description: The limit.
  returned: success
  type: dict
protected:
  description: What else keeps the addresses out, why it was left alone, and what a person can do.
  returned: success
  type: list
  elements: dict
blocks:
  description: Everything that kept the addresses out before, each with its C(remedy).
  returned: success
  type: list
  elements: dict
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
from ansible_collections.oncall.incident.plugins.module_utils._core.acting import APPROVED_SPEC, read_approved
from ansible_collections.oncall.incident.plugins.module_utils._core.addresses import Span, parse_network
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.limits import Budget
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.rule_removal import VERB
from ansible_collections.oncall.incident.plugins.module_utils._firewall.filters import AUTO, read_filters
from ansible_collections.oncall.incident.plugins.module_utils._firewall.rule_removal import Wish, remove_rules
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import run
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "addresses": {"type": "list", "elements": "str", "required": True},
            "ports": {"type": "list", "elements": "int", "default": []},
            "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
            "max_rules": {"type": "int", "default": 3},
            "spent": {"type": "int", "default": 0},
            "approved": APPROVED_SPEC,
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        wish = Wish(
            targets={text: [Span.of(parse_network(text))] for text in params["addresses"]}, ports=params["ports"],
            protocol=params["protocol"], budget=Budget(max_count=params["max_rules"], spent=params["spent"]),
        )
        return remove_rules(
            wish, read=lambda: read_filters([AUTO], run=run), run=run, approved=read_approved(params["approved"]),
            check_mode=module.check_mode,
        )

    leave(module, work, verbs=(VERB,))


if __name__ == "__main__":
    main()
