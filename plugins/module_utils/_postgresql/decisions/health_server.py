# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of pg_health that are about the server: replication, vacuum, backups, sizes, settings, statements, the probe.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.findings import OK, UNKNOWN, Answer, Finding, Skipped
from . import verdict
from . import verdict_storage as storage
from .absent import does_not_apply
from .availability import availability_hint
from .facts import Collected, Facts, NotRun, Seen
from .settings import TIMEOUTS, parse_setting
from .sight import uncounted_rows, unseen_sessions, untracked_statements

#: What lets a role see statistics, settings and sizes of others.
GRANT_MONITOR = "Grant pg_monitor to the role."


def availability(seen: Seen) -> Answer:
    """Whether a session could be had, and by which login: one that came in by another login says that the first was refused."""
    server = seen.facts.server
    attempts = [dict(attempt) for attempt in seen.facts.attempts]
    detail = {key: server[key] for key in ("version", "uptime", "in_recovery")}
    detail["login"] = seen.facts.login
    # Only this kind is the server's: an alternate login behind a main one with a wrong password is the caller's.
    refused = next((str(one["error"]) for one in attempts if one.get("error") == "slots_exhausted"), "")
    if attempts:
        detail["attempts"] = attempts
    return Answer([verdict.judge_available(kind=refused, hint=availability_hint(refused), detail=detail)], {"server": dict(server)})


def replication(seen: Seen) -> Answer:
    """Standbys of this server, and itself as one."""
    limits, settings = seen.request.limits, seen.facts.settings
    lags = {"seconds": limits["replication_lag"], "size": limits["replication_bytes"]}
    replicas = seen.facts.rows("replicas")
    primary = not seen.facts.server["in_recovery"]
    synchronous = bool(settings.get("synchronous_standby_names")) and settings.get("synchronous_commit") not in ("off", "local") and primary
    findings = storage.judge_replicas(replicas=replicas, expected=seen.request.standbys_expected, synchronous=synchronous, **lags)
    data: dict[str, t.Any] = {"role": "primary" if primary else "standby", "replicas": replicas}
    if not primary:
        data["standby"] = standby = seen.facts.rows("standby")[0]
        findings.append(storage.judge_standby(
            lag_seconds=standby["lag_seconds"], lag_bytes=standby["lag_bytes"], receiving=standby["receiving"], paused=standby["paused"],
            # A role that may not read the setting must not take a standby without a primary for one that needs none.
            streaming=settings.get("primary_conninfo", "set") == "set", **lags,
        ))
    return Answer(findings, {"replication": data})


def replication_slots(seen: Seen) -> Answer:
    """Slots, inactive ones above all, and the WAL they keep."""
    slots = seen.facts.rows("slots")
    return Answer(storage.judge_slots(slots=slots, limit=seen.request.limits["replication_slots"]), {"replication_slots": slots})


def wraparound(seen: Seen) -> Answer:
    """Age of the oldest transaction ids, and what holds vacuum back."""
    databases, holders = seen.facts.rows("wraparound"), seen.facts.rows("holders")
    found = storage.judge_wraparound(databases=databases, holders=holders, limit=seen.request.limits["wraparound"])
    return Answer([found], {"wraparound": {"databases": databases, "held_back_by": holders}})


def vacuum(seen: Seen) -> Answer:
    """Tables of the login's database most in need of vacuum, and vacuums at work."""
    if seen.facts.server["in_recovery"]:
        return Answer(skipped=[does_not_apply("vacuum", "standby_does_not_vacuum")])
    tables, running = seen.facts.rows("tables"), seen.facts.rows("vacuums")
    limit, least = seen.request.limits["vacuum"], seen.request.vacuum_min_dead_rows
    found = storage.judge_vacuum(tables=tables, running=running, min_dead=least, limit=limit)
    unseen = uncounted_rows(counting=seen.facts.counting, off_for=seen.facts.uncounted, database=seen.facts.database)
    return Answer([found], {"vacuum": {"database": seen.facts.database, "tables": tables, "running": running}}, unseen)


def archives_nothing(facts: Facts) -> bool:
    """Whether it is a standby that archives no WAL."""
    return facts.settings.get("archive_mode", "off") == "on" and facts.in_recovery and bool(facts.server["in_recovery"])


