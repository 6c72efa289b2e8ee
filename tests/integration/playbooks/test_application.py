# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application's part: its restart when no connection slot is left, its pool. The database's own restart: test_restart_database.py.

There is no systemd in a test: `systemctl` is a stand-in that really starts and stops a process. The process is an application
that leaks connections.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo import faults
from demo.postgres import Server
from tests.support.until import until

from .conftest import ROOT, Ended, Site

DOUBLES = ROOT / "tests" / "support" / "doubles"
#: Takes every slot there is at its first start, two afterwards: the leak comes back only with time.
LEAK = """
import pathlib, sys, time, psycopg
first = pathlib.Path(sys.argv[2])
most = 1000 if not first.exists() else 2
held = []
while len(held) < most:
    try:
        held.append(psycopg.connect(sys.argv[1], application_name="leaky"))
    except psycopg.OperationalError:
        break
first.write_text(str(len(held)))
time.sleep(600)
"""


@dataclass
class Application:
    """A service below the stand-in for systemd."""

    home: Path

    def systemctl(self, *words: str) -> str:
        """Call the stand-in."""
        done = subprocess.run(
            [str(DOUBLES / "systemctl"), *words], env={"SYSTEMCTL_DOUBLE": str(self.home), "PATH": "/usr/bin:/bin"}, text=True,
            stdout=subprocess.PIPE, check=True, timeout=30,
        )
        return done.stdout

    @property
    def restarts(self) -> int:
        """How often a restart was asked for."""
        return sum(line.startswith("restart") for line in (self.home / "calls").read_text().splitlines())


@dataclass
class Exhausted:
    """A site whose application holds every slot."""

    site: Site
    application: Application

    def play(self, *arguments: str) -> Ended:
        """Run the scenario with the stand-in on PATH."""
        path = f"{DOUBLES}:{self.site.bin}:/usr/bin:/bin"
        return self.site.play(*arguments, PATH=path, SYSTEMCTL_DOUBLE=str(self.application.home))


def _application(server: Server, place: Path, *, leak: bool) -> Application:
    place.mkdir()
    faults.prepare(server)
    command = [sys.executable, "-c", LEAK, server.conninfo(), str(place / "first")]
    (place / "command").write_text(json.dumps(command))
    if not leak:
        (place / "first").write_text("0")
    application = Application(home=place)
    application.systemctl("start", "shop")
    return application


def _await_full(server: Server, first: Path) -> None:
    until(lambda: first.exists() and first.read_text(), what="the application to take the slots")


@pytest.fixture
def exhausted(tmp_path: Path, fresh_server: Server) -> Iterator[Exhausted]:
    """Nobody gets in any more, the reserved slots included."""
    site = Site(place=tmp_path, server=fresh_server)
    application = _application(fresh_server, tmp_path / "shop", leak=True)
    try:
        _await_full(fresh_server, tmp_path / "shop" / "first")
        yield Exhausted(site=site, application=application)
    finally:
        application.systemctl("stop", "shop")


@pytest.fixture
def healthy(tmp_path: Path, server18: Server) -> Iterator[Exhausted]:
    """An application that does what it should."""
    site = Site(place=tmp_path, server=server18)
    application = _application(server18, tmp_path / "shop", leak=False)
    try:
        yield Exhausted(site=site, application=application)
    finally:
        application.systemctl("stop", "shop")


def test_no_slot_left_the_plan_is_the_applications_restart(exhausted: Exhausted) -> None:
    exhausted.site.group("app", app1={"service_name": "shop", "service_timeout": "10s"})
    checked = exhausted.play("--check")
    assert checked.status == 0, checked.output
    assert exhausted.application.restarts == 0
    plan = checked.plan()
    assert [action["verb"] for action in plan["actions"]["app1"]] == ["restart_service"]
    assert "slot" in plan["actions"]["app1"][0]["reason"]

    done = exhausted.play()
    assert done.status == 0, done.output
    assert exhausted.application.restarts == 1
    assert [action["outcome"] for action in done.actions() if action["verb"] == "restart_service"] == ["done"]
    done.assert_record_verifies()


