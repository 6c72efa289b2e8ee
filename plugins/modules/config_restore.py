#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_restore
short_description: Put files of configuration back, and take them back again where they are not well
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Puts the listed files back as a verified archive or directory has them. Those that are approved go together or not at all.
  - The old files are kept first. Where the configuration is not valid, cannot be applied, or the service is not well with it, the old files
    come back and are applied again.
  - In check mode the actions say what would change. Values whose name tells of a secret are hidden there.
extends_documentation_fragment:
  - oncall.incident.approved
  - oncall.incident.attributes
  - oncall.incident.configuration
attributes:
  check_mode:
    support: full
    details:
      - Runs none of the commands and writes nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  apply:
    description: Command that makes the service take the files, such as C([nginx, -s, reload]). Run on the host.
    type: list
    elements: str
    default: []
  health:
    description: Command that ends with 0 where the service is well, such as C([curl, -fsS, "http://localhost/health"]).
    type: list
    elements: str
    default: []
  hold:
    description: How long O(health) must say so without a break.
    type: str
    default: 10s
  verify_timeout:
    description: How long to wait for that.
    type: str
    default: 1m
  kept_in:
    description: Directory in which the old files are kept, each run's in one of its own that only their owner may enter.
    type: path
    default: /var/lib/oncall-incident/configuration
  max_files:
    description: How many files a run may put back.
    type: int
    default: 20
  spent:
    description: How many of them this run has put back already.
    type: int
    default: 0
seealso:
  - module: oncall.incident.config_health
"""

EXAMPLES = r"""
- name: Restore the configuration
  oncall.incident.config_restore:
    paths: [/etc/nginx/nginx.conf]
    source: /var/backups/config_latest.tar.gz
    validate: [nginx, -t]
    apply: [nginx, -s, reload]
    health: [curl, -fsS, "http://localhost/health"]
  become: true
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/actions/1).
  returned: success
  type: str
changed:
  description: Whether a file was touched, or in check mode would be.
  returned: always
  type: bool
actions:
  description:
    - One action per listed file. C(done) when it is there and the service is well with it, C(not_needed) when it was the same, C(moved_on)
      when one has changed since it was looked at, C(refused) when it is not approved, behind a link, or over the limit, C(failed) when the
      old files came back, and C(unknown) when not all of them did, which fails the task.
    - C(detail.diff) is what it changes, C(detail.old) where the old file is kept.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Identity of the action, to be compared with an approved one; never to be taken apart.
      type: str
    resource:
      description: The host that it is done on.
      type: str
    identity:
      description: The path, and the digests of the file from before and after.
      type: dict
    name:
      description: The path.
      type: str
limits:
  description: The limits.
  returned: success
  type: dict
protected:
  description: Empty, since only what is listed is looked at.
  returned: success
  type: list
  elements: dict
error:
  description: What kind of failure it is.
  returned: failure
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
from ansible_collections.oncall.incident.plugins.module_utils._core.acting import APPROVED_SPEC, read_approved
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import run
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._release.config_args import CONFIG_SPEC, restore_from
from ansible_collections.oncall.incident.plugins.module_utils._release.configuration import restore
from ansible_collections.oncall.incident.plugins.module_utils._release.decisions.configuration import VERBS

_WORDS = {"type": "list", "elements": "str", "default": []}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CONFIG_SPEC, "apply": _WORDS, "health": _WORDS, "hold": {"type": "str", "default": "10s"},
            "verify_timeout": {"type": "str", "default": "1m"},
            "kept_in": {"type": "path", "default": "/var/lib/oncall-incident/configuration"},
            "max_files": {"type": "int", "default": 20}, "spent": {"type": "int", "default": 0}, "approved": APPROVED_SPEC,
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        wanted = restore_from(params)
        bounded = functools.partial(run, seconds=ranges.read(params["timeout"], name="timeout"))
        return restore(
            wanted, max_files=params["max_files"], spent=params["spent"], approved=read_approved(params["approved"]),
            check_mode=module.check_mode, run=bounded,
        )

    leave(module, work, verbs=VERBS)


if __name__ == "__main__":
    main()
