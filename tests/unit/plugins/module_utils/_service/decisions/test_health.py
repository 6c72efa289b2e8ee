# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What two looks at a service come to."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Finding, Skipped
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import Verdict
from ansible_collections.oncall.incident.plugins.module_utils._core.thresholds import Limit
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions import health, seen
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.instance import Instance
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import Service

NOW = 1_000_000.0
WEB = Instance(
    id="c0ffee", name="shop-web-1", start="c0ffee 1", state="running", up=True, main_pid=12, restarts=0, runtime="compose", running=True,
    image="shop/web:3", digest="sha256:abcdefabcdefabcdef", started_at=NOW - 3600, oom=False, oom_kills=0, policy="always",
)
DEAD = dataclasses.replace(WEB, state="exited", up=False, running=False, main_pid=0, exit_code=1, ended_at=NOW - 90, oom_kills=None)
UNIT = Instance(
    id="shop.service", name="shop.service", start="i1", state="active", up=True, main_pid=9, restarts=0, runtime="systemd", running=True,
    started_at=NOW - 3600, oom=False, oom_kills=0,
)
JOB = dataclasses.replace(UNIT, type="oneshot", state="inactive", up=False, running=False, main_pid=0, exit_code=0)


def judged(*instances: Instance, before: Any = None, terms: dict[str, Any] | None = None, **more: Any) -> Verdict:
    """The verdict on one service, which had the same instances at the first look where `before` says nothing."""
    past = {one.id: seen.Past(one.identity, one.restarts) for one in (instances if before is None else before)}
    service = seen.ServiceSeen("web", "docker", **{"at": NOW, "instances": instances, "past": past, **more})
    return health.judge_services([service], [seen.DaemonSeen("docker")], seen.Terms(window=10.0, **(terms or {})), health.DECISIVE).verdict


def one(verdict: Verdict, check: str) -> Finding | Skipped:
    """What it says of a check."""
    found = [item for item in (*verdict.findings, *verdict.skipped) if item.check == check]
    return found[0]


def status(verdict: Verdict, check: str) -> str:
    """Its status, or why it does not apply."""
    found = one(verdict, check)
    return found.status if isinstance(found, Finding) else found.reason.partition(":")[0]


def changed(instance: Instance, **more: Any) -> Instance:
    """Another one."""
    return dataclasses.replace(instance, **more)


TWO = changed(WEB, id="2", name="shop-web-2", start="2 1")


def test_a_service_that_is_well() -> None:
    verdict = judged(WEB)
    assert verdict.healthy is True and verdict.status == "ok"
    assert {check: status(verdict, check) for check in health.DECISIVE} == {
        **dict.fromkeys(("daemon", "present", "running", "restarts", "oom", "age"), "ok"), "health": "no_health_check",
        "ready": "no_readiness", "drift": "one_instance",
    }
    assert judged(UNIT).healthy is True


@pytest.mark.parametrize(("instances", "more", "check", "wanted", "says"), [
    ([], {}, "present", "critical", "removed, or never made"), ([], {}, "running", "critical", "Start the service"),
    ([], {"desired": 0}, "present", "ok", ""), ([], {"desired": 0}, "running", "ok", ""),
    ([DEAD], {}, "running", "critical", "shop-web-1 is exited with 1, 1m30s ago"),
    ([WEB, changed(DEAD, id="2")], {}, "running", "warning", ""),
    ([WEB], {"desired": 2}, "running", "warning", "1 of 2 is not there"), ([WEB, TWO], {"desired": 1}, "running", "ok", ""),
    ([WEB, changed(TWO, state="created", up=False, running=False, exit_code=0, reason="port is already allocated")], {}, "running",
     "warning", "shop-web-2 is created: port is already allocated"),
    ([changed(DEAD, exit_code=137, oom=True)], {}, "running", "critical", "with 137 (it was killed)"),
    ([changed(DEAD, exit_code=0)], {}, "running", "critical", "say one_shot: true"),
    ([changed(DEAD, exit_code=0)], {"one_shot": True}, "running", "ok", ""), ([WEB], {"one_shot": True}, "running", "ok", ""),
    ([changed(DEAD, exit_code=7)], {"one_shot": True}, "running", "critical", "exited with 7"),
    ([changed(DEAD, exit_code=None)], {"one_shot": True}, "running", "unknown", "has not run yet"),
    ([], {"one_shot": True}, "present", "critical", ""),
    ([JOB], {}, "running", "ok", ""), ([changed(JOB, started_at=None)], {}, "running", "unknown", "has not run yet"),
    ([changed(JOB, state="failed", exit_code=2)], {}, "running", "critical", "shop.service is failed with 2"),
    ([changed(UNIT, type="oneshot", members=("a.service",), main_pid=0)], {}, "running", "unknown", "only groups a.service"),
])
def test_what_is_there_and_runs(instances: list[Instance], more: dict[str, Any], check: str, wanted: str, says: str) -> None:
    found = one(judged(*instances, **more), check)
    assert isinstance(found, Finding)
    assert (found.status, found.subject) == (wanted, "web")
    assert says in found.hint and bool(found.hint) is (wanted != "ok")


