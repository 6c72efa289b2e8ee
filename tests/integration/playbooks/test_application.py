# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application's part: its restart when no connection slot is left, its pool. The database's own restart: test_restart_database.py.

There is no systemd in a test: `systemctl` is a stand-in that really starts and stops a process. The process is an application
that leaks connections. The tests read plays with several applications, each below a stand-in of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo import faults
from demo.postgres import Server, find_bin_dir
from tests.support.need import need
from tests.support.site import DOUBLES, Ended, Site
from tests.support.until import until

from .conftest import database_site

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

    def variables(self, **more: Any) -> dict[str, Any]:
        """Of its host, on whose PATH alone the stand-in is."""
        python = self.home / "python"
        python.write_text(
            f'#!/bin/sh\nexec env PATH={DOUBLES}:/usr/bin:/bin SYSTEMCTL_DOUBLE={self.home} {sys.executable} "$@"\n')
        python.chmod(0o755)
        return {"ansible_python_interpreter": str(python), "service_name": "shop", **more}


@contextmanager
def application(server: Server, home: Path, *, leak: bool = False) -> Iterator[Application]:
    """One that runs; with a leak it holds every slot, the reserved ones included."""
    home.mkdir()
    command = [sys.executable, "-c", LEAK, server.conninfo(), str(home / "first")]
    (home / "command").write_text(json.dumps(command))
    if not leak:
        (home / "first").write_text("0")
    made = Application(home=home)
    made.systemctl("start", "shop")
    try:
        if leak:
            until(lambda: (home / "first").exists() and (home / "first").read_text(), what="the application to take the slots")
        yield made
    finally:
        made.systemctl("stop", "shop")


def play(site: Site, hosts: Mapping[str, Mapping[str, Any]], *arguments: str, **variables: Any) -> Ended:
    """Run the scenario with these applications."""
    site.group("app", **hosts)
    return site.play(*arguments, variables=variables)


@dataclass
class Exhausted:
    """No slot is left, whose application is one of three: the plays against it, and the restarts of each after each."""

    unknown: Ended
    checked: Ended
    helpless: Ended
    done: Ended
    restarts: dict[str, list[int]]


@pytest.fixture(scope="module")
def exhausted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exhausted]:
    """Only app1 leaks. Of app2 nothing is approved, and a restart of app3 does not happen."""
    place = tmp_path_factory.mktemp("exhausted")
    bin_dir = find_bin_dir(18)
    need(bin_dir, "PostgreSQL 18")
    with ExitStack() as stack:
        server = stack.enter_context(Server.start(bin_dir=bin_dir, settings={"max_connections": "25"}))
        faults.prepare(server)
        site = database_site(place, server)
        apps = {name: stack.enter_context(application(server, place / name)) for name in ("app2", "app3")}
        apps["app1"] = stack.enter_context(application(server, place / "app1", leak=True))
        (apps["app3"].home / "broken").touch()
        hosts = {
            "app1": apps["app1"].variables(service_timeout="10s"), "app2": apps["app2"].variables(),
            "app3": apps["app3"].variables(service_timeout="6s"),
        }
        restarts: dict[str, list[int]] = {name: [] for name in apps}

        def played(*arguments: str, without: str = "", **variables: Any) -> Ended:
            chosen = {name: more for name, more in hosts.items() if name not in without.split()}
            if "--check" in arguments:
                chosen = {**chosen, **({"app2": {**chosen["app2"], "service_restart": "never"}} if "app2" in chosen else {})}
            ended = play(site, chosen, *arguments, **variables)
            for name, app in apps.items():
                restarts[name].append(app.restarts)
            return ended

        unknown = played("--check", without="app1 app2 app3")
        checked = played("--check")
        helpless = played("--tags", "mitigate", without="app1", incident_approved_plan=checked.plan())
        yield Exhausted(unknown, checked, helpless, played(without="app2 app3"), restarts)


