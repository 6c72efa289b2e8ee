# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that asks for the networks of a container."""

from __future__ import annotations

DOCUMENTATION = r"""
name: container_networks_argv
short_description: The command that asks for the networks of a container
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Asks a container runtime for nothing else, since the environment of a container may hold credentials.
positional: _input
options:
  _input:
    description: The command of the container runtime.
    type: list
    elements: str
    required: true
  container:
    description: Name of the container.
    type: str
    required: true
"""

EXAMPLES = r"""
argv: "{{ ['docker'] | oncall.incident.container_networks_argv(container='postgres') }}"
"""

RETURN = r"""
_value:
  description: The words.
  type: list
"""

import typing as t

from ..module_utils._tunnel.decisions.commands import container_networks_argv


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"container_networks_argv": container_networks_argv}
