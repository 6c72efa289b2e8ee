# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hosts of a run say by one variable."""

from __future__ import annotations

DOCUMENTATION = r"""
name: hosts_said
short_description: What the hosts of a run say by one variable
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Collects the values of a variable. Values that are lists are joined. A host without the variable says nothing.
positional: _input
options:
  _input:
    description: The variables of all hosts, C(hostvars).
    type: dict
    required: true
  variable:
    description: Name of the variable.
    type: str
    required: true
  hosts:
    description: The hosts to ask.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
requests: "{{ hostvars | oncall.incident.hosts_said(variable='incident_requests', hosts=groups['all']) }}"
"""

RETURN = r"""
_value:
  description: The values, in the order of the hosts.
  type: list
"""

import typing as t

from ..plugin_utils._frame.hosts import hosts_said


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"hosts_said": hosts_said}
