# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signal sessions, each with the test that it is still the one, and measure what became of it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
import typing as t

from .._core import actions, why
from .._core.actions import Action
from .._core.deadline import Deadline
from .._core.errors import CannotReach, Locked
from .._module.lease import join
from .activity import LOCK_KEY, progress_union, read_activity
from .connection import Session, StatementFailed
from .decisions import rules
from .decisions.backends import IDLE, IDLE_IN_TRANSACTION_ABORTED, SYNC_REP, Backend
from .decisions.blocking import waiting_behind, waits_of
from .decisions.protection import BEGINS_BACKUP, KEEP, UTILITY, Policy, protections
from .decisions.sessions import (
    CANCEL,
    ESCALATE,
    TERMINATE,
    Candidate,
    Selection,
    blocks_matter,
    cancel_refused,
    needs_transaction_end,
    objections,
    select,
    statements_of,
)

#: "oncall" in ASCII: held by the one run that may act on the server.
ADVISORY_KEY = 0x6F6E63616C6C
#: A victim that changed while we looked is judged anew this often before it is left alone.
RETRIES = 2
FROZEN = (
    "It did not react to the signal. Look at its process on the host (ps -o stat,wchan -p PID): one that is stopped (T) ends when it "
    "goes on (kill -CONT PID), one in state D waits for its disk. Else only a restart of the server with an immediate shutdown ends it "
    "(pg_ctl restart -m immediate), since a fast one waits for it; this module never sends SIGKILL."
)
_NO_PRIVILEGE = "42501"
_PRIVILEGE_LOST = "The privilege was lost since the sessions were looked at; run again to see what is left."
_MAY_BE_SENT = "The statement that signals failed, perhaps after the signal; run again to see what is left."


@dataclasses.dataclass(frozen=True)
class Look:
    """How to look at the server and choose: rules and policy, bound to a session."""

    session: Session
    rules: tuple[rules.Rule, ...]
    policy: Policy
    protect_roles: tuple[str, ...]
    usable_connections: int

    def read(self) -> list[Backend]:
        """Every process of the server now."""
        return read_activity(self.session, roles=self.protect_roles)

    def select(self, backends: t.Sequence[Backend]) -> Selection:
        """The victims among them."""
        return select(backends, rules=self.rules, policy=self.policy, usable_connections=self.usable_connections)


def take_lock(session: Session) -> None:
    """Become the one run that acts on this server, until the session ends.

    An advisory lock belongs to a database, so the other databases' holders are looked for after taking ours: two runs that
    start together in two databases may then both be refused, but never both go on.

    Raises:
        Locked: another run holds it; facts: `holder`.
    """
    taken = session.value("SELECT pg_catalog.pg_try_advisory_lock(%s)", [ADVISORY_KEY])
    holder = session.rows("""
        SELECT l.pid, a.application_name, a.usename::text AS "user", a.datname::text AS database,
            pg_catalog.host(a.client_addr) AS client_addr, a.backend_start
        FROM pg_catalog.pg_locks AS l LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
        WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid = %s AND l.objsubid = 1 AND l.pid <> %s
        ORDER BY a.backend_start LIMIT 1
    """, [ADVISORY_KEY >> 32, ADVISORY_KEY & 0xFFFFFFFF, session.backend_pid])
    if taken and not holder:
        return
    if taken:
        session.value("SELECT pg_catalog.pg_advisory_unlock(%s)", [ADVISORY_KEY])
    who = holder[0] if holder else {}
    run = str(who.get("application_name") or "").partition("/")[2]
    where = who.get("client_addr") or "the local socket"
    raise Locked.by(
        f"Another run {run}".rstrip(), "this server",
        more=f": {who.get('application_name') or 'it has just ended'} as {who.get('user')} from {where}, process {who.get('pid')}, since "
             f"{who.get('backend_start')}",
        hint="Wait for it to end; two at once would double the blast radius.", holder=who, holder_run=run or None,
    )


@contextlib.contextmanager
def acting_alone(session: Session) -> t.Iterator[None]:
    """Hold take_lock()'s lock, and give it back at the end by saying so. And respect and take the server's lease of this host.

    The server ends a closed session a moment later, which on a busy server is long enough for our own next task to be refused.

    Raises:
        Locked: another run holds one of both.
    """
    take_lock(session)
    try:
        join(session.resource)
        yield
    finally:
        with contextlib.suppress(CannotReach, StatementFailed):
            session.value("SELECT pg_catalog.pg_advisory_unlock(%s)", [ADVISORY_KEY])


