#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: alert_silence
short_description: Silence alerts in Alertmanager for a limited time, and end such silences
version_added: 0.2.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Makes a silence that ends by itself, with a comment that names the run and the person, and measures that it is active and that the
    alerts that fire and fit are suppressed. Which alerts fit is decided by Alertmanager itself.
  - It is a temporary change, and C(incident undo) takes it back. There is none without an end.
  - Matchers that fit every alert are refused. With more active alerts than O(max_alerts) nothing is done.
  - Where a silence with the same matchers is there, none is made beside it if it is one of ours, or lasts as long.
  - Speaks version 2 of the API (Alertmanager 0.16 or newer).
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.mitigates
  - oncall.incident.approved
options:
  url:
    description: URL of Alertmanager's start page, as the host that runs the module reaches it.
    type: str
    required: true
  state:
    description: V(present) makes a silence. V(absent) ends the ones that this collection has made with the same O(matchers).
    type: str
    choices: [present, absent]
    default: present
  matchers:
    description: Which alerts. One of them at least must say which value of a label is meant.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the label.
        type: str
        required: true
      value:
        description: Its value, or with O(matchers[].is_regex) a pattern that must fit all of it.
        type: str
        required: true
      is_regex:
        description: Whether O(matchers[].value) is a pattern.
        type: bool
        default: false
      is_equal:
        description: Whether it must fit. With V(false) it must not.
        type: bool
        default: true
  lasts:
    description: How long it lasts.
    type: str
    default: 1h
  until:
    description:
      - When it ends instead, by RFC 3339 in UTC, for the same end as something else. Not later than O(lasts) from now and a minute more.
    type: str
    default: ""
  reason:
    description: Why, for its comment.
    type: str
    default: Maintenance
  run:
    description:
      - The run for which it is made, for its comment.
      - With O(state=absent) only silences of this run are ended. Empty ends all that this collection has made.
    type: str
    default: ""
  who:
    description: The person, for its comment.
    type: str
    default: ""
  max_alerts:
    description: How many alerts may be suppressed that are active now. With more nothing is done, and the module fails.
    type: int
    default: 20
  secret_header:
    description: A header that is sent with each request, as V(Authorization: Bearer ...). It is in no output.
    type: str
    default: ""
  validate_certs:
    description: Whether Alertmanager's certificate must be valid.
    type: bool
    default: true
  timeout:
    description: How long all of it may take.
    type: str
    default: 30s
  change:
    description:
      - An earlier action of this module whose silence is ended, as its record has it.
      - It is left alone where somebody has changed its end since.
    type: dict
seealso:
  - module: oncall.incident.in_force
"""

EXAMPLES = r"""
- name: Silence the shop's alerts for half an hour
  oncall.incident.alert_silence:
    url: http://127.0.0.1:9093
    matchers:
      - name: service
        value: shop
    lasts: 30m
    reason: Its database is restored.
    max_alerts: 5

- name: End what was silenced so
  oncall.incident.alert_silence:
    url: http://127.0.0.1:9093
    state: absent
    matchers:
      - name: service
        value: shop
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/actions/1).
  returned: success
  type: str
changed:
  description: Whether a silence was made or ended. In check mode, whether it is planned.
  returned: always
  type: bool
actions:
  description:
    - C(silence_alerts), or one C(end_silence) for each silence. C(done) when it was read back and suppresses the alerts that fire, or is
      over. C(not_needed) when another one does it, or it was over before. C(moved_on) when somebody has changed it.
    - C(target.active_alerts) is how many alerts it suppresses. C(detail.silence) is its id. C(detail.why) says why in a word.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Identity of the action, to be compared with an approved one; never to be taken apart.
      type: str
    resource:
      description: The Alertmanager.
      type: str
    identity:
      description: What identifies the target on it. With C(verb) and C(resource) it makes C(id).
      type: dict
    name:
      description: The target in words.
      type: str
      sample: service="shop" for 30m, 2 active alerts
    temporary:
      description: When it ends, and by what it is undone.
      returned: with O(state=present)
      type: dict
limits:
  description: The limit.
  returned: success
  type: dict
protected:
  description: Always empty.
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
from ansible_collections.oncall.incident.plugins.module_utils._core import ranges
from ansible_collections.oncall.incident.plugins.module_utils._core.acting import APPROVED_SPEC, read_approved
from ansible_collections.oncall.incident.plugins.module_utils._core.deadline import Deadline
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._maintenance.alertmanager import Alertmanager, checked_end
from ansible_collections.oncall.incident.plugins.module_utils._maintenance.decisions.silences import VERBS, Made, Order, read_matchers
from ansible_collections.oncall.incident.plugins.module_utils._maintenance.silencing import made_by, silence
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "matchers": {"type": "list", "elements": "dict", "default": [], "options": {
                "name": {"type": "str", "required": True},
                "value": {"type": "str", "required": True},
                "is_regex": {"type": "bool", "default": False},
                "is_equal": {"type": "bool", "default": True},
            }},
            "lasts": {"type": "str", "default": "1h"},
            "until": {"type": "str", "default": ""},
            "reason": {"type": "str", "default": "Maintenance"},
            "run": {"type": "str", "default": ""},
            "who": {"type": "str", "default": ""},
            "max_alerts": {"type": "int", "default": 20},
            "secret_header": {"type": "str", "default": "", "no_log": True},
            "validate_certs": {"type": "bool", "default": True},
            "timeout": {"type": "str", "default": "30s"},
            "change": {"type": "dict"},
            "approved": APPROVED_SPEC,
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        server = Alertmanager(
            params["url"], header=params["secret_header"], validate_certs=params["validate_certs"],
            clock=Deadline(ranges.read(params["timeout"], name="timeout")),
        )
        order, made, ends = None, None, 0.0
        if params["change"] is not None:
            made = made_by(params["change"])
        elif params["state"] == "absent":
            made = Made(matchers=read_matchers(params["matchers"]), run=params["run"])
        else:
            seconds = ranges.read(params["lasts"], name="lasts")
            ends = checked_end(params["until"], seconds=seconds)
            order = Order(
                read_matchers(params["matchers"]), seconds, reason=params["reason"], run=params["run"], who=params["who"],
                most=params["max_alerts"],
            )
        approved = read_approved(params["approved"])
        return silence(server, order=order, made=made, ends=ends, approved=approved, check_mode=module.check_mode)

    leave(module, work, verbs=VERBS)


if __name__ == "__main__":
    main()
