# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One call of pg_terminate_long_queries: look, choose, stay inside the limits, act, measure.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from .._core import actions, findings
from .._core.actions import Action, Approved
from .._core.errors import IncidentError, LimitExceeded
from .._core.limits import Budget
from .._core.plan import plan_hash
from .activity import read_prepared, require_sight
from .connection import APPLICATION_PREFIX, Session
from .decisions.backends import Backend, PreparedTransaction
from .decisions.protection import COMMIT_WAITS, PROVIDER_MARKS, PROVIDER_NOTES, SYNCHRONOUS_COMMIT, Policy, provider_of
from .decisions.rules import DEFAULT_AGES, TRANSACTION, Rule
from .decisions.sessions import CANCEL, ESCALATE, TERMINATE, Candidate, Selection, cancel_refused
from .prepared import ROLLBACK_PREPARED, Open, plan_rollbacks, roll_back, waiting_for_standby
from .signals import Deadline, Look, act, acting_alone, await_unblocked

#: How long released waiters are given to go on, one after the other: seconds.
_UNBLOCK_PATIENCE = 3.0
#: So many pids are named in a finding's subject; all are in its detail.
_NAMED = 10


@dataclasses.dataclass(frozen=True)
class Request:
    """What the caller wants. Times are seconds.

    Attributes:
        approved: actions of a plan; None is no restriction, empty allows nothing.
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
        """The ids of what is approved; None is no restriction."""
        return None if self.approved is None else tuple(one.id for one in self.approved)

    @property
    def verb(self) -> str:
        """The strongest thing that may be done to a session."""
        return CANCEL if self.strategy == CANCEL else TERMINATE


class ActionsFailed(IncidentError):
    """Something was tried and did not work; the actions say which."""

    kind = "actions_failed"


def terminate_long_queries(
    session: Session, request: Request, *, check_mode: bool, open_database: Open,
) -> tuple[dict[str, t.Any], IncidentError | None]:
    """Do what the request says, or in check mode only plan it.

    Args:
        session: kept for the whole call.
        open_database: opens a session in another database, for its prepared transactions.

    Returns:
        The module's result, and the error that must fail the task all the same.

    Raises:
        Blind, Locked, StatementFailed, CannotReach: before anything was signalled.
    """
    deadline = Deadline(request.max_seconds)
    require_sight(session)
    with contextlib.nullcontext() if check_mode else acting_alone(session):
        return _look_and_act(session, request, check_mode=check_mode, open_database=open_database, deadline=deadline)


def _look_and_act(
    session: Session, request: Request, *, check_mode: bool, open_database: Open, deadline: Deadline,
) -> tuple[dict[str, t.Any], IncidentError | None]:
    look, facts = _prepare(session, request)
    backends = look.read()
    selection = look.select(backends)
    prepared = read_prepared(session)
    work = _plan(selection, prepared, request, instance=session.instance, resource=session.resource, backends=backends)

    problem: IncidentError | None = None
    allowance = request.budget.allowance(selection.population)
    unblocked: set[int] | None = set()
    if work.count > allowance:
        work, problem = work.over_limit(), _too_many(work.count, allowance, selection, request.budget)
    elif not check_mode:
        work, unblocked = _carry_out(look, work, request, backends=backends, open_database=open_database, deadline=deadline)
        problem = _failure(work.actions())
    wrong = _findings(selection, prepared, work, facts, backends=backends, check_mode=check_mode)
    return _result(
        work, selection, prepared, request, wrong=wrong, facts=facts, unblocked=unblocked, session=session, check_mode=check_mode,
    ), problem


@dataclasses.dataclass(frozen=True)
class _Work:
    sessions: tuple[tuple[Candidate, Action], ...]
    rollbacks: tuple[tuple[PreparedTransaction, Action], ...]
    others: tuple[Action, ...]

    @property
    def count(self) -> int:
        return len(self.sessions) + len(self.rollbacks)

    def actions(self) -> list[Action]:
        return [action for _candidate, action in self.sessions] + [action for _one, action in self.rollbacks] + list(self.others)

    def over_limit(self) -> _Work:
        refused = tuple(action.with_outcome(actions.REFUSED, why="limit_exceeded") for _what, action in (*self.sessions, *self.rollbacks))
        return _Work((), (), refused + self.others)


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


def _plan(
    selection: Selection, prepared: t.Sequence[PreparedTransaction], request: Request, *, instance: str, resource: str,
    backends: t.Sequence[Backend],
) -> _Work:
    chosen: list[tuple[Candidate, Action]] = []
    others: list[Action] = []
    for candidate in selection.candidates:
        approved = candidate.restricted(request.approved_ids, verb=request.verb, resource=resource)
        refusal = cancel_refused(candidate) if request.strategy == CANCEL else None
        if approved is None:
            others.append(candidate.action(verb=request.verb, resource=resource).with_outcome(actions.REFUSED, why="not_approved"))
        elif refusal is not None:
            others.append(approved.action(verb=request.verb, resource=resource).with_outcome(
                actions.REFUSED, why="cancel_cannot_help", error=refusal))
        else:
            chosen.append((approved, approved.action(verb=request.verb, resource=resource)))
    rollbacks: list[tuple[PreparedTransaction, Action]] = []
    if request.rollback_prepared:
        for one, action in plan_rollbacks(prepared, resource=resource, min_age=request.prepared_min_age):
            if waiting_for_standby(one, backends):
                others.append(action.with_outcome(actions.REFUSED, why=SYNCHRONOUS_COMMIT, hint=COMMIT_WAITS))
            elif actions.is_approved([action.id], request.approved_ids):
                rollbacks.append((one, action))
            else:
                others.append(action.with_outcome(actions.REFUSED, why="not_approved"))
    listed = {identity for action in (*(a for _c, a in chosen), *(a for _o, a in rollbacks), *others) for identity in _all_ids(action)}
    others.extend(_overtaken(request.approved or (), listed, selection, backends, instance=instance, resource=resource))
    return _Work(tuple(chosen), tuple(rollbacks), tuple(others))


def _all_ids(action: Action) -> list[str]:
    return [action.id, *action.detail.get("ids", ())]


def _overtaken(
    approved: t.Sequence[Approved], listed: t.Collection[str], selection: Selection, backends: t.Sequence[Backend], *, instance: str,
    resource: str,
) -> list[Action]:
    """What was approved for this server and is no candidate any more: gone, moved on, or somebody else's pid now."""
    candidates = {(str(c.backend.pid), c.backend.backend_start) for c in selection.candidates}
    by_pid = {str(backend.pid): backend for backend in backends}
    found: list[Action] = []
    for one in approved:
        if one.id in listed:
            continue
        if not one.resource:
            found.extend(_by_id_alone(one, instance=instance, resource=resource))
            continue
        if not one.resource.startswith(f"{instance}:"):
            continue
        if one.verb == ROLLBACK_PREPARED and one.resource == resource:
            found.append(_gone(one, "approved", actions.NOT_NEEDED, "gone_already"))
        if one.verb not in (CANCEL, TERMINATE) or not {"pid", "backend_start", "clock"} <= set(one.identity):
            continue
        pid, start = one.identity["pid"], one.identity["backend_start"]
        if (str(pid), start) in candidates:
            continue  # listed as itself: refused, or approved by another clock
        now = by_pid.get(str(pid))
        if one.resource != resource:
            outcome, why = actions.NOT_NEEDED, "server_restarted"
        elif now is None:
            outcome, why = actions.NOT_NEEDED, "gone_already"
        elif now.backend_start != start:
            outcome, why = actions.PID_REUSED, "pid_reused"
        else:
            outcome, why = actions.MOVED_ON, "no_longer_matches"
        found.append(_gone(
            one, f"approved for its {one.identity['clock']} clock", outcome, why, target={"pid": pid, "backend_start": start},
            now=now.describe() if now else None,
        ))
    return found


