# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a service in Kubernetes before it is changed: states, events and last lines, which a restart takes away.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.errors import Blind
from .._module.programs import Run
from .decisions.instance import Instance
from .decisions.kubernetes import Cluster, Workload
from .kubectl import Object, objects, said

#: So many pods are read of, those that are not well first; so many lines and bytes of each of their containers, the last ones.
MOST_PODS, LOG_LINES, LOG_BYTES = 10, 200, 64 * 1024
#: So many events, the last ones. A cluster keeps each for an hour.
MOST_EVENTS = 100
_LONGEST = 300


def evidence_of(
    cluster: Cluster, made: Workload, instances: t.Sequence[Instance], *, sets: t.Sequence[str], pods: t.Sequence[Object], run: Run,
) -> dict[str, t.Any]:
    """States, events and logs.

    Args:
        sets: the names of its own ReplicaSets.
        pods: as the API has them, for the names of their containers.
    """
    worst = sorted(instances, key=lambda one: (one.up, -(one.restarts or 0), one.name))[:MOST_PODS]
    known = {str(one["metadata"]["uid"]): one for one in pods}
    events, trouble = _events(cluster, {made.name, *sets, *(one.name for one in instances)}, sets=sets, run=run)
    return {
        "workload": {key: value for key, value in dataclasses.asdict(made).items() if key not in ("labels", "selector")},
        "instances": [one.as_dict() for one in instances], "events": events, "trouble": trouble,
        "logs": [
            _log(cluster, one.name, container, previous=previous, run=run)
            for one in worst for container, restarts in _containers(known[one.id]) for previous in ((True, False) if restarts else (False,))
        ],
    }


def _containers(pod: Object) -> list[tuple[str, int]]:
    """Its containers that have begun, with how often each was started again; those before the others too."""
    status = pod.get("status") or {}
    told = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return [(str(one["name"]), int(one.get("restartCount", 0))) for one in told if one.get("containerID") or one.get("restartCount")]


def _log(cluster: Cluster, pod: str, container: str, *, previous: bool, run: Run) -> dict[str, t.Any]:
    words = ["logs", pod, f"--container={container}", f"--tail={LOG_LINES}", *(["--previous"] if previous else [])]
    lines: list[str] = []
    trouble = ""
    try:
        # Not --limit-bytes, which leaves out the newest of them.
        lines = said(cluster, *words, run=run)[-LOG_BYTES:].splitlines()[-LOG_LINES:]
    except Blind as exc:
        trouble = exc.message
    return {"pod": pod, "container": container, "previous": previous, "lines": lines, "trouble": trouble}


def _events(
    cluster: Cluster, names: t.Collection[str], *, sets: t.Sequence[str], run: Run,
) -> tuple[list[dict[str, t.Any]], str]:
    """Of the service, and of pods of its ReplicaSets that are gone; why there are none."""
    try:
        found = objects(cluster, "events", run=run)
    except Blind as exc:
        return [], exc.message
    gone = tuple(f"{name}-" for name in sets)
    own = [one for one in found for name in [str((one.get("involvedObject") or {}).get("name", ""))]
           if name in names or name.startswith(gone)]
    told = [{
        "at": str(one.get("lastTimestamp") or one.get("eventTime") or one["metadata"].get("creationTimestamp") or ""),
        "type": str(one.get("type", "")), "reason": str(one.get("reason", "")), "count": int(one.get("count") or 1),
        "object": "/".join(str((one.get("involvedObject") or {}).get(key, "")) for key in ("kind", "name")),
        "message": str(one.get("message", ""))[:_LONGEST],
    } for one in own]
    return sorted(told, key=lambda one: str(one["at"]))[-MOST_EVENTS:], ""
