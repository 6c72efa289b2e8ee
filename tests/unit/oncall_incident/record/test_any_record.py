# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a record holds: it is never called well without an ok to each asked check, and no approved action stays without an answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action, result
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import NOT_APPLICABLE, OK, STATUSES, Finding, Skipped
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import judge_look
from ansible_collections.oncall.incident.plugins.module_utils._core.plan import make_plan
from ansible_collections.oncall.incident.plugins.plugin_utils._record.lift import lift, which_item
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Fold, Summary
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from oncall_incident.evidence.membership import _milestones
from oncall_incident.exits import Exit
from oncall_incident.record import outcome

#: Without the explaining of a failure, which runs it many times more.
PHASES = tuple(phase for phase in Phase if phase != Phase.explain)
HOSTS, CHECKS = ("db1", "db2"), ("memory", "writes", "disk")
#: More is likely to be well than not, or nothing would ever be green.
STATUS = st.sampled_from((OK, OK, OK, OK, OK, OK, *STATUSES))
DONE = ("done", "gone", "not_needed", "moved_on", "failed", "refused", "unknown")

Json = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Look:
    """What one call of a health module finds.

    Attributes:
        statuses: by check; a check that is left out is not answered, one that is None could not be looked at, "" does not apply.
    """

    asked: tuple[str, ...]
    statuses: Mapping[str, str | None]

    @property
    def well(self) -> bool:
        """Whether something was asked and each of it is ok; told by other means than the engine's."""
        relevant = [check for check in self.asked if self.statuses.get(check, None) != ""]
        return bool(relevant) and all(self.statuses.get(check) == OK for check in relevant)

    @property
    def bad(self) -> bool:
        """Whether something that was asked is not ok, or a thing that nobody asked is critical."""
        return bool(self.asked) and not self.well

    def as_result(self, target: str) -> dict[str, Any]:
        """The module's result; target is what its arguments name, empty where they do not."""
        findings = [Finding(check, status) for check, status in self.statuses.items() if status]
        skipped = [
            Skipped(check, "why", kind=NOT_APPLICABLE) if status == "" else Skipped(check, "why")
            for check, status in self.statuses.items() if not status
        ]
        invocation = {"module_args": {"login_host": target}}
        return {**judge_look(findings, skipped, asked=self.asked).as_dict(), "invocation": invocation}


LOOK = st.builds(
    Look, asked=st.lists(st.sampled_from(CHECKS), unique=True, max_size=3).map(tuple),
    statuses=st.dictionaries(st.sampled_from(CHECKS), st.one_of(STATUS, STATUS, STATUS, st.sampled_from((None, ""))), min_size=1),
)
GOOD = st.just(Look(asked=CHECKS[:2], statuses=dict.fromkeys(CHECKS, OK)))
TASK, ITEM, HANDLER = HOWS = ("task", "item", "handler")


@dataclasses.dataclass(frozen=True)
class Aim:
    """A target, and the looks at it: further ones are retries of the same task.

    Attributes:
        how: by a task of its own, as an item of a loop, or by the one handler that several notify.
        name: as the arguments have it; empty where they do not name it.
    """

    looks: Sequence[Look]
    how: str
    name: str

    @property
    def last(self) -> Look:
        return self.looks[-1]


@st.composite
def aims(draw: st.DrawFn) -> Aim:
    """Any target. One without a name that a handler looks at is the host itself, so it has one."""
    how = draw(st.sampled_from((TASK, TASK, ITEM, HANDLER)))
    names = ("a", "b") if how == HANDLER else ("a", "b", "")
    return Aim(draw(st.lists(st.one_of(GOOD, GOOD, LOOK), min_size=1, max_size=2)), how, draw(st.sampled_from(names)))


TARGETS = st.lists(aims(), max_size=3)


@dataclasses.dataclass(frozen=True)
class Fate:
    """What happens to a host while the plan is carried out.

    Attributes:
        answers: outcomes of its approved actions; those beyond them are not answered.
        how: ok, unreachable, crashed, or locked: how the task that acts ends.
        acts: whether it is begun at all.
        cut: before which look of verify the host goes away; None where it stays.
    """

    answers: Sequence[str]
    how: str
    acts: bool
    verify: Sequence[Aim]
    cut: int | None = None

    @property
    def seen(self) -> Sequence[Aim]:
        """What verify came to look at."""
        return self.verify[: self.cut] if self.how in ("ok", "locked") else ()

    @property
    def lost(self) -> bool:
        """Whether the host went away."""
        return self.how == "unreachable" or (self.how in ("ok", "locked") and self.cut is not None)


@dataclasses.dataclass(frozen=True)
class Host:
    """A host, and how often something is planned for it."""

    place: bool
    investigate: Sequence[Aim]
    planned: int
    fate: Fate


def _well(aim: Aim, *, name: str, how: str) -> Aim:
    return Aim([Look(aim.last.asked, dict.fromkeys(aim.last.asked or CHECKS[:1], OK))], how, name)


