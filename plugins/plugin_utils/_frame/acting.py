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
from ...module_utils._core.errors import LimitExceeded
from ...module_utils._core.limits import Budget

#: What of a measurement is kept in the action's detail: a result may be large, and the record has it in full anyway.
MAX_TEXT, MAX_ITEMS, MAX_DEPTH = 500, 20, 4
_LEFT_OUT = frozenset({"invocation", "exception", "deprecations", "warnings", "stdout_lines", "stderr_lines"})

MeasureOnce = t.Callable[[], t.Mapping[str, t.Any]]
#: Whether the condition holds for a measurement; raises where it cannot be told (a measurement that failed has no such field).
Condition = t.Callable[[t.Mapping[str, t.Any]], bool]


class TimeUp(BaseException):
    """The deadline has passed. Not an Exception, so that no handler on the way can swallow it."""


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What was measured in the end: the last result, whether the condition held, how often and how long it took."""

    last: t.Mapping[str, t.Any]
    held: bool
    tries: int
    seconds: float
    problem: str = ""


def decide(
    action: actions.Action, *, needed: bool, forbidden: t.Sequence[str], limit: int, spent: int, approved: t.Sequence[str] | None,
    check_mode: bool,
) -> actions.Action | None:
    """What becomes of the action without acting, or None when it is to be carried out now.

    Args:
        forbidden: reasons of the caller's why it must not be done. Any one refuses.
        limit, spent: how many such actions a run may do on a host, and how many it has done.

    Raises:
        LimitExceeded: more would be done in this run than the caller allowed.
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
    return action.with_outcome(actions.PLANNED) if check_mode else None


def await_condition(
    measure: MeasureOnce, condition: Condition, *, timeout: float, interval: float,
    clock: t.Callable[[], float] = time.monotonic, sleep: t.Callable[[float], None] = time.sleep,
) -> Measurement:
    """Measure until the condition holds or the time is up; at least once.

    Args:
        measure: takes one measurement.
        condition: see Condition. An error in it counts as not held; the last one is reported.
        timeout, interval: seconds.
    """
    start = clock()
    tries = 0
    while True:
        tries += 1
        last = measure()
        problem, held = "", False
        try:
            held = condition(last)
        except Exception as exc:  # an expression of the caller's over a result of somebody's module may raise anything
            problem = str(exc)
        seconds = clock() - start
        if held or seconds + interval > timeout:
            return Measurement(last=last, held=held, tries=tries, seconds=seconds, problem=problem)
        sleep(interval)


def judge(action: actions.Action, measurement: Measurement, *, answered: bool) -> actions.Action:
    """The outcome by measurement alone. What the module returned is detail, never evidence.

    Args:
        answered: false when the module had not answered in time: it may still be at work.
    """
    detail = {"measured": brief(measurement.last), "measurements": measurement.tries, "measured_for": round(measurement.seconds, 3)}
    if measurement.held:
        return action.with_outcome(actions.DONE, **detail)
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
