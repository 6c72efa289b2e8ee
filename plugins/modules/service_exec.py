#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_exec
short_description: Run a command in every container of a service
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Runs one command inside each container of a service of Docker Compose, one after the other, and stops at the first that fails.
  - A container that C(docker compose run) has left is none of the service's.
  - It says nothing about what the command came to. Measure it with M(oncall.incident.service_instances), as M(oncall.incident.act) does.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.compose
attributes:
  check_mode:
    support: full
    details:
      - Runs nothing.
  diff_mode:
    support: none
  idempotent:
    support: none
options:
  name:
    description: Name of the service as Docker Compose knows it.
    type: str
    required: true
  argv:
    description: The command and its arguments.
    type: list
    elements: str
    required: true
  timeout:
    description: How long the command may take in one container.
    type: str
    default: 60s
seealso:
  - module: oncall.incident.service_instances
"""

EXAMPLES = r"""
- name: Reload NGINX in its containers
  oncall.incident.service_exec:
    name: web
    argv: [nginx, -s, reload]
    compose_directory: /opt/shop
"""

RETURN = r"""
containers:
  description: Ids of the containers in which the command was run.
  returned: success
  type: list
  elements: str
error:
  description: What kind of failure it is, V(blind) when nobody could look, V(command_failed) when the command failed.
  returned: failure
  type: str
"""

import functools
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core import ranges
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import run
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._service.looking import Compose, run_in_containers


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "argv": {"type": "list", "elements": "str", "required": True},
            "compose_command": {"type": "list", "elements": "str", "default": ["docker", "compose"]},
            "compose_directory": {"type": "str", "default": ""},
            "compose_files": {"type": "list", "elements": "str", "default": []},
            "container_command": {"type": "list", "elements": "str", "default": ["docker"]},
            "timeout": {"type": "str", "default": "60s"},
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], None]:
        seconds = ranges.read(params["timeout"], name="timeout")
        if not params["argv"]:
            raise BadInput("argv is empty.", hint="Give a command.", argument="argv")
        compose = Compose(
            command=params["compose_command"], directory=params["compose_directory"], files=params["compose_files"],
            container_command=params["container_command"],
        )
        if module.check_mode:
            return {"changed": True, "containers": []}, None
        done = run_in_containers(params["name"], params["argv"], compose=compose, run=functools.partial(run, seconds=seconds))
        return {"changed": True, "containers": done}, None

    leave(module, work)


if __name__ == "__main__":
    main()
