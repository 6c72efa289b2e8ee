# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine of contract 2: how every mitigating module acts.

This module util is PRIVATE to the collection: it may change at any time.

A subject says what it sees and how one target is changed. The engine keeps the order, the same for all:

1. lock the subject (not in check mode, and not where an empty approval allows nothing),
2. look,
3. approval: none means no restriction, an empty one allows nothing,
4. the limits, over what is approved; one that is exceeded refuses everything,
5. in check mode stop here: nothing is touched,
6. act, with the re-test in the same step, and measure,
7. answer every candidate, and every approved id, also those whose target is gone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from . import why
from .actions import (
    ACTIONS_CONTRACT,
    FAILED,
    MOVED_ON,
    NOT_NEEDED,
    OUTCOMES,
    PLANNED,
    REFUSED,
    UNKNOWN,
    Action,
    Approved,
    Spared,
    failed_actions,
    result,
)
from .errors import Blind, CannotReach, IncidentError, LimitExceeded, Locked
from .limits import Limit
from .recorded import READING, Basis
from .temporary import undoing

Target = t.TypeVar("Target")
#: The argument spec of a module's `approved`.
APPROVED_SPEC: dict[str, t.Any] = {"type": "list", "elements": "raw"}
#: What this process has carried out, for whoever must tell of it where telling fails.
CARRIED_OUT: list[Done[t.Any]] = []
#: So many failures are named in a message.
_NAMED = 5


class ActionsFailed(IncidentError):
    """Something was tried and did not work, or the measurement does not show it; the actions say which."""

    kind = "actions_failed"


@dataclasses.dataclass(frozen=True)
class Candidate(t.Generic[Target]):
    """A target, and what would be done to it.

    Attributes:
        target: the subject's own object.
        action: planned; with another outcome where the subject has settled it: not needed, or refused by a rule of its own.
        uses: how much of a limit it uses, by the limit's name; 1 of a limit that is not in it.
        also: further ids by which it may have been approved.
        unseen: why the target could not be looked at, empty where it could. Nothing is done to it: its outcome is unknown, and
            fails the task, in check mode too. Without an approval, or over a limit, it is refused like any other.
    """

    target: Target
    action: Action
    uses: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    also: tuple[str, ...] = ()
    unseen: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        """Every id by which it may have been approved."""
        return (self.action.id, *self.also)

    @property
    def undecided(self) -> bool:
        """Whether it is for the engine to decide."""
        return self.action.outcome == PLANNED


@dataclasses.dataclass(frozen=True)
class Sight(t.Generic[Target]):
    """What a subject saw.

    Attributes:
        candidates: in the order in which they are acted on.
        protected: who is spared whatever is approved.
        limits: how much may be changed, from the state that was seen.
        basis: what it was decided from, for the record.
    """

    candidates: t.Sequence[Candidate[Target]] = ()
    protected: tuple[Spared, ...] = ()
    limits: tuple[Limit, ...] = ()
    basis: t.Optional[Basis] = None