def _by_id_alone(one: Approved, *, instance: str, resource: str) -> t.Iterator[Action]:
    """The answer to an approved id of which nothing else is known, where it begins as those of this server do.

    Whether its target is gone or does other work cannot be told apart then: both are left alone.
    """
    for verb in (CANCEL, TERMINATE, ROLLBACK_PREPARED):
        if one.is_on(resource, verb=verb):
            answer = actions.MOVED_ON, "no_longer_a_candidate"
        elif one.is_on(f"{instance}:", verb=verb):
            answer = actions.NOT_NEEDED, "server_restarted"
        else:
            continue
        yield Action(
            id=one.id, verb=verb, resource=resource, identity={}, target={}, reason="approved by its id", outcome=answer[0],
            detail={"why": answer[1]},
        )


def _gone(one: Approved, reason: str, outcome: str, why: str, *, target: t.Mapping[str, t.Any] | None = None, **detail: t.Any) -> Action:
    return Action(
        id=one.id, verb=one.verb, resource=one.resource, identity=one.identity, target=target or {}, reason=reason, name=one.name,
        outcome=outcome, detail={"why": why, **detail},
    )


def _carry_out(
    look: Look, work: _Work, request: Request, *, backends: t.Sequence[Backend], open_database: Open, deadline: Deadline,
) -> tuple[_Work, set[int] | None]:
    done = act(
        look, work.sessions, strategy=request.strategy, approved=request.approved_ids, grace=request.grace,
        verify_timeout=request.verify_timeout, deadline=deadline,
    )
    rollbacks = [_roll_back(look.session, one, action, deadline, open_database) for one, action in work.rollbacks]
    # Who was signalled, or may have been, may have let its waiters go, whatever its own outcome is.
    touched: dict[str, set[int]] = {
        **{a.id: set(c.waiters) for (c, _p), a in zip(work.sessions, done) if actions.was_touched(a.as_dict()) is not False},
        **{a.id: set(one.blocks) for (one, _p), a in zip(work.rollbacks, rollbacks) if actions.was_touched(a.as_dict()) is not False},
    }
    waiters = [backend for backend in backends if any(backend.pid in pids for pids in touched.values())]
    unblocked = await_unblocked(look.session, waiters, deadline=deadline.within(_UNBLOCK_PATIENCE))

    def measured(action: Action) -> Action:
        if action.id not in touched or unblocked is None:
            return action
        return dataclasses.replace(action, detail={**action.detail, "unblocked": len(touched[action.id] & unblocked)})

    return _Work(
        tuple((c, measured(a)) for (c, _p), a in zip(work.sessions, done)),
        tuple((one, measured(a)) for (one, _p), a in zip(work.rollbacks, rollbacks)), work.others,
    ), unblocked


