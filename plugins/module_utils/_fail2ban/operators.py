# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the operators of this host come from, and which addresses it cannot do without. It only reads.

This module util is PRIVATE to the collection: it may change at any time.

SSH_CONNECTION alone is not enough: sudo removes it, AWX and bastions hide it. So every established session of sshd counts, and
the environment of each process that led to this one.
"""

from __future__ import annotations

import json
import os
import re
import typing as t

from .._core.addresses import Network, parse_network, read_network
from .._core.sockets_table import ESTABLISHED, TcpSocket, parse_tcp
from .programs import Run

#: OpenSSH's processes by version (sshd-session since 9.8), and Dropbear's.
SSH_PROGRAMS = frozenset({"sshd", "sshd-session", "sshd-auth", "dropbear"})
_VARIABLES = ("SSH_CONNECTION", "SSH_CLIENT")
_MAX_FILE = 16 * 1024 * 1024
#: How sshd names the halves of a connection before login; a session's process is "sshd: user@pts/0" (sshd.c, setproctitle).
_BEFORE_LOGIN = re.compile(r"\[(?:net|accepted|preauth)\]\s*\Z")
_BRACKET = re.compile(r"\[(?:net|accepted|preauth|priv)\]\s*\Z")
_SOCKET = re.compile(r"socket:\[(\d+)\]\Z")


def ssh_peers(proc: str = "/proc") -> list[Network]:
    """The far ends of all established sessions of sshd on this host, in whatever network namespace.

    A connection that has not logged in yet is no session: those who try passwords hold such connections all the time.
    """
    titles: dict[str, list[str]] = {}
    connections: dict[str, Network] = {}
    for pid in _pids(proc):
        if _text(f"{proc}/{pid}/comm").strip() not in SSH_PROGRAMS:
            continue
        title = _text(f"{proc}/{pid}/cmdline").replace("\0", " ").strip()
        inodes = _socket_inodes(f"{proc}/{pid}/fd")
        for one in tcp_table(f"{proc}/{pid}"):
            if one.state == ESTABLISHED and one.inode in inodes:
                connections[one.inode] = one.remote
                titles.setdefault(one.inode, []).append(title)
    return sorted({remote for inode, remote in connections.items() if not only_knocks(titles[inode])}, key=str)


def only_knocks(titles: t.Sequence[str]) -> bool:
    """Whether sshd's own titles say that a connection has not logged in: one half is named [net], [accepted] or [preauth], and no
    process is named for a session. In doubt it has."""
    return any(_BEFORE_LOGIN.search(title) for title in titles) and all(_BRACKET.search(title) for title in titles)


def callers(environ: t.Mapping[str, str], proc: str = "/proc") -> list[Network]:
    """Whom SSH_CONNECTION and SSH_CLIENT name, here and in the processes that started this one."""
    texts = [environ.get(name, "") for name in _VARIABLES]
    pid, seen = str(os.getppid()), set()
    while pid not in ("0", "") and pid not in seen:
        seen.add(pid)
        for item in _text(f"{proc}/{pid}/environ").split("\0"):
            name, _equals, value = item.partition("=")
            if name in _VARIABLES:
                texts.append(value)
        pid = _parent(f"{proc}/{pid}/stat")
    networks = (read_network(text.split()[0]) for text in texts if text.split())
    return sorted({network for network in networks if network is not None}, key=str)


def tcp_table(process: str = "/proc/self") -> list[TcpSocket]:
    """The TCP sockets of the network namespace of a process."""
    return [one for name in ("tcp", "tcp6") for one in parse_tcp(_text(f"{process}/net/{name}"))]


def own_addresses(run: Run) -> list[Network]:
    """This host's addresses."""
    found = []
    for device in _json(run(["ip", "-j", "address", "show"]).out):
        for info in device.get("addr_info", []) if isinstance(device, dict) else ():
            network = read_network(str(info.get("local", ""))) if isinstance(info, dict) else None
            found += [network] if network is not None else []
    return found


def gateways(run: Run) -> list[Network]:
    """The next hops of its routes."""
    found = []
    for family in ("-4", "-6"):
        for route in _json(run(["ip", family, "-j", "route", "show"]).out):
            hops = [route, *route.get("nexthops", [])] if isinstance(route, dict) else []
            networks = (read_network(str(hop.get("gateway", ""))) for hop in hops if isinstance(hop, dict))
            found += [network for network in networks if network is not None]
    return found


def resolvers(path: str = "/etc/resolv.conf") -> list[Network]:
    """Its name servers (resolv.conf(5))."""
    words = [line.split() for line in _text(path).splitlines()]
    networks = (read_network(line[1]) for line in words if len(line) > 1 and line[0] == "nameserver")
    return [network for network in networks if network is not None]


def named(texts: t.Iterable[t.Any]) -> list[Network]:
    """The networks that never_ban names; raises BadInput."""
    return [parse_network(text, name="never_ban") for text in texts]


def _json(text: str) -> list[t.Any]:
    try:
        said = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return []
    return said if isinstance(said, list) else []


def _pids(proc: str) -> list[str]:
    try:
        return [name for name in os.listdir(proc) if name.isdigit()]
    except OSError:
        return []


def _socket_inodes(directory: str) -> set[str]:
    found = set()
    try:
        names = os.listdir(directory)
    except OSError:
        return set()
    for name in names:
        try:
            match = _SOCKET.match(os.readlink(f"{directory}/{name}"))
        except OSError:
            continue
        if match:
            found.add(match[1])
    return found


def _parent(path: str) -> str:
    # The name in brackets may hold anything, so count from its end (proc(5), stat).
    rest = _text(path).rpartition(")")[2].split()
    return rest[1] if len(rest) > 1 else ""


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_MAX_FILE)
    except OSError:
        return ""
