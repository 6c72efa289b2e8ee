# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban's SQLite database, read only: why an address was banned, and whether a restart would ban it again.

This module util is PRIVATE to the collection: it may change at any time.

The tables are those of server/database.py: bips has one row per jail and address, with data as JSON.
"""

from __future__ import annotations

import dataclasses
import json
import os
import typing as t
import urllib.parse

from .._core.excerpt import redact_line
from .._core.log_grammars import GENERIC, Grammar
from .decisions.replies import Ban

MAX_LINES = 5
_MAX_LINE = 300
_BUSY_SECONDS = 3.0
_CHUNK = 400


@dataclasses.dataclass(frozen=True)
class Stored:
    """What the database knows of a ban.

    Attributes:
        count: how often it was banned in this jail.
        failures: how many matches led to it.
        lines: the last lines that matched, bounded and without passwords.
    """

    banned_at: t.Optional[float] = None
    seconds: t.Optional[int] = None
    count: t.Optional[int] = None
    failures: t.Optional[int] = None
    lines: tuple[str, ...] = ()


class Unreadable(ValueError):
    """The database cannot be read, and why."""


class Unkept(Unreadable):
    """The daemon keeps none."""


def read_bans(path: str, bans: t.Iterable[Ban]) -> dict[tuple[str, str], Stored]:
    """The rows of these bans, by jail and entry; those that are not there are left out.

    Raises:
        Unreadable: it cannot be opened, or is of another kind.
    """
    import sqlite3  # not every call reads it

    wanted = sorted({(ban.jail, ban.entry) for ban in bans})
    if not os.path.exists(path):
        raise Unreadable(f"{path} does not exist")
    found: dict[tuple[str, str], Stored] = {}
    try:
        base = sqlite3.connect(f"file:{urllib.parse.quote(path)}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
        try:
            for start in range(0, len(wanted), _CHUNK):
                part = wanted[start:start + _CHUNK]
                marks = ",".join("?" for _entry in part)
                rows = base.execute(
                    f"SELECT jail, ip, timeofban, bantime, bancount, data FROM bips WHERE ip IN ({marks})",
                    [entry for _jail, entry in part],
                )
                for jail, entry, at, seconds, count, data in rows:
                    if (str(jail), str(entry)) in part:
                        found[str(jail), str(entry)] = _stored(at, seconds, count, data)
        finally:
            base.close()
    except sqlite3.Error as exc:
        raise Unreadable(f"{path}: {exc}") from exc
    return found


def _stored(at: t.Any, seconds: t.Any, count: t.Any, data: t.Any) -> Stored:
    try:
        said = json.loads(data) if data else {}
    except (ValueError, TypeError, RecursionError):
        said = {}
    said = said if isinstance(said, dict) else {}
    matches = said.get("matches")
    failures = said.get("failures")
    return Stored(
        banned_at=float(at) if isinstance(at, (int, float)) else None, seconds=seconds if isinstance(seconds, int) else None,
        count=count if isinstance(count, int) else None, failures=failures if isinstance(failures, int) else None,
        # Of any service that a jail watches.
        lines=tuple(tidy(_line(one), GENERIC) for one in (matches if isinstance(matches, list) else [])[-MAX_LINES:]),
    )


def _line(match: t.Any) -> str:
    return "".join(str(part) for part in match) if isinstance(match, list) else str(match)


def tidy(line: str, grammar: Grammar) -> str:
    """A line of a log as evidence: one line, bounded, without passwords."""
    said = redact_line(" ".join(line.split()), grammar)
    return said if len(said) <= _MAX_LINE else said[:_MAX_LINE] + "..."
