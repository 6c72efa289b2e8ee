# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look again and again until what is awaited holds: the one waiting loop, whatever the subject.

This module util is PRIVATE to the collection: it may change at any time.

Health modules wait for checks (watch()), an action waits for its measurement (follow()).
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from .durations import parse_duration
from .errors import BadInput
from .findings import OK, UNKNOWN

#: No pause is shorter, seconds: whoever asks for none must not keep a processor busy, and a look that comes too early by a rounding
#: error is made again.
MIN_PAUSE = 0.05
#: Changes that a history keeps.
MAX_HISTORY = 50


class Seen(t.Protocol):
    """What one look found."""

    def statuses(self) -> dict[str, str]:
        """The worst status of each check."""


Look = t.TypeVar("Look")
SeenLook = t.TypeVar("SeenLook", bound=Seen)
Clock = t.Callable[[], float]
Sleep = t.Callable[[float], None]


@dataclasses.dataclass(frozen=True)
class Pace:
    """How long and how often is looked; seconds.

    Attributes:
        hold: how long it must be good without a break. 0 needs one good look.
        timeout: how long is waited at most.
        interval: the pause between two looks.
        hold_on_top: by the end of `timeout` it must have begun to be good, and is then given its hold. Otherwise the hold is part of it.
    """

    hold: float
    timeout: float
    interval: float
    hold_on_top: bool = False


@dataclasses.dataclass(frozen=True)
class Wait:
    """What is waited for.

    Attributes:
        checks: names of checks that must be ok; one that is skipped or unknown is not.
        hold: for how long without a break, seconds.
        timeout: how long at most, the holding included, seconds.
        interval: between two polls, seconds.
    """

    checks: tuple[str, ...]
    hold: float
    timeout: float
    interval: float

    @property
    def pace(self) -> Pace:
        """How long and how often is looked."""
        return Pace(hold=self.hold, timeout=self.timeout, interval=self.interval)


@dataclasses.dataclass(frozen=True)
class Judged:
    """What one look says of what is awaited.

    Attributes:
        good: it is as it is awaited.
        identity: what must stay the same while it is good, for example process ids and restart counters.
        told: for the history, which has it whenever it changes.
        in_vain: it is not good and does not become so, whatever time is left.
    """

    good: bool
    identity: t.Any = None
    told: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    in_vain: bool = False


@dataclasses.dataclass
class Hold:
    """Follows whether looks are good for long enough, without a break and as the same. It knows no clock.

    Attributes:
        seconds: how long; 0 needs one good look.
        looks: how many it was told of.
        breaks: how often it began to be good and did not stay so: it was not good again, or the identity was another one.
        since: when it began, None while it is not good.
        held_for: how long it had been good at the last look.
    """

    seconds: float
    looks: int = 0
    breaks: int = 0
    since: t.Optional[float] = None
    held_for: float = 0.0
    identity: t.Any = None

    def see(self, judged: Judged, *, at: float) -> bool:
        """Take one look, at a time in seconds; whether it has been good for long enough."""
        self.looks += 1
        if self.since is not None and not (judged.good and judged.identity == self.identity):
            self.breaks, self.since = self.breaks + 1, None
        if judged.good and self.since is None:
            self.since, self.identity = at, judged.identity
        self.held_for = 0.0 if self.since is None else at - self.since
        return self.held

    @property
    def held(self) -> bool:
        """Whether it was good for long enough at the last look."""
        return self.since is not None and self.held_for >= self.seconds


