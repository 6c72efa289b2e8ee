# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services are started or restarted in an outage, why, and why not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions import outage
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.health import DECISIVE

Looks = dict[str, Any]


def service(name: str, **more: Any) -> Looks:
    """An entry of the list."""
    return {"name": name, "runtime": "compose", **more}


def finding(check: str, status: str, subject: str = "web", **more: Any) -> Looks:
    """One of a verdict."""
    return {"check": check, "status": status, "subject": subject, "observed": 0, "hint": f"{subject} {check}", **more}


def instance(name: str = "web", **more: Any) -> Looks:
    """One that runs, as service_health describes it."""
    return {"service": name, "id": f"{name}1", "name": f"{name}-1", "start": "1", "state": "running", "up": True, "running": True, **more}


def verdict(*findings: Looks, instances: list[Looks] | None = None) -> Looks:
    """Of service_health; what no finding says of web is ok."""
    said = {one["check"]: one for one in findings if one["subject"] == "web"}
    usual = [finding(check, "ok") for check in ("present", "running", "restarts") if check not in said]
    return {"findings": [*findings, *usual], "instances": [instance()] if instances is None else instances}


GONE = instance(up=False, running=False, state="exited")
DYING = instance(up=False, running=False, state="restarting", restarting=True, reason="no such table")


def remedies(health: Looks, *answers: Looks, services: list[Looks] | None = None, **more: Any) -> Any:
    """What is done for web alone, or for the services of the call."""
    found = outage.remedies(services or [service("web")], health=[health], answers=[list(answers)], per_hour=3, **more)
    return found["services"]


@pytest.mark.parametrize(("health", "do", "why"), [
    (verdict(), None, ""),
    (verdict(finding("present", "critical"), finding("running", "critical"), instances=[]), "start", "web present"),
    (verdict(finding("running", "critical"), instances=[GONE]), "start", "web running"),
    (verdict(finding("running", "critical"), instances=[DYING]), "restart", "web running"),
    (verdict(finding("running", "warning"), instances=[instance(), GONE]), "start", "web running"),
    (verdict(finding("health", "critical")), "restart", "web health"), (verdict(finding("ready", "critical")), "restart", "web ready"),
    (verdict(finding("restarts", "critical")), "restart", "web restarts"),
    (verdict(finding("health", "warning"), finding("restarts", "warning"), finding("oom", "critical")), None, ""),
    (verdict(finding("health", "unknown"), finding("running", "unknown", observed=None)), None, ""),
    ({"failed": True, "msg": "no docker", "findings": [finding("health", "critical")]}, None, ""), ({}, None, ""),
])
def test_what_helps(health: Looks, do: str | None, why: str) -> None:
    found = remedies(health).get("web", {})
    assert (found.get("do"), found.get("reason", "")) == (do, why)


def test_an_answer_that_is_wrong_is_a_reason_and_none_at_all_is_not() -> None:
    for status, do in (("critical", "restart"), ("unknown", None), ("ok", None)):
        answers = {"findings": [finding("application", status, "web: front")]}
        assert remedies(verdict(), answers).get("web", {}).get("do") == do
    other = {"findings": [finding("application", "critical", "webshop: front")]}
    assert remedies(verdict(), other) == {}, "of another service"


def test_what_it_says_of_what_it_needs_is_against_a_restart() -> None:
    said = finding("dependency", "critical", "web: database", observed="down")
    found = remedies(verdict(), {"findings": [finding("application", "critical", "web"), said | {"subject": "web: front: database"}]})
    assert found["web"]["against"] == ["web: front: database is down, by its own word: restart does not help that"]


def test_another_release_may_help_what_is_sick_by_itself() -> None:
    def asked(health: Looks, *answers: Looks) -> tuple[bool, list[str]]:
        found = outage.remedies([service("web")], health=[health], answers=[list(answers)], per_hour=3, release={"path": "/srv"})
        return found["rolls_back"], found["against_rollback"]

    failing = finding("application", "critical", "web")
    assert asked(verdict(), {"findings": [failing]}) == (True, [])
    assert asked(verdict(finding("restarts", "critical"), instances=[DYING])) == (True, []), "it crashes, and no restart helps that"
    without = outage.remedies([service("web")], health=[verdict()], answers=[[{"findings": [failing]}]], per_hour=3)
    assert not without["rolls_back"], "nobody says where the releases are"
    sick, why = asked(verdict(), {"findings": [failing, finding("dependency", "critical", "web: database", observed="down")]})
    assert not sick and "web: database is down" in why[0]
    assert asked(verdict()) == (False, ["no service is seen to be sick"])


def test_guards_stand_before_a_restart() -> None:
    loop = remedies(verdict(finding("restarts", "critical"), instances=[DYING]))["web"]
    assert "crashes by itself" in loop["against"][0] and loop["against"][0].endswith("no such table")
    storm = remedies(verdict(finding("health", "critical")), looks=[{"starts_lately": {"web1": 3}}])["web"]
    assert storm["against"] == ["web was started 3 times within the last hour, and 3 are allowed (service_restarts_per_hour)"]
    start = remedies(verdict(finding("running", "critical"), instances=[GONE]), looks=[{"starts_lately": {"web1": 9}}])["web"]
    assert start["against"] == [], "what is down storms nobody"


