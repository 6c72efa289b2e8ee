# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services in Kubernetes by the real kubectl against the double of the API: looked at, restarted, scaled, stopped, rolled back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import run
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.calls import call_of
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import Service
from ansible_collections.oncall.incident.plugins.module_utils._service.kept import items_of

from oncall_incident.evidence import engines
from tests.integration.playbooks.conftest import QUICK
from tests.support.kube_api import KubeApi
from tests.support.run_module import run_module
from tests.support.site import Ended, Site
from tests.support.until import until

pytestmark = pytest.mark.timeout(600)
CANARY = "canary-of-a-pod-template"
#: Longer than a pod of an image that crashes runs.
HOLD = "2s"
ASKED = ("present", "running", "rollout", "endpoints", "ingress", "nodes", "room")
DOORS = ("incident.permit", "service.{verb}", "incident.conclude")


@pytest.fixture(name="api")
def _api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeApi]:
    """A cluster; kubectl finds it, and keeps what it caches below the test's directory."""
    with KubeApi(tmp_path) as api:
        for name, value in api.environ.items():
            monkeypatch.setenv(name, value)
        yield api


def deploy(api: KubeApi, *names: str, image: str = "shop:1", **more: Any) -> None:
    """Deployments whose pods are ready, where the image lets them be."""
    for name in names:
        api.deploy(name, image=image, env={"PASSWORD": CANARY}, **more)
        until(lambda name=name: web(api, name).get("status", {}).get("readyReplicas"), what=f"pods of {name}")


def web(api: KubeApi, name: str = "web") -> dict[str, Any]:
    return api.store.get("deployments", "shop", name)


def settled(api: KubeApi, name: str = "web") -> bool:
    """Whether all pods of a Deployment are ready and of its newest template."""
    made = web(api, name)
    said, wanted = made["status"], made["spec"]["replicas"]
    return bool(said["observedGeneration"] == made["metadata"]["generation"] and said.get("updatedReplicas", 0) == wanted
                and said.get("readyReplicas", 0) == wanted == said.get("replicas", 0))


def images(api: KubeApi, name: str = "web") -> set[str]:
    pods = [one for one in api.store.all("pods", "shop") if one["metadata"]["labels"]["app"] == name]
    return {one["spec"]["containers"][0]["image"] for one in pods if "deletionTimestamp" not in one["metadata"]}


def entry(name: str = "web", **more: Any) -> dict[str, Any]:
    """A service as an inventory has it."""
    return {"name": name, "runtime": "kubernetes", "identity": f"deployment/{name}", "where": {"namespace": "shop"}, **more}


def look(name: str = "web", **where: Any) -> dict[str, Any]:
    return run_module("service_instances", service={**entry(name), "where": {"namespace": "shop", **where}}, timeout="5s")


def changes(api: KubeApi) -> list[str]:
    return [f"{method} {path}" for method, path, _status in api.asked if method != "GET"]


def play(api: KubeApi, site: Site, verb: str, services: Mapping[str, Mapping[str, Any]], *words: str, **variables: Any) -> Ended:
    """Go through a door of role service, each service on a host of its own."""
    common = {"service_hold": HOLD, "service_timeout": "20s", **variables}
    site.group("app", **{host: {"services": [one], **common} for host, one in services.items()})
    tasks = []
    for door in DOORS:
        role, _dot, name = door.format(verb=verb).partition(".")
        tasks.append({"name": f"Go through {name}", "ansible.builtin.import_role": {"name": f"oncall.incident.{role}", "tasks_from": name}})
    return site.play(*words, playbook=site.book(tasks, hosts="app", tags=["mitigate"]), **api.environ)


def outcomes(done: Ended) -> dict[str, str]:
    return {action["target"]["service"].partition("/")[2]: action["outcome"] for action in done.actions()}


def test_a_look_tells_pods_by_identity_changes_nothing_and_tells_no_environment(api: KubeApi) -> None:
    deploy(api, "web")
    api.asked.clear()
    found = look()
    assert found["up"] and len(found["instances"]) == 2 and look()["identity"] == found["identity"]
    assert {(one["state"], one["release"], one["newest"], one["desired"]) for one in found["instances"]} == {("Running", "1", True, 2)}
    by_name = run_module("service_instances", name="deploy/web", runtime="kubernetes", where={"namespace": "shop"})
    assert by_name["identity"] == found["identity"]
    assert changes(api) == []
    assert CANARY in api.kubectl("--namespace=shop", "get", "deployment/web", "--output=json"), "kubectl would tell it"
    assert CANARY not in json.dumps([found, run_module("service_health", services=[entry()], window="0s")])


