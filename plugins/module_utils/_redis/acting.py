# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all Redis modules that act share: getting in where it is full, knowing the server, acting alone, refusing.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import time
import typing as t

from .._core import actions
from .._core.deadline import Deadline
from .._core.durations import parse_duration
from .._core.errors import CannotReach, IncidentError, Locked
from .args import way_from
from .connection import Client

#: Between two attempts to get in, seconds.
RETRY_PAUSE = 0.2
#: Where locks may be; the first that everybody may write to and nobody may clear.
LOCK_PLACES = ("/run/lock", "/var/lock", "/tmp")


class Refused(IncidentError):
    """A rule of ours forbids it; nothing was done. `error` in facts says which."""

    kind = "refused"


class ActionsFailed(IncidentError):
    """Something was not done, or the measurement does not show it."""

    kind = "actions_failed"


def patient_connection(params: t.Mapping[str, t.Any]) -> Client:
    """Open the connection; while the server has none left, try again for `connect_retry`: clients come and go.

    Raises:
        BadInput: an argument is not usable.
        CannotReach: the server could not be reached or refused us.
    """
    way = way_from(params)
    deadline = Deadline(way.max_seconds)
    patience = deadline.part(parse_duration(params["connect_retry"], name="connect_retry"))
    while True:
        try:
            client = way.open(deadline)
            # Some servers refuse only with the first reply, so ask for one.
            client.replies([("PING",)])
            return client
        except CannotReach as exc:
            if exc.facts.get("error") != "maxclients" or patience.remaining() <= RETRY_PAUSE:
                raise
            time.sleep(RETRY_PAUSE)


def resource(info: t.Mapping[str, str]) -> str:
    """The server itself, not the name it was reached by: this start of it."""
    return f"redis:{info.get('run_id', 'unknown')}"


def require_primary(info: t.Mapping[str, str]) -> None:
    """Refuse to change data anywhere but on a primary.

    Raises:
        Refused: it is a replica or a Sentinel.
    """
    if info.get("redis_mode") == "sentinel":
        raise Refused("This is a Sentinel, it has no data.", hint="Name the primary that it watches.", error="sentinel")
    if info.get("role") != "master":
        primary = f"{info.get('master_host', '?')}:{info.get('master_port', '?')}"
        raise Refused(
            f"This server is a replica of {primary}: data are never changed on a replica.", hint=f"Name the primary, {primary}.",
            error="replica",
        )


@contextlib.contextmanager
def acting_alone(what: str) -> t.Iterator[None]:
    """Hold this host's lock on a server, so that two runs never double what may be done, whoever they run as.

    A lock in the server itself would be a write, which a server in trouble refuses.

    Args:
        what: of resource().

    Raises:
        Locked: another run on this host holds it, or whether one does cannot be found out.
    """
    path = lock_path(what)
    try:
        handle = _locked(path)
    except BlockingIOError:
        raise Locked("Another run acts on this server at this moment.", hint="Wait for it, then look again.") from None
    except OSError as exc:
        raise Locked(
            f"Whether another run acts on this server cannot be seen: {path}: {exc.strerror or exc}.",
            hint="Look at that file: it should be an empty one that everybody may read.",
        ) from None
    try:
        yield
    finally:
        # While it is held, so that nobody removes another one's. Another user's file stays: its directory is sticky.
        with contextlib.suppress(OSError):
            os.unlink(path)
        os.close(handle)


def lock_path(what: str) -> str:
    """The file that is locked, the same for every user of the host: neither who we are nor our TMPDIR is part of it."""
    name = hashlib.sha256(what.encode()).hexdigest()[:24]
    return os.path.join(next((place for place in LOCK_PLACES if _is_everybodys(place)), LOCK_PLACES[-1]), f".oncall-incident-{name}.lock")


def _is_everybodys(directory: str) -> bool:
    try:
        mode = os.stat(directory).st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) and bool(mode & stat.S_IWOTH) and bool(mode & stat.S_ISVTX)


def _locked(path: str) -> int:
    """An open file that is locked and still is the one of that name: its last holder may have removed it meanwhile.

    Raises:
        BlockingIOError: somebody else holds it.
        OSError: it cannot be opened, or is no file.
    """
    while True:
        handle = _opened(path)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError("it is no regular file")
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if os.fstat(handle).st_ino == os.stat(path, follow_symlinks=False).st_ino:
                    return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _opened(path: str) -> int:
    # A lock needs no right to write. Without O_CREAT first: with it a sticky directory keeps even root from another's file
    # (fs.protected_regular in proc(5)). Without O_NONBLOCK a pipe of that name would hold us up for ever.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    while True:
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, flags)
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o644)
            os.fchmod(handle, 0o644)  # whatever the umask: every other user must be able to see the lock
            return handle


def failure(done: t.Sequence[actions.Action]) -> t.Optional[IncidentError]:
    """The problem that must fail the task, if an action failed."""
    failed = actions.failed_actions(done)
    if not failed:
        return None
    said = "; ".join(f"{one.verb}: {one.detail.get('why') or one.detail.get('error') or one.outcome}" for one in failed)
    return ActionsFailed(f"Not done: {said}.")
