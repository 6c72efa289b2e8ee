# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request by HTTP over a connection of its own, whose stages are told apart.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import http.client
import ipaddress
import os
import socket
import ssl
import threading
import time
import typing as t
import urllib.parse
import zlib

from .._core.errors import BadInput
from .._core.shown import shown_url
from .decisions import websocket
from .decisions.answers import BODY, DNS, MAX_BODY, NO_ANSWER, NO_WAY, REFUSED, TIMEOUT, TLS, Answer, Heard
from .decisions.requests import Origin, Request, origin, read_url, target

MAX_REDIRECTS = 5
#: A name may have more addresses than anybody wants to wait for.
_MAX_ADDRESSES = 8
_REDIRECTS = (301, 302, 303, 307, 308)
#: X509_V_ERR_CERT_HAS_EXPIRED, _HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH of OpenSSL's x509_vfy.h: wrong for every client.
_WRONG_FOR_ALL = (10, 62, 64)
_AGENT = "oncall.incident"

#: Finds the addresses of a host and a port, as socket.getaddrinfo() gives them.
Resolve = t.Callable[[str, int], t.Sequence[tuple[t.Any, ...]]]


def resolve_here(host: str, port: int) -> t.Sequence[tuple[t.Any, ...]]:
    """By the resolver of this host."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class Stopped(Exception):
    """There is no answer, or not all of it."""

    def __init__(self, stage: str, problem: str, *, status: t.Optional[int] = None, sure: bool = False) -> None:
        super().__init__(problem)
        self.stage, self.problem, self.status, self.sure = stage, problem, status, sure


class TrustStores:
    """TLS contexts, one for each way to verify: loading the system's CAs takes longer than a handshake."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, bool], ssl.SSLContext] = {}

    def of(self, request: Request) -> ssl.SSLContext:
        """The context of a request.

        Raises:
            BadInput: its CA is not usable.
        """
        key = (request.ca, request.validate_certs)
        if key not in self._made:
            self._made[key] = _context(*key)
        return self._made[key]


def _context(ca: str, validate: bool) -> ssl.SSLContext:
    try:
        directory = bool(ca) and os.path.isdir(ca)
        context = ssl.create_default_context(cafile=ca if ca and not directory else None, capath=ca if directory else None)
    except (OSError, ssl.SSLError) as exc:
        why = "it is not a PEM file of certificates" if isinstance(exc, ssl.SSLError) else os.strerror(exc.errno or 0).lower()
        raise BadInput(
            f"ca: {ca} is not usable: {why}.", hint="Give a PEM file of CAs, or a directory made by openssl rehash.", argument="ca",
        ) from exc
    if not validate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@dataclasses.dataclass
