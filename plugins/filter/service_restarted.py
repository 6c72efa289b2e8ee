# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether two looks show that a service was restarted."""

from __future__ import annotations

DOCUMENTATION = r"""
name: service_restarted
short_description: Whether two looks show that a service was restarted
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Compares two results of M(oncall.incident.service_instances). All that runs must be up and have been started since.
positional: _input
options:
  _input:
    description: The later result.
    type: dict
    required: true
  before:
    description: The earlier result.
    type: dict
    required: true
"""

EXAMPLES = r"""
restarted: "{{ after | oncall.incident.service_restarted(before=before) }}"
"""

RETURN = r"""
_value:
  description: Whether they do.
  type: bool
"""

import typing as t

from ..module_utils._service.decisions.helping import restarted


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"service_restarted": restarted}
