# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a Redis server's answers, slow commands and keys are judged, and the settings of its host.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.findings import OK, WARNING, Answer, Finding, Skipped, judge
from .absent import does_not_apply
from .facts import Facts, Request
from .info import integer, keyspace
from .state import HINT_CONFIG, HINT_HOST
from .verdict import not_read

#: Events of the latency monitor older than this say nothing of now, seconds.
RECENT = 300.0
#: Fewer lookups between the samples than this make no rate.
_FEW = 20


def percentile(values: t.Sequence[float], share: float) -> float:
    """The value below or at which `share` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(max(int(-(-len(ordered) * share // 1)) - 1, 0), len(ordered) - 1)]


def latency(facts: Facts, request: Request) -> Answer:
    """Round trips of PING as a client measures them: the median and the 99th percentile, which is judged."""
    if not facts.round_trips:
        return Answer(skipped=[Skipped("latency", facts.denied.get("PING", "not_measured: no round trip"), "Allow +ping to this user.")])
    limit = request.limit("latency")
    median, worst = (round(percentile(facts.round_trips, share), 6) for share in (0.5, 0.99))
    data = {"p50": median, "p99": worst, "pings": len(facts.round_trips)}
    hint = "Answers are slow: look at slow_log and latency_events, the host's load, swapping, and the network."
    return Answer(
        findings=[judge("latency", worst, warning=limit.warning, critical=limit.critical, unit="seconds", hint=hint, detail=data)],
        data={"latency": data},
    )


def latency_events(facts: Facts, request: Request) -> Answer:
    """What the server's own latency monitor noticed recently. Off by default: then nothing was watched, which is not health."""
    if facts.latency is None:
        return Answer(skipped=[Skipped("latency_events", facts.denied.get("LATENCY", "not_read"), "Allow +latency|latest to this user.")])
    armed = integer(facts.config or {}, "latency-monitor-threshold")
    data = {"latency_events": {"threshold_ms": armed, "events": list(facts.latency)}}
    if not facts.latency and not armed:
        return Answer(skipped=[_unarmed(facts, armed)], data=data)
    limit = request.limit("latency_events")
    recent = [event for event in facts.latency if facts.now - event["at"] <= RECENT]
    worst = max(recent, key=lambda event: float(event["latest"]), default=None)
    named = "" if worst is None else f"The event is {worst['event']}. "
    hint = f"{named}LATENCY DOCTOR explains each event; fork is of saves, command and fast-command of slow commands, aof ones of the disk."
    return Answer(findings=[judge(
        "latency_events", 0.0 if worst is None else worst["latest"], warning=limit.warning, critical=limit.critical, unit="seconds",
        hint=hint, detail={} if worst is None else {"event": worst["event"], "events": [one["event"] for one in recent]},
    )], data=data)


def slow_log(facts: Facts, request: Request) -> Answer:
    """How many commands were slow between the samples, and the slowest that are kept, without their arguments."""
    if facts.slow_ids is None:
        return Answer(skipped=[Skipped("slow_log", facts.denied.get("SLOWLOG", "not_read"), "Allow +slowlog|get to this user.")])
    if facts.between <= 0:
        return Answer(skipped=[facts.no_growth("slow_log", "the slow log's newest entry")])
    first, last = facts.slow_ids
    grown = last - first if last >= first else last + 1
    limit = request.limit("slow_log")
    top = sorted(facts.slow_entries, key=lambda entry: -float(entry["seconds"]))[: request.slow_entries]
    data = {"slow_log": {"grown": grown, "seconds": round(facts.between, 3), "slowest": top, "kept": len(facts.slow_entries)}}
    client = f", from {top[0]['client']}" if top and top[0].get("client") else ""
    named = f" The slowest was {top[0]['command']}, {top[0]['seconds']:g} s{client}." if top else ""
    hint = f"Commands slower than slowlog-log-slower-than block all others: look at the slowest, often KEYS, SMEMBERS or big ranges.{named}"
    return Answer(findings=[judge(
        "slow_log", grown, warning=limit.warning, critical=limit.critical, unit="count", hint=hint,
        detail={"slowest": top[:1], "seconds": round(facts.between, 3)},
    )], data=data)


