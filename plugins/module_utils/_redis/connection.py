# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection to a Redis server, bounded in time, with errors an operator can act on. opening.py opens it.

It speaks through the standard library alone: a host in an incident has no client library to install first, error codes arrive as
the server said them, a LOADING or MISCONF answer does not end the connection, and every read knows the time that is left. Nothing
is retried: what a refusal says is the result.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import re
import socket
import typing as t

from .._core.deadline import Deadline
from .._core.errors import CannotReach, IncidentError
from .decisions.availability import SILENT_SINCE
from .decisions.facts import NO_SUCH_COMMAND
from .decisions.info import parse_info
from .dial import Login, cannot
from .resp import MAX_LINE, Argument, ErrorReply, NotRedis, Reply, pack, read_reply, text

__all__ = ["CannotReach", "Client", "CommandRefused", "Login", "farewell", "flat"]

#: The command that a server says is forbidden. Before Redis 7 it names no subcommand.
_FORBIDDEN = re.compile(r"'([\w|.-]+)' command(?! or its subcommand)")


class CommandRefused(IncidentError):
    """The server answered a command with an error; `code` is its first word (NOPERM, MISCONF, OOM, ...). The connection is usable."""

    kind = "command_refused"

    def __init__(self, command: str, reply: ErrorReply, *, where: str = "") -> None:
        allow = what_to_allow(command, reply)
        hint = f"{allow[:1].upper()}{allow[1:]}." if allow else None
        super().__init__(f"Redis at {where} refused {command}: {reply}", hint=hint, code=reply.code, server_message=reply.message)
        self.command = command
        self.code = reply.code
        self.reply = reply

    @property
    def not_permitted(self) -> bool:
        """Whether it is forbidden or hidden: by an ACL, a renamed command, or a managed service."""
        return self.code in ("NOPERM", "NOAUTH") or self.not_known or self._managed()

    @property
    def not_known(self) -> bool:
        """Whether there is no such command: it was renamed, or a managed service or a proxy has none."""
        return any(words in self.reply.message.lower() for words in NO_SUCH_COMMAND)

    def _managed(self) -> bool:
        said = self.reply.message.lower()
        words = ("unknown subcommand", "not allowed", "is disabled", "permission", "unsupported", "restricted")
        return any(word in said for word in words)


def what_to_allow(command: str, reply: ErrorReply) -> str:
    """What an access control list must allow so that a command is not refused; empty where none refused it.

    Args:
        command: as it was sent, without its arguments; what the server names counts more.
    """
    if "NOPERM" not in str(reply):
        return ""
    said = reply.message.lower()
    if "access a channel" in said or "access one of the channels" in said:
        return "allow this user the channel, with a pattern such as &*"
    if "access a key" in said or "access one of the keys" in said:
        return "allow this user the keys, with a pattern such as ~*"
    found = _FORBIDDEN.search(said)
    return f"allow +{found.group(1) if found else command.lower().replace(' ', '|')} to this user"


def explained(command: str, reply: ErrorReply) -> str:
    """What the server said, with what must be allowed."""
    allow = what_to_allow(command, reply)
    return f"{reply}: {allow}" if allow else str(reply)


