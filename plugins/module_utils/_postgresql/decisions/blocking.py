# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who waits for whom, and who is at the root of it.

This module util is PRIVATE to the collection: it may change at any time.

Pids here are those of leaders: a parallel worker counts as the session it works for. Pid 0 stands for all prepared
transactions, which have no process.
"""

from __future__ import annotations

import typing as t

from .backends import Backend

#: Whom a prepared transaction's lock is attributed to by pg_blocking_pids().
PREPARED = 0

Waits = t.Mapping[int, frozenset[int]]


def waits_of(backends: t.Iterable[Backend]) -> dict[int, frozenset[int]]:
    """For each waiting session the sessions it waits for directly."""
    found: dict[int, set[int]] = {}
    known = list(backends)
    leaders = {backend.pid: backend.leader_pid or backend.pid for backend in known}
    for backend in known:
        blockers = {leaders.get(pid, pid) for pid in backend.blocked_by} - {leaders[backend.pid]}
        if backend.waits_for_lock and blockers:
            found.setdefault(leaders[backend.pid], set()).update(blockers)
    return {pid: frozenset(blockers) for pid, blockers in found.items()}


def waiting_behind(waits: Waits) -> dict[int, frozenset[int]]:
    """For each blocking session everybody who waits for it, directly or through others; never itself."""
    direct: dict[int, set[int]] = {}
    for waiter, blockers in waits.items():
        for blocker in blockers:
            direct.setdefault(blocker, set()).add(waiter)
    behind: dict[int, frozenset[int]] = {}
    for blocker, first in direct.items():
        seen: set[int] = set()
        queue = list(first)
        while queue:
            waiter = queue.pop()
            if waiter not in seen:
                seen.add(waiter)
                queue.extend(direct.get(waiter, ()))
        behind[blocker] = frozenset(seen - {blocker})
    return behind


def roots(waits: Waits) -> dict[int, frozenset[int]]:
    """The sessions that block others and wait for nobody, with everybody behind them, the most blocking first.

    A deadlock has no root: the server's own detector ends it.
    """
    behind = {pid: waiters for pid, waiters in waiting_behind(waits).items() if pid not in waits}
    return dict(sorted(behind.items(), key=lambda item: (-len(item[1]), item[0])))


def tree(waits: Waits, root: int) -> dict[str, t.Any]:
    """The blocking tree below a session as nested dictionaries: pid, waiters.

    A session that waits for several appears below each; one that is its own ancestor (a deadlock) is not repeated.
    """
    return _branch(waits, root, ())


def _branch(waits: Waits, pid: int, above: tuple[int, ...]) -> dict[str, t.Any]:
    path = (*above, pid)
    waiters = sorted(waiter for waiter, blockers in waits.items() if pid in blockers and waiter not in path)
    return {"pid": pid, "waiters": [_branch(waits, waiter, path) for waiter in waiters]}
