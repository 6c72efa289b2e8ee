# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Alertmanager on a port of its own, ended with the test."""

from __future__ import annotations

import contextlib
import datetime
import json
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.ports import free_ports
from tests.support.need import need
from tests.support.until import until

CONFIGURATION = "route: {receiver: nobody, group_wait: 0s}\nreceivers: [{name: nobody}]\n"


@dataclass
class Alertmanager:
    """What a test does with it.

    Attributes:
        url: of its start page.
    """

    url: str
    process: subprocess.Popen[bytes]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request to its API, version 2."""
        request = urllib.request.Request(
            f"{self.url}/api/v2/{path}", method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            said = answer.read()
        return json.loads(said) if said.strip() else None

    def fire(self, *labels: dict[str, str]) -> None:
        """Have alerts fire, and wait until they are seen."""
        self.ask("POST", "alerts", [{"labels": one} for one in labels])
        until(lambda: len(self.alerts()) >= len(labels), what="the alerts")

    def alerts(self) -> dict[str, str]:
        """The state of each alert, by name and instance."""
        found = self.ask("GET", "alerts")
        return {" ".join([one["labels"]["alertname"], one["labels"].get("instance", "")]).strip(): one["status"]["state"] for one in found}

    def silences(self) -> list[dict[str, Any]]:
        """Those that are not over."""
        return [one for one in self.ask("GET", "silences") if one["status"]["state"] != "expired"]

    def silence(self, *, seconds: float = 3600, by: str = "ann", comment: str = "by hand", **labels: str) -> str:
        """Somebody silences alerts by hand; the silence's id."""
        now = datetime.datetime.now(tz=datetime.UTC)
        found = self.ask("POST", "silences", {
            "matchers": [{"name": name, "value": value, "isRegex": False, "isEqual": True} for name, value in labels.items()],
            "startsAt": now.isoformat(), "endsAt": (now + datetime.timedelta(seconds=seconds)).isoformat(), "createdBy": by,
            "comment": comment,
        })
        return str(found["silenceID"])

    def clear(self) -> None:
        """End every silence, and every alert."""
        for one in self.silences():
            self.ask("DELETE", f"silence/{one['id']}")
        over = datetime.datetime.now(tz=datetime.UTC).isoformat()
        found = self.ask("GET", "alerts")
        self.ask("POST", "alerts", [{"labels": one["labels"], "endsAt": over} for one in found])


@contextlib.contextmanager
def alertmanager() -> Iterator[Alertmanager]:
    """One that has no alert and no silence."""
    binary = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager") or ""
    need(binary, "Debian's prometheus-alertmanager")
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        (place / "alertmanager.yml").write_text(CONFIGURATION)
        with (place / "log").open("wb") as log:
            process = subprocess.Popen([
                binary, f"--config.file={place / 'alertmanager.yml'}", f"--storage.path={place / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
            ], stdout=log, stderr=log)
        server = Alertmanager(f"http://127.0.0.1:{port}", process)
        try:
            until(lambda: process.poll() is not None or _ready(server), what="Alertmanager")
            assert process.poll() is None, (place / "log").read_text()
            yield server
        finally:
            with contextlib.suppress(OSError):
                process.send_signal(18)  # SIGCONT: one that a test has stopped
            process.terminate()
            process.wait(timeout=30)


def _ready(server: Alertmanager) -> bool:
    try:
        with urllib.request.urlopen(f"{server.url}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
