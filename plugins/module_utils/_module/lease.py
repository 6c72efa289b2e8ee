# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock that outlives the process that took it: for an action, and an entry point, that is made up of several processes.

This module util is PRIVATE to the collection: it may change at any time.

A lease is a file of this host that says which run has a subject, and until when. It is changed under flock, in the same places as
`lock.py`'s locks. Whose run died loses it when its time is over. The time is counted since the host's boot: nobody's clock moves it.

An entry point of several tasks takes a lease first, by the name that its variables give the subject. Its modules are told by VARIABLE whose
they are. Each of them takes a lease on what it acts on as well, which only it knows by the name that all modules use, and leaves it to the
entry point to give all of them back. A module that finds another run's lease is locked.

`plugin_utils/_frame/leasing.py` runs this file, `lock.py` and `errors.py` without a module around them, so they import nothing else.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import time
import typing as t

from .._core.errors import IncidentError, Locked
from . import lock
from .lock import lock_path, locked

#: Names the run and the holder of the entry point that a module belongs to: see token().
VARIABLE = "ONCALL_INCIDENT_LEASE"
#: For how long an entry point has a subject after the last of its tasks has begun to act on it, seconds. Between two tasks it only reads.
KEPT = 300.0
#: How long is waited for somebody who is changing the lease: seconds. It takes milliseconds.
PATIENCE = 5.0
_PAUSE = 0.02
#: A fact of an error: nobody else has the lease, and there is no room to write down that we do.
NO_ROOM = "no_room"
#: More than a lease has; what is longer is none.
_MOST = 4096
_TEXT = 200
_ENDING = ".lease"
_LATEST = 1e10

Now = t.Callable[[], "tuple[str, float]"]


def since_boot() -> tuple[str, float]:
    """Which boot of the host this is, and the seconds since, those asleep included."""
    boot = ""
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii", errors="replace") as file:
        boot = file.read().strip()
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return boot, time.clock_gettime(clock)


@contextlib.contextmanager
def acting_alone(what: str, *, by: str = "") -> t.Iterator[None]:
    """Hold the lock on a subject, and respect and take its lease: see lock.acting_alone() and join().

    Raises:
        Locked: another run has one of both, or whether one does cannot be found out.
    """
    with lock.acting_alone(what, by=by):
        join(what)
        yield


def join(what: str, *, now: Now = since_boot) -> None:
    """Take the lease of a subject for the entry point that this process belongs to; where it belongs to none, only see that nobody has it.

    The lock on the subject must be held.

    Raises:
        Locked: another run has it, or whether one does cannot be found out.
    """
    run, _sign, holder = os.environ.get(VARIABLE, "").partition(";")
    if holder:
        try:
            take(what, run=run, holder=holder, seconds=KEPT, now=now)
        except Locked as exc:
            # Where there is room for no file, the lock that is held must do: what is done may be what makes room.
            if not exc.facts.get(NO_ROOM):
                raise
        return
    boot, at = now()
    with contextlib.suppress(FileNotFoundError), _changing(what, make=False) as (handle, path):
        found = _read(handle)
        left = _left(found, boot, at)
        if left > 0:
            raise _taken(what, found, left, path)


def token(run: str, holder: str) -> str:
    """The value of VARIABLE."""
    return f"{_plain(run).replace(';', '?')};{_plain(holder)}"


def take(what: str, *, run: str, holder: str, seconds: float, now: Now = since_boot) -> dict[str, t.Any]:
    """Have a subject alone for some time; again for longer, where we have it already. It never becomes shorter.

    Args:
        what: the subject.
        run, holder: who takes it. The same run and holder is the same taker.

    Returns:
        `before`: who had it and did not give it back, `run` and `holder`, empty where nobody did; `ours`: whether we had it already.

    Raises:
        Locked: another run has it, or whether one does cannot be found out.
    """
    run, holder = _plain(run), _plain(holder)
    boot, at = now()
    with _changing(what) as (handle, path):
        found = _read(handle)
        ours = _is(found, run, holder)
        left = _left(found, boot, at)
        if left > 0 and not ours:
            raise _taken(what, found, left, path)
        until = at + max(seconds, left)
        _write(handle, {"what": what[:_TEXT], "run": run, "holder": holder, "boot": boot, "until": until})
    before = {} if ours or not found else {"run": found["run"], "holder": found["holder"]}
    return {"before": before, "ours": ours and left > 0}


def take_all(whats: t.Sequence[str], *, run: str, holder: str, seconds: float) -> dict[str, t.Any]:
    """Have several subjects, or none of them; see take(). Whose lock a module holds at this moment is not to be had.

    Raises:
        Locked: another run has one, or whether one does cannot be found out.
    """
    said: dict[str, t.Any] = {"before": {}, "ours": True}
    taken: list[str] = []
    try:
        for what in whats:
            with lock.acting_alone(what):
                one = take(what, run=run, holder=holder, seconds=seconds)
            taken += [] if one["ours"] else [what]
            said = {"before": said["before"] or one["before"], "ours": said["ours"] and one["ours"]}
    except Locked:
        for what in taken:
            with contextlib.suppress(Locked):
                give_back(what, run=run, holder=holder)
        raise
    return said


def give_back(what: str, *, run: str, holder: str) -> bool:
    """End our lease; whether it was ours to the end."""
    return _end(lease_path(what), run, holder, what=what)


