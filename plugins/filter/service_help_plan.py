# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done for an application."""

from __future__ import annotations

DOCUMENTATION = r"""
name: service_help_plan
short_description: What is done for an application
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Decides whether the service of an application is restarted and its connection pool raised, and why.
positional: _input
options:
  _input:
    description: What other hosts of the run asked for, each with C(verb) and C(reason).
    type: list
    elements: dict
    required: true
  service:
    description: Name of the service. Empty when none is configured.
    type: str
    required: true
  restart:
    description: V(auto) restarts when that was asked for, V(always) anyway, V(never) only for a pool that was raised.
    type: str
    required: true
  pool_size:
    description: Connections that the pool is to have. 0 leaves it alone.
    type: raw
    required: true
  pool_raised:
    description: Whether the pool was raised in this run.
    type: bool
    required: true
"""

EXAMPLES = r"""
plan: "{{ [] | oncall.incident.service_help_plan(service='shop', restart='always', pool_size=0, pool_raised=false) }}"
"""

RETURN = r"""
_value:
  description: C(raises_pool), C(restarts), C(acts) when any of both is true, and C(reason).
  type: dict
"""

import typing as t

from ..module_utils._service.decisions.helping import help_plan


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"service_help_plan": help_plan}
