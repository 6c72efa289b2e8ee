# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at one address of an endpoint: connects, starts TLS, shakes hands, and says what was seen.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import email.utils
import os
import socket
import ssl
import time
import typing as t

from .._core.errors import BadInput, IncidentError
from .._probe.decisions.starttls import Refused, connect_through, start_tls, talk
from .._probe.decisions.tls_hello import client_hello
from .._probe.decisions.tls_records import NOTHING_IN_COMMON, WRONG_VERSION, alert, flight_ended, served_chain, staple
from .._probe.handshake import Contexts, Shaken, can_see_chains, remaining, shake, shake_plainly, trust_store_is_empty
from .decisions.model import ENDPOINT, NONE, NOT_ASKED, SERVED, UNREACHABLE, Cert, KeyAnswer, Seen, Trouble, Trust
from .decisions.targets import Endpoint
from .parse import BadCertificate, parse
from .pool import bounded

#: A resolver: addresses by name, port and nothing else, as socket.getaddrinfo gives them.
Resolver = t.Callable[[str, int], t.Sequence[tuple[t.Any, ...]]]
_HEAD = 16 * 1024
_FLIGHT = 256 * 1024
#: Reasons of OpenSSL: alerts of the server, and what OpenSSL itself says where it does not speak the server's version.
_REFUSALS = ("HANDSHAKE_FAILURE", "ALERT_PROTOCOL_VERSION", "INSUFFICIENT_SECURITY", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE")
_ONLY_1_3 = "it speaks TLS 1.3 only, where this host cannot ask for one key type"
_UNSEEN = "only the leaf could be seen: this Python shows no served chain and the server speaks TLS 1.3 only"


@dataclasses.dataclass(frozen=True)
class Address:
    """Where to connect to: socket family, address, and how it is shown. `via_name`: the proxy resolves the name."""

    family: int
    sockaddr: t.Any
    shown: str
    via_name: bool = False


@dataclasses.dataclass(frozen=True)
class Means:
    """What a look needs.

    Attributes:
        timeout: for one target, seconds.
        proxy_login: name and password for the proxy.
        staples: ask for stapled OCSP answers, which takes a connection more.
        key_types: that clients may be restricted to: each is asked for, in a connection more for one that was not served anyhow.
        sees_chains: whether the Python shows served chains; else they are read off the wire.
        clock: seconds since the epoch.
    """

    contexts: Contexts
    timeout: float = 10.0
    proxy_login: tuple[str, str] = ("", "")
    staples: bool = False
    key_types: tuple[str, ...] = ()
    sees_chains: bool = dataclasses.field(default_factory=can_see_chains)
    clock: t.Callable[[], float] = time.time


def resolve(name: str, port: int) -> t.Sequence[tuple[t.Any, ...]]:
    """The system's resolver."""
    return socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)


def addresses(endpoint: Endpoint, *, resolver: Resolver, timeout: float) -> list[Address]:
    """Every address of an endpoint, in the resolver's order, each once.

    Raises:
        OSError: the name has none, or the resolver did not answer in time.
    """
    name = endpoint.address or endpoint.host
    if endpoint.proxy[0] and endpoint.resolve != "all" and not endpoint.address:
        return [Address(0, (endpoint.host, endpoint.port), f"{endpoint.host}:{endpoint.port}", via_name=True)]
    # What is an address already needs no resolver, and no thread to wait for one.
    found = resolve(name, endpoint.port) if _literal(name) else bounded(lambda: resolver(name, endpoint.port), seconds=timeout)
    unique: dict[t.Any, Address] = {}
    for family, _type, _proto, _canonical, sockaddr in found:
        unique.setdefault(sockaddr[0], Address(family, sockaddr, _shown(sockaddr)))
    if not unique:
        raise OSError("the name has no address")
    return list(unique.values())


