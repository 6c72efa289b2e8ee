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
from ..._module.programs import Run
from ..decisions.instance import Instance
from ..decisions.kubernetes import DEPLOYMENT, KINDS, Cluster, Workload, cluster_of, instances_of, target_of, workload
from ..decisions.kubernetes_facts import Around
from ..decisions.kubernetes_facts import facts as facts_of
from ..decisions.services import Service
from ..instances import NoSuchService
from ..kubectl import Object, objects, objects_beside
from ..runtime import Facts

_AROUND = "services,endpoints,ingresses.networking.k8s.io,resourcequotas"


def look(service: Service, *, run: Run) -> list[Instance]:
    """See Runtime."""
    cluster, made = find(service, run=run)
    listed = objects(cluster, "replicasets,pods" if made.kind == DEPLOYMENT else "pods", f"--selector={made.selector}", run=run)
    return instances_of(made, sets=_of(listed, "ReplicaSet"), pods=_of(listed, "Pod"))


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
                f"{cluster_of(service).title}: there is no {kind} {name}.",
                hint="Correct the name or the namespace of the service, or bring it back.",
            )
    return found


def daemon(service: Service) -> str:
    """See Runtime."""
    cluster = cluster_of(service)
    own = "" if cluster.command == ("kubectl",) else f"by {' '.join(cluster.command)}"
    return " ".join(filter(None, (cluster.title, f"({cluster.kubeconfig})" if cluster.kubeconfig else "", own)))


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


def _of(listed: t.Iterable[Object], kind: str) -> list[Object]:
    return [one for one in listed if one["kind"] == kind]
