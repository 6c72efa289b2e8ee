# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look below a directory: what takes the bytes, what takes the entries, and what a mount hides.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import heapq
import os
import stat
import time
import typing as t

from .decisions.mounts import FileSystem, Mount, within
from .decisions.taken import SHOWN, Below, Holder, Taker, culprits, summed, without

#: open_tree(2), which has this number on every architecture but Alpha, and its flag: a copy of one mount, without those below it.
_OPEN_TREE, _CLONE, _HERE = 428, 1, -100
#: So many entries are read between two looks at the clock.
_STRIDE = 1000

Clock = t.Callable[[], float]


@dataclasses.dataclass
class Walk:
    """What a walk found.

    Attributes:
        sizes, counts: of each directory, bytes of its own files and its own entries.
        files: the biggest, each with its size; a heap.
        bytes: of all that is there, directories too.
        refused: directories that may not be read.
        why: why there was no walk.
    """

    sizes: dict[str, int] = dataclasses.field(default_factory=dict)
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    files: list[tuple[int, str]] = dataclasses.field(default_factory=list)
    bytes: int = 0
    entries: int = 0
    refused: int = 0
    complete: bool = True
    why: str = ""


def biggest(path: str, *, deadline: float, most: int = 20, clock: Clock = time.monotonic) -> dict[str, t.Any]:
    """The biggest files and directories below a path, on its file system, as far as the time goes.

    Args:
        deadline: of `clock`, seconds.

    Returns:
        files and directories (path, bytes), directories that are `crowded` (path, entries), how many `entries` were looked at, and
        `complete`: whether the walk came to its end.
    """
    return _told(walk(path, shown=path, one_device=True, deadline=deadline, most=most, clock=clock), top=path, most=most)


def below(
    point: str, system: FileSystem, *, table: t.Sequence[Mount], deleted: t.Sequence[t.Mapping[str, t.Any]], deadline: float, most: int,
) -> tuple[Below, dict[str, t.Any]]:
    """What takes the space of a file system, wherever on it.

    Args:
        point: the path that was judged.
        table: what is mounted.
        deleted: from deleted_open(), all of them.

    Returns:
        The same for its finding, and for the result as of biggest(), with what is hidden and what nobody accounts for.
    """
    # A mount of the whole file system, wherever one is: another may show a directory of it only.
    mount = min((one for one in table if one.number == system.mount.number), key=lambda one: len(one.root), default=system.mount)
    points = sorted({one.point for one in table if one.point != mount.point and within(one.point, mount.point)})
    usage = os.statvfs(mount.point)
    with _bare(mount.point) as (base, refusal):
        walked = walk(base, shown=mount.point, one_device=bool(refusal), deadline=deadline, most=most)
    own = [one for one in deleted if one["device"] in system.numbers]
    sums = summed(walked.sizes, top=mount.point)
    hidden = [Taker(one, sums[one]) for one in points if sums.get(one)]
    covered = [one.path for one in hidden]
    files = [(size, path) for size, path in walked.files if not any(within(path, one) for one in covered)]
    seen = Below(
        point, size=usage.f_blocks * usage.f_frsize, used=(usage.f_blocks - usage.f_bfree) * usage.f_frsize, found=walked.bytes,
        biggest=tuple(culprits(summed(without(walked.sizes, covered), top=mount.point), files, top=mount.point)),
        crowded=tuple(culprits(summed(walked.counts, top=mount.point), (), top=mount.point)),
        hidden=tuple(sorted(hidden, key=lambda one: -one.amount)[:SHOWN]),
        deleted=tuple(Holder(one["process"], one["pid"], one["path"], one["bytes"]) for one in own[:SHOWN]),
        deleted_bytes=sum(one["bytes"] for one in own), trouble=_trouble(walked, mount, refusal if points else ""),
    )
    return seen, {
        **_told(walked, top=mount.point, most=most), "hidden": [{"path": one.path, "bytes": one.amount} for one in hidden[:most]],
        "deleted": seen.deleted_bytes, "unaccounted": seen.unaccounted, "why": walked.why or seen.trouble,
    }


