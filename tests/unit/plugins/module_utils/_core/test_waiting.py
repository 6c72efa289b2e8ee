# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The waiting loop: bounded, broken by anything but what is awaited, never satisfied by blindness."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Optional

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.waiting import (
    MIN_PAUSE,
    History,
    Hold,
    Judged,
    Pace,
    Wait,
    Watched,
    follow,
    of_checks,
    pace_from,
    until,
    wait_from,
    watch,
)
from hypothesis import given
from hypothesis import strategies as st

#: Whether it is good, and as whom; None could not look.
State = Optional[tuple[bool, int]]  # noqa: UP045 (Python 3.9)


class World:
    """A clock that looks and pauses move on, and what is seen, second by second; the last state stays."""

    def __init__(self, states: Sequence[Any], *, takes: float = 0.0) -> None:
        self.states, self.takes, self.now = states, takes, 0.0
        self.seen: list[tuple[float, Any]] = []
        self.left: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= MIN_PAUSE
        self.now += seconds

    def look(self, left: float = 0.0) -> Any:
        self.now += self.takes
        state = self.states[min(int(self.now), len(self.states) - 1)]
        self.seen.append((self.now, state))
        self.left.append(left)
        return state

    def follow(self, *, full: bool = False, **pace: Any) -> Watched[Any]:
        return follow(
            self.look, judge, pace=Pace(**{"hold": 2.0, "timeout": 10.0, "interval": 1.0, **pace}), full=self.look if full else None,
            clock=self.clock, sleep=self.sleep,
        )


def judge(state: State) -> Judged:
    """Nobody knows what could not be looked at."""
    return Judged(good=bool(state and state[0]), identity=state[1] if state else None, told={"status": str(state)})


UP, DOWN = (True, 1), (False, 1)


@pytest.mark.parametrize(("states", "held", "seconds", "breaks"), [
    ([UP], True, 2, 0), ([DOWN, UP], True, 3, 0), ([UP, DOWN, UP], True, 4, 1), ([DOWN], False, 10, 0), ([None], False, 10, 0),
    ([UP, None, UP], True, 4, 1), ([UP, (True, 2)], True, 3, 1), ([UP, DOWN] * 6, False, 10, 5),
])
def test_it_must_hold_without_a_break_and_as_the_same(states: list[State], held: bool, seconds: float, breaks: int) -> None:
    found = World(states).follow()
    assert (found.held, found.waited, found.breaks) == (held, seconds, breaks)


def test_without_time_it_still_looks_once_and_a_hold_of_nothing_needs_one_good_look() -> None:
    for state, held in ((UP, True), (DOWN, False), (None, False)):
        found = World([state]).follow(hold=0, timeout=0)
        assert (found.held, found.polls, found.waited) == (held, 1, 0)
    assert World([DOWN, UP]).follow(hold=0, timeout=5).waited == 1


def test_a_hold_on_top_of_the_time_is_for_what_began_in_time() -> None:
    on_time = World([DOWN] * 5 + [UP]).follow(hold=10, timeout=5, hold_on_top=True)
    assert (on_time.held, on_time.waited, on_time.held_for) == (True, 15, 10)
    late = World([DOWN] * 6 + [UP]).follow(hold=10, timeout=5, hold_on_top=True)
    assert (late.held, late.waited) == (False, 5)
    again = World([UP] * 6 + [(True, 2)]).follow(hold=10, timeout=5, hold_on_top=True)
    assert (again.held, again.breaks, again.waited) == (False, 1, 6), "what begins after the time is not awaited"
    part = World([DOWN, UP]).follow(hold=10, timeout=5)
    assert (part.held, part.waited) == (False, 5), "otherwise the hold is part of the time"


def test_the_last_full_look_counts() -> None:
    class Server:
        """Briefly ok, and not in the look at everything, until `well` looks were made."""

        def __init__(self, well: int) -> None:
            self.well, self.looks, self.now = well, 0, 0.0

        def sleep(self, seconds: float) -> None:
            self.now += seconds

        def watch(self, *, hold: float) -> Watched[Any]:
            @dataclasses.dataclass
            class One:
                found: dict[str, str]

                def statuses(self) -> dict[str, str]:
                    return self.found

            def full() -> One:
                self.looks += 1
                return One({"slots": "ok" if self.looks >= self.well else "critical", "vacuum": "warning"})

            wait = Wait(checks=("slots",), hold=hold, timeout=10, interval=1)
            return watch(lambda _left: One({"slots": "ok"}), full=full, wait=wait, clock=lambda: self.now, sleep=self.sleep)

    found = Server(well=1).watch(hold=2)
    assert found.held and found.waited == 2 and found.last.statuses()["vacuum"] == "warning"
    found = Server(well=2).watch(hold=2)
    assert found.held and found.breaks == 1 and found.waited > 4
    assert [one["checks"] for one in found.history] == [{"slots": "ok"}, {"slots": "critical"}, {"slots": "ok"}]
    found = Server(well=99).watch(hold=0)
    assert not found.held and found.last.statuses()["slots"] == "critical" and found.waited == 10


