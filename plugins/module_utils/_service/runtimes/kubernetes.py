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
from ..instances import NoSuchService
from ..kubectl import Object, objects, objects_beside
from ..kubernetes_evidence import evidence_of
from ..runtime import Facts

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


def evidence(service: Service, *, run: Run) -> dict[str, t.Any]:
    """What is kept of a service before it is changed: see kubernetes_evidence.

    Raises:
        BadInput: the service is not described in a usable way.
        Blind: it cannot be looked at.
    """
    cluster, made, sets, pods = _below(service, run=run)
    instances = instances_of(made, sets=sets, pods=pods)
    return evidence_of(cluster, made, instances, sets=[str(one["metadata"]["name"]) for one in own_sets(made, sets)], pods=pods, run=run)


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
