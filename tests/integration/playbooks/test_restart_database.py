# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The restart of the database itself: only of what is shown to be the server that was judged, and a start where it is stopped.

A check of verify fails on each of them, since a server that is well is not restarted (test_rungs.py): a transaction stands open that
nothing else ends, or the threshold is one that every server is over.

There is no systemd in a test: `systemctl` is a stand-in that really stops and starts the server. Two runs that the tests read: a check,
and one that first mitigates where every restart is refused, then carries out the approved plan.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from demo import faults
from demo.postgres import Server, find_bin_dir
from tests.support.need import need
from tests.support.processes import alive
from tests.support.site import DOUBLES, ROOT, Ended, Site
from tests.support.until import until

from .conftest import QUICK, database_site, renewed, until_old

pytestmark = pytest.mark.timeout(1800)
UNIT = "postgresql@18-main"
MITIGATE = ("--tags", "mitigate")
#: Whatever else there is to say against it.
ACCEPTED = {"postgres_restart_despite_backup": True, "postgres_restart_despite_replica": True}
#: A check fails before and after. One look is enough: nothing here changes by itself.
FAILING = {"postgres_thresholds": {**QUICK["postgres_thresholds"], "connections_warning": "0", "connections_critical": "off"}}
#: Nobody is old enough to be ended but by the restart.
PATIENT = {f"postgres_min_{what}_age": "1h" for what in ("query", "transaction", "idle_in_transaction")}
#: Hosts whose plays run where the responder works, as in inventories/reconciliation.
HERE = ("by_controller", "by_container", "by_kubernetes")


@dataclass
class Database:
    """A host: a server, and a unit below a stand-in for systemd of its own."""

    name: str
    server: Server
    home: Path

    def __post_init__(self) -> None:
        self.home.mkdir()
        argv = [str(self.server.bin_dir / "postgres"), "-D", str(self.server.data)]
        if os.geteuid() == 0:
            owner = pwd.getpwuid(self.server.data.stat().st_uid)
            argv = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups", *argv]
        (self.home / "command").write_text(json.dumps(argv))
        (self.home / "calls").write_text("")
        self.describe()
        # The stand-ins are on the PATH of this host alone.
        self.python.write_text(
            f'#!/bin/sh\nexec env PATH={DOUBLES}:/usr/bin:/bin SYSTEMCTL_DOUBLE={self.home} {sys.executable} "$@"\n')
        self.python.chmod(0o755)

    @property
    def python(self) -> Path:
        """The host's interpreter."""
        return self.home / "python"

    def adopt(self, pid: int) -> None:
        """Make a running process the unit's."""
        (self.home / "pid").write_text(str(pid))
        (self.home / "invocation").write_text("0")

    def start(self) -> None:
        """Somebody starts the unit."""
        subprocess.run(
            [str(DOUBLES / "systemctl"), "start", UNIT], check=True, timeout=60, env={**os.environ, "SYSTEMCTL_DOUBLE": str(self.home)})
        until(self.answers, what="the server to answer")

    def answers(self) -> bool:
        """Whether the server does."""
        with suppress(psycopg.Error):
            return bool(self.server.execute("SELECT 1"))
        return False

    def describe(self, **properties: str) -> None:
        """Give the unit properties of its own. PostgreSQL is ended by SIGINT, as its units do it."""
        (self.home / "unit").write_text(json.dumps({"KillSignal": str(int(signal.SIGINT)), **properties}))

    @property
    def calls(self) -> list[str]:
        """What the stand-in was asked for."""
        return (self.home / "calls").read_text().splitlines()

    @property
    def changes(self) -> list[str]:
        """What of that changes something."""
        return [line for line in self.calls if line.split()[0] in ("restart", "start", "stop")]

    def variables(self, **more: Any) -> dict[str, Any]:
        """The host's."""
        return {
            "ansible_python_interpreter": str(self.python), "postgres_restart_database": True, "postgres_service_name": UNIT,
            "postgres_connect_timeout": "2s", "postgres_login_unix_socket": str(self.server.socket_dir),
            "postgres_login_port": self.server.port, "incident_rung_wait": "0s", **more,
        }


def play(
    site: Site, hosts: Mapping[str, Mapping[str, Any]], *arguments: str, playbook: Path | None = None, **variables: Any,
) -> Ended:
    """Run the scenario, or a playbook, with these databases, one after the other."""
    site.group("db", **hosts)
    path = f"{DOUBLES}:{site.bin}:/usr/bin:/bin"
    return site.play(*arguments, playbook=playbook, variables=variables, PATH=path, DOCKER_DOUBLE_ADDRESS="127.0.0.1", ANSIBLE_FORKS="1")


def restart(done: Ended, host: str) -> dict[str, Any]:
    """The one action on a host's database itself."""
    (found,) = (event["action"] for event in done.events("action")
                if event["host"] == host and event["action"]["verb"] == "restart_database")
    return dict(found)