class Subject(t.Generic[Target]):
    """What a mitigating module hands in; see the methods.

    Attributes:
        verbs: of its actions.
        resource: of its actions, once it is known. An approved action on another one is not its to answer.
        noun: its targets, in the plural, for messages: "files".
        done: what is done to them: "removed".
        advice: what to do where a limit refuses.
        undoes: the id of the temporary change that its action takes back; empty for all others.
    """

    verbs: t.ClassVar[tuple[str, ...]] = ()
    resource: str = ""
    noun: str = "targets"
    done: str = "changed"
    advice: str = "Look at the list; choose fewer, or raise the limit if it is right."
    undoes: str = ""

    def alone(self) -> t.ContextManager[t.Any]:
        """Hold the subject's lock.

        Raises:
            Locked: another run holds it.
        """
        raise NotImplementedError

    def look(self) -> Sight[Target]:
        """See who could be acted on, and how much may be. Nothing is changed.

        Raises:
            IncidentError: it cannot be seen, or the call itself is wrong.
        """
        raise NotImplementedError

    def carry_out(self, candidate: Candidate[Target]) -> Action:
        """Test one target again, change it, and measure: its action with the outcome.

        An IncidentError means that it was begun and nobody knows what came of it.
        """
        raise NotImplementedError

    def carry_out_all(self, candidates: t.Sequence[Candidate[Target]]) -> t.Iterator[Action]:
        """The same for all, at least one, one after the other; for a subject that acts on several at once to replace.

        Each is yielded as soon as it is known: what was yielded before an error stays known.
        """
        lost = ""
        for candidate in candidates:
            late = "" if lost else self.too_late()
            if lost or late:
                yield untouched(candidate.action, why.NOT_TRIED if lost else why.OUT_OF_TIME, error=lost or late)
                continue
            try:
                action = self.carry_out(candidate)
            except IncidentError as exc:
                action = unanswered(candidate.action, exc.message, hint=exc.hint)
                # What cannot be reached would only cost each of the others its time.
                lost = exc.message if isinstance(exc, CannotReach) else ""
            yield action

    def too_late(self) -> str:
        """Why nothing more may be begun, such as a time that is over; empty while it may."""
        return ""

    def permitted(self, candidate: Candidate[Target], approved: t.AbstractSet[str]) -> t.Optional[Candidate[Target]]:
        """The candidate as far as the approval covers it, None where it does not."""
        return candidate if not approved.isdisjoint(candidate.ids) else None

    def concerns(self, one: Approved) -> bool:
        """Whether an approved action is for this subject to answer: a plan has actions of other modules and other servers too.

        One of which only the id is known was given to this module by name, and is.
        """
        return not one.verb or (one.verb in self.verbs and self.resource in ("", one.resource))

    def answer(self, one: Approved) -> Action:
        """What became of an approved action whose target is not a candidate any more."""
        return answered(one, NOT_NEEDED, why.GONE_ALREADY)

    def left_over(self, candidate: Candidate[Target]) -> t.Optional[Spared]:
        """How one is spared that the limits do not allow, where the first ones that they allow may go alone.

        None: it does not go alone, and where the limits do not allow all such ones, they refuse everything.
        """
        return None

    def told_over(self, limit: Limit, chosen: t.Sequence[Candidate[Target]]) -> dict[str, t.Any]:
        """Further facts for the result where a limit refuses."""
        return {}


def untouched(action: Action, code: str, *, error: str = "", hint: t.Optional[str] = None) -> Action:
    """An action that was to be done and was not even begun."""
    said = {"error": error, "hint": hint or ""}
    return dataclasses.replace(action, touched=False).with_outcome(FAILED, why=code, **{key: text for key, text in said.items() if text})


def not_seen(action: Action, error: str) -> Action:
    """An action that nobody can judge, since its target could not be looked at; it was not begun."""
    return dataclasses.replace(action, touched=False).with_outcome(UNKNOWN, why=why.CANNOT_LOOK, error=error)


def unanswered(action: Action, error: str, *, hint: t.Optional[str] = None) -> Action:
    """An action that was, or may have been, begun, and of which nobody knows what came of it."""
    return action.with_outcome(UNKNOWN, why=why.NO_ANSWER, error=error, **({"hint": hint} if hint else {}))


def answered(one: Approved, outcome: str, code: str, *, reason: str = "It was approved.", **detail: t.Any) -> Action:
    """The answer to an approved action whose target is not there to be acted on."""
    return Action(
        id=one.id, verb=one.verb, resource=one.resource, identity=one.identity, target=dict(one.identity), reason=reason, name=one.name,
        outcome=outcome, detail={"why": code, **detail}, touched=False,
    )


