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
    return rungs.decide(step(), results=results, known=list(known), looks=[look], check_mode=check_mode)


# What is included.

def test_the_first_rung_is_its_own_files_and_each_further_one_asks_first() -> None:
    found = rungs.steps(ladder(), approved=[])
    assert [one["include"] for one in found] == ["disk.yml", "clear.yml", rungs.ASKING, rungs.ASKING]
    assert [(one["before"], one["name"], one["files"], one["checks"], one["wait"]) for one in found[2:]] == [
        ("repair", "restart", ["restart.yml"], CHECKS, "20s"), ("restart", "rebuild", ["rebuild.yml"], CHECKS, "20s"),
    ]


def test_a_first_rung_alone_is_one_include() -> None:
    assert [one["include"] for one in rungs.steps(applying(repair=True), approved=[])] == ["repair.yml"]


@pytest.mark.parametrize("name", ["restart", "rebuild"])
def test_a_later_rung_alone_asks_too_and_looks_once(name: str) -> None:
    """Nothing is done before it, so there is nothing to wait for."""
    (found,) = rungs.steps(applying(**{name: True}), approved=[])
    assert [found[key] for key in ("include", "name", "before", "files", "checks", "wait")] == [
        rungs.ASKING, name, "repair", [f"{name}.yml"], CHECKS, "0s"]


def test_rungs_that_do_not_apply_are_not_included() -> None:
    assert rungs.steps(applying(), approved=[]) == []
    found = rungs.steps(applying(repair=True, rebuild=True), approved=[])
    assert [(one["include"], one["name"], one.get("before")) for one in found] == [
        ("repair.yml", "repair", None), (rungs.ASKING, "rebuild", "repair")]


def test_a_rung_whose_tasks_stand_before_the_loop_is_the_first() -> None:
    found = rungs.steps(ladder(rungs=[{"name": "relieve", "here": True}, {"name": "restart", "files": {"restart.yml": True}}]), approved=[])
    assert [(one["include"], one["before"]) for one in found] == [(rungs.ASKING, "relieve")]


def test_what_was_approved_with_a_condition_keeps_it() -> None:
    """Not that of the variables, nor that of another list."""
    (found,) = rungs.steps(applying(restart=True), approved=[STATED])
    assert (found["include"], found["checks"], found["wait"]) == (rungs.ASKING, ["writes"], "5s")
    first, other = {**STATED, "checks": [], "wait": ""}, {**STATED, "of": "another list"}
    (found,) = rungs.steps(applying(restart=True), approved=[first, other])
    assert (found["include"], found["checks"], found["wait"]) == (rungs.ASKING, CHECKS, "0s")
    (found,) = rungs.steps(applying(repair=True), approved=[{**STATED, "name": "repair"}])
    assert found["include"] == rungs.ASKING


def test_which_errors_count_as_failing_is_approved_too() -> None:
    known = planned([result(("save", "planned"))], [result(("restart_cache", "planned"))], [])
    assert [rung.down for rung in rungs.planned(known)] == [(), ("refused",), ("refused",)]
    (found,) = rungs.steps(applying(restart=True), approved=[{**STATED, "down": ["no_socket"]}])
    assert found["down"] == ["no_socket"]
    assert rungs.decide(found, results=[], known=[], looks=[unreachable("refused")], check_mode=False)["why"] == "cannot_look"


def test_a_wait_that_is_not_a_duration_is_said_at_once() -> None:
    with pytest.raises(BadInput, match="incident_rung_wait"):
        rungs.steps(ladder(wait="soon"), approved=[])


# What is asked.

def test_checks_are_always_asked_for_real() -> None:
    assert rungs.asks(step(), known=[], check_mode=False)
    assert not rungs.asks(step(), known=[], check_mode=True)


# What is run.

def test_the_next_rung_is_run_while_a_check_fails() -> None:
    assert decide(OK)["runs"] is False
    failing = decide(FAILING)
    assert (failing["runs"], failing["said"]) == (True, "Rung restart: the checks still fail after 20s: memory unknown, writes critical.")


@pytest.mark.parametrize("looks", [[], [OK], [{}]])
def test_without_a_check_nothing_is_ok(looks: list[dict[str, Any]]) -> None:
    found = rungs.decide({**step(), "checks": []}, results=[], known=[], looks=looks, check_mode=False)
    assert (found["runs"], found["why"]) == (False, "cannot_look") and "verify names no check" in found["error"]


