# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pg_health against real servers: conditions that were really made, each found and named."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from demo import faults
from demo.faults import Held
from demo.postgres import Server
from tests.integration.pg.health_support import ALL_CHECKS, YOUNG, findings, look, make_role, only

AT_ONCE = {"blocking_warning": "0s", "blocking_critical": "1ms"}


@contextlib.contextmanager
def chain(server: Server, **more: object) -> Iterator[list[Held]]:
    held = faults.lock_chain(server, **more)  # type: ignore[arg-type]
    try:
        yield held
    finally:
        faults.close_all(held)


def test_a_healthy_server_is_judged_by_every_check(server: Server) -> None:
    found = look(server, probe_query="SELECT 1")
    # The wheel of 16 has no pg_stat_statements.
    absent = YOUNG | ({"statements"} if server.major == 16 else set())
    assert set(found["checks"]) == {*ALL_CHECKS, "probe"} - absent
    assert {one["check"] for one in found["skipped_checks"] if one["kind"] == "not_applicable"} == absent
    assert set(found["asked"]) == {*ALL_CHECKS, "probe"} and found["healthy"] is False
    not_ok = {check: status for check, status in found["checks"].items() if status != "ok"}
    # A server as it comes has no timeouts.
    assert not_ok == {"timeouts": "warning"}
    assert found["status"] == "warning" and found["reachable"] is True
    assert found["server"]["version_number"] // 10000 == server.major
    assert len(json.dumps(found)) < 32 * 1024


def test_check_mode_is_the_same(server18: Server) -> None:
    real, checked = look(server18), look(server18, check=True)
    assert real["checks"] == checked["checks"] and set(real) == set(checked)


def test_it_writes_nothing(server: Server) -> None:
    """No transaction id is assigned while it looks, and it works for a role that may not write at all."""
    role = make_role(server, "reads_only", grants="pg_monitor")
    server.execute("ALTER ROLE reads_only SET default_transaction_read_only = on")
    counters = "SELECT sum(tup_inserted), sum(tup_updated), sum(tup_deleted) FROM pg_stat_database"
    before = server.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())"), server.execute(counters)
    found = look(server, login_user=role, probe_query="SELECT 1")
    assert not found.get("failed") and found["checks"]["probe"] == "ok"
    assert (server.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())"), server.execute(counters)) == before


def test_pg_monitor_is_enough_for_everything(server: Server) -> None:
    found = look(server, login_user=make_role(server, "monitor", grants="pg_monitor"), probe_query="SELECT 1")
    absent = YOUNG | ({"statements"} if server.major == 16 else set())
    assert {one["check"] for one in found["skipped_checks"]} == absent
    assert found["checks"].keys() == {*ALL_CHECKS, "probe"} - absent


def test_a_blind_role_fails_and_is_told_the_grant(server: Server) -> None:
    role = make_role(server, "blind")
    with faults.runaway_query(server):
        found = look(server, login_user=role)
    assert found["failed"] and found["error"] == "blind"
    assert "pg_read_all_stats" in found["grant"] and '"blind"' in found["grant"]


@pytest.mark.parametrize("check", ["connections", "replication", "ungranted_locks", "wraparound", "vacuum", "backups", "statements"])
def test_no_check_takes_blindness_for_health(server18: Server, check: str) -> None:
    assert look(server18, login_user=make_role(server18, "blind"), checks=[check])["error"] == "blind"


def test_a_blind_role_may_probe(server18: Server) -> None:
    found = look(server18, login_user=make_role(server18, "blind"), checks=["availability", "probe"], probe_query="SELECT 1")
    assert found["status"] == "ok" and set(found["checks"]) == {"availability", "probe"}


def test_three_deep_chain_has_one_root(server: Server) -> None:
    with chain(server) as held:
        found = look(server, **AT_ONCE)
    blocking = found["blocking"]
    assert (blocking["waiters"], len(blocking["roots"])) == (3, 1)
    root = blocking["roots"][0]
    assert (root["pid"], root["blocks"], root["user"], root["state"]) == (held[0].pid, 3, "app", "idle in transaction")
    pids, below = [], root["tree"]
    while below:
        assert len(below) == 1
        pids.append(below[0]["pid"])
        below = below[0]["waiters"]
    assert pids == [one.pid for one in held[1:]]
    finding = only(found, "blocking")
    assert finding["status"] == "critical" and finding["detail"]["worst"][0]["pid"] == held[0].pid
    # Waiters are judged there and not as long queries.
    assert only(found, "long_queries")["detail"] == {"count": 0, "over_threshold": 0, "sessions": [], "waiting_for_a_lock": 3}
    assert only(found, "ungranted_locks")["observed"] == 3
    assert {row["pid"] for row in found["ungranted_locks"]} == {one.pid for one in held[1:]}
    assert [line["pid"] for line in found["activity"]["sessions"]][:3] == [one.pid for one in held[:3]]