def look(endpoint: Endpoint, where: t.Sequence[Address], *, target: str, means: Means) -> list[Seen]:
    """What the first of the addresses that answers serves, and what it serves beside that to clients that take another key type only.

    Never raises for what the other side does.
    """
    began = time.monotonic()
    probe = _Probe(endpoint, where, means, began + means.timeout)
    seen = _seen(probe, target, means)
    others: list[Seen] = []
    if seen.leaf is not None and not seen.trust.unusable:
        answers = [probe.ask_for(key_type, seen) for key_type in means.key_types]
        seen = dataclasses.replace(seen, key_types=tuple(answer for answer, _other in answers))
        others = [other for _answer, other in answers if other is not None]
    return [dataclasses.replace(seen, seconds=round(time.monotonic() - began, 4)), *others]


def look_again(endpoint: Endpoint, where: t.Sequence[Address], seen: Seen, *, means: Means, helpers: tuple[bytes, ...]) -> Seen:
    """The same target, as if these intermediates were served as well."""
    probe = _Probe(endpoint, where, means, time.monotonic() + means.timeout)
    if not seen.beside or seen.leaf is None:
        return _seen(probe, seen.target, means, helpers=helpers)
    return dataclasses.replace(seen, trust=probe.trust_in(seen.leaf.asked_as, helpers))


def _seen(probe: _Probe, target: str, means: Means, *, helpers: tuple[bytes, ...] = ()) -> Seen:
    try:
        return probe.look(target, helpers)
    except BadCertificate as exc:
        return _trouble(target, f"it serves {exc.message}", address=probe.shown)
    except IncidentError as exc:
        return _trouble(target, exc.message, hint=exc.hint or "", address=probe.shown)
    except (OSError, ValueError) as exc:
        return _trouble(target, explain(exc, means.timeout), address=probe.shown, unusable=_is_refusal(exc))


def unresolved(target: str, problem: Exception, *, timeout: float) -> Seen:
    """A name without an address."""
    return _trouble(target, f"its name could not be resolved: {explain(problem, timeout)}", hint="See DNS, and the spelling.")


def too_late(target: str, *, seconds: float) -> Seen:
    """A target that was not looked at."""
    reason = f"not looked at: the time of the whole call ({seconds:g} s) was up"
    return Seen(target=target, kind=ENDPOINT, trouble=Trouble(
        UNREACHABLE, reason, blind=True, hint="Raise max_seconds or workers, or lower timeout.",
    ))


def explain(problem: Exception, timeout: float) -> str:
    """What went wrong on the way, in few words."""
    if isinstance(problem, (socket.timeout, TimeoutError)) and getattr(problem, "errno", None) is None:
        return f"no answer within {timeout:g} s"
    if isinstance(problem, ssl.SSLEOFError):
        return "it closed the connection during the TLS handshake"
    if isinstance(problem, ssl.SSLError):
        words = (getattr(problem, "reason", None) or str(problem)).replace("_", " ").lower()
        return f"TLS handshake failed: {words[:200]}"
    if isinstance(problem, socket.gaierror):
        return str(problem.strerror or problem)
    if isinstance(problem, OSError) and problem.errno:
        return os.strerror(problem.errno).lower()
    return (str(problem) or type(problem).__name__)[:200]


def _is_refusal(problem: Exception) -> bool:
    """Whether a server speaks TLS, and has nothing of it in common with this host."""
    reason = getattr(problem, "reason", None) or ""
    return isinstance(problem, ssl.SSLError) and any(word in reason for word in _REFUSALS)


