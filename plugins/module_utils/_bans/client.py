# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a fail2ban server: over its socket, or with fail2ban-client where that cannot be done.

This module util is PRIVATE to the collection: it may change at any time.

The protocol is a pickled list of words and <F2B_END_COMMAND>, answered by a pickled pair and the same end (fail2ban's
client/csocket.py and server/asyncserver.py). It is spoken here without fail2ban, and a reply is
read without importing or calling anything: see pickled.
"""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import socket
import typing as t

from .._core.deadline import Deadline
from .._core.errors import CannotReach, IncidentError
from .._module.programs import MAX_OUTPUT, execute
from .decisions import pickled
from .decisions.replies import NUMBER, Ban, ServerSaidNo, answer_of, bans_of, from_client, jails_of, texts_of

END = b"<F2B_END_COMMAND>"
CLOSE = b"<F2B_CLOSE_COMMAND>"
#: Old enough for every server, the Python 2 ones of 0.11 among them.
OUR_PROTOCOL = 2
SOCKET, CLIENT = "socket", "client"
_CHUNK = 65536


class CommandRefused(IncidentError):
    """The server answered a command with an error."""

    kind = "refused_by_server"


class Clock(Deadline):
    """One deadline for all that is asked of a daemon."""

    def extend(self, seconds: float) -> None:
        """Allow some seconds from now on, for measuring what was begun."""
        self._end = max(self._end, self._clock() + seconds)

    def need(self, *, doing: str) -> float:
        """Seconds that are left.

        Raises:
            CannotReach: none are.
        """
        if self.passed():
            raise CannotReach(f"No answer within {self.seconds:g} s, at: {doing}.", hint="Raise timeout; see whether the server hangs.",
                              reason="timeout")
        return max(self.remaining(), 0.001)


class Transport(t.Protocol):
    """A way to send a command and get its answer."""

    name: str

    def command(self, words: t.Sequence[str]) -> t.Any:
        """The answer to a command. Raises ServerSaidNo, NotData or CannotReach."""

    def close(self) -> None:
        """Let go of it."""


class SocketTransport:
    """One connection for every command."""

    name = SOCKET

    def __init__(self, path: str, clock: Clock) -> None:
        self._clock = clock
        self._path = path
        self._socket = self._connect()

    def command(self, words: t.Sequence[str]) -> t.Any:
        """Send a command and read its answer, within the deadline."""
        said = " ".join(words[:3])
        try:
            self._socket.settimeout(self._clock.need(doing=said))
            self._socket.sendall(pickle.dumps(list(words), protocol=OUR_PROTOCOL) + END)
            return answer_of(self._receive(said))
        except socket.timeout as exc:
            raise CannotReach(
                f"fail2ban did not answer {said} within {self._clock.seconds:g} s.",
                hint="It runs one command after another: an action may hang. Raise timeout, or look at its log.", reason="timeout",
            ) from exc
        except OSError as exc:
            raise CannotReach(f"The connection to {self._path} broke at {said}: {exc.strerror or exc}.", hint="See fail2ban's log.",
                              reason="broken") from exc

    def close(self) -> None:
        """Say that no more comes, and close."""
        try:
            self._socket.settimeout(1.0)
            self._socket.sendall(CLOSE + END)
        except OSError:
            pass
        finally:
            self._socket.close()

    def _receive(self, said: str) -> t.Any:
        data = bytearray()
        while True:
            self._socket.settimeout(self._clock.need(doing=said))
            chunk = self._socket.recv(_CHUNK)
            if not chunk:
                raise OSError(errno.ECONNRESET, "the server closed it")
            data += chunk
            if len(data) > pickled.MAX_BYTES + len(END):
                raise pickled.NotData(f"more than {pickled.MAX_BYTES} bytes")
            if data.endswith(END):
                try:
                    return pickled.read(bytes(data[: -len(END)]))
                except pickled.Truncated:
                    # The end's own text can stand inside an answer, which quotes logs.
                    continue

    def _connect(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.settimeout(self._clock.need(doing="connect"))
            made.connect(self._path)
        except OSError as exc:
            made.close()
            raise _unreachable(self._path, exc) from exc
        return made


class ClientTransport:
    """fail2ban-client, one process per command: for servers whose answers only their own Python can read."""

    name = CLIENT

    def __init__(self, command: t.Sequence[str], path: str, clock: Clock) -> None:
        self._argv = [*command, "-s", path]
        self._clock = clock

    def command(self, words: t.Sequence[str]) -> t.Any:
        """Run the client for a command."""
        said = " ".join(words[:3])
        done = execute([*self._argv, *words], seconds=self._clock.need(doing=said), env={**os.environ, "LC_ALL": "C.UTF-8"})
        if done.problem:
            raise CannotReach(f"{self._argv[0]} cannot be run: {done.problem}.", hint="Set client_command.", reason="no_client")
        if done.late:
            raise CannotReach(f"{self._argv[0]} did not end within {self._clock.seconds:g} s at {said}.", hint="Raise timeout.",
                              reason="timeout")
        if done.cut:
            raise CannotReach(f"{self._argv[0]} printed more than {MAX_OUTPUT} bytes at {said}.", reason="protocol")
        if done.status:
            text = (done.out + done.err).decode("utf-8", "replace").strip()
            if "socket" in text.lower() and any(said in text.lower() for said in ("unable to contact", "failed to access", "permission")):
                raise CannotReach(f"{self._argv[0]}: {text[:300]}", hint="See whether fail2ban runs, and use become.", reason="refused")
            raise ServerSaidNo(text[:500], kind="UnknownJailException" if "does not exist" in text else "")
        return from_client(words, done.out.decode("utf-8", "replace"))

    def close(self) -> None:
        """There is nothing to let go of."""


class Server:
    """The commands that we use, and what they mean."""

    def __init__(self, transport: Transport, *, path: str, clock: Clock, fallback: t.Callable[[], Transport] | None = None) -> None:
        self._transport = transport
        self._fallback = fallback
        self.path = path
        self.clock = clock
        self.commands = 0
        self.notes_taken: list[str] = []

    @property
    def via(self) -> str:
        """How it is asked: socket or client."""
        return self._transport.name

    @property
    def notes(self) -> list[str]:
        """Why another way was taken."""
        return list(self.notes_taken)

    def close(self) -> None:
        """Let go of the connection."""
        self._transport.close()

    def reopen(self) -> None:
        """Begin a new connection, since an answer may still be on the way on the old one."""
        if isinstance(self._transport, SocketTransport):
            self._transport.close()
            self._transport = SocketTransport(self.path, self.clock)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def ask(self, *words: str) -> t.Any:
        """The answer to a command.

        Raises:
            CommandRefused: the server says no.
            CannotReach: it does not answer, or not in a language that we know.
        """
        try:
            self.commands += 1
            return self._transport.command(words)
        except ServerSaidNo as exc:
            raise CommandRefused(f"fail2ban refused {' '.join(words[:4])}: {exc}.", hint="See its log.", said=str(exc),
                                 exception_kind=exc.kind) from exc
        except pickled.NotData as exc:
            # Reading may be asked again in another way; what changes things may have been done already.
            if self._fallback is None or words[0] not in ("ping", "version", "status", "get"):
                raise CannotReach(f"The answer of fail2ban to {' '.join(words[:3])} cannot be read: {exc}.",
                                  hint="Give client_command, so that fail2ban's own client is asked.", reason="protocol") from exc
            self.notes_taken.append(f"socket: {exc}")
            self._transport.close()
            self._transport, self._fallback = self._fallback(), None
            return self.ask(*words)

    def version(self) -> str:
        """Of the server."""
        return str(self.ask("version"))

    def jails(self) -> list[str]:
        """Their names."""
        try:
            return jails_of(self.ask("status"))
        except pickled.NotData as exc:
            raise CannotReach(f"fail2ban's jails cannot be read: {exc}.", reason="protocol") from exc

    def bans(self, jail: str) -> list[Ban]:
        """What a jail bans now."""
        return bans_of(jail, self.ask("get", jail, "banip", "--with-time"))

    def texts(self, jail: str, what: str) -> list[str]:
        """A jail's property that is a list: ignoreip, logpath, journalmatch, actions."""
        return texts_of(self.ask("get", jail, what))

    def number(self, jail: str, what: str) -> int | None:
        """A jail's property that is a number: bantime, findtime, maxretry."""
        found = self.ask("get", jail, what)
        return int(found) if isinstance(found, (int, float)) or NUMBER.match(str(found)) else None

    def database(self) -> str | None:
        """Where its database is; None where it keeps none."""
        found = self.ask("get", "dbfile")
        return str(found) if found and str(found) not in ("None", ":memory:") else None


