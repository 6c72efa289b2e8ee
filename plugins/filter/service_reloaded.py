# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether two looks show that a service was reloaded."""

from __future__ import annotations

DOCUMENTATION = r"""
name: service_reloaded
short_description: Whether two looks show that a service was reloaded
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Compares two results of M(oncall.incident.service_instances). All that runs must be as it was started, and show that it was reloaded.
positional: _input
options:
  _input:
    description: The later result, with workers.
    type: dict
    required: true
  before:
    description: The earlier result, with workers.
    type: dict
    required: true
  evidence:
    description: V(workers) is new processes below each main process, V(state) is systemd saying that the unit's state changed.
    type: str
    required: true
"""

EXAMPLES = r"""
reloaded: "{{ after | oncall.incident.service_reloaded(before=before, evidence='workers') }}"
"""

RETURN = r"""
_value:
  description: Whether they do.
  type: bool
"""

import typing as t

from ..module_utils._service.decisions.helping import reloaded


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"service_reloaded": reloaded}