AGAIN = changed(WEB, start="c0ffee 2", main_pid=13, restarts=1, started_at=NOW - 4)


@pytest.mark.parametrize(("now", "before", "terms", "wanted", "observed"), [
    (WEB, WEB, {}, "ok", 0), (AGAIN, WEB, {}, "warning", 1), (changed(AGAIN, restarts=3), WEB, {}, "critical", 3),
    # Another start and no count, as by hand or by a runtime that counts nothing.
    (changed(AGAIN, restarts=0), WEB, {}, "warning", 1), (changed(AGAIN, restarts=None), changed(WEB, restarts=None), {}, "warning", 1),
    # It was started again just before the first look, or longer ago.
    (AGAIN, AGAIN, {}, "warning", 1), (changed(AGAIN, started_at=NOW - 3600), changed(AGAIN, started_at=NOW - 3600), {}, "ok", 0),
    (changed(AGAIN, started_at=NOW - 3600), changed(AGAIN, started_at=NOW - 3600), {"since": NOW - 7200}, "warning", 1),
    (AGAIN, AGAIN, {"since": NOW - 2}, "ok", 0),
    # A loop: it was so often already, and again between the looks; or it waits for its next start now.
    (changed(AGAIN, restarts=7), changed(WEB, restarts=6), {}, "critical", 1),
    (changed(WEB, restarts=7), changed(WEB, restarts=7), {}, "ok", 0),
    (changed(DEAD, restarting=True, restarts=2), changed(DEAD, restarting=True, restarts=2), {}, "critical", 1),
    (AGAIN, WEB, {"restarts": Limit(None, 3)}, "ok", 1), (changed(AGAIN, restarts=3), WEB, {"restarts": Limit(1, None)}, "warning", 3),
    (changed(AGAIN, restarts=2), WEB, {"restarts": Limit(1, 2)}, "critical", 2),
])
def test_restarts(now: Instance, before: Instance, terms: dict[str, Any], wanted: str, observed: int) -> None:
    found = one(judged(now, before=[before], terms=terms), "restarts")
    assert isinstance(found, Finding)
    assert (found.status, found.observed) == (wanted, observed)
    assert ("docker logs --tail 50 shop-web-1" in found.hint) is (wanted != "ok")


def test_one_look_tells_no_restarts() -> None:
    verdict = judged(WEB, past=None)
    assert (status(verdict, "restarts"), verdict.healthy) == ("unknown", None)


def test_a_replaced_instance_is_no_restart_and_too_young() -> None:
    verdict = judged(changed(WEB, id="new", start="new 1", started_at=NOW - 3), before=[WEB])
    assert (status(verdict, "restarts"), status(verdict, "age"), verdict.healthy) == ("ok", "unknown", None)


@pytest.mark.parametrize(("instance", "wanted"), [
    (WEB, "ok"), (changed(WEB, oom_kills=2), "critical"), (changed(DEAD, oom=True), "critical"),
    # The mark of Docker stays after a new start; it counts where the runtime itself made that.
    (changed(WEB, oom=True), "ok"), (changed(WEB, oom=True, restarts=1), "warning"),
    # A child that was killed is in the counters of the control group alone, so without these nothing is known.
    (changed(WEB, oom_kills=None), "unknown"), (changed(WEB, oom=None, oom_kills=None), "no_memory_told"), (DEAD, "ok"),
    (changed(UNIT, oom_kills=None), "not_counted"), (changed(UNIT, oom_kills=None, state="failed", running=False, oom=True), "critical"),
])
def test_memory(instance: Instance, wanted: str) -> None:
    assert status(judged(instance), "oom") == wanted


