# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only Kubernetes has to say of a service: its rollout, who reaches its pods, and whether there is room for one more.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.findings import CRITICAL, NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding, Skipped
from ..._core.words import few
from .health import OF_A_RUNTIME
from .kubernetes import Workload, quantity, requests_of

ROLLOUT, ENDPOINTS, INGRESS, NODES, ROOM = OF_A_RUNTIME
#: Why a check does not apply.
ABSENT = {
    "no_service": "no Service of Kubernetes selects its pods",
    "no_ingress": "no Ingress leads to it",
    "no_pods_wanted": "it is to have no pods",
    "no_quota": "no quota limits its namespace, and where.nodes does not say that the nodes may be read",
    "nodes_not_meant": "where.nodes does not say that the nodes may be read",
}
#: Conditions of a node that are bad when they are true.
_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
#: Scopes a quota to some pods, which cannot be told from here.
_SCOPED = ("scopes", "scopeSelector")
Told = t.Union[Finding, Skipped]
Object = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Around:
    """What is around a service: objects by kind, and why a kind could not be read, as sentence and hint.

    Attributes:
        nodes: the nodes were to be read.
    """

    objects: t.Mapping[str, t.Sequence[Object]]
    unread: t.Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    nodes: bool = False

    def of(self, kind: str) -> t.Sequence[Object]:
        """The objects of a kind."""
        return self.objects.get(kind, ())


def facts(name: str, made: Workload, around: Around) -> list[Told]:
    """The answers to all checks of this runtime.

    Args:
        name: of the service, for people.
    """
    services = _services(made, around)
    return [
        _rollout(name, made), _unread(ENDPOINTS, around, "services", "endpoints") or _endpoints(name, made, services, around),
        _unread(INGRESS, around, "services", "ingresses") or _ingress(name, services, around),
        _unread(NODES, around, "nodes") or _nodes(name, around),
        _unread(ROOM, around, "resourcequotas", "nodes", "pods") or _room(name, made, around),
    ]


def _absent(check: str, name: str, why: str) -> Skipped:
    return Skipped(check, f"{why}: {name}: {ABSENT[why]}.", kind=NOT_APPLICABLE)


def _unread(check: str, around: Around, *plurals: str) -> t.Optional[Skipped]:
    for plural in plurals:
        if plural in around.unread:
            why, hint = around.unread[plural]
            return Skipped(check, f"unreadable: {why}", hint)
    return None


def _rollout(name: str, made: Workload) -> Finding:
    status, hint = OK, ""
    if made.lags:
        status, hint = UNKNOWN, "The controller has not seen the last change yet, so what it says is of the one before. Look again."
    elif made.stuck:
        status, hint = CRITICAL, f"The rollout came to no end within its time ({made.progressing}). Roll it back, or see why its pods fail."
    elif made.paused:
        status, hint = WARNING, "Its rollout is paused: no change of it takes effect, and it cannot be restarted."
    elif made.updated < made.desired or made.present > made.updated:
        status = WARNING
        older = max(made.present - made.updated, 0)
        hint = f"A rollout is under way: {made.updated} of {made.desired} pods are of the newest release, {older} are older."
    return Finding(
        ROLLOUT, status, observed=None if made.lags else made.updated, threshold=made.desired, unit="count", hint=hint, subject=name,
        detail={"ready": made.ready, "available": made.available, "pods": made.present, "generation": made.generation,
                "observed": made.observed, "reason": made.progressing, "revision": made.revision},
    )


def _services(made: Workload, around: Around) -> list[Object]:
    """The Services that are meant for it: those that select its pods, and the one of its name, which should."""
    found = []
    for one in around.of("Service"):
        selector = one.get("spec", {}).get("selector") or {}
        selects = bool(selector) and all(made.labels.get(key) == value for key, value in selector.items())
        if selects or (selector and one["metadata"]["name"] == made.name):
            found.append(one)
    return found


def _endpoints(name: str, made: Workload, services: t.Sequence[Object], around: Around) -> Told:
    if not services:
        return _absent(ENDPOINTS, name, "no_service")
    if not made.desired:
        return _absent(ENDPOINTS, name, "no_pods_wanted")
    known = {one["metadata"]["name"]: one for one in around.of("Endpoints")}
    ready = {one["metadata"]["name"]: _ready(known.get(one["metadata"]["name"], {})) for one in services}
    dead = sorted(service for service, count in ready.items() if not count)
    hint = ""
    if dead:
        wanted = next(one["spec"]["selector"] for one in services if one["metadata"]["name"] == dead[0])
        own = all(made.labels.get(key) == value for key, value in wanted.items())
        said = ",".join(f"{key}={value}" for key, value in sorted(wanted.items()))
        hint = f"Service {few(dead, most=3)} leads nowhere: " + (
            "no pod behind it is ready." if own else f"it selects {said}, and the pods of {made.name} have other labels.")
    return Finding(
        ENDPOINTS, CRITICAL if dead else OK, observed=min(ready.values()), threshold=1, unit="count", hint=hint, subject=name,
        detail={"ready": ready},
    )


def _ready(endpoints: Object) -> int:
    return len({
        address.get("ip") for subset in endpoints.get("subsets") or () for address in subset.get("addresses") or ()
    })


