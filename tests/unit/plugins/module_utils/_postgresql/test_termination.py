# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a call, without a server: approvals, limits, and what became of approved targets."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.acting import Done, act
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import (
    FAILED_OUTCOMES,
    OUTCOMES,
    PLANNED,
    Action,
    Approved,
    failed_actions,
)
from ansible_collections.oncall.incident.plugins.module_utils._core.limits import Budget, spent
from ansible_collections.oncall.incident.plugins.module_utils._postgresql import termination
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.backends import Backend, PreparedTransaction
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.protection import Policy
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.rules import parse_rules
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.sessions import select
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.prepared import plan_rollbacks
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.termination import Request, Seen, Sessions, Target
from hypothesis import given
from hypothesis import strategies as st

RESOURCE = "pg:77:1000"
RULES = parse_rules([{"min_query_age": 10}])


def session(pid: int, age: float = 100.0, state: str = "active") -> Backend:
    return Backend(
        pid=pid, backend_start=f"b{pid}", state=state, query="SELECT 1", query_start=f"q{pid}", query_age=age, state_change=f"s{pid}",
        state_age=age,
    )


class Snapshot(Sessions):
    """Sees what it is given."""

    def __init__(self, request: Request, backends: list[Backend], prepared: list[PreparedTransaction]) -> None:
        super().__init__(lambda: SimpleNamespace(resource=RESOURCE, instance="pg:77"), request, lambda session, name: session)  # type: ignore
        self._there = tuple(backends), tuple(prepared)

    def read(self) -> Seen:
        assert self.session.resource == self.resource
        backends, prepared = self._there
        return Seen({}, backends, select(backends, rules=self._request.rules, policy=Policy(), usable_connections=100), prepared)


def of_plan(verb: str, resource: str, identity: dict[str, Any]) -> Approved:
    return Approved.read(Action(verb, resource, identity, {}, "because", "pid 1 app@shop").as_dict())


def identity(pid: int, *, resource: str = RESOURCE, start: str = "", verb: str = "terminate", clock: str = "query") -> Approved:
    return of_plan(verb, resource, {"backend_start": start or f"b{pid}", "clock": clock, "pid": pid, "since": f"{clock[0]}{pid}"})


def prepared(gid: str, *, resource: str = RESOURCE) -> Approved:
    return of_plan("rollback_prepared", resource, {"gid": gid, "prepared": "when", "transaction": "7"})


PREPARED = PreparedTransaction("gid", "7", "when", "app", "shop", age=1000.0)
BEFORE = "pg:77:1"


def plan(backends: list[Backend], approved: list[Approved] | None, **more: Any) -> Done[Target]:
    allowed = None if approved is None else tuple(approved)
    request = Request(**{"rules": RULES, "budget": Budget(max_count=9), "approved": allowed, **more})
    return act(Snapshot(request, backends, [PREPARED]), approved=allowed, check_mode=True)


def planned(backends: list[Backend], approved: list[Approved] | None, **more: Any) -> list[tuple[int, str, Any]]:
    found = plan(backends, approved, **more).actions
    return [(action.target.get("pid", 0), action.outcome, action.detail.get("why")) for action in found]


BOTH_REFUSED = [(1, "refused", "not_approved"), (2, "refused", "not_approved")]
FIRST_PLANNED = [(1, "planned", None), (2, "refused", "not_approved")]


@pytest.mark.parametrize(("approved", "expected"), [
    (None, [(1, "planned", None), (2, "planned", None)]),
    ([], BOTH_REFUSED),
    ([identity(1)], FIRST_PLANNED),
    ([identity(1), identity(2, verb="cancel")], [*FIRST_PLANNED, (2, "refused", "option_off")]),  # approved for something else
    ([identity(1), identity(9)], [*FIRST_PLANNED, (9, "not_needed", "gone_already")]),
    ([identity(3)], [*BOTH_REFUSED, (3, "moved_on", "no_longer_matches")]),
    ([identity(2, clock="transaction")], [*BOTH_REFUSED, (2, "moved_on", "no_longer_matches")]),  # a victim by another clock now
    ([identity(4)], [*BOTH_REFUSED, (4, "moved_on", "protected")]),
    ([identity(3, start="old")], [*BOTH_REFUSED, (3, "pid_reused", "identity_changed")]),
    ([identity(9, resource=BEFORE)], [*BOTH_REFUSED, (9, "moved_on", "restarted")]),
    ([identity(1, resource=BEFORE)], [*BOTH_REFUSED, (1, "moved_on", "restarted")]),
    # What was approved for another module is none of our business. Of another server nobody else may answer: the login may lead elsewhere.
    ([identity(1), identity(2), identity(8, resource="pg:88:1"), identity(8, resource="pg:777:1"),
      of_plan("restart", "service", {"name": "web"})],
     [(1, "planned", None), (2, "planned", None), (8, "moved_on", "restarted"), (8, "moved_on", "restarted")]),
])
def test_approvals(approved: list[Approved] | None, expected: list[tuple[int, str, Any]]) -> None:
    kept = Backend(pid=4, backend_start="b4", state="idle", query="SELECT 1 /* incident:keep */")
    assert planned([session(1), session(2), session(3, age=1.0), kept], approved) == expected


