# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop of rungs: what is included, what is asked, what is run, and what becomes of approved actions that are not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action, Approved
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import plans, rungs

CHECKS = ["writes", "memory"]
#: The second rung as an approved plan states it.
STATED = {"of": "redis", "name": "restart", "actions": [], "checks": ["writes"], "wait": "5s"}


def ladder(**more: Any) -> dict[str, Any]:
    """Three rungs, of which the first has two files."""
    return {
        "of": "redis", "look": "still.yml", "checks": CHECKS, "wait": "20s", "down": ["refused"], "rungs": [
            {"name": "repair", "files": {"disk.yml": True, "clear.yml": True}}, {"name": "restart", "files": {"restart.yml": True}},
            {"name": "rebuild", "files": {"rebuild.yml": True}},
        ], **more,
    }


def applying(**applies: bool) -> dict[str, Any]:
    """The rungs that apply."""
    return ladder(rungs=[{"name": name, "files": {f"{name}.yml": applies.get(name, False)}} for name in ("repair", "restart", "rebuild")])


def action(verb: str, outcome: str) -> dict[str, Any]:
    return Action(verb=verb, resource="redis:1", identity={"of": verb}, target={}, reason="It helps.", outcome=outcome).as_dict()


def result(*found: tuple[str, str]) -> dict[str, Any]:
    return {"actions": [action(verb, outcome) for verb, outcome in found]}


def step(name: str = "restart") -> dict[str, Any]:
    return next(one for one in rungs.steps(ladder(), approved=[]) if one["name"] == name)


DID = [{}, {"skipped": True}, result(("clear_pattern", "done"))]
OK: dict[str, Any] = {"healthy": True, "asked": CHECKS, "checks": {"writes": "ok", "memory": "ok"}}
FAILING: dict[str, Any] = {"healthy": False, "asked": CHECKS, "checks": {"writes": "critical", "memory": "unknown", "host": "warning"}}
UNKNOWN: dict[str, Any] = {"healthy": None, "asked": CHECKS, "checks": {"writes": "ok", "memory": "unknown"}}


def decide(look: dict[str, Any], *, results: Any = DID, known: Any = (), check_mode: bool = False) -> dict[str, Any]:
    return rungs.decide(step(), results=results, known=list(known), look=look, check_mode=check_mode)


# What is included.

def test_the_first_rung_is_its_own_files_and_each_further_one_asks_first() -> None:
    found = rungs.steps(ladder(), approved=[])
    assert [one["include"] for one in found] == ["disk.yml", "clear.yml", rungs.ASKING, rungs.ASKING]
    assert [(one["before"], one["name"], one["files"], one["checks"], one["wait"], one["approved"]) for one in found[2:]] == [
        ("repair", "restart", ["restart.yml"], CHECKS, "20s", False), ("restart", "rebuild", ["rebuild.yml"], CHECKS, "20s", False),
    ]


@pytest.mark.parametrize("name", ["repair", "restart", "rebuild"])
def test_a_single_rung_is_one_include_as_before(name: str) -> None:
    assert [one["include"] for one in rungs.steps(applying(**{name: True}), approved=[])] == [f"{name}.yml"]


def test_rungs_that_do_not_apply_are_not_included() -> None:
    assert rungs.steps(applying(), approved=[]) == []
    found = rungs.steps(applying(repair=True, rebuild=True), approved=[])
    assert [(one["include"], one["name"], one.get("before")) for one in found] == [
        ("repair.yml", "repair", None), (rungs.ASKING, "rebuild", "repair")]


def test_a_rung_whose_tasks_stand_before_the_loop_is_the_first() -> None:
    found = rungs.steps(ladder(rungs=[{"name": "relieve", "here": True}, {"name": "restart", "files": {"restart.yml": True}}]), approved=[])
    assert [(one["include"], one["before"]) for one in found] == [(rungs.ASKING, "relieve")]


def test_what_was_approved_with_a_condition_keeps_it() -> None:
    """The rung before has nothing to do any more: it would be the first now."""
    (found,) = rungs.steps(applying(restart=True), approved=[STATED])
    assert (found["include"], found["checks"], found["wait"], found["approved"]) == (rungs.ASKING, ["writes"], "5s", True)
    assert rungs.asks(found, results=[], known=[], check_mode=False)
    first, other = {**STATED, "checks": [], "wait": ""}, {**STATED, "of": "another list"}
    assert [one["include"] for one in rungs.steps(applying(restart=True), approved=[first, other])] == ["restart.yml"]


def test_a_wait_that_is_not_a_duration_is_said_at_once() -> None:
    with pytest.raises(BadInput, match="incident_rung_wait"):
        rungs.steps(ladder(wait="soon"), approved=[])


# What is asked.

@pytest.mark.parametrize(("results", "check_mode", "asks"), [
    (DID, False, True), (DID, True, False), ([], False, False), ([result(("save", "failed"))], False, True),
    ([result(("save", "unknown"))], False, True),
    ([result(("save", "refused"), ("clear_pattern", "not_needed"), ("kill_client", "moved_on"))], False, False),
])
def test_checks_are_asked_when_something_was_done_or_may_have_been(results: Any, check_mode: bool, asks: bool) -> None:
    assert rungs.asks(step(), results=results, known=[], check_mode=check_mode) is asks


