# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A list and one more entry, if there is one."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kept
short_description: A list and one more entry, if there is one
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Adds a failure or a request to those that are kept for the conclusion.
positional: _input
options:
  _input:
    description: The entries so far.
    type: list
    elements: dict
    required: true
  entry:
    description: The further entry. An empty one is not added.
    type: dict
    required: true
"""

EXAMPLES = r"""
failures: "{{ incident_failures | default([]) | oncall.incident.kept(entry={'phase': 'verify', 'message': 'Not recovered.'}) }}"
"""

RETURN = r"""
_value:
  description: The list.
  type: list
"""

import typing as t

from ..plugin_utils._frame.keeping import kept


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"kept": kept}
