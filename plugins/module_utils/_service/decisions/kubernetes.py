# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Kubernetes says of a Deployment, a StatefulSet or a DaemonSet and of its pods, reduced to what is judged.

This module util is PRIVATE to the collection: it may change at any time.

An object as the API gives it has the environment of every container, and the message of a container that ended may have its last lines.
Both are left here: only what is named below goes on.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.errors import BadInput
from ..._core.moments import moment
from ..._core.suggest import suggest
from .instance import Instance
from .services import Service
from .where import read_where

DEPLOYMENT, STATEFULSET, DAEMONSET = "deployment", "statefulset", "daemonset"
#: The kinds with what kubectl takes for them.
KINDS = {
    DEPLOYMENT: ("deployment", "deployments", "deploy", "deployment.apps", "deployments.apps"),
    STATEFULSET: ("statefulset", "statefulsets", "sts", "statefulset.apps", "statefulsets.apps"),
    DAEMONSET: ("daemonset", "daemonsets", "ds", "daemonset.apps", "daemonsets.apps"),
}
REVISION = "deployment.kubernetes.io/revision"
_STATEFUL_REVISION = "controller-revision-hash"
#: A DaemonSet tells the number of its template, and each pod that of its own.
_TEMPLATE, _TEMPLATE_OF_POD = "deprecated.daemonset.template.generation", "pod-template-generation"
#: Of these reasons the message is shown: it names an image, a key that is missing or a node, and nothing of a container's own words.
_TELLING = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "Unschedulable")
_LONGEST = 200
_ENDED = ("Succeeded", "Failed")


@dataclasses.dataclass(frozen=True)
class Cluster:
    """How a cluster is asked.

    Attributes:
        command: kubectl.
        context, kubeconfig, namespace: empty for what kubectl itself takes.
        nodes: the nodes may be read, and the pods of all namespaces.
    """

    command: t.Sequence[str] = ("kubectl",)
    context: str = ""
    namespace: str = ""
    kubeconfig: str = ""
    nodes: bool = False

    def argv(self, *words: str) -> list[str]:
        """A command of kubectl in this namespace."""
        where = (("kubeconfig", self.kubeconfig), ("context", self.context), ("namespace", self.namespace))
        return [*self.command, *(f"--{name}={value}" for name, value in where if value), *words]


@dataclasses.dataclass(frozen=True)
class Workload:
    """What makes the pods of a service.

    Attributes:
        kind: one of KINDS.
        desired: how many pods there are to be.
        generation: of what is asked for; observed: of what the status below speaks of.
        updated, ready, available: pods of the newest template, pods that take work, those that do so for long enough.
        present: pods at all.
        progressing: why the rollout is where it is; stuck: it has come to no end within its time.
        paused: changes are not rolled out.
        recreate: all old pods end before a new one starts.
        revision: of the newest template; empty where it has no number.
        keeps: how many older revisions are kept.
        template: the number of a DaemonSet's template, which has no revision; empty of others.
        selector: which labels its pods have, as kubectl takes it.
        requests: of one pod, by resource: cores and bytes.
    """

    kind: str
    name: str
    uid: str
    desired: int
    generation: int
    observed: int
    updated: int
    ready: int
    available: int
    present: int
    progressing: str = ""
    stuck: bool = False
    paused: bool = False
    recreate: bool = False
    revision: str = ""
    keeps: int = 10
    template: str = ""
    selector: str = ""
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    requests: t.Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def lags(self) -> bool:
        """The status does not yet speak of what is asked for."""
        return self.observed < self.generation


def cluster_of(service: Service) -> Cluster:
    """How the cluster of a service is asked.

    Raises:
        BadInput: `where` has a key that is none, or a value of another type.
    """
    where = read_where(service, texts=("namespace", "context", "kubeconfig"), commands=("command",), flags=("nodes",))
    return Cluster(
        command=tuple(where.commands["command"] or ("kubectl",)), context=where.texts["context"], namespace=where.texts["namespace"],
        kubeconfig=where.texts["kubeconfig"], nodes=where.flags["nodes"],
    )


def target_of(service: Service) -> tuple[str, str]:
    """Kind and name of a service: `deployment/web`, or `web` alone, which is a Deployment.

    Raises:
        BadInput: it is neither, or of another kind.
    """
    kind, slash, name = service.identity.partition("/")
    if not slash:
        kind, name = DEPLOYMENT, kind
    known = {alias: one for one, aliases in KINDS.items() for alias in aliases}
    if kind.lower() not in known:
        raise BadInput(
            f"service {service.name}: identity {service.identity} is of no kind that is known.",
            hint=f"{suggest(kind, list(known))}Write KIND/NAME; the kinds are {', '.join(KINDS)}.",
        )
    if not name or "/" in name or name.startswith("-"):
        raise BadInput(f"service {service.name}: identity {service.identity} has no name.", hint="Write deployment/NAME.")
    return known[kind.lower()], name


