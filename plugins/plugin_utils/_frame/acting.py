# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How other people's modules run in the engine of actions: the subject of `oncall.incident.act`.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import time
import typing as t

from ...module_utils._core import actions, temporary, why
from ...module_utils._core.acting import Candidate, Sight, Subject, untouched
from ...module_utils._core.errors import Locked
from ...module_utils._core.limits import Budget
from ...module_utils._core.waiting import Judged, Pace, Watched, follow
from . import arming
from .arming import NotArmed

#: What of a measurement is kept in the action's detail: a result may be large, and the record has it in full anyway.
MAX_TEXT, MAX_ITEMS, MAX_DEPTH = 500, 20, 4
_LEFT_OUT = frozenset({"invocation", "exception", "deprecations", "warnings", "stdout_lines", "stderr_lines"})

#: Of an action that only removes the unit of a change: its key in the identity and the detail.
ONLY_UNIT = "only_unit"

#: What differs between two results of one module that say the same.
_TIMES = frozenset({"start", "end", "delta", "invocation"})

Measured = t.Mapping[str, t.Any]


class TimeUp(BaseException):
    """The deadline has passed. Not an Exception, so that no handler on the way can swallow it."""


class Lease(t.Protocol):
    """A lock that others see until it ends, also where its holder is gone."""

    #: Who had it before, where that one's had run out; empty for nobody.
    taken_over: str

    def keep(self) -> None:
        """Make sure that it lasts for what is still to be done.

        Raises:
            Locked: somebody else has it.
        """


class Doing(t.Protocol):
    """What the action plugin can do: run modules, and evaluate the author's expressions."""

    def check(self) -> None:
        """Raises BadInput where a module is not there."""

    def lease(self) -> t.ContextManager[Lease]:
        """Raises Locked where another run has it, and CannotLease where the host cannot be asked."""

    def measure(self) -> Measured:
        """Look once; a look that failed says so in its result."""

    def looked(self, measured: Measured) -> bool:
        """Whether a measurement could look."""

    def needed(self, before: Measured) -> bool:
        """Whether the action is needed; raises BadInput where that cannot be judged."""

    def holds(self, measured: Measured, *, before: Measured, answer: Measured) -> bool:
        """Whether the change is there. It may raise anything: it is an expression over the result of somebody's module."""

    def identity(self, measured: Measured) -> t.Any:
        """What must stay the same while the change is held; raises likewise."""

    def change(self) -> tuple[Measured, bool]:
        """Run the module: its answer, and whether there was one in time."""

    def still(self, before: Measured) -> bool:
        """Whether the target is what the caller judged; raises BadInput where that cannot be judged."""

    def fits(self, before: Measured) -> bool:
        """Whether the way back goes back to what there is now; raises BadInput where that cannot be judged."""

    def machine(self) -> str | None:
        """The id of the machine, empty where it has none, None where it cannot be asked."""

    def armable(self, action: actions.Action) -> None:
        """Only check whether the host can take the change back by itself. Raises NotArmed."""

    def arm(self, action: actions.Action) -> tuple[str, float]:
        """Make the unit that takes the change back: its name, and when that is, seconds since the epoch. Raises NotArmed."""

    def armed(self, unit: str) -> bool | None:
        """Whether the unit will take the change back; None where the host cannot be asked."""

    def unit_there(self, unit: str) -> bool | None:
        """Whether any file of the unit is there; None where the host cannot be asked."""

    def disarm(self, unit: str) -> str:
        """Remove the unit; why it is still there, empty where it is not."""


class CannotLease(Exception):
    """The host cannot be asked for the lease, and cannot be looked at either."""


