# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole look at a host's disks, once or until there is room.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from .._core.errors import BadInput
from .._core.findings import Finding, Skipped, judge, verdict, worst
from .._core.waiting import Pace, follow
from . import survey as parts
from .decisions.disk import room


@dataclasses.dataclass(frozen=True)
class Survey:
    """What to look at; times in seconds."""

    file_systems: t.Sequence[str]
    warning_percent: float
    critical_percent: float
    sample: float
    full_within: float
    deleted_warning_bytes: int
    look_below: t.Sequence[str]
    look_for: float
    most: int


def survey(asked: Survey) -> dict[str, t.Any]:
    """One look.

    Raises:
        BadInput: no file system is left to judge.
    """
    points = list(asked.file_systems) or [point for point, _kind in parts.mounts(text=_mounts())]
    if not points:
        raise BadInput("No local file system that can be written to was found.", hint="Name them with file_systems.")
    findings, skipped = parts.look(
        points, warning=asked.warning_percent, critical=asked.critical_percent, sample=asked.sample, full_within=asked.full_within,
    )
    deleted, total, complete = parts.deleted_open(most=asked.most)
    findings.append(judge(
        "deleted_open", total, warning=asked.deleted_warning_bytes, unit="bytes",
        hint="Restart, or make reopen its log, the process that holds them: the space comes back when it closes them.",
        detail={"files": deleted[:3]},
    ))
    if not complete:
        skipped.append(Skipped("deleted_open", "not_permitted: other users' processes cannot be looked at.", hint="Run with become: true."))
    biggest: dict[str, t.Any] = {}
    end = time.monotonic() + asked.look_for
    for number, path in enumerate(asked.look_below):
        # The time that is left is shared by the directories that are left.
        share = max(end - time.monotonic(), 0.0) / (len(asked.look_below) - number)
        biggest[path] = parts.biggest(path, deadline=time.monotonic() + share, most=asked.most)
    return {
        **verdict(findings, skipped), "checks": checks(findings), "deleted": deleted, "biggest": biggest,
    }


def checks(findings: t.Sequence[Finding]) -> dict[str, str]:
    """The worst status of each check."""
    names = dict.fromkeys(finding.check for finding in findings)
    return {name: worst(finding.status for finding in findings if finding.check == name) for name in names}


def watch_room(
    asked: Survey, *, pace: Pace, clock: t.Callable[[], float] = time.monotonic, sleep: t.Callable[[float], None] = time.sleep,
) -> dict[str, t.Any]:
    """Look until every file system has room, and keeps it, or the time is up."""
    quick = dataclasses.replace(asked, sample=0.0, look_below=())
    watched = follow(lambda _left: survey(quick), room, pace=pace, full=lambda: survey(asked), clock=clock, sleep=sleep)
    return {**watched.last, **watched.as_dict()}


def _mounts() -> str:
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
        return file.read()
