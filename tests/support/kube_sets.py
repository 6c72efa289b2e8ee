# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes pods of a StatefulSet and of a DaemonSet, as the controllers of a cluster do it.

The pods of a StatefulSet have numbers, are made one after the other, and are replaced from the last to the first, the next one when all
are ready. A DaemonSet has one on each node.
"""

from __future__ import annotations

import json

from tests.support import kube_pods
from tests.support.kube_store import Object, Store

REVISION = "controller-revision-hash"
TEMPLATE, TEMPLATE_OF_POD = "deprecated.daemonset.template.generation", "pod-template-generation"


def statefulset(store: Store, one: Object, *, template: str) -> None:
    """One step. `template` tells its template from another one."""
    about, replicas = one["metadata"], one["spec"].get("replicas", 1)
    newest = f"{about['name']}-{template}"
    pods = _pods(store, one)
    wanted = [f"{about['name']}-{number}" for number in range(replicas)]
    surplus = sorted((name for name in pods if name not in wanted), key=lambda name: int(name.rpartition("-")[2]))
    if surplus:
        _end(store, pods[surplus[-1]])
    for name in wanted:
        if name not in pods:
            _create(store, one, name, {REVISION: newest})
            break
        if not kube_pods.ready(pods[name]):
            break
    else:
        old = [name for name in wanted if pods[name]["metadata"]["labels"][REVISION] != newest]
        if old and not surplus:
            _end(store, pods[old[-1]])
    alive = _alive(store, one)
    updated = [pod for pod in alive if pod["metadata"]["labels"][REVISION] == newest]
    ready = sum(map(kube_pods.ready, alive))
    kept = one.get("status", {}).get("currentRevision") or newest
    _write(store, "statefulsets", one, {
        "replicas": len(alive), "readyReplicas": ready, "availableReplicas": ready, "updatedReplicas": len(updated),
        "currentRevision": newest if len(updated) == replicas else kept, "updateRevision": newest,
    })


def daemonset(store: Store, one: Object, *, template: str) -> None:
    """One step."""
    about = one["metadata"]
    number = int(about.get("annotations", {}).get(TEMPLATE, 0))
    if about.get("annotations", {}).get("double/template") != template:
        number += 1
        said = {TEMPLATE: str(number), "double/template": template}
        one = store.update("daemonsets", about["namespace"], about["name"],
                           lambda made: made["metadata"].setdefault("annotations", {}).update(said))
    pods = _pods(store, one)
    nodes = {f"{about['name']}-{node['metadata']['name']}": node["metadata"]["name"] for node in store.all("nodes")}
    for name in sorted(nodes.keys() - pods.keys()):
        _create(store, one, name, {REVISION: template, TEMPLATE_OF_POD: str(number)}, node=nodes[name])
    for name in sorted(pods.keys() - nodes.keys()):
        _end(store, pods[name])
    old = [name for name in sorted(pods) if pods[name]["metadata"]["labels"][REVISION] != template]
    if old and nodes.keys() == pods.keys() and all(map(kube_pods.ready, pods.values())):
        _end(store, pods[old[0]])
    alive = _alive(store, one)
    ready = sum(map(kube_pods.ready, alive))
    _write(store, "daemonsets", one, {
        "desiredNumberScheduled": len(nodes), "currentNumberScheduled": len(alive), "numberReady": ready, "numberAvailable": ready,
        "updatedNumberScheduled": sum(pod["metadata"]["labels"][REVISION] == template for pod in alive),
    })


def _pods(store: Store, one: Object) -> dict[str, Object]:
    """Its pods by name, also those that end: until they are gone no other has their name."""
    return {pod["metadata"]["name"]: pod for pod in store.all("pods", one["metadata"]["namespace"])
            if any(each["uid"] == one["metadata"]["uid"] for each in pod["metadata"].get("ownerReferences") or ())}


def _alive(store: Store, one: Object) -> list[Object]:
    return [pod for pod in _pods(store, one).values() if "deletionTimestamp" not in pod["metadata"]]


def _create(store: Store, one: Object, name: str, labels: dict[str, str], *, node: str = "") -> None:
    made = json.loads(json.dumps(kube_pods.pod_of(one)))
    made["metadata"]["name"] = name
    made["metadata"]["labels"].update(labels)
    made["spec"].update({"nodeName": node} if node else {})
    store.create("pods", made)


def _end(store: Store, pod: Object) -> None:
    if "deletionTimestamp" not in pod["metadata"]:
        kube_pods.end_pod(store, pod)


def _write(store: Store, plural: str, one: Object, status: Object) -> None:
    about = one["metadata"]
    # The API leaves out what is 0.
    said = {key: value for key, value in status.items() if value != 0}
    store.update(plural, about["namespace"], about["name"], lambda made: made.update(
        status={**said, "observedGeneration": made["metadata"]["generation"]}))
