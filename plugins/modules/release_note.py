#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_note
short_description: Note that the release that runs was measured good
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Writes into a file on the host which release of an application runs, when, and which run has measured it. A later rollback goes to the
    last release that was noted so.
  - It is for the end of a verify that has measured the application and ended well. It measures nothing itself.
  - Nothing is noted where not exactly one release runs, or something is wrong with it.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.releases
attributes:
  check_mode:
    support: full
    details:
      - Writes nothing.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - It notes the time at which it was measured last.
options:
  notes:
    description:
      - Absolute path of the file. Its directory is made where it is missing. It has at most 1 MiB, and loses its oldest notes.
      - A file that cannot be read, is not ours, or is another user's is not overwritten.
    type: path
    default: /var/lib/oncall-incident/releases.json
  run_id:
    description: The run that has measured it.
    type: str
    default: ""
seealso:
  - module: oncall.incident.release_health
"""

EXAMPLES = r"""
- name: Note that the release was measured good
  oncall.incident.release_note:
    method: symlink
    where:
      path: /srv/shop/current
"""

RETURN = r"""
release:
  description: The id of the release.
  returned: success
  type: str
error:
  description: What kind of failure it is, such as V(blind) where nobody could look, and V(locked) where another run notes something now.
  returned: failure
  type: str
"""

import functools
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core import ranges
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import run
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._release.args import RELEASES_SPEC
from ansible_collections.oncall.incident.plugins.module_utils._release.decisions.where import Where
from ansible_collections.oncall.incident.plugins.module_utils._release.noting import note

NOTES = "/var/lib/oncall-incident/releases.json"


def main() -> None:
    module = AnsibleModule(
        argument_spec={**RELEASES_SPEC, "notes": {"type": "path", "default": NOTES}, "run_id": {"type": "str", "default": ""}},
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], None]:
        where = Where.of(params["method"], params["where"])
        bounded = functools.partial(run, seconds=ranges.read(params["timeout"], name="timeout"))
        release = note(
            where, notes=params["notes"], run_id=params["run_id"], now=time.time(), write=not module.check_mode, run=bounded,
        )
        return {"changed": True, "release": release}, None

    leave(module, work)


if __name__ == "__main__":
    main()