def workload(found: t.Mapping[str, t.Any]) -> Workload:
    """A Deployment, StatefulSet or DaemonSet of the API."""
    about, spec, status = found["metadata"], found["spec"], found.get("status") or {}
    kind = str(found["kind"]).lower()
    said = _condition(status, "Progressing")
    own = kind == DAEMONSET
    strategy = spec.get("updateStrategy") or spec.get("strategy") or {}
    return Workload(
        kind=kind, name=str(about["name"]), uid=str(about["uid"]),
        desired=int(status.get("desiredNumberScheduled", 0) if own else spec.get("replicas", 1)),
        generation=int(about.get("generation", 0)), observed=int(status.get("observedGeneration", 0)),
        updated=int(status.get("updatedNumberScheduled" if own else "updatedReplicas", 0)),
        ready=int(status.get("numberReady" if own else "readyReplicas", 0)),
        available=int(status.get("numberAvailable" if own else "availableReplicas", status.get("readyReplicas", 0)) or 0),
        present=int(status.get("currentNumberScheduled" if own else "replicas", 0)),
        progressing=str(said.get("reason", "")), stuck=said.get("reason") == "ProgressDeadlineExceeded",
        paused=bool(spec.get("paused")), recreate=strategy.get("type") == "Recreate",
        revision=str((about.get("annotations") or {}).get(REVISION) or status.get("updateRevision") or ""),
        keeps=int(spec.get("revisionHistoryLimit", 10)),
        template=str((about.get("annotations") or {}).get(_TEMPLATE) or "") if own else "",
        selector=selector_text(spec.get("selector") or {}),
        labels=dict(spec["template"]["metadata"].get("labels") or {}), requests=requests_of(spec["template"]["spec"]),
    )


def selector_text(selector: t.Mapping[str, t.Any]) -> str:
    """A selector as kubectl takes it."""
    signs = {"In": "in", "NotIn": "notin"}
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for one in selector.get("matchExpressions") or ():
        if one["operator"] in signs:
            terms.append(f"{one['key']} {signs[one['operator']]} ({','.join(one.get('values') or ())})")
        else:
            terms.append(one["key"] if one["operator"] == "Exists" else f"!{one['key']}")
    return ",".join(terms)


def instances_of(made: Workload, *, sets: t.Sequence[t.Mapping[str, t.Any]], pods: t.Sequence[t.Mapping[str, t.Any]]) -> list[Instance]:
    """The pods of a workload, without those that are told to end or have ended: no one counts on these.

    Args:
        sets: ReplicaSets, also of others.
        pods: also of others: what carries the same labels and is not owned is none of it.
    """
    revisions = {made.uid: ""} if made.kind != DEPLOYMENT else {
        str(one["metadata"]["uid"]): str((one["metadata"].get("annotations") or {}).get(REVISION, ""))
        for one in own_sets(made, sets)
    }
    return [
        _instance(pod, made, revisions[_owner(pod)] or str((pod["metadata"].get("labels") or {}).get(_STATEFUL_REVISION, "")))
        for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))
        if _owner(pod) in revisions and not pod["metadata"].get("deletionTimestamp")
        and (pod.get("status") or {}).get("phase") not in _ENDED
    ]


def own_sets(made: Workload, sets: t.Iterable[t.Mapping[str, t.Any]]) -> list[t.Mapping[str, t.Any]]:
    """The ReplicaSets of a Deployment."""
    return [one for one in sets if _owner(one) == made.uid]


def quantity(text: t.Any) -> float:
    """A quantity of Kubernetes, such as 100m, 2, 64Mi or 1.5G, as cores or bytes; 0 where it is none."""
    said = str(text).strip()
    for unit, factor in _UNITS:
        if unit and said.endswith(unit):
            said, by = said[:-len(unit)], factor
            break
    else:
        by = 1.0
    try:
        return float(said) * by
    except ValueError:
        return 0.0


_UNITS = (
    ("Ki", 2.0 ** 10), ("Mi", 2.0 ** 20), ("Gi", 2.0 ** 30), ("Ti", 2.0 ** 40), ("Pi", 2.0 ** 50), ("m", 1e-3), ("k", 1e3), ("M", 1e6),
    ("G", 1e9), ("T", 1e12), ("P", 1e15),
)


