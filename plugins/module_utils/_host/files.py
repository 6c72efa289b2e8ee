# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a host: found without following links, and cleaned through the directory they were found in.

This module util is PRIVATE to the collection: it may change at any time.

Every directory is opened by its descriptor, one name after the other and never through a link (openat(2), O_NOFOLLOW), so that nobody
who swaps a directory for a link while we work can lead us elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
import typing as t

from .._core import why
from .._core.actions import DONE, FAILED, MOVED_ON, NOT_NEEDED, NOT_PERMITTED
from .._core.errors import BadInput, Blind
from .decisions.cleaning import REMOVE, File, Found, Rule, data_in
from .processes import SEE_PROCESSES, look_at, stat_of

#: Entries that one rule may look at; a directory with more is not walked to its end.
MOST_ENTRIES = 200_000
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

Open = t.Mapping[tuple[int, int], tuple[int, int]]


@contextlib.contextmanager
def directory(path: str) -> t.Iterator[int]:
    """A descriptor of a directory, none of whose parts is a link.

    Raises:
        BadInput: it is not there, no directory, or there is a link in its path.
    """
    descriptor = os.open("/", _DIRECTORY)
    try:
        for name in [part for part in path.split("/") if part]:
            try:
                inner = os.open(name, _DIRECTORY, dir_fd=descriptor)
            except OSError as exc:
                raise BadInput(
                    f"{path}: {name} cannot be entered: {exc.strerror}.",
                    hint="It has to be a directory, and no part of its path may be a symbolic link.",
                ) from exc
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def open_files(*, proc: str = "/proc") -> dict[tuple[int, int], tuple[int, int]]:
    """Which files processes have open: writers and readers by device and inode.

    Raises:
        Blind: other users' processes cannot be looked at, so that an open file would look closed.
    """
    found: dict[tuple[int, int], list[int]] = {}
    refused = 0
    for pid in filter(str.isdigit, os.listdir(proc)):
        try:
            opened = look_at(f"{proc}/{pid}", _opened_by)
        except PermissionError:
            refused += 1
            continue
        except OSError:
            continue  # it ended meanwhile
        for key, flags in opened:
            counts = found.setdefault(key, [0, 0])
            counts[0 if flags & os.O_ACCMODE in (os.O_WRONLY, os.O_RDWR) else 1] += 1
    if refused:
        raise Blind(
            f"The open files of {refused} processes cannot be seen, so nobody can say which files are in use.",
            hint=SEE_PROCESSES,
        )
    return {key: (writers, readers) for key, (writers, readers) in found.items()}


def _opened_by(process: str) -> list[tuple[tuple[int, int], int]]:
    """Device and inode of each file that a process has open, and how."""
    found = []
    for number in os.listdir(f"{process}/fd"):
        there = stat_of(f"{process}/fd/{number}")
        if there is None or not stat.S_ISREG(there.st_mode):
            continue
        try:
            with open(f"{process}/fdinfo/{number}", encoding="utf-8", errors="replace") as info:
                flags = next((int(line.split()[1], 8) for line in info if line.startswith("flags:")), os.O_RDWR)
        except PermissionError:
            raise
        except (OSError, ValueError, IndexError):
            continue
        found.append(((there.st_dev, there.st_ino), flags))
    return found


def find(rule: Rule, *, opened: Open, now: float) -> tuple[list[File], int, list[str]]:
    """The entries where a rule looks.

    Args:
        opened: from open_files().
        now: seconds since the epoch.

    Returns:
        Files, the device of the rule's directory, and the directories that were not entered, with the reason.

    Raises:
        BadInput: the directory is not there, or is a server's data.
    """
    files: list[File] = []
    avoided: list[str] = []
    with directory(rule.directory) as top:
        device = os.fstat(top).st_dev
        whose = _data_around(rule.directory)
        if whose:
            raise BadInput(f"{rule.directory}: is {whose}.", hint="Nothing of a server's data is ever cleaned.")
        _walk(top, rule.directory, rule, device=device, opened=opened, now=now, files=files, avoided=avoided)
    return files, device, avoided


def _data_around(path: str) -> str:
    """Whose data this directory is part of: a mark in it, or in one above it."""
    current = path
    while current != "/":
        try:
            with directory(current) as descriptor:
                whose = data_in(current, os.listdir(descriptor))
        except (BadInput, OSError):
            whose = ""
        if whose:
            return whose
        current = os.path.dirname(current)
    return ""


