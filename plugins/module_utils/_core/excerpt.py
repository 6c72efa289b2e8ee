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

MAX_LINE = 1000
REPLACED = "'***'"
_QUOTED = re.compile(r"'(?:[^']|'')*(?:'|\Z)")
_DOLLAR = re.compile(r"(\$\w*\$).*?(?:\1|\Z)", re.DOTALL)
_DETAIL_VALUES = re.compile(r"=\((?:[^()]|\([^()]*\))*\)")
_URL_PASSWORD = re.compile(r"(\w+://[^\s:/@]*:)[^\s@]+@")
_PASSWORD = re.compile(r"(?i)\b((?:pass(?:word|wd)?|secret|token)\s*[=:]\s*)\S+")


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


def excerpt(text: str, *, levels: t.Sequence[str], max_lines: int) -> dict[str, t.Any]:
    """The lines that hold one of the levels, redacted.

    Args:
        text: the log's end.
        levels: words such as ERROR; the first that a line holds is the one it counts for.
        max_lines: how many lines to keep, the last ones.
    """
    word = re.compile(r"\b(" + "|".join(re.escape(level) for level in levels) + r")\b")
    counts = dict.fromkeys(levels, 0)
    lines = []
    for line in text.splitlines():
        match = word.search(line)
        if match:
            counts[match.group(1)] += 1
            lines.append(redact_line(line))
    return {"counts": counts, "lines": lines[-max_lines:], "left_out": max(len(lines) - max_lines, 0)}


def redact_line(line: str) -> str:
    """A line without literals, values of keys, and passwords."""
    for pattern, instead in (
        (_URL_PASSWORD, r"\1***@"), (_PASSWORD, r"\1***"), (_DOLLAR, REPLACED), (_QUOTED, REPLACED), (_DETAIL_VALUES, "=(***)"),
    ):
        line = pattern.sub(instead, line)
    return line if len(line) <= MAX_LINE else line[:MAX_LINE] + "..."