class _Probe:
    """One target's connections, within its time."""

    def __init__(self, endpoint: Endpoint, where: t.Sequence[Address], means: Means, until: float) -> None:
        self._endpoint, self._where, self._means, self._until = endpoint, list(where), means, until
        self.shown = where[0].shown if where else ""

    def look(self, target: str, helpers: tuple[bytes, ...]) -> Seen:
        context, trust = self._judge(helpers)
        shaken: t.Optional[Shaken] = None
        skew: t.Optional[float] = None
        if context is not None:
            try:
                shaken, skew = self._shake(context, strict=True)
                trust = Trust(verified=True, chain=tuple(parse(der) for der in shaken.verified))
            except ssl.SSLCertVerificationError as exc:
                trust = Trust(verified=False, reason=exc.verify_message, code=exc.verify_code)
            except ssl.SSLError as exc:
                trust = Trust(unusable=True, reason=explain(exc, self._means.timeout))
            except OSError as exc:
                if not isinstance(exc, ConnectionError) or isinstance(exc, ConnectionRefusedError):
                    raise
                trust = Trust(unusable=True, reason=explain(exc, self._means.timeout))
        if shaken is None:
            shaken, skew = self._look_only()
        if not shaken.served:
            raise ValueError("it serves no certificate")
        chain, notes = self._read(shaken)
        if self._endpoint.http and skew is None:
            notes = (*notes, ("clock_skew", "it does not tell its time", "Set http to false for servers that do not speak HTTP."))
        if not shaken.finished and trust.verified is None:
            trust = Trust(reason="the server ended the handshake: it wants a certificate from its clients, or has no cipher in common")
        return Seen(
            target=target, kind=ENDPOINT, address=self.shown, chain=chain, whole=shaken.whole, trust=trust, skew=skew,
            protocol=shaken.protocol, notes=notes, staple=self._staple() if self._means.staples else b"",
        )

    def ask_for(self, key_type: str, seen: Seen) -> tuple[KeyAnswer, t.Optional[Seen]]:
        """What a client is served that takes one key type only; and the target that this is, where it is another certificate."""
        leaf = t.cast(Cert, seen.leaf)
        if leaf.asked_as == key_type:
            return KeyAnswer(key_type, SERVED, seen.target), None
        try:
            received = self._flight(client_hello(self._endpoint.server_name, key_types=(key_type,)))
            chain = tuple(parse(der) for der in served_chain(received))
            if not chain:
                return _without(key_type, alert(received)), None
            if chain[0].asked_as != key_type:
                return KeyAnswer(key_type, NONE), None
        except BadCertificate as exc:
            broken = _trouble(f"{seen.target} ({key_type})", f"it serves {exc.message}", address=self.shown)
            return KeyAnswer(key_type, SERVED, broken.target), dataclasses.replace(broken, beside=seen.target)
        except IncidentError as exc:
            return KeyAnswer(key_type, NOT_ASKED, reason=exc.message), None
        except OSError as exc:
            return KeyAnswer(key_type, NOT_ASKED, reason=explain(exc, self._means.timeout)), None
        other = Seen(
            target=f"{seen.target} ({key_type})", kind=ENDPOINT, address=self.shown, chain=chain, trust=self.trust_in(key_type),
            protocol="TLSv1.2", staple=staple(received) if self._means.staples else b"", beside=seen.target,
        )
        return KeyAnswer(key_type, SERVED, other.target), other

    def trust_in(self, key_type: str, helpers: tuple[bytes, ...] = ()) -> Trust:
        """What verification of the certificate of one key type comes to."""
        context, trust = self._judge(helpers, key_type=key_type)
        if context is None:
            return trust
        try:
            with self._connect() as sock:
                sock.settimeout(remaining(self._until))
                secured, shaken = shake(sock, context, name=self._endpoint.server_name)
                secured.close()
            return Trust(verified=True, chain=tuple(parse(der) for der in shaken.verified))
        except ssl.SSLCertVerificationError as exc:
            return Trust(verified=False, reason=exc.verify_message, code=exc.verify_code)
        except IncidentError as exc:
            return Trust(reason=exc.message)
        except OSError as exc:
            return Trust(reason=explain(exc, self._means.timeout))

    def _judge(self, helpers: tuple[bytes, ...], *, key_type: str = "") -> tuple[t.Optional[ssl.SSLContext], Trust]:
        """Who judges the chain; None, and why, where nobody can."""
        ca_path = self._endpoint.terms.ca_path
        if trust_store_is_empty(ca_path):
            return None, Trust(reason="there is no trust store on this host: install ca-certificates or give ca_path")
        try:
            return self._means.contexts.verifying(ca_path, helpers=helpers, key_type=key_type), Trust()
        except BadInput as exc:
            return None, Trust(reason=exc.message, hint=exc.hint or "")

    def _staple(self) -> bytes:
        """The OCSP answer that the server staples in TLS 1.2; empty where it sends none."""
        try:
            return staple(self._flight(client_hello(self._endpoint.server_name)))
        except (OSError, Refused):
            return b""

    def _flight(self, hello: bytes) -> bytes:
        """All that the server says in the clear to a first message of TLS 1.2.

        Raises:
            OSError, Refused: it cannot be reached.
        """
        received = bytearray()
        with self._connect() as sock:
            sock.settimeout(remaining(self._until))
            sock.sendall(hello)
            while not flight_ended(bytes(received)) and len(received) < _FLIGHT:
                sock.settimeout(remaining(self._until))
                got = sock.recv(16384)
                if not got:
                    break
                received += got
        return bytes(received)

    def _read(self, shaken: Shaken) -> tuple[tuple[Cert, ...], tuple[tuple[str, str, str], ...]]:
        chain = [parse(shaken.served[0])]
        notes = [] if shaken.whole else [("incomplete_chain", _UNSEEN, "Use Python 3.10 or newer on this host.")]
        for der in shaken.served[1:]:
            try:
                chain.append(parse(der))
            except BadCertificate as exc:
                notes.append(("expiring", f"the served chain holds {exc.message}", ""))
        return tuple(chain), tuple(notes)

    def _look_only(self) -> tuple[Shaken, t.Optional[float]]:
        """A handshake that takes everything."""
        try:
            return self._shake(self._means.contexts.looking(plain=not self._means.sees_chains), strict=False)
        except (ssl.SSLError, ConnectionResetError, BrokenPipeError):
            # It may want a certificate from us, or only TLS 1.3: what it sends before it gives up is enough, or the other way round.
            with self._connect() as sock:
                try:
                    context = self._means.contexts.looking(plain=self._means.sees_chains)
                    return shake_plainly(sock, context, name=self._endpoint.server_name, until=self._until), None
                except (ssl.SSLError, OSError) as exc:
                    problem = exc
            raise problem from None

    def _shake(self, context: ssl.SSLContext, *, strict: bool) -> tuple[Shaken, t.Optional[float]]:
        name = self._endpoint.server_name
        if not self._means.sees_chains and not strict:
            with self._connect() as sock:
                return shake_plainly(sock, context, name=name, until=self._until), None
        sock = self._connect()
        try:
            sock.settimeout(remaining(self._until))
            secured, shaken = shake(sock, context, name=name)
        except BaseException:
            sock.close()
            raise
        with secured:
            skew = self._skew(secured) if self._endpoint.http else None
        if not shaken.whole:
            shaken = self._whole(shaken)
        return shaken, skew

    def _whole(self, shaken: Shaken) -> Shaken:
        """The same with the whole chain, where another handshake shows it."""
        try:
            with self._connect() as sock:
                context = self._means.contexts.looking(plain=True)
                plain = shake_plainly(sock, context, name=self._endpoint.server_name, until=self._until)
        except (ssl.SSLError, OSError, Refused):
            return shaken
        same = plain.whole and plain.served[:1] == shaken.served[:1]
        return dataclasses.replace(shaken, served=plain.served, whole=True) if same else shaken

    def _connect(self) -> socket.socket:
        """A connection on which TLS may begin."""
        problem: t.Optional[Exception] = None
        for number, address in enumerate(self._where):
            try:
                # One that swallows everything must leave time for the others.
                sock = self._open(address, seconds=remaining(self._until) / (len(self._where) - number))
            except Refused:
                raise
            except OSError as exc:
                problem = exc
                continue
            # Whoever answered is asked again for all that follows: one verdict is about one server.
            self._where, self.shown = self._where[number:number + 1], address.shown
            return sock
        raise problem or OSError("there is no address to connect to")

    def _open(self, address: Address, *, seconds: float) -> socket.socket:
        endpoint = self._endpoint
        proxy, port = endpoint.proxy
        if proxy:
            sock = socket.create_connection((proxy, port), timeout=seconds)
        else:
            sock = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            if not proxy:
                sock.settimeout(seconds)
                sock.connect(address.sockaddr)
            else:
                host = endpoint.host if address.via_name else address.sockaddr[0]
                user, password = self._means.proxy_login
                self._talk(sock, connect_through(host, endpoint.port, username=user, password=password))
            if endpoint.starttls:
                self._talk(sock, start_tls(endpoint.starttls, name=endpoint.server_name or endpoint.host))
        except BaseException:
            sock.close()
            raise
        return sock

    def _talk(self, sock: socket.socket, dialogue: t.Any) -> None:
        def receive() -> bytes:
            sock.settimeout(remaining(self._until))
            return sock.recv(4096)

        def send(data: bytes) -> None:
            sock.settimeout(remaining(self._until))
            sock.sendall(data)

        talk(dialogue, receive=receive, send=send)

    def _skew(self, secured: ssl.SSLSocket) -> t.Optional[float]:
        """How far the server's clock is ahead of ours, by its header Date; None where it says nothing of use."""
        host = self._endpoint.server_name or self._endpoint.host
        head = b""
        try:
            secured.settimeout(min(remaining(self._until), 3.0))
            before = self._means.clock()
            secured.sendall(f"HEAD / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: oncall.incident\r\nConnection: close\r\n\r\n".encode("ascii"))
            while b"\r\n\r\n" not in head and len(head) < _HEAD:
                got = secured.recv(4096)
                if not got:
                    break
                head += got
            after = self._means.clock()
        except (OSError, ValueError):
            return None
        return skew_of(head, before=before, after=after)