def give_back_all(*, run: str, holder: str) -> int:
    """End all leases that a run and holder have on this host; how many that were.

    Raises:
        Locked: one could not be ended; the others are.
    """
    ended, problem = 0, None
    directory = lock.place()
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        if name.startswith(lock.PREFIX) and name.endswith(_ENDING) and _names(path, run, holder):
            try:
                ended += _end(path, run, holder, what="a subject of this run")
            except Locked as exc:
                problem = exc
    if problem is not None:
        raise problem
    return ended


def answer(request: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What a request comes to, as JSON can say it.

    Args:
        request: `do`, which is take (of `what`, one or several), give_back or give_back_all, and their arguments.
    """
    who = {"run": request["run"], "holder": request["holder"]}
    try:
        if request["do"] == "take":
            whats = [request["what"]] if isinstance(request["what"], str) else list(request["what"])
            return take_all(whats, seconds=request["seconds"], **who)
        if request["do"] == "give_back_all":
            return {"ended": give_back_all(**who)}
        return {"ours": give_back(request["what"], **who)}
    except IncidentError as exc:
        return exc.as_result()


def lease_path(what: str) -> str:
    """The file of a lease."""
    return lock_path(what, ending=_ENDING)


def _is(found: t.Mapping[str, t.Any], run: str, holder: str) -> bool:
    return (found.get("run"), found.get("holder")) == (_plain(run), _plain(holder))


def _left(found: t.Mapping[str, t.Any], boot: str, at: float) -> float:
    """For how long somebody still has it, seconds."""
    return max(found["until"] - at, 0.0) if found and found["boot"] == boot else 0.0


def _names(path: str, run: str, holder: str) -> bool:
    """Whether a lease seems to be ours. It is not locked for that: others may be about to take it."""
    with contextlib.suppress(OSError), contextlib.closing(open(path, "rb", opener=_no_link)) as file:
        return _is(_read(file.fileno()), run, holder)
    return False


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _end(path: str, run: str, holder: str, *, what: str) -> bool:
    with _changing(what, path=path) as (handle, _path):
        found = _read(handle)
        ours = _is(found, run, holder)
        if ours:
            os.ftruncate(handle, 0)
        if ours or not found:
            # Another user's file stays: its directory is sticky. It is empty then.
            with contextlib.suppress(OSError):
                os.unlink(path)
    return ours


def _taken(what: str, found: t.Mapping[str, t.Any], left: float, path: str) -> Locked:
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=left)
    shown = until.isoformat(timespec="seconds").replace("+00:00", "Z")
    return Locked(
        f"Run {found['run']} of {found['holder']} is acting on {what}, until {shown} at the latest.",
        hint=f"Wait for it, then look again. If that run is dead, its lease ends by itself in {left:.0f} s, or at once with: rm {path}",
        held_by={"run": found["run"], "holder": found["holder"], "until": shown, "seconds": round(left, 1), "path": path},
    )


@contextlib.contextmanager
def _changing(what: str, *, path: str = "", make: bool = True) -> t.Iterator[tuple[int, str]]:
    """The lease's file, open and locked.

    Args:
        path: the file, where it is known without its subject's name.
        make: it is made where it is not there.

    Raises:
        Locked: it cannot be opened, read or written.
        FileNotFoundError: it is not there, and is not to be made.
    """
    path = path or lease_path(what)
    try:
        handle = _patiently(path, make=make)
        try:
            yield handle, path
        finally:
            os.close(handle)
    except OSError as exc:
        if not make and isinstance(exc, FileNotFoundError):
            raise
        # A full file system too: a lease that is not written down keeps nobody out.
        raise Locked(
            f"Whether another run is acting on {what} cannot be seen: {path}: {exc.strerror or exc}.",
            hint="Look at that file: it should be one that everybody may read and write, on a file system with room.",
            **({NO_ROOM: True} if exc.errno in (errno.ENOSPC, errno.EDQUOT) else {}),
        ) from None


def _patiently(path: str, *, make: bool) -> int:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return locked(path, writable=True, make=make)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise OSError(errno.EBUSY, "somebody holds it open and locked") from None
            time.sleep(_PAUSE)


def _read(handle: int) -> dict[str, t.Any]:
    """What the file says, empty for nobody.

    Raises:
        OSError: it says something else. Everybody may write to it.
    """
    text = os.pread(handle, _MOST, 0)
    if not text:
        return {}
    try:
        found = json.loads(text.split(b"\n", 1)[0])
        until = float(found["until"])
        if not 0 <= until < _LATEST:
            raise ValueError(until)
        return {**{name: _plain(found[name]) for name in ("run", "holder", "boot")}, "until": until}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise OSError(errno.EINVAL, "it holds no lease; remove it") from None


def _plain(text: str) -> str:
    """A text of the file that may go to a screen."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:_TEXT]


def _write(handle: int, lease: t.Mapping[str, t.Any]) -> None:
    """One line. Whoever dies in between leaves it whole, with the rest of an older one behind it."""
    text = (json.dumps(lease, sort_keys=True) + "\n").encode()
    if os.pwrite(handle, text, 0) != len(text):
        raise OSError(errno.ENOSPC, "it could not be written")
    os.ftruncate(handle, len(text))
