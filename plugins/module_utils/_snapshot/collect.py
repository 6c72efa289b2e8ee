# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the items of a snapshot on the host: bounded in time, in bytes and in memory.

This module util is PRIVATE to the collection: it may change at any time.

What a command says goes through a buffer of 64 KiB into a file and into a hash; nothing is held.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import stat
import time
import typing as t

from .._core.excerpt import newest
from .._module.programs import execute
from .catalogue import COLLECTED, DEFERRED, FAILED, NOT_AVAILABLE, TIMED_OUT, Item

#: The file in the spool.
OUTPUTS = "outputs"
CHUNK = 64 * 1024
MOST_STDERR = 2000
#: A command that was told to end gets this long before it is killed: seconds.
GRACE = 0.5
#: Free space that a snapshot leaves alone on the host's disk: it may be what is short.
KEEP_FREE = 0.5
#: Administrators' programs are not in every user's path.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclasses.dataclass(frozen=True)
class Bounds:
    """What a snapshot may cost.

    Attributes:
        seconds: for everything.
        command_seconds: for one command.
        command_bytes: kept of one command's output.
        file_bytes: kept of one log, its end.
        total_bytes: kept of all of it.
    """

    seconds: float
    command_seconds: float
    command_bytes: int
    file_bytes: int
    total_bytes: int


def take(items: t.Sequence[Item], *, spool: str, bounds: Bounds, clock: t.Callable[[], float] = time.monotonic) -> list[dict[str, t.Any]]:
    """Take the items in their order; what no time or space is left for is deferred, and says so.

    Args:
        items: from the catalogue.
        spool: directory for the outputs. They are one file, so that one transfer brings them all; an entry says where its own begins.
        bounds: see Bounds.
    """
    deadline = clock() + bounds.seconds
    room = min(bounds.total_bytes, _spare(spool))
    shared: dict[str, int] = {}
    found = []
    for item in items:
        left = deadline - clock()
        if not (item.text or item.file or item.commands):
            found.append({**_about(item), "status": NOT_AVAILABLE, "reason": item.said})
            continue
        if left <= 0 or (room <= 0 and not item.file):
            found.append({**_about(item), "status": DEFERRED, "reason": "no time was left" if left <= 0 else "no space was left"})
            continue
        if item.text:
            entry = _known(item, os.path.join(spool, OUTPUTS), most=min(bounds.command_bytes, room))
            room -= int(entry["bytes"])
        elif item.file:
            most = bounds.file_bytes - shared.get(item.shares, 0)
            if most <= 0:
                found.append({**_about(item), "status": DEFERRED, "reason": f"no space was left for the files of {item.shares}"})
                continue
            entry = _file(item, most=most, deadline=deadline, clock=clock)
            if item.shares:
                shared[item.shares] = shared.get(item.shares, 0) + int(entry.get("bytes", 0))
        else:
            path = os.path.join(spool, OUTPUTS)
            entry = _command(item, path, most=min(bounds.command_bytes, room), seconds=min(bounds.command_seconds, left))
            room -= int(entry.get("bytes", 0))
        found.append(entry)
    return found


def append_to(path: str) -> t.IO[bytes]:
    """The spool's file, for the owner only."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600), "ab", buffering=0)


def hand_over(spool: str) -> bool:
    """Give the outputs to the owner of the spool directory, who fetches them; whether that user can read them now."""
    path = os.path.join(spool, OUTPUTS)
    if not os.path.exists(path):
        return False
    owner = os.stat(spool)
    if owner.st_uid == os.geteuid():
        return True
    try:
        os.chown(path, owner.st_uid, owner.st_gid)
    except OSError:
        return False
    return True


def _about(item: Item) -> dict[str, t.Any]:
    return {"name": item.name, "folder": item.folder, "argv": [], "path": item.file}


def _command(item: Item, path: str, *, most: int, seconds: float) -> dict[str, t.Any]:
    entry = _about(item)
    argv = next((list(argv) for argv in item.commands if shutil.which(argv[0], path=_PATH) and _readable(argv)), None)
    if argv is None:
        wanted = ", ".join(dict.fromkeys(argv[0] for argv in item.commands))
        return {**entry, "argv": list(item.commands[-1]), "status": NOT_AVAILABLE, "reason": f"{wanted}: not on this host"}
    entry.update(argv=argv, started=time.time())
    with append_to(path) as file:
        position, digest = os.fstat(file.fileno()).st_size, hashlib.sha256()

        def keep(data: bytes) -> None:
            file.write(data)
            digest.update(data)

        done = execute(argv, seconds=seconds, take=keep, most=most, own_group=True, grace=GRACE, cwd="/", env={
            "PATH": _PATH, "LC_ALL": "C", "TERM": "dumb", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": "", "HOME": "/", **dict(item.environment),
        })
        kept = os.fstat(file.fileno()).st_size - position
    if done.problem:
        return {**entry, "ended": time.time(), "status": FAILED, "reason": done.problem}
    return {
        **entry, "bytes": kept, "sha256": digest.hexdigest(), "truncated": done.cut, "spooled": True, "position": position,
        "stderr": done.err[:MOST_STDERR].decode("utf-8", "replace"), "rc": done.status, "ended": time.time(),
        "status": TIMED_OUT if done.late else COLLECTED,
    }


def _known(item: Item, path: str, *, most: int) -> dict[str, t.Any]:
    """What is known already, put with the outputs of commands."""
    whole = item.text.encode("utf-8", "replace")
    data, now = whole[:most], time.time()
    with append_to(path) as file:
        position = os.fstat(file.fileno()).st_size
        file.write(data)
    return {
        **_about(item), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "truncated": len(data) < len(whole),
        "spooled": True, "position": position, "stderr": "", "rc": 0, "started": now, "ended": now, "status": COLLECTED,
        **({"reason": item.said} if item.said else {}),
    }


def _readable(argv: t.Sequence[str]) -> bool:
    """Whether the files that a command only reads are there: cat and tail are alternatives to programs."""
    return argv[0] not in ("cat", "tail") or os.path.exists(argv[-1])


def _file(item: Item, *, most: int, deadline: float, clock: t.Callable[[], float]) -> dict[str, t.Any]:
    """Where the end of a log begins, and the hash of that part as it is now; it is fetched from where it is."""
    entry = _about(item)
    entry["started"] = time.time()
    try:
        path = newest(item.file) if os.path.isdir(item.file) else os.path.realpath(item.file)
        with open(path, "rb", buffering=0, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                return {**entry, "ended": time.time(), "status": FAILED, "reason": "not a regular file"}
            size = min(about.st_size, most)
            offset = about.st_size - size
            file.seek(offset)
            digest, left = hashlib.sha256(), size
            while left > 0:
                if clock() >= deadline:
                    return {**entry, "ended": time.time(), "status": DEFERRED, "reason": "no time was left"}
                data = file.read(min(left, CHUNK * 16))
                if not data:
                    break
                digest.update(data)
                left -= len(data)
    except OSError as exc:
        return {**entry, "ended": time.time(), "status": FAILED, "reason": exc.strerror or str(exc)}
    return {
        **entry, "path": path, "ended": time.time(), "status": COLLECTED, "bytes": size - left, "offset": offset, "size": about.st_size,
        "modified": about.st_mtime, "inode": about.st_ino, "sha256": digest.hexdigest(), "truncated": offset > 0,
    }


def _spare(directory: str) -> int:
    """How many bytes may be written there: at most the half of what is free."""
    about = os.statvfs(directory)
    return int(about.f_bavail * about.f_frsize * KEEP_FREE)
