# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services: containers of Docker Compose on a real engine."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.moments import moment

from tests.conformance.kit import Args, Health, Result
from tests.support.docker_engine import IMAGE, Engine, engine
from tests.support.run_module import start_module
from tests.support.until import until

#: A user who may not talk to the engine.
NOBODY = 65534
WINDOW = 1.0


class ServiceHealth(Health):
    """A service of one container that has run for a while."""

    module = "service_health"

    @classmethod
    @contextmanager
    def stage(cls) -> Iterator[tuple[Engine, Path]]:
        with engine() as running, tempfile.TemporaryDirectory(prefix="incident-shop-") as made:
            # Who may not open the socket is refused by the socket itself.
            running.place.chmod(0o711)
            place = Path(made)
            place.chmod(0o755)
            web = {"image": IMAGE, "network_mode": "none", "stop_signal": "SIGKILL", "command": ["sleep", "3600"]}
            (place / "compose.yml").write_text(json.dumps({"version": "2.4", "services": {"web": web}}))
            running.project(place, "up", "--detach")
            yield running, place

    def __init__(self, stage: Any) -> None:
        super().__init__(stage)
        self.engine: Engine = stage[0]
        self.place: Path = stage[1]

    @property
    def container(self) -> dict[str, Any]:
        """What the engine says of it."""
        (identity,) = self.engine.docker("ps", "--all", "--quiet").split()
        return dict(json.loads(self.engine.docker("inspect", identity))[0])

    def _started(self) -> None:
        """It runs, and has for longer than the window."""
        self.engine.docker("start", self.container["Id"])
        until(lambda: time.time() - (moment(self.container["State"]["StartedAt"]) or time.time()) > WINDOW, what="it to be old enough")

    @contextmanager
    def scene(self) -> Iterator[None]:
        self._started()
        yield

    def args(self) -> Args:
        where = {"directory": str(self.place), "container_command": ["docker", *self._engine()], "command": self.engine.compose}
        return {"services": [{"name": "web", "runtime": "compose", "where": where}], "window": f"{WINDOW}s"}

    def _engine(self) -> list[str]:
        return ["--host", self.engine.environ["DOCKER_HOST"]]

    def culprits(self) -> list[str]:
        return ["web", str(self.container["Name"]).lstrip("/")]

    @contextmanager
    def sicken(self) -> Iterator[None]:
        self.engine.docker("kill", self.container["Id"])
        until(lambda: not self.container["State"]["Running"], what="it to be dead")
        try:
            yield
        finally:
            self._started()

    def run_denied(self, **more: Any) -> Result:
        return start_module(self.module, user=NOBODY, **{**self.args(), **more}).result()

    @contextmanager
    def freeze(self) -> Iterator[None]:
        daemon = int((self.engine.place / "pid").read_text())
        os.kill(daemon, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(daemon, signal.SIGCONT)

    def patient(self) -> Args:
        return {"timeout": "2s"}
