# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rig itself: its servers really run, its sessions are what they say, and nothing of it stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest

from demo import faults
from demo.postgres import Server, ServerError, exists
from tests.support.until import until


def test_server_answers(server: Server) -> None:
    assert server.execute("SELECT current_setting('server_version_num')::int / 10000")[0][0] == server.major


def test_statistics_are_there(server18: Server) -> None:
    assert server18.execute("SELECT count(*) >= 0 FROM pg_stat_statements") == [(True,)]


def test_runs_as_an_unprivileged_user(server18: Server) -> None:
    owner = server18.data.stat().st_uid
    assert owner != 0


def test_stop_leaves_nothing_even_with_a_frozen_backend() -> None:
    server = Server.start()
    postmaster = server.pid
    frozen = faults.session(server)
    os.kill(frozen.pid, signal.SIGSTOP)
    server.stop()
    assert not frozen.alive()
    assert not server.base.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(postmaster, 0)


def test_failed_start_leaves_nothing() -> None:
    with tempfile.TemporaryDirectory() as base:
        Path(base).chmod(0o755)
        with pytest.raises(ServerError, match="no_such_setting"):
            Server.start(base=Path(base), settings={"no_such_setting": "1"})
        assert not os.listdir(base)


def test_a_killed_owner_leaves_nothing() -> None:
    code = "import time; from demo.postgres import Server; s = Server.start(); print(s.base, s.pid, flush=True); time.sleep(600)"
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        base, pid = owner.stdout.readline().split()
        owner.kill()
    until(lambda: not Path(base).exists() and not exists(int(pid)), what="the end of the server and of its directory")


def test_restart_ends_sessions_and_keeps_data(fresh_server: Server) -> None:
    held = faults.session(fresh_server)
    fresh_server.execute("CREATE TABLE kept AS SELECT 1 AS n")
    fresh_server.restart()
    assert not held.alive()
    assert fresh_server.execute("SELECT n FROM kept") == [(1,)]
    held.close()


def test_lock_chain_is_three_deep(server: Server) -> None:
    chain = faults.lock_chain(server, depth=3)
    try:
        blocked = [server.execute("SELECT pg_blocking_pids(%s)", (held.pid,))[0][0] for held in chain]
        assert blocked == [[], [chain[0].pid], [chain[1].pid], [chain[2].pid]]
    finally:
        faults.close_all(chain)
    assert all(held.wait_gone() for held in chain)


def test_guilty_sessions(server: Server) -> None:
    with faults.idle_in_transaction(server, row=2) as idle, faults.runaway_query(server) as runaway:
        states = dict(server.execute("SELECT pid, state FROM pg_stat_activity WHERE pid = ANY (%s)", ([idle.pid, runaway.pid],)))
        assert states == {idle.pid: "idle in transaction", runaway.pid: "active"}
        server.execute("SELECT pg_terminate_backend(%s)", (runaway.pid,))
        assert runaway.wait_gone()
        assert idle.alive()


def test_survivors(server18: Server) -> None:
    sessions = [
        faults.pg_dump(server18),
        faults.pg_receivewal(server18),
        faults.pg_basebackup(server18),
        faults.pg_recvlogical(server18),
        faults.superuser_session(server18),
        faults.young_query(server18),
    ]
    try:
        rows = server18.execute(
            "SELECT pid, backend_type, application_name FROM pg_stat_activity WHERE pid = ANY (%s)", ([held.pid for held in sessions],)
        )
        kinds = {name: kind for _pid, kind, name in rows}
        assert kinds == {
            "pg_dump": "client backend",
            "pg_receivewal": "walsender",
            "pg_basebackup": "walsender",
            "pg_recvlogical": "walsender",
            "psql": "client backend",
            "web": "client backend",
        }
        assert all(held.alive() for held in sessions)
    finally:
        faults.close_all(sessions)
    assert all(held.wait_gone() for held in sessions)


def test_connections_can_be_used_up(fresh_server: Server) -> None:
    fillers = faults.fill_connections(fresh_server, leave=0)
    with pytest.raises(psycopg.OperationalError):
        fresh_server.connect(user="app")
    fresh_server.connect().close()
    faults.close_all(fillers)
    assert all(held.wait_gone() for held in fillers)
    fillers = faults.fill_connections(fresh_server, reserved=True)
    with pytest.raises(psycopg.OperationalError):
        fresh_server.connect()
    faults.close_all(fillers)


def test_prepared_transaction_holds_its_lock(fresh_server: Server) -> None:
    name = faults.prepared_transaction(fresh_server)
    assert fresh_server.execute("SELECT gid, owner FROM pg_prepared_xacts") == [(name, "app")]


def test_tls_only(tls_server: Server) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"no encryption|SSL off"):
        tls_server.connect(tcp=True, sslmode="disable", password=tls_server.password)
    with tls_server.connect(
        tcp=True, sslmode="verify-full", sslrootcert=str(tls_server.ca_cert), password=tls_server.password
    ) as connection:
        assert connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone() == (True,)
