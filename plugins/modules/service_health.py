#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_health
short_description: Check whether services run, stay up and are well in their runtimes
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Says as a verdict whether the instances of services run and stay up. These are units of systemd, containers of Docker Compose, and what
    the other runtimes of O(services) have.
  - It looks twice, O(window) apart, and compares each instance with itself. A service that dies after each of its starts runs in between,
    so one look would find it well.
  - All services are looked at side by side. Those of one engine or of systemd cost two commands together, or one, however many there are.
  - It only reads. Of an instance it returns what is listed in RV(instances), and never an environment or a command line.
  - What cannot be looked at is C(unknown), never C(ok).
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.verdict
options:
  asked:
    description:
      - The checks that must be answered.
      - C(daemon) is what runs the services, such as the engine. C(present) says whether the service has any instance, C(running) how many
        of the desired ones run. C(restarts) counts the starts that the runtime made by itself, C(oom) is for processes that were ended for
        want of memory, C(health) for what the runtime's own health check says, C(ready) for whether an instance takes work. C(age) is
        unknown for what is younger than O(window), C(drift) warns of instances of different releases. C(status_command), which is not
        among the default, is for O(status_command).
      - Kubernetes alone has these, which are not among the default. C(rollout) says whether all pods are of the newest release,
        C(endpoints) whether each Service that is meant for the pods leads to one that is ready, C(ingress) whether the way in has an
        address. C(room) warns where a quota has no place for one more pod, and with C(nodes) in C(where) also where the nodes have none,
        by what the pods ask for against what a node can give. C(nodes) says then whether the nodes are ready and under no pressure.
    default: [daemon, present, running, restarts, oom, health, ready, age, drift]
  fail_on:
    default: never
  services:
    description:
      - The services. C(name) is how people call one, and the subject of its findings. C(runtime) is what runs it, V(systemd) by default,
        V(compose), V(kubernetes), V(pm2) or V(command). C(identity) is the name that the runtime knows it by, such as a unit or a service
        of a Compose project; by default C(name).
      - C(where) has what the runtime needs beside the name. Of systemd C(scope). Of Compose C(directory) or C(project), where several
        projects have such a service, C(files), C(command) and C(container_command). Of Kubernetes C(namespace), C(context), C(kubeconfig),
        C(command), which is kubectl, and C(nodes), which says that the nodes and the pods of all namespaces may be read. C(identity) is
        C(KIND/NAME) there, of a Deployment, a StatefulSet or a DaemonSet.
      - C(desired) is how many instances there should be; by default what the runtime itself has as its aim, or as many as are there.
      - C(one_shot) says that it is a job with an end, such as a migration, for which having ended with 0 is well. Nothing else tells it
        from a server that somebody stopped. A unit with C(Type=oneshot) is known as such.
      - The other keys are for the role. C(health), C(reaches), C(depends_on), C(order), C(pool), C(validate), C(proxies) and
        C(nonessential) are not used here.
    type: list
    elements: dict
    required: true
  window:
    description:
      - Time between the two looks. With V(0s) it looks once, and C(restarts) is unknown then.
      - With O(wait_for) only the first verdict takes that long; each later look is compared with one that is a window older.
    type: str
    default: 10s
  since:
    description:
      - When the incident began, in ISO 8601 or as seconds since the epoch. A start that the runtime made by itself since then counts as a
        restart, although it was before the first look. By default those of the last two minutes do.
    type: str
  restarts_warning:
    description: Restarts of a service that are a warning. V(off) for none.
    type: str
    default: "1"
  restarts_critical:
    description:
      - Restarts of a service that are critical. V(off) for none. One that goes on being started again and has been so many times in all is
        critical too.
    type: str
    default: "3"
  status_command:
    description:
      - The team's own status script, which only reads. It is run once with each verdict, and what it says is RV(status_command). Its exit
        status is the check C(status_command), where any but 0 is a warning. Empty for none.
    type: list
    elements: str
    default: []
  status_timeout:
    description: How long that script may take. It is ended then with all that it has started.
    type: str
    default: 20s
  timeout:
    description: How long one command of a runtime may take.
    type: str
    default: 20s
notes:
  - Kubernetes was tried with kubectl 1.20 and 1.32 against a double of its API, which keeps state and has controllers for Deployments,
    StatefulSets and DaemonSets, not on a cluster.
seealso:
  - module: oncall.incident.service_instances
"""

EXAMPLES = r"""
- name: Look at a project of Compose and at the proxy before it
  oncall.incident.service_health:
    services:
      - name: web
        runtime: compose
        where:
          directory: /opt/shop
        desired: 2
      - name: migrate
        runtime: compose
        where:
          directory: /opt/shop
        one_shot: true
      - name: nginx
  register: services