@pytest.mark.parametrize("look", [UNKNOWN, {}, {"failed": True, "error": "wrong_password", "msg": "The password is wrong."}])
def test_blindness_is_neither_recovery_nor_a_reason_to_go_on(look: dict[str, Any]) -> None:
    found = decide(look)
    assert (found["runs"], found["why"]) == (False, "cannot_look")
    assert found["error"].startswith("whether it is still needed could not be seen")


def unreachable(kind: str) -> dict[str, Any]:
    """The verdict of a health module that nobody let in."""
    checks = {"availability": "critical", "writes": "unknown"}
    return {"healthy": False, "reachable": False, "asked": list(checks), "checks": checks,
            "findings": [{"check": "availability", "status": "critical", "observed": kind}]}


@pytest.mark.parametrize(("kind", "runs"), [
    ("refused", True), ("timeout", False), ("no_route", False), ("starting_up", False), ("connection_lost", False),
    ("slots_exhausted", False),
])
def test_who_lets_nobody_in_fails_only_where_that_says_that_it_is_down(kind: str, runs: bool) -> None:
    found = decide(unreachable(kind))
    assert (found["runs"], found["why"]) == (runs, "" if runs else "cannot_look")
    assert runs or f"could not be reached ({kind})" in found["error"]


def test_a_target_that_is_down_fails() -> None:
    found = decide({"error": "refused", "msg": "Nobody listens."})
    assert (found["runs"], found["why"]) == (True, "")
    assert "Nobody listens" in found["said"]


#: What the first rung came to: nothing to do, blind, over its limit, not approved, failed, without an answer, done.
CAME_TO = [
    [], [{}], [{"failed": True, "msg": "The password is wrong."}], [result(("save", "refused"), ("kill_client", "moved_on"))],
    [result(("save", "not_needed"))], [result(("save", "failed"))], [result(("save", "unknown"))], DID,
]


def look(healthy: bool | None, **checks: str) -> dict[str, Any]:
    return {"healthy": healthy, "asked": list(checks), "checks": checks}


FIRST, SKIPPED = look(True, writes="ok"), {"skipped": True}


@pytest.mark.parametrize(("looks", "why", "told"), [
    ([FIRST, look(True, memory="ok")], "earlier_rung_helped", "the checks are ok"),
    ([FIRST, SKIPPED, {}, look(True, memory="ok")], "earlier_rung_helped", "the checks are ok"),
    ([FIRST, look(False, memory="critical")], "", "memory critical"),
    ([look(None, writes="unknown"), look(False, memory="warning")], "", "writes unknown, memory warning"),
    ([FIRST, look(None, memory="unknown")], "cannot_look", "no answer to memory"),
    ([FIRST, {"failed": True, "error": "wrong_password", "msg": "It is wrong."}], "cannot_look", "It is wrong"),
    ([FIRST, SKIPPED], "cannot_look", "nothing has asked memory"), ([], "cannot_look", "nothing has asked writes, memory"),
])
def test_several_looks_must_answer_every_check(looks: list[dict[str, Any]], why: str, told: str) -> None:
    """One fails: it runs. Otherwise each that the condition names must have been asked, and be ok."""
    found = rungs.decide(step(), results=DID, known=[], looks=looks, check_mode=False)
    assert (found["runs"], found["why"]) == (not why, why)
    assert told in found["said"]


@pytest.mark.parametrize("results", CAME_TO)
def test_whatever_the_first_rung_came_to_the_next_one_is_only_for_a_check_that_fails(results: Any) -> None:
    assert decide(OK, results=results)["runs"] is False
    assert [decide(look, results=results)["why"] for look in (UNKNOWN, {}, {"error": "timeout"})] == ["cannot_look"] * 3
    assert decide(FAILING, results=results)["runs"] is True


@pytest.mark.parametrize(("results", "why"), [
    (DID, "earlier_rung_helped"), ([result(("save", "unknown"))], "earlier_rung_helped"), ([], "checks_ok"),
    ([result(("save", "refused"), ("clear_pattern", "not_needed"))], "checks_ok"),
])
def test_only_a_rung_that_did_something_helped(results: Any, why: str) -> None:
    assert decide(OK, results=results)["why"] == why


def test_in_check_mode_every_rung_is_planned() -> None:
    assert decide(OK, results=[result(("save", "planned"))], check_mode=True)["runs"] is True