def connect(*, path: str, client_command: t.Sequence[str], clock: Clock) -> Server:
    """Connect to the server, and make sure that it answers.

    Args:
        path: of the socket.
        client_command: the client's argv, for servers that cannot be understood; empty for none.

    Raises:
        CannotReach: `reason` in facts says how: no_socket, not_running, permission, timeout, protocol.
    """
    def by_client() -> Transport:
        return ClientTransport(client_command, path, clock)

    usable = bool(client_command) and shutil.which(client_command[0]) is not None
    problem: t.Optional[CannotReach] = None
    try:
        transport: Transport = SocketTransport(path, clock)
    except CannotReach as exc:
        # A wrapped client (sudo, a container) may get in where we do not.
        if not usable or len(client_command) < 2:
            raise
        problem = exc
        server = Server(by_client(), path=path, clock=clock)
        server.notes_taken.append(f"socket: {problem.message}")
    else:
        server = Server(transport, path=path, clock=clock, fallback=by_client if usable else None)
    try:
        server.ask("ping")
    except IncidentError as exc:
        server.close()
        if problem is not None:
            # The socket's own answer says best what is wrong.
            raise problem from exc
        raise
    return server


def _unreachable(path: str, exc: OSError) -> CannotReach:
    if isinstance(exc, socket.timeout):
        return CannotReach(f"fail2ban does not take connections at {path}.", hint="It hangs, or is busy with another command.",
                           reason="timeout", path=path)
    reasons = {
        errno.ENOENT: ("no_socket", f"There is no socket at {path}.", "See whether fail2ban is installed and runs, or set socket."),
        errno.ECONNREFUSED: ("not_running", f"Nobody listens at {path}: fail2ban does not run.", "Start fail2ban; see why it ended."),
        errno.EACCES: ("permission", f"The socket {path} may not be opened by this user.",
                       "Use become, or give a client_command that may: [sudo, fail2ban-client]."),
    }
    reason, said, hint = reasons.get(exc.errno or 0, ("unreachable", f"{path}: {exc.strerror or exc}.", "Set socket."))
    return CannotReach(said, hint=hint, reason=reason, path=path)
