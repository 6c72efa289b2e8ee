# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of pg_health that are about sessions, locks and transactions.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.durations import format_duration
from ..._core.findings import Answer
from ..._core.words import few
from . import verdict
from .absent import does_not_apply
from .backends import DISABLED, Backend
from .blocking import PREPARED
from .blocking import roots as all_roots
from .evidence import blocking_tree, by_application, by_state, hide_passwords, snapshot
from .facts import Seen
from .in_the_way import holds_up, spared_advice
from .lock_queue import SWITCH, heads
from .protection import COMMIT_WAITS
from .sight import unseen_sessions

#: So many locks and prepared transactions are told.
MAX_SHOWN = 50
#: So many sessions are named in a hint.
_NAMED = 3


def connections(seen: Seen) -> Answer:
    """Taken connections against those that ordinary roles can have, and against roles' and databases' own limits."""
    limit = seen.request.limits["connections"]
    taken = seen.connected
    states = by_state(taken)
    reserved = {"superuser_reserved": seen.number("superuser_reserved_connections"), "reserved": seen.number("reserved_connections")}
    found = verdict.judge_connections(
        used=len(taken), max_connections=seen.number("max_connections"), by_state=states, limit=limit,
        by_application=by_application(taken), **reserved,
    )
    own = {"role": [one.user for one in taken], "database": [one.database for one in taken]}
    limits = [{**row, "used": own[row["kind"]].count(row["name"])} for row in seen.facts.rows("connection_limits")]
    data = {**found.detail, "percent": found.observed, "by_application": by_application(taken)}
    return Answer([found, *verdict.judge_connection_limits(limits=limits, limit=limit)], {
        "connections": data, "activity": snapshot(seen.backends, protected=seen.protected),
    })


def long_queries(seen: Seen) -> Answer:
    """The oldest running statement; those that wait for a lock are left to the check blocking."""
    active = [one for one in seen.clients if one.state not in (None, "idle", DISABLED) and not one.in_transaction_idle]
    return _oldest(
        seen, "long_queries", [one for one in active if not one.waits_for_lock], lambda one: one.query_age,
        "Cancel it, or end its session when it does not stop; then look at its plan.",
        elsewhere=sum(one.waits_for_lock for one in active),
    )


def long_transactions(seen: Seen) -> Answer:
    """The oldest open transaction: it keeps its locks, and keeps vacuum from removing what is newer."""
    # It began while the session was not tracked.
    undated = [one for one in seen.clients if one.in_transaction_idle and one.transaction_age is None]
    return _oldest(
        seen, "long_transactions", [one for one in seen.clients if one.transaction_age is not None], lambda one: one.transaction_age,
        "It holds its locks and keeps vacuum from working: end it when its client does not.", undated=undated,
    )


def idle_in_transaction(seen: Seen) -> Answer:
    """The session that has been idle in its transaction for longest."""
    return _oldest(
        seen, "idle_in_transaction", [one for one in seen.clients if one.in_transaction_idle], lambda one: one.state_age,
        "Its client forgot to commit and it holds its locks: end the session (cancelling does nothing to it), "
        "then set idle_in_transaction_session_timeout.",
    )


def blocking(seen: Seen) -> Answer:
    """Who waits for whom, from the longest wait and the roots."""
    waited: dict[int, float] = {}
    for row in seen.facts.others.get("ungranted", ()) if seen.waits else ():
        waited[row["pid"]] = max(row["wait"] or 0.0, waited.get(row["pid"], 0.0))
    known = [seen.by_pid[pid] for pid in seen.waits if pid in seen.by_pid]
    waiters = [_row(seen, one, waited.get(one.pid, one.query_age or 0.0)) for one in known]
    trees = blocking_tree(seen.backends, seen.waits)
    roots = [root for one in trees for root in _roots(seen, one)]
    count, queue = len(all_roots(seen.waits)), heads(seen.backends)
    said = [f"{head.say()} {SWITCH}" if head.backend.is_client else head.say() for head in queue]
    limit = seen.request.limits["blocking"]
    found = verdict.judge_blocking(waiters=waiters, roots=roots, root_count=count, limit=limit, queue=said)
    return Answer([found], {
        "blocking": {
            "waiters": len(waiters), "longest_wait": found.observed, "roots": [_session(root) for root in roots],
            "lock_queue": [
                {"pid": head.backend.pid, "awaits": head.awaits, "holds_up": sorted(head.held_up), "command": head.command}
                for head in queue[:MAX_SHOWN]
            ],
        },
    }, unseen_sessions("blocking", seen.silent_waiters, login=seen.facts.user))


def waiting_is_in_vain(seen: Seen) -> str:
    """Who is at the root of a chain, idle in its transaction for longer than is waited for; empty where nobody is."""
    longest = seen.request.give_up_idle_root
    for pid, behind in all_roots(seen.waits).items() if longest is not None else ():
        root = seen.by_pid.get(pid)
        if root is not None and root.in_transaction_idle and (root.state_age or 0.0) >= (longest or 0.0):
            protected = seen.protected[pid]
            advice = spared_advice(root, protected) if protected else "Run again: the plan covers it."
            return f"{holds_up(root, len(behind))}. It does not go on by itself, so waiting ended early. {advice}"
    return ""


