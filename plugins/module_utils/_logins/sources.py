# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count logins in the journal and in log files, bounded in bytes, time and memory. It only reads.

This module util is PRIVATE to the collection: it may change at any time.

A log whose first line is younger than the time that is asked for does not say what was before. The file that was rotated away is read
with it. Where that is not enough, the journal of the same time says it, for the usual logs only: another log may tell of other hosts.
A log that was never rotated is a new host's where the journal was read too, and has nothing before it. Without a journal it may as well
have been emptied, and nobody knows: until it is as old as the time that is asked for, its checks are unknown.

Of a log only the end is read that reaches back to that time. Lines are counted as they are read, and are not kept.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
import typing as t

from .._core.errors import Blind
from .._core.findings import COULD_NOT_LOOK, NOT_APPLICABLE, Skipped
from .._module.programs import execute, find, run
from .decisions.counting import Counted
from .decisions.lines import DROPBEAR, SSHD, first_time, of_journal, of_log
from .decisions.logins import ABSENT, CHECKS, begins

#: Where distributions keep them: Debian's, and Red Hat's.
LOGS = ("/var/log/auth.log", "/var/log/secure")
_NO_FILES = "No journal files were"  # journalctl says "found" or "opened due to insufficient permissions" after it
_JOIN = "Use become, or make the user one of the groups adm and systemd-journal."
NO_JOURNAL = f"no_journal: {ABSENT['no_journal']}."
PROGRAMS = (*SSHD, DROPBEAR, "dovecot", "auth")
_NOT_COMPRESSED = re.compile(r"[.-][\d-]+\Z")
#: The longest line that is read; a longer one is passed over.
_LONGEST_LINE = 64 * 1024
#: The first step back in a log, in bytes; each further one is twice as long.
_STEP = 1024 * 1024


class _Log(t.NamedTuple):
    """A log, with the file that was rotated away before it where that was needed.

    Attributes:
        counted: of both.
        read: the files.
        gap: why it does not say everything since the time that is asked for; empty where it does.
        hint: what to do about that.
        lost: whether something is known to have been before what was read.
    """

    counted: Counted
    read: list[str]
    gap: str = ""
    hint: str = ""
    lost: bool = False


def read_events(
    *, journal: bool, logs: t.Sequence[str] | None, since: float, max_bytes: int, seconds: float,
    command: t.Sequence[str] = ("journalctl",),
) -> tuple[list[Counted], list[Skipped], list[str]]:
    """What was counted by source, what could not be read, and what was.

    Args:
        logs: paths; None for those that this host has.
        since: seconds since the epoch.
        max_bytes: of each source.

    Raises:
        Blind: nothing could be read.
    """
    found: list[Counted] = []
    skipped: list[Skipped] = []
    read: list[str] = []
    seen = False
    if journal:
        journaled, problem = _journal(command, since=since, max_bytes=max_bytes, seconds=seconds)
        if problem:
            absent = "no_journal" if journaled is None and problem == NO_JOURNAL else ""
            skipped += _left_out(problem, f"{_JOIN} Or raise max_kib and timeout.", absent=absent)
        if journaled is not None:
            found.append(journaled)
            read.append("journal")
            seen = not problem
    paths = [path for path in LOGS if os.path.exists(path)] if logs is None else list(logs)
    if logs is None and not paths:
        skipped += _left_out(f"no_log: {ABSENT['no_log']}: {', '.join(LOGS)}.", absent="no_log")
    for path in paths:
        try:
            log = _log(path, since=since, max_bytes=max_bytes, now=time.time())
        except OSError as exc:
            skipped += _left_out(f"{path}: {exc.strerror or exc}", _JOIN)
            continue
        found.append(log.counted)
        read += log.read
        instead = seen and path in LOGS and (not log.lost or _journal_reaches(command, since=since, seconds=seconds))
        if log.gap and not instead:
            skipped += _left_out(f"{path}: {log.gap}", log.hint)
    if not read:
        raise Blind(f"Neither the journal nor a log can be read ({'; '.join(one.reason for one in skipped)}).",
                    hint=f"{_JOIN} Or name the logs.")
    return found, skipped, read


