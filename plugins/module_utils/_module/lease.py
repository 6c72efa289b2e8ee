# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock that outlives the process that took it: for an action, and an entry point, that is made up of several processes.

This module util is PRIVATE to the collection: it may change at any time.

A lease is a file of this host that says which execution of a run has a subject, and until when. It is changed under flock, in the same
places as `lock.py`'s locks. Whose run died loses it when its time is over, or at once where it can be seen that its process is gone. The
time is counted since the host's boot: nobody's clock moves it.

An entry point of several tasks takes a lease first, by the name that its variables give the subject. Its modules are told by VARIABLE whose
they are. Each of them takes a lease on what it acts on as well, which only it knows by the name that all modules use, and leaves it to the
entry point to give all of them back. A module that finds another run's lease is locked.

All hosts of an execution share a lease: an inventory may have several names for one server. The file lists them, and the last one that
gives the lease back ends it. The modules' locks keep two of them from acting at one instant. An action whose module has no such lock has
the lease alone among them while it acts.

`plugin_utils/_frame/leasing.py` runs this file, `lock.py` and `errors.py` without a module around them, so they import nothing else.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import hashlib
import json
import os
import time
import typing as t

from .._core.errors import IncidentError, Locked
from . import lock
from .lock import lock_path, locked

#: Names the run, its execution and the holder of the entry point that a module belongs to: see token().
VARIABLE = "ONCALL_INCIDENT_LEASE"
#: For how long an entry point has a subject after the last of its tasks has begun to act on it, seconds. Between two tasks it only reads.
KEPT = 300.0
#: How long is waited for somebody who is changing the lease, or holds the lock to take it: seconds. It takes milliseconds.
PATIENCE = 5.0
_PAUSE = 0.02
#: A fact of an error: nobody else has the lease, and there is no room to write down that we do.
NO_ROOM = "no_room"
#: More than a lease has; what is longer is none.
_MOST = 4096
_TEXT = 200
#: How many hosts of an execution a lease lists. Where there are more, the oldest one falls out, and its next task adds it again.
_HOSTS = 48
_ENDING = ".lease"
_LATEST = 1e10

Now = t.Callable[[], "tuple[str, float]"]

#: Who takes a lease. An entry point shares it with the other hosts of its execution. So does a module, unless one of them has the
#: subject alone. An action has it alone while it acts.
ENTRY_POINT, MODULE, ACTION = "entry_point", "module", "action"


class Who(t.NamedTuple):
    """Who has or takes a lease.

    Attributes:
        run: the id of the run, for people. Runs without a record have none of their own.
        holder: user, machine, process and host, for people; it tells the hosts of an execution apart.
        execution: see execution_of(); empty in files of older versions, where run and holder are what is compared.
    """

    run: str
    holder: str
    execution: str = ""

    @property
    def host(self) -> str:
        """A short name of the holder among those of its execution."""
        return hashlib.sha256(self.holder.encode()).hexdigest()[:8]


class Found(t.NamedTuple):
    """What a lease's file says.

    Attributes:
        who: who has it: of several hosts the one that acts alone, or the last one that took it.
        until: when it ends, seconds since the boot.
        alone: until when its holder has it alone among the hosts of its execution; 0 for not at all.
        hosts: those of the execution that have it, each as Who.host.
    """

    what: str
    who: Who
    boot: str
    until: float
    alone: float = 0.0
    hosts: tuple[str, ...] = ()

    def is_of(self, who: Who) -> bool:
        """Whether it belongs to the same execution of a run."""
        if self.who.execution and who.execution:
            return self.who.execution == who.execution
        return self.who[:2] == who[:2]

    def left(self, boot: str, at: float) -> float:
        """For how long somebody still has it, seconds."""
        if self.boot != boot or self.until <= at:
            return 0.0
        # What an action has started on the host may go on without the run. A module holds its lock as long as it lives.
        return self.alone_left(boot, at) if has_died(self.who.execution) else self.until - at

    def alone_left(self, boot: str, at: float) -> float:
        """For how long its holder still has it alone, seconds."""
        return max(self.alone - at, 0.0) if self.boot == boot else 0.0


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
    run, _sign, rest = os.environ.get(VARIABLE, "").partition(";")
    execution, _sign, holder = rest.partition(";")
    if holder:
        try:
            take(what, run=run, holder=holder, execution=execution, seconds=KEPT, by=MODULE, now=now)
        except Locked as exc:
            # Where there is room for no file, the lock that is held must do: what is done may be what makes room.
            if not exc.facts.get(NO_ROOM):
                raise
        return
    boot, at = now()
    with contextlib.suppress(FileNotFoundError), _changing(what, make=False) as (handle, path):
        found = _read(handle)
        if found and found.left(boot, at) > 0:
            raise _taken(what, found, found.left(boot, at), path)


