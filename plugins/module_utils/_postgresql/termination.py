# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One call of pg_terminate_long_queries: look, choose, stay inside the limits, act, measure.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._core import acting, actions, findings, why
from .._core.acting import Done, Sight, answered, untouched
from .._core.actions import Action, Approved
from .._core.deadline import Deadline
from .._core.durations import format_duration
from .._core.errors import IncidentError
from .._core.limits import Budget, Limit
from .._core.plan import plan_hash
from .._core.recorded import Basis, Parts
from .._core.words import few
from .activity import read_prepared, require_sight
from .connection import APPLICATION_PREFIX, Session
from .decisions.backends import Backend, PreparedTransaction
from .decisions.in_the_way import holds_up, how_many, spared_advice
from .decisions.lock_queue import SWITCH, Head
from .decisions.protection import (
    COMMIT_WAITS,
    PROVIDER_MARKS,
    PROVIDER_NOTES,
    SYNCHRONOUS_COMMIT,
    UNTOLD,
    UTILITY_STATEMENT,
    Policy,
    provider_of,
)
from .decisions.recalled import Recalling
from .decisions.rules import DEFAULT_AGES, IDLE_CLOCK, LOCK_QUEUE, LOCK_WAIT, TRANSACTION, Rule
from .decisions.sessions import CANCEL, ESCALATE, TERMINATE, TOO_YOUNG, Candidate, Selection, cancel_refused, select, strongest_verb
from .prepared import ROLLBACK_PREPARED, identity_of, plan_rollbacks, roll_back, waiting_for_standby
from .signals import Look, act, await_unblocked, out_of_time
from .subject import Connect, OnServer

#: How long released waiters are given to go on, one after the other: seconds.
_UNBLOCK_PATIENCE = 3.0
#: So many pids are named in a finding's subject; all are in its detail.
_NAMED = 10


@dataclasses.dataclass(frozen=True)
class Request:
    """What the caller wants. Times are seconds.

    Attributes:
        approved: actions of a plan; None restricts nothing, empty allows nothing.
        prepared_min_age: of prepared transactions that block nobody.
    """

    rules: tuple[Rule, ...]
    budget: Budget
    strategy: str = ESCALATE
    approved: tuple[Approved, ...] | None = None
    grace: float = 5.0
    verify_timeout: float = 10.0
    max_seconds: float = 120.0
    allow_superuser_roles: tuple[str, ...] = ()
    protect_application_names: tuple[str, ...] = ()
    protect_roles: tuple[str, ...] = ()
    rollback_prepared: bool = False
    prepared_min_age: float = DEFAULT_AGES[TRANSACTION]

    @property
    def approved_ids(self) -> tuple[str, ...] | None:
        """The ids of what is approved; None restricts nothing."""
        return None if self.approved is None else tuple(one.id for one in self.approved)

    @property
    def cancels_queues(self) -> bool:
        """Whether statements at the head of a lock's queue are to be cancelled."""
        return any(rule.victims == LOCK_QUEUE for rule in self.rules)


#: A session that a rule chose, or a prepared transaction.
Target = t.Union[Candidate, PreparedTransaction]


def terminate_long_queries(
    connect: Connect, request: Request, *, check_mode: bool, open_database: t.Callable[[Session, str], Session],
) -> tuple[dict[str, t.Any], IncidentError | None]:
    """Do what the request says, or in check mode only plan it.

    Args:
        connect: opens the session that is kept for the whole call.
        open_database: opens another one in another database, for its prepared transactions.

    Returns:
        The module's result, and the error that must fail the task all the same.

    Raises:
        Blind, Locked, StatementFailed, CannotReach: before anything was signalled.
    """
    subject = Sessions(connect, request, open_database)
    done = acting.act(subject, approved=request.approved, check_mode=check_mode)
    return _result(subject.seen, done, request, unblocked=subject.unblocked, session=subject.session), done.problem


@dataclasses.dataclass(frozen=True)
class Seen:
    """One look: at the server, its sessions, and its prepared transactions.

    Attributes:
        policy, usable_connections: what the selection was made by, beside the rules.
    """

    facts: t.Mapping[str, t.Any]
    backends: tuple[Backend, ...]
    selection: Selection
    prepared: tuple[PreparedTransaction, ...]
    policy: Policy = dataclasses.field(default_factory=Policy)
    usable_connections: int = 0


