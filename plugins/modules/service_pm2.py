#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_pm2
short_description: Start, stop, restart, reload or scale an app of pm2
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Asks a daemon of pm2 that runs already, as the user who owns it. A plain command of pm2 starts an empty daemon where there is none.
  - Touches the named processes one after the other, and stops at the first that fails. Neither the app's environment nor the list that
    C(pm2 resurrect) starts from is changed, so a scaled app has its old number of processes after C(pm2 resurrect).
  - To scale an app to fewer processes ends its oldest ones.
  - It says nothing about what became of the app. Measure it with M(oncall.incident.service_instances), as M(oncall.incident.act) does.
  - It refuses what pm2 does in a harmful way, a reload or a second process of an app in fork mode.
extends_documentation_fragment:
  - oncall.incident.attributes
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
    description: Name of the app.
    type: str
    required: true
  verb:
    description: What to do.
    type: str
    choices: [start, stop, restart, reload, scale]
    required: true
  numbers:
    description: The processes of the app, as RV(oncall.incident.service_instances#module:instances[].id). Not for O(verb=scale).
    type: list
    elements: str
    default: []
  count:
    description: How many processes there are to be. Only for O(verb=scale).
    type: int
  where:
    description:
      - C(user), whose daemon it is, C(home), its directory C(PM2_HOME), and C(command), pm2's own.
      - Without C(user) it is the owner of C(home), or the user who runs the module. Without C(home) it is C(.pm2) in the user's home.
    type: dict
    default: {}
  timeout:
    description: How long one command of pm2 may take.
    type: str
    default: 60s
seealso:
  - module: oncall.incident.service_instances
  - module: oncall.incident.act
"""

EXAMPLES = r"""
- name: Reload the workers of an app
  oncall.incident.service_pm2:
    name: web
    verb: reload
    numbers: ["0", "1"]
    where:
      user: shop
"""

RETURN = r"""
numbers:
  description: The processes that were touched. Empty for O(verb=scale).
  returned: success
  type: list
  elements: str
error:
  description: What kind of failure it is, V(daemon_down) without a daemon, V(blind) when it cannot be asked, V(command_failed) when pm2
    or a process of the app was not as expected.
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
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.calls import SCALE
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.pm2 import Place
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import Service
from ansible_collections.oncall.incident.plugins.module_utils._service.runtimes.pm2 import GRACE, operate


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "verb": {"type": "str", "choices": ["start", "stop", "restart", "reload", "scale"], "required": True},
            "numbers": {"type": "list", "elements": "str", "default": []},
            "count": {"type": "int"},
            "where": {"type": "dict", "default": {}},
            "timeout": {"type": "str", "default": "60s"},
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], None]:
        seconds = ranges.read(params["timeout"], name="timeout")
        service = Service(name=params["name"], runtime="pm2", identity=params["name"], where=params["where"])
        Place.of(service)
        numbers = params["numbers"]
        if (params["verb"] == SCALE) != (params["count"] is not None) or (params["verb"] == SCALE) == bool(numbers):
            raise BadInput("numbers and count do not fit verb.", hint="Give count to scale, else numbers.", argument="numbers")
        if not module.check_mode:
            bounded = functools.partial(run, seconds=seconds + GRACE)
            operate(service, params["verb"], numbers=numbers, count=params["count"], run=bounded, seconds=seconds)
        return {"changed": True, "numbers": numbers}, None

    leave(module, work)


if __name__ == "__main__":
    main()
