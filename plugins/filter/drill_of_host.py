# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a drill is for one host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_of_host
short_description: What of a drill is for one host
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Lists the entries whose C(hosts) is the host or one of its groups.
positional: _input
options:
  _input:
    description: Faults or probes.
    type: list
    elements: dict
    required: true
  host:
    description: Name of the host in the inventory.
    type: str
    required: true
  groups:
    description: The groups that it is in.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
probes: "{{ drill_probes | oncall.incident.drill_of_host(host=inventory_hostname, groups=group_names) }}"
"""

RETURN = r"""
_value:
  description: The entries.
  type: list
"""

import typing as t

from ..plugin_utils._drill.course import of_host


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"drill_of_host": of_host}
