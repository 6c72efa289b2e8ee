# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a snapshot of a host consists of: a fixed list of read-only commands, the most volatile first.

This module util is PRIVATE to the collection: it may change at any time.

The order is that of RFC 3227, section 2.1: what is gone soonest is taken first. The number of a folder says its place.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .._core.errors import BadInput
from .._core.hosts import read_host

#: How an item ended.
COLLECTED = "collected"
TIMED_OUT = "timed_out"
NOT_AVAILABLE = "not_available"
DEFERRED = "deferred"
FAILED = "failed"

_UNIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.@\\-]{0,254}\Z")
#: Where the ends of logs are, among what lies on disks.
LOGS = "50-disk"
_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]+")
#: Lines of logs that are asked for at most; the limit in bytes is the module's.
_MOST_LINES = "200000"
_PS = "pid,ppid,user,lstart,etimes,stat,pcpu,pmem,rss,wchan:20,cgroup,args"

Argv = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Item:
    """One thing to take.

    Attributes:
        name: also its file's name.
        folder: the number is its place in the order of volatility.
        commands: alternatives; the first whose program is there is run.
        file: instead of a command: this log's end is taken.
        shares: the name of what this log shares its bound with: all files of a pattern together are as large as one log may be.
        text: instead of a command: what is known already, such as what a program says without the environments that it prints.
        environment: variables of the command that its line must not show.
        said: what the index says of it. Without anything to take it is why there is nothing.
    """

    name: str
    folder: str
    commands: tuple[Argv, ...] = ()
    file: str = ""
    shares: str = ""
    text: str = dataclasses.field(default="", repr=False)
    environment: tuple[tuple[str, str], ...] = dataclasses.field(default=(), repr=False)
    said: str = ""


def catalogue(*, units: t.Sequence[str] = (), since: t.Optional[float] = None) -> list[Item]:
    """The items of every host, in the order in which they are taken.

    Args:
        units: systemd units whose journal is taken; without any the whole journal from warnings upwards.
        since: when the incident began, seconds since the epoch; None means an hour ago.

    Raises:
        BadInput: a unit is not a unit's name.
    """
    for unit in units:
        if not _UNIT.match(unit):
            raise BadInput(f"units: {unit!r} is not the name of a systemd unit.", hint="For example postgresql.service.", argument="units")
    began = "-1h" if since is None else f"@{int(since)}"
    journal: Argv = ("journalctl", "--no-pager", "--output=short-iso-precise", f"--since={began}", f"--lines={_MOST_LINES}")
    journal += tuple(f"--unit={unit}" for unit in units) or ("--priority=warning",)
    state: tuple[Argv, ...] = (("systemctl", "show", "--no-pager", *units),) if units else ()
    return [
        Item("sockets", "10-net", (("ss", "-tunapoie"), ("netstat", "-tunape"))),
        Item("listening", "10-net", (("ss", "-tulnp"), ("netstat", "-tulnp"))),
        Item("unix_sockets", "10-net", (("ss", "-xap"),)),
        Item("neighbours", "10-net", (("ip", "neighbour", "show"), ("cat", "/proc/net/arp"))),
        Item("routes", "10-net", (("ip", "route", "show", "table", "all"), ("cat", "/proc/net/route"))),
        Item("addresses", "10-net", (("ip", "-statistics", "address", "show"), ("cat", "/proc/net/dev"))),
        Item("firewall_nft", "10-net", (("nft", "list", "ruleset"),)),
        Item("firewall_iptables", "10-net", (("iptables-save",),)),
        Item("firewall_ip6tables", "10-net", (("ip6tables-save",),)),
        Item("processes", "20-proc", (("ps", "-ewwo", _PS), ("ps", "-ef"))),
        Item("logged_in", "20-proc", (("who", "-a"),)),
        Item("load", "20-proc", (("cat", "/proc/loadavg", "/proc/uptime"),)),
        Item("containers_docker", "20-proc", (("docker", "ps", "--all", "--no-trunc", "--size=false"),)),
        Item("containers_podman", "20-proc", (("podman", "ps", "--all", "--no-trunc"),)),
        Item("containers_cri", "20-proc", (("crictl", "ps", "--all"),)),
        Item("units", "20-proc", (("systemctl", "list-units", "--all", "--no-pager", "--plain", "--full"),)),
        Item("unit_state", "20-proc", state),
        Item(
            "open_files",
            "20-proc",
            (("lsof", "-nPw"), ("find", "/proc", "-maxdepth", "3", "-path", "/proc/[0-9]*/fd/*", "-printf", "%p %l\\n")),
        ),
        Item("memory", "30-mem", (("cat", "/proc/meminfo"),)),
        Item("pressure", "30-mem", (("cat", "/proc/pressure/cpu", "/proc/pressure/io", "/proc/pressure/memory"),)),
        Item("kernel_messages", "30-mem", (("dmesg", "--time-format", "iso"), ("dmesg",))),
        Item("temporary_files", "40-tmp", (("ls", "-lAn", "--time-style=full-iso", "/tmp", "/var/tmp", "/dev/shm"),)),
        Item("mounts", "50-disk", (("cat", "/proc/self/mountinfo"),)),
        Item("disk_space", "50-disk", (("df", "--portability", "--local", "--print-type"), ("df", "-P"))),
        Item("disk_inodes", "50-disk", (("df", "--inodes", "--local"), ("df", "-i"))),
        Item("journal", "50-disk", (journal,)),
        Item("logins", "50-disk", (("last", "-F", "-w", "-n", "500"), ("last", "-n", "500"))),
        Item("failed_logins", "50-disk", (("lastb", "-F", "-w", "-n", "500"), ("lastb", "-n", "500"))),
        Item("timers", "70-config", (("systemctl", "list-timers", "--all", "--no-pager", "--full"),)),
        Item(
            "cron",
            "70-config",
            (
                (
                    "find",
                    "/etc/crontab",
                    "/etc/cron.d",
                    "/etc/cron.hourly",
                    "/etc/cron.daily",
                    "/var/spool/cron",
                    "-type",
                    "f",
                    "-printf",
                    "%p %TY-%Tm-%TdT%TT %s %u\\n",
                ),
            ),
        ),
        Item(
            "package_changes",
            "70-config",
            (
                ("tail", "-n", "3000", "/var/log/dpkg.log"),
                ("rpm", "-qa", "--last"),
                ("tail", "-n", "1000", "/var/log/apk.log"),
            ),
        ),
        Item("system", "70-config", (("uname", "-a"),)),
    ]


