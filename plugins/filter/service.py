# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about services. Each is documented in the .yml of its name."""

from __future__ import annotations

import typing as t

from ..plugin_utils._frame.deferred import deferred


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return deferred({
            "compose_argv": "module_utils._service.decisions.compose:compose_argv",
            "service_help_plan": "module_utils._service.decisions.helping:help_plan",
            "service_pool_back": "module_utils._service.decisions.helping:pool_back",
            "service_pool_before": "module_utils._service.decisions.helping:pool_before",
            "service_pool_is": "module_utils._service.decisions.helping:pool_is",
            "service_pool_is_small": "module_utils._service.decisions.helping:pool_is_small",
            "service_pool_put_back": "module_utils._service.decisions.helping:pool_put_back",
            "service_pool_reads": "module_utils._service.decisions.helping:pool_reads",
            "service_pool_request": "module_utils._service.decisions.helping:pool_request",
            "service_pool_share": "module_utils._service.decisions.helping:pool_share",
            "service_pool_temporary": "module_utils._service.decisions.helping:pool_temporary",
            "service_reloaded": "module_utils._service.decisions.helping:reloaded",
            "service_restart_call": "module_utils._service.decisions.helping:restart_call",
            "service_restarted": "module_utils._service.decisions.helping:restarted",
        })
