# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pg_restart_check against real servers: who depends on it, and whether the unit is it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.instance import described
from ansible_collections.oncall.incident.plugins.module_utils._service.instances import from_systemd

from demo import faults
from demo.ports import free_port
from demo.postgres import Server
from tests.support.cutting import cutting
from tests.support.processes import alive
from tests.support.run_module import run_module
from tests.support.until import until


def unit(pid: int, **more: Any) -> dict[str, Any]:
    """What service_instances says of a unit with this main process."""
    state = "active" if pid else "inactive"
    return {"instances": [{"id": "postgresql@18-main.service", "type": "forking", "state": state, "main_pid": pid, "members": [], **more}]}


def ask(server: Server, pid: int, **args: Any) -> dict[str, Any]:
    """One run, over the server's socket unless said otherwise."""
    place = {} if "login_host" in args else {"login_unix_socket": str(server.socket_dir)}
    usual = {"login_port": server.port, "service": unit(pid), "connect_retry": "0s", "connect_timeout": "2s"}
    return run_module("pg_restart_check", **{**usual, **place, **args})


def test_the_unit_is_the_server_by_every_way_on_its_host(server: Server) -> None:
    for way in ({}, {"login_host": "127.0.0.1"}, {"login_host": "localhost"}, {"login_host": str(server.socket_dir)}):
        found = ask(server, server.pid, **way)
        assert (found["obstacles"], found["status"], found["process_id"], found["stopped"]) == ([], "ok", server.pid, False), (way, found)
        assert found["seen"] == {"backups": 0, "replicas": 0, "commits": 0}
        (another,) = ask(server, os.getpid(), **way)["obstacles"]
        assert ask(server, os.getpid(), **way)["findings"][0]["hint"].startswith("Give the name of the unit")
        assert f"the server's process is {server.pid}, the unit's process is {os.getpid()}" in another


def test_a_port_of_ours_that_leads_elsewhere_is_not_the_server(server18: Server) -> None:
    """As with a port-forward: who listens here is not who answers."""
    with cutting(server18.port, word=b"no such word") as port:
        found = ask(server18, server18.pid, login_host="127.0.0.1", login_port=port)
        assert found["seen"] == {"backups": 0, "replicas": 0, "commits": 0}, "it answers"
        assert found["process_id"] != server18.pid
        assert "it is not shown that" in found["obstacles"][0]
        relay = ask(server18, os.getpid(), login_host="127.0.0.1", login_port=port)
        assert f"process {os.getpid()} listens there, but another server answers" in relay["obstacles"][0]


