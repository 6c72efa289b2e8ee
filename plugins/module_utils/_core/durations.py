# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations as people type them: 30s, 5m, 2h, 1d, 1h30m, 250ms or plain seconds.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import re
import typing as t

from .errors import BadInput

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+\Z")
_PLAIN = re.compile(r"\d+(?:\.\d+)?\Z")


def parse_duration(value: t.Any, *, name: str = "duration") -> float:
    """Turn a duration into seconds.

    Args:
        value: a number of seconds, or text such as `90`, `30s`, `5m`, `2h`, `1d`, `1h30m`, `250ms`.
        name: the argument the value came from, for the error.

    Returns:
        Seconds, zero or more.

    Raises:
        BadInput: the value is not a duration, or is negative.
    """
    if isinstance(value, bool) or value is None:
        raise _bad(value, name)
    if isinstance(value, (int, float)):
        if not 0 <= value < float("inf"):
            raise _bad(value, name)
        return float(value)
    text = str(value).strip().lower().replace(" ", "")
    if _PLAIN.match(text):
        return float(text)
    if not _WHOLE.match(text):
        raise _bad(value, name)
    return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in _PART.findall(text))


def format_duration(seconds: float) -> str:
    """Say seconds briefly for people: 0.4s, 42s, 5m10s, 2h3m, 4d2h."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, secs = divmod(rest, 60)
    if days:
        return f"{days}d{hours}h" if hours else f"{days}d"
    if hours:
        return f"{hours}h{minutes}m" if minutes else f"{hours}h"
    if minutes:
        return f"{minutes}m{secs}s" if secs else f"{minutes}m"
    return f"{secs}s"


def _bad(value: t.Any, name: str) -> BadInput:
    return BadInput(
        f"{name}: {value!r} is not a duration.",
        hint="Write seconds as a number, or a number with ms, s, m, h or d, for example 30s, 5m or 1h30m.",
        argument=name,
    )
