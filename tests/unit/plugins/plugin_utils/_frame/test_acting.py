# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The subject of `act`: what becomes of an action is decided before acting and measured after it."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core import acting as engine
from ansible_collections.oncall.incident.plugins.module_utils._core import temporary
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action, Approved
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput, Locked
from ansible_collections.oncall.incident.plugins.module_utils._core.waiting import Pace, Watched
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import acting, arming
from hypothesis import given
from hypothesis import strategies as st

ACTION = Action(verb="restart", resource="host:a", identity={"service": "s"}, target={"service": "s"}, reason="r", name="service s")
SOON = Pace(hold=0, timeout=0, interval=0, hold_on_top=True)


class Service:
    """A service that is up or not: what an action plugin would do to it, and a book of what was done.

    Args:
        looks: what each look finds, one after the other, the last for ever: whether it is up; None could not look, and what is no
            boolean cannot be judged.
    """

    def __init__(self, looks: Sequence[Any] = (False, True), *, locked: str = "", answers: bool = True, **more: Any) -> None:
        self.looks, self.locked, self.answers, self.more = list(looks), locked, answers, more
        self.book: list[str] = []
        self.taken_over = more.get("taken_over", "")

    def check(self) -> None:
        if self.more.get("no_module"):
            raise BadInput("Module x was not found.")

    @contextlib.contextmanager
    def lease(self) -> Iterator[Service]:
        if self.locked == "cannot":
            raise acting.CannotLease("ssh: no route")
        if self.locked == "other":
            raise Locked("Run 1 of eve is acting on host:a.", held_by={"run": "1"})
        self.book.append("take")
        try:
            yield self
        finally:
            self.book.append("give back")

    def keep(self) -> None:
        if self.locked == "lost":
            raise Locked("Run 2 of eve is acting on host:a.")

    def measure(self) -> dict[str, Any]:
        self.book.append("look")
        state = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return {"failed": True, "msg": "no daemon"} if state is None else {"up": state}

    def looked(self, measured: Mapping[str, Any]) -> bool:
        return acting.could_look(measured)

    def needed(self, before: Mapping[str, Any]) -> bool:
        return not before["up"]

    def holds(self, measured: Mapping[str, Any], *, before: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
        if not isinstance(measured["up"], bool):
            raise KeyError("n")
        return measured["up"]

    def identity(self, measured: Mapping[str, Any]) -> Any:
        return self.more.get("identity")

    def fits(self, before: Mapping[str, Any]) -> bool:
        return bool(self.more.get("fits", True))

    def still(self, before: Mapping[str, Any]) -> bool:
        return bool(self.more.get("still", True))

    def machine(self) -> str | None:
        return self.more.get("machine", "m1")

    def armable(self, action: Action) -> None:
        if self.more.get("no_systemd"):
            raise arming.refusal(arming.NO_SYSTEMD, "offline")

    def arm(self, action: Action) -> tuple[str, float]:
        self.book.append("arm")
        if self.more.get("arming"):
            raise self.more["arming"]
        return arming.unit_name(action.id), 1_790_000_000.0

    def armed(self, unit: str) -> bool | None:
        return self.more.get("armed", True)

    def unit_there(self, unit: str) -> bool | None:
        return self.more.get("unit_there", False)

    def disarm(self, unit: str) -> str:
        self.book.append(f"disarm {unit}")
        return self.more.get("left", "")

    def change(self) -> tuple[dict[str, Any], bool]:
        self.book.append("change")
        return ({"rc": 0}, True) if self.answers else ({"failed": True, "msg": "No answer within 1 s."}, False)


def run(
    service: Service, *, check_mode: bool = False, approved: Sequence[str] | None = None, action: Action = ACTION, **given: Any,
) -> engine.Done[Any]:
    """Run the action in the engine."""
    known = {"forbidden": [], "limit": 1, "spent": 0, "needed": True, "pace": SOON, **given}
    asked = acting.Asked(approved=approved is None or action.id in approved, **known)
    ids = None if approved is None else [Approved(id=one) for one in approved]
    return engine.act(acting.Act(action, asked=asked, doing=service), approved=ids, check_mode=check_mode)


def said(done: engine.Done[Any]) -> tuple[str, str]:
    """Outcome and reason of the one action."""
    (action,) = done.actions
    return action.outcome, action.detail.get("why", "")


@pytest.mark.parametrize(("given", "expected"), [
    ({}, ("done", "")), ({"check_mode": True}, ("planned", "")), ({"needed": None}, ("done", "")),
    ({"needed": False}, ("not_needed", "already_so")), ({"needed": False, "check_mode": True}, ("not_needed", "already_so")),
    ({"needed": False, "forbidden": ["no"], "approved": []}, ("not_needed", "already_so")),
    ({"approved": []}, ("refused", "not_approved")), ({"approved": ["another"]}, ("refused", "not_approved")),
    ({"approved": [ACTION.id]}, ("done", "")), ({"approved": [], "check_mode": True}, ("refused", "not_approved")),
    ({"forbidden": ["a backup runs"], "approved": [ACTION.id]}, ("refused", "forbidden")), ({"limit": 3, "spent": 2}, ("done", "")),
])
def test_decisions(given: dict[str, Any], expected: tuple[str, str]) -> None:
    service = Service()
    done = run(service, **given)
    assert said(done) == expected and done.problem is None
    acted = expected == ("done", "")
    # Locked before the look that decides, and only where anything may be done.
    assert service.book == (["take", "look", "change", "look", "give back"] if acted else service.book)
    assert acted or not {"take", "change"} & set(service.book)


def test_a_sentence_of_the_caller_is_kept_beside_the_code() -> None:
    assert run(Service(), forbidden=["a backup runs", "it is night"]).actions[0].detail["error"] == "a backup runs; it is night"


def test_what_must_not_be_done_is_looked_at_only_where_a_look_must_say_whether_it_is_needed() -> None:
    service = Service([True])
    assert said(run(service, forbidden=["no"])) == ("refused", "forbidden") and not service.book
    assert said(run(service, forbidden=["no"], needed=None)) == ("not_needed", "already_so") and service.book == ["look"]


@pytest.mark.parametrize("given", [{"spent": 1}, {"limit": 0}, {"spent": 5, "check_mode": True}])
def test_over_the_limit_nothing_is_done(given: dict[str, Any]) -> None:
    service = Service()
    done = run(service, **given)
    assert said(done) == ("refused", "limit_exceeded") and service.book == ["look"]
    assert done.problem is not None and done.problem.kind == "limit_exceeded" and "limit" in done.problem.message
    assert said(run(Service(), approved=["another"], **given)) == ("refused", "not_approved"), "only what is approved counts"


@pytest.mark.parametrize("check_mode", [False, True])
def test_who_cannot_look_before_does_not_act(check_mode: bool) -> None:
    service = Service([None])
    done = run(service, check_mode=check_mode)
    assert said(done) == ("unknown", "cannot_look") and "change" not in service.book and done.actions[0].was_touched is False
    assert done.problem is not None and done.problem.kind == "blind" and "no daemon" in done.problem.message
    for more in ({"approved": ["another"]}, {"needed": False}, {"forbidden": ["no"]}):
        assert run(Service([None]), check_mode=check_mode, **more).problem is None, "what is not done anyway needs no look"


def test_a_module_that_is_not_there_is_found_before_anything_is_done() -> None:
    service = Service(no_module=True)
    with pytest.raises(BadInput, match="was not found"):
        run(service)
    assert service.book == ["take", "look", "give back"]


def test_a_second_run_is_refused_and_its_action_answered() -> None:
    service = Service(locked="other")
    with pytest.raises(Locked) as caught:
        run(service)
    result = caught.value.as_result()
    (refused,) = result["actions"]
    assert (refused["id"], refused["outcome"], refused["detail"]["why"]) == (ACTION.id, "refused", "locked") and not service.book
    assert "Run 1 of eve" in refused["detail"]["error"] and result["held_by"] == {"run": "1"} and result["error"] == "locked"
    assert said(run(Service(locked="other"), check_mode=True)) == ("planned", "")


def test_a_lease_that_is_lost_before_acting_stops_it() -> None:
    service = Service(locked="lost")
    done = run(service)
    assert said(done) == ("failed", "locked") and done.actions[0].was_touched is False and "change" not in service.book
    assert done.problem is not None


def test_a_host_that_cannot_be_asked_for_the_lease_was_not_looked_at() -> None:
    service = Service(locked="cannot")
    done = run(service)
    assert said(done) == ("unknown", "cannot_look") and not service.book
    assert done.problem is not None and "ssh: no route" in done.problem.message


def test_whose_lease_was_taken_over_is_said() -> None:
    done = run(Service(taken_over="taken over from run 1 of eve"))
    assert said(done) == ("done", "") and done.actions[0].detail["lease"] == "taken over from run 1 of eve"


def test_an_action_answers_for_itself_alone() -> None:
    done = run(Service(), approved=[ACTION.id, "restart|host:a|service=other"])
    assert [action.id for action in done.actions] == [ACTION.id]


@pytest.mark.parametrize(("looks", "answers", "expected", "error"), [
    ([False, True], True, ("done", ""), ""), ([False, True], False, ("done", ""), ""),
    ([False, False], True, ("failed", "not_measured"), "the condition does not hold"),
    ([False, "?"], True, ("failed", "not_measured"), "the condition does not hold: 'n'"),
    ([False, False], False, ("unknown", "no_answer"), "the module gave no answer (No answer within 1 s)"),
    ([False, None], True, ("unknown", "no_answer"), "what came of it could not be looked at: no daemon"),
])
def test_the_outcome_is_measured(looks: list[Any], answers: bool, expected: tuple[str, str], error: str) -> None:
    done = run(Service(looks, answers=answers))
    assert said(done) == expected and error in done.actions[0].detail.get("error", "")
    assert (done.problem is None) == (expected[0] == "done") and done.actions[0].detail["measurements"] == 1


def watched(*, held: bool, looked: bool = True, breaks: int = 0) -> Watched[acting.Glance]:
    last = acting.Glance({"up": held} if looked else {"failed": True, "msg": "no daemon"}, looked=looked, good=held)
    return Watched(held=held, waited=5, polls=3, history=[], last=last, held_for=3 if held else 0, breaks=breaks)


def test_what_did_not_stay_so_is_told_apart() -> None:
    broke = acting.judge(ACTION, watched(held=False, breaks=2), silence="", hold=3)
    assert (broke.outcome, broke.detail["why"], broke.detail["breaks"]) == ("failed", "did_not_hold", 2)
    assert "did not hold for 3 s" in broke.detail["error"]
    held = acting.judge(ACTION, watched(held=True, breaks=1), silence="", hold=3)
    assert (held.outcome, held.detail["held_for"]) == ("done", 3) and "why" not in held.detail
    blind = acting.judge(ACTION, watched(held=False, looked=False, breaks=1), silence="", hold=3)
    assert (blind.outcome, blind.detail["why"]) == ("unknown", "no_answer"), "the last look says what is so now, and it failed"


TIMED = temporary.with_temporary(ACTION, temporary.Temporary(
    way_back="It is stopped again", ends=temporary.UNIT, lasts=3600, undo={"verb": "stop"}, command=("stop",)))
UNIT = arming.unit_name(TIMED.id)
LOST = arming.NotArmed("The host could not be asked.", begun=True)


def ends(done: engine.Done[Any]) -> temporary.Temporary:
    found = temporary.of(done.actions[0])
    assert found is not None
    return found


def test_a_change_for_a_while_says_on_which_machine_it_is_and_is_armed_before_it_is_made() -> None:
    service = Service()
    done = run(service, action=TIMED, expires=3600.0)
    assert said(done) == ("done", "") and service.book.index("arm") < service.book.index("change")
    assert (ends(done).armed_as, ends(done).undo["machine"], ends(done).command) == (UNIT, "m1", ("stop",))


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_way_back_that_goes_elsewhere_is_not_taken(check_mode: bool) -> None:
    service = Service(fits=False)
    done = run(service, action=TIMED, expires=3600.0, check_mode=check_mode)
    assert said(done) == ("refused", "no_longer_matches") and not {"arm", "change"} & set(service.book)


@pytest.mark.parametrize("check_mode", [False, True])
def test_what_is_not_what_was_judged_is_left_alone(check_mode: bool) -> None:
    service = Service(still=False)
    done = run(service, check_mode=check_mode)
    assert said(done) == ("refused", "no_longer_matches") and "change" not in service.book
    assert said(run(Service([None], still=False), check_mode=check_mode)) == ("unknown", "cannot_look"), "nobody knows what is there"


def test_a_connection_that_breaks_while_arming_does_not_leave_a_unit_that_nobody_knows() -> None:
    service = Service(arming=LOST)
    done = run(service, action=TIMED, expires=3600.0)
    assert said(done) == ("failed", "not_armed") and service.book.count(f"disarm {UNIT}") == 1 and "change" not in service.book
    assert done.actions[0].was_touched is False and not temporary.is_change(done.actions[0])
    service = Service(arming=LOST, left="the host cannot be asked")
    done = run(service, action=TIMED, expires=3600.0)
    assert said(done) == ("unknown", "not_armed") and ends(done).armed_as == UNIT and "change" not in service.book
    assert temporary.is_change(done.actions[0]) and UNIT in done.actions[0].detail["error"]
    refused = run(Service(arming=arming.refusal(arming.NOT_ROOT, ""), left="x"), action=TIMED, expires=3600.0)
    assert said(refused) == ("failed", "not_armed") and not temporary.is_change(refused.actions[0])


@pytest.mark.parametrize(("armed", "expected", "ended_by"), [
    (False, ("failed", "not_armed"), "nobody"), (None, ("unknown", "not_armed"), "unit"),
])
def test_a_unit_that_is_not_active_after_the_change_is_told(armed: bool | None, expected: tuple[str, str], ended_by: str) -> None:
    done = run(Service(armed=armed), action=TIMED, expires=3600.0)
    assert said(done) == expected and UNIT in done.actions[0].detail["error"]
    assert ends(done).ends == ended_by and temporary.is_change(done.actions[0])
    assert said(run(Service([False, False], armed=armed), action=TIMED, expires=3600.0))[0] == "failed", "what changed nothing needs none"


def made(**undo: Any) -> Action:
    """A change that this action takes back."""
    change = Action(verb="start", resource="host:a", identity={"x": 1}, target={}, reason="", outcome="done")
    return temporary.with_temporary(change, temporary.Temporary(way_back="", ends=temporary.UNIT, armed_as=UNIT, undo=undo))


@pytest.mark.parametrize(("undo", "now", "expected"), [
    ({"machine": "m1"}, "m1", ("done", "")), ({"machine": "m1"}, "m2", ("unknown", "cannot_look")),
    ({"machine": "m1"}, None, ("unknown", "cannot_look")), ({}, "m1", ("unknown", "cannot_look")), ({"machine": ""}, "", ("done", "")),
])
def test_another_machine_in_the_hosts_place_is_left_alone(undo: dict[str, Any], now: str | None, expected: tuple[str, str]) -> None:
    for needed in (True, None):
        service = Service(machine=now)
        done = run(service, change=made(**undo), needed=needed)
        assert said(done) == expected and ("change" in service.book) == (expected[0] == "done")
        assert temporary.looked(done.actions[0]) == ("gone" if expected[0] == "done" else "unknown")


def test_the_unit_of_a_change_that_is_not_in_force_is_removed_and_only_that() -> None:
    planned = run(Service([True], unit_there=True), change=made(machine="m1"), needed=None, check_mode=True)
    assert said(planned) == ("planned", "") and temporary.looked(planned.actions[0]) == "in_force"
    ids = [planned.actions[0].id]
    assert ids != [ACTION.id], "who approved putting a value back has not approved this, and the other way round"
    service = Service([True], unit_there=True)
    done = run(service, change=made(machine="m1"), needed=None, approved=ids)
    assert said(done) == ("done", "") and service.book[-1] == f"disarm {UNIT}" and "change" not in service.book
    refused = run(Service([False, True]), change=made(machine="m1"), needed=None, approved=ids)
    assert [one.outcome for one in refused.actions] == ["refused", "moved_on"]
    left = run(Service([True], unit_there=True, left="it is still there"), change=made(machine="m1"), needed=None)
    assert said(left) == ("failed", "not_measured")
    blind = run(Service([True], unit_there=None), change=made(machine="m1"), needed=None)
    assert temporary.looked(blind.actions[0]) == "unknown"


def test_the_unit_of_a_change_whose_answer_was_lost_has_the_name_that_it_was_to_have() -> None:
    lost = made(machine="m1")
    lost = temporary.with_temporary(lost, temporary.Temporary(way_back="", ends=temporary.UNIT, undo={"machine": "m1"}))
    assert acting.unit_of(lost) == arming.unit_name(lost.id) != "" and acting.unit_of(ACTION) == "" == acting.unit_of(None)


looks = st.lists(st.none() | st.booleans() | st.just("?"), min_size=1, max_size=6)


@given(
    seen=looks, answers=st.booleans(), locked=st.sampled_from(("", "other", "lost", "cannot")), check_mode=st.booleans(),
    approved=st.none() | st.lists(st.sampled_from((ACTION.id, "another")), unique=True), forbidden=st.lists(st.just("no"), max_size=1),
    needed=st.sampled_from((True, False, None)), spent=st.integers(0, 1),
)
def test_whatever_happens_it_is_answered_and_done_only_as_measured(
    seen: list[Any], answers: bool, locked: str, check_mode: bool, approved: list[str] | None, forbidden: list[str], needed: bool | None,
    spent: int,
) -> None:
    service = Service(seen, answers=answers, locked=locked)
    try:
        done = run(service, check_mode=check_mode, approved=approved, forbidden=forbidden, needed=needed, spent=spent)
    except Locked as exc:
        assert "change" not in service.book and exc.as_result()["actions"][0]["outcome"] == "refused"
        return
    outcome, _why = said(done)
    if "change" in service.book:
        assert not (check_mode or forbidden or needed is False or spent or locked) and (approved is None or ACTION.id in approved)
        assert service.book.index("take") < service.book.index("look") < service.book.index("change")
    assert (outcome == "done") <= (service.book[-2:] == ["look", "give back"] and "change" in service.book)
    assert (done.problem is not None) == (outcome in ("failed", "unknown") or _why == "limit_exceeded")
    assert service.book.count("take") == service.book.count("give back")


@pytest.mark.parametrize(("measured", "looked"), [
    ({"rc": 0, "stdout": ""}, True), ({"stat": {"exists": False}}, True), ({"rc": 1}, False), ({"failed": True, "msg": "x"}, False),
    ({"unreachable": True}, False),
])
def test_who_could_look(measured: dict[str, Any], looked: bool) -> None:
    assert acting.could_look(measured) is looked


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
