# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes of a drill that did not succeed."""

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_failures
short_description: The probes of a drill that did not succeed
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Says of each what it printed.
positional: _input
options:
  _input:
    description: Results of the commands, each with its probe as C(item).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
failures: "{{ probed.results | oncall.incident.drill_failures }}"
"""

RETURN = r"""
_value:
  description: The probes, each with C(name) and C(message).
  type: list
"""

import typing as t

from ..plugin_utils._drill.course import failures


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"drill_failures": failures}
