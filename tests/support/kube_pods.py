# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pods of the double of the API: what becomes of one is chosen by a word in its image's name.

`crash` runs for a moment and exits with 1, `oom` is killed for its memory, `absent` cannot be pulled, `unready` runs and is never ready,
`brittle` crashes once somebody has restarted it.
"""

from __future__ import annotations

import hashlib
import random
import string

from tests.support.kube_store import Object, Store, now

#: In ticks: a container starts, one that crashes runs so long and waits so long.
_STARTS, _RUNS, _WAITS = 2, 4, 6
_NODE = "node-1"


def end_pod(store: Store, pod: Object) -> None:
    """A pod is told to end. It is there for a while."""
    about = pod["metadata"]
    store.update("pods", about["namespace"], about["name"], lambda made: made["metadata"].setdefault("deletionTimestamp", now()))


def ready(pod: Object) -> bool:
    """Whether it takes work."""
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod.get("status", {}).get("conditions", ()))


def owned(one: Object) -> list[Object]:
    """What an object of another one says of whose it is."""
    about = one["metadata"]
    return [{"apiVersion": "apps/v1", "kind": one["kind"], "name": about["name"], "uid": about["uid"], "controller": True}]


def pod_of(one: Object) -> Object:
    """A new pod of a ReplicaSet."""
    about, template = one["metadata"], one["spec"]["template"]
    tail = "".join(random.choices(string.ascii_lowercase, k=5))
    return {
        "metadata": {"name": f"{about['name']}-{tail}", "namespace": about["namespace"], "labels": template["metadata"]["labels"],
                     "annotations": template["metadata"].get("annotations") or {}, "ownerReferences": owned(one)},
        "spec": {**template["spec"], "nodeName": _NODE}, "status": {"phase": "Pending"},
    }


def pod_status(pod: Object, age: int) -> Object:
    """What it is at an age, in ticks."""
    old = {one["name"]: one for one in pod.get("status", {}).get("containerStatuses", ())}
    again = "kubectl.kubernetes.io/restartedAt" in pod["metadata"].get("annotations", {})
    containers = [_container(one, old.get(one["name"], {}), age, again=again) for one in pod["spec"]["containers"]]
    ready = all(one["ready"] for one in containers)
    started = all("running" in one["state"] or one["restartCount"] for one in containers)
    return {
        "phase": "Running" if started else "Pending", "startTime": pod["metadata"]["creationTimestamp"],
        "podIP": f"192.0.2.{1 + int(pod['metadata']['uid'][:4], 16) % 250}", "hostIP": "198.51.100.1",
        "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True" if ready else "False"}],
        "containerStatuses": containers,
    }


def _container(one: Object, old: Object, age: int, *, again: bool) -> Object:
    image = one["image"]
    digest = hashlib.sha256(image.encode()).hexdigest()
    said: Object = {"name": one["name"], "image": image, "imageID": f"docker-pullable://{image.split(':')[0]}@sha256:{digest}",
                    "restartCount": old.get("restartCount", 0), "ready": False, "lastState": old.get("lastState", {}),
                    "state": old.get("state") or {"waiting": {"reason": "ContainerCreating"}}}
    if "absent" in image:
        return {**said, "imageID": "", "state": {"waiting": {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}"'}}}
    if age < _STARTS:
        return said
    dies = "crash" in image or "oom" in image or ("brittle" in image and again)
    turn = (age - _STARTS) % (_RUNS + _WAITS)
    if dies and turn >= _RUNS:
        if turn == _RUNS:
            ended = {"exitCode": 137, "reason": "OOMKilled"} if "oom" in image else {"exitCode": 1, "reason": "Error"}
            said["restartCount"] += 1
            said["lastState"] = {"terminated": {**ended, "startedAt": now(), "finishedAt": now()}}
        return {**said, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}}}
    running = said["state"] if "running" in said["state"] else {"running": {"startedAt": now()}}
    return {**said, "ready": "unready" not in image, "started": True, "state": running,
            "containerID": f"docker://{digest[:12]}{said['restartCount']}"}


def crashes(pod: Object) -> int:
    """How often its containers were started again."""
    return sum(one["restartCount"] for one in pod.get("status", {}).get("containerStatuses", ()))


def event_of(pod: Object) -> Object:
    """What is told of its last crash."""
    about = pod["metadata"]
    return {
        "metadata": {"name": f"{about['name']}.{crashes(pod)}", "namespace": about["namespace"]}, "type": "Warning", "reason": "BackOff",
        "message": "Back-off restarting failed container", "count": 1, "firstTimestamp": now(), "lastTimestamp": now(),
        "involvedObject": {"kind": "Pod", "namespace": about["namespace"], "name": about["name"], "uid": about["uid"]},
    }
