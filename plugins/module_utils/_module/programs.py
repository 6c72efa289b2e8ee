# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program of the host, bounded, in a language that we can read.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import typing as t

MAX_SECONDS = 20.0
#: Where administrators' programs are; users' PATHs often lack them.
_PLACES = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")


@dataclasses.dataclass(frozen=True)
class Ran:
    """What a program said. `problem` is empty when it succeeded; `missing` when it is not there."""

    out: str = ""
    err: str = ""
    problem: str = ""
    missing: bool = False


Run = t.Callable[[t.Sequence[str]], Ran]


def find(name: str) -> str | None:
    """The path of a program."""
    if os.sep in name:
        return name if os.access(name, os.X_OK) else None
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(_PLACES))


def run(argv: t.Sequence[str], *, seconds: float = MAX_SECONDS) -> Ran:
    """Run a program; never raises."""
    path = find(argv[0])
    if path is None:
        return Ran(problem=f"{argv[0]} is not installed", missing=True)
    try:
        done = subprocess.run(
            [path, *argv[1:]], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
            timeout=max(seconds, 0.1), env={**os.environ, "LC_ALL": "C", "LANGUAGE": "C"},
        )
    except subprocess.TimeoutExpired:
        return Ran(problem=f"{argv[0]} did not end within {seconds:g} s")
    except OSError as exc:
        return Ran(problem=f"{argv[0]}: {exc.strerror or exc}")
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        return Ran(out=done.stdout, err=done.stderr, problem=f"{said[:300] or 'status ' + str(done.returncode)}")
    return Ran(out=done.stdout, err=done.stderr)
