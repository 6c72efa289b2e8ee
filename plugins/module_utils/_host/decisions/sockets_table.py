# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's tables of TCP sockets, /proc/net/tcp and tcp6 (proc(5)).

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import struct
import sys
import typing as t

from ..._core.addresses import Network, parse_network

ESTABLISHED, LISTEN = "01", "0A"


@dataclasses.dataclass(frozen=True)
class TcpSocket:
    """One line: its state, both ends, and the inode that a process's file descriptor shows."""

    state: str
    local: Network
    local_port: int
    remote: Network
    inode: str


def parse_tcp(text: str) -> list[TcpSocket]:
    """The sockets of a table; lines that are none are left out."""
    found = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) < 10:
            continue
        try:
            (local, local_port), (remote, _port) = _end(words[1]), _end(words[2])
        except (ValueError, struct.error):
            continue
        found.append(TcpSocket(words[3].upper(), local, local_port, remote, words[9]))
    return found


def _end(text: str) -> tuple[Network, int]:
    address, _colon, port = text.partition(":")
    data = bytes.fromhex(address)
    if len(data) not in (4, 16):
        raise ValueError("no address")
    # The kernel writes 32-bit words in its own byte order.
    words = [data[at:at + 4][::-1] if sys.byteorder == "little" else data[at:at + 4] for at in range(0, len(data), 4)]
    packed = b"".join(words)
    said = ipaddress.ip_address(packed)
    return parse_network(str(said)), int(port, 16)


def listeners(tables: t.Iterable[TcpSocket], port: int) -> list[Network]:
    """The local addresses that a port is listened to at."""
    return sorted({one.local for one in tables if one.state == LISTEN and one.local_port == port}, key=str)