- name: Wait until they are up and stay up
  oncall.incident.service_health:
    services: "{{ services_of_the_shop }}"
    wait_for:
      checks: [running, restarts, health, age]
      hold: 10s
      timeout: 2m
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
  description: One of each check and service, with the service's name as its subject. That of C(daemon) has the daemon's.
  returned: success
  type: list
  elements: dict
  contains:
    asked:
      description: Whether the check is among O(asked).
      type: bool
skipped_checks:
  description: What could not be judged. A service without a health check, or with one instance, is here.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: C(not_applicable) where there is no such thing, C(could_not_look) otherwise.
      type: str
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
instances:
  description: What runs of the services, or could, as at the last look. See M(oncall.incident.service_instances) for the keys.
  returned: success
  type: list
  elements: dict
  contains:
    service:
      description: The name of the service.
      type: str
    running:
      description: Whether it runs, healthy or not.
      type: bool
    restarts:
      description: How often the runtime started it again by itself. Null when that is not known.
      type: int
    started_at:
      description: When it was started, seconds since the epoch.
      type: float
    exit_code:
      description: The status of its last end. Null while it runs.
      type: int
    oom_kills:
      description: How many of its processes were ended for lack of memory since its start. Null where nobody counts them.
      type: int
    reason:
      description: Why it is as it is, in the runtime's words.
      type: str
status_command:
  description: How O(status_command) ended, and the end of what it said.
  returned: with O(status_command)
  type: dict
  contains:
    status:
      description: Its exit status. Null where it did not end by itself.
      type: int
    trouble:
      description: Why it has none.
      type: str
    text:
      description: What it said, at most 16 KiB of its end.
      type: str
remaining:
  description: The checks beside the awaited ones that are not ok, and not worse than at the start.
  returned: when O(baseline) is given
  type: dict
new:
  description: The checks that are worse than at the start.
  returned: when O(baseline) is given
  type: dict
held:
  description: Whether the awaited checks were ok for as long as was asked.
  returned: when O(wait_for) is given
  type: bool
waited:
  description: Seconds until it held, or until the time was up.
  returned: when O(wait_for) is given
  type: float
polls:
  description: How often was looked.
  returned: when O(wait_for) is given
  type: int
history:
  description: The status of each awaited check whenever one changed.
  returned: when O(wait_for) is given
  type: list
  elements: dict
not_recovered:
  description: Why it is not called recovered. Empty when it is.
  returned: when O(wait_for) is given
  type: str
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
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput, IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import answer, question_from, question_spec
from ansible_collections.oncall.incident.plugins.module_utils._core.moments import since_from
from ansible_collections.oncall.incident.plugins.module_utils._core.shown import shown_service
from ansible_collections.oncall.incident.plugins.module_utils._core.thresholds import limits_from, threshold_spec
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import run
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.health import CHECKS, DECISIVE, THRESHOLDS
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.seen import Terms
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import services_of
from ansible_collections.oncall.incident.plugins.module_utils._service.health import Watcher
from ansible_collections.oncall.incident.plugins.module_utils._service.status import run_status


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "list", "elements": "dict", "required": True},
            "window": {"type": "str", "default": "10s"},
            "since": {"type": "str"},
            "status_command": {"type": "list", "elements": "str", "default": []},
            "status_timeout": {"type": "str", "default": "20s"},
            "timeout": {"type": "str", "default": "20s"},
            **threshold_spec(THRESHOLDS),
            **question_spec(default=DECISIVE),
        },
        supports_check_mode=True,
    )
    params = module.params
    entries = params["services"]
    params["services"] = [shown_service(one) for one in entries]

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        services = services_of(entries)
        if not services:
            raise BadInput("services is empty, so nothing would be judged.", hint="Name a service.", argument="services")
        question = question_from(params, checks=CHECKS, default=DECISIVE, what="The service" if len(services) == 1 else "The services")
        terms = Terms(
            window=ranges.read(params["window"], name="window"), since=since_from(params["since"]),
            restarts=limits_from(params, THRESHOLDS)["restarts"],
        )
        bounded = functools.partial(run, seconds=ranges.read(params["timeout"], name="timeout"))
        script, most = params["status_command"], ranges.read(params["status_timeout"], name="status_timeout")
        status = functools.partial(run_status, script, seconds=most) if script else None
        return answer(question, Watcher(services, terms=terms, asked=question.asked, run=bounded, status=status).look)

    leave(module, work)


if __name__ == "__main__":
    main()
