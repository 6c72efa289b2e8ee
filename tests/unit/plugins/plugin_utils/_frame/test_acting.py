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
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import LimitExceeded
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import acting

ACTION = Action(id="restart|host:a|service=s", verb="restart", target={"service": "s"}, reason="r")
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


def test_measuring_ends_when_the_condition_holds() -> None:
    clock, values = Clock(), iter([1, 2, 3, 4])
    found = acting.await_condition(
        lambda: {"n": next(values)}, lambda m: bool(m["n"] == 3), timeout=10, interval=1, clock=clock, sleep=clock.sleep,
    )
    assert (found.held, found.tries, found.seconds, found.last) == (True, 3, 2.0, {"n": 3})


def test_measuring_is_bounded_and_says_what_it_saw() -> None:
    clock = Clock()
    found = acting.await_condition(lambda: {"failed": True}, lambda m: bool(m["n"]), timeout=5, interval=2, clock=clock, sleep=clock.sleep)
    assert (found.held, found.tries) == (False, 3)
    assert found.problem == "'n'"
    assert clock.now <= 5


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
