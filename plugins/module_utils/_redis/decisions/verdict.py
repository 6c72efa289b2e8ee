# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a Redis server's memory, clients and errors are judged: what INFO said in, findings out.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.findings import CRITICAL, OK, UNKNOWN, WARNING, Answer, Finding, Skipped, judge
from .absent import does_not_apply, harmless_write, product_lacks
from .availability import PAUSED, PROXY, availability_hint
from .facts import BUSY, LOADING, MASTERDOWN, MISCONF, NOAUTH, NOPERM, PONG, Facts, Request
from .info import errors_by_code, integer, number
from .state import (
    HARMLESS_WRITE,
    HINT_CLUSTER,
    HINT_CONFIG,
    PROBE_PREFIX,
    cluster_unseen,
    memory_share,
    needed_replicas_unseen,
    noeviction,
    state_of,
    why_writes_hang,
)

_PING_HINTS = {
    LOADING: "It reads its data from disk and serves nobody until that is done: wait, and watch loading_eta_seconds.",
    MASTERDOWN: "A replica without its primary that was told not to serve stale data: repair the link or its primary.",
    MISCONF: "It refuses writes since it can't save: free disk or repair the directory's permissions, then BGSAVE.",
    BUSY: "A script or function runs and blocks everything. SCRIPT KILL (FUNCTION KILL) ends one that has written nothing, as "
          "redis_kill_script does. One that has written ends by itself, or with SHUTDOWN NOSAVE, which loses what is not saved.",
    NOAUTH: "Log in: give login_password, and login_user where it is not the user called default.",
    NOPERM: "Allow +ping to this user.",
}
_NO_WRITES = {
    "misconf": "It can't save and refuses writes until it can: free disk or repair the directory, then BGSAVE.",
    "oom": "Its memory is full and its policy evicts nothing: clear what can be spared, raise maxmemory, or choose a policy for a cache.",
    "min_replicas": "Fewer good replicas than min-replicas-to-write: repair the replicas or their links.",
    "cluster_down": "The cluster is down for this node: slots without a primary, or no majority of them.",
    "loading": "It is loading its data.", "busy": "A script runs and blocks everything.", "masterdown": "It has lost its primary.",
}


def not_read(check: str, facts: Facts) -> Answer:
    """INFO could not be read, so the check was not judged."""
    return Answer(skipped=[facts.no_info(check)])


def availability(facts: Facts, request: Request) -> Answer:
    """Whether it answers, and what PING came to."""
    detail: dict[str, t.Any] = {"ping": facts.ping}
    if facts.ping_message and facts.ping != PONG:
        detail["message"] = facts.ping_message
    loading = facts.ping == LOADING or facts.after.get("loading") == "1"
    for field in ("loading_eta_seconds", "loading_loaded_perc"):
        if loading and number(facts.after, field) is not None:
            detail[field] = number(facts.after, field)
    if loading:
        status, observed = CRITICAL, LOADING
    elif facts.after.get("async_loading") == "1":
        status, observed = WARNING, "ASYNC_LOADING"
    elif facts.is_proxy:
        # It answers PING itself, whatever the server behind it does.
        status, observed = UNKNOWN, PROXY
    elif facts.ping == PONG:
        status, observed = OK, PONG
    elif facts.ping in (NOPERM, NOAUTH):
        return Answer(skipped=[Skipped("availability", f"not_permitted: PING: {facts.ping_message}", _PING_HINTS[facts.ping])])
    else:
        status, observed = CRITICAL, facts.ping
    hint = "" if status == OK else _PING_HINTS.get(observed) or availability_hint(observed) or "PING was refused; its message says why."
    return Answer(findings=[Finding("availability", status, observed=observed, threshold=PONG, hint=hint, detail=detail)])


def writes(facts: Facts, request: Request) -> Answer:
    """Whether a primary takes writes, from what it says and what it answers; nothing is written."""
    state = state_of(facts, request)
    if state.writable is None:
        return Answer(skipped=[_writes_unknown(facts, request)])
    if state.writable or state.why_not_writable == "replica":
        return Answer(findings=[Finding("writes", OK, observed="accepted" if state.writable else "replica", threshold="accepted")])
    why = state.why_not_writable
    hint = why_writes_hang(facts.after) if why == PAUSED else _NO_WRITES.get(why, "")
    detail = {key: value for key, value in facts.after.items() if key.startswith("paused_")} if why == PAUSED else {}
    return Answer(findings=[Finding("writes", CRITICAL, observed=why, threshold="accepted", hint=hint, detail=detail)])


