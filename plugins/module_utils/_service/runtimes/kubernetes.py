# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that are Deployments, StatefulSets or DaemonSets of Kubernetes.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.errors import Blind
from ..._core.findings import Finding, Skipped
from ..._core.moments import moment
from ..._module.programs import Run
from ..decisions.instance import Instance
from ..decisions.kubernetes import DEPLOYMENT, KINDS, Cluster, Workload, cluster_of, instances_of, own_sets, target_of, workload
from ..decisions.kubernetes_facts import Around
from ..decisions.kubernetes_facts import facts as facts_of
from ..decisions.services import Service
from ..evidence import EVENTS, LOGS, STATE, Kept
from ..instances import NoSuchService
from ..kubectl import Object, objects, objects_beside
from ..runtime import Facts

#: So many pods of a service, and the last lines of each of their containers.
_MOST_PODS = 10
_LAST_LINES = """pods=
while [ "$1" != -- ]; do pods="$pods $1"; shift; done
shift
for pod in $pods; do
  echo "== ${pod%=*}, before its last start: ${pod#*=}"
  "$@" logs "${pod%=*}" --previous="${pod#*=}" --all-containers --prefix --timestamps --tail=200 2>&1
done"""
_OF_AN_EVENT = {
    "LAST": ".lastTimestamp", "AT": ".eventTime", "COUNT": ".count", "TYPE": ".type", "REASON": ".reason", "KIND": ".involvedObject.kind",
    "NAME": ".involvedObject.name", "MESSAGE": ".message",
}
_OF_A_STATE = {
    "KIND": ".kind", "NAME": ".metadata.name", "UID": ".metadata.uid", "CREATED": ".metadata.creationTimestamp",
    "ENDS": ".metadata.deletionTimestamp", "GENERATION": ".metadata.generation", "OBSERVED": ".status.observedGeneration",
    "WANTED": ".spec.replicas", "UPDATED": ".status.updatedReplicas", "READY": ".status.readyReplicas", "PHASE": ".status.phase",
    "NODE": ".spec.nodeName", "CONDITIONS": ".status.conditions[*].reason", "RESTARTS": ".status.containerStatuses[*].restartCount",
    "WAITS": ".status.containerStatuses[*].state.waiting.reason", "STARTED": ".status.containerStatuses[*].state.running.startedAt",
    "ENDED": ".status.containerStatuses[*].lastState.terminated.finishedAt",
    "WHY": ".status.containerStatuses[*].lastState.terminated.reason",
    "STATUS": ".status.containerStatuses[*].lastState.terminated.exitCode", "IMAGES": ".status.containerStatuses[*].imageID",
}
_AROUND = "services,endpoints,ingresses.networking.k8s.io,resourcequotas"


def look(service: Service, *, run: Run) -> list[Instance]:
    """See Runtime."""
    _cluster, made, sets, pods = _below(service, run=run)
    return instances_of(made, sets=sets, pods=pods)


def look_many(services: t.Sequence[Service], *, run: Run) -> dict[str, t.Union[list[Instance], Blind]]:
    """See Runtime. All of a namespace in one look, however many services it has."""
    if len(services) == 1:
        return {services[0].name: look(services[0], run=run)}
    kinds = sorted({target_of(one)[0] for one in services})
    wanted = [f"{kind}s" for kind in kinds] + (["replicasets"] if DEPLOYMENT in kinds else []) + ["pods"]
    listed = objects(cluster_of(services[0]), ",".join(wanted), run=run)
    found: dict[str, t.Union[list[Instance], Blind]] = {}
    for service in services:
        kind, name = target_of(service)
        own = [one for one in listed if (str(one["kind"]).lower(), one["metadata"]["name"]) == (kind, name)]
        if own:
            found[service.name] = instances_of(workload(own[0]), sets=_of(listed, "ReplicaSet"), pods=_of(listed, "Pod"))
        else:
            found[service.name] = NoSuchService(
                f"{daemon(service)} get {kind}: there is no {name}.",
                hint="Correct the name or the namespace of the service, or bring it back.",
            )
    return found


