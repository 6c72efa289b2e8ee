# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of pg_health that are about the indexes of a database and the reading of its tables.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.durations import format_duration
from ..._core.findings import Answer, Finding, Skipped
from . import verdict_tables
from .absent import does_not_apply
from .facts import Seen
from .sight import uncounted_rows


def unused_indexes(seen: Seen) -> Answer:
    """Indexes that nobody has used."""
    return _indexes(seen, "unused_indexes", lambda rows: verdict_tables.judge_unused_indexes(
        indexes=rows, counted=_counted(seen), limit=seen.request.limits["unused_indexes"],
    ), min_age=seen.request.unused_indexes_min_age)


def duplicate_indexes(seen: Seen) -> Answer:
    """Indexes of the same columns as another one."""
    limit = seen.request.limits["duplicate_indexes"]
    return _indexes(seen, "duplicate_indexes", lambda rows: verdict_tables.judge_duplicate_indexes(indexes=rows, limit=limit))


def invalid_indexes(seen: Seen) -> Answer:
    """Indexes that no query uses, since their building did not end."""
    limit = seen.request.limits["invalid_indexes"]
    return _indexes(seen, "invalid_indexes", lambda rows: verdict_tables.judge_invalid_indexes(indexes=rows, limit=limit))


def sequential_scans(seen: Seen) -> Answer:
    """Large tables that are read from beginning to end."""
    unseen = _not_counted(seen, "sequential_scans", seen.request.sequential_scans_min_age)
    if unseen:
        return Answer(skipped=unseen)
    rows = seen.facts.rows("sequential_scans")
    found = verdict_tables.judge_sequential_scans(tables=rows, counted=_counted(seen), limit=seen.request.limits["sequential_scans"])
    return Answer([found], {"sequential_scans": rows})


def _indexes(
    seen: Seen, check: str, judge: t.Callable[[list[dict[str, t.Any]]], Finding], *, min_age: t.Optional[float] = None,
) -> Answer:
    """A check of indexes, which a standby has from its primary.

    Args:
        min_age: for how long use must be counted to be judged; None where use is not judged.
    """
    if seen.facts.server["in_recovery"]:
        return Answer(skipped=[does_not_apply(check, "standby_has_the_primarys_indexes")])
    unseen = [] if min_age is None else _not_counted(seen, check, min_age)
    if unseen:
        return Answer(skipped=unseen)
    rows = seen.facts.rows(check)
    return Answer([judge(rows)], {check: rows})


def _counted(seen: Seen) -> float:
    """For how many seconds use is counted; none where the server does not say."""
    rows = seen.facts.rows("counted")
    return float(rows[0]["age"] or 0.0) if rows else 0.0


def _not_counted(seen: Seen, check: str, min_age: float) -> list[Skipped]:
    """Why use cannot be judged: it is not counted, or not for long enough."""
    facts, counted = seen.facts, _counted(seen)
    off = uncounted_rows(counting=facts.counting, off_for=facts.uncounted, database=facts.database, check=check, what="scans")
    if off or counted >= min_age:
        return off
    return [does_not_apply(
        check, "counted_too_briefly", of=f"{format_duration(counted)}, {format_duration(min_age)} is needed",
        hint=f"Look again later, or lower {check}_min_age.",
    )]