@dataclass
class Story:
    """The runs, and what was so before and after them."""

    databases: dict[str, Database]
    checked: Ended
    done: Ended
    #: What was changed by the check, by host.
    changed_before: dict[str, list[str]]
    pids_before: dict[str, int]
    pids_after: dict[str, int]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, server18: Server) -> Iterator[Story]:
    """Eleven hosts, six servers."""
    place = tmp_path_factory.mktemp("restart")
    with ExitStack() as stack:
        bin_dir = find_bin_dir(18)
        need(bin_dir, "PostgreSQL 18")
        fresh = {name: stack.enter_context(Server.start(bin_dir=bin_dir, settings={"max_connections": "25"}))
                 for name in ("judged", "accepted", "stopped", "meanwhile", "frozen")}
        behind = {**fresh, "depended": fresh["accepted"], "half_alive": fresh["stopped"],
                  **dict.fromkeys(("another", "umbrella", *HERE), server18)}
        databases = {name: Database(name, server, place / name) for name, server in behind.items()}
        for database in databases.values():
            database.adopt(database.server.pid)
        for name in ("another", "half_alive"):
            databases[name].adopt(os.getpid())
        databases["umbrella"].describe(
            Type="oneshot", MainPID="0", ActiveState="active", ConsistsOf=f"{UNIT}.service postgresql@13-old.service")
        pids = {name: database.server.pid for name, database in databases.items()}
        for name in ("stopped", "meanwhile"):
            os.kill(pids[name], signal.SIGINT)
            until(lambda name=name: not alive(pids[name]), what="the server to be stopped")
        for name in ("judged", "accepted"):
            until_old(fresh[name], stack.enter_context(faults.idle_in_transaction(fresh[name])))
        stack.enter_context(faults.pg_dump(fresh["accepted"]))
        stack.enter_context(faults.pg_receivewal(fresh["accepted"]))

        site = database_site(place, server18)
        checked = _check(site, databases)
        changed = {name: list(database.changes) for name, database in databases.items()}
        databases["meanwhile"].start()
        pids["meanwhile"] = fresh["meanwhile"].pid
        done = _act(site, databases, renewed(checked.plan()))
        yield Story(
            databases=databases, checked=checked, done=done, changed_before=changed, pids_before=pids,
            pids_after={name: server.pid for name, server in fresh.items()},
        )


def _elsewhere(databases: Mapping[str, Database]) -> dict[str, dict[str, Any]]:
    there = {"postgres_login_host": "127.0.0.1", "postgres_login_unix_socket": "", **ACCEPTED, **FAILING}
    return {
        "by_controller": databases["by_controller"].variables(**there, postgres_via="controller"),
        "by_container": databases["by_container"].variables(
            **{**there, "postgres_login_host": ""}, postgres_via="container", postgres_container_name="shop-postgres",
            postgres_container_network="shop_default"),
        "by_kubernetes": databases["by_kubernetes"].variables(
            **there, postgres_via="kubernetes", postgres_kubernetes_target="service/postgres", postgres_kubernetes_namespace="shop"),
    }


def _approvable(databases: Mapping[str, Database]) -> dict[str, dict[str, Any]]:
    own = {name: databases[name].variables() for name in ("judged", "stopped")}
    return {**own, "accepted": databases["accepted"].variables(**ACCEPTED), "meanwhile": databases["meanwhile"].variables(**FAILING)}


def _check(site: Site, databases: Mapping[str, Database]) -> Ended:
    umbrella = databases["umbrella"].variables(**ACCEPTED, postgres_service_name="postgresql")
    hosts = {**_approvable(databases), **_elsewhere(databases), "umbrella": umbrella}
    return play(site, hosts, *MITIGATE, "--check", **PATIENT)


def _act(site: Site, databases: Mapping[str, Database], plan: Mapping[str, Any]) -> Ended:
    """Mitigate where it is refused, and as one process the scenario for those that were approved."""
    own = {name: databases[name].variables() for name in ("depended", "half_alive", "frozen")}
    another = databases["another"].variables(**ACCEPTED, **FAILING)
    site.group("refused", **{**own, "another": another, **_elsewhere(databases)})
    mitigate = {"name": "oncall.incident.postgres", "tasks_from": "mitigate"}
    conclude = {"name": "oncall.incident.incident", "tasks_from": "conclude", "rolespec_validate": False}
    roles = [{"ansible.builtin.import_role": role} for role in (mitigate, conclude)]
    book = site.place / "act.json"
    book.write_text(json.dumps([
        {"hosts": "refused", "gather_facts": False, "tags": ["mitigate"], "tasks": roles},
        {"ansible.builtin.import_playbook": str(ROOT / "incident" / "db-recovery.yml"), "vars": {"incident_approved_plan": plan}},
    ]))
    frozen = databases["frozen"].server.pid
    os.kill(frozen, signal.SIGSTOP)
    try:
        return play(site, _approvable(databases), playbook=book, **PATIENT)
    finally:
        os.kill(frozen, signal.SIGCONT)


