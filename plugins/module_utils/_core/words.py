# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists and numbers as people give them.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t


def words_list(value: t.Union[str, t.Iterable[t.Any], None]) -> list[t.Any]:
    """A list from a list, or from text with commas, which is what `-e name=a,b` gives."""
    if value is None:
        return []
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return list(value)


def number(value: t.Any) -> int:
    """A whole number from what an inventory or a command line gives; 0 where it is none."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
