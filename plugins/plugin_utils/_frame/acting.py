# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How other people's modules are made to speak the action contract: the decisions of `oncall.incident.act`.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import time
import typing as t

from ...module_utils._core import actions
from ...module_utils._core.errors import Blind, LimitExceeded
from ...module_utils._core.limits import Budget

#: What of a measurement is kept in the action's detail: a result may be large, and the record has it in full anyway.
MAX_TEXT, MAX_ITEMS, MAX_DEPTH = 500, 20, 4
_LEFT_OUT = frozenset({"invocation", "exception", "deprecations", "warnings", "stdout_lines", "stderr_lines"})

MeasureOnce = t.Callable[[], t.Mapping[str, t.Any]]
#: Whether the condition holds for a measurement; raises where it cannot be told (a measurement that failed has no such field).
Condition = t.Callable[[t.Mapping[str, t.Any]], bool]
#: What must stay the same while the condition is held, for example process ids and restart counters.
Identity = t.Callable[[t.Mapping[str, t.Any]], t.Any]


class TimeUp(BaseException):
    """The deadline has passed. Not an Exception, so that no handler on the way can swallow it."""


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What was measured in the end.

    Attributes:
        last: the last result.
        held: whether the condition held for as long as it had to.
        tries, seconds: how often was looked, and how long it took.
        problem: the last error of the condition.
        looks: how many of the tries could look; the others failed and say nothing about the target.
        held_for: how long the condition had held without a break at the last look, seconds.
        breaks: how often it began to hold and did not stay so: it was false again, or the identity was another one.
    """

    last: t.Mapping[str, t.Any]
    held: bool
    tries: int
    seconds: float
    problem: str = ""
    looks: int = 1
    held_for: float = 0.0
    breaks: int = 0


def decide(
    action: actions.Action, *, needed: bool, forbidden: t.Sequence[str], limit: int, spent: int, approved: t.Sequence[str] | None,
    check_mode: bool, cannot_look: str = "",
) -> actions.Action | None:
    """What becomes of the action without acting, or None when it is to be carried out now.

    Args:
        forbidden: reasons of the caller's why it must not be done. Any one refuses.
        limit, spent: how many such actions a run may do on a host, and how many it has done.
        cannot_look: why the measurement before acting could not look; empty when it could.

    Raises:
        LimitExceeded: more would be done in this run than the caller allowed.
        Blind: it would be done now, and nobody could measure what came of it.
    """
    if not needed:
        return action.with_outcome(actions.NOT_NEEDED)
    if forbidden:
        return action.with_outcome(actions.REFUSED, why="; ".join(forbidden))
    if Budget(max_count=limit, spent=spent).allowance(limit) < 1:
        raise LimitExceeded(
            f"{action.verb}: {spent} of {limit} are used up in this run, nothing more is done.",
            hint="Raise the limit if this is meant.", contract=actions.ACTIONS_CONTRACT, limit=limit, spent=spent,
            actions=[action.with_outcome(actions.REFUSED, why="limit").as_dict()],
        )
    if not actions.is_approved([action.id], approved):
        return action.with_outcome(actions.REFUSED, why="not approved")
    if cannot_look:
        why = f"it could not be looked at: {cannot_look}"
        raise Blind(
            f"{action.verb}: not done, since before acting {why}.", hint="Correct what the measurement needs, then run again.",
            contract=actions.ACTIONS_CONTRACT, actions=[action.with_outcome(actions.REFUSED, why=why).as_dict()],
        )
    return action.with_outcome(actions.PLANNED) if check_mode else None


def named(target: t.Mapping[str, t.Any]) -> str:
    """The caller's target in words: `service checkout, unit checkout.service`. What is not a plain value says nothing to a reader."""
    return ", ".join(f"{key} {value}" for key, value in target.items() if isinstance(value, (str, int, float)) and value != "")


def could_look(measured: t.Mapping[str, t.Any]) -> bool:
    """Whether a measuring module could look at all: it did not fail, and what it ran did not either."""
    return not measured.get("failed") and not measured.get("unreachable") and not measured.get("rc")


def complaint(measured: t.Mapping[str, t.Any]) -> str:
    """Why a measurement could not look, in the module's own words."""
    said = next((text for text in (str(measured.get(key) or "").strip() for key in ("stderr", "msg", "stdout")) if text), "no reason given")
    status = f"status {measured['rc']}, " if measured.get("rc") else ""
    return str(brief(status + " ".join(said.split()).rstrip(".")))


def await_condition(
    measure: MeasureOnce, condition: Condition, *, timeout: float, interval: float, hold: float = 0.0, identity: Identity | None = None,
    looked: Condition = could_look, clock: t.Callable[[], float] = time.monotonic, sleep: t.Callable[[float], None] = time.sleep,
) -> Measurement:
    """Measure until the condition holds, and has held for long enough, or the time is up; at least once.

    Args:
        measure: takes one measurement.
        condition: see Condition. An error in it counts as not held; the last one is reported.
        timeout, interval: seconds. By the end of `timeout` the condition must have begun to hold; `hold` comes on top.
        hold: how long it must hold without a break, seconds; the last look is never earlier. 0: one look is enough.
        identity: what must stay the same meanwhile. Another one, or an error in it, is a break.
        looked: whether a measurement could look. One that could not is a break.
    """
    start = clock()
    tries = looks = breaks = 0
    since: float | None = None
    known: t.Any = None
    while True:
        tries += 1
        last = measure()
        now = clock()
        problem, held, found = "", False, None
        try:
            # A measurement that could not look is no evidence, whatever the condition makes of it.
            saw = looked(last)
            looks += saw
            held = saw and condition(last)
            found = identity(last) if held and identity else None
        except Exception as exc:  # an expression of the caller's over a result of somebody's module may raise anything
            problem, held = str(exc), False
        if since is not None and (not held or found != known):
            breaks, since = breaks + 1, None
        if held and since is None:
            since, known = now, found
        held_for = 0.0 if since is None else now - since
        done = since is not None and held_for >= hold
        # What began to hold in time is given its hold; nothing else begins after the timeout.
        over = now - start + interval > timeout and (since is None or since - start > timeout)
        if done or over:
            return Measurement(
                last=last, held=done, tries=tries, seconds=now - start, problem=problem, looks=looks, held_for=held_for, breaks=breaks,
            )
        left = hold - held_for if since is not None else interval
        sleep(min(interval, max(left, 0.0)))


def judge(action: actions.Action, measurement: Measurement, *, answered: bool, hold: float = 0.0) -> actions.Action:
    """The outcome by measurement alone. What the module returned is detail, never evidence.

    Args:
        answered: false when the module had not answered in time: it may still be at work.
        hold: for how long the condition had to hold, seconds.
    """
    detail: dict[str, t.Any] = {
        "measured": brief(measurement.last), "measurements": measurement.tries, "measured_for": round(measurement.seconds, 3),
    }
    if hold:
        detail["held_for"] = round(measurement.held_for, 3)
    if measurement.held:
        return action.with_outcome(actions.DONE, **detail)
    if not measurement.looks:
        return action.with_outcome(
            actions.UNKNOWN, why=f"what came of it could not be looked at: {complaint(measurement.last)}", **detail,
        )
    if measurement.breaks:
        why = f"the condition did not hold for {hold:g} s: it began to {measurement.breaks} times and broke each time"
        detail["breaks"] = measurement.breaks
    else:
        why = "the condition does not hold" + (f": {measurement.problem}" if measurement.problem else "")
    return action.with_outcome(actions.FAILED if answered else actions.UNKNOWN, why=why, **detail)


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
