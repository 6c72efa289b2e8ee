# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a daemon that bans must not be restarted."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fail2ban_config_refusals
short_description: Why a daemon that bans must not be restarted
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Says that the configuration of the daemon does not validate.
positional: _input
options:
  _input:
    description: Result of the command that validates the configuration.
    type: dict
    required: true
"""

EXAMPLES = r"""
forbidden: "{{ tested | oncall.incident.fail2ban_config_refusals }}"
"""

RETURN = r"""
_value:
  description: Reasons, none when the configuration validates.
  type: list
"""

import typing as t

from ..module_utils._bans.decisions.daemon import config_refusals


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"fail2ban_config_refusals": config_refusals}
