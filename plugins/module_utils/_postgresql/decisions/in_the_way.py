# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is in the way of others, in words: who it is, what it does and for how long, and what helps where it is never ended.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .backends import Backend
from .protection import COMMIT_WAITS, SYNCHRONOUS_COMMIT

STARTUP = "startup"
_AUTOVACUUM = "autovacuum worker"
_BY_TYPE: t.Mapping[str, str] = {
    STARTUP: "This is the replay of WAL on a standby: a transaction of the primary has the lock, or the replay waits for a query of this "
    "standby. It goes on when that transaction or query ends, or after max_standby_streaming_delay.",
    _AUTOVACUUM: "An autovacuum that does not give way prevents wraparound: let it end. Cancel the statement that waits for its lock.",
}


def how_many(count: int) -> str:
    """How many sessions, in words."""
    return f"{count} session{'' if count == 1 else 's'}"


def holds_up(backend: Backend, count: int) -> str:
    """`pid 42 app@shop (web), idle in transaction for 12m, holds up 6 sessions`."""
    return f"{backend.told}, holds up {how_many(count)}"


def spared_advice(backend: Backend, reasons: t.Sequence[str]) -> str:
    """What helps where the session in the way is never ended."""
    if SYNCHRONOUS_COMMIT in reasons:
        return COMMIT_WAITS
    special = _BY_TYPE.get(backend.backend_type or "")
    return special or f"It is protected ({', '.join(reasons)}); its waiters are not ended instead. Decide by hand."
