# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pg_health asks about the tables and indexes of a database. Catalogs and counters only: it waits for no lock on a table.

Sizes are those that the server last counted. Every answer is bounded: it is ordered by how bad it is, and cut.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from .connection import Session
from .health_queries import Rows

MOST = 10
#: Smaller tables are read whole since that is the quickest way: 8 MiB of pages.
LEAST_PAGES = 1024

_NAME = "pg_catalog.quote_ident({0}.schemaname) || '.' || pg_catalog.quote_ident({0}.{1})"
_BYTES = "{0}.relpages::bigint * pg_catalog.current_setting('block_size')::bigint"
#: What a constraint, a cluster or logical replication needs, or is a part of the index of a partitioned table.
_BOUND = """(
    i.indisprimary OR i.indisexclusion OR i.indisreplident OR x.relispartition
    OR EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conindid = i.indexrelid)
)"""


def read_counted(session: Session) -> Rows:
    """Since when the tables and indexes of this database are counted, `age` in seconds.

    From server 15 on a database whose counters were never reset does not say so itself; those of the server are as old then, since all
    of them are lost together in a crash. A database that was made later is younger.
    """
    return session.rows("""
        SELECT EXTRACT(
            epoch FROM pg_catalog.clock_timestamp() - GREATEST(d.stats_reset, LEAST(b.stats_reset, a.stats_reset))
        )::float8 AS age
        FROM pg_catalog.pg_stat_database AS d CROSS JOIN pg_catalog.pg_stat_bgwriter AS b CROSS JOIN pg_catalog.pg_stat_archiver AS a
        WHERE d.datname = pg_catalog.current_database()
    """)


def read_unused_indexes(session: Session) -> Rows:
    """Indexes that no query has used since they are counted, the largest first. `all_bytes` and `number` are of all of them."""
    return session.rows(f"""
        SELECT {_NAME.format("s", "indexrelname")} AS name, {_NAME.format("s", "relname")} AS of_table, {_BYTES.format("x")} AS bytes,
            (pg_catalog.sum({_BYTES.format("x")}) OVER ())::bigint AS all_bytes, (pg_catalog.count(*) OVER ())::int AS number
        FROM pg_catalog.pg_stat_user_indexes AS s JOIN pg_catalog.pg_index AS i ON i.indexrelid = s.indexrelid
            JOIN pg_catalog.pg_class AS x ON x.oid = s.indexrelid
        WHERE s.idx_scan = 0 AND i.indisvalid AND NOT i.indisunique AND x.relpersistence <> 't' AND NOT {_BOUND}
        ORDER BY x.relpages DESC, s.indexrelid LIMIT {MOST}
    """)


def read_duplicate_indexes(session: Session) -> Rows:
    """Indexes of the same columns in the same way as another one, the largest first; those of expressions and with WHERE aside."""
    same = ", ".join((
        "i.indrelid", "x.relam", "i.indnkeyatts", *(f"i.{name}::text" for name in ("indkey", "indclass", "indcollation", "indoption")),
        "x.reloptions::text",
    ))
    return session.rows(f"""
        SELECT name, of_table, same_as, bytes, (pg_catalog.sum(bytes) OVER ())::bigint AS all_bytes,
            (pg_catalog.count(*) OVER ())::int AS number
        FROM (
            SELECT {_NAME.format("s", "indexrelname")} AS name, {_NAME.format("s", "relname")} AS of_table, {_BYTES.format("x")} AS bytes,
                pg_catalog.first_value({_NAME.format("s", "indexrelname")}) OVER w AS same_as,
                pg_catalog.row_number() OVER w AS place, {_BOUND} AS bound, s.indexrelid AS oid
            FROM pg_catalog.pg_stat_user_indexes AS s JOIN pg_catalog.pg_index AS i ON i.indexrelid = s.indexrelid
                JOIN pg_catalog.pg_class AS x ON x.oid = s.indexrelid
            WHERE i.indisvalid AND i.indexprs IS NULL AND i.indpred IS NULL AND x.relpersistence <> 't'
            WINDOW w AS (PARTITION BY {same} ORDER BY {_BOUND} DESC, i.indisunique DESC, s.idx_scan DESC, s.indexrelid)
        ) AS found WHERE place > 1 AND NOT bound ORDER BY bytes DESC, oid LIMIT {MOST}
    """)


def read_sequential_scans(session: Session) -> Rows:
    """Large tables by how much of them was read from beginning to end since they are counted: `bytes_read`, by the rows that were read."""
    return session.rows(f"""
        SELECT name, scans, index_scans, bytes, bytes * LEAST(scans, rows_read / GREATEST(rows, 1)) AS bytes_read FROM (
            SELECT {_NAME.format("s", "relname")} AS name, s.seq_scan AS scans, COALESCE(s.idx_scan, 0) AS index_scans,
                {_BYTES.format("c")} AS bytes, s.seq_tup_read::float8 AS rows_read, c.reltuples::float8 AS rows
            FROM pg_catalog.pg_stat_user_tables AS s JOIN pg_catalog.pg_class AS c ON c.oid = s.relid
            WHERE s.seq_scan > 0 AND c.relpages >= {LEAST_PAGES} AND c.relpersistence <> 't'
        ) AS large ORDER BY bytes_read DESC LIMIT {MOST}
    """)
