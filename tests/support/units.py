# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A place of its own for unit files, and a stand-in for systemctl that reads them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.need import need
from tests.support.site import DOUBLES

_OWN = 'mount --make-rprivate / && mount --bind "$0" /etc/systemd/system && exec "$@"'


class Units:
    """Unit files that only the commands started with `prefix` see as /etc/systemd/system."""

    def __init__(self, place: Path) -> None:
        there = os.geteuid() == 0 and shutil.which("unshare") and Path("/etc/systemd/system").is_dir()
        need(there, "root, unshare and /etc/systemd/system")
        self.files, self.state = place / "units", place / "systemctl"
        self.files.mkdir()
        self.state.mkdir()

    @property
    def prefix(self) -> tuple[str, ...]:
        """What a command is started with."""
        return ("unshare", "--mount", "sh", "-c", _OWN, str(self.files))

    @property
    def environ(self) -> Mapping[str, str]:
        """What makes the stand-in found."""
        return {"UNITS_DOUBLE": str(self.state), "PATH": f"{DOUBLES}/units:{os.environ['PATH']}"}

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of a shell."""
        return self.call(["sh", "-c", command])

    def call(self, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [*self.prefix, *argv], env={**os.environ, **self.environ}, capture_output=True, text=True, timeout=60, check=False)

    def names(self) -> list[str]:
        """The unit files."""
        return sorted(path.name for path in self.files.iterdir())

    def known(self) -> list[str]:
        """Which units the stand-in has as enabled or active."""
        return sorted(path.name for path in self.state.iterdir() if path.name.startswith(("active-", "enabled-")))

    def fire(self) -> subprocess.CompletedProcess[str]:
        """What the timer does when its time is over."""
        (script,) = [name for name in self.names() if name.endswith(".sh")]
        return self.fire_one(script.removesuffix(".sh"))

    def fire_one(self, unit: str) -> subprocess.CompletedProcess[str]:
        """The same of one of several units."""
        script = self.files / f"{unit}.sh"
        script.write_bytes(re.sub(rb"-ge \d+", b"-ge 0", script.read_bytes()))
        return self.call(["systemctl", "start", f"{unit}.service"])

    def boot(self) -> subprocess.CompletedProcess[str]:
        """What the host does with the service when it starts."""
        (service,) = [name for name in self.names() if name.endswith(".service")]
        return self.call(["systemctl", "start", service])