class History:
    """What was told, whenever it changed; of more than it keeps the first and the last ones, since the middle says least."""

    def __init__(self, most: int = MAX_HISTORY) -> None:
        self.entries: list[dict[str, t.Any]] = []
        self._most = most
        self._last: t.Optional[dict[str, t.Any]] = None

    def add(self, told: t.Mapping[str, t.Any], *, at: float) -> None:
        """Keep what was told `at` seconds after the start, if it is new."""
        if not told or told == self._last:
            return
        self._last = dict(told)
        if len(self.entries) >= self._most:
            self.entries.pop(self._most // 2)
        self.entries.append({"at": round(at, 3), **told})


@dataclasses.dataclass(frozen=True)
class Watched(t.Generic[Look]):
    """What waiting came to.

    Attributes:
        held: whether it was good for as long as it had to, in the last look too.
        waited: seconds.
        polls: how often was looked.
        last: the last look; at everything, where there is such a look.
        held_for, breaks: see Hold.
    """

    held: bool
    waited: float
    polls: int
    history: list[dict[str, t.Any]]
    last: Look
    held_for: float = 0.0
    breaks: int = 0

    def as_dict(self) -> dict[str, t.Any]:
        """As it appears in results."""
        return {"held": self.held, "waited": round(self.waited, 3), "polls": self.polls, "history": self.history}


def follow(
    look: t.Callable[[float], Look], judge: t.Callable[[Look], Judged], *, pace: Pace, full: t.Optional[t.Callable[[], Look]] = None,
    clock: Clock = time.monotonic, sleep: Sleep = time.sleep,
) -> Watched[Look]:
    """Look until it has held, the time is up, or waiting longer does not help; at least once.

    Args:
        look: one look. What it is given is the time that is left, in seconds.
        judge: what it says.
        full: a look at everything, which is taken last. It is judged too: where it breaks the hold the waiting goes on.
    """
    hold, history, started = Hold(seconds=pace.hold), History(), clock()

    def see(found: Look) -> tuple[float, bool]:
        now, judged = clock() - started, judge(found)
        hold.see(judged, at=now)
        history.add(judged.told, at=now)
        return now, _over(pace, hold, now) or (judged.in_vain and not judged.good)

    while True:
        last = look(max(pace.timeout - (clock() - started), 0.0))
        now, over = see(last)
        if full is not None and (hold.held or over):
            last = full()
            now, over_now = see(last)
            over = over or over_now
        if hold.held or over:
            return Watched(
                held=hold.held, waited=now, polls=hold.looks, history=history.entries, last=last, held_for=hold.held_for,
                breaks=hold.breaks,
            )
        sleep(_pause(pace, hold, now))


def until(good: t.Callable[[Look], bool], look: t.Callable[[], Look], *, seconds: float, interval: float) -> Look:
    """Look until it is good or the time is up; what was seen last, of which the caller knows what it means.

    Args:
        seconds: how long at most; one look is made in any case.
        interval: between two looks, seconds.
    """
    pace = Pace(hold=0.0, timeout=seconds, interval=interval)
    return follow(lambda _left: look(), lambda seen: Judged(good=good(seen)), pace=pace).last


def _over(pace: Pace, hold: Hold, now: float) -> bool:
    """Whether the time is up."""
    # What began to be good in time is given its hold; nothing else begins after the timeout.
    waits_for_hold = pace.hold_on_top and hold.since is not None and hold.since <= pace.timeout
    return now >= pace.timeout and not waits_for_hold


def _pause(pace: Pace, hold: Hold, now: float) -> float:
    """Until the next look: never past the time, nor past the end of the hold."""
    ends = [] if now >= pace.timeout else [pace.timeout - now]
    if hold.since is not None:
        ends.append(hold.since + hold.seconds - now)
    return max(min([pace.interval, *ends]), MIN_PAUSE)


def watch(
    look: t.Callable[[float], SeenLook], *, wait: Wait, full: t.Optional[t.Callable[[], SeenLook]] = None,
    clock: Clock = time.monotonic, sleep: Sleep = time.sleep,
) -> Watched[SeenLook]:
    """Look until the checks have been ok for long enough or the time is up; see follow().

    A look whose attribute `in_vain` says why waiting longer does not help is the last one.
    """
    def judge(seen: SeenLook) -> Judged:
        return dataclasses.replace(of_checks(wait.checks, seen.statuses()), in_vain=bool(getattr(seen, "in_vain", "")))

    return follow(look, judge, pace=wait.pace, full=full, clock=clock, sleep=sleep)


def of_checks(checks: t.Sequence[str], statuses: t.Mapping[str, str]) -> Judged:
    """Whether each of the checks is ok, and there is one. What is unknown, or was not looked at, is not."""
    now = {check: statuses.get(check, UNKNOWN) for check in checks}
    return Judged(good=bool(now) and all(status == OK for status in now.values()), told={"checks": now})


def wait_from(found: t.Mapping[str, t.Any]) -> Wait:
    """The waiting the arguments describe.

    Raises:
        BadInput: not durations, nothing to wait for, or a hold that can't fit.
    """
    pace = pace_from(found)
    if not found["checks"]:
        raise BadInput("wait_for.checks is empty.", hint="Name the checks that must be ok.", argument="wait_for")
    return Wait(checks=tuple(found["checks"]), hold=pace.hold, timeout=pace.timeout, interval=pace.interval)


def pace_from(found: t.Mapping[str, t.Any]) -> Pace:
    """The times of the argument `wait_for`.

    Raises:
        BadInput: not durations, or a hold that can't fit.
    """
    hold, timeout, interval = (parse_duration(found[name], name=f"wait_for.{name}") for name in ("hold", "timeout", "interval"))
    if hold > timeout:
        raise BadInput("wait_for.hold is longer than wait_for.timeout.", hint="Give more time than what must hold.", argument="wait_for")
    return Pace(hold=hold, timeout=timeout, interval=max(interval, 0.1))
