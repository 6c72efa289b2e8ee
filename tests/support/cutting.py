# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Relays to real servers: one loses the connection right after the server got a command, one leads to another server the second time."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def cutting(port: int, *, word: bytes, after: int = 0) -> Iterator[int]:
    """Relay a port of this host to the server's; yields the port to connect to.

    Args:
        word: what the fatal bytes contain, without regard to case.
        after: how many messages with the word still get their answer.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_serve, args=(listening, port, word.lower(), [after]), daemon=True).start()
        yield listening.getsockname()[1]
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def leading(port: int, *, then: int) -> Iterator[int]:
    """Lead the first connection to one port of this host and all later ones to another; yields the port to connect to."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_lead, args=(listening, port, then), daemon=True).start()
        yield listening.getsockname()[1]
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


def _lead(listening: socket.socket, port: int, then: int) -> None:
    with contextlib.suppress(OSError):
        while True:
            ours, theirs = listening.accept()[0], socket.create_connection(("127.0.0.1", port), timeout=30)
            for pair in ((theirs, ours), (ours, theirs)):
                threading.Thread(target=_pass, args=pair, daemon=True).start()
            port = then


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with source, contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_RDWR)


def _serve(listening: socket.socket, port: int, word: bytes, left: list[int]) -> None:
    with contextlib.suppress(OSError):
        while True:
            ours = listening.accept()[0]
            theirs = socket.create_connection(("127.0.0.1", port), timeout=30)
            threading.Thread(target=_answers, args=(theirs, ours), daemon=True).start()
            threading.Thread(target=_questions, args=(ours, theirs, word, left), daemon=True).start()


def _questions(ours: socket.socket, theirs: socket.socket, word: bytes, left: list[int]) -> None:
    with ours, theirs, contextlib.suppress(OSError):
        while data := ours.recv(1 << 20):
            if word in data.lower():
                left[0] -= 1
                if left[0] < 0:
                    ours.shutdown(socket.SHUT_RDWR)  # first: not a byte of the answer comes through
                    theirs.sendall(data)
                    theirs.shutdown(socket.SHUT_WR)
                    while theirs.recv(1 << 16):
                        pass
                    return
            theirs.sendall(data)
        theirs.shutdown(socket.SHUT_RDWR)  # a close alone waits for whoever reads from it


def _answers(theirs: socket.socket, ours: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := theirs.recv(1 << 16):
            ours.sendall(data)