def _trouble(walked: Walk, mount: Mount, refusal: str) -> str:
    if walked.why:
        return f"{mount.point} ({walked.why})"
    if not walked.complete:
        return f"what comes after {walked.entries:,} entries, since look_for was over"
    if walked.refused:
        return f"{walked.refused:,} directories that may not be read"
    if refusal:
        return f"what is under mount points ({refusal})"
    if mount.root != "/" and mount.kind != "btrfs":
        return f"all but {mount.root} of this file system, which is not mounted here"
    return "what is outside this container" if mount.kind == "overlay" else ""


@contextlib.contextmanager
def _bare(point: str) -> t.Iterator[tuple[str, str]]:
    """A path by which a file system is seen without what is mounted below it, and why there is none: the path is the point then.

    The copy of the mount belongs to this process alone, is attached nowhere, and goes with its descriptor.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.syscall(_OPEN_TREE, _HERE, os.fsencode(point), _CLONE | os.O_CLOEXEC)
    if handle < 0:
        yield point, os.strerror(ctypes.get_errno())
        return
    try:
        yield f"/proc/self/fd/{handle}", ""
    finally:
        os.close(handle)


def walk(base: str, *, shown: str, one_device: bool, deadline: float, most: int, clock: Clock = time.monotonic) -> Walk:
    """Look at everything below a directory.

    Args:
        base: where it is reached.
        shown: what it is called.
        one_device: what is on another file system is passed over.
        deadline: of `clock`, seconds.
        most: how many files are named.
    """
    found = Walk()
    twice: set[tuple[int, int]] = set()
    try:
        top = os.stat(base)
    except OSError as exc:
        return Walk(complete=False, why=str(exc.strerror))
    found.bytes = top.st_blocks * 512
    waiting = [(base, shown)]
    while waiting:
        path, name = waiting.pop()
        prefix = name.rstrip("/")
        found.sizes[name] = found.counts[name] = 0
        try:
            with os.scandir(path) as listing:
                for entry in listing:
                    if found.entries % _STRIDE == 0 and clock() > deadline:
                        found.complete = False
                        return found
                    found.entries += 1
                    found.counts[name] += 1
                    try:
                        there = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue
                    size = there.st_blocks * 512
                    if stat.S_ISDIR(there.st_mode):
                        if there.st_dev == top.st_dev or not one_device:
                            found.bytes += size
                            waiting.append((f"{path}/{entry.name}", f"{prefix}/{entry.name}"))
                        continue
                    if there.st_nlink > 1:
                        if (there.st_dev, there.st_ino) in twice:
                            continue
                        twice.add((there.st_dev, there.st_ino))
                    found.bytes += size
                    if stat.S_ISREG(there.st_mode):
                        found.sizes[name] += size
                        _push(found.files, (size, f"{prefix}/{entry.name}"), most)
        except NotADirectoryError:
            continue
        except PermissionError:
            found.refused += 1
        except OSError:
            continue  # it went meanwhile
    return found


def _told(walked: Walk, *, top: str, most: int) -> dict[str, t.Any]:
    """A walk for the result."""
    directories = heapq.nlargest(most, ((size, path) for path, size in summed(walked.sizes, top=top).items()))
    crowded = heapq.nlargest(most, ((count, path) for path, count in walked.counts.items()))
    return {
        "files": [{"path": path, "bytes": size} for size, path in sorted(walked.files, reverse=True)],
        "directories": [{"path": path, "bytes": size} for size, path in directories],
        "crowded": [{"path": path, "entries": count} for count, path in crowded],
        "entries": walked.entries, "complete": walked.complete, **({"why": walked.why} if walked.why else {}),
    }


def _push(heap: list[tuple[int, str]], item: tuple[int, str], most: int) -> None:
    if len(heap) < most:
        heapq.heappush(heap, item)
    else:
        heapq.heappushpop(heap, item)
