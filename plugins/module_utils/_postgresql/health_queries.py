# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pg_health asks the server beside sessions, replication and statements. Read only; PostgreSQL 13 to 18.

Every answer is bounded: what can be long is ordered by how bad it is and cut.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .connection import Session
from .decisions.settings import TIMEOUTS, parse_setting

Rows = list[dict[str, t.Any]]

MAX_LOCKS = 500
MAX_ROWS = 50
MAX_TABLES = 20

_SETTINGS = (
    *TIMEOUTS, "max_connections", "superuser_reserved_connections", "reserved_connections", "idle_session_timeout", "lock_timeout",
    "deadlock_timeout", "max_prepared_transactions", "max_wal_senders", "max_replication_slots", "max_slot_wal_keep_size",
    "synchronous_standby_names", "synchronous_commit", "archive_mode",
    "archive_command", "archive_library", "autovacuum", "autovacuum_max_workers", "shared_preload_libraries",
    "track_activity_query_size", "wal_level", "primary_conninfo", "hot_standby_feedback",
    "data_directory", "log_directory", "logging_collector",
)
#: Told as whether they are set.
_SECRET_SETTINGS = ("primary_conninfo", "archive_command")
#: What read_server() says about track_counts: whether it is on, and for which roles and databases it is off.
COUNTING = ("counting", "uncounted")


def off_for(*settings: str, here: bool = False) -> str:
    """SQL for the roles and databases for which one of the settings is off or none, as an array of texts: `role app`.

    Args:
        here: of databases only the one that we are in.
    """
    ours = "SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()"
    only = f"AND s.setdatabase IN (0, ({ours}))" if here else ""
    return f"""ARRAY(
        SELECT DISTINCT pg_catalog.concat_ws(' in ', 'role ' || r.rolname::text, 'database ' || d.datname::text)
        FROM pg_catalog.pg_db_role_setting AS s CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS c(line)
            LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
        WHERE pg_catalog.split_part(c.line, '=', 1) IN ({", ".join(f"'{name}'" for name in settings)}) {only}
            AND pg_catalog.lower(pg_catalog.split_part(c.line, '=', 2)) IN ('off', 'false', 'no', '0', 'f', 'n', 'none')
        ORDER BY 1 LIMIT {MAX_ROWS}
    )"""


def read_server(session: Session) -> dict[str, t.Any]:
    """Version, start and role of the server, and what COUNTING names."""
    counts = "pg_catalog.current_setting('track_counts')::boolean AS counting"
    row = session.rows(f"""
        SELECT pg_catalog.current_setting('server_version') AS version, pg_catalog.pg_postmaster_start_time() AS started,
            EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_postmaster_start_time())::float8 AS uptime,
            pg_catalog.pg_is_in_recovery() AS in_recovery, {counts}, {off_for("track_counts", here=True)} AS uncounted
    """)[0]
    ours = {"resource": session.resource, "user": session.user, "database": session.database}
    return {**row, "version_number": session.server_version, **ours}


def read_settings(session: Session) -> dict[str, str]:
    """The server's settings by name, as a new session of our role gets them: our own SETs do not show.

    A setting that this server does not have, or that our role may not read, is missing. Connection strings and
    commands are reduced to whether they are set.
    """
    rows = session.rows(
        "SELECT name, reset_val AS value, unit FROM pg_catalog.pg_settings WHERE name = ANY(%(names)s::text[])", {"names": list(_SETTINGS)},
    )
    found = {row["name"]: (row["value"] or "") + (row["unit"] if row["unit"] and row["value"] not in ("0", "-1") else "") for row in rows}
    return {name: ("set" if value else "") if name in _SECRET_SETTINGS else value for name, value in found.items()}


def read_overrides(session: Session, *, names: t.Sequence[str] = TIMEOUTS) -> dict[str, Rows]:
    """Settings made for a role or a database (ALTER ROLE, ALTER DATABASE), by name, in seconds."""
    rows = session.rows("""
        SELECT r.rolname::text AS role, d.datname::text AS database, pg_catalog.split_part(c.line, '=', 1) AS name,
            pg_catalog.substr(c.line, pg_catalog.strpos(c.line, '=') + 1) AS value
        FROM pg_catalog.pg_db_role_setting AS s CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS c(line)
            LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
        WHERE pg_catalog.split_part(c.line, '=', 1) = ANY(%(names)s::text[])
        ORDER BY 3, 1, 2
        LIMIT 200
    """, {"names": list(names)})
    found: dict[str, Rows] = {name: [] for name in names}
    for row in rows:
        found[row["name"]].append({"role": row["role"], "database": row["database"], "seconds": parse_setting(row["value"])})
    return found


