# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selection by table: order of rules, roots, groups, leaked idle connections, who is spared."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.backends import Backend
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.protection import Policy
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.rules import parse_rules
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.sessions import (
    Candidate,
    Selection,
    cancel_refused,
    fingerprint,
    needs_transaction_end,
    select,
)

POLICY = Policy(own_pid=1)
OWN = Backend(pid=1, backend_start="b1", application_name="oncall.incident", state="active", query_start="q", query_age=0.0)


def session(pid: int, state: str = "active", age: float = 1000.0, **more: Any) -> Backend:
    in_transaction = state != "idle"
    return Backend(**{
        "pid": pid, "backend_start": f"b{pid}", "user": "app", "database": "shop", "application_name": "web",
        "state": state, "query": "SELECT 1", "query_start": f"q{pid}", "query_age": age, "state_change": f"s{pid}", "state_age": age,
        "xact_start": f"x{pid}" if in_transaction else None, "transaction_age": age if in_transaction else None, **more,
    })


def waiter(pid: int, *blockers: int, **more: Any) -> Backend:
    return session(pid, wait_event_type="Lock", blocked_by=blockers, **more)


def choose(backends: list[Backend], rules: list[dict[str, Any]] | None = None, *, usable_connections: int = 100) -> Selection:
    return select([OWN, *backends], rules=parse_rules(rules), policy=POLICY, usable_connections=usable_connections)


def pids(selection: Selection) -> list[int]:
    return [candidate.backend.pid for candidate in selection.candidates]


CHAIN = [session(10, "idle in transaction"), waiter(11, 10), waiter(12, 11), waiter(13, 12)]
QUERIES = {"name": "q", "min_query_age": 10}


@pytest.mark.parametrize(("backends", "rules", "expected"), [
    ([], None, []),
    ([session(10, age=1)], None, []),
    ([session(10)], None, [10]),
    ([session(10, "idle")], None, []),  # the idle clock is off unless it is stated
    (CHAIN, None, [10]),
    ([session(10), waiter(11, 10)], [QUERIES], [10]),
    ([session(10), waiter(11, 10)], [{**QUERIES, "include_waiters": True}], [10, 11]),
    # Behind a protected root nobody is taken in its place, not even further down the chain.
    ([session(10, application_name="pg_dump"), waiter(11, 10), waiter(12, 11)], [{**QUERIES, "include_waiters": True}], []),
    ([session(10), session(11, "idle in transaction", 2000)], None, [11, 10]),  # rules in their order
    ([session(10), session(20), waiter(21, 20)], None, [20, 10]),
    (CHAIN, [{"victims": "root_blockers", "min_blocked": 3}], [10]),
    (CHAIN, [{"victims": "root_blockers", "min_blocked": 4}], []),
    ([*CHAIN, session(20), waiter(21, 20)], [{"victims": "root_blockers"}], [10, 20]),  # the most blocking first
    ([session(10, age=100), session(11, age=300), session(12, age=200)], [QUERIES], [11, 12, 10]),  # the longest overdue first
    ([session(10, age=100), session(11, age=300)], [{**QUERIES, "victims": "oldest"}], [11]),
    ([session(10, age=100), session(11, age=300)], [{**QUERIES, "victims": "all_but_oldest"}], [10]),
    # The one that all_but_oldest keeps is kept from later rules too.
    ([session(10, age=100), session(11, age=300)], [{**QUERIES, "victims": "all_but_oldest"}, {**QUERIES, "name": "r"}], [10]),
    # A group that is too small is left to later rules.
    ([session(10)], [{**QUERIES, "min_group_size": 2}, {**QUERIES, "name": "r"}], [10]),
    ([session(10, query_id=1), session(11, query_id=2), session(12, query_id=2)],
     [{**QUERIES, "group_by": "query_id", "min_group_size": 2}], [11, 12]),
    ([session(10, query="SELECT 1"), session(11, query="select   2"), session(12, query="SELECT x")],
     [{**QUERIES, "group_by": "query_id", "min_group_size": 2}], [10, 11]),
    ([session(10), session(11, application_name="b"), session(12)],
     [{**QUERIES, "group_by": "application_name", "victims": "oldest"}], [10, 11]),
    ([session(10), waiter(11, 10), session(12)], [{**QUERIES, "min_blocked": 1}], [10]),
])
def test_who_is_chosen(backends: list[Backend], rules: list[dict[str, Any]] | None, expected: list[int]) -> None:
    assert pids(choose(backends, rules)) == expected


def test_a_session_belongs_to_the_first_rule_that_matches() -> None:
    found = choose([session(10)], [QUERIES, {"name": "r", "min_transaction_age": 1}]).candidates
    assert [(c.backend.pid, c.rule.name) for c in found] == [(10, "q")]


def test_protected_sessions_are_listed_and_never_chosen_not_even_counted_as_the_oldest() -> None:
    dump = session(10, age=5000, application_name="pg_dump")
    found = choose([dump, session(11), session(12, age=900)], [{**QUERIES, "victims": "oldest"}])
    assert pids(found) == [11]
    assert [(s.target["pid"], s.reasons, s.would_match) for s in found.protected] == [
        (1, ("own_session",), False), (10, ("backup_tool",), True),
    ]


