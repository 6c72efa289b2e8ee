# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why attackers are not called kept out."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fail2ban_not_kept_out
short_description: Why attackers are not called kept out
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Puts the reasons together, and is empty when the attackers are kept out.
positional: _input
options:
  _input:
    description: What M(oncall.incident.access_health) returned with C(wait_for).
    type: dict
    required: true
  daemon:
    description: What M(oncall.incident.fail2ban_health) returned.
    type: dict
    required: true
  banned:
    description: What M(oncall.incident.fail2ban_ban) returned. Empty when nobody was to ban.
    type: dict
    required: true
  logins:
    description: What M(oncall.incident.failed_logins) returned. Empty when nobody looked.
    type: dict
    required: true
  named:
    description: Attackers that were named, a list or text with commas.
    type: raw
    required: true
  min_failures:
    description: So many failed logins make an attacker.
    type: int
    required: true
  actions:
    description: The actions of the run so far, as C(incident_actions) has them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
not_recovered: >-
  {{ access | oncall.incident.fail2ban_not_kept_out(daemon=daemon, banned={}, logins={}, named=["192.0.2.7"], min_failures=20,
     actions=[]) }}
"""

RETURN = r"""
_value:
  description: The reasons as one text.
  type: str
"""

import typing as t

from ..module_utils._bans.decisions.recovery import not_kept_out


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"fail2ban_not_kept_out": not_kept_out}