@dataclasses.dataclass(frozen=True)
class Asked:
    """What the task asks for.

    Attributes:
        forbidden: reasons of the caller's why it must not be done. Any one refuses.
        limit, spent: how many such actions a run may do on a host, and how many it has done.
        needed: what the task says without a look: true, false, or None where a look must tell.
        approved: whether the approval covers it.
        pace: how it is measured.
        expires: for how many seconds it is made; 0 where nothing on the host takes it back.
        change: the earlier action that this one takes back.
    """

    forbidden: t.Sequence[str]
    limit: int
    spent: int
    needed: bool | None
    approved: bool
    pace: Pace
    expires: float = 0.0
    change: actions.Action | None = None

    @property
    def may_act(self) -> bool:
        """Whether anything will be done at all, as far as it can be told before the first look."""
        return self.approved and not self.forbidden and self.needed is not False and self.spent < self.limit


@dataclasses.dataclass(frozen=True)
class Glance:
    """One measurement, and what it says."""

    measured: Measured
    looked: bool
    good: bool = False
    identity: t.Any = None
    problem: str = ""


class Act(Subject[Measured]):
    """One module, run on one target: the only candidate. Its target is what the look before acting gave."""

    done = "done"
    advice = "Raise the limit if this is meant."

    def __init__(self, action: actions.Action, *, asked: Asked, doing: Doing) -> None:
        self.resource = action.resource
        self.noun = f"actions of the kind {action.verb}"
        self._action, self._asked, self._doing = action, asked, doing
        self._lease: Lease | None = None
        self._blind = ""
        self.undoes = asked.change.id if asked.change is not None else ""

    def concerns(self, one: actions.Approved) -> bool:
        """Whether it is this action: the target is in the call, so the others of a plan are of other calls."""
        return one.id in (self._action.id, only_unit(self._action, unit_of(self._asked.change)).id)

    @contextlib.contextmanager
    def alone(self) -> t.Iterator[None]:
        with contextlib.ExitStack() as stack:
            if self._asked.may_act:
                try:
                    self._lease = stack.enter_context(self._doing.lease())
                except CannotLease as exc:
                    self._blind = str(exc)
                except Locked as exc:
                    refused = self._action.with_outcome(actions.REFUSED, why=why.LOCKED, error=exc.message)
                    exc.facts = {"contract": actions.ACTIONS_CONTRACT, "actions": [refused.as_dict()], **exc.facts}
                    raise
            yield

    def look(self) -> Sight[Measured]:
        asked = self._asked
        limits = (Budget(max_count=asked.limit, spent=asked.spent).limit(asked.limit, name="limit"),)
        if asked.forbidden and asked.needed:
            # What must not be done is not looked at either: it may not even be what the caller means.
            return Sight(candidates=[Candidate(target={}, action=self._forbidden(self._action))], limits=limits)
        before = {"failed": True, "msg": self._blind} if self._blind else self._doing.measure()
        blind = self._blind or ("" if self._doing.looked(before) else complaint(before))
        action = self._action.with_outcome(actions.PLANNED, before=brief(before))
        blind = blind or self._other_machine()
        if self._lease is not None and self._lease.taken_over:
            action = action.with_outcome(actions.PLANNED, lease=self._lease.taken_over)
        needed = self._needed(before, blind)
        if not needed:
            action, blind = self._left_over(action)
        elif asked.forbidden:
            action = self._forbidden(action)
        elif not blind and not self._doing.still(before):
            error = "what is there now is not what was judged: it was started again or replaced meanwhile"
            action = action.with_outcome(actions.REFUSED, why=why.NO_LONGER_MATCHES, error=error, hint="Run it again: it reads first.")
        else:
            self._doing.check()
            action = action if blind else self._armable(self._on_machine(action), before)
        return Sight(candidates=[Candidate(target=before, action=action, unseen=blind)], limits=limits)

    def _other_machine(self) -> str:
        """Why this may be another machine than the one that was changed; empty where it is that one."""
        change = temporary.of(self._asked.change) if self._asked.change is not None else None
        if change is None:
            return ""
        then, now = change.undo.get("machine"), self._doing.machine()
        if then is None or now is None:
            return "which machine this is, or which one was changed, is not known"
        return "" if then == now else f"this is machine {now or 'without an id'}, and machine {then or 'without an id'} was changed"

    def _left_over(self, action: actions.Action) -> tuple[actions.Action, str]:
        """The action that is not needed, and why nobody could look. A unit that is still there is to be removed all the same.

        Later it would take back a value that somebody else has set. That is another action than the one that puts a value back.
        """
        unit = unit_of(self._asked.change)
        there = self._doing.unit_there(unit) if unit else False
        if there is None:
            return action, f"whether {unit} is there could not be looked at"
        if not there:
            return action.with_outcome(actions.NOT_NEEDED, why=why.ALREADY_SO), ""
        return only_unit(action, unit), ""

    def _on_machine(self, action: actions.Action) -> actions.Action:
        """The action; a change for a while says on which machine it is made: a host's name and files may be another one's later."""
        known = temporary.of(action)
        if known is None or not known.undo:
            return action
        machine = self._doing.machine()
        said = {} if machine is None else {"machine": machine}
        return temporary.with_temporary(action, dataclasses.replace(known, undo={**known.undo, **said}))

    def _armable(self, action: actions.Action, before: Measured) -> actions.Action:
        """The action, refused where the host cannot take it back as it is to be, or its way back goes elsewhere."""
        if action.temporary is not None and not self._doing.fits(before):
            error = "what is there now is not what the way back goes back to: somebody has changed it meanwhile"
            return action.with_outcome(actions.REFUSED, why=why.NO_LONGER_MATCHES, error=error, hint="Run it again: it reads first.")
        try:
            if self._asked.expires:
                self._doing.armable(action)
        except NotArmed as exc:
            return action.with_outcome(actions.REFUSED, why=why.NOT_ARMED, error=exc.message, hint=exc.hint or "")
        return action

    def _needed(self, before: Measured, blind: str) -> bool:
        if self._asked.needed is not None:
            return self._asked.needed
        return bool(blind) or self._doing.needed(before)

    def _forbidden(self, action: actions.Action) -> actions.Action:
        return action.with_outcome(actions.REFUSED, why=why.FORBIDDEN, error="; ".join(self._asked.forbidden))

    def carry_out(self, candidate: Candidate[Measured]) -> actions.Action:
        try:
            if self._lease is not None:
                self._lease.keep()
        except Locked as exc:
            return untouched(candidate.action, why.LOCKED, error=exc.message)
        known = candidate.action
        if self._asked.expires:
            # Before the change: what nobody takes back must not be made.
            ends = temporary.of(known) or temporary.Temporary(way_back="")
            try:
                unit, until = self._doing.arm(known)
            except NotArmed as exc:
                return self._not_armed(known, ends, exc)
            known = temporary.with_temporary(known, ends.armed(until=until, unit=unit))
        elif ONLY_UNIT in known.detail:
            return self._unit_removed(known)
        return self._disarmed(self._watched(self._changed(known, candidate.target)))

    def _unit_removed(self, action: actions.Action) -> actions.Action:
        """Remove the unit of a change that is not in force, and nothing else."""
        left = self._doing.disarm(unit_of(self._asked.change))
        if left:
            return action.with_outcome(actions.FAILED, why=why.NOT_MEASURED, error=left)
        return action.with_outcome(actions.DONE)

    def _not_armed(self, action: actions.Action, ends: temporary.Temporary, exc: NotArmed) -> actions.Action:
        """The action that was not even begun. A unit that may be there all the same would take back what somebody sets later."""
        unit = arming.unit_name(action.id)
        left = self._doing.disarm(unit) if exc.begun else ""
        if not left:
            return untouched(action, why.NOT_ARMED, error=exc.message, hint=exc.hint)
        said = f"{exc.message.rstrip('.')}. Whether {unit} is there all the same is not known: {left}"
        return temporary.with_temporary(action, dataclasses.replace(ends, armed_as=unit)).with_outcome(
            actions.UNKNOWN, why=why.NOT_ARMED, error=said, unit_left=left, hint=f"Remove {unit} from the host: it may run later.",
        )

    def _watched(self, action: actions.Action) -> actions.Action:
        """The action after checking whether its unit will take it back."""
        own = temporary.of(action)
        if own is None or not own.armed_as or action.touched is False:
            return action
        armed = self._doing.armed(own.armed_as)
        if armed:
            return action
        said = f"{own.armed_as} is not active any more" if armed is False else f"whether {own.armed_as} is active could not be looked at"
        error = "; ".join(part for part in (str(action.detail.get("error") or ""), f"{said}: it may stay for good") if part)
        if armed is False:
            ends = dataclasses.replace(own, ends=temporary.NOBODY, expires="", lasts=0.0)
            action = temporary.with_temporary(action, ends)
        done = action.outcome == actions.DONE
        outcome = (actions.FAILED if armed is False else actions.UNKNOWN) if done else action.outcome
        return action.with_outcome(outcome, why=why.NOT_ARMED if done else action.detail.get("why", ""), error=error)

    def _changed(self, known: actions.Action, before: Measured) -> actions.Action:
        """Make the change, and measure it."""
        start = time.monotonic()
        answer, answered = self._doing.change()
        action = known.with_outcome(
            actions.UNKNOWN, acted_for=round(time.monotonic() - start, 3), module=brief(answer),
        )
        watched = follow(
            lambda _left: glance(self._doing, before=before, answer=answer),
            lambda seen: Judged(good=seen.good, identity=seen.identity), pace=self._asked.pace,
        )
        action = judge(action, watched, silence="" if answered else complaint(answer), hold=self._asked.pace.hold)
        if action.outcome == actions.FAILED and self._asked.expires and unchanged(before, watched.last.measured):
            return dataclasses.replace(action, touched=False)
        return action

    def _disarmed(self, action: actions.Action) -> actions.Action:
        """Without the unit that takes back what is not there, or not there any more."""
        own = temporary.of(action)
        if own is not None and own.armed_as and action.touched is False:
            return self._without(action, own.armed_as)
        return self._without(action, unit_of(self._asked.change)) if action.outcome == actions.DONE else action

    def _without(self, action: actions.Action, unit: str) -> actions.Action:
        left = self._doing.disarm(unit) if unit else ""
        return action.with_outcome(action.outcome, unit_left=left) if left else action