def ungranted_locks(seen: Seen) -> Answer:
    """Requests for locks that are not granted."""
    rows = seen.facts.rows("ungranted")
    count = rows[0]["total"] if rows else 0
    oldest = max((row["wait"] for row in rows if row["wait"] is not None), default=None)
    found = verdict.judge_ungranted(
        count=count, oldest=oldest, limit=seen.request.limits["ungranted_locks"], first=rows[0] if rows else None,
    )
    shown = [{key: value for key, value in row.items() if key != "total" and value is not None} for row in rows[:MAX_SHOWN]]
    return Answer([found], {"ungranted_locks": shown})


def prepared_transactions(seen: Seen) -> Answer:
    """Prepared transactions, their age and their owner."""
    if seen.facts.hides_prepared:
        return Answer(skipped=[does_not_apply("prepared_transactions", "standby_shows_no_prepared_transactions")])
    rows = [one.describe() for one in seen.facts.prepared]
    found = verdict.judge_prepared(transactions=rows, limit=seen.request.limits["prepared_transactions"])
    return Answer([found], {"prepared_transactions": rows[:MAX_SHOWN]})


def _oldest(
    seen: Seen, check: str, backends: t.Sequence[Backend], age: t.Callable[[Backend], t.Optional[float]], hint: str,
    *, elsewhere: int = 0, undated: t.Sequence[Backend] = (),
) -> Answer:
    counted, limit = [one for one in backends if not seen.told_only(one)], seen.request.limits[check]
    judged = [_row(seen, one, age(one) or 0.0) for one in counted]
    spared = [_row(seen, one, age(one) or 0.0) for one in backends if seen.told_only(one)]
    least = min((value for value in limit if value is not None), default=0.0)
    over = sorted((one for one in counted if (age(one) or 0.0) >= least), key=lambda one: -(age(one) or 0.0))
    found = verdict.judge_ages(check, judged, limit=limit, hint=_advice(over, hint), spared=spared, elsewhere=elsewhere)
    unseen = [one for one in (*seen.silent, *undated) if not seen.told_only(one)]
    return Answer([found], skipped=unseen_sessions(check, unseen, login=seen.facts.user))


def _advice(oldest_first: t.Sequence[Backend], hint: str) -> str:
    """What to do about the oldest sessions: none that waits with its commit for a standby is to be ended."""
    waiting = [one.pid for one in oldest_first if one.waits_for_standby]
    named = few((one.told for one in oldest_first), most=_NAMED, separator="; ", last="; and ")
    hint = f"{named}. {hint}" if oldest_first else hint
    if not waiting:
        return hint
    if oldest_first[0].waits_for_standby:
        return f"{named}. {COMMIT_WAITS}"
    return f"{hint} Not pid {', '.join(str(pid) for pid in waiting[:3])}: there a commit waits for a synchronous standby."


def _row(seen: Seen, backend: Backend, age: t.Optional[float]) -> dict[str, t.Any]:
    return {
        "pid": backend.pid, "user": backend.user, "database": backend.database, "application_name": backend.application_name,
        "client_address": backend.client_addr, "state": backend.state, "age": None if age is None else round(max(age, 0.0), 3),
        "wait_event_type": backend.wait_event_type, "wait_event": backend.wait_event, "query": hide_passwords(backend.query),
        "protected": seen.protected[backend.pid],
    }


def _roots(seen: Seen, tree: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """The root of a tree as rows: a session, or each prepared transaction that somebody waits for."""
    more = {"tree": tree["waiters"]}
    if tree["pid"] == PREPARED:
        return [
            {
                "pid": PREPARED, "gid": one.gid, "user": one.owner, "database": one.database, "state": "prepared", "age": round(one.age, 3),
                "blocks": len(one.blocks), "protected": ("prepared_transaction",), "told": f"{one.named}, {format_duration(one.age)} old",
                "advice": "A prepared transaction has no process to end: COMMIT PREPARED or ROLLBACK PREPARED ends it.", **more,
            }
            for one in seen.facts.prepared if one.blocks
        ]
    backend = seen.by_pid.get(tree["pid"])
    if backend is None:  # ended between two statements, or a part of the server
        return [{"pid": tree["pid"], "blocks": tree["blocks"], "protected": (), **more}]
    protected = seen.protected[backend.pid]
    advice = spared_advice(backend, protected) if protected else ""
    return [{**_row(seen, backend, backend.transaction_age), "blocks": tree["blocks"], "told": backend.told, "advice": advice, **more}]


def _session(root: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    more = {"gid": root.get("gid"), "protected": list(root["protected"]), "blocks": root["blocks"], "tree": root["tree"]}
    return {**verdict.who(root), **{key: value for key, value in more.items() if value not in (None, [])}}