def _ingress(name: str, services: t.Sequence[Object], around: Around) -> Told:
    names = {one["metadata"]["name"] for one in services}
    ours = {one["metadata"]["name"]: _addresses(one) for one in around.of("Ingress") if names & _backends(one)}
    if not ours:
        return _absent(INGRESS, name, "no_ingress")
    without = sorted(one for one, count in ours.items() if not count)
    hint = f"Ingress {few(without, most=3)} has no address: no controller has taken it up." if without else ""
    return Finding(
        INGRESS, WARNING if without else OK, observed=min(ours.values()), threshold=1, unit="count", hint=hint, subject=name,
    )


def _backends(ingress: Object) -> set[str]:
    spec = ingress.get("spec", {})
    found = [path.get("backend") or {} for rule in spec.get("rules") or () for path in (rule.get("http") or {}).get("paths") or ()]
    return {str((one.get("service") or {}).get("name", "")) for one in (*found, spec.get("defaultBackend") or {})}


def _addresses(ingress: Object) -> int:
    balancer = (ingress.get("status") or {}).get("loadBalancer") or {}
    return sum(bool(one.get("ip") or one.get("hostname")) for one in balancer.get("ingress") or ())


def _nodes(name: str, around: Around) -> Told:
    if not around.nodes:
        return _absent(NODES, name, "nodes_not_meant")
    nodes = around.of("Node")
    bad = {str(one["metadata"]["name"]): trouble for one in nodes for trouble in [_trouble(one)] if trouble}
    ready = sum(_is_ready(one) for one in nodes)
    status = CRITICAL if not ready else WARNING if bad else OK
    hint = "; ".join(f"{node}: {trouble}" for node, trouble in sorted(bad.items())[:3])
    return Finding(
        NODES, status, observed=ready, threshold=len(nodes), unit="count", subject=name,
        hint=f"{hint}{'.' if len(bad) <= 3 else f'; and {len(bad) - 3} more.'}" if hint else "" if ready else "There is no node.",
        detail={"cordoned": sorted(str(one["metadata"]["name"]) for one in nodes if one.get("spec", {}).get("unschedulable"))},
    )


def _trouble(node: Object) -> str:
    conditions = {str(one.get("type")): str(one.get("status")) for one in (node.get("status") or {}).get("conditions") or ()}
    found = [] if conditions.get("Ready") == "True" else ["not ready"]
    return ", ".join([*found, *(pressure for pressure in _PRESSURES if conditions.get(pressure) == "True")])


def _is_ready(node: Object) -> bool:
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in (node.get("status") or {}).get("conditions") or ())


def _room(name: str, made: Workload, around: Around) -> Told:
    quotas = [one for one in around.of("ResourceQuota") if not any(one.get("spec", {}).get(key) for key in _SCOPED)]
    if not quotas and not around.nodes:
        return _absent(ROOM, name, "no_quota")
    by_quota = [_left(made, one) for one in quotas]
    by_nodes = _fits(made, around) if around.nodes else None
    counts = [*(count for count, _what in by_quota if count is not None), *([by_nodes] if by_nodes is not None else [])]
    if not counts:
        return _absent(ROOM, name, "no_quota")
    room = min(counts)
    hint = ""
    if not room:
        full = next((f"quota {what}" for count, what in by_quota if count == 0), "what the nodes have to give")
        hint = f"There is no room for one more pod of it: {full} is used up. A restart that adds a pod first waits, and so does a scale."
    return Finding(ROOM, OK if room else WARNING, observed=room, threshold=1, unit="count", hint=hint, subject=name)


def _left(made: Workload, quota: Object) -> tuple[t.Optional[int], str]:
    """How many more of its pods a quota allows; None where it limits nothing that they need."""
    status, needs = quota.get("status") or {}, {"pods": 1.0, **made.requests}
    found: dict[str, int] = {}
    for key, hard in (status.get("hard") or {}).items():
        resource = str(key).partition("requests.")[2] or str(key).partition("count/")[2] or str(key)
        need = needs.get(resource, 0.0)
        if need:
            found[str(key)] = max(0, int((quantity(hard) - quantity((status.get("used") or {}).get(key, 0))) / need + _ROUNDING))
    least = min(found, key=lambda key: found[key], default="")
    return (found[least] if least else None), f"{quota['metadata']['name']} ({least})"


#: 0.3 / 0.1 is a little less than 3.
_ROUNDING = 1e-9


def _fits(made: Workload, around: Around) -> int:
    """How many more of its pods the nodes have room for, by requests against what each can give. Taints and affinity are not asked."""
    used: dict[str, dict[str, float]] = {}
    for pod in around.of("Pod"):
        if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            continue
        taken = used.setdefault(str(pod.get("spec", {}).get("nodeName", "")), {})
        for resource, value in {"pods": 1.0, **requests_of(pod.get("spec", {}))}.items():
            taken[resource] = taken.get(resource, 0.0) + value
    total = 0
    for node in around.of("Node"):
        if not _is_ready(node) or node.get("spec", {}).get("unschedulable"):
            continue
        gives, taken = (node.get("status") or {}).get("allocatable") or {}, used.get(str(node["metadata"]["name"]), {})
        needs = {"pods": 1.0, **made.requests}
        total += max(0, min(
            int((quantity(gives.get(resource, 0)) - taken.get(resource, 0.0)) / need + _ROUNDING)
            for resource, need in needs.items() if need
        ))
    return total
