# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask one server what the wanted checks need, each thing once, everything bounded.

What is refused is noted with its reason and never ends the look: an ACL may forbid all but PING, a managed service hides CONFIG.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import time
import typing as t

from .._module.files import text_of
from .connection import Client, CommandRefused
from .decisions.facts import BUSY, LOADING, MASTERDOWN, NOAUTH, NOPERM, OTHER, PING_CLASSES, PONG, Facts, Request
from .decisions.info import integer, keyspace, parse_info
from .resp import ErrorReply, Reply, shown

#: Settings that judgements need. Managed services refuse CONFIG as a whole.
SETTINGS = ("save", "min-*-to-write", "latency-monitor-threshold", "stop-writes-on-bgsave-error", "maxmemory-policy", "maxclients",
            "tcp-backlog", "dir")
#: Entries of the slow log that are read.
_SLOW_READ = 32
_SCAN_COUNT = 50
#: Seconds for measuring round trips.
_PING_BUDGET = 2.0
_PREFIXES = 5
_PREFIX = re.compile(r"[A-Za-z][A-Za-z_-]{0,39}[:/]")

_NEEDS_TWO = frozenset({"writes", "evictions", "connections", "errors", "aof", "keyspace", "slow_log"})


def gather(client: Client, request: Request, *, local: bool, clock: t.Callable[[], float] = time.monotonic,
           sleep: t.Callable[[float], None] = time.sleep) -> Facts:
    """Everything the wanted checks need.

    Args:
        client: an open connection.
        request: what is wanted.
        local: whether the server may run on this host, so that its settings are worth reading.

    Raises:
        CannotReach: the connection was lost or fell silent on the way.
    """
    wanted = frozenset(request.checks)
    facts = Facts(address=client.login.place, now=time.time(), knows_client=client.knows_client)
    _ping(client, facts, request.pings if "latency" in wanted else 1, clock)
    facts.before = _info(client, facts)
    started = clock()
    facts.after = facts.before
    if facts.before:
        facts.now = (integer(facts.before, "server_time_usec") or int(facts.now * 1_000_000)) / 1_000_000
        if facts.is_cluster:
            facts.cluster = _cluster_info(client, facts)
    sentinel = facts.is_sentinel
    newest = -1 if sentinel or "slow_log" not in wanted else _newest_slow(client, facts)
    if facts.before and not sentinel:
        # Whatever is wanted: the split verdict needs it.
        facts.config = _config(client, facts)
    if "latency_events" in wanted and not sentinel:
        facts.latency = _latency(client, facts)
    if "keyspace" in wanted and not sentinel and request.sample_keys > 0:
        facts.ttl_sample = _ttl_sample(client, facts, request, clock)
    if "host" in wanted and local:
        facts.host = _host(facts)
    if facts.before and not sentinel and request.sample_seconds > 0 and _needs_two(wanted, facts):
        sleep(client.deadline.within(max(request.sample_seconds - (clock() - started), 0.0)))
        later = _info(client, facts)
        if later:
            facts.after, facts.between = later, clock() - started
    if "slow_log" in wanted and not sentinel and "SLOWLOG" not in facts.denied:
        _slow_entries(client, facts, newest)
    return facts


def _needs_two(wanted: t.Collection[str], facts: Facts) -> bool:
    """Whether growth is wanted. Of replication it is where a full copy may be on its way, or has been."""
    copied = (integer(facts.before, "sync_full") or 0) > 0 or facts.before.get("master_link_status", "up") != "up"
    return bool(_NEEDS_TWO & set(wanted)) or ("replication" in wanted and copied)


def ping_class(reply: Reply) -> tuple[str, str]:
    """The class of an answer to PING, and what was said."""
    if isinstance(reply, ErrorReply):
        code = reply.code if reply.code in PING_CLASSES else OTHER
        return code, str(reply)
    said = shown(reply)
    # A sentinel and every server say PONG; in a subscribed connection it would be a list.
    return (PONG if said.upper() == "PONG" else OTHER), said