# What is run.

def test_the_next_rung_is_run_while_a_check_fails() -> None:
    assert decide(OK)["runs"] is False
    failing = decide(FAILING)
    assert (failing["runs"], failing["said"]) == (True, "Rung restart: the checks still fail after 20s: memory unknown, writes critical.")


@pytest.mark.parametrize("look", [UNKNOWN, {}, {"failed": True, "error": "wrong_password", "msg": "The password is wrong."}])
def test_blindness_is_neither_recovery_nor_a_reason_to_go_on(look: dict[str, Any]) -> None:
    found = decide(look)
    assert (found["runs"], found["why"]) == (False, "cannot_look")
    assert found["error"].startswith("whether it is still needed could not be seen")


def test_a_target_that_is_down_fails() -> None:
    found = decide({"error": "refused", "msg": "Nobody listens."})
    assert (found["runs"], found["why"]) == (True, "")
    assert "Nobody listens" in found["said"]


def test_the_first_rung_that_does_something_asks_nobody() -> None:
    assert decide(OK, results=[result(("save", "refused"))])["runs"] is True


def test_in_check_mode_every_rung_is_planned() -> None:
    assert decide(OK, results=[result(("save", "planned"))], check_mode=True)["runs"] is True


@pytest.mark.parametrize("look", [OK, UNKNOWN])
def test_after_a_rung_that_was_left_out_no_other_is_run(look: dict[str, Any]) -> None:
    """Whatever the checks say by then."""
    left_out = decide(look)
    known = rungs.kept([], rung=left_out, results=DID)
    later = rungs.decide(step("rebuild"), results=DID, known=known, look=FAILING, check_mode=False)
    assert not rungs.asks(step("rebuild"), results=DID, known=known, check_mode=False)
    assert [later[key] for key in ("runs", "why", "error")] == [left_out[key] for key in ("runs", "why", "error")]
    another = [{**one, "of": "another list"} for one in known]
    assert rungs.decide(step("rebuild"), results=DID, known=another, look=FAILING, check_mode=False)["runs"] is True


# The plan.

def planned(*by_rung: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is kept in check mode: the results there are when each rung has been planned."""
    known: list[dict[str, Any]] = []
    results = list(by_rung[0])
    for name, more in zip(("restart", "rebuild"), by_rung[1:], strict=False):
        decision = rungs.decide(step(name), results=results, known=known, look={}, check_mode=True)
        results = [*results, *more]
        known = rungs.kept(known, rung=decision, results=results)
    return known


def test_a_plan_says_which_actions_are_of_which_rung() -> None:
    one, two, three = ("save", "planned"), ("restart_cache", "planned"), ("rebuild", "planned")
    known = planned([result(one, ("free_disk", "refused"))], [result(two)], [result(three)])
    assert [(rung.name, list(rung.actions), list(rung.checks), rung.wait) for rung in rungs.planned(known)] == [
        ("repair", [action(*one)["id"]], [], ""), ("restart", [action(*two)["id"]], CHECKS, "20s"),
        ("rebuild", [action(*three)["id"]], CHECKS, "20s"),
    ]
    facts = {"incident_actions": [action(*kind) for kind in (one, two, three)], "incident_rungs": known}
    made = plans.gather_plan({"cache1": facts}, run="r", now=1.0)
    assert [rung.name for rung in made.rungs["cache1"]] == ["repair", "restart", "rebuild"]


def test_a_plan_in_which_one_rung_does_something_states_none() -> None:
    known = planned([result(("save", "refused"))], [result(("restart_cache", "planned"))], [])
    facts = {"incident_actions": [action("restart_cache", "planned")], "incident_rungs": known}
    assert plans.gather_plan({"cache1": facts}, run="r", now=1.0).rungs == {}


# The answers.

@pytest.mark.parametrize(("look", "outcome", "why"), [(OK, "not_needed", "earlier_rung_helped"), (UNKNOWN, "refused", "cannot_look")])
def test_each_approved_action_of_a_rung_that_is_not_run_is_answered(look: dict[str, Any], outcome: str, why: str) -> None:
    mine, other = action("restart_cache", "planned"), action("save", "planned")
    stated = [{**STATED, "name": "repair", "checks": [], "actions": [other["id"]]}, {**STATED, "actions": [mine["id"], "not of this host"]}]
    known = rungs.kept([], rung=decide(look), results=DID)
    (answer,) = rungs.answers([Approved.read(mine), Approved.read(other)], stated=stated, known=known)
    assert (answer.id, answer.verb, answer.outcome, answer.detail["why"], answer.was_touched) == (
        mine["id"], "restart_cache", outcome, why, False)


def test_a_rung_that_was_run_is_answered_by_its_modules() -> None:
    mine = action("restart_cache", "planned")
    known = rungs.kept([], rung=decide(FAILING), results=DID)
    assert rungs.answers([Approved.read(mine)], stated=[{**STATED, "actions": [mine["id"]]}], known=known) == []
