# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom to ban."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fail2ban_attackers
short_description: Whom to ban
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Lists the addresses that were named, then the worst of the logs, each once.
positional: _input
options:
  _input:
    description: Addresses that were named, a list or text with commas.
    type: raw
    required: true
  worst:
    description: RV(oncall.incident.failed_logins#module:worst).
    type: list
    elements: dict
    required: true
  min_failures:
    description: So many failed logins make an attacker.
    type: int
    required: true
"""

EXAMPLES = r"""
# [192.0.2.7, 198.51.100.9]
addresses: >-
  {{ ['192.0.2.7'] | oncall.incident.fail2ban_attackers(worst=[{'address': '198.51.100.9', 'failed': 31}], min_failures=20) }}
"""

RETURN = r"""
_value:
  description: The addresses.
  type: list
"""

import typing as t

from ..module_utils._bans.decisions.attack import attackers


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"fail2ban_attackers": attackers}