def test_pods_of_an_older_replicaset_are_told_while_the_controller_lags(api: KubeApi) -> None:
    deploy(api, "web")
    with api.holding():
        api.kubectl("--namespace=shop", "rollout", "restart", "deployment/web")
        assert [one["newest"] for one in look()["instances"]] == [False, False]
        (rollout,) = [one for one in run_module("service_health", services=[entry()], window="0s")["findings"] if one["check"] == "rollout"]
        assert rollout["status"] == "unknown"
    until(lambda: settled(api), what="the rollout")
    assert [one["release"] for one in look()["instances"]] == ["2", "2"]


def test_what_may_not_be_seen_is_never_well_and_the_right_is_named(api: KubeApi) -> None:
    deploy(api, "web")
    api.denied = {("list", "pods")}
    found = look()
    assert (found["failed"], found["error"], found["verb"], found["resource"]) == (True, "not_permitted", "list", "pods")
    assert "kubectl auth can-i list pods --namespace=shop tells" in found["hint"]
    asks = found["hint"].partition("; ")[2].partition(" tells")[0].split()
    assert api.kubectl(*asks[1:], fails=True).strip() == "no"
    health = run_module("service_health", services=[entry()], window="0s")
    assert health["healthy"] is None and set(health["checks"].values()) == {"unknown"}
    api.denied = set()
    assert api.kubectl(*asks[1:]).strip() == "yes" and look()["up"]


@pytest.mark.parametrize(("resource", "verb", "blind"), [
    ("deployments", "list", set(ASKED)), ("pods", "list", set(ASKED)), ("replicasets", "list", set(ASKED)),
    ("deployments", "get", set(ASKED)), ("services", "list", {"endpoints", "ingress"}), ("endpoints", "list", {"endpoints"}),
    ("ingresses", "list", {"ingress"}), ("resourcequotas", "list", {"room"}), ("nodes", "list", {"nodes", "room"}),
])
def test_each_right_is_taken_away_and_named(api: KubeApi, resource: str, verb: str, blind: set[str]) -> None:
    deploy(api, "web", "api", replicas=1)
    everything = {"where": {"namespace": "shop", "nodes": True}}
    api.store.create("nodes", {"metadata": {"name": "node-1"}, "status": {
        "allocatable": {"cpu": "2", "memory": "1Gi", "pods": "110"}, "conditions": [{"type": "Ready", "status": "True"}]}})
    api.denied = {(verb, resource)}
    found = run_module("service_health", services=[entry(**everything), entry("api", **everything)], window="0s", asked=ASKED)
    unknown = {one["check"]: one for one in found["findings"] if one["status"] == "unknown" and one["check"] in ASKED}
    assert unknown.keys() == blind and found["healthy"] is None
    assert any(f"auth can-i {verb} {resource}" in one["hint"] for one in found["findings"])


@pytest.mark.parametrize(("name", "where", "error"), [
    ("web", {"namespace": "shop2"}, "no_such_service"), ("no-such", {}, "no_such_service"), ("web", {"context": "none"}, "blind"),
    ("web", {"kubeconfig": "/none"}, "blind"), ("web", {"command": ["no-such-kubectl"]}, "blind"),
    ("web", {"name_space": "x"}, "bad_input"),
])
def test_who_cannot_look_says_why(api: KubeApi, name: str, where: dict[str, Any], error: str) -> None:
    deploy(api, "web")
    found = look(name, **where)
    assert (found["failed"], found["error"]) == (True, error), found["msg"]


def test_an_api_that_hangs_costs_the_deadline_and_no_more(api: KubeApi) -> None:
    deploy(api, "web")
    look()
    api.hangs.set()
    began = time.monotonic()
    found = run_module("service_instances", service=entry(), timeout="2s")
    assert (found["failed"], found["error"]) == (True, "blind") and time.monotonic() - began < 8


