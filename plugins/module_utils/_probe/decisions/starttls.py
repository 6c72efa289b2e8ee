# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talks that come before TLS: how each protocol is asked to start it, as plain decisions about bytes.

A talk is a generator: it yields what it wants (Send, Line, Exactly, Until) and is given the bytes. talk() drives one, bounded in
bytes; time is the caller's business.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import base64
import dataclasses
import typing as t

from ..._core.errors import IncidentError

#: More than any honest server says before TLS.
MAX_BYTES = 64 * 1024
_SHOWN = 120


class Refused(IncidentError):
    """The other side does not start TLS, or speaks another protocol."""

    kind = "starttls_refused"


@dataclasses.dataclass(frozen=True)
class Send:
    """Bytes to send; nothing is given."""

    data: bytes


@dataclasses.dataclass(frozen=True)
class Line:
    """Wants one line; it is given without its end."""


@dataclasses.dataclass(frozen=True)
class Exactly:
    """Wants so many bytes."""

    count: int


@dataclasses.dataclass(frozen=True)
class Until:
    """Wants everything up to and with the first of these marks."""

    marks: tuple[bytes, ...]


Step = t.Union[Send, Line, Exactly, Until]
Talk = t.Generator[Step, bytes, None]


def talk(dialogue: Talk, *, receive: t.Callable[[], bytes], send: t.Callable[[bytes], None], limit: int = MAX_BYTES) -> None:
    """Hold a talk to its end.

    Args:
        receive: gives the next bytes; b"" when the other side has closed.
        limit: bytes that the other side may say.

    Raises:
        Refused: it says no, something else, too much, or more than the answer that ends the talk (which an attacker could have
            put there: CVE-2011-0411).
    """
    buffer, total, answer = b"", 0, b""
    try:
        step = next(dialogue)
        while True:
            if isinstance(step, Send):
                send(step.data)
                answer = b""
            else:
                while True:
                    size = _ready(step, buffer)
                    if size is not None:
                        break
                    got = receive()
                    if not got:
                        raise Refused(f"It closed the connection before TLS{_said(buffer)}.")
                    buffer, total = buffer + got, total + len(got)
                    if total > limit:
                        raise Refused(f"It said more than {limit} bytes before TLS.")
                answer, buffer = buffer[:size], buffer[size:]
                if isinstance(step, Line):
                    answer = answer.rstrip(b"\r\n")
            step = dialogue.send(answer)
    except StopIteration:
        pass
    if buffer:
        raise Refused(f"It said more after its go-ahead for TLS{_said(buffer)}.")


def _ready(step: Step, buffer: bytes) -> t.Optional[int]:
    """How many bytes of the buffer the step takes; None when it wants more."""
    if isinstance(step, Exactly):
        return step.count if len(buffer) >= step.count else None
    marks = step.marks if isinstance(step, Until) else (b"\n",)
    ends = [found + len(mark) for mark in marks for found in (buffer.find(mark),) if found >= 0]
    return min(ends) if ends else None


def _said(data: bytes) -> str:
    text = data[:_SHOWN].decode("ascii", errors="replace").strip()
    text = "".join(char if char.isprintable() else "?" for char in text)
    return f' (it said "{text}")' if text else ""


def start_tls(protocol: str, *, name: str) -> Talk:
    """The talk that asks for TLS.

    Args:
        protocol: one of cert_targets.STARTTLS.
        name: the server's, for protocols that want to hear it.
    """
    if protocol in _TALKS:
        return _TALKS[protocol](name)
    raise Refused(f"No dialogue is known for {protocol}.")


def connect_through(host: str, port: int, *, username: str = "", password: str = "") -> Talk:
    """Asks an HTTP proxy for a tunnel: RFC 9110 section 9.3.6."""
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if username or password:
        login = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
        lines.append(f"Proxy-Authorization: Basic {login}")
    yield Send(("\r\n".join(lines) + "\r\n\r\n").encode("ascii", errors="ignore"))
    status = yield Line()
    words = status.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise Refused(f"The proxy does not answer in HTTP{_said(status)}.", hint="Is it an HTTP proxy?")
    if not 200 <= int(words[1]) < 300:
        raise Refused(f"The proxy refuses{_said(status)}.", hint="See its rules, and proxy_username and proxy_password.")
    while (yield Line()):
        pass