def _roll_back(session: Session, one: PreparedTransaction, action: Action, deadline: Deadline, open_database: Open) -> Action:
    if deadline.left() <= 0:
        late = action.with_outcome(actions.FAILED, why="out_of_time", error=f"Not tried: max_seconds ({deadline.seconds:g}) were over.")
        return dataclasses.replace(late, touched=False)
    return roll_back(session, one, action, open_database=open_database)


def _too_many(count: int, allowance: int, selection: Selection, budget: Budget) -> LimitExceeded:
    percent = f"max_percent {budget.max_percent:g}" if budget.max_percent is not None else "no max_percent"
    return LimitExceeded(
        f"{count} would be ended and only {allowance} may be: max_victims {budget.max_count}, {percent} of {selection.population} client "
        f"sessions, {budget.spent} spent already. Nothing was signalled.",
        hint="Look at the list; narrow the rules, or raise the limits if it is right.", candidates=count, allowance=allowance,
    )


def _failure(done: t.Sequence[Action]) -> ActionsFailed | None:
    failed = actions.failed_actions(done)
    if not failed:
        return None
    said = "; ".join(f"{action.verb} of {action.target.get('pid', action.target.get('gid'))}: {action.outcome}" for action in failed)
    hints = [str(action.detail["hint"]) for action in failed if action.detail.get("hint")]
    return ActionsFailed(f"{len(failed)} of {len(done)} actions did not work: {said}.", hint=hints[0] if hints else None)


def _result(
    work: _Work, selection: Selection, prepared: t.Sequence[PreparedTransaction], request: Request, *, wrong: t.Sequence[findings.Finding],
    facts: t.Mapping[str, t.Any], unblocked: t.Collection[int] | None, session: Session, check_mode: bool,
) -> dict[str, t.Any]:
    found = work.actions()
    limits = request.budget.as_dict()
    planned = sorted(action.id for what in (work.sessions, work.rollbacks) for _target, action in what)
    signals = [signal for action in found for signal in action.detail.get("signals", ())]
    tried = sum(1 for _one, action in work.rollbacks if not check_mode and action.outcome != actions.NOT_NEEDED)
    judged = actions.result(found, check_mode=check_mode, limits=limits, protected=selection.protected)
    return {
        # What was begun and not answered may be done.
        **judged, "changed": judged["changed"] or any(action.outcome == actions.UNKNOWN for action in found),
        "findings": [finding.as_dict() for finding in wrong],
        "plan_sha256": plan_hash({"": planned}, {"": limits}),
        "population": selection.population, "waiters_before": len(selection.waiting),
        "waiters_unblocked": None if unblocked is None else len(unblocked),
        "prepared_transactions": [one.describe() for one in prepared],
        "executed": {"cancel": signals.count(CANCEL), "terminate": signals.count(TERMINATE), "rollback_prepared": tried},
        "statements": session.statements, "provider": facts["provider"], "provider_note": facts["provider_note"], "server": facts["server"],
    }


