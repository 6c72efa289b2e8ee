# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the logs of services for why they turned somebody away. It only reads.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import os
import time
import typing as t

from .._core.addresses import Network, Span
from .._core.excerpt import read_tail
from .._module.programs import Run, run
from .decisions.refusals import Read, Refusal, find_refusals

#: Where distributions have what services say: logins, and mail.
LOGS = ("/var/log/auth.log", "/var/log/secure", "/var/log/mail.log", "/var/log/maillog")
_PROGRAMS = ("sshd", "sshd-session", "sshd-auth", "dropbear", "vsftpd", "proftpd")
_MAX_BYTES = 4 * 1024 * 1024
_MAX_LINES = 50_000
_MOST = 200
#: What journalctl says where there is no journal, where it may not be read, and where only a part of it may (journalctl(1)).
_NO_FILES, _MAY_NOT, _OTHERS = "No journal files were", "insufficient permissions", "not seeing messages from other users"


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is looked for: how far back, seconds; the logs, those that this host has where it is empty; and whether in the journal."""

    back: float
    logs: tuple[str, ...] = ()
    journal: bool = True


def read_refusals(wanted: Wanted, clients: t.Sequence[Network], *, programs: Run = run) -> Read:
    """What the logs say of these."""
    now = time.time()
    since = now - wanted.back
    spans = tuple(Span.of(client) for client in clients)
    found: list[Refusal] = []
    read: list[str] = []
    problems: list[str] = []
    if wanted.journal:
        said, problem = _journal(since, programs)
        problems += [f"journal: {problem}"] if problem else []
        read += [] if said is None else ["journal"]
        found += find_refusals((said or "").splitlines(), spans, since=since, now=now)
    for path in wanted.logs or [path for path in LOGS if os.path.exists(path)]:
        try:
            end = read_tail(path, max_bytes=_MAX_BYTES)
        except OSError as exc:
            problems.append(f"{path}: {exc.strerror or exc}")
            continue
        read.append(path)
        found += find_refusals(end.data.decode("utf-8", "replace").splitlines(), spans, since=since, now=now)
    # The journal and a log say the same.
    once = {(one.kind, one.address, one.text, None if one.at is None else int(one.at)): one for one in found}
    newest = sorted(once.values(), key=lambda one: one.at or 0.0)[-_MOST:]
    return Read(spans, since, tuple(newest), tuple(read), tuple(problems))


def _journal(since: float, programs: Run) -> tuple[t.Optional[str], str]:
    """What services said, None where there is no journal; and why not all of it can be read."""
    argv = ["journalctl", "--no-pager", "--output", "short-iso", f"--since=@{int(since)}", "--lines", str(_MAX_LINES)]
    ran = programs([*argv, *(word for program in _PROGRAMS for word in ("--identifier", program))])
    if ran.missing:
        return None, ""
    if ran.problem:
        return None, ran.problem
    if _NO_FILES in ran.err:
        return None, ran.err.strip() if _MAY_NOT in ran.err else ""
    return ran.out, ran.err.strip() if _OTHERS in ran.err else ""
