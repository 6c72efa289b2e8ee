# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why addresses are not called let in."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fail2ban_not_let_in
short_description: Why addresses are not called let in
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Puts the reasons together, and is empty when the addresses are let in.
positional: _input
options:
  _input:
    description: What M(oncall.incident.access_health) returned with C(wait_for).
    type: dict
    required: true
  served:
    description: What M(oncall.incident.port_health) returned on the service's own host. Empty when that was not asked.
    type: dict
    required: true
  reached:
    description: What it returned at the vantage point. Empty when that was not asked.
    type: dict
    required: true
  vantage:
    description: Name of the host that is the vantage point.
    type: str
    required: true
"""

EXAMPLES = r"""
not_recovered: "{{ access | oncall.incident.fail2ban_not_let_in(served=served, reached={}, vantage='') }}"
"""

RETURN = r"""
_value:
  description: The reasons as one text.
  type: str
"""

import typing as t

from ..module_utils._bans.decisions.recovery import not_let_in


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"fail2ban_not_let_in": not_let_in}