def test_a_table_lock_names_the_table(server18: Server) -> None:
    with faults.idle_in_transaction(server18, row=3), faults.session(server18, user="postgres") as waiter:
        waiter.send("BEGIN; LOCK TABLE incident_orders IN ACCESS EXCLUSIVE MODE")
        faults.await_sql(server18, "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", (waiter.pid,))
        found = look(server18, checks=["ungranted_locks"])
    assert found["ungranted_locks"][0]["relation"].endswith("incident_orders")
    assert found["ungranted_locks"][0]["mode"] == "AccessExclusiveLock"


def test_idle_in_transaction(server: Server) -> None:
    with faults.idle_in_transaction(server, row=5, application="forgetful") as held:
        found = look(server, idle_in_transaction_warning="0s", idle_in_transaction_critical="1ms", long_transactions_warning="1ms")
    finding = only(found, "idle_in_transaction")
    assert finding["status"] == "critical" and finding["threshold"] == 0.001
    worst = finding["detail"]["sessions"][0]
    assert (worst["pid"], worst["application_name"], worst["user"], worst["database"]) == (held.pid, "forgetful", "app", "postgres")
    assert "UPDATE incident_orders" in worst["query"]
    assert only(found, "long_transactions")["status"] == "warning"


def test_long_query_and_a_dump_beside_it(server18: Server) -> None:
    with faults.pg_dump(server18) as dump, faults.runaway_query(server18) as runaway:
        found = look(
            server18, long_queries_warning="0s", long_queries_critical="0s", long_transactions_critical="0s", long_transactions_warning="0s"
        )
        assert dump.alive()
    finding = only(found, "long_queries")
    assert finding["status"] == "critical"
    assert [one["pid"] for one in finding["detail"]["sessions"]] == [runaway.pid]
    assert [(one["pid"], one["protected"][:2]) for one in finding["detail"]["protected"]] == [(dump.pid, ["superuser", "backup_tool"])]
    assert [row["pid"] for row in found["backups"]["running"]] == [dump.pid]


def test_a_dump_alone_makes_nothing_critical(server18: Server) -> None:
    with faults.pg_dump(server18):
        found = look(
            server18,
            long_queries_critical="1ms",
            long_queries_warning="0s",
            long_transactions_critical="1ms",
            long_transactions_warning="1ms",
        )
    assert only(found, "long_queries")["observed"] == 0 and only(found, "long_transactions")["status"] == "ok"


def test_a_superusers_session_harms_like_any_other_unless_spared(server18: Server) -> None:
    limits = {"idle_in_transaction_warning": "1ms", "idle_in_transaction_critical": "1ms", "checks": ["idle_in_transaction"]}
    with faults.superuser_session(server18):
        assert look(server18, **limits)["status"] == "critical"
        spared = look(server18, spare_users=["postgres"], **limits)
    # 1 ms and nobody: nothing is as old as that
    assert spared["status"] == "ok" and only(spared, "idle_in_transaction")["detail"]["protected"][0]["user"] == "postgres"


def test_a_prepared_transaction_at_the_root(server: Server) -> None:
    gid = faults.prepared_transaction(server, row=41)
    try:
        with faults.idle_in_transaction(server, row=42) as waiter:
            waiter.send("UPDATE incident_orders SET note = 'waits' WHERE id = 41")
            faults.await_sql(server, "SELECT 0 = ANY (pg_blocking_pids(%s))", (waiter.pid,), what="the waiter to wait")
            found = look(server, prepared_transactions_warning="0s", prepared_transactions_critical="1ms", **AT_ONCE)
    finally:
        server.execute(f"ROLLBACK PREPARED '{gid}'")
    prepared = only(found, "prepared_transactions")
    assert prepared["status"] == "critical" and gid in prepared["hint"]
    assert found["prepared_transactions"][0]["owner"] == "app" and found["prepared_transactions"][0]["blocks"] == [waiter.pid]
    root = found["blocking"]["roots"][0]
    assert (root["pid"], root["gid"], root["blocks"], root["protected"]) == (0, gid, 1, ["prepared_transaction"])


