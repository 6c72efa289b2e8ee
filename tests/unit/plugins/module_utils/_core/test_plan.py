# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import json
import typing as t

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action, Approved
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import PlanRefused
from ansible_collections.oncall.incident.plugins.module_utils._core.plan import Plan, Rung, load_plan, make_plan, plan_hash

NOW = 1_000_000.0


def action(name: str, outcome: str = "planned", age: int = 1) -> Action:
    """As an earlier version planned it: with an id, and nothing to derive it from."""
    return Action.from_dict({"id": name, "verb": "terminate", "target": {"pid": 1}, "reason": f"for {age} s", "outcome": outcome})


def plan_dict(**changes: t.Any) -> dict[str, t.Any]:
    made = make_plan(
        run="r1", now=NOW, actions={"db1": [action("a"), action("b")]}, limits={"db1": {"max_victims": 10}},
        baseline={"db1": {"blocking": "critical"}},
    )
    return {**json.loads(json.dumps(made.as_dict())), **changes}


def test_hash_covers_ids_and_limits_and_nothing_else() -> None:
    one = make_plan(run="r1", now=NOW, actions={"db1": [action("a"), action("b")]}, limits={"db1": {"max_victims": 10}})
    later = make_plan(run="r2", now=NOW + 50, actions={"db1": [action("b", age=99), action("a")]}, limits={"db1": {"max_victims": 10}})
    wider = make_plan(run="r1", now=NOW, actions={"db1": [action("a"), action("b")]}, limits={"db1": {"max_victims": 11}})
    other_host = make_plan(run="r1", now=NOW, actions={"db2": [action("a"), action("b")]}, limits={"db1": {"max_victims": 10}})
    assert one.hash == later.hash
    assert len({one.hash, wider.hash, other_host.hash}) == 3


def test_hash_does_not_confuse_hosts_and_ids() -> None:
    assert plan_hash({"a": ["b c"]}, {}) != plan_hash({"a b": ["c"]}, {})


def test_only_planned_actions_are_in_a_plan() -> None:
    made = make_plan(run="r1", now=NOW, actions={"db1": [action("a"), action("b", outcome="refused")], "db2": []})
    assert made.ids("db1") == ["a"]
    assert made.ids("db2") == made.ids("unknown host") == []
    assert not made.empty
    assert make_plan(run="r1", now=NOW, actions={"db1": []}).empty


def test_a_plan_survives_its_journey() -> None:
    back = load_plan(plan_dict(), now=NOW + 599, run="r1")
    assert back.ids("db1") == ["a", "b"]
    assert back.baseline == {"db1": {"blocking": "critical"}}


def test_a_plan_says_what_identifies_what_it_approves() -> None:
    whole = Action("terminate", "pg:1", {"pid": 7, "since": "t1"}, {}, "because", "pid 7")
    made = make_plan(run="r1", now=NOW, actions={"db1": [whole, action("a")]})
    back = load_plan(json.loads(json.dumps(made.as_dict())), now=NOW)
    assert back.approved("db1") == [Approved(whole.id, "terminate", "pg:1", {"pid": 7, "since": "t1"}, "pid 7"), Approved("a")]


def tampered() -> dict[str, t.Any]:
    data = copy.deepcopy(plan_dict())
    data["actions"]["db1"].append(action("c").as_dict())
    return data


