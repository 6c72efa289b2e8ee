# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lock for each subject of a host, so that two runs never double what may be done, whoever they run as.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import typing as t

from .._core.errors import Locked

#: Where locks may be; the first that everybody may write to and nobody may clear.
LOCK_PLACES = ("/run/lock", "/var/lock", "/tmp")
#: Names another one that comes first, for hosts that are one machine: tests that run side by side.
PLACE_VARIABLE = "ONCALL_INCIDENT_LOCKS"
#: How the files' names begin.
PREFIX = ".oncall-incident-"


@contextlib.contextmanager
def acting_alone(what: str, *, by: str = "") -> t.Iterator[None]:
    """Hold the lock on a subject.

    A lock in the server itself would be a write, which a server in trouble refuses.

    Args:
        what: the resource of its actions, or words that name the subject.
        by: what everybody shares who acts on it, and nobody replaces: a file or a directory. It is locked then, and nothing is written.
            For a subject that is not this host's alone, such as one that containers share. By default a file of ours is locked.

    Raises:
        Locked: another run holds it, or whether one does cannot be found out.
    """
    path = by or lock_path(what)
    try:
        handle = _flocked(os.open(path, os.O_RDONLY | os.O_CLOEXEC)) if by else locked(path)
    except BlockingIOError:
        raise Locked.by("", what, more=" now", hint="Wait for it, then look again.") from None
    except OSError as exc:
        raise Locked.unseen(
            what, f"{path}: {exc.strerror or exc}",
            hint="Use become." if by else "Look at that file: it should be an empty one that everybody may read.",
        ) from None
    try:
        yield
    finally:
        if not by:
            # While it is held, so that nobody removes another one's. Another user's file stays: its directory is sticky.
            with contextlib.suppress(OSError):
                os.unlink(path)
        os.close(handle)


def lock_path(what: str, *, ending: str = ".lock") -> str:
    """The file that is locked, the same for every user of the host: neither who we are nor our TMPDIR is part of it.

    Args:
        what: see acting_alone().
        ending: of the file's name.
    """
    name = hashlib.sha256(what.encode()).hexdigest()[:24]
    return os.path.join(place(), f"{PREFIX}{name}{ending}")


def place() -> str:
    """The directory of all locks."""
    places = (os.environ.get(PLACE_VARIABLE, ""), *LOCK_PLACES)
    return next((one for one in places if _is_everybodys(one)), LOCK_PLACES[-1])


def _is_everybodys(directory: str) -> bool:
    try:
        mode = os.stat(directory).st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) and bool(mode & stat.S_IWOTH) and bool(mode & stat.S_ISVTX)


def locked(path: str, *, writable: bool = False, make: bool = True) -> int:
    """An open file that is locked and still is the one of that name: its last holder may have removed it meanwhile.

    Args:
        path: from lock_path().
        writable: every user of the host may write to it.
        make: it is made where it is not there.

    Raises:
        BlockingIOError: somebody else holds it.
        FileNotFoundError: it is not there, and must not be created.
        OSError: it cannot be opened, or is not a file.
    """
    while True:
        handle = _opened(path, writable=writable, make=make)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError("it is not a regular file")
        _flocked(handle)
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(handle).st_ino == os.stat(path, follow_symlinks=False).st_ino:
                return handle
        os.close(handle)


def _flocked(handle: int) -> int:
    """The same open file, locked; it is closed where that fails.

    Raises:
        BlockingIOError: somebody else holds the lock.
        OSError: it cannot be locked.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def _opened(path: str, *, writable: bool, make: bool) -> int:
    # A lock needs no right to write. Without O_CREAT first: with it a sticky directory keeps even root from another's file
    # (fs.protected_regular in proc(5)). Without O_NONBLOCK a pipe of that name would hold us up for ever.
    flags = (os.O_RDWR if writable else os.O_RDONLY) | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    mode = 0o666 if writable else 0o644
    while True:
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            if not make:
                raise
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, flags | os.O_CREAT | os.O_EXCL, mode)
            os.fchmod(handle, mode)  # whatever the umask: every other user must be able to see the lock
            return handle