def test_an_id_alone_is_an_approval_and_is_answered() -> None:
    ids = [Approved.read(one.id) for one in (identity(1), identity(9), identity(7, resource=BEFORE))]
    found = plan([session(1), session(2)], ids).actions
    assert [(action.id, action.outcome, action.detail.get("why")) for action in found if action.outcome != "refused"] == [
        (ids[0].id, "planned", None), (ids[1].id, "moved_on", "no_longer_matches"), (ids[2].id, "moved_on", "no_longer_matches"),
    ]


def test_who_is_approved_by_its_second_clock_is_a_candidate_by_that_one_alone() -> None:
    both = Backend(
        pid=1, backend_start="b1", state="active", query="SELECT 1", query_start="q1", query_age=100.0, xact_start="t1",
        transaction_age=50.0,
    )
    rules = parse_rules([{"min_query_age": 10, "min_transaction_age": 10}])
    one = identity(1, clock="transaction")
    done = plan([both], [one], rules=rules)
    assert [(action.id, action.outcome, action.detail["ids"]) for action in done.actions] == [(one.id, "planned", [one.id])]
    [(chosen, _action)] = done.acted
    assert [clock.name for clock in chosen.target.clocks] == ["transaction"]  # type: ignore[union-attr]
    first = identity(1)
    assert plan([both], None, rules=rules).actions[0].detail["ids"] == [first.id, one.id]
    # By both it is one action, and each id is answered.
    assert [(action.id, action.outcome) for action in plan([both], [one, first], rules=rules).actions] == [
        (first.id, "planned"), (one.id, "not_needed"),
    ]


@pytest.mark.parametrize(("approved", "more", "problem"), [
    (None, {"budget": Budget(max_count=1)}, True), ([identity(1)], {"budget": Budget(max_count=1)}, False),
    ([identity(1), identity(2)], {"budget": Budget(max_count=1)}, True), ([identity(1)], {"budget": Budget(max_count=1, spent=1)}, True),
    (None, {"budget": Budget(max_count=9, max_percent=20.0)}, True), (None, {"budget": Budget(max_count=9, max_percent=67.0)}, False),
    # One budget for both kinds.
    (None, {"budget": Budget(max_count=2), "rollback_prepared": True}, True),
])
def test_limits_count_what_is_approved(approved: list[Approved] | None, more: dict[str, Any], problem: bool) -> None:
    done = plan([session(1), session(2), session(3, age=1.0)], approved, **more)
    assert (done.problem is not None) is problem
    if done.problem is not None:
        assert not done.acted and {action.outcome for action in done.actions} == {"refused"}
        assert done.problem.facts["limit"] == "max_victims" and done.problem.facts["candidates"] == done.problem.facts["count"]


@pytest.mark.parametrize(("approved", "expected"), [
    (None, [(1, "refused", "cannot_help")]),
    ([identity(1, verb="cancel", clock="query")], [(1, "refused", "cannot_help"), (1, "moved_on", "no_longer_matches")]),
    ([identity(1, verb="cancel", clock="idle_in_transaction")], [(1, "refused", "cannot_help")]),
    ([identity(1, verb="cancel", clock="transaction")], [(1, "refused", "cannot_help"), (1, "refused", "cannot_help")]),
])
def test_cancel_is_refused_where_it_cannot_help(approved: list[Approved] | None, expected: list[tuple[int, str, Any]]) -> None:
    rules = parse_rules([{"min_idle_in_transaction_age": 1, "min_transaction_age": 1}])
    idle = Backend(
        pid=1, backend_start="b1", state="idle in transaction", xact_start="t1", transaction_age=9.0, state_change="i1", state_age=100.0,
    )
    assert planned([idle], approved, rules=rules, strategy="cancel") == expected


@pytest.mark.parametrize(("request_more", "approved", "expected"), [
    ({}, None, []),
    ({"rollback_prepared": True}, None, [("planned", None)]),
    ({"rollback_prepared": True, "prepared_min_age": 2000.0}, None, []),
    ({"rollback_prepared": True}, [], [("refused", "not_approved")]),
    ({"rollback_prepared": True}, [prepared("gid")], [("planned", None)]),
    ({"rollback_prepared": True}, [prepared("old")], [("refused", "not_approved"), ("not_needed", "gone_already")]),
    ({}, [prepared("gid")], [("refused", "option_off")]),
    ({"rollback_prepared": True, "prepared_min_age": 2000.0}, [prepared("gid")], [("moved_on", "no_longer_matches")]),
    # It outlives a restart, and is another action then.
    ({"rollback_prepared": True}, [prepared("gid", resource=BEFORE)], [("refused", "not_approved"), ("moved_on", "no_longer_matches")]),
    ({"rollback_prepared": True}, [prepared("old", resource=BEFORE)], [("refused", "not_approved"), ("not_needed", "gone_already")]),
])
def test_prepared_transactions(
    request_more: dict[str, Any], approved: list[Approved] | None, expected: list[tuple[str, str | None]],
) -> None:
    assert [(outcome, why) for _pid, outcome, why in planned([], approved, **request_more)] == expected