@pytest.mark.parametrize(
    ("data", "now", "run", "reason"),
    [
        (tampered(), NOW, "r1", "tampered"),
        (plan_dict(limits={"db1": {"max_victims": 99}}), NOW, "r1", "tampered"),
        (plan_dict(), NOW + 601, "r1", "expired"),
        (plan_dict(), NOW - 3600, "r1", "clock"),
        (plan_dict(), NOW, "r2", "other_run"),
        ({}, NOW, "r1", "not_a_plan"),
        ("rm -rf", NOW, "r1", "not_a_plan"),
        (None, NOW, "r1", "not_a_plan"),
        (plan_dict(actions="x"), NOW, "r1", "damaged"),
        (plan_dict(expires="soon"), NOW, "r1", "damaged"),
        (plan_dict(actions={"db1": [{"verb": "terminate"}]}), NOW, "r1", "damaged"),
    ],
)
def test_what_cannot_be_trusted_is_refused_and_says_what_to_do(data: t.Any, now: float, run: str, reason: str) -> None:
    with pytest.raises(PlanRefused) as caught:
        load_plan(data, now=now, run=run, source="/x/plan.json")
    assert caught.value.facts["reason"] == reason
    assert "/x/plan.json" in caught.value.message
    assert "check again" in str(caught.value.hint)


def test_awx_may_run_the_plan_of_its_check_job() -> None:
    assert load_plan(plan_dict(), now=NOW, run=None).run == "r1"


# Rungs.

def rung(name: str, *ids: str, wait: str = "20s", checks: tuple[str, ...] = ("writes",), of: str = "redis") -> Rung:
    return Rung(of=of, name=name, actions=ids, checks=checks, wait=wait)


def rungs_plan(*rungs: Rung) -> Plan:
    return make_plan(run="r1", now=NOW, actions={"db1": [action(name) for name in "abc"]}, rungs={"db1": rungs})


def test_a_plan_of_one_rung_keeps_its_hash() -> None:
    fixed = "69cee48af188154127c89c124da827013c4b080562e1bb365444b88aae512f0d"
    plans = [
        make_plan(run="r1", now=NOW, actions={"db1": [action("a"), action("b")]}, limits={"db1": {"max_victims": 10}}, rungs=rungs)
        for rungs in (None, {}, {"db1": [rung("repair", "a", "b")]}, {"db1": [rung("repair", "a", "b"), rung("restart", "not planned")]},
                      {"db1": [rung("repair", "a"), rung("repair", "b", of="another list")]})
    ]
    assert {plan.hash for plan in plans} == {fixed}
    assert all("rungs" not in plan.as_dict() for plan in plans)


def test_the_hash_covers_rungs_in_their_order_and_their_conditions() -> None:
    stated = rungs_plan(rung("repair", "b", "a", wait="", checks=()), rung("restart", "c"))
    same = rungs_plan(rung("repair", "a", "b"), rung("restart", "c"))
    others = [
        rungs_plan(), rungs_plan(rung("repair", "c"), rung("restart", "a", "b")),
        rungs_plan(rung("repair", "a"), rung("restart", "b", "c")),
        rungs_plan(rung("repair", "a", "b"), rung("restart", "c", wait="10s")),
        rungs_plan(rung("repair", "a", "b"), rung("restart", "c", checks=("memory",))),
    ]
    assert stated.hash == same.hash
    assert len({plan.hash for plan in (stated, *others)}) == 1 + len(others)


def test_actions_are_told_in_the_order_of_their_rungs() -> None:
    assert rungs_plan(rung("repair", "c"), rung("restart", "a", "b")).ids("db1") == ["c", "a", "b"]


def test_rungs_survive_their_journey_and_are_not_taken_out() -> None:
    data = json.loads(json.dumps(rungs_plan(rung("repair", "a", "b"), rung("restart", "c")).as_dict()))
    assert load_plan(data, now=NOW).rungs == {"db1": [rung("repair", "a", "b", wait="", checks=()), rung("restart", "c")]}
    for changed in ({}, {"db1": data["rungs"]["db1"][::-1]}, {"db1": [{**one, "checks": []} for one in data["rungs"]["db1"]]}):
        with pytest.raises(PlanRefused, match="changed after it was made"):
            load_plan({**data, "rungs": changed}, now=NOW)
    for damaged in ("x", {"db1": "x"}, {"db1": [{}]}):
        with pytest.raises(PlanRefused, match="damaged"):
            load_plan({**data, "rungs": damaged}, now=NOW)