def evidence(services: t.Sequence[Service], *, since: str, run: Run) -> list[Kept]:
    """See Runtime. Columns that are named, so that no environment is printed. A cluster keeps an event for an hour, whatever `since`."""
    cluster = cluster_of(services[0])
    try:
        found: t.Mapping[str, t.Union[list[Instance], Blind]] = look_many(services, run=run)
    except Blind:
        found = {}
    pods = {name: _lives(seen) for name, seen in found.items() if not isinstance(seen, Blind)}
    kinds = [*(f"{KINDS[kind][-1]}" for kind in sorted({target_of(one)[0] for one in services})), "replicasets.apps", "pods"]
    return [
        Kept("", EVENTS, tuple(cluster.argv("get", "events", "--sort-by=.lastTimestamp", _columns(_OF_AN_EVENT)))),
        Kept("", STATE, tuple(cluster.argv("get", ",".join(kinds), _columns(_OF_A_STATE)))),
        *(Kept(one.name, LOGS, ("sh", "-c", _LAST_LINES, "sh", *pods[one.name], "--", *cluster.argv()) if pods.get(one.name) else ())
          for one in services),
    ]


def _columns(paths: t.Mapping[str, str]) -> str:
    return "--output=custom-columns=" + ",".join(f"{name}:{path}" for name, path in paths.items())


def _lives(instances: t.Sequence[Instance]) -> list[str]:
    """The pods whose logs are kept, those that are not well first; behind each whether it had a life before."""
    worst = sorted(instances, key=lambda one: (one.up, -(one.restarts or 0), one.name))[:_MOST_PODS]
    return [f"{one.name}={before}" for one in worst for before in (("true", "false") if one.restarts else ("false",))]


def rollouts(service: Service, *, since: float, run: Run) -> int:
    """How many times all pods of a Deployment were replaced since, seconds since the epoch, as far as its ReplicaSets tell.

    Raises:
        Blind: it cannot be looked at.
    """
    _cluster, made, sets, _pods = _below(service, run=run)
    return sum((moment(str(one["metadata"].get("creationTimestamp", ""))) or 0.0) >= since for one in own_sets(made, sets))


def daemon(service: Service) -> str:
    """See Runtime."""
    return " ".join(cluster_of(service).argv())


def facts(service: Service, *, run: Run) -> Facts:
    """See Runtime. With where.nodes also of the nodes, and of all that asks for a part of them."""
    cluster, made = find(service, run=run)
    found, refused = objects_beside(cluster, _AROUND, run=run)
    if cluster.nodes:
        for words in (("nodes",), ("pods", "--all-namespaces")):
            more, why = objects_beside(cluster, *words, run=run)
            found += more
            refused.update(why)
    told = facts_of(service.name, made, Around(
        objects={kind: _of(found, kind) for kind in {str(one["kind"]) for one in found}}, nodes=cluster.nodes,
        unread={resource: (exc.message, exc.hint or "") for resource, exc in refused.items()},
    ))
    return Facts(
        desired=made.desired, findings=tuple(one for one in told if isinstance(one, Finding)),
        skipped=tuple(one for one in told if isinstance(one, Skipped)),
    )


def find(service: Service, *, run: Run) -> tuple[Cluster, Workload]:
    """The cluster of a service, and what makes its pods.

    Raises:
        Blind: it cannot be looked at, or is not there.
    """
    cluster, (kind, name) = cluster_of(service), target_of(service)
    # With its group: another one may have a resource of the same name.
    (found,) = objects(cluster, f"{KINDS[kind][-1]}/{name}", run=run)
    return cluster, workload(found)


def _below(service: Service, *, run: Run) -> tuple[Cluster, Workload, list[Object], list[Object]]:
    """The same with the ReplicaSets and pods that have its labels."""
    cluster, made = find(service, run=run)
    listed = objects(cluster, "replicasets,pods" if made.kind == DEPLOYMENT else "pods", f"--selector={made.selector}", run=run)
    return cluster, made, _of(listed, "ReplicaSet"), _of(listed, "Pod")


def _of(listed: t.Iterable[Object], kind: str) -> list[Object]:
    return [one for one in listed if one["kind"] == kind]