def _left_out(reason: str, hint: str = "", *, absent: str = "") -> list[Skipped]:
    """What a source that was not read means for each check: it may hold any of them, unless this host has no such source.

    Args:
        absent: key of ABSENT where it has none.
    """
    kind = NOT_APPLICABLE if absent and ABSENT[absent] in reason else COULD_NOT_LOOK
    return [Skipped(check, reason, hint, kind) for check in CHECKS]


def _log(path: str, *, since: float, max_bytes: int, now: float) -> _Log:
    """A log, and what it leaves out.

    Raises:
        OSError: it cannot be read.
    """
    counted = Counted(since)
    end = _count_file(path, counted, since=since, max_bytes=max_bytes, now=now)
    if end is None:
        raise OSError(f"{path} cannot be read")
    found = _reaching_back(path, counted, end, since=since, max_bytes=max_bytes, now=now)
    counted.end()
    return found


def _reaching_back(path: str, counted: Counted, end: _Part, *, since: float, max_bytes: int, now: float) -> _Log:
    """The log with the file that was rotated away before it, where that is needed."""
    if end.first is not None and end.first <= since:
        return _Log(counted, [path])
    if not end.whole:
        return _Log(counted, [path], f"only its last {max_bytes} bytes were read, and they do not reach back", "Raise max_kib.", lost=True)
    rotated = _rotated(path)
    if not rotated:
        return _Log(counted, [path], f"it {begins(end.first)}, and no rotated file is beside it: what was before is not known", _hint(path))
    gap = f"it was rotated, {begins(end.first)}, and what was before is in {rotated[0]}"
    if not _NOT_COMPRESSED.search(rotated[0]):
        return _Log(counted, [path], f"{gap}, which is compressed", _hint(path), lost=True)
    try:
        older = _count_file(rotated[0], counted, since=since, max_bytes=max_bytes, now=now, other_than=end.file)
    except OSError as exc:
        return _Log(counted, [path], f"{gap}: {exc.strerror or exc}", _JOIN, lost=True)
    if older is None:
        return _Log(counted, [path], "it was rotated while it was read", "Look again.", lost=True)
    read = [path, rotated[0]]
    if older.first is not None and older.first <= since:
        return _Log(counted, read)
    if not older.whole:
        return _Log(counted, read, f"{gap}, of which the last {max_bytes} bytes do not reach back", "Raise max_kib.", lost=True)
    return _Log(counted, read, f"{gap}, which {begins(older.first)}", _hint(path), lost=True)


class _Part(t.NamedTuple):
    """How far back a file was read: to its beginning, to a line of which time, and which file it was (device and inode)."""

    whole: bool
    first: t.Optional[float]
    file: tuple[int, int]


