# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `incident` of this checkout as a process of its own, as a user's shell starts it: no variable of ours reaches Ansible."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.site import SECONDS, SRC

#: Python that makes standard input its own terminal and then is the rest of its arguments: else Ctrl-C typed on it would reach nobody.
ADOPT = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


def argv(*arguments: str) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "oncall_incident", *arguments]


def environment(home: Path, **more: str) -> dict[str, str]:
    """All that the command is given: what a shell has, and its own home."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TERM") if name in os.environ}
    return {**kept, "HOME": str(home.parent), "PYTHONPATH": SRC, "INCIDENT_HOME": str(home), "COLUMNS": "100", **more}


def command(home: Path, *arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end, in the directory that its home is in."""
    return subprocess.run(
        argv(*arguments), env=environment(home, **environ), input=stdin, capture_output=True, text=True, timeout=SECONDS, check=False,
        cwd=home.parent,
    )