def only_unit(action: actions.Action, unit: str) -> actions.Action:
    """The action that only removes the unit of a change that is not in force, instead of the one that puts a value back."""
    reason = f"What was changed is not as it was made, and {unit} is still there: it may take back what others set. Only it is removed."
    return dataclasses.replace(
        action, identity={**action.identity, ONLY_UNIT: unit}, reason=reason, detail={**action.detail, ONLY_UNIT: unit}, id="")


def unit_of(change: actions.Action | None) -> str:
    """The unit of a change; empty where it has none. Where the answer was lost, nobody has said that it is there."""
    known = temporary.of(change) if change is not None else None
    if change is None or known is None:
        return ""
    unit = known.armed_as or (arming.unit_name(change.id) if known.ends == temporary.UNIT else "")
    return unit if unit.startswith(arming.UNIT) else ""


def named(target: t.Mapping[str, t.Any]) -> str:
    """The caller's target in words: `service checkout, unit checkout.service`. What is not a plain value says nothing to a reader."""
    return ", ".join(f"{key} {value}" for key, value in target.items() if isinstance(value, (str, int, float)) and value != "")


def unchanged(before: Measured, after: Measured) -> bool:
    """Whether two measurements say the same, but for the times at which they were made."""
    def said(measured: Measured) -> Measured:
        return {key: value for key, value in measured.items() if key not in _TIMES and not str(key).startswith("_ansible")}

    return could_look(before) and could_look(after) and said(before) == said(after)


