# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a log, cut down to what matters and without its users' data.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import os
import re
import stat
import typing as t

from .log_grammars import HIDDEN, Grammar

MAX_LINE = 1000
#: An apostrophe opens nothing (can't, users' data, d'une); all else that looks like the beginning of a value of SQL does.
_APOSTROPHE = r"(?<=\w')(?:(?:s|t|d|m|re|ve|ll)\b(?!')|\s)|(?:(?<=\b[cdjlmstCDJLMST]')|(?<=\bqu'))\w"
_QUOTED = re.compile(rf"\b[Ee]'(?:[^'\\]|\\.|'')*(?:'|\Z)|'(?!{_APOSTROPHE})(?:[^']|'')*(?:'|\Z)", re.DOTALL)
_DOLLAR = re.compile(r"(\$\w*\$).*?(?:\1|\Z)", re.DOTALL)
_DETAIL_VALUES = re.compile(r"=\((?:[^()]|\([^()]*\))*\)")
_OF_SQL = ((_DOLLAR, f"'{HIDDEN}'"), (_QUOTED, f"'{HIDDEN}'"), (_DETAIL_VALUES, f"=({HIDDEN})"))
#: Hidden in every log.
_EVERYWHERE = (
    (re.compile(r"(\w+://[^\s:/@]*:)[^\s@]+@"), rf"\1{HIDDEN}@"),
    (re.compile(r"(?i)\b((?:pass(?:word|wd|phrase)?|secret|token|api_?key)[\"']?\s*[=:]\s*)(?:\"[^\"]*\"|\S+)"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)\b(authorization[\"']?\s*[=:]\s*[\"']?(?:basic |bearer |digest )?)[^\s\"']+"), rf"\1{HIDDEN}"),
)


def newest(directory: str) -> str:
    """The regular file below a directory that was written last.

    Raises:
        OSError: there is none, or it cannot be listed.
    """
    with os.scandir(directory) as entries:
        files = [(entry.stat().st_mtime, entry.path) for entry in entries if entry.is_file()]
    if not files:
        raise FileNotFoundError(2, "No file in this directory", directory)
    return max(files)[1]


class End(t.NamedTuple):
    """The last bytes of a file, whether they are all of it, and which file it was (device and inode)."""

    data: bytes
    whole: bool
    file: tuple[int, int]


def read_end(path: str, *, max_bytes: int) -> bytes:
    """See read_tail()."""
    return read_tail(path, max_bytes=max_bytes).data


def read_tail(path: str, *, max_bytes: int) -> End:
    """The last bytes of a regular file, from the beginning of a line.

    Raises:
        OSError: it cannot be read, or is not a regular file.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(22, "Not a regular file", path)
        start = max(found.st_size - max_bytes, 0)
        file.seek(start)
        data = file.read(max_bytes)
    return End(data.partition(b"\n")[2] if start else data, not start, (found.st_dev, found.st_ino))


def excerpt(
    text: str, *, grammar: Grammar, levels: t.Optional[t.Sequence[str]] = None, max_lines: int,
) -> dict[str, t.Any]:
    """The lines that matter, redacted.

    Args:
        text: the log's end.
        grammar: whose log it is.
        levels: words such as ERROR, one of which a line must hold, in place of what the product marks; the first that a line holds is
            the one it counts for.
        max_lines: how many lines to keep, the last ones.
    """
    level = _level_by_words(levels) if levels else _level_by_grammar(grammar)
    counts = dict.fromkeys(levels or grammar.kept, 0)
    lines: list[str] = []
    goes_on = False
    for line in text.splitlines():
        if goes_on and grammar.more.search(line):
            lines.append(redact_line(line, grammar))
            continue
        found = level(line)
        goes_on = found is not None
        if found is not None:
            if found:
                counts[found] = counts.get(found, 0) + 1
            lines.append(redact_line(line, grammar))
    return {"counts": counts, "lines": lines[-max_lines:], "left_out": max(len(lines) - max_lines, 0)}


def _level_by_words(levels: t.Sequence[str]) -> t.Callable[[str], t.Optional[str]]:
    word = re.compile(r"(?<!\w)(" + "|".join(re.escape(level) for level in levels) + r")(?!\w)")

    def level(line: str) -> t.Optional[str]:
        match = word.search(line)
        return match.group(1) if match else None

    return level


def _level_by_grammar(grammar: Grammar) -> t.Callable[[str], t.Optional[str]]:
    """What a line counts for, empty where it has no level; None where it does not matter."""
    def level(line: str) -> t.Optional[str]:
        found = _level(line, grammar)
        marked = found in grammar.kept and not grammar.harmless.search(line)
        return found if marked or (found not in grammar.noise and grammar.notable.search(line)) else None

    return level


def _level(line: str, grammar: Grammar) -> str:
    match = grammar.level.search(line)
    return grammar.marks.get(match.group(match.lastindex), "") if match and match.lastindex else ""


class _Said:
    """What one start of a program, or its run since, said about its end."""

    def __init__(self) -> None:
        self.why = self.ended = self.warned = -1

    @property
    def line(self) -> int:
        """The line that says why, else the one that says that it ended, else the last warning; -1 for none."""
        return next((one for one in (self.why, self.ended, self.warned) if one >= 0), -1)


def last_words(text: str, *, grammar: Grammar) -> str:
    """The last line that says why the program ended or could not begin, redacted, with what belongs to it; empty where none does.

    What stands before the program was last up says nothing about now.
    """
    lines = text.splitlines()
    earlier, said, begun = _Said(), _Said(), False
    for number, line in enumerate(lines):
        if grammar.runs.search(line):
            earlier, said, begun = _Said(), _Said(), False
        elif grammar.begins.search(line):
            earlier, said, begun = (said if said.line >= 0 else earlier), _Said(), True
        elif grammar.why.search(line):
            said.why = number
        elif grammar.ended.search(line):
            said.ended = number
        else:
            level = _level(line, grammar)
            if level in grammar.fatal and not grammar.passing.search(line):
                said.why = number
            elif begun and level in grammar.kept and not grammar.usual.search(line) and not grammar.harmless.search(line):
                said.warned = number
    at = said.line if said.line >= 0 else earlier.line
    if at < 0:
        return ""
    end = at + 1
    while end < len(lines) and grammar.more.search(lines[end]):
        end += 1
    return " ".join(redact_line(line, grammar).strip() for line in lines[at:end])


def redact_line(line: str, grammar: Grammar) -> str:
    """A line without passwords, and without the values that this product's log holds."""
    for pattern, instead in (*_EVERYWHERE, *grammar.secrets, *(_OF_SQL if grammar.sql else ())):
        line = pattern.sub(instead, line)
    return line if len(line) <= MAX_LINE else line[:MAX_LINE] + "..."
