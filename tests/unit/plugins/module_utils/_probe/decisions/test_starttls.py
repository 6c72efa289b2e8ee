# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talks before TLS, against answers of all kinds; real servers hold them in tests/integration/certificate."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.targets import STARTTLS
from ansible_collections.oncall.incident.plugins.module_utils._probe.decisions.starttls import (
    MAX_BYTES,
    Refused,
    connect_through,
    start_tls,
    talk,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

#: On a busy machine an example takes as long as it takes.
BUSY: t.Any = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

MYSQL = b"\x0a5.5.5-10.11\x00" + bytes(13) + b"\xfe\xff" + bytes(30)
GOOD: dict[str, list[bytes]] = {
    "smtp": [b"220-mx\r\n220 ready\r\n", b"250-mx\r\n250-STARTTLS\r\n250 OK\r\n", b"220 go\r\n"],
    "lmtp": [b"220 x\r\n", b"250 x\r\n", b"220 go\r\n"],
    "imap": [b"* OK hi\r\n", b"* CAPABILITY IMAP4rev1\r\na1 ok go\r\n"],
    "pop3": [b"+OK hi\r\n", b"+OK\r\n"],
    "ftp": [b"220-Welcome\r\n to us\r\n220 ok\r\n", b"234 go\r\n"],
    "ldap": [b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"],
    "postgres": [b"S"],
    "mysql": [len(MYSQL).to_bytes(3, "little") + b"\x00" + MYSQL],
    "xmpp": [
        b"<stream:stream><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
        b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    ],
    "xmpp-server": [
        b"<stream:stream><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'></starttls></stream:features>",
        b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'></proceed>",
    ],
    "sieve": [b'"SIEVE" "fileinto"\r\nOK "hi"\r\n', b'OK "go"\r\n'],
}


class Server:
    """Says pieces, one for each time it is listened to, and remembers what it heard."""

    def __init__(self, pieces: t.Sequence[bytes]) -> None:
        self.pieces, self.heard, self.asked = list(pieces), b"", 0

    def receive(self) -> bytes:
        self.asked += 1
        return self.pieces.pop(0) if self.pieces else b""

    def send(self, data: bytes) -> None:
        self.heard += data


def hold(protocol: str, pieces: t.Sequence[bytes]) -> Server:
    server = Server(pieces)
    talk(start_tls(protocol, name="a.example.org"), receive=server.receive, send=server.send)
    return server


def test_every_protocol_has_a_talk() -> None:
    assert set(GOOD) == set(STARTTLS)


@pytest.mark.parametrize("protocol", STARTTLS)
def test_a_good_talk(protocol: str) -> None:
    hold(protocol, GOOD[protocol])


@pytest.mark.parametrize("protocol", STARTTLS)
def test_bytes_that_come_one_by_one(protocol: str) -> None:
    hold(protocol, [bytes([byte]) for piece in GOOD[protocol] for byte in piece])


@pytest.mark.parametrize("protocol", STARTTLS)
def test_more_than_the_go_ahead_is_refused(protocol: str) -> None:
    """CVE-2011-0411 and its kin: what is said in the clear must not count as said in TLS."""
    with pytest.raises(Refused) as raised:
        hold(protocol, [*GOOD[protocol][:-1], GOOD[protocol][-1] + b"250 injected\r\n"])
    assert "more after its go-ahead" in raised.value.message


@pytest.mark.parametrize("protocol", STARTTLS)
def test_a_server_that_hangs_up(protocol: str) -> None:
    with pytest.raises(Refused):
        hold(protocol, [])


@pytest.mark.parametrize("protocol", [*STARTTLS, "gopher"])
@settings(max_examples=60, **BUSY)
@given(pieces=st.lists(st.binary(max_size=60), max_size=8))
def test_whatever_a_server_says(protocol: str, pieces: list[bytes]) -> None:
    server = Server([piece for piece in pieces if piece])
    try:
        talk(start_tls(protocol, name="a.example.org"), receive=server.receive, send=server.send)
    except Refused as exc:
        assert exc.message.isprintable()


@pytest.mark.parametrize("protocol", STARTTLS)
@settings(max_examples=30, **BUSY)
@given(at=st.integers(0, 400), byte=st.integers(0, 255))
def test_a_good_talk_with_one_wrong_byte(protocol: str, at: int, byte: int) -> None:
    said = bytearray(b"".join(GOOD[protocol]))
    said[at % len(said)] = byte
    server = Server([bytes(said)])
    try:
        talk(start_tls(protocol, name="a.example.org"), receive=server.receive, send=server.send)
    except Refused:
        pass


@pytest.mark.parametrize("protocol", STARTTLS)
def test_a_server_without_an_end(protocol: str) -> None:
    """Whatever is repeated for ever, it is heard out to the limit and no further."""
    for piece in (b"220-x\r\n", b"x", b'"a"\r\n', b"* x\r\n", b"<", b"\x30\x84\x7f\xff\xff\xff", b"\xff\xff\xff\x00\x0a"):
        server = Server([piece * 1000] * (MAX_BYTES // len(piece)))
        with pytest.raises(Refused):
            talk(start_tls(protocol, name="x"), receive=server.receive, send=server.send)
        assert server.asked * len(piece) * 1000 <= MAX_BYTES + 2 * 1000 * len(piece)


def test_a_name_cannot_break_out_of_the_stream() -> None:
    server = Server([])
    with pytest.raises(Refused):
        talk(start_tls("xmpp", name="a'/><x y='"), receive=server.receive, send=server.send)
    assert b"to='axy'" in server.heard


def proxy(*pieces: bytes, **login: str) -> Server:
    server = Server(pieces)
    talk(connect_through("2001:db8::1", 443, **login), receive=server.receive, send=server.send)
    return server


def test_a_tunnel() -> None:
    server = proxy(b"HTTP/1.1 200 OK\r", b"\nVia: x\r\n\r", b"\n", username="u", password="p")
    assert server.heard.startswith(b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\n") and b"Proxy-Authorization: Basic dTpw\r\n" in server.heard
    assert b"Proxy-Authorization" not in proxy(b"HTTP/1.0 200\r\n\r\n").heard


@pytest.mark.parametrize("said", [
    b"HTTP/1.1 407 Login\r\n\r\n", b"HTTP/1.1 200", b"HTTP/1.1 OK\r\n\r\n", b"\r\n\r\n", b"SSH-2.0\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nmore", b"HTTP/1.1 302 x\r\n\r\n",
])
def test_no_tunnel(said: bytes) -> None:
    with pytest.raises(Refused):
        proxy(said)


@settings(**BUSY)
@given(st.binary(max_size=200))
def test_whatever_a_proxy_says(said: bytes) -> None:
    try:
        proxy(said)
    except Refused:
        pass
