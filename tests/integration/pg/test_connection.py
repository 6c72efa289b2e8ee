# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways in that are shut, each with its own error; poolers, frozen servers, foreign encodings."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import CannotReach
from ansible_collections.oncall.incident.plugins.module_utils._postgresql import connection
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.activity import read_activity
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.connection import SAFE_PATH, Login, StatementFailed, connect

from demo import faults
from demo.ports import free_port
from demo.postgres import Server, find_bin_dir
from tests.support.need import need
from tests.support.run_module import run_module
from tests.support.terminating import MODULE, free_a_slot_while_it_waits, login, open_session, terminate
from tests.support.until import BUSY, until

SECRET = "correct-horse-battery"


def failure(**login: Any) -> dict[str, Any]:
    return run_module(MODULE, check=True, **{"connect_retry": "0", "connect_timeout": "2s", **login})


def test_all_slots_taken_is_an_error_of_its_own_in_bounded_time(fresh_server: Server) -> None:
    fillers = faults.fill_connections(fresh_server, reserved=True)
    try:
        began = time.monotonic()
        result = failure(**login(fresh_server, connect_retry="1s", alternate_logins=[{"login_user": "app"}]))
        assert time.monotonic() - began < BUSY
        assert (result["failed"], result["error"]) == (True, "slots_exhausted")
        assert [one["error"] for one in result["attempts"]] == ["slots_exhausted", "slots_exhausted"]
        assert "alternate" in result["hint"]
    finally:
        faults.close_all(fillers)


@pytest.mark.parametrize("reserved", [True, False], ids=["all slots", "all but the reserved"])
def test_a_server_that_speaks_german_is_understood(monkeypatch: pytest.MonkeyPatch, reserved: bool) -> None:
    """The text is no help then; the SQLSTATE is. Debian's PostgreSQL has the translations."""
    bin_dir = find_bin_dir(15)
    need(bin_dir, "Debian's postgresql-15")
    need(Path("/usr/share/locale/de/LC_MESSAGES/postgres-15.mo").is_file(), "PostgreSQL's German messages")
    monkeypatch.setenv("LANGUAGE", "de")
    with Server.start(bin_dir=bin_dir, settings={"max_connections": "10", "lc_messages": "C.UTF-8"}) as server:
        assert failure(**login(server, login_user="nobody_there"))["error"] in ("auth_failed", "no_such_role")
        assert failure(**login(server, login_db="no_such_db"))["error"] == "no_such_database"
        fillers: list[faults.Held] = []
        try:
            for user in ["app"] + [server.superuser] * reserved:
                with contextlib.suppress(psycopg.OperationalError):  # the last one, who does not get in
                    while len(fillers) < 20:
                        fillers.append(faults.session(server, user=user, application="leaky-pool", label="filler"))
            assert len(fillers) < 20
            result = failure(**login(server, login_user="app"))
        finally:
            faults.close_all(fillers)
        assert "FATAL" in result["msg"] and "too many" not in result["msg"] and "remaining" not in result["msg"]
        assert result["error"] == "slots_exhausted"


