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
from .._core.judging import Judged, Verdict
from .._core.recorded import Basis
from . import survey as parts
from .decisions.disk import DeletedSeen, judge_path, judge_survey, told
from .decisions.mounts import FileSystem, Mount, file_systems, mounts


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
    basis: t.Optional[Basis] = None

    def as_result(self) -> dict[str, t.Any]:
        """What the result has beside the verdict."""
        return {"changed": False, "deleted": list(self.deleted), "biggest": dict(self.biggest), **told(self.verdict.findings)}


def survey(wanted: Survey) -> Seen:
    """One look.

    Raises:
        BadInput: no file system is left to judge.
    """
    table = _mounted()
    found = [] if wanted.file_systems else _file_systems(table)
    points = list(wanted.file_systems) or sorted({one.mount.point for one in found})
    if not points:
        raise BadInput("No local file system that can be written to was found.", hint="Name them with file_systems.")
    on_devices = {one.mount.point for one in found if one.mount.on_device}
    seen = parts.seen_at(
        points, sample=wanted.sample, table=table, elsewhere={one.mount.point for one in found} - on_devices,
    )
    deleted = DeletedSeen(*parts.deleted_open(most=wanted.most))
    judged = judge_survey(
        seen, deleted, warning=wanted.warning_percent, critical=wanted.critical_percent, full_within=wanted.full_within,
        deleted_warning_bytes=wanted.deleted_warning_bytes, asked=wanted.asked,
    )
    biggest: dict[str, t.Any] = {}
    end = time.monotonic() + wanted.look_for
    for number, path in enumerate(wanted.look_below):
        # The time that is left is shared by the directories that are left.
        share = max(end - time.monotonic(), 0.0) / (len(wanted.look_below) - number)
        biggest[path] = parts.biggest(path, deadline=time.monotonic() + share, most=wanted.most)
    return Seen(judged.verdict, deleted.files, biggest, judged.basis)


def one_path(path: str, *, asked: t.Optional[t.Sequence[str]], warning: float, critical: float) -> Judged:
    """Look at the file system of a path.

    Args:
        asked: the checks that must be answered.
        warning, critical: percent.
    """
    (seen,) = parts.seen_at([os.path.abspath(path)], sample=0.0, table=_mounted())
    return judge_path(seen, warning=warning, critical=critical, asked=asked)


def _mounted() -> list[Mount]:
    return mounts(_read("/proc/self/mountinfo"))


def _file_systems(table: t.Sequence[Mount]) -> list[FileSystem]:
    """The file systems that can be written to, or are meant to be."""
    return file_systems(table, fstab=_read("/etc/fstab"), there=os.path.isdir)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:  # a container has no fstab
        return ""
