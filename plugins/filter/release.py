# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about releases. Each is documented in the .yml of its name."""

from __future__ import annotations

import typing as t

from ..plugin_utils._frame.deferred import deferred


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return deferred({
            "release_changes": "module_utils._release.decisions.switching:undoable",
            "release_runs": "module_utils._release.decisions.switching:runs",
            "release_subject": "module_utils._release.decisions.switching:subject_of",
            "release_switch": "module_utils._release.decisions.switching:switch",
            "release_was_switched": "module_utils._release.decisions.switching:was_switched",
        })
