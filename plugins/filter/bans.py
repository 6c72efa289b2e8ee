# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about fail2ban. Each is documented in the .yml of its name."""

from __future__ import annotations

import typing as t

from ..plugin_utils._frame.deferred import deferred


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return deferred({
            "fail2ban_attackers": "module_utils._bans.decisions.attack:attackers",
            "fail2ban_config_refusals": "module_utils._bans.decisions.daemon:config_refusals",
            "fail2ban_kept_out": "module_utils._bans.decisions.attack:kept_out",
            "fail2ban_not_kept_out": "module_utils._bans.decisions.recovery:not_kept_out",
            "fail2ban_not_let_in": "module_utils._bans.decisions.recovery:not_let_in",
            "fail2ban_places": "module_utils._bans.decisions.daemon:places",
            "fail2ban_verify_asks": "module_utils._bans.decisions.recovery:verify_asks",
        })