def _replies(*, good: bytes, what: str) -> t.Generator[Step, bytes, None]:
    """A reply of SMTP and FTP, of one line or several (RFC 5321 section 4.2.1, RFC 959 section 4.2)."""
    line = yield Line()
    first = line[:3]
    while line[3:4] == b"-" or not line.startswith(first):
        line = yield Line()
    if first != good:
        raise Refused(f"{what}{_said(line)}.")


def _smtp(greet: str) -> t.Callable[[str], Talk]:
    """RFC 3207; LMTP greets with LHLO (RFC 2033)."""

    def said(name: str) -> Talk:
        del name
        yield from _replies(good=b"220", what="It does not greet as a mail server")
        yield Send(f"{greet} localhost\r\n".encode("ascii"))
        yield from _replies(good=b"250", what=f"It refuses {greet}")
        yield Send(b"STARTTLS\r\n")
        yield from _replies(good=b"220", what="It refuses STARTTLS")

    return said


def _ftp(name: str) -> Talk:
    """RFC 4217."""
    del name
    yield from _replies(good=b"220", what="It does not greet as an FTP server")
    yield Send(b"AUTH TLS\r\n")
    yield from _replies(good=b"234", what="It refuses AUTH TLS")


def _imap(name: str) -> Talk:
    """RFC 9051 section 6.2.1."""
    del name
    line = yield Line()
    if not line.upper().startswith(b"* OK"):
        raise Refused(f"It does not greet as an IMAP server that waits for a login{_said(line)}.")
    yield Send(b"a1 STARTTLS\r\n")
    while True:
        line = yield Line()
        if line[:3].lower() == b"a1 ":
            break
        if not line.startswith(b"*"):
            raise Refused(f"It does not speak IMAP{_said(line)}.")
    if not line[3:].upper().startswith(b"OK"):
        raise Refused(f"It refuses STARTTLS{_said(line)}.")


def _pop3(name: str) -> Talk:
    """RFC 2595 section 4."""
    del name
    line = yield Line()
    if not line.startswith(b"+OK"):
        raise Refused(f"It does not greet as a POP3 server{_said(line)}.")
    yield Send(b"STLS\r\n")
    line = yield Line()
    if not line.startswith(b"+OK"):
        raise Refused(f"It refuses STLS{_said(line)}.")


def _sieve(name: str) -> Talk:
    """RFC 5804 section 2.2."""
    del name
    yield from _sieve_reply("It does not greet as a ManageSieve server")
    yield Send(b"STARTTLS\r\n")
    yield from _sieve_reply("It refuses STARTTLS")


def _sieve_reply(what: str) -> t.Generator[Step, bytes, None]:
    while True:
        line = yield Line()
        word = line[:3].upper()
        if word.startswith(b"OK"):
            return
        # Capabilities are quoted strings or literals; anything else is a no, or another protocol.
        if not line.startswith((b'"', b"{")):
            raise Refused(f"{what}{_said(line)}.")


#: An extended request for 1.3.6.1.4.1.1466.20037, message 1: RFC 4511 sections 4.12 and 4.14.
_LDAP_REQUEST = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + b"1.3.6.1.4.1.1466.20037"


def _ldap(name: str) -> Talk:
    """RFC 4511 section 4.14: BER, so lengths decide."""
    del name
    yield Send(_LDAP_REQUEST)
    head = yield Exactly(2)
    if head[:1] != b"\x30":
        raise Refused(f"It does not speak LDAP{_said(head)}.")
    size = head[1]
    if size & 0x80:
        count = size & 0x7F
        if not 1 <= count <= 4:
            raise Refused("It does not speak LDAP: a length of no use.")
        size = int.from_bytes((yield Exactly(count)), "big")
    if size > MAX_BYTES:
        raise Refused("It does not speak LDAP: a message of no sensible length.")
    body = yield Exactly(size)
    code = _ldap_result(body)
    if code is None:
        raise Refused(f"It does not speak LDAP{_said(body)}.")
    if code != 0:
        raise Refused(f"It refuses STARTTLS: LDAP result {code}.", hint="52 is unavailable, 2 a protocol error, 1 an operations error.")