@st.composite
def hosts(draw: st.DrawFn) -> Host:
    """Any host; of most of them verify looks at the targets of investigate, and finds them well.

    Some of these it reaches by another way, where all have other names; or it looks at one twice and leaves out another.
    """
    investigate, fate = draw(TARGETS), draw(FATE)
    planned = draw(st.integers(0, 2))
    if draw(st.sampled_from((True, True, True, False))):
        way = draw(st.sampled_from(("", "", "", "another ")))
        same = [_well(aim, name=f"{way}{aim.name}" if aim.name else "", how=aim.how) for aim in investigate]
        if same and draw(st.sampled_from((True, False, False, False))):
            again = [dataclasses.replace(same[0], how=TASK)]  # a rescue
            same = [*same, *again] if draw(st.booleans()) else [*same[:-1], *again]
        fate = dataclasses.replace(fate, verify=same)
    if draw(st.sampled_from((True, True, True, False))):
        fate = dataclasses.replace(fate, acts=True, how="ok", answers=["done"] * planned)
    if draw(st.sampled_from((True, True, True, False))):
        fate = dataclasses.replace(fate, cut=draw(st.sampled_from((None, None, None, len(fate.verify)))))
    return Host(place=draw(st.booleans()), investigate=investigate, planned=planned, fate=fate)


FATE = st.builds(
    Fate, answers=st.lists(st.sampled_from(("done", "done", *DONE)), max_size=3),
    how=st.sampled_from(("ok", "ok", "ok", "unreachable", "crashed", "locked")), acts=st.sampled_from((True, True, False)), verify=TARGETS,
    cut=st.one_of(st.none(), st.integers(0, 2)),
)
WORLD = st.fixed_dictionaries({host: hosts() for host in HOSTS})


class Told:
    """Events as the recorder writes them."""

    def __init__(self) -> None:
        self.fold = Fold()
        self.events: list[dict[str, Any]] = []
        self._segment = 0
        self._tasks = 0

    def tell(self, event_type: str, /, **payload: Any) -> None:
        seq = len(self.events) + 1
        event = {"seq": seq, "ts": f"2026-11-30T10:{seq // 60:02d}:{seq % 60:02d}.000Z", "run": "r", "segment": self._segment,
                 "type": event_type, **payload}
        self.events.append(event)
        self.fold.add(event)

    def segment(self, kind: str = "execution", **opening: Any) -> None:
        self._segment += 1
        self.tell("segment.open", kind=kind, **opening)

    def task(self) -> str:
        self._tasks += 1
        return f"task{self._tasks}"

    def lifted(self, host: str, phase: str, source: Json, found: Json) -> None:
        common = {"host": host, "phase": phase, "task": "Judge", "task_id": source["task_id"], **which_item(source), "check_mode": False}
        for kind, payload in lift(found)[0]:
            self.tell(kind, **common, **payload)

    def looks(self, host: str, phase: str, targets: Iterable[Aim]) -> None:
        loop, handler, place = self.task(), self.task(), 0
        for aim in targets:
            source: dict[str, Any] = {"task_id": handler if aim.how == HANDLER else self.task()}
            if aim.how == ITEM:
                source, place = {"task_id": loop, "item_index": place, "item": 7100 + place}, place + 1
            for look in aim.looks:
                self.lifted(host, phase, source, look.as_result(aim.name))


def actions_of(host: str, count: int) -> list[Action]:
    return [Action("restart", host, {"number": number}, {}, "because", f"number {number}") for number in range(count)]


def look_and_plan(told: Told, world: Mapping[str, Host]) -> Summary:
    told.segment(check_mode=True)
    for name, host in world.items():
        if host.place:
            told.tell("place", host=name, phase="investigate", place=name)
        told.looks(name, "investigate", host.investigate)
        planned = actions_of(name, host.planned)
        if planned:
            told.lifted(name, "mitigate", {"task_id": told.task()}, result(planned, check_mode=True))
    plan = make_plan(run="r", now=0.0, actions={name: actions_of(name, host.planned) for name, host in world.items() if host.planned})
    told.tell("plan", plan=plan.as_dict())
    told.tell("stats", hosts={name: {"ok": 1, "failures": 0} for name in world})
    return told.fold.summary()


def act_and_verify(told: Told, world: Mapping[str, Host], *, died: bool) -> Summary:
    told.segment("wrapper")
    told.tell("plan.approved", by="me", how="typed")
    told.segment(check_mode=False)
    for name, host in world.items():
        fate, task = host.fate, told.task()
        who: dict[str, Any] = {"host": name, "phase": "mitigate", "task": "Act", "task_id": task, "action": "x"}
        if fate.acts:
            told.tell("intent", **who, args={"approved": []}, check_mode=False)
            done = [one.with_outcome(how) for one, how in zip(actions_of(name, host.planned), fate.answers, strict=False)]
            if fate.how == "ok":
                told.tell("result", **who, status="ok", result={})
                told.lifted(name, "mitigate", {"task_id": task}, result(done, check_mode=False))
            if fate.how == "locked":
                # Another run has the lease: the first of the two is asked for and refused, the other never comes to it.
                refused = [one.with_outcome("refused", why="locked") for one in actions_of(name, host.planned)[:1]]
                said = result(refused, check_mode=False)
                told.tell("result", **who, status="failed", result={**said, "error": "locked", "msg": "locked"})
                told.lifted(name, "mitigate", {"task_id": task}, said)
        if fate.how in ("unreachable", "crashed"):
            told.tell("result", **who, status="unreachable" if fate.how == "unreachable" else "failed", result={"msg": "gone"})
            continue
        told.looks(name, "verify", fate.seen)
        if fate.cut is not None:
            told.tell("result", host=name, phase="verify", task="Judge", task_id=told.task(), action="y", status="unreachable",
                      result={"msg": "gone"})
    if not died:
        told.tell("stats", hosts={
            name: {"ok": 1, "failures": int(host.fate.how in ("crashed", "locked")), "unreachable": int(host.fate.lost)}
            for name, host in world.items()
        })
    return told.fold.summary()


