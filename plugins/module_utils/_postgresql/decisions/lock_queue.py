# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who waits at the head of a lock's queue and holds up others, although the holder of the lock would let these through.

This module util is PRIVATE to the collection: it may change at any time.

An ALTER TABLE waits behind a long SELECT. Every later SELECT waits behind the ALTER TABLE, although it could run beside the first one.
Cancelling the statement that waits frees them, and the holder goes on.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.durations import format_duration
from .backends import Backend
from .blocking import Waits, waits_of
from .in_the_way import how_many

#: What plans the statement that say() names.
SWITCH = "The option cancel_lock_queue (postgres_cancel_lock_queue of the role) plans that."


@dataclasses.dataclass(frozen=True)
class Head:
    """A session that waits and holds up others.

    Attributes:
        held_up: pids that wait only since it waits before them.
        together_with: pids of other heads; some of `held_up` wait for these too.
    """

    backend: Backend
    held_up: frozenset[int]
    together_with: tuple[int, ...] = ()

    @property
    def awaits(self) -> str:
        """What it waits for: `AccessExclusiveLock on public.orders`."""
        return f"{self.backend.wait_mode or 'a lock'} on {self.backend.wait_object or 'something'}"

    @property
    def command(self) -> str:
        """What frees those that it holds up, as a statement."""
        return "SELECT " + ", ".join(f"pg_cancel_backend({pid})" for pid in (self.backend.pid, *self.together_with)) + ";"

    def say(self) -> str:
        """The head in words, with the statement that helps."""
        who = dataclasses.replace(self.backend, state=None).named
        said = f"{who} waits for {self.awaits} for {format_duration(self.backend.waited)} and holds up {how_many(len(self.held_up))}"
        if not self.backend.is_client:
            return f"{said}."
        if self.together_with:
            pids = ", ".join(str(pid) for pid in self.together_with)
            return f"{said}, some of them together with pid {pids}; cancelling them frees these sessions: {self.command}"
        return f"{said}; cancelling it frees them: {self.command}"


def heads(backends: t.Iterable[Backend]) -> tuple[Head, ...]:
    """The heads of all queues, who holds up most first."""
    known = list(backends)
    waits, by_pid = waits_of(known), {backend.pid: backend for backend in known}
    lock = {backend.pid: backend.wait_lock for backend in known if backend.waits_for_lock and backend.wait_lock}
    queued = {pid: frozenset(one for one in blockers if one in lock and lock[one] == lock.get(pid)) for pid, blockers in waits.items()}
    # Whoever waits for nobody but others in the queue would be let through by the holder.
    let_through = {pid for pid, blockers in waits.items() if queued[pid] == blockers}
    before = {pid: _first(pid, waits, let_through) for pid in let_through}
    found = []
    for pid in waits:
        held_up = frozenset(other for other, first in before.items() if pid in first)
        if held_up and pid in by_pid:
            others = sorted({one for other in held_up for one in before[other]} - {pid})
            found.append(Head(by_pid[pid], held_up, tuple(others)))
    return tuple(sorted(found, key=lambda head: (-len(head.held_up), head.backend.pid)))


def _first(pid: int, waits: Waits, let_through: t.AbstractSet[int]) -> frozenset[int]:
    """Behind which waiting sessions one waits in the end: those that wait for a holder themselves."""
    found: set[int] = set()
    seen: set[int] = set()
    queue = [pid]
    while queue:
        one = queue.pop()
        for blocker in waits[one]:
            if blocker not in let_through:
                found.add(blocker)
            elif blocker not in seen:
                seen.add(blocker)
                queue.append(blocker)
    return frozenset(found)
