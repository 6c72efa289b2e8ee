# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge how full a file system is.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import os.path
import typing as t

from ..._core.errors import Blind
from ..._core.findings import CRITICAL, UNKNOWN, Finding, Skipped, judge, verdict
from ..._core.recovery import status_by_check
from ..._core.waiting import Judged, of_checks

#: The checks that say whether there is room.
ROOM = ("disk_space", "disk_inodes")
#: How the reason begins of a check that a file system does not have.
NOT_APPLICABLE = "not_applicable:"


class Usage(t.Protocol):
    """What os.statvfs() returns, the part that is used here."""

    @property
    def f_frsize(self) -> int: ...

    @property
    def f_blocks(self) -> int: ...

    @property
    def f_bavail(self) -> int: ...

    @property
    def f_files(self) -> int: ...

    @property
    def f_favail(self) -> int: ...


def nearest(path: str, statvfs: t.Callable[[str], Usage]) -> tuple[str, Usage]:
    """The usage of the file system of a path, or of the nearest directory above it that can be reached.

    A data directory is closed to others, and still its file system is that of the directory around it, except where it is
    itself a mount point: then its parent's is told, and `path` in the result shows it.

    Raises:
        Blind: not even the root can be reached.
    """
    current = os.path.abspath(path)
    while True:
        try:
            return current, statvfs(current)
        except OSError as exc:
            above = os.path.dirname(current)
            if above == current:
                raise Blind(f"{path}: the file system cannot be looked at: {exc}.") from exc
            current = above


def judge_disk(path: str, usage: Usage, *, warning: float, critical: float) -> dict[str, t.Any]:
    """The verdict on a file system: used space and inodes in percent.

    Args:
        path: what the finding is about.
        warning, critical: percent.
    """
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    hint = "Free space there, or give it more; a full disk stops the server."
    detail = {"size": usage.f_blocks * usage.f_frsize, "available": usage.f_bavail * usage.f_frsize}
    for check, total, available, found in (
        ("disk_space", usage.f_blocks, usage.f_bavail, detail), ("disk_inodes", usage.f_files, usage.f_favail, {}),
    ):
        if not total:
            skipped.append(Skipped(check, f"{NOT_APPLICABLE} the file system states no total."))
            continue
        percent = round(100.0 * (total - available) / total, 1)
        findings.append(judge(check, percent, warning=warning, critical=critical, unit="percent", hint=hint, subject=path, detail=found))
    return verdict(findings, skipped)


def room(result: t.Mapping[str, t.Any]) -> Judged:
    """Whether each file system of a survey has room: not critical, in space and in inodes, where it states these.

    One that could not be looked at has none, for all that is known.
    """
    statuses = status_by_check(map(Finding.from_dict, _room(result)), map(Skipped.from_dict, _not_seen(result)))
    return of_checks([check for check in ROOM if check == ROOM[0] or check in statuses], statuses, warnings_pass=True)


def told(result: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A survey's result with what it means for a runbook: who is full, and why it is not called recovered.

    Args:
        result: of a survey; `held` and `waited` only where room was waited for.
    """
    full = _room(result, statuses=(CRITICAL,))
    means: dict[str, t.Any] = {"full": _subjects(full), "full_reason": ""}
    if full:
        most = max(finding["observed"] for finding in full)
        means["full_reason"] = f"{', '.join(means['full'])} is at {most} percent."
    if "held" in result:
        left = _subjects(_room(result, statuses=(CRITICAL, UNKNOWN)))
        blind = [str(one["reason"]) for one in _not_seen(result)]
        why = "; ".join([
            *([f"no room on {', '.join(left)}"] if left else []), *([f"could not look at {', '.join(blind)}"] if blind else []),
        ])
        means["not_recovered"] = "" if result["held"] and not why else (
            f"Not recovered within {result['waited']:.0f} s: {why or 'it did not stay so'}."
        )
    return {**result, **means}


def _room(result: t.Mapping[str, t.Any], *, statuses: t.Optional[t.Collection[str]] = None) -> list[t.Mapping[str, t.Any]]:
    return [
        finding for finding in result["findings"] if finding["check"] in ROOM and (statuses is None or finding["status"] in statuses)
    ]


def _not_seen(result: t.Mapping[str, t.Any]) -> list[t.Mapping[str, t.Any]]:
    return [
        one for one in result["skipped_checks"] if one["check"] in ROOM and not str(one["reason"]).startswith(NOT_APPLICABLE)
    ]


def _subjects(findings: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    return list(dict.fromkeys(str(finding["subject"]) for finding in findings))
