# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine of contract 2, with a subject that keeps a book of what was done to it."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core import actions, why
from ansible_collections.oncall.incident.plugins.module_utils._core.acting import (
    Candidate,
    Sight,
    Subject,
    act,
    answered,
    complaint,
    read_approved,
    untouched,
)
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action, Approved, Spared
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput, CannotReach, IncidentError, Locked
from ansible_collections.oncall.incident.plugins.module_utils._core.limits import Budget, Limit
from hypothesis import given
from hypothesis import strategies as st

#: What may happen to a target while it is acted on.
DONE, LEFT, BROKE, LOST, CRASHED = HAPPENS = ("done", "left", "broke", "lost", "crashed")


class Shelf(Subject[str]):
    """Jars on a shelf, each opened or not."""

    verbs = ("open",)
    noun, done = "jars", "opened"

    def __init__(
        self, jars: dict[str, str], *, most: int = 10, size: int = 10**9, locked: bool = False, blind: bool = False, leave: bool = False,
        batch: bool = False, settled: dict[str, str] | None = None, dark: Collection[str] = (), late: int | None = None,
    ) -> None:
        self.jars, self.most, self.size, self.leave, self.batch = jars, most, size, leave, batch
        self.locked, self.blind, self.settled, self.dark = locked, blind, settled or {}, dark
        self.late = late
        self.opened: list[str] = []
        self.holding = False

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        if self.locked:
            raise Locked("Another run opens jars.")
        self.holding = True
        yield
        self.holding = False

    def look(self) -> Sight[str]:
        if self.blind:
            raise CannotReach("The shelf is too high.")
        found = []
        for jar in self.jars:
            action = action_of(jar)
            if jar in self.settled:
                action = action.with_outcome(self.settled[jar], why=why.PROTECTED)
            unseen = "It is too dark." if jar in self.dark else ""
            found.append(Candidate(target=jar, action=action, uses={"max_size": len(jar)}, unseen=unseen))
        limits = (Budget(max_count=self.most).limit(len(found), name="max_jars"), Limit("max_size", self.size, "max_size", unit="bytes"))
        return Sight(candidates=found, limits=limits)

    def too_late(self) -> str:
        return "The shop closes." if self.late is not None and len(self.opened) >= self.late else ""

    def carry_out(self, candidate: Candidate[str]) -> Action:
        assert self.holding
        self.opened.append(candidate.target)
        happens = self.jars[candidate.target]
        if happens == BROKE:
            raise IncidentError("It broke.", hint="Sweep.")
        if happens == LOST:
            raise CannotReach("The ladder fell.")
        if happens == CRASHED:
            raise ZeroDivisionError("crash")
        outcome = actions.DONE if happens == DONE else actions.FAILED
        return candidate.action.with_outcome(outcome, **({} if outcome == actions.DONE else {"why": why.NOT_MEASURED}))

    def carry_out_all(self, candidates: Sequence[Candidate[str]]) -> Iterator[Action]:
        if not self.batch:
            yield from super().carry_out_all(candidates)
            return
        for candidate in candidates:
            yield self.carry_out(candidate)

    def left_over(self, candidate: Candidate[str]) -> Spared | None:
        return Spared({"jar": candidate.target}, ("over_limit",), True, candidate.target) if self.leave else None


def action_of(jar: str) -> Action:
    return Action(verb="open", resource="shelf", identity={"jar": jar}, target={"jar": jar}, reason="It is full.", name=jar)


def approve(*jars: str) -> tuple[Approved, ...]:
    return tuple(Approved.read(action_of(jar).as_dict()) for jar in jars)


def outcomes(done: Any) -> dict[str, tuple[str, str]]:
    return {action.name: (action.outcome, action.detail.get("why", "")) for action in done.actions}


def test_a_plan_touches_nothing_and_acting_does_what_it_said() -> None:
    shelf = Shelf({"a": DONE, "b": DONE})
    first, again = (act(shelf, approved=None, check_mode=True) for _time in range(2))
    assert first.actions == again.actions and not shelf.opened and outcomes(first) == {"a": ("planned", ""), "b": ("planned", "")}
    done = act(shelf, approved=[Approved.read(one.as_dict()) for one in first.actions], check_mode=False)
    assert shelf.opened == ["a", "b"] and done.problem is None and outcomes(done) == {"a": ("done", ""), "b": ("done", "")}
    assert [candidate.target for candidate, _action in done.acted] == ["a", "b"]


