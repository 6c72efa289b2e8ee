# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of a connection to Redis that depend on the way."""

from __future__ import annotations

DOCUMENTATION = r"""
name: redis_login
short_description: The arguments of a connection to Redis that depend on the way
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Says at which address, port and socket a Redis server is reached by a way.
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
  {{ {'login_host': '', 'login_port': 6379, 'login_unix_socket': ''}
     | oncall.incident.redis_login(via='controller', own_address='192.0.2.10', reached={}) }}
"""

RETURN = r"""
_value:
  description: C(login_host), C(login_port) and C(login_unix_socket).
  type: dict
"""

import typing as t

from ..module_utils._redis.decisions.login import login


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"redis_login": login}
