# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applications that speak HTTP: real servers on the loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.conformance.kit import Args, Health
from tests.support.web_app import App, Asked, answer, app


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
