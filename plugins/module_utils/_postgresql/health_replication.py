# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pg_health asks about replication: standbys, being one, slots. Read only; PostgreSQL 13 to 18.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .connection import Session
from .health_queries import MAX_ROWS, Rows

# Where this server's own WAL ends; a standby has what it received, or, restoring from an archive, what it replayed.
_END = """CASE WHEN pg_catalog.pg_is_in_recovery()
    THEN GREATEST(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn()) ELSE pg_catalog.pg_current_wal_lsn() END"""


def read_replicas(session: Session) -> Rows:
    """Who receives WAL from this server. `kind` is standby, logical, or archive for pg_receivewal; lags are None where unknown.

    pg_receivewal flushes a WAL file only when it is full, so it is judged by what it has written.
    """
    return session.rows(f"""
        SELECT r.pid, r.application_name AS name, r.usename::text AS "user", pg_catalog.host(r.client_addr) AS client_address,
            r.state, r.sync_state,
            CASE WHEN s.slot_type = 'logical' THEN 'logical' WHEN r.application_name ILIKE 'pg_receivewal%' THEN 'archive'
                WHEN r.state = 'backup' THEN 'backup' ELSE 'standby' END AS kind,
            s.slot_name::text AS slot, EXTRACT(epoch FROM CASE WHEN r.application_name ILIKE 'pg_receivewal%' THEN r.write_lag
                ELSE COALESCE(r.replay_lag, r.flush_lag, r.write_lag) END)::float8 AS lag_seconds,
            pg_catalog.pg_wal_lsn_diff({_END}, CASE WHEN r.application_name ILIKE 'pg_receivewal%' THEN COALESCE(r.write_lsn, r.sent_lsn)
                ELSE COALESCE(r.replay_lsn, r.flush_lsn, r.write_lsn, r.sent_lsn) END)::bigint AS lag_bytes
        FROM pg_catalog.pg_stat_replication AS r LEFT JOIN pg_catalog.pg_replication_slots AS s ON s.active_pid = r.pid
        ORDER BY 10 DESC NULLS LAST LIMIT {MAX_ROWS}
    """)


def read_standby(session: Session) -> dict[str, t.Any]:
    """This server as a standby: what it received and has not replayed, and whether it is connected.

    The time lag is 0 when all that was received is replayed: on a quiet primary the last transaction's age grows without any lag.
    What only restores from an archive receives nothing, so its lag in bytes is None: nobody says how far the primary is.
    """
    return session.rows("""
        SELECT pg_catalog.pg_wal_lsn_diff(received, replayed)::bigint AS lag_bytes,
            CASE WHEN received IS NULL OR received > replayed
                THEN EXTRACT(epoch FROM pg_catalog.clock_timestamp() - last_replayed)::float8 ELSE 0 END AS lag_seconds,
            pg_catalog.pg_is_wal_replay_paused() AS paused, last_replayed,
            EXISTS (SELECT 1 FROM pg_catalog.pg_stat_wal_receiver) AS receiving
        FROM (SELECT pg_catalog.pg_last_wal_receive_lsn() AS received, pg_catalog.pg_last_wal_replay_lsn() AS replayed,
            pg_catalog.pg_last_xact_replay_timestamp() AS last_replayed) AS position
    """)[0]


def read_slots(session: Session) -> Rows:
    """Replication slots, the WAL each keeps, and how much of it a logical one's consumer has not confirmed.

    `inactive_seconds` and `invalidation_reason` need server 17.
    """
    since17 = session.server_version >= 170000
    inactive = "EXTRACT(epoch FROM pg_catalog.clock_timestamp() - inactive_since)::float8" if since17 else "NULL::float8"
    return session.rows(f"""
        SELECT slot_name::text AS name, slot_type AS type, plugin::text AS plugin, database::text AS database,
            temporary, active, active_pid,
            GREATEST(pg_catalog.pg_wal_lsn_diff({_END}, restart_lsn), 0)::bigint AS retained_bytes,
            GREATEST(pg_catalog.pg_wal_lsn_diff({_END}, confirmed_flush_lsn), 0)::bigint AS unconfirmed_bytes, wal_status, safe_wal_size,
            {inactive} AS inactive_seconds, {"invalidation_reason" if since17 else "NULL::text"} AS invalidation_reason
        FROM pg_catalog.pg_replication_slots ORDER BY 8 DESC NULLS LAST LIMIT {MAX_ROWS}
    """)
