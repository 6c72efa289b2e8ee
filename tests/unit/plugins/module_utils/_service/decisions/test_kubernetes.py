# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of the objects of the API, and what they are taken for."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions import kubernetes
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.instance import Instance, described
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import Service

CANARY = "canary-of-an-environment"
DEPLOYMENT: dict[str, Any] = {
    "kind": "Deployment",
    "metadata": {"name": "web", "uid": "u-web", "generation": 3, "annotations": {kubernetes.REVISION: "2"}},
    "spec": {
        "replicas": 2, "selector": {"matchLabels": {"app": "web"}, "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "old", "operator": "DoesNotExist"},
            {"key": "zone", "operator": "Exists"}, {"key": "lane", "operator": "NotIn", "values": ["x"]}]},
        "template": {"metadata": {"labels": {"app": "web", "tier": "a"}}, "spec": {"containers": [
            {"name": "web", "image": "web:2", "env": [{"name": "TOKEN", "value": CANARY}],
             "resources": {"limits": {"cpu": "1", "memory": "128Mi"}, "requests": {"cpu": "250m"}}},
            {"name": "proxy", "image": "proxy:1", "args": [CANARY], "resources": {"requests": {"cpu": "0.25"}}}]}},
    },
    "status": {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 1, "availableReplicas": 1, "conditions": [
        {"type": "Available", "status": "True"}, {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]},
}
SETS: list[dict[str, Any]] = [
    {"kind": "ReplicaSet", "metadata": {
        "name": f"web-{uid}", "uid": uid, "annotations": {kubernetes.REVISION: revision},
        "ownerReferences": [{"uid": owner, "controller": True}]}}
    for uid, revision, owner in (("u-old", "1", "u-web"), ("u-new", "2", "u-web"), ("u-other", "7", "u-api"))
]


def pod(name: str = "web-1", owner: str = "u-new", *states: dict[str, Any], ready: bool = True, **more: Any) -> dict[str, Any]:
    """A pod of a ReplicaSet, with the states of its containers."""
    containers = [{"name": f"c{number}", "ready": ready, "restartCount": 0, "imageID": f"docker-pullable://web@sha256:{number}",
                   "state": {"running": {"startedAt": "2026-01-02T03:04:05Z"}}, **state} for number, state in enumerate(states or ({},))]
    return {
        "kind": "Pod", "metadata": {"name": name, "uid": f"u-{name}", "ownerReferences": [{"uid": owner, "controller": True}]},
        "spec": {"restartPolicy": "Always", "containers": DEPLOYMENT["spec"]["template"]["spec"]["containers"]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}], "containerStatuses": containers}, **more,
    }


def instances(*pods: dict[str, Any], deployment: dict[str, Any] = DEPLOYMENT) -> list[Instance]:
    return kubernetes.instances_of(kubernetes.workload(deployment), sets=SETS, pods=pods)


def one(*states: dict[str, Any], **more: Any) -> Instance:
    (found,) = instances(pod("web-1", "u-new", *states, **more))
    return found


def changed(**values: Any) -> dict[str, Any]:
    made = copy.deepcopy(DEPLOYMENT)
    for path, value in values.items():
        place = made
        *parts, last = path.split("__")
        for part in parts:
            place = place[part]
        place[last] = value
    return made


def test_a_deployment() -> None:
    made = kubernetes.workload(DEPLOYMENT)
    assert (made.kind, made.desired, made.updated, made.ready, made.revision) == ("deployment", 2, 2, 1, "2")
    assert not made.lags and not made.stuck
    assert made.selector == "app=web,tier in (a,b),!old,zone,lane notin (x)"
    assert made.requests == {"cpu": 0.5, "memory": 128 * 2.0 ** 20}
    assert kubernetes.workload(changed(metadata__generation=4)).lags
    assert kubernetes.workload(changed(spec__strategy={"type": "Recreate"})).recreate
    stuck = changed(status__conditions=[{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}])
    assert kubernetes.workload(stuck).stuck


def test_what_the_api_leaves_out_is_nothing() -> None:
    made = kubernetes.workload(changed(status={}))
    assert (made.observed, made.updated, made.ready, made.lags) == (0, 0, 0, True)