def memory(facts: Facts, request: Request) -> Answer:
    """Used memory against maxmemory, where that is set. Where a policy evicts, a full memory is what a cache is for."""
    info, limit = facts.after, request.limit("memory")
    if not info:
        return not_read("memory", facts)
    share = memory_share(facts)
    percent = None if share is None else round(share * 100, 1)
    data: dict[str, t.Any] = {
        "used": integer(info, "used_memory"), "rss": integer(info, "used_memory_rss"), "peak": integer(info, "used_memory_peak"),
        "maxmemory": integer(info, "maxmemory"), "policy": info.get("maxmemory_policy", ""), "evicts": not noeviction(facts),
        "percent": percent,
    }
    if data["used"] is None or data["maxmemory"] is None:
        return Answer(skipped=[Skipped("memory", "not_told: INFO has no used_memory or no maxmemory")], data={"memory": data})
    if share is None:
        finding = Finding("memory", OK, observed=data["used"], unit="bytes", detail={"maxmemory": "not set"})
    elif data["evicts"]:
        finding = Finding("memory", OK, observed=percent, unit="percent", detail={"policy": data["policy"]})
    else:
        finding = judge(
            "memory", percent, warning=limit.warning, critical=limit.critical, unit="percent", detail={"policy": data["policy"]},
            hint="At 100 percent writes are refused: clear what can be spared, raise maxmemory, or choose a policy that evicts.",
        )
    return Answer(findings=[finding], data={"memory": data})


def fragmentation(facts: Facts, request: Request) -> Answer:
    """Memory that the process holds and no data uses: only where ratio and bytes are high. An empty server has a ratio of 6."""
    info, limit = facts.after, request.limit("fragmentation")
    if not info:
        return not_read("fragmentation", facts)
    ratio, wasted = number(info, "mem_fragmentation_ratio"), integer(info, "mem_fragmentation_bytes")
    used, rss = integer(info, "used_memory") or 0, integer(info, "used_memory_rss") or 0
    if wasted is None and used and rss:
        wasted = rss - used
    if ratio is None and product_lacks(info, "mem_fragmentation_ratio"):
        return Answer(skipped=[does_not_apply("fragmentation", "not_counted", of="mem_fragmentation_ratio")])
    if ratio is None or wasted is None:
        return Answer(skipped=[Skipped("fragmentation", "not_told: INFO has no mem_fragmentation_ratio")])
    detail = {"bytes": wasted, "bytes_threshold": request.fragmentation_bytes}
    if used - rss >= request.fragmentation_bytes and 0 < rss < 0.9 * used:
        return Answer(findings=[Finding(
            "fragmentation", WARNING, observed=ratio, threshold=0.9, unit="ratio", subject="swapped", detail=detail,
            hint="Less of its data is in memory than it holds: the host swaps, and every answer may wait for a disk.",
        )])
    if wasted < request.fragmentation_bytes:
        return Answer(findings=[Finding("fragmentation", OK, observed=ratio, threshold=limit.warning, unit="ratio", detail=detail)])
    return Answer(findings=[judge(
        "fragmentation", ratio, warning=limit.warning, critical=limit.critical, unit="ratio", detail=detail,
        hint="Restart a replica and fail over to it. A server built with the jemalloc of its own sources, which few packages are, can also "
             "move its data: CONFIG SET activedefrag yes.",
    )])


def evictions(facts: Facts, request: Request) -> Answer:
    """Keys evicted a second, between two samples of one call."""
    return _rate(
        facts, request, "evictions", "evicted_keys",
        hint="Data is pushed out before its time: the cache is too small for what is asked of it. Raise maxmemory or shorten TTLs.",
    )