class Sessions(OnServer[Target]):
    """The sessions and prepared transactions of one server.

    Attributes:
        seen: by look().
        unblocked: pids of the waiters that went on; None when it could not be measured.
    """

    verbs = (CANCEL, TERMINATE, ROLLBACK_PREPARED)
    noun, done = "sessions", "ended"
    advice = "Look at the list; narrow the rules, or raise the limits if it is right."

    def __init__(self, connect: Connect, request: Request, open_database: t.Callable[[Session, str], Session]) -> None:
        super().__init__(connect)
        self._request, self._open_database = request, open_database
        if request.rollback_prepared:
            self.noun = "sessions and prepared transactions"
        self.seen: Seen
        self._look: Look
        self._deadline: Deadline
        self._covered: dict[str, str] = {}
        self.unblocked: set[int] | None = set()

    def look(self) -> Sight[Target]:
        self._deadline = Deadline(self._request.max_seconds)
        self.seen = self.read()
        seen, request = self.seen, self._request
        return sight(
            seen.backends, seen.prepared, rules=request.rules, policy=seen.policy, usable_connections=seen.usable_connections,
            budget=request.budget, strategy=request.strategy, rollback_prepared=request.rollback_prepared,
            prepared_min_age=request.prepared_min_age, resource=self.resource, selection=seen.selection,
        )

    def read(self) -> Seen:
        """Look at the server.

        Raises:
            Blind: our role does not see the sessions of others.
        """
        require_sight(self.session)
        self._look, facts = _prepare(self.session, self._request)
        backends = self._look.read()
        return Seen(
            facts, tuple(backends), self._look.select(backends), tuple(read_prepared(self.session)), self._look.policy,
            self._look.usable_connections,
        )

    def permitted(self, candidate: acting.Candidate[Target], approved: t.AbstractSet[str]) -> acting.Candidate[Target] | None:
        left = narrowed(candidate, approved)
        if left is not None and isinstance(left.target, Candidate):
            first, *more = left.target.ids(verb=left.action.verb, resource=self.resource)
            self._covered.update(dict.fromkeys(more, first))
        return left

    def carry_out_all(self, candidates: t.Sequence[acting.Candidate[Target]]) -> t.Iterator[Action]:
        """Signals for all first, since sessions that are held up by each other end together; then the prepared transactions."""
        request, self.unblocked = self._request, None
        done = act(
            self._look, [(one.target, one.action) for one in candidates if isinstance(one.target, Candidate)], strategy=request.strategy,
            approved=request.approved_ids, grace=request.grace, verify_timeout=request.verify_timeout, deadline=self._deadline,
        )
        yield from done
        for one in candidates:
            if isinstance(one.target, PreparedTransaction):
                done.append(self._roll_back(one.target, one.action))
                yield done[-1]
        yield from self._measured(done, {one.action.id: _waiters(one.target) for one in candidates})

    def _roll_back(self, one: PreparedTransaction, action: Action) -> Action:
        late = self.too_late()
        if late:
            return untouched(action, why.OUT_OF_TIME, error=late)
        return roll_back(self.session, one, action, open_database=lambda name: self._open_database(self.session, name))

    def too_late(self) -> str:
        return out_of_time(self._deadline) if self._deadline.passed() else ""

    def _measured(self, done: t.Sequence[Action], waiters: t.Mapping[str, frozenset[int]]) -> t.Iterator[Action]:
        """The same again, with how many of its waiters went on: whoever was touched, or may have been, may have let them go."""
        touched = [action for action in done if action.was_touched is not False]
        pids = {pid for action in touched for pid in waiters[action.id]}
        waiting = [backend for backend in self.seen.backends if backend.pid in pids]
        unblocked = self.unblocked = await_unblocked(self.session, waiting, deadline=self._deadline.part(_UNBLOCK_PATIENCE))
        if unblocked is not None:
            for action in touched:
                yield dataclasses.replace(action, detail={**action.detail, "unblocked": len(waiters[action.id] & unblocked)})

    def answer(self, one: Approved) -> Action:
        if one.id in self._covered:
            other = self._covered[one.id]
            return answered(one, actions.NOT_NEEDED, why.ALREADY_SO, error="its session has another approved action", by=other)
        if not one.verb:
            return super().answer(one)
        since = _prepared_since if one.verb == ROLLBACK_PREPARED else _session_since
        return since(one, self.seen, self._request, resource=self.resource)

    def left_over(self, candidate: acting.Candidate[Target]) -> t.Optional[actions.Spared]:
        return left_over(candidate)

    def told_over(self, limit: Limit, chosen: t.Sequence[acting.Candidate[Target]]) -> dict[str, t.Any]:
        return {"candidates": len(chosen)}


