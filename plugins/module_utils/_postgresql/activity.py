# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on the server now: sessions, who waits for whom, prepared transactions, and whether we may see it at all.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .._core.errors import Blind
from .connection import Session
from .decisions.backends import Backend, PreparedTransaction
from .decisions.sight import quoted

__all__ = ["Backend", "PreparedTransaction", "read_activity", "read_prepared", "require_sight"]

_HIDDEN = "<insufficient privilege>"
# Each needs at least this server version; a session in one of them is at work that must not be interrupted.
_PROGRESS_VIEWS: tuple[tuple[str, int], ...] = (
    ("pg_stat_progress_vacuum", 90600), ("pg_stat_progress_cluster", 120000), ("pg_stat_progress_create_index", 120000),
    ("pg_stat_progress_analyze", 130000), ("pg_stat_progress_basebackup", 130000), ("pg_stat_progress_copy", 140000),
    ("pg_stat_progress_repack", 190000),
)


def progress_union(server_version: int) -> str:
    """SQL that gives pid and view of every session in a pg_stat_progress_* view of this server version."""
    return " UNION ALL ".join(
        f"SELECT pid, '{view}'::text AS view FROM pg_catalog.{view}" for view, since in _PROGRESS_VIEWS if server_version >= since
    )


#: What tells one lock from another in pg_locks, whoever holds it or waits for it. `l` is the row.
LOCK_KEY = (
    "pg_catalog.concat_ws('/', l.locktype, l.database, l.relation, l.page, l.tuple, l.virtualxid, l.transactionid, l.classid, l.objid, "
    "l.objsubid)"
)


def activity_sql(server_version: int) -> str:
    """The statement of read_activity(): one snapshot, pg_blocking_pids() only for sessions that wait for a lock.

    That function takes the lock manager exclusively, so calling it for every session makes a bad hour worse. Nor is the queue of locks
    read where nobody waits.
    The parameter %(roles)s is the list of roles whose members are marked. PostgreSQL 13 has no query_id.
    """
    query_id = "a.query_id" if server_version >= 140000 else "NULL::bigint"
    since = "l.waitstart" if server_version >= 140000 else "NULL::timestamptz"
    return f"""
        WITH progress AS (SELECT pid, array_agg(DISTINCT view) AS views FROM ({progress_union(server_version)}) AS p GROUP BY pid),
        slots AS (
            SELECT active_pid AS pid FROM pg_catalog.pg_replication_slots WHERE active_pid IS NOT NULL
            UNION SELECT pid FROM pg_catalog.pg_stat_subscription WHERE pid IS NOT NULL
            UNION SELECT pid FROM pg_catalog.pg_stat_replication
        ),
        clock AS (SELECT pg_catalog.clock_timestamp() AS now),
        queue AS MATERIALIZED (
            SELECT l.pid, l.mode, {LOCK_KEY} AS lock, EXTRACT(epoch FROM pg_catalog.clock_timestamp() - {since})::float8 AS age,
                CASE WHEN l.relation IS NULL THEN l.locktype WHEN d.datname = pg_catalog.current_database() OR l.database = 0
                    THEN l.relation::regclass::text ELSE 'relation ' || l.relation || ' of ' || d.datname END AS object
            FROM pg_catalog.pg_locks AS l LEFT JOIN pg_catalog.pg_database AS d ON d.oid = l.database
            WHERE NOT l.granted
        )
        SELECT a.pid, a.backend_start, a.backend_type, a.usesysid::bigint AS usesysid, a.usename::text AS "user",
            a.datid::bigint AS datid, a.datname::text AS database, COALESCE(a.application_name, '') AS application_name,
            pg_catalog.host(a.client_addr) AS client_addr, a.client_port, a.state, COALESCE(a.query, '') AS query, {query_id} AS query_id,
            a.query_start, a.xact_start, a.state_change, a.wait_event_type, a.wait_event, a.leader_pid,
            EXTRACT(epoch FROM clock.now - a.query_start)::float8 AS query_age,
            EXTRACT(epoch FROM clock.now - a.xact_start)::float8 AS transaction_age,
            EXTRACT(epoch FROM clock.now - a.state_change)::float8 AS state_age,
            EXTRACT(epoch FROM clock.now - a.backend_start)::float8 AS backend_age,
            CASE WHEN a.wait_event_type = 'Lock' THEN pg_catalog.pg_blocking_pids(a.pid) ELSE '{{}}' END AS blocked_by,
            q.mode AS wait_mode, q.object AS wait_object, q.lock AS wait_lock, q.age AS wait_age,
            COALESCE(p.views, '{{}}') AS progress, s.pid IS NOT NULL AS holds_slot, COALESCE(r.rolsuper, false) AS superuser,
            ARRAY(
                SELECT m.rolname::text FROM pg_catalog.pg_roles AS m
                WHERE m.rolname::text = ANY(%(roles)s::text[]) AND NOT r.rolsuper AND pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER')
                   OR m.rolname::text = ANY(%(roles)s::text[]) AND m.oid = r.oid
            ) AS roles,
            (SELECT o.rolsuper FROM pg_catalog.pg_roles AS o WHERE o.rolname = current_user) OR (
                NOT COALESCE(r.rolsuper, true)
                AND (pg_catalog.pg_has_role(r.oid, 'USAGE') OR pg_catalog.pg_has_role('pg_signal_backend', 'USAGE'))
            ) AS may_signal,
            a.query IS DISTINCT FROM '{_HIDDEN}' AS readable
        FROM pg_catalog.pg_stat_activity AS a
        CROSS JOIN clock
        LEFT JOIN progress AS p ON p.pid = a.pid
        LEFT JOIN slots AS s ON s.pid = a.pid
        LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.usesysid
        LEFT JOIN LATERAL (SELECT * FROM queue WHERE a.wait_event_type = 'Lock' AND queue.pid = a.pid LIMIT 1) AS q ON true
        ORDER BY a.backend_start, a.pid
    """


