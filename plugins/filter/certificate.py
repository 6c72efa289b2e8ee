# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about certificates. Each is documented in the .yml of its name."""

from __future__ import annotations

import typing as t

from ..plugin_utils._frame.deferred import deferred


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return deferred({
            "certificate_not_recovered": "module_utils._certificate.decisions.recovery:not_recovered",
            "certificate_reloads": "module_utils._certificate.decisions.reloading:reloads",
            "certificate_renewable": "module_utils._certificate.decisions.lineages:renewable",
            "certificate_server_commands": "module_utils._certificate.decisions.lineages:server_commands",
            "certificate_targets": "module_utils._certificate.decisions.lineages:targets",
            "certificate_unloadable": "module_utils._certificate.decisions.lineages:unloadable",
            "certificate_verify_checks": "module_utils._certificate.decisions.lineages:verify_checks",
        })
