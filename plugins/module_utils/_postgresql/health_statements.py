# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements that use most time (pg_stat_statements).

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .._core.errors import IncidentError
from .connection import Session, StatementFailed
from .decisions.sight import quoted
from .health_queries import Rows, off_for

MAX_STATEMENTS = 10
_NO_PRIVILEGE = "42501"
MOVE_IT = (
    "As a superuser put the extension into a schema that a superuser owns: CREATE SCHEMA oncall_statements; ALTER EXTENSION "
    "pg_stat_statements SET SCHEMA oncall_statements; GRANT USAGE ON SCHEMA oncall_statements TO pg_monitor. If the extension itself, its "
    "view or its function is another role's, drop it and create it there."
)


class NotInstalled(IncidentError):
    """The extension is not there, so there is nothing to judge."""

    kind = "not_installed"


class UntrustedOwner(IncidentError):
    """The extension is there, and somebody who is not a superuser can put code of his own in its place; so it is not read."""

    kind = "untrusted_owner"


class NotReadable(IncidentError):
    """The extension is there, and our role may not read it."""

    kind = "permission_denied"


class StatementsView(t.NamedTuple):
    """Where pg_stat_statements is, and what it collects.

    Attributes:
        times: how it calls its times: exec_time as in total_exec_time, or time.
        track, query_ids: pg_stat_statements.track and compute_query_id; None where the server does not have the setting.
        off_for: roles and databases for which one of them is off.
    """

    name: str
    times: str
    track: t.Optional[str] = None
    query_ids: t.Optional[str] = None
    off_for: tuple[str, ...] = ()


def find_statements(session: Session) -> StatementsView:
    """The extension's own view, qualified: one of that name which somebody else has made is not it.

    The columns belong to the extension's version, not the server's, and pg_upgrade leaves the extension as it was; so they
    are looked up: total_time and mean_time before extension 1.8 (PostgreSQL 13), total_exec_time and mean_exec_time since.

    The server looks its name up again when the view is read. Whoever owns its schema can rename that in between, and put a view of his
    own behind the name. So the schema and what the extension consists of must belong to superusers, or to our own role. From
    PostgreSQL 15 on `public` belongs to whoever owns the database.

    Raises:
        NotInstalled: the extension is not in this database.
        UntrustedOwner: it is, and something of it belongs to another role.
    """
    found = session.rows(f"""
        SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name,
            EXISTS (SELECT 1 FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'total_exec_time') AS exec_time,
            pg_catalog.current_setting('pg_stat_statements.track', true) AS track,
            pg_catalog.current_setting('compute_query_id', true) AS query_ids,
            {off_for("pg_stat_statements.track", "compute_query_id")} AS off_for,
            ARRAY(
                SELECT DISTINCT owned.what || ' belongs to ' || owner.rolname::text
                FROM (
                    VALUES ('its schema', n.nspowner), ('the extension', e.extowner), ('its view', c.relowner)
                    UNION ALL SELECT 'its function', p.proowner FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_depend AS f
                        ON f.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND f.objid = p.oid AND f.deptype = 'e'
                            AND f.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND f.refobjid = e.oid
                ) AS owned(what, owner)
                    JOIN pg_catalog.pg_database AS b ON b.datname = pg_catalog.current_database()
                    JOIN pg_catalog.pg_roles AS named ON named.oid = owned.owner
                    JOIN pg_catalog.pg_roles AS owner
                        ON owner.oid = CASE WHEN named.rolname = 'pg_database_owner' THEN b.datdba ELSE named.oid END
                WHERE NOT owner.rolsuper AND owner.rolname <> current_user ORDER BY 1
            ) AS untrusted
        FROM pg_catalog.pg_extension AS e
            JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid
                AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'e'
            JOIN pg_catalog.pg_class AS c ON c.oid = d.objid AND c.relname = 'pg_stat_statements'
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE e.extname = 'pg_stat_statements'
    """)
    if not found:
        raise NotInstalled(
            f"The extension pg_stat_statements is not in database {session.database}.",
            hint="Add it to shared_preload_libraries, restart, then CREATE EXTENSION pg_stat_statements in the database that is looked at.",
        )
    if found[0]["untrusted"]:
        raise UntrustedOwner(
            f"The extension pg_stat_statements in database {session.database} is not read: {', '.join(found[0]['untrusted'])}, "
            "who could put code of his own in its place.",
            hint=MOVE_IT,
        )
    row = found[0]
    return StatementsView(row["name"], "exec_time" if row["exec_time"] else "time", row["track"], row["query_ids"], tuple(row["off_for"]))


def read_statements(session: Session, view: StatementsView) -> Rows:
    """The statements with most total time, with seconds instead of milliseconds.

    Raises:
        NotReadable: our role may not use its schema, or not read it.
        StatementFailed: its library is not in shared_preload_libraries (SQLSTATE 55000).
    """
    try:
        return _read(session, view.name, view.times)
    except StatementFailed as exc:
        if exc.sqlstate != _NO_PRIVILEGE:
            raise
        schema, role = view.name.rpartition(".")[0], quoted(session.user)
        grant = f"GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON {view.name} TO {role};"
        raise NotReadable(exc.message, hint=f"Run as a superuser: {grant}") from None


def _read(session: Session, name: str, times: str) -> Rows:
    return session.rows(f"""
        SELECT s.queryid AS query_id, r.rolname::text AS "user", d.datname::text AS database, s.calls, s.rows,
            s.total_{times} / 1000 AS total_seconds, s.mean_{times} / 1000 AS mean_seconds, s.max_{times} / 1000 AS max_seconds,
            pg_catalog.left(pg_catalog.regexp_replace(s.query, '\\s+', ' ', 'g'), 500) AS query
        FROM {name} AS s LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.userid
            LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.dbid
        ORDER BY s.total_{times} DESC LIMIT {MAX_STATEMENTS}
    """)