def requests_of(pod: t.Mapping[str, t.Any]) -> dict[str, float]:
    """What the containers of a pod ask for together: cores and bytes."""
    total: dict[str, float] = {}
    for one in pod.get("containers") or ():
        # A limit without a request is the request.
        resources = one.get("resources") or {}
        for name, value in {**(resources.get("limits") or {}), **(resources.get("requests") or {})}.items():
            total[name] = total.get(name, 0.0) + quantity(value)
    return total


def _owner(one: t.Mapping[str, t.Any]) -> str:
    return str(next((each.get("uid") for each in one["metadata"].get("ownerReferences") or () if each.get("controller")), ""))


def _instance(pod: t.Mapping[str, t.Any], made: Workload, release: str) -> Instance:
    about, status = pod["metadata"], pod.get("status") or {}
    containers = list(status.get("containerStatuses") or ())
    # One that begins before the others and has not ended well keeps the whole pod back.
    before = [one for one in status.get("initContainerStatuses") or () if _ended(one).get("exitCode") != 0]
    everyone = [*before, *containers]
    worst: t.Mapping[str, t.Any] = max(everyone, default={}, key=lambda one: (
        one in before, not (one.get("state") or {}).get("running"), not one.get("ready"), one.get("restartCount", 0)))
    last = (worst.get("lastState") or {}).get("terminated") or _ended(worst)
    ends = [end for one in everyone for end in ((one.get("lastState") or {}).get("terminated"), _ended(one)) if end]
    starts = [moment(str(one["state"]["running"].get("startedAt", ""))) for one in containers if (one.get("state") or {}).get("running")]
    restarts = sum(int(one.get("restartCount", 0)) for one in everyone)
    running = bool(containers) and len(starts) == len(containers)
    ready = _condition(status, "Ready").get("status") == "True"
    waiting = (worst.get("state") or {}).get("waiting") or {}
    state, reason = _state(status, waiting, last)
    spec = pod.get("spec") or {}
    return Instance(
        id=str(about["uid"]), name=str(about["name"]), start=f"{about['uid']} {restarts}", state=state, up=ready, main_pid=0,
        restarts=restarts, type=made.kind, runtime="kubernetes", running=running, restarting=waiting.get("reason") == "CrashLoopBackOff",
        image=" ".join(str(one.get("image", "")) for one in spec.get("containers") or ()),
        digest=" ".join(str(one.get("imageID", "")).rpartition("@")[2] for one in containers),
        started_at=max((one for one in starts if one is not None), default=None),
        ended_at=max((one for one in (moment(str(end.get("finishedAt", ""))) for end in ends) if one is not None), default=None),
        exit_code=last.get("exitCode"), oom=any(one.get("reason") == "OOMKilled" for one in ends), ready=ready, reason=reason,
        policy=str(spec.get("restartPolicy", "Always")).lower(), release=release, newest=_is_newest(pod, made, release),
        desired=made.desired,
        published=tuple(
            str(port["hostPort"]) for one in spec.get("containers") or () for port in one.get("ports") or () if port.get("hostPort")),
    )


def _is_newest(pod: t.Mapping[str, t.Any], made: Workload, release: str) -> t.Optional[bool]:
    """Whether a pod is of the newest template; None where neither number nor count tells it."""
    if made.kind != DAEMONSET or made.lags:
        return not made.lags and release == made.revision
    if made.present == made.updated == made.desired:
        return True
    own = str((pod["metadata"].get("labels") or {}).get(_TEMPLATE_OF_POD, ""))
    return own == made.template if own and made.template else None


def _state(status: t.Mapping[str, t.Any], waiting: t.Mapping[str, t.Any], last: t.Mapping[str, t.Any]) -> tuple[str, str]:
    """The state of a pod, and why it is so."""
    placed = _condition(status, "PodScheduled")
    if placed.get("status") == "False":
        return "Unschedulable", _message("Unschedulable", placed)
    if waiting.get("reason"):
        more = [_message(str(waiting["reason"]), waiting), f"last end: {last['reason']}" if last.get("reason") else ""]
        return str(waiting["reason"]), "; ".join(filter(None, more))
    return str(status.get("phase", "Unknown")), str(last.get("reason", ""))


def _message(reason: str, said: t.Mapping[str, t.Any]) -> str:
    return str(said.get("message", ""))[:_LONGEST] if reason in _TELLING else ""


def _condition(status: t.Mapping[str, t.Any], name: str) -> t.Mapping[str, t.Any]:
    for one in status.get("conditions") or ():
        if one.get("type") == name:
            return dict(one)
    return {}


def _ended(container: t.Mapping[str, t.Any]) -> t.Mapping[str, t.Any]:
    return (container.get("state") or {}).get("terminated") or {}
