# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine of contract 1: how every health module comes to its verdict.

This module util is PRIVATE to the collection: it may change at any time.

A module says which checks it knows, which were asked for, and what a look found. The engine makes the rest: each asked check ends as a
finding, or is skipped because it does not apply; one that could not be looked at, or that nobody answered, is a finding that is
unknown. So a verdict is never better than what was measured.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from .errors import BadInput, IncidentError
from .findings import (
    NOT_APPLICABLE,
    OK,
    STATUSES,
    UNKNOWN,
    VERDICT_CONTRACT,
    Finding,
    Skipped,
    must_fail,
    worst,
)
from .recorded import READING, Basis
from .recovery import compare, reasons, say_not_recovered
from .suggest import suggest
from .waiting import Wait, wait_from, watch

FAIL_ON = ("never", "critical", "warning")
#: The reason of a check that was asked for and of which a look said nothing.
NOBODY_ANSWERED = "nobody_answered: the look said nothing about this check"


class Unhealthy(IncidentError):
    """The task asked to fail at this status."""

    kind = "unhealthy"


class NotRecovered(IncidentError):
    """What was waited for did not hold, or something is worse than at the start."""

    kind = "not_recovered"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What was judged.

    Attributes:
        asked: the checks that had to be answered.
        findings: those of the look, and one that is unknown for each asked check that has no answer.
        skipped: what could not be judged, and why.
        good: the statuses that are good enough, such as only ok.
    """

    asked: tuple[str, ...]
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    good: tuple[str, ...] = (OK,)

    @property
    def status(self) -> str:
        """The worst status of all findings; unknown when nothing was judged."""
        return worst(finding.status for finding in self.findings)

    @property
    def healthy(self) -> t.Optional[bool]:
        """Whether every asked check is good: None when that is not known, since one has no answer, or none applies."""
        found = {finding.status for finding in self.findings if finding.asked}
        bad = found - set(self.good)
        return False if bad - {UNKNOWN} else None if bad or not found else True

    def statuses(self) -> dict[str, str]:
        """The worst status of each check that was judged, or could not be looked at."""
        found: dict[str, str] = {}
        for finding in self.findings:
            found[finding.check] = worst((finding.status, found.get(finding.check, finding.status)))
        for item in self.skipped:
            if item.kind != NOT_APPLICABLE:
                found[item.check] = worst((UNKNOWN, found.get(item.check, UNKNOWN)))
        return found

    def not_good(self) -> dict[str, str]:
        """The asked checks that are not good, with their status."""
        bad: dict[str, str] = {}
        for finding in self.findings:
            if finding.asked and finding.status not in self.good:
                bad[finding.check] = worst((finding.status, bad.get(finding.check, finding.status)))
        return bad

    def as_dict(self) -> dict[str, t.Any]:
        """The verdict as it appears in results: contract, status, findings, skipped_checks, checks, asked, healthy."""
        return {
            "contract": VERDICT_CONTRACT, "status": self.status, "findings": [finding.as_dict() for finding in self.findings],
            "skipped_checks": [item.as_dict() for item in self.skipped], "checks": self.statuses(), "asked": list(self.asked),
            "healthy": self.healthy,
        }


def judge_look(
    findings: t.Iterable[Finding], skipped: t.Iterable[Skipped] = (), *, asked: t.Optional[t.Sequence[str]] = None,
    good: tuple[str, ...] = (OK,),
) -> Verdict:
    """The verdict of one look.

    Args:
        asked: the checks that had to be answered; None: all of which the look says anything.
        good: see Verdict.
    """
    found, left = list(findings), list(skipped)
    wanted = tuple(dict.fromkeys(
        asked if asked is not None else [finding.check for finding in found] + [item.check for item in left if item.kind != NOT_APPLICABLE]
    ))
    silent = set(wanted) - {finding.check for finding in found} - {item.check for item in left}
    left += [Skipped(check, NOBODY_ANSWERED) for check in wanted if check in silent]
    # Also where another finding of the check is there: part of what was asked has no answer.
    told = {finding.check for finding in found if finding.status == UNKNOWN}
    for item in left:
        if item.kind != NOT_APPLICABLE and item.check in wanted and item.check not in told:
            told.add(item.check)
            found.append(Finding(check=item.check, status=UNKNOWN, hint=item.hint, detail={"reason": item.reason}))
    marked = tuple(dataclasses.replace(finding, asked=finding.check in wanted) for finding in found)
    return Verdict(asked=wanted, findings=marked, skipped=tuple(left), good=good)


class Looked(t.Protocol):
    """One look of a module."""

    @property
    def verdict(self) -> Verdict:
        """What it came to."""

    def as_result(self) -> dict[str, t.Any]:
        """What the module's result has beside the verdict."""


