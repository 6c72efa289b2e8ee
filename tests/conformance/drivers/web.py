# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applications that speak HTTP: real servers on the loopback."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.conformance.kit import Args, Health, Result
from tests.support.run_module import start_module
from tests.support.web_app import App, Asked, answer, app

NOBODY = 65534


class HttpHealth(Health):
    """An application of two URLs: well or sick, closed to us, and held up."""

    module = "http_health"

    @contextmanager
    def scene(self) -> Iterator[None]:
        self.status, self.goes_on = 200, threading.Event()
        self.goes_on.set()

        def reply(asked: Asked, serving: App, sock: object) -> None:
            self.goes_on.wait(30)
            body = {"database": "ok" if self.status == 200 else "down"}
            answer(403 if asked.path == "/closed" else self.status, body)(asked, serving, sock)  # type: ignore[arg-type]

        with app({"/health": reply, "/ready": reply, "/closed": reply}) as self.app:
            try:
                yield
            finally:
                self.goes_on.set()

    def args(self) -> Args:
        return {"probes": [{"url": self.app.url("/health"), "dependencies": ["database"]}, {"url": self.app.url("/ready")}]}

    def culprits(self) -> list[str]:
        return [self.app.url("/health"), self.app.url("/ready"), "database"]

    @contextmanager
    def sicken(self) -> Iterator[None]:
        self.status = 503
        try:
            yield
        finally:
            self.status = 200

    def denied(self) -> Args:
        return {"probes": [{"url": self.app.url("/closed")}]}

    @contextmanager
    def freeze(self) -> Iterator[None]:
        self.goes_on.clear()
        yield

    def patient(self) -> Args:
        return {"timeout": "500ms"}


class HttpSmoke(HttpHealth):
    """A login and what needs its token, of the same application."""

    module = "http_smoke"
    writes = True

    def args(self) -> Args:
        return {"steps": [
            {"url": self.app.url("/health"), "method": "POST", "send": {"user": "smoke"}, "save": {"how": "database"}},
            {"name": "ready", "url": self.app.url("/ready"), "headers": {"Authorization": "Bearer {how}"}},
        ]}

    def culprits(self) -> list[str]:
        return [self.app.url("/health"), "503"]

    def denied(self) -> Args:
        return {"steps": [{"url": self.app.url("/closed")}]}


class ServiceReach(Health):
    """A service of this user that must reach a port and find a file."""

    module = "service_reach"

    @contextmanager
    def scene(self) -> Iterator[None]:
        self.server = socket.create_server(("127.0.0.1", 0), backlog=8)
        self.port = self.server.getsockname()[1]
        with tempfile.NamedTemporaryFile() as self.file:
            try:
                yield
            finally:
                self.server.close()

    def service(self, **where: str) -> Args:
        """The service."""
        return {"name": "shop", "runtime": "command", "where": where, "reaches": [
            {"name": "cache", "port": f"127.0.0.1:{self.port}", "max_time": "1s"},
            {"name": "database", "command": ["test", "-e", self.file.name]},
        ]}

    def args(self) -> Args:
        return {"services": [self.service()]}

    def culprits(self) -> list[str]:
        return ["shop: cache", "connection refused"]

    @contextmanager
    def sicken(self) -> Iterator[None]:
        self.server.close()
        try:
            yield
        finally:
            self.server = socket.create_server(("127.0.0.1", self.port), backlog=8)

    def run_denied(self, **more: Any) -> Result:
        """As somebody who may not become the service's user."""
        return start_module(self.module, user=NOBODY, **{"services": [self.service(user="daemon")], **more}).result()

    @contextmanager
    def freeze(self) -> Iterator[None]:
        """Whose queue is full: connections are neither accepted nor refused."""
        self.server.listen(0)
        waiting = []
        try:
            for _number in range(8):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", self.port))
                waiting.append(one)
            yield
        finally:
            for one in waiting:
                one.close()
