# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge how full a file system is.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.findings import CRITICAL, NOT_APPLICABLE, OK, WARNING, Finding, Skipped, judge
from ..._core.judging import Judged, judge_look
from ..._core.recorded import Basis
from .growth import Trend, judge_growth
from .taken import SHOWN, Below, Holder, said_of_entries, said_of_holders, said_of_space

#: The checks that say whether there is room.
ROOM = ("disk_space", "disk_inodes")
#: Whether it can be written to at all.
WRITABLE = "disk_writable"
#: The checks that say whether a service can go on writing: what is asked where a call names none.
DECISIVE = (*ROOM, WRITABLE)
CHECKS = (*DECISIVE, "disk_growth", "deleted_open")
#: A file system that fills up is not an incident before it is critical.
GOOD = (OK, WARNING)
#: What whoever cannot look at others' processes needs.
SEE_PROCESSES = "Run with become: true, as root. Without root it takes CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE, in a container the latter."
#: So many of the kernel's last lines, and so much of each, stand in the finding itself.
_LINES_SHOWN, _MOST_OF_A_LINE = 2, 100
#: Why a check does not apply.
ABSENT = {
    "no_total": "the file system states no total",
    "not_of_this_host": "another user's or a lost mount without a device of this host",
}


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


class Space(t.NamedTuple):
    """The part of os.statvfs() that is used here, as data."""

    f_frsize: int
    f_blocks: int
    f_bavail: int
    f_files: int
    f_favail: int

    @classmethod
    def of(cls, usage: Usage) -> Space:
        """These numbers of a file system."""
        return cls(usage.f_frsize, usage.f_blocks, usage.f_bavail, usage.f_files, usage.f_favail)


def judge_disk(path: str, usage: Usage, *, warning: float, critical: float) -> tuple[list[Finding], list[Skipped]]:
    """Used space and inodes of a file system in percent, and what of them it does not have.

    Args:
        path: what the finding is about.
        warning, critical: percent.
    """
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    detail = {"size": usage.f_blocks * usage.f_frsize, "available": usage.f_bavail * usage.f_frsize}
    for check, total, available, hint, found in (
        ("disk_space", usage.f_blocks, usage.f_bavail, "Free space there, or give it more; a full disk stops the server.", detail),
        ("disk_inodes", usage.f_files, usage.f_favail, "Remove files there, however small: without inodes no file can be made.", {}),
    ):
        if not total:
            skipped.append(Skipped(check, f"no_total: {path}: {ABSENT['no_total']}.", kind=NOT_APPLICABLE))
            continue
        percent = round(100.0 * (total - available) / total, 1)
        findings.append(judge(check, percent, warning=warning, critical=critical, unit="percent", hint=hint, subject=path, detail=found))
    return findings, skipped


@dataclasses.dataclass(frozen=True)
class PointSeen:
    """What was seen at one mount point.

    Attributes:
        space: None where it could not be entered.
        trouble: why it could not be.
        grant: what lets us enter it; empty where no right is missing.
        elsewhere: see judge_points().
        kernel: see judge_writable().
        left: free bytes at the first and at the second look, and the seconds between them; None where it was looked at once.
        again: why it could not be looked at a second time.
        trend: what earlier samples say of it; None where none are kept.
    """

    point: str
    space: t.Optional[Space] = None
    trouble: str = ""
    grant: str = ""
    elsewhere: bool = False
    read_only: bool = False
    kernel: tuple[str, ...] = ()
    left: t.Optional[tuple[float, float, float]] = None
    again: str = ""
    trend: t.Optional[Trend] = None


@dataclasses.dataclass(frozen=True)
class DeletedSeen:
    """Files that are deleted and still open: the biggest, the bytes of all, and whether every process could be looked at."""

    files: t.Sequence[t.Mapping[str, t.Any]]
    total: int
    complete: bool


def judge_points(
    seen: t.Sequence[PointSeen], *, warning: float, critical: float, full_within: float,
) -> tuple[list[Finding], list[Skipped]]:
    """Space, inodes, growth of file systems, and whether they can be written to.

    Args:
        seen: those `elsewhere` are points that nobody named and that no device of this host holds, such as FUSE and overlay mounts. One
            that cannot be entered is another user's or lost, and says nothing of this host's disks.
        warning, critical: percent.
        full_within: seconds; a file system that would be full by then at its present growth is a warning.
    """
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    for one in seen:
        if one.space is None:
            skipped += [_not_entered(check, one) for check in DECISIVE]
            continue
        found, absent = judge_disk(one.point, one.space, warning=warning, critical=critical)
        findings += found
        skipped += absent
        findings.append(judge_writable(one.point, read_only=one.read_only, kernel=one.kernel))
    for one in seen:
        if one.again:
            skipped.append(Skipped("disk_growth", f"unreadable: {one.point}: {one.again}"))
        elif one.space is not None and one.trend is not None:
            told = judge_growth(
                one.point, one.space.f_bavail * one.space.f_frsize, one.trend, full_within=full_within, present=_present(one),
            )
            if isinstance(told, Finding):
                findings.append(told)
            else:
                skipped.append(told)
    return findings, skipped