@dataclasses.dataclass(frozen=True)
class Judged:
    """A look of which a module keeps nothing but its verdict, further keys of its result, and what it was judged from."""

    verdict: Verdict
    more: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    basis: t.Optional[Basis] = None

    def as_result(self) -> dict[str, t.Any]:
        """See Looked."""
        return {"changed": False, **self.more}


Look = t.TypeVar("Look", bound=Looked)


@dataclasses.dataclass(frozen=True)
class Question:
    """What a call wants to know.

    Attributes:
        asked: checks that must be answered; None: everything that a look says anything about. What is waited for is among them.
        fail_on: status at which the task fails: never, critical, warning.
        wait: what is waited for; None for one look.
        baseline: status by check at the start.
        what: what is judged, for messages: PostgreSQL.
    """

    asked: t.Optional[tuple[str, ...]] = None
    fail_on: str = "never"
    wait: t.Optional[Wait] = None
    baseline: t.Optional[t.Mapping[str, str]] = None
    what: str = "It"


def question_spec(
    *, default: t.Optional[t.Sequence[str]] = None, fail_on: str = "never", hold: str = "5s", timeout: str = "60s",
) -> dict[str, t.Any]:
    """The argument spec of `asked`, `fail_on`, `wait_for` and `baseline`; documented by the fragment oncall.incident.verdict.

    Args:
        default: what is asked where a call says nothing; None: what question_from() is given.
        fail_on, hold, timeout: defaults.
    """
    # Without choices: a role gives variables, which no linter can compare with them, and question_from() says what is like a slip.
    names: dict[str, t.Any] = {"type": "list", "elements": "str"}
    return {
        "asked": {**names, **({"default": list(default)} if default is not None else {})},
        "fail_on": {"type": "str", "choices": list(FAIL_ON), "default": fail_on},
        "baseline": {"type": "dict"},
        "wait_for": {"type": "dict", "options": {
            "checks": names, "hold": {"type": "str", "default": hold}, "timeout": {"type": "str", "default": timeout},
            "interval": {"type": "str", "default": "1s"},
        }},
    }


def question_from(
    params: t.Mapping[str, t.Any], *, checks: t.Sequence[str], default: t.Optional[t.Sequence[str]], what: str,
) -> Question:
    """The question that a module's arguments ask.

    Args:
        checks: the names that there are.
        default: what is asked where the call says nothing; None: everything that a look says anything about.
        what: see Question.

    Raises:
        BadInput: a check that there is not, durations that are none, or nothing to wait for.
    """
    stated = params["wait_for"]
    named = params["asked"] if params["asked"] is not None else default
    asked = None if named is None else tuple(dict.fromkeys(named))
    awaited = tuple(dict.fromkeys(stated["checks"])) if stated and stated["checks"] is not None else asked
    for option, names in (("asked", asked), ("wait_for.checks", awaited if stated else ())):
        for name in names or ():
            if name not in checks:
                raise BadInput(
                    f"{option}: there is no check {name!r}.", hint=f"{suggest(name, checks)}There are {', '.join(checks)}.",
                    argument=option.partition(".")[0],
                )
    wait = wait_from({**stated, "checks": list(awaited or ())}) if stated else None
    if wait:
        # Only the default gives way to what is waited for: who names checks wants an answer to each of them.
        asked = tuple(dict.fromkeys([*(params["asked"] or ()), *wait.checks]))
    return Question(asked=asked, fail_on=params["fail_on"], wait=wait, baseline=params["baseline"], what=what)


