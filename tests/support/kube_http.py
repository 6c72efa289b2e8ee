# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the double of the API is spoken to: a path, its parameters and a body are read, and what is not understood is refused."""

from __future__ import annotations

import contextlib
import json
import urllib.parse
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support import kube_patches
from tests.support.kube_patches import Refused
from tests.support.kube_pods import end_pod
from tests.support.kube_resources import RESOURCES, Resource, discovery
from tests.support.kube_store import Object, selected

_TICK = 0.05
_PARAMETERS = {
    "get": {"pretty", "resourceVersion", "timeout", "container", "previous", "tailLines", "limitBytes", "sinceSeconds",
            "sinceTime", "timestamps"},
    "list": {"labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "resourceVersionMatch", "timeout", "timeoutSeconds"},
    "watch": {"labelSelector", "fieldSelector", "watch", "resourceVersion", "allowWatchBookmarks", "timeout", "timeoutSeconds",
              "resourceVersionMatch", "sendInitialEvents"},
    "change": {"fieldManager", "fieldValidation", "dryRun", "timeout"},
}
#: How newer versions of kubectl ask whether they may do something: k8s.io/apimachinery/pkg/runtime/generated.proto, Unknown.
_PROTOBUF = b"k8s\0"
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Handler(BaseHTTPRequestHandler):
    """One request. A class below it names its cluster, a KubeApi."""

    protocol_version = "HTTP/1.1"
    cluster: Any

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _mark, query = self.path.partition("?")
        given = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        while self.cluster.hangs.is_set() and not self.cluster.ended.wait(_TICK):
            pass
        try:
            self._answer(self._about(path.strip("/").split("/"), given, body))
        except Refused as no:
            self._refuse(no)
        except ValueError as exc:
            self._refuse(Refused(400, "BadRequest", str(exc)))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _refuse(self, no: Refused) -> None:
        self._answer({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": no.message, "reason": no.reason,
            "details": no.details, "code": no.code,
        }, no.code)

    def _answer(self, made: Any, code: int = 200) -> None:
        if made is None:
            return
        self.cluster.asked.append((self.command, self.path, code))
        data = made.encode() if isinstance(made, str) else json.dumps(made).encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain" if isinstance(made, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _about(self, parts: list[str], given: dict[str, str], body: bytes) -> Any:
        if "json" not in self.headers.get("Accept", "json") and "*/*" not in self.headers.get("Accept", "") and "/log" not in self.path:
            raise Refused(406, "NotAcceptable", "only application/json is spoken here")
        if parts == ["version"]:
            return {"major": "1", "minor": "20", "gitVersion": "v1.20.2"}
        if self.command == "GET" and (discovered := discovery(parts)) is not None:
            return discovered
        group = {"api": "", "apis": parts[1] if len(parts) > 1 else ""}.get(parts[0])
        rest = parts[2:] if parts[0] == "api" else parts[3:]
        space = ""
        if len(rest) > 2 and rest[0] == "namespaces":
            space, rest = rest[1], rest[2:]
        resource = RESOURCES.get(rest[0]) if rest else None
        if resource is None or resource.group != group or parts[1:][bool(group)] != resource.version or len(rest) > 3:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        name, below = [*rest, "", ""][1:3]
        if below and below not in resource.below:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        verb = _VERBS[self.command]
        if verb == "get" and not name:
            verb = "watch" if given.get("watch") in ("true", "1") else "list"
        unknown = given.keys() - _PARAMETERS.get(verb, _PARAMETERS["change"])
        if unknown:
            raise Refused(400, "BadRequest", f"parameters are not understood: {sorted(unknown)}")
        self.cluster.asks(verb, resource, below, space, name)
        if verb in ("get", "list", "watch"):
            return self._read(verb, resource, space, name, below, given)
        if body.startswith(_PROTOBUF) and resource.plural == "selfsubjectaccessreviews":
            return self._write(verb, resource, space, name, below, given, _review(body))
        if body and "json" not in self.headers.get("Content-Type", "json"):
            raise Refused(415, "UnsupportedMediaType", "only JSON is spoken here")
        return self._write(verb, resource, space, name, below, given, json.loads(body or b"{}"))

    def _read(self, verb: str, resource: Resource, space: str, name: str, below: str, given: dict[str, str]) -> Any:
        store = self.cluster.store
        if verb == "get":
            found = store.get(resource.plural, space, name)
            return found if not below else _scale_of(found) if below == "scale" else self._log(found, given)
        choose: Callable[[list[Object]], list[Object]] = lambda some: selected(  # noqa: E731
            some, plural=resource.plural, labels=given.get("labelSelector", ""), fields=given.get("fieldSelector", ""))
        if verb == "watch":
            return self._watch(resource, space, choose, int(given.get("resourceVersion") or 0))
        with store.changed:
            found_all, version = choose(store.all(resource.plural, space)), str(store.version)
        start, most = int(given.get("continue") or 0), int(given.get("limit") or 0) or len(found_all)
        more = {"continue": str(start + most), "remainingItemCount": len(found_all) - start - most} if start + most < len(found_all) else {}
        return {
            "kind": f"{resource.kind}List", "apiVersion": resource.api, "metadata": {"resourceVersion": version, **more},
            # In a list the API names the type once.
            "items": [{key: one[key] for key in one if key not in ("kind", "apiVersion")} for one in found_all[start:start + most]],
        }

    def _watch(self, resource: Resource, space: str, choose: Callable[[list[Object]], list[Object]], since: int) -> None:
        store = self.cluster.store
        self.cluster.asked.append((self.command, self.path, 200))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(OSError):
            while not self.cluster.ended.is_set():
                with store.changed:
                    store.changed.wait(timeout=_TICK * 4)
                    news = [one for one in store.history if one[0] > since]
                for version, what, plural, made in news:
                    since = version
                    if plural == resource.plural and space in ("", made["metadata"].get("namespace", "")) and choose([made]):
                        line = json.dumps({"type": what, "object": made}).encode() + b"\n"
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.close_connection = True

    def _write(self, verb: str, resource: Resource, space: str, name: str, below: str, given: dict[str, str], body: Any) -> Any:
        store, trying = self.cluster.store, "dryRun" in given
        if resource.plural == "selfsubjectaccessreviews":
            about = body["spec"]["resourceAttributes"]
            plural = "/".join(filter(None, (about["resource"], about.get("subresource"))))
            return {**body, "status": {"allowed": not {(about["verb"], plural), ("*", plural)} & self.cluster.denied}}
        if verb == "create":
            if name or trying:
                raise Refused(405, "MethodNotAllowed", "only whole objects are created here")
            body.setdefault("metadata", {}).setdefault("namespace", space)
            return store.create(resource.plural, body)
        if verb == "delete":
            found = store.get(resource.plural, space, name)
            if resource.plural == "pods":
                end_pod(store, found)
            else:
                store.delete(resource.plural, space, name)
            return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        with store.changed:
            found = store.get(resource.plural, space, name)
            if below == "scale":
                scale = body
                if verb == "patch":
                    scale = kube_patches.patched(_scale_of(found), body, how=self._how(merge=True), plural="scale")
                found["spec"]["replicas"] = _wanted(scale)
                found["metadata"].update({key: scale["metadata"][key] for key in ("resourceVersion", "uid") if scale["metadata"].get(key)})
                return _scale_of(store.replace(resource.plural, found, try_only=trying))
            if below:
                raise Refused(405, "MethodNotAllowed", f"{below} is only read")
            made = body if verb == "update" else kube_patches.patched(found, body, how=self._how(), plural=resource.plural)
            if made.get("metadata", {}).get("name") != name or made["metadata"].get("namespace", "") != space:
                raise Refused(400, "BadRequest", "the name or the namespace of the object does not match the URL")
            return store.replace(resource.plural, made, try_only=trying)

    def _how(self, *, merge: bool = False) -> str:
        how = self.headers.get("Content-Type", "")
        if merge and not how.startswith(kube_patches.MERGE):
            raise Refused(415, "UnsupportedMediaType", f"a scale is patched by {kube_patches.MERGE} only")
        return how

    def _log(self, pod: Object, given: dict[str, str]) -> str:
        names = [one["name"] for one in pod["spec"]["containers"]]
        container, name = given.get("container") or names[0], pod["metadata"]["name"]
        if container not in names or (len(names) > 1 and not given.get("container")):
            raise Refused(400, "BadRequest", f"a container name must be specified for pod {name}, choose one of: {names}")
        previous = given.get("previous") == "true"
        if (name, container, previous) not in self.cluster.logs:
            if previous:
                raise Refused(400, "BadRequest", f'previous terminated container "{container}" in pod "{name}" not found')
            return ""
        lines = self.cluster.logs[name, container, previous].splitlines(keepends=True)
        kept = "".join(lines[-int(given["tailLines"]):] if "tailLines" in given else lines)
        return kept[:int(given.get("limitBytes") or len(kept))]


def _scale_of(one: Object) -> Object:
    about = one["metadata"]
    labels = ",".join(f"{key}={value}" for key, value in one["spec"].get("selector", {}).get("matchLabels", {}).items())
    return {
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {key: about[key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")},
        "spec": {"replicas": one["spec"].get("replicas", 1)},
        "status": {"replicas": one.get("status", {}).get("replicas", 0), "selector": labels},
    }


def _wanted(scale: Object) -> int:
    replicas = scale.get("spec", {}).get("replicas", 0)
    if scale.get("spec", {}).keys() - {"replicas"} or not isinstance(replicas, int):
        raise Refused(422, "Invalid", f"spec of a Scale is not understood: {scale.get('spec')}")
    return replicas


def _review(body: bytes) -> Object:
    """A SelfSubjectAccessReview of protobuf, k8s.io/api/authorization/v1/generated.proto, as a newer kubectl sends it."""
    attributes = _field(_field(_field(body[len(_PROTOBUF):], 2), 2), 1)
    names = {1: "namespace", 2: "verb", 3: "group", 5: "resource", 6: "subresource", 7: "name"}
    about = {name: _field(attributes, number).decode() for number, name in names.items()}
    kind = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1"}
    return {**kind, "metadata": {}, "spec": {"resourceAttributes": about}}


def _field(message: bytes, number: int) -> bytes:
    place = 0
    while place < len(message):
        tag, place = message[place], place + 1
        if tag & 7 != 2:
            raise Refused(400, "BadRequest", "only texts are understood of protobuf")
        size, shift = 0, 0
        while True:
            size, shift, place = size | (message[place] & 127) << shift, shift + 7, place + 1
            if message[place - 1] < 128:
                break
        if tag >> 3 == number:
            return message[place:place + size]
        place += size
    return b""
