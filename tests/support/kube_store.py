# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a cluster: its objects with their versions, and the rules by which one may be changed."""

from __future__ import annotations

import copy
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from tests.support import kube_patches
from tests.support.kube_patches import Refused
from tests.support.kube_resources import RESOURCES, Resource

Object = dict[str, Any]


#: Of which fields beside the name a list may be selected.
_FIELDS = {
    "events": ("involvedObject.kind", "involvedObject.name", "involvedObject.namespace", "involvedObject.uid", "reason", "type"),
    "pods": ("spec.nodeName", "status.phase"),
}
_TERM = re.compile(
    r"\s*(?:(?P<none>!)\s*(?P<absent>[\w./-]+)|(?P<key>[\w./-]+)\s*(?:(?P<op>==|=|!=)\s*(?P<value>[\w.-]*)"
    r"|(?P<set>in|notin)\s*\((?P<values>[^)]*)\))?)\s*(?:,|$)")


def now() -> str:
    """As Kubernetes writes times: to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """All objects. Each change has a version of its own, and whoever watches is told."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.version = 1000
        self.history: list[tuple[int, str, str, Object]] = []
        self._objects: dict[tuple[str, str, str], Object] = {}

    def all(self, plural: str, namespace: str = "") -> list[Object]:
        """The objects of a resource, copies; of all namespaces when none is named."""
        with self.changed:
            return [copy.deepcopy(one) for (kind, space, _name), one in sorted(self._objects.items())
                    if kind == plural and namespace in ("", space)]

    def get(self, plural: str, namespace: str, name: str) -> Object:
        """One object, a copy."""
        with self.changed:
            found = self._objects.get((plural, namespace, name))
            if found is None:
                resource = RESOURCES[plural]
                raise Refused(404, "NotFound", f'{resource.qualified} "{name}" not found', name=name, kind=plural, group=resource.group)
            return copy.deepcopy(found)

    def create(self, plural: str, given: Object) -> Object:
        """Store a new object."""
        resource, made = RESOURCES[plural], copy.deepcopy(given)
        about = made.setdefault("metadata", {})
        made = {"apiVersion": resource.api, "kind": resource.kind, **made}
        kube_patches.check(made, kube_patches.schema(plural), plural)
        if not about.get("name"):
            raise Refused(422, "Invalid", f"{resource.kind} is invalid: metadata.name: Required value: name or generateName is required")
        with self.changed:
            key = (plural, about.get("namespace", "") if resource.namespaced else "", about["name"])
            if key in self._objects:
                raise Refused(409, "AlreadyExists", f'{resource.qualified} "{about["name"]}" already exists')
            about.update(uid=str(uuid.uuid4()), creationTimestamp=about.get("creationTimestamp") or now())
            if "spec" in made:
                about["generation"] = 1
            _check_workload(resource, made)
            return self._keep(key, made, "ADDED")

    def replace(self, plural: str, made: Object, *, status: bool = False, try_only: bool = False) -> Object:
        """Store an object that is there in another form, as a client gives it.

        Args:
            status: it is the controller, which may write the status and does not change the generation.
        """
        resource, about = RESOURCES[plural], made.get("metadata", {})
        kube_patches.check(made, kube_patches.schema(plural), plural)
        with self.changed:
            space, name = about.get("namespace", "") if resource.namespaced else "", about.get("name", "")
            old = self.get(plural, space, name)
            made, before = copy.deepcopy(made), old["metadata"]
            if (made.get("apiVersion"), made.get("kind")) != (old["apiVersion"], old["kind"]):
                raise Refused(400, "BadRequest", f"the object is a {made.get('kind')} of {made.get('apiVersion')}")
            if about.get("resourceVersion", before["resourceVersion"]) != before["resourceVersion"]:
                raise Refused(
                    409, "Conflict", f'Operation cannot be fulfilled on {resource.qualified} "{name}": the object has been modified; '
                    "please apply your changes to the latest version and try again", name=name, kind=plural, group=resource.group,
                )
            if about.get("uid", before["uid"]) != before["uid"]:
                raise Refused(409, "Conflict", f'Precondition failed: UID in object meta: {before["uid"]}')
            kept = ("uid", "creationTimestamp", "generation", "resourceVersion")
            made["metadata"].update({key: before[key] for key in kept if key in before})
            if not status:
                made.update({"status": old["status"]} if "status" in old else {})
                if made.get("spec") != old.get("spec"):
                    made["metadata"]["generation"] = before.get("generation", 0) + 1
            _check_workload(resource, made, old)
            if try_only or made == old:
                return made
            return self._keep((plural, space, name), made, "MODIFIED")

    def update(self, plural: str, namespace: str, name: str, change: Callable[[Object], Any]) -> Object:
        """The controller, or a test, changes an object."""
        with self.changed:
            found = self.get(plural, namespace, name)
            change(found)
            found["metadata"].pop("resourceVersion")
            return self.replace(plural, found, status=True)

    def delete(self, plural: str, namespace: str, name: str) -> None:
        """Take an object away, and what it owns."""
        with self.changed:
            gone = self.get(plural, namespace, name)
            del self._objects[(plural, namespace, name)]
            self.version += 1
            gone["metadata"]["resourceVersion"] = str(self.version)
            self._tell("DELETED", plural, gone)
            for kind, space, own in list(self._objects):
                owners = self._objects.get((kind, space, own), {}).get("metadata", {}).get("ownerReferences") or ()
                if any(one["uid"] == gone["metadata"]["uid"] for one in owners):
                    self.delete(kind, space, own)

    def _keep(self, key: tuple[str, str, str], made: Object, what: str) -> Object:
        self.version += 1
        made["metadata"]["resourceVersion"] = str(self.version)
        self._objects[key] = made
        self._tell(what, key[0], made)
        return copy.deepcopy(made)

    def _tell(self, what: str, plural: str, made: Object) -> None:
        self.history.append((self.version, what, plural, copy.deepcopy(made)))
        self.changed.notify_all()


