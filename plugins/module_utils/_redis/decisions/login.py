# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which login leads to a Redis server by each way, and how it is told to people.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.ways import LOOPBACK, TUNNELS, WITH_SOCKET, tunnel_port


def login(
    given: t.Mapping[str, t.Any], *, via: str, own_address: str, reached: t.Mapping[str, t.Any],
) -> dict[str, t.Any]:
    """The arguments of the connection that depend on the way.

    Args:
        given: the login as the role's variables have it.
        via: the way to the server.
        own_address: of the managed host.
        reached: what the role `reach` found: the host of a container, the port of a tunnel.

    Raises:
        BadInput: the way is a tunnel that is not open.
    """
    return {
        "login_host": _host(given, via=via, own_address=own_address, reached=reached),
        "login_port": tunnel_port(via, reached) if via in TUNNELS else given["login_port"],
        "login_unix_socket": given["login_unix_socket"] if via in WITH_SOCKET else "",
    }


def logins_told(
    given: t.Mapping[str, t.Any], *, via: str, own_address: str, reached: t.Mapping[str, t.Any],
) -> list[dict[str, t.Any]]:
    """The login as it is told to people: without its password, and before the way to the server is open. Arguments: see login()."""
    socket = given["login_unix_socket"] if via in WITH_SOCKET else ""
    return [{
        "host": _host(given, via=via, own_address=own_address, reached=reached), "port": "" if socket else given["login_port"],
        "unix_socket": socket, "user": given["login_user"], "tls": given["tls"],
    }]


def cli_servers(given: t.Mapping[str, t.Any], *, tls: bool) -> list[dict[str, t.Any]]:
    """The servers that redis-cli on the host itself can ask, for the host's snapshot. It cannot follow through a tunnel or into a
    container, and is not told of TLS.

    Args:
        given: the host's variables as the inventory has them.
        tls: whether the server is reached by TLS.
    """
    if "evidence_redis" in given:
        return list(given["evidence_redis"])
    if given.get("redis_via", "host") != "host" or tls or given.get("redis_login_unix_socket"):
        return []
    return [{
        "host": given.get("redis_login_host") or LOOPBACK, "port": given.get("redis_login_port", 6379),
        "user": given.get("redis_login_user", ""), "password": given.get("redis_login_password", ""),
    }]


def _host(given: t.Mapping[str, t.Any], *, via: str, own_address: str, reached: t.Mapping[str, t.Any]) -> str:
    if via == "container":
        return str(reached.get("host", ""))
    if via in TUNNELS:
        return LOOPBACK
    return str(given["login_host"] or (own_address if via == "controller" else LOOPBACK))
