# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the directory that a Redis server on this host saves to: its process works there, also inside a container.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import os
import re
import stat
import typing as t

from .._host.listening import listening
from .._host.speaking import is_itself
from .._module.files import text_of
from .connection import Client, CommandRefused
from .decisions.info import integer
from .decisions.room import Room

_LARGEST = re.compile(r"(?m)^Max file size\s+(\S+)")
_ROOT = 0
_ELSEWHERE = "the server's process is not on this host, or not ours to see, so its disk cannot be measured from here"


def room_of(client: Client, info: t.Mapping[str, str]) -> Room:
    """What the server's directory has room for.

    Args:
        info: of the server.
    """
    login, said = client.login, integer(info, "process_id")
    _anybody, process = listening(host=login.host, port=login.port, path=login.unix_socket or None)
    if not (process and said and is_itself(process, said)):
        return Room(unseen=_ELSEWHERE)
    try:
        return _measured(process, name=_name_of_dump(client), data=integer(info, "used_memory_dataset"))
    except OSError as exc:
        return Room(unseen=f"its directory cannot be measured: {exc.strerror}")


def _measured(process: int, *, name: str, data: t.Optional[int]) -> Room:
    inside = f"/proc/{process}/cwd"
    about, system = os.stat(inside), os.statvfs(inside)
    dump = _dump(os.path.join(inside, name))
    largest = _LARGEST.search(text_of(f"/proc/{process}/limits"))
    directory = os.readlink(inside)
    return Room(
        directory=directory, gone=about.st_nlink == 0, writable=_may_write(about, text_of(f"/proc/{process}/status")),
        in_the_way=os.path.join(directory, name) if dump is not None and stat.S_ISDIR(dump.st_mode) else "",
        read_only=bool(system.f_flag & os.ST_RDONLY), free=system.f_bavail * system.f_frsize,
        files=system.f_favail if system.f_files else None,
        most=int(largest.group(1)) if largest and largest.group(1).isdecimal() else None,
        data=data, dump=dump.st_size if dump is not None and stat.S_ISREG(dump.st_mode) else None,
    )


def _name_of_dump(client: Client) -> str:
    try:
        return client.config("dbfilename").get("dbfilename") or "dump.rdb"
    except CommandRefused:
        return "dump.rdb"


def _dump(path: str) -> t.Optional[os.stat_result]:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _may_write(about: os.stat_result, status: str) -> t.Optional[bool]:
    """Whether the process whose status this is may create a file in the directory, by its mode; None where that cannot be told."""
    lines = dict(line.partition(":")[::2] for line in status.splitlines())
    try:
        user, group = (int(lines[name].split()[1]) for name in ("Uid", "Gid"))
        groups = {group, *(int(word) for word in lines.get("Groups", "").split())}
    except (KeyError, IndexError, ValueError):
        return None
    if user == _ROOT:
        return True
    needed = stat.S_IWOTH | stat.S_IXOTH
    shift = 6 if about.st_uid == user else 3 if about.st_gid in groups else 0
    return about.st_mode >> shift & needed == needed
