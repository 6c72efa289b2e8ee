# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects of a database are maintained, bounded in number and size, and the choice again from its record."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.limits import Budget
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.maintenance import (
    BUSY,
    LEFT_OVER,
    NOT_OURS,
    Object,
    Worst,
    sight,
)

from tests.support.decided import decided_again

SERVER = "pg:77:1700000000"
GIB = 2**30


def need(operation: str, number: int, *, size: int = GIB, spared: str = "") -> Object:
    """An object that needs it."""
    kind = "i" if operation == "reindex" else "r"
    return Object(number, f"public.{operation}_{number}", kind, operation, need="It needs it.", bytes=size, spared=spared)


MANY = [need(operation, number) for operation in ("reindex", "vacuum", "analyze") for number in range(1, 7)]


def chosen(needy: list[Object], worst: Worst, **more: Any) -> tuple[list[str], dict[str, str]]:
    """The names of those that would be maintained, and why which are left alone."""
    given = {"objects": (), "budget": Budget(max_count=5), **more}
    seen = sight(resource=SERVER, needy=needy, worst=worst, **given)
    assert seen.basis is not None
    approved = given.get("approved")
    again = decided_again(seen.basis, approved=approved).actions or {}
    assert set(again) == {one.action.id for one in seen.candidates}, "the record tells the same"
    return [one.action.name for one in seen.candidates], {one.name: one.reasons[0] for one in seen.protected}


@pytest.mark.parametrize(("worst", "spent", "names"), [
    (Worst(), 0, []),
    (Worst(1), 0, ["public.reindex_1", "public.vacuum_1", "public.analyze_1"]),
    (Worst(3), 0, ["public.reindex_1", "public.vacuum_1", "public.analyze_1", "public.reindex_2", "public.vacuum_2"]),
    (Worst(3), 3, ["public.reindex_1", "public.vacuum_1"]),
    (Worst(3), 9, []),
])
def test_the_worst_of_each_kind_in_turn_within_the_limit(worst: Worst, spent: int, names: list[str]) -> None:
    assert chosen(MANY, worst, budget=Budget(max_count=5, spent=spent)) == (names, {})


def test_what_is_too_large_is_left_alone_and_said() -> None:
    large, small = need("vacuum", 1, size=9 * GIB), need("vacuum", 2, size=2 * GIB)
    names, left = chosen([large, small], Worst(2, 3 * GIB))
    assert names == [small.name] and left[large.name].startswith("too_large:9.0 GiB")


@pytest.mark.parametrize(("code", "said"), [
    (LEFT_OVER, "DROP INDEX CONCURRENTLY public.reindex_1"), (BUSY, "another session"), (NOT_OURS, "MAINTAIN"),
])
def test_who_is_left_alone_is_said_with_the_reason(code: str, said: str) -> None:
    one = need("reindex", 1, spared=code)
    names, left = chosen([one], Worst(2))
    assert names == [] and left[one.name].startswith(f"{code}:") and said in left[one.name]


def test_hundreds_that_are_left_alone_or_passed_over_find_room_in_a_record() -> None:
    needy = [need("vacuum", number, spared=NOT_OURS) for number in range(1, 201)] + [need("analyze", number) for number in range(300, 500)]
    names, left = chosen(needy, Worst(2))
    assert names == ["public.analyze_300", "public.analyze_301"] and len(left) == 20


def test_what_is_named_is_maintained_first_and_once() -> None:
    named = Object(1, "public.vacuum_1", "r", "vacuum")
    names, _left = chosen(MANY, Worst(1), objects=(named,))
    assert names == ["public.vacuum_1", "public.reindex_1", "public.vacuum_2", "public.analyze_1"]


def test_of_a_plan_only_what_it_names_although_others_are_worse_now() -> None:
    fourth = MANY[9]
    assert fourth.operation == "vacuum"
    assert chosen(MANY, Worst(1), approved=[fourth.action(SERVER).id]) == ([fourth.name], {})
    assert chosen(MANY, Worst(1), approved=[]) == ([], {})


@pytest.mark.parametrize(("operation", "says"), [("vacuum", True), ("vacuum_analyze", True), ("analyze", False), ("reindex", False)])
def test_a_planned_vacuum_says_that_it_frees_no_disk(operation: str, says: bool) -> None:
    action = Object(1, "public.orders", "r", operation).action(SERVER)
    assert action.reason.startswith("It was named for maintenance.")
    assert ("VACUUM FULL or pg_repack" in action.reason and "disk" in action.reason) is says