def act(
    look: Look, candidates: t.Sequence[tuple[Candidate, Action]], *,
    strategy: str, approved: t.Sequence[str] | None, grace: float, verify_timeout: float, deadline: Deadline,
) -> list[Action]:
    """Signal the candidates and measure each one's outcome. One that fails never hides the others.

    Args:
        candidates: with the actions that were planned for them.
        strategy: cancel, terminate or escalate.
        approved: the ids a candidate that is judged again must still be among; None restricts nothing.
        grace: between a cancel and the terminate of escalate, seconds.
        verify_timeout: how long to wait until signalled sessions are gone, seconds.
        deadline: of everything.
    """
    victims = [_Victim(candidate, action) for candidate, action in candidates]
    try:
        for victim in victims:
            _first_signal(look, victim, strategy=strategy, approved=approved, deadline=deadline)
        if strategy == ESCALATE:
            _await_cancelled(look, [v for v in victims if v.sent == CANCEL], deadline.part(grace), final=False)
            for victim in victims:
                if victim.sent == CANCEL and not victim.settled and not victim.candidate.cancel_only:
                    _second_signal(look, victim, deadline=deadline)
        patience = deadline.part(verify_timeout)
        _await_cancelled(look, [v for v in victims if v.sent == CANCEL], patience, final=True)
        _await_gone(look, [v for v in victims if v.sent == TERMINATE], patience)
    except (CannotReach, StatementFailed) as exc:
        # Our own session was lost or can no longer see: what was done until then must not be lost with it.
        for victim in victims:
            if not victim.settled:
                begun = bool(victim.sent) or victim.unanswered
                victim.settle(
                    actions.UNKNOWN if begun else actions.FAILED, why=why.NO_ANSWER if begun else why.NOT_TRIED, error=exc.message,
                )
    return [dataclasses.replace(victim.action, touched=victim.touched) for victim in victims]


@dataclasses.dataclass
class _Victim:
    """A session and what has become of it.

    Attributes:
        sent: the last signal that the server says it has sent.
        unanswered: a statement that signals was begun, and its answer is not known: the signal may have been sent.
    """

    candidate: Candidate
    action: Action
    sent: str = ""
    unanswered: bool = False
    settled: bool = False

    @property
    def touched(self) -> bool | None:
        """Whether it was signalled; None when that is not known."""
        return True if self.sent else (None if self.unanswered else False)

    def settle(self, outcome: str, **detail: t.Any) -> None:
        self.action = self.action.with_outcome(outcome, **detail)
        self.settled = True

    def leave(self, now: Backend | None, *, protected: t.Sequence[str] = ()) -> None:
        """It is alone from now on: what it does now is none of what it was chosen for, or must not be ended."""
        said = {"error": "It was cancelled and does other work now."} if self.sent and not protected else {}
        self.settle(
            actions.MOVED_ON, why=why.PROTECTED if protected else why.NO_LONGER_MATCHES, now=_now(now), protected=list(protected), **said,
        )

    def note(self, **detail: t.Any) -> None:
        self.action = dataclasses.replace(self.action, detail={**self.action.detail, **detail})


def _first_signal(look: Look, victim: _Victim, *, strategy: str, approved: t.Sequence[str] | None, deadline: Deadline) -> None:
    for attempt in range(RETRIES + 1):
        refusal = cancel_refused(victim.candidate)
        if strategy == CANCEL and refusal is not None:
            victim.settle(actions.REFUSED, why=why.CANNOT_HELP, error=refusal)
            return
        cancels = victim.candidate.cancel_only or (strategy != TERMINATE and refusal is None)
        signal = CANCEL if cancels else TERMINATE
        if _send(look, victim, signal, _first_demand(victim.candidate, signal), deadline) or victim.settled:
            return
        _judge_anew(look, victim, approved=approved, last=attempt == RETRIES)
        if victim.settled:
            return