def _waiters(target: Target) -> frozenset[int]:
    return target.waiters if isinstance(target, Candidate) else frozenset(target.blocks)


def sight(
    backends: t.Sequence[Backend], prepared: t.Sequence[PreparedTransaction], *, rules: tuple[Rule, ...], policy: Policy,
    usable_connections: int, budget: Budget, strategy: str, rollback_prepared: bool, prepared_min_age: float, resource: str,
    selection: t.Optional[Selection] = None,
) -> Sight[Target]:
    """The chosen sessions, then the prepared transactions, each with what would be done to it.

    Args:
        backends, prepared: what there is.
        strategy, rollback_prepared, prepared_min_age: see Request.
        usable_connections: see select().
        resource: the server.
        selection: of these backends, where it is made already.
    """
    if selection is None:
        selection = select(backends, rules=rules, policy=policy, usable_connections=usable_connections)
    recalling = Recalling(rules, policy, {spared.target["pid"]: spared.reasons for spared in selection.protected}, prepared)
    changed = recalling.changed(backends)
    basis = Basis("pg_terminate_long_queries", {
        "backends": Parts(backends, recalling.kept), "prepared": prepared, "rules": rules, "policy": policy,
        "usable_connections": usable_connections,
        "budget": budget, "strategy": strategy, "rollback_prepared": rollback_prepared, "prepared_min_age": prepared_min_age,
        "resource": resource,
    }, left_out={"queries": changed} if changed else {})
    found: list[acting.Candidate[Target]] = []
    for candidate in selection.candidates:
        refusal = cancel_refused(candidate) if strategy == CANCEL else None
        one = _of_session(candidate, verb=strongest_verb(candidate, strategy), resource=resource)
        found.append(one if refusal is None else acting.Candidate(
            candidate, one.action.with_outcome(actions.REFUSED, why=why.CANNOT_HELP, error=refusal)))
    if rollback_prepared:
        for transaction, action in plan_rollbacks(prepared, resource=resource, min_age=prepared_min_age):
            if waiting_for_standby(transaction, backends):
                action = action.with_outcome(actions.REFUSED, why=why.PROTECTED, protected=[SYNCHRONOUS_COMMIT], hint=COMMIT_WAITS)
            found.append(acting.Candidate(transaction, action))
    left = tuple(
        actions.Spared(one.backend.describe(), (one.reason,), one.reason == TOO_YOUNG, holds_up(one.backend, len(one.behind)))
        for one in selection.left_roots
    )
    return Sight(candidates=found, protected=(*selection.protected, *left), limits=(budget.limit(selection.population),), basis=basis)


def left_over(candidate: acting.Candidate[Target]) -> t.Optional[actions.Spared]:
    """How an idle connection is spared that the limits do not allow: some of them given back are better than none."""
    target = candidate.target
    if not isinstance(target, Candidate) or any(clock.name != IDLE_CLOCK for clock in target.clocks):
        return None
    return actions.Spared(target.backend.describe(), (why.LIMIT_EXCEEDED,), True, target.backend.named)


def narrowed(candidate: acting.Candidate[Target], approved: t.Collection[str]) -> acting.Candidate[Target] | None:
    """The candidate with its approved clocks only; None where none of it is approved."""
    target, action = candidate.target, candidate.action
    if not isinstance(target, Candidate):
        return candidate if action.id in approved else None
    left = target.restricted(approved, verb=action.verb, resource=action.resource)
    if left is None:
        return None
    return candidate if left.clocks == target.clocks else _of_session(left, verb=action.verb, resource=action.resource)


