# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for what else answers on a port of Redis: a proxy in front of a real server, and a program that closes every connection.

The proxy is a double: it reads the protocol and answers PING itself, as twemproxy and Envoy do, and passes on the few commands that it
knows. At any other it closes the connection, as twemproxy does, or refuses it, as Envoy does.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import BinaryIO

import redis

PASSED_ON = ("GET", "SET", "DEL")


@contextlib.contextmanager
def proxying(port: int, *, closes: bool = True) -> Iterator[int]:
    """Yields the port of a proxy in front of the server at a port of this host.

    Args:
        closes: whether it closes the connection at a command that it does not know; else it refuses that.
    """
    with _serving(lambda ours: _proxy(ours, port, closes)) as found:
        yield found


@contextlib.contextmanager
def closing(*, greeting: bytes = b"") -> Iterator[int]:
    """Yields the port of a program that reads what it is sent, says something perhaps, and closes the connection."""
    def close(ours: socket.socket) -> None:
        with ours:
            ours.recv(1 << 16)
            ours.sendall(greeting)

    with _serving(close) as found:
        yield found


@contextlib.contextmanager
def closing_first(port: int) -> Iterator[int]:
    """Yields the port of a relay to the server at a port of this host that closes its first connection, as a restart does."""
    first = [True]

    def relay(ours: socket.socket) -> None:
        with ours:
            if first:
                first.clear()
                ours.recv(1 << 16)  # unread bytes would make it a reset
                return
            with socket.create_connection(("127.0.0.1", port), timeout=30) as theirs:
                back = threading.Thread(target=_quietly, args=(lambda one: _pass(theirs, one), ours), daemon=True)
                back.start()
                _pass(ours, theirs)
                back.join(30)

    with _serving(relay) as found:
        yield found


def _pass(source: socket.socket, sink: socket.socket) -> None:
    while data := source.recv(1 << 16):
        sink.sendall(data)
    sink.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _serving(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_accept, args=(listening, serve), daemon=True).start()
        yield listening.getsockname()[1]
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


def _accept(listening: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    with contextlib.suppress(OSError):
        while True:
            threading.Thread(target=_quietly, args=(serve, listening.accept()[0]), daemon=True).start()


def _quietly(serve: Callable[[socket.socket], None], ours: socket.socket) -> None:
    with contextlib.suppress(OSError):
        serve(ours)


def _proxy(ours: socket.socket, port: int, closes: bool) -> None:
    with ours, ours.makefile("rb") as asked, contextlib.closing(redis.Redis(port=port)) as server:
        while words := _command(asked):
            name = words[0].decode().upper()
            if name == "PING":
                ours.sendall(b"+PONG\r\n")
            elif name in PASSED_ON:
                answer = server.execute_command(*words)
                ours.sendall(b":%d\r\n" % answer if isinstance(answer, int) else b"$%d\r\n%s\r\n" % (len(answer), answer))
            elif closes:
                return
            else:
                ours.sendall(b"-ERR unknown command '%s'\r\n" % words[0])


def _command(asked: BinaryIO) -> list[bytes]:
    """The next command, empty at the end."""
    line = asked.readline()
    return [asked.read(int(asked.readline()[1:]) + 2)[:-2] for _word in range(int(line[1:]))] if line[:1] == b"*" else []
