#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_client_kill
short_description: End idle or stuck clients of a Redis server, within limits
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Ends the worst clients, those with the biggest output buffers first, then those idle the longest, as many as the limits allow. Each
    is ended by its id, which is never used twice, is looked at again right before, and is measured to be gone.
  - Never ended are our own connection and other runs of ours, replicas, the primary, Sentinels, clients that wait in a blocking command,
    and subscribers unless O(include_pubsub).
extends_documentation_fragment:
  - oncall.incident.redis
  - oncall.incident.attributes
  - oncall.incident.attributes.mitigates
  - oncall.incident.attributes.redis
  - oncall.incident.approved
options:
  min_idle:
    description: Clients without a command for this long may be ended. Empty takes nobody for being idle.
    type: str
    default: 5m
  min_output_bytes:
    description: Clients whose output buffer holds so many bytes may be ended. V(0) takes nobody for it.
    type: int
    default: 33554432
  max_victims:
    description: How many clients may be ended. The worst are taken, the others are left alone.
    type: int
    default: 10
  max_percent:
    description: The same as a share of all clients, in percent. At least one is allowed by it, if it is not 0.
    type: float
    default: 25
  spent:
    description: How much of O(max_victims) this run has used already.
    type: int
    default: 0
  include_pubsub:
    description: Whether subscribers may be ended. To be idle is what they do.
    type: bool
    default: false
  protect_names:
    description: Beginnings of connection names (C(CLIENT SETNAME)) that are never ended, whatever their case.
    type: list
    elements: str
    default: []
  protect_users:
    description: ACL users whose connections are never ended.
    type: list
    elements: str
    default: []
  protect_addresses:
    description: Beginnings of addresses that are never ended, for example V(192.0.2.7:).
    type: list
    elements: str
    default: []
  verify_timeout:
    description: How long to wait until a client is gone.
    type: str
    default: 5s
  connect_retry:
    description:
      - How long to try again while the server takes no more connections, since clients come and go.
      - V(0) tries once.
    type: str
    default: 15s
seealso:
  - module: oncall.incident.redis_repair
"""

EXAMPLES = r"""
- name: Make room for others
  oncall.incident.redis_client_kill:
    login_host: cache1.example.org
    login_user: incident
    login_password: "{{ incident_password }}"
    min_idle: 10m
    max_victims: 20
    protect_names: [worker]
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/actions/1).
  returned: always
  type: str
changed:
  description: Whether a client was really ended. In check mode whether one would be.
  returned: always
  type: bool
actions:
  description:
    - One per chosen client, and one for each approved client that is not chosen any more. C(gone) when it was ended and measured to have
      left, C(not_needed) when it left by itself, C(moved_on) when it is active again or protected now, C(refused) when it is not approved
      or beyond the limits. C(still_running), C(not_permitted), C(failed) and C(unknown) fail the task. When the server falls silent, the
      clients that were not reached are C(failed).
    - C(detail.why) says why in a word, C(detail.error) in a sentence, or as the server said it.
  returned: success
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
      sample: 'client 7 192.0.2.4:5123 (worker)'
population:
  description: How many clients there are beside ourselves.
  returned: success
  type: int
left_alone:
  description: How many candidates the limits left alone.
  returned: success
  type: int
protected:
  description:
    - Clients that are never ended, why, and whether the rule would have taken them. Those beyond the limits are C(over_limit).
    - At most 100, those first that the rule would have taken.
  returned: success
  type: list
  elements: dict
limits:
  description: The limits that applied.
  returned: success
  type: dict
error:
  description: What kind of failure it is.
  returned: failure
  type: str
hint:
  description: On failure what to do about it.
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
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._redis.args import connection_spec
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.clients import VERB
from ansible_collections.oncall.incident.plugins.module_utils._redis.killing import kill, request_from


def main() -> None:
    names = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            **connection_spec(),
            "min_idle": {"type": "str", "default": "5m"},
            "min_output_bytes": {"type": "int", "default": 33554432},
            "max_victims": {"type": "int", "default": 10},
            "max_percent": {"type": "float", "default": 25},
            "spent": {"type": "int", "default": 0},
            "include_pubsub": {"type": "bool", "default": False},
            "protect_names": dict(names),
            "protect_users": dict(names),
            "protect_addresses": dict(names),
            "verify_timeout": {"type": "str", "default": "5s"},
            "connect_retry": {"type": "str", "default": "15s"},
            "approved": APPROVED_SPEC,
        },
        supports_check_mode=True,
    )

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        request = request_from(module.params)
        return kill(module.params, request, approved=read_approved(module.params["approved"]), check_mode=module.check_mode)

    leave(module, work, verbs=(VERB,))


if __name__ == "__main__":
    main()