def test_a_logical_slot_that_a_prepared_transaction_holds_back(server18: Server) -> None:
    """Its consumer is up to date: to look at that one, or to drop the slot, would be the wrong thing at the wrong time."""
    limits = {"replication_slots_warning": "256K", "replication_slots_critical": "1G"}
    with faults.pg_recvlogical(server18, slot="held_back"):
        gid = faults.prepared_transaction(server18, row=42, name="held-back")
        try:
            server18.execute("CREATE TABLE IF NOT EXISTS wal_maker AS SELECT generate_series(1, 5000) AS n")
            server18.execute("INSERT INTO wal_maker SELECT generate_series(1, 20000)")
            # The consumer says every ten seconds how far it is.
            caught_up = "SELECT confirmed_flush_lsn > restart_lsn + 1000000 FROM pg_replication_slots WHERE slot_name = 'held_back'"
            faults.await_sql(server18, caught_up, what="the consumer to confirm", timeout=60)
            finding = only(look(server18, checks=["replication_slots"], **limits), "replication_slots", subject="held_back")
        finally:
            server18.execute(f"ROLLBACK PREPARED '{gid}'")
    assert finding["status"] == "warning" and finding["detail"]["unconfirmed_bytes"] < 256 * 1024 < finding["observed"]
    assert "is still open holds it back" in finding["hint"]


def test_an_inactive_slot_and_the_wal_it_keeps(server: Server) -> None:
    server.execute("SELECT pg_create_physical_replication_slot('left_behind', true)")
    try:
        server.execute("DROP TABLE IF EXISTS wal_maker; CREATE TABLE wal_maker AS SELECT generate_series(1, 5000) AS n")
        found = look(server, checks=["replication_slots"])
        strict = look(server, checks=["replication_slots"], replication_slots_warning="1K", replication_slots_critical="2K")
    finally:
        server.execute("SELECT pg_drop_replication_slot('left_behind')")
    finding = only(found, "replication_slots", subject="left_behind")
    assert finding["status"] == "warning" and finding["observed"] > 2048 and "pg_drop_replication_slot('left_behind')" in finding["hint"]
    assert ("inactive_seconds" in finding["detail"]) == (server.major >= 17)
    assert only(strict, "replication_slots")["status"] == "critical"
    assert found["replication_slots"][0]["active"] is False


def test_walsenders_and_base_backups_are_told(server18: Server) -> None:
    with faults.pg_receivewal(server18) as receiver, faults.pg_basebackup(server18) as backup:
        faults.await_sql(
            server18, "SELECT count(*) = 2 FROM pg_stat_replication WHERE state IN ('streaming', 'backup')", what="both walsenders"
        )
        faults.await_sql(server18, "SELECT count(*) = 1 FROM pg_stat_progress_basebackup", what="the backup")
        found = look(server18, checks=["replication", "backups", "long_queries"], long_queries_warning="0s")
    assert {(row["pid"], row["kind"]) for row in found["replication"]["replicas"]} == {(receiver.pid, "archive"), (backup.pid, "backup")}
    assert [row["kind"] for row in found["backups"]["running"]] == ["base backup"]
    assert found["checks"]["long_queries"] == "ok"
    assert [one["subject"] for one in findings(found, "replication")] == ["pg_receivewal"]


def test_missing_standbys_are_critical_when_expected(server18: Server) -> None:
    assert only(look(server18, checks=["replication"]), "replication")["status"] == "ok"
    found = only(look(server18, checks=["replication"], standbys_expected=1), "replication")
    assert (found["status"], found["observed"], found["threshold"]) == ("critical", 0, 1)


def test_wraparound_by_argument(server: Server) -> None:
    with faults.idle_in_transaction(server, row=6) as holder:
        found = look(server, checks=["wraparound"], wraparound_warning=1, wraparound_critical=10)
    finding = only(found, "wraparound")
    assert finding["status"] == "critical" and finding["observed"] > 10 and finding["unit"] == "transactions"
    assert any(f"pid {holder.pid} " in row["name"] for row in found["wraparound"]["held_back_by"])


