# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core import actions as a


def make(outcome: str = a.PLANNED, name: str = "1") -> a.Action:
    return a.Action("terminate", "pg:1", {"pid": name}, {"pid": 1}, "because", outcome=outcome)


def test_an_id_is_the_same_for_the_same_world_and_another_when_it_moved_on() -> None:
    one = a.action_id(verb="terminate", resource="pg:1", identity={"pid": 7, "backend_start": "x", "clock": "query", "since": "t1"})
    same = a.action_id(verb="terminate", resource="pg:1", identity={"since": "t1", "clock": "query", "backend_start": "x", "pid": 7})
    moved = a.action_id(verb="terminate", resource="pg:1", identity={"pid": 7, "backend_start": "x", "clock": "query", "since": "t2"})
    assert one == same != moved


@pytest.mark.parametrize(
    ("outcomes", "check_mode", "changed"),
    [
        (["planned"], True, True), ([], True, False), (["refused"], True, False),
        (["gone"], False, True), (["done"], False, True), (["still_running"], False, False), (["moved_on", "not_permitted"], False, False),
        (["not_permitted", "gone"], False, True), (["planned"], False, False),
    ],
)
def test_changed_only_when_the_world_really_changed(outcomes: list[str], check_mode: bool, changed: bool) -> None:
    found = a.result([make(outcome) for outcome in outcomes], check_mode=check_mode)
    assert found["changed"] is changed
    assert found["contract"] == "oncall.incident/actions/1"


@pytest.mark.parametrize("outcome", sorted(a.OUTCOMES - {a.PLANNED}))
def test_who_was_touched_was_changed_whatever_came_of_it(outcome: str) -> None:
    sent = make(outcome).with_outcome(outcome, signals=["cancel"])
    found = a.result([sent], check_mode=False)
    assert (found["changed"], found["actions"][0]["touched"]) == (True, True)
    untouched = a.result([dataclasses.replace(make(outcome), touched=False)], check_mode=False)
    assert (untouched["changed"], untouched["actions"][0]["touched"]) == (False, False)


@pytest.mark.parametrize(("outcome", "touched"), [
    ("done", True), ("gone", True), ("planned", False), ("refused", False), ("not_needed", False), ("moved_on", False),
    ("pid_reused", False), ("not_permitted", False), ("failed", None), ("unknown", None), ("still_running", None),
])
def test_of_an_older_record_the_outcome_and_the_signals_tell(outcome: str, touched: bool | None) -> None:
    assert a.was_touched({"outcome": outcome}) is touched
    assert a.was_touched({"outcome": outcome, "detail": {"signals": ["cancel"]}}) is True


def test_failed_actions_are_those_that_must_fail_the_task() -> None:
    found = [make(outcome) for outcome in sorted(a.OUTCOMES)]
    assert {action.outcome for action in a.failed_actions(found)} == {"failed", "still_running", "not_permitted", "unknown"}


@pytest.mark.parametrize(
    ("ids", "approved", "covered"),
    [(["x"], None, True), (["x"], [], False), (["x", "y"], ["y"], True), (["x"], ["y"], False), ([], ["y"], False), ([], None, True)],
)
def test_absent_approval_is_no_restriction_and_an_empty_one_covers_nothing(
    ids: list[str], approved: list[str] | None, covered: bool,
) -> None:
    assert a.is_approved(ids, approved) is covered


def test_outcome_keeps_the_detail_known_before() -> None:
    action = a.Action("v", "r", {}, {}, "because", detail={"a": 1}).with_outcome(a.GONE, seconds=2)
    assert action.as_dict()["detail"] == {"a": 1, "seconds": 2}
    assert action.outcome == "gone"
