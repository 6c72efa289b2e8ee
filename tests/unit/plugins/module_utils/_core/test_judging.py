# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine of contract 1: never better than what was measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import (
    CRITICAL,
    NOT_APPLICABLE,
    OK,
    STATUSES,
    UNKNOWN,
    WARNING,
    Finding,
    Skipped,
)
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import (
    FAIL_ON,
    NOBODY_ANSWERED,
    Question,
    Verdict,
    answer,
    judge_look,
    question_from,
)
from ansible_collections.oncall.incident.plugins.module_utils._core.waiting import Wait
from hypothesis import given
from hypothesis import strategies as st


@dataclasses.dataclass(frozen=True)
class Seen:
    verdict: Verdict

    def as_result(self) -> dict[str, Any]:
        return {"changed": False}


def finding(check: str, status: str = OK, **more: Any) -> Finding:
    return Finding(check=check, status=status, **more)


def test_every_asked_check_is_answered_or_unknown() -> None:
    seen = judge_look(
        [finding("reach"), finding("speed", WARNING)],
        [Skipped("disk", "not_permitted: df", "Grant it."), Skipped("slots", "no", kind=NOT_APPLICABLE)],
        asked=["reach", "disk", "slots", "clock"],
    )
    assert seen.statuses() == {"reach": OK, "speed": WARNING, "disk": UNKNOWN, "clock": UNKNOWN} and seen.status == UNKNOWN
    assert seen.healthy is None and seen.not_good() == {"disk": UNKNOWN, "clock": UNKNOWN}
    assert [(one.check, one.asked) for one in seen.findings] == [("reach", True), ("speed", False), ("disk", True), ("clock", True)]
    assert seen.findings[2].hint == "Grant it." and seen.findings[2].detail == {"reason": "not_permitted: df"}
    assert [one.reason for one in seen.skipped if one.check == "clock"] == [NOBODY_ANSWERED]


def test_what_was_not_asked_and_could_not_be_looked_at_is_told_and_decides_nothing() -> None:
    seen = judge_look([finding("reach")], [Skipped("disk", "denied")], asked=["reach"])
    assert (seen.status, seen.healthy) == (OK, True) and seen.as_dict()["skipped_checks"][0]["kind"] == "could_not_look"
    seen = judge_look([finding("reach"), finding("disk", CRITICAL)], asked=["reach"])
    assert (seen.status, seen.healthy) == (CRITICAL, True), "the status is of all, health of what was asked"


def test_part_of_a_check_that_has_no_answer_makes_it_unknown() -> None:
    seen = judge_look([finding("disk", OK, subject="/")], [Skipped("disk", "/srv: denied")])
    assert seen.statuses() == {"disk": UNKNOWN} and seen.healthy is None


def test_where_nothing_applies_nothing_is_healthy() -> None:
    seen = judge_look([], [Skipped("slots", "no such thing", kind=NOT_APPLICABLE)], asked=["slots"])
    assert (seen.status, seen.healthy, seen.statuses()) == (UNKNOWN, None, {})
    assert judge_look([]).healthy is None


def test_a_warning_is_good_enough_where_the_module_says_so() -> None:
    assert judge_look([finding("port", WARNING)]).healthy is False
    assert judge_look([finding("port", WARNING)], good=(OK, WARNING)).healthy is True


def looks(*statuses: str) -> Any:
    left = list(statuses)
    return lambda: Seen(judge_look([finding("reach", left.pop(0) if len(left) > 1 else left[0])], asked=["reach"]))


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(("status", "fail_on", "fails"), [
    (OK, "warning", False), (WARNING, "never", False), (WARNING, "critical", False), (WARNING, "warning", True),
    (UNKNOWN, "critical", True), (UNKNOWN, "never", False), (CRITICAL, "critical", True),
])
def test_the_task_fails_at_the_status_that_it_names(status: str, fail_on: str, fails: bool) -> None:
    result, problem = answer(Question(fail_on=fail_on, what="The door"), looks(status))
    assert (problem is not None) == fails and result["status"] == status and "held" not in result
    assert problem is None or problem.message == f"The door is {status}: reach {status}."


def test_a_baseline_tells_what_remains_and_what_is_worse() -> None:
    result, _problem = answer(Question(baseline={"reach": OK}), looks(CRITICAL))
    assert result["new"] == {"reach": CRITICAL} and result["remaining"] == {}
    assert answer(Question(baseline={"reach": CRITICAL}), looks(CRITICAL))[0]["remaining"] == {"reach": CRITICAL}