class Exchange:
    """One request with its redirects. Another thread may end it at its time.

    Attributes:
        context: for TLS.
        began, until: by time.monotonic().
        resolve: finds addresses.
        doing: what it waits for now: a stage, and what is said where it does not come.
        address, own, redirects: as in Answer.
    """

    request: Request
    context: ssl.SSLContext
    began: float = 0.0
    until: float = 0.0
    resolve: Resolve = resolve_here
    doing: tuple[str, str] = (TIMEOUT, "it was not asked")
    status: t.Optional[int] = None
    address: str = ""
    own: bool = False
    redirects: list[str] = dataclasses.field(default_factory=list)
    _socket: t.Optional[socket.socket] = None
    _lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    _ended: bool = False

    def run(self) -> Heard:
        """Ask.

        Raises:
            Stopped: there is no answer, or not all of it.
        """
        request = self.request
        url, method, headers, send = request.url, request.method, dict(request.headers), request.send
        while True:
            heard = self._once(url, method, headers, send)
            place = heard.headers.get("location", "")
            if heard.status not in _REDIRECTS or heard.status in request.status or not place or len(self.redirects) >= MAX_REDIRECTS:
                return heard
            try:
                following = read_url(urllib.parse.urljoin(url, place), place="Location")
            except (BadInput, ValueError):
                return heard
            known = origin(following).may_have_secrets_of(origin(url))
            if heard.status == 303 or (heard.status in (301, 302) and method != "HEAD"):
                method, send = "GET", b""
            elif send and not known:
                return heard
            if not known:
                headers = {}
            self.redirects.append(shown_url(following))
            url = following

    def late(self) -> Answer:
        """What is said where its time is up."""
        stage, problem = self.doing
        return self.answer(Answer(stage=stage, problem=problem, status=self.status))

    def answer(self, weighed: Answer) -> Answer:
        """An answer with what is known here."""
        return dataclasses.replace(weighed, address=self.address, own=self.own, redirects=tuple(self.redirects))

    def end(self) -> None:
        """From another thread: its time is up. What waits for the server is woken."""
        with self._lock:
            self._ended = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    @property
    def _over(self) -> bool:
        return self._ended or time.monotonic() >= self.until

    def _once(self, url: str, method: str, headers: t.Mapping[str, str], send: bytes) -> Heard:
        whom = origin(url)
        self.status = None
        try:
            sock = self._connect(*self._where(whom))
            try:
                if whom.scheme == "https":
                    sock = self._secure(sock, whom)
                return self._talk(sock, whom, method, target(url), headers, send)
            finally:
                self._hold(None)
                sock.close()
        except Stopped as exc:
            if self._over and exc.stage != DNS:
                stage, problem = self.doing
                raise Stopped(stage, problem, status=self.status) from None
            raise

    def _where(self, whom: Origin) -> tuple[str, int]:
        """Whom to connect to: connect_to is for the host of the first URL, its port for that one's port."""
        first, instead = origin(self.request.url), self.request.connect_to
        if instead is None or whom.host != first.host:
            return whom.host, whom.port
        return instead[0], instead[1] if instead[1] and whom.port == first.port else whom.port

    def _hold(self, sock: t.Optional[socket.socket]) -> None:
        with self._lock:
            self._socket = sock
            if sock is not None and self._ended:
                raise Stopped(TIMEOUT, "its time was up")

    def _left(self) -> float:
        return max(self.until - time.monotonic(), 0.001)

    def _connect(self, host: str, port: int) -> socket.socket:
        within = f"within {self.request.max_time:g} s"
        self.doing = (DNS, f"no address of {host} was found {within}")
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            found = list(self.resolve(host, port))[:_MAX_ADDRESSES]
        except (OSError, UnicodeError) as exc:
            raise Stopped(DNS, f"no address of {host} was found: {getattr(exc, 'strerror', None) or exc}") from None
        self.doing = (TIMEOUT, f"no connection to {self.address} {within}")
        failed: list[Stopped] = []
        for number, (family, kind, protocol, _name, where) in enumerate(found):
            self.address = f"[{where[0]}]:{where[1]}" if family == socket.AF_INET6 else f"{where[0]}:{where[1]}"
            self.own = _is_own(family, where)
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self._left() / (len(found) - number))
                sock.connect(where)
                return sock
            except socket.timeout:
                failed.append(Stopped(TIMEOUT, self.doing[1]))
            except ConnectionRefusedError:
                failed.append(Stopped(REFUSED, f"{self.address} refuses connections"))
            except OSError as exc:
                failed.append(Stopped(NO_WAY, f"{self.address}: {(exc.strerror or str(exc)).lower()}"))
            sock.close()
        # The same host may be known by addresses that nobody uses: what says most is told.
        raise next((one for stage in (TIMEOUT, REFUSED) for one in failed if one.stage == stage), None) or (
            failed[-1] if failed else Stopped(DNS, f"{host} has no address"))

    def _secure(self, sock: socket.socket, whom: Origin) -> socket.socket:
        self.doing = (TIMEOUT, f"no TLS handshake with {self.address} within {self.request.max_time:g} s")
        try:
            self._hold(sock)
            sock.settimeout(self._left())
            return self.context.wrap_socket(sock, server_hostname=whom.host)
        except ssl.SSLCertVerificationError as exc:
            sure = exc.verify_code in _WRONG_FOR_ALL
            raise Stopped(TLS, f"the certificate is not valid: {exc.verify_message.rstrip('.')}", sure=sure) from None
        except socket.timeout:
            raise Stopped(*self.doing) from None
        except (OSError, ValueError) as exc:
            raise Stopped(TLS, f"no TLS handshake: {getattr(exc, 'reason', None) or getattr(exc, 'strerror', None) or exc}") from None

    def _talk(
        self, sock: socket.socket, whom: Origin, method: str, path: str, headers: t.Mapping[str, str], send: bytes,
    ) -> Heard:
        self.doing = (TIMEOUT, f"{self.address} took the connection and gave no answer within {self.request.max_time:g} s")
        connection = http.client.HTTPConnection(whom.host, whom.port)
        key = base64.b64encode(os.urandom(16)).decode() if self.request.websocket else ""
        usual = {
            "Host": whom.host_header, "User-Agent": _AGENT, "Accept": "*/*", "Accept-Encoding": "gzip", "Connection": "close",
            **({"Content-Type": _content_type(send)} if send else {}), **(websocket.headers(key) if key else {}),
        }
        named = {name.lower() for name in headers}
        try:
            self._hold(sock)
            sock.settimeout(self._left())
            connection.sock = sock
            unnamed = {name: value for name, value in usual.items() if name.lower() not in named}
            connection.request(method, path, body=send or None, headers={**unnamed, **headers})
            answer = connection.getresponse()
            self.status = answer.status
            self.doing = (TIMEOUT, f"the answer {answer.status} did not end within {self.request.max_time:g} s")
            return self._heard(answer, key)
        except socket.timeout:
            raise Stopped(*self.doing, status=self.status) from None
        except http.client.IncompleteRead:
            raise Stopped(BODY, "the answer was cut off", status=self.status) from None
        except (OSError, ValueError, http.client.HTTPException) as exc:
            raise Stopped(NO_ANSWER, f"{self.address} took the connection and {_ended_by(exc)}", status=self.status) from None

    def _heard(self, answer: http.client.HTTPResponse, key: str) -> Heard:
        announced = answer.length
        raw = answer.read(MAX_BODY + 1)
        # Whoever is woken at its time reads an end that is none of the server's.
        if self._ended and len(raw) < (MAX_BODY + 1 if announced is None else min(announced, MAX_BODY + 1)):
            raise socket.timeout
        packed = (answer.getheader("Content-Encoding") or "").strip().lower() in ("gzip", "x-gzip")
        body = _unpacked(raw, self.status) if packed and raw else raw
        return Heard(
            status=answer.status, headers={name.lower(): value for name, value in answer.getheaders()}, body=body[:MAX_BODY],
            more=max(len(raw), len(body)) > MAX_BODY, key=key,
            missing=max(announced - len(raw), 0) if announced is not None and len(raw) <= MAX_BODY else 0,
        )


def _unpacked(raw: bytes, status: t.Optional[int]) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(raw, MAX_BODY + 1)
    except zlib.error:
        raise Stopped(BODY, "the body is not gzip as its header says", status=status) from None


def _content_type(send: bytes) -> str:
    return "application/json" if send[:1] in (b"{", b"[") else "application/x-www-form-urlencoded"


def _ended_by(exc: Exception) -> str:
    if isinstance(exc, http.client.RemoteDisconnected):
        return "closed it without an answer"
    if isinstance(exc, (http.client.HTTPException, ValueError)):
        return "does not speak HTTP"
    return f"ended it: {(getattr(exc, 'strerror', None) or str(exc)).lower()}"


def _is_own(family: int, where: t.Sequence[t.Any]) -> bool:
    """Whether an address is one of this host's, as far as routing knows; nothing is sent."""
    if ipaddress.ip_address(str(where[0]).partition("%")[0]).is_loopback:
        return True
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as way:
        way.connect(tuple(where))
        return bool(way.getsockname()[0] == where[0])
    return False