def read_connection_limits(session: Session) -> Rows:
    """Roles and databases with a connection limit of their own: kind, name, allowed. Superusers are not bound by theirs."""
    return session.rows("""
        SELECT 'role' AS kind, rolname::text AS name, rolconnlimit AS allowed FROM pg_catalog.pg_roles
            WHERE rolconnlimit >= 0 AND rolcanlogin AND NOT rolsuper
        UNION ALL SELECT 'database', datname::text, datconnlimit FROM pg_catalog.pg_database WHERE datconnlimit >= 0 AND datallowconn
    """)


def read_ungranted(session: Session) -> Rows:
    """Lock requests that are not granted, the longest waiting first. `wait` is exact from server 14 on; before, the statement's age."""
    since = "COALESCE(l.waitstart, a.query_start)" if session.server_version >= 140000 else "a.query_start"
    return session.rows(f"""
        SELECT l.pid, l.locktype, l.mode, d.datname::text AS database,
            CASE WHEN d.datname = pg_catalog.current_database() THEN l.relation::regclass::text END AS relation,
            EXTRACT(epoch FROM pg_catalog.clock_timestamp() - {since})::float8 AS wait,
            (pg_catalog.count(*) OVER ())::int AS total
        FROM pg_catalog.pg_locks AS l LEFT JOIN pg_catalog.pg_database AS d ON d.oid = l.database
            LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
        WHERE NOT l.granted ORDER BY {since} NULLS LAST, l.pid LIMIT {MAX_LOCKS}
    """)


def read_wraparound(session: Session) -> Rows:
    """Age in transactions of the oldest row each database may hold."""
    return session.rows(f"""
        SELECT datname::text AS name, pg_catalog.age(datfrozenxid) AS xid_age, pg_catalog.mxid_age(datminmxid) AS multixact_age
        FROM pg_catalog.pg_database ORDER BY GREATEST(pg_catalog.age(datfrozenxid), pg_catalog.mxid_age(datminmxid)) DESC LIMIT {MAX_ROWS}
    """)


def read_holders(session: Session) -> Rows:
    """What keeps old rows from being removed, the oldest first: kind, name, xmin_age in transactions."""
    return session.rows("""
        SELECT kind, name, xmin_age FROM (
            SELECT 'session' AS kind, 'pid ' || pid || ' (' || COALESCE(usename, '') || ')' AS name,
                GREATEST(pg_catalog.age(backend_xmin), pg_catalog.age(backend_xid)) AS xmin_age
                FROM pg_catalog.pg_stat_activity WHERE pid <> pg_catalog.pg_backend_pid() AND backend_type <> 'walsender'
            UNION ALL SELECT 'standby', application_name, pg_catalog.age(backend_xmin) FROM pg_catalog.pg_stat_replication
            UNION ALL SELECT 'slot', slot_name::text, GREATEST(pg_catalog.age(xmin), pg_catalog.age(catalog_xmin))
                FROM pg_catalog.pg_replication_slots
            UNION ALL SELECT 'prepared transaction', gid, pg_catalog.age(transaction) FROM pg_catalog.pg_prepared_xacts
        ) AS held WHERE xmin_age IS NOT NULL ORDER BY xmin_age DESC LIMIT 5
    """)


def autovacuum_due(session: Session, what: str) -> str:
    """SQL for how many rows of table `c` make autovacuum start. The table's own settings count.

    Args:
        what: `vacuum` for dead rows, `analyze` for changed ones.
    """
    own = f"(SELECT option_value FROM pg_catalog.pg_options_to_table(c.reloptions) WHERE option_name = 'autovacuum_{what}_{{}}')"
    least, share = (
        f"COALESCE({own.format(name)}, pg_catalog.current_setting('autovacuum_{what}_{name}'))::float8"
        for name in ("threshold", "scale_factor")
    )
    due = f"{least} + {share} * GREATEST(c.reltuples, 0)"
    if what == "vacuum" and session.server_version >= 180000:
        due = f"LEAST({due}, NULLIF(pg_catalog.current_setting('autovacuum_vacuum_max_threshold')::float8, -1))"
    return due


