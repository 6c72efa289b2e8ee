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
            "service_acted": "module_utils._service.decisions.doing:acted",
            "service_asked_of": "module_utils._service.decisions.outage:asked_of",
            "service_done": "module_utils._service.decisions.doing:done",
            "service_entries": "module_utils._service.decisions.doing:entries",
            "service_help_plan": "module_utils._service.decisions.helping:help_plan",
            "service_inside": "module_utils._service.decisions.doing:inside",
            "service_looked": "module_utils._service.decisions.doing:looked",
            "service_needed": "module_utils._service.decisions.doing:needed",
            "service_places": "module_utils._service.decisions.doing:places",
            "service_pool_back": "module_utils._service.decisions.helping:pool_back",
            "service_pool_before": "module_utils._service.decisions.helping:pool_before",
            "service_pool_is": "module_utils._service.decisions.helping:pool_is",
            "service_pool_is_small": "module_utils._service.decisions.helping:pool_is_small",
            "service_pool_put_back": "module_utils._service.decisions.helping:pool_put_back",
            "service_pool_reads": "module_utils._service.decisions.helping:pool_reads",
            "service_pool_request": "module_utils._service.decisions.helping:pool_request",
            "service_pool_share": "module_utils._service.decisions.helping:pool_share",
            "service_pool_temporary": "module_utils._service.decisions.helping:pool_temporary",
            "service_probes": "module_utils._service.decisions.outage:probes",
            "service_pools": "module_utils._service.decisions.doing:pools",
            "service_remedies": "module_utils._service.decisions.outage:remedies",
            "service_remedy_steps": "module_utils._service.decisions.outage:remedy_steps",
            "service_scale_against": "module_utils._service.decisions.doing:scale_against",
            "service_steps": "module_utils._service.decisions.doing:steps",
            "service_still": "module_utils._service.decisions.doing:still",
            "service_subjects": "module_utils._service.decisions.doing:subjects",
            "service_validating": "module_utils._service.decisions.doing:validating",
            "service_verify_asks": "module_utils._service.decisions.outage:verify_asks",
        })