def _findings(
    selection: Selection, prepared: t.Sequence[PreparedTransaction], work: _Work, facts: t.Mapping[str, t.Any], *,
    backends: t.Sequence[Backend], check_mode: bool,
) -> list[findings.Finding]:
    """What stays wrong and is not ours to end."""
    matched = {spared.target["pid"] for spared in selection.protected if spared.would_match}
    found = [
        findings.Finding(
            check="protected_blocker", status=findings.CRITICAL if backend.pid in matched else findings.WARNING,
            observed=len(behind), threshold=1, unit="sessions", subject=f"pid {backend.pid}",
            detail={"target": backend.describe(), "reasons": list(reasons), "waiters": sorted(behind)},
            hint=COMMIT_WAITS if SYNCHRONOUS_COMMIT in reasons else
            "It is protected and at the root of a chain of waiters; its waiters are not ended instead. Decide by hand.",
        )
        for backend, reasons, behind in selection.protected_roots
    ]
    handled = {one.gid for one, action in work.rollbacks if check_mode or action.outcome in actions.CHANGED_OUTCOMES}
    found += [
        findings.Finding(
            check="prepared_transaction", status=findings.CRITICAL, observed=len(one.blocks), threshold=1, unit="sessions",
            subject=one.gid, detail=one.describe(),
            hint=COMMIT_WAITS if waiting_for_standby(one, backends) else
            "A prepared transaction blocks sessions and has no process to end. " + (
                f"It belongs to the subscription {one.subscription} and is never rolled back: finish it on the publisher."
                if one.subscription else "Its transaction manager must finish it, or set rollback_prepared."
            ),
        )
        for one in prepared if one.blocks and one.gid not in handled
    ]
    found += _commits_that_wait(selection, prepared, work, backends=backends)
    if any(spared.would_match and "not_permitted" in spared.reasons for spared in selection.protected) and not facts["may_signal_others"]:
        user = facts["server"]["user"].replace('"', '""')
        found.append(findings.Finding(
            check="signal_privilege", status=findings.CRITICAL, subject=facts["server"]["user"],
            hint=f'Sessions match that this role may not signal. Run as a superuser: GRANT pg_signal_backend TO "{user}";',
        ))
    return found


def _commits_that_wait(
    selection: Selection, prepared: t.Sequence[PreparedTransaction], work: _Work, *, backends: t.Sequence[Backend],
) -> list[findings.Finding]:
    """One finding about all who wait for the standby and would have been ended, or keep others waiting."""
    behind = {backend.pid: waiters for backend, reasons, waiters in selection.protected_roots if SYNCHRONOUS_COMMIT in reasons}
    by_rule = {spared.target["pid"] for spared in selection.protected if spared.would_match and SYNCHRONOUS_COMMIT in spared.reasons}
    late = {action.target["pid"] for action in work.actions() if SYNCHRONOUS_COMMIT in (action.detail.get("protected") or ())}
    refused = {action.target.get("gid") for action in work.others if action.detail.get("why") == SYNCHRONOUS_COMMIT}
    for one in prepared:
        if one.blocks or one.gid in refused:
            behind.update(dict.fromkeys(waiting_for_standby(one, backends), frozenset(one.blocks)))
    pids = sorted({*behind, *by_rule, *late})
    if not pids:
        return []
    named = ", ".join(str(pid) for pid in pids[:_NAMED]) + (f" and {len(pids) - _NAMED} more" if len(pids) > _NAMED else "")
    return [findings.Finding(
        check=SYNCHRONOUS_COMMIT, status=findings.CRITICAL if by_rule or late or refused else findings.WARNING, observed=len(pids),
        threshold=1, unit="sessions", subject=f"pid {named}", hint=COMMIT_WAITS,
        detail={"pids": pids, "waiters": sorted({pid for waiters in behind.values() for pid in waiters})},
    )]