def test_no_slot_left_the_plan_is_the_applications_restart(exhausted: Exhausted) -> None:
    checked = exhausted.checked
    assert checked.status == 0, checked.output
    assert exhausted.restarts["app1"][:3] == [0, 0, 0]
    plan = checked.plan()
    assert [action["verb"] for action in plan["actions"]["app1"]] == ["restart_service"]
    assert "slot" in plan["actions"]["app1"][0]["reason"]

    done = exhausted.done
    assert done.status == 0, done.output
    assert exhausted.restarts["app1"][-1] == 1
    assert [action["outcome"] for action in done.actions() if action["verb"] == "restart_service"] == ["done"]
    done.assert_record_verifies()


def test_no_slot_left_and_no_application_known(exhausted: Exhausted) -> None:
    assert exhausted.unknown.status == 2
    assert "no service of it is configured: set service_name" in exhausted.unknown.said


def test_a_restart_that_does_not_happen_is_a_failure(exhausted: Exhausted) -> None:
    assert exhausted.helpless.status == 2
    assert exhausted.helpless.outcomes("app3") == ["failed"]
    assert "1 of 1 actions did not work: restart_service" in exhausted.helpless.said


def test_a_restart_that_was_not_approved(exhausted: Exhausted) -> None:
    assert "app2" not in exhausted.checked.plan()["actions"]
    assert exhausted.restarts["app2"] == [0, 0, 0, 0]
    assert exhausted.helpless.outcomes("app2") == ["refused"]
    assert exhausted.helpless.failed == {"db1", "app3"}, "what the database needs was not done"


@dataclass
class Healthy:
    """Applications that do what they should: the plays against them, the settings and the restarts after each."""

    checked: Ended
    done: Ended
    again: Ended
    refused: Ended
    vanished: Ended
    settings: list[str]
    unfit: str
    restarts: dict[str, int]


OBJECTS = [
    {"operation": "analyze", "name": "public.incident_orders"}, {"operation": "vacuum", "name": "public.incident_orders"},
    {"operation": "reindex", "name": "public.incident_orders_pkey"}, {"operation": "reindex", "name": "public.incident_orders"},
]
MITIGATE = ("--tags", "mitigate")


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory, server18: Server) -> Iterator[Healthy]:
    """The pool of one is to grow, nothing is asked of the other; objects of the database are to be maintained."""
    place = tmp_path_factory.mktemp("healthy")
    faults.prepare(server18)
    site = database_site(place, server18)
    settings, unfit = place / "app.env", place / "unfit.env"
    settings.write_text("PORT=1\nDATABASE_POOL_MAX=5\n")
    unfit.write_text("POOL=5\n")
    with application(server18, place / "grown") as grown, application(server18, place / "quiet") as quiet:
        hosts = {
            "grown": grown.variables(
                service_pool_size=12, service_pool_instances=2, service_pool_file=str(settings), service_pool_key="DATABASE_POOL_MAX",
                service_timeout="10s"),
            "quiet": quiet.variables(),
        }
        ended, texts = [], []
        for arguments in ((*MITIGATE, "--check"), MITIGATE):
            ended.append(play(site, hosts, *arguments, postgres_maintain=OBJECTS))
            texts.append(settings.read_text())
        # Nobody knows how this one's application is restarted.
        alone = place / "alone.env"
        alone.write_text("POOL=2\n")
        without = {name: value for name, value in quiet.variables().items() if not name.startswith("service_")}
        alone_wants = {"service_pool_size": 3, "service_pool_file": str(alone), "service_pool_key": "POOL"}
        server18.execute("DROP TABLE IF EXISTS public.worst; CREATE TABLE public.worst (id int) WITH (autovacuum_enabled = off)")
        server18.execute("INSERT INTO public.worst SELECT generate_series(1, 20000)")
        server18.execute("DELETE FROM public.worst")
        again = play(site, {**hosts, "alone": {**without, **alone_wants}}, *MITIGATE,
                     postgres_maintain_worst=1, postgres_maintain_worst_operations=["vacuum"])
        wanted = {"service_pool_size": 20, "service_pool_file": str(unfit), "service_pool_key": "POOL"}
        refused = play(site, {"app1": grown.variables(**wanted), "app2": quiet.variables(**wanted)}, *MITIGATE,
                       postgres_maintain=OBJECTS, postgres_maintain_max=3)
        # What was asked for is gone since the approval.
        vanished = play(site, {"grown": {**hosts["grown"], "service_pool_size": 0}}, *MITIGATE, incident_approved_plan=ended[0].plan())
        yield Healthy(
            vanished=vanished, checked=ended[0], done=ended[1], again=again, refused=refused, settings=texts, unfit=unfit.read_text(),
            restarts={"grown": grown.restarts, "quiet": quiet.restarts},
        )


