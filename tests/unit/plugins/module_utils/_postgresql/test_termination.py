# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a call, without a server: approvals, limits, what was overtaken."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action, Approved
from ansible_collections.oncall.incident.plugins.module_utils._core.limits import Budget
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.backends import Backend, PreparedTransaction
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.protection import Policy
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.rules import parse_rules
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.sessions import select
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.prepared import plan_rollbacks
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.termination import Request, _plan

RESOURCE = "pg:77:1000"
RULES = parse_rules([{"min_query_age": 10}])


def session(pid: int, age: float = 100.0, state: str = "active") -> Backend:
    return Backend(
        pid=pid, backend_start=f"b{pid}", state=state, query="SELECT 1", query_start=f"q{pid}", query_age=age, state_change=f"s{pid}",
        state_age=age,
    )


def of_plan(verb: str, resource: str, identity: dict[str, Any]) -> Approved:
    return Approved.read(Action(verb, resource, identity, {}, "because", "pid 1 app@shop").as_dict())


def identity(pid: int, *, resource: str = RESOURCE, start: str = "", verb: str = "terminate") -> Approved:
    return of_plan(verb, resource, {"backend_start": start or f"b{pid}", "clock": "query", "pid": pid, "since": f"q{pid}"})


def prepared(gid: str) -> Approved:
    return of_plan("rollback_prepared", RESOURCE, {"gid": gid, "prepared": "when", "transaction": "7"})


PREPARED = PreparedTransaction("gid", "7", "when", "app", "shop", age=1000.0)


def planned(backends: list[Backend], approved: list[Approved] | None, **more: Any) -> list[tuple[int, str, Any]]:
    allowed = None if approved is None else tuple(approved)
    request = Request(**{"rules": RULES, "budget": Budget(max_count=9), "approved": allowed, **more})
    selection = select(backends, rules=request.rules, policy=Policy(), usable_connections=100)
    work = _plan(selection, [PREPARED], request, instance="pg:77", resource=RESOURCE, backends=backends)
    return [(action.target.get("pid", 0), action.outcome, action.detail.get("why")) for action in work.actions()]


@pytest.mark.parametrize(("approved", "expected"), [
    (None, [(1, "planned", None), (2, "planned", None)]),
    ([], [(1, "refused", "not_approved"), (2, "refused", "not_approved")]),
    ([identity(1)], [(1, "planned", None), (2, "refused", "not_approved")]),
    ([identity(1), identity(2, verb="cancel")], [(1, "planned", None), (2, "refused", "not_approved")]),  # approved for something else
    ([identity(1), identity(9)], [(1, "planned", None), (2, "refused", "not_approved"), (9, "not_needed", "gone_already")]),
    ([identity(3)], [(1, "refused", "not_approved"), (2, "refused", "not_approved"), (3, "moved_on", "no_longer_matches")]),
    ([identity(3, start="old")],
     [(1, "refused", "not_approved"), (2, "refused", "not_approved"), (3, "pid_reused", "pid_reused")]),
    ([identity(1, resource="pg:77:1")],
     [(1, "refused", "not_approved"), (2, "refused", "not_approved")]),  # of before a restart, and yet the same: listed once
    ([identity(9, resource="pg:77:1")],
     [(1, "refused", "not_approved"), (2, "refused", "not_approved"), (9, "not_needed", "server_restarted")]),
    # What was approved for another server or another module is none of our business.
    ([identity(1), identity(2), identity(8, resource="pg:88:1"), of_plan("restart", "service", {"name": "web"})],
     [(1, "planned", None), (2, "planned", None)]),
])
def test_approvals(approved: list[Approved] | None, expected: list[tuple[int, str, Any]]) -> None:
    assert planned([session(1), session(2), session(3, age=1.0)], approved) == expected


def test_an_id_alone_is_an_approval_and_is_answered() -> None:
    others = [identity(8, resource="pg:88:1"), identity(7, resource="pg:77:1"), of_plan("restart", "service", {"name": "web"})]
    ids = [Approved.read(one.id) for one in (identity(1), identity(9), *others)]
    assert planned([session(1), session(2)], ids) == [
        (1, "planned", None), (2, "refused", "not_approved"), (0, "moved_on", "no_longer_a_candidate"),
        (0, "not_needed", "server_restarted"),
    ]


def test_cancel_is_refused_where_it_cannot_help() -> None:
    rules = parse_rules([{"min_idle_in_transaction_age": 1}])
    found = planned([session(1, state="idle in transaction")], None, rules=rules, strategy="cancel")
    assert found == [(1, "refused", "cancel_cannot_help")]


@pytest.mark.parametrize(("request_more", "approved", "expected"), [
    ({}, None, []),
    ({"rollback_prepared": True}, None, ["planned"]),
    ({"rollback_prepared": True, "prepared_min_age": 2000.0}, None, []),
    ({"rollback_prepared": True}, [], ["refused"]),
    ({"rollback_prepared": True}, [prepared("gid")], ["planned"]),
    ({"rollback_prepared": True}, [prepared("old")], ["refused", "not_needed"]),
])
def test_prepared_transactions(request_more: dict[str, Any], approved: list[Approved] | None, expected: list[str]) -> None:
    assert [outcome for _pid, outcome, _why in planned([], approved, **request_more)] == expected


def test_a_young_prepared_transaction_is_taken_when_it_blocks() -> None:
    young = PreparedTransaction("g", "7", "when", "app", "shop", age=1.0, blocks=(5,))
    found: list[tuple[PreparedTransaction, Action]] = plan_rollbacks([young], resource=RESOURCE, min_age=900.0)
    assert [action.reason for _one, action in found] == ["prepared 1.0s ago, 1 waiting behind it"]