def test_a_statefulset_and_a_daemonset_count_in_their_own_words() -> None:
    said = changed(status={"observedGeneration": 3, "updateRevision": "db-7", "readyReplicas": 2}, metadata__annotations={})
    stateful = kubernetes.workload({**said, "kind": "StatefulSet"})
    assert (stateful.kind, stateful.revision, stateful.desired, stateful.ready) == ("statefulset", "db-7", 2, 2)
    daemon = kubernetes.workload({**changed(status={
        "observedGeneration": 3, "desiredNumberScheduled": 5, "updatedNumberScheduled": 4, "numberReady": 3, "numberAvailable": 3,
        "currentNumberScheduled": 5}), "kind": "DaemonSet"})
    assert (daemon.desired, daemon.updated, daemon.ready, daemon.available, daemon.present) == (5, 4, 3, 3, 5)


@pytest.mark.parametrize(("updated", "generation", "labels", "newest"), [
    (5, 3, {}, True), (5, 3, {"pod-template-generation": "1"}, True), (4, 3, {"pod-template-generation": "2"}, True),
    (4, 3, {"pod-template-generation": "1"}, False), (4, 3, {}, None), (5, 4, {"pod-template-generation": "2"}, False),
])
def test_a_pod_of_a_daemonset_is_of_the_newest_template_by_count_or_by_number(
    updated: int, generation: int, labels: dict[str, str], newest: bool | None,
) -> None:
    made = {**changed(
        status={"observedGeneration": 3, "desiredNumberScheduled": 5, "updatedNumberScheduled": updated, "currentNumberScheduled": 5},
        metadata__annotations={"deprecated.daemonset.template.generation": "2"}, metadata__generation=generation), "kind": "DaemonSet"}
    one = pod("log-1", "u-web")
    one["metadata"]["labels"] = {"controller-revision-hash": "abc", **labels}
    (found,) = instances(one, deployment=made)
    assert (found.newest, found.release) == (newest, "abc")