@dataclasses.dataclass(frozen=True)
class Done(t.Generic[Target]):
    """What acting came to.

    Attributes:
        actions: each candidate's, in their order, and then those of approved ids that are not candidates.
        acted: the candidates that were, or in check mode would be, acted on, with their actions.
        protected: who was spared.
        problem: what must fail the task; None where nothing must.
        reading: what was decided from; empty where the subject does not say.
    """

    actions: tuple[Action, ...]
    acted: tuple[tuple[Candidate[Target], Action], ...]
    protected: tuple[Spared, ...]
    problem: t.Optional[IncidentError]
    check_mode: bool
    reading: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    def as_result(self, *, limits: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """The result by contract.

        Args:
            limits: as they enter the plan's hash.
        """
        said = result(self.actions, check_mode=self.check_mode, limits=limits, protected=self.protected)
        return {**said, READING: dict(self.reading)} if self.reading else said


def act(subject: Subject[Target], *, approved: t.Optional[t.Sequence[Approved]], check_mode: bool) -> Done[Target]:
    """Act on what a subject sees, within the approval and the limits, or in check mode only plan it.

    Args:
        approved: actions of a plan; None means no restriction, an empty one allows nothing.

    Raises:
        IncidentError: before anything was touched.
    """
    try:
        with contextlib.nullcontext() if check_mode or allows_nothing(approved) else subject.alone():
            sight = subject.look()
            work = _decide(subject, sight, approved)
            done = {} if check_mode or work.over or not work.chosen else _carry_out(subject, list(work.chosen.values()))
    except IncidentError as exc:
        # Nothing was begun: what is begun is answered below, whatever goes wrong.
        if approved is not None:
            answer_all(exc, [one for one in approved if subject.concerns(one)])
        raise
    found = _conclude(subject, sight, work, done, approved=approved, check_mode=check_mode)
    if done:
        CARRIED_OUT.append(found)
    return found


def _conclude(
    subject: Subject[Target], sight: Sight[Target], work: _Work[Target], done: t.Mapping[str, Action], *,
    approved: t.Optional[t.Sequence[Approved]], check_mode: bool,
) -> Done[Target]:
    acted = tuple((candidate, done.get(candidate.action.id, candidate.action)) for candidate in work.chosen.values())
    if work.over is not None:
        acted = tuple((one, action.with_outcome(REFUSED, why=why.LIMIT_EXCEEDED)) for one, action in acted)
    by_place = {**work.settled, **dict(zip(work.chosen, (action for _candidate, action in acted)))}
    if subject.undoes:
        by_place = {place: undoing(action, subject.undoes) for place, action in by_place.items()}
        acted = tuple((one, undoing(action, subject.undoes)) for one, action in acted)
    found = [by_place[place] for place in sorted(by_place)]
    listed = {key for candidate in sight.candidates for key in candidate.ids} | {action.id for action in found}
    absent = {one.id: one for one in approved or () if one.id not in listed and subject.concerns(one)}
    return Done(
        actions=(*found, *(_absent(subject, one) for one in absent.values())), acted=() if work.over else acted,
        protected=(*sight.protected, *work.left), problem=work.over or failure(list(done.values())) or _blind(work),
        check_mode=check_mode, reading=_reading(sight, approved),
    )


def _reading(sight: Sight[Target], approved: t.Optional[t.Sequence[Approved]]) -> dict[str, t.Any]:
    return sight.basis.as_reading(approved=None if approved is None else [one.id for one in approved]) if sight.basis else {}


def before_acting(
    sight: Sight[t.Any], approved: t.Optional[t.Sequence[str]], *, subject: t.Optional[Subject[t.Any]] = None,
) -> dict[str, str]:
    """The outcome of each candidate before anything is done, by action id: the engine's part of a decision, for who makes it again."""
    subject = subject or Subject()
    work = _decide(subject, sight, None if approved is None else [Approved(id=one) for one in approved])
    refused = {one.action.id: REFUSED if work.over else one.action.outcome for one in work.chosen.values()}
    return {**{action.id: action.outcome for action in work.settled.values()}, **refused}


def _absent(subject: Subject[t.Any], one: Approved) -> Action:
    """The answer to an approved action that is not a candidate. Of an id alone nobody can say whose it is, so not that it is gone."""
    if one.verb:
        return subject.answer(one)
    return answered(one, MOVED_ON, why.NO_LONGER_MATCHES, error="Only its id is known, and nothing here has it now")


def answer_all(exc: IncidentError, approved: t.Sequence[Approved]) -> None:
    """Put an answer to each approved action into an error that came before anything was begun; where it has none yet.

    Args:
        approved: the actions that are for this module to answer.
    """
    outcome, code = (REFUSED, why.LOCKED) if isinstance(exc, Locked) else (FAILED, why.NOT_TRIED)
    found = [answered(one, outcome, code, error=exc.message).as_dict() for one in approved]
    exc.facts = {"contract": ACTIONS_CONTRACT, "actions": found, **exc.facts}


def allows_nothing(approved: t.Optional[t.Sequence[Approved]]) -> bool:
    """Whether an approval is there and covers nothing."""
    return approved is not None and not approved


def read_approved(given: t.Optional[t.Sequence[t.Any]]) -> t.Optional[tuple[Approved, ...]]:
    """A module's argument `approved`: ids, or actions of a plan.

    Raises:
        BadInput: an action without an id.
    """
    return None if given is None else tuple(Approved.read(one) for one in given)


def failure(done: t.Sequence[Action]) -> t.Optional[IncidentError]:
    """What must fail the task, if an action failed: which ones, and why."""
    failed = failed_actions(done)
    if not failed:
        return None
    hint = next((str(one.detail["hint"]) for one in failed if one.detail.get("hint")), None)
    return ActionsFailed(f"{len(failed)} of {len(done)} actions did not work: {_named(failed)}.", hint=hint)


def _blind(work: _Work[t.Any]) -> t.Optional[IncidentError]:
    if not work.unseen:
        return None
    return Blind(
        f"What could not be looked at was left alone: {_named(work.unseen)}.",
        hint="Correct what the check needs, then run again.",
    )


def _named(found: t.Sequence[Action]) -> str:
    said = "; ".join(f"{one.verb} {one.name or one.id}: {complaint(one)}" for one in found[:_NAMED])
    return said + (f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else "")


def complaint(action: Action) -> str:
    """Why an action has its outcome, in words: what the target system said, or what the code means."""
    code = str(action.detail.get("why") or "")
    return str(action.detail.get("error") or why.SENTENCES.get(code, code) or action.outcome).rstrip(".")


@dataclasses.dataclass(frozen=True)
class _Work(t.Generic[Target]):
    """By their places in the order of the candidates: those that are settled, and those to be acted on."""

    settled: t.Mapping[int, Action]
    chosen: t.Mapping[int, Candidate[Target]]
    unseen: tuple[Action, ...] = ()
    left: tuple[Spared, ...] = ()
    over: t.Optional[IncidentError] = None


def _decide(subject: Subject[Target], sight: Sight[Target], approved: t.Optional[t.Sequence[Approved]]) -> _Work[Target]:
    allowed = None if approved is None else frozenset(one.id for one in approved)
    settled: dict[int, Action] = {}
    chosen: dict[int, Candidate[Target]] = {}
    left: list[Spared] = []
    for place, candidate in enumerate(sight.candidates):
        if not candidate.undecided:
            settled[place] = candidate.action
            continue
        covered = candidate if allowed is None else subject.permitted(candidate, allowed)
        if covered is None:
            settled[place] = candidate.action.with_outcome(REFUSED, why=why.NOT_APPROVED)
        else:
            chosen[place] = covered
    if _over(chosen, sight.limits) is not None:
        for place in _beyond(chosen, sight.limits, subject=subject):
            candidate = chosen.pop(place)
            if allowed is not None:  # it was approved by name, so it gets an answer of its own
                settled[place] = candidate.action.with_outcome(REFUSED, why=why.LIMIT_EXCEEDED)
            elif (spared := subject.left_over(candidate)) is not None:
                left.append(spared)
    over = _over(chosen, sight.limits)
    problem = None if over is None else _exceeded(subject, over, list(chosen.values()))
    unseen = {} if problem else {place: not_seen(one.action, one.unseen) for place, one in chosen.items() if one.unseen}
    seen = {place: candidate for place, candidate in chosen.items() if place not in unseen}
    return _Work({**settled, **unseen}, seen, tuple(unseen.values()), tuple(left), problem)


def _used(limit: Limit, chosen: t.Iterable[Candidate[t.Any]]) -> int:
    return sum(candidate.uses.get(limit.name, 1) for candidate in chosen)


def _over(chosen: t.Mapping[int, Candidate[t.Any]], limits: t.Sequence[Limit]) -> t.Optional[Limit]:
    """The first limit that does not allow all of them."""
    return next((limit for limit in limits if chosen and _used(limit, chosen.values()) > limit.most), None)


def _beyond(chosen: t.Mapping[int, Candidate[t.Any]], limits: t.Sequence[Limit], *, subject: Subject[t.Any]) -> list[int]:
    """Of those that may be left over: the places after the first ones that the limits allow beside all others."""
    kept = {place: one for place, one in chosen.items() if subject.left_over(one) is None}
    places = [place for place in chosen if place not in kept]
    if _over(kept, limits) is not None:
        return []
    for number, place in enumerate(places):
        kept[place] = chosen[place]
        if _over(kept, limits) is not None:
            return places[number:]
    return []


def _exceeded(subject: Subject[Target], limit: Limit, chosen: t.Sequence[Candidate[Target]]) -> LimitExceeded:
    count = _used(limit, chosen)
    return LimitExceeded(
        f"{count} {limit.unit or subject.noun} would be {subject.done} and {limit.most} may be: {limit.stated}. Nothing was touched.",
        hint=subject.advice, **{"limit": limit.name, "count": count, "allowance": limit.most, **subject.told_over(limit, chosen)},
    )


def _carry_out(subject: Subject[Target], chosen: t.Sequence[Candidate[Target]]) -> dict[str, Action]:
    """Each action's outcome by its id. Whatever goes wrong: what is known is kept, and of the others nobody knows."""
    wanted = {candidate.action.id: candidate.action for candidate in chosen}
    done: dict[str, Action] = {}
    said, hint = "the module gave no outcome", None
    try:
        for action in subject.carry_out_all(chosen):
            if action.id in wanted and action.outcome in OUTCOMES - {PLANNED}:
                done[action.id] = action
    except IncidentError as exc:
        said, hint = exc.message, exc.hint
    except Exception as exc:  # a fault of ours must not lose the answers that are there
        said = f"{type(exc).__name__}: {exc}"
    return {key: done.get(key) or unanswered(action, said, hint=hint) for key, action in wanted.items()}