def _judge_anew(look: Look, victim: _Victim, *, approved: t.Sequence[str] | None, last: bool) -> None:
    """The statement found another session than the one that was chosen: is it still a victim?"""
    backends = look.read()
    now = _same_process(victim.candidate.backend, backends)
    if now is None or now.backend_start != victim.candidate.backend.backend_start:
        _settle_gone_before(victim, now)
        return
    verb, resource = victim.action.verb, look.session.resource
    found = look.select(backends).find(now)
    # What was to be cancelled in a lock's queue is never ended for something else, nor the other way round.
    same = found is not None and found.cancel_only == victim.candidate.cancel_only
    again = found.restricted(approved, verb=verb, resource=resource) if found and same else None
    if again is None or last:
        victim.leave(now, protected=_objections(look, victim, now))
        return
    victim.candidate = again
    victim.note(judged_anew=True, now=_now(now))


def _objections(look: Look, victim: _Victim, now: Backend) -> tuple[str, ...]:
    """What protects the session now from what it was chosen for."""
    return objections(victim.candidate.rule, protections(now, look.policy))


def _settle_gone_before(victim: _Victim, now: Backend | None) -> None:
    if now is None:
        victim.settle(actions.NOT_NEEDED, why=why.GONE_ALREADY)
    else:
        victim.settle(actions.PID_REUSED, why=why.IDENTITY_CHANGED, now=_now(now))


def _second_signal(look: Look, victim: _Victim, *, deadline: Deadline) -> None:
    """Terminate what outlived its cancel, if it is still the same work, and unprotected."""
    for attempt in range(RETRIES + 1):
        backends = look.read()
        now = _same_process(victim.candidate.backend, backends)
        state = _after_cancel(victim.candidate, now, backends)
        if now is not None and state in (_RUNNING, _TRANSACTION_OPEN, _STILL_BLOCKS):
            protected = protections(now, look.policy)
            if protected or attempt == RETRIES:
                victim.leave(now, protected=protected)
                return
            if _send(look, victim, TERMINATE, _second_demand(victim.candidate, state, now), deadline) or victim.settled:
                return
        else:
            _settle_cancelled(victim, state, now)
            return


# What a cancelled session does now.
_GONE, _RUNNING, _TRANSACTION_OPEN, _STILL_BLOCKS = "gone", "running", "transaction_open", "still_blocks"
_ENDED, _MOVED_ON = "ended", "moved_on"
#: Of the states in which a cancel was not enough.
_IN_VAIN = {
    _RUNNING: "It did not react to the cancel; use terminate or escalate.",
    _TRANSACTION_OPEN: "The cancel ended its statement; its transaction is still open, as below a savepoint, and keeps its locks. "
    "Use terminate or escalate.",
    _STILL_BLOCKS: "The cancel ended its transaction; others still wait for a lock of its session, such as one of pg_advisory_lock. "
    "Use terminate or escalate.",
}
_QUEUE_IN_VAIN = "It was cancelled and still holds others up. Run again: the next look says what it does now."


def _after_cancel(candidate: Candidate, now: Backend | None, backends: t.Sequence[Backend]) -> str:
    """What became of it: ended is what it was cancelled for, whatever else the session does by now.

    A cancel aborts the transaction, and its locks are gone: the session is `idle in transaction (aborted)` then and has no xact_start
    any more. Below a savepoint only what came after it is undone: the transaction stays open and keeps the locks from before. A lock
    of the session (pg_advisory_lock) outlives the transaction: the same statements of others wait on, whatever the session does next.
    """
    was = candidate.backend
    if now is None or now.backend_start != was.backend_start:
        return _GONE
    if now.query_start == was.query_start and now.state == was.state:
        return _RUNNING
    behind = waiting_behind(waits_of(backends)).get(now.pid, frozenset()) if blocks_matter(candidate) else frozenset()
    if _same_transaction(candidate, now):
        let_go = blocks_matter(candidate) and not behind
        return _ENDED if let_go or not needs_transaction_end(candidate) else _TRANSACTION_OPEN
    if candidate.waits & statements_of(backends, behind):
        return _STILL_BLOCKS
    if needs_transaction_end(candidate) or now.state in (IDLE, IDLE_IN_TRANSACTION_ABORTED):
        return _ENDED
    # The statement of an explicit transaction began after it: that transaction is over.
    return _ENDED if was.xact_start != was.query_start else _MOVED_ON


def _same_transaction(candidate: Candidate, now: Backend | None) -> bool:
    return now is not None and now.xact_start is not None and now.xact_start == candidate.backend.xact_start