def test_a_prepared_transaction_at_work_is_protected() -> None:
    at_work = Backend(
        pid=5, backend_start="b5", state="active", query="COMMIT PREPARED 'gid'", wait_event_type="IPC", wait_event="SyncRep",
    )
    [action] = plan([at_work], None, rollback_prepared=True).actions
    assert (action.outcome, action.detail["why"], action.detail["protected"]) == ("refused", "protected", ["synchronous_commit"])


def test_a_young_prepared_transaction_is_taken_when_it_blocks() -> None:
    young = PreparedTransaction("g", "7", "when", "app", "shop", age=1.0, blocks=(5,))
    found: list[tuple[PreparedTransaction, Action]] = plan_rollbacks([young], resource=RESOURCE, min_age=900.0)
    assert [action.reason for _one, action in found] == ["prepared 1.0s ago, 1 waiting behind it"]


class Acting(Snapshot):
    """Signals and rolls back as it is told, and measures so."""

    def alone(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def read(self) -> Seen:
        self._look = mock.Mock()
        facts = {"provider": None, "provider_note": "", "server": {"user": "postgres"}, "may_signal_others": True}
        seen = super().read()
        return Seen(facts, seen.backends, seen.selection, seen.prepared)


#: What may become of a session or a prepared transaction, and whether it was touched; not every one of them is possible.
FATES = st.tuples(st.sampled_from(sorted(OUTCOMES - {PLANNED})), st.sampled_from([True, False, None]))


@given(fates=st.lists(FATES, min_size=1, max_size=4), rolled_back=FATES, measured=st.booleans(), crash=st.booleans())
def test_whatever_becomes_of_them_the_result_says_what_was_touched(
    fates: list[tuple[str, bool | None]], rolled_back: tuple[str, bool | None], measured: bool, crash: bool,
) -> None:
    """An act that sent anything is never summed up as `nothing changed`, and is charged, whatever its outcome."""
    waiters = {pid: pid + 100 for pid in range(1, len(fates) + 1)}
    backends = [session(pid) for pid in waiters] + [
        Backend(pid=waiter, backend_start=f"b{waiter}", state="active", wait_event_type="Lock", blocked_by=(pid,), query_start=f"q{waiter}")
        for pid, waiter in waiters.items()
    ]
    request = Request(rules=RULES, budget=Budget(max_count=9), rollback_prepared=True)
    subject = Acting(request, backends, [PREPARED])

    def become(action: Action, fate: tuple[str, bool | None]) -> Action:
        return Action(action.verb, action.resource, action.identity, action.target, "", outcome=fate[0], touched=fate[1])

    def signal(_look: Any, chosen: Sequence[tuple[Any, Action]], **_more: Any) -> list[Action]:
        return [become(action, fate) for (_candidate, action), fate in zip(chosen, fates)]  # noqa: B905 (Python 3.9)

    def roll_back(_session: Any, _one: Any, action: Action, **_more: Any) -> Action:
        if crash:
            raise ZeroDivisionError
        return become(action, rolled_back)

    def await_unblocked(_session: Any, waiting: Sequence[Backend], **_more: Any) -> set[int] | None:
        return {backend.pid for backend in waiting} if measured else None

    with mock.patch.multiple(termination, act=signal, roll_back=roll_back, await_unblocked=await_unblocked):
        done = act(subject, approved=None, check_mode=False)
    subject.session.statements = 0
    result = termination._result(subject.seen, done, request, unblocked=subject.unblocked, session=subject.session)
    touched = [action.was_touched for action in done.actions]
    assert len(done.actions) == len(fates) + 1
    assert result["changed"] == (any(touched) or any(action.outcome == "unknown" for action in done.actions))
    assert spent(result["actions"], verbs=Sessions.verbs) == sum(1 for one in touched if one is not False)
    assert (done.problem is not None) == bool(failed_actions(done.actions)) == any(one.outcome in FAILED_OUTCOMES for one in done.actions)
    known = measured and not crash
    assert (result["waiters_unblocked"] is None) == (not known)
    for action in done.actions:
        assert action.detail.get("unblocked") == (None if not known or action.was_touched is False else 1 if "pid" in action.target else 0)