def _count_file(
    path: str, counted: Counted, *, since: float, max_bytes: int, now: float, other_than: t.Optional[tuple[int, int]] = None,
) -> t.Optional[_Part]:
    """Count the end of a regular file, as much as reaches back to a time; None where it is the other file.

    Raises:
        OSError: it cannot be read, or is not a regular file.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise OSError(22, "Not a regular file", path)
        which = (about.st_dev, about.st_ino)
        if which == other_than:
            return None
        start = _start(file, about.st_size, since=since, max_bytes=max_bytes, now=now)
        lines = _Lines(file, start=start, most=about.st_size - start, now=now)
        counted.add_all(of_log(lines, now=now))
    return _Part(not start, lines.first, which)


def _start(file: t.BinaryIO, size: int, *, since: float, max_bytes: int, now: float) -> int:
    """From where on a file reaches back to a time, or has as many bytes as may be read: a place in its middle, or its beginning."""
    lowest, at, step = max(size - max_bytes, 0), size, _STEP
    while at > lowest:
        at, step = max(at - step, lowest), 2 * step
        first = _Lines(file, start=at, most=_LONGEST_LINE, now=now).until_a_time()
        if first is not None and first <= since:
            return at
    return lowest


class _Lines:
    """The lines of a part of a file: where it begins within a line, from the next one on.

    Attributes:
        first: the time of the first line that has one, as far as lines were read.
    """

    def __init__(self, file: t.BinaryIO, *, start: int, most: int, now: float) -> None:
        self._file, self._start, self._most, self._now = file, start, most, now
        self.first: t.Optional[float] = None

    def __iter__(self) -> t.Iterator[str]:
        self._file.seek(self._start)
        left, inside = self._most, bool(self._start)
        while left > 0:
            part = self._file.readline(min(_LONGEST_LINE, left))
            if not part:
                return
            left -= len(part)
            ends = part.endswith(b"\n")
            if not inside and (ends or left <= 0):
                line = part.decode("utf-8", "replace")
                if self.first is None:
                    self.first = first_time((line,), now=self._now)
                yield line
            inside = not ends

    def until_a_time(self) -> t.Optional[float]:
        """Read up to the first line that has a time."""
        for _line in self:
            if self.first is not None:
                break
        return self.first


def _hint(path: str) -> str:
    """What helps where a log does not reach back: the journal only for the usual ones."""
    return "Read the journal too, or ask for less with since." if path in LOGS else "Ask for less with since."


def _rotated(path: str) -> list[str]:
    """The files that a log was rotated into, as logrotate(8) names them (auth.log.1, secure-20261130, auth.log.2.gz), newest first."""
    folder, name = os.path.split(path)
    written: dict[str, float] = {}
    try:
        beside = os.listdir(folder or ".")
    except OSError:  # a directory that may be entered and not listed
        return [f"{path}.1"]
    for other in beside:
        if re.match(re.escape(name) + r"[.-]\d", other):
            with contextlib.suppress(OSError):
                written[os.path.join(folder, other)] = os.stat(os.path.join(folder, other)).st_mtime
    return sorted(written, key=lambda one: -written[one])


def _journal_reaches(command: t.Sequence[str], *, since: float, seconds: float) -> bool:
    """Whether the system's journal has an entry from before a time, so that it was not cleaned up to a later one."""
    said = run([*command, "--no-pager", "--system", "-o", "json", "-n", "1", f"--until=@{int(since)}", "--output-fields=MESSAGE"],
               seconds=seconds)
    return not said.problem and any(line.startswith("{") for line in said.out.splitlines())


def _journal(command: t.Sequence[str], *, since: float, max_bytes: int, seconds: float) -> tuple[Counted | None, str]:
    """The newest entries, as many as the bytes allow; the oldest of them may be cut off, so newest first."""
    program = find(command[0])
    if program is None:
        return None, NO_JOURNAL
    newest = run([*command, "--no-pager", "-o", "json", "-n", "1", "--output-fields=MESSAGE"], seconds=seconds)
    if newest.problem or not newest.out.strip():
        # Whom nothing is hidden from sees that there is none.
        empty = os.geteuid() == 0 and (not newest.problem or _NO_FILES in newest.problem)
        return None, NO_JOURNAL if empty else newest.problem or "it has no entries that this user may see"
    argv = [program, *command[1:], "--no-pager", "-r", "-o", "json", f"--since=@{int(since)}",
            "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,_PID,SYSLOG_PID", *(f"--identifier={name}" for name in PROGRAMS)]
    counted, rest = Counted(since), bytearray()

    def take(data: bytes) -> None:
        lines = (bytes(rest) + data).split(b"\n")
        rest[:] = lines.pop()
        counted.add_all(of_journal(lines))

    done = execute(argv, seconds=seconds, most=max_bytes, env={**os.environ, "LC_ALL": "C"}, take=take)
    if done.problem:
        return None, f"{command[0]}: {done.problem}"
    problem = f"only the newest {max_bytes} bytes of the journal were read" if done.cut else ""
    if done.late:
        problem = f"the journal was not read to its end within {seconds:g} s"
    said = done.err.decode("utf-8", "replace").strip()
    if done.status and not problem:
        return None, f"journalctl: {said[:300] or done.status}"
    if "not seeing messages" in said:
        return None, "it has entries of others that this user may not see"
    counted.add_all(of_journal([bytes(rest)]))
    counted.end()
    return counted, problem
