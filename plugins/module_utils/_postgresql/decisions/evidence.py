# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a server's sessions as evidence: the worst first, bounded in size.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import collections
import json
import re
import typing as t

from .backends import QUERY_SHOWN, Backend
from .blocking import PREPARED, Waits, roots, tree

MAX_SESSIONS = 200
#: Sessions are listed until they take this many bytes as JSON; a result over 64 KiB would leave the record for a blob.
MAX_BYTES = 32 * 1024
_SHORT_QUERY = 160
_FULL_QUERIES = 10
_MAX_GROUPS = 20
_MAX_ROOTS = 10
_MAX_TREE = 100
_PASSWORD = re.compile(r"(\bpassword\s+)(?:E|U&)?'(?:[^']|'')*'?", re.IGNORECASE)


def hide_passwords(query: str) -> str:
    """The query without the literals after PASSWORD (ALTER ROLE ... PASSWORD 'x' is shown in clear by pg_stat_activity)."""
    return _PASSWORD.sub(r"\1'***'", query)


def session_line(backend: Backend, *, protected: t.Sequence[str] = (), query_length: int = QUERY_SHOWN) -> dict[str, t.Any]:
    """A session in few words; what is empty is left out."""
    line: dict[str, t.Any] = {
        "pid": backend.pid, "backend_start": backend.backend_start, "user": backend.user, "database": backend.database,
        "application_name": backend.application_name, "client_address": backend.client_addr, "state": backend.state,
        "backend_type": None if backend.is_client else backend.backend_type,
        "wait": ":".join(part for part in (backend.wait_event_type, backend.wait_event) if part),
        "query_age": _age(backend.query_age) if backend.state == "active" else None, "transaction_age": _age(backend.transaction_age),
        "state_age": _age(backend.state_age), "blocked_by": list(backend.blocked_by), "protected": list(protected),
        "query": hide_passwords(backend.query)[:query_length],
    }
    return {key: value for key, value in line.items() if value not in (None, "", [])}


def _age(seconds: t.Optional[float]) -> t.Optional[float]:
    return None if seconds is None else round(max(seconds, 0.0), 3)


def snapshot(backends: t.Sequence[Backend], *, protected: t.Mapping[int, t.Sequence[str]], max_bytes: int = MAX_BYTES) -> dict[str, t.Any]:
    """The sessions worth keeping: those that block or wait, then busy ones, then idle ones, each by age."""
    blocking = {pid for backend in backends for pid in backend.blocked_by}
    ordered = sorted(backends, key=lambda one: (_rank(one, blocking), -(one.transaction_age or one.state_age or 0.0), one.pid))
    kept: list[dict[str, t.Any]] = []
    size = 0
    for index, backend in enumerate(ordered[:MAX_SESSIONS]):
        line = session_line(
            backend, protected=protected.get(backend.pid, ()), query_length=QUERY_SHOWN if index < _FULL_QUERIES else _SHORT_QUERY,
        )
        size += len(json.dumps(line)) + 2
        if size > max_bytes:
            break
        kept.append(line)
    return {"total": len(backends), "shown": len(kept), "sessions": kept}


def _rank(backend: Backend, blocking: t.AbstractSet[int]) -> int:
    if backend.pid in blocking:
        return 0
    if backend.waits_for_lock:
        return 1
    if not backend.is_client:
        return 4
    return 3 if backend.state == "idle" else 2


def by_state(backends: t.Iterable[Backend]) -> dict[str, int]:
    """Client sessions by state; `unknown` for those whose state is hidden or not yet known."""
    return dict(collections.Counter(backend.state or "unknown" for backend in backends))


def by_application(backends: t.Iterable[Backend]) -> list[dict[str, t.Any]]:
    """Client sessions by database, user, application and address, the most first, cut to twenty."""
    counted: dict[tuple[str, ...], list[Backend]] = {}
    for backend in backends:
        key = (backend.database or "", backend.user or "", backend.application_name, backend.client_addr or "local")
        counted.setdefault(key, []).append(backend)
    found: list[dict[str, t.Any]] = [
        {
            "database": key[0], "user": key[1], "application_name": key[2], "client_address": key[3], "count": len(group),
            "idle": sum(one.state == "idle" for one in group),
            "oldest": round(max((one.backend_age or 0.0 for one in group), default=0.0), 1),
        }
        for key, group in counted.items()
    ]
    return sorted(found, key=lambda row: (-row["count"], row["application_name"]))[:_MAX_GROUPS]


def blocking_tree(backends: t.Sequence[Backend], waits: Waits) -> list[dict[str, t.Any]]:
    """The trees below the roots, the most blocking first: pid, blocks (everybody behind it), waiters (nested).

    Cut to ten roots, and a tree of more than a hundred sessions to the pids that wait for its root directly.
    """
    found = []
    for pid, behind in list(roots(waits).items())[:_MAX_ROOTS]:
        below = tree(waits, pid)["waiters"] if len(behind) <= _MAX_TREE else [
            {"pid": waiter, "waiters": []} for waiter in sorted(behind) if pid in waits[waiter]
        ][:_MAX_TREE]
        found.append({"pid": pid, "prepared": pid == PREPARED, "blocks": len(behind), "waiters": below})
    return found
