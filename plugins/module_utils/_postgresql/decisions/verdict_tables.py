# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the indexes of a database and the reading of its tables are judged: numbers in, findings out.

None of it ends an incident by itself, so nothing here is critical unless the caller gives a threshold for that.

This module util is PRIVATE to the collection: it may change at any time. Sizes are bytes, times seconds.
"""

from __future__ import annotations

import typing as t

from ..._core.durations import format_duration
from ..._core.findings import Finding, judge
from ..._core.thresholds import Limit
from ..._core.words import format_bytes
from .verdict import Row

_MAX_NAMED = 3
_MAX_ROWS = 5
_MIB = 2**20


def judge_unused_indexes(*, indexes: t.Sequence[Row], counted: float, limit: Limit) -> Finding:
    """Judge by their bytes together the indexes that nobody has used.

    Args:
        indexes: mappings with name, of_table, bytes, all_bytes, number; the largest first.
        counted: for how many seconds their use is counted.
    """
    hint = (
        f"{_named(indexes)} not used in the {format_duration(counted)} that are counted (an index that was made since looks the same). "
        "They take space and slow every write. Check whether a standby or a rare report uses them; if not: "
        f"{_drops(indexes)}"
    )
    return _by_bytes("unused_indexes", indexes, hint=hint, limit=limit, counted=counted)


def judge_duplicate_indexes(*, indexes: t.Sequence[Row], limit: Limit) -> Finding:
    """Judge by their bytes together the indexes of the same columns as another one.

    Args:
        indexes: mappings with name, of_table, same_as, bytes, all_bytes, number; the largest first.
    """
    pairs = ", ".join(f"{row['name']} is the same as {row['same_as']}" for row in indexes[:_MAX_NAMED])
    return _by_bytes("duplicate_indexes", indexes, hint=f"{pairs}: it only slows writes. {_drops(indexes)}", limit=limit)


def judge_invalid_indexes(*, indexes: t.Sequence[Row], limit: Limit) -> Finding:
    """Judge the number of indexes that are not valid, which no query uses and every write keeps up.

    Args:
        indexes: mappings with name, of_table, left_over (by a rebuild that failed), busy (being built now).
    """
    lost = [row for row in indexes if not row["busy"]]
    cures = [
        f"{'DROP' if row['left_over'] else 'REINDEX'} INDEX CONCURRENTLY {row['name']};" for row in lost[:_MAX_NAMED]
    ]
    hint = (
        f"{_names(lost)} invalid, so no query uses {'it' if len(lost) == 1 else 'them'}. Building an index has failed "
        f"or was ended. {' '.join(cures)} pg_maintain (worst) rebuilds them too."
    )
    return judge(
        "invalid_indexes", len(lost), warning=limit.warning, critical=limit.critical, unit="count", hint=hint,
        subject=str(lost[0]["name"]) if lost else "",
        detail={"indexes": [dict(row) for row in lost[:_MAX_ROWS]], "being_built": [str(row["name"]) for row in indexes if row["busy"]]},
    )


def judge_sequential_scans(*, tables: t.Sequence[Row], counted: float, limit: Limit) -> Finding:
    """Judge the table of which most is read from beginning to end, in MiB a second on average.

    Args:
        tables: mappings with name, bytes, scans, index_scans, bytes_read; the most read first.
        counted: for how many seconds that is counted.
    """
    seconds = max(counted, 1.0)
    first = tables[0] if tables else None
    rate = round(float(first["bytes_read"]) / seconds / _MIB, 1) if first else 0.0
    hint = ""
    if first:
        hint = (
            f"{first['name']} ({format_bytes(first['bytes'])}) was read from beginning to end {first['scans']} times in "
            f"{format_duration(counted)}. Look in statements for what reads it, and with EXPLAIN for the index that it lacks."
        )
    return judge(
        "sequential_scans", rate, warning=limit.warning, critical=limit.critical, unit="MiB/s", hint=hint,
        subject=str(first["name"]) if first else "",
        detail={"tables": [dict(row) for row in tables[:_MAX_ROWS]], "counted": round(counted)},
    )


def _by_bytes(check: str, indexes: t.Sequence[Row], *, hint: str, limit: Limit, **more: float) -> Finding:
    first = indexes[0] if indexes else {}
    return judge(
        check, int(first.get("all_bytes", 0)), warning=limit.warning, critical=limit.critical, unit="bytes", hint=hint,
        subject=str(first.get("name", "")),
        detail={"number": int(first.get("number", 0)), "indexes": [dict(row) for row in indexes[:_MAX_ROWS]],
                **{key: round(value) for key, value in more.items()}},
    )


def _names(rows: t.Sequence[Row]) -> str:
    more = len(rows) - _MAX_NAMED
    said = ", ".join(str(row["name"]) for row in rows[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"{said} {'is' if len(rows) == 1 else 'are'}"


def _named(indexes: t.Sequence[Row]) -> str:
    """The largest with their sizes, and how many there are."""
    number = int(indexes[0]["number"]) if indexes else 0
    more = number - _MAX_NAMED
    said = ", ".join(f"{row['name']} ({format_bytes(row['bytes'])})" for row in indexes[:_MAX_NAMED])
    return said + (f" and {more} more" if more > 0 else "") + (" was" if number == 1 else " were")


def _drops(indexes: t.Sequence[Row]) -> str:
    return " ".join(f"DROP INDEX CONCURRENTLY {row['name']};" for row in indexes[:_MAX_NAMED])
