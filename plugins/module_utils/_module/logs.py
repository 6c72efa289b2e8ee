# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the end of a log on this host, say what to grant where that is not possible, and let it explain why a server is down.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import glob
import grp
import os
import pwd
import re
import stat
import typing as t

from .._core.excerpt import last_words, newest, read_tail
from .._core.findings import CRITICAL, Finding
from .._core.judging import Verdict
from .._core.log_grammars import Grammar

#: Refusals of a server that does not run: its log should say why.
GONE = ("refused", "no_socket")
#: In place of a path: where distributions have the product's logs.
AUTO = "auto"
_MAX_BYTES = 256 * 1024
_MOST_IN_HINT = 300
#: So many files of a directory are looked into, the newest first.
_MOST_FILES = 10


@dataclasses.dataclass(frozen=True)
class Log:
    """The end of a log.

    Attributes:
        path: the file that was read, or should have been.
        text: its end.
        size: how many bytes of it were read.
        trouble: why it could not be read; empty where it could.
        hint: what to do about that.
    """

    path: str
    text: str = ""
    size: int = 0
    trouble: str = ""
    hint: str = ""

    @property
    def unread(self) -> str:
        """Why it could not be read, and what to do, in a few words; both are empty where it could."""
        about_path = self.path in self.hint
        return self.hint if about_path else f"{self.path}: {self.trouble}. {self.hint}"


class _Judged(t.Protocol):
    """A look with its verdict, as a dataclass."""

    __dataclass_fields__: t.ClassVar[dict[str, t.Any]]

    @property
    def verdict(self) -> Verdict:
        """What it came to."""


Look = t.TypeVar("Look", bound=_Judged)


def read_log(path: str, *, max_bytes: int = _MAX_BYTES) -> Log:
    """The end of a log, or of the file of a directory that was written last."""
    try:
        path = newest(path) if os.path.isdir(path) else path
        data = read_tail(path, max_bytes=max_bytes).data
    except OSError as exc:
        return Log(path, trouble=exc.strerror or str(exc), hint=_advice(path, exc))
    return Log(path, data.decode("utf-8", "replace"), len(data))


def find_log(grammar: Grammar, *, port: int) -> t.Optional[Log]:
    """The log of the server at a port, where distributions have the product's logs; or one that cannot be read; None where none is there.

    Nothing but the port in it shows whose log it is.
    """
    own, closed = re.compile(grammar.own.format(port=port)), None
    for place in (found for pattern in grammar.places for found in sorted(glob.glob(pattern))):
        try:
            with os.scandir(place) as entries:
                files = sorted(((one.stat().st_mtime, one.path) for one in entries if one.is_file()), reverse=True)
        except OSError as exc:
            closed = closed or Log(place, trouble=exc.strerror or str(exc), hint=_advice(place, exc))
            continue
        for _time, path in files[:_MOST_FILES]:
            log = read_log(path)
            if own.search(log.text):
                return log
            closed = closed or (log if log.trouble else None)
    return closed


def with_last_words(look: Look, *, path: str, grammar: Grammar, port: int) -> Look:
    """The look; where the server is down, the finding about that says what the log says.

    Args:
        path: the server's log on this host, or its directory; AUTO to look for it; empty where there is none.
        grammar: whose log it is.
        port: of the server.
    """
    down = [one for one in look.verdict.findings if one.check == "availability" and one.status == CRITICAL and not one.subject]
    if not path or not down:
        return look
    log = find_log(grammar, port=port) if path == AUTO else read_log(path)
    if log is None:
        return look
    words = last_words(log.text, grammar=grammar)
    findings = tuple(explained(one, log, words) if one in down else one for one in look.verdict.findings)
    return dataclasses.replace(look, verdict=dataclasses.replace(look.verdict, findings=findings))


def explained(finding: Finding, log: Log, words: str) -> Finding:
    """The finding that a server is down, with the last words of its log."""
    if words:
        told = f"Its log {log.path} says: {words if len(words) <= _MOST_IN_HINT else words[:_MOST_IN_HINT] + '...'}"
    elif finding.observed not in GONE:
        return finding
    elif log.trouble:
        told = f"Its log cannot be read: {log.unread}"
    else:
        told = f"Its log {log.path} gives no reason since the server was last up: look in the system's log whether it was killed."
    stop = "" if told.endswith((".", "...", "!")) else "."
    detail = {**finding.detail, "log": {"path": log.path, "last": words, "trouble": log.trouble}}
    return dataclasses.replace(finding, hint=f"{told}{stop} {finding.hint}".strip(), detail=detail)


def _advice(path: str, exc: OSError) -> str:
    """What to do about a log that cannot be read."""
    if isinstance(exc, FileNotFoundError):
        return "Name the file, or its directory, that the server writes its log to."
    if isinstance(exc, PermissionError):
        return _grant(path)
    return "Name a regular file, or a directory."


def _grant(path: str) -> str:
    """What the user who runs the module lacks, and which group has it."""
    who = _name(pwd.getpwuid, os.geteuid())
    while True:
        try:
            found = os.stat(path)
            break
        except PermissionError:
            # Nothing is known of a file in a directory that we may not enter.
            path = os.path.dirname(os.path.abspath(path))
        except OSError:
            return f"Give the user {who} read access to it."
    folder = stat.S_ISDIR(found.st_mode)
    needed, wanted = (stat.S_IRGRP | stat.S_IXGRP, "list and enter") if folder else (stat.S_IRGRP, "read")
    group, owner = _name(grp.getgrgid, found.st_gid), _name(pwd.getpwuid, found.st_uid)
    by_group = f"make {who} a member of the group {group}, " if found.st_mode & needed == needed and found.st_gid else ""
    return f"The user {who} may not {wanted} {path}: {by_group}become {owner}, or grant it with an ACL."


def _name(of: t.Callable[[int], t.Any], number: int) -> str:
    try:
        return str(of(number)[0])
    except KeyError:
        return str(number)
