#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: http_health
short_description: Check whether an application answers as it should
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Asks the health URLs of an application, all at once, and says whether it is well, as a verdict. Each probe is a finding C(application)
    that says how far the request came where the answer is not the wanted one, and a finding C(latency). What the body says about
    dependencies are findings C(dependency).
  - An answer with another status, body or JSON than the wanted one is C(critical), and so is a certificate that has expired or is for
    another name.
  - No answer at all is C(unknown), since it may be the way from who asks. It is C(critical) where the application's own host was asked at
    one of its own addresses and refuses connections, takes them and does not answer, or ends them.
  - It connects directly. A proxy of the environment is not used, since it would be asked instead of the application.
  - Redirects are followed, at most five, unless O(probes[].status) names the redirect itself. They are in C(detail.redirects). To another
    host, scheme or port no header of O(probes[].headers) is sent.
  - Of a body 64 KiB are read, and unpacked where it is gzip. A stream that does not end is C(critical); ask for it by V(HEAD).
  - Neither headers nor the query of a URL are shown.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.verdict
options:
  asked:
    default: [application, dependency]
  fail_on:
    default: never
  probes:
    description: The requests. The filter P(oncall.incident.http_probes#filter) makes them from a list of URLs.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: How findings call it. Default is the URL without its query.
        type: str
      url:
        description: The URL, without a user or password. V(ws://) and V(wss://) are V(http://) and V(https://).
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
        choices: [GET, HEAD]
        default: GET
      headers:
        description: Further headers. Their values are never shown.
        type: dict
      status:
        description: Status codes that are good. Default is V(200), with O(probes[].websocket) V(101).
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
      max_time:
        description: How long one answer may take, redirects and body included. What takes longer has the stage C(timeout).
        type: str
        default: 5s
      warn_time:
        description: From when on an answer is slow, which is a warning.
        type: str
        default: 2s
      validate_certs:
        description: Whether the certificate must be valid.
        type: bool
        default: true
      ca:
        description: A PEM file of CAs, or a directory made by C(openssl rehash), on the host that asks. Default are the system's.
        type: path
      scope:
        description:
          - Who asks. V(host) is the application's own host, V(controller) another machine, such as the controller or a bastion. The task
            must run there.
          - Any other word is the name of a container of Docker on the host that the task runs on. It is asked from its network, with its
            hosts file and its name servers. Nothing is run in it. This takes root; without, the check is C(unknown).
        type: str
        default: host
      websocket:
        description: Ask for the upgrade to WebSocket, and check the server's agreement as RFC 6455 has it.
        type: bool
        default: false
      dependencies:
        description:
          - Fields of a JSON body that say how something else is, written as in O(probes[].json). C(components.*) is each member of
            C(components). They are read whatever the status is.
          - Usual words are understood, such as C(ok), C(UP), C(pass), C(degraded), C(down), V(true) and V(false), also in C(status) of an
            object. Other words are C(unknown).
        type: list
        elements: str
        default: []
  timeout:
    description: How long all probes of one look may take. 64 of them are asked at one time.
    type: str
    default: 60s
seealso:
  - module: oncall.incident.port_health
  - module: oncall.incident.cert_expiry
"""

EXAMPLES = r"""
- name: See whether the shop says that it is well
  oncall.incident.http_health:
    probes:
      - url: https://shop.example.org/health
        json: {status: ok}
        dependencies: [database, redis]

- name: Wait until one server behind the proxy answers, for a minute
  oncall.incident.http_health:
    probes:
      - name: web1
        url: https://shop.example.org/health
        connect_to: 192.0.2.11:8443
        headers: {Authorization: "Bearer {{ shop_health_token }}"}
        status: [200, 204]
      - name: chat
        url: wss://shop.example.org/chat
        websocket: true
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
  description:
    - One C(application) and, where there was an answer, one C(latency) for each probe, whose name is the C(subject). C(detail.stage) says
      how far the request came, C(dns), C(refused), C(timeout), C(tls), C(no_answer), C(status), C(websocket), C(body), C(json), or
      C(no_way) where whoever asks has none; C(detail.place) who asked.
    - One C(dependency) for each that a body speaks of.
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
from ansible_collections.oncall.incident.plugins.module_utils._core import ranges
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import answer, question_from, question_spec
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._probe.args import PROBE, given
from ansible_collections.oncall.incident.plugins.module_utils._probe.decisions.web import CHECKS, DEFAULT, probes_of
from ansible_collections.oncall.incident.plugins.module_utils._probe.web import look


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "probes": {"type": "list", "elements": "dict", "required": True, "options": PROBE},
            "timeout": {"type": "str", "default": "60s"},
            **question_spec(default=DEFAULT),
        },
        supports_check_mode=True,
    )
    entries = given(module, "probes")
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        probes = probes_of(entries)
        timeout = ranges.read(params["timeout"], name="timeout")
        question = question_from(params, checks=CHECKS, default=DEFAULT, what="The application")
        return answer(question, lambda: look(probes, timeout=timeout, asked=question.asked))

    leave(module, work)


if __name__ == "__main__":
    main()
