# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about PostgreSQL. Each is documented in the .yml of its name."""

from __future__ import annotations

import typing as t

from ..plugin_utils._frame.deferred import deferred


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return deferred({
            "pg_help_wanted": "module_utils._postgresql.decisions.recovering:help_wanted",
            "pg_log_path": "module_utils._postgresql.decisions.settings:log_path",
            "pg_login": "module_utils._postgresql.decisions.login:login",
            "pg_logins_told": "module_utils._postgresql.decisions.login:logins_told",
            "pg_restart_request": "module_utils._postgresql.decisions.restart:restart_request",
            "pg_verify_checks": "module_utils._postgresql.decisions.recovering:verify_checks",
        })
