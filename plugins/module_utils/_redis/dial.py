# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a login to a socket: addresses, Unix sockets, and in tls.py TLS, each within one deadline.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import ipaddress
import socket
import threading
import typing as t

from .._core.deadline import Deadline
from .._core.errors import BadInput, CannotReach
from .decisions.availability import availability_hint


@dataclasses.dataclass(frozen=True)
class Login:
    """Where the server is and as whom to enter. An empty user means the one called `default`."""

    host: str = "127.0.0.1"
    port: int = 6379
    unix_socket: str = ""
    user: str = ""
    password: str = dataclasses.field(default="", repr=False)
    tls: bool = False
    ca_cert: str = ""
    client_cert: str = ""
    client_key: str = ""
    validate_certs: bool = True
    check_hostname: bool = True

    def describe(self) -> str:
        """The address and the user for people, without the password."""
        return f"{self.user}@{self.place}" if self.user else self.place

    @property
    def place(self) -> str:
        """The address alone."""
        return self.unix_socket or (f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}")

    def at(self, host: str, port: int) -> Login:
        """The same way in at another node's address."""
        return dataclasses.replace(self, host=host, port=port, unix_socket="")


def cannot(kind: str, login: Login, said: str, *, hint: str = "") -> CannotReach:
    """The error of a kind of decisions.availability.

    Args:
        hint: instead of what is usual for the kind.
    """
    return CannotReach(
        f"Redis at {login.describe()} could not be used ({kind}): {said.rstrip('.')}.",
        hint=hint or availability_hint(kind), error=kind, server_message=said,
    )


def dial(login: Login, *, deadline: Deadline) -> socket.socket:
    """Connect, and agree on TLS where that is wanted.

    Raises:
        BadInput: a certificate or key file is not usable.
        CannotReach: facts: `error`, among them refused, no_socket, timeout, unknown_host, no_route, tls_failed, tls_not_offered.
    """
    if not login.tls:
        return _plain(login, deadline)
    # ssl takes 4 ms to load, which a call without TLS need not pay.
    from . import tls

    context = tls.context_of(login)
    return tls.agree(context, _plain(login, deadline), login, deadline=deadline)


def _plain(login: Login, deadline: Deadline) -> socket.socket:
    return _unix(login, deadline) if login.unix_socket else _tcp(login, deadline)


def takes_tls(login: Login, *, deadline: Deadline) -> bool:
    """Whether TLS can be agreed on there, whoever signed: to say why a plain connection was closed."""
    asked = dataclasses.replace(login, tls=True, validate_certs=False, client_cert="", ca_cert="")
    try:
        dial(asked, deadline=deadline).close()
    except (CannotReach, BadInput):
        return False
    return True


def _unix(login: Login, deadline: Deadline) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(max(deadline.remaining(), 0.001))
        sock.connect(login.unix_socket)
    except socket.timeout:
        sock.close()
        raise cannot("timeout", login, "the socket did not take the connection in time") from None
    except OSError as exc:
        sock.close()
        # EAGAIN: the queue of a local socket is full, which is what a frozen server's becomes.
        kinds = {errno.EACCES: "no_socket_permission", errno.ECONNREFUSED: "refused", errno.EAGAIN: "timeout"}
        raise cannot(kinds.get(exc.errno or 0, "no_socket"), login, str(exc)) from None
    return sock


def _tcp(login: Login, deadline: Deadline) -> socket.socket:
    problem: t.Optional[CannotReach] = None
    for family, address in _addresses(login, deadline):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(max(deadline.remaining(), 0.001))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except socket.timeout:
            sock.close()
            raise cannot("timeout", login, "the connection was not taken in time") from None
        except OSError as exc:
            sock.close()
            problem = problem or cannot(_tcp_kind(exc), login, str(exc))
    raise problem or cannot("unknown_host", login, "the name has no address")


def _tcp_kind(exc: OSError) -> str:
    if exc.errno in (errno.ECONNREFUSED, errno.ECONNRESET):
        return "refused"
    if exc.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN):
        return "no_route"
    return "cannot_connect"


def _addresses(login: Login, deadline: Deadline) -> list[tuple[socket.AddressFamily, t.Any]]:
    """The addresses of the host. A resolver knows no timeout: it is asked beside us and left behind when it is late."""
    with contextlib.suppress(ValueError):
        literal = ipaddress.ip_address(login.host)
        return [(socket.AF_INET6 if literal.version == 6 else socket.AF_INET, (login.host, login.port))]
    found: list[tuple[socket.AddressFamily, t.Any]] = []
    failed: list[OSError] = []

    def resolve() -> None:
        try:
            found.extend((item[0], item[4]) for item in socket.getaddrinfo(login.host, login.port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as exc:
            failed.append(exc if isinstance(exc, OSError) else OSError(str(exc)))

    asking = threading.Thread(target=resolve, daemon=True)
    asking.start()
    asking.join(deadline.remaining())
    if failed:
        raise cannot("unknown_host", login, str(failed[0]))
    if not found:
        raise cannot("timeout", login, "the name was not resolved in time")
    return list(found)
