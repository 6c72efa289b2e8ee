# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock that outlives the process that took it: for an action whose look, change and measurement are processes of their own.

This module util is PRIVATE to the collection: it may change at any time.

A lease is a file of this host that says which run has a subject, and until when. It is changed under flock, in the same places as
`lock.py`'s locks. Whose run died loses it when its time is over. The time is counted since the host's boot: nobody's clock moves it.

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
from .lock import lock_path, locked

#: How long is waited for somebody who is changing the lease: seconds. It takes milliseconds.
PATIENCE = 5.0
_PAUSE = 0.02
#: More than a lease has; what is longer is none.
_MOST = 4096
_TEXT = 200
_LATEST = 1e10

Now = t.Callable[[], "tuple[str, float]"]


def since_boot() -> tuple[str, float]:
    """Which boot of the host this is, and the seconds since, those asleep included."""
    boot = ""
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii", errors="replace") as file:
        boot = file.read().strip()
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return boot, time.clock_gettime(clock)


def take(what: str, *, run: str, holder: str, seconds: float, now: Now = since_boot) -> dict[str, t.Any]:
    """Have a subject alone for some time; again for longer, where we have it already.

    Args:
        what: the subject.
        run, holder: who takes it. The same run and holder is the same taker.

    Returns:
        Who had it before and did not give it back: `run` and `holder`, empty where nobody did.

    Raises:
        Locked: another run has it, or whether one does cannot be found out.
    """
    boot, at = now()
    with _changing(what) as (handle, path):
        found = _read(handle)
        ours = (found.get("run"), found.get("holder")) == (run, holder)
        left = found["until"] - at if found and found["boot"] == boot else 0.0
        if left > 0 and not ours:
            raise _taken(what, found, left, path)
        _write(handle, {"what": what, "run": run, "holder": holder, "boot": boot, "until": at + seconds})
    return {} if ours or not found else {"run": found["run"], "holder": found["holder"]}


def give_back(what: str, *, run: str, holder: str) -> bool:
    """End our lease; whether it was ours to the end."""
    with _changing(what) as (handle, path):
        found = _read(handle)
        ours = (found.get("run"), found.get("holder")) == (run, holder)
        if ours:
            os.ftruncate(handle, 0)
        if ours or not found:
            # Another user's file stays: its directory is sticky. It is empty then.
            with contextlib.suppress(OSError):
                os.unlink(path)
    return ours


def answer(request: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What a request comes to, as JSON can say it.

    Args:
        request: `do`, which is take or give_back, and their arguments.
    """
    who = {"run": request["run"], "holder": request["holder"]}
    try:
        if request["do"] == "take":
            return {"before": take(request["what"], seconds=request["seconds"], **who)}
        return {"ours": give_back(request["what"], **who)}
    except IncidentError as exc:
        return exc.as_result()


def _taken(what: str, found: t.Mapping[str, t.Any], left: float, path: str) -> Locked:
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=left)
    shown = until.isoformat(timespec="seconds").replace("+00:00", "Z")
    return Locked(
        f"Run {found['run']} of {found['holder']} is acting on {what}, until {shown} at the latest.",
        hint=f"Wait for it, then look again. If that run is dead, its lease ends in {left:.0f} s by itself.",
        held_by={"run": found["run"], "holder": found["holder"], "until": shown, "seconds": round(left, 1), "path": path},
    )


@contextlib.contextmanager
def _changing(what: str) -> t.Iterator[tuple[int, str]]:
    """The lease's file, open and locked.

    Raises:
        Locked: it cannot be opened, read or written.
    """
    path = lock_path(f"lease {what}")
    try:
        handle = _patiently(path)
        try:
            yield handle, path
        finally:
            os.close(handle)
    except OSError as exc:
        # A full file system too: a lease that is not written down keeps nobody out.
        raise Locked(
            f"Whether another run is acting on {what} cannot be seen: {path}: {exc.strerror or exc}.",
            hint="Look at that file: it should be one that everybody may read and write, on a file system with room.",
        ) from None


def _patiently(path: str) -> int:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return locked(path, writable=True)
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
