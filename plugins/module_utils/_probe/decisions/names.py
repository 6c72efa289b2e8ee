# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names as a container knows them: its hosts file, and questions to its own name servers.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import ipaddress
import typing as t

_A, _AAAA, _IN = 1, 28, 1
_RECURSION_DESIRED = b"\x01\x00"
#: RFC 1035 section 3.1: a label, and a whole name.
_LABEL, _NAME = 63, 253
TYPES = (_A, _AAAA)


def in_hosts(text: str, name: str) -> list[str]:
    """The addresses of a name in a hosts file: hosts(5)."""
    found = []
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if name.lower() in [word.lower() for word in words[1:]] and _is_address(words[0]):
            found.append(words[0])
    return found


def servers_and_search(text: str) -> tuple[list[str], list[str]]:
    """The name servers and the search list of a resolv.conf: resolv.conf(5)."""
    servers: list[str] = []
    search: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["nameserver"] and len(words) > 1 and _is_address(words[1]):
            servers.append(words[1])
        elif words[:1] in (["search"], ["domain"]):
            search = words[1:]
    return servers[:3], search


def question(name: str, kind: int, *, number: int) -> bytes:
    """A question for the addresses of a name: RFC 1035 section 4.

    Raises:
        ValueError: it is not a name.
    """
    labels = name.rstrip(".").encode("idna").split(b".")
    if not all(0 < len(label) <= _LABEL for label in labels) or len(name) > _NAME:
        raise ValueError(name)
    asked = b"".join(bytes([len(label)]) + label for label in labels) + b"\x00"
    head = number.to_bytes(2, "big") + _RECURSION_DESIRED + b"\x00\x01" + bytes(6)
    return head + asked + kind.to_bytes(2, "big") + _IN.to_bytes(2, "big")


def addresses(reply: bytes, *, asked: bytes) -> t.Optional[list[str]]:
    """The addresses in an answer, empty where the name has none; None where it does not answer what was asked."""
    if len(reply) < 12 or reply[:2] != asked[:2] or not reply[2] & 0x80:
        return None
    if reply[3] & 0x0F not in (0, 3):  # neither found nor unknown: this server cannot tell
        return None
    found: list[str] = []
    place = len(asked)  # the question stands in it once more
    for _number in range(int.from_bytes(reply[6:8], "big")):
        place = _after_name(reply, place)
        kind, size = int.from_bytes(reply[place:place + 2], "big"), int.from_bytes(reply[place + 8:place + 10], "big")
        data = reply[place + 10:place + 10 + size]
        if (kind, len(data)) in ((_A, 4), (_AAAA, 16)):
            found.append(str(ipaddress.ip_address(data)))
        place += 10 + size
    return found


def _after_name(reply: bytes, place: int) -> int:
    while place < len(reply):
        size = reply[place]
        if size & 0xC0:
            return place + 2
        place += 1 + size
        if not size:
            return place
    return place


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
