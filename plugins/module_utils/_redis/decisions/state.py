# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The split verdict: alive, ready, writable, durable; and the code of what would help.

PING alone says none of them. It answers PONG on a replica whose link is down, MISCONF on a server that reads well, and nothing at
all where a full maxclients is the only trouble.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.durations import format_duration
from ..._core.findings import CRITICAL, OK, Finding
from .absent import pauses_writes
from .availability import LOST, PAUSED
from .facts import BUSY, LOADING, MASTERDOWN, MISCONF, NOPERM, PONG, Facts, Request
from .info import errors_by_code, integer

MISCONF_DISK, OOM_NOEVICTION, REPLICA_ORPHAN, NO_QUORUM = "misconf_disk", "oom_noeviction", "replica_orphan", "no_quorum"
MAXCLIENTS, IS_LOADING, DOWN, FROZEN, EVICTING, SYNC_LOOP = "maxclients", "loading", "down", "frozen", "evicting", "sync_loop"
IS_BUSY, IS_PAUSED = "busy", "paused"

#: What to recover from, the most pressing first: without a process nothing else helps, without a quorum nobody fails over.
RECOVERIES = (
    DOWN, FROZEN, MAXCLIENTS, IS_LOADING, IS_BUSY, IS_PAUSED, MISCONF_DISK, OOM_NOEVICTION, NO_QUORUM, SYNC_LOOP, REPLICA_ORPHAN, EVICTING,
)
#: What the command of absent.harmless_write() is called where it was refused, whichever it is.
HARMLESS_WRITE = "PFCOUNT"
#: Begins the name of every key that is probed with.
PROBE_PREFIX = "oncall.incident:probe:"
#: Begins the resource of every action on a server; its run id follows.
RESOURCE = "redis:"
#: The resource of a server that has no run id.
NO_START = f"{RESOURCE}unknown"
#: What a replica's link is called while full copies of the data begin again and again and none is completed.
COPY_BROKE_OFF = "copy_broke_off"
HINT_CONFIG = "Allow +config|get to this user."
HINT_HOST = "Run as root, or as the server's own user, to see its process."
HINT_CLUSTER = "Allow +cluster|info and +cluster|nodes to this user."

_FROM_REFUSAL = {
    "refused": DOWN, "no_socket": DOWN, "no_route": DOWN, "timeout": DOWN, LOST: DOWN, "cannot_connect": DOWN,
    "frozen": FROZEN, "maxclients": MAXCLIENTS, PAUSED: IS_PAUSED,
}


@dataclasses.dataclass(frozen=True)
class State:
    """What can be said of a server; None where nobody can say.

    Attributes:
        alive: the process answers, if only with a refusal.
        ready: it answers reads with its data, and is not loading.
        writable: it takes writes. False on a replica, which is not its fault.
        durable: what is written survives a restart: persistence is on and its last run succeeded.
        why_not_writable: a short reason, empty otherwise.
    """

    alive: t.Optional[bool] = None
    ready: t.Optional[bool] = None
    writable: t.Optional[bool] = None
    durable: t.Optional[bool] = None
    why_not_writable: str = ""

    def as_dict(self) -> dict[str, t.Optional[bool]]:
        """The four, as they appear in results."""
        return {"alive": self.alive, "ready": self.ready, "writable": self.writable, "durable": self.durable}


def state_of(facts: Facts, request: Request) -> State:
    """The state of a server that answered."""
    if facts.is_sentinel:
        return State(alive=True, ready=facts.ping == PONG or None)
    writable, why = _writable(facts, request)
    return State(alive=True, ready=_ready(facts), writable=writable, durable=durable(facts), why_not_writable=why)


def unreachable_state(kind: str, *, alive_all_the_same: t.Collection[str]) -> State:
    """The state of a server that could not be used."""
    alive = kind in alive_all_the_same
    if kind == PAUSED:
        return State(alive=True, ready=False, writable=False, why_not_writable=PAUSED)
    if alive and kind != "maxclients":
        # It answers, and what it refuses is us: nothing is known of what it does for others.
        return State(alive=True)
    # New clients are refused at maxclients, and those that are in may well read and write.
    return State(alive=alive, ready=False, writable=None if alive else False)


def durable(facts: Facts) -> t.Optional[bool]:
    """Whether what is written survives a restart, as far as the server says."""
    info = facts.after
    if not info:
        return None
    if info.get("aof_enabled") == "1":
        return info["aof_last_write_status"] == "ok" if "aof_last_write_status" in info else None
    failed, saves = snapshot_failed(info), snapshots_configured(facts)
    if failed or saves is False:
        return False
    return None if failed is None else saves


