# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resources that the double of the API has, and how it tells kubectl of them."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Resource:
    """A resource of the API."""

    group: str
    version: str
    plural: str
    kind: str
    short: tuple[str, ...] = ()
    namespaced: bool = True
    below: tuple[str, ...] = ()

    @property
    def api(self) -> str:
        """Group and version."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """As the API names it in messages."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


RESOURCES = {one.plural: one for one in (
    Resource("", "v1", "namespaces", "Namespace", ("ns",), namespaced=False),
    Resource("", "v1", "nodes", "Node", ("no",), namespaced=False),
    Resource("", "v1", "pods", "Pod", ("po",), below=("log",)),
    Resource("", "v1", "services", "Service", ("svc",)),
    Resource("", "v1", "endpoints", "Endpoints", ("ep",)),
    Resource("", "v1", "events", "Event", ("ev",)),
    Resource("", "v1", "configmaps", "ConfigMap", ("cm",)),
    Resource("", "v1", "secrets", "Secret"),
    Resource("", "v1", "resourcequotas", "ResourceQuota", ("quota",)),
    Resource("apps", "v1", "deployments", "Deployment", ("deploy",), below=("scale",)),
    Resource("apps", "v1", "replicasets", "ReplicaSet", ("rs",), below=("scale",)),
    Resource("apps", "v1", "statefulsets", "StatefulSet", ("sts",), below=("scale",)),
    Resource("apps", "v1", "daemonsets", "DaemonSet", ("ds",)),
    Resource("networking.k8s.io", "v1", "ingresses", "Ingress", ("ing",)),
    Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False),
)}


def discovery(parts: list[str]) -> dict[str, Any] | None:
    """The answer to a path that asks what there is; None for any other."""
    groups = sorted({one.group for one in RESOURCES.values() if one.group})
    if parts == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if parts == ["apis"]:
        about = [(group, {"groupVersion": f"{group}/v1", "version": "v1"}) for group in groups]
        return {"kind": "APIGroupList", "apiVersion": "v1",
                "groups": [{"name": group, "versions": [version], "preferredVersion": version} for group, version in about]}
    api = parts[1] if parts[0] == "api" and len(parts) == 2 else "/".join(parts[1:]) if parts[0] == "apis" and len(parts) == 3 else ""
    found = [one for one in RESOURCES.values() if one.api == api]
    if not found:
        return None
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    listed: list[dict[str, Any]] = []
    for one in found:
        about_it = {"namespaced": one.namespaced, "kind": one.kind, "singularName": "", "verbs": verbs}
        listed.append({"name": one.plural, "shortNames": list(one.short), **about_it})
        for below in one.below:
            kind = {"scale": {"kind": "Scale", "group": "autoscaling", "version": "v1"}}.get(below, {})
            listed.append({"name": f"{one.plural}/{below}", **about_it, **kind, "verbs": ["get", "patch", "update"]})
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api, "resources": listed}