def read_tables(session: Session) -> Rows:
    """Tables of this database with most dead rows against what makes autovacuum start. Tables' own settings count."""
    enabled = "(SELECT option_value FROM pg_catalog.pg_options_to_table(c.reloptions) WHERE option_name = 'autovacuum_enabled')"
    return session.rows(f"""
        SELECT name, dead_rows, live_rows, due, enabled, last_vacuum, last_autovacuum, last_autoanalyze, bytes FROM (
            SELECT pg_catalog.quote_ident(s.schemaname) || '.' || pg_catalog.quote_ident(s.relname) AS name,
                s.n_dead_tup AS dead_rows, s.n_live_tup AS live_rows, {autovacuum_due(session, "vacuum")} AS due,
                COALESCE({enabled}::boolean, current_setting('autovacuum')::boolean) AS enabled,
                s.last_vacuum, s.last_autovacuum, s.last_autoanalyze, c.relpages::bigint * current_setting('block_size')::bigint AS bytes
            FROM pg_catalog.pg_stat_user_tables AS s JOIN pg_catalog.pg_class AS c ON c.oid = s.relid
            WHERE s.n_dead_tup > 0
        ) AS candidates ORDER BY dead_rows / GREATEST(due, 1) DESC, dead_rows DESC LIMIT {MAX_TABLES}
    """)


def read_vacuums(session: Session) -> Rows:
    """Vacuums at work now, autovacuum's too. `indexes_total` and `indexes_processed` need server 17."""
    since17 = session.server_version >= 170000
    indexes = ", ".join(f"p.{name}" if since17 else f"NULL::bigint AS {name}" for name in ("indexes_total", "indexes_processed"))
    return session.rows(f"""
        SELECT p.pid, p.datname::text AS database,
            CASE WHEN p.datname = pg_catalog.current_database() THEN p.relid::regclass::text END AS relation,
            p.phase, p.heap_blks_total, p.heap_blks_scanned, p.index_vacuum_count, {indexes}, a.backend_type,
            a.query LIKE '%%(to prevent wraparound)%%' AS to_prevent_wraparound,
            EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8 AS age
        FROM pg_catalog.pg_stat_progress_vacuum AS p LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = p.pid
        ORDER BY a.xact_start NULLS LAST LIMIT %(limit)s
    """, {"limit": MAX_ROWS})


def read_base_backups(session: Session) -> Rows:
    """Base backups being taken over the replication protocol."""
    return session.rows(f"""
        SELECT p.pid, p.phase, p.backup_total, p.backup_streamed, a.application_name, a.usename::text AS "user",
            EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.query_start)::float8 AS age
        FROM pg_catalog.pg_stat_progress_basebackup AS p LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = p.pid LIMIT {MAX_ROWS}
    """)


def read_exclusive_backup(session: Session) -> bool:
    """Whether an exclusive backup was begun and not ended; the kind was removed with server 15."""
    if session.server_version >= 150000 or session.in_recovery:
        return False
    return bool(session.value("SELECT pg_catalog.pg_is_in_backup()"))


def read_archiver(session: Session) -> dict[str, t.Any]:
    """How WAL archiving does."""
    return session.rows("""
        SELECT archived_count AS archived, failed_count AS failed, last_failed_wal,
            EXTRACT(epoch FROM pg_catalog.clock_timestamp() - last_archived_time)::float8 AS last_archived_ago,
            EXTRACT(epoch FROM pg_catalog.clock_timestamp() - last_failed_time)::float8 AS last_failed_ago
        FROM pg_catalog.pg_stat_archiver
    """)[0]


def read_sizes(session: Session) -> Rows:
    """Sizes of the databases; None, and first, for one our role may neither connect to nor read statistics of."""
    return session.rows(f"""
        SELECT datname::text AS name, CASE
            WHEN pg_catalog.has_database_privilege(oid, 'CONNECT') OR pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
            THEN pg_catalog.pg_database_size(oid) END AS bytes
        FROM pg_catalog.pg_database WHERE datconnlimit <> -2 ORDER BY 2 DESC NULLS FIRST LIMIT {MAX_ROWS}
    """)


def read_volatile(session: Session) -> dict[str, int]:
    """How many temporary and unlogged tables this database has: `temporary` and `unlogged`."""
    return session.rows("""
        SELECT (pg_catalog.count(*) FILTER (WHERE relpersistence = 't'))::int AS temporary,
            (pg_catalog.count(*) FILTER (WHERE relpersistence = 'u'))::int AS unlogged
        FROM pg_catalog.pg_class WHERE relkind = 'r' AND relpersistence IN ('t', 'u')
    """)[0]


def read_replayed(session: Session) -> dict[str, int]:
    """Bytes of WAL since the last checkpoint, or on a standby the last restartpoint: `replayed`."""
    return session.rows("""
        SELECT GREATEST(pg_catalog.pg_wal_lsn_diff(CASE WHEN pg_catalog.pg_is_in_recovery()
            THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END, redo_lsn), 0)::bigint AS replayed
        FROM pg_catalog.pg_control_checkpoint()
    """)[0]
