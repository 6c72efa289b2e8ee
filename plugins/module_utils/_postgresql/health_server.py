# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of pg_health that are about the server: replication, vacuum, backups, sizes, settings, statements, the probe.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .._core.findings import Finding, Skipped
from . import health_probe, health_queries, health_replication, health_statements
from .decisions import verdict
from .decisions import verdict_storage as storage
from .decisions.absent import does_not_apply
from .decisions.availability import availability_hint
from .decisions.probe import is_built_in
from .decisions.settings import parse_setting
from .decisions.sight import uncounted_rows, unseen_sessions, untracked_statements
from .health_reader import Answer, Reader

#: What lets a role see statistics, settings and sizes of others.
GRANT_MONITOR = "Grant pg_monitor to the role."


def availability(reader: Reader) -> Answer:
    """Whether a session could be had, and by which login: one that came in by another login says that the first was refused."""
    server, session = reader.server, reader.session
    attempts = [attempt.as_dict() for attempt in session.attempts]
    detail = {key: server[key] for key in ("version", "uptime", "in_recovery")}
    detail["login"] = session.login.describe()
    # Only this kind is the server's: an alternate login behind a main one with a wrong password is the caller's.
    refused = next((attempt.error for attempt in session.attempts if attempt.error == "slots_exhausted"), "")
    if attempts:
        detail["attempts"] = attempts
    return Answer([verdict.judge_available(kind=refused, hint=availability_hint(refused), detail=detail)], {"server": server})


def replication(reader: Reader) -> Answer:
    """Standbys of this server, and itself as one."""
    limits, settings = reader.request.limits, reader.settings
    lags = {"seconds": limits["replication_lag"], "size": limits["replication_bytes"]}
    replicas = health_replication.read_replicas(reader.session)
    primary = not reader.server["in_recovery"]
    synchronous = bool(settings.get("synchronous_standby_names")) and settings.get("synchronous_commit") not in ("off", "local") and primary
    findings = storage.judge_replicas(replicas=replicas, expected=reader.request.standbys_expected, synchronous=synchronous, **lags)
    data: dict[str, t.Any] = {"role": "primary" if primary else "standby", "replicas": replicas}
    if not primary:
        data["standby"] = standby = health_replication.read_standby(reader.session)
        findings.append(storage.judge_standby(
            lag_seconds=standby["lag_seconds"], lag_bytes=standby["lag_bytes"], receiving=standby["receiving"], paused=standby["paused"],
            # A role that may not read the setting must not take a standby without a primary for one that needs none.
            streaming=settings.get("primary_conninfo", "set") == "set", **lags,
        ))
    return Answer(findings, {"replication": data})


def replication_slots(reader: Reader) -> Answer:
    """Slots, inactive ones above all, and the WAL they keep."""
    slots = health_replication.read_slots(reader.session)
    return Answer(storage.judge_slots(slots=slots, limit=reader.request.limits["replication_slots"]), {"replication_slots": slots})


def wraparound(reader: Reader) -> Answer:
    """Age of the oldest transaction ids, and what holds vacuum back."""
    databases, holders = health_queries.read_wraparound(reader.session), health_queries.read_holders(reader.session)
    found = storage.judge_wraparound(databases=databases, holders=holders, limit=reader.request.limits["wraparound"])
    return Answer([found], {"wraparound": {"databases": databases, "held_back_by": holders}})


def vacuum(reader: Reader) -> Answer:
    """Tables of the login's database most in need of vacuum, and vacuums at work."""
    if reader.server["in_recovery"]:
        return Answer(skipped=[does_not_apply("vacuum", "standby_does_not_vacuum")])
    tables, running = health_queries.read_tables(reader.session), health_queries.read_vacuums(reader.session)
    limit, least = reader.request.limits["vacuum"], reader.request.vacuum_min_dead_rows
    found = storage.judge_vacuum(tables=tables, running=running, min_dead=least, limit=limit)
    counting, off_for = reader.counting
    unseen = uncounted_rows(counting=counting, off_for=off_for, database=reader.session.database)
    return Answer([found], {"vacuum": {"database": reader.session.database, "tables": tables, "running": running}}, unseen)