@pytest.mark.parametrize("look", [OK, UNKNOWN])
def test_after_a_rung_that_was_left_out_no_other_is_run(look: dict[str, Any]) -> None:
    """Whatever the checks say by then."""
    left_out = decide(look)
    known = rungs.kept([], rung=left_out, results=DID)
    later = rungs.decide(step("rebuild"), results=DID, known=known, looks=[FAILING], check_mode=False)
    assert not rungs.asks(step("rebuild"), known=known, check_mode=False)
    assert [later[key] for key in ("runs", "why", "error")] == [left_out[key] for key in ("runs", "why", "error")]
    another = [{**one, "of": "another list"} for one in known]
    assert rungs.decide(step("rebuild"), results=DID, known=another, looks=[FAILING], check_mode=False)["runs"] is True


def test_two_servers_of_a_host_do_not_answer_for_each_other() -> None:
    """One was not restarted since it is well; the other one's restart is decided, run and answered apart."""
    other = ladder(of="redis another")
    (mine,) = [one for one in rungs.steps(other, approved=[{**STATED, "wait": "1m"}]) if one["name"] == "restart"]
    assert mine["wait"] == "20s", "the plan states that of the first server"
    known = rungs.kept([], rung=decide(OK), results=DID)
    assert rungs.asks(mine, known=known, check_mode=False)
    found = rungs.decide(mine, results=[], known=known, looks=[FAILING], check_mode=False)
    assert found["runs"] is True
    both = rungs.kept(known, rung=found, results=[])
    restart = action("restart_cache", "planned")
    stated = [{**STATED, "of": "redis another", "actions": [restart["id"]]}]
    assert rungs.answers([Approved.read(restart)], stated=stated, known=both) == []


# The plan.

def planned(*by_rung: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is kept in check mode: the results there are when each rung has been planned."""
    known: list[dict[str, Any]] = []
    results = list(by_rung[0])
    for name, more in zip(("restart", "rebuild"), by_rung[1:], strict=False):
        decision = rungs.decide(step(name), results=results, known=known, looks=[{}], check_mode=True)
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


def test_a_plan_in_which_the_first_rung_does_nothing_keeps_the_condition_of_the_next() -> None:
    """A server that is well again when the plan is carried out is not restarted."""
    known = planned([result(("save", "refused"))], [result(("restart_cache", "planned"))], [])
    facts = {"incident_actions": [action("restart_cache", "planned")], "incident_rungs": known}
    (stated,) = plans.gather_plan({"cache1": facts}, run="r", now=1.0).rungs["cache1"]
    assert (stated.name, list(stated.checks), stated.wait) == ("restart", CHECKS, "20s")


def test_a_plan_in_which_only_the_first_rung_does_something_states_none() -> None:
    known = planned([result(("save", "planned"))], [result(("restart_cache", "refused"))], [])
    facts = {"incident_actions": [action("save", "planned")], "incident_rungs": known}
    assert plans.gather_plan({"cache1": facts}, run="r", now=1.0).rungs == {}


# The answers.

def test_what_was_asked_of_a_rung_is_answered_where_that_is_not_needed() -> None:
    """The server came back by itself."""
    asked = [{"verb": "restart_database", "rung": {"of": "redis", "name": "restart"}}, {"verb": "restart_service"}]
    healthy, blind = (rungs.kept([], rung=decide(look), results=DID) for look in (OK, UNKNOWN))
    assert rungs.still_open(asked, known=healthy) == asked[1:]
    assert rungs.still_open(asked, known=blind) == rungs.still_open(asked, known=[]) == asked


@pytest.mark.parametrize(("look", "results", "outcome", "why"), [
    (OK, DID, "not_needed", "earlier_rung_helped"), (OK, [], "not_needed", "checks_ok"), (UNKNOWN, DID, "refused", "cannot_look"),
])
def test_each_approved_action_of_a_rung_that_is_not_run_is_answered(look: dict[str, Any], results: Any, outcome: str, why: str) -> None:
    mine, other = action("restart_cache", "planned"), action("save", "planned")
    stated = [{**STATED, "name": "repair", "checks": [], "actions": [other["id"]]}, {**STATED, "actions": [mine["id"], "not of this host"]}]
    known = rungs.kept([], rung=decide(look, results=results), results=results)
    (answer,) = rungs.answers([Approved.read(mine), Approved.read(other)], stated=stated, known=known)
    assert (answer.id, answer.verb, answer.outcome, answer.detail["why"], answer.was_touched) == (
        mine["id"], "restart_cache", outcome, why, False)


def test_a_rung_that_was_run_is_answered_by_its_modules() -> None:
    mine = action("restart_cache", "planned")
    known = rungs.kept([], rung=decide(FAILING), results=DID)
    assert rungs.answers([Approved.read(mine)], stated=[{**STATED, "actions": [mine["id"]]}], known=known) == []
