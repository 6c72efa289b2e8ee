# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until checks are ok and stay so: what verify does, whatever the subject.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from .durations import parse_duration
from .errors import BadInput
from .recovery import Hold, not_ok


class Seen(t.Protocol):
    """What one look found."""

    def statuses(self) -> dict[str, str]:
        """The worst status of each check."""


Look = t.TypeVar("Look", bound=Seen)


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


@dataclasses.dataclass(frozen=True)
class Watched(t.Generic[Look]):
    """What waiting came to: whether the checks held, and the last look, at everything that was asked for."""

    held: bool
    waited: float
    polls: int
    history: list[dict[str, t.Any]]
    last: Look

    def as_dict(self) -> dict[str, t.Any]:
        """As it appears in results."""
        return {"held": self.held, "waited": round(self.waited, 3), "polls": self.polls, "history": self.history}


def wait_spec(checks: t.Sequence[str]) -> dict[str, t.Any]:
    """The argument spec of a module's `wait_for`."""
    return {"type": "dict", "options": {
        "checks": {"type": "list", "elements": "str", "choices": list(checks), "required": True},
        "hold": {"type": "str", "default": "5s"},
        "timeout": {"type": "str", "default": "60s"},
        "interval": {"type": "str", "default": "1s"},
    }}


def wait_from(found: t.Mapping[str, t.Any]) -> Wait:
    """The waiting the arguments describe.

    Raises:
        BadInput: not durations, nothing to wait for, or a hold that can't fit.
    """
    hold, timeout, interval = (parse_duration(found[name], name=f"wait_for.{name}") for name in ("hold", "timeout", "interval"))
    if not found["checks"]:
        raise BadInput("wait_for.checks is empty.", hint="Name the checks that must be ok.", argument="wait_for")
    if hold > timeout:
        raise BadInput("wait_for.hold is longer than wait_for.timeout.", hint="Give more time than what must hold.", argument="wait_for")
    return Wait(checks=tuple(found["checks"]), hold=hold, timeout=timeout, interval=max(interval, 0.1))


def watch_until_held(
    brief: t.Callable[[], Look], full: t.Callable[[], Look], *, wait: Wait,
    clock: t.Callable[[], float] = time.monotonic, sleep: t.Callable[[float], None] = time.sleep,
) -> Watched[Look]:
    """Poll until the checks have held or the time is up.

    Args:
        brief: looks at the named checks only.
        full: looks at everything; the last look. Where it finds a named check not ok the hold is broken and the waiting goes on.
        wait: what for, and for how long.
    """
    hold = Hold(checks=wait.checks, seconds=wait.hold)
    started = clock()
    while True:
        enough = hold.see(brief().statuses(), at=clock() - started)
        over = clock() - started >= wait.timeout
        if enough or over:
            last = full()
            statuses = last.statuses()
            # The look at everything is a measurement too: it may be the one that breaks the hold.
            still = hold.see(statuses, at=clock() - started)
            held = enough and still and not not_ok(wait.checks, statuses)
            if held or over:
                return Watched(held=held, waited=clock() - started, polls=hold.polls, history=hold.history, last=last)
        sleep(max(min(wait.interval, wait.timeout - (clock() - started)), 0.0))
