# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates in the plain beginning of a handshake."""

from __future__ import annotations

import typing as t

from ansible_collections.oncall.incident.plugins.module_utils._probe.decisions.tls_hello import client_hello
from ansible_collections.oncall.incident.plugins.module_utils._probe.decisions.tls_records import alert, flight_ended, served_chain, staple
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

#: On a busy machine an example takes as long as it takes.
BUSY: t.Any = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}


def record(kind: int, data: bytes) -> bytes:
    return bytes([kind, 3, 3]) + len(data).to_bytes(2, "big") + data


def message(kind: int, data: bytes) -> bytes:
    return bytes([kind]) + len(data).to_bytes(3, "big") + data


def certificates(*chain: bytes) -> bytes:
    listed = b"".join(len(one).to_bytes(3, "big") + one for one in chain)
    return message(11, len(listed).to_bytes(3, "big") + listed)


def test_a_chain_over_several_records() -> None:
    said = message(2, b"hello" * 9) + certificates(b"leaf" * 50, b"middle" * 50) + message(14, b"")
    sent = b"".join(record(22, said[start:start + 100]) for start in range(0, len(said), 100)) + record(20, b"\x01") + record(22, b"secret")
    assert served_chain(sent) == (b"leaf" * 50, b"middle" * 50)


def test_what_is_not_whole_is_not_there() -> None:
    sent = record(22, message(2, b"hello") + certificates(b"leaf" * 50))
    assert served_chain(sent[:-1]) == () and served_chain(b"") == () and served_chain(record(23, b"x" * 50)) == ()
    assert served_chain(record(22, message(11, b"\x00\x00\x05\x00\x00\x09a"))) == ()


def test_a_staple() -> None:
    sent = record(22, message(2, b"hello") + certificates(b"leaf") + message(22, b"\x01\x00\x00\x03abc"))
    assert staple(sent) == b"abc" and not flight_ended(sent) and flight_ended(sent + record(22, message(14, b"")))
    assert staple(record(22, message(22, b"\x01\x00\x00\x09abc"))) == b"" and staple(record(22, message(22, b"\x02\x00\x00\x03abc"))) == b""
    assert flight_ended(record(21, b"\x02\x28")) and flight_ended(b"HTTP/1.1 400") and not flight_ended(b"")


def test_the_first_message() -> None:
    sent = client_hello("a.example.org", random=bytes(32))
    assert sent[:3] == b"\x16\x03\x01" and int.from_bytes(sent[3:5], "big") == len(sent) - 5 and b"a.example.org" in sent
    assert len(client_hello("")) < len(sent)


def test_an_alert() -> None:
    refused = record(21, b"\x02\x28")
    assert alert(refused) == 40 and alert(record(22, message(2, b"hello")) + record(21, b"\x02\x46")) == 70
    assert alert(b"") is None and alert(refused[:6]) is None and alert(b"HTTP/1.1 400") is None
    assert alert(record(22, message(14, b""))) is None


def test_a_message_for_one_key_type_offers_nothing_of_the_other() -> None:
    rsa, ecdsa = (client_hello("", key_types=(kind,), random=bytes(32)) for kind in ("rsa", "ecdsa"))
    for suite, of_rsa in ((b"\xc0\x2f", True), (b"\xc0\x30", True), (b"\xc0\x2b", False), (b"\xc0\x2c", False)):
        assert (suite in rsa, suite in ecdsa) == (of_rsa, not of_rsa)


@settings(**BUSY)
@given(st.binary(max_size=300))
def test_whatever_is_sent(sent: bytes) -> None:
    assert isinstance(served_chain(sent), tuple) and isinstance(staple(sent), bytes) and flight_ended(sent) in (True, False)
    assert alert(sent) is None or isinstance(alert(sent), int)


@settings(**BUSY)
@given(st.binary(max_size=200))
def test_whatever_is_in_the_message(data: bytes) -> None:
    assert len(served_chain(record(22, message(11, data)))) <= 100
