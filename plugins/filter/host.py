# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about hosts. Each is documented in the .yml of its name."""

from __future__ import annotations

import typing as t

from ..plugin_utils._frame.deferred import deferred


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return deferred({
            "host_images_gone": "module_utils._host.decisions.steps:images_gone",
            "host_journal_over": "module_utils._host.decisions.steps:journal_over",
            "host_journal_seen": "module_utils._host.decisions.steps:journal_seen",
            "host_later": "module_utils._host.decisions.steps:later",
            "host_places": "module_utils._host.decisions.steps:places",
            "host_remedies": "module_utils._host.decisions.steps:remedies",
        })
