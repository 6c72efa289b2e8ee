# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sum of a variable over the hosts of a run."""

from __future__ import annotations

DOCUMENTATION = r"""
name: hosts_total
short_description: The sum of a variable over the hosts of a run
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Adds up a variable. A value that is not a number is an error.
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
connections: "{{ hostvars | oncall.incident.hosts_total(variable='service_pool_share', hosts=ansible_play_hosts_all) }}"
"""

RETURN = r"""
_value:
  description: The sum.
  type: int
"""

import typing as t

from ..plugin_utils._frame.hosts import hosts_total


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"hosts_total": hosts_total}