@pytest.mark.parametrize(("health_said", "started", "wanted"), [
    ("healthy", 3600, "ok"), ("unhealthy", 3600, "critical"), ("starting", 20, "unknown"), ("starting", 40, "warning"),
])
def test_health_checks(health_said: str, started: float, wanted: str) -> None:
    instance = changed(WEB, health=health_said, up=health_said == "healthy", starts_within=30.0, started_at=NOW - started, reason="nope")
    found = one(judged(instance), "health")
    assert isinstance(found, Finding) and found.status == wanted
    assert ("which says: nope" in found.hint) is (wanted == "critical")


@pytest.mark.parametrize(("instances", "wanted"), [
    ([changed(WEB, ready=True)], "ok"), ([changed(WEB, ready=True), changed(TWO, ready=False)], "warning"),
    ([changed(WEB, ready=False)], "critical"), ([DEAD], "nothing_runs"),
])
def test_readiness(instances: list[Instance], wanted: str) -> None:
    assert status(judged(*instances), "ready") == wanted


@pytest.mark.parametrize(("instance", "before", "wanted"), [
    (changed(WEB, started_at=NOW - 9), WEB, "unknown"), (changed(WEB, started_at=NOW - 10), WEB, "ok"),
    # Where no runtime tells the time, what is the same as a window ago is that old.
    (changed(WEB, started_at=None), changed(WEB, started_at=None), "ok"), (changed(AGAIN, started_at=None), WEB, "unknown"),
    (DEAD, DEAD, "nothing_runs"), (JOB, JOB, "has_an_end"),
])
def test_age(instance: Instance, before: Instance, wanted: str) -> None:
    assert status(judged(instance, before=[before]), "age") == wanted


@pytest.mark.parametrize(("other", "wanted"), [
    ({}, "ok"), ({"digest": "sha256:" + "0" * 64}, "warning"), ({"digest": "", "image": "", "version": ""}, "warning"),
    ({"running": False, "up": False}, "one_instance"),
])
def test_drift(other: dict[str, Any], wanted: str) -> None:
    assert status(judged(WEB, changed(TWO, **other)), "drift") == wanted


def test_drift_names_both_releases() -> None:
    found = one(judged(WEB, changed(TWO, digest="sha256:" + "0" * 64)), "drift")
    assert isinstance(found, Finding)
    assert "shop-web-1 from shop/web:3 abcdefabcdef; shop-web-2 from shop/web:3 000000000000" in found.hint
    assert status(judged(changed(WEB, digest="", image=""), changed(TWO, digest="", image="")), "drift") == "no_image"


def test_what_could_not_be_looked_at_is_unknown() -> None:
    terms = seen.Terms(window=10.0)
    lost = seen.ServiceSeen("web", "docker", trouble="No answer.", hint="Grant it.")
    alone = health.judge_services([lost], [seen.DaemonSeen("docker")], terms, health.DECISIVE).verdict
    assert alone.healthy is None
    assert {item.check: item.status for item in alone.findings} == {"daemon": "ok", **dict.fromkeys(health.OF_A_SERVICE, "unknown")}
    assert {item.subject for item in alone.findings} == {"docker", "web"}
    both = [lost, dataclasses.replace(lost, name="db")]
    down = health.judge_services(both, [seen.DaemonSeen("docker", down=True, trouble="No answer.")], terms, health.DECISIVE).verdict
    assert (down.healthy, status(down, "daemon")) == (False, "critical")
    assert len(down.findings) == len(health.DECISIVE), "what is the same of all services is said once"


def test_the_module_tells_of_every_key_of_a_service() -> None:
    pytest.importorskip("ansible")
    from ansible_collections.oncall.incident.plugins.modules import service_health

    text = inspect.getsource(service_health)
    assert [field.name for field in dataclasses.fields(Service) if f"C({field.name})" not in text] == []
