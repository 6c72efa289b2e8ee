# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server hides, does not track or does not count is never health: the check is unknown, and it is said what to grant."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._postgresql import activity

from demo import faults
from demo.postgres import Server
from tests.integration.pg.health_support import ALL_CHECKS, look, make_role, only
from tests.support.run_module import run_module

CLOCKS = ("long_queries", "long_transactions", "idle_in_transaction")
#: What every role may see.
OPEN = {
    "availability", "prepared_transactions", "replication_slots", "timeouts", "database_size", "invalid_indexes", "unused_indexes",
    "duplicate_indexes", "sequential_scans",
}


def skipped(result: dict[str, Any], check: str) -> dict[str, Any]:
    """The one part of a check that could not be looked at."""
    [found] = [one for one in result["skipped_checks"] if one["check"] == check]
    assert found["kind"] == "could_not_look"
    return dict(found)


def restart(server: Server, **more: Any) -> dict[str, Any]:
    unit = {"instances": [{"id": "postgresql.service", "type": "forking", "state": "active", "main_pid": server.pid, "members": []}]}
    return run_module("pg_restart_check", login_unix_socket=str(server.socket_dir), login_port=server.port, service=unit, **more)


@contextlib.contextmanager
def changed(server: Server, *statements: str, back: tuple[str, ...]) -> Iterator[None]:
    """The server with other settings, for a time."""
    for statement in statements:
        server.execute(statement)
    try:
        yield
    finally:
        for statement in back:
            server.execute(statement)


@contextlib.contextmanager
def configured(server: Server, name: str, value: str) -> Iterator[None]:
    """The server with another setting in its configuration."""
    is_set = f"SELECT reset_val = '{value}' FROM pg_settings WHERE name = '{name}'"
    reset = (f"ALTER SYSTEM RESET {name}", "SELECT pg_reload_conf()")
    with changed(server, f"ALTER SYSTEM SET {name} = '{value}'", "SELECT pg_reload_conf()", back=reset):
        faults.await_sql(server, is_set, what="the new setting")
        yield
    faults.await_sql(server, is_set.replace(" = '", " <> '", 1), what="the old setting")


@pytest.fixture
def quiet(server: Server) -> str:
    """A role whose sessions the server does not track."""
    faults.prepare(server)
    role = make_role(server, "quiet_app")
    server.execute("ALTER ROLE quiet_app SET track_activities = off")
    server.execute("GRANT ALL ON incident_orders TO quiet_app")
    return role


def test_sessions_that_are_not_tracked_are_not_healthy(server: Server, quiet: str) -> None:
    with faults.session(server, user=quiet, application="quiet") as root, faults.session(server) as waiter:
        root.execute("BEGIN")
        root.execute("UPDATE incident_orders SET note = 'kept' WHERE id = 61")
        waiter.send("UPDATE incident_orders SET note = 'waits' WHERE id = 61")
        faults.await_sql(server, "SELECT %s = ANY(pg_blocking_pids(%s))", (root.pid, waiter.pid), what="the waiter to wait")
        found = look(server, asked=list(CLOCKS), blocking_warning="0s", blocking_critical="1ms")
        beside = look(server, asked=["connections", "availability"])
        spared = look(server, checks=[*CLOCKS, "backups"], asked=list(CLOCKS), spare_users=[quiet])
        failed = look(server, checks=list(CLOCKS), fail_on="critical")
        asked = restart(server)
    for check in (*CLOCKS, "backups"):
        assert found["checks"][check] == "unknown", check
        said = skipped(found, check)
        assert f"track_activities is off, or was, for 1 session of role {quiet} (pid {root.pid})" in said["reason"]
        assert 'ALTER ROLE "quiet_app" SET track_activities = on;' in said["hint"]
    assert (found["status"], found["healthy"]) == ("critical", None)
    assert {one["check"]: one["status"] for one in found["findings"] if one["asked"] and one["status"] != "ok"} == dict.fromkeys(
        CLOCKS, "unknown"
    )
    # The waiting is seen all the same; since when the root has been at work is not known, and is not called 0.
    [blocker] = found["blocking"]["roots"]
    assert only(found, "blocking")["status"] == "critical" and (blocker["pid"], blocker["state"]) == (root.pid, "disabled")
    assert "age" not in blocker
    assert (beside["healthy"], beside["checks"]["long_queries"]) == (True, "unknown")
    assert spared["healthy"] is True and [one["check"] for one in spared["skipped_checks"]] == ["backups"]
    assert failed["failed"] and failed["error"] == "unhealthy" and "track_activities = on" in failed["hint"]
    assert (asked["seen"]["backups"], asked["seen"]["commits"], asked["status"], asked["healthy"]) == (None, 0, "unknown", None)
    assert asked["obstacles"] == ["whether a backup runs cannot be seen"]
    assert "track_activities = on" in asked["findings"][0]["hint"] and quiet in asked["skipped_checks"][0]["reason"]


