# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The restart of the database itself: only of what is shown to be the server that was judged, and a start where it is stopped.

A check of verify fails on each of them, since a server that is well is not restarted (test_rungs.py): a transaction stands open that
nothing else ends, or the threshold is one that every server is over.

There is no systemd in a test: `systemctl` is a stand-in that really stops and starts the server. Three plays, each with several
hosts, that the tests read: one in which every restart is refused, a check, and the run that was approved.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo import faults
from demo.postgres import Server, find_bin_dir
from tests.support.need import need
from tests.support.processes import alive
from tests.support.site import DOUBLES, Ended, Site
from tests.support.until import until

from .conftest import QUICK, database_site

pytestmark = pytest.mark.timeout(900)
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


def play(site: Site, hosts: Mapping[str, Mapping[str, Any]], *arguments: str, **variables: Any) -> Ended:
    """Run the scenario with these databases, one after the other."""
    site.group("db", **hosts)
    path = f"{DOUBLES}:{site.bin}:/usr/bin:/bin"
    return site.play(*arguments, variables=variables, PATH=path, DOCKER_DOUBLE_ADDRESS="127.0.0.1", ANSIBLE_FORKS="1")


def restart(done: Ended, host: str) -> dict[str, Any]:
    """The one action on a host's database itself."""
    (found,) = (event["action"] for event in done.events("action")
                if event["host"] == host and event["action"]["verb"] == "restart_database")
    return dict(found)


@dataclass
class Story:
    """The plays, and what was so in between. `again` is the approved plan once more, for the server that was started."""

    databases: dict[str, Database]
    refused: Ended
    checked: Ended
    done: Ended
    again: Ended
    #: What was changed by the first two plays, by host; the units' calls of hosts that are elsewhere.
    changed_before: dict[str, list[str]]
    alive_before: dict[str, bool]
    pids_before: dict[str, int]
    pids_after: dict[str, int]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, server18: Server) -> Iterator[Story]:
    """Nine hosts, four servers."""
    place = tmp_path_factory.mktemp("restart")
    with ExitStack() as stack:
        bin_dir = find_bin_dir(18)
        need(bin_dir, "PostgreSQL 18")
        fresh = {name: stack.enter_context(Server.start(bin_dir=bin_dir, settings={"max_connections": "25"}))
                 for name in ("judged", "depended", "stopped")}
        behind = {**fresh, "frozen": fresh["judged"], "half_alive": fresh["stopped"],
                  **dict.fromkeys(("another", "umbrella", *HERE), server18)}
        databases = {name: Database(name, server, place / name) for name, server in behind.items()}
        for database in databases.values():
            database.adopt(database.server.pid)
        for name in ("another", "half_alive"):
            databases[name].adopt(os.getpid())
        databases["umbrella"].describe(
            Type="oneshot", MainPID="0", ActiveState="active", ConsistsOf=f"{UNIT}.service postgresql@13-old.service")
        pids = {name: database.server.pid for name, database in databases.items()}
        os.kill(pids["stopped"], signal.SIGINT)
        until(lambda: not alive(pids["stopped"]), what="the server to be stopped")
        for name in ("judged", "depended"):
            held = stack.enter_context(faults.idle_in_transaction(fresh[name]))
            age = "SELECT clock_timestamp() - state_change > interval '1.1 s' FROM pg_stat_activity WHERE pid = %s"
            faults.await_sql(fresh[name], age, (held.pid,), what="the transaction to be old enough")
        stack.enter_context(faults.pg_dump(fresh["depended"]))
        stack.enter_context(faults.pg_receivewal(fresh["depended"]))

        site = database_site(place, server18)
        refused, checked, done = _play_all(site, databases)
        pids_after = {name: server.pid for name, server in fresh.items()}
        again = play(site, {"stopped": databases["stopped"].variables(**FAILING)}, *MITIGATE, incident_approved_plan=checked[0].plan())
        yield Story(
            databases=databases, refused=refused, checked=checked[0], done=done, again=again, changed_before=checked[1],
            alive_before=checked[2], pids_before=pids, pids_after=pids_after,
        )


