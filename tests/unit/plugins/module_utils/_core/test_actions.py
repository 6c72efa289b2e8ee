# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core import actions as a
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from hypothesis import given
from hypothesis import strategies as st


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
        (["unknown"], False, True), (["unknown"], True, False), (["failed"], False, False),
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


def test_outcome_keeps_the_detail_known_before() -> None:
    action = a.Action("v", "r", {}, {}, "because", detail={"a": 1}).with_outcome(a.GONE, seconds=2)
    assert action.as_dict()["detail"] == {"a": 1, "seconds": 2}
    assert action.outcome == "gone"


TEXTS = st.text(max_size=8)
JSON = st.none() | st.booleans() | st.integers() | TEXTS | st.lists(st.integers(), max_size=2)
MAPPINGS = st.dictionaries(TEXTS, JSON, max_size=2)
ACTIONS = st.builds(
    a.Action, verb=TEXTS, resource=TEXTS, identity=MAPPINGS, target=MAPPINGS, reason=TEXTS, name=TEXTS,
    outcome=st.sampled_from(sorted(a.OUTCOMES)), detail=MAPPINGS, touched=st.none() | st.booleans(),
)


@given(ACTIONS)
def test_an_action_is_read_back_from_a_record_of_now(action: a.Action) -> None:
    data = json.loads(json.dumps(action.as_dict()))
    back = a.Action.from_dict({**data, "seq": 7})
    assert back.as_dict() == data
    assert a.action_id(verb=back.verb, resource=back.resource, identity=action.identity) == back.id


@given(st.builds(a.Spared, target=MAPPINGS, reasons=st.lists(TEXTS, max_size=2).map(tuple), would_match=st.booleans(), name=TEXTS))
def test_a_spared_target_is_read_back(spared: a.Spared) -> None:
    assert a.Spared.from_dict(json.loads(json.dumps({**spared.as_dict(), "host": "db1"}))) == spared


def test_an_action_of_an_older_record_keeps_its_id() -> None:
    old = a.Action.from_dict({"id": "terminate|pg:1|pid=7", "verb": "terminate", "outcome": "gone", "target": {"pid": 7}, "reason": "r"})
    assert (old.id, old.resource, dict(old.identity), old.name, old.touched) == ("terminate|pg:1|pid=7", "", {}, "", True)
    assert a.Spared.from_dict({"target": {}, "reasons": ["own session"]}).name == ""


@pytest.mark.parametrize("key", ["id", "verb", "outcome"])
@pytest.mark.parametrize("value", [None, "left out"])
def test_what_an_action_lacks_is_named(key: str, value: str | None) -> None:
    data: dict[str, Any] = {"id": "x", "verb": "terminate", "outcome": "gone", key: None}
    if value:
        del data[key]
    with pytest.raises(BadInput, match=rf"^action: {key} is missing\.") as raised:
        a.Action.from_dict(data)
    assert raised.value.facts == {"key": key}


def test_an_empty_id_is_not_replaced_by_one_that_nobody_approved() -> None:
    with pytest.raises(BadInput, match="action: id is empty"):
        a.Action.from_dict({"id": "", "verb": "terminate", "outcome": "planned", "resource": "pg:1", "identity": {"pid": 7}})


@pytest.mark.parametrize(("data", "said"), [
    ({"reasons": []}, "spared target: target is missing."), ({"target": {}}, "spared target: reasons is missing."),
    ({"target": "x", "reasons": []}, "spared target: target is not a mapping."), ({"target": {}, "reasons": "x"}, "reasons is not a list."),
])
def test_what_a_spared_target_lacks_is_named(data: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as raised:
        a.Spared.from_dict(data)
    assert said in raised.value.message


def test_a_text_kept_elsewhere_is_still_a_text() -> None:
    elsewhere = {"$blob": {"bytes": 70000}}
    action = a.Action.from_dict({"id": "x", "verb": "v", "outcome": "gone", "reason": elsewhere, "detail": "[redacted:1]"})
    assert "70000" in action.reason and action.detail == {}


@pytest.mark.parametrize("data", [["x"], "x", None])
def test_what_is_no_mapping_is_refused(data: Any) -> None:
    with pytest.raises(BadInput, match="not a mapping"):
        a.Action.from_dict(data)


def test_an_approved_action_is_an_id_or_all_of_it() -> None:
    whole = a.Action("terminate", "pg:1", {"pid": 7}, {"pid": 7}, "because", "pid 7")
    assert a.Approved.read(whole.id) == a.Approved(whole.id)
    assert a.Approved.read(whole.as_dict()) == a.Approved(whole.id, "terminate", "pg:1", {"pid": 7}, "pid 7")
    assert a.Approved.read(a.Approved.read(whole.as_dict()).as_dict()).identity == {"pid": 7}
    # What does not give the id is not vouched for: only the id counts.
    assert a.Approved.read({**whole.as_dict(), "identity": {"pid": 8}}) == a.Approved(whole.id)
    with pytest.raises(BadInput, match="approved action: id is missing"):
        a.Approved.read({"verb": "terminate"})