def log_name(number: str, path: str) -> str:
    """A safe name for the item of a log."""
    safe = _FILE_NAME.sub("_", path.strip("/"))[-80:].lstrip("._-") or "log"
    return f"log{number}_{safe}"


def require_absolute(paths: t.Iterable[str]) -> None:
    """Refuse a log's path that depends on where a command runs.

    Raises:
        BadInput: a path is not absolute.
    """
    for path in paths:
        if not path.startswith("/") or chr(0) in path:
            raise BadInput(f"files: {path!r} is not an absolute path.", hint="Give the log's whole path.", argument="files")


def redis(servers: t.Sequence[t.Mapping[str, t.Any]]) -> list[Item]:
    """Items of Redis servers, by redis-cli: INFO, the clients, the slow log, and what waits in memory.

    Args:
        servers: host, port, user, password of each.

    Raises:
        BadInput: a host is not one, such as a URL.
    """
    found: list[Item] = []
    for place, server in enumerate(servers):
        port = int(server.get("port") or 6379)
        host = read_host(server.get("host") or "", name=f"redis[{place}].host") or "127.0.0.1"
        base: Argv = ("redis-cli", "-h", host, "-p", str(port), "--no-auth-warning")
        base += ("--user", str(server["user"])) if server.get("user") else ()
        secret = (("REDISCLI_AUTH", str(server["password"])),) if server.get("password") else ()
        for name, command in (
            ("info", ("INFO", "everything")), ("clients", ("CLIENT", "LIST")), ("slow_log", ("SLOWLOG", "GET", "256")),
            ("latency", ("LATENCY", "LATEST")), ("memory", ("MEMORY", "STATS")),
        ):
            number = f"_{len(found) // 5 + 1}" if len(servers) > 1 else ""
            found.append(Item(f"redis{number}_{name}", "25-database", ((*base, *command),), environment=secret))
    return found


def in_order(items: t.Iterable[Item]) -> list[Item]:
    """The items by how soon what they take is gone; within a folder as they are given."""
    return sorted(items, key=lambda item: item.folder)


def chosen(items: t.Sequence[Item], *, only: t.Optional[t.Sequence[str]], skip: t.Sequence[str] = ()) -> list[Item]:
    """The items that are wanted, in their order.

    Raises:
        BadInput: an item is not known.
    """
    known = [item.name for item in items]
    for argument, names in (("only", only or ()), ("skip", skip)):
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise BadInput(
                f"{argument}: there is no item {', '.join(unknown)}.", hint=f"There are {', '.join(known)}.", argument=argument,
            )
    wanted = [item for item in items if (only is None or item.name in only) and item.name not in skip]
    return [item for item in wanted if item.commands or item.file or item.text]