def token(run: str, holder: str, execution: str = "") -> str:
    """The value of VARIABLE."""
    run, execution = (_plain(text).replace(";", "?") for text in (run, execution))
    return f"{run};{execution};{_plain(holder)}"


def execution_of(pid: int) -> str:
    """What tells one execution of a run from all others.

    Args:
        pid: of its process, ansible-playbook.
    """
    return _plain(f"{pid}:{_start_of(pid)}:{_place() or os.uname().nodename}").replace(";", "?")


def has_died(execution: str) -> bool:
    """Whether the process of an execution is gone for certain: it can only be told on the machine that it ran on."""
    pid, _sign, rest = execution.partition(":")
    start, _sign, place = rest.partition(":")
    if not (pid.isascii() and pid.isdigit() and int(pid)) or not place or place != _place().replace(";", "?"):
        return False
    now = _start_of(int(pid))
    return is_gone(int(pid)) or bool(start and now and start != now)


def is_gone(pid: int) -> bool:
    """Whether no process of this machine has this id any more, or only one that has ended and waits for its parent to notice."""
    try:
        os.kill(pid, 0)  # /proc may hide the processes of others, this does not
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        pass
    return _stat_of(pid)[:1] in (["Z"], ["X"])


def _place() -> str:
    """Where a process id means the same process: namespace, boot and machine; empty where that cannot be told."""
    try:
        if os.readlink("/proc/self") != str(os.getpid()):
            return ""  # it is mounted for another namespace
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
    boot, _at = since_boot()
    return _plain(f"{namespace} {boot} {os.uname().nodename}") if boot else ""


def _start_of(pid: int) -> str:
    """When a process started, in ticks; empty where that cannot be seen."""
    found = _stat_of(pid)
    return found[19] if len(found) > 19 else ""


