#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: app_health
short_description: Check whether an application answers on its health URLs
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Asks the health URLs of an application by GET, all at once, and says whether it is well, as a verdict of the check C(application).
  - An answer with another status than O(status_code) is C(critical). No answer at all is C(unknown), since it may be the way from
    who asks.
  - Redirects are followed. The body is not read.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.verdict
options:
  asked:
    default: [application]
  fail_on:
    default: never
  urls:
    description: The URLs.
    type: list
    elements: str
    required: true
  status_code:
    description: Status codes that are good.
    type: list
    elements: int
    default: [200]
  timeout:
    description: How long one answer may take.
    type: str
    default: 10s
  validate_certs:
    description: Whether the certificate must be valid.
    type: bool
    default: true
seealso:
  - module: oncall.incident.port_health
"""

EXAMPLES = r"""
- name: See whether the shop says that it is well
  oncall.incident.app_health:
    urls: [https://shop.example.org/health]

- name: Wait until it does, for a minute
  oncall.incident.app_health:
    urls: [https://shop.example.org/health]
    status_code: [200, 204]
    wait_for:
      hold: 10s
      timeout: 1m
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
  description: One C(application) for each URL, which is its C(subject).
  returned: success
  type: list
  elements: dict
  contains:
    observed:
      description: The status code, or why there was no answer.
      type: raw
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
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import answer, question_from, question_spec
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._probe.decisions.urls import CHECK, Wanted
from ansible_collections.oncall.incident.plugins.module_utils._probe.urls import look

CHECKS = (CHECK,)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "urls": {"type": "list", "elements": "str", "required": True},
            "status_code": {"type": "list", "elements": "int", "default": [200]},
            "timeout": {"type": "str", "default": "10s"},
            "validate_certs": {"type": "bool", "default": True},
            **question_spec(default=CHECKS),
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        wanted = Wanted.of(
            params["urls"], expected=params["status_code"], timeout=parse_duration(params["timeout"], name="timeout"),
            validate_certs=params["validate_certs"],
        )
        question = question_from(params, checks=CHECKS, default=CHECKS, what="The application")
        return answer(question, lambda: look(wanted, asked=question.asked))

    leave(module, work)


if __name__ == "__main__":
    main()