def test_waiting_holds_and_says_why_it_did_not() -> None:
    time, wait = Time(), Wait(checks=("reach",), hold=2.0, timeout=10.0, interval=1.0)
    question = Question(asked=("reach",), wait=wait, fail_on="critical", what="The door")
    result, problem = answer(question, looks(CRITICAL, OK), clock=time.clock, sleep=time.sleep)
    assert result["held"] and problem is None and result["not_recovered"] == "" and result["healthy"] is True
    result, problem = answer(question, looks(CRITICAL), clock=time.clock, sleep=time.sleep)
    assert not result["held"] and problem is not None and problem.kind == "not_recovered"
    assert result["not_recovered"] == "Not recovered within 10 s: reach critical."
    sick = lambda: Seen(judge_look([finding("reach", CRITICAL, hint="Open it.")], asked=wait.checks))  # noqa: E731
    _result, problem = answer(question, sick, clock=time.clock, sleep=time.sleep)
    assert problem is not None and problem.message.endswith("reach critical.") and problem.hint == "Open it."


def test_what_does_not_apply_is_not_waited_for_beside_something_that_does() -> None:
    time, wait = Time(), Wait(checks=("reach", "slots"), hold=0.0, timeout=3.0, interval=1.0)

    def look(found: Sequence[Finding]) -> Any:
        return lambda: Seen(judge_look(found, [Skipped("slots", "none", kind=NOT_APPLICABLE)], asked=wait.checks))

    for found, held in (([finding("reach")], True), ([finding("reach", UNKNOWN)], False)):
        result, _problem = answer(Question(asked=wait.checks, wait=wait), look(found), clock=time.clock, sleep=time.sleep)
        assert result["held"] is held
    alone = dataclasses.replace(wait, checks=("slots",))
    beside = lambda: Seen(judge_look([finding("reach")], [Skipped("slots", "none", kind=NOT_APPLICABLE)], asked=wait.checks))  # noqa: E731
    assert not answer(Question(asked=wait.checks, wait=alone), beside, clock=time.clock, sleep=time.sleep)[0]["held"]
    nothing = lambda: Seen(judge_look([], [Skipped("slots", "none", kind=NOT_APPLICABLE)], asked=alone.checks))  # noqa: E731
    assert not answer(Question(asked=alone.checks, wait=alone), nothing, clock=time.clock, sleep=time.sleep)[0]["held"]


def test_why_it_is_not_recovered_names_who_is_in_the_way_now() -> None:
    found = [finding("locks", CRITICAL, hint="pid 4711 holds it."), finding("vacuum", CRITICAL, hint="Vacuum.")]
    time, wait = Time(), Wait(checks=("locks",), hold=0.0, timeout=1.0, interval=1.0)
    look = lambda: Seen(judge_look(reversed(found), asked=wait.checks))  # noqa: E731
    result, _problem = answer(Question(asked=wait.checks, wait=wait), look, clock=time.clock, sleep=time.sleep)
    assert result["not_recovered"] == "Not recovered within 1 s: locks critical. pid 4711 holds it."


def test_what_is_in_vain_is_not_waited_for() -> None:
    class Hopeless(Seen):
        in_vain = "pid 4711 sleeps."

    time, wait = Time(), Wait(checks=("locks",), hold=0.0, timeout=60.0, interval=1.0)
    question = Question(asked=wait.checks, wait=wait)
    asleep = Hopeless(judge_look([finding("locks", CRITICAL, hint="End it.")], asked=wait.checks))
    result, _problem = answer(question, lambda: asleep, clock=time.clock, sleep=time.sleep)
    assert (result["polls"], result["not_recovered"]) == (1, "Not recovered: locks critical. pid 4711 sleeps.")
    # What is good is good, whoever sleeps.
    awake = Hopeless(judge_look([finding("locks")], asked=wait.checks))
    result, _problem = answer(question, lambda: awake, clock=time.clock, sleep=time.sleep)
    assert (result["held"], result["not_recovered"]) == (True, "")


@pytest.mark.parametrize(("status", "fail_on", "healthy", "fails"), [
    (OK, "warning", True, False), (WARNING, "critical", False, False), (WARNING, "warning", False, True),
    (CRITICAL, "critical", False, True),
    (UNKNOWN, "critical", None, True), (CRITICAL, "never", False, False),
])
def test_what_is_asked_and_not_waited_for_counts_without_being_waited_for(
    status: str, fail_on: str, healthy: bool | None, fails: bool,
) -> None:
    time = Time()
    params = {**PARAMS, "asked": ["reach", "speed"], "fail_on": fail_on, "wait_for": {
        "checks": ["reach"], "hold": "0s", "timeout": "9s", "interval": "1s"}}
    question = question_from(params, checks=("reach", "speed", "disk"), default=None, what="The door")
    look = lambda: Seen(judge_look([finding("reach"), finding("speed", status), finding("disk", CRITICAL)], asked=question.asked))  # noqa: E731
    result, problem = answer(question, look, clock=time.clock, sleep=time.sleep)
    assert (result["asked"], result["held"], result["healthy"], time.now) == (["reach", "speed"], True, healthy, 0.0)
    assert (problem is not None) == fails and (problem is None or problem.message == f"The door is {status}: speed {status}.")
    assert result["not_recovered"] == ("" if status == OK else f"Not waited for, and not ok: speed {status}.")


