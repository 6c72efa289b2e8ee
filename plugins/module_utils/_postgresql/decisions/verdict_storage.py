# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How replication, slots, wraparound, vacuum, backups, sizes, statements and timeouts of a PostgreSQL server are judged.

This module util is PRIVATE to the collection: it may change at any time. Sizes are bytes, times seconds.
"""

from __future__ import annotations

import typing as t

from ..._core.durations import format_duration
from ..._core.findings import CRITICAL, OK, UNKNOWN, WARNING, Finding, judge, worst
from ..._core.thresholds import Limit
from ..._core.words import format_bytes
from .verdict import Row

_MAX_ROWS = 5
_SLOT_DETAIL = ("type", "active", "wal_status", "safe_wal_size", "inactive_seconds", "invalidation_reason", "database",
                "unconfirmed_bytes")
_MAX_QUERY = 200
#: Said wherever somebody who runs out of disk space could take VACUUM for the cure.
_NO_DISK = (
    "A plain VACUUM gives no space back to the disk; VACUUM FULL and pg_repack do, and need as much free space again and an exclusive lock."
)


def judge_replicas(
    *, replicas: t.Sequence[Row], expected: int, synchronous: bool, seconds: Limit, size: Limit,
) -> list[Finding]:
    """Judge a server's standbys as it sees them.

    Args:
        replicas: walsenders with name, client_address, kind (standby, logical, archive, backup), state, sync_state, lag_seconds
            and lag_bytes (None where unknown). One that takes a base backup is not judged.
        expected: how many of kind standby must stream; 0 expects none.
        synchronous: whether commits wait for a standby (synchronous_standby_names and synchronous_commit).
        seconds, size: limits of the lag in time and in bytes.
    """
    receivers = [row for row in replicas if row.get("kind") != "backup"]
    streaming = [row for row in receivers if row.get("state") == "streaming"]
    standbys = [row for row in streaming if row.get("kind", "standby") == "standby"]
    # pg_stat_replication keeps showing the last transaction's lag for a while after a receiver has caught up.
    caught_up = [{**row, "lag_seconds": 0.0} if row.get("lag_bytes") == 0 else row for row in receivers]
    found = [_replica(row, seconds=seconds, size=size) for row in caught_up]
    if synchronous and not any(row.get("sync_state") in ("sync", "quorum") for row in streaming):
        found.append(Finding(
            check="replication", status=CRITICAL, observed=0, threshold=1, unit="count", subject="synchronous standbys",
            hint="No synchronous standby is connected, so every commit hangs: bring one back, or take it out of synchronous_standby_names.",
        ))
    if len(standbys) < expected:
        found.append(Finding(
            check="replication", status=CRITICAL, observed=len(standbys), threshold=expected, unit="count", subject="standbys",
            hint=f"{expected - len(standbys)} expected standbys do not stream: look at their logs and at the slots.",
        ))
    return found or [Finding(check="replication", status=OK, observed=0, unit="count", subject="standbys", detail={"role": "primary"})]


def _replica(row: Row, *, seconds: Limit, size: Limit) -> Finding:
    name = str(row.get("name") or row.get("client_address") or row.get("pid"))
    behind, lag = row.get("lag_bytes"), row.get("lag_seconds")
    by_time = judge("replication", lag, warning=seconds.warning, critical=seconds.critical, unit="seconds", subject=name)
    by_size = judge("replication", behind, warning=size.warning, critical=size.critical, unit="bytes", subject=name)
    # One that is not known is left to the other: a receiver that is idle, or does not say how far it is, has no lag in time.
    known = [one for one in (by_time, by_size) if one.observed is not None] or [by_size]
    status, hint = worst(one.status for one in known), ""
    deciding = next(one for one in known if one.status == status)
    if row.get("state") not in ("streaming", None) and status in (OK, UNKNOWN):
        status = WARNING
        hint = f"{name} is in state {row.get('state')}: it does not stream yet."
    elif status == UNKNOWN:
        hint = f"The server does not say how far {name} is: look at its logs."
    elif status != OK:
        hint = f"{name} lags by {format_duration(lag or 0.0)} and {format_bytes(behind or 0)}: look at its load, its disk and the network."
    return Finding(
        check="replication", status=status, observed=deciding.observed, threshold=deciding.threshold, unit=deciding.unit, subject=name,
        hint=hint, detail={key: row.get(key) for key in ("state", "sync_state", "client_address", "lag_seconds", "lag_bytes")},
    )


def judge_standby(
    *, lag_seconds: t.Optional[float], lag_bytes: t.Optional[int], receiving: bool, paused: bool, streaming: bool,
    seconds: Limit, size: Limit,
) -> Finding:
    """Judge a server that is a standby itself.

    Args:
        lag_seconds: age of the last replayed transaction, 0 when all received WAL is replayed.
        lag_bytes: received and not replayed; None where nothing was received.
        receiving: whether a WAL receiver is connected.
        paused: whether replay is paused.
        streaming: whether it is configured to stream (primary_conninfo), not only to restore from an archive.
    """
    row = {"name": "this standby", "state": "streaming", "lag_seconds": lag_seconds, "lag_bytes": lag_bytes}
    finding = _replica(row, seconds=seconds, size=size)
    status, hint, observed = finding.status, finding.hint, finding.observed
    if streaming and not receiving:
        status, observed = CRITICAL, "not receiving"
        hint = "This standby has no connection to its primary: look at primary_conninfo, the network and both logs."
    elif paused:
        status, observed = worst((status, WARNING)), "paused"
        hint = "Replay is paused: SELECT pg_wal_replay_resume() goes on."
    return Finding(
        check="replication", status=status, observed=observed, threshold=finding.threshold, subject="this standby", hint=hint,
        unit=finding.unit if observed == finding.observed else "",
        detail={"role": "standby", "lag_seconds": lag_seconds, "lag_bytes": lag_bytes, "receiving": receiving, "paused": paused},
    )


def judge_slots(*, slots: t.Sequence[Row], limit: Limit) -> list[Finding]:
    """Judge replication slots by the WAL they keep from being removed.

    Args:
        slots: mappings with name, type, active, retained_bytes, wal_status (reserved, extended, unreserved, lost), temporary,
            inactive_seconds (server 17 and later), unconfirmed_bytes (of a logical slot: what its consumer has not confirmed).
        limit: bytes retained.
    """
    found = [_slot(row, limit=limit) for row in slots]
    return found or [Finding(check="replication_slots", status=OK, observed=0, unit="bytes", threshold=limit.warning)]


def _slot(row: Row, *, limit: Limit) -> Finding:
    name, retained = str(row["name"]), row.get("retained_bytes")
    finding = judge("replication_slots", retained or 0, warning=limit.warning, critical=limit.critical, unit="bytes", subject=name)
    status, hint = finding.status, ""
    drop = f"bring its consumer back, or drop it when nobody needs it: SELECT pg_drop_replication_slot('{name}')."
    if row.get("wal_status") == "lost":
        status, hint = CRITICAL, f"Slot {name} has lost WAL its consumer needs: the consumer must be built again; " + drop
    elif row.get("wal_status") == "unreserved":
        status, hint = CRITICAL, f"Slot {name} is about to lose WAL its consumer needs (max_slot_wal_keep_size): " + drop
    elif not row.get("active"):
        status = worst((status, WARNING))
        hint = f"Slot {name} is inactive and keeps {format_bytes(retained or 0)} of WAL, which fills the disk: " + drop
    elif status != OK and _held_back(row, limit=limit):
        hint = (
            f"Slot {name} keeps {format_bytes(retained or 0)} of WAL though its consumer has confirmed all but "
            f"{format_bytes(row['unconfirmed_bytes'])}: not the consumer but a transaction that has written and is still open holds it "
            "back; see idle_in_transaction, long_transactions and prepared_transactions."
        )
    elif status != OK:
        hint = f"Slot {name} keeps {format_bytes(retained or 0)} of WAL: its consumer lags."
    return Finding(
        check="replication_slots", status=status, observed=retained, threshold=finding.threshold, unit="bytes", subject=name, hint=hint,
        detail={key: row[key] for key in _SLOT_DETAIL if row.get(key) is not None},
    )


def _held_back(row: Row, *, limit: Limit) -> bool:
    """Whether a logical slot keeps WAL for an open transaction, whose beginning it must be able to read again, not for its consumer."""
    unconfirmed = row.get("unconfirmed_bytes")
    if unconfirmed is None:
        return False
    return judge("replication_slots", unconfirmed, warning=limit.warning, critical=limit.critical, unit="bytes").status == OK


def judge_wraparound(*, databases: t.Sequence[Row], holders: t.Sequence[Row], limit: Limit) -> Finding:
    """Judge how near the database with the oldest transaction ids is to wraparound (the server stops at about 2.1e9).

    Args:
        databases: mappings with name, xid_age, multixact_age.
        holders: what keeps old rows from being removed: mappings with kind (session, slot, prepared transaction, standby), name, xmin_age.
        limit: age in transactions.
    """
    oldest_first = sorted(databases, key=lambda row: -max(int(row["xid_age"]), int(row["multixact_age"])))
    first = oldest_first[0] if oldest_first else None
    age = max(int(first["xid_age"]), int(first["multixact_age"])) if first else None
    holding = sorted(holders, key=lambda row: -int(row["xmin_age"]))[:_MAX_ROWS]
    hint = "Autovacuum can't freeze old rows fast enough: end what holds them back, then VACUUM (FREEZE) that database's oldest tables."
    if holding:
        hint += f" Held back first by {holding[0]['kind']} {holding[0]['name']}."
    return judge(
        "wraparound", age, warning=limit.warning, critical=limit.critical, unit="transactions",
        subject=str(first["name"]) if first else "", hint=hint,
        detail={"databases": [dict(row) for row in oldest_first[:_MAX_ROWS]], "held_back_by": [dict(row) for row in holding]},
    )


def judge_vacuum(*, tables: t.Sequence[Row], running: t.Sequence[Row], min_dead: int, limit: Limit) -> Finding:
    """Judge the table most in need of vacuum, by its dead rows as a multiple of what makes autovacuum start.

    Args:
        tables: mappings with name, dead_rows, live_rows, due (dead rows at which autovacuum starts), enabled.
        running: vacuums now at work, told in the detail.
        min_dead: a table with fewer dead rows does not count, whatever its share.
        limit: multiples.
    """
    counted = [
        {**row, "times_due": round(float(row["dead_rows"]) / max(float(row["due"]), 1.0), 2)}
        for row in tables if int(row["dead_rows"]) >= min_dead
    ]
    counted.sort(key=lambda row: -row["times_due"])
    first = counted[0] if counted else None
    hint = ""
    if first:
        hint = f"Autovacuum does not keep up with {first['name']}: VACUUM (ANALYZE) it, then see what holds autovacuum back."
        if not first.get("enabled", True):
            hint = f"Autovacuum is switched off for {first['name']}: VACUUM (ANALYZE) it and switch it on again."
        hint += f" {_NO_DISK}"
    return judge(
        "vacuum", first["times_due"] if first else 0.0, warning=limit.warning, critical=limit.critical, unit="times due",
        subject=str(first["name"]) if first else "", hint=hint, detail={"tables": counted[:_MAX_ROWS], "running": len(running)},
    )


def judge_backups(*, running: t.Sequence[Row], archiver: t.Optional[Row], has_way: bool = True) -> list[Finding]:
    """Tell running backups (no fault: a reason not to restart) and judge whether WAL archiving works.

    Args:
        running: mappings with kind, pid, application_name, age.
        archiver: archived, failed, last_archived_ago, last_failed_ago (seconds or None), last_failed_wal; None when archiving is off.
        has_way: whether archive_command or archive_library is set. Without one the server keeps all WAL, and counts no failure.
    """
    found = [Finding(
        check="backups", status=OK, observed=len(running), unit="count", subject="running",
        detail={"running": [dict(row) for row in running[:_MAX_ROWS]]},
    )]
    if archiver is not None:
        failed, archived = archiver.get("last_failed_ago"), archiver.get("last_archived_ago")
        failing = failed is not None and (archived is None or failed < archived)
        observed = "not set up" if not has_way else "failing" if failing else "working" if archived is not None else "not tried yet"
        found.append(Finding(
            check="backups", status=WARNING if observed in _ARCHIVING_HINTS else OK, observed=observed, threshold="working",
            subject="archiving", detail=dict(archiver), hint=_ARCHIVING_HINTS.get(observed, ""),
        ))
    return found


_ARCHIVING_HINTS = {
    "failing": "WAL can't be archived and piles up until the disk is full: look at archive_command and its target.",
    "not set up": "WAL is kept for archiving and piles up until the disk is full: archive_mode is on, and neither archive_command nor "
    "archive_library is set.",
}


def judge_sizes(*, databases: t.Sequence[Row], limit: Limit) -> Finding:
    """Judge the biggest database; mappings with name and bytes (None where it can't be seen)."""
    biggest_first = sorted((row for row in databases if row.get("bytes") is not None), key=lambda row: -int(row["bytes"]))
    first = biggest_first[0] if biggest_first else None
    return judge(
        "database_size", first["bytes"] if first else None, warning=limit.warning, critical=limit.critical, unit="bytes",
        subject=str(first["name"]) if first else "",
        hint=f"Look for what grew: tables, indexes, files of old backups on the same disk. {_NO_DISK}",
        detail={"total": sum(int(row["bytes"]) for row in biggest_first), "databases": len(databases)},
    )


def judge_statements(*, top: t.Sequence[Row], min_calls: int, limit: Limit) -> Finding:
    """Judge the slowest of the statements that use most time.

    Args:
        top: mappings with calls, mean_seconds, total_seconds, query, user, database.
        min_calls: fewer calls than this say nothing about a statement.
        limit: seconds, of the mean.
    """
    counted = sorted((row for row in top if int(row["calls"]) >= min_calls), key=lambda row: -float(row["mean_seconds"]))
    mean = float(counted[0]["mean_seconds"]) if counted else 0.0
    query = " ".join(str(counted[0].get("query") or "").split())[:_MAX_QUERY] if counted else ""
    named = f" It is: {query}" if query else ""
    return judge(
        "statements", round(mean, 4), warning=limit.warning, critical=limit.critical, unit="seconds",
        hint=f"A statement takes {format_duration(mean)} on average: look at its plan, its indexes and ANALYZE of its tables.{named}",
        detail={
            "slowest": {**counted[0], "query": str(counted[0].get("query") or "")[:_MAX_QUERY]} if counted else {}, "min_calls": min_calls,
        },
    )


def judge_timeouts(
    *, settings: t.Mapping[str, t.Optional[float]], expected: t.Sequence[str], overrides: t.Mapping[str, t.Sequence[Row]],
) -> list[Finding]:
    """Say how the timeouts are set, which bound the next incident of this kind.

    Args:
        settings: seconds by name, 0 for none; None where the server has no such setting.
        expected: those which must not be 0.
        overrides: by name, settings for a role or database: mappings with role, database, seconds. One of them that is
            not 0 answers for an expected timeout, since bounding the application's role alone is the better way.
    """
    found = []
    for name, seconds in settings.items():
        if seconds is None:
            continue
        covering = [row for row in overrides.get(name, ()) if row.get("seconds")]
        missing = seconds == 0 and not covering
        faulty = missing and name in expected
        detail: dict[str, t.Any] = {"overrides": [dict(row) for row in overrides.get(name, ())]}
        if missing and not faulty:
            detail["durable_fix"] = _TIMEOUT_HINTS[name]
        found.append(Finding(
            check="timeouts", status=WARNING if faulty else OK, observed=seconds, unit="seconds", subject=name,
            threshold="more than 0" if name in expected else None, hint=_TIMEOUT_HINTS[name] if faulty else "", detail=detail,
        ))
    return found


_TIMEOUT_HINTS = {
    "statement_timeout": "No statement is ever ended: ALTER ROLE <application> SET statement_timeout = '60s' bounds the application alone.",
    "idle_in_transaction_session_timeout":
        "A session idle in transaction is never ended: ALTER SYSTEM SET idle_in_transaction_session_timeout = '60s', "
        "then SELECT pg_reload_conf().",
    "transaction_timeout":
        "No transaction is ever ended: ALTER ROLE <application> SET transaction_timeout = '5min' bounds the application alone "
        "(PostgreSQL 17 and later).",
}
