#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_reach
short_description: Check whether services reach what they need, from inside
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Tries from inside a service what it must reach, such as its database, with its own credentials, and says whether it does as a verdict
    of the check C(reaches). A host that reaches a database says nothing about a container on it.
  - A command is run in each container of a service of Docker Compose (C(docker exec)), in each pod (C(kubectl exec)), and on the host as the
    user and with the environment of a unit's main process. Of pm2 and C(command) it is run as C(where.user), without the application's
    environment.
  - A port is connected to from the network of the container or of the unit, which takes root. Nothing is sent.
  - Environments are never shown. Of what a command says the first line is kept, redacted.
  - It runs the commands in check mode too. Name commands that only ask, such as C(pg_isready). One in a container that takes too long goes
    on there.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.verdict
options:
  asked:
    default: [reaches]
  fail_on:
    default: never
  services:
    description:
      - The services, as the host's list C(services) has them. Those without C(reaches) are left out.
      - An entry of C(reaches) has C(name), and C(command), the words of a command, or C(port), C(HOST:PORT). C(rc), by default 0, is the
        exit status that is good, C(text) what the command must print, C(max_time), by default V(10s), how long it may take.
    type: list
    elements: dict
    required: true
  timeout:
    description: How long one command of a runtime may take that finds the instances.
    type: str
    default: 20s
seealso:
  - module: oncall.incident.http_health
  - module: oncall.incident.service_exec
"""

EXAMPLES = r"""
- name: See whether the shop reaches its database and its cache
  oncall.incident.service_reach:
    services:
      - name: web
        runtime: compose
        where: {directory: /opt/shop}
        reaches:
          - name: database
            command: [sh, -c, 'pg_isready --dbname="$DATABASE_URL"']
          - name: cache
            port: redis:6379
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
    - One C(reaches) for each thing and instance. C(subject) is the service and the thing. C(detail) has the instance, C(rc), the first line
      that the command said, redacted, and C(place), which says as whom and by which way it was tried.
  returned: success
  type: list
  elements: dict
  contains:
    observed:
      description: V(reached), or why it was not.
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

import functools
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core import ranges
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import answer, question_from, question_spec
from ansible_collections.oncall.incident.plugins.module_utils._core.shown import shown_service
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import run
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.reaches import CHECKS
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import services_of
from ansible_collections.oncall.incident.plugins.module_utils._service.reaching import look, reaches_of


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "list", "elements": "dict", "required": True},
            "timeout": {"type": "str", "default": "20s"},
            **question_spec(default=CHECKS),
        },
        supports_check_mode=True,
    )
    params = module.params
    entries = params["services"]
    params["services"] = [shown_service(one) for one in entries]

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        wanted = reaches_of(services_of(entries))
        bounded = functools.partial(run, seconds=ranges.read(params["timeout"], name="timeout"))
        question = question_from(params, checks=CHECKS, default=CHECKS, what="What services reach")
        return answer(question, lambda: look(wanted, run=bounded, asked=question.asked))

    leave(module, work)


if __name__ == "__main__":
    main()