def backups(seen: Seen) -> Answer:
    """Backups at work, and whether WAL archiving works."""
    running = [{"kind": "base backup", **row} for row in seen.facts.rows("base_backups")]
    running += [
        {"kind": "backup session", "pid": one.pid, "application_name": one.application_name, "user": one.user, "database": one.database,
         "age": round(one.transaction_age or one.state_age or 0.0, 3)}
        for one in seen.clients if {"backup_tool", "began_backup"} & set(seen.protected[one.pid])
    ]
    if seen.facts.exclusive_backup:
        running.append({"kind": "exclusive backup"})
    # A backup that was begun in a session stands in its statement; that of a tool has the tool's name.
    skipped = unseen_sessions("backups", seen.silent, login=seen.facts.user)
    mode, archiver = seen.facts.settings.get("archive_mode", "off"), None
    if archives_nothing(seen.facts):
        skipped.append(does_not_apply("backups", "standby_does_not_archive"))
    elif mode != "off":
        archiver = seen.facts.rows("archiver")[0]
    # A role that may not read the command must not take an archiver that has one for one that has none.
    way = seen.facts.settings.get("archive_command", "set") or seen.facts.settings.get("archive_library", "")
    findings = storage.judge_backups(running=running, archiver=archiver, has_way=bool(way))
    return Answer(findings, {"backups": {"running": running, "archiver": archiver}}, skipped)


def timeouts(seen: Seen) -> Answer:
    """The timeouts that bound the next incident, as the server has them, with what is set for roles and databases."""
    facts, settings = seen.facts, dict(seen.facts.settings)
    overrides = facts.overrides
    visible: dict[str, t.Optional[float]] = {}
    hidden: list[Finding] = []
    for name in TIMEOUTS:
        if any(row["role"] == facts.user or (row["role"] is None and row["database"] == facts.database) for row in overrides[name]):
            hidden.append(verdict.unknown(
                "timeouts", reason="hidden", subject=name,
                hint=f"The login's own role or database has {name} set, which hides the server's value: look with another login.",
            ))
        else:
            visible[name] = parse_setting(settings[name]) if name in settings else None
    found = storage.judge_timeouts(settings=visible, expected=seen.request.timeouts_expected, overrides=overrides)
    return Answer([*found, *hidden], {"settings": settings})


def database_size(seen: Seen) -> Answer:
    """Sizes of the databases."""
    sizes = seen.facts.rows("sizes")
    unseen = [row["name"] for row in sizes if row["bytes"] is None]
    skipped = [Skipped("database_size", f"permission_denied: {', '.join(unseen)}", GRANT_MONITOR)] if unseen else []
    return Answer([storage.judge_sizes(databases=sizes, limit=seen.request.limits["database_size"])], {"databases": sizes}, skipped)


def statements(seen: Seen) -> Answer:
    """The statements that use most time, from pg_stat_statements."""
    top, view = seen.facts.rows("statements"), seen.facts.collected or Collected()
    found = storage.judge_statements(top=top, min_calls=seen.request.statements_min_calls, limit=seen.request.limits["statements"])
    unseen = untracked_statements(track=view.track, query_ids=view.query_ids, off_for=view.off_for)
    return Answer([found], {"statements": top}, unseen)


def probe(seen: Seen) -> Answer:
    """The caller's own query, in a connection of its own; `SELECT 1` runs nobody's code, so it needs none."""
    probed, request = seen.facts.probed, seen.request
    if probed is None:
        return Answer()
    if probed.not_run is not None:
        return Answer([_not_run(probed.not_run)])
    answer = dict(probed.answer)
    found = verdict.judge_probe(
        seconds=answer["seconds"], limit=request.limits["probe"], first=answer["first"], expected=request.probe_expect,
        error=answer["error"], error_kind=answer["sqlstate"],
    )
    better = [Finding(check="probe", status=OK, observed=answer["login"], subject="login", hint=probed.advice)] if probed.advice else []
    return Answer([found, *better], {"probe": answer})


def _not_run(seen: NotRun) -> Finding:
    """Not looked at: what the query would have said is not known, so nothing may be called well."""
    detail = {"final": seen.final, "message": seen.message, "attempts": [dict(one) for one in seen.attempts]}
    return Finding(check="probe", status=UNKNOWN, observed=seen.kind, hint=seen.hint, detail=detail)
