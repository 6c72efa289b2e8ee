# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read failed logins from the journal and from log files, bounded in bytes and time. It only reads.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import os
import time
import typing as t

from .._core.errors import Blind
from .._core.excerpt import read_end
from .._core.findings import COULD_NOT_LOOK, NOT_APPLICABLE, Skipped
from .._module.programs import execute, find, run
from .decisions.logins import ABSENT, CHECKS, Event, parse_journal, parse_log

#: Where distributions keep them: Debian's, and Red Hat's.
LOGS = ("/var/log/auth.log", "/var/log/secure")
_NO_FILES = "No journal files were"  # journalctl says "found" or "opened due to insufficient permissions" after it
NO_JOURNAL = f"no_journal: {ABSENT['no_journal']}."
PROGRAMS = ("sshd", "sshd-session", "dovecot", "auth")


def read_events(
    *, journal: bool, logs: t.Sequence[str] | None, since: float, max_bytes: int, seconds: float,
    command: t.Sequence[str] = ("journalctl",),
) -> tuple[list[list[Event]], list[Skipped], list[str]]:
    """The events by source, what could not be read, and what was.

    Args:
        logs: paths; None for those that this host has.
        since: seconds since the epoch.
        max_bytes: of each source.

    Raises:
        Blind: nothing could be read.
    """
    found: list[list[Event]] = []
    skipped: list[Skipped] = []
    read: list[str] = []
    now = time.time()
    if journal:
        lines, problem = _journal(command, since=since, max_bytes=max_bytes, seconds=seconds)
        if problem:
            skipped += _left_out(problem, "Use become, or raise max_kib and timeout.", absent=lines is None and problem == NO_JOURNAL)
        if lines is not None:
            found.append(parse_journal(lines))
            read.append("journal")
    paths = [path for path in LOGS if os.path.exists(path)] if logs is None else list(logs)
    if logs is None and not paths:
        skipped += _left_out(f"no_log: {ABSENT['no_log']}: {', '.join(LOGS)}.", absent=True)
    for path in paths:
        try:
            data = read_end(path, max_bytes=max_bytes)
        except OSError as exc:
            skipped += _left_out(f"{path}: {exc.strerror or exc}", "Use become.")
            continue
        events = parse_log(data.decode("utf-8", "replace").splitlines(), now=now)
        found.append(events)
        read.append(path)
        if len(data) >= max_bytes - 4096 and not any(event.at is not None and event.at < since for event in events):
            skipped += _left_out(f"{path}: only its last {max_bytes} bytes were read, and they do not reach back", "Raise max_kib.")
    if not read:
        raise Blind(f"Neither the journal nor a log can be read ({'; '.join(one.reason for one in skipped)}).",
                    hint="Use become, or name the logs.")
    return found, skipped, read


def _left_out(reason: str, hint: str = "", *, absent: bool = False) -> list[Skipped]:
    """What a source that was not read means for each check: it may hold any of them, unless this host has no such source."""
    return [Skipped(check, reason, hint, NOT_APPLICABLE if absent else COULD_NOT_LOOK) for check in CHECKS]


def _journal(command: t.Sequence[str], *, since: float, max_bytes: int, seconds: float) -> tuple[list[str] | None, str]:
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
            "--output-fields=MESSAGE,SYSLOG_IDENTIFIER", *(f"--identifier={name}" for name in PROGRAMS)]
    done = execute(argv, seconds=seconds, most=max_bytes, env={**os.environ, "LC_ALL": "C"})
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
    return done.out.decode("utf-8", "replace").splitlines(), problem