def _walk(
    descriptor: int, path: str, rule: Rule, *, device: int, opened: Open, now: float, files: list[File], avoided: list[str],
) -> None:
    names = sorted(os.listdir(descriptor))
    for name in names:
        if len(files) >= MOST_ENTRIES:
            raise BadInput(f"{rule.directory}: holds more than {MOST_ENTRIES} entries.", hint="Name a directory further down.")
        try:
            seen = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        except OSError:
            continue  # gone meanwhile
        if not stat.S_ISDIR(seen.st_mode):
            files.append(as_file(os.path.join(path, name), seen, opened=opened, now=now))
        elif rule.recursive:
            inner_path = os.path.join(path, name)
            why = _enter(descriptor, name, inner_path, rule, device=device, opened=opened, now=now, files=files, avoided=avoided)
            if why:
                avoided.append(f"{inner_path}: {why}")


def _enter(
    descriptor: int, name: str, path: str, rule: Rule, *, device: int, opened: Open, now: float, files: list[File], avoided: list[str],
) -> str:
    """Walk a directory below; why not, when it is not walked."""
    try:
        inner = os.open(name, _DIRECTORY, dir_fd=descriptor)
    except OSError as exc:
        return str(exc.strerror)
    try:
        if os.fstat(inner).st_dev != device:
            return "another file system"
        whose = data_in(path, os.listdir(inner))
        if whose:
            return whose
        _walk(inner, path, rule, device=device, opened=opened, now=now, files=files, avoided=avoided)
    finally:
        os.close(inner)
    return ""


def as_file(path: str, seen: os.stat_result, *, opened: Open, now: float) -> File:
    """A directory entry as data."""
    writers, readers = opened.get((seen.st_dev, seen.st_ino), (0, 0))
    return File(
        path=path, device=seen.st_dev, inode=seen.st_ino, mode=seen.st_mode, size=seen.st_size, allocated=seen.st_blocks * 512,
        age=max(now - seen.st_mtime, 0.0), links=seen.st_nlink, writers=writers, readers=readers,
    )


class Cleaned(t.NamedTuple):
    """What came of cleaning a file: `outcome` and `why` of its action, and the system's words."""

    outcome: str
    why: str = ""
    error: str = ""


def clean(one: Found) -> Cleaned:
    """Remove or truncate a file if it still is the one that was judged, and measure it."""
    folder, name = os.path.split(one.file.path)
    try:
        with directory(folder) as descriptor:
            seen = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if (seen.st_dev, seen.st_ino, stat.S_IFMT(seen.st_mode)) != (one.file.device, one.file.inode, stat.S_IFMT(one.file.mode)):
                return Cleaned(MOVED_ON, why.IDENTITY_CHANGED)
            if time.time() - seen.st_mtime < one.rule.min_age:
                return Cleaned(MOVED_ON, why.NO_LONGER_MATCHES, "it was written to since")
            if one.rule.operation == REMOVE:
                os.unlink(name, dir_fd=descriptor)
                return _gone(descriptor, name, one)
            return _emptied(descriptor, name, one)
    except BadInput as exc:
        return Cleaned(FAILED, why.CANNOT_LOOK, exc.message)
    except FileNotFoundError:
        return Cleaned(NOT_NEEDED, why.GONE_ALREADY)
    except PermissionError as exc:
        return Cleaned(NOT_PERMITTED, why.NOT_PERMITTED, f"{exc.strerror}: it takes write access to the directory, or to the file")
    except OSError as exc:
        return Cleaned(FAILED, why.TARGET_REFUSED, str(exc.strerror))


def _gone(descriptor: int, name: str, one: Found) -> Cleaned:
    try:
        seen = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return Cleaned(DONE)
    return Cleaned(FAILED, why.NOT_MEASURED, "it is still there") if seen.st_ino == one.file.inode else Cleaned(DONE)


def _emptied(descriptor: int, name: str, one: Found) -> Cleaned:
    handle = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
    try:
        there = os.fstat(handle)
        if (there.st_dev, there.st_ino) != (one.file.device, one.file.inode):
            return Cleaned(MOVED_ON, why.IDENTITY_CHANGED)
        os.ftruncate(handle, 0)
        # A writer that does not append goes on where it was: the file has a hole then, and takes little space.
        left = os.fstat(handle).st_blocks * 512
    finally:
        os.close(handle)
    return Cleaned(DONE) if left < max(one.file.allocated, 4096) else Cleaned(FAILED, why.NOT_MEASURED, f"it still takes {left} bytes")


def inode_of(path: str) -> t.Optional[str]:
    """What identifies the file of this path now, links not followed; None when it is not there."""
    try:
        seen = os.lstat(path)
    except OSError:
        return None
    return f"{seen.st_dev}:{seen.st_ino}"
