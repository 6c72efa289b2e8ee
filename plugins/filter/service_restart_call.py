# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action that restarts a service says."""

from __future__ import annotations

DOCUMENTATION = r"""
name: service_restart_call
short_description: What the action that restarts a service says
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Makes the target of the action, the state of the unit, and what is against it.
positional: _input
options:
  _input:
    description: Name of the service.
    type: str
    required: true
  runtime:
    description: What runs the service, V(systemd) or V(compose).
    type: str
    required: true
  scope:
    description: Scope of the systemd unit.
    type: str
    required: true
  project:
    description: Directory of the Compose project.
    type: str
    required: true
  start_only:
    description: Only start what does not run.
    type: bool
    required: true
  forbidden:
    description: What the caller has against it.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
call: >-
  {{ 'shop' | oncall.incident.service_restart_call(runtime='systemd', scope='system', project='', start_only=false, forbidden=[]) }}
"""

RETURN = r"""
_value:
  description: C(target), C(state) and C(forbidden).
  type: dict
"""

import typing as t

from ..module_utils._service.decisions.helping import restart_call


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"service_restart_call": restart_call}