PARAMS: dict[str, Any] = {"asked": None, "fail_on": "never", "wait_for": None, "baseline": None}


def test_a_question_is_read_from_arguments() -> None:
    waits = {"checks": None, "hold": "1s", "timeout": "5s", "interval": "1s"}
    question = question_from({**PARAMS, "wait_for": waits}, checks=("a", "b"), default=("a",), what="It")
    assert question.asked == ("a",) and question.wait == Wait(("a",), 1.0, 5.0, 1.0)
    question = question_from({**PARAMS, "wait_for": {**waits, "checks": ["b"]}}, checks=("a", "b"), default=("a",), what="It")
    assert question.asked == ("b",) and question.wait is not None, "the default gives way to what is waited for"
    question = question_from(
        {**PARAMS, "asked": ["a"], "wait_for": {**waits, "checks": ["b"]}}, checks=("a", "b"), default=("b",), what="It")
    assert question.asked == ("a", "b") and question.wait == Wait(("b",), 1.0, 5.0, 1.0), "who names checks wants an answer to each"
    for wrong in ({"asked": ["reech"]}, {"wait_for": {**waits, "checks": ["reech"]}}):
        with pytest.raises(BadInput, match="no check 'reech'") as caught:
            question_from({**PARAMS, **wrong}, checks=("reach",), default=("reach",), what="It")
        assert "Did you mean reach?" in str(caught.value.hint)


checks = st.sampled_from("abcd")
found_ones = st.lists(st.builds(Finding, check=checks, status=st.sampled_from(STATUSES)), max_size=6)
kinds = st.sampled_from((NOT_APPLICABLE, "could_not_look"))
left_out = st.lists(st.builds(Skipped, check=checks, reason=st.just("why"), kind=kinds), max_size=4)


@given(found=found_ones, left=left_out, asked=st.none() | st.lists(checks, max_size=4))
def test_whatever_a_look_says_it_is_never_green_without_an_answer_to_each_asked_check(
    found: list[Finding], left: list[Skipped], asked: list[str] | None,
) -> None:
    seen = judge_look(found, left, asked=asked)
    applies = {check for check in seen.asked if any(one.check == check for one in seen.findings)}
    named = {item.check for item in left if item.kind == NOT_APPLICABLE}
    assert set(seen.asked) <= applies | named, "each is a finding, or does not apply"
    if seen.healthy:
        assert applies
        assert not {one.check for one in left if one.kind != NOT_APPLICABLE} & set(seen.asked)
        assert all(one.status == OK for one in found if one.check in seen.asked)
        assert all(any(one.check == check for one in found) or check in named for check in seen.asked)
    if seen.status == OK:
        assert seen.healthy is not False
    if seen.asked:
        wait = Wait(checks=seen.asked, hold=0.0, timeout=0.0, interval=1.0)
        assert answer(Question(asked=seen.asked, wait=wait), lambda: Seen(seen))[0]["held"] <= bool(seen.healthy)


@given(
    found=found_ones, left=left_out, asked=st.none() | st.lists(checks, max_size=4), awaited=st.none() | st.lists(checks, min_size=1),
    default=st.none() | st.lists(checks, min_size=1), fail_on=st.sampled_from(FAIL_ON), good=st.sampled_from(((OK,), (OK, WARNING))),
    brief=st.booleans(),
)
def test_whatever_a_call_asks_is_answered_however_it_waits(
    found: list[Finding], left: list[Skipped], asked: list[str] | None, awaited: list[str] | None, default: list[str] | None, fail_on: str,
    good: tuple[str, ...], brief: bool,
) -> None:
    waits = {"checks": awaited, "hold": "0s", "timeout": "0s", "interval": "1s"} if awaited else None
    params = {**PARAMS, "asked": asked, "fail_on": fail_on, "wait_for": waits}
    question = question_from(params, checks=tuple("abcd"), default=default, what="It")

    def look(only: tuple[str, ...] = tuple("abcd")) -> Seen:
        kept, gone = [one for one in found if one.check in only], [one for one in left if one.check in only]
        return Seen(judge_look(kept, gone, asked=question.asked, good=good))

    result, problem = answer(question, look, brief=(lambda: look(tuple(awaited or ()))) if brief else None)
    named = {*(asked or ()), *(awaited or ())}
    assert named <= set(result["asked"])
    absent = {item.check for item in left if item.kind == NOT_APPLICABLE}
    assert all(any(one["check"] == check for one in result["findings"]) or check in absent for check in result["asked"])
    bad = [one["status"] for one in result["findings"] if one["asked"] and one["status"] not in good]
    assert result["healthy"] is not True or not bad
    if fail_on != "never" and {CRITICAL, UNKNOWN} & set(bad):
        assert problem is not None, "an asked check that is not ok, or not known, fails the task"
    if awaited and bad:
        assert result["not_recovered"]
