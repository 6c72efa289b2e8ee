# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup plugin drill_fault."""

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_fault
short_description: Find a fault of a drill and check its parameters
version_added: 0.1.0
author:
  - oncall.incident contributors (@oncall-incident)
description:
  - Used by the role P(oncall.incident.drill#role). Finds a fault of this collection, or of another one, on the controller.
  - Fails when there is no such fault or the parameters are not what its description says.
options:
  _terms:
    description:
      - Names of faults, such as V(pg_sessions) or V(namespace.collection.fault_name).
    required: true
    type: list
    elements: str
  params:
    description:
      - Parameters of the fault.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show what a fault gets
  ansible.builtin.debug:
    msg: "{{ lookup('oncall.incident.drill_fault', 'fill_disk', params={'path': '/srv/log/shop.log.1'}).params }}"
"""

RETURN = r"""
_raw:
  description:
    - For each name a dictionary with C(program) (name of the file that runs), C(files) (texts by name), C(root) (whether only root can run
      it), C(modules) and C(programs) (what the host needs), and C(params) (all parameters, with their defaults).
  type: list
  elements: dict
"""

import sys
import typing as t
from pathlib import Path

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.plugin_utils._drill import faults


class LookupModule(LookupBase):  # type: ignore[misc]
    """See DOCUMENTATION."""

    def run(self, terms: list[str], variables: t.Any = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        """One dictionary for each term."""
        self.set_options(var_options=variables, direct=kwargs)
        params = self.get_option("params")
        return [self._found(str(name), params) for name in terms]

    def _found(self, name: str, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        try:
            fault = faults.find(name, roots=_roots())
            filled = faults.filled(fault, params)
        except BadInput as exc:
            raise AnsibleError(" ".join(part for part in (exc.message, exc.hint) if part)) from exc
        return {
            "program": fault.program.name, "files": fault.files(), "root": fault.root, "modules": list(fault.modules),
            "programs": list(fault.programs), "params": filled,
        }


def _roots() -> list[Path]:
    """Where Ansible looks for collections; it takes both the directory above ansible_collections and that directory itself."""
    paths = [Path(entry).expanduser() for entry in [*C.COLLECTIONS_PATHS, *sys.path]]
    return [path.parent if path.name == "ansible_collections" else path for path in paths]
