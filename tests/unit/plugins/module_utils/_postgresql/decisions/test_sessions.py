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
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.rules import DEFAULT_AGES, lock_queue_rule, parse_rules
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.sessions import (
    Candidate,
    Selection,
    cancel_refused,
    fingerprint,
    needs_transaction_end,
    select,
    strongest_verb,
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


# -- at the head of a lock's queue ------------------------------------------------------------------------------------


def queued(pid: int, *blockers: int, **more: Any) -> Backend:
    return waiter(pid, *blockers, **{"wait_lock": "orders", "wait_mode": "AccessExclusiveLock", "wait_object": "public.orders", **more})


DDL = {"query": "ALTER TABLE orders ADD note text", "wait_age": 60.0}
DUMP = session(10, application_name="pg_dump")
QUEUE = [DUMP, queued(11, 10, **DDL), queued(12, 11), queued(13, 11)]


def choose_queue(backends: list[Backend], rules: list[dict[str, Any]] | None = None, *, min_wait: float = 10.0) -> Selection:
    wanted = (lock_queue_rule(min_wait), *parse_rules(rules))
    return select([OWN, *backends], rules=wanted, policy=POLICY, usable_connections=100)


@pytest.mark.parametrize(("backends", "min_wait", "expected"), [
    (QUEUE, 10.0, [11]),  # although the root is protected, and the statement is DDL
    (QUEUE, 61.0, []),
    ([session(10, age=1.0), *QUEUE[1:]], 10.0, [11]),
    ([session(10), *QUEUE[1:]], 10.0, [11, 10]),  # the cheaper cure first
    ([DUMP, queued(11, 10, **DDL)], 10.0, []),  # it holds up nobody
    ([DUMP, queued(11, 10, **{**DDL, "wait_age": None}), queued(12, 11)], 10.0, [11]),  # PostgreSQL 13: the statement's age
    *(([DUMP, queued(11, 10, **{**DDL, **more}), queued(12, 11)], 10.0, []) for more in (
        {"superuser": True}, {"application_name": "pg_restore"}, {"query": "/* incident:keep */ ALTER TABLE orders ADD note text"},
        {"roles": ("dba",)}, {"may_signal": False}, {"progress": ("pg_stat_progress_cluster",)}, {"backend_type": "autovacuum worker"},
    )),
])
def test_who_is_cancelled_in_a_queue(backends: list[Backend], min_wait: float, expected: list[int]) -> None:
    assert pids(choose_queue(backends, min_wait=min_wait)) == expected
    assert 11 not in pids(choose(backends)), "only where it is asked for"


def test_a_statement_in_a_queue_is_cancelled_and_nothing_else() -> None:
    found = choose_queue(QUEUE)
    [candidate] = found.candidates
    assert {strongest_verb(candidate, strategy) for strategy in ("cancel", "terminate", "escalate")} == {"cancel"}
    action = candidate.action(verb="cancel", resource="r")
    assert action.reason == "waits for AccessExclusiveLock on public.orders for 1m (limit 10s, 2 waiting behind it), rule lock_queue"
    assert action.identity == {"pid": 11, "backend_start": "b11", "clock": "lock_wait", "since": "q11"}
    assert 11 not in [spared.target["pid"] for spared in found.protected]


def test_who_waits_behind_a_queue_is_never_taken() -> None:
    assert pids(choose_queue(QUEUE, [{**QUERIES, "include_waiters": True}])) == [11]


# -- at the root, and no candidate ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("root", "wait", "rules", "expected"), [
    # A lock of an idle session has no clock: the longest wait behind it counts.
    (session(10, "idle", 9000.0), 301.0, None, "candidate"),
    (session(10, "idle", 9000.0), 299.0, None, "it is too young: blocking for 4m59s, and min_query_age is 5m"),
    (session(10, "idle", 9000.0), 301.0, [{"victims": "root_blockers", "min_transaction_age": 1}], "no rule takes it"),
    (session(10, "idle in transaction", 20.0), 20.0, None,
     "it is too young: idle in transaction for 20s, and min_idle_in_transaction_age is 5m"),
    (session(10, age=299.0), 20.0, None, "it is too young: query for 4m59s, and min_query_age is 5m"),
    (session(10), 20.0, [{"min_query_age": 1, "users": ["report"]}], "no rule takes it"),
    (session(10, application_name="pg_dump"), 20.0, None, "protected"),
])
def test_each_root_is_a_candidate_or_it_is_told_why_not(root: Backend, wait: float, rules: Any, expected: str) -> None:
    found = choose([root, waiter(11, 10, age=5.0, wait_age=5.0), waiter(12, 10, wait_age=wait)], rules)
    told = {
        **{candidate.backend.pid: "candidate" for candidate in found.candidates},
        **{backend.pid: "protected" for backend, _reasons, _behind in found.protected_roots},
        **{left.backend.pid: left.why for left in found.left_roots},
    }
    assert told == {10: expected}


def test_an_idle_root_is_told_apart_by_since_when_it_is_idle() -> None:
    """Its waiters come and go, and it is the same target."""
    root = session(10, "idle", 9000.0)
    ids = {
        choose([root, waiter(pid, 10, wait_age=400.0)]).candidates[0].ids(verb="terminate", resource="r")[0] for pid in (11, 12)
    }
    assert ids == {"terminate|r|backend_start=b10,clock=blocking,pid=10,since=s10"}


def test_idle_connections_of_the_default_rules() -> None:
    """Only where their age is stated, and only above the critical share: down to what is no warning."""
    pool = [idle(pid, "web", 1000.0 + pid) for pid in range(10, 28)]
    default, stated = parse_rules(None), parse_rules(None, ages={**DEFAULT_AGES, "idle": 600.0})
    assert [rule.name for rule in default] == ["root_blockers", "idle_in_transaction", "long_running"]

    def chosen(rules: Any, number: int) -> list[int]:
        return pids(select([OWN, *pool[:number]], rules=rules, policy=POLICY, usable_connections=20))

    assert chosen(default, 18) == []
    assert chosen(stated, 17) == []  # 18 of 20 with ours
    assert len(chosen(stated, 18)) == 4
