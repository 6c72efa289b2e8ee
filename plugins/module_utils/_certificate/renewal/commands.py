# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command to its end, bounded in time and output.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
import time
import typing as t

from ..._module.programs import execute

#: Where administration commands are, which a non-login shell often does not look into.
_MORE_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/snap/bin")
#: Between the polite signal and the other one: seconds.
_GRACE = 10.0
_MAX_OUTPUT = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Ran:
    """How a command ended: its status (None when it did not start or was ended by us), the end of its output, how long it took."""

    status: t.Optional[int]
    output: str = ""
    seconds: float = 0.0
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        """Whether it ended by itself and said that all is well."""
        return self.status == 0

    def last_words(self, limit: int = 1000) -> str:
        """The end of the output, on one line."""
        text = " ".join(self.output.split())
        return text if len(text) <= limit else f"(...) {text[-limit:]}"


def find(program: str) -> t.Optional[str]:
    """Where a program is; None when it is not there or cannot be run."""
    return shutil.which(program, path=_path())


def run(argv: t.Sequence[str], *, timeout: float, started: t.Callable[[int], None] = lambda pid: None) -> Ran:
    """Run a command in a process group of its own.

    Its output goes to a file: a server that the command starts may keep a pipe open for ever.

    Args:
        timeout: seconds, after which the group is ended.
        started: is told the process's id.
    """
    begin = time.monotonic()
    with tempfile.TemporaryFile() as out:
        done = execute(
            argv, seconds=timeout, output=out, own_group=True, started=started, grace=_GRACE, cwd="/",
            env={**os.environ, "PATH": _path()},
        )
        if done.problem:
            return Ran(status=None, output=f"{argv[0]}: {done.problem}")
        size = out.seek(0, os.SEEK_END)
        out.seek(max(size - _MAX_OUTPUT, 0))
        output = out.read().decode("utf-8", "replace")
    return Ran(
        status=None if done.late else done.status, output=output, seconds=time.monotonic() - begin, timed_out=done.late,
    )


def alive(pid: int, started: str) -> bool:
    """Whether a process that start_time() was asked about still runs."""
    return bool(started) and start_time(pid) == started


def start_time(pid: int) -> str:
    """When a process began, in the system's own words; empty when it is not there or has ended (proc(5), /proc/pid/stat, field 22)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else fields[19]


def _path() -> str:
    here = os.environ.get("PATH", "").split(":")
    return ":".join(dict.fromkeys([*(part for part in here if part), *_MORE_PATH]))
