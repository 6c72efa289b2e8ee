# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing a record: one segment, one writer, every line carrying the hash of the line before.

This plugin util is PRIVATE to the collection: it may change at any time.

A line is a JSON object; its first keys are `seq`, `ts`, `mono`, `type`, `run`, `segment`, `prev`, then the
event's own. `prev` is the SHA-256 of the bytes of the line before, without its newline, so that a reader needs
nothing but sha256sum. Every value passes the redactor before it is hashed; nothing else writes to a record.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import hashlib
import os
import time
import typing as t
from pathlib import Path

from . import layout, reader
from .blobs import SPILL_BYTES, spill
from .errors import CannotRecord, RecordInUse, cannot_record
from .line import ENVELOPE, encode, sealed_closing_line
from .redact import Redactor
from .utf8 import to_bytes

_RESERVED = frozenset(ENVELOPE)

#: A segment that reaches this goes on in the next file: bytes.
SEGMENT_BYTES = 16 * 1024 * 1024

# macOS has no fdatasync in Python.
_sync: t.Callable[[int], None] = getattr(os, "fdatasync", os.fsync)

# POSIX locks do not exclude the process that holds them: run directories this process is writing.
_open_here: set[tuple[int, str]] = set()


class Segment:
    """One segment of a run's record, open for writing by this process alone.

    Signatures (fixed):
        Segment.open(run_dir, *, run, redactor, opening=None, name="record", resume=False, lock=None) -> Segment
        segment.append(kind, payload, *, sync=True) -> int      the event's seq
        segment.close(payload=None) -> None                      writes segment.close; also at the end of `with`

    Attributes:
        run_dir, path, run, number: where and which.
        redactor: the one choke point; callers teach it secrets at any time.
    """

    def __init__(
        self, *, run_dir: Path, run: str, name: str, number: int, redactor: Redactor, fd: int, lock: Path, lock_fd: int, seq: int,
        head: str,
    ) -> None:
        self.run_dir = run_dir
        self.path = layout.segment_path(run_dir, number, name)
        self.run = run
        self.number = number
        self.redactor = redactor
        self._name = name
        self._first = number
        self._path = str(self.path)
        self._fd = fd
        self._lock = lock
        self._lock_fd = lock_fd
        self._pid = os.getpid()
        self._inode = os.fstat(fd).st_ino
        self._size = 0
        self._seq = seq
        self._head = head

    @classmethod
    def open(
        cls, run_dir: Path, *, run: str, redactor: Redactor, opening: t.Mapping[str, t.Any] | None = None, name: str = layout.RECORD,
        resume: bool = False, lock: Path | None = None,
    ) -> Segment:
        """Begin the next segment of a run, making the run's directory if needed.

        The first line is `segment.open` with `opening` and, from the second segment on, `previous`: number, head
        hash and whether it was closed. When it was not, a `recovered` event follows that closes it.

        Args:
            run_dir: the run's directory.
            run: the run's id.
            redactor: removes secrets from everything that is written.
            opening: what `segment.open` says: who, where, which versions, argv.
            name: the directory of segments, where it is not `record`.
            resume: go on in the last segment when it is whole and not closed, instead of beginning the next.
            lock: the lock file, where it is not the run's.

        Raises:
            RecordInUse: another writer has this record open.
            CannotRecord: a directory or file cannot be written.
        """
        layout.make_private(layout.record_dir(run_dir, name))
        lock = lock or layout.lock_path(run_dir)
        lock_fd = _lock(lock)
        fd = -1
        try:
            previous = _last_state(run_dir, name)
            again = resume and previous.number > 0 and previous.lines > 0 and not previous.closed and not previous.torn_bytes
            number = previous.number if again else previous.number + 1
            fd = _reopen(layout.segment_path(run_dir, number, name)) if again else _create(layout.segment_path(run_dir, number, name))
            segment = cls(
                run_dir=run_dir, run=run, number=number, redactor=redactor, fd=fd, lock=lock, lock_fd=lock_fd,
                seq=previous.seq, head=previous.head, name=name,
            )
            if again:
                segment._size = os.fstat(fd).st_size
                return segment
            segment.append("segment.open", {**(opening or {}), **previous.as_payload()})
            if not previous.closed:
                segment.append("recovered", previous.as_recovery())
        except BaseException:
            if fd >= 0:
                os.close(fd)
            _unlock(lock, lock_fd)
            raise
        return segment

    def __enter__(self) -> Segment:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close({"ended": "error"} if exc_info[0] else None)

    @property
    def head(self) -> str:
        """SHA-256 of the last line written."""
        return self._head

    @property
    def seq(self) -> int:
        """The number of the last line written."""
        return self._seq

    @property
    def is_open(self) -> bool:
        """Whether this process may still append."""
        return self._fd >= 0 and self._pid == os.getpid()

    def append(self, kind: str, payload: t.Mapping[str, t.Any], *, sync: bool = True) -> int:
        """Write one event and, with `sync`, wait until the disk has it.

        Without `sync` the line still survives the death of this process, though not of the machine.

        Args:
            kind: the event's type.
            payload: the event's own keys; must not use those of ENVELOPE. Redacted here.
            sync: False for events that nothing depends on.

        Returns:
            The event's seq.

        Raises:
            CannotRecord: it is not in the record; the record ends with the event before.
        """
        if not self.is_open:
            raise CannotRecord(
                f"The record's segment {self.path} is not open in this process.", hint="Open a new segment.",
                path=str(self.path), errno=None,
            )
        if not _RESERVED.isdisjoint(payload):
            raise ValueError(f"payload uses a reserved key: {sorted(_RESERVED & set(payload))}")
        doing = "write"
        try:
            self._check_place(thoroughly=sync)
            clean, removed = self.redactor.clean(payload)
            seq = self._seq + 1
            event: dict[str, t.Any] = {
                "seq": seq, "ts": _now(), "mono": round(time.monotonic(), 6), "type": kind,
                "run": self.run, "segment": self.number, "prev": self._head,
            }
            event.update(clean)
            if removed:
                event["redacted"] = removed
            data = encode(event)
            if len(data) > SPILL_BYTES:
                event.update(spill(self.run_dir, clean))
                data = encode(event)
            if kind == "segment.close":
                data = sealed_closing_line(data)
            self._write(data + b"\n")
            self._seq, self._head, self._size = seq, hashlib.sha256(data).hexdigest(), self._size + len(data) + 1
            if sync:
                doing = "sync"
                _sync(self._fd)
            if self._size >= SEGMENT_BYTES and kind != "segment.close":
                doing = "continue"
                self._continue()
        except OSError as exc:
            raise cannot_record(exc.filename or self.path, exc, doing=doing) from exc
        return seq

    def _continue(self) -> None:
        """Close this file and go on in the next: the same writer, the same chain."""
        self.append("segment.close", {"ended": "continued"})
        previous = _State(number=self.number, seq=self._seq, head=self._head, lines=1)
        path = layout.segment_path(self.run_dir, self.number + 1, self._name)
        fd = _create(path)
        os.close(self._fd)
        self.number, self.path, self._path = self.number + 1, path, str(path)
        self._fd, self._inode, self._size = fd, os.fstat(fd).st_ino, 0
        self.append("segment.open", {
            "continues": self._first, "previous": {"segment": previous.number, "head": previous.head, "closed": True},
        })

    def close(self, payload: t.Mapping[str, t.Any] | None = None) -> None:
        """Write `segment.close`, let others write, and forget the file. A second call does nothing.

        Raises:
            CannotRecord: the last event is not in the record; the file is closed all the same.
        """
        if not self.is_open:
            return
        try:
            self.append("segment.close", {"ended": "normal", **(payload or {})})
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the file without a last line; the next segment will recover it."""
        if self.is_open:
            os.close(self._fd)
            self._fd = -1
            _unlock(self._lock, self._lock_fd)

    def _write(self, data: bytes) -> None:
        """All of data or nothing."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view):]
        except OSError:
            # A full disk may have taken half of the line.
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
            raise

    def _check_place(self, *, thoroughly: bool) -> None:
        """The file must still be there, where people will look for it when it counts, and must hold what we wrote.

        Raises:
            OSError: it was removed, moved or cut.
        """
        there = os.stat(self._path) if thoroughly else os.fstat(self._fd)
        if there.st_ino != self._inode or there.st_nlink == 0:
            raise OSError(errno.ENOENT, "replaced", self._path)
        if there.st_size > self._size:
            self._take_in(there.st_size)
        elif there.st_size < self._size:
            raise OSError(errno.EIO, "cut by somebody else", self._path)

    def _take_in(self, size: int) -> None:
        """A Ctrl-C can fall between writing a line and knowing of it: take in whole lines, drop half of one."""
        with self.path.open("rb") as stream:
            stream.seek(self._size)
            while (raw := stream.readline()).endswith(b"\n"):
                event = reader.parse(raw[:-1])
                if event is None or event.get("prev") != self._head:
                    break
                self._seq, self._head, self._size = int(event["seq"]), hashlib.sha256(raw[:-1]).hexdigest(), self._size + len(raw)
        if self._size < size:
            os.ftruncate(self._fd, self._size)


