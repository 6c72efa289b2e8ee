# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the operators of this host come from, and which addresses it cannot do without. It only reads.

This module util is PRIVATE to the collection: it may change at any time.

SSH_CONNECTION alone is not enough: sudo removes it, AWX and bastions hide it. So every established session of sshd counts, and
the environment of each process that led to this one.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import os
import re
import sys
import time
import typing as t

from .._core.addresses import Network, parse_network, read_network
from .._core.errors import Blind
from .._host.decisions.sockets_table import ESTABLISHED, TcpSocket, parse_tcp
from .._module.files import text_of
from .._module.programs import Run

#: OpenSSH's processes by version (sshd-session since 9.8), and Dropbear's.
SSH_PROGRAMS = frozenset({"sshd", "sshd-session", "sshd-auth", "dropbear"})
_VARIABLES = ("SSH_CONNECTION", "SSH_CLIENT")
_MAX_FILE = 16 * 1024 * 1024
#: How sshd names the halves of a connection before login; a session's process is "sshd: user@pts/0" (sshd.c, setproctitle).
#: Who has just been started for a connection is named as the listener is, then for a moment has the option -R.
_LISTENER = re.compile(r"\[listener\]")
_FIRST = r"\[(?:net|accepted|rexeced|preauth{more})\]|\[listener\] \d+ of \S+ startups| -R"
_BEFORE_LOGIN = re.compile(rf"(?:{_FIRST.format(more='')})\s*\Z")
_BRACKET = re.compile(rf"(?:{_FIRST.format(more='|priv')})\s*\Z")
#: A connection whose half has just gone, or comes just now, shows within a moment which of both it was: looks, and seconds between.
_LOOKS, _MOMENT = 5, 0.1
_HEX6 = re.compile(r"[0-9a-f]{32}\Z")
_SOCKET = re.compile(r"socket:\[(\d+)\]\Z")


def ssh_peers(proc: str = "/proc") -> list[Network]:
    """The far ends of all established sessions of sshd on this host, in whatever network namespace.

    A connection that has not logged in yet is not a session: those who try passwords hold such connections all the time. What stays in
    doubt is one.
    """
    sessions, doubtful = _sessions(proc)
    for _look in range(_LOOKS):
        if not doubtful:
            break
        time.sleep(_MOMENT)
        again, still = _sessions(proc)
        sessions.update({inode: remote for inode, remote in again.items() if inode in doubtful})
        doubtful = {inode: remote for inode, remote in still.items() if inode in doubtful}
    return sorted({*sessions.values(), *doubtful.values()}, key=str)


@dataclasses.dataclass(frozen=True)
class _Process:
    """One process of sshd.

    Attributes:
        hidden: whether its files cannot be seen: another user's, or sshd's own of a session, where root has no CAP_SYS_PTRACE.
        table: the sockets of its network namespace.
        mine: those of them that it holds.
    """

    title: str
    parent: str
    hidden: bool
    table: t.Sequence[TcpSocket]
    mine: t.Sequence[TcpSocket]

    @property
    def connections(self) -> dict[str, Network]:
        """The far ends of its established connections by inode."""
        return {one.inode: one.remote for one in self.mine if one.state == ESTABLISHED}


def _sessions(proc: str) -> tuple[dict[str, Network], dict[str, Network]]:
    """The far ends by the connection's inode: of sessions, and of what may be one."""
    listed = {pid: _process(f"{proc}/{pid}") for pid in _pids(proc) if _text(f"{proc}/{pid}/comm").strip() in SSH_PROGRAMS}
    # A process that has ended and is not yet waited for has no command line, and holds nothing. One that ended between the look at its
    # files and the one at its title has no title either, and is in doubt.
    seen = {pid: one for pid, one in listed.items() if one.title or one.mine}
    titles: dict[str, list[str]] = {}
    connections: dict[str, Network] = {}
    for one in seen.values():
        connections.update(one.connections)
        # The half that talks to the other side is another user's process, and a child of the one whose files are seen.
        above = seen.get(one.parent)
        for inode in one.connections or (above.connections if above else ()):
            titles.setdefault(inode, []).append(one.title)
    open_ones = {inode: remote for inode, remote in connections.items() if not only_knocks(titles[inode])}
    doubtful = {
        inode: remote for inode, remote in open_ones.items() if all(not title or _BRACKET.search(title) for title in titles[inode])
    }
    sure = {inode: remote for inode, remote in open_ones.items() if inode not in doubtful}
    doubtful.update({inode: remote for inode, remote in _hidden(seen).items() if inode not in connections})
    return sure, doubtful


def _hidden(seen: t.Mapping[str, _Process]) -> dict[str, Network]:
    """Where there are sessions whose connections cannot be told: every connection to sshd's ports."""
    below: dict[str, list[str]] = {}
    for one in seen.values():
        below.setdefault(one.parent, []).append(one.title)
    ports = {one.local_port for process in seen.values() for one in process.mine}
    found = {}
    for pid, process in seen.items():
        above = seen.get(process.parent)
        known = process.connections or (above and above.connections) or _LISTENER.search(process.title)
        if process.hidden and not known and not only_knocks([process.title, *below.get(pid, [])]):
            found.update({
                one.inode: one.remote for one in process.table
                if one.state == ESTABLISHED and one.inode != "0" and (not ports or one.local_port in ports)
            })
    return found


