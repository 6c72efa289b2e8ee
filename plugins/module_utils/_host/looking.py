# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole look at a host's disks, once or until there is room.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import time
import typing as t

from .._core.errors import BadInput
from .._core.findings import CRITICAL, WARNING, Finding
from .._core.judging import Judged, Verdict
from .._core.recorded import Basis
from . import survey as parts
from .below import below as look_below
from .below import biggest as biggest_below
from .decisions.disk import ROOM, DeletedSeen, PointSeen, judge_path, judge_survey, told
from .decisions.growth import Sample
from .decisions.mounts import FileSystem, Mount, file_systems, holder, mounts
from .decisions.taken import Below
from .samples import trends

_COVERED = "another file system is mounted over it"


@dataclasses.dataclass(frozen=True)
class Survey:
    """What to look at; times in seconds.

    Attributes:
        asked: the checks that must be answered.
        looked_into: the statuses at which a file system is looked into.
        samples: the file of samples; empty where none are kept.
        keep: whether the samples of this look are added to it.
    """

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
    looked_into: t.Collection[str] = (WARNING, CRITICAL)
    samples: str = ""
    keep: bool = False

    def brief(self) -> Survey:
        """The same without what takes its time."""
        return dataclasses.replace(self, sample=0.0, look_below=(), look_for=0.0, samples="")

    def last(self) -> Survey:
        """The same after waiting: what only fills up is not looked into."""
        return dataclasses.replace(self, looked_into=(CRITICAL,))


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
    points = list(wanted.file_systems) or sorted({one.mount.point for one in found if not one.covered})
    if not points:
        raise BadInput("No local file system that can be written to was found.", hint="Name them with file_systems.")
    on_devices = {one.mount.point for one in found if one.mount.on_device and not one.covered}
    seen = parts.seen_at(
        points, sample=wanted.sample if wanted.samples else 0.0, table=table, elsewhere={one.mount.point for one in found} - on_devices,
    )
    seen += [PointSeen(one.mount.point, trouble=_COVERED) for one in found if one.covered and one.mount.on_device]
    if wanted.samples:
        seen = _with_trends(seen, wanted.samples, keep=wanted.keep)
    files, complete = parts.deleted_open()
    deleted = DeletedSeen(files[:wanted.most], sum(one["bytes"] for one in files), complete)
    decide = functools.partial(
        judge_survey, seen, deleted, warning=wanted.warning_percent, critical=wanted.critical_percent, full_within=wanted.full_within,
        deleted_warning_bytes=wanted.deleted_warning_bytes, asked=wanted.asked,
    )
    judged = decide()
    below, biggest = _look_below(wanted, _in_need(judged.verdict.findings, wanted.looked_into), table=table, deleted=files)
    if below:
        judged = decide(below=below)
    return Seen(judged.verdict, deleted.files, biggest, judged.basis)


def _with_trends(seen: t.Sequence[PointSeen], path: str, *, keep: bool) -> list[PointSeen]:
    """What was seen, with what the samples of the last days say of it."""
    now = time.time()
    samples = {
        one.point: Sample(now, one.space.f_blocks * one.space.f_frsize, one.space.f_bavail * one.space.f_frsize)
        for one in seen if one.space is not None
    }
    told = trends(path, samples, keep=keep)
    return [dataclasses.replace(one, trend=told.get(one.point)) for one in seen]


def _in_need(findings: t.Iterable[Finding], statuses: t.Collection[str]) -> list[str]:
    """The file systems that have no room, the fullest first."""
    full = [one for one in findings if one.check in ROOM and one.status in statuses]
    return list(dict.fromkeys(one.subject for one in sorted(full, key=lambda one: -one.observed)))


def _look_below(
    wanted: Survey, points: t.Sequence[str], *, table: t.Sequence[Mount], deleted: t.Sequence[t.Mapping[str, t.Any]],
) -> tuple[list[Below], dict[str, t.Any]]:
    """What takes the space of these file systems, and what is biggest where the call says."""
    if not wanted.look_for:
        return [], {}
    systems = _file_systems(table) if points else []
    found: list[Below] = []
    biggest: dict[str, t.Any] = {}
    todo = [*points, *(path for path in wanted.look_below if path not in points)]
    end = time.monotonic() + wanted.look_for
    for number, path in enumerate(todo):
        # The time that is left is shared by what is left.
        deadline = time.monotonic() + max(end - time.monotonic(), 0.0) / (len(todo) - number)
        mount = holder(table, os.path.realpath(path)) if path in points else None
        if mount is None:
            biggest[path] = biggest_below(path, deadline=deadline, most=wanted.most)
            continue
        system = next((one for one in systems if mount.number in one.numbers), FileSystem(mount, frozenset({mount.number})))
        seen, biggest[path] = look_below(path, system, table=table, deleted=deleted, deadline=deadline, most=wanted.most)
        found.append(seen)
    return found, biggest


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
