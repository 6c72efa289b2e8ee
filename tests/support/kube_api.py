# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A double of the API of Kubernetes, where no cluster can run: it parses what a real kubectl asks, and keeps state as the API does.

What it does not understand it refuses, in the form of the real one: a path, a parameter, a field, a patch. Its controllers make pods of
Deployments (kube_controller.py). StatefulSets and DaemonSets are objects that nobody acts on.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.kube_controller import Controller
from tests.support.kube_http import Handler
from tests.support.kube_patches import Refused
from tests.support.kube_resources import Resource
from tests.support.kube_store import Object, Store
from tests.support.need import need

_TICK = 0.05


class KubeApi:
    """The API of a cluster of a test's own, on loopback.

    Attributes:
        store: its objects.
        asked: what was asked, as method, path and status.
        denied: what the client may not: verb and resource, as `("get", "pods")`, `("patch", "deployments/scale")`, and perhaps a name.
        logs: what containers wrote, by pod and container; with `previous` what the one before wrote.
    """

    def __init__(self, home: Path) -> None:
        need(shutil.which("kubectl"), "Debian's kubernetes-client")
        self.store = Store()
        self.asked: list[tuple[str, str, int]] = []
        self.denied: set[tuple[str, ...]] = set()
        self.logs: dict[tuple[str, str, bool], str] = {}
        self.held = False
        self.hangs = threading.Event()
        self.ended = threading.Event()
        self._controller = Controller(self.store)
        api = self

        class Served(Handler):
            cluster = api

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Served)
        self._server.daemon_threads = True
        self.home = home
        self.kubeconfig = home / "kubeconfig"
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "double",
            "clusters": [{"name": "double", "cluster": {"server": f"http://127.0.0.1:{self._server.server_address[1]}"}}],
            "users": [{"name": "oncall", "user": {"token": "not-a-secret"}}],
            "contexts": [{"name": "double", "context": {"cluster": "double", "user": "oncall", "namespace": "default"}}],
        }))

    def __enter__(self) -> KubeApi:
        for work in (self._server.serve_forever, self._tick):
            threading.Thread(target=work, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def environ(self) -> dict[str, str]:
        """What makes kubectl talk to it, and keep what it caches out of the user's home."""
        return {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.home)}

    def kubectl(self, *words: str, fails: bool = False, timeout: float = 60) -> str:
        """Run the real kubectl against it; what it said."""
        done = subprocess.run(["kubectl", *words], env={**os.environ, **self.environ}, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=timeout, check=False)
        assert (done.returncode != 0) == fails, f"kubectl {' '.join(words)}: {done.returncode} {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """The controllers do nothing meanwhile, so that a status lags behind what is asked for."""
        with self.store.changed:
            self.held = True
        yield
        self.held = False

    def tick(self, times: int = 1) -> None:
        """Let the controllers take steps."""
        for _number in range(times):
            self._controller.tick()

    def deploy(
        self, name: str, *, image: str, namespace: str = "shop", replicas: int = 2, env: dict[str, str] | None = None,
        plural: str = "deployments", **spec: Any,
    ) -> Object:
        """Create a Deployment, or another that makes pods, of one container of its name."""
        container = {
            "name": name, "image": image, "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
        }
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
        number = {} if plural == "daemonsets" else {"replicas": replicas}
        return self.store.create(plural, {"metadata": {"name": name, "namespace": namespace, "labels": {"app": name}}, "spec": {
            **number, "selector": {"matchLabels": {"app": name}}, "template": template, "revisionHistoryLimit": 10, **spec,
        }})

    def _tick(self) -> None:
        while not self.ended.wait(_TICK):
            with self.store.changed:
                if not self.held:
                    self._controller.tick()

    def asks(self, verb: str, resource: Resource, below: str, space: str, name: str) -> None:
        """Refuse what the client may not."""
        plural = f"{resource.plural}/{below}" if below else resource.plural
        if {(verb, plural), (verb, plural, name)} & self.denied:
            where = f' in the namespace "{space}"' if space else " at the cluster scope"
            whom = resource.qualified + (f' "{name}"' if name else "")
            raise Refused(
                403, "Forbidden",
                f'{whom} is forbidden: User "oncall" cannot {verb} resource "{plural}" in API group "{resource.group}"{where}',
                name=name, kind=resource.plural, group=resource.group,
            )
