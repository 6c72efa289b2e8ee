# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web application on the loopback that answers each path as a test wants it: wrong, late, cut off, by WebSocket, not at all."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Asked:
    """A request as it came; names of headers in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


Reply = Callable[[Asked, "App", socket.socket], None]


def answer(status: int = 200, body: Any = b"", **headers: str) -> Reply:
    """A plain answer; what is no bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def reply(asked: Asked, _app: App, sock: socket.socket) -> None:
        named = {"Content-Length": str(len(data)), **{name.replace("_", "-"): value for name, value in headers.items()}}
        head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        sock.sendall(f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode() + (b"" if asked.method == "HEAD" else data))

    return reply


def packed(body: bytes) -> Reply:
    """Packed by gzip, if the client takes that."""
    def reply(asked: Asked, app: App, sock: socket.socket) -> None:
        assert "gzip" in asked.headers["accept-encoding"]
        answer(200, gzip.compress(body), Content_Encoding="gzip")(asked, app, sock)

    return reply


def says(data: bytes) -> Reply:
    """These bytes and then the end, whatever HTTP has to say about it."""
    return lambda _asked, _app, sock: sock.sendall(data)


def hangs(before: bytes = b"") -> Reply:
    """These bytes, and then nothing, until the test is over."""
    def reply(_asked: Asked, app: App, sock: socket.socket) -> None:
        sock.sendall(before)
        app.over.wait(60)

    return reply


def drips(_asked: Asked, app: App, sock: socket.socket) -> None:
    """A little now and then: no single read is late."""
    sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not app.over.wait(0.05):
        sock.sendall(b".")


def upgrades(*, wrong: bool = False) -> Reply:
    """As a WebSocket server does: it reads the key that it was sent, RFC 6455 section 4.2."""
    def reply(asked: Asked, app: App, sock: socket.socket) -> None:
        said = asked.headers
        key = base64.b64decode(said.get("sec-websocket-key", ""), validate=True)
        if (said.get("upgrade"), said.get("connection"), said.get("sec-websocket-version"), len(key)) != ("websocket", "Upgrade", "13", 16):
            answer(400)(asked, app, sock)
            return
        text = said["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(b"another" if wrong else text.encode()).digest()).decode()
        head = f"HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        sock.sendall(head.encode())
        app.over.wait(60)

    return reply


@dataclass
class App:
    """What it answers, by path; others are 404.

    Attributes:
        asked: the requests so far.
        over: set when the test is.
    """

    port: int
    scheme: str = "http"
    replies: dict[str, Reply] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Where a path is."""
        return f"{self.scheme}://{host}:{self.port}{path}"

    def serve(self, sock: socket.socket) -> None:
        """Answer one connection."""
        with contextlib.suppress(OSError, ValueError), sock, sock.makefile("rb") as stream:
            method, target, _version = stream.readline().decode("latin-1").split()
            headers = {}
            while line := stream.readline().decode("latin-1").strip():
                name, _colon, value = line.partition(":")
                headers[name.lower()] = value.strip()
            asked = Asked(method, target, headers, stream.read(int(headers.get("content-length") or 0)))
            self.asked.append(asked)
            self.replies.get(target.partition("?")[0], answer(404))(asked, self, sock)


@contextmanager
def app(replies: Mapping[str, Reply], *, context: ssl.SSLContext | None = None, address: str = "127.0.0.1") -> Iterator[App]:
    """Serve until the end of the block."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), backlog=128, family=family) as listener:
        made = App(listener.getsockname()[1], "https" if context else "http", dict(replies))

        def take(sock: socket.socket) -> None:
            with contextlib.suppress(OSError):
                made.serve(context.wrap_socket(sock, server_side=True) if context else sock)

        def accept() -> None:
            while True:
                try:
                    sock, _peer = listener.accept()
                except OSError:
                    return
                threading.Thread(target=take, args=(sock,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield made
        finally:
            made.over.set()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
