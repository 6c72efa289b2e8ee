# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The restart of the database itself: only of what is shown to be the server that was judged, and a start where it is stopped.

There is no systemd in a test: `systemctl` is a stand-in that really stops and starts the server.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo import faults
from demo.postgres import Server
from tests.support.processes import alive
from tests.support.until import until

from .conftest import ROOT, Ended, Site

pytestmark = pytest.mark.timeout(900)
DOUBLES = ROOT / "tests" / "support" / "doubles"
UNIT = "postgresql@18-main"
MITIGATE = ("--tags", "mitigate")


@dataclass
class Database:
    """A server below the stand-in for systemd, and plays that may restart it."""

    site: Site
    server: Server
    home: Path

    def adopt(self, pid: int) -> None:
        """Make a running process the unit's."""
        (self.home / "pid").write_text(str(pid))
        (self.home / "invocation").write_text("0")
        (self.home / "calls").write_text("")

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

    def play(self, *arguments: str, **variables: Any) -> Ended:
        """Run the scenario with the stand-ins on PATH."""
        given = {"postgres_restart_database": True, "postgres_service_name": UNIT, "postgres_connect_timeout": "2s", **variables}
        return self.site.play(
            *arguments, "-e", json.dumps(given), PATH=f"{DOUBLES}:{self.site.bin}:/usr/bin:/bin", SYSTEMCTL_DOUBLE=str(self.home),
            DOCKER_DOUBLE_ADDRESS="127.0.0.1", ANSIBLE_FORKS="1",
        )


@pytest.fixture
def database(tmp_path: Path, fresh_server: Server) -> Iterator[Database]:
    """A server that the stand-in can end and start."""
    home = tmp_path / "unit"
    home.mkdir()
    argv = [str(fresh_server.bin_dir / "postgres"), "-D", str(fresh_server.data)]
    if os.geteuid() == 0:
        owner = pwd.getpwuid(fresh_server.data.stat().st_uid)
        argv = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups", *argv]
    (home / "command").write_text(json.dumps(argv))
    made = Database(site=Site(place=tmp_path, server=fresh_server), server=fresh_server, home=home)
    made.adopt(fresh_server.pid)
    made.describe()
    yield made


def restart(done: Ended) -> dict[str, Any]:
    """The one action on the database itself."""
    (found,) = (action for action in done.actions() if action["verb"] == "restart_database")
    return found


def test_the_server_that_was_judged_is_restarted(database: Database) -> None:
    before = database.server.pid
    checked = database.play(*MITIGATE, "--check")
    assert restart(checked)["outcome"] == "planned", checked.output
    assert database.changes == []
    done = database.play(*MITIGATE, incident_approved_plan=checked.plan())
    assert (done.status, restart(done)["outcome"]) == (0, "done"), done.output
    assert database.server.pid != before
    assert database.server.execute("SELECT 1")


def test_another_unit_is_never_restarted(database: Database) -> None:
    """Whatever is accepted: the unit's process is another one, or the unit only groups others, as Debian's postgresql.service does."""
    accepted = {"postgres_restart_despite_backup": True, "postgres_restart_despite_replica": True}
    database.adopt(os.getpid())
    another = database.play(*MITIGATE, **accepted)
    assert restart(another)["outcome"] == "refused", another.output
    assert f"the server's process is {database.server.pid}, the unit's process is {os.getpid()}" in restart(another)["detail"]["why"]

    database.describe(Type="oneshot", MainPID="0", ActiveState="active", ConsistsOf=f"{UNIT}.service postgresql@13-old.service")
    umbrella = database.play(*MITIGATE, "--check", postgres_service_name="postgresql", **accepted)
    assert restart(umbrella)["outcome"] == "refused", umbrella.output
    assert f"groups postgresql@13-old.service, {UNIT}.service: name one of those" in restart(umbrella)["detail"]["why"]
    assert database.changes == []
    assert alive(database.server.pid)


