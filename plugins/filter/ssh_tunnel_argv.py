# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that forwards a port by SSH."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ssh_tunnel_argv
short_description: The command that forwards a port by SSH
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Puts the words of the command together, for the option O(ignore:command) of M(oncall.incident.tunnel).
positional: _input
options:
  _input:
    description: The command of the SSH client.
    type: list
    elements: str
    required: true
  args:
    description: Further arguments of it.
    type: list
    elements: str
    required: true
  destination:
    description: Where the tunnel goes to. Empty for the managed host.
    type: str
    required: true
  user:
    description: User at the managed host. Empty for what the client takes.
    type: str
    required: true
  address:
    description: Address of the managed host.
    type: str
    required: true
  host:
    description: The server as the far end knows it. Empty for that end itself.
    type: str
    required: true
  port:
    description: Port of the server.
    type: int
    required: true
"""

EXAMPLES = r"""
command: >-
  {{ ['ssh'] | oncall.incident.ssh_tunnel_argv(args=[], destination='', user='ops', address='192.0.2.10', host='', port=5432) }}
"""

RETURN = r"""
_value:
  description: The words.
  type: list
"""

import typing as t

from ..module_utils._tunnel.decisions.commands import ssh_tunnel_argv


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"ssh_tunnel_argv": ssh_tunnel_argv}
