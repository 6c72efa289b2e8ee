# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of an action is decided before acting and measured after it."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import Blind, LimitExceeded
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import acting

ACTION = Action(verb="restart", resource="host:a", identity={"service": "s"}, target={"service": "s"}, reason="r")
USUAL: dict[str, Any] = {"needed": True, "forbidden": [], "limit": 1, "spent": 0, "approved": None, "check_mode": False}


class Clock:
    """A clock that only sleep() moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(("given", "outcome"), [
    ({}, None),
    ({"check_mode": True}, "planned"),
    ({"needed": False}, "not_needed"),
    ({"needed": False, "check_mode": True}, "not_needed"),
    ({"needed": False, "forbidden": ["no"], "approved": []}, "not_needed"),
    ({"approved": []}, "refused"),
    ({"approved": ["another"]}, "refused"),
    ({"approved": [ACTION.id]}, None),
    ({"approved": [], "check_mode": True}, "refused"),
    ({"forbidden": ["a backup runs"], "approved": [ACTION.id]}, "refused"),
    ({"limit": 3, "spent": 2}, None),
])
def test_decisions(given: dict[str, Any], outcome: str | None) -> None:
    decided = acting.decide(ACTION, **{**USUAL, **given})
    assert (decided.outcome if decided else None) == outcome


@pytest.mark.parametrize("given", [{"spent": 1}, {"limit": 0}, {"spent": 5, "check_mode": True}])
def test_over_the_limit_nothing_is_done(given: dict[str, Any]) -> None:
    with pytest.raises(LimitExceeded) as raised:
        acting.decide(ACTION, **{**USUAL, **given})
    assert raised.value.facts["actions"][0]["outcome"] == "refused"


@pytest.mark.parametrize("given", [{}, {"check_mode": True}])
def test_who_cannot_look_before_does_not_act(given: dict[str, Any]) -> None:
    with pytest.raises(Blind, match="docker: not found") as raised:
        acting.decide(ACTION, **{**USUAL, **given}, cannot_look="status 127, docker: not found")
    (refused,) = raised.value.facts["actions"]
    assert (refused["outcome"], refused["id"]) == ("refused", ACTION.id)


@pytest.mark.parametrize("given", [{"forbidden": ["a backup runs"]}, {"approved": []}, {"needed": False}])
def test_what_is_not_done_anyway_needs_no_look(given: dict[str, Any]) -> None:
    assert acting.decide(ACTION, **{**USUAL, **given}, cannot_look="no such file") is not None


@pytest.mark.parametrize(("measured", "looked"), [
    ({"rc": 0, "stdout": ""}, True), ({"stat": {"exists": False}}, True), ({"rc": 1}, False), ({"failed": True, "msg": "x"}, False),
    ({"unreachable": True}, False),
])
def test_who_could_look(measured: dict[str, Any], looked: bool) -> None:
    assert acting.could_look(measured) is looked


def test_measuring_ends_when_the_condition_holds() -> None:
    clock, values = Clock(), iter([1, 2, 3, 4])
    found = acting.await_condition(
        lambda: {"n": next(values)}, lambda m: bool(m["n"] == 3), timeout=10, interval=1, clock=clock, sleep=clock.sleep,
    )
    assert (found.held, found.tries, found.seconds, found.last) == (True, 3, 2.0, {"n": 3})


def test_measuring_is_bounded_and_says_what_it_saw() -> None:
    clock = Clock()
    found = acting.await_condition(lambda: {"m": 1}, lambda m: bool(m["n"]), timeout=5, interval=2, clock=clock, sleep=clock.sleep)
    assert (found.held, found.tries) == (False, 3)
    assert found.problem == "'n'"
    assert clock.now <= 5


def watch(states: list[Any], *, hold: float, timeout: float = 5, **more: Any) -> acting.Measurement:
    """Await a state that is "up", or up with an identity, over one look a second; the last state stays."""
    clock = Clock()

    def look() -> dict[str, Any]:
        state = states[min(int(clock.now), len(states) - 1)]
        return {"failed": True, "msg": "no daemon"} if state is None else {"up": state[:2] == "up", "who": state}

    return acting.await_condition(
        look, lambda m: bool(m["up"]), timeout=timeout, interval=1, hold=hold, identity=lambda m: m["who"], clock=clock, sleep=clock.sleep,
        **more,
    )


def test_what_is_true_for_a_moment_does_not_hold() -> None:
    found = watch(["down", "up 1", "up 1", "down", "up 2", "up 2", "down"], hold=3)
    assert (found.held, found.breaks) == (False, 2)
    why = acting.judge(ACTION, found, answered=True, hold=3)
    assert why.outcome == "failed"
    assert "did not hold for 3 s" in why.detail["why"]


def test_it_holds_without_a_break_and_as_the_same() -> None:
    found = watch(["down", "up 1", "up 2", "up 2"], hold=2.5)
    assert (found.held, found.breaks, found.held_for) == (True, 1, 2.5), "another identity begins anew"
    assert found.seconds == 4.5
    assert acting.judge(ACTION, found, answered=True, hold=2.5).detail["held_for"] == 2.5


def test_what_began_in_time_is_given_its_hold() -> None:
    found = watch(["down"] * 5 + ["up 1"], hold=10, timeout=5)
    assert (found.held, found.seconds) == (True, 15)
    late = watch(["down"] * 6 + ["up 1"], hold=10, timeout=5)
    assert (late.held, late.seconds) == (False, 5)
    again = watch(["up 1", "up 1", "up 1", "up 1", "up 1", "up 1", "up 2"], hold=10, timeout=5)
    assert (again.held, again.breaks, again.seconds) == (False, 1, 6), "what begins after the time is not awaited"


def test_a_look_that_fails_is_a_break() -> None:
    assert watch(["up 1", "up 1", None, "up 1"], hold=3).breaks == 1
    blind = watch([None], hold=3)
    assert (blind.held, blind.looks) == (False, 0)
    action = acting.judge(ACTION, blind, answered=True, hold=3)
    assert (action.outcome, action.detail["why"]) == ("unknown", "what came of it could not be looked at: no daemon")
    once = acting.judge(ACTION, watch(["down", None], hold=3), answered=True, hold=3)
    assert once.outcome == "failed", "it was seen that the condition did not hold"


def test_a_measurement_that_could_not_look_proves_nothing() -> None:
    clock = Clock()
    found = acting.await_condition(
        lambda: {"rc": 1}, lambda m: bool(m["rc"] != 0), timeout=2, interval=1, clock=clock, sleep=clock.sleep,
    )
    assert not found.held
    allowed = acting.await_condition(
        lambda: {"rc": 1}, lambda m: bool(m["rc"] != 0), timeout=2, interval=1, looked=lambda m: m["rc"] in (0, 1), clock=clock,
        sleep=clock.sleep,
    )
    assert allowed.held


@pytest.mark.parametrize(("held", "answered", "outcome"), [
    (True, True, "done"), (True, False, "done"), (False, True, "failed"), (False, False, "unknown"),
])
def test_the_outcome_is_measured(held: bool, answered: bool, outcome: str) -> None:
    measurement = acting.Measurement(last={"rc": 0}, held=held, tries=1, seconds=0.1)
    assert acting.judge(ACTION, measurement, answered=answered).outcome == outcome


def test_details_are_cut_down() -> None:
    deep: dict[str, Any] = {
        "a": {"b": {"c": {"d": {"e": 1}}}}, "_ansible_no_log": False, "invocation": {"x": 1}, "l": list(range(30)), "s": "x" * 600,
    }
    found = acting.brief(deep)
    assert found["a"]["b"]["c"]["d"] == "(1 keys)"
    assert found["l"][-1] == "(10 more)"
    assert len(found["s"]) < 540
    assert set(found) == {"a", "l", "s"}
    assert acting.brief(object()).startswith("<object")


def test_the_deadline_comes_and_cannot_be_swallowed() -> None:
    start = time.monotonic()
    with pytest.raises(acting.TimeUp), acting.deadline(0.1):
        while True:
            try:
                time.sleep(600)
            except Exception:
                continue
    assert time.monotonic() - start < 60


def test_an_outer_alarm_still_comes() -> None:
    rung = []
    old = signal.signal(signal.SIGALRM, lambda *_unused: rung.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with acting.deadline(5):
            pass
        left = signal.getitimer(signal.ITIMER_REAL)[0]
        assert 0 < left <= 0.3
        signal.pause()
        assert rung == [1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