def _of_session(candidate: Candidate, *, verb: str, resource: str) -> acting.Candidate[Target]:
    return acting.Candidate(candidate, candidate.action(verb=verb, resource=resource))


def _session_since(one: Approved, seen: Seen, request: Request, *, resource: str) -> Action:
    """What became of an approved session that is not a candidate, or not by what was approved."""
    pid, start, clock = (str(one.identity.get(key, "")) for key in ("pid", "backend_start", "clock"))
    now = next((backend for backend in seen.backends if str(backend.pid) == pid), None)
    if one.resource != resource:
        return answered(one, actions.MOVED_ON, why.RESTARTED)
    if now is None:
        return answered(one, actions.NOT_NEEDED, why.GONE_ALREADY)
    if now.backend_start != start:
        return answered(one, actions.PID_REUSED, why.IDENTITY_CHANGED, now=now.describe())
    reason = f"It was approved for its {clock} clock."
    if clock == LOCK_WAIT and not request.cancels_queues:
        return answered(one, actions.REFUSED, why.OPTION_OFF, reason=reason, error="cancel_lock_queue is off", now=now.describe())
    protected = next((list(spared.reasons) for spared in seen.selection.protected if spared.target.get("pid") == now.pid), [])
    if protected:
        return answered(one, actions.MOVED_ON, why.PROTECTED, reason=reason, now=now.describe(), protected=protected)
    candidate = seen.selection.find(now)
    alike = candidate is not None and candidate.cancel_only == (clock == LOCK_WAIT)
    if candidate is not None and alike and one.verb != strongest_verb(candidate, request.strategy):
        return answered(
            one, actions.REFUSED, why.OPTION_OFF, reason=reason, error=f"strategy is {request.strategy}, which does not {one.verb}",
            now=now.describe(),
        )
    refusal = cancel_refused(candidate) if candidate is not None and request.strategy == CANCEL else None
    if candidate is not None and refusal and one.id in candidate.ids(verb=one.verb, resource=resource):
        return answered(one, actions.REFUSED, why.CANNOT_HELP, reason=reason, error=refusal, now=now.describe())
    return answered(one, actions.MOVED_ON, why.NO_LONGER_MATCHES, reason=reason, now=now.describe())


def _prepared_since(one: Approved, seen: Seen, request: Request, *, resource: str) -> Action:
    """What became of an approved prepared transaction that is not a candidate. It outlives a restart of the server."""
    if one.identity not in [identity_of(there) for there in seen.prepared]:
        return answered(one, actions.NOT_NEEDED, why.GONE_ALREADY)
    if not request.rollback_prepared:
        return answered(one, actions.REFUSED, why.OPTION_OFF, error="rollback_prepared is off")
    since = {"error": "the server was restarted since"} if one.resource != resource else {}
    return answered(one, actions.MOVED_ON, why.NO_LONGER_MATCHES, **since)


def _prepare(session: Session, request: Request) -> tuple[Look, dict[str, t.Any]]:
    row = session.rows(
        """
        SELECT current_setting('max_connections')::int AS max_connections,
            current_setting('superuser_reserved_connections')::int
                + COALESCE(current_setting('reserved_connections', true), '0')::int AS reserved,
            current_setting('server_version') AS server_version,
            pg_catalog.pg_has_role('pg_signal_backend', 'USAGE') AS may_signal,
            ARRAY(SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname::text = ANY(%s)) AS marks
        """,
        [sorted(mark for marks in PROVIDER_MARKS.values() for mark in marks)],
    )[0]
    policy = Policy(
        own_pid=session.backend_pid, own_prefix=APPLICATION_PREFIX, own_superuser=session.is_superuser,
        allow_superuser_roles=request.allow_superuser_roles, protect_application_names=request.protect_application_names,
    )
    look = Look(session, request.rules, policy, request.protect_roles, row["max_connections"] - row["reserved"])
    provider = provider_of(row["marks"])
    return look, {
        "server": {
            "version": row["server_version"], "version_num": session.server_version, "resource": session.resource,
            "login": session.login.describe(), "user": session.user, "in_recovery": session.in_recovery,
            "max_connections": row["max_connections"],
        },
        "provider": provider, "provider_note": PROVIDER_NOTES.get(provider or "", ""), "may_signal_others": bool(row["may_signal"]),
    }