def read_activity(session: Session, *, roles: t.Sequence[str] = ()) -> list[Backend]:
    """Every process of the server, auxiliary ones too.

    Args:
        session: an open session.
        roles: roles whose members get them in Backend.roles (a superuser only when it is that role itself).
    """
    rows = session.rows(activity_sql(session.server_version), {"roles": list(roles)})
    lists = ("blocked_by", "progress", "roles")
    return [Backend(**{**row, **{name: tuple(row[name] or ()) for name in lists}}) for row in rows]


def read_prepared(session: Session) -> list[PreparedTransaction]:
    """Prepared transactions and whom they block, oldest first.

    A prepared transaction's locks have no pid; they share the virtual transaction of the lock on its transaction id. Those that a
    subscription with two_phase (server 15) has made are named after it: TwoPhaseTransactionGid() of the server's source.
    """
    subscription = """(
        SELECT s.subname::text FROM pg_catalog.pg_subscription AS s WHERE x.gid ~ ('^pg_gid_' || s.oid::text || '_[0-9]+$') LIMIT 1
    )""" if session.server_version >= 150000 else "NULL"
    rows = session.rows(f"""
        SELECT x.gid, x.transaction::text AS transaction, x.prepared, x.owner::text AS owner, x.database::text AS database,
            EXTRACT(epoch FROM pg_catalog.clock_timestamp() - x.prepared)::float8 AS age,
            COALESCE({subscription}, '') AS subscription,
            ARRAY(
                SELECT DISTINCT w.pid FROM pg_catalog.pg_locks AS own
                JOIN pg_catalog.pg_locks AS h ON h.pid IS NULL AND h.granted AND h.virtualtransaction = own.virtualtransaction
                JOIN pg_catalog.pg_locks AS w ON w.locktype = h.locktype
                    AND w.database IS NOT DISTINCT FROM h.database AND w.relation IS NOT DISTINCT FROM h.relation
                    AND w.page IS NOT DISTINCT FROM h.page AND w.tuple IS NOT DISTINCT FROM h.tuple
                    AND w.transactionid IS NOT DISTINCT FROM h.transactionid AND w.classid IS NOT DISTINCT FROM h.classid
                    AND w.objid IS NOT DISTINCT FROM h.objid AND w.objsubid IS NOT DISTINCT FROM h.objsubid
                WHERE own.locktype = 'transactionid' AND own.pid IS NULL AND own.transactionid = x.transaction AND NOT w.granted
                    AND w.pid IN (SELECT pid FROM pg_catalog.pg_stat_activity WHERE wait_event_type = 'Lock')
                    AND 0 = ANY(pg_catalog.pg_blocking_pids(w.pid))
                ORDER BY w.pid
            ) AS blocks
        FROM pg_catalog.pg_prepared_xacts AS x ORDER BY x.prepared, x.gid
    """)
    return [PreparedTransaction(**{**row, "blocks": tuple(row["blocks"] or ())}) for row in rows]


def require_sight(session: Session) -> None:
    """Make sure that other users' sessions are visible to us.

    PostgreSQL shows their rows without contents to others, so a naive query finds nothing exactly when everything hangs.

    Raises:
        Blind: our role has no use of pg_read_all_stats.
    """
    if session.value("SELECT pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')"):
        return
    grant = f"GRANT pg_read_all_stats TO {quoted(session.user)};"
    raise Blind(
        f"The role {session.user} may not see other users' sessions on {session.login.describe()}, so nothing can be judged.",
        hint=f"Run as a superuser: {grant} (pg_monitor includes it).", role=session.user, grant=grant,
    )
