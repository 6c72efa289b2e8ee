# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a database which of its tables and indexes need maintenance. Catalogs and counters only: it waits for no lock on a table.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .._core.errors import BadInput
from .connection import Session
from .decisions.maintenance import ANALYZE, BUSY, LEFT_OVER, NOT_OURS, REINDEX, VACUUM, Object
from .health_queries import Rows, autovacuum_due

#: So many of each operation are read at most, the worst first.
MOST = 200


def read_needy(session: Session, operations: t.Sequence[str]) -> list[Object]:
    """What needs it, of each operation the worst first.

    Raises:
        BadInput: the server is a standby, on which nothing can be maintained.
        StatementFailed: the server refused to tell.
    """
    if session.in_recovery:
        raise BadInput("worst: this server is a standby, which is maintained by its primary.", hint="Log in to the primary.",
                       argument="worst")
    return [one for operation in operations for one in _READERS[operation](session)]


def _may(session: Session, *, as_owner_of_database: bool) -> str:
    """SQL for whether our role may maintain table `c`. The owner of the database may VACUUM and ANALYZE all of it, and rebuild nothing."""
    ways = ["pg_catalog.pg_has_role(c.relowner, 'USAGE')"]
    if session.server_version >= 170000:
        ways.append("pg_catalog.has_table_privilege(c.oid, 'MAINTAIN')")
    if as_owner_of_database:
        ways.append("""EXISTS (
            SELECT FROM pg_catalog.pg_database AS d
            WHERE d.datname = pg_catalog.current_database() AND pg_catalog.pg_has_role(d.datdba, 'USAGE')
        )""")
    return f"({' OR '.join(ways)})"


def _tables(session: Session, *, what: str, columns: str, condition: str, order: str) -> Rows:
    """Tables with so many rows of a kind that autovacuum should have come; nobody may maintain another session's temporary ones."""
    return session.rows(f"""
        SELECT c.oid::bigint AS oid, pg_catalog.quote_ident(s.schemaname) || '.' || pg_catalog.quote_ident(s.relname) AS name,
            c.relkind::text AS kind, {columns}, {_may(session, as_owner_of_database=True)} AS ours,
            c.relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS bytes
        FROM pg_catalog.pg_stat_user_tables AS s JOIN pg_catalog.pg_class AS c ON c.oid = s.relid
            CROSS JOIN LATERAL (SELECT {autovacuum_due(session, what)} AS due) AS a
        WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND ({condition})
        ORDER BY {order}, c.oid LIMIT {MOST}
    """)


def _vacuum(session: Session) -> list[Object]:
    rows = _tables(
        session, what="vacuum", columns="s.n_dead_tup AS dead, a.due", condition="s.n_dead_tup > a.due", order="s.n_dead_tup DESC",
    )
    return [_table(row, VACUUM, f"It has {row['dead']} dead rows; autovacuum comes at {row['due']:.0f}.") for row in rows]


def _analyze(session: Session) -> list[Object]:
    never = "s.last_analyze IS NULL AND s.last_autoanalyze IS NULL AND (s.n_live_tup > 0 OR c.relpages > 0)"
    rows = _tables(
        session, what="analyze", columns=f"s.n_mod_since_analyze AS changed, a.due, c.reltuples::float8 AS rows, {never} AS never",
        condition=f"s.n_mod_since_analyze > a.due OR ({never})",
        order=f"({never}) DESC, s.n_mod_since_analyze / GREATEST(a.due, 1) DESC, s.n_live_tup DESC",
    )
    return [_table(row, ANALYZE, _stale(row)) for row in rows]


def _stale(row: t.Mapping[str, t.Any]) -> str:
    if row["never"]:
        return "No ANALYZE of it is known: the planner guesses."
    of = f" of {row['rows']:.0f}" if row["rows"] > 0 else ""
    return f"{row['changed']} rows{of} changed since its last ANALYZE; autovacuum comes at {row['due']:.0f}."


def _table(row: t.Mapping[str, t.Any], operation: str, need: str) -> Object:
    spared = "" if row["ours"] else NOT_OURS
    return Object(row["oid"], row["name"], row["kind"], operation, need=need, bytes=row["bytes"], spared=spared)


def read_invalid_indexes(session: Session) -> Rows:
    """Indexes that are not valid: name, of_table, left_over, busy, ours, bytes (of the table).

    Whoever builds one holds its table's lock until it is valid, as VACUUM and ANALYZE do for a moment.
    """
    return session.rows(f"""
        SELECT x.oid::bigint AS oid, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(x.relname) AS name,
            x.relkind::text AS kind, x.relname ~ '_cc(new|old)[0-9]*$' AS left_over, {_may(session, as_owner_of_database=False)} AS ours,
            pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS of_table,
            c.relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS bytes, EXISTS (
                SELECT FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_database AS d ON d.oid = l.database
                WHERE l.relation = c.oid AND d.datname = pg_catalog.current_database() AND l.granted
                    AND l.mode = 'ShareUpdateExclusiveLock' AND l.pid <> pg_catalog.pg_backend_pid()
            ) AS busy
        FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
            JOIN pg_catalog.pg_namespace AS n ON n.oid = x.relnamespace
            JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid JOIN pg_catalog.pg_namespace AS tn ON tn.oid = c.relnamespace
        WHERE NOT i.indisvalid AND x.relkind = 'i' AND x.relpersistence <> 't' AND n.nspname <> 'pg_catalog'
        ORDER BY c.relpages DESC, x.oid LIMIT {MOST}
    """)


def _reindex(session: Session) -> list[Object]:
    return [
        Object(
            row["oid"], row["name"], row["kind"], REINDEX, bytes=row["bytes"],
            need=f"It is invalid: no query of {row['of_table']} uses it, and every write keeps it up.",
            spared=BUSY if row["busy"] else LEFT_OVER if row["left_over"] else "" if row["ours"] else NOT_OURS,
        ) for row in read_invalid_indexes(session)
    ]


_READERS: t.Mapping[str, t.Callable[[Session], list[Object]]] = {REINDEX: _reindex, VACUUM: _vacuum, ANALYZE: _analyze}