def _ldap_result(body: bytes) -> t.Optional[int]:
    """The result code of an extended response; None when the bytes are none."""
    _tag, _number, rest = _element(body)
    tag, inner, _rest = _element(rest)
    if tag != 0x78:
        return None
    tag, code, _rest = _element(inner)
    return int.from_bytes(code, "big") if tag == 0x0A and 0 < len(code) <= 4 else None


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Tag, content and what follows of a BER element; tag -1 where there is none."""
    if len(data) < 2:
        return -1, b"", b""
    size, start = data[1], 2
    if size & 0x80:
        count = size & 0x7F
        if not 1 <= count <= 4 or len(data) < 2 + count:
            return -1, b"", b""
        size, start = int.from_bytes(data[2:2 + count], "big"), 2 + count
    return data[0], data[start:start + size], data[start + size:]


def _postgres(name: str) -> Talk:
    """The SSLRequest message: PostgreSQL's manual, "Message Formats"."""
    del name
    yield Send(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
    answer = yield Exactly(1)
    if answer == b"N":
        raise Refused("PostgreSQL has TLS switched off.", hint="Set ssl = on.")
    if answer != b"S":
        raise Refused(f"It does not speak PostgreSQL's protocol{_said(answer)}.")


_MYSQL_SSL = 0x0800
#: CLIENT_SSL, CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION and CLIENT_LONG_PASSWORD.
_MYSQL_WANTED = _MYSQL_SSL | 0x0200 | 0x8000 | 0x0001


def _mysql(name: str) -> Talk:
    """Protocol::HandshakeV10 and Protocol::SSLRequest of MySQL's internals manual; MariaDB speaks the same."""
    del name
    head = yield Exactly(4)
    size, sequence = int.from_bytes(head[:3], "little"), head[3]
    if not 1 <= size <= MAX_BYTES:
        raise Refused(f"It does not speak MySQL's protocol{_said(head)}.")
    body = yield Exactly(size)
    if body[:1] == b"\xff":
        raise Refused(f"MySQL refuses the connection{_said(body[3:])}.")
    version, mark, rest = body[1:].partition(b"\x00")
    # After the version: 4 bytes of connection id, 8 of data, 1 filler, then the lower half of the capabilities.
    if body[:1] != b"\x0a" or not mark or len(rest) < 15:
        raise Refused(f"It does not speak MySQL's protocol{_said(version)}.")
    if not int.from_bytes(rest[13:15], "little") & _MYSQL_SSL:
        raise Refused("MySQL has TLS switched off.", hint="Give it a certificate: ssl_cert and ssl_key.")
    request = _MYSQL_WANTED.to_bytes(4, "little") + (1 << 24).to_bytes(4, "little") + b"\x2d" + bytes(23)
    yield Send(len(request).to_bytes(3, "little") + bytes([(sequence + 1) % 256]) + request)


def _xmpp(namespace: str) -> t.Callable[[str], Talk]:
    """RFC 6120 section 5.4."""

    def said(name: str) -> Talk:
        safe = "".join(char for char in name if char.isalnum() or char in "-._:")
        yield Send((
            f"<?xml version='1.0'?><stream:stream xmlns='{namespace}' xmlns:stream='http://etherx.jabber.org/streams' "
            f"to='{safe}' version='1.0'>"
        ).encode())
        features = yield Until((b"</stream:features>", b"<stream:features/>", b"</stream:stream>", b"</features>"))
        if b"urn:ietf:params:xml:ns:xmpp-tls" not in features:
            raise Refused(f"It does not offer STARTTLS{_said(features)}.")
        yield Send(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        answer = yield Until((b">",))
        if not answer.lstrip().startswith(b"<proceed"):
            raise Refused(f"It refuses STARTTLS{_said(answer)}.")
        if not answer.rstrip().endswith(b"/>"):
            yield Until((b"</proceed>",))

    return said


_TALKS: dict[str, t.Callable[[str], Talk]] = {
    "smtp": _smtp("EHLO"), "lmtp": _smtp("LHLO"), "imap": _imap, "pop3": _pop3, "ftp": _ftp, "ldap": _ldap, "postgres": _postgres,
    "mysql": _mysql, "xmpp": _xmpp("jabber:client"), "xmpp-server": _xmpp("jabber:server"), "sieve": _sieve,
}