def test_a_slot_that_comes_free_is_taken(fresh_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    fillers = faults.fill_connections(fresh_server, reserved=True)
    pauses = free_a_slot_while_it_waits(fillers, monkeypatch)
    try:
        result = terminate(fresh_server, check=True, connect_retry=f"{BUSY:g}s")
        assert result.get("failed") is not True
        assert pauses, "the first try found no slot"
    finally:
        faults.close_all(fillers)


def test_an_alternate_login_may_use_the_reserved_slots(fresh_server: Server) -> None:
    fresh_server.execute("CREATE ROLE watcher LOGIN IN ROLE pg_monitor, pg_signal_backend")
    fillers = faults.fill_connections(fresh_server)
    try:
        alternates = [{"login_user": fresh_server.superuser}]
        result = terminate(fresh_server, check=True, login_user="watcher", connect_retry="20s", alternate_logins=alternates)
        assert result["server"]["user"] == fresh_server.superuser
    finally:
        faults.close_all(fillers)


def test_each_refusal_has_its_own_error(server18: Server) -> None:
    server18.execute("DROP ROLE IF EXISTS c_nologin")
    server18.execute("CREATE ROLE c_nologin NOLOGIN")
    here = login(server18)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        found = {
            "no_such_role": failure(**{**here, "login_user": "nobody"}),
            "no_such_database": failure(**{**here, "login_db": "nowhere"}),
            "login_not_allowed": failure(**{**here, "login_user": "c_nologin"}),
            "no_socket": failure(**{**here, "login_port": 1}),
            "refused": failure(login_host="127.0.0.1", login_port=closed.getsockname()[1]),
            "no_route": failure(login_host="255.255.255.255"),  # the kernel itself refuses to connect to the broadcast address
            "unknown_host": failure(login_host="db.invalid"),
            "tls_not_offered": failure(login_host="127.0.0.1", login_port=server18.port, ssl_mode="require"),
        }
    assert {kind: result["error"] for kind, result in found.items()} == {kind: kind for kind in found}
    assert all(result["hint"] for result in found.values())


def test_a_server_that_accepts_and_says_nothing_times_out() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        result = failure(login_host="127.0.0.1", login_port=silent.getsockname()[1])
    assert (result["error"], time.monotonic() - began < BUSY) == ("timeout", True)


def test_something_else_that_listens_is_named() -> None:
    with socket.socket() as web:
        web.bind(("127.0.0.1", 0))
        web.listen()

        def answer() -> None:
            peer, _address = web.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        worker = threading.Thread(target=answer, daemon=True)
        worker.start()
        result = failure(login_host="127.0.0.1", login_port=web.getsockname()[1])
        worker.join(timeout=5)
    assert result["error"] == "not_postgresql"


def test_passwords_and_tls(tls_server: Server) -> None:
    tls_server.execute(f"CREATE ROLE c_app LOGIN PASSWORD '{SECRET}' IN ROLE pg_monitor")
    there = {"login_host": "localhost", "login_port": tls_server.port, "login_user": "c_app", "login_password": SECRET}
    wrong = failure(**{**there, "login_password": "x" + SECRET})
    plain = failure(**there, ssl_mode="disable")
    untrusted = failure(**there, ssl_mode="verify-full", ca_cert="/nonexistent/ca.crt")
    good = failure(**there, ssl_mode="verify-full", ca_cert=str(tls_server.ca_cert))
    assert (wrong["error"], plain["error"], untrusted["error"]) == ("wrong_password", "tls_required", "tls_failed")
    assert good.get("failed") is not True
    # An alternate that states its password only.
    rescued = failure(**{**there, "login_password": "old"}, alternate_logins=[{"login_password": SECRET}])
    assert rescued.get("failed") is not True
    assert not any(SECRET in json.dumps(result) for result in (wrong, plain, untrusted, good, rescued))


def test_statements_are_bounded_by_the_server(server: Server) -> None:
    with open_session(server, statement_timeout=0.3) as session, pytest.raises(StatementFailed) as caught:
        session.rows("SELECT pg_sleep(30)")
    assert caught.value.sqlstate == "57014"


def test_a_frozen_server_is_cut_off(server18: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SILENCE", 0.5)
    with open_session(server18, statement_timeout=0.5) as session:
        os.kill(session.backend_pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(CannotReach) as caught:
                session.rows("SELECT 1")
            assert time.monotonic() - began < BUSY
        finally:
            os.kill(session.backend_pid, signal.SIGCONT)
    assert caught.value.facts["error"] == "timeout"


def test_a_session_that_somebody_ends_is_a_lost_connection(server18: Server) -> None:
    with open_session(server18) as session:
        server18.execute("SELECT pg_terminate_backend(%s)", (session.backend_pid,))
        with pytest.raises(CannotReach) as caught:
            session.rows("SELECT 1")
    assert caught.value.facts["error"] == "connection_lost"


def test_texts_of_other_databases_in_other_encodings_do_not_blind_us(server: Server) -> None:
    server.execute("DROP DATABASE IF EXISTS c_latin WITH (FORCE)")
    server.execute("CREATE DATABASE c_latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with faults.session(server, dbname="c_latin", application="c-latin") as held:
        held.execute("SET client_encoding TO 'LATIN1'")
        assert held.connection is not None
        held.connection.pgconn.exec_("SELECT 'caf\xe9'".encode("latin-1"))
        with open_session(server) as session:
            seen = {backend.pid: backend for backend in read_activity(session)}
    assert seen[held.pid].query == "SELECT 'caf\ufffd'"


def test_names_are_looked_up_safely_before_the_first_statement(server: Server) -> None:
    with open_session(server) as session:
        found = session.rows("SELECT setting, reset_val, source FROM pg_settings WHERE name = 'search_path'")[0]
    assert found == {"setting": SAFE_PATH, "reset_val": SAFE_PATH, "source": "client"}


def test_the_callers_own_options_stay(server18: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of connect_params, or else those of PGOPTIONS: as libpq has it."""
    where = Login(unix_socket=str(server18.socket_dir), port=server18.port, connect_params={"options": "-c work_mem=7MB"})
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=9MB")
    with connect([where]) as given, open_session(server18) as from_environment:
        assert given.value("SELECT current_setting('work_mem')") == "7MB"
        assert from_environment.value("SELECT current_setting('work_mem')") == "9MB"


class Deaf:
    """A session whose server takes no setting."""

    login = Login()

    def rows(self, _sql: str) -> list[dict[str, Any]]:
        return []

    def value(self, _sql: str) -> str:
        return '"$user", public'


def test_a_path_that_cannot_be_set_is_refused() -> None:
    with pytest.raises(CannotReach) as caught:
        connection._fix_path(Deaf())  # type: ignore[arg-type]
    assert caught.value.facts["error"] == "unsafe_path" and "public" in caught.value.message


def test_the_instance_is_known_whatever_way_it_is_reached(server18: Server) -> None:
    with open_session(server18) as by_socket, connect([Login(host="127.0.0.1", port=server18.port, database="template1")]) as by_tcp:
        assert by_socket.resource == by_tcp.resource
        assert by_socket.resource.startswith("pg:")


@pytest.fixture(params=["", "options"], ids=["refuses options", "swallows options"])
def pooler(server18: Server, request: pytest.FixtureRequest) -> Iterator[int]:
    """A real PgBouncer before the server; its port."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    need(program, "pgbouncer")
    assert program is not None
    port = free_port()
    home = Path(server18.base) / f"bouncer-{port}"
    home.mkdir(mode=0o755)
    (home / "users.txt").write_text('"postgres" ""\n')
    (home / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={server18.socket_dir} port={server18.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        f"auth_type = trust\nauth_file = {home}/users.txt\npool_mode = transaction\nadmin_users = postgres\nunix_socket_dir =\n"
        f"logfile = {home}/log\nignore_startup_parameters = {request.param}\n"
    )
    as_nobody = {"user": "nobody"} if os.getuid() == 0 else {}
    if as_nobody:
        shutil.chown(home, "nobody")
    argv = [program, "-q", str(home / "pgbouncer.ini")]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **as_nobody)
    try:
        def listens() -> bool:
            assert process.poll() is None, (home / "log").read_text()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        until(listens, what="PgBouncer")
        yield port
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.mark.parametrize("database", ["template1", "pgbouncer"])
def test_a_pooled_connection_is_refused_and_nothing_is_left_in_it(server18: Server, pooler: int, database: str) -> None:
    result = failure(login_host="127.0.0.1", login_port=pooler, login_db=database, ssl_mode="disable")
    assert (result["failed"], result["error"]) == (True, "pooled"), result
    assert "pool" in result["hint"]
    if database == "template1":
        where = f"host=127.0.0.1 port={pooler} user=postgres dbname={database} sslmode=disable"
        with psycopg.connect(where, prepare_threshold=None) as pooled:
            assert pooled.execute("SELECT current_setting('statement_timeout')").fetchone() == ("0",)