def snapshot_failed(info: t.Mapping[str, str]) -> t.Optional[bool]:
    """Whether the last snapshot failed; None where INFO does not tell. Dragonfly tells when it last did and did not."""
    if "rdb_last_bgsave_status" in info:
        return info["rdb_last_bgsave_status"] != "ok"
    good, bad = integer(info, "last_success_save"), integer(info, "last_failed_save")
    return None if good is None or bad is None else bad > good


def snapshots_configured(facts: Facts) -> t.Optional[bool]:
    """Whether the server saves snapshots by itself; None when its settings can't be read."""
    if facts.config is None or "save" not in facts.config:
        return None
    return bool(str(facts.config["save"]).strip())


def noeviction(facts: Facts) -> bool:
    """Whether a full memory refuses writes: the policy says so, or spares what has no TTL and nothing has one."""
    policy = facts.after.get("maxmemory_policy") or (facts.config or {}).get("maxmemory-policy", "")
    # Dragonfly has no policy, and refuses writes when full unless it runs as a cache.
    return policy in ("noeviction", "") or (policy.startswith("volatile-") and facts.keys > 0 and facts.expires == 0)


def memory_share(facts: Facts) -> t.Optional[float]:
    """Used memory as a share of maxmemory; None where no maximum is set or known. Replicas' and AOF buffers are not counted,
    as the server does not (`mem_not_counted_for_evict`)."""
    used, most = integer(facts.after, "used_memory"), integer(facts.after, "maxmemory")
    if used is None or not most or most <= 0:
        return None
    return max(used - (integer(facts.after, "mem_not_counted_for_evict") or 0), 0) / most


def good_replicas_missing(facts: Facts, request: Request) -> t.Optional[int]:
    """How many good replicas a primary lacks to take writes; None when it needs none or nobody can say."""
    good, needed = integer(facts.after, "min_slaves_good_slaves"), _needed_replicas(facts, request)
    if not facts.is_primary or not needed:
        return None
    # Without the setting the server does not count good ones; those online are the nearest.
    have = good if good is not None else sum(1 for key, value in facts.after.items() if key.startswith("slave") and "state=online" in value)
    return max(needed - have, 0)


def needed_replicas_unseen(facts: Facts, request: Request) -> bool:
    """Whether a primary needs good replicas to take writes, and nobody can say how many: it counts them only where the setting is on."""
    return facts.is_primary and "min_slaves_good_slaves" in facts.after and _needed_replicas(facts, request) is None


def cluster_unseen(facts: Facts) -> bool:
    """Whether it is a node of a cluster of whose state it does not tell."""
    return facts.is_cluster and not (facts.cluster or {}).get("cluster_state")


def paused_told(info: t.Mapping[str, str]) -> str:
    """What a server says of writes that it holds back, as of Valkey 8.1 and Redis 8; empty where it holds none back, or does not say."""
    if info.get("paused_actions", "none") not in ("write", "all"):
        return ""
    left = integer(info, "paused_timeout_milliseconds")
    how_long = "" if left is None or left < 0 else f" for another {format_duration(max(left // 1000, 1))}"
    reason = info.get("paused_reason", "")
    if reason in ("failover_in_progress", "shutdown_in_progress"):
        return f"It holds all writes back{how_long} ({reason}): wait for its end, and find out why it takes so long."
    return f"CLIENT PAUSE holds all writes back{how_long}, as a failover does: CLIENT UNPAUSE ends it, or wait for its end."


def pause_untold(facts: Facts) -> bool:
    """Whether a server that looks as if it took writes may hold them back without a word."""
    takes_writes = facts.is_primary or facts.after.get("role") == "active-replica"
    return takes_writes and facts.ping == PONG and "paused_actions" not in facts.after and pauses_writes(facts.after)


def why_writes_hang(info: t.Mapping[str, str]) -> str:
    """What may be behind a write without an answer, of a server that answers reads.

    Args:
        info: section `clients` of INFO.
    """
    if "paused_actions" in info:
        return paused_told(info)
    return (
        "It answers reads and no write, which CLIENT PAUSE WRITE does; this version does not tell of it. CLIENT UNPAUSE ends such a pause, "
        "and does no harm where there is none."
    )


