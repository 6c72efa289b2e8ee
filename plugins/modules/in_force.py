#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is documentation; the code is the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: in_force
short_description: Check whether temporary changes are in force
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Makes a verdict of looks at temporary changes. The look at a change is the check mode of what would undo it.
  - A change of which no result says anything is V(unknown), never gone.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
options:
  changes:
    description: The changes, each an action of a record with C(temporary).
    type: list
    elements: dict
    required: true
  results:
    description: Results of the modules that looked.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Check whether the raised limit is in force
  oncall.incident.redis_repair:
    operation: restore_maxclients
    change: "{{ raised.actions[0] }}"
  check_mode: true
  register: looked

- name: Judge it
  oncall.incident.in_force:
    changes: "{{ raised.actions }}"
    results: ["{{ looked }}"]
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/verdict/1).
  returned: success
  type: str
status:
  description: V(ok) when each is gone, V(warning) when one is in force, V(unknown) when one could not be looked at.
  returned: success
  type: str
healthy:
  description: Whether each is gone; null when one could not be looked at.
  returned: success
  type: bool
asked:
  description: The check C(temporary_change), where there are changes.
  returned: success
  type: list
  elements: str
checks:
  description: The status of the check.
  returned: success
  type: dict
findings:
  description: One for each change; C(observed) is V(in_force), V(gone) or V(unknown).
  returned: success
  type: list
  elements: dict
skipped_checks:
  description: Always empty.
  returned: success
  type: list
  elements: dict
error:
  description: V(bad_input).
  returned: failure
  type: str
"""