def test_the_table_most_in_need_of_vacuum(server: Server) -> None:
    with server.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS neglected")
        connection.execute("CREATE TABLE neglected (n int) WITH (autovacuum_enabled = false, autovacuum_vacuum_threshold = 10)")
        connection.execute("INSERT INTO neglected SELECT generate_series(1, 2000)")
        connection.execute("DELETE FROM neglected")
    faults.await_sql(server, "SELECT n_dead_tup >= 2000 FROM pg_stat_user_tables WHERE relname = 'neglected'", what="the statistics")
    try:
        found = look(server, checks=["vacuum"], vacuum_min_dead_rows=1000)
        assert only(look(server, checks=["vacuum"]), "vacuum")["status"] == "ok"
    finally:
        server.execute("DROP TABLE neglected")
    finding = only(found, "vacuum")
    assert (finding["status"], finding["subject"], finding["detail"]["tables"][0]["due"]) == ("warning", "public.neglected", 10)
    assert "switched off" in finding["hint"] and found["vacuum"]["tables"][0]["enabled"] is False


def test_statements(server18: Server) -> None:
    for _unused in range(6):
        server18.execute("SELECT pg_sleep(0.02)")
    finding = only(look(server18, checks=["statements"], statements_warning="1ms"), "statements")
    assert finding["status"] == "warning" and finding["observed"] > 0.001
    assert finding["detail"]["slowest"]["calls"] >= 5 and finding["detail"]["slowest"]["query"]


def test_statements_absent_from_the_database(server18: Server) -> None:
    server18.execute("DROP DATABASE IF EXISTS bare")
    server18.execute("CREATE DATABASE bare TEMPLATE template0")
    found = look(server18, login_db="bare", checks=["statements", "vacuum"])
    [skipped] = found["skipped_checks"]
    assert skipped["check"] == "statements" and skipped["reason"].startswith("not_installed") and "CREATE EXTENSION" in skipped["hint"]
    assert found["checks"] == {"vacuum": "ok"} and (skipped["kind"], found["healthy"]) == ("not_applicable", True)
    alone = look(server18, login_db="bare", checks=["statements"])
    assert (alone["status"], alone["healthy"], alone["checks"]) == ("unknown", None, {})
    assert found["vacuum"]["database"] == "bare"


def test_statements_of_an_extension_left_old(server18: Server) -> None:
    """pg_upgrade keeps the extension's version: before 1.8 the columns had other names."""
    server18.execute("DROP DATABASE IF EXISTS upgraded")
    server18.execute("CREATE DATABASE upgraded TEMPLATE template0")
    server18.execute("CREATE SCHEMA ext", dbname="upgraded")
    server18.execute("CREATE EXTENSION pg_stat_statements SCHEMA ext VERSION '1.7'", dbname="upgraded")
    found = look(server18, login_db="upgraded", checks=["statements"])
    assert found["skipped_checks"] == [] and found["statements"][0]["total_seconds"] > 0


def test_timeouts_are_the_servers_not_ours(server: Server) -> None:
    found = look(server, checks=["timeouts"])
    by_name = {one["subject"]: one for one in findings(found, "timeouts")}
    assert set(by_name) == {"statement_timeout", "idle_in_transaction_session_timeout"} | (
        {"transaction_timeout"} if server.major >= 17 else set()
    )
    assert by_name["statement_timeout"]["observed"] == 0 and by_name["statement_timeout"]["status"] == "warning"
    assert "ALTER SYSTEM" in by_name["idle_in_transaction_session_timeout"]["hint"]


def test_a_timeout_for_the_application_answers(server18: Server) -> None:
    make_role(server18, "bounded_app")
    server18.execute("ALTER ROLE bounded_app SET statement_timeout = '30s'")
    server18.execute("ALTER SYSTEM SET idle_in_transaction_session_timeout = '1min'")
    server18.execute("SELECT pg_reload_conf()")
    try:
        reloaded = "SELECT reset_val = '60000' FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'"
        with server18.connect() as observer:
            observer.execute(reloaded)
        faults.await_sql(server18, reloaded, what="the new settings")
        found = look(server18, checks=["timeouts"])
        own = look(server18, checks=["timeouts"], login_user="bounded_app")
    finally:
        server18.execute("ALTER SYSTEM RESET idle_in_transaction_session_timeout")
        server18.execute("ALTER ROLE bounded_app RESET statement_timeout")
        server18.execute("SELECT pg_reload_conf()")
    assert found["status"] == "ok"
    override = only(found, "timeouts", subject="statement_timeout")["detail"]["overrides"]
    assert override == [{"role": "bounded_app", "database": None, "seconds": 30.0}]
    assert only(found, "timeouts", subject="idle_in_transaction_session_timeout")["observed"] == 60.0
    # Through its own setting a role can't see the server's value: that is said, and not taken for it.
    assert only(own, "timeouts", subject="statement_timeout")["status"] == "unknown"