def test_an_empty_approval_allows_nothing_and_takes_no_lock() -> None:
    shelf = Shelf({"a": DONE}, locked=True)
    done = act(shelf, approved=(), check_mode=False)
    assert outcomes(done) == {"a": ("refused", "not_approved")} and not shelf.opened and done.problem is None


def test_limits_count_what_is_approved_alone() -> None:
    shelf = Shelf({"a": DONE, "b": DONE, "c": DONE}, most=1)
    done = act(shelf, approved=approve("b"), check_mode=False)
    assert shelf.opened == ["b"] and done.problem is None
    assert outcomes(done) == {"a": ("refused", "not_approved"), "b": ("done", ""), "c": ("refused", "not_approved")}


@pytest.mark.parametrize(("bounds", "limit", "count"), [({"most": 1}, "max_jars", 2), ({"size": 3}, "max_size", 4)])
@pytest.mark.parametrize("check_mode", [True, False])
def test_over_a_limit_nothing_is_touched_and_each_is_refused(bounds: dict[str, int], limit: str, count: int, check_mode: bool) -> None:
    shelf = Shelf({"aa": DONE, "bb": DONE}, **bounds)  # type: ignore[arg-type]
    done = act(shelf, approved=approve("aa", "bb"), check_mode=check_mode)
    assert not shelf.opened and not done.acted
    assert outcomes(done) == {"aa": ("refused", "limit_exceeded"), "bb": ("refused", "limit_exceeded")}
    assert done.problem is not None and done.problem.facts == {"limit": limit, "count": count, "allowance": next(iter(bounds.values()))}
    assert "Nothing was touched" in done.problem.message and not done.as_result(limits={})["changed"]


def test_where_the_first_ones_may_go_alone_the_rest_is_spared_or_refused_by_name() -> None:
    shelf = Shelf({"a": DONE, "b": DONE, "c": DONE}, most=2, leave=True)
    done = act(shelf, approved=None, check_mode=False)
    assert shelf.opened == ["a", "b"] and [spared.name for spared in done.protected] == ["c"] and "c" not in outcomes(done)
    shelf = Shelf({"a": DONE, "b": DONE, "c": DONE}, most=2, leave=True)
    done = act(shelf, approved=approve("a", "b", "c"), check_mode=False)
    assert shelf.opened == ["a", "b"] and outcomes(done)["c"] == ("refused", "limit_exceeded") and not done.protected


class Small(Shelf):
    """A shelf whose jars of one letter may be left over."""

    def left_over(self, candidate: Candidate[str]) -> Spared | None:
        return Spared({"jar": candidate.target}, ("over_limit",), True, candidate.target) if len(candidate.target) == 1 else None


@pytest.mark.parametrize(("most", "opened", "left"), [
    (5, ["a", "bb", "c", "dd", "e"], []), (4, ["a", "bb", "c", "dd"], ["e"]), (2, ["bb", "dd"], ["a", "c", "e"]), (1, None, []),
])
def test_those_that_may_not_be_left_over_are_within_the_limits_first(most: int, opened: list[str] | None, left: list[str]) -> None:
    shelf = Small(dict.fromkeys(("a", "bb", "c", "dd", "e"), DONE), most=most)
    done = act(shelf, approved=None, check_mode=False)
    assert (shelf.opened, done.problem is not None) == (opened or [], opened is None)
    assert [spared.name for spared in done.protected] == left


def test_who_is_gone_meanwhile_gets_an_answer_with_all_that_was_known() -> None:
    shelf = Shelf({"a": DONE})
    other = Approved(id="drop|table|x=1", verb="drop", resource="table")
    done = act(shelf, approved=(*approve("a", "gone"), other, Approved(id="by its id alone")), check_mode=False)
    assert [(one.id, one.outcome, one.detail["why"]) for one in done.actions[1:]] == [
        (action_of("gone").id, "not_needed", "gone_already"), ("by its id alone", "moved_on", "no_longer_matches"),
    ]
    assert done.actions[1].name == "gone" and done.actions[1].target == {"jar": "gone"} and done.actions[1].was_touched is False


