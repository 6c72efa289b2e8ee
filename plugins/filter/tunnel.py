# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about the ways to a server. Each is documented in the .yml of its name."""

from __future__ import annotations

import typing as t

from ..plugin_utils._frame.deferred import deferred


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return deferred({
            "container_address": "module_utils._tunnel.decisions.commands:container_address",
            "container_networks_argv": "module_utils._tunnel.decisions.commands:container_networks_argv",
            "kubectl_tunnel_argv": "module_utils._tunnel.decisions.commands:kubectl_tunnel_argv",
            "ssh_tunnel_argv": "module_utils._tunnel.decisions.commands:ssh_tunnel_argv",
            "way": "module_utils._core.ways:way",
        })