def test_where_it_cannot_be_shown_the_local_unit_is_left_alone(tmp_path: Path, server18: Server) -> None:
    """As in inventories/reconciliation: hosts whose plays run where the responder works, which has a unit of the same name."""
    home = tmp_path / "unit"
    home.mkdir()
    site = Site(place=tmp_path, server=server18)
    database = Database(site=site, server=server18, home=home)
    database.adopt(server18.pid)
    there = {"postgres_login_host": "127.0.0.1", "postgres_login_port": server18.port, "postgres_login_unix_socket": ""}
    site.group(
        "db",
        by_controller={**there, "postgres_via": "controller"},
        by_container={
            **there, "postgres_via": "container", "postgres_login_host": "", "postgres_container_name": "shop-postgres",
            "postgres_container_network": "shop_default",
        },
        by_kubernetes={**there, "postgres_via": "kubernetes", "postgres_kubernetes_target": "service/postgres",
                       "postgres_kubernetes_namespace": "shop"},
    )
    given = {"postgres_restart_despite_backup": True, "postgres_restart_despite_replica": True}
    for tags in ((*MITIGATE, "--check"), MITIGATE):
        done = database.play(*tags, **given)
        said = [action for action in done.actions() if action["verb"] == "restart_database"]
        assert [action["outcome"] for action in said] == ["refused"] * 3, done.output
        assert all("only with postgres_via=host (here: " in action["detail"]["why"] for action in said)
    assert database.calls == [], "nobody even asked about the unit here"


def test_not_while_somebody_depends_on_it(database: Database) -> None:
    with faults.pg_dump(database.server), faults.pg_receivewal(database.server):
        done = database.play(*MITIGATE)
        assert restart(done)["outcome"] == "refused", done.output
        assert restart(done)["detail"]["why"] == "a backup runs; a replica or another receiver of WAL is attached"
        assert database.changes == []
        before = database.server.pid
        told = database.play(*MITIGATE, postgres_restart_despite_replica=True, postgres_restart_despite_backup=True)
        assert restart(told)["outcome"] == "done", told.output
        assert database.server.pid != before


def test_a_stopped_server_is_started(database: Database) -> None:
    stopped = database.server.pid
    os.kill(stopped, signal.SIGINT)
    until(lambda: not alive(stopped), what="the server to be stopped")
    checked = database.play("--check")
    assert (checked.status, restart(checked)["outcome"]) == (0, "planned"), checked.output
    assert restart(checked)["reason"] == "The server is stopped, and its start was asked for."
    done = database.play(incident_approved_plan=checked.plan())
    assert (done.status, restart(done)["outcome"]) == (0, "done"), done.output
    assert database.changes == [f"start {UNIT}"], "started, not restarted"
    assert database.server.execute("SELECT 1")
    # Now it runs, as when somebody had started it first: who approved a start has not approved a restart.
    again = database.play(*MITIGATE, incident_approved_plan=checked.plan())
    assert restart(again)["outcome"] == "refused", again.output
    assert "approved" in restart(again)["detail"]["why"]
    assert database.changes == [f"start {UNIT}"]


def test_who_is_half_alive_is_not_started(database: Database) -> None:
    """Nobody listens, and the unit has a process: it may just come up, or end."""
    stopped = database.server.pid
    os.kill(stopped, signal.SIGINT)
    until(lambda: not alive(stopped), what="the server to be stopped")
    database.adopt(os.getpid())
    done = database.play(*MITIGATE)
    assert (done.status, restart(done)["outcome"]) == (2, "refused"), done.output
    assert "nobody listens where it should be" in restart(done)["detail"]["why"]
    assert "was not done" in done.output
    assert database.changes == []


def test_a_frozen_server_is_not_restarted(database: Database) -> None:
    frozen = database.server.pid
    os.kill(frozen, signal.SIGSTOP)
    try:
        done = database.play(*MITIGATE)
        assert (done.status, restart(done)["outcome"]) == (2, "refused"), done.output
        assert restart(done)["detail"]["why"] == "whether a backup runs cannot be seen; whether a replica is attached cannot be seen"
        assert database.changes == []
    finally:
        os.kill(frozen, signal.SIGCONT)
