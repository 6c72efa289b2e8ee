# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A first message of TLS 1.2 that asks for a stapled OCSP answer, and for a certificate of one key type: RFC 5246 section 7.4.1.2,
RFC 6066 sections 3 and 8.

Python's ssl module cannot ask for a stapled answer. The server's answer to this message travels in the clear, so that no more of TLS
is needed; whose the answer is, its signature says.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import os

_TLS_1_0, _TLS_1_2 = b"\x03\x01", b"\x03\x03"
RSA, ECDSA = "rsa", "ecdsa"
#: By key type, with and without forward secrecy: whatever a server still takes.
_CIPHERS = {
    ECDSA: (0xC02B, 0xC02C, 0xCCA9, 0xC009, 0xC00A),
    RSA: (0xC02F, 0xC030, 0xCCA8, 0xC013, 0xC014, 0x009E, 0x009F, 0x009C, 0x009D, 0x002F, 0x0035),
}
_GROUPS = (0x001D, 0x0017, 0x0018, 0x0019)
_SIGNATURES = {ECDSA: (0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0203), RSA: (0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0201)}
#: Of type ocsp, from any responder, without extensions.
_STATUS_REQUEST = b"\x01\x00\x00\x00\x00"


def client_hello(name: str, *, key_types: tuple[str, ...] = (ECDSA, RSA), random: bytes = b"") -> bytes:
    """The record to send.

    Args:
        name: asked for (SNI); "" for none.
        key_types: the server may answer with a certificate whose key is of one of these.
        random: 32 bytes; made here when absent.
    """
    host = name.encode("ascii", errors="ignore")
    ciphers, signatures = (tuple(value for kind in key_types for value in table[kind]) for table in (_CIPHERS, _SIGNATURES))
    extensions = _extension(0, _sized(b"\x00" + _sized(host, 2), 2)) if host else b""
    extensions += _extension(5, _STATUS_REQUEST)
    extensions += _extension(10, _sized(_numbers(_GROUPS), 2)) + _extension(11, b"\x01\x00")
    extensions += _extension(13, _sized(_numbers(signatures), 2)) + _extension(0xFF01, b"\x00")
    hello = _TLS_1_2 + (random or os.urandom(32)) + _sized(b"", 1) + _sized(_numbers(ciphers), 2) + b"\x01\x00" + _sized(extensions, 2)
    return b"\x16" + _TLS_1_0 + _sized(b"\x01" + _sized(hello, 3), 2)


def _sized(data: bytes, width: int) -> bytes:
    return len(data).to_bytes(width, "big") + data


def _numbers(values: tuple[int, ...]) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)


def _extension(kind: int, data: bytes) -> bytes:
    return kind.to_bytes(2, "big") + _sized(data, 2)
