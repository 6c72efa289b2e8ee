# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sick world of one file, and the wrapper as a process of its own against it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import reader, verify

from tests.support import wrapper
from tests.support.site import ROOT, SECONDS, short_directory

SCENARIO = ROOT / "tests" / "integration" / "wrapper" / "scenario"


class World:
    """A directory with an inventory, a scenario and a world to cure; the wrapper's home is in it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.home = place / "home"
        self.temporary = short_directory(self)
        shutil.copytree(SCENARIO, place / "scenario", ignore=shutil.ignore_patterns("__pycache__"))
        self.file = place / "world.json"
        self.processes: list[subprocess.Popen[str]] = []
        self.inventory({"earth": {}})
        self.set(sick=2)

    def inventory(self, hosts: Mapping[str, Mapping[str, Any]]) -> None:
        common = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "world_path": str(self.file)}
        data = {"world": {"hosts": {name: {**common, **more} for name, more in hosts.items()}}}
        (self.place / "hosts.json").write_text(json.dumps(data))

    def set(self, **state: Any) -> None:
        self.file.write_text(json.dumps(state))

    @property
    def sick(self) -> int:
        return int(json.loads(self.file.read_text())["sick"])

    def environ(self, **more: str) -> dict[str, str]:
        own = {"COLUMNS": "80", "TMPDIR": str(self.temporary), "ANSIBLE_LOCAL_TEMP": str(self.place / "ansible-tmp")}
        return wrapper.environment(self.home, **{**own, **more})

    def start(
        self, *arguments: str, environ: Mapping[str, str] | None = None, scenario: str = "scenario/fake-recovery.yml",
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            wrapper.argv("run", scenario, "-i", "hosts.json", *arguments), cwd=self.place, env=self.environ(**(environ or {})),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )
        self.processes.append(process)
        return process

    def end(self) -> None:
        """End what a failed test left running: the wrappers and their Ansibles."""
        for path in self.leftovers():
            for pid in path.glob("*/pid"):
                with contextlib.suppress(OSError, ValueError):
                    os.killpg(int(pid.read_text()), signal.SIGKILL)
        for process in self.processes:
            process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def run(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=SECONDS)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def incident(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return wrapper.command(self.home, *arguments, **self.environ(**environ))

    def on_a_terminal(self, *arguments: str, answer: str | None, early: str = "") -> tuple[int, str]:
        """Run on a pseudo-terminal; type `early` at once, and the answer when the question is there."""
        leader, follower = pty.openpty()
        run = wrapper.argv("run", "scenario/fake-recovery.yml", "-i", "hosts.json", *arguments)
        process = subprocess.Popen(
            [sys.executable, "-c", wrapper.ADOPT, *run], cwd=self.place, env=self.environ(), stdin=follower, stdout=follower,
            stderr=follower, start_new_session=True,
        )
        os.close(follower)
        os.write(leader, early.encode())
        seen, asked, end = b"", False, time.monotonic() + 200
        try:
            while time.monotonic() < end:
                if select.select([leader], [], [], 0.2)[0]:
                    try:
                        data = os.read(leader, 65536)
                    except OSError:
                        break
                    if not data:
                        break
                    seen += data
                if answer is not None and not asked and b"anything else refuses" in seen:
                    asked = True
                    os.write(leader, answer.encode())
            return process.wait(timeout=60), seen.decode("utf-8", "replace")
        finally:
            process.kill()
            os.close(leader)

    @property
    def incidents(self) -> list[Path]:
        return sorted((self.home / "incidents").glob("INC-*"))

    @property
    def run_dir(self) -> Path:
        return max((self.home / "runs").iterdir())

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        # The directory of all runs is there a moment before the run's own.
        if not (self.home / "runs").is_dir() or not any((self.home / "runs").iterdir()):
            return []
        return [event for event in reader.read(self.run_dir) if not kinds or event["type"] in kinds]

    def acting(self) -> bool:
        """Whether the approved plan is being carried out: the fourth segment's first task has begun."""
        return any(event["segment"] == 4 for event in self.events("intent"))

    def ansible(self, execution: str = "act") -> int:
        """The process group of the execution that acts, or of another one."""
        return int((self.leftovers()[0] / execution / "pid").read_text())

    def verified(self) -> str:
        return verify.check(self.run_dir).status

    def leftovers(self) -> Sequence[Path]:
        """What the wrapper left in the temporary directory."""
        return [path for path in self.temporary.iterdir() if path.name.startswith("oncall-incident-")]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.end()
