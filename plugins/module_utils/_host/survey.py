# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fills a host's disks: file systems, growth, files that are deleted and still open.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import os
import re
import stat
import time
import typing as t

from .._core.findings import Finding, Skipped
from .._module.programs import run
from .decisions.disk import PointSeen, Space, judge_points
from .decisions.mounts import Mount, holder
from .processes import look_at, stat_of

#: Kernel messages that are told with a file system that became read-only, and the time to read them: seconds.
_MOST_LINES, _KERNEL_SECONDS = 5, 5.0


def seen_at(
    points: t.Sequence[str], *, sample: float, table: t.Sequence[Mount] = (), elsewhere: t.Collection[str] = (),
    statvfs: t.Callable[[str], t.Any] = os.statvfs, sleep: t.Callable[[float], None] = time.sleep,
    kernel: t.Optional[t.Callable[[t.Optional[Mount]], t.Sequence[str]]] = None,
) -> list[PointSeen]:
    """Look at mount points.

    Args:
        sample: seconds between two looks; 0 looks once, and no growth is seen.
        table: what is mounted.
        elsewhere: see judge_points().
        kernel: what the kernel said about a mount last; what dmesg(1) prints by default.
    """
    found: list[PointSeen] = []
    began: dict[str, float] = {}
    for point in points:
        try:
            usage = statvfs(point)
        except OSError as exc:
            found.append(PointSeen(point, trouble=str(exc.strerror), grant=_missing_at(point, exc), elsewhere=point in elsewhere))
            continue
        mount = holder(table, os.path.realpath(point))
        # Since Linux 6.12 an error of ext4 stops every write, and statvfs(2) does not tell.
        read_only = bool(usage.f_flag & os.ST_RDONLY) or bool(mount and mount.failed)
        found.append(PointSeen(
            point, Space.of(usage), read_only=read_only, kernel=tuple((kernel or kernel_words)(mount)) if read_only else (),
        ))
        began[point] = time.monotonic()
    if sample <= 0 or not began:
        return found
    sleep(sample)
    return [one if one.space is None else _again(one, statvfs, began[one.point]) for one in found]


def _missing_at(path: str, exc: OSError) -> str:
    """The right that is missing where a path was refused: the last directory on the way to it that can be reached may not be searched."""
    if not isinstance(exc, PermissionError):
        return ""
    place = os.path.dirname(os.path.realpath(path))
    while place != os.path.dirname(place) and not os.path.exists(place):
        place = os.path.dirname(place)
    return f"search of the directory {place}"


def _again(one: PointSeen, statvfs: t.Callable[[str], t.Any], began: float) -> PointSeen:
    try:
        now = Space.of(statvfs(one.point))
    except OSError as exc:
        return dataclasses.replace(one, again=str(exc.strerror))
    before, after = (float(space.f_bavail * space.f_frsize) for space in (one.space or now, now))
    return dataclasses.replace(one, left=(before, after, time.monotonic() - began))


def look(
    points: t.Sequence[str], *, warning: float, critical: float, sample: float, full_within: float, elsewhere: t.Collection[str] = (),
    statvfs: t.Callable[[str], t.Any] = os.statvfs, sleep: t.Callable[[float], None] = time.sleep,
    kernel: t.Optional[t.Callable[[t.Optional[Mount]], t.Sequence[str]]] = None,
) -> tuple[list[Finding], list[Skipped]]:
    """Look at mount points, and judge them: see seen_at() and judge_points()."""
    seen = seen_at(points, sample=sample, elsewhere=elsewhere, statvfs=statvfs, sleep=sleep, kernel=kernel)
    return judge_points(seen, warning=warning, critical=critical, full_within=full_within)


def kernel_words(mount: t.Optional[Mount]) -> list[str]:
    """The last errors of the kernel that name the device of a mount, or the disk that it is a part of; none where they may not be read."""
    names = _names_of(mount) if mount is not None and mount.on_device else set()
    if not names:
        return []
    named = re.compile(rf"\b({'|'.join(map(re.escape, sorted(names)))})\b")
    said = run(["dmesg", "--notime", "--level", "emerg,alert,crit,err,warn"], seconds=_KERNEL_SECONDS).out
    return [line.strip()[:300] for line in said.splitlines() if named.search(line)][-_MOST_LINES:]


def _names_of(mount: Mount) -> set[str]:
    """What the kernel calls the device of a mount: /dev/mapper/data is dm-0 to it, and an error of sda1 may be told of sda."""
    names = {os.path.basename(mount.device), os.path.basename(os.path.realpath(mount.device))}
    node = os.path.realpath(f"/sys/dev/block/{mount.number}")
    if os.path.isdir(node):
        names.add(os.path.basename(node))
        if os.path.exists(f"{node}/partition"):
            names.add(os.path.basename(os.path.dirname(node)))
    return names - {"", "root"}


def deleted_open(*, proc: str = "/proc") -> tuple[list[dict[str, t.Any]], bool]:
    """Files that are deleted and still open: space that nobody sees, given back when their process closes them.

    Returns:
        All of them, the biggest first, and whether every process could be looked at.
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
    return sorted(found.values(), key=lambda entry: -entry["bytes"]), complete


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
            found.append(((there.st_dev, there.st_ino), {
                "path": name, "process": command, "bytes": there.st_blocks * 512,
                "device": f"{os.major(there.st_dev)}:{os.minor(there.st_dev)}",
            }))
    return found
