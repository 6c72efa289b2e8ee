# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a patch makes of an object of Kubernetes, and which fields an object may have.

A patch that is not understood is refused: nothing is stored that the real API would have understood in another way.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

MERGE, STRATEGIC, JSON_PATCH = (
    "application/merge-patch+json", "application/strategic-merge-patch+json", "application/json-patch+json",
)


class Refused(Exception):
    """The API answers with a Status that is a failure."""

    def __init__(self, code: int, reason: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details


@dataclass(frozen=True)
class Listing:
    """A list. With a key a strategic merge finds its elements by it; without, it replaces the list."""

    element: Any
    key: str = ""


ANY, STR, INT, BOOL, NUMBER = "anything", "a text", "a whole number", "true or false", "a number or a text"
_TYPES: dict[str, tuple[type, ...]] = {STR: (str,), INT: (int,), BOOL: (bool,), NUMBER: (int, str)}
TEXTS = {"*": STR}
METADATA = {
    **dict.fromkeys(("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "generateName"), STR),
    "generation": INT, "labels": TEXTS, "annotations": TEXTS, "ownerReferences": Listing(ANY, "uid"), "managedFields": Listing(ANY),
}
_ENV = {"name": STR, "value": STR, "valueFrom": {"*": {"name": STR, "key": STR, "optional": BOOL, "fieldPath": STR, "apiVersion": STR}}}
_CONTAINER = {
    **dict.fromkeys(("name", "image", "imagePullPolicy", "terminationMessagePath", "terminationMessagePolicy", "workingDir"), STR),
    "command": Listing(STR), "args": Listing(STR), "env": Listing(_ENV, "name"), "envFrom": Listing(ANY),
    "ports": Listing({"name": STR, "containerPort": INT, "hostPort": INT, "protocol": STR}, "containerPort"),
    "resources": {"limits": {"*": NUMBER}, "requests": {"*": NUMBER}}, "readinessProbe": ANY, "livenessProbe": ANY, "securityContext": ANY,
    "volumeMounts": Listing({"name": STR, "mountPath": STR, "readOnly": BOOL, "subPath": STR}, "mountPath"),
}
_POD = {
    **dict.fromkeys(("restartPolicy", "dnsPolicy", "serviceAccountName", "serviceAccount", "nodeName", "schedulerName"), STR),
    "containers": Listing(_CONTAINER, "name"), "initContainers": Listing(_CONTAINER, "name"), "volumes": Listing(ANY),
    "terminationGracePeriodSeconds": INT, "nodeSelector": TEXTS, "securityContext": ANY, "tolerations": Listing(ANY), "affinity": ANY,
}
_TEMPLATE = {"metadata": METADATA, "spec": _POD}
_WORKLOAD = {
    "replicas": INT, "selector": {"matchLabels": TEXTS, "matchExpressions": Listing(ANY)}, "template": _TEMPLATE, "minReadySeconds": INT,
    "revisionHistoryLimit": INT,
}
_ROLLING = {"maxSurge": NUMBER, "maxUnavailable": NUMBER}
SPECS: dict[str, Any] = {
    "deployments": {
        **_WORKLOAD, "strategy": {"type": STR, "rollingUpdate": _ROLLING}, "progressDeadlineSeconds": INT, "paused": BOOL,
    },
    "replicasets": _WORKLOAD,
    "statefulsets": {**_WORKLOAD, "serviceName": STR, "podManagementPolicy": STR, "updateStrategy": ANY,
                     "volumeClaimTemplates": Listing(ANY)},
    "daemonsets": {**_WORKLOAD, "updateStrategy": ANY},
    "pods": _POD,
}


def schema(plural: str) -> dict[str, Any]:
    """The fields of a resource."""
    more = {"spec": SPECS[plural]} if plural in SPECS else {"*": ANY}
    return {"apiVersion": STR, "kind": STR, "metadata": METADATA, "status": ANY, **more}


def check(value: Any, node: Any, path: str) -> None:
    """Refuse a field that is not known, and a value of another type."""
    if node == ANY or value is None:
        return
    if isinstance(node, str):
        if not isinstance(value, _TYPES[node]) or (isinstance(value, bool) and node != BOOL):
            raise Refused(422, "Invalid", f"{path}: Invalid value: {value!r}: must be {node}")
        return
    wanted: type = list if isinstance(node, Listing) else dict
    if not isinstance(value, wanted):
        raise Refused(422, "Invalid", f"{path}: Invalid value: {value!r}: must be a {wanted.__name__}")
    if isinstance(node, Listing):
        for number, one in enumerate(value):
            check(one, node.element, f"{path}[{number}]")
            if node.key and node.element != ANY and node.key not in one:
                raise Refused(422, "Invalid", f"{path}[{number}].{node.key}: Required value")
        return
    for key, one in value.items():
        check(one, _field(node, key, path), f"{path}.{key}")


def patched(now: dict[str, Any], patch: Any, *, how: str, plural: str) -> dict[str, Any]:
    """The object as a patch makes it."""
    kind = how.partition(";")[0].strip()
    if kind == STRATEGIC:
        return dict(_strategic(copy.deepcopy(now), patch, schema(plural), plural))
    if kind == MERGE:
        return dict(_merge(copy.deepcopy(now), patch))
    if kind == JSON_PATCH:
        return _json_patch(copy.deepcopy(now), patch)
    raise Refused(415, "UnsupportedMediaType", f"the body of the request was in an unknown format - accepted media types include: "
                  f"{JSON_PATCH}, {MERGE}, {STRATEGIC}; it was {how}")


def _field(node: Any, key: str, path: str) -> Any:
    if node == ANY:
        return ANY
    if not isinstance(node, dict) or (key not in node and "*" not in node):
        raise Refused(422, "Invalid", f'unknown field "{path}.{key}"')
    return node.get(key, node.get("*"))


def _strategic(now: Any, patch: Any, node: Any, path: str) -> Any:
    if not isinstance(patch, dict):
        raise Refused(422, "Invalid", f"{path}: a patch is an object")
    patch, order = dict(patch), {}
    what = patch.pop("$patch", "merge")
    if what == "replace":
        return patch
    if what == "delete":
        return {}
    if what != "merge":
        raise Refused(422, "Invalid", f"{path}: Unknown patch type: {what}")
    made = dict(now or {})
    for key in [key for key in patch if key.startswith("$")]:
        name, _slash, of = key.partition("/")
        if name == "$setElementOrder":
            order[of] = patch.pop(key)
        elif name == "$retainKeys":
            kept = patch.pop(key)
            made = {field: value for field, value in made.items() if field in kept}
        else:
            raise Refused(422, "Invalid", f"{path}: directive {key} is not understood")
    for key, value in patch.items():
        below = _field(node, key, path)
        if value is None:
            made.pop(key, None)
        elif isinstance(value, list):
            made[key] = _listed(made.get(key) or [], value, below, f"{path}.{key}")
        elif isinstance(value, dict):
            made[key] = _strategic(made.get(key), value, below, f"{path}.{key}")
        else:
            made[key] = value
    for key, wanted in order.items():
        below = _field(node, key, path)
        if not isinstance(below, Listing) or not below.key:
            raise Refused(422, "Invalid", f"{path}.{key}: it has no order to set")
        places = {one[below.key]: number for number, one in enumerate(wanted)}
        made[key] = sorted(made.get(key) or [], key=lambda one: places.get(one[below.key], len(places)))
    return made


def _listed(now: list[Any], patch: list[Any], node: Any, path: str) -> list[Any]:
    if node == ANY and any(isinstance(one, dict) for one in patch):
        raise Refused(422, "Invalid", f"{path}: how such a list is merged is not known here")
    if not isinstance(node, Listing) or not node.key:
        return patch
    made = {one[node.key]: one for one in now}
    if any(one.get("$patch") == "replace" for one in patch):
        made = {}
    for one in patch:
        if one == {"$patch": "replace"}:
            continue
        if node.key not in one:
            raise Refused(422, "Invalid", f"{path}: map: {one} does not contain declared merge key: {node.key}")
        name = one[node.key]
        if one.get("$patch") == "delete":
            made.pop(name, None)
        else:
            made[name] = _strategic(made.get(name), one, node.element, f"{path}[{name}]")
    return list(made.values())


def _merge(now: Any, patch: Any) -> Any:
    # RFC 7386.
    if not isinstance(patch, dict):
        return patch
    made = dict(now) if isinstance(now, dict) else {}
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = _merge(made.get(key), value)
    return made


def _json_patch(now: dict[str, Any], patch: Any) -> dict[str, Any]:
    # RFC 6902: what kubectl uses of it.
    if not isinstance(patch, list):
        raise Refused(400, "BadRequest", "a JSON patch is a list")
    for step in patch:
        parts = [part.replace("~1", "/").replace("~0", "~") for part in str(step.get("path", "")).split("/")[1:]]
        if step.get("op") not in ("add", "replace", "remove", "test") or not parts:
            raise Refused(422, "Invalid", f"the server rejected our request due to an error in our request: {step.get('op')} {parts}")
        try:
            _step(now, step, parts)
        except (KeyError, IndexError, ValueError, TypeError) as exc:
            raise Refused(422, "Invalid", f"the server rejected our request: {step['op']} {step['path']}: {exc!r}") from exc
    return now


def _step(now: Any, step: dict[str, Any], parts: list[str]) -> None:
    for part in parts[:-1]:
        now = now[int(part)] if isinstance(now, list) else now[part]
    last: Any = parts[-1]
    if isinstance(now, list) and last != "-":
        last = int(last)
    if step["op"] == "add":
        if isinstance(now, list):
            now.insert(len(now) if last == "-" else last, step["value"])
        else:
            now[last] = step["value"]
        return
    found = now[last]
    if step["op"] == "remove":
        del now[last]
    elif step["op"] == "replace":
        now[last] = step["value"]
    elif found != step["value"]:
        raise ValueError("the test failed")
