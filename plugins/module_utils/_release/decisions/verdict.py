# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on what runs, what it should be, and what there is to go back to.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.findings import CRITICAL, NOT_APPLICABLE, OK, WARNING, Finding, Skipped
from ..._core.judging import Judged, judge_look
from ..._core.recorded import Basis
from ..._core.temporary import moment
from ..._core.words import few
from .releases import Choice, Release, Seen, choose, short

RUNNING, WANTED, PREVIOUS, MIGRATIONS = CHECKS = ("release_running", "release_wanted", "release_previous", "release_migrations")
#: What says whether the right release runs.
DECISIVE = (RUNNING, WANTED)
#: Why a check does not apply.
ABSENT = {"no_migrations": "nothing says how migrations are listed"}
_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Migrations:
    """The ids of the migrations that the database has, and those that the release to go back to knows.

    Attributes:
        asked: whether anything says how they are listed.
        trouble: why one of them could not be listed.
    """

    asked: bool = False
    now: tuple[str, ...] = ()
    of: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def between(self) -> tuple[str, ...]:
        """Those that only one of both has."""
        return tuple(sorted(set(self.now) ^ set(self.of)))


def judge_releases(
    seen: Seen, *, to: str, migrations: Migrations, asked: t.Optional[t.Sequence[str]] = None,
) -> Judged:
    """The verdict on the releases of an application.

    Args:
        to: the release that should run; empty for the last one that was measured good.
        asked: the checks that must be answered.
    """
    choice = choose(seen, to=to)
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    for answer in (_running(seen), _wanted(seen, choice), _previous(seen), _migrations(seen, choice, migrations)):
        if isinstance(answer, Finding):
            findings.append(answer)
        else:
            skipped.append(answer)
    more = {
        "subject": seen.subject, "running": list(seen.running), "identity": list(seen.identity), "state": dict(seen.state),
        "releases": [_told(one, seen) for one in seen.releases], "wanted": choice.target.id if choice.target else "",
        "against": _against(seen, choice, migrations), "schema": _schema(migrations),
    }
    return Judged(judge_look(findings, skipped, asked=asked), more, Basis("release_health", {
        "seen": seen, "to": to, "migrations": migrations, "asked": asked,
    }))


def _against(seen: Seen, choice: Choice, migrations: Migrations) -> list[str]:
    """Why it must not be switched, beside the schema."""
    if seen.trouble:
        return [f"what runs could not be looked at: {seen.trouble}"]
    return [*((seen.fixed,) if seen.fixed else ()), *choice.against]


def _schema(migrations: Migrations) -> str:
    """Why the schema speaks against it; empty where it does not."""
    if not migrations.asked:
        return "whether the schema has changed since is not known, as nothing says how migrations are listed"
    if migrations.trouble:
        return f"whether the schema has changed since is not known: {migrations.trouble}"
    if migrations.between:
        return f"the schema has changed since: {few(migrations.between, most=_NAMED)}"
    return ""


def _told(one: Release, seen: Seen) -> dict[str, t.Any]:
    when = {name: moment(value) if value else "" for name, value in (
        ("made", one.made), ("good_at", one.note.good_at),
    )}
    return {
        "id": one.id, "name": one.name, "commit": one.commit, "present": one.present, "crashed": one.crashed,
        "running": one.id in seen.running, "good_run": one.note.run, **when,
    }


def _blind(check: str, seen: Seen) -> Skipped:
    return Skipped(check, f"cannot_look: {seen.subject}: {seen.trouble}", seen.hint or "Correct what names the releases, and its rights.")


def _running(seen: Seen) -> t.Union[Finding, Skipped]:
    if seen.trouble:
        return _blind(RUNNING, seen)
    named = [seen.release(identity) for identity in seen.running]
    observed = few((one.said for one in named), most=_NAMED) or None
    detail = {
        "since": moment(seen.since) if seen.since else "", "ids": list(seen.running), "commit": named[0].commit if len(named) == 1 else "",
    }
    status, hint = OK, ""
    if seen.broken or not named:
        status, hint = CRITICAL, f"{(seen.broken or 'No release runs').rstrip('.')}. Go back to one that is there."
    elif len(named) > 1:
        status, hint = WARNING, f"Instances run different releases: {observed}. Finish the deployment, or go back."
    elif seen.moved:
        status, hint = WARNING, f"{seen.moved.rstrip('.')}. The next start would run another release: name it by its digest."
    return Finding(RUNNING, status, observed=observed, hint=hint, subject=seen.subject, detail=detail)


def _wanted(seen: Seen, choice: Choice) -> t.Union[Finding, Skipped]:
    if seen.trouble:
        return _blind(WANTED, seen)
    target = choice.target
    if target is None:
        return Skipped(WANTED, f"no_target: {seen.subject}: {'; '.join(choice.against)}", choice.hint)
    observed = few((seen.release(identity).said for identity in seen.running), most=_NAMED) or None
    detail = {"good_at": moment(target.note.good_at) if target.note.good_at else "", "good_run": target.note.run}
    if seen.running == (target.id,):
        return Finding(WANTED, OK, observed=observed, threshold=target.said, subject=seen.subject, detail=detail)
    which = "the one that was named" if choice.named else f"the last that was measured good, at {detail['good_at']}"
    hint = f"{observed or 'Nothing'} runs. Go back to {target.said}, {which}."
    if choice.against:
        hint = f"{observed or 'Nothing'} runs, and it cannot be gone back: {'; '.join(choice.against)}. {choice.hint}".rstrip()
    return Finding(WANTED, WARNING, observed=observed, threshold=target.said, hint=hint, subject=seen.subject, detail=detail)


def _previous(seen: Seen) -> t.Union[Finding, Skipped]:
    if seen.trouble:
        return _blind(PREVIOUS, seen)
    there = [one for one in seen.releases if one.present and one.id not in seen.running]
    hint = "" if there else "There is nothing to go back to: keep the release before the present one."
    return Finding(
        PREVIOUS, OK if there else WARNING, observed=len(there), threshold=1, unit="count", subject=seen.subject, hint=hint,
        detail={"releases": [one.said for one in there[:_NAMED]]},
    )


def _migrations(seen: Seen, choice: Choice, migrations: Migrations) -> t.Union[Finding, Skipped]:
    if not migrations.asked:
        return Skipped(MIGRATIONS, f"no_migrations: {ABSENT['no_migrations']}.", kind=NOT_APPLICABLE)
    if migrations.trouble or choice.target is None:
        why = migrations.trouble or "there is no release to compare with"
        return Skipped(MIGRATIONS, f"cannot_look: {why}", "Correct the commands that list migrations.")
    between = migrations.between
    hint = "" if not between else (
        f"The schema is not that of release {short(choice.target.id)}: {few(between, most=_NAMED)}. "
        "Find out whether that release runs with it."
    )
    return Finding(
        MIGRATIONS, WARNING if between else OK, observed=len(between), threshold=1, unit="count", subject=seen.subject, hint=hint,
        detail={"between": list(between[:50])},
    )
