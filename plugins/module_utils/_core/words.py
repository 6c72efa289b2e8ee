# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists and numbers as people give and read them.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .errors import BadInput


def words_list(value: t.Union[str, t.Iterable[t.Any], None]) -> list[t.Any]:
    """A list from a list, or from text with commas, which is what `-e name=a,b` gives."""
    if value is None:
        return []
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return list(value)


def number(value: t.Any) -> int:
    """A whole number from what an inventory or a command line gives: `2`, `"2"`, `2.0` and `"2.0"` are 2; nothing given is 0.

    Raises:
        BadInput: it is not a number. It may feed a limit, so it is not taken for 0.
    """
    if value in (None, ""):
        return 0
    try:
        return int(float(value)) if isinstance(value, str) and not value.strip().lstrip("+-").isdigit() else int(value)
    except (TypeError, ValueError, OverflowError):
        raise BadInput(f"{value!r} is not a number.", hint="Give a whole number.") from None


def command_words(
    command: t.Union[str, t.Sequence[str]], *, default: t.Optional[t.Sequence[str]] = None,
    arguments: t.Optional[t.Sequence[str]] = None,
) -> list[str]:
    """A command as a list.

    Args:
        command: a list, or text with spaces, which is what a command line gives.
        default: the command when that one is empty.
        arguments: added at its end.
    """
    words = command.split() if isinstance(command, str) else list(command)
    return [*(words or default or ()), *(arguments or ())]


def few(names: t.Iterable[str], *, most: int, separator: str = ", ", last: str = " and ") -> str:
    """The first of them, and how many more there are: a, b and 3 more.

    Args:
        most: how many are named.
        separator: between two names.
        last: before the number of the others.
    """
    found = list(names)
    more = f"{last}{len(found) - most} more" if len(found) > most else ""
    return separator.join(found[:most]) + more


def format_bytes(size: float) -> str:
    """Say a size briefly for people: 512 B, 1.5 MiB, 20 GiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