def test_health_of_a_namespace(api: KubeApi) -> None:
    deploy(api, "web", "loop", image="shop:1")
    api.kubectl("--namespace=shop", "set", "image", "deployment/loop", "loop=shop:oom")
    api.store.create("services", {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": {"app": "wbe"}}})
    api.store.create("ingresses", {"metadata": {"name": "shop", "namespace": "shop"}, "spec": {
        "rules": [{"http": {"paths": [{"backend": {"service": {"name": "web"}}}]}}]}})
    api.store.create("nodes", {"metadata": {"name": "node-1"}, "status": {
        "allocatable": {"cpu": "500m", "memory": "1Gi", "pods": "110"},
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "True"}]}})
    until(lambda: any(one["status"]["containerStatuses"][0]["restartCount"] for one in api.store.all("pods", "shop")), what="a crash")
    asked = ["rollout", "endpoints", "ingress", "nodes", "room", "restarts", "oom"]
    nodes = {"where": {"namespace": "shop", "nodes": True}}
    found = run_module("service_health", services=[entry(**nodes), entry("loop")], window="2s", asked=asked)
    said = {(one["check"], one["subject"]): one for one in found["findings"]}
    assert said["endpoints", "web"]["status"] == "critical" and "selects app=wbe" in said["endpoints", "web"]["hint"]
    assert (said["ingress", "web"]["status"], said["nodes", "web"]["status"]) == ("warning", "warning")
    assert said["room", "web"]["observed"] <= 1, "four or five pods ask for 100 m each of 500 m"
    assert said["restarts", "loop"]["status"] == "critical" and said["oom", "loop"]["status"] in ("warning", "critical")
    log = said["restarts", "loop"]["hint"].partition("Look at ")[2].partition(",")[0].split()
    assert log[0] == "kubectl" and api.kubectl(*log[1:]) == ""
    api.denied = {("list", "ingresses")}
    blind = run_module("service_health", services=[entry()], window="0s", asked=["endpoints", "ingress"])
    assert blind["checks"]["ingress"] == "unknown" and blind["checks"]["endpoints"] == "critical", "the others are told all the same"


def test_what_came_up_and_stayed_is_done_and_what_did_not_is_not(api: KubeApi, tmp_path: Path) -> None:
    site = Site(tmp_path, common=QUICK)
    deploy(api, "web", "denied")
    deploy(api, "loop", image="shop:brittle", replicas=1)
    api.denied = {("patch", "deployments", "denied")}
    services = {"h1": entry(), "h2": entry("loop"), "h3": entry("gone"), "h4": entry("denied")}
    before = {one["metadata"]["uid"] for one in api.store.all("pods", "shop")}
    api.asked.clear()
    planned = play(api, site, "restart", {"h1": entry()}, "--check")
    assert outcomes(planned) == {"web": "planned"} and changes(api) == [], planned.output
    done = play(api, site, "restart", services)
    assert outcomes(done) == {"web": "done", "loop": "failed", "gone": "unknown", "denied": "failed"}, done.output
    assert "cannot patch" in json.dumps(done.actions())
    until(lambda: settled(api), what="the rollout")
    assert {one.split("?")[0].rpartition("/")[2] for one in changes(api)} == {"web", "loop", "denied"}
    (kept,) = [one["template"]["metadata"]["annotations"] for one in [web(api)["spec"]]]
    assert "kubectl.kubernetes.io/restartedAt" in kept
    assert not before & {one["metadata"]["uid"] for one in api.store.all("pods", "shop") if one["metadata"]["labels"]["app"] == "web"}
    record = "".join(path.read_text() for path in (done.run_dir / "record").iterdir())
    assert CANARY not in record + done.output


def test_scale_stop_and_start_compare_and_set(api: KubeApi, tmp_path: Path) -> None:
    site = Site(tmp_path, common=QUICK)
    deploy(api, "web")
    scaled = play(api, site, "scale", {"h1": entry()}, service_count=3)
    assert (outcomes(scaled), web(api)["spec"]["replicas"]) == ({"web": "done"}, 3), scaled.output
    stopped = play(api, site, "stop", {"h1": entry()})
    assert (outcomes(stopped), web(api)["spec"]["replicas"]) == ({"web": "done"}, 0), stopped.output
    started = play(api, site, "start", {"h1": entry(desired=2)})
    assert (outcomes(started), web(api)["spec"]["replicas"]) == ({"web": "done"}, 2), started.output
    # Somebody else scales between the look and the command.
    call = call_of(Service(**{**entry(), "where": {"namespace": "shop"}}), "scale", instances=look()["instances"], count=4)
    api.kubectl("--namespace=shop", "scale", "deployment/web", "--replicas=6")
    assert "Expected replicas to be 2, was 6" in run(call.args["argv"]).problem
    assert web(api)["spec"]["replicas"] == 6