def test_who_answers_is_not_stopped_whatever_named_the_place(
    server18: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A service file, the environment or a list of hosts says where the server is, and only the session knows it."""
    services = tmp_path / "services.conf"
    services.write_text("[prod]\nhost=127.0.0.1\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))

    def asked(pid: int, **params: str) -> dict[str, Any]:
        return ask(server18, pid, login_host="", connect_params=params)

    ways: list[dict[str, str]] = [{"service": "prod"}]
    ways += [{"host": "192.0.2.1,127.0.0.1", "port": f"1,{server18.port}", "connect_timeout": "2"}]
    for way in ways:
        assert (asked(server18.pid, **way)["obstacles"], asked(0, **way)["stopped"]) == ([], False), way
    with monkeypatch.context() as environment:
        environment.setenv("PGHOSTADDR", "127.0.0.1")
        assert (asked(server18.pid)["obstacles"], asked(0)["stopped"]) == ([], False)


def test_a_place_that_only_the_server_could_tell_is_refused(monkeypatch: pytest.MonkeyPatch, server18: Server, tmp_path: Path) -> None:
    services = tmp_path / "services.conf"
    services.write_text("[prod]\nhost=127.0.0.1\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    unused = str(free_port())
    for params, said in (
        ({"service": "prod"}, "stands in a service file"),
        ({"host": "127.0.0.1,127.0.0.2", "port": f"{unused},{unused}"}, "several servers"),
    ):
        found = ask(server18, 0, login_host="", login_port=int(unused), connect_params=params)
        assert (found["listening"], found["stopped"]) == (None, False)
        assert said in found["obstacles"][0]


def test_who_depends_on_it(server18: Server) -> None:
    with faults.pg_dump(server18):
        assert ask(server18, server18.pid)["obstacles"] == ["a backup runs"]
        assert ask(server18, server18.pid, despite_backup=True)["obstacles"] == []
    with faults.pg_receivewal(server18):
        assert ask(server18, server18.pid)["obstacles"] == ["a replica or another receiver of WAL is attached"]


def test_who_may_not_see_cannot_say_that_nobody_is_there(server18: Server) -> None:
    if not server18.execute("SELECT 1 FROM pg_roles WHERE rolname = 'restart_blind'"):
        server18.execute("CREATE ROLE restart_blind LOGIN")
    found = ask(server18, server18.pid, login_user="restart_blind")
    assert found["obstacles"] == [
        "whether a backup runs cannot be seen", "whether a replica is attached cannot be seen",
        "whether a commit waits for its synchronous standby cannot be seen",
    ]
    accepted = ask(server18, server18.pid, login_user="restart_blind", despite_backup=True, despite_replica=True)
    assert accepted["obstacles"] == found["obstacles"][2:], "the server answers: a login that may look tells"
    wrong = ask(server18, server18.pid, login_user="nobody_here")
    assert (wrong["obstacles"], wrong["process_id"]) == (found["obstacles"], server18.pid)


def test_frozen_and_then_stopped(fresh_server: Server) -> None:
    pid = fresh_server.pid
    os.kill(pid, signal.SIGSTOP)
    frozen = ask(fresh_server, pid)
    assert (len(frozen["obstacles"]), frozen["process_id"], frozen["stopped"]) == (3, pid, False), frozen
    assert "postgres_restart_despite_backup, postgres_restart_despite_replica" in frozen["findings"][0]["hint"]
    assert ask(fresh_server, pid, despite_backup=True, despite_replica=True)["obstacles"] == []
    assert not ask(fresh_server, 0)["stopped"], "somebody listens there"
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGCONT)
    until(lambda: not alive(pid), what="its end")
    stopped = ask(fresh_server, 0)
    assert (stopped["obstacles"], stopped["listening"], stopped["stopped"]) == ([], False, True)
    assert not ask(fresh_server, os.getpid())["stopped"], "the unit has a process"
    mine = ask(fresh_server, 0, service=unit(0, paths=["/usr/bin/postgres", str(fresh_server.data)]))
    assert mine["stopped"], mine
    with (fresh_server.data / "postgresql.auto.conf").open("a") as conf:
        conf.write("port = 5999\n")
    other = ask(fresh_server, 0, service=unit(0, paths=[str(fresh_server.data)]))
    assert "it is configured for port 5999" in other["obstacles"][0]
    red_hat = described([from_systemd(
        "Id=postgresql.service\nType=notify\nActiveState=inactive\nMainPID=0\nExecStart={ path=/usr/bin/postmaster ; "
        f"argv[]=/usr/bin/postmaster -D ${{PGDATA}} ; }}\nEnvironment=PGDATA={fresh_server.data}\n"
    )])
    assert "it is configured for port 5999" in ask(fresh_server, 0, service=red_hat)["obstacles"][0]
    umbrella = ask(fresh_server, 0, service=unit(0, type="oneshot", members=["postgresql@18-main.service"]))
    assert "name one of those" in umbrella["obstacles"][0]
    elsewhere = ask(fresh_server, 0, login_host="192.0.2.1")
    assert (elsewhere["listening"], elsewhere["stopped"]) == (None, False)
    assert "the server is not on this host" in elsewhere["obstacles"][0]


def test_what_a_restart_costs_is_measured(server: Server) -> None:
    faults.prepare(server)
    gid = faults.prepared_transaction(server, row=48, name="restart_cost")
    server.execute("CREATE UNLOGGED TABLE IF NOT EXISTS restart_unlogged (id int)")
    try:
        with faults.idle_in_transaction(server, row=49, application="r-cost") as held, faults.pg_receivewal(server):
            with faults.session(server, application="r-temporary") as other:
                other.execute("CREATE TEMPORARY TABLE restart_temporary (id int)")
                found = ask(server, server.pid)
    finally:
        server.execute(f"ROLLBACK PREPARED '{gid}'")
        server.execute("DROP TABLE restart_unlogged")
    cost, loses = found["cost"], found["loses"]
    assert (cost["transactions"], cost["prepared"], cost["archives"], cost["temporary"], cost["unlogged"]) == (1, 1, 1, 1, 1)
    assert cost["connections"] >= 2 and cost["replayed"] > 0
    for said in (f"pid {held.pid} ", "(r-cost)", "1 prepared transaction is kept", "1 archive of WAL", "1 temporary table", "WAL since"):
        assert said in loses, loses
    assert found["findings"][0]["detail"]["loses"] == loses


def test_what_a_restart_costs_needs_sight_too(server18: Server) -> None:
    if not server18.execute("SELECT 1 FROM pg_roles WHERE rolname = 'restart_blind'"):
        server18.execute("CREATE ROLE restart_blind LOGIN")
    found = ask(server18, server18.pid, login_user="restart_blind")
    assert (found["cost"], found["loses"]) == (None, "What it would end cannot be seen.")
