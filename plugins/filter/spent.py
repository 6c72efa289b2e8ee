# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a limit the actions of a run have used."""

from __future__ import annotations

DOCUMENTATION = r"""
name: spent
short_description: How much of a limit the actions of a run have used
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Counts the actions of a run that use up a limit, so that a later task or a retry gets only what is left.
  - What may have been touched counts. By default only what is known to be untouched does not.
positional: _input
options:
  _input:
    description: The actions so far, as C(incident_actions) has them.
    type: list
    elements: dict
    required: true
  verbs:
    description: The verbs of the actions that the limit is for.
    type: list
    elements: str
    required: true
  outcomes:
    description: Only actions with these outcomes count. Absent counts all.
    type: list
    elements: str
  touched:
    description: Leave out actions that are known not to have touched their target.
    type: bool
    default: true
  detail:
    description: Key of an action's C(detail) that says how much it used. Empty counts each action once.
    type: str
    default: ""
  default:
    description: What an action without this key used.
    type: int
    default: 1
"""

EXAMPLES = r"""
# How many sessions were signalled.
spent: "{{ incident_actions | default([]) | oncall.incident.spent(verbs=['cancel', 'terminate']) }}"

# How many keys were removed.
removed: "{{ incident_actions | default([]) | oncall.incident.spent(verbs=['clear_pattern'], detail='removed', default=0) }}"
"""

RETURN = r"""
_value:
  description: The number.
  type: int
"""

import typing as t

from ..module_utils._core.limits import spent


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"spent": spent}