def test_no_slot_left_and_no_application_known(exhausted: Exhausted) -> None:
    done = exhausted.play("--check")
    assert done.status == 2
    assert "no service of it is configured: set service_name" in " ".join(done.output.split())


def test_a_restart_that_does_not_happen_is_a_failure(exhausted: Exhausted) -> None:
    exhausted.site.group("app", app1={"service_name": "shop", "service_timeout": "6s"})
    (exhausted.application.home / "broken").touch()
    done = exhausted.play("--tags", "mitigate")
    assert done.status == 2
    assert [action["outcome"] for action in done.actions()] == ["failed"]
    assert "restart_service: outcome failed" in done.output


def test_a_restart_that_was_not_approved(exhausted: Exhausted) -> None:
    exhausted.site.group("app", app1={"service_name": "shop"})
    empty = exhausted.play("--check", "--tags", "mitigate", "-e", "service_restart=never").plan()
    assert empty["actions"] == {}
    done = exhausted.play("--tags", "mitigate", "-e", json.dumps({"incident_approved_plan": empty}))
    assert exhausted.application.restarts == 0
    assert [action["outcome"] for action in done.actions()] == ["refused"]
    assert done.status == 2, "what the database needs was not done"


def test_nothing_is_restarted_by_itself(healthy: Exhausted) -> None:
    healthy.site.group("app", app1={"service_name": "shop"})
    done = healthy.play("--tags", "mitigate")
    assert done.status == 0, done.output
    assert healthy.application.restarts == 0
    assert done.actions() == []


def test_the_pool_is_raised_and_the_old_size_kept(healthy: Exhausted, tmp_path: Path) -> None:
    settings = tmp_path / "app.env"
    settings.write_text("PORT=1\nDATABASE_POOL_MAX=5\n")
    healthy.site.group("app", app1={
        "service_name": "shop", "service_pool_size": 12, "service_pool_instances": 2, "service_pool_file": str(settings),
        "service_pool_key": "DATABASE_POOL_MAX", "service_timeout": "10s",
    })
    checked = healthy.play("--check", "--tags", "mitigate")
    assert [action["verb"] for action in checked.plan()["actions"]["app1"]] == ["raise_pool", "restart_service"]
    assert "=5" in settings.read_text()
    done = healthy.play("--tags", "mitigate")
    assert done.status == 0, done.output
    assert "DATABASE_POOL_MAX=12\n" in settings.read_text()
    actions = {action["verb"]: action for action in done.actions()}
    assert actions["raise_pool"]["detail"]["before"]["stdout"] == "5"
    assert actions["restart_service"]["outcome"] == "done", "a new size counts from the next start"
    again = healthy.play("--tags", "mitigate")
    assert [action["outcome"] for action in again.actions()] == ["not_needed"]
    assert healthy.application.restarts == 1


def test_a_pool_that_does_not_fit_is_refused(healthy: Exhausted, tmp_path: Path) -> None:
    settings = tmp_path / "app.env"
    settings.write_text("POOL=5\n")
    common: dict[str, Any] = {
        "service_name": "shop", "service_pool_size": 20, "service_pool_file": str(settings), "service_pool_key": "POOL",
    }
    healthy.site.group("app", app1=common, app2=common)
    done = healthy.play("--tags", "mitigate")
    assert [action["outcome"] for action in done.actions()] == ["refused", "refused"]
    assert "want 40 connections, the server gives 37" in done.actions()[0]["detail"]["why"]
    assert settings.read_text() == "POOL=5\n"


def test_named_objects_are_maintained(site: Site, server18: Server) -> None:
    faults.prepare(server18)
    objects = [
        {"operation": "analyze", "name": "public.incident_orders"}, {"operation": "vacuum", "name": "public.incident_orders"},
        {"operation": "reindex", "name": "public.incident_orders_pkey"}, {"operation": "reindex", "name": "public.incident_orders"},
    ]
    given = ("--tags", "mitigate", "-e", json.dumps({"postgres_maintain": objects}))
    checked = site.play("--check", *given)
    assert checked.outcomes() == ["planned"] * 4
    done = site.play(*given)
    assert done.status == 0, done.output
    assert done.outcomes() == ["done"] * 4
    assert site.play(*given, "-e", "postgres_maintain_max=3").status == 2
