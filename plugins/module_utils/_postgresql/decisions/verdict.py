# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How sessions, connections and locks of a PostgreSQL server are judged: numbers in, findings out.

This module util is PRIVATE to the collection: it may change at any time.

Sessions are mappings with pid, user, database, application_name, client_address, state, query and an age in
seconds; what a row has more is ignored. See pg_verdict_storage for replication, vacuum, sizes and settings.
"""

from __future__ import annotations

import typing as t

from ..._core.durations import format_duration
from ..._core.findings import CRITICAL, OK, UNKNOWN, Finding, judge
from ..._core.thresholds import Limit
from .in_the_way import how_many

Row = t.Mapping[str, t.Any]

#: What a session looks like in a finding's detail.
_WHO = ("pid", "user", "database", "application_name", "client_address", "state", "age", "wait_event_type", "wait_event")
_MAX_SESSIONS = 5
_MAX_QUERY = 200


def who(session: Row) -> dict[str, t.Any]:
    """Who a session is and what it does, short enough for a finding."""
    line = {key: session[key] for key in _WHO if session.get(key) not in (None, "")}
    query = str(session.get("query") or "")
    if query:
        line["query"] = query if len(query) <= _MAX_QUERY else query[: _MAX_QUERY - 1] + "…"
    return line


def judge_available(*, kind: str = "", hint: str = "", detail: t.Optional[Row] = None) -> Finding:
    """Judge whether a session could be had at all.

    Args:
        kind: empty when it could, else the adapter's error kind: slots_exhausted, refused, starting_up, ...
        hint: what to do about it.
    """
    if not kind:
        return Finding(check="availability", status=OK, observed="up", detail=dict(detail or {}))
    return Finding(check="availability", status=CRITICAL, observed=kind, threshold="up", hint=hint, detail=dict(detail or {}))


def usable_connections(*, max_connections: int, superuser_reserved: int, reserved: int) -> int:
    """How many connections ordinary roles can have: what superusers and pg_use_reserved_connections keep is not theirs."""
    return max(max_connections - superuser_reserved - reserved, 1)


def judge_connections(
    *, used: int, max_connections: int, superuser_reserved: int, reserved: int, by_state: t.Mapping[str, int], limit: Limit,
    by_application: t.Sequence[Row] = (),
) -> Finding:
    """Judge the share of the connections ordinary roles can have that is taken.

    Args:
        used: client backends, without our own session.
        max_connections: the server's setting.
        superuser_reserved: superuser_reserved_connections.
        reserved: reserved_connections (server 16 and later, else 0).
        by_state: client backends by state.
        by_application: the same by application, the most first.
        limit: percent; more than 100 is possible, since reserved connections count as used too.
    """
    usable = usable_connections(max_connections=max_connections, superuser_reserved=superuser_reserved, reserved=reserved)
    idle = by_state.get("idle", 0)
    most = "".join(f", most by {row['application_name'] or row['user']} ({row['count']}, {row['idle']} idle)" for row in by_application[:1])
    return judge(
        "connections", round(100.0 * used / usable, 1), warning=limit.warning, critical=limit.critical, unit="percent",
        hint=f"{used} of {usable} usable connections are taken, {idle} of them idle{most}. End idle ones with postgres_min_idle_age "
        "(min_idle_age of pg_terminate_long_queries), or restart the application that holds most of them. Then bound its pool or put a "
        "pooler in front.",
        detail={
            "used": used, "usable": usable, "max_connections": max_connections, "superuser_reserved": superuser_reserved,
            "reserved": reserved, "by_state": dict(by_state),
        },
    )


def judge_connection_limits(*, limits: t.Sequence[Row], limit: Limit) -> list[Finding]:
    """Judge roles and databases with a connection limit of their own; only those past a threshold are findings.

    Args:
        limits: mappings with kind (role, database), name, used, allowed.
    """
    found = [
        judge(
            "connections", round(100.0 * row["used"] / max(row["allowed"], 1), 1), warning=limit.warning, critical=limit.critical,
            unit="percent", subject=f"{row['kind']} {row['name']}",
            hint=f"{row['kind']} {row['name']} has {row['used']} of the {row['allowed']} connections its own limit allows.",
            detail={"used": row["used"], "usable": row["allowed"]},
        )
        for row in limits
    ]
    return [finding for finding in found if finding.status != OK]


def judge_ages(
    check: str, sessions: t.Sequence[Row], *, limit: Limit, hint: str, spared: t.Sequence[Row] = (), elsewhere: int = 0,
) -> Finding:
    """Judge the oldest of several sessions.

    Args:
        sessions: those that count, each with `age` in seconds.
        limit: seconds.
        hint: who it is, and what to do when a threshold is crossed.
        spared: protected sessions as old as a threshold, with `protected`, the reasons: they are told, not judged.
        elsewhere: how many were left to another check (waiters for a lock).
    """
    oldest_first = sorted(sessions, key=lambda row: -float(row["age"]))
    least = min((value for value in limit if value is not None), default=None)
    over = [row for row in oldest_first if least is not None and row["age"] >= least]
    shown = [who(row) for row in oldest_first[:_MAX_SESSIONS]]
    detail: dict[str, t.Any] = {"count": len(sessions), "over_threshold": len(over), "sessions": shown}
    old_spared = [row for row in spared if least is None or row["age"] >= least]
    if old_spared:
        detail["protected"] = [{**who(row), "protected": list(row.get("protected") or ())} for row in old_spared[:_MAX_SESSIONS]]
    if elsewhere:
        detail["waiting_for_a_lock"] = elsewhere
    return _judge_oldest(check, sessions, limit=limit, hint=hint, detail=detail)


def _judge_oldest(check: str, rows: t.Sequence[Row], *, limit: Limit, hint: str, detail: Row) -> Finding:
    """Judge the highest `age` of the rows; where there are none, not even a threshold of 0 is crossed."""
    if not rows:
        return Finding(check=check, status=OK, observed=0.0, threshold=limit.warning, unit="seconds", detail=detail)
    oldest = round(max(float(row["age"]) for row in rows), 3)
    return judge(check, oldest, warning=limit.warning, critical=limit.critical, unit="seconds", hint=hint, detail=detail)


#: So many roots are named in the hint, the worst first; the detail has more.
_NAMED = 3


def judge_blocking(
    *, waiters: t.Sequence[Row], roots: t.Sequence[Row], root_count: int, limit: Limit, queue: t.Sequence[str] = (),
) -> Finding:
    """Judge how long sessions have waited for locks of others.

    Args:
        waiters: sessions that wait, each with `age`, the seconds it has waited.
        roots: the worst of those at the root of the chains, with `told`, who it is in words, `blocks`, how many wait behind them, and
            `advice`, what helps where they would never be signalled.
        root_count: how many roots there are.
        limit: seconds.
        queue: sentences about who waits at the head of a lock's queue and holds up others, the worst first.
    """
    worst_first = sorted(roots, key=lambda row: -int(row.get("blocks") or 0))
    hint = " ".join([_roots_told(worst_first, waiters=len(waiters), count=root_count), *_queue_told(queue), *_advice(worst_first)])
    return _judge_oldest(
        "blocking", waiters, limit=limit, hint=hint,
        detail={
            "waiters": len(waiters), "roots": root_count,
            "worst": [
                {**who(root), "blocks": root.get("blocks"), "protected": list(root.get("protected") or ()), **_prepared(root)}
                for root in worst_first[:_MAX_SESSIONS]
            ],
        },
    )


def _roots_told(worst_first: t.Sequence[Row], *, waiters: int, count: int) -> str:
    many = how_many(waiters)
    if not count:
        return f"{many} wait for each other: the server's deadlock detector ends one of them."
    named = "; ".join(f"{root.get('told') or 'pid ' + str(root['pid'])}, holds up {root.get('blocks')}" for root in worst_first[:_NAMED])
    return f"{many} {'waits' if waiters == 1 else 'wait'} behind {count} at the root: {named}."


def _queue_told(queue: t.Sequence[str]) -> list[str]:
    return [*queue[:1], *([f"{len(queue) - 1} more do so in other queues."] if len(queue) > 1 else [])]


def _advice(worst_first: t.Sequence[Row]) -> list[str]:
    """What helps: each root that is never ended has its own."""
    special = [root for root in worst_first if root.get("advice")]
    found = [f"Pid {root['pid']}: {root['advice']}" if root["pid"] else root["advice"] for root in special[:_NAMED]]
    return [*(["Ending a root frees its waiters."] if len(special) < len(worst_first) else []), *found]


def _prepared(root: Row) -> dict[str, t.Any]:
    return {"gid": root["gid"]} if root.get("gid") else {}


def judge_ungranted(*, count: int, oldest: t.Optional[float], limit: Limit, first: t.Optional[Row] = None) -> Finding:
    """Judge how many lock requests are not granted.

    Args:
        oldest: the longest wait in seconds where it is known.
        first: the request that waits longest, with pid, mode and relation.
    """
    lock = f", for {first['mode']} on {first.get('relation') or first.get('locktype')}" if first and first.get("mode") else ""
    wanted = f" Longest waits pid {first['pid']}{lock}." if first else ""
    return judge(
        "ungranted_locks", count, warning=limit.warning, critical=limit.critical, unit="count",
        hint=f"Many requests for locks queue up: look at the roots that the check blocking names.{wanted}", detail={"oldest_wait": oldest},
    )


def judge_prepared(*, transactions: t.Sequence[Row], limit: Limit) -> Finding:
    """Judge the oldest prepared transaction; mappings with gid, owner, database, age in seconds."""
    oldest_first = sorted(transactions, key=lambda row: -float(row["age"]))
    hint = ""
    if oldest_first:
        first = oldest_first[0]
        hint = (
            f"Transaction {first['gid']!r} of {first['owner']} in {first['database']} was prepared {format_duration(first['age'])} ago "
            "and keeps its locks over restarts: " + (
                f"it belongs to the subscription {first['subscription']} and ends when it is finished on the publisher; "
                "rolled back here, it would stop replication." if first.get("subscription")
                else "ask its transaction manager, then COMMIT PREPARED or ROLLBACK PREPARED."
            )
        )
    return _judge_oldest(
        "prepared_transactions", transactions, limit=limit, hint=hint,
        detail={"count": len(transactions), "transactions": [dict(row) for row in oldest_first[:_MAX_SESSIONS]]},
    )


def judge_probe(
    *, seconds: float, limit: Limit, first: t.Any = None, expected: t.Optional[str] = None, error: str = "", error_kind: str = "",
) -> Finding:
    """Judge the caller's own query.

    Args:
        seconds: how long it took.
        limit: seconds.
        first: the first column of the first row, None without rows.
        expected: what `first` must be, compared as text; None expects nothing but an answer.
        error: the server's message where it failed.
        error_kind: SQLSTATE of that.
    """
    detail = {"seconds": round(seconds, 3), "first": first}
    if error:
        return Finding(
            check="probe", status=CRITICAL, observed="failed", threshold="answered", hint=f"The probe query failed: {error}",
            detail={**detail, "sqlstate": error_kind},
        )
    if expected is not None and plain_text(first) != expected:
        return Finding(
            check="probe", status=CRITICAL, observed=plain_text(first), threshold=expected,
            hint="The probe query answered something else than expected.", detail=detail,
        )
    return judge(
        "probe", round(seconds, 3), warning=limit.warning, critical=limit.critical, unit="seconds",
        hint="The probe query is slow.", detail=detail,
    )


def plain_text(value: t.Any) -> str:
    """A value as psql would print it: booleans as t and f, null as nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value)


def unknown(check: str, *, reason: str, hint: str = "", subject: str = "") -> Finding:
    """A finding for what was asked and could not be judged."""
    return Finding(check=check, status=UNKNOWN, observed=reason, hint=hint, subject=subject)
