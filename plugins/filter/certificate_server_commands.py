# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a server of certificates is asked and reloaded."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_server_commands
short_description: How a server of certificates is asked and reloaded
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Finds the commands of one server. What is stated for one service is nothing to another.
positional: _input
options:
  _input:
    description: The certificates that a host renews, as C(certificate_lineages) of the role has them.
    type: list
    elements: dict
    required: true
  server:
    description: The server.
    type: str
    required: true
  service:
    description: The service that the other two options are for.
    type: str
    required: true
  validate:
    description: Command that asks this service whether it would start with its files.
    type: list
    elements: str
    required: true
  reload_command:
    description: Command that reloads this service.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
commands: >-
  {{ [{'name': 'www', 'service': 'haproxy', 'validate': ['haproxy', '-c']}] | oncall.incident.certificate_server_commands(
       server='haproxy', service='nginx', validate=['nginx', '-t'], reload_command=[]) }}
"""

RETURN = r"""
_value:
  description: C(validate) and C(reload_command), each a list.
  type: dict
"""

import typing as t

from ..module_utils._certificate.decisions.lineages import server_commands


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"certificate_server_commands": server_commands}
