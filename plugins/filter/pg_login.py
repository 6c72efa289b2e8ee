# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of a connection to PostgreSQL that depend on the way."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pg_login
short_description: The arguments of a connection to PostgreSQL that depend on the way
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Says under which name, port and socket a PostgreSQL server is reached by a way.
  - Through a tunnel the name stays the server's, so that its certificate can be checked.
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
"""

EXAMPLES = r"""
connection: >-
  {{ {'login_host': '', 'login_port': 5432, 'login_unix_socket': '', 'connect_params': {}, 'probe_login_host': ''}
     | oncall.incident.pg_login(via='controller', own_address='192.0.2.10', reached={}) }}
"""

RETURN = r"""
_value:
  description: C(login_host), C(login_port), C(login_unix_socket), C(connect_params) and C(probe_login_host).
  type: dict
"""

import typing as t

from ..module_utils._postgresql.decisions.login import login


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"pg_login": login}
