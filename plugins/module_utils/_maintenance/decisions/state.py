# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is maintenance on, whose is it, and does it look from outside as it should?

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.findings import CRITICAL, OK, UNKNOWN, WARNING, Finding
from ..._core.judging import Judged, judge_look
from ..._core.recorded import Basis
from .notes import Note

SWITCH, PUBLIC, HEALTH, BYPASS = CHECKS = ("maintenance_switch", "public_answer", "health_answer", "bypass_answer")
ON, OFF, AS_IS = WANTED = ("on", "off", "as_is")
#: RFC 9110 section 15.6.4.
UNAVAILABLE = 503


@dataclasses.dataclass(frozen=True)
class Heard:
    """What one URL answered.

    Attributes:
        kind: PUBLIC, HEALTH or BYPASS.
        name: of the probe.
        expected: the status codes that are good without maintenance.
        status: of HTTP; None where there was no answer.
        retry_after: of the answer's header; empty where it has none.
        problem: why there was no answer, or what is wrong with one whose status is good.
    """

    kind: str
    name: str
    expected: tuple[int, ...]
    status: t.Optional[int] = None
    retry_after: str = ""
    problem: str = ""

    @property
    def in_maintenance(self) -> bool:
        """Whether it says so."""
        return self.status == UNAVAILABLE and bool(self.retry_after)


def decide(
    note: Note, heard: t.Sequence[Heard], *, wanted: str, api: bool, now: float, asked: t.Optional[t.Sequence[str]] = None,
) -> Judged:
    """The verdict on maintenance.

    Args:
        note: the flag, or what we have noted beside an API.
        wanted: ON, OFF, or AS_IS: whichever it is, all must fit.
        api: the application has a switch of its own, so that the note alone does not say whether maintenance is on.
        now: seconds since the epoch.
        asked: the checks that must be answered.
    """
    public = [one for one in heard if one.kind == PUBLIC]
    on = _is_on(note, public, api=api)
    mode = (ON if on else OFF) if wanted == AS_IS else wanted
    findings = [_switch(note, on, wanted=wanted, now=now), *(_judged(one, note, mode) for one in heard)]
    basis = Basis("maintenance_health", {"note": note, "heard": heard, "wanted": wanted, "api": api, "now": now, "asked": asked})
    more = {
        "on": on, "whose": note.said(now) if on else "", "note": note.as_dict(),
        "no_answer": [one.name for one in heard if one.status is None], "statuses": {one.name: one.status for one in heard},
    }
    return Judged(judge_look(findings, asked=asked), more=more, basis=basis)


def _is_on(note: Note, public: t.Sequence[Heard], *, api: bool) -> t.Optional[bool]:
    """Whether it is on; None where nobody could look. Of an API what is seen from outside decides."""
    if not api:
        return note.there
    seen = [one.in_maintenance for one in public if one.status is not None]
    if not seen or len(seen) < len(public):
        return None
    return any(seen)


def _switch(note: Note, on: t.Optional[bool], *, wanted: str, now: float) -> Finding:
    status, observed, hint = _switched(note, on, wanted=wanted, now=now)
    detail = {"run": note.run, "who": note.who, "since": note.since, "until": note.until}
    return Finding(SWITCH, status, observed=observed, hint=hint, subject=note.path, detail=detail)


def _switched(note: Note, on: t.Optional[bool], *, wanted: str, now: float) -> tuple[str, str, str]:
    """The status, what was seen, and what to do."""
    if on is None:
        problem = note.problem or "the public URL gave no answer"
        return UNKNOWN, problem, f"Whether maintenance is on could not be seen: {problem}. Make it readable for this user, or use become."
    if not on:
        return (CRITICAL, OFF, "Maintenance is not on.") if wanted == ON else (OK, OFF, "")
    seen = f"on {note.said(now)}"
    if wanted == OFF:
        return CRITICAL, seen, "Maintenance is still on."
    if note.late(now):
        return CRITICAL, seen, f"Maintenance was to end at {note.until}, and is on. Take it off: -e maintenance_state=off."
    return (OK, seen, "") if wanted == ON else (WARNING, seen, "Maintenance is on, so what users see is no fault of the application.")


def _judged(one: Heard, note: Note, mode: str) -> Finding:
    if one.status is None:
        return Finding(one.kind, UNKNOWN, observed=one.problem, subject=one.name, hint=(
            f"{one.name} gave no answer: {one.problem}. Check the proxy, and ask from where it can be reached."
        ))
    said = f"{one.status} with Retry-After {one.retry_after}" if one.retry_after else one.status
    status, hint = {PUBLIC: _public, HEALTH: _health, BYPASS: _bypass}[one.kind](one, note, mode)
    return Finding(
        one.kind, status, observed=said, subject=one.name, hint=hint, threshold=UNAVAILABLE if (one.kind, mode) == (PUBLIC, ON) else None,
    )


def _public(one: Heard, note: Note, mode: str) -> tuple[str, str]:
    if mode == OFF:
        return _as_expected(one, "Look at the application's own log.")
    if one.status != UNAVAILABLE:
        return CRITICAL, f"{one.name} answers {one.status} to users, not 503: what was switched does not reach them."
    if not one.retry_after:
        return WARNING, f"{one.name} answers 503 without Retry-After: clients and crawlers are not told when to come again. Add the header."
    return OK, ""


def _health(one: Heard, note: Note, mode: str) -> tuple[str, str]:
    """Its own answer must stay: a balancer that is told 503 takes every host out."""
    before = note.statuses.get(one.name)
    if mode == OFF or (one.status in one.expected and not one.problem):
        return _as_expected(one, "Look at the application's own log.")
    if one.status == before:
        return OK, ""
    return CRITICAL, (
        f"{one.name} answers {one.status} while maintenance is on, and {before or ' or '.join(map(str, one.expected))} without: "
        "whoever watches it takes the host out. Leave it out of the switch."
    )


def _bypass(one: Heard, note: Note, mode: str) -> tuple[str, str]:
    return _as_expected(one, "Operators cannot look behind the maintenance page. Correct the bypass.")


def _as_expected(one: Heard, otherwise: str) -> tuple[str, str]:
    if one.status in one.expected:
        return (CRITICAL, f"{one.name}: {one.problem}. {otherwise}") if one.problem else (OK, "")
    return CRITICAL, f"{one.name} answers {one.status}, not {' or '.join(map(str, one.expected))}. {otherwise}"
