# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes pods of a Deployment, as the controllers of a cluster do it: a ReplicaSet for each template, replaced bit by bit, in ticks.

Of a StatefulSet and a DaemonSet it is kube_sets.py.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from typing import Any

from tests.support import kube_pods, kube_sets
from tests.support.kube_store import Object, Store, selected

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
#: In ticks: a pod that is deleted goes.
_ENDS = 3


class Controller:
    """Of one cluster."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ages: dict[str, int] = {}
        self._progress: dict[str, tuple[Any, float]] = {}

    def tick(self) -> None:
        """One step of everything."""
        with self._store.changed:
            for one in self._store.all("deployments"):
                self._deployment(one)
            for one in self._store.all("replicasets"):
                self._replicas(one)
            for one in self._store.all("statefulsets"):
                kube_sets.statefulset(self._store, one, template=template_hash(one["spec"]["template"]))
            for one in self._store.all("daemonsets"):
                kube_sets.daemonset(self._store, one, template=template_hash(one["spec"]["template"]))
            for one in self._store.all("pods"):
                self._pod(one)
            for one in self._store.all("services"):
                self._endpoints(one)
            for one in self._store.all("deployments"):
                self._status(one)

    def _deployment(self, one: Object) -> None:
        about, spec, space = one["metadata"], one["spec"], one["metadata"]["namespace"]
        sets = self._sets(one)
        label = template_hash(spec["template"])
        newest = next((each for each in sets if each["metadata"]["labels"].get(HASH) == label), None)
        if not spec.get("paused"):
            revisions = [_revision(each) for each in sets]
            if newest is None:
                newest = self._store.create("replicasets", _set_of(one, label, max(revisions, default=0) + 1))
                sets.append(newest)
            elif _revision(newest) < max(revisions):
                newest = self._annotate("replicasets", newest, max(revisions) + 1)
            if not _copied(about) <= newest["metadata"]["annotations"].items():
                newest = self._store.update("replicasets", space, newest["metadata"]["name"],
                                            lambda made: made["metadata"]["annotations"].update(_copied(about)))
            if about.get("annotations", {}).get(REVISION) != str(_revision(newest)):
                self._annotate("deployments", one, _revision(newest))
        if newest is None:
            return
        uid = newest["metadata"]["uid"]
        old = [each for each in sets if each["metadata"]["uid"] != uid]
        if spec.get("paused"):
            return
        self._roll(spec, newest, old)
        spent = sorted((each for each in old if not each["spec"]["replicas"] and not self._pods(each)), key=_revision)
        for each in spent[:max(0, len(spent) - spec.get("revisionHistoryLimit", 10))]:
            self._store.delete("replicasets", space, each["metadata"]["name"])

    def _roll(self, spec: Object, newest: Object, old: list[Object]) -> None:
        replicas = spec.get("replicas", 1)
        have = newest["spec"]["replicas"]
        if have > replicas:
            self._scale(newest, replicas)
        if spec.get("strategy", {}).get("type") == "Recreate":
            for each in old:
                self._scale(each, 0)
            if not any(self._pods(each) for each in old):
                self._scale(newest, replicas)
            return
        rolling = spec.get("strategy", {}).get("rollingUpdate", {})
        surge = _share(rolling.get("maxSurge", "25%"), replicas, up=True)
        unavailable = _share(rolling.get("maxUnavailable", "25%"), replicas, up=False)
        if not surge and not unavailable:
            unavailable = 1
        total = have + sum(each["spec"]["replicas"] for each in old)
        if have < replicas:
            self._scale(newest, min(replicas, have + max(0, replicas + surge - total)))
        ready = {each["metadata"]["uid"]: sum(kube_pods.ready(pod) for pod in self._pods(each)) for each in (newest, *old)}
        room = sum(ready.values()) - (replicas - unavailable)
        for each in sorted(old, key=_revision):
            idle = each["spec"]["replicas"] - ready[each["metadata"]["uid"]]
            cut = min(each["spec"]["replicas"], max(idle, 0) + max(room, 0))
            room -= max(0, cut - max(idle, 0))
            self._scale(each, each["spec"]["replicas"] - cut)

    def _scale(self, one: Object, replicas: int) -> None:
        if one["spec"]["replicas"] != replicas:
            self._store.update("replicasets", one["metadata"]["namespace"], one["metadata"]["name"],
                               lambda made: made["spec"].update(replicas=replicas))

    def _annotate(self, plural: str, one: Object, revision: int) -> Object:
        return self._store.update(plural, one["metadata"]["namespace"], one["metadata"]["name"],
                                  lambda made: made["metadata"].setdefault("annotations", {}).update({REVISION: str(revision)}))

    def _sets(self, one: Object) -> list[Object]:
        return [each for each in self._store.all("replicasets", one["metadata"]["namespace"]) if _owner(each) == one["metadata"]["uid"]]

    def _pods(self, one: Object) -> list[Object]:
        return [each for each in self._store.all("pods", one["metadata"]["namespace"]) if _owner(each) == one["metadata"]["uid"]]

    def _replicas(self, one: Object) -> None:
        alive = [pod for pod in self._pods(one) if "deletionTimestamp" not in pod["metadata"]]
        for _number in range(one["spec"]["replicas"] - len(alive)):
            self._store.create("pods", kube_pods.pod_of(one))
        # Those that are not ready go first, then the youngest.
        by_worth = sorted(alive, key=lambda pod: (not kube_pods.ready(pod), pod["metadata"]["creationTimestamp"]), reverse=True)
        for pod in by_worth[:max(0, len(alive) - one["spec"]["replicas"])]:
            kube_pods.end_pod(self._store, pod)
        ready = sum(kube_pods.ready(pod) for pod in alive)
        self._store.update("replicasets", one["metadata"]["namespace"], one["metadata"]["name"], lambda made: made.update(status={
            "replicas": len(alive), "readyReplicas": ready, "availableReplicas": ready,
            "observedGeneration": made["metadata"]["generation"],
        }))

    def _pod(self, one: Object) -> None:
        about = one["metadata"]
        if not _owner(one):
            return
        life = f"{about['uid']} {'deletionTimestamp' in about}"
        age = self._ages[life] = self._ages.get(life, -1) + 1
        if "deletionTimestamp" not in about:
            made = self._store.update("pods", about["namespace"], about["name"],
                                      lambda made: made.update(status=kube_pods.pod_status(made, age)))
            if kube_pods.crashes(made) > kube_pods.crashes(one):
                self._store.create("events", kube_pods.event_of(made))
        elif age >= _ENDS:
            self._store.delete("pods", about["namespace"], about["name"])

    def _endpoints(self, one: Object) -> None:
        wanted, space = one["spec"].get("selector"), one["metadata"]["namespace"]
        if not wanted:
            return
        text = ",".join(f"{key}={value}" for key, value in wanted.items())
        pods = [pod for pod in selected(self._store.all("pods", space), plural="pods", labels=text, fields="")
                if pod.get("status", {}).get("podIP") and "deletionTimestamp" not in pod["metadata"]]
        ready = [pod for pod in pods if kube_pods.ready(pod)]
        groups = {"addresses": ready, "notReadyAddresses": [pod for pod in pods if pod not in ready]}
        found = {key: [{"ip": pod["status"]["podIP"], "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"]}} for pod in some]
                 for key, some in groups.items() if some}
        made: Object = {"metadata": {"name": one["metadata"]["name"], "namespace": space},
                        "subsets": [{**found, "ports": [{"port": 80}]}] if found else []}
        if not any(each["metadata"]["name"] == one["metadata"]["name"] for each in self._store.all("endpoints", space)):
            self._store.create("endpoints", made)
        self._store.update("endpoints", space, one["metadata"]["name"], lambda old: old.update(subsets=made["subsets"]))

    def _status(self, one: Object) -> None:
        about, spec, sets = one["metadata"], one["spec"], self._sets(one)
        label, replicas = template_hash(spec["template"]), spec.get("replicas", 1)
        pods = [(each["metadata"]["labels"].get(HASH) == label, pod) for each in sets for pod in self._pods(each)
                if "deletionTimestamp" not in pod["metadata"]]
        updated, ready = sum(new for new, _pod in pods), sum(kube_pods.ready(pod) for _new, pod in pods)
        new_ready = sum(new and kube_pods.ready(pod) for new, pod in pods)
        done = updated == replicas == new_ready == len(pods)
        progress = (about["generation"], updated, ready, new_ready, len(pods))
        if self._progress.get(about["uid"], (None, 0.0))[0] != progress:
            self._progress[about["uid"]] = (progress, time.monotonic())
        late = time.monotonic() - self._progress[about["uid"]][1] > spec.get("progressDeadlineSeconds", 600)
        said = next((each for each in one.get("status", {}).get("conditions", ()) if each["type"] == "Progressing"), {})
        # What is complete stays so, whatever its pods do later, until the next rollout.
        stays = said.get("reason") == "NewReplicaSetAvailable" and one["status"]["observedGeneration"] == about["generation"]
        reason = "NewReplicaSetAvailable" if done or stays else "ProgressDeadlineExceeded" if late else "ReplicaSetUpdated"
        rolling = spec.get("strategy", {}).get("rollingUpdate", {})
        short = ready < replicas - _share(rolling.get("maxUnavailable", "25%"), replicas, up=False)
        status: Object = {
            "observedGeneration": about["generation"], "replicas": len(pods), "updatedReplicas": updated, "readyReplicas": ready,
            "availableReplicas": ready, "unavailableReplicas": max(0, max(len(pods), replicas) - ready),
            "conditions": [
                {"type": "Available", "status": "False" if short else "True",
                 "reason": "MinimumReplicasUnavailable" if short else "MinimumReplicasAvailable"},
                {"type": "Progressing", "status": "False" if reason == "ProgressDeadlineExceeded" else "True", "reason": reason},
            ],
        }
        # The API leaves out what is 0.
        status = {key: value for key, value in status.items() if value != 0}
        self._store.update("deployments", about["namespace"], about["name"], lambda made: made.update(status=status))


def template_hash(template: Object) -> str:
    """What tells one template from another."""
    template = {**template, "metadata": {key: value for key, value in template["metadata"].items() if key != "creationTimestamp"}}
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]


def _owner(one: Object) -> str:
    return str(next((each["uid"] for each in one["metadata"].get("ownerReferences") or () if each.get("controller")), ""))


def _revision(one: Object) -> int:
    return int(one["metadata"].get("annotations", {}).get(REVISION, 0))


def _share(value: int | str, of: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    part = of * int(value.rstrip("%")) / 100
    return math.ceil(part) if up else math.floor(part)


def _copied(about: Object) -> set[tuple[str, str]]:
    """The annotations that the newest ReplicaSet has from its Deployment, and that an undo brings back."""
    return {(key, value) for key, value in about.get("annotations", {}).items()
            if not key.startswith(("kubectl.kubernetes.io/", "deployment.kubernetes.io/"))}


def _set_of(one: Object, label: str, revision: int) -> Object:
    about, spec = one["metadata"], one["spec"]
    template = json.loads(json.dumps(spec["template"]))
    template["metadata"].setdefault("labels", {})[HASH] = label
    return {
        "metadata": {
            "name": f"{about['name']}-{label}", "namespace": about["namespace"], "labels": template["metadata"]["labels"],
            "annotations": {**dict(_copied(about)), REVISION: str(revision)}, "ownerReferences": kube_pods.owned(one),
        },
        "spec": {"replicas": 0, "selector": {"matchLabels": {**spec["selector"]["matchLabels"], HASH: label}}, "template": template},
    }
