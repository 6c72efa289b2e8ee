# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes the space of a full file system, in a sentence of the finding itself.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import heapq
import posixpath
import typing as t

from ..._core.words import format_bytes
from .mounts import within

#: So many culprits are named, and so much of a path.
SHOWN, _MOST_OF_A_PATH = 3, 80
#: What a file system may use for itself: its journal, its tables, what it holds back. Less than this share is not missed.
_OWN_SHARE = 0.03
#: A part of a directory that takes this share of it is named in its place, if such parts take half of it together.
_PART, _TOGETHER = 0.25, 0.5


class Taker(t.NamedTuple):
    """A file or a directory with all below it: bytes, or entries."""

    path: str
    amount: int


@dataclasses.dataclass(frozen=True)
class Holder:
    """A process that keeps a deleted file."""

    process: str
    pid: int
    path: str
    bytes: int


@dataclasses.dataclass(frozen=True)
class Below:
    """What was found below a file system that fills up.

    Attributes:
        point: the path that was judged.
        size, used: bytes of the file system.
        found: bytes of all that was found on it.
        biggest: who takes the bytes.
        crowded: who takes the entries.
        hidden: what is under mount points, by these.
        deleted: the biggest files that are deleted and still open.
        deleted_bytes: of all of them.
        trouble: what was not looked at, and why. Nobody knows then what is not accounted for.
    """

    point: str
    size: int = 0
    used: int = 0
    found: int = 0
    biggest: tuple[Taker, ...] = ()
    crowded: tuple[Taker, ...] = ()
    hidden: tuple[Taker, ...] = ()
    deleted: tuple[Holder, ...] = ()
    deleted_bytes: int = 0
    trouble: str = ""

    @property
    def unaccounted(self) -> t.Optional[int]:
        """Used bytes that neither a file nor a deleted file explains; None where not everything was looked at."""
        if self.trouble:
            return None
        missing = self.used - self.found - self.deleted_bytes
        return missing if missing > self.size * _OWN_SHARE else 0


def culprits(sums: t.Mapping[str, int], files: t.Iterable[tuple[int, str]], *, top: str, most: int = SHOWN) -> list[Taker]:
    """Who takes most: as deep as one or a few are responsible, and no deeper.

    Args:
        sums: of each directory with all below it.
        files: the biggest files, each with its size.
        top: the directory where to begin.
    """
    parts: dict[str, list[Taker]] = {}
    for path, amount in [*sums.items(), *((path, size) for size, path in files)]:
        if path != top:
            parts.setdefault(posixpath.dirname(path), []).append(Taker(path, amount))
    heap = [(-sums.get(top, 0), top)]
    found: list[Taker] = []
    while heap and len(found) < most:
        negative, path = heapq.heappop(heap)
        amount = -negative
        big = [one for one in parts.get(path, ()) if amount and one.amount >= _PART * amount]
        if path in sums and sum(one.amount for one in big) >= _TOGETHER * amount > 0:
            for one in big:
                heapq.heappush(heap, (-one.amount, one.path))
        elif amount:
            found.append(Taker(path, amount))
    return found


def summed(own: t.Mapping[str, int], *, top: str) -> dict[str, int]:
    """Each directory with all below it, from what each has itself."""
    sums = dict(own)
    # The deepest first, so that each is complete before its parent.
    for path in sorted(sums, key=lambda name: -name.count("/")):
        above = posixpath.dirname(path)
        if path != top and above in sums:
            sums[above] += sums[path]
    return sums


def without(own: t.Mapping[str, int], points: t.Collection[str]) -> dict[str, int]:
    """The directories that no mount point hides."""
    return {path: amount for path, amount in own.items() if not any(within(path, point) for point in points)}


def said_of_space(below: Below) -> str:
    """Who takes the bytes."""
    said = []
    if below.biggest:
        said.append(f"Biggest: {_named(below.biggest, format_bytes)}.")
    if below.deleted_bytes:
        said.append(f"Deleted and still open: {format_bytes(below.deleted_bytes)}, {said_of_holders(below.deleted[:2])}.")
    if below.hidden:
        said.append(f"Hidden under mount points: {_named(below.hidden, format_bytes)}.")
    if below.unaccounted:
        said.append(f"Not accounted for: {format_bytes(below.unaccounted)} (a loop device, swap, or an error of the file system).")
    return " ".join([*said, *_not_seen(below)])


def said_of_entries(below: Below) -> str:
    """Who takes the inodes."""
    said = [f"Most entries: {_named(below.crowded, '{:,}'.format)}."] if below.crowded else []
    return " ".join([*said, *_not_seen(below)])


def said_of_holders(files: t.Sequence[Holder]) -> str:
    """Who keeps deleted files."""
    return ", ".join(
        f"{one.process} (pid {one.pid}) {format_bytes(one.bytes)} of {shortened(one.path)}" for one in files[:SHOWN]
    )


def shortened(path: str) -> str:
    """A path for a line: of a long one its begin and its end."""
    if len(path) <= _MOST_OF_A_PATH:
        return path
    return f"{path[:_MOST_OF_A_PATH // 3]}...{path[-(_MOST_OF_A_PATH - _MOST_OF_A_PATH // 3 - 3):]}"


def _named(takers: t.Sequence[Taker], amount: t.Callable[[int], str]) -> str:
    return ", ".join(f"{shortened(one.path)} {amount(one.amount)}" for one in takers[:SHOWN])


def _not_seen(below: Below) -> list[str]:
    return [f"Not looked at: {below.trouble}."] if below.trouble else []
