# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of a Deployment: its ReplicaSets, as the API describes them.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import json
import typing as t

from ..._core.errors import Blind
from .containers import seconds
from .releases import Note, Release, Seen

_REVISION = "deployment.kubernetes.io/revision"
_HASH = "pod-template-hash"
#: Reasons of a container that waits because it does not run.
_CRASHES = ("CrashLoopBackOff", "ErrImagePull", "ImagePullBackOff", "CreateContainerConfigError", "RunContainerError")

Json = t.Mapping[str, t.Any]


def seen_of(subject: str, deployment: str, replica_sets: str, pods: str, *, notes: t.Mapping[str, Note]) -> Seen:
    """What the Deployment, and the lists of ReplicaSets and pods of its namespace say, each as JSON. No environment is kept.

    Raises:
        Blind: one of them is not what was asked for.
    """
    owner = _read(deployment)
    uid = owner.get("metadata", {}).get("uid")
    if not uid:
        raise Blind("kubectl did not describe a Deployment.", hint="Look at kubectl get deployment -o json by hand.")
    sets = [one for one in _items(replica_sets) if uid in _owners(one)]
    crashed = _crashed(_items(pods), {one["metadata"]["uid"]: _hash(one) for one in sets})
    revision = owner["metadata"].get("annotations", {}).get(_REVISION, "")
    active = [one for one in sets if one.get("spec", {}).get("replicas") or _number(one) == revision]
    active.sort(key=lambda one: _number(one) != revision)
    found = {_hash(one): _release(one, crashed.get(_hash(one), "")) for one in sets}
    gone = [Release(identity, present=False) for identity in notes if identity not in found]
    spec, status = owner.get("spec", {}), owner.get("status", {})
    ready = f"{status.get('readyReplicas') or 0} of {spec.get('replicas', 1)} replicas are ready"
    observed = status.get("observedGeneration") == owner["metadata"].get("generation")
    short_of = spec.get("replicas", 1) and not status.get("readyReplicas")
    return Seen(
        subject, running=tuple(_hash(one) for one in active), releases=tuple(sorted(found.values(), key=_newest)) + tuple(gone),
        since=max((seconds(str(one["metadata"].get("creationTimestamp", ""))) for one in active[:1]), default=0.0),
        identity=(f"{revision} {status.get('readyReplicas')} {status.get('observedGeneration')}",),
        broken=ready if short_of else "" if observed else "the Deployment's last change is not observed yet",
        fixed="the rollout of the Deployment is paused" if spec.get("paused") else "",
    )


def revision_of(release: t.Mapping[str, t.Any]) -> str:
    """The number of a revision, of a release as release_health returns it: `revision 4` is 4."""
    return str(release.get("name", "")).rpartition(" ")[2]


def _number(one: Json) -> str:
    return str(one["metadata"].get("annotations", {}).get(_REVISION, ""))


def _newest(one: Release) -> int:
    number = one.name.rpartition(" ")[2]
    return -int(number) if number.isdigit() else 0


def _release(one: Json, crashed: str) -> Release:
    about = one["metadata"]
    return Release(
        _hash(one), name=f"revision {_number(one) or '?'}", crashed=crashed,
        made=seconds(str(about.get("creationTimestamp", ""))),
    )


def _crashed(pods: t.Iterable[Json], sets: t.Mapping[str, str]) -> dict[str, str]:
    """By the hash of a ReplicaSet why a pod of it does not run."""
    found: dict[str, str] = {}
    for pod in pods:
        for uid in _owners(pod):
            for container in pod.get("status", {}).get("containerStatuses") or ():
                reason = ((container.get("state") or {}).get("waiting") or {}).get("reason", "")
                if uid in sets and reason in _CRASHES:
                    found[sets[uid]] = f"pod {pod['metadata'].get('name')} is in {reason}"
    return found


def _hash(one: Json) -> str:
    return str(one["metadata"].get("labels", {}).get(_HASH) or one["metadata"].get("name"))


def _owners(one: Json) -> list[str]:
    return [str(owner.get("uid")) for owner in one.get("metadata", {}).get("ownerReferences") or ()]


def _items(text: str) -> list[Json]:
    found = _read(text).get("items")
    if not isinstance(found, list):
        raise Blind("kubectl did not answer with a list.", hint="Look at kubectl get -o json by hand.")
    return found


def _read(text: str) -> Json:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Blind("kubectl did not answer with JSON.", hint="Look at kubectl get -o json by hand.", said=text[:300])
    return found