def test_the_server_that_was_judged_is_restarted(story: Story) -> None:
    planned = restart(story.checked, "judged")
    assert planned["outcome"] == "planned", story.checked.output
    assert "It cuts " in planned["reason"] and "rolls back 1 open transaction (oldest pid " in planned["reason"]
    assert story.changed_before["judged"] == []
    assert "judged" not in story.done.failed, story.done.output
    assert restart(story.done, "judged")["outcome"] == "done"
    assert story.pids_after["judged"] != story.pids_before["judged"]
    assert story.databases["judged"].server.execute("SELECT 1")


def test_another_unit_is_never_restarted(story: Story) -> None:
    """Whatever is accepted: the unit's process is another one, or the unit only groups others, as Debian's postgresql.service does."""
    another = restart(story.done, "another")
    assert another["outcome"] == "refused", story.done.output
    assert f"the server's process is {story.pids_before['another']}, the unit's process is {os.getpid()}" in another["detail"]["error"]

    umbrella = restart(story.checked, "umbrella")
    assert umbrella["outcome"] == "refused", story.checked.output
    assert f"groups postgresql@13-old.service, {UNIT}.service: name one of those" in umbrella["detail"]["error"]
    assert story.databases["another"].changes == story.databases["umbrella"].changes == []
    assert alive(story.pids_before["another"])


@pytest.mark.parametrize("host", HERE)
def test_where_it_cannot_be_shown_the_local_unit_is_left_alone(host: str, story: Story) -> None:
    """As in inventories/reconciliation: hosts whose plays run where the responder works, which has a unit of the same name."""
    for ended in (story.checked, story.done):
        said = restart(ended, host)
        assert said["outcome"] == "refused", ended.output
        assert "only with postgres_via=host (here: " in said["detail"]["error"]
    assert story.databases[host].calls == [], "nobody even asked about the unit here"


def test_not_while_somebody_depends_on_it(story: Story) -> None:
    refused = restart(story.done, "depended")
    assert refused["outcome"] == "refused", story.done.output
    assert refused["detail"]["error"] == "a backup runs; a replica or another receiver of WAL is attached"
    assert "It cuts " in refused["reason"] and "To reconnect: 1 archive of WAL" in refused["reason"]
    assert story.databases["depended"].changes == []
    assert restart(story.done, "accepted")["outcome"] == "done", story.done.output
    assert story.pids_after["accepted"] != story.pids_before["accepted"]


def test_a_stopped_server_is_started(story: Story) -> None:
    checked = restart(story.checked, "stopped")
    assert "stopped" not in story.checked.failed, story.checked.output
    assert checked["outcome"] == "planned"
    assert checked["reason"] == "The server is stopped, and its start was asked for."
    assert "stopped" not in story.done.failed, story.done.output
    assert restart(story.done, "stopped")["outcome"] == "done"
    assert story.databases["stopped"].changes == [f"start {UNIT}"], "started, not restarted"
    assert story.databases["stopped"].server.execute("SELECT 1")


def test_who_approved_a_start_has_not_approved_a_restart(story: Story) -> None:
    """Somebody started the server between the plan and the run."""
    assert restart(story.checked, "meanwhile")["reason"] == "The server is stopped, and its start was asked for."
    answers = {action["id"]: action for action in story.done.actions("meanwhile")}
    said = {key: (action["outcome"], action["detail"]["why"]) for key, action in answers.items()}
    assert sorted(said.values()) == [("moved_on", "no_longer_matches"), ("refused", "not_approved")], story.done.output
    assert story.databases["meanwhile"].changes == [f"start {UNIT}"], "not by this run"
    assert story.pids_after["meanwhile"] == story.pids_before["meanwhile"]


def test_who_is_half_alive_is_not_started(story: Story) -> None:
    """Nobody listens, and the unit has a process: it may just come up, or end."""
    said = restart(story.done, "half_alive")
    assert story.done.status == 2 and "half_alive" in story.done.failed, story.done.output
    assert said["outcome"] == "refused"
    assert "nobody listens where it should be" in said["detail"]["error"]
    assert "was not done" in story.done.failures("half_alive")
    assert story.databases["half_alive"].changes == []


def test_a_frozen_server_is_not_restarted(story: Story) -> None:
    """Nobody says that it is down: it may be the way to it that does not answer."""
    assert story.done.status == 2 and "frozen" in story.done.failed, story.done.output
    assert "the target could not be reached (timeout)" in story.done.said, story.done.output
    assert not story.done.actions("frozen") and story.databases["frozen"].changes == []
    assert alive(story.pids_before["frozen"])
