# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address of a container."""

from __future__ import annotations

DOCUMENTATION = r"""
name: container_address
short_description: The address of a container
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Takes the address out of the networks of a container. It is empty when the container has none.
positional: _input
options:
  _input:
    description: The networks by name, as the JSON text of the container runtime.
    type: str
    required: true
  network:
    description: The network whose address is wanted. Empty for the first.
    type: str
    required: true
"""

EXAMPLES = r"""
# 172.18.0.2
address: "{{ '{\"shop\": {\"IPAddress\": \"172.18.0.2\"}}' | oncall.incident.container_address(network='shop') }}"
"""

RETURN = r"""
_value:
  description: The address.
  type: str
"""

import typing as t

from ..module_utils._tunnel.decisions.commands import container_address


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"container_address": container_address}
