# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about what every scenario shares. Each is documented in the .yml of its name."""

from __future__ import annotations

import typing as t

from ..plugin_utils._frame.deferred import deferred


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return deferred({
            "changes_of": "plugin_utils._frame.changes:changes_of",
            "command_words": "module_utils._core.words:command_words",
            "hosts_said": "plugin_utils._frame.hosts:hosts_said",
            "hosts_total": "plugin_utils._frame.hosts:hosts_total",
            "kept": "plugin_utils._frame.keeping:kept",
            "kept_actions": "plugin_utils._frame.keeping:kept_actions",
            "kept_baseline": "plugin_utils._frame.keeping:kept_baseline",
            "kept_limits": "plugin_utils._frame.keeping:kept_limits",
            "reasons": "module_utils._core.recovery:reasons",
            "rung_asks": "plugin_utils._frame.rungs:asks",
            "rung_decision": "plugin_utils._frame.rungs:decide",
            "rung_steps": "plugin_utils._frame.rungs:steps",
            "rungs_kept": "plugin_utils._frame.rungs:kept",
            "spent": "module_utils._core.limits:spent",
            "words_list": "module_utils._core.words:words_list",
        })