def could_look(measured: Measured) -> bool:
    """Whether a measuring module could look at all: it did not fail, and what it ran did not either."""
    return not measured.get("failed") and not measured.get("unreachable") and not measured.get("rc")


def complaint(measured: Measured) -> str:
    """Why a measurement could not look, in the module's own words."""
    said = next((text for text in (str(measured.get(key) or "").strip() for key in ("stderr", "msg", "stdout")) if text), "no reason given")
    status = f"status {measured['rc']}, " if measured.get("rc") else ""
    return str(brief(status + " ".join(said.split()).rstrip(".")))


def glance(doing: Doing, *, before: Measured, answer: Measured) -> Glance:
    """Measure once, and judge the measurement."""
    measured = doing.measure()
    looked = False
    try:
        # A measurement that could not look is not evidence, whatever the condition makes of it.
        looked = doing.looked(measured)
        good = looked and doing.holds(measured, before=before, answer=answer)
        return Glance(measured, looked, good=good, identity=doing.identity(measured) if good else None)
    except Exception as exc:  # an expression of the caller's over a result of somebody's module may raise anything
        return Glance(measured, looked, problem=str(exc))


def judge(action: actions.Action, watched: Watched[Glance], *, silence: str, hold: float) -> actions.Action:
    """The outcome by measurement alone. What the module returned is detail, never evidence.

    Args:
        silence: why the module gave no answer: it may still be at work. Empty when it did.
        hold: for how long the condition had to hold, seconds.
    """
    last = watched.last
    detail: dict[str, t.Any] = {
        "measured": brief(last.measured), "measurements": watched.polls, "measured_for": round(watched.waited, 3),
    }
    if hold:
        detail["held_for"] = round(watched.held_for, 3)
    if watched.held:
        return action.with_outcome(actions.DONE, **detail)
    if watched.breaks:
        detail["breaks"] = watched.breaks
    if not last.looked:
        said = last.problem or complaint(last.measured)
        return action.with_outcome(
            actions.UNKNOWN, why=why.NO_ANSWER, error=f"what came of it could not be looked at: {said}", **detail,
        )
    if watched.breaks:
        code, said = why.DID_NOT_HOLD, f"the condition did not hold for {hold:g} s: it began to {watched.breaks} times and broke each time"
    else:
        code, said = why.NOT_MEASURED, "the condition does not hold" + (f": {last.problem}" if last.problem else "")
    if silence:
        return action.with_outcome(actions.UNKNOWN, why=why.NO_ANSWER, error=f"the module gave no answer ({silence}), and {said}", **detail)
    return action.with_outcome(actions.FAILED, why=code, error=said, **detail)