def _check_workload(resource: Resource, made: Object, old: Object | None = None) -> None:
    """What the API demands of a Deployment and its like beyond the types."""
    if resource.group != "apps":
        return
    spec = made.get("spec", {})
    where = f'{resource.kind}.apps "{made["metadata"]["name"]}" is invalid: spec'
    if spec.get("replicas", 0) < 0:
        raise Refused(422, "Invalid", f"{where}.replicas: Invalid value: {spec['replicas']}: must be greater than or equal to 0")
    if old and spec.get("selector") != old["spec"].get("selector"):
        raise Refused(422, "Invalid", f"{where}.selector: Invalid value: field is immutable")
    labels = spec.get("template", {}).get("metadata", {}).get("labels") or {}
    wanted = (spec.get("selector") or {}).get("matchLabels") or {}
    if not wanted or not wanted.items() <= labels.items():
        raise Refused(422, "Invalid", f"{where}.template.metadata.labels: Invalid value: `selector` does not match template `labels`")
    if not spec["template"].get("spec", {}).get("containers"):
        raise Refused(422, "Invalid", f"{where}.template.spec.containers: Required value")
    for one in spec["template"]["spec"]["containers"]:
        if not one.get("image"):
            raise Refused(422, "Invalid", f"{where}.template.spec.containers[{one['name']}].image: Required value")


def selected(found: list[Object], *, plural: str, labels: str, fields: str) -> list[Object]:
    """Those that both selectors want."""
    wants = [*_label_tests(labels), *_field_tests(fields, plural)]
    return [one for one in found if all(want(one) for want in wants)]


def _label_tests(text: str) -> Iterator[Callable[[Object], bool]]:
    place = 0
    while place < len(text):
        term = _TERM.match(text, place)
        if not term:
            raise Refused(400, "BadRequest", f"unable to parse requirement: {text!r}")
        place, said = term.end(), term.groupdict()
        key = said["absent"] or said["key"]
        values = [said["value"]] if said["op"] else [one.strip() for one in (said["values"] or "").split(",")]
        negative = bool(said["none"]) or said["op"] == "!=" or said["set"] == "notin"
        any_value = not said["op"] and not said["set"]
        yield lambda one, key=key, values=values, any_value=any_value, negative=negative: negative != (  # type: ignore[misc]
            key in (one["metadata"].get("labels") or {}) and (any_value or one["metadata"]["labels"][key] in values))


def _field_tests(text: str, plural: str) -> Iterator[Callable[[Object], bool]]:
    for term in filter(None, text.split(",")):
        path, op, value = re.split(r"(==|!=|=)", term, maxsplit=1) if "=" in term else (term, "", "")
        if not op or path not in ("metadata.name", "metadata.namespace", *_FIELDS.get(plural, ())):
            raise Refused(400, "BadRequest", f"field label not supported: {path}")
        yield lambda one, path=path, op=op, value=value: (_value(one, path) == value) != (op == "!=")  # type: ignore[misc]


def _value(one: Any, path: str) -> str:
    for part in path.split("."):
        one = (one or {}).get(part)
    return str(one or "")
