# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS servers for tests, on the loopback, in threads: direct TLS, a plain talk before it, HTTP after it, and servers that misbehave."""

from __future__ import annotations

import contextlib
import email.utils
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cryptography import x509

from tests.support.pki import Issued, to_pem

Talk = Callable[[socket.socket], bool]


def context_for(issued: Issued, *, chain: Sequence[x509.Certificate] | None = None, **settings: object) -> ssl.SSLContext:
    """A server's context that serves a certificate with these above it (its own if None).

    Args:
        settings: attributes of the context.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The tests serve what nobody should.
    context.set_ciphers("ALL:@SECLEVEL=0")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "both.pem"
        path.write_bytes(to_pem(*(issued.chain if chain is None else chain)) + issued.key_pem)
        context.load_cert_chain(path)
    for name, value in settings.items():
        setattr(context, name, value)
    return context


class TlsServer:
    """Takes connections on the loopback until it is closed."""

    def __init__(
        self, context: ssl.SSLContext | None, *, host: str = "127.0.0.1", port: int = 0, talk: Talk | None = None,
        date: float | None = None,
    ) -> None:
        """Begin to listen.

        Args:
            context: how TLS is spoken; None never answers at all.
            talk: what is said before TLS; False ends the connection.
            date: answers a request after the handshake with a clock this many seconds ahead of ours.
        """
        self.context, self._talk, self._date = context, talk, date
        self.connections = 0
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=128)
        self.host, self.port = host, self._listener.getsockname()[1]
        self._held: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> TlsServer:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def at(self) -> str:
        """host:port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def close(self) -> None:
        """Stop listening."""
        for sock in (self._listener, *self._held):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _serve(self) -> None:
        while True:
            try:
                sock, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.context is None:
                self._held.append(sock)
                continue
            threading.Thread(target=self._answer, args=(sock,), daemon=True).start()

    def _answer(self, sock: socket.socket) -> None:
        sock.settimeout(20)
        try:
            with sock:
                if self._talk is not None and not self._talk(sock):
                    return
                assert self.context is not None
                with self.context.wrap_socket(sock, server_side=True) as secured:
                    self._after(secured)
        except (OSError, ValueError):
            return

    def _after(self, secured: ssl.SSLSocket) -> None:
        asked = secured.recv(4096)
        if self._date is None or not asked:
            return
        date = email.utils.formatdate(time.time() + self._date, usegmt=True)
        secured.sendall(f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())


class HttpServer:
    """Answers plain HTTP on the loopback: CRLs, OCSP, issuers, ACME. `answers` by path: bytes, or a function of the body."""

    def __init__(self, answers: dict[str, bytes | Callable[[bytes], bytes]], *, context: ssl.SSLContext | None = None) -> None:
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply(b"")

            def do_POST(self) -> None:
                self._reply(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

            def _reply(self, body: bytes) -> None:
                outer.asked.append(self.path)
                found = answers.get(self.path)
                said = found(body) if callable(found) else found
                self.send_response(200 if said is not None else 404)
                self.send_header("Content-Length", str(len(said or b"")))
                self.end_headers()
                self.wfile.write(said or b"")

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.answers = answers
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> HttpServer:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def http_proxy(*, refuse: bytes = b"", password: str = "") -> Iterator[tuple[str, list[str]]]:
    """A proxy that opens tunnels; gives its URL and the targets it was asked for. `refuse`: its status line in place of 200."""
    asked: list[str] = []

    listener = socket.create_server(("127.0.0.1", 0))

    def tunnel(sock: socket.socket) -> None:
        with sock:
            head = b""
            while b"\r\n\r\n" not in head:
                got = sock.recv(4096)
                if not got:
                    return
                head += got
            target = head.split(b" ")[1].decode()
            asked.append(target)
            if refuse or (password and b"Proxy-Authorization: Basic " not in head):
                sock.sendall((refuse or b"HTTP/1.1 407 Proxy Authentication Required") + b"\r\nContent-Length: 0\r\n\r\n")
                return
            host, _colon, port = target.rpartition(":")
            with socket.create_connection((host.strip("[]"), int(port)), timeout=20) as there:
                # In pieces, as slow proxies do: the head must be read to its end and not a byte further.
                for piece in (b"HTTP/1.1 200 Conn", b"ection established\r\nVia: test\r", b"\n\r\n"):
                    sock.sendall(piece)
                    time.sleep(0.02)
                back = threading.Thread(target=_pump, args=(there, sock), daemon=True)
                back.start()
                _pump(sock, there)
                back.join(timeout=20)

    def accept() -> None:
        while True:
            try:
                sock, _address = listener.accept()
            except OSError:
                return
            threading.Thread(target=tunnel, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(16384):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