def _stat_of(pid: int) -> list[str]:
    """The fields of stat, proc(5), from the state on; empty where they cannot be seen."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def take(
    what: str, *, run: str, holder: str, seconds: float, execution: str = "", by: str = ENTRY_POINT, now: Now = since_boot,
) -> dict[str, t.Any]:
    """Have a subject for some time, and keep other runs off it. Where we have it already, for longer: it never becomes shorter.

    Args:
        what: the subject.
        run, holder, execution: who takes it, see Who.
        by: ENTRY_POINT, MODULE or ACTION.

    Returns:
        `before`: who had it and did not give it back, `run` and `holder`, empty for nobody; `ours`: whether this holder had it already.

    Raises:
        Locked: another run has it, another host of this run has it alone, or whether one does cannot be found out.
    """
    who = _who(run, holder, execution)
    boot, at = now()
    with _changing(what) as (handle, path):
        found = _read(handle)
        left = found.left(boot, at) if found else 0.0
        ours = found if found and found.is_of(who) else None
        if found and left > 0 and not ours:
            raise _taken(what, found, left, path)
        others = ours.alone_left(boot, at) if ours and ours.who.holder != who.holder else 0.0
        if ours and others > 0 and by != ENTRY_POINT:
            raise _taken_alone(what, ours, others, path)
        _write(handle, Found(
            what=what, who=ours.who if ours and others > 0 else who, boot=boot, until=at + max(seconds, left),
            alone=max(at + seconds if by == ACTION else 0.0, ours.alone if ours and ours.boot == boot else 0.0),
            hosts=(*(one for one in (ours.hosts if ours else ()) if one != who.host), who.host)[-_HOSTS:],
        ))
    before = {} if ours or not found else {"run": found.who.run, "holder": found.who.holder}
    return {"before": before, "ours": ours is not None and left > 0 and who.host in ours.hosts}


def take_all(
    whats: t.Sequence[str], *, run: str, holder: str, seconds: float, execution: str = "", by: str = ENTRY_POINT,
) -> dict[str, t.Any]:
    """Have several subjects, or none of them; see take(). What another run's module acts on now is refused.

    Raises:
        Locked: another run has one, or whether one does cannot be found out.
    """
    who: dict[str, t.Any] = {"run": run, "holder": holder, "execution": execution}
    said: dict[str, t.Any] = {"before": {}, "ours": True}
    taken: list[str] = []
    try:
        for what in whats:
            with _nobody_acting(what, _who(**who), by=by):
                one = take(what, seconds=seconds, by=by, **who)
            taken += [] if one["ours"] else [what]
            said = {"before": said["before"] or one["before"], "ours": said["ours"] and one["ours"]}
    except Locked:
        for what in taken:
            with contextlib.suppress(Locked):
                give_back(what, **who)
        raise
    return said


@contextlib.contextmanager
def _nobody_acting(what: str, who: Who, *, by: str) -> t.Iterator[None]:
    """Hold the lock on a subject. Where our execution has the lease, only an action needs that: nobody but our modules can hold it.

    Who holds it for an instant, to take the lease as we do, is waited for.

    Raises:
        Locked: another run has the lease, or a module acts.
    """
    end = time.monotonic() + PATIENCE
    with contextlib.ExitStack() as stack:
        while not _shared(what, who) or by == ACTION:
            try:
                stack.enter_context(lock.acting_alone(what))
                break
            except Locked:
                if time.monotonic() >= end:
                    raise
            time.sleep(_PAUSE)
        yield


def _shared(what: str, who: Who) -> bool:
    """Whether our execution has the lease.

    Raises:
        Locked: another one has it, or whether one does cannot be found out.
    """
    boot, at = since_boot()
    with contextlib.suppress(FileNotFoundError), _changing(what, make=False) as (handle, path):
        found = _read(handle)
        left = found.left(boot, at) if found else 0.0
        if found and left > 0 and not found.is_of(who):
            raise _taken(what, found, left, path)
        return left > 0
    return False


def give_back(what: str, *, run: str, holder: str, execution: str = "", lent: bool = False) -> bool:
    """End our part of a lease, and the lease where no other host of the execution has it; whether we had it to the end.

    Args:
        lent: the entry point has it too: only end that an action has it alone.
    """
    return _end(lease_path(what), _who(run, holder, execution), what=what, lent=lent)


def give_back_all(*, run: str, holder: str, execution: str = "") -> int:
    """End our part of all leases that we have on this host; how many that were.

    Raises:
        Locked: one could not be ended; the others are.
    """
    who = _who(run, holder, execution)
    ended, problem = 0, None
    for path in _leases(lambda found: _is_ours(found, who)):
        try:
            ended += _end(path, who, what="a subject of this run")
        except Locked as exc:
            problem = exc
    if problem is not None:
        raise problem
    return ended


def end_dead(execution: str) -> None:
    """End all leases of an execution whose process is gone, as the machine that it ran on has seen. What an action has alone stays.

    Raises:
        Locked: one could not be ended.
    """
    boot, at = since_boot()
    for path in _leases(lambda found: bool(execution) and found.who.execution == execution):
        with _changing("a subject of a run that died", path=path) as (handle, _path):
            found = _read(handle)
            if found and found.who.execution == execution:
                _leave(handle, path, found._replace(until=found.alone) if found.alone_left(boot, at) > 0 else None)


def answer(request: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What a request comes to, as JSON can say it.

    Args:
        request: `do`, which is take (of `what`, one or several), give_back or give_back_all, and their arguments; for take also `gone`,
            the executions that end_dead() ends first.
    """
    who: dict[str, t.Any] = {name: request.get(name, "") for name in Who._fields}
    try:
        if request["do"] == "take":
            for execution in request.get("gone", ()):
                end_dead(_plain(execution))
            whats = [request["what"]] if isinstance(request["what"], str) else list(request["what"])
            return take_all(whats, seconds=request["seconds"], by=request.get("by", ENTRY_POINT), **who)
        if request["do"] == "give_back_all":
            return {"ended": give_back_all(**who)}
        return {"ours": give_back(request["what"], lent=request.get("lent", False), **who)}
    except IncidentError as exc:
        return exc.as_result()


def lease_path(what: str) -> str:
    """The file of a lease."""
    return lock_path(what, ending=_ENDING)


def _who(run: str, holder: str, execution: str) -> Who:
    return Who(_plain(run), _plain(holder), _plain(execution))


def _is_ours(found: Found, who: Who) -> bool:
    return found.is_of(who) and who.host in found.hosts


