# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server knows about an incident and forgets: sessions, locks, statements; each as JSON lines in a file.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import typing as t

from .._core.errors import IncidentError
from .._snapshot.catalogue import COLLECTED, DEFERRED, FAILED, NOT_AVAILABLE
from .._snapshot.collect import OUTPUTS, append_to
from .connection import Session
from .health_statements import NotInstalled, UntrustedOwner, find_statements

FOLDER = "25-database"
#: More rows than these say nothing more, and would not fit: the first ones by the statement's order.
MOST_ROWS = 20000

_STATEMENTS: tuple[tuple[str, str], ...] = (
    ("activity", "SELECT * FROM pg_catalog.pg_stat_activity ORDER BY backend_start"),
    (
        "blocking",
        "SELECT pid, pg_catalog.pg_blocking_pids(pid) AS blocked_by FROM pg_catalog.pg_stat_activity WHERE wait_event_type = 'Lock'",
    ),
    ("locks", "SELECT l.*, l.relation::regclass::text AS relation_name FROM pg_catalog.pg_locks AS l ORDER BY granted, pid"),
    ("prepared_transactions", "SELECT * FROM pg_catalog.pg_prepared_xacts ORDER BY prepared"),
    ("replication", "SELECT * FROM pg_catalog.pg_stat_replication"),
    ("replication_slots", "SELECT * FROM pg_catalog.pg_replication_slots"),
    ("databases", "SELECT * FROM pg_catalog.pg_stat_database"),
    ("statements", "SELECT * FROM {view} ORDER BY total_{times} DESC LIMIT 200"),
    ("settings", "SELECT name, setting, unit, source, sourcefile, pending_restart FROM pg_catalog.pg_settings WHERE source <> 'default'"),
    ("tables", "SELECT * FROM pg_catalog.pg_stat_user_tables ORDER BY n_dead_tup DESC NULLS LAST LIMIT 200"),
)


def take(
    session: Session, *, spool: str, seconds: float, clock: t.Callable[[], float] = time.monotonic,
) -> list[dict[str, t.Any]]:
    """Read everything that there is time for; entries as a snapshot of a host gives them."""
    deadline = clock() + seconds
    found = []
    for name, sql in _STATEMENTS:
        statement = sql.format(view="pg_stat_statements", times="exec_time")
        entry: dict[str, t.Any] = {"name": f"postgresql_{name}", "folder": FOLDER, "argv": [statement]}
        if clock() >= deadline:
            found.append({**entry, "status": DEFERRED, "reason": "no time was left"})
            continue
        started = time.time()
        try:
            if name == "statements":
                view = find_statements(session)
                statement = sql.format(view=view.name, times=view.times)
                entry["argv"] = [statement]
            found.append({**entry, "started": started, **_read(session, statement, os.path.join(spool, OUTPUTS))})
        except UntrustedOwner as exc:
            found.append({
                **entry, "started": started, "ended": time.time(), "status": NOT_AVAILABLE, "reason": f"{exc.message} {exc.hint}",
            })
        except IncidentError as exc:
            missing = name == "statements" and (isinstance(exc, NotInstalled) or getattr(exc, "sqlstate", "") == "55000")
            why = {
                "status": NOT_AVAILABLE if missing else FAILED,
                "reason": "the extension pg_stat_statements is not there" if missing else exc.message,
            }
            found.append({**entry, "started": started, "ended": time.time(), **why})
    return found


def _read(session: Session, statement: str, path: str) -> dict[str, t.Any]:
    rows = session.rows(f"SELECT * FROM ({statement}) AS snapshot LIMIT {MOST_ROWS + 1}")
    digest, size = hashlib.sha256(), 0
    with append_to(path) as file:
        position = os.fstat(file.fileno()).st_size
        for row in rows[:MOST_ROWS]:
            line = json.dumps(row, sort_keys=True, default=str).encode("utf-8", "replace") + b"\n"
            file.write(line)
            digest.update(line)
            size += len(line)
    return {
        "ended": time.time(), "status": COLLECTED, "spooled": True, "position": position, "bytes": size,
        "sha256": digest.hexdigest(), "truncated": len(rows) > MOST_ROWS,
    }