def test_a_job_with_an_end_is_never_started_again() -> None:
    health = verdict(finding("running", "critical"), instances=[GONE])
    assert remedies(health, services=[service("web", one_shot=True)]) == {}


def test_dependencies_first() -> None:
    services = [service("db"), service("web", depends_on=["db", "cache"])]
    down = [finding("present", "ok", "db"), finding("running", "critical", "db")]
    health = verdict(finding("health", "critical"), *down, instances=[instance(), instance("db", up=False, running=False)])
    cache = {"findings": [finding("application", "ok", "web: cache")]}
    helped = remedies(health, cache, services=services)
    assert (helped["db"]["do"], helped["web"]["against"]) == ("start", []), "it is up by then, or web is never reached"
    behind = remedies(health, cache, services=list(reversed(services)))
    assert behind["web"]["against"] == ["web needs db, which does not answer"]
    unseen = remedies(verdict(finding("health", "critical")), services=services)
    assert unseen["web"]["against"] == ["web needs db, cache, of which nothing is known"]


def test_the_last_look_decides() -> None:
    sick, well = verdict(finding("health", "critical")), verdict()
    of = {"answers": [], "per_hour": 3}
    assert outage.remedies([service("web")], health=[sick, well], **of)["services"] == {}
    assert outage.remedies([service("web")], health=[well, sick], **of)["restarts"] is True
    assert outage.remedies([service("web")], health=[sick, {"skipped": True}], **of)["restarts"] is True
    found = outage.remedies([service("web")], health=[{}, {}], **of)
    assert (found["services"], found["starts"], found["restarts"], found["rolls_back"]) == ({}, False, False, False)


def test_the_steps_of_a_rung() -> None:
    services = [service("db"), service("web", proxies=["nginx"]), service("api", proxies=["nginx"]),
                service("nginx", where={"reload": ["nginx", "-s", "reload"]})]
    plan = {"services": {
        "db": {"do": "start", "reason": "down", "against": []}, "web": {"do": "restart", "reason": "sick", "against": []},
        "api": {"do": "restart", "reason": "sick too", "against": []},
    }}
    down = instance("db", up=False, running=False, state="exited")
    looks = [{"instances": [one]} for one in (down, *map(instance, ("web", "api", "nginx")))]
    told = {"verb": "", "reason": "x", "forbidden": [], "start": False, "timeout": "9s", "hold": "3s", "evidence": "state"}

    def of(rung: str) -> list[tuple[str, str, str]]:
        found = outage.remedy_steps(services, plan=plan, rung=rung, looks=looks, told=told)
        return [(one["name"], one["do"], one["reason"]) for one in found]

    assert of("start") == [("db", "start", "down")]
    assert of("restart") == [
        ("web", "restart", "sick"), ("api", "restart", "sick too"), ("nginx", "reload", "It may hold the address that api had before.")]


def test_probes_are_called_after_their_service_and_asked_from_where_they_say() -> None:
    services = [service("web", health=[{"url": "http://a/", "name": "front"}, {"url": "http://b/", "scope": "controller"}]),
                service("api", health=[{"name": "api", "url": "http://c/"}]), service("db")]
    assert [one["name"] for one in outage.probes(services, scope="host")] == ["web: front", "api"]
    assert [one["name"] for one in outage.probes(services, scope="controller")] == ["web: http://b/"]


def test_what_verify_asks() -> None:
    probed = [service("web", health=[{"url": "http://a/"}])]
    asks = outage.verify_asks("running, health", services=probed)
    assert asks == {"runtime": ["running", "health"], "all": ["running", "health", "application", "dependency"]}
    assert outage.asked_of(asks["all"]) == {"runtime": ["running", "health"], "application": True}
    alone = outage.verify_asks(["running"], services=[service("web")])
    assert outage.asked_of(alone["all"]) == {"runtime": ["running"], "application": False}
    for named, services in (([], probed), (["running"], [])):
        with pytest.raises(BadInput):
            outage.verify_asks(named, services=services)


def test_of_kubernetes_the_rollout_and_who_is_led_to_it_are_asked_too_unless_the_operator_chooses() -> None:
    pods = [service("web"), service("api", runtime="kubernetes"), service("job", runtime="kubernetes")]
    assert outage.verify_asks(DECISIVE, services=pods)["runtime"] == [*DECISIVE, "rollout", "endpoints"]
    assert outage.verify_asks(DECISIVE, services=pods[:1])["runtime"] == list(DECISIVE)
    assert outage.verify_asks(["running"], services=pods)["runtime"] == ["running"]


@pytest.mark.parametrize(("pool", "limit", "against"), [
    (5, 14, "all pools together would want 15 connections, the server gives 14"), (5, 15, ""), (5, "", ""),
    (0, 14, "how many connections each instance of web opens is not known"),
])
def test_a_scale_is_refused_where_the_pools_would_not_fit(pool: int, limit: Any, against: str) -> None:
    services = [service("web", desired=2, pool=pool), service("api", pool=5)]
    seen = verdict(finding("running", "critical", observed=1), finding("running", "ok", "api"), instances=[instance(), instance("api")])
    plan = outage.remedies(services, health=[seen], answers=[], per_hour=0, limit=limit)["services"]
    assert plan["web"]["do"] == "scale" and list(plan) == ["web"]
    assert "; ".join(plan["web"]["against"]).startswith(against) and bool(plan["web"]["against"]) == bool(against)