class _State(t.NamedTuple):
    """The end of a run's record as it is on disk."""

    number: int = 0
    seq: int = 0
    head: str = reader.GENESIS
    lines: int = 0
    closed: bool = True
    torn_bytes: int = 0
    torn_sha256: str = ""

    def as_payload(self) -> dict[str, t.Any]:
        """What `segment.open` says of the segment before."""
        if not self.number:
            return {}
        return {"previous": {"segment": self.number, "head": self.head, "lines": self.lines, "closed": self.closed}}

    def as_recovery(self) -> dict[str, t.Any]:
        """What `recovered` says of a segment whose writer did not close it."""
        torn = {"torn_bytes": self.torn_bytes, "torn_sha256": self.torn_sha256} if self.torn_bytes else {"torn_bytes": 0}
        return {"of": self.number, "last_seq": self.seq, "head": self.head, "lines": self.lines, **torn}


def _create(path: Path) -> int:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        _sync_directory(path.parent)
    except OSError as exc:
        raise cannot_record(path, exc, doing="create") from exc
    return fd


def _reopen(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
    except OSError as exc:
        raise cannot_record(path, exc, doing="open") from exc


def _last_state(run_dir: Path, name: str) -> _State:
    """Where the record ends. A segment whose writer died before its first line leaves the head to the one before."""
    found = layout.segments(run_dir, name)
    if not found:
        return _State()
    last = _end_of(*found[-1])
    head = last
    for number, path in reversed(found[:-1]):
        if head.lines:
            break
        head = _end_of(number, path)
    return last._replace(seq=head.seq, head=head.head)


def _end_of(number: int, path: Path) -> _State:
    """The end of one segment: its last whole line, and what is torn behind it."""
    last, count, torn = b"", 0, b""
    try:
        with path.open("rb") as stream:
            while raw := stream.readline(reader.MAX_LINE_BYTES):
                if raw.endswith(b"\n"):
                    last, count = raw[:-1], count + 1
                else:
                    torn = raw
    except OSError as exc:
        raise cannot_record(path, exc, doing="read") from exc
    event = reader.parse(last) or {}
    return _State(
        number=number, seq=int(event.get("seq", 0)), head=hashlib.sha256(last).hexdigest() if count else reader.GENESIS,
        lines=count, closed=event.get("type") == "segment.close" and event.get("ended") != "continued",
        torn_bytes=len(torn), torn_sha256=hashlib.sha256(torn).hexdigest() if torn else "",
    )


def _lock(path: Path) -> int:
    """Take the run's lock. POSIX locks, since flock's would live on in Ansible's forked workers."""
    key = (os.getpid(), os.path.realpath(path))
    try:
        if key in _open_here:
            raise BlockingIOError(errno.EAGAIN, "held by this process")
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except BlockingIOError as exc:
        raise _in_use(path, f"this process ({os.getpid()})") from exc
    except OSError as exc:
        raise cannot_record(path, exc, doing="lock") from exc
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        holder = to_bytes(f"pid {os.getpid()} on {os.uname().nodename}\n")
        os.ftruncate(fd, 0)
        os.pwrite(fd, holder, 0)
    except OSError as exc:
        owner = os.pread(fd, 200, 0).decode("utf-8", "replace").strip() if exc.errno in (errno.EAGAIN, errno.EACCES) else ""
        os.close(fd)
        if owner or exc.errno in (errno.EAGAIN, errno.EACCES):
            raise _in_use(path, owner or "another process") from exc
        raise cannot_record(path, exc, doing="lock") from exc
    _open_here.add(key)
    return fd


def _in_use(path: Path, owner: str) -> RecordInUse:
    return RecordInUse(
        f"The record {path.parent} is being written by {owner}.",
        hint="Wait until it ends, or start a run of its own (another INCIDENT_RUN_DIR).", path=str(path), errno=errno.EAGAIN,
    )


def _unlock(path: Path, fd: int) -> None:
    _open_here.discard((os.getpid(), os.path.realpath(path)))
    os.close(fd)


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _now() -> str:
    """UTC, ISO 8601, milliseconds, Z."""
    seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


@functools.lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