def test_a_failure_hides_nobody_and_what_cannot_be_reached_is_not_tried_again() -> None:
    shelf = Shelf({"a": BROKE, "b": LEFT, "c": LOST, "d": DONE})
    done = act(shelf, approved=None, check_mode=False)
    assert outcomes(done) == {
        "a": ("unknown", "no_answer"), "b": ("failed", "not_measured"), "c": ("unknown", "no_answer"), "d": ("failed", "not_tried"),
    }
    assert shelf.opened == ["a", "b", "c"] and done.actions[3].was_touched is False
    assert done.problem is not None and done.problem.kind == "actions_failed" and done.problem.hint == "Sweep."
    assert done.problem.message.startswith("4 of 4 actions did not work: open a: It broke; open b: It was done, and the measurement")


def test_a_batch_that_breaks_keeps_what_is_known_and_the_rest_is_unknown() -> None:
    shelf = Shelf({"a": DONE, "b": CRASHED, "c": DONE}, batch=True)
    done = act(shelf, approved=None, check_mode=False)
    assert outcomes(done) == {"a": ("done", ""), "b": ("unknown", "no_answer"), "c": ("unknown", "no_answer")}
    assert complaint(done.actions[1]) == "ZeroDivisionError: crash"


@pytest.mark.parametrize("shelf", [{}, {"a": DONE}])
def test_where_nobody_is_chosen_nobody_is_carried_out(shelf: dict[str, str]) -> None:
    class Never(Shelf):
        def carry_out_all(self, candidates: Sequence[Candidate[str]]) -> Iterator[Action]:
            pytest.fail("it begins, as with reading again what was acted on")

    assert act(Never(shelf, settled=dict.fromkeys(shelf, actions.NOT_NEEDED)), approved=None, check_mode=False).problem is None


def test_an_outcome_that_is_none_is_unknown() -> None:
    class Silent(Shelf):
        def carry_out_all(self, candidates: Sequence[Candidate[str]]) -> Iterator[Action]:
            yield candidates[0].action  # still planned
            yield action_of("somebody else").with_outcome(actions.DONE)

    assert outcomes(act(Silent({"a": DONE}), approved=None, check_mode=False)) == {"a": ("unknown", "no_answer")}


@pytest.mark.parametrize(("trouble", "expected"), [({"locked": True}, ("refused", "locked")), ({"blind": True}, ("failed", "not_tried"))])
def test_what_was_approved_is_answered_also_where_nothing_could_be_begun(trouble: dict[str, bool], expected: tuple[str, str]) -> None:
    with pytest.raises(IncidentError) as caught:
        act(Shelf({"a": DONE}, **trouble), approved=approve("a"), check_mode=False)  # type: ignore[arg-type]
    (said,) = caught.value.as_result()["actions"]
    assert said["id"] == action_of("a").id and (said["outcome"], said["detail"]["why"]) == expected and said["touched"] is False
    with pytest.raises(IncidentError) as caught:
        act(Shelf({"a": DONE}, **trouble), approved=None, check_mode=False)  # type: ignore[arg-type]
    assert "actions" not in caught.value.facts


def test_an_approval_is_read_from_ids_and_from_actions() -> None:
    assert read_approved(None) is None and read_approved([]) == ()
    assert read_approved(["x", action_of("a").as_dict()]) == (Approved(id="x"), *approve("a"))
    with pytest.raises(BadInput, match="id"):
        read_approved([{"verb": "open"}])


@pytest.mark.parametrize("check_mode", [True, False])
def test_what_could_not_be_looked_at_is_left_alone_and_unknown(check_mode: bool) -> None:
    shelf = Shelf({"a": DONE, "b": DONE}, dark="a")
    done = act(shelf, approved=approve("a", "b"), check_mode=check_mode)
    assert outcomes(done) == {"a": ("unknown", "cannot_look"), "b": ("planned" if check_mode else "done", "")}
    assert shelf.opened == ([] if check_mode else ["b"]) and done.actions[0].was_touched is False
    assert done.problem is not None and done.problem.kind == "blind" and "open a: It is too dark." in done.problem.message
    # Who is not to be acted on anyway need not be seen.
    assert act(Shelf({"a": DONE}, dark="a"), approved=approve("b"), check_mode=check_mode).problem is None
    over = act(Shelf({"a": DONE}, dark="a", most=0), approved=None, check_mode=check_mode)
    assert outcomes(over) == {"a": ("refused", "limit_exceeded")} and over.problem is not None and over.problem.kind == "limit_exceeded"
    both = act(Shelf({"a": DONE, "b": BROKE}, dark="a"), approved=None, check_mode=False)
    assert both.problem is not None and both.problem.kind == "actions_failed"


