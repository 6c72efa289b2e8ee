# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lay out a fault on the host, and arm its way back: see that what it needs is there, write its files, start the timer, see it running.

What is to be done is one JSON object on standard input: directory, name, user, python, program, files, modules, programs, asked (the
content of fault.json), after (when the timer goes off).
Root runs the way back, so that what it does is root's to say: the fault's user can read the files and change none. What the fault itself
keeps has a directory of its own.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

_SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"


def missing(modules: list[str], programs: list[str]) -> list[str]:
    """What the host lacks, in words."""
    path = f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM}"
    return [
        *(f"the Python module {name} for {sys.executable} (Debian: python3-{name})" for name in modules if not _importable(name)),
        *(f"the program {name}" for name in programs if not shutil.which(name, path=path)),
    ]


def _importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False


def lay_out(asked: dict[str, Any]) -> None:
    """Write everything, or nothing."""
    try:
        user = pwd.getpwnam(asked["user"])
    except KeyError:
        sys.exit(f"the host has no user {asked['user']}")
    place = Path(asked["directory"])
    place.mkdir(parents=True, exist_ok=True)
    _give(place, 0, 0, 0o755)
    code, kept = place / f"{asked['name']}.d", place / f"{asked['name']}.kept"
    try:
        _fill(asked, code=code, kept=kept, user=user)
    except OSError:
        for path in (code, kept):
            shutil.rmtree(path, ignore_errors=True)
        code.with_suffix("").unlink(missing_ok=True)
        raise


def _fill(asked: dict[str, Any], *, code: Path, kept: Path, user: pwd.struct_passwd) -> None:
    code.mkdir(mode=0o700, exist_ok=True)
    for name, text in asked["files"].items():
        _write(code / name, text, group=user.pw_gid, mode=0o640)
    # Nobody but who runs it may read this: it may hold a password.
    _write(code / "fault.json", json.dumps(asked["asked"]), group=user.pw_gid, mode=0o600 if user.pw_uid == 0 else 0o640)
    _give(code, 0, user.pw_gid, 0o750)
    kept.mkdir(mode=0o700, exist_ok=True)
    _give(kept, user.pw_uid, user.pw_gid, 0o700)
    # Last: by this file the fault is found.
    run = f'exec {shlex.quote(asked["python"])} -B {shlex.quote(str(code / asked["program"]))} "$@"'
    _write(code.with_suffix(""), f"#!/bin/sh\n{run}\n", group=user.pw_gid, mode=0o750)


def _write(path: Path, text: str, *, group: int, mode: int) -> None:
    with open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o600)) as target:
        target.write(text)
    _give(path, 0, group, mode)


def _give(path: Path, owner: int, group: int, mode: int) -> None:
    os.chown(path, owner, group)
    path.chmod(mode)


def arm(asked: dict[str, Any]) -> None:
    """Start the timer that takes the fault back, and see it running."""
    name = asked["name"]
    script = str(Path(asked["directory"]) / name)
    _systemd(
        "systemd-run", "--quiet", f"--unit={name}-remove", f"--on-active={asked['after']}", "--timer-property=AccuracySec=1s",
        # What the way back needs may be away itself: it is tried until it is done.
        "--property=Type=oneshot", "--property=Restart=on-failure", "--property=RestartSec=30", "--property=StartLimitIntervalSec=0",
        # Nobody comes after it: the fault's unit goes, and what could hold a password.
        f"--property=ExecStartPost=-/bin/systemctl stop {name}.service",
        f"--property=ExecStartPost=/bin/rm -rf -- {script}.kept {script}.d {script}", "--collect", "--", script, "remove",
    )
    _systemd("systemctl", "is-active", "--quiet", f"{name}-remove.timer")


def _systemd(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the timer that takes it back is not armed: {argv[0]} ended with {done.returncode}: {done.stderr.strip()}")


def main() -> None:
    """Command line."""
    asked = json.load(sys.stdin)
    lacking = missing(asked["modules"], asked["programs"])
    if lacking:
        sys.exit(f"it needs {', and '.join(lacking)}. Install what is missing on that host")
    lay_out(asked)
    arm(asked)


if __name__ == "__main__":
    main()