def answer(
    question: Question, look: t.Callable[[], Look], *, brief: t.Optional[t.Callable[[], Look]] = None,
    clock: t.Callable[[], float] = time.monotonic, sleep: t.Callable[[float], None] = time.sleep,
) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """Look once, or until what is waited for holds.

    Args:
        look: looks at everything, and judges by the question's `asked`.
        brief: looks at what is waited for alone, while waiting; `look` where it is None.

    Returns:
        The module's result, and the problem that must fail the task although there is a result.
    """
    if question.wait is None:
        seen = look()
        result = {**seen.as_result(), **seen.verdict.as_dict(), **_reading(seen)}
        return {**result, **_compared(question, seen.verdict)}, _unhealthy(question, seen.verdict)
    # Where each look is at everything, the last one is one of them.
    awaited = question.wait.checks
    watched = watch(
        lambda _left: _Waiting((brief or look)(), awaited), full=(lambda: _Waiting(look(), awaited)) if brief else None,
        wait=question.wait, clock=clock, sleep=sleep,
    )
    seen = watched.last.look
    compared = _compared(question, seen.verdict)
    troubled = [f"{check} {status}" for check, status in sorted(seen.verdict.not_good().items())]
    in_vain = "" if watched.held else watched.last.in_vain
    waited = None if in_vain else watched.waited
    said = say_not_recovered(troubled, held=watched.held, waited=waited, worse=compared.get("new", {}))
    advice = in_vain or _advice(seen.verdict)
    beside = _beside(question.wait, seen.verdict) if watched.held else None
    problem: t.Optional[IncidentError] = None
    if said and question.fail_on != "never":
        problem = NotRecovered(f"{question.what}: {said}", hint=advice)
    elif beside:
        problem = _unhealthy(question, beside)
    # Who is in the way now, for the roles, which tell this sentence.
    left = [f"{check} {status}" for check, status in sorted(beside.not_good().items())] if beside else []
    said = reasons([said, f"Not waited for, and not ok: {', '.join(left)}." if left else ""])
    told = f"{said} {advice}" if said and advice else said
    result = {
        **seen.as_result(), **seen.verdict.as_dict(), **watched.as_dict(), **compared, "not_recovered": told, **_reading(seen),
    }
    return result, problem


def _beside(wait: Wait, verdict: Verdict) -> t.Optional[Verdict]:
    """The verdict on what was asked and not waited for; None where there is no such finding."""
    asked = tuple(check for check in verdict.asked if check not in wait.checks)
    found = tuple(one for one in verdict.findings if one.check in asked)
    return dataclasses.replace(verdict, asked=asked, findings=found) if found else None


def _reading(seen: Looked) -> dict[str, t.Any]:
    """What the last look was judged from, where the subject says it."""
    basis: t.Optional[Basis] = getattr(seen, "basis", None)
    return {} if basis is None else {READING: basis.as_reading()}


@dataclasses.dataclass(frozen=True)
class _Waiting(t.Generic[Look]):
    """A look as waiting sees it: a status that is good enough counts as ok, and what does not apply is not waited for.

    Attributes:
        awaited: what is waited for, of which something must apply.
    """

    look: Look
    awaited: tuple[str, ...]

    @property
    def in_vain(self) -> str:
        """Why waiting longer does not help; empty where it does, or where the subject does not say it."""
        return str(getattr(self.look, "in_vain", ""))

    def statuses(self) -> dict[str, str]:
        verdict = self.look.verdict
        found = {check: OK if status in verdict.good else status for check, status in verdict.statuses().items()}
        judged = any(finding.check in self.awaited for finding in verdict.findings)
        absent = {item.check for item in verdict.skipped if item.kind == NOT_APPLICABLE} - set(found)
        return {**found, **(dict.fromkeys(absent, OK) if judged else {})}


def _compared(question: Question, verdict: Verdict) -> dict[str, t.Any]:
    if question.baseline is None:
        return {}
    compared = compare(verdict.statuses(), baseline=question.baseline, judged=question.wait.checks if question.wait else ())
    return {"remaining": dict(compared.remaining), "new": dict(compared.new)}


def _unhealthy(question: Question, verdict: Verdict) -> t.Optional[IncidentError]:
    if not must_fail(verdict.status, fail_on=question.fail_on):
        return None
    bad = list(dict.fromkeys(f"{finding.check} {finding.status}" for finding in _worst_first(verdict) if finding.status != OK))
    return Unhealthy(f"{question.what} is {verdict.status}: {', '.join(bad)}.", hint=_advice(verdict))


def _worst_first(verdict: Verdict) -> list[Finding]:
    return sorted(verdict.findings, key=lambda finding: -STATUSES.index(finding.status))


def _advice(verdict: Verdict) -> t.Optional[str]:
    """What to do about the worst finding for which there is advice; of what was asked before anything else."""
    found = [finding for finding in _worst_first(verdict) if finding.status != OK and finding.hint]
    asked = [finding for finding in found if finding.asked and finding.status not in verdict.good]
    return next((finding.hint for finding in [*asked, *found]), None)