def brief(value: t.Any, depth: int = 0) -> t.Any:
    """A JSON-like value cut down to what a person reads; says where something was left out."""
    if isinstance(value, t.Mapping):
        if depth >= MAX_DEPTH:
            return f"({len(value)} keys)"
        kept = {str(key): item for key, item in value.items() if not str(key).startswith(("_ansible", "ansible_")) and key not in _LEFT_OUT}
        return {key: brief(item, depth + 1) for key, item in kept.items()}
    if isinstance(value, (list, tuple)):
        if depth >= MAX_DEPTH:
            return f"({len(value)} items)"
        more = [f"({len(value) - MAX_ITEMS} more)"] if len(value) > MAX_ITEMS else []
        return [brief(item, depth + 1) for item in value[:MAX_ITEMS]] + more
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return f"{value[:MAX_TEXT]}({len(value) - MAX_TEXT} more characters)"
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


@contextlib.contextmanager
def deadline(seconds: float) -> t.Iterator[None]:
    """Raise TimeUp in the main thread after so many seconds. An alarm that was set before (a task's `timeout`) still comes."""

    def ring(signum: int, frame: t.Any) -> t.NoReturn:
        raise TimeUp

    start = time.monotonic()
    handler = signal.signal(signal.SIGALRM, ring)
    left, _interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - start), 0.001))