def test_pods_are_those_of_its_own_replicasets_that_are_meant_to_stay() -> None:
    gone = pod("web-5")
    gone["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    evicted = pod("web-6")
    evicted["status"]["phase"] = "Failed"
    found = instances(pod("web-2"), pod("web-1", "u-old"), pod("web-3", "u-other"), pod("web-4", "nobody"), gone, evicted)
    assert [(each.name, each.release, each.newest) for each in found] == [("web-1", "1", False), ("web-2", "2", True)]


def test_nothing_is_the_newest_while_the_controller_lags_behind() -> None:
    assert [each.newest for each in instances(pod(), deployment=changed(metadata__generation=4))] == [False]


def test_no_environment_and_no_argument_is_kept() -> None:
    last = {"terminated": {"exitCode": 1, "reason": "Error", "message": CANARY}}
    leaking = pod("web-1", "u-new", {"lastState": last, "restartCount": 1})
    assert CANARY not in json.dumps([each.as_dict() for each in instances(leaking)])
    assert CANARY not in repr(kubernetes.workload(DEPLOYMENT))


def test_a_pod_that_runs() -> None:
    found = one({}, {"restartCount": 2, "state": {"running": {"startedAt": "2026-01-02T04:04:05Z"}}})
    assert (found.id, found.start, found.restarts, found.state) == ("u-web-1", "u-web-1 2", 2, "Running")
    assert found.up and found.running
    assert (found.image, found.digest) == ("web:2 proxy:1", "sha256:0 sha256:1")
    assert found.started_at == 1767326645.0, "the youngest of its containers"
    assert (found.oom, found.exit_code, found.desired) == (False, None, 2)


def test_a_new_start_is_another_identity() -> None:
    assert one({}).identity != one({"restartCount": 1}).identity


@pytest.mark.parametrize(("status", "state", "reason", "restarting"), [
    ({"state": {"waiting": {"reason": "CrashLoopBackOff", "message": f"back-off {CANARY}"}}, "restartCount": 4,
      "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-02T03:04:05Z"}}},
     "CrashLoopBackOff", "last end: OOMKilled", True),
    ({"state": {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "web:3"'}}},
     "ImagePullBackOff", 'Back-off pulling image "web:3"', False),
    ({"state": {"waiting": {"reason": "RunContainerError", "message": CANARY}}}, "RunContainerError", "", False),
])
def test_a_pod_that_does_not_run(status: dict[str, Any], state: str, reason: str, restarting: bool) -> None:
    found = one({}, status, ready=False)
    assert (found.state, found.reason, found.restarting, found.up, found.running) == (state, reason, restarting, False, False)


def test_who_was_ended_for_want_of_memory() -> None:
    found = one({"restartCount": 1, "lastState": {"terminated": {
        "exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-02T03:04:05Z"}}})
    assert (found.oom, found.exit_code, found.ended_at, found.up) == (True, 137, 1767323045.0, True)


def test_a_container_that_begins_before_the_others_holds_the_pod_back() -> None:
    waiting = pod("web-1", "u-new", {"state": {"waiting": {"reason": "PodInitializing"}}}, ready=False)
    waiting["status"]["phase"] = "Pending"
    waiting["status"]["initContainerStatuses"] = [
        {"name": "done", "ready": True, "restartCount": 0, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
        {"name": "migrate", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
         "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}}]
    (found,) = instances(waiting)
    assert (found.state, found.restarts, found.restarting, found.exit_code, found.running) == ("CrashLoopBackOff", 3, True, 1, False)


def test_a_pod_without_a_place() -> None:
    found = pod()
    found["status"] = {"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available: 3 Insufficient cpu."}]}
    (made,) = instances(found)
    assert (made.state, made.reason, made.running, made.started_at) == (
        "Unschedulable", "0/3 nodes are available: 3 Insufficient cpu.", False, None)


def test_a_service_is_up_with_as_many_pods_as_there_are_to_be() -> None:
    assert described(instances(pod("a"), pod("b")))["up"]
    assert not described(instances(pod("a")))["up"], "1 of 2"
    assert not described(instances(pod("a"), pod("b", ready=False)))["up"]


@pytest.mark.parametrize(("identity", "target"), [
    ("web", ("deployment", "web")), ("deploy/web", ("deployment", "web")), ("Deployments.apps/web", ("deployment", "web")),
    ("sts/db", ("statefulset", "db")), ("daemonset/log", ("daemonset", "log")),
])
def test_names(identity: str, target: tuple[str, str]) -> None:
    assert kubernetes.target_of(Service(name="x", runtime="kubernetes", identity=identity)) == target


@pytest.mark.parametrize("identity", ["pod/web", "deployment/", "deployment/a/b", "deployment/--all"])
def test_names_that_are_none(identity: str) -> None:
    with pytest.raises(BadInput, match="service x: identity"):
        kubernetes.target_of(Service(name="x", runtime="kubernetes", identity=identity))


def test_the_command() -> None:
    service = Service(name="x", runtime="kubernetes", where={
        "command": "microk8s kubectl", "context": "prod", "namespace": "shop", "kubeconfig": "/etc/kube", "nodes": True})
    cluster = kubernetes.cluster_of(service)
    assert cluster.argv("get", "pods") == [
        "microk8s", "kubectl", "--kubeconfig=/etc/kube", "--context=prod", "--namespace=shop", "get", "pods"]
    assert cluster.nodes and kubernetes.cluster_of(Service(name="x", runtime="kubernetes")).argv() == ["kubectl"]
    for where in ({"namespaces": "shop"}, {"nodes": "yes"}, {"namespace": 7}):
        with pytest.raises(BadInput, match="service x: where"):
            kubernetes.cluster_of(Service(name="x", runtime="kubernetes", where=where))


@pytest.mark.parametrize(("text", "value"), [
    ("100m", 0.1), ("2", 2.0), ("64Mi", 2.0 ** 26), ("1.5G", 1.5e9), ("1k", 1e3), ("1e3", 1e3), (4, 4.0), ("", 0.0), ("much", 0.0),
])
def test_quantities(text: Any, value: float) -> None:
    assert kubernetes.quantity(text) == pytest.approx(value)
