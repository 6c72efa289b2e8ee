#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: recent_change
short_description: Find what changed on a host shortly before an incident
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Tells which releases were switched, which files of configuration, packages and revisions changed, and which containers were made,
    within the time before an incident and since. Most incidents begin with a change, so it is what to ask about first.
  - It only reads, and asks nothing that decides whether a target is well. What changed is a C(warning), and what could not be looked at is
    said.
  - It reads at most 1 MiB of a log and looks at 2000 files at most. Of a container it takes the name, the image and when it was made.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
options:
  before:
    description: How long before the incident began is looked back.
    type: str
    default: 1h
  since:
    description: When the incident began, as V(2026-03-01T02:10:00Z). Empty for now.
    type: str
    default: ""
  links:
    description: Symbolic links that say which release runs.
    type: list
    elements: path
    default: []
  paths:
    description: Files of configuration, directories of them, which are looked through, and patterns such as V(/opt/shop/*.env).
    type: list
    elements: path
    default: []
  repositories:
    description: Directories with a clone of git, whose moves of C(HEAD) are read.
    type: list
    elements: path
    default: []
  packages:
    description: Whether the log of C(dpkg), or the database of C(rpm), is read.
    type: bool
    default: true
  container_command:
    description: The command of the container runtime. Where it is not installed nothing is said; empty asks none.
    type: list
    elements: str
    default: [docker]
  timeout:
    description: How long one command may take.
    type: str
    default: 10s
seealso:
  - module: oncall.incident.release_health
"""

EXAMPLES = r"""
- name: Find what changed in the last hour
  oncall.incident.recent_change:
    links: [/srv/shop/current]
    paths: [/etc/nginx, "/opt/shop/*.env"]
  register: recent
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
  description: One C(recent_change) for each kind that was looked at, C(deploys), C(files), C(packages), C(revisions) and C(containers).
  returned: success
  type: list
  elements: dict
skipped_checks:
  description: What could not be looked at.
  returned: success
  type: list
  elements: dict
checks:
  description: The worst status of each check.
  returned: success
  type: dict
asked:
  description: Empty, since nothing is asked.
  returned: success
  type: list
  elements: str
healthy:
  description: Null, since nothing is asked.
  returned: success
  type: bool
changes:
  description: The last 50 changes, the newest first.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: Of which kind it is.
      type: str
    at:
      description: When it was, in UTC.
      type: str
    what:
      description: What changed.
      type: str
"""

import functools
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core import ranges
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import run
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._release.changes import Places, look
from ansible_collections.oncall.incident.plugins.module_utils._release.decisions.changes import window

_PLACES = ("links", "paths", "repositories")


def main() -> None:
    paths = {"type": "list", "elements": "path", "default": []}
    module = AnsibleModule(
        argument_spec={
            "before": {"type": "str", "default": "1h"},
            "since": {"type": "str", "default": ""},
            **dict.fromkeys(_PLACES, paths),
            "packages": {"type": "bool", "default": True},
            "container_command": {"type": "list", "elements": "str", "default": ["docker"]},
            "timeout": {"type": "str", "default": "10s"},
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], None]:
        for name in _PLACES:
            for path in params[name]:
                if not path.startswith("/"):
                    raise BadInput(f"{name}: {path} is not an absolute path.", hint="Give it from / on.")
        try:
            wanted = window(before=ranges.read(params["before"], name="before"), began=params["since"], now=time.time())
        except ValueError:
            raise BadInput(f"since: {params['since']} is not a time.", hint="Give it as 2026-03-01T02:10:00Z.") from None
        bounded = functools.partial(run, seconds=ranges.read(params["timeout"], name="timeout"))
        places = Places(
            params["links"], params["paths"], params["repositories"], packages=params["packages"],
            container_command=params["container_command"],
        )
        judged = look(places, wanted, run=bounded)
        return {**judged.as_result(), **judged.verdict.as_dict()}, None

    leave(module, work)


if __name__ == "__main__":
    main()
