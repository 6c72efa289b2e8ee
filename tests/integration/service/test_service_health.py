# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of Docker Compose on a real engine, each ill in a way of its own, made by both versions of Compose."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.calls import call_of
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import Service

from oncall_incident.evidence import engines
from tests.support.docker_engine import COMMAND, IMAGE, PLUGIN, Engine, engine
from tests.support.run_module import start_module
from tests.support.until import until

pytestmark = pytest.mark.timeout(900)
CANARY = "canary-of-docker-inspect"
WINDOW = "4s"
_COMMON: dict[str, Any] = {
    "image": IMAGE, "network_mode": "none", "init": True, "stop_signal": "SIGKILL", "environment": {"PASSWORD": CANARY},
}
_EATS = f"x=a{CANARY}; while :; do x=$$x$$x; done"
SERVICES: dict[str, dict[str, Any]] = {
    "web": {"command": ["sleep", "3600"], "healthcheck": {"test": ["CMD", "true"], "interval": "1s"}},
    "sick": {
        "command": ["sleep", "3600"],
        "healthcheck": {"test": ["CMD", "sh", "-c", f"echo no route to token={CANARY}; false"], "interval": "1s", "retries": 1},
    },
    # Up for a moment after each start, as one look would see it.
    "loop": {"command": ["sh", "-c", f"echo last words; sleep 2; exit 3 # {CANARY}"], "restart": "always"},
    # A child below the init: the main process goes on, and Docker says OOMKilled: false.
    "oom": {"command": ["sh", "-c", f"while :; do sh -c '{_EATS}'; sleep 600; done"], "mem_limit": "16m"},
    "migrate": {"command": ["true"]},
    "migrate-failed": {"command": ["sh", "-c", "exit 7"]},
    "stopped": {"command": ["true"]},
    "half": {"command": ["sleep", "3600"], "ports": ["127.0.0.1:8080:80"]},
    "gone": {"command": ["sleep", "3600"]},
}
JOBS = ("migrate", "migrate-failed")


@dataclass
class Shop:
    """The project."""

    engine: Engine
    place: Path

    def entry(self, name: str, **more: Any) -> dict[str, Any]:
        """A service as an inventory has it."""
        where = {"directory": str(self.place), "command": self.engine.compose, **more.pop("where", {})}
        return {"name": name, "runtime": "compose", "where": where, **({"one_shot": True} if name in JOBS else {}), **more}

    def health(self, *entries: Mapping[str, Any], check: bool = False, **more: Any) -> dict[str, Any]:
        """What the module says."""
        args = {"window": WINDOW, "services": list(entries) or [self.entry(name) for name in SERVICES], **more}
        return start_module("service_health", check=check, env=self.engine.environ, **args).result(timeout=120)

    def instances(self, name: str) -> dict[str, Any]:
        """What service_instances says."""
        return start_module("service_instances", env=self.engine.environ, service=self.entry(name)).result(timeout=120)

    def container(self, name: str) -> dict[str, Any]:
        """What Docker says of the container of a service."""
        label = f"label=com.docker.compose.service={name}"
        (identity,) = self.engine.docker("ps", "--all", "--quiet", "--filter", label).split()
        return dict(json.loads(self.engine.docker("inspect", identity))[0])

    def starts(self) -> dict[str, str]:
        """When each container was started."""
        ids = self.engine.docker("ps", "--all", "--quiet", "--no-trunc").split()
        return {one["Name"]: one["State"]["StartedAt"] for one in json.loads(self.engine.docker("inspect", *ids))}

    def call(self, verb: str, name: str, **more: Any) -> list[str]:
        """Do what the calls of the runtime say."""
        seen = self.instances(name)["instances"]
        call = call_of(Service.of(self.entry(name), number=1), verb, instances=seen, **more)
        assert call.forbidden == () and call.module == "ansible.builtin.command"
        argv: list[str] = call.args["argv"]
        self.run(argv)
        return argv

    def run(self, argv: list[str]) -> str:
        """Run a command of a client of the engine."""
        return self.engine._run(argv, 120)