def _ping(client: Client, facts: Facts, times: int, clock: t.Callable[[], float]) -> None:
    trips = []
    for _time in range(max(times, 1)):
        began = clock()
        reply = client.replies([("PING",)])[0]
        trips.append(clock() - began)
        facts.ping, facts.ping_message = ping_class(reply)
        # Over a slow way many round trips would use up the time for everything else.
        if facts.ping in (NOPERM, NOAUTH):
            # How quickly it refuses says nothing of how quickly it answers.
            facts.denied["PING"] = f"not_permitted: PING: {facts.ping_message}"
            trips = []
            break
        if sum(trips) > _PING_BUDGET:
            break
    facts.round_trips = trips


def _info(client: Client, facts: Facts) -> dict[str, str]:
    # The default sections: `everything` would add commandstats, which is long and which nothing here reads.
    try:
        fields = client.info()
        if fields and "loading" not in fields and not _names_a_sentinel(fields):
            # Dragonfly keeps these two out of the default sections.
            fields.update(client.info("persistence"))
            fields.update(client.info("errorstats"))
        return fields
    except CommandRefused as exc:
        facts.denied["INFO"] = reason(exc)
        return {}


def _names_a_sentinel(fields: t.Mapping[str, str]) -> bool:
    return "sentinel" in (fields.get("redis_mode"), fields.get("server_mode"))


def _config(client: Client, facts: Facts) -> t.Optional[dict[str, str]]:
    try:
        return {name: shown(value) for name, value in client.config(*SETTINGS).items()}
    except CommandRefused as exc:
        facts.denied["CONFIG"] = reason(exc)
        return None


def _cluster_info(client: Client, facts: Facts) -> t.Optional[dict[str, str]]:
    try:
        return parse_info(client.call("CLUSTER", "INFO") or b"")
    except CommandRefused as exc:
        facts.denied["CLUSTER"] = reason(exc)
        return None


def _newest_slow(client: Client, facts: Facts) -> int:
    try:
        return _slow_id(client.call("SLOWLOG", "GET", 1))
    except CommandRefused as exc:
        facts.denied["SLOWLOG"] = reason(exc)
        return -1


def _slow_entries(client: Client, facts: Facts, newest: int) -> None:
    try:
        entries = client.call("SLOWLOG", "GET", _SLOW_READ)
    except CommandRefused as exc:
        facts.denied["SLOWLOG"] = reason(exc)
        return
    facts.slow_ids = (newest, _slow_id(entries))
    facts.slow_entries = [found for found in map(_slow_entry, entries if isinstance(entries, list) else []) if found]


def _slow_id(entries: Reply) -> int:
    if isinstance(entries, list) and entries and isinstance(entries[0], list) and entries[0] and isinstance(entries[0][0], int):
        return entries[0][0]
    return -1


def _slow_entry(entry: Reply) -> t.Optional[dict[str, t.Any]]:
    """One entry: id, time, microseconds, arguments, and since 4 the client. Of the arguments only the command is told."""
    if not isinstance(entry, list) or len(entry) < 4 or not isinstance(entry[3], list):
        return None
    if not all(isinstance(one, int) for one in entry[:3]):
        return None
    words = [shown(word, length=40) for word in entry[3]]
    command = words[0].upper() if words else ""
    if not command.replace(".", "").replace("_", "").isalnum():
        # What is no command's name may be a secret sent by mistake.
        command = "?"
    return {
        "id": entry[0], "at": entry[1], "seconds": round(entry[2] / 1_000_000, 6), "command": command, "arguments": max(len(words) - 1, 0),
        "client": shown(entry[4], length=60) if len(entry) > 4 else "",
    }


def _latency(client: Client, facts: Facts) -> t.Optional[list[dict[str, t.Any]]]:
    try:
        reply = client.call("LATENCY", "LATEST")
    except CommandRefused as exc:
        facts.denied["LATENCY"] = reason(exc)
        return None
    found = []
    for event in reply if isinstance(reply, list) else []:
        if isinstance(event, list) and len(event) >= 4 and all(isinstance(one, int) for one in event[1:4]):
            found.append({"event": shown(event[0], length=60), "at": event[1], "latest": event[2] / 1000, "max": event[3] / 1000})
    return found


