# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocking trees by table."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.backends import Backend
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.blocking import roots, tree, waiting_behind, waits_of


def waiter(pid: int, *blockers: int, leader: int | None = None) -> Backend:
    return Backend(pid=pid, wait_event_type="Lock", blocked_by=tuple(blockers), leader_pid=leader)


@pytest.mark.parametrize(("backends", "expected"), [
    ([], {}),
    ([Backend(pid=1)], {}),
    ([Backend(pid=1), waiter(2, 1), waiter(3, 2), waiter(4, 3)], {1: {2, 3, 4}}),
    ([Backend(pid=1), Backend(pid=2), waiter(3, 1, 2)], {1: {3}, 2: {3}}),
    ([Backend(pid=1), waiter(2, 1), Backend(pid=5), waiter(6, 5), waiter(7, 5)], {5: {6, 7}, 1: {2}}),
    ([waiter(1, 2), waiter(2, 1)], {}),  # a deadlock has no root
    ([waiter(1, 2), waiter(2, 1), waiter(3, 1), Backend(pid=9), waiter(8, 9)], {9: {8}}),
    ([waiter(2, 0)], {0: {2}}),  # a prepared transaction
    ([Backend(pid=1), Backend(pid=11, leader_pid=1), waiter(2, 11)], {1: {2}}),  # blocked by a parallel worker
    ([Backend(pid=1), waiter(11, 5, leader=1), Backend(pid=5)], {5: {1}}),  # a parallel worker waits
    ([Backend(pid=1), waiter(11, 1, leader=1)], {}),  # for its own leader
    ([Backend(pid=1), Backend(pid=2, blocked_by=(1,))], {}),  # waits no more
])
def test_roots(backends: list[Backend], expected: dict[int, set[int]]) -> None:
    found = roots(waits_of(backends))
    assert found == expected
    assert list(found) == list(expected)  # the most blocking first


def test_everybody_behind_is_counted_for_those_in_the_middle_too() -> None:
    waits = waits_of([Backend(pid=1), waiter(2, 1), waiter(3, 2), waiter(4, 2)])
    assert waiting_behind(waits) == {1: {2, 3, 4}, 2: {3, 4}}


def test_a_session_in_a_deadlock_is_not_behind_itself() -> None:
    assert waiting_behind(waits_of([waiter(1, 2), waiter(2, 1), waiter(3, 2)])) == {1: {2, 3}, 2: {1, 3}}


def test_tree_is_nested_and_ends_in_a_deadlock() -> None:
    waits = waits_of([Backend(pid=1), waiter(2, 1, 3), waiter(3, 2)])
    assert tree(waits, 1) == {"pid": 1, "waiters": [{"pid": 2, "waiters": [{"pid": 3, "waiters": []}]}]}
