# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook with the recorder, as a user runs it, on every ansible-core there is on this machine."""

from __future__ import annotations

import functools
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader

ROOT = Path(__file__).resolve().parents[3]
#: A python that has another ansible-core: the floor, 2.19 on Python 3.11.
OTHER_PYTHON = "INCIDENT_TEST_OTHER_PYTHON"


@dataclass
class Done:
    """A finished ansible-playbook and what it left."""

    status: int
    output: str
    home: Path

    @property
    def run_dir(self) -> Path:
        """The one run of the home."""
        (run,) = layout.runs_dir(self.home).iterdir()
        return run

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """The recorded events of these types, or all."""
        return [event for event in reader.read(self.run_dir) if not kinds or event["type"] in kinds]


@dataclass
class Playbook:
    """Writes plays into a directory and runs them there with the recorder on."""

    directory: Path
    python: str
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.directory / "home"

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a run: this one, without what other tests or the caller's shell may have set."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "INCIDENT_", "ONCALL_"))}
        return {
            **kept, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_CALLBACKS_ENABLED": "oncall.incident.evidence",
            "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_HOME": str(self.directory / "ansible"), "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PYTHON_INTERPRETER": self.python, "INCIDENT_HOME": str(self.home), **self.environ, **(extra or {}),
        }

    def command(self, text: str, *arguments: str, inventory: str = "localhost,", name: str = "play.yml") -> list[str]:
        """The command line that runs these plays."""
        (self.directory / name).write_text(text)
        tool = Path(self.python).with_name("ansible-playbook")
        return [str(tool), "-i", inventory, "-c", "local", name, *arguments]

    def run(
        self, text: str, *arguments: str, environ: Mapping[str, str] | None = None, stdin: str | None = None, file_size_limit: int = 0,
        **more: str,
    ) -> Done:
        """Run plays to their end; no file may grow over file_size_limit bytes when it is given."""
        limits = (file_size_limit, file_size_limit)
        limit = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, limits) if file_size_limit else None
        done = subprocess.run(
            self.command(text, *arguments, **more), cwd=self.directory, env=self.environment(environ), capture_output=True, text=True,
            timeout=180, check=False, input=stdin, stdin=subprocess.DEVNULL if stdin is None else None,
            preexec_fn=limit,
        )
        return Done(status=done.returncode, output=done.stdout + done.stderr, home=self.home)


def _pythons() -> Sequence[Any]:
    other = os.environ.get(OTHER_PYTHON, "")
    skip = pytest.mark.skipif(not other, reason=f"{OTHER_PYTHON} names no python with another ansible-core")
    return [pytest.param(sys.executable, id="this core"), pytest.param(other, id="other core", marks=skip)]


@pytest.fixture(params=_pythons())
def playbook(request: pytest.FixtureRequest, tmp_path: Path) -> Playbook:
    """Plays on each ansible-core."""
    return Playbook(directory=tmp_path, python=request.param)


@pytest.fixture
def one_playbook(tmp_path: Path) -> Playbook:
    """Plays on this Python's ansible-core only: where the version makes no difference."""
    return Playbook(directory=tmp_path, python=sys.executable)
