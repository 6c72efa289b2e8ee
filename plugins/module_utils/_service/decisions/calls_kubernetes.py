# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls for services in Kubernetes, by kubectl.

This module util is PRIVATE to the collection: it may change at any time.

Not the module k8s_rollback: it replaces all annotations of the object by one, goes to the number before the present one alone, which is
missing after each undo, and does not ask whether that revision ever worked.
"""

from __future__ import annotations

import typing as t

from .calls import RELOAD, RESTART, SCALE, START, STOP, Call, command, refused
from .kubernetes import DAEMONSET, DEPLOYMENT, KINDS, cluster_of, target_of
from .services import Service

Instances = t.Sequence[t.Mapping[str, t.Any]]


def call(
    service: Service, verb: str, *, instances: Instances, count: t.Optional[int] = None, release: str = "",
) -> Call:
    """See Calls. `count` is of `start` too: the number that was noted when it was stopped.

    Raises:
        BadInput: the service's identity or `where` is not usable.
    """
    cluster, (kind, name) = cluster_of(service), target_of(service)
    target = f"{KINDS[kind][-1]}/{name}"
    if verb == RELOAD:
        return refused(f"Kubernetes has no reload; restart {service.name}, which replaces its pods one after the other")
    if verb == RESTART:
        return command(cluster.argv("rollout", "restart", target), forbidden=_against_restart(service, instances))
    if verb in (START, STOP, SCALE):
        if kind == DAEMONSET:
            return refused(f"{service.name} is a DaemonSet: it has a pod on each node, and no number that could be set")
        now = next((one["desired"] for one in instances if one.get("desired") is not None), None)
        return _scale(service, verb, cluster.argv, target, now, count)
    if kind != DEPLOYMENT:
        return refused(f"{service.name} is a {kind}: its revisions say nothing of whether one ever worked, so it is rolled back by hand")
    undo = cluster.argv("rollout", "undo", target, f"--to-revision={release}")
    return command(undo, forbidden=_against_rollback(service, release, instances))


def _scale(
    service: Service, verb: str, argv: t.Callable[..., list[str]], target: str, now: t.Optional[int], count: t.Optional[int],
) -> Call:
    """Compare and set: it is done only where as many are asked for as were seen. Without a pod that is none, or it is refused."""
    wanted = 0 if verb == STOP else (count or service.desired) if verb == START else count
    have = now or 0
    if wanted is None:
        what = "say desired of the service, or give the number from before" if verb == START else "give the number"
        return refused(f"how many pods {service.name} is to have is not known: {what}")
    if verb != STOP and wanted < 1:
        return refused(f"{service.name} is scaled to a number of at least 1; stop it to have none")
    if wanted == have:
        return refused(f"{service.name} is set to {have} pods already")
    if verb == START and have:
        return refused(f"{service.name} is set to {have} pods, so there is nothing to start")
    return command(argv("scale", target, f"--current-replicas={have}", f"--replicas={wanted}"))


def _against_restart(service: Service, instances: Instances) -> list[str]:
    found = []
    if service.one_shot:
        found.append(f"{service.name} is a job with an end (one_shot), and would do its work again")
    if not instances:
        found.append(f"{service.name} has no pod to restart")
    if any(one.get("newest") is False for one in instances):
        # A restart would begin a third one beside these, with the same image.
        found.append(f"a rollout of {service.name} has not come to its end: finish it, or roll it back")
    stuck = sorted({str(one["state"]) for one in instances if one.get("state") in _NOT_HELPED})
    if stuck and all(one.get("state") in _NOT_HELPED for one in instances):
        found.append(f"a new pod of {service.name} would be as those that are there: {', '.join(stuck)}")
    return found


#: A new pod of the same template comes to the same end: its image, its configuration or its place is missing.
_NOT_HELPED = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "Unschedulable")


def _against_rollback(service: Service, release: str, instances: Instances) -> list[str]:
    if not release.isdigit() or int(release) < 1:
        return [f"the revision that {service.name} is to go back to is not named by its number"]
    there = [one for one in instances if one.get("release") == release]
    if there and all(one.get("newest") for one in there):
        return [f"{service.name} is at revision {release} already"]
    if any(one.get("restarting") or one.get("oom") for one in there):
        return [f"pods of revision {release} of {service.name} crash"]
    return []