def _settle_cancelled(victim: _Victim, state: str, now: Backend | None) -> None:
    if state == _GONE:
        victim.settle(actions.GONE, by=CANCEL)
    elif state == _ENDED:
        still_open = {"transaction_open": True} if _same_transaction(victim.candidate, now) else {}
        victim.settle(actions.DONE, by=CANCEL, now=_now(now), **still_open)
    elif state == _MOVED_ON:
        victim.leave(now)


def _await_cancelled(look: Look, victims: t.Sequence[_Victim], deadline: Deadline, *, final: bool) -> None:
    """Wait until cancelled sessions have ended their statement. What needs more than a cancel is left to the caller unless `final`."""
    pause = _Pause()
    while True:
        waiting = [victim for victim in victims if not victim.settled]
        if not waiting:
            return
        over = deadline.passed()
        backends = look.read()
        for victim in waiting:
            now = _same_process(victim.candidate.backend, backends)
            state = _after_cancel(victim.candidate, now, backends)
            _settle_cancelled(victim, state, now)
            if final and over and now is not None and not victim.settled:
                _settle_in_vain(look, victim, state, now)
        if over:
            return
        pause.sleep(deadline)


def _settle_in_vain(look: Look, victim: _Victim, state: str, now: Backend) -> None:
    protected = _objections(look, victim, now)
    if protected:
        victim.leave(now, protected=protected)
        return
    still_open = {"transaction_open": True} if state == _TRANSACTION_OPEN else {}
    hint = _QUEUE_IN_VAIN if victim.candidate.cancel_only else _IN_VAIN[state]
    victim.settle(actions.STILL_RUNNING, why=why.NOT_MEASURED, hint=hint, now=_now(now), **still_open)


def _await_gone(look: Look, victims: t.Sequence[_Victim], deadline: Deadline) -> None:
    """Poll all terminated sessions in one query until they are gone."""
    pause, began = _Pause(), time.monotonic()
    while True:
        waiting = [victim for victim in victims if not victim.settled]
        if not waiting:
            return
        alive = alive_among(look.session, [victim.candidate.backend for victim in waiting])
        for victim in waiting:
            if victim.candidate.backend.pid not in alive:
                victim.settle(actions.GONE, by=TERMINATE, seconds=round(time.monotonic() - began, 3))
        if deadline.passed():
            break
        pause.sleep(deadline)
    for victim in victims:
        if not victim.settled:
            victim.settle(actions.STILL_RUNNING, why=why.NOT_MEASURED, hint=FROZEN, seconds=round(time.monotonic() - began, 3))


def out_of_time(deadline: Deadline) -> str:
    """Why nothing more is begun."""
    return f"max_seconds ({deadline.seconds:g}) were over"


def alive_among(session: Session, backends: t.Sequence[Backend]) -> set[int]:
    """The pids of those sessions that still exist; a reused pid is another session."""
    started = {backend.pid: backend.backend_start for backend in backends}
    rows = session.rows("SELECT pid, backend_start FROM pg_catalog.pg_stat_activity WHERE pid = ANY(%s)", [list(started)])
    return {row["pid"] for row in rows if row["backend_start"] == started[row["pid"]]}


def still_waiting(session: Session, waiters: t.Sequence[Backend]) -> set[int]:
    """The pids of those sessions that still wait for a lock with the same statement."""
    began = {backend.pid: (backend.backend_start, backend.query_start) for backend in waiters}
    rows = session.rows(
        "SELECT pid, backend_start, query_start FROM pg_catalog.pg_stat_activity WHERE pid = ANY(%s) AND wait_event_type = 'Lock'",
        [list(began)],
    )
    return {row["pid"] for row in rows if (row["backend_start"], row["query_start"]) == began[row["pid"]]}


def _send(look: Look, victim: _Victim, signal: str, demand: _Demand, deadline: Deadline) -> bool:
    """Send one signal if the session still is the one. False when it is not; a refusal settles the victim."""
    if deadline.passed():
        victim.settle(actions.FAILED, why=why.OUT_OF_TIME, error=out_of_time(deadline))
        return False
    sql, params = signal_sql(victim.candidate.backend, signal, demand, look=look)
    victim.unanswered = True
    try:
        rows = look.session.rows(sql, params)
    except StatementFailed as exc:
        victim.unanswered = exc.sqlstate != _NO_PRIVILEGE  # any other error may have come after the signal
        outcome, code, hint = (
            (actions.UNKNOWN, why.NO_ANSWER, _MAY_BE_SENT) if victim.unanswered
            else (actions.NOT_PERMITTED, why.NOT_PERMITTED, _PRIVILEGE_LOST)
        )
        victim.settle(outcome, why=code, error=exc.message, sqlstate=exc.sqlstate, signal=signal, hint=hint)
        return False
    victim.unanswered = False
    if not rows or not rows[0]["signalled"]:
        return False
    victim.sent = signal
    victim.note(signals=[*victim.action.detail.get("signals", []), signal])
    return True


