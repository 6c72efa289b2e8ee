# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenario service-outage on a real Compose project: what is down and what is sick comes back, and a crash loop is left alone.

Starting Ansible is what costs, so the tests read a few calls of `incident run`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.docker_engine import IMAGE, Engine, engine
from tests.support.site import Ended, Site
from tests.support.until import until
from tests.support.web_app import App, Asked, answer, app

pytestmark = pytest.mark.timeout(2400)
CANARY = "canary-of-an-environment"
TOKEN = "canary-of-a-token"
_COMMON: dict[str, Any] = {
    "image": IMAGE, "network_mode": "none", "stop_signal": "SIGKILL", "environment": {"PASSWORD": CANARY},
}
SERVICES: dict[str, dict[str, Any]] = {
    "migrate": {"command": ["true"]},
    "store": {"command": ["sleep", "3600"]},
    # Sick for as long as the file is gone; a start makes it again.
    "web": {
        "command": ["sh", "-c", ": > /well; exec sleep 3600"],
        "healthcheck": {"test": ["CMD", "sh", "-c", "test -f /well"], "interval": "1s", "timeout": "20s", "retries": 2},
    },
    "worker": {"command": ["sleep", "3600"]},
    "till": {"command": ["sleep", "3600"]},
    "loop": {"command": ["sh", "-c", "sleep 1; exit 3"], "restart": "always"},
}
QUICK: dict[str, Any] = {
    "evidence_snapshot": False, "service_window": "3s", "service_hold": "2s", "service_timeout": "60s", "service_verify_hold": "2s",
    "service_verify_timeout": "60s", "incident_rung_wait": "0s",
}


