# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services of this host read hosts.deny: the processes that listen, and whether libwrap is loaded in them. It only reads.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import typing as t

from .._host.decisions.sockets_table import LISTEN, parse_tcp
from .._host.processes import look_at
from .decisions.other_filters import Service

_SOCKET = re.compile(r"socket:\[(\d+)\]")
_MAX_FILE = 4 * 1024 * 1024
#: They listen for a service that they start when somebody comes.
_STARTERS = frozenset({"systemd", "inetd", "xinetd"})


class Services:
    """The services that listen in this network namespace, each process looked at once."""

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc

    def ports(self) -> list[int]:
        """Those of TCP at which something listens."""
        return sorted(set(self._listening.values()))

    def at(self, port: t.Optional[int], protocol: t.Optional[str] = "tcp") -> list[Service]:
        """Those at a port; at any where none is given. One of which nothing is known stands for a process that cannot be seen."""
        if protocol not in (None, "tcp"):
            return [Service()]
        found: dict[Service, None] = {}
        for inode, own in self._listening.items():
            if port is not None and own != port:
                continue
            holders = [self._service(pid) for pid in sorted(self._holders.get(inode, ()))]
            known = [one for one in holders if one.names]
            found.update(dict.fromkeys(known or [Service()]))
        return list(found)

    @functools.cached_property
    def _listening(self) -> dict[str, int]:
        """The port of each socket that listens."""
        found: dict[str, int] = {}
        for name in ("tcp", "tcp6"):
            with contextlib.suppress(OSError), open(f"{self._proc}/thread-self/net/{name}", encoding="ascii") as file:
                found.update({one.inode: one.local_port for one in parse_tcp(file.read()) if one.state == LISTEN})
        return found

    @functools.cached_property
    def _holders(self) -> dict[str, set[int]]:
        """The processes that have each socket open."""
        found: dict[str, set[int]] = {}
        for name in os.listdir(self._proc):
            if name.isdigit():
                with contextlib.suppress(OSError):  # it ended, or is not ours to see
                    for inode in look_at(f"{self._proc}/{name}", _sockets) & set(self._listening):
                        found.setdefault(inode, set()).add(int(name))
        return found

    def _service(self, pid: int) -> Service:
        names = _names(f"{self._proc}/{pid}")
        if not names or _STARTERS & set(names):
            return Service()
        try:
            maps = look_at(f"{self._proc}/{pid}", lambda one: _read(f"{one}/maps"))
        except OSError:
            return Service(names)
        return Service(names, True if "libwrap.so" in maps else None if len(maps) >= _MAX_FILE else False)


def _sockets(process: str) -> set[str]:
    found = set()
    for name in os.listdir(f"{process}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            match = _SOCKET.fullmatch(os.readlink(f"{process}/fd/{name}"))
            if match:
                found.add(match[1])
    return found


def _names(process: str) -> tuple[str, ...]:
    """What a process may call itself: its own word for it, its program, and what it was started as."""
    found = []
    with contextlib.suppress(OSError):
        found.append(_read(f"{process}/comm").strip())
    with contextlib.suppress(OSError):
        found.append(os.path.basename(os.readlink(f"{process}/exe").partition(" (deleted)")[0]))
    with contextlib.suppress(OSError):
        first = re.split(r"[\0 ]", _read(f"{process}/cmdline"), maxsplit=1)[0]
        found.append(os.path.basename(first.rstrip(":")))
    return tuple(dict.fromkeys(name for name in found if name))


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read(_MAX_FILE)
