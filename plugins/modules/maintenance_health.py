#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance_health
short_description: Check whether maintenance is on, whose it is, and what users see of it
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Reads the flag that M(oncall.incident.maintenance_switch) makes, and asks URLs as users, operators and a balancer do.
  - In maintenance the public URL answers 503 with C(Retry-After), the health URL as before, and the operators' way in as ever. Without
    maintenance each answers as it should.
  - Of an API (O(api)) the answers from outside say whether maintenance is on, since an API that answers 200 may do nothing.
  - It only reads.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.verdict
options:
  fail_on:
    default: never
  path:
    description: Absolute path of the flag, or of the note beside an API.
    type: str
    required: true
  wanted:
    description: What must be so. V(as_is) takes either, and all must fit it; maintenance that is on is a warning then.
    type: str
    choices: ["on", "off", as_is]
    default: as_is
  api:
    description: Whether the application's own API switches it, and O(path) only says whose it is.
    type: bool
    default: false
  public:
    description: What users ask. Entries as of O(ignore:probes) of M(oncall.incident.http_health).
    type: list
    elements: dict
    required: true
    suboptions: &probe
      url:
        description: The URL.
        type: str
        required: true
      name:
        description: How findings call it. By default its URL without the query.
        type: str
      connect_to:
        description: Address, or C(ADDRESS:PORT), to connect to instead of the URL's.
        type: str
      method:
        description: The method.
        type: str
        choices: [GET, HEAD]
        default: GET
      headers:
        description: Headers that are sent. Their values are in no output.
        type: dict
      status:
        description: Status codes that are good without maintenance. By default 200.
        type: list
        elements: int
      body:
        description: A text that must be in the body.
        type: str
      body_regex:
        description: A regular expression that must be found in the body.
        type: str
      json:
        description: What fields of the body must be.
        type: dict
      max_time:
        description: How long the answer may take.
        type: str
        default: 5s
      warn_time:
        description: Not used here.
        type: str
        default: 2s
      validate_certs:
        description: Whether the certificate must be valid.
        type: bool
        default: true
      ca:
        description: A file or directory of CAs.
        type: path
      scope:
        description: Who asks; V(host) alone.
        type: str
        default: host
      websocket:
        description: Ask for a WebSocket.
        type: bool
        default: false
      dependencies:
        description: Not used here.
        type: list
        elements: str
        default: []
  health:
    description: What must answer as before, such as what a balancer asks, or another feature's page.
    type: list
    elements: dict
    default: []
    suboptions: *probe
  bypass:
    description: What operators ask to look behind the maintenance page, such as with a header of their own.
    type: list
    elements: dict
    default: []
    suboptions: *probe
  timeout:
    description: How long all of it may take.
    type: str
    default: 30s
seealso:
  - module: oncall.incident.maintenance_switch
  - module: oncall.incident.http_health
"""

EXAMPLES = r"""
- name: See whether maintenance is on, and looks as it should
  oncall.incident.maintenance_health:
    path: /var/lib/shop/maintenance.on
    public:
      - url: https://shop.example.org/
    health:
      - url: https://shop.example.org/health
    bypass:
      - url: https://shop.example.org/
        name: operators
        headers:
          X-Operator: "{{ shop_operator_key }}"
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
    - C(maintenance_switch), whether it is on and whose it is, and one C(public_answer), C(health_answer) or C(bypass_answer) for each URL,
      whose C(subject) is its name.
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
  description: Whether all of RV(asked) are C(ok). Null when that could not be seen.
  returned: success
  type: bool
"on":
  description: Whether maintenance is on. Null when that could not be seen.
  returned: success
  type: bool
whose:
  description: Since when, until when, and whose it is, in words. Empty when it is not on.
  returned: success
  type: str
note:
  description: What the file says, C(there), C(mark), C(run), C(who), C(since), C(until), C(statuses) and C(change).
  returned: success
  type: dict
statuses:
  description: The status that each URL answered, by its name. Null where there was no answer.
  returned: success
  type: dict
no_answer:
  description: The names of the URLs that gave no answer.
  returned: success
  type: list
  elements: str
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
from ansible_collections.oncall.incident.plugins.module_utils._core import ranges
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput, IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import answer, question_from, question_spec
from ansible_collections.oncall.incident.plugins.module_utils._maintenance.decisions.state import AS_IS, CHECKS, SWITCH, WANTED
from ansible_collections.oncall.incident.plugins.module_utils._maintenance.outside import KINDS, look, read_probes
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._probe.args import PROBE, given


def main() -> None:
    probes = {"type": "list", "elements": "dict", "options": PROBE}
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "required": True},
            "wanted": {"type": "str", "choices": list(WANTED), "default": AS_IS},
            "api": {"type": "bool", "default": False},
            "public": {**probes, "required": True},
            "health": {**probes, "default": []},
            # Not a password: what of its entries is secret is hidden by given().
            "bypass": {**probes, "default": [], "no_log": False},
            "timeout": {"type": "str", "default": "30s"},
            **question_spec(),
        },
        supports_check_mode=True,
    )
    entries = {option: given(module, option) for option in KINDS}
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        path = params["path"]
        if not path.startswith("/"):
            raise BadInput(f"path: {path!r} is not absolute.", hint="Give an absolute path.", argument="path")
        wanted = read_probes(entries)
        timeout = ranges.read(params["timeout"], name="timeout")
        default = (SWITCH, *dict.fromkeys(kind for kind, _probe in wanted))
        question = question_from(params, checks=CHECKS, default=default, what="Maintenance")
        return answer(question, lambda: look(
            path, wanted, wanted=params["wanted"], api=params["api"], timeout=timeout, asked=question.asked,
        ))

    leave(module, work)


if __name__ == "__main__":
    main()