class Client:
    """An open connection. Every call is bounded by `socket_timeout` and by the deadline.

    Attributes:
        knows_client: whether the command CLIENT is known there. Every server knows it; it may be forbidden.
    """

    def __init__(self, sock: socket.socket, *, login: Login, socket_timeout: float, deadline: Deadline) -> None:
        self._stream = _Stream(sock)
        self._timeout = socket_timeout
        self.login = login
        self.deadline = deadline
        self.calls = 0
        self.knows_client = True
        self._heard = False

    @property
    def where(self) -> str:
        """The address for people."""
        return self.login.describe()

    def replies(self, commands: t.Sequence[t.Sequence[Argument]], *, timeout: t.Optional[float] = None) -> list[Reply]:
        """Send commands at once and read a reply to each; an error is an ErrorReply in its place.

        Args:
            commands: each with its arguments.
            timeout: for all of them together, seconds; `socket_timeout` when None.

        Raises:
            CannotReach: silence (`frozen`), or the connection was lost (`connection_lost`) or refused late (`maxclients`, ...).
        """
        bound = self.deadline.part(self._timeout if timeout is None else timeout)
        self.calls += len(commands)
        try:
            self._stream.send(b"".join(pack(*command) for command in commands), bound)
            found = []
            for _command in commands:
                found.append(read_reply(self._stream.until(bound)))
                self._refuse_farewell(found[-1])
                self._heard = True
            return found
        except socket.timeout:
            self.close()
            said = f"no answer to {_names(commands)} for {bound.seconds:.1f} s"
            raise cannot("frozen", self.login, said, hint=SILENT_SINCE if self._heard else "") from None
        except NotRedis as exc:
            self.close()
            raise cannot("not_redis", self.login, str(exc)) from None
        except OSError as exc:
            try:
                last = self._stream.last_words(bound, self._refuse_farewell)
            finally:
                self.close()
            raise self._broken(exc, last) from None

    def call(self, *args: Argument, timeout: t.Optional[float] = None) -> Reply:
        """One command; its reply as it came: bytes, a number, a list, None.

        Raises:
            CommandRefused: the server answered with an error.
            CannotReach: see replies().
        """
        reply = self.replies([args], timeout=timeout)[0]
        if isinstance(reply, ErrorReply):
            raise self.refused(args, reply)
        return reply

    def ask(self, *args: Argument, timeout: t.Optional[float] = None) -> t.Any:
        """As call(), with text for bytes; bytes that are not UTF-8 survive (surrogateescape)."""
        return text(self.call(*args, timeout=timeout))

    def info(self, *sections: str) -> dict[str, str]:
        """INFO by field name."""
        reply = self.call("INFO", *sections)
        return parse_info(reply if isinstance(reply, bytes) else b"")

    def config(self, *patterns: str) -> dict[str, str]:
        """CONFIG GET of several patterns, one call each, since servers before 7 take one only."""
        found: dict[str, str] = {}
        for pattern, reply in zip(patterns, self.replies([("CONFIG", "GET", pattern) for pattern in patterns])):
            if isinstance(reply, ErrorReply):
                raise self.refused(("CONFIG", "GET", pattern), reply)
            found.update(flat(reply))
        return found

    def refused(self, command: t.Sequence[Argument], reply: ErrorReply) -> CommandRefused:
        """The error that a reply is, naming the command without its arguments."""
        return CommandRefused(_names([command]), reply, where=self.where)

    def close(self) -> None:
        """End the connection."""
        self._stream.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def _broken(self, first: OSError, last: t.Optional[OSError]) -> CannotReach:
        """The error of a connection that broke. In TLS 1.3 a server looks at the client's certificate when the handshake is over on our
        side, so that its alert comes with the first read (RFC 8446, 4.4.2.4)."""
        problem, kind = first, "connection_lost"
        if self.login.tls:
            from . import tls

            problem = last if last is not None and tls.is_of_tls(last) else first
            kind = "tls_failed" if tls.is_alert(problem) and not self._heard else kind
        return cannot(kind, self.login, str(problem) or type(problem).__name__)

    def _refuse_farewell(self, reply: Reply) -> None:
        """Some refusals come as the reply to whatever is sent first, and the connection ends with them."""
        if isinstance(reply, ErrorReply):
            kind = farewell(reply)
            if kind:
                self.close()
                raise cannot(kind, self.login, str(reply))


def farewell(reply: ErrorReply) -> str:
    """The kind of a refusal with which a server ends a connection it will not serve; empty for all other errors."""
    if "max number of clients" in reply.message:
        return "maxclients"
    if reply.code == "DENIED" and "protected mode" in reply.message:
        return "protected_mode"
    return ""


def flat(reply: Reply) -> dict[str, t.Any]:
    """A reply of names and values in turn (CONFIG GET, SENTINEL MASTERS) as a dictionary of text."""
    items = text(reply) if isinstance(reply, list) else []
    return {str(name): value for name, value in zip(items[::2], items[1::2])}


def _names(commands: t.Sequence[t.Sequence[Argument]]) -> str:
    # Arguments are passwords, keys and values: never in a message. The second word is told where it is a subcommand.
    families = ("CLIENT", "CONFIG", "SLOWLOG", "LATENCY", "CLUSTER", "SENTINEL", "ACL", "MEMORY", "SCRIPT", "FUNCTION")
    return ", ".join(" ".join(str(word) for word in one[: 2 if str(one[0]).upper() in families else 1]) for one in commands)


class _Stream:
    """The bytes of one socket, each read bounded."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self._bound: t.Optional[Deadline] = None

    def send(self, data: bytes, bound: Deadline) -> None:
        self._sock.settimeout(max(bound.remaining(), 0.001))
        self._sock.sendall(data)

    def until(self, bound: Deadline) -> _Stream:
        self._bound = bound
        return self

    def line(self) -> bytes:
        while True:
            end = self._buffer.find(b"\r\n")
            if end >= 0:
                found = bytes(self._buffer[:end])
                del self._buffer[: end + 2]
                return found
            if len(self._buffer) > MAX_LINE:
                raise NotRedis("a line without an end came")
            self._more()

    def exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        found = bytes(self._buffer[:size])
        del self._buffer[:size]
        return found

    def last_words(self, bound: Deadline, hear: t.Callable[[Reply], None]) -> t.Optional[OSError]:
        """A server that refuses says why and closes at once: our command may find the connection closed with the reason still unread.

        Returns:
            The error that was read, None where there is none.
        """
        try:
            hear(read_reply(self.until(bound)))
        except OSError as exc:
            return exc
        except (NotRedis, ValueError):
            pass
        return None

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.close()

    def _more(self) -> None:
        left = self._bound.remaining() if self._bound else 0.0
        if left <= 0:
            raise socket.timeout("timed out")
        self._sock.settimeout(left)
        data = self._sock.recv(65536)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        self._buffer += data
