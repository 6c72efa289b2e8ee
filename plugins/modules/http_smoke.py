#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: http_smoke
short_description: Use an application as a test user does, and see whether it works
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Sends requests one after the other, such as a login and then a request with the token that it gave, and says as a verdict of the check
    C(smoke) whether all were answered as they should be. It stops at the first that is not, and names it.
  - What is sent and what is saved is never shown. Cookies are not kept.
  - An answer that is not the wanted one is C(critical). No answer is C(unknown) where it may be the way from who asks, as in
    M(oncall.incident.http_health).
  - It does what its requests do. Give it a user of its own, and requests that leave nothing behind.
  - In check mode nothing is sent, the check is C(unknown), and O(fail_on) does not fail.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.verdict
attributes:
  check_mode:
    support: full
    details:
      - Sends nothing, and says so.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - It asks the same every time. What the application makes of it is the application's.
options:
  asked:
    default: [smoke]
  fail_on:
    default: never
  steps:
    description: The requests, in their order.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: How people call it. Default is the method and the URL without its query.
        type: str
      url:
        description: The URL, without a user or password. C({NAME}) is what an earlier step has saved.
        type: str
        required: true
      connect_to:
        description:
          - Address, or C(ADDRESS:PORT), to connect to instead of the URL's. The name in C(Host) and TLS stays the URL's, so that one of
            several servers, or the one behind a proxy, is asked.
        type: str
      method:
        description: The method.
        type: str
        choices: [GET, HEAD, POST, PUT, PATCH, DELETE]
        default: GET
      headers:
        description: Further headers. Their values are never shown. C({NAME}) is what an earlier step has saved.
        type: dict
      status:
        description: Status codes that are good. Default is V(200).
        type: list
        elements: int
      body:
        description: A text that must be in the body.
        type: str
      body_regex:
        description: A regular expression of Python that must match in the body.
        type: str
      json:
        description:
          - What fields of a JSON body must be. The key is the names of the members, with dots between them; a number is an item of a list.
          - The value is what must be there, a list of what may be there, or a mapping of C(op) (V(==), V(!=), V(<), V(<=), V(>), V(>=),
            V(in), V(contains), V(matches), V(exists)) and C(value).
        type: dict
      send:
        description:
          - The body of the request, a text, or a mapping or list that is sent as JSON. It is never shown. C({NAME}) is what an earlier step
            has saved.
        type: raw
      save:
        description: What is kept of the answer for later steps. The key is a name, the value a field of the body as in O(steps[].json).
        type: dict
      max_time:
        description: How long one answer may take, redirects and body included.
        type: str
        default: 5s
      validate_certs:
        description: Whether the certificate must be valid.
        type: bool
        default: true
      ca:
        description: A PEM file of CAs, or a directory made by C(openssl rehash), on the host that asks. Default are the system's.
        type: path
  scope:
    description: Who asks, V(host) for the application's own host, V(controller) for another machine. The task must run there.
    type: str
    choices: [host, controller]
    default: host
  timeout:
    description: How long all steps may take.
    type: str
    default: 60s
seealso:
  - module: oncall.incident.http_health
"""

EXAMPLES = r"""
- name: Log in as a test user and read the orders
  oncall.incident.http_smoke:
    steps:
      - name: login
        url: https://shop.example.org/api/login
        method: POST
        send: {user: smoke, password: "{{ shop_smoke_password }}"}
        save: {token: data.access_token}
      - name: orders
        url: https://shop.example.org/api/orders
        headers: {Authorization: "Bearer {token}"}
        json: {count: {op: ">=", value: 0}}
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
  description: One C(smoke). C(detail.steps) has those that were asked, with status and seconds; C(detail.place) who asked.
  returned: success
  type: list
  elements: dict
  contains:
    observed:
      description: How many steps went well, or the first that did not and why.
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

import dataclasses
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core import ranges
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import answer, question_from, question_spec
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._probe.args import STEP, given
from ansible_collections.oncall.incident.plugins.module_utils._probe.decisions.smoke import CHECKS, steps_of
from ansible_collections.oncall.incident.plugins.module_utils._probe.smoke import look


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "steps": {"type": "list", "elements": "dict", "required": True, "options": STEP},
            "scope": {"type": "str", "choices": ["host", "controller"], "default": "host"},
            "timeout": {"type": "str", "default": "60s"},
            **question_spec(default=CHECKS),
        },
        supports_check_mode=True,
    )
    entries = given(module, "steps")
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        steps = steps_of(entries)
        timeout = ranges.read(params["timeout"], name="timeout")
        question = question_from(params, checks=CHECKS, default=CHECKS, what="The application")
        if module.check_mode:
            question = dataclasses.replace(question, wait=None, fail_on="never")
        return answer(question, lambda: look(
            steps, timeout=timeout, scope=params["scope"], for_real=not module.check_mode, asked=question.asked,
        ))

    leave(module, work)


if __name__ == "__main__":
    main()
