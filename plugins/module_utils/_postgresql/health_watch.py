# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until checks are ok and stay so: what verify does.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from .._core.durations import parse_duration
from .._core.errors import BadInput, CannotReach
from .._core.recovery import Hold, not_ok
from .connection import Session
from .health import Look, Request, look, unreachable


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
class Watched:
    """What waiting came to: whether the checks held, and the last look, at everything that was asked for."""

    held: bool
    waited: float
    polls: int
    history: list[dict[str, t.Any]]
    last: Look

    def as_dict(self) -> dict[str, t.Any]:
        """As it appears in results."""
        return {"held": self.held, "waited": round(self.waited, 3), "polls": self.polls, "history": self.history}


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


def watch(
    open_session: t.Callable[[], Session], *, request: Request, wait: Wait,
    clock: t.Callable[[], float] = time.monotonic, sleep: t.Callable[[float], None] = time.sleep,
) -> Watched:
    """Poll in one session, opened again when it breaks, until the checks have held or the time is up.

    Polls look at the named checks only; the last look is at everything, and where it finds a named check not ok the
    hold is broken and the waiting goes on.

    Raises:
        Blind, CannotReach (of the kinds that say that we ask wrongly), BadInput.
    """
    brief = dataclasses.replace(request, checks=wait.checks)
    hold = Hold(checks=wait.checks, seconds=wait.hold)
    eye = _Eye(open_session)
    started = clock()
    try:
        while True:
            enough = hold.see(eye.look(brief).statuses(), at=clock() - started)
            over = clock() - started >= wait.timeout
            if enough or over:
                last = eye.look(request)
                statuses = last.statuses()
                # The look at everything is a measurement too: it may be the one that breaks the hold.
                still = hold.see(statuses, at=clock() - started)
                held = enough and still and not not_ok(wait.checks, statuses)
                if held or over:
                    return Watched(held=held, waited=clock() - started, polls=hold.polls, history=hold.history, last=last)
            sleep(max(min(wait.interval, wait.timeout - (clock() - started)), 0.0))
    finally:
        eye.close()


class _Eye:
    """Looks in one session and opens a new one when that is lost."""

    def __init__(self, open_session: t.Callable[[], Session]) -> None:
        self._open = open_session
        self._session: t.Optional[Session] = None

    def look(self, request: Request) -> Look:
        try:
            if self._session is None:
                self._session = self._open()
            return look(self._session, request)
        except CannotReach as error:
            self.close()
            return unreachable(error, request)

    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()
