# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits of a run so far and those of further results."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kept_limits
short_description: The limits of a run so far and those of further results
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Adds the limits of results to those that are kept for the plan. The later one of a name holds.
positional: _input
options:
  _input:
    description: The limits so far.
    type: dict
    required: true
  results:
    description: Results of mitigating modules. One that was skipped or failed early adds nothing.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
limits: "{{ incident_limits | default({}) | oncall.incident.kept_limits(results=[cleaned]) }}"
"""

RETURN = r"""
_value:
  description: The limits.
  type: dict
"""

import typing as t

from ..plugin_utils._frame.keeping import kept_limits


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"kept_limits": kept_limits}
