# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes and the reading of tables are told with what to do, and never make a server critical by themselves."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.thresholds import Limit
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions import verdict_tables
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.thresholds import limits_from, threshold_spec

GIB = 2**30
LIMITS = limits_from({name: option["default"] for name, option in threshold_spec().items()})


def index(name: str, **more: Any) -> dict[str, Any]:
    """A row of any of the queries."""
    usual = {"of_table": "public.orders", "bytes": GIB, "all_bytes": 4 * GIB, "number": 4, "same_as": "public.orders_pkey"}
    return {"name": name, **usual, "left_over": False, "busy": False, **more}


FOUR = [index(f"public.i_{number}") for number in range(4)]
TABLE = {"name": "public.orders", "bytes": 2 * GIB, "scans": 7200, "index_scans": 0, "bytes_read": 7200 * GIB}


def test_unused_indexes_are_named_with_their_size_and_how_long_that_is_known() -> None:
    found = verdict_tables.judge_unused_indexes(indexes=FOUR, counted=864000, limit=LIMITS["unused_indexes"])
    assert (found.status, found.observed, found.subject) == ("warning", 4 * GIB, "public.i_0")
    for said in ("public.i_0 (1.0 GiB)", "and 1 more were not used", "10d", "standby", "DROP INDEX CONCURRENTLY public.i_0;"):
        assert said in found.hint


def test_duplicate_indexes_are_named_with_what_they_double() -> None:
    found = verdict_tables.judge_duplicate_indexes(indexes=FOUR[:1], limit=Limit(1, None))
    assert found.status == "warning" and "public.i_0 is the same as public.orders_pkey" in found.hint


@pytest.mark.parametrize(("rows", "status", "said"), [
    ([], "ok", ""), ([index("public.x", busy=True)], "ok", ""),
    ([index("public.x")], "warning", "REINDEX INDEX CONCURRENTLY public.x;"),
    ([index("public.x_ccnew", left_over=True)], "warning", "DROP INDEX CONCURRENTLY public.x_ccnew;"),
])
def test_invalid_indexes_have_the_command_that_cures_each(rows: list[dict[str, Any]], status: str, said: str) -> None:
    found = verdict_tables.judge_invalid_indexes(indexes=rows, limit=LIMITS["invalid_indexes"])
    assert found.status == status and said in found.hint


@pytest.mark.parametrize(("rows", "counted", "status", "rate"), [
    ([], 86400, "ok", 0.0), ([TABLE], 86400, "ok", 85.3), ([TABLE], 3600, "warning", 2048.0),
])
def test_large_tables_that_are_read_whole(rows: list[dict[str, Any]], counted: float, status: str, rate: float) -> None:
    found = verdict_tables.judge_sequential_scans(tables=rows, counted=counted, limit=LIMITS["sequential_scans"])
    assert (found.status, found.observed) == (status, rate)
    assert status == "ok" or "public.orders (2.0 GiB) was read from beginning to end 7200 times in 1h" in found.hint


def test_nothing_of_it_is_critical_unless_somebody_says_so() -> None:
    for name in ("invalid_indexes", "unused_indexes", "duplicate_indexes", "sequential_scans"):
        assert LIMITS[name].critical is None
