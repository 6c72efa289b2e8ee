# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fills a host's disks: file systems, growth, files that are deleted and still open, what is biggest.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import heapq
import os
import re
import stat
import time
import typing as t

from .._core.durations import format_duration
from .._core.findings import Finding, Skipped, judge
from .decisions.disk import judge_disk

#: File systems that hold nobody's data, or the network's.
_NOT_OURS = frozenset({
    "autofs", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs", "fuse.gvfsd-fuse", "fuse.lxcfs",
    "fuse.portal", "fusectl", "hugetlbfs", "iso9660", "mqueue", "nsfs", "proc", "pstore", "ramfs", "rpc_pipefs", "securityfs",
    "squashfs", "sysfs", "tracefs", "nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs",
})
_OCTAL = re.compile(r"\\([0-7]{3})")


def mounts(*, text: str) -> list[tuple[str, str]]:
    """The mount points and types of /proc/self/mounts that may fill up: local, and each file system once.

    Args:
        text: of /proc/self/mounts; blanks in it are written \\040 (fstab(5)).
    """
    found: dict[str, tuple[str, str]] = {}
    for line in text.splitlines():
        parts = line.split()
        if len(parts) < 4 or parts[2] in _NOT_OURS or "ro" in parts[3].split(","):
            continue
        point = _OCTAL.sub(lambda hit: chr(int(hit.group(1), 8)), parts[1])
        # Binds of one device are one file system: the shortest path names it.
        key = parts[0] if parts[0].startswith("/") else f"{parts[0]}:{point}"
        if key not in found or len(point) < len(found[key][0]):
            found[key] = (point, parts[2])
    return sorted(found.values())


def look(
    points: t.Sequence[str], *, warning: float, critical: float, sample: float, full_within: float,
    statvfs: t.Callable[[str], t.Any] = os.statvfs, sleep: t.Callable[[float], None] = time.sleep,
) -> tuple[list[Finding], list[Skipped]]:
    """Space, inodes and growth of file systems.

    Args:
        warning, critical: percent.
        sample: seconds between two looks; 0 looks once and judges no growth.
        full_within: seconds; a file system that would be full by then at its present growth is a warning.
    """
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    first: dict[str, tuple[float, float]] = {}
    for point in points:
        try:
            usage = statvfs(point)
        except OSError as exc:
            skipped.append(Skipped("disk_space", f"{point}: {exc.strerror}"))
            continue
        seen = judge_disk(point, usage, warning=warning, critical=critical)
        findings += [Finding(**finding) for finding in seen["findings"]]
        skipped += [Skipped(**item) for item in seen["skipped_checks"]]
        first[point] = (time.monotonic(), float(usage.f_bavail * usage.f_frsize))
    if sample > 0 and first:
        sleep(sample)
        for point, (then, before) in first.items():
            try:
                usage = statvfs(point)
            except OSError:
                continue
            findings.append(growth(point, before=before, after=float(usage.f_bavail * usage.f_frsize), seconds=time.monotonic() - then,
                                   full_within=full_within))
    return findings, skipped


def growth(point: str, *, before: float, after: float, seconds: float, full_within: float) -> Finding:
    """How fast a file system fills, from its free bytes at two times."""
    rate = max(before - after, 0.0) / max(seconds, 1e-3)
    left = after / rate if rate > 0 else None
    found = judge(
        "disk_growth", round(rate), unit="bytes per second", subject=point, hint="",
        detail={"full_in_seconds": None if left is None else round(left)},
    )
    if left is None or left > full_within:
        return found
    return Finding(
        check="disk_growth", status="warning", observed=round(rate), threshold=round(after / full_within), unit="bytes per second",
        subject=point, hint=f"At this rate it is full in {format_duration(left)}: find who writes.", detail=found.detail,
    )


def deleted_open(*, proc: str = "/proc", most: int = 20) -> tuple[list[dict[str, t.Any]], int, bool]:
    """Files that are deleted and still open: space that nobody sees, given back when their process closes them.

    Returns:
        The biggest of them, the bytes of all, and whether every process could be looked at.
    """
    found: dict[tuple[int, int], dict[str, t.Any]] = {}
    complete = True
    for pid in filter(str.isdigit, os.listdir(proc)):
        try:
            descriptors = os.listdir(f"{proc}/{pid}/fd")
            with open(f"{proc}/{pid}/comm", encoding="utf-8", errors="replace") as comm:
                command = comm.read().strip()
        except PermissionError:
            complete = False
            continue
        except OSError:
            continue
        for number in descriptors:
            try:
                there = os.stat(f"{proc}/{pid}/fd/{number}")
                path = os.readlink(f"{proc}/{pid}/fd/{number}")
            except OSError:
                continue
            if stat.S_ISREG(there.st_mode) and there.st_nlink == 0 and not path.startswith(("/memfd:", "/dev/shm/")):
                name = path[: -len(" (deleted)")] if path.endswith(" (deleted)") else path
                found.setdefault((there.st_dev, there.st_ino), {
                    "path": name, "pid": int(pid), "process": command, "bytes": there.st_blocks * 512,
                })
    files = sorted(found.values(), key=lambda entry: -entry["bytes"])
    return files[:most], sum(entry["bytes"] for entry in files), complete


def biggest(path: str, *, deadline: float, most: int = 20, clock: t.Callable[[], float] = time.monotonic) -> dict[str, t.Any]:
    """The biggest files and directories below a path, on its file system, as far as the time goes.

    Args:
        deadline: of `clock`, seconds.

    Returns:
        files and directories (path, bytes), `entries` looked at, and `complete`: whether the walk came to its end.
    """
    files: list[tuple[int, str]] = []
    directories: list[tuple[int, str]] = []
    totals: dict[str, int] = {}
    seen: set[tuple[int, int]] = set()
    entries = 0
    try:
        device = os.lstat(path).st_dev
    except OSError as exc:
        return {"files": [], "directories": [], "entries": 0, "complete": False, "why": str(exc.strerror)}
    complete = True
    waiting = [path]
    while waiting:
        if clock() > deadline:
            complete = False
            break
        current = waiting.pop()
        try:
            listing = list(os.scandir(current))
        except OSError:
            continue
        own = 0
        for entry in listing:
            entries += 1
            try:
                there = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISDIR(there.st_mode):
                if there.st_dev == device:
                    waiting.append(entry.path)
            elif stat.S_ISREG(there.st_mode) and (there.st_dev, there.st_ino) not in seen:
                if there.st_nlink > 1:
                    seen.add((there.st_dev, there.st_ino))
                size = there.st_blocks * 512
                own += size
                _push(files, (size, entry.path), most)
        totals[current] = own
    # A directory counts with all below it; the deepest first, so that each is complete before its parent.
    for current in sorted(totals, key=lambda name: -name.count("/")):
        above = os.path.dirname(current)
        if current != path and above in totals:
            totals[above] += totals[current]
    for current, size in totals.items():
        _push(directories, (size, current), most)
    return {
        "files": _listed(files), "directories": _listed(directories), "entries": entries, "complete": complete,
    }


def _push(heap: list[tuple[int, str]], item: tuple[int, str], most: int) -> None:
    if len(heap) < most:
        heapq.heappush(heap, item)
    else:
        heapq.heappushpop(heap, item)


def _listed(heap: t.Sequence[tuple[int, str]]) -> list[dict[str, t.Any]]:
    return [{"path": path, "bytes": size} for size, path in sorted(heap, reverse=True)]