@dataclass
class Shop:
    """A project, and what `incident run` said of it."""

    engine: Engine
    place: Path
    app: App
    calls: dict[str, Ended] = field(default_factory=dict)
    starts: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: dict[str, list[Asked]] = field(default_factory=dict)

    def container(self, service: str) -> dict[str, Any]:
        """What Docker itself says of the one container of a service."""
        (identity,) = self.engine.project(self.place, "ps", "--all", "--quiet", service).split()
        (found,) = json.loads(self.engine.docker("inspect", identity))
        return dict(found)

    def entry(self, name: str, **more: Any) -> dict[str, Any]:
        """The service in the list of its host."""
        where = {"directory": str(self.place), "files": [str(self.place / "compose.yml")], "command": self.engine.compose}
        return {"name": name, "runtime": "compose", "where": where, **more}

    def call(self, name: str, site: Site, *arguments: str) -> None:
        """Run the scenario, and keep what it said and when each service was started last."""
        self.calls[name] = site.incident("--json", *arguments, **self.engine.environ)
        self.starts[name] = {service: str(self.container(service)["State"]["StartedAt"]) for service in SERVICES}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The calls: planned, done, done again, a crash loop, and one that a test user can use only the second time."""
    place = tmp_path_factory.mktemp("shop")
    services = {name: {**_COMMON, **one} for name, one in SERVICES.items()}
    (place / "compose.yml").write_text(json.dumps({"version": "2.4", "services": services}))
    with engine() as running, app({"/health": answer(200), "/login": answer(200, {"token": TOKEN})}) as served:
        made = Shop(engine=running, place=place, app=served)
        running.project(place, "up", "--detach")
        until(lambda: made.container("web")["State"]["Health"]["Status"] == "healthy", what="the healthy service", seconds=60)
        until(lambda: made.container("loop")["RestartCount"] >= 1, what="the first death of the loop", seconds=60)
        running.docker("exec", str(made.container("web")["Id"]), "busybox", "rm", "/well")
        for name in ("worker", "till"):
            running.docker("kill", str(made.container(name)["Id"]))
        until(lambda: made.container("web")["State"]["Health"]["Status"] == "unhealthy", what="the sick service", seconds=60)
        site = Site(place, playbook="service-outage", common=QUICK)
        script = ["sh", "-c", "echo status of the team; exit 4"]
        probe = {"name": "front", "url": served.url("/health")}
        site.group(
            "app",
            app1={"service_status_command": script, "services": [
                made.entry("migrate", one_shot=True), made.entry("store"), made.entry("worker", depends_on=["store"]),
                made.entry("web", depends_on=["store", "worker"], health=[probe]),
            ]},
            app2={"services": [made.entry("loop")]},
            app3={"services": [made.entry("till")], "service_verify_timeout": "5s", "incident_smoke": [
                {"name": "login", "url": served.url("/login"), "method": "POST", "send": {"password": CANARY}, "save": {"token": "token"}},
                {"name": "orders", "url": served.url("/orders"), "headers": {"Authorization": "Bearer {token}"}, "json": {"count": 3}},
            ]},
        )
        made.starts["before"] = {name: str(made.container(name)["State"]["StartedAt"]) for name in SERVICES}
        made.call("planned", site, "--check", "--limit", "app1")
        made.call("done", site, "--yes", "--limit", "app1")
        made.call("again", site, "--yes", "--limit", "app1")
        made.call("loop", site, "--yes", "--limit", "app2")
        served.replies["/orders"] = answer(500, {"said": TOKEN})
        made.call("useless", site, "--yes", "--limit", "app3")
        made.asked["useless"] = served.asked[:]
        running.docker("kill", str(made.container("till")["Id"]))
        served.replies["/orders"] = answer(200, {"count": 3})
        made.call("useful", site, "--yes", "--limit", "app3")
        yield made


def told(done: Ended) -> list[tuple[str, str, str]]:
    """The actions: verb, service, outcome."""
    return [(one["verb"], one["target"]["service"], one["outcome"]) for one in done.data["actions"]]


def test_a_plan_says_what_would_be_done_and_touches_nothing(shop: Shop) -> None:
    done = shop.calls["planned"]
    planned = [event["action"] for event in done.events("action")]
    assert [(one["verb"], one["target"]["service"], one["outcome"]) for one in planned] == [
        ("start_service", "worker", "planned"), ("restart_service", "web", "planned")], done.stderr
    assert len(done.plan()["actions"]["app1"]) == 2, "each is there once"
    assert {name: shop.starts["planned"][name] for name in SERVICES if name != "loop"} == {
        name: shop.starts["before"][name] for name in SERVICES if name != "loop"}
    reasons = {one["target"]["service"]: one["reason"] for one in planned}
    assert "health check" in reasons["web"] and "worker" in reasons["worker"]


def test_what_is_down_is_started_and_what_is_sick_restarted(shop: Shop) -> None:
    done, before = shop.calls["done"], shop.starts["before"]
    assert (done.status, done.data.get("outcome")) == (0, "recovered"), done.stderr
    assert told(done) == [("start_service", "worker", "done"), ("restart_service", "web", "done")]
    changed = {name for name in SERVICES if shop.starts["done"][name] != before[name]}
    assert changed - {"loop"} == {"worker", "web"}, "neither a job with an end nor what was well"
    assert shop.container("web")["State"]["Health"]["Status"] == "healthy"


def test_the_teams_own_status_script_is_asked_before_and_after(shop: Shop) -> None:
    done = shop.calls["done"]
    kept = {event["phase"]: event["result"]["status_command"] for event in done.events("result")
            if "status_command" in (event.get("result") or {})}
    assert {"investigate", "verify"} <= set(kept)
    assert all((one["status"], one["text"].split("\n")[0]) == (4, "status of the team") for one in kept.values()), kept
    assert [done.findings(phase)["status_command"] for phase in ("investigate", "verify")] == ["warning"] * 2


def test_then_there_is_nothing_to_do(shop: Shop) -> None:
    done = shop.calls["again"]
    assert (done.status, done.data["outcome"], done.data["actions"]) == (5, "nothing_to_do", []), done.stderr


def test_what_crashes_by_itself_is_not_restarted_and_not_called_well(shop: Shop) -> None:
    done = shop.calls["loop"]
    assert (done.status, done.data["outcome"]) == (3, "not_recovered"), done.stderr
    assert [one for one in told(done) if one[2] not in ("refused", "planned")] == []
    assert "crashes by itself" in done.output


def test_what_runs_and_cannot_be_used_is_not_recovered(shop: Shop) -> None:
    """The runtime calls it well; a test user logs in, and the request after that fails."""
    done = shop.calls["useless"]
    assert told(done) == [("start_service", "till", "done")], done.stderr
    assert (done.status, done.data["outcome"]) == (3, "not_recovered"), done.stderr
    assert "orders" in done.said and "it answered 500, not 200" in done.said
    sent = [one for one in shop.asked["useless"] if one.path in ("/login", "/orders")]
    assert [one.path for one in sent[:2]] == ["/login", "/orders"], "in their order"
    assert sent[1].headers["authorization"] == f"Bearer {TOKEN}"


def test_what_a_test_user_can_use_is_recovered(shop: Shop) -> None:
    done = shop.calls["useful"]
    assert told(done) == [("start_service", "till", "done")], done.stderr
    assert (done.status, done.data["outcome"]) == (0, "recovered"), done.stderr


def test_no_secret_is_kept(shop: Shop) -> None:
    for done in shop.calls.values():
        record = "".join(path.read_text() for path in (done.run_dir / "record").iterdir())
        assert CANARY not in record + done.output and TOKEN not in record + done.output
