# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask many HTTP endpoints at once, within one time.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import threading
import time
import typing as t

from .._core.errors import Blind
from .._core.judging import Judged
from .._module import programs
from .._module.programs import Run
from .decisions.answers import NO_WAY, TIMEOUT, Answer, Heard
from .decisions.requests import CONTROLLER, HOST, Request
from .decisions.web import CHECK, Asked, Probe, decide
from .exchange import Exchange, Stopped, TrustStores
from .inside import Inside, inside_container

#: So many are asked at one time.
MOST_AT_ONCE = 64
#: Whoever is woken at its time says itself what it waited for, within this time: seconds.
_GRACE = 0.25


class Asking(t.Protocol):
    """What is asked."""

    @property
    def request(self) -> Request:
        """The request."""

    def weigh(self, heard: Heard) -> Answer:
        """What an answer comes to."""


@dataclasses.dataclass
class _Course:
    """One request on its way."""

    probe: Asking
    exchange: Exchange
    begun: bool = False
    answer: t.Optional[Answer] = None
    fault: t.Optional[BaseException] = None
    woken: bool = False
    enter: t.Optional[t.Callable[[], None]] = None

    def begin(self, until: float, changed: threading.Condition) -> None:
        """Ask, in a thread of its own."""
        self.begun, now = True, time.monotonic()
        self.exchange.began, self.exchange.until = now, min(until, now + self.probe.request.max_time)
        threading.Thread(target=_ask, args=(self, changed), daemon=True).start()

    @property
    def next(self) -> float:
        """When somebody must look after it."""
        return self.exchange.until + (_GRACE if self.woken else 0.0)


def look(
    probes: t.Sequence[Probe], *, timeout: float, asked: t.Optional[t.Sequence[str]] = (CHECK,), run: Run = programs.run,
) -> Judged:
    """Ask all probes at once, and judge the application.

    Args:
        timeout: for all of them, seconds.
        asked: the checks that must be answered.
        run: asks the container engine for the containers that something is asked from inside.

    Raises:
        BadInput: a CA is not usable; nothing was asked.
    """
    answers = ask_all(probes, timeout=timeout, inside=_insides(probes, run))
    return decide([Asked.by(probe, answer) for probe, answer in zip(probes, answers)], asked=asked)


def _insides(probes: t.Sequence[Probe], run: Run) -> dict[int, t.Union[Inside, Answer]]:
    """The containers that something is asked from inside; each is looked for once."""
    found: dict[str, t.Union[Inside, Answer]] = {}
    for name in {probe.scope for probe in probes} - {HOST, CONTROLLER}:
        try:
            found[name] = inside_container(name, run=run)
        except Blind as exc:
            found[name] = _no_way(exc)
    return {number: found[probe.scope] for number, probe in enumerate(probes) if probe.scope in found}


def _no_way(exc: Blind) -> Answer:
    return Answer(stage=NO_WAY, problem=exc.message)


def ask_all(
    probes: t.Sequence[Asking], *, timeout: float, stores: t.Optional[TrustStores] = None,
    inside: t.Optional[t.Mapping[int, t.Union[Inside, Answer]]] = None,
) -> list[Answer]:
    """The answers, in the order of what is asked.

    Args:
        inside: by the number of what is asked, from inside which container it is, or why it cannot be asked.

    A name that a resolver does not answer holds up its thread; nobody waits for it longer than its own time.
    """
    stores = stores or TrustStores()
    courses = [_Course(probe, Exchange(probe.request, stores.of(probe.request))) for probe in probes]
    for number, way in (inside or {}).items():
        if isinstance(way, Answer):
            courses[number].answer = way
        else:
            courses[number].enter, courses[number].exchange.resolve = way.enter, way.resolve
    until = time.monotonic() + timeout
    waiting = [course for course in courses if course.answer is None]
    changed = threading.Condition()
    with changed:
        while any(course.answer is None for course in courses):
            now = time.monotonic()
            running = [course for course in courses if course.begun and course.answer is None]
            while waiting and len(running) < MOST_AT_ONCE and now < until:
                running.append(waiting.pop(0))
                running[-1].begin(until, changed)
            for course in running:
                _end_at_its_time(course, now)
            if now >= until:
                for course in waiting:
                    course.answer = Answer(stage=TIMEOUT, problem=f"it was not asked within {timeout:g} s")
                waiting = []
            changed.wait(max(min((course.next for course in running if course.answer is None), default=now) - now, 0.001))
            for course in courses:
                if course.fault is not None:
                    raise course.fault
    return [t.cast(Answer, course.answer) for course in courses]


def _end_at_its_time(course: _Course, now: float) -> None:
    if now >= course.exchange.until and not course.woken:
        course.woken = True
        course.exchange.end()
    elif course.woken and now >= course.next:
        course.answer = dataclasses.replace(course.exchange.late(), seconds=course.probe.request.max_time)


def _ask(course: _Course, changed: threading.Condition) -> None:
    try:
        if course.enter is not None:
            course.enter()
        answer, fault = ask(course.probe, course.exchange), None
    except Blind as exc:
        answer, fault = _no_way(exc), None
    except BaseException as exc:
        answer, fault = None, exc
    with changed:
        if course.answer is None:
            course.answer, course.fault = answer, fault
        changed.notify()


def ask(probe: Asking, exchange: Exchange) -> Answer:
    """The answer of one request."""
    try:
        found = probe.weigh(exchange.run())
    except Stopped as exc:
        found = Answer(stage=exc.stage, problem=exc.problem, status=exc.status, sure=exc.sure)
    return dataclasses.replace(exchange.answer(found), seconds=round(time.monotonic() - exchange.began, 4))
