# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which process of this host the server is that was looked at, so that a restart meets no other.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import struct
import typing as t

from .decisions.sockets_table import LISTEN, parse_tcp
from .processes import look_at

#: Flags of a listening local socket in /proc/net/unix (__SO_ACCEPTCON in Linux' net.h).
_ACCEPTING = 0x10000
#: How long connecting to a local socket may take: seconds.
_PATIENCE = 2.0
#: Connecting a datagram socket takes a port, and sends nothing there.
_ANY_PORT = 9


def listening(*, host: str, port: int, path: t.Optional[str], proc: str = "/proc") -> tuple[t.Optional[bool], t.Optional[int]]:
    """Whether anybody on this host listens where the server should be, and which process that is.

    Args:
        host, port: of the server.
        path: its local socket; stands in for host and port.

    Returns:
        None for the first when that cannot be told, above all when the host is not this one; None for the second when it is not exactly
        one process, or we may not see it.
    """
    try:
        inodes = _unix_inodes(path, proc) if path else _tcp_inodes(host, port, proc)
        if inodes is None:
            return None, None
        holder = _only_holder(inodes, proc) if inodes else None
    except OSError:
        return None, None
    if path and holder is None:
        # Its descriptors are hidden, or it is in another network namespace, whose table is another one.
        anybody, holder = _taken(path)
        return True if inodes else anybody, holder
    return bool(inodes), holder


def own_addresses(host: str) -> list[str]:
    """The addresses of a host name; empty when one of them is not this host's."""
    found = []
    try:
        for family, _kind, _number, _name, where in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
            address = ipaddress.ip_address(str(where[0]).partition("%")[0])
            # Loopback is never another host's, and IPv6 that is switched off makes no other host of `localhost`.
            if not address.is_loopback and not address.is_unspecified and not _leads_to_us(family, where):
                return []
            found.append(_plain(address))
    except OSError:
        return []
    return found


def _leads_to_us(family: int, where: tuple[t.Any, ...]) -> bool:
    """Whether packets to an address stay on this host: then the kernel sends them from that address. Nothing is sent.

    That an address can be bound shows nothing: with net.ipv4.ip_nonlocal_bind, as beside keepalived, every address can.

    Raises:
        OSError: there is no way to it.
    """
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((where[0], _ANY_PORT, *where[2:]))
        return bool(probe.getsockname()[0] == where[0])


def _tcp_inodes(host: str, port: int, proc: str) -> t.Optional[set[str]]:
    ours = own_addresses(host)
    if not ours:
        return None
    tables = ""
    found = set()
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError), open(f"{proc}/self/net/{name}", encoding="ascii") as file:
            tables = file.read()
            for one in parse_tcp(tables):
                local = one.local.network_address
                if one.state == LISTEN and one.local_port == port and (local.is_unspecified or _plain(local) in ours):
                    found.add(one.inode)
    return found if tables else None


def _plain(address: t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]) -> str:
    """An address as text; one of IPv4 in IPv6's clothes as that of IPv4."""
    return str(getattr(address, "ipv4_mapped", None) or address)


def _unix_inodes(path: str, proc: str) -> set[str]:
    found = set()
    with open(f"{proc}/self/net/unix", encoding="utf-8", errors="surrogateescape") as file:
        for line in file.read().splitlines()[1:]:
            words = line.split(None, 7)
            if len(words) == 8 and int(words[3], 16) & _ACCEPTING and _same_place(words[7], path):
                found.add(words[6])
    return found


def _same_place(bound: str, path: str) -> bool:
    """Whether a socket that was bound by one name is the one of another: /var/run is /run, and a link leads to it."""
    return bound == path or os.path.realpath(bound) == os.path.realpath(path)


def _taken(path: str) -> tuple[t.Optional[bool], t.Optional[int]]:
    """Whether somebody takes connections at a local socket (None: it cannot be told), and the process that listens there.

    The kernel says that to whoever connects: unix(7), SO_PEERCRED.
    """
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_PATIENCE)
            probe.connect(path)
            pid = int(struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))[0])
            return True, pid or None  # 0: a process of another pid namespace
    except (FileNotFoundError, ConnectionRefusedError):
        return False, None
    except OSError:
        return None, None


def _only_holder(inodes: t.Collection[str], proc: str) -> t.Optional[int]:
    wanted = {f"socket:[{inode}]" for inode in inodes}
    holders = {int(name) for name in os.listdir(proc) if name.isdigit() and _holds(f"{proc}/{name}", wanted)}
    # A child that saves has what its parent had.
    oldest = [pid for pid in holders if _parent(pid, proc) not in holders]
    return oldest[0] if len(oldest) == 1 else None


def _holds(process: str, wanted: t.Collection[str]) -> bool:
    with contextlib.suppress(OSError):  # it ended, or is not ours to see
        return look_at(process, lambda one: _points_at(f"{one}/fd", wanted))
    return False


def _points_at(directory: str, wanted: t.Collection[str]) -> bool:
    for name in os.listdir(directory):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            if os.readlink(f"{directory}/{name}") in wanted:
                return True
    return False


def _parent(pid: int, proc: str) -> int:
    try:
        with open(f"{proc}/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0