def keys(facts: Facts, request: Request) -> Answer:
    """Keys by database, the share that was found of what was asked, and the share of keys without a TTL."""
    if not facts.after:
        return not_read("keyspace", facts)
    databases = keyspace(facts.after)
    total, without = facts.keys, facts.keys - facts.expires
    share = _no_ttl_share(facts, total, without)
    hits, misses = facts.delta("keyspace_hits"), facts.delta("keyspace_misses")
    asked = None if hits is None or misses is None else hits + misses
    since = (integer(facts.after, "keyspace_hits"), integer(facts.after, "keyspace_misses"))
    data: dict[str, t.Any] = {
        "databases": databases, "keys": total, "without_ttl": without, "without_ttl_percent": share, "hits": hits, "misses": misses,
        "hit_rate": _percent(hits, asked),
        "hit_rate_since_start": _percent(since[0], None if None in since else sum(one or 0 for one in since)),
    }
    if facts.ttl_sample is not None:
        data["sample"] = dict(facts.ttl_sample)
    findings, skipped = [Finding("keyspace", OK, observed=total, unit="keys")], []
    limit = request.limit("no_ttl")
    if limit.warning is not None or limit.critical is not None:
        findings.append(judge("keyspace", share, warning=limit.warning, critical=limit.critical, unit="percent", subject="no_ttl",
                              hint="Keys without a TTL stay until somebody deletes them: a cache fills up with them."))
    limit = request.limit("misses")
    judged = limit.warning is not None or limit.critical is not None
    if judged and asked is None:
        skipped.append(facts.no_growth("keyspace", "keyspace_misses"))
    elif judged and asked is not None and asked >= _FEW:
        findings.append(judge(
            "keyspace", _percent(misses, asked), warning=limit.warning, critical=limit.critical, unit="percent", subject="misses",
            hint="Most of what is asked is not there: the cache was cleared, is too small, or expires too soon.",
        ))
    return Answer(findings=findings, skipped=skipped, data={"keyspace": data})


def host(facts: Facts, request: Request) -> Answer:
    """Settings of the host that Redis' own start-up log warns of."""
    if facts.host is None:
        return Answer(skipped=[_no_host(facts)])
    found, backlog = facts.host, integer(facts.config or {}, "tcp-backlog")
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    if found.get("overcommit_memory") is None:
        skipped.append(Skipped("host", "unreadable: vm.overcommit_memory"))
    else:
        fine = found["overcommit_memory"] == 1
        findings.append(Finding(
            "host", OK if fine else WARNING, observed=found["overcommit_memory"], threshold=1, subject="overcommit_memory",
            hint="" if fine else "A save forks, which may fail for lack of memory: sysctl vm.overcommit_memory=1.",
        ))
    if found.get("transparent_hugepage"):  # a kernel without them has no such file
        fine = found["transparent_hugepage"] != "always"
        findings.append(Finding(
            "host", OK if fine else WARNING, observed=found["transparent_hugepage"], threshold="madvise", subject="transparent_hugepage",
            hint="" if fine else "Huge pages make forks slow and copy much: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled.",
        ))
    if facts.config is None or found.get("somaxconn") is None:
        why = "unreadable: net.core.somaxconn" if found.get("somaxconn") is None else facts.denied.get("CONFIG", "not_told: CONFIG")
        skipped.append(Skipped("host", f"{why}; whether somaxconn is enough for tcp-backlog is not known", HINT_CONFIG))
    elif backlog:
        fine = found["somaxconn"] >= backlog
        findings.append(Finding(
            "host", OK if fine else WARNING, observed=found["somaxconn"], threshold=backlog, subject="somaxconn",
            hint="" if fine else "The kernel keeps fewer waiting connections than tcp-backlog asks: raise net.core.somaxconn.",
        ))
    return Answer(findings=findings, skipped=skipped, data={"host": dict(found)})


def _no_host(facts: Facts) -> Skipped:
    """Why there are no settings of the host: the server is elsewhere, or that it is here cannot be seen."""
    if not facts.after:
        return facts.no_info("host")
    return Skipped("host", facts.denied["host"], HINT_HOST) if "host" in facts.denied else does_not_apply("host", "not_local")


def _unarmed(facts: Facts, armed: t.Optional[int]) -> Skipped:
    if armed == 0:
        return does_not_apply("latency_events", "not_armed", hint="CONFIG SET latency-monitor-threshold 100 arms it at run time.")
    if facts.config is not None and armed is None:
        return does_not_apply("latency_events", "no_such_setting")
    return Skipped("latency_events", f"{facts.denied.get('CONFIG', 'not_told')}; whether latency is watched is not known", HINT_CONFIG)


def _no_ttl_share(facts: Facts, total: int, without: int) -> t.Optional[float]:
    if not total:
        return 0.0
    if any("expires=" in value for name, value in facts.after.items() if name[:2] == "db" and name[2:].isdecimal()):
        return _percent(without, total)
    sample = facts.ttl_sample or {}
    return _percent(sample.get("without_ttl"), sample.get("looked_at"))


def _percent(part: t.Optional[int], whole: t.Optional[int]) -> t.Optional[float]:
    return None if part is None or not whole else round(100 * part / whole, 1)
