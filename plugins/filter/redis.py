# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about Redis. Each is documented in the .yml of its name."""

from __future__ import annotations

import typing as t

from ..plugin_utils._frame.deferred import deferred


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return deferred({
            "redis_app_silent": "module_utils._redis.decisions.remedies:app_silent",
            "redis_asked_of": "module_utils._redis.decisions.verifying:asked_of",
            "redis_cli_servers": "module_utils._redis.decisions.login:cli_servers",
            "redis_login": "module_utils._redis.decisions.login:login",
            "redis_logins_told": "module_utils._redis.decisions.login:logins_told",
            "redis_remedies": "module_utils._redis.decisions.remedies:chosen",
            "redis_restart_request": "module_utils._redis.decisions.remedies:restart_request",
            "redis_subjects": "module_utils._redis.decisions.state:subjects",
            "redis_time_left": "module_utils._redis.decisions.verifying:time_left",
            "redis_verify_asks": "module_utils._redis.decisions.verifying:verify_asks",
        })
