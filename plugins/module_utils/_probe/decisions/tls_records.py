# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates in the plain beginning of a TLS 1.2 handshake: RFC 5246 sections 6.2.1, 7.4 and 7.4.2.

What a Python without an interface for the served chain (before 3.10) can see, and all that can be seen of a server that ends the
handshake because it wants a certificate from us. TLS 1.3 encrypts them.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

_ALERT, _HANDSHAKE = 21, 22
#: Alerts: there is nothing that both sides take; the version is not spoken.
NOTHING_IN_COMMON, WRONG_VERSION = (40, 71), 70
_CERTIFICATE, _HELLO_DONE, _CERTIFICATE_STATUS = 11, 14, 22
_MAX_CERTIFICATES = 100


def served_chain(received: bytes) -> tuple[bytes, ...]:
    """The certificates (DER, leaf first) in what a server has sent; empty when they are not there or not whole."""
    message = _message(_handshake(received), _CERTIFICATE)
    if message is None or len(message) < 3:
        return ()
    chain: list[bytes] = []
    rest = message[3:3 + int.from_bytes(message[:3], "big")]
    while len(rest) > 3 and len(chain) < _MAX_CERTIFICATES:
        size = int.from_bytes(rest[:3], "big")
        if size == 0 or len(rest) < 3 + size:
            break
        chain.append(rest[3:3 + size])
        rest = rest[3 + size:]
    return tuple(chain)


def staple(received: bytes) -> bytes:
    """The stapled OCSP answer (DER) in what a server has sent; empty when there is none: RFC 6066 section 8."""
    message = _message(_handshake(received), _CERTIFICATE_STATUS)
    if message is None or message[:1] != b"\x01" or len(message) < 4:
        return b""
    answer = message[4:4 + int.from_bytes(message[1:4], "big")]
    return answer if len(answer) == int.from_bytes(message[1:4], "big") else b""


def flight_ended(received: bytes) -> bool:
    """Whether a server has said all that it says in the clear: ServerHelloDone, an alert, or another protocol."""
    rest = received
    while len(rest) >= 5 and rest[0] == _HANDSHAKE:
        rest = rest[5 + int.from_bytes(rest[3:5], "big"):]
    return rest[:1] not in (b"", bytes([_HANDSHAKE])) or _message(_handshake(received), _HELLO_DONE) is not None


def alert(received: bytes) -> t.Optional[int]:
    """The number of the alert by which a server ended a handshake in the clear; None where it sent none."""
    rest = received
    while len(rest) >= 5 and rest[0] == _HANDSHAKE:
        rest = rest[5 + int.from_bytes(rest[3:5], "big"):]
    return rest[6] if len(rest) >= 7 and rest[0] == _ALERT else None


def _handshake(received: bytes) -> bytes:
    """The handshake messages of the records before the first of another kind: what follows is encrypted."""
    found, rest = bytearray(), received
    while len(rest) >= 5 and rest[0] == _HANDSHAKE:
        size = int.from_bytes(rest[3:5], "big")
        found += rest[5:5 + size]
        rest = rest[5 + size:]
    return bytes(found)


def _message(messages: bytes, kind: int) -> t.Optional[bytes]:
    """The content of the first message of a kind, if it is there in full."""
    while len(messages) >= 4:
        size = int.from_bytes(messages[1:4], "big")
        if messages[0] == kind:
            return messages[4:4 + size] if len(messages) >= 4 + size else None
        messages = messages[4 + size:]
    return None
