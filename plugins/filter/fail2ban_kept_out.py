# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who must be kept out after a run."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fail2ban_kept_out
short_description: Who must be kept out after a run
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Lists whom the run banned or found banned. Without any it lists those that were named.
positional: _input
options:
  _input:
    description: The actions of the run so far, as C(incident_actions) has them.
    type: list
    elements: dict
    required: true
  named:
    description: Attackers that were named, a list or text with commas.
    type: raw
    required: true
"""

EXAMPLES = r"""
kept_out: "{{ incident_actions | default([]) | oncall.incident.fail2ban_kept_out(named=['192.0.2.7']) }}"
"""

RETURN = r"""
_value:
  description: The addresses.
  type: list
"""

import typing as t

from ..module_utils._bans.decisions.attack import kept_out


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"fail2ban_kept_out": kept_out}
