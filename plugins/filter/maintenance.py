# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about maintenance. Each is documented in the .yml of its name."""

from __future__ import annotations

import typing as t

from ..plugin_utils._frame.deferred import deferred


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return deferred({
            "maintenance_off": "plugin_utils._frame.maintaining:take_off",
            "maintenance_on": "plugin_utils._frame.maintaining:put_on",
            "maintenance_switch": "plugin_utils._frame.maintaining:switch",
        })
