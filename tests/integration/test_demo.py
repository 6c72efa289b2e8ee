# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo` as a user runs it: it recovers, and leaves neither process nor file outside the checkout."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from demo.postgres import exists
from tests.support.site import ROOT, shell
from tests.support.until import until as wait_until


def start(home: Path) -> subprocess.Popen[str]:
    """The demo in a fresh home, in a process group of its own."""
    kept = {name: value for name, value in shell().items() if not name.startswith("XDG_")}
    return subprocess.Popen(
        [sys.executable, "-m", "demo"],
        cwd=ROOT,
        env={**kept, "HOME": str(home), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def server_of(line: str) -> tuple[Path, int]:
    """The server's directory and the postmaster's pid, from the demo's own line about it."""
    found = re.search(r"runs in (\S+)", line)
    assert found, line
    base = Path(found.group(1))
    return base, int((base / "data" / "postmaster.pid").read_text().split("\n", 1)[0])


def follow(child: subprocess.Popen[str], *, until: str) -> list[str]:
    """The child's lines up to the first that contains `until`."""
    lines: list[str] = []
    for line in child.stdout or ():
        lines.append(line)
        if until in line:
            return lines
    raise AssertionError(f"the demo ended before {until!r}:\n{''.join(lines)}")


def temporary_directories() -> set[Path]:
    """The demo's own, of any run."""
    return set(Path(tempfile.gettempdir()).glob("oncall-demo-*"))


def still_using(base: Path) -> list[str]:
    """Processes with this directory on their command line, where /proc tells."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(base).encode() in path.read_bytes():
                found.append(path.parent.name)
    return found


def playing(base: Path) -> bool:
    """Whether the demo's Ansible runs, where /proc tells."""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"ansible-playbook" in (path / "cmdline").read_bytes() and str(base).encode() in (path / "environ").read_bytes():
                return True
    return False


@pytest.mark.slow
def test_the_demo_recovers_and_leaves_nothing(tmp_path: Path) -> None:
    before = temporary_directories()
    child = start(tmp_path)
    lines = follow(child, until="runs in ")
    base, postmaster = server_of(lines[-1])
    rest, _errors = child.communicate(timeout=200)
    assert child.returncode == 0, "".join(lines) + rest
    assert "RECOVERED" in rest
    assert not re.search(r"^demo:\s+NO ", rest, flags=re.MULTILINE)
    assert not list(tmp_path.iterdir()), "files in the home directory"
    assert not base.exists()
    assert not exists(postmaster)
    assert temporary_directories() <= before


@pytest.mark.slow
@pytest.mark.parametrize(("number", "at"), [(signal.SIGINT, "letting it hang"), (signal.SIGTERM, "$ incident run")])
def test_an_interrupted_demo_leaves_nothing(tmp_path: Path, number: signal.Signals, at: str) -> None:
    child = start(tmp_path)
    base, postmaster = server_of(follow(child, until="runs in ")[-1])
    follow(child, until=at)
    if at.startswith("$"):
        wait_until(lambda: playing(base), what="the demo's Ansible")
    # Ctrl-C goes to the whole foreground group, kill to one process.
    (os.killpg if number == signal.SIGINT else os.kill)(child.pid, number)
    said, _errors = child.communicate(timeout=120)
    assert child.returncode == 130, said
    assert not base.exists()
    assert not exists(postmaster)
    assert not still_using(base)
    assert not list(tmp_path.iterdir())
