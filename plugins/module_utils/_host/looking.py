# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole look at a host's disks, once or until there is room.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import os
import time
import typing as t

from .._core.errors import BadInput
from .._core.findings import Skipped, judge
from .._core.judging import Verdict, judge_look
from . import survey as parts
from .decisions.disk import GOOD, Mount, missing_writes, nearest, told
from .processes import SEE_PROCESSES


@dataclasses.dataclass(frozen=True)
class Survey:
    """What to look at; times in seconds. `asked` are the checks that must be answered."""

    file_systems: t.Sequence[str]
    asked: t.Optional[t.Sequence[str]]
    warning_percent: float
    critical_percent: float
    sample: float
    full_within: float
    deleted_warning_bytes: int
    look_below: t.Sequence[str]
    look_for: float
    most: int

    def brief(self) -> Survey:
        """The same without what takes its time."""
        return dataclasses.replace(self, sample=0.0, look_below=())


@dataclasses.dataclass(frozen=True)
class Seen:
    """One look."""

    verdict: Verdict
    deleted: t.Sequence[t.Mapping[str, t.Any]]
    biggest: t.Mapping[str, t.Any]

    def as_result(self) -> dict[str, t.Any]:
        """What the result has beside the verdict."""
        return {"changed": False, "deleted": list(self.deleted), "biggest": dict(self.biggest), **told(self.verdict.findings)}


def survey(wanted: Survey) -> Seen:
    """One look.

    Raises:
        BadInput: no file system is left to judge.
    """
    found = [] if wanted.file_systems else _mounts()
    points = list(wanted.file_systems) or sorted({one.point for one in found})
    if not points:
        raise BadInput("No local file system that can be written to was found.", hint="Name them with file_systems.")
    findings, skipped = parts.look(
        points, warning=wanted.warning_percent, critical=wanted.critical_percent, sample=wanted.sample, full_within=wanted.full_within,
        elsewhere={one.point for one in found} - {one.point for one in found if one.on_device},
    )
    deleted, total, complete = parts.deleted_open(most=wanted.most)
    findings.append(judge(
        "deleted_open", total, warning=wanted.deleted_warning_bytes, unit="bytes",
        hint="Restart, or make reopen its log, the process that holds them: the space comes back when it closes them.",
        detail={"files": deleted[:3]},
    ))
    if not complete:
        skipped.append(Skipped("deleted_open", "not_permitted: other users' processes cannot be looked at.", hint=SEE_PROCESSES))
    biggest: dict[str, t.Any] = {}
    end = time.monotonic() + wanted.look_for
    for number, path in enumerate(wanted.look_below):
        # The time that is left is shared by the directories that are left.
        share = max(end - time.monotonic(), 0.0) / (len(wanted.look_below) - number)
        biggest[path] = parts.biggest(path, deadline=time.monotonic() + share, most=wanted.most)
    return Seen(judge_look(findings, skipped, asked=wanted.asked, good=GOOD), deleted, biggest)


@dataclasses.dataclass(frozen=True)
class OnePath:
    """One look at the file system of a path."""

    verdict: Verdict
    path: str

    def as_result(self) -> dict[str, t.Any]:
        """What the result has beside the verdict."""
        return {"changed": False, "path": self.path}


def one_path(path: str, *, asked: t.Optional[t.Sequence[str]], warning: float, critical: float) -> OnePath:
    """Look at the file system of a path, or of the nearest directory above it that can be reached.

    Args:
        asked: the checks that must be answered.
        warning, critical: percent.

    Raises:
        Blind: not even the root can be reached.
    """
    found, _usage = nearest(path, os.statvfs)
    findings, skipped = parts.look([found], warning=warning, critical=critical, sample=0.0, full_within=0.0)
    return OnePath(judge_look(findings, skipped, asked=asked, good=GOOD), found)


def _mounts() -> list[Mount]:
    """The file systems that can be written to, or are meant to be."""
    mounted = parts.mounts(text=_read("/proc/self/mounts"))
    missing = missing_writes(mounted, fstab=_read("/etc/fstab"))
    return [one for one in mounted if not one.read_only or one.point in missing]


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:  # a container has no fstab
        return ""