def test_nothing_is_restarted_by_itself(healthy: Healthy) -> None:
    assert healthy.done.status == 0, healthy.done.output
    assert healthy.restarts["quiet"] == 0
    assert healthy.done.outcomes("quiet") == []


def test_the_pool_is_raised_and_the_old_size_kept(healthy: Healthy) -> None:
    assert [action["verb"] for action in healthy.checked.plan()["actions"]["grown"]] == ["raise_pool", "restart_service"]
    assert "=5" in healthy.settings[0]
    assert healthy.done.status == 0, healthy.done.output
    assert "DATABASE_POOL_MAX=12\n" in healthy.settings[1]
    actions = {action["verb"]: action for action in healthy.done.actions()}
    assert actions["raise_pool"]["detail"]["before"]["stdout"] == "5"
    assert actions["restart_service"]["outcome"] == "done", "a new size counts from the next start"
    assert healthy.again.outcomes("grown") == ["not_needed"]
    assert healthy.restarts["grown"] == 1


def test_who_is_approved_and_not_asked_for_any_more_gets_an_answer(healthy: Healthy) -> None:
    answers = [action for action in healthy.vanished.actions() if action["verb"] in ("raise_pool", "restart_service")]
    assert {(one["verb"], one["outcome"], one["detail"]["why"]) for one in answers} == {
        ("raise_pool", "moved_on", "no_longer_matches"), ("restart_service", "moved_on", "no_longer_matches"),
    }
    assert healthy.restarts["grown"] == 1


def test_a_pool_that_nothing_makes_take_effect_is_not_recovered(healthy: Healthy) -> None:
    """Written is not in effect: the application runs with the old size."""
    assert healthy.again.outcomes("alone") == ["done"], [one["detail"] for one in healthy.again.actions() if one["verb"] == "raise_pool"]
    assert healthy.again.failed == {"alone"}
    assert "runs with the old one until it is restarted. Set service_name" in healthy.again.said


def test_a_pool_that_does_not_fit_is_refused(healthy: Healthy) -> None:
    assert healthy.refused.outcomes("app1") + healthy.refused.outcomes("app2") == ["refused", "refused"]
    (first,) = (event["action"] for event in healthy.refused.events("action") if event["host"] == "app1")
    assert "want 40 connections, the server gives 37" in first["detail"]["error"]
    assert healthy.unfit == "POOL=5\n"


def test_named_objects_are_maintained(healthy: Healthy) -> None:
    assert healthy.checked.outcomes("db1") == ["planned"] * 4
    assert healthy.done.status == 0, healthy.done.output
    assert healthy.done.outcomes("db1") == ["done"] * 4
    assert healthy.refused.status == 2 and "db1" in healthy.refused.failed


def test_the_worst_table_is_maintained(healthy: Healthy) -> None:
    assert [(one["verb"], one["name"], one["outcome"]) for one in healthy.again.actions() if one["verb"] == "vacuum"] == [
        ("vacuum", "public.worst", "done"),
    ]
