# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that forwards a port by Kubernetes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kubectl_tunnel_argv
short_description: The command that forwards a port by Kubernetes
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Puts the words of the command together, for the option O(ignore:command) of M(oncall.incident.tunnel).
positional: _input
options:
  _input:
    description: The command of kubectl.
    type: list
    elements: str
    required: true
  context:
    description: Context of the kubeconfig. Empty for the current one.
    type: str
    required: true
  namespace:
    description: The namespace. Empty for the current one.
    type: str
    required: true
  target:
    description: What the port is forwarded from.
    type: str
    required: true
  port:
    description: Port of the server.
    type: int
    required: true
"""

EXAMPLES = r"""
command: >-
  {{ ['kubectl'] | oncall.incident.kubectl_tunnel_argv(context='', namespace='shop', target='service/postgres', port=5432) }}
"""

RETURN = r"""
_value:
  description: The words.
  type: list
"""

import typing as t

from ..module_utils._tunnel.decisions.commands import kubectl_tunnel_argv


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"kubectl_tunnel_argv": kubectl_tunnel_argv}