def _process(place: str) -> _Process:
    inodes, hidden = _socket_inodes(f"{place}/fd")
    table = tcp_table(place)
    return _Process(
        title=_text(f"{place}/cmdline").replace("\0", " ").strip(), parent=_parent(f"{place}/stat"), hidden=hidden, table=table,
        mine=[one for one in table if one.inode in inodes],
    )


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


def own_addresses(run: Run, proc: str = "/proc") -> list[Network]:
    """This host's addresses, by ip, or where that is not here or too old by the kernel's own tables.

    Raises:
        Blind: neither tells.
    """
    found = []
    devices = _json(run, ["ip", "-j", "address", "show"])
    if devices is None:
        return _kernels_addresses(proc)
    for device in devices:
        for info in device.get("addr_info", []) if isinstance(device, dict) else ():
            network = read_network(str(info.get("local", ""))) if isinstance(info, dict) else None
            found += [network] if network is not None else []
    return found


def gateways(run: Run, proc: str = "/proc") -> list[Network]:
    """The next hops of its routes, from the same places.

    Raises:
        Blind: neither tells.
    """
    found = []
    for family in ("-4", "-6"):
        routes = _json(run, ["ip", family, "-j", "route", "show"])
        if routes is None:
            return _kernels_gateways(proc)
        for route in routes:
            hops = [route, *route.get("nexthops", [])] if isinstance(route, dict) else []
            networks = (read_network(str(hop.get("gateway", ""))) for hop in hops if isinstance(hop, dict))
            found += [network for network in networks if network is not None]
    return found


def _kernels_addresses(proc: str) -> list[Network]:
    """A local address of IPv4 is followed by its line "/32 host LOCAL"; of IPv6 the first word of its line."""
    found, last = [], ""
    for words in _table(f"{proc}/net/fib_trie"):
        if len(words) > 1 and words[0] == "|--":
            last = words[1]
        elif words == ["/32", "host", "LOCAL"]:
            found.append(read_network(last))
    found += [_of_bytes(bytes.fromhex(words[0])) for words in _table(f"{proc}/net/if_inet6", needed=False) if _HEX6.match(words[0])]
    return [network for network in found if network is not None]


def _kernels_gateways(proc: str) -> list[Network]:
    """The columns Gateway of /proc/net/route, in the host's byte order, and next hop of /proc/net/ipv6_route; all zeros is none."""
    found = []
    for words in _table(f"{proc}/net/route")[1:]:
        if len(words) > 2 and int(words[2], 16):
            found.append(_of_bytes(int(words[2], 16).to_bytes(4, sys.byteorder)))
    for words in _table(f"{proc}/net/ipv6_route", needed=False):
        if len(words) > 4 and _HEX6.match(words[4]) and int(words[4], 16):
            found.append(_of_bytes(bytes.fromhex(words[4])))
    return [network for network in found if network is not None]


def _table(path: str, *, needed: bool = True) -> list[list[str]]:
    """The words of a table's lines. Without IPv6 its tables are not there; those of IPv4 always are."""
    rows = [line.split() for line in _text(path).splitlines() if line.strip()]
    if needed and not rows:
        raise Blind(f"This host's own addresses and gateways cannot be told: ip gives no answer, and {path} cannot be read. "
                    "Nobody was banned.", hint="Install iproute2, or use become.")
    return rows


def _of_bytes(packed: bytes) -> Network | None:
    return read_network(str(ipaddress.ip_address(packed)))


def resolvers(path: str = "/etc/resolv.conf") -> list[Network]:
    """Its name servers (resolv.conf(5))."""
    words = [line.split() for line in _text(path).splitlines()]
    networks = (read_network(line[1]) for line in words if len(line) > 1 and line[0] == "nameserver")
    return [network for network in networks if network is not None]


def named(texts: t.Iterable[t.Any]) -> list[Network]:
    """The networks that never_ban names; raises BadInput."""
    return [parse_network(text, name="never_ban") for text in texts]


def _json(run: Run, argv: t.Sequence[str]) -> list[t.Any] | None:
    """The list that a program prints; None where it gives none."""
    ran = run(argv)
    try:
        said = json.loads(ran.out or "[]")
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, list) and not ran.problem else None


def _pids(proc: str) -> list[str]:
    try:
        return [name for name in os.listdir(proc) if name.isdigit()]
    except OSError:
        return []


def _socket_inodes(directory: str) -> tuple[set[str], bool]:
    """The inodes of a process's sockets, and whether some of its files may not be seen."""
    found, hidden = set(), False
    try:
        names = os.listdir(directory)
    except OSError as exc:
        return set(), isinstance(exc, PermissionError)
    for name in names:
        try:
            match = _SOCKET.match(os.readlink(f"{directory}/{name}"))
        except OSError as exc:
            hidden = hidden or isinstance(exc, PermissionError)
            continue
        if match:
            found.add(match[1])
    return found, hidden


def _parent(path: str) -> str:
    # The name in brackets may hold anything, so count from its end (proc(5), stat).
    rest = _text(path).rpartition(")")[2].split()
    return rest[1] if len(rest) > 1 else ""


def _text(path: str) -> str:
    return text_of(path, most=_MAX_FILE)
