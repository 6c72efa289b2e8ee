# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Heads of lock queues by table."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.backends import Backend
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.lock_queue import heads


def queued(pid: int, *blockers: int, lock: str | None = "orders", **more: object) -> Backend:
    return Backend(**{
        "pid": pid, "user": "app", "state": "active", "wait_event_type": "Lock", "blocked_by": blockers, "wait_lock": lock,
        "wait_mode": "AccessExclusiveLock", "wait_object": f"public.{lock}", "wait_age": 12.0, **more,
    })  # type: ignore[arg-type]


HOLDER = Backend(pid=1)


@pytest.mark.parametrize(("backends", "expected"), [
    ([], {}),
    ([HOLDER, queued(2, 1)], {}),  # it holds up nobody
    ([HOLDER, queued(2, 1), queued(3, 2), queued(4, 2)], {2: ({3, 4}, ())}),
    ([HOLDER, queued(2, 1), queued(3, 2), queued(4, 2, 3)], {2: ({3, 4}, ())}),
    # The holder would not let them through either.
    ([HOLDER, queued(2, 1), queued(3, 1, 2)], {}),
    # Two heads: who came between them waits for the first alone, who came later for both.
    ([HOLDER, queued(2, 1), queued(3, 2), queued(4, 1, 2, 3), queued(5, 2, 4)], {2: ({3, 5}, (4,)), 4: ({5}, (2,))}),
    # It holds them up by a lock that it has, of its own earlier work, and not by its wait.
    ([HOLDER, queued(2, 1, lock="row 1"), queued(3, 2, lock="row 2")], {}),
    ([queued(2, 0), queued(3, 2)], {2: ({3}, ())}),  # behind a prepared transaction
    ([queued(2, 3), queued(3, 2)], {}),  # a deadlock
    ([HOLDER, queued(2, 1, lock=None), queued(3, 2, lock=None)], {}),  # read in between: nobody knows
    ([HOLDER, queued(2, 1), queued(3, 2), queued(6, 5, lock="b"), queued(7, 6, lock="b"), queued(8, 6, lock="b")],
     {6: ({7, 8}, ()), 2: ({3}, ())}),  # who holds up most first
    ([HOLDER, queued(2, 1, leader_pid=2), queued(3, 2)], {2: ({3}, ())}),
])
def test_heads(backends: list[Backend], expected: dict[int, tuple[set[int], tuple[int, ...]]]) -> None:
    found = heads(backends)
    assert {head.backend.pid: (set(head.held_up), head.together_with) for head in found} == expected
    assert [head.backend.pid for head in found] == list(expected)


@pytest.mark.parametrize(("backends", "said"), [
    ([HOLDER, queued(2, 1), queued(3, 2)], "1 session; cancelling it frees them: SELECT pg_cancel_backend(2);"),
    ([HOLDER, queued(2, 1), queued(3, 2), queued(4, 1, 2, 3), queued(5, 2, 4)], (
        "2 sessions, some of them together with pid 4; cancelling them frees these sessions: "
        "SELECT pg_cancel_backend(2), pg_cancel_backend(4);"
    )),
])
def test_a_head_is_named_with_the_command(backends: list[Backend], said: str) -> None:
    [first, *_more] = heads(backends)
    assert first.say().startswith(f"pid 2 app waits for AccessExclusiveLock on public.orders for 12s and holds up {said}")


def test_nobody_is_told_to_cancel_a_part_of_the_server() -> None:
    [head] = heads([HOLDER, queued(2, 1, backend_type="autovacuum worker", user=None), queued(3, 2)])
    assert head.say() == "pid 2 autovacuum worker waits for AccessExclusiveLock on public.orders for 12s and holds up 1 session."