@dataclasses.dataclass(frozen=True)
class _Demand:
    """What must still hold at the moment of the signal.

    Attributes:
        clocks: any one of them, as (clock, since).
        state: this very state; empty demands none.
        same_query: the statement that the rule's filter saw.
        not_waiting: it must not wait for a lock itself.
        blocks: somebody must wait for it.
        queued_for: it must wait for this very lock, as LOCK_KEY names it; empty demands none.
    """

    clocks: tuple[tuple[str, str], ...]
    state: str = ""
    same_query: bool = False
    not_waiting: bool = True
    blocks: bool = False
    queued_for: str = ""


def _first_demand(candidate: Candidate, signal: str) -> _Demand:
    rule, backend = candidate.rule, candidate.backend
    by_state = bool(rule.filters.states or rule.exclusions.states) or signal == CANCEL
    return _Demand(
        clocks=tuple((clock.name, clock.since) for clock in candidate.clocks), state=str(backend.state) if by_state else "",
        same_query=rule.reads_query, not_waiting=not rule.include_waiters,
        blocks=blocks_matter(candidate), queued_for=str(backend.wait_lock) if candidate.cancel_only else "",
    )


def _second_demand(candidate: Candidate, state: str, now: Backend) -> _Demand:
    backend, rule = candidate.backend, candidate.rule
    clock = {
        _RUNNING: (rules.QUERY, str(backend.query_start)), _TRANSACTION_OPEN: (rules.TRANSACTION, str(backend.xact_start)),
        _STILL_BLOCKS: _clock_of(now),
    }[state]
    return _Demand(
        clocks=(clock,), state=str(backend.state) if state == _RUNNING else "", same_query=rule.reads_query,
        not_waiting=not rule.include_waiters, blocks=blocks_matter(candidate),
    )


def _clock_of(now: Backend) -> tuple[str, str]:
    """What the session does now: its transaction, or since when it does nothing."""
    if now.xact_start is not None:
        return rules.TRANSACTION, now.xact_start
    return rules.IDLE_IN_TRANSACTION if now.in_transaction_idle else rules.IDLE_CLOCK, str(now.state_change)


_CLOCK_SQL = {
    rules.QUERY: "(a.state IN ('active', 'fastpath function call') AND a.query_start = {since})",
    rules.TRANSACTION: "(a.xact_start = {since})",
    rules.IDLE_IN_TRANSACTION: "(a.state LIKE 'idle in transaction%%' AND a.state_change = {since})",
    rules.IDLE_CLOCK: "(a.state = 'idle' AND a.state_change = {since})",
    rules.BLOCKING: "(a.state = 'idle' AND a.state_change = {since})",
    rules.LOCK_WAIT: "(a.wait_event_type = 'Lock' AND a.query_start = {since})",
}
_FUNCTIONS = {CANCEL: "pg_cancel_backend", TERMINATE: "pg_terminate_backend"}