def _play_all(site: Site, databases: Mapping[str, Database]) -> tuple[Ended, tuple[Ended, dict[str, list[str]], dict[str, bool]], Ended]:
    there = {"postgres_login_host": "127.0.0.1", "postgres_login_unix_socket": "", **ACCEPTED, **FAILING}
    elsewhere = {
        "by_controller": databases["by_controller"].variables(**there, postgres_via="controller"),
        "by_container": databases["by_container"].variables(
            **{**there, "postgres_login_host": ""}, postgres_via="container", postgres_container_name="shop-postgres",
            postgres_container_network="shop_default"),
        "by_kubernetes": databases["by_kubernetes"].variables(
            **there, postgres_via="kubernetes", postgres_kubernetes_target="service/postgres", postgres_kubernetes_namespace="shop"),
    }
    own = {name: databases[name].variables() for name in ("depended", "half_alive", "frozen")}
    frozen = databases["frozen"].server.pid
    os.kill(frozen, signal.SIGSTOP)
    try:
        another = databases["another"].variables(**ACCEPTED, **FAILING)
        refused = play(site, {**own, "another": another, **elsewhere}, *MITIGATE, **PATIENT)
    finally:
        os.kill(frozen, signal.SIGCONT)
    approvable = {
        "judged": databases["judged"].variables(), "depended": databases["depended"].variables(**ACCEPTED),
        "stopped": databases["stopped"].variables(),
    }
    umbrella = databases["umbrella"].variables(**ACCEPTED, postgres_service_name="postgresql")
    checked = play(site, {**approvable, **elsewhere, "umbrella": umbrella}, *MITIGATE, "--check", **PATIENT)
    changed = {name: database.calls if name in HERE else database.changes for name, database in databases.items()}
    living = {name: alive(database.server.pid) for name, database in databases.items() if name not in ("stopped", "half_alive")}
    done = play(site, approvable, incident_approved_plan=checked.plan(), **PATIENT)
    return refused, (checked, changed, living), done


def test_the_server_that_was_judged_is_restarted(story: Story) -> None:
    assert restart(story.checked, "judged")["outcome"] == "planned", story.checked.output
    assert story.changed_before["judged"] == []
    assert "judged" not in story.done.failed, story.done.output
    assert restart(story.done, "judged")["outcome"] == "done"
    assert story.pids_after["judged"] != story.pids_before["judged"]
    assert story.databases["judged"].server.execute("SELECT 1")


def test_another_unit_is_never_restarted(story: Story) -> None:
    """Whatever is accepted: the unit's process is another one, or the unit only groups others, as Debian's postgresql.service does."""
    another = restart(story.refused, "another")
    assert another["outcome"] == "refused", story.refused.output
    assert f"the server's process is {story.pids_before['another']}, the unit's process is {os.getpid()}" in another["detail"]["error"]

    umbrella = restart(story.checked, "umbrella")
    assert umbrella["outcome"] == "refused", story.checked.output
    assert f"groups postgresql@13-old.service, {UNIT}.service: name one of those" in umbrella["detail"]["error"]
    assert story.changed_before["another"] == story.changed_before["umbrella"] == []
    assert story.alive_before["another"]


@pytest.mark.parametrize("host", HERE)
def test_where_it_cannot_be_shown_the_local_unit_is_left_alone(host: str, story: Story) -> None:
    """As in inventories/reconciliation: hosts whose plays run where the responder works, which has a unit of the same name."""
    for ended in (story.checked, story.refused):
        said = restart(ended, host)
        assert said["outcome"] == "refused", ended.output
        assert "only with postgres_via=host (here: " in said["detail"]["error"]
    assert story.changed_before[host] == [], "nobody even asked about the unit here"


def test_not_while_somebody_depends_on_it(story: Story) -> None:
    refused = restart(story.refused, "depended")
    assert refused["outcome"] == "refused", story.refused.output
    assert refused["detail"]["error"] == "a backup runs; a replica or another receiver of WAL is attached"
    assert story.changed_before["depended"] == []
    assert restart(story.done, "depended")["outcome"] == "done", story.done.output
    assert story.pids_after["depended"] != story.pids_before["depended"]


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
    """The server runs by now, as when somebody had started it between the plan and the run."""
    answers = {event["action"]["id"]: event["action"] for event in story.again.events("action") if event["host"] == "stopped"}
    again = {key: (action["outcome"], action["detail"]["why"]) for key, action in answers.items()}
    assert sorted(again.values()) == [("moved_on", "no_longer_matches"), ("refused", "not_approved")], story.again.output
    assert story.databases["stopped"].changes == [f"start {UNIT}"]
    assert story.databases["stopped"].server.pid == story.pids_after["stopped"]


def test_who_is_half_alive_is_not_started(story: Story) -> None:
    """Nobody listens, and the unit has a process: it may just come up, or end."""
    said = restart(story.refused, "half_alive")
    assert story.refused.status == 2 and "half_alive" in story.refused.failed, story.refused.output
    assert said["outcome"] == "refused"
    assert "nobody listens where it should be" in said["detail"]["error"]
    assert "was not done" in story.refused.output
    assert story.changed_before["half_alive"] == []


def test_a_frozen_server_is_not_restarted(story: Story) -> None:
    """Nobody says that it is down: it may be the way to it that does not answer."""
    assert story.refused.status == 2 and "frozen" in story.refused.failed, story.refused.output
    assert "the target could not be reached (timeout)" in story.refused.said
    assert not story.refused.actions("frozen") and story.changed_before["frozen"] == []