def test_a_transaction_that_began_without_being_tracked(server: Server) -> None:
    with faults.session(server, user="postgres") as held:
        for statement in ("BEGIN", "SET track_activities = off", "SELECT 1", "SET track_activities = on", "SELECT 1"):
            held.execute(statement)
        found = look(server, checks=list(CLOCKS))
    assert found["checks"] == {"long_queries": "ok", "long_transactions": "unknown", "idle_in_transaction": "ok"}
    assert f"role postgres (pid {held.pid})" in skipped(found, "long_transactions")["reason"]


def test_who_waits_without_being_tracked_is_seen_to_wait(server: Server, quiet: str) -> None:
    with faults.idle_in_transaction(server, row=62), faults.session(server, user=quiet) as waiter:
        waiter.send("UPDATE incident_orders SET note = 'waits' WHERE id = 62")
        faults.await_sql(server, "SELECT cardinality(pg_blocking_pids(%s)) > 0", (waiter.pid,), what="the waiter to wait")
        found = look(server, checks=["blocking", "ungranted_locks"], blocking_warning="0s", blocking_critical="1ms")
    assert found["checks"] == {"blocking": "critical", "ungranted_locks": "ok"} and found["blocking"]["waiters"] == 1


def test_a_recovery_is_not_verified_by_sessions_that_nobody_sees(server18: Server) -> None:
    role = make_role(server18, "quiet_app")
    server18.execute("ALTER ROLE quiet_app SET track_activities = off")
    waits = {"checks": ["idle_in_transaction"], "hold": "0s", "timeout": "500ms", "interval": "100ms"}
    baseline = {"idle_in_transaction": "ok", "long_queries": "ok"}
    with faults.session(server18, user=role):
        found = look(server18, checks=["idle_in_transaction", "long_queries"], wait_for=waits, baseline=baseline)
    assert found["held"] is False and "idle_in_transaction unknown" in found["not_recovered"]
    assert found["new"] == {"idle_in_transaction": "unknown", "long_queries": "unknown"}
    assert look(server18, checks=["idle_in_transaction"], wait_for=waits)["held"] is True


def test_dead_rows_that_are_not_counted(server18: Server) -> None:
    make_role(server18, "uncounted_app")
    with changed(
        server18, "ALTER ROLE uncounted_app SET track_counts = off", back=("ALTER ROLE uncounted_app RESET track_counts",),
    ):
        of_a_role = look(server18, checks=["vacuum"])
    with configured(server18, "track_counts", "off"):
        of_all = look(server18, checks=["vacuum", "availability"])
    for found, who in ((of_a_role, "role uncounted_app"), (of_all, "the server")):
        assert (found["status"], found["healthy"]) == ("unknown", None)
        assert f"track_counts is off for {who}" in skipped(found, "vacuum")["reason"]
    assert not {"counting", "uncounted"} & set(of_all["server"])
    assert look(server18, checks=["vacuum"])["healthy"] is True


@pytest.mark.parametrize(("name", "value"), [("pg_stat_statements.track", "none"), ("compute_query_id", "off")])
def test_statements_that_are_not_collected(server18: Server, name: str, value: str) -> None:
    with configured(server18, name, value):
        found = look(server18, checks=["statements"])
    assert (found["status"], found["healthy"]) == ("unknown", None)
    assert f"{name} switched off" in skipped(found, "statements")["reason"]


def test_statements_of_some_that_are_not_collected(server18: Server) -> None:
    make_role(server18, "uncollected_app")
    name, where = "pg_stat_statements.track", "ROLE uncollected_app IN DATABASE postgres"
    with changed(server18, f"ALTER {where} SET {name} = none", back=(f"ALTER {where} RESET {name}",)):
        found = look(server18, checks=["statements"])
    assert found["checks"] == {"statements": "unknown"} and found["statements"]
    assert "role uncollected_app in database postgres" in skipped(found, "statements")["reason"]