def _leases(wanted: t.Callable[[Found], bool]) -> t.Iterator[str]:
    """The files of leases that seem to be meant. They are not locked for that: others may be about to take one."""
    directory = lock.place()
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        if name.startswith(lock.PREFIX) and name.endswith(_ENDING) and _seems(path, wanted):
            yield path


def _seems(path: str, wanted: t.Callable[[Found], bool]) -> bool:
    with contextlib.suppress(OSError), contextlib.closing(open(path, "rb", opener=_no_link)) as file:
        found = _read(file.fileno())
        return found is not None and wanted(found)
    return False


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _end(path: str, who: Who, *, what: str, lent: bool = False) -> bool:
    with _changing(what, path=path) as (handle, _path):
        found = _read(handle)
        ours = found is not None and _is_ours(found, who)
        if ours or not found:
            _leave(handle, path, _given_back(found, who, lent=lent) if found else None)
    return ours


def _leave(handle: int, path: str, rest: Found | None) -> None:
    """Leave what is left of a lease, or no file."""
    if rest:
        _write(handle, rest)
        return
    os.ftruncate(handle, 0)
    # Another user's file stays: its directory is sticky. It is empty then.
    with contextlib.suppress(OSError):
        os.unlink(path)


def _given_back(found: Found, who: Who, *, lent: bool) -> Found | None:
    """What is left of a lease when one host has given its part back; None for nothing."""
    hosts = tuple(one for one in found.hosts if lent or one != who.host)
    return found._replace(hosts=hosts, alone=0.0 if found.who.holder == who.holder else found.alone) if hosts else None


def _taken(what: str, found: Found, left: float, path: str) -> Locked:
    return _locked(
        what, found, left, path,
        hint=f"Wait for it, then look again. If that run is dead, its lease ends by itself in {left:.0f} s, or at once with: rm {path}",
    )


def _taken_alone(what: str, found: Found, left: float, path: str) -> Locked:
    return _locked(
        what, found, left, path,
        hint="That is another host of this run, which seems to be the same server by another name. Look again when this run has ended.",
    )


def _locked(what: str, found: Found, left: float, path: str, *, hint: str) -> Locked:
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=left)
    shown = until.isoformat(timespec="seconds").replace("+00:00", "Z")
    return Locked.by(
        f"Run {found.who.run} of {found.who.holder}", what, more=f", until {shown} at the latest", hint=hint,
        held_by={"run": found.who.run, "holder": found.who.holder, "until": shown, "seconds": round(left, 1), "path": path,
                 "execution": found.who.execution},
    )


@contextlib.contextmanager
def _changing(what: str, *, path: str = "", make: bool = True) -> t.Iterator[tuple[int, str]]:
    """The lease's file, open and locked.

    Args:
        path: the file, where it is known without its subject's name.
        make: it is made where it is not there.

    Raises:
        Locked: it cannot be opened, read or written.
        FileNotFoundError: it is not there, and must not be created.
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
        raise Locked.unseen(
            what, f"{path}: {exc.strerror or exc}",
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


def _read(handle: int) -> Found | None:
    """What the file says, None for nobody.

    Raises:
        OSError: it says something else. Everybody may write to it.
    """
    text = os.pread(handle, _MOST, 0)
    if not text:
        return None
    try:
        found = json.loads(text.split(b"\n", 1)[0])
        who = Who(_plain(found["run"]), _plain(found["holder"]), _plain(found.get("execution", "")))
        hosts = tuple(_plain(one) for one in found.get("hosts", [who.host]))
        return Found(
            what=_plain(found.get("what", "")), who=who, boot=_plain(found["boot"]), until=_seconds(found["until"]),
            alone=_seconds(found.get("alone", 0)), hosts=hosts[-_HOSTS:],
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        raise OSError(errno.EINVAL, "it holds no lease; remove it") from None


def _seconds(given: t.Any) -> float:
    seconds = float(given)
    if not 0 <= seconds < _LATEST:
        raise ValueError(given)
    return seconds


def _plain(text: str) -> str:
    """A text of the file that may go to a screen."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:_TEXT]


def _write(handle: int, lease: Found) -> None:
    """One line. Whoever dies in between leaves it whole, with the rest of an older one behind it."""
    said = {**lease._asdict(), **lease.who._asdict(), "what": _plain(lease.what)}
    del said["who"]
    text = (json.dumps(said, sort_keys=True, ensure_ascii=False) + "\n").encode()
    if os.pwrite(handle, text, 0) != len(text):
        raise OSError(errno.ENOSPC, "it could not be written")
    os.ftruncate(handle, len(text))