def recovery_from(findings: t.Sequence[Finding], facts: Facts, state: State) -> str:
    """The code of what would help a server that answered; empty when nothing is known that would."""
    worse = {(finding.check, finding.subject) for finding in findings if finding.status != OK}
    critical = {(finding.check, finding.subject) for finding in findings if finding.status == CRITICAL}
    found: set[str] = set()
    if facts.ping == LOADING or facts.after.get("loading") == "1":
        found.add(IS_LOADING)
    if facts.ping == BUSY:
        found.add(IS_BUSY)
    if state.why_not_writable == PAUSED:
        found.add(IS_PAUSED)
    if facts.ping == MISCONF or ("persistence", "last_save") in critical or ("aof", "last_write") in critical:
        found.add(MISCONF_DISK)
    if state.why_not_writable == "oom" or (("memory", "") in critical and noeviction(facts)):
        found.add(OOM_NOEVICTION)
    broke_off = any(finding.subject == "link" and finding.observed == COPY_BROKE_OFF for finding in findings)
    if broke_off or ("replication", "full_syncs") in critical:
        found.add(SYNC_LOOP)
    if not broke_off and (facts.ping == MASTERDOWN or ("replication", "link") in critical):
        found.add(REPLICA_ORPHAN)
    if ("connections", "rejected") in critical or ("connections", "") in critical:
        found.add(MAXCLIENTS)
    if ("evictions", "") in worse:
        found.add(EVICTING)
    return most_pressing(found)


def recovery_from_refusal(kind: str) -> str:
    """The code for a server that could not be used."""
    return _FROM_REFUSAL.get(kind, "")


def most_pressing(codes: t.Iterable[str]) -> str:
    """The first of RECOVERIES among the codes; empty without any."""
    found = set(codes)
    return next((code for code in RECOVERIES if code in found), "")


def _needed_replicas(facts: Facts, request: Request) -> t.Optional[int]:
    if request.min_replicas_to_write is not None:
        return request.min_replicas_to_write
    names = ("min-replicas-to-write", "min-slaves-to-write")
    return next((found for found in (integer(facts.config or {}, name) for name in names) if found is not None), None)


def _ready(facts: Facts) -> t.Optional[bool]:
    """Never from PING alone: a replica that lost its primary says PONG, with stale or no data behind it."""
    info = facts.after
    if facts.ping in (LOADING, MASTERDOWN, BUSY) or info.get("loading") == "1" or info.get("async_loading") == "1":
        return False
    if facts.is_replica and info.get("master_link_status", "up") != "up":
        return False
    if (facts.cluster or {}).get("cluster_state") == "fail":
        return False
    told = info.get("loading") == "0" and "role" in info and (not facts.is_replica or "master_link_status" in info)
    if not told or cluster_unseen(facts) or facts.ping not in (PONG, MISCONF, NOPERM):
        return None
    return True


def _writable(facts: Facts, request: Request) -> tuple[t.Optional[bool], str]:
    info = facts.after
    if facts.ping == MISCONF:
        return False, "misconf"
    if facts.ping in (LOADING, MASTERDOWN, BUSY):
        return False, facts.ping.lower()
    if not info.get("role"):
        return None, ""
    if facts.is_replica:
        # KeyDB's active replicas and writable replicas take writes, which is not told by INFO everywhere.
        return (None, "") if info.get("slave_read_only") == "0" else (False, "replica")
    if (facts.cluster or {}).get("cluster_state") == "fail":
        return False, "cluster_down"
    if paused_told(info) or facts.held_back:
        return False, PAUSED
    share = memory_share(facts)
    refused = errors_by_code(info).get("OOM", 0) > errors_by_code(facts.before).get("OOM", 0)
    refused = refused or (facts.delta("oom_rejections") or 0) > 0
    # A write that would not fit is refused before the maximum is reached.
    if share is not None and noeviction(facts) and (share >= 1 or refused):
        return False, "oom"
    if good_replicas_missing(facts, request):
        return False, "min_replicas"
    stops = (facts.config or {}).get("stop-writes-on-bgsave-error")
    if info.get("rdb_last_bgsave_status") == "err" and stops != "no" and snapshots_configured(facts):
        return False, "misconf"
    if info.get("aof_last_write_status") == "err" and info.get("aof_enabled") == "1":
        return False, "misconf"
    unseen = cluster_unseen(facts) or needed_replicas_unseen(facts, request) or HARMLESS_WRITE in facts.denied
    if facts.ping != PONG or "maxmemory" not in info or unseen:
        return None, ""
    return True, ""


def subjects(named: str, *, seen: t.Mapping[str, t.Any]) -> list[str]:
    """The names of a server for a lease: as it is configured, also while it is down, and as the modules lock it.

    Args:
        named: the server as it is configured.
        seen: the result of redis_health.
    """
    start = (seen.get("server") or {}).get("run_id", "")
    return [named, *([RESOURCE + start] if start else [])]
