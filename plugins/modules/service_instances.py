#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_instances
short_description: List the running instances of a service by identity
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Describes a systemd unit, the containers of a service of Docker Compose, or what another runtime has of a service, so that two looks
    can be compared. What was started again, replaced, or restarted by its runtime between them differs in RV(identity).
  - A container that C(docker compose run) has left is none of the service's.
  - It asks the container runtime for nothing that holds a container's environment.
  - It only reads. It fails when it cannot look, also when there is no such unit. A service of Compose without containers is an answer.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.compose
options:
  name:
    description: Name of the service as its runtime knows it. Either this or O(service).
    type: str
  service:
    description:
      - An entry of the list of a host's services, as O(oncall.incident.service_health#module:services) has them, of whatever runtime. The
        other options that say what runs it and how are not used then.
    type: dict
  runtime:
    description: What runs the service.
    type: str
    choices: [systemd, compose, kubernetes, pm2, command]
    default: systemd
  where:
    description:
      - What the runtime needs beside the name.
      - For V(kubernetes) C(namespace), C(context), C(kubeconfig) and C(command), which is kubectl. O(name) is C(KIND/NAME) of a Deployment,
        a StatefulSet or a DaemonSet.
      - For V(pm2) C(user), whose daemon it is, C(home), its directory C(PM2_HOME), and C(command), pm2's own.
      - For V(command) C(status), the command that ends with 0 where the service is up and with 3 where it is down, and C(pid_file) or
        C(process), the name of its program, which show its main process. Without them a new start is seen only if the text of C(status)
        names the process.
    type: dict
    default: {}
  scope:
    description: Scope of the systemd unit.
    type: str
    choices: [system, user, global]
    default: system
  container:
    description: Name of a container of which RV(only_container) says whether it is the service's. With O(runtime=compose).
    type: str
    default: ""
  workers:
    description: Whether to look for the processes below each main process, RV(instances[].workers).
    type: bool
    default: false
  history:
    description: For how long back starts are counted, RV(starts_lately). With O(service).
    type: str
    default: 0s
  timeout:
    description: How long one command may take.
    type: str
    default: 30s
seealso:
  - module: oncall.incident.act
"""

EXAMPLES = r"""
- name: Look at a service of Compose
  oncall.incident.service_instances:
    name: web
    runtime: compose
    compose_directory: /opt/shop
  register: before
"""

RETURN = r"""
instances:
  description: What runs of it, or could.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Name of the unit, or id of the container.
      type: str
    name:
      description: Its name for people.
      type: str
    start:
      description: What differs after every start.
      type: str
    state:
      description: Its state as the runtime says it.
      type: str
    health:
      description: What a container's health check says. Empty without one.
      type: str
    up:
      description: Whether it runs, and is healthy where it can say so.
      type: bool
    main_pid:
      description: Its main process, 0 when there is none.
      type: int
    restarts:
      description: How often the runtime started it again by itself. Null when that is not known.
      type: int
    type:
      description: Type of a unit.
      type: str
    members:
      description: The units that are restarted with this one, where it only groups them.
      type: list
      elements: str
    paths:
      description:
        - The absolute paths in the command that starts a unit, and C(PGDATA) of the environment that the unit sets.
        - The rest of both may hold secrets and is not kept.
      type: list
      elements: str
    changed:
      description: When the state of a unit changed last, by the host's own clock.
      type: str
    runtime:
      description: What runs it.
      type: str
    running:
      description: Whether it runs, healthy or not. Null where RV(instances[].up) says it.
      type: bool
    restarting:
      description: Whether it is between two starts that its runtime makes by itself.
      type: bool
    image:
      description: The image that was asked for.
      type: str
    digest:
      description: What that image was then.
      type: str
    version:
      description: The version that the image says of itself.
      type: str
    started_at:
      description: When it was started, seconds since the epoch.
      type: float
    ended_at:
      description: When it ended, seconds since the epoch. Null while it runs.
      type: float
    exit_code:
      description: The status of its last end.
      type: int
    oom:
      description: Whether its last end was for lack of memory. Null where the runtime does not say it.
      type: bool
    oom_kills:
      description: How many of its processes were ended for lack of memory since its start. Null where nobody counts them.
      type: int
    ready:
      description: Whether it takes work. Null where the runtime does not say it.
      type: bool
    reason:
      description: Why it is as it is, in the runtime's words, without secrets.
      type: str
    policy:
      description: When its runtime starts it again by itself, such as V(always) or V(no).
      type: str
    starts_within:
      description: Seconds that its health check gives it to start.
      type: float
    published:
      description: The ports of the host that it alone can have.
      type: list
      elements: str
    release:
      description: Which release it is of, where its runtime numbers them, as the revision of a Deployment.
      type: str
    newest:
      description: Whether that is the release that is to run. Null where the runtime does not say it.
      type: bool
    desired:
      description: How many the runtime is to keep up. Null where it has no such number.
      type: int
    workers:
      description: The processes below the main process, by pid and start time. Empty without O(workers).
      type: list
      elements: str