def test_every_reason_has_a_sentence() -> None:
    codes = {value for name, value in vars(why).items() if name.isupper() and isinstance(value, str)}
    assert codes == set(why.SENTENCES)


jars = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.sampled_from(HAPPENS), max_size=6)


@given(
    there=jars, named=st.none() | st.lists(st.text("abc", min_size=1, max_size=3), max_size=5), most=st.integers(0, 5),
    size=st.integers(0, 12), check_mode=st.booleans(), leave=st.booleans(), batch=st.booleans(), dark=st.sets(st.sampled_from("abc")),
    locked=st.booleans(), blind=st.booleans(), late=st.none() | st.integers(0, 3), data=st.data(),
)
def test_whatever_happens_each_approved_id_is_answered_and_the_limits_hold(
    there: dict[str, str], named: list[str] | None, most: int, size: int, check_mode: bool, leave: bool, batch: bool, dark: set[str],
    locked: bool, blind: bool, late: int | None, data: st.DataObject,
) -> None:
    settled = data.draw(st.dictionaries(st.sampled_from(sorted(there)), st.sampled_from((actions.NOT_NEEDED, actions.REFUSED)))
                        if there else st.just({}))
    shelf = Shelf(there, most=most, size=size, leave=leave, batch=batch, settled=settled, dark=dark, locked=locked, blind=blind, late=late)
    approved = None if named is None else approve(*named)
    waits = locked and not check_mode and named != []
    if waits or blind:
        with pytest.raises(IncidentError) as caught:
            act(shelf, approved=approved, check_mode=check_mode)
        # Nothing is touched, and everybody who was approved is told why.
        said = {one["id"]: (one["outcome"], one["detail"]["why"], one["touched"]) for one in caught.value.facts.get("actions", ())}
        answer = ("refused", why.LOCKED, False) if waits else ("failed", why.NOT_TRIED, False)
        assert said == {one.id: answer for one in approved or ()} and not shelf.opened
        return
    done = act(shelf, approved=approved, check_mode=check_mode)
    if late is not None and not batch:
        assert len(shelf.opened) <= late
    ids = [action.id for action in done.actions]
    assert len(ids) == len(set(ids)) and all(action.outcome in actions.OUTCOMES for action in done.actions)
    # Everybody who was approved has an answer, and nobody else was touched.
    assert {one.id for one in approved or ()} <= set(ids)
    assert set(shelf.opened) <= set(there) - set(settled) - dark and (named is None or set(shelf.opened) <= set(named))
    assert len(shelf.opened) <= most and sum(map(len, shelf.opened)) <= size
    assert done.problem is not None or not any(action.detail.get("why") == why.CANNOT_LOOK for action in done.actions)
    # Each candidate is an action, or is spared by the limit.
    assert set(there) <= {action.name for action in done.actions} | {spared.name for spared in done.protected}
    if check_mode:
        assert not shelf.opened and not any(action.was_touched for action in done.actions)
    else:
        assert all(action.outcome != actions.PLANNED for action in done.actions)
        # Done is only what happened so, and whatever else was begun fails the task.
        good = {action.name for action in done.actions if action.outcome == actions.DONE}
        assert good == {jar for jar in shelf.opened if there[jar] == DONE}
        assert (done.problem is None) <= all(there[jar] == DONE for jar in shelf.opened)
        assert {action.name for action in done.actions if action.was_touched is False}.isdisjoint(shelf.opened)


def test_what_was_not_begun_was_not_touched_and_says_what_to_do() -> None:
    said = untouched(action_of("a"), why.CANNOT_LOOK, error="It is dark.", hint="Switch the light on.")
    assert (said.outcome, said.was_touched, complaint(said)) == ("failed", False, "It is dark")
    assert said.detail == {"why": "cannot_look", "error": "It is dark.", "hint": "Switch the light on."}
    assert untouched(action_of("a"), why.NOT_TRIED).detail == {"why": "not_tried"}


def test_an_answer_says_what_it_is_told() -> None:
    (one,) = approve("a")
    said = answered(one, actions.MOVED_ON, why.NO_LONGER_MATCHES, now={"jar": "b"})
    assert said.id == one.id and said.outcome == "moved_on" and said.detail == {"why": "no_longer_matches", "now": {"jar": "b"}}