def _ttl_sample(client: Client, facts: Facts, request: Request, clock: t.Callable[[], float]) -> t.Optional[dict[str, t.Any]]:
    """Look at some keys of the fullest database for a TTL, by SCAN in small steps, within a budget of time."""
    databases = keyspace(facts.before)
    if not databases or facts.ping in (LOADING, BUSY, MASTERDOWN):
        return None
    fullest = max(databases, key=lambda name: databases[name]["keys"])
    end, looked, without, prefixes = clock() + request.sample_budget, 0, 0, dict[str, int]()
    try:
        if fullest != "db0":
            client.call("SELECT", fullest[2:])
        cursor = "0"
        while True:
            reply = client.ask("SCAN", cursor, "COUNT", min(_SCAN_COUNT, request.sample_keys))
            names = list(reply[1])[: request.sample_keys - looked]
            for name, ttl in zip(names, client.replies([("TTL", name) for name in names])):
                if isinstance(ttl, ErrorReply):
                    raise client.refused(("TTL",), ttl)
                looked += ttl != -2
                if ttl == -1:
                    without += 1
                    prefixes[prefix_of(name)] = prefixes.get(prefix_of(name), 0) + 1
            cursor = str(reply[0])
            if cursor == "0" or looked >= request.sample_keys or clock() > end:
                break
    except CommandRefused as exc:
        facts.denied["SCAN"] = reason(exc)
        return None
    finally:
        if fullest != "db0":
            with contextlib.suppress(CommandRefused):
                client.call("SELECT", 0)
    top = sorted(prefixes.items(), key=lambda item: -item[1])[:_PREFIXES]
    return {"database": fullest, "looked_at": looked, "without_ttl": without,
            "prefixes_without_ttl": [{"prefix": prefix, "keys": count} for prefix, count in top]}


def prefix_of(key: str) -> str:
    """What comes before the first colon or slash of a key, where that is a plain word: a name that a program chose.

    Anything else (a mail address, a token) is not told.
    """
    match = _PREFIX.match(key)
    return match.group() if match else ""


def _host(facts: Facts) -> t.Optional[dict[str, t.Any]]:
    """The settings of this host, where the server's process is one of its."""
    pid = integer(facts.before, "process_id")
    if pid is None or not facts.before.get("tcp_port"):
        facts.denied["host"] = "not_told: INFO has no process_id"
        return None
    comm = text_of(f"/proc/{pid}/comm").strip()
    if not any(name in comm for name in ("redis", "valkey", "keydb", "dragonfly")):
        # In a container it has a number of its own. Where /proc is mounted with hidepid nobody can tell, and then process 1 is hidden too.
        if not comm and not text_of("/proc/1/comm").strip():
            facts.denied["host"] = "not_permitted: /proc does not show the processes of other users"
        return None
    huge = text_of("/sys/kernel/mm/transparent_hugepage/enabled").strip()
    overcommit, somaxconn = (text_of(f"/proc/sys/{name}").strip() for name in ("vm/overcommit_memory", "net/core/somaxconn"))
    return {
        "overcommit_memory": int(overcommit) if overcommit.isdecimal() else None,
        "transparent_hugepage": huge.partition("[")[2].partition("]")[0],
        "somaxconn": int(somaxconn) if somaxconn.isdecimal() else None,
    }


def is_local(host: str, unix_socket: str) -> bool:
    """Whether an address is this host's: a local socket, the loopback, or an address that can be bound here."""
    if unix_socket or host in ("localhost", ""):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == socket.gethostname()
    if address.is_loopback:
        return True
    with socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


def reason(exc: CommandRefused) -> str:
    """Why a command was refused, in the words of a skipped check."""
    return f"{'not_permitted' if exc.not_permitted else 'refused'}: {exc.command}: {exc.reply}"