def skew_of(head: bytes, *, before: float, after: float) -> t.Optional[float]:
    """The difference of clocks by an answer's header: RFC 9110 section 6.6.1."""
    if not head.startswith(b"HTTP/"):
        return None
    for line in head.split(b"\r\n"):
        if line[:5].lower() == b"date:":
            try:
                said = email.utils.parsedate_to_datetime(line[5:].decode("ascii").strip()).timestamp()
            except (ValueError, TypeError, IndexError, OverflowError):
                return None
            # Its second began up to a second before; between our two looks at the clock it is no difference.
            return said - before if said < before - 1 else said - after if said > after else 0.0
    return None


def _without(key_type: str, number: t.Optional[int]) -> KeyAnswer:
    """What a server means that shows no certificate of a key type, by the alert with which it ended the handshake."""
    if number in NOTHING_IN_COMMON:
        return KeyAnswer(key_type, NONE)
    said = "it closed the connection" if number is None else f"it ended the handshake with alert {number}"
    return KeyAnswer(key_type, NOT_ASKED, reason=_ONLY_1_3 if number == WRONG_VERSION else said)


def _trouble(target: str, reason: str, *, hint: str = "", address: str = "", unusable: bool = False) -> Seen:
    return Seen(target=target, kind=ENDPOINT, address=address, trouble=Trouble(UNREACHABLE, reason, hint=hint, unusable=unusable))


def _literal(name: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, name.partition("%")[0])
            return True
        except OSError:
            continue
    return False


def _shown(sockaddr: t.Sequence[t.Any]) -> str:
    host, port = str(sockaddr[0]), sockaddr[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
