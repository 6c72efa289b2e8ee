# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of a drill in their order, as one host has them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_course
short_description: The faults of a drill in their order, as one host has them
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Numbers the faults and names them on the host.
positional: _input
options:
  _input:
    description: The faults.
    type: list
    elements: dict
    required: true
  drill_id:
    description: Name of the drill.
    type: str
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
course: "{{ drill_faults | oncall.incident.drill_course(drill_id='d-1', host=inventory_hostname, groups=group_names) }}"
"""

RETURN = r"""
_value:
  description:
    - C(numbers), from 1 on.
    - C(faults) by number, each with C(fault), C(mine), C(name), C(mark) and C(later).
  type: dict
"""

import typing as t

from ..plugin_utils._drill.course import course


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"drill_course": course}