def test_sizes(server: Server) -> None:
    found = look(server, checks=["database_size"], database_size_warning="1M")
    assert only(found, "database_size")["status"] == "warning"
    assert {"postgres", "template1"} <= {row["name"] for row in found["databases"]}


@pytest.mark.parametrize(
    ("query", "expect", "status", "observed"),
    [
        ("SELECT count(*) > 0 FROM pg_class;", "t", "ok", None),
        ("SELECT 41", "42", "critical", "41"),
        ("SELECT 1", "1", "ok", None),
        ("SELECT 1 WHERE false", "1", "critical", ""),
        ("SELECT * FROM no_such_table", None, "critical", "failed"),
        ("SELECT pg_sleep(30)", None, "critical", "failed"),
        ("SELECT nextval('probe_numbers')", None, "critical", "failed"),
        ("INSERT INTO probe_table VALUES (1) RETURNING n", None, "critical", "failed"),
        ("SELECT 1; COMMIT; INSERT INTO probe_table VALUES (1)", None, "critical", "failed"),
        ("SELECT n FROM probe_table", None, "ok", None),
        ("SELECT a.relname FROM pg_class a, pg_class b, pg_class c, pg_class d", None, "ok", None),
    ],
)
def test_probe(server18: Server, query: str, expect: str | None, status: str, observed: object) -> None:
    server18.execute("CREATE SEQUENCE IF NOT EXISTS probe_numbers")
    server18.execute("CREATE TABLE IF NOT EXISTS probe_table (n int)")
    # It may write what it likes, as the application does; the connection does not let it.
    prober = make_role(server18, "prober")
    server18.execute(f"GRANT ALL ON probe_numbers, probe_table TO {prober}")
    asked = {"probe_query": query, "probe_timeout": "1s", "probe_login_user": prober, **({"probe_expect": expect} if expect else {})}
    found = look(server18, checks=["probe"], **asked)
    finding = only(found, "probe")
    assert finding["status"] == status, finding
    assert observed is None or finding["observed"] == observed
    assert server18.execute("SELECT count(*) FROM probe_table") == [(0,)]


def test_who_probes_is_known_on_every_version(server: Server) -> None:
    asked = {"checks": ["probe"], "probe_query": "SELECT current_user::text"}
    small, strong = make_role(server, "prober"), make_role(server, "strong_prober", grants="pg_signal_backend")
    reader = make_role(server, "reading_prober", grants="pg_read_server_files")
    assert look(server, **asked, probe_login_user=small, probe_expect=small)["status"] == "ok"
    assert [bool(one["hint"]) for one in look(server, **asked, login_user=strong)["findings"]] == [False, True]
    assert {only(look(server, **asked, login_user=user), "probe")["observed"] for user in ("postgres", reader)} == {"refused"}


def test_probe_needs_a_query(server18: Server) -> None:
    found = look(server18, checks=["probe"])
    assert found["failed"] and found["error"] == "bad_input" and found["argument"] == "probe_query"


@pytest.mark.parametrize(
    ("fail_on", "limit", "failed"),
    [
        ("never", "0s", False),
        ("critical", "0s", True),
        ("critical", "1h", False),
        ("warning", "1h", True),
    ],
)
def test_fail_on(server18: Server, fail_on: str, limit: str, failed: bool) -> None:
    with faults.runaway_query(server18):
        found = look(server18, checks=["long_queries"], fail_on=fail_on, long_queries_warning="0s", long_queries_critical=limit)
    assert found.get("failed", False) is failed
    assert found["checks"]["long_queries"] in ("critical", "warning")
    if failed:
        assert found["error"] == "unhealthy" and "long_queries" in found["msg"] and found["findings"]


def test_wrong_threshold(server18: Server) -> None:
    found = look(server18, long_queries_warning="soon")
    assert found["failed"] and found["error"] == "bad_input" and "long_queries_warning" in found["msg"]


def test_baseline(server18: Server) -> None:
    before = look(server18)["checks"]
    with faults.idle_in_transaction(server18, row=7):
        found = look(server18, baseline=before, idle_in_transaction_warning="0s")
    assert found["new"] == {"idle_in_transaction": "warning"}
    assert found["remaining"] == {"timeouts": "warning"}
