# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fills a host's disks: file systems, growth, files that are deleted and still open, what is biggest.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import functools
import heapq
import os
import stat
import time
import typing as t

from .._core.durations import format_duration
from .._core.findings import NOT_APPLICABLE, Finding, Skipped, judge
from .._module.programs import run
from .decisions.disk import ABSENT, DECISIVE, Mount, judge_disk, judge_writable, unescaped
from .processes import look_at, stat_of

#: File systems that hold nobody's data, or the network's.
_NOT_OURS = frozenset({
    "autofs", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs", "fuse.gvfsd-fuse", "fuse.lxcfs",
    "fuse.portal", "fusectl", "hugetlbfs", "iso9660", "mqueue", "nsfs", "proc", "pstore", "ramfs", "rpc_pipefs", "securityfs",
    "squashfs", "sysfs", "tracefs", "nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs",
})
#: Kernel messages that are told with a file system that became read-only, and the time to read them: seconds.
_MOST_LINES, _KERNEL_SECONDS = 5, 5.0


def mounts(*, text: str) -> list[Mount]:
    """The file systems of /proc/self/mounts that may be anybody's data: local, and each once.

    Args:
        text: of /proc/self/mounts.
    """
    found: dict[str, Mount] = {}
    for line in text.splitlines():
        parts = line.split()
        if len(parts) < 4 or parts[2] in _NOT_OURS:
            continue
        point = unescaped(parts[1])
        # Binds of one device are one file system: the shortest path names it, and one that can be written to goes first.
        mount = Mount(point, parts[2], parts[0], "ro" in parts[3].split(","))
        key = parts[0] if mount.on_device else f"{parts[0]}:{point}"
        if key not in found or (mount.read_only, len(point)) < (found[key].read_only, len(found[key].point)):
            found[key] = mount
    return sorted(found.values())


def look(
    points: t.Sequence[str], *, warning: float, critical: float, sample: float, full_within: float, elsewhere: t.Collection[str] = (),
    statvfs: t.Callable[[str], t.Any] = os.statvfs, sleep: t.Callable[[float], None] = time.sleep,
    kernel: t.Optional[t.Callable[[str], t.Sequence[str]]] = None,
) -> tuple[list[Finding], list[Skipped]]:
    """Space, inodes, growth of file systems, and whether they can be written to.

    Args:
        warning, critical: percent.
        sample: seconds between two looks; 0 looks once and judges no growth.
        full_within: seconds; a file system that would be full by then at its present growth is a warning.
        elsewhere: those points that nobody named and that no device of this host holds, such as FUSE and overlay mounts. One that
            cannot be entered is another user's or lost, and says nothing of this host's disks.
        kernel: what the kernel said about a mount point last; what dmesg(1) prints by default.
    """
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    first: dict[str, tuple[float, float]] = {}
    for point in points:
        try:
            usage = statvfs(point)
        except OSError as exc:
            skipped += [_not_entered(check, point, exc, elsewhere=point in elsewhere) for check in DECISIVE]
            continue
        found, absent = judge_disk(point, usage, warning=warning, critical=critical)
        findings += found
        skipped += absent
        read_only = bool(usage.f_flag & os.ST_RDONLY)
        findings.append(judge_writable(point, read_only=read_only, kernel=functools.partial(kernel or kernel_words, point)))
        first[point] = (time.monotonic(), float(usage.f_bavail * usage.f_frsize))
    if sample > 0 and first:
        sleep(sample)
        for point, (then, before) in first.items():
            try:
                usage = statvfs(point)
            except OSError as exc:
                skipped.append(Skipped("disk_growth", f"unreadable: {point}: {exc.strerror}"))
                continue
            findings.append(growth(point, before=before, after=float(usage.f_bavail * usage.f_frsize), seconds=time.monotonic() - then,
                                   full_within=full_within))
    return findings, skipped


def _not_entered(check: str, point: str, exc: OSError, *, elsewhere: bool) -> Skipped:
    if elsewhere:
        return Skipped(check, f"not_of_this_host: {point}: {ABSENT['not_of_this_host']} ({exc.strerror}).", kind=NOT_APPLICABLE)
    return Skipped(check, f"unreadable: {point}: {exc.strerror}", "Is it mounted, and may we enter it?")


def kernel_words(point: str) -> list[str]:
    """The last errors of the kernel that name the device of a mount point; none where they may not be read."""
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
        devices = {os.path.basename(one.device) for one in mounts(text=file.read()) if one.point == point}
    said = run(["dmesg", "--notime", "--level", "emerg,alert,crit,err,warn"], seconds=_KERNEL_SECONDS).out
    return [line.strip()[:300] for line in said.splitlines() if any(name and name in line for name in devices)][-_MOST_LINES:]


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
            deleted = look_at(f"{proc}/{pid}", _deleted_of)
        except PermissionError:
            complete = False
            continue
        except OSError:
            continue  # it ended meanwhile
        for key, entry in deleted:
            found.setdefault(key, {**entry, "pid": int(pid)})
    files = sorted(found.values(), key=lambda entry: -entry["bytes"])
    return files[:most], sum(entry["bytes"] for entry in files), complete


def _deleted_of(process: str) -> list[tuple[tuple[int, int], dict[str, t.Any]]]:
    """The deleted files that a process has open, by device and inode."""
    found = []
    names = os.listdir(f"{process}/fd")
    with open(f"{process}/comm", encoding="utf-8", errors="replace") as comm:
        command = comm.read().strip()
    for number in names:
        there = stat_of(f"{process}/fd/{number}")
        if there is None or not stat.S_ISREG(there.st_mode) or there.st_nlink:
            continue
        try:
            path = os.readlink(f"{process}/fd/{number}")
        except FileNotFoundError:
            continue
        if not path.startswith(("/memfd:", "/dev/shm/")):
            name = path[: -len(" (deleted)")] if path.endswith(" (deleted)") else path
            found.append(((there.st_dev, there.st_ino), {"path": name, "process": command, "bytes": there.st_blocks * 512}))
    return found


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