def _present(one: PointSeen) -> t.Optional[float]:
    """Bytes per second between two looks."""
    if one.left is None:
        return None
    before, after, seconds = one.left
    return round(max(before - after, 0.0) / max(seconds, 1e-3))


def judge_survey(
    seen: t.Sequence[PointSeen], deleted: DeletedSeen, *, warning: float, critical: float, full_within: float,
    deleted_warning_bytes: int, asked: t.Optional[t.Sequence[str]], below: t.Sequence[Below] = (),
) -> Judged:
    """The verdict on a host's disks; see judge_points().

    Args:
        asked: the checks that must be answered.
        below: what was found on file systems that have no room.
    """
    findings, skipped = judge_points(seen, warning=warning, critical=critical, full_within=full_within)
    by_point = {one.point: one for one in below}
    findings = [_with_culprits(one, by_point[one.subject]) if one.subject in by_point else one for one in findings]
    holders = [Holder(str(one["process"]), int(one["pid"]), str(one["path"]), int(one["bytes"])) for one in deleted.files[:SHOWN]]
    findings.append(judge(
        "deleted_open", deleted.total, warning=deleted_warning_bytes, unit="bytes",
        hint=f"{said_of_holders(holders)}. Restart a process that holds them, or make it reopen its log: the space comes back when it "
             "closes them.",
        detail={"files": list(deleted.files[:SHOWN])},
    ))
    if not deleted.complete:
        skipped.append(Skipped("deleted_open", "not_permitted: other users' processes cannot be looked at.", hint=SEE_PROCESSES))
    return Judged(judge_look(findings, skipped, asked=asked, good=GOOD), basis=Basis("disk_survey", {
        "seen": seen, "deleted": deleted, "warning": warning, "critical": critical, "full_within": full_within,
        "deleted_warning_bytes": deleted_warning_bytes, "asked": asked, "below": below,
    }))


def _with_culprits(finding: Finding, below: Below) -> Finding:
    """A finding on room that names who takes it."""
    if finding.check not in ROOM or finding.status == OK:
        return finding
    said = said_of_space(below) if finding.check == ROOM[0] else said_of_entries(below)
    return dataclasses.replace(finding, hint=f"{said} {finding.hint}".strip())


def _not_entered(check: str, one: PointSeen) -> Skipped:
    if one.elsewhere:
        return Skipped(check, f"not_of_this_host: {one.point}: {ABSENT['not_of_this_host']} ({one.trouble}).", kind=NOT_APPLICABLE)
    if one.grant:
        return Skipped(check, f"not_permitted: {one.point}: {one.trouble}", f"Allow {one.grant}, or run with become: true.")
    return Skipped(check, f"unreadable: {one.point}: {one.trouble}", "Name a path that is there, and mount what belongs there.")


def judge_path(seen: PointSeen, *, warning: float, critical: float, asked: t.Optional[t.Sequence[str]]) -> Judged:
    """The verdict on the file system of one path.

    Args:
        seen: the path itself, and no directory above it: that may be another file system.
        warning, critical: percent.
        asked: the checks that must be answered.
    """
    findings, skipped = judge_points([seen], warning=warning, critical=critical, full_within=0.0)
    return Judged(judge_look(findings, skipped, asked=asked, good=GOOD), {"path": seen.point}, Basis("disk_health", {
        "seen": seen, "warning": warning, "critical": critical, "asked": asked,
    }))


def judge_writable(path: str, *, read_only: bool, kernel: t.Sequence[str] = ()) -> Finding:
    """Whether a file system that is to be written to can be.

    Args:
        kernel: the kernel's last words about it.
    """
    if not read_only:
        return Finding(WRITABLE, OK, observed=True, subject=path)
    last = "; ".join(line[:_MOST_OF_A_LINE] for line in kernel[-_LINES_SHOWN:])
    hint = (
        f"It is read-only, so every write fails. {f'The kernel said last: {last}. ' if last else ''}"
        "After an error the kernel makes it so: look at the disk, then check and remount it."
    )
    return Finding(WRITABLE, CRITICAL, observed=False, subject=path, hint=hint, detail={"kernel": list(kernel)} if kernel else {})


def told(findings: t.Iterable[Finding]) -> dict[str, t.Any]:
    """What a survey means for a runbook: which file systems are full, and the same as a sentence."""
    full = [finding for finding in findings if finding.check in ROOM and finding.status == CRITICAL]
    points = list(dict.fromkeys(finding.subject for finding in full))
    most = max((finding.observed for finding in full), default=0)
    return {"full": points, "full_reason": f"{', '.join(points)} is at {most} percent." if full else ""}