def connections(facts: Facts, request: Request) -> Answer:
    """Connected clients against maxclients, and connections refused between two samples."""
    info, limit = facts.after, request.limit("connections")
    if not info:
        return not_read("connections", facts)
    connected = integer(info, "connected_clients")
    # A cluster's links count too (cluster_connections, Redis 7); maxclients is in INFO since 5, Dragonfly calls it max_clients.
    most = integer(info, "maxclients") or integer(info, "max_clients") or integer(facts.config or {}, "maxclients")
    rejected = facts.delta("rejected_connections")
    data = {
        "connected": connected, "maxclients": most, "blocked": integer(info, "blocked_clients"), "rejected": rejected,
        "rejected_total": integer(info, "rejected_connections"), "tracking": integer(info, "tracking_clients"),
        "biggest_input_buffer": integer(info, "client_recent_max_input_buffer"),
        "biggest_output_buffer": integer(info, "client_recent_max_output_buffer"),
    }
    findings, skipped = [], []
    if connected is None or not most:
        skipped.append(Skipped("connections", "not_told: neither INFO nor CONFIG tells maxclients", HINT_CONFIG))
    else:
        findings.append(judge(
            "connections", round(100 * connected / most, 1), warning=limit.warning, critical=limit.critical, unit="percent",
            detail={"connected": connected, "maxclients": most},
            hint="When none is left every new client is refused: look for a leak in CLIENT LIST, or raise maxclients at run time.",
        ))
    if rejected is not None:
        hint = "Clients are refused now: raise maxclients at run time, or end idle connections."
        findings.append(judge("connections", rejected, critical=1, unit="count", subject="rejected", hint=hint))
    else:
        skipped.append(facts.no_growth("connections", "rejected_connections"))
    return Answer(findings=findings, skipped=skipped, data={"clients": data})


def blocked_clients(facts: Facts, request: Request) -> Answer:
    """Clients that wait in a blocking command. Waiting for work is what queues do, so only many are a finding."""
    if not facts.after:
        return not_read("blocked_clients", facts)
    limit = request.limit("blocked_clients")
    return Answer(findings=[judge(
        "blocked_clients", integer(facts.after, "blocked_clients"), warning=limit.warning, critical=limit.critical, unit="count",
        hint="Many wait in blocking commands, which hold connections: check whether those who feed their lists still run.",
    )])


def errors(facts: Facts, request: Request) -> Answer:
    """Error replies a second between two samples, and which."""
    before, after = errors_by_code(facts.before), errors_by_code(facts.after)
    grown = {code: count - before.get(code, 0) for code, count in after.items() if count > before.get(code, 0)}
    top = dict(sorted(grown.items(), key=lambda item: -item[1])[:5])
    named = f" ({', '.join(f'{count} {code}' for code, count in top.items())})" if top else ""
    return _rate(
        facts, request, "errors", "total_error_replies", detail={"by_code": top},
        hint=f"Clients get errors{named}: OOM and MISCONF are of a full memory or disk, NOPERM and WRONGPASS of logins.",
    )


def _writes_unknown(facts: Facts, request: Request) -> Skipped:
    if not facts.after:
        return facts.no_info("writes")
    if cluster_unseen(facts):
        return Skipped("writes", facts.denied.get("CLUSTER", "not_told: CLUSTER INFO has no cluster_state"), HINT_CLUSTER)
    if needed_replicas_unseen(facts, request):
        return Skipped("writes", f"{facts.denied.get('CONFIG', 'not_told')}; how many good replicas it needs is not known", HINT_CONFIG)
    if facts.ping in (NOPERM, NOAUTH):
        return Skipped("writes", f"not_permitted: PING: {facts.ping_message}", _PING_HINTS[facts.ping])
    if HARMLESS_WRITE in facts.denied:
        return Skipped(
            "writes", f"{facts.denied[HARMLESS_WRITE]}; this version does not tell whether CLIENT PAUSE holds writes back",
            f"Allow +{harmless_write(facts.after).lower()} ~{PROBE_PREFIX}* to this user: a pause of writes holds it back too, and of a "
            "name that nobody uses it changes nothing.",
        )
    return Skipped("writes", "not_told: INFO and PING do not tell")


def _rate(facts: Facts, request: Request, check: str, field: str, *, hint: str, detail: t.Optional[dict[str, t.Any]] = None) -> Answer:
    if not facts.after:
        return not_read(check, facts)
    rate, limit = facts.rate(field), request.limit(check)
    total = integer(facts.after, field)
    told = {**(detail or {}), "grown": facts.delta(field), "since_start": total, "seconds": round(facts.between, 3)}
    data = {"error_replies" if check == "errors" else check: told}
    if rate is None:
        return Answer(skipped=[facts.no_growth(check, field)], data=data)
    finding = judge(
        check, round(rate, 2), warning=limit.warning, critical=limit.critical, unit="per second", hint=hint, detail=told,
    )
    return Answer(findings=[finding], data=data)
