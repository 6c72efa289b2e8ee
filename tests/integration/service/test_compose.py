# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The restart of services of Docker Compose on a real engine: with a health check, without one, and one that dies after every start."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.playbooks.conftest import QUICK
from tests.support.docker_engine import IMAGE, Engine, engine
from tests.support.run_module import start_module
from tests.support.site import Ended, Site
from tests.support.until import until

pytestmark = pytest.mark.timeout(900)
#: Longer than a container of `loop` lives.
HOLD = "5s"
CANARY = "canary-of-docker-inspect"
_COMMON: dict[str, Any] = {
    "image": IMAGE, "network_mode": "none", "stop_signal": "SIGKILL", "environment": {"PASSWORD": CANARY},
}
SERVICES: dict[str, dict[str, Any]] = {
    "plain": {"command": ["sleep", "3600"]},
    "checked": {
        "command": ["sleep", "3600"],
        "healthcheck": {"test": ["CMD", "true"], "interval": "1s", "timeout": "20s", "retries": 3},
    },
    "sick": {
        "command": ["sleep", "3600"],
        "healthcheck": {"test": ["CMD", "false"], "interval": "1s", "timeout": "20s", "retries": 1},
    },
    "several": {"command": ["sleep", "3600"]},
    "counted": {"command": ["sleep", "3600"]},
    "workers": {"command": ["sh", "-c", "while :; do sleep 1; done"]},
    "loop": {"command": ["sh", "-c", "sleep 2; exit 3"], "restart": "always"},
}


