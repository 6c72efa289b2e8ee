# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a Redis server that could not save can save now, by what is measured of its directory.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core import why

#: A dump may have grown since the last one was written.
_GROWN = 2


@dataclasses.dataclass(frozen=True)
class Room:
    """What was measured of the directory that a server saves to. None: it cannot be seen.

    Attributes:
        unseen: why nothing could be measured; empty where it could.
        directory: its path, as the server knows it.
        gone: whether it was removed.
        writable: whether the server's user may create a file there.
        in_the_way: a directory that has the place of the dump; empty for none.
        read_only: whether its file system is mounted so.
        free: bytes that this user may still write.
        files: how many files may still be created; None where the file system does not count them.
        most: how large a file its process may write; None for no limit.
        data: bytes that the keys take in memory, which a dump does not exceed.
        dump: bytes of the last dump; None without one.
    """

    unseen: str = ""
    directory: str = ""
    gone: bool = False
    writable: t.Optional[bool] = None
    in_the_way: str = ""
    read_only: bool = False
    free: int = 0
    files: t.Optional[int] = None
    most: t.Optional[int] = None
    data: t.Optional[int] = None
    dump: t.Optional[int] = None

    @property
    def needed(self) -> t.Optional[int]:
        """Bytes that a dump takes at most, as far as that can be told."""
        known = [size for size in (self.data, self.dump * _GROWN if self.dump else None) if size is not None]
        return min(known) if known else None


def why_no_save(room: Room) -> tuple[str, str]:
    """Why nothing shows that a save can succeed: the code and a sentence; both empty where it can."""
    if room.unseen:
        return why.CANNOT_LOOK, f"nothing shows that a save can succeed now: {room.unseen}. Repair what it failed at, then BGSAVE"
    against = _against(room)
    return (why.CANNOT_HELP, f"a save cannot succeed: {against}") if against else ("", "")


def _against(room: Room) -> str:
    needed = room.needed
    if room.gone:
        return "its directory was removed"
    if room.read_only:
        return f"the file system of {room.directory} is read-only"
    if room.in_the_way:
        return f"{room.in_the_way} is a directory, and the dump needs its place"
    if room.writable is False:
        return f"the server's user may not write to {room.directory}"
    if room.files == 0:
        return f"no file can be created in {room.directory}: its file system has no inode left"
    if needed is None:
        return "how large a dump is cannot be told"
    if room.free < needed:
        return f"{room.directory} has {room.free} bytes free, and a dump may take {needed}"
    if room.most is not None and room.most < needed:
        return f"the process may write files of {room.most} bytes, and a dump may take {needed}"
    return ""
