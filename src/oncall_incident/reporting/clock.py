# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times of a record as numbers, and as people read them. All are UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.durations import format_duration


def seconds(ts: Any) -> float | None:
    """Seconds since the epoch; None for what is not a time. One without a zone is UTC."""
    try:
        found = datetime.fromisoformat(str(ts))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def said(at: float, form: str) -> str:
    """A time in UTC in the form of strftime."""
    return datetime.fromtimestamp(at, tz=UTC).strftime(form)


def time_of_day(ts: Any) -> str:
    """`03:04:05`; the text itself when it is not a time."""
    at = seconds(ts)
    return str(ts or "") if at is None else said(at, "%H:%M:%S")


def date_and_time(ts: Any) -> str:
    """`2026-01-02 03:04:05`; the text itself when it is not a time."""
    at = seconds(ts)
    return str(ts or "") if at is None else said(at, "%Y-%m-%d %H:%M:%S")


def between(start: Any, end: Any) -> str:
    """How long it took, `unknown` when one of the times is none."""
    first, last = seconds(start), seconds(end)
    return "unknown" if first is None or last is None else format_duration(last - first)