@pytest.fixture(scope="module", params=[PLUGIN, COMMAND])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The project, up for so long that each of its faults is there; ended with its engine."""
    place = tmp_path_factory.mktemp("shop")
    services = {name: {**_COMMON, **one} for name, one in SERVICES.items()}
    (place / "compose.yml").write_text(json.dumps({"version": "2.4", "services": services}))
    with engine(compose=request.param) as running:
        made = Shop(engine=running, place=place)
        running.project(place, "up", "--no-start")
        running.project(place, "rm", "--force", "gone")
        running.project(place, "start", *(name for name in SERVICES if name not in ("half", "gone")))
        until(lambda: made.container("web")["State"]["Health"]["Status"] == "healthy", what="the healthy service", seconds=60)
        until(lambda: made.container("sick")["State"]["Health"]["Status"] == "unhealthy", what="the unhealthy service", seconds=60)
        until(lambda: made.container("loop")["RestartCount"] >= 3, what="the third death of the loop", seconds=60)
        until(lambda: made.instances("oom")["instances"][0]["oom_kills"], what="a child to be ended for lack of memory", seconds=60)
        yield made


def statuses(said: Mapping[str, Any], service: str) -> dict[str, str]:
    """The checks of a service that are not ok."""
    return {one["check"]: one["status"] for one in said["findings"] if one["subject"] == service and one["status"] != "ok"}


def hint(said: Mapping[str, Any], service: str, check: str) -> str:
    """What a finding advises."""
    (found,) = [one["hint"] for one in said["findings"] if (one["subject"], one["check"]) == (service, check)]
    return str(found)


def test_each_service_is_judged_by_what_is_wrong_with_it(shop: Shop) -> None:
    before = shop.starts()
    said = shop.health()
    loop = statuses(said, "loop")
    assert {name: statuses(said, name) for name in SERVICES if name != "loop"} == {
        "web": {}, "sick": {"health": "critical"}, "oom": {"oom": "critical"}, "migrate": {}, "migrate-failed": {"running": "critical"},
        "stopped": {"running": "critical"}, "half": {"running": "critical"}, "gone": {"present": "critical", "running": "critical"},
    }, said["findings"]
    assert loop["restarts"] == "critical"
    assert (said["healthy"], said["checks"]["daemon"]) == (False, "ok")
    assert "fails its health check, which says: no route to token=***" in hint(said, "sick", "health")
    assert "is exited with 7" in hint(said, "migrate-failed", "running")
    assert "say one_shot: true" in hint(said, "stopped", "running")
    assert "is created" in hint(said, "half", "running") and "one_shot" not in hint(said, "half", "running")
    assert CANARY not in json.dumps({key: value for key, value in said.items() if key != "invocation"})
    after = shop.starts()
    assert {name: at for name, at in after.items() if "loop" not in name} == {
        name: at for name, at in before.items() if "loop" not in name}, "it only looks"


def test_a_loop_that_was_restarted_by_hand_looks_well_for_a_moment(shop: Shop) -> None:
    """Docker counts from 0 then. One look sees nothing wrong; two do."""
    def one_look() -> bool:
        shop.engine.docker("restart", shop.container("loop")["Id"])
        said = shop.health(shop.entry("loop"), window="0s")
        return bool(said["instances"][0]["up"]) and statuses(said, "loop") == {} and said["checks"]["restarts"] == "unknown"

    until(one_look, what="a look at the loop while it runs")
    said = shop.health(shop.entry("loop"))
    assert statuses(said, "loop")["restarts"] in ("warning", "critical") and said["healthy"] is False


def test_check_mode_looks_as_well(shop: Shop) -> None:
    assert shop.health(shop.entry("web"), check=True)["healthy"] is True


def test_the_log_that_a_hint_names_says_why(shop: Shop) -> None:
    said = shop.health(shop.entry("sick"))
    found = re.search(r"docker logs --tail 50 [\w.-]+\w", said["findings"][-1]["hint"] + hint(said, "sick", "health"))
    assert found
    shop.run(shlex.split(found.group()))


def test_a_name_that_the_project_does_not_have(shop: Shop) -> None:
    said = shop.health(shop.entry("wbe"), shop.entry("web"))
    assert statuses(said, "wbe")["present"] == "unknown" and statuses(said, "web") == {}
    assert said["healthy"] is None and "has no service wbe" in hint(said, "wbe", "present")


def test_an_engine_that_is_not_there(shop: Shop) -> None:
    nowhere = ["docker", "--host", f"unix://{shop.place}/nowhere.sock"]
    said = shop.health(shop.entry("web", where={"container_command": nowhere}), shop.entry("web2", where={"container_command": nowhere}))
    assert said["checks"]["daemon"] == "critical" and said["healthy"] is False
    assert {one["status"] for one in said["findings"] if one["check"] != "daemon"} == {"unknown"}


def test_fewer_than_desired_and_a_port_that_one_alone_can_have(shop: Shop) -> None:
    said = shop.health(shop.entry("web", desired=2))
    assert statuses(said, "web") == {"running": "warning"} and "1 of 2 is not there" in hint(said, "web", "running")
    half = shop.instances("half")["instances"]
    assert half[0]["published"] == ["8080"]
    refused = call_of(Service.of(shop.entry("half"), number=1), "scale", instances=half, count=2)
    assert "the fixed port 8080" in refused.forbidden[0]


def test_what_a_restart_erases_is_kept_first(shop: Shop) -> None:
    said = start_module(
        "snapshot", env=shop.engine.environ, services=[shop.entry(name) for name in SERVICES], budget="60s", command_timeout="30s",
        skip=["open_files", "journal", "package_changes"],
    ).result(timeout=120)
    data = (Path(said["spool"]) / "outputs").read_bytes()
    shutil.rmtree(said["spool"])
    kept = {one["name"]: data[one["position"]:][:one["bytes"]].decode("utf-8", "replace") for one in said["entries"] if one.get("spooled")}
    assert list(kept)[:2] == ["services1_compose_events", "services1_compose_state"]
    assert re.search(r"^\d+ die \S*loop\S* 3 ", kept["services1_compose_events"], re.MULTILINE)
    assert kept["services1_compose_state"].count("\n") == len(shop.starts())
    told = [text for name, output in kept.items() for _at, text, _bad in engines.moments(name, output)]
    assert any(re.match(r"container \S*loop\S*: die with 3\Z", text) for text in told), told
    assert any(re.match(r"container \S*loop\S*: started, restarted \d+ times\Z", text) for text in told), told
    assert "last words" in kept["service03_loop_logs"] and "service09_gone_logs" not in kept
    ours = "".join(value for name, value in kept.items() if name.startswith("service"))
    assert CANARY not in ours.replace(kept["services1_compose_state"], ""), "neither an environment nor a command line"
    # What a health check says is redacted on its way to the record, like everything that is kept.
    assert "PASSWORD" not in ours and "exec_" not in ours


def test_what_is_started_scaled_and_restarted_is_the_service_alone(shop: Shop) -> None:
    """And it comes up as service_health then says."""
    before = shop.starts()
    shop.call("start", "gone")
    shop.call("scale", "web", count=2)
    after = shop.starts()
    quiet = {name: at for name, at in before.items() if "loop" not in name}
    assert {name: after[name] for name in quiet} == quiet, "nothing else was started again, and no finished job"
    assert len(after) == len(before) + 2
    waits = {"checks": ["present", "running", "restarts", "age", "drift"], "hold": "0s", "timeout": "60s"}
    said = shop.health(shop.entry("gone"), shop.entry("web", desired=2), wait_for=waits, asked=waits["checks"])
    assert said["held"] is True, said

    argv = shop.call("restart", "web")
    assert len(argv) == 4 and len(shop.instances("web")["instances"]) == 2
    shop.call("stop", "gone")
    assert statuses(shop.health(shop.entry("gone")), "gone")["running"] == "critical"
    assert "exited" in hint(shop.health(shop.entry("gone")), "gone", "running")
    shop.call("start", "gone")
    assert shop.instances("gone")["up"] is True