def _result(
    seen: Seen, done: Done[Target], request: Request, *, unblocked: t.Collection[int] | None, session: Session,
) -> dict[str, t.Any]:
    limits, selection = request.budget.as_dict(), seen.selection
    judged = done.as_result(limits=limits)
    signals = [signal for action in done.actions for signal in action.detail.get("signals", ())]
    rollbacks = [action for one, action in done.acted if isinstance(one.target, PreparedTransaction) and not done.check_mode]
    return {
        # What was begun and not answered may be done.
        **judged, "changed": judged["changed"] or any(action.outcome == actions.UNKNOWN for action in done.actions),
        "findings": [finding.as_dict() for finding in _findings(seen, done, cancels=request.cancels_queues)],
        "plan_sha256": plan_hash({"": sorted(action.id for _one, action in done.acted)}, {"": limits}),
        "population": selection.population, "waiters_before": len(selection.waiting),
        "waiters_unblocked": None if unblocked is None else len(unblocked),
        "prepared_transactions": [one.describe() for one in seen.prepared],
        "executed": {
            "cancel": signals.count(CANCEL), "terminate": signals.count(TERMINATE),
            "rollback_prepared": sum(1 for action in rollbacks if action.was_touched is not False),
        },
        "statements": session.statements, **{key: seen.facts[key] for key in ("provider", "provider_note", "server")},
    }


def _findings(seen: Seen, done: Done[Target], *, cancels: bool) -> list[findings.Finding]:
    """What stays wrong and is not ours to end; `cancels` as in _queue_heads()."""
    selection, prepared, facts = seen.selection, seen.prepared, seen.facts
    matched = {spared.target["pid"] for spared in selection.protected if spared.would_match}
    found = [
        findings.Finding(
            check="protected_blocker", status=findings.CRITICAL if backend.pid in matched else findings.WARNING,
            observed=len(behind), threshold=1, unit="sessions", subject=f"pid {backend.pid}",
            detail={"target": backend.describe(), "reasons": list(reasons), "waiters": sorted(behind)},
            hint=f"{holds_up(backend, len(behind))}. {spared_advice(backend, reasons)}",
        )
        for backend, reasons, behind in selection.protected_roots
    ]
    found += [*_left_roots(selection), *_queue_heads(selection, done, cancels=cancels)]
    handled = {
        one.target.gid for one, action in done.acted
        if isinstance(one.target, PreparedTransaction) and (done.check_mode or action.outcome in actions.CHANGED_OUTCOMES)
    }
    found += [
        findings.Finding(
            check="prepared_transaction", status=findings.CRITICAL, observed=len(one.blocks), threshold=1, unit="sessions",
            subject=one.gid, detail=one.describe(),
            hint=COMMIT_WAITS if waiting_for_standby(one, seen.backends) else
            f"Prepared {one.named}, {format_duration(one.age)} old, holds up {how_many(len(one.blocks))} and has no process to end. " + (
                f"It belongs to the subscription {one.subscription} and is never rolled back: finish it on the publisher."
                if one.subscription else "Its transaction manager must finish it, or set rollback_prepared."
            ),
        )
        for one in prepared if one.blocks and one.gid not in handled
    ]
    found += [*_commits_that_wait(seen, done.actions), *_untold(selection)]
    if any(spared.would_match and "not_permitted" in spared.reasons for spared in selection.protected) and not facts["may_signal_others"]:
        user = facts["server"]["user"].replace('"', '""')
        found.append(findings.Finding(
            check="signal_privilege", status=findings.CRITICAL, subject=facts["server"]["user"],
            hint=f'Sessions match that this role may not signal. Run as a superuser: GRANT pg_signal_backend TO "{user}";',
        ))
    return found


def _left_roots(selection: Selection) -> list[findings.Finding]:
    """Who is at the root of a chain, and that no rule takes now."""
    return [
        findings.Finding(
            check="root_blocker", status=findings.WARNING, observed=len(one.behind), threshold=1, unit="sessions",
            subject=f"pid {one.backend.pid}",
            detail={"target": one.backend.describe(), "reasons": [one.reason], "waiters": sorted(one.behind)},
            hint=f"{holds_up(one.backend, len(one.behind))}. It is not planned, since {one.why}.",
        )
        for one in selection.left_roots
    ]