@dataclass
class Project:
    """A project with all services up, and plays that restart them."""

    engine: Engine
    place: Path
    site: Site

    def container(self, service: str) -> dict[str, Any]:
        """What Docker itself says of the one container of a service."""
        (identity,) = self.engine.project(self.place, "ps", "--quiet", service).split()
        (found,) = json.loads(self.engine.docker("inspect", identity))
        return dict(found)

    def started(self, service: str) -> str:
        """When its container was started last."""
        return str(self.container(service)["State"]["StartedAt"])

    def variables(self, service: str) -> dict[str, Any]:
        """What the role is told."""
        return {
            "service_name": service, "service_runtime": "compose", "service_compose_command": self.engine.compose,
            "service_compose_directory": str(self.place), "service_compose_files": [str(self.place / "compose.yml")],
            "service_hold": HOLD, "service_timeout": "25s", "service_restart": "always",
        }

    def restart(self, *services: str, check: bool = False, **variables: Any) -> Ended:
        """Restart services, each on a host of its own, in one run."""
        return self.play(*services, doors=(("service", "help"), ("incident", "conclude")), check=check, **variables)

    def entry(self, name: str, **more: Any) -> dict[str, Any]:
        """The service in the list of its host."""
        where = {"directory": str(self.place), "files": [str(self.place / "compose.yml")], "command": self.engine.compose}
        return {"name": name, "runtime": "compose", "where": where, **more}

    def play(self, *services: str, doors: Sequence[tuple[str, str]], check: bool = False, **variables: Any) -> Ended:
        """Go through doors of roles for services, each on a host of its own."""
        self.site.group("app", **{name: {**self.variables(name), **variables} for name in services})
        tasks = [
            {"name": f"Go through {door}", "ansible.builtin.import_role": {"name": f"oncall.incident.{role}", "tasks_from": door}}
            for role, door in doors
        ]
        playbook = self.site.book(tasks, hosts="app", tags=["mitigate"])
        return self.site.play(*(["--check"] if check else []), playbook=playbook, **self.engine.environ)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The project, up; ended with its engine."""
    place = tmp_path_factory.mktemp("shop")
    services = {name: {**_COMMON, **one} for name, one in SERVICES.items()}
    (place / "compose.yml").write_text(json.dumps({"version": "2.4", "services": services}))
    with engine() as running:
        made = Project(engine=running, place=place, site=Site(place, common=QUICK))
        running.project(place, "up", "--detach")
        until(lambda: made.container("checked")["State"]["Health"]["Status"] == "healthy", what="the healthy service", seconds=60)
        until(lambda: made.container("loop")["RestartCount"] >= 1, what="the first death of the loop", seconds=60)
        yield made


def outcomes(done: Ended) -> dict[str, str]:
    """The outcome by service."""
    return {action["target"]["service"]: action["outcome"] for action in done.actions()}


def test_what_came_up_and_stayed_is_done_and_what_did_not_is_not(project: Project) -> None:
    known = ("plain", "checked", "sick", "loop")
    before = {name: project.started(name) for name in known}
    checked = project.restart("plain", check=True)
    assert (outcomes(checked), project.started("plain")) == ({"plain": "planned"}, before["plain"]), checked.output

    done = project.restart(*known)
    assert done.status == 2
    found = outcomes(done)
    # What dies all the time may be another start of it by the time that it would be restarted.
    assert found.pop("loop") in ("failed", "refused"), done.output
    assert found == {"plain": "done", "checked": "done", "sick": "failed"}, done.output
    for name in ("plain", "checked"):
        assert project.started(name) != before[name]
        assert project.container(name)["State"]["Running"]
    assert project.container("loop")["RestartCount"] >= 1, "it went on dying"
    record = "".join(path.read_text() for path in (done.run_dir / "record").iterdir())
    assert CANARY not in record + done.output


def test_what_compose_run_has_left_is_none_of_the_service(project: Project) -> None:
    for name in ("plain", "workers"):
        project.engine.project(project.place, "run", "-T", name, "true")
    assert len(project.engine.project(project.place, "ps", "--all", "--quiet", "plain").split()) == 2
    before = project.started("plain")
    done = project.restart("plain")
    assert (done.status, outcomes(done)) == (0, {"plain": "done"}), done.output
    assert project.started("plain") != before
    doors = (("incident", "permit"), ("service", "reload"), ("incident", "conclude"))
    reloaded = project.play("workers", doors=doors, service_reload_command=["true"], service_reload_evidence="workers")
    assert (reloaded.status, outcomes(reloaded)) == (0, {"workers": "done"}), reloaded.output


def test_who_cannot_look_does_not_act(project: Project) -> None:
    before = project.started("plain")
    done = project.restart("plain", service_container_command=["no-such-runtime"])
    assert (done.status, outcomes(done)) == (2, {"plain": "unknown"}), done.output
    (action,) = done.actions()
    assert (action["detail"]["why"], action["touched"]) == ("cannot_look", False)
    assert "no-such-runtime is not installed" in action["detail"]["error"]
    assert project.started("plain") == before


def test_each_verb_over_the_list_of_a_host(project: Project) -> None:
    """One after the other; what is meant is done and measured, one instance at a time, and nobody else is touched."""
    before = project.started("plain")
    verbs = ("stop", "start", "scale", "restart")
    listed = {"services": [project.entry("plain"), project.entry("several", pool=5)], "service_names": ["several"], "service_count": 2}
    project.site.group("app", host={**project.variables("several"), "service_name": "", **listed, "service_pool_limit": 10})
    tasks = [
        {"name": f"Go through {door}", "ansible.builtin.import_role": {"name": f"oncall.incident.{role}", "tasks_from": door}}
        for role, door in (("incident", "permit"), *(("service", verb) for verb in verbs), ("incident", "conclude"))
    ]
    done = project.site.play(playbook=project.site.book(tasks, hosts="app", tags=["mitigate"]), **project.engine.environ)
    assert done.status == 0, done.output
    assert [(one["verb"], one["outcome"]) for one in done.actions()] == [
        *((f"{verb}_service", "done") for verb in verbs), ("restart_service", "done")]
    restarted = [one["target"]["instance"] for one in done.actions() if one["verb"] == "restart_service"]
    assert len(set(restarted)) == 2, "each by itself"
    assert len(project.engine.project(project.place, "ps", "--quiet", "several").split()) == 2
    assert project.started("plain") == before
    more = {**listed, "service_count": 3, "service_pool_limit": 10}
    project.site.group("app", host={**project.variables("several"), "service_name": "", **more})
    tasks = [tasks[0], {"name": "Scale", "ansible.builtin.import_role": {"name": "oncall.incident.service", "tasks_from": "scale"}}]
    refused = project.site.play(playbook=project.site.book(tasks, hosts="app", tags=["mitigate"]), **project.engine.environ)
    assert [(one["verb"], one["outcome"]) for one in refused.actions()] == [("scale_service", "refused")], refused.output
    (action,) = refused.actions()
    assert "all pools together would want 15 connections, the server gives 10" in str(action["detail"]), action
    assert len(project.engine.project(project.place, "ps", "--quiet", "several").split()) == 2


def test_starts_are_counted_whoever_made_them(project: Project) -> None:
    def starts() -> int:
        found = start_module("service_instances", env=project.engine.environ, service=project.entry("counted"), history="1h")
        (count,) = found.result(timeout=120)["starts_lately"].values()
        return int(count)

    # The engine keeps 256 events, and the health checks of the others use those up: the first start may be out of them.
    before = starts()
    for _ in range(2):
        project.engine.docker("restart", "--time", "0", str(project.container("counted")["Id"]))
    assert starts() in (2, before + 2)


def test_the_look_itself(project: Project) -> None:
    def look(service: str) -> dict[str, Any]:
        options = {
            "name": service, "runtime": "compose", "compose_command": project.engine.compose, "compose_directory": str(project.place),
            "compose_files": [str(project.place / "compose.yml")],
        }
        return start_module("service_instances", env=project.engine.environ, **options).result(timeout=120)

    plain = look("plain")
    (one,) = plain["instances"]
    container = project.container("plain")
    assert (plain["up"], one["health"], one["id"]) == (True, "", container["Id"])
    assert one["main_pid"] == container["State"]["Pid"]
    assert plain["starts"] == [f"{container['Id']} {container['State']['StartedAt']}"]
    assert look("plain")["identity"] == plain["identity"]
    assert look("sick")["up"] is False
    nobody = look("no-such-service")
    assert (nobody["failed"], nobody["error"]) == (True, "blind")
