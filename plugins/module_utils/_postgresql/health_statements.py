# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements that use most time (pg_stat_statements), and the caller's own probe query.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import time
import typing as t

from .._core.errors import IncidentError
from .connection import Session, StatementFailed
from .health_queries import Rows

MAX_STATEMENTS = 10


class NotInstalled(IncidentError):
    """The extension is not there, so there is nothing to judge."""

    kind = "not_installed"


def read_statements(session: Session) -> Rows:
    """The statements with most total time, with seconds instead of milliseconds.

    The columns belong to the extension's version, not the server's, and pg_upgrade leaves the extension as it was; so they
    are looked up: total_time and mean_time before extension 1.8 (PostgreSQL 13), total_exec_time and mean_exec_time since.

    Raises:
        NotInstalled: the extension is not in this database.
        StatementFailed: it is, and its library is not in shared_preload_libraries (SQLSTATE 55000).
    """
    found = session.rows("""
        SELECT pg_catalog.quote_ident(n.nspname) AS place, e.extversion AS version,
            EXISTS (SELECT 1 FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'total_exec_time') AS exec_time
        FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
            JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = 'pg_stat_statements'
        WHERE e.extname = 'pg_stat_statements'
    """)
    if not found:
        raise NotInstalled(
            f"The extension pg_stat_statements is not in database {session.database}.",
            hint="Add it to shared_preload_libraries, restart, then CREATE EXTENSION pg_stat_statements in the database that is looked at.",
        )
    place, column = found[0]["place"], "exec_time" if found[0]["exec_time"] else "time"
    return session.rows(f"""
        SELECT s.queryid AS query_id, r.rolname::text AS "user", d.datname::text AS database, s.calls, s.rows,
            s.total_{column} / 1000 AS total_seconds, s.mean_{column} / 1000 AS mean_seconds, s.max_{column} / 1000 AS max_seconds,
            pg_catalog.left(pg_catalog.regexp_replace(s.query, '\\s+', ' ', 'g'), 500) AS query
        FROM {place}.pg_stat_statements AS s LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.userid
            LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.dbid
        ORDER BY s.total_{column} DESC LIMIT {MAX_STATEMENTS}
    """)


def run_probe(session: Session, *, query: str, timeout: float) -> dict[str, t.Any]:
    """Run the caller's query in a read-only transaction and take its first row.

    It runs through a cursor, so that a query with many rows costs one, and only a query is accepted; the session itself
    is read only too, so a COMMIT smuggled into the text opens nothing.

    Args:
        query: one SELECT, VALUES or WITH ... SELECT; found with the role's own search_path.
        timeout: seconds for all of it.

    Returns:
        first (first column of the first row), row, seconds; error and sqlstate where it failed.
    """
    started = time.monotonic()
    try:
        session.rows("BEGIN READ ONLY")
        session.rows("SELECT pg_catalog.set_config('statement_timeout', %s, true)", [str(max(int(timeout * 1000), 1))])
        session.rows("SET LOCAL search_path TO DEFAULT")
        session.rows(f"DECLARE oncall_incident_probe NO SCROLL CURSOR FOR {query.strip().rstrip(';')}")
        rows = session.rows("FETCH 1 FROM oncall_incident_probe")
    except StatementFailed as exc:
        seconds = time.monotonic() - started
        _roll_back(session)
        return {"first": None, "row": None, "seconds": seconds, "error": exc.message, "sqlstate": exc.sqlstate}
    seconds = time.monotonic() - started
    _roll_back(session)
    row = rows[0] if rows else None
    return {"first": next(iter(row.values())) if row else None, "row": row, "seconds": seconds, "error": "", "sqlstate": ""}


def _roll_back(session: Session) -> None:
    with contextlib.suppress(StatementFailed):
        session.rows("ROLLBACK")