def test_an_extension_that_the_role_may_not_read(server18: Server) -> None:
    role = make_role(server18, "monitor", grants="pg_monitor")
    server18.execute("DROP DATABASE IF EXISTS closed_schema")
    server18.execute("CREATE DATABASE closed_schema TEMPLATE template0")
    server18.execute("CREATE SCHEMA closed", dbname="closed_schema")
    server18.execute("CREATE EXTENSION pg_stat_statements SCHEMA closed", dbname="closed_schema")
    found = look(server18, login_user=role, login_db="closed_schema", checks=["statements"])
    said = skipped(found, "statements")
    assert (found["status"], found["healthy"]) == ("unknown", None) and said["reason"].startswith("permission_denied: ")
    for grant in said["hint"].partition(": ")[2].split(";")[:2]:
        server18.execute(grant, dbname="closed_schema")
    assert look(server18, login_user=role, login_db="closed_schema", checks=["statements"])["healthy"] is True


@pytest.mark.parametrize("check", ALL_CHECKS)
def test_a_login_that_may_do_nothing_is_never_told_that_all_is_well(server18: Server, check: str) -> None:
    role = make_role(server18, "denied")
    server18.execute("DROP DATABASE IF EXISTS not_for_all")
    server18.execute("CREATE DATABASE not_for_all TEMPLATE template0")
    server18.execute("REVOKE CONNECT ON DATABASE not_for_all FROM PUBLIC")
    found = look(server18, login_user=role, checks=[check])
    if check not in OPEN:
        assert found["error"] == "blind" and "healthy" not in found and 'GRANT pg_read_all_stats TO "denied"' in found["hint"]
    elif check == "database_size":
        assert (found["status"], found["healthy"]) == ("unknown", None)
        said = skipped(found, check)
        assert "not_for_all" in said["reason"] and said["hint"] == "Grant pg_monitor to the role."
        assert look(server18, login_user=make_role(server18, "monitor", grants="pg_monitor"), checks=[check])["healthy"] is True


def test_a_login_that_may_do_nothing_cannot_restart(server18: Server) -> None:
    found = restart(server18, login_user=make_role(server18, "denied"))
    assert (found["status"], found["healthy"], found["checks"]) == ("unknown", None, {"restart": "unknown"})
    assert len(found["obstacles"]) == 3 and 'GRANT pg_read_all_stats TO "denied"' in found["findings"][0]["hint"]
    assert restart(server18, login_user=make_role(server18, "denied"), fail_on="critical")["error"] == "unhealthy"


def test_sessions_that_a_provider_hides(server18: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a managed server, which hides some sessions even from pg_monitor: here from a role without it, whatever it asks."""
    monkeypatch.setattr(activity, "require_sight", lambda _session: None)
    role = make_role(server18, "denied")
    with faults.runaway_query(server18) as runaway:
        found = look(server18, login_user=role, checks=["connections", "blocking", "backups", *CLOCKS])
        asked = restart(server18, login_user=role)
    for check in ("blocking", "backups", *CLOCKS):
        said = skipped(found, check)
        assert said["reason"].startswith("permission_denied: denied may not see ") and str(runaway.pid) in said["reason"]
        assert 'GRANT pg_read_all_stats TO "denied"' in said["hint"] and found["checks"][check] == "unknown"
    assert found["healthy"] is None and found["connections"]["used"] >= 1, "they take a connection all the same"
    assert (asked["seen"]["backups"], asked["seen"]["commits"], asked["status"]) == (None, None, "unknown")


def test_waiting_for_a_restart_that_nothing_is_in_the_way_of(server18: Server) -> None:
    waits = {"hold": "0s", "timeout": "300ms", "interval": "100ms"}
    assert restart(server18, wait_for={**waits, "timeout": "60s"}, baseline={"restart": "critical"})["held"] is True
    with faults.pg_receivewal(server18):
        found = restart(server18, wait_for=waits, fail_on="critical", baseline={"restart": "ok"})
    assert found["error"] == "not_recovered" and found["new"] == {"restart": "critical"}
    assert found["findings"][0]["observed"] == "a replica or another receiver of WAL is attached"
