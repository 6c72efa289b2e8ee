# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logins at PostgreSQL as they are told to people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pg_logins_told
short_description: The logins at PostgreSQL as they are told to people
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Lists host, port, socket, user and database of the login and of its alternates, without passwords.
positional: _input
options:
  _input:
    description: The login as the role's variables have it, with the names of the modules' options.
    type: dict
    required: true
  via:
    description: The way, V(host), V(container), V(controller), V(ssh_tunnel) or V(kubernetes).
    type: str
    required: true
  own_address:
    description: Address of the managed host.
    type: str
    required: true
  reached:
    description: What the role oncall.incident.reach found, that is the host of a container and the port of a tunnel.
    type: dict
    required: true
  alternates:
    description: The alternate logins.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
logins: >-
  {{ {'login_host': 'db1.example.org', 'login_port': 5432, 'login_unix_socket': '', 'login_user': 'oncall', 'login_db': 'shop',
      'connect_params': {}} | oncall.incident.pg_logins_told(via='controller', own_address='192.0.2.10', reached={}, alternates=[]) }}
"""

RETURN = r"""
_value:
  description: The logins, the main one first.
  type: list
"""

import typing as t

from ..module_utils._postgresql.decisions.login import logins_told


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"pg_logins_told": logins_told}
