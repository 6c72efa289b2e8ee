# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the filters that make a login from the way to a server."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation shared by `pg_login`, `pg_logins_told`, `redis_login` and `redis_logins_told`."""

    DOCUMENTATION = r"""
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