def _queue_heads(selection: Selection, done: Done[Target], *, cancels: bool) -> list[findings.Finding]:
    """Who waits at the head of a lock's queue and holds up others, unless that is dealt with.

    Args:
        cancels: whether such statements are to be cancelled.
    """
    reasons = {
        spared.target["pid"]: ", ".join(reason for reason in spared.reasons if reason != UTILITY_STATEMENT)
        for spared in selection.protected
    }

    def more(head: Head) -> str:
        if not cancels:
            return SWITCH if head.backend.is_client else ""
        if reasons.get(head.backend.pid):
            return f"It is protected ({reasons[head.backend.pid]})."
        return "" if selection.find(head.backend) else "It has waited for less than min_lock_wait_age."

    handled = {
        one.target.backend.pid for one, action in done.acted
        if isinstance(one.target, Candidate) and (done.check_mode or action.outcome in actions.CHANGED_OUTCOMES)
    }
    return [
        findings.Finding(
            check=LOCK_QUEUE, status=findings.WARNING, observed=len(head.held_up), threshold=1, unit="sessions",
            subject=f"pid {head.backend.pid}", hint=f"{head.say()} {more(head)}".rstrip(),
            detail={"target": head.backend.describe(), "awaits": head.awaits, "waiters": sorted(head.held_up)},
        )
        for head in selection.queue_heads if head.backend.pid not in handled
    ]


def _untold(selection: Selection) -> list[findings.Finding]:
    """One finding about all whom no rule can judge, since the server does not track what they do."""
    alone = ({UNTOLD}, {UNTOLD, "not_permitted"})
    targets = [spared.target for spared in selection.protected if set(spared.reasons) in alone]
    roles = sorted({str(target["user"]) for target in targets})
    if not targets:
        return []
    quoted = [role.replace('"', '""') for role in roles[:_NAMED]]
    return [findings.Finding(
        check=UNTOLD, status=findings.WARNING, observed=len(targets), threshold=1, unit="sessions",
        subject="role " + ", ".join(roles[:_NAMED]), detail={"pids": sorted(target["pid"] for target in targets), "roles": roles},
        hint="track_activities is off for them: since when they do what cannot be seen, so no rule takes them. Run as a superuser, for the "
        "sessions that they open from then on: " + " ".join(f'ALTER ROLE "{role}" SET track_activities = on;' for role in quoted),
    )]


def _commits_that_wait(seen: Seen, done: t.Sequence[Action]) -> list[findings.Finding]:
    """One finding about all who wait for the standby and would have been ended, or keep others waiting."""
    selection = seen.selection
    behind = {backend.pid: waiters for backend, reasons, waiters in selection.protected_roots if SYNCHRONOUS_COMMIT in reasons}
    by_rule = {spared.target["pid"] for spared in selection.protected if spared.would_match and SYNCHRONOUS_COMMIT in spared.reasons}
    spared = [action for action in done if SYNCHRONOUS_COMMIT in (action.detail.get("protected") or ())]
    late = {int(action.target["pid"]) for action in spared if action.verb != ROLLBACK_PREPARED}
    refused = {action.target["gid"] for action in spared if action.verb == ROLLBACK_PREPARED}
    for one in seen.prepared:
        if one.blocks or one.gid in refused:
            behind.update(dict.fromkeys(waiting_for_standby(one, seen.backends), frozenset(one.blocks)))
    pids = sorted({*behind, *by_rule, *late})
    if not pids:
        return []
    named = few(map(str, pids), most=_NAMED)
    return [findings.Finding(
        check=SYNCHRONOUS_COMMIT, status=findings.CRITICAL if by_rule or late or refused else findings.WARNING, observed=len(pids),
        threshold=1, unit="sessions", subject=f"pid {named}", hint=COMMIT_WAITS,
        detail={"pids": pids, "waiters": sorted({pid for waiters in behind.values() for pid in waiters})},
    )]
