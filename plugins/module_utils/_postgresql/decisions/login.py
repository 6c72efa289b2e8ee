# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which login leads to a PostgreSQL server by each way, and how logins are told to people.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.ways import LOOPBACK, TUNNELS, WITH_SOCKET, tunnel_port


def login(
    given: t.Mapping[str, t.Any], *, via: str, own_address: str, reached: t.Mapping[str, t.Any],
) -> dict[str, t.Any]:
    """The arguments of the connection that depend on the way.

    Through a tunnel the name stays the server's, so that its certificate can be checked; only the address is the tunnel's.

    Args:
        given: the login as the role's variables have it.
        via: the way to the server.
        own_address: of the managed host.
        reached: what the role `reach` found: the host of a container, the port of a tunnel.

    Raises:
        BadInput: the way is a tunnel that is not open.
    """
    tunnelled, params = via in TUNNELS, given["connect_params"]
    return {
        "login_host": _host(given, via=via, own_address=own_address, reached=reached),
        "login_port": tunnel_port(via, reached) if tunnelled else given["login_port"],
        "login_unix_socket": given["login_unix_socket"] if via in WITH_SOCKET else "",
        "connect_params": {**params, "hostaddr": LOOPBACK} if tunnelled else params,
        # A tunnel leads to one address only.
        "probe_login_host": "" if tunnelled else given["probe_login_host"],
    }


def logins_told(
    given: t.Mapping[str, t.Any], *, via: str, own_address: str, reached: t.Mapping[str, t.Any],
    alternates: t.Sequence[t.Mapping[str, t.Any]],
) -> list[dict[str, t.Any]]:
    """The logins as they are told to people: without passwords, and before the way to the server is open.

    Args:
        given: see login().
        via: see login().
        own_address: see login().
        reached: see login().
        alternates: the alternate logins.
    """
    params = given["connect_params"]
    first = {
        "host": params.get("host") or _host(given, via=via, own_address=own_address, reached=reached),
        "port": params.get("port") or given["login_port"],
        "unix_socket": given["login_unix_socket"] if via in WITH_SOCKET and not params.get("host") else "",
        "user": params.get("user") or given["login_user"],
        "database": params.get("dbname") or given["login_db"],
    }
    names = {"host": "login_host", "port": "login_port", "unix_socket": "login_unix_socket", "user": "login_user", "database": "login_db"}
    return [first, *({name: one.get(theirs) or "" for name, theirs in names.items()} for one in alternates)]


def _host(given: t.Mapping[str, t.Any], *, via: str, own_address: str, reached: t.Mapping[str, t.Any]) -> str:
    host = str(given["login_host"] or "")
    if via == "container":
        return str(reached.get("host", ""))
    if via in TUNNELS:
        return host or LOOPBACK
    if via == "controller" and not given["login_unix_socket"]:
        return host or own_address
    return host