def backups(reader: Reader) -> Answer:
    """Backups at work, and whether WAL archiving works."""
    running = [{"kind": "base backup", **row} for row in health_queries.read_base_backups(reader.session)]
    running += [
        {"kind": "backup session", "pid": one.pid, "application_name": one.application_name, "user": one.user, "database": one.database,
         "age": round(one.transaction_age or one.state_age or 0.0, 3)}
        for one in reader.clients if {"backup_tool", "began_backup"} & set(reader.protected[one.pid])
    ]
    if health_queries.read_exclusive_backup(reader.session):
        running.append({"kind": "exclusive backup"})
    # A backup that was begun in a session stands in its statement; that of a tool has the tool's name.
    skipped = unseen_sessions("backups", reader.silent, login=reader.session.user)
    mode, archiver = reader.settings.get("archive_mode", "off"), None
    if mode == "on" and reader.session.in_recovery and reader.server["in_recovery"]:
        skipped.append(does_not_apply("backups", "standby_does_not_archive"))
    elif mode != "off":
        archiver = health_queries.read_archiver(reader.session)
    # A role that may not read the command must not take an archiver that has one for one that has none.
    way = reader.settings.get("archive_command", "set") or reader.settings.get("archive_library", "")
    findings = storage.judge_backups(running=running, archiver=archiver, has_way=bool(way))
    return Answer(findings, {"backups": {"running": running, "archiver": archiver}}, skipped)


def timeouts(reader: Reader) -> Answer:
    """The timeouts that bound the next incident, as the server has them, with what is set for roles and databases."""
    session, settings = reader.session, reader.settings
    overrides = health_queries.read_overrides(session)
    visible: dict[str, t.Optional[float]] = {}
    hidden: list[Finding] = []
    for name in health_queries.TIMEOUTS:
        if any(row["role"] == session.user or (row["role"] is None and row["database"] == session.database) for row in overrides[name]):
            hidden.append(verdict.unknown(
                "timeouts", reason="hidden", subject=name,
                hint=f"The login's own role or database has {name} set, which hides the server's value: look with another login.",
            ))
        else:
            visible[name] = parse_setting(settings[name]) if name in settings else None
    found = storage.judge_timeouts(settings=visible, expected=reader.request.timeouts_expected, overrides=overrides)
    return Answer([*found, *hidden], {"settings": settings})


def database_size(reader: Reader) -> Answer:
    """Sizes of the databases."""
    sizes = health_queries.read_sizes(reader.session)
    unseen = [row["name"] for row in sizes if row["bytes"] is None]
    skipped = [Skipped("database_size", f"permission_denied: {', '.join(unseen)}", GRANT_MONITOR)] if unseen else []
    return Answer([storage.judge_sizes(databases=sizes, limit=reader.request.limits["database_size"])], {"databases": sizes}, skipped)


def statements(reader: Reader) -> Answer:
    """The statements that use most time, from pg_stat_statements."""
    view = health_statements.find_statements(reader.session)
    top = health_statements.read_statements(reader.session, view)
    found = storage.judge_statements(top=top, min_calls=reader.request.statements_min_calls, limit=reader.request.limits["statements"])
    unseen = untracked_statements(track=view.track, query_ids=view.query_ids, off_for=view.off_for)
    return Answer([found], {"statements": top}, unseen)


def probe(reader: Reader) -> Answer:
    """The caller's own query, in a connection of its own; `SELECT 1` runs nobody's code, so it needs none."""
    request = reader.request
    query, timeout, limit = request.probe_query, request.probe_timeout, request.limits["probe"]
    if is_built_in(query):
        answer = health_probe.run_probe(reader.session, query=query, timeout=timeout)
        return Answer([health_probe.judged(answer, limit=limit, expected=request.probe_expect)], {"probe": answer})
    found, answer = reader.prober.look(query=query, timeout=timeout, limit=limit, expected=request.probe_expect)
    return Answer(found, {"probe": answer} if answer else {})