up:
  description: Whether there is an instance, all of them are up, and there are as many as the runtime is to keep up.
  returned: success
  type: bool
starts:
  description: RV(instances[].start) of all.
  returned: success
  type: list
  elements: str
starts_lately:
  description:
    - How often each instance was started within O(history), by its RV(instances[].id), as far as its runtime keeps that. Docker keeps its
      last 256 events, of which each health check takes three.
  returned: with O(history)
  type: dict
only_container:
  description: Whether O(container) is the service's container, and the service has no other.
  returned: with O(container)
  type: bool
identity:
  description: Start, main process and restart counter of all. The same as long as nothing was started again or replaced.
  returned: success
  type: list
  elements: str
error:
  description: What kind of failure it is, V(blind) when nobody could look.
  returned: failure
  type: str
"""

import functools
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core import ranges
from ansible_collections.oncall.incident.plugins.module_utils._core.shown import shown_service
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import run
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.instance import described, is_only
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import Service
from ansible_collections.oncall.incident.plugins.module_utils._service.looking import Compose, container_id, containers, unit, with_workers
from ansible_collections.oncall.incident.plugins.module_utils._service.runtime import runtime_of
from ansible_collections.oncall.incident.plugins.module_utils._service.starts import starts_lately


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str"},
            "service": {"type": "dict"},
            "runtime": {"type": "str", "choices": ["systemd", "compose", "kubernetes", "pm2", "command"], "default": "systemd"},
            "where": {"type": "dict", "default": {}},
            "scope": {"type": "str", "choices": ["system", "user", "global"], "default": "system"},
            "compose_command": {"type": "list", "elements": "str", "default": ["docker", "compose"]},
            "compose_directory": {"type": "str", "default": ""},
            "compose_files": {"type": "list", "elements": "str", "default": []},
            "container_command": {"type": "list", "elements": "str", "default": ["docker"]},
            "container": {"type": "str", "default": ""},
            "workers": {"type": "bool", "default": False},
            "history": {"type": "str", "default": "0s"},
            "timeout": {"type": "str", "default": "30s"},
        },
        required_one_of=[("name", "service")],
        mutually_exclusive=[("name", "service")],
        supports_check_mode=True,
    )
    params = module.params
    entry = params["service"]
    params["service"] = shown_service(entry)

    def work() -> tuple[dict[str, t.Any], None]:
        seconds = ranges.read(params["timeout"], name="timeout")
        more: dict[str, t.Any] = {}
        bounded = functools.partial(run, seconds=seconds)
        if entry is not None:
            service = Service.of(entry, number=1)
            found = runtime_of(service.runtime).look(service, run=bounded)
            back = ranges.read(params["history"], name="history")
            if back:
                now = time.time()
                more["starts_lately"] = starts_lately(service, found, since=now - back, now=now, run=bounded)
        elif params["runtime"] == "systemd":
            found = unit(params["name"], scope=params["scope"], run=bounded)
        elif params["runtime"] in ("kubernetes", "pm2", "command"):
            service = Service(name=params["name"], runtime=params["runtime"], identity=params["name"], where=params["where"])
            found = runtime_of(params["runtime"]).look(service, run=bounded)
        else:
            compose = Compose(
                command=params["compose_command"], directory=params["compose_directory"], files=params["compose_files"],
                container_command=params["container_command"],
            )
            found = containers(params["name"], compose=compose, run=bounded)
            if params["container"]:
                more["only_container"] = is_only(container_id(params["container"], compose=compose, run=bounded), found)
        if params["workers"]:
            found = with_workers(found)
        return {"changed": False, **described(found), **more}, None

    leave(module, work)


if __name__ == "__main__":
    main()
