# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open a connection to a Redis server, and where that fails ask once more, with less, to say what is there.

A proxy knows no CLIENT and closes the connection, as a crashing server would; CLIENT PAUSE leaves a connection without an answer, as a
frozen process does. Each of them answers something that the other does not.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import socket
import typing as t

from .._core.deadline import Deadline
from .._core.errors import CannotReach
from .._module.files import text_of
from .connection import Client, CommandRefused
from .decisions.availability import LOST, PAUSED, PROXY
from .dial import Login, cannot, dial, takes_tls
from .resp import Argument, ErrorReply, Reply

#: Begins the name of every connection of ours in CLIENT LIST.
CLIENT_NAME = "oncall.incident"
#: Bound of all work with one client when the caller gives none, seconds.
_DEFAULT_WALL = 60.0
#: For asking once more, seconds.
_PROBE = 2.0


def connect(
    login: Login, *, connect_timeout: float = 5.0, socket_timeout: float = 5.0, deadline: t.Optional[Deadline] = None,
    name: str = CLIENT_NAME,
) -> Client:
    """Open one connection, log in, and give it a name where that is allowed.

    Args:
        login: where and as whom.
        connect_timeout: for finding the address, the connection and TLS together, seconds.
        socket_timeout: for the answer to one command, seconds.
        deadline: no wait crosses it.
        name: shown in CLIENT LIST.

    Raises:
        CannotReach: facts: `error`, one of decisions.availability's kinds, and `server_message`.
    """
    wall = deadline or Deadline(_DEFAULT_WALL)

    def opened() -> Client:
        return Client(_dial(login, connect_timeout, wall), login=login, socket_timeout=socket_timeout, deadline=wall)

    try:
        return _entered(opened(), name)
    except CannotReach as exc:
        kind = exc.facts["error"]
        if kind == "frozen" and _answers_errors(login, wall.part(_PROBE)):
            raise cannot(PAUSED, login, "no command is answered, and one that has too few arguments is refused at once") from None
        if kind != LOST:
            raise
        if not login.tls and takes_tls(login, deadline=wall.part(connect_timeout)):
            raise cannot("tls_required", login, "the server takes TLS there and closed the plain connection") from None
        return _again(opened(), name, first=exc)


def _again(client: Client, name: str, *, first: CannotReach) -> Client:
    """Enter once more, by PING alone: the server was restarted, or it is a proxy, or nobody answers.

    Args:
        client: a second connection.
        first: what became of the first.
    """
    login = client.login
    try:
        client.replies([*_credentials(login), ("PING",)])
    except CannotReach as exc:
        if exc.facts["error"] != LOST:
            raise
        raise cannot(LOST, login, f"{first.facts['server_message']}, and so it was with PING alone{_who_listens(login)}") from None
    try:
        return _entered(client, name)
    except CannotReach as exc:
        if exc.facts["error"] != LOST:
            raise
        raise cannot(PROXY, login, "PING is answered, and the connection is closed at the command CLIENT") from None


def _entered(client: Client, name: str) -> Client:
    try:
        credentials = _credentials(client.login)
        replies = client.replies([*credentials, ("CLIENT", "SETNAME", name)])
        if credentials:
            _require_login(client, replies[0])
        elif isinstance(replies[0], ErrorReply) and replies[0].code == "NOAUTH":
            raise cannot("auth_required", client.login, str(replies[0]))
    except BaseException:
        client.close()
        raise
    client.knows_client = not _is_unknown(replies[-1])
    return client


def _credentials(login: Login) -> list[t.Sequence[Argument]]:
    if not (login.password or login.user):
        return []
    return [("AUTH", login.user, login.password) if login.user else ("AUTH", login.password)]


def _is_unknown(reply: Reply) -> bool:
    return isinstance(reply, ErrorReply) and CommandRefused("CLIENT SETNAME", reply).not_known


def _dial(login: Login, connect_timeout: float, wall: Deadline) -> socket.socket:
    try:
        return dial(login, deadline=wall.part(connect_timeout))
    except CannotReach as exc:
        # A server without TLS may wait for the rest of what it takes for a line of text, as a frozen one would.
        if login.tls and exc.facts["error"] == "frozen" and _speaks_plainly(login, wall.part(_PROBE)):
            raise cannot("tls_not_offered", login, "the server answers there without TLS") from None
        raise


def _speaks_plainly(login: Login, deadline: Deadline) -> bool:
    return _answer(dataclasses.replace(login, tls=False), ("PING",), deadline) is not None


def _answers_errors(login: Login, deadline: Deadline) -> bool:
    """Whether a server that answers no command refuses one: it is told that arguments are missing before a pause is looked at."""
    return isinstance(_answer(login, ("ECHO",), deadline), ErrorReply)


def _answer(login: Login, command: t.Sequence[Argument], deadline: Deadline) -> Reply:
    """The answer to one command on a connection of its own, without a login; None without one."""
    try:
        with Client(dial(login, deadline=deadline), login=login, socket_timeout=_PROBE, deadline=deadline) as client:
            return client.replies([command])[0]
    except CannotReach:
        return None


def _require_login(client: Client, reply: Reply) -> None:
    if isinstance(reply, ErrorReply):
        if "without any password configured" in reply.message or "no password is set" in reply.message:
            # The server asks for none. What else it says, and what it lets us do, is as good without.
            return
        raise cannot("wrong_password" if reply.code in ("WRONGPASS", "ERR") else "auth_refused", client.login, str(reply))


def _who_listens(login: Login) -> str:
    """The program that listens there, where it is one of this host and ours to see."""
    # Only where something is wrong: it takes some milliseconds to load.
    from .._host.listening import listening

    _anybody, process = listening(host=login.host, port=login.port, path=login.unix_socket or None)
    program = text_of(f"/proc/{process}/comm").strip() if process else ""
    return f"; {program} listens there (process {process})" if program else ""