def last(targets: Iterable[Aim]) -> list[Look]:
    """The last word on each target of each task: only a handler looks again at one that it has looked at."""
    found: dict[Any, Look] = {}
    for number, aim in enumerate(targets):
        found[(HANDLER, aim.name) if aim.how == HANDLER else number] = aim.last
    return list(found.values())


def assert_nobody_left_out(early: Sequence[Aim], later: Sequence[Aim]) -> None:
    """Told by other means than the fold's: by names, not by looks."""
    for check in {check for aim in later for check in aim.last.asked}:
        before, after = ([aim for aim in aims if check in aim.last.asked] for aims in (early, later))
        known = {aim.name for aim in before if aim.name and aim.how != ITEM}
        verified = {aim.name for aim in after if aim.name and aim.how != ITEM}
        if all(aim.name and aim.how != ITEM for aim in (*before, *after)):
            assert len(verified) >= len(known), f"{check}: {known}, and verified {verified}"


def assert_measured_well(looks: Sequence[Look]) -> None:
    assert any(look.asked for look in looks), "something was asked"
    assert not any(look.bad for look in looks), "each asked check is ok, of each target"


@settings(max_examples=200, deadline=None, phases=PHASES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(world=WORLD)
def test_nothing_to_do_needs_an_ok_to_each_asked_check(world: dict[str, Host]) -> None:
    quiet = {name: dataclasses.replace(host, planned=0) for name, host in world.items()}
    end = outcome.after_planning(look_and_plan(Told(), quiet))
    event(end.name)
    if end.status != Exit.NOTHING_TO_DO:
        assert end.status == Exit.NOT_RECOVERED and end.reasons
        return
    seen = {name: last(host.investigate) for name, host in quiet.items() if host.place or host.investigate}
    assert seen and f"{len(seen)} host" in end.sentence
    for looks in seen.values():
        assert_measured_well(looks)


@settings(max_examples=300, deadline=None, phases=PHASES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(world=WORLD, died=st.sampled_from((False, False, False, True)))
def test_recovered_needs_an_ok_to_each_asked_check_and_each_approved_action_an_answer(world: dict[str, Host], died: bool) -> None:
    told = Told()
    look_and_plan(told, world)
    summary = act_and_verify(told, world, died=died)
    end = outcome.after_acting(summary)
    event(end.name)
    approved = {(name, one.id) for name, host in world.items() for one in actions_of(name, host.planned)}
    answered = {(event["host"], event["action"]["id"]) for event in told.events
                if event["type"] == "action" and event["action"]["outcome"] != "planned"}
    stones = _milestones(end, summary)
    assert ("verified" in stones, "mitigated" in stones) == (end.status == Exit.RECOVERED,) * 2
    if "mitigation_start" in stones:
        assert any(event["action"]["touched"] is not False for event in told.events if event["type"] == "action")
    if end.status == Exit.RECOVERED:
        assert not died and approved <= answered
        verified = {name: last(host.fate.seen) for name, host in world.items() if host.fate.seen}
        assert verified and {name for name, host in world.items() if host.place} <= set(verified)
        for name, looks in verified.items():
            assert_measured_well(looks)
            assert not world[name].fate.lost, "who went away meanwhile was not asked everything"
            assert_nobody_left_out(world[name].investigate, world[name].fate.seen)
    health = outcome.by_health(end.name, summary, not_measured=end.not_measured)
    assert not set(health["well"]) & set(health["unwell"])
    for name in health["well"] if end.status != Exit.RECOVERED else ():
        assert_measured_well(last(world[name].fate.seen))
        assert not world[name].fate.lost
    # When the record is closed.
    for host, action in outcome.answers_at_the_end(summary):
        assert (host, action.id) in approved - answered
        begun = world[host].fate.acts and world[host].fate.how in ("unreachable", "crashed")
        assert action.was_touched is (None if begun else False), "never called untouched where it may have been begun"
        told.tell("action", host=host, phase="mitigate", check_mode=False, action=action.as_dict())
    assert {(seen.host, seen.what.id) for seen in outcome.carried_out(told.fold.summary())} >= approved
    assert told.fold.summary().open_actions == []