def signal_sql(backend: Backend, signal: str, demand: _Demand, *, look: Look) -> tuple[str, dict[str, t.Any]]:
    """The statement that signals one session if, and only if, it still is the one that was chosen, and unprotected.

    Returns:
        SQL that gives one row when it signalled and none when it did not, and its parameters.
    """
    params: dict[str, t.Any] = {
        "pid": backend.pid, "backend_start": backend.backend_start, "usesysid": backend.usesysid, "datid": backend.datid,
        "application_name": backend.application_name, "client_addr": backend.client_addr, "own_pid": look.session.backend_pid,
        "keep": KEEP, "begins_backup": BEGINS_BACKUP, "utility": UTILITY, "protect_roles": list(look.protect_roles),
        "superusers": list(look.policy.allow_superuser_roles) if look.policy.own_superuser else [],
        "state": demand.state, "query_start": backend.query_start, "sync_rep": SYNC_REP, "queued_for": demand.queued_for,
    }
    clocks = []
    for index, (name, since) in enumerate(demand.clocks):
        params[f"since_{index}"] = since
        clocks.append(_CLOCK_SQL[name].format(since=f"%(since_{index})s::timestamptz"))
    more = [
        *(["a.state = %(state)s"] if demand.state else []),
        *(["a.query_start = %(query_start)s::timestamptz"] if demand.same_query else []),
        *(["a.wait_event_type IS DISTINCT FROM 'Lock'"] if demand.not_waiting else []),
        # What waits in a lock's queue has not begun, be it DDL or not.
        f"""EXISTS (
            SELECT 1 FROM pg_catalog.pg_locks AS l WHERE l.pid = %(pid)s AND NOT l.granted AND {LOCK_KEY} = %(queued_for)s)"""
        if demand.queued_for else "(a.state LIKE 'idle%%' OR a.query !~* %(utility)s)",
    ]
    blocks = """AND EXISTS (
        SELECT 1 FROM (SELECT pid FROM pg_catalog.pg_stat_activity WHERE wait_event_type = 'Lock' OFFSET 0) AS w
        WHERE %(pid)s = ANY(pg_catalog.pg_blocking_pids(w.pid)))""" if demand.blocks else ""
    # The inner query is fenced (OFFSET 0), so that the planner cannot signal before it has tested. The function below the view
    # pg_stat_activity reads this one session only: with the view the expressions would be tried on every session each time.
    sql = f"""
        SELECT pg_catalog.{_FUNCTIONS[signal]}(chosen.pid) AS signalled FROM (
            SELECT a.pid FROM pg_catalog.pg_stat_get_activity(%(pid)s) AS a JOIN pg_catalog.pg_roles AS r ON r.oid = a.usesysid
            WHERE a.pid = %(pid)s AND a.pid <> %(own_pid)s AND a.backend_start = %(backend_start)s::timestamptz
                AND a.backend_type = 'client backend' AND a.usesysid = %(usesysid)s AND a.datid = %(datid)s
                AND a.application_name = %(application_name)s AND a.client_addr IS NOT DISTINCT FROM %(client_addr)s::inet
                AND ({' OR '.join(clocks)}) {' '.join(f'AND {condition}' for condition in more)}
                AND a.query !~* %(keep)s AND a.query !~* %(begins_backup)s
                AND a.wait_event IS DISTINCT FROM %(sync_rep)s
                AND (NOT r.rolsuper OR r.rolname::text = ANY(%(superusers)s::text[]))
                AND NOT EXISTS (
                    SELECT 1 FROM pg_catalog.pg_roles AS m WHERE m.rolname::text = ANY(%(protect_roles)s::text[])
                        AND (m.oid = r.oid OR (NOT r.rolsuper AND pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER'))))
                AND NOT EXISTS (SELECT 1 FROM ({progress_union(look.session.server_version)}) AS p WHERE p.pid = %(pid)s)
                AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_replication_slots AS s WHERE s.active_pid = %(pid)s)
                {blocks}
            OFFSET 0
        ) AS chosen
    """
    return sql, params


class _Pause:
    """Short waits first, since most sessions end at once, longer ones later."""

    def __init__(self) -> None:
        self._seconds = 0.02

    def sleep(self, deadline: Deadline) -> None:
        time.sleep(deadline.within(self._seconds))
        self._seconds = min(self._seconds * 1.5, 0.5)


def await_unblocked(session: Session, waiters: t.Sequence[Backend], *, deadline: Deadline, quiet: float = 0.3) -> set[int] | None:
    """Wait until the sessions no longer wait for a lock, or nothing has changed among them for `quiet` seconds.

    Returns:
        The pids of those that wait no longer; None when it could not be measured.
    """
    pause, waiting, changed = _Pause(), {backend.pid for backend in waiters}, time.monotonic()
    pids = frozenset(waiting)
    try:
        while waiting and not deadline.passed() and time.monotonic() - changed < quiet:
            left = still_waiting(session, waiters)
            if left != waiting:
                waiting, changed = left, time.monotonic()
            else:
                pause.sleep(deadline)
    except (CannotReach, StatementFailed):
        return None
    return set(pids - waiting)


def _same_process(was: Backend, backends: t.Iterable[Backend]) -> Backend | None:
    return next((backend for backend in backends if backend.pid == was.pid), None)


def _now(backend: Backend | None) -> dict[str, t.Any] | None:
    """What the session does now, for the record."""
    return backend.describe() if backend else None