def test_a_protected_root_is_named_and_its_waiters_are_not_taken() -> None:
    root = session(10, "idle in transaction", superuser=True)
    found = choose([root, *CHAIN[1:]])
    assert pids(found) == []
    assert [(b.pid, reasons, behind) for b, reasons, behind in found.protected_roots] == [(10, ("superuser",), {11, 12, 13})]


def test_auxiliary_processes_are_neither_chosen_nor_listed() -> None:
    found = choose([session(10, backend_type="checkpointer"), session(11, backend_type="walsender")], [QUERIES])
    assert (pids(found), [s.target["pid"] for s in found.protected]) == ([], [1, 11])


def test_population_is_the_clients_without_us() -> None:
    found = choose([session(10), session(11, "idle"), session(12, backend_type="walsender")])
    assert (found.population, found.waiting) == (2, frozenset())


LEAK = {"name": "leak", "min_idle_age": 60, "idle_when_above_percent": 80, "idle_target_percent": 60}


def idle(pid: int, application: str, age: float) -> Backend:
    return session(pid, "idle", age, application_name=application)


@pytest.mark.parametrize(("backends", "expected"), [
    ([idle(pid, "a", 100 + pid) for pid in range(10, 16)], []),  # 7 of 10 connections
    # 9 of 10: three too many for the target of 6, the longest idle first.
    ([idle(pid, "a", 100 + pid) for pid in range(10, 18)], [17, 16, 15]),
    # From the application with the most, until the others have as many.
    ([idle(pid, "a", 100) for pid in (10, 11, 12, 13, 14)] + [idle(pid, "b", 900) for pid in (20, 21, 22)], [20, 10, 11]),
    # Young and protected ones stay, and what is left does not reach the target.
    ([idle(10, "a", 1), idle(11, "pg_dump", 900), idle(12, "a", 900)] + [session(pid, age=1) for pid in range(20, 25)], [12]),
])
def test_leaked_idle_connections(backends: list[Backend], expected: list[int]) -> None:
    assert sorted(pids(choose(backends, [LEAK], usable_connections=10))) == sorted(expected)


def test_ids_one_per_clock_and_stable_as_time_passes() -> None:
    rules = [{"min_query_age": 100, "min_transaction_age": 50}]
    early = choose([session(10, query_age=99.0, transaction_age=60.0)], rules).candidates[0]
    late = choose([session(10, query_age=150.0, transaction_age=111.0)], rules).candidates[0]
    ids = late.ids(verb="terminate", resource="r")
    assert ids[0] == early.ids(verb="terminate", resource="r")[0] == "terminate|r|backend_start=b10,clock=transaction,pid=10,since=x10"
    assert len(ids) == 2
    assert ids[1] == "terminate|r|backend_start=b10,clock=query,pid=10,since=q10"


def test_an_approval_of_any_clock_is_enough_and_restricts_to_that_clock() -> None:
    found = choose([session(10)], [{"min_query_age": 100, "min_transaction_age": 50}]).candidates[0]
    ids = found.ids(verb="terminate", resource="r")
    approved = found.restricted([ids[1]], verb="terminate", resource="r")
    assert approved is not None
    assert [clock.name for clock in approved.clocks] == ["query"]
    assert found.restricted(None, verb="terminate", resource="r") == found
    assert found.restricted([], verb="terminate", resource="r") is None
    assert found.restricted(ids, verb="cancel", resource="r") is None


def one(backend: Backend, rules: list[dict[str, Any]] | None = None) -> Candidate:
    return choose([backend], rules).candidates[0]


def test_cancel_helps_only_against_a_running_statement() -> None:
    assert cancel_refused(one(session(10))) is None
    assert "lock stays" in str(cancel_refused(one(session(10, "idle in transaction"))))
    leaked = dataclasses.replace(one(session(10)), backend=session(10, "idle"))
    assert "idle connection" in str(cancel_refused(leaked))


def test_whose_transaction_must_end() -> None:
    assert not needs_transaction_end(one(session(10), [QUERIES]))
    assert needs_transaction_end(one(session(10), [{"min_transaction_age": 1}]))
    assert needs_transaction_end(choose(CHAIN, [{"victims": "root_blockers"}]).candidates[0])


def test_an_action_says_why() -> None:
    action = choose(CHAIN).candidates[0].action(verb="terminate", resource="r")
    assert action.reason == "idle in transaction for 16m40s (limit 5m, 3 waiting behind it), rule root_blockers"
    assert (action.target["pid"], action.detail["blocks"], action.detail["rule"]) == (10, 3, "root_blockers")


def test_long_queries_are_cut_in_results_and_whole_for_the_filters() -> None:
    long = session(10, query="SELECT " + "x" * 5000 + " /* needle */")
    found = choose([long], [{**QUERIES, "query": "needle"}]).candidates[0]
    assert len(found.action(verb="terminate", resource="r").target["query"]) == 1000


@pytest.mark.parametrize(("query", "expected"), [
    ("SELECT * FROM t WHERE a = 5 AND b = 'it''s'", "select * from t where a = ? and b = ?"),
    ("/* trace 7 */ SELECT  1.5 -- x\n, $2", "select ? , ?"),
])
def test_fingerprint(query: str, expected: str) -> None:
    assert fingerprint(query) == expected
