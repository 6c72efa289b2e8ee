# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection arguments of every Redis module, stated once.

The doc fragment `oncall.incident.redis` documents them; a contract test compares the two.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from .._core import hosts, ranges
from .._core.deadline import Deadline
from .._core.errors import BadInput
from .connection import Client
from .dial import Login
from .opening import CLIENT_NAME, connect

_SPEC: dict[str, t.Any] = {
    "login_host": {"type": "str", "default": "127.0.0.1"},
    "login_port": {"type": "int", "default": 6379},
    "login_user": {"type": "str", "default": ""},
    "login_password": {"type": "str", "default": "", "no_log": True},
    "login_unix_socket": {"type": "path"},
    "tls": {"type": "bool", "default": False},
    "ca_cert": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "tls_check_hostname": {"type": "bool", "default": True},
    "connect_timeout": {"type": "str", "default": "5s"},
    "socket_timeout": {"type": "str", "default": "5s"},
    "max_seconds": {"type": "str", "default": "60s"},
    "run_id": {"type": "str"},
}


@dataclasses.dataclass(frozen=True)
class Way:
    """How to reach servers: the login, and the bounds of every connection by it."""

    login: Login
    connect_timeout: float
    socket_timeout: float
    max_seconds: float
    name: str
    node_user: str = ""
    node_password: str = dataclasses.field(default="", repr=False)

    def to_node(self, host: str, port: int, *, behind_sentinel: bool) -> Login:
        """The login at a node that the seed named; one that a sentinel watches may have a login of its own."""
        login = self.login.at(host, port)
        if behind_sentinel and (self.node_user or self.node_password):
            return dataclasses.replace(login, user=self.node_user, password=self.node_password)
        return login

    def open(self, deadline: Deadline, *, login: t.Optional[Login] = None) -> Client:
        """Open a connection, to another node's login where one is given.

        Raises:
            CannotReach: see connect().
        """
        return connect(
            login or self.login, connect_timeout=self.connect_timeout, socket_timeout=self.socket_timeout,
            deadline=deadline, name=self.name,
        )


def connection_spec() -> dict[str, t.Any]:
    """The argument spec of the connection: a fresh copy."""
    return copy.deepcopy(_SPEC)


def way_from(params: t.Mapping[str, t.Any]) -> Way:
    """The way in that the arguments describe; nothing is opened.

    Raises:
        BadInput: an argument is not usable.
    """
    times = {name: ranges.read(params[name], name=name) for name in ("connect_timeout", "socket_timeout", "max_seconds")}
    ranges.read(params["login_port"], name="login_port")
    if params["client_key"] and not params["client_cert"]:
        raise BadInput("client_key is given without client_cert.", hint="Give the certificate of this key too.", argument="client_cert")
    if not params["tls"] and (params["client_cert"] or params["ca_cert"]):
        raise BadInput("A certificate is given and tls is false.", hint="Set tls to true, or leave the certificate out.", argument="tls")
    return Way(
        login=_login(params), name=client_name(params), node_user=params.get("node_login_user") or "",
        node_password=params.get("node_login_password") or "", **times,
    )


def client_name(params: t.Mapping[str, t.Any]) -> str:
    """The name of our connections: the run's id in it, so that two runs can name each other."""
    # CLIENT SETNAME takes printable ASCII without spaces.
    run = "".join(sign for sign in params.get("run_id") or "" if "!" <= sign <= "~")
    return f"{CLIENT_NAME}/{run}" if run else CLIENT_NAME


def _login(params: t.Mapping[str, t.Any]) -> Login:
    return Login(
        host=hosts.read_host(params["login_host"] or "", name="login_host") or "127.0.0.1",
        port=params["login_port"], unix_socket=params["login_unix_socket"] or "",
        user=params["login_user"] or "", password=params["login_password"] or "", tls=params["tls"],
        ca_cert=params["ca_cert"] or "", client_cert=params["client_cert"] or "", client_key=params["client_key"] or "",
        validate_certs=params["validate_certs"], check_hostname=params["tls_check_hostname"],
    )