def test_evidence_has_events_states_and_last_lines_of_both_lives(api: KubeApi) -> None:
    deploy(api, "web")
    api.kubectl("--namespace=shop", "set", "image", "deployment/web", "web=shop:crash")
    until(lambda: any(one["newest"] and one["restarts"] for one in look()["instances"]), what="a crash of the new release")
    pod = next(one for one in look()["instances"] if one["restarts"])["name"]
    api.logs[pod, "web", True] = "".join(f"line {number}\n" for number in range(1000)) + "the last words\n"
    api.logs[pod, "web", False] = "starts again\n"
    api.asked.clear()
    (events, state, logs) = items_of([Service(**entry())], since=None, run=run)
    said = {}
    for item in (events, state, logs):
        (argv,) = item.commands
        done = run(argv)
        assert not done.problem, done
        said[item.name] = done.out
    assert list(said) == ["services1_kubernetes_events", "services1_kubernetes_state", "service01_web_logs"]
    assert "BackOff" in said["services1_kubernetes_events"] and pod in said["services1_kubernetes_state"]
    assert "ReplicaSet" in said["services1_kubernetes_state"] and "the last words" in said["service01_web_logs"]
    told = [text for name, kept in said.items() for _at, text, _bad in engines.moments(name, kept)]
    assert f"Pod {pod}: BackOff: Back-off restarting failed container" in told, told
    assert f"pod {pod}: created" in told and any(text.startswith(f"pod {pod}: container ended with ") for text in told), told
    assert "starts again" in said["service01_web_logs"] and "line 100\n" not in said["service01_web_logs"]
    assert changes(api) == [] and CANARY not in json.dumps(said)
    assert dict(events.environment) == api.environ, "where kubectl finds its cluster"
    api.denied = {("list", "pods"), ("list", "events")}
    blind = items_of([Service(**entry())], since=None, run=run)
    assert "cannot list" in run(blind[0].commands[0]).problem and blind[2].commands == (), "it says what is in the way"


def test_restarts_of_late_are_told_by_replicasets(api: KubeApi) -> None:
    deploy(api, "web")
    for _number in range(2):
        api.kubectl("--namespace=shop", "rollout", "restart", "deployment/web")
        until(lambda: settled(api), what="the rollout")
        # kubectl writes the time to the second, and a restart in the same one is none.
        second = int(time.time())
        until(lambda second=second: int(time.time()) > second, what="another second")
    told = run_module("service_instances", service=entry(), history="1h")["starts_lately"]
    assert set(told.values()) == {3}


def undo(api: KubeApi, site: Site, release: str, *words: str) -> Ended:
    """Roll back by act. The revision that it goes to gets a number that was not there before: nothing else shows that it was done."""
    service = Service(**entry())
    call = call_of(service, "rollback", instances=look()["instances"], release=release)
    numbers = "map(attribute='release')"
    measure = {
        "module": "oncall.incident.service_instances", "args": {"service": entry()}, "hold": HOLD, "identity": "measured.identity",
        "until": "measured.up and measured.instances | rejectattr('newest') | length == 0 and "
                 f"measured.instances | {numbers} | intersect(before.instances | {numbers}) | length == 0", "timeout": "20s"}
    act = {"name": "Roll back", "oncall.incident.act": {
        "verb": "rollback", "target": {"service": service.identity, "release": release}, "reason": "It crashes.", "module": call.module,
        "args": dict(call.args), "forbidden": list(call.forbidden), "measure": measure, "timeout": "20s"}}
    site.group("app", h1={})
    return site.play(*words, playbook=site.book([act], hosts="app"), **api.environ)


def test_a_rollback_goes_to_a_named_revision_and_is_measured(api: KubeApi, tmp_path: Path) -> None:
    site = Site(tmp_path, common=QUICK)
    deploy(api, "web")
    annotated = {"owner": "team shop", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    api.store.update("deployments", "shop", "web", lambda made: made["metadata"]["annotations"].update(annotated))
    api.kubectl("--namespace=shop", "set", "image", "deployment/web", "web=shop:crash")
    until(lambda: any(one["newest"] for one in look()["instances"]), what="the new release")
    planned = undo(api, site, "1", "--check")
    assert outcomes(planned) == {"web": "planned"} and images(api) != {"shop:1"}, planned.output
    done = undo(api, site, "1")
    assert outcomes(done) == {"web": "done"}, done.output
    assert images(api) == {"shop:1"} and settled(api)
    assert annotated.items() <= web(api)["metadata"]["annotations"].items(), "kubernetes.core's k8s_rollback would have dropped them"
    # The number that it was is gone: nobody goes there a second time, and nothing else is taken for it.
    again = undo(api, site, "1")
    assert outcomes(again) == {"web": "failed"} and images(api) == {"shop:1"}, again.output
    assert "unable to find specified revision 1" in json.dumps(again.actions())