def test_a_look_is_told_how_much_time_is_left() -> None:
    world = World([DOWN], takes=4)
    found = world.follow()
    assert world.left == [10, 5, 0] and found.waited == 14 and not found.held
    assert World([UP], takes=20).follow(hold=0).held, "what ends after the time counts as it is"


def test_no_pause_keeps_a_processor_busy() -> None:
    assert World([DOWN]).follow(hold=0, timeout=1, interval=0).polls <= 1 / MIN_PAUSE + 2


states = st.lists(st.none() | st.tuples(st.booleans(), st.integers(1, 2)), min_size=1, max_size=20)
times = st.floats(0, 12, allow_nan=False)


@given(
    seen=states, takes=st.sampled_from((0.0, 0.3, 2.5)), hold=times, timeout=times, interval=st.floats(0, 4), full=st.booleans(),
    on_top=st.booleans(),
)
def test_held_is_only_what_was_good_all_the_time(
    seen: list[State], takes: float, hold: float, timeout: float, interval: float, full: bool, on_top: bool,
) -> None:
    world = World(seen, takes=takes)
    found = world.follow(full=full, hold=hold, timeout=timeout, interval=interval, hold_on_top=on_top)
    assert found.polls == len(world.seen) >= 1 and found.last == world.seen[-1][1]
    # Bounded: what is awaited once the time is up is the end of a hold alone, and a look ends when it ends.
    assert world.now <= timeout + (hold if on_top else 0) + (2 if full else 1) * takes + MIN_PAUSE + 1e-6
    good = [(at, state) for at, state in world.seen if at >= found.waited - found.held_for - 1e-9]
    if found.held:
        assert all(judge(state).good for _at, state in good) and len({state[1] for _at, state in good if state}) == 1
        assert good[-1][0] - good[0][0] >= hold - 1e-9
    else:
        assert world.now >= timeout, "nobody gives up before the time is over"


checks = st.dictionaries(st.sampled_from("abc"), st.sampled_from(("ok", "warning", "unknown", "critical")))


@given(awaited=st.lists(st.sampled_from("abc"), max_size=3), statuses=checks)
def test_checks_are_good_when_each_was_answered_so(awaited: list[str], statuses: dict[str, str]) -> None:
    assert of_checks(awaited, statuses).good == (bool(awaited) and all(statuses.get(check) == "ok" for check in awaited))


def test_a_follower_knows_no_clock() -> None:
    hold = Hold(seconds=2)
    assert [hold.see(Judged(good=good), at=at) for at, good in ((0, True), (1, True), (2, True), (3, False), (9, True))] == [
        False, False, True, False, False,
    ]
    assert (hold.looks, hold.breaks, hold.held_for) == (5, 1, 0)


def test_a_history_has_what_changed_and_is_bounded() -> None:
    history = History(most=6)
    for at in range(100):
        history.add({"status": "ok" if at // 2 % 2 else "critical"}, at=at)
    assert [one["at"] for one in history.entries] == [0, 2, 4, 94, 96, 98]
    history = History()
    history.add({}, at=1)
    assert history.entries == []


@pytest.mark.parametrize("found", [
    {"hold": "2m", "timeout": "1m", "interval": "1s"}, {"hold": "x", "timeout": "1m", "interval": "1s"},
])
def test_times_that_cannot_be(found: dict[str, str]) -> None:
    with pytest.raises(BadInput, match=r"wait_for\.hold"):
        pace_from(found)
    with pytest.raises(BadInput, match=r"wait_for\.checks is empty"):
        wait_from({"hold": "1s", "timeout": "1m", "interval": "1s", "checks": []})
    assert wait_from({"hold": "1s", "timeout": "1m", "interval": "0s", "checks": ["a"]}).pace == Pace(hold=1, timeout=60, interval=0.1)


def test_until_looks_once_at_least_and_gives_what_was_seen_last() -> None:
    looks = iter(range(10))
    assert until(lambda seen: seen == 2, lambda: next(looks), seconds=60.0, interval=0.0) == 2
    assert until(lambda _seen: False, lambda: next(looks), seconds=0.0, interval=60.0) == 3, "in vain, and at once"
