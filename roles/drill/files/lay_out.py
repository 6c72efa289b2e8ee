# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lay out a fault on the host: see that what it needs is there, write its files, and print the group that may read them.

What is to be done is one JSON object on standard input: directory, name, user, python, program, files, modules, programs.
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


def lay_out(asked: dict[str, Any]) -> int:
    """Write everything, or nothing; the group that may read it."""
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
    return user.pw_gid


def _fill(asked: dict[str, Any], *, code: Path, kept: Path, user: pwd.struct_passwd) -> None:
    code.mkdir(mode=0o700, exist_ok=True)
    for name, text in asked["files"].items():
        _write(code / name, text, group=user.pw_gid, mode=0o640)
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


def main() -> None:
    """Command line."""
    asked = json.load(sys.stdin)
    lacking = missing(asked["modules"], asked["programs"])
    if lacking:
        sys.exit(f"it needs {', and '.join(lacking)}")
    print(lay_out(asked))


if __name__ == "__main__":
    main()
