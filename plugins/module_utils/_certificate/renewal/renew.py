# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renew certificates: back up, renew, check, validate, and put back what may not be served.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..._core import actions
from ..._core.actions import Action
from ..._core.errors import BadInput, CannotReach, IncidentError, LimitExceeded
from ..._core.limits import Budget
from ..decisions.model import Cert, iso
from ..decisions.renewal import RENEW, SETTLE, Lineage, problems, why_due
from . import backup
from .commands import Ran
from .journal import ACCEPTED, FAILED, ROLLED_BACK, Attempt, Journal

Read = t.Callable[[str], t.Sequence[Cert]]
Run = t.Callable[..., Ran]

_NOTHING_NEW = "no new certificate was there yet"


@dataclasses.dataclass(frozen=True)
class Effects:
    """How the world is reached.

    Attributes:
        read: the certificates of a PEM file, the leaf first; empty when there are none that can be read.
        key_problem: why a key does not belong to a certificate; empty when it does.
        run: runs a command, with timeout in seconds.
        find: where a program is, None when it is not there.
        released: whether nobody else holds a lock on a file, or lets go of it within timeout in seconds.
        now: the time, UTC.
    """

    read: Read
    key_problem: t.Callable[[str, str], str]
    run: Run
    find: t.Callable[[str], t.Optional[str]]
    released: t.Callable[..., bool]
    now: t.Callable[[], datetime.datetime]


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Limits of a run.

    Attributes:
        budget: how many certificates may be renewed.
        timeout: of one renewing command, seconds.
        validate_timeout: of one validation, seconds.
        max_failures: so many failed attempts within `failure_window` seconds, and a certificate is left alone: authorities limit them.
    """

    budget: Budget
    timeout: float
    validate_timeout: float
    max_failures: int
    failure_window: float

    def __post_init__(self) -> None:
        for name, value in (("timeout", self.timeout), ("validate_timeout", self.validate_timeout), ("max_failures", self.max_failures)):
            if value <= 0:
                raise BadInput(f"{name}: {value:g} allows nothing.", hint="Give more than 0.", argument=name)

    def as_dict(self) -> dict[str, t.Any]:
        """As they enter results and the plan's hash."""
        return {"max_renewals": self.budget.max_count, "max_failures": self.max_failures}


@dataclasses.dataclass(frozen=True)
class _Job:
    lineage: Lineage
    action: Action
    present: t.Sequence[Cert]


def renew(
    lineages: t.Sequence[Lineage], *, host: str, journal: Journal, effects: Effects, bounds: Bounds,
    approved: t.Optional[t.Sequence[str]], check_mode: bool,
) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """Renew what is due, one after the other; a failure of one does not keep the others from theirs.

    Args:
        host: identity of the host, for action ids.

    Returns:
        The result and the problem that fails the task.

    Raises:
        BadInput, CannotReach, Locked, LimitExceeded: before anything was touched.
    """
    return _Renewer(host, journal, effects, bounds, approved).work(lineages, check_mode=check_mode)


class _Renewer:
    def __init__(
        self, host: str, journal: Journal, effects: Effects, bounds: Bounds, approved: t.Optional[t.Sequence[str]]
    ) -> None:
        self._host, self._journal, self._do, self._bounds, self._approved = host, journal, effects, bounds, approved
        #: What the server said about its configuration before anything was changed, by the command that asked.
        self._validated: dict[tuple[str, ...], Ran] = {}

    def work(self, lineages: t.Sequence[Lineage], *, check_mode: bool) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        unfinished = {one.name: attempt for one in lineages if (attempt := self._journal.open_attempt(one.name)) is not None}
        jobs = [job for one in lineages for job in self._jobs(one, unfinished.get(one.name))]
        self._check_limit(jobs)
        self._check_tools(jobs)
        if check_mode or not jobs:
            return self._result([self._unless_refused(job) for job in jobs], check_mode=check_mode)
        done: list[Action] = []
        with self._journal.lock():
            for job in jobs:
                name = job.lineage.name
                unsettled = any(one.verb == SETTLE and one.target["name"] == name and one.outcome != actions.DONE for one in done)
                done.append(
                    job.action.with_outcome(actions.REFUSED, why="what an earlier renewal left is not settled") if unsettled
                    else self._carry_out(job, unfinished.get(name))
                )
        return self._result(done, check_mode=False)

    # What is to be done.

    def _jobs(self, lineage: Lineage, unfinished: t.Optional[Attempt]) -> t.Iterator[_Job]:
        present = self._do.read(lineage.certificate)
        if unfinished is not None:
            at_work = bool(self._at_work(lineage, unfinished))
            as_before = not at_work and self._as_before(lineage, unfinished, present)
            keeps = as_before or (not at_work and not self._rejected(lineage, unfinished, present))
            yield self._job(SETTLE, lineage, present, attempt=unfinished.directory, reason=(
                f"A renewal that began {iso(_moment(unfinished.began))} was never finished: " + (
                    "it still runs." if at_work else "it left the certificate as it was." if as_before
                    else f"what it left is {'usable and kept' if keeps else 'put back'}."
                )
            ))
            if at_work:
                return
            if not keeps:
                present = self._do.read(backup.stored(unfinished.copies, self._real(lineage, unfinished)))
        reason = why_due(lineage, present, now=self._do.now())
        if reason:
            yield self._job(RENEW, lineage, present, reason=reason)

    def _job(self, verb: str, lineage: Lineage, present: t.Sequence[Cert], *, reason: str, **more: str) -> _Job:
        identity = {"name": lineage.name, "certificate": present[0].fingerprint if present else "none", **more}
        target = {
            "name": lineage.name, "file": lineage.certificate, **(_facts(present[0]) if present else {}),
            "names": list(lineage.wanted_names(present)),
        }
        found = Action(
            verb=verb, resource=f"host:{self._host}", identity=identity, target=target, reason=reason, name=f"certificate {lineage.name}",
        )
        return _Job(lineage=lineage, action=found, present=present)

    @staticmethod
    def _real(lineage: Lineage, attempt: Attempt) -> str:
        """The file that the certificate's path led to when it was backed up, by the links of then."""
        links = {entry.path: entry.target for entry in attempt.entries if entry.kind == backup.LINK}
        return backup.resolve(lineage.certificate, links)

    def _check_limit(self, jobs: t.Sequence[_Job]) -> None:
        due = [job for job in jobs if job.action.verb == RENEW and actions.is_approved([job.action.id], self._approved)]
        if len(due) > self._bounds.budget.allowance(len(due)):
            raise LimitExceeded(
                f"{len(due)} certificates are due and {self._bounds.budget.max_count} may be renewed in a run; nothing was renewed.",
                hint="Raise max_renewals if this is meant, or name fewer certificates.", contract=actions.ACTIONS_CONTRACT,
                limits=self._bounds.as_dict(), actions=[job.action.with_outcome(actions.REFUSED, why="limit").as_dict() for job in jobs],
            )

    def _check_tools(self, jobs: t.Sequence[_Job]) -> None:
        wanted = {job.lineage.command[0] for job in jobs if job.action.verb == RENEW}
        wanted |= {job.lineage.validate[0] for job in jobs if job.lineage.validate}
        absent = sorted(program for program in wanted if self._do.find(program) is None)
        if absent:
            raise BadInput(
                f"{', '.join(absent)} is not on this host, or may not be run; nothing was touched.",
                hint="Install it, or name the command that renews, and the one that validates, in the inventory.", missing=absent,
            )

    def _unless_refused(self, job: _Job) -> Action:
        """The action with the outcome that it has before anything is done: planned or refused."""
        if not actions.is_approved([job.action.id], self._approved):
            return job.action.with_outcome(actions.REFUSED, why="not approved")
        if job.action.verb == RENEW and self._failed_too_often(job.lineage):
            return job.action.with_outcome(actions.REFUSED, why=(
                f"{self._bounds.max_failures} attempts failed within {self._bounds.failure_window / 60:g} minutes, and authorities limit "
                "them: find out why before it is tried again"
            ))
        return job.action

    def _failed_too_often(self, lineage: Lineage) -> bool:
        since = self._do.now().timestamp() - self._bounds.failure_window
        return self._journal.failures(lineage.name, since=since) >= self._bounds.max_failures

    # Doing it.

    def _carry_out(self, job: _Job, unfinished: t.Optional[Attempt]) -> Action:
        action = self._unless_refused(job)
        if action.outcome != actions.PLANNED:
            return action
        try:
            if action.verb == SETTLE:
                return self._settle(job, unfinished) if unfinished is not None else action.with_outcome(actions.NOT_NEEDED)
            return self._renew(job)
        except IncidentError as exc:
            return action.with_outcome(actions.FAILED, why=exc.message)

    def _settle(self, job: _Job, attempt: Attempt) -> Action:
        """Finish what a killed run began: keep what it left if that may be served, put the old files back otherwise."""
        at_work = self._at_work(job.lineage, attempt)
        if at_work:
            return job.action.with_outcome(actions.FAILED, why=f"{at_work} still renews it: wait for its end")
        present = self._do.read(job.lineage.certificate)
        if self._as_before(job.lineage, attempt, present):
            # What else differs somebody has repaired since, for all that is known here.
            attempt.close(FAILED, now=self._do.now().timestamp(), why=_NOTHING_NEW)
            return job.action.with_outcome(actions.DONE, why=_NOTHING_NEW, files="kept", backup=attempt.directory)
        found = self._rejected(job.lineage, attempt, present)
        if found:
            return self._roll_back(job.action, attempt, "; ".join(found), wanted=actions.DONE)
        refused = self._validate(job.lineage)
        if refused:
            return self._roll_back(job.action, attempt, refused, wanted=actions.DONE)
        attempt.close(ACCEPTED, now=self._do.now().timestamp(), why="settled by a later run")
        return job.action.with_outcome(actions.DONE, kept=True, backup=attempt.directory)

    def _at_work(self, lineage: Lineage, attempt: Attempt) -> str:
        """Who may be writing the files at this moment; empty when nobody is known to."""
        if attempt.at_work:
            return f"process {attempt.pid}"
        return "" if self._released(lineage) else f"whoever holds {lineage.lock}"

    def _released(self, lineage: Lineage, *, timeout: float = 0.0) -> bool:
        try:
            return self._do.released(lineage.lock, timeout=timeout)
        except OSError as exc:
            raise CannotReach(f"{lineage.lock} cannot be read: {exc.strerror}.", hint="Run it as the user who renews, often root.") from exc

    def _before(self, lineage: Lineage, attempt: Attempt) -> t.Sequence[Cert]:
        return self._do.read(backup.stored(attempt.copies, self._real(lineage, attempt)))

    def _as_before(self, lineage: Lineage, attempt: Attempt, present: t.Sequence[Cert]) -> bool:
        """Whether the certificate is the one that was backed up, and the key that is there belongs to it."""
        before = self._before(lineage, attempt)
        same = bool(before and present) and before[0].fingerprint == present[0].fingerprint
        return same and not self._do.key_problem(lineage.certificate, lineage.key)

    def _rejected(self, lineage: Lineage, attempt: Attempt, present: t.Sequence[Cert]) -> list[str]:
        before = self._before(lineage, attempt)
        if before and present and before[0].fingerprint == present[0].fingerprint:
            # Nothing new, or something half done: what was there is the better half.
            return [_NOTHING_NEW]
        key_problem = self._do.key_problem(lineage.certificate, lineage.key) if present else ""
        return problems(lineage, before=before, after=present, key_problem=key_problem, now=self._do.now())

    def _renew(self, job: _Job) -> Action:
        lineage = job.lineage
        before = self._do.read(lineage.certificate)
        if (before[0].fingerprint if before else "none") != (job.present[0].fingerprint if job.present else "none"):
            return job.action.with_outcome(actions.MOVED_ON, why="another certificate is there by now")
        refused = self._validate(lineage, remembered=True)
        if refused:
            return job.action.with_outcome(actions.FAILED, why=(
                f"nothing was renewed, since the server could not be reloaded: {refused}"
            ))
        attempt = self._journal.begin(lineage.name, lineage.keep, now=self._do.now().timestamp())
        ran = self._do.run(lineage.command, timeout=self._bounds.timeout, started=attempt.started)
        action = job.action.with_outcome(actions.UNKNOWN, backup=attempt.directory, command=list(lineage.command[:1]),
                                         seconds=round(ran.seconds, 3), before=_facts(before[0]) if before else {})
        failure = _failure(lineage, ran)
        if failure:
            why = self._why_not_in_spite(lineage, attempt, failure, patience=max(self._bounds.timeout - ran.seconds, 0.0))
        else:
            why = self._why_not(lineage, before, ran) or self._validate(lineage)
        if why:
            return self._undo(action, lineage, attempt, why)
        after = self._do.read(lineage.certificate)
        attempt.close(ACCEPTED, now=self._do.now().timestamp(), why=failure)
        self._journal.prune(lineage.name)
        said = {"command_failed": failure} if failure else {}
        return action.with_outcome(actions.DONE, after=_facts(after[0]), validated=bool(lineage.validate), **said)

    def _why_not_in_spite(self, lineage: Lineage, attempt: Attempt, failure: str, *, patience: float) -> str:
        """Why what is there after a command that failed may not be served; empty when it may.

        A hook of certbot's that fails makes it end with 1 when everything is in place, and certbot's timer may have renewed it
        at the same moment: the files are what counts.

        Args:
            patience: how long somebody else who is at work is waited for, seconds.
        """
        self._released(lineage, timeout=patience)
        if not backup.differences(attempt.entries, attempt.paths):
            return failure
        found = self._rejected(lineage, attempt, self._do.read(lineage.certificate))
        why = "; ".join(found) or self._validate(lineage)
        return f"{failure.rstrip('.')}; {why}" if why else ""

    def _why_not(self, lineage: Lineage, before: t.Sequence[Cert], ran: Ran) -> str:
        """Why what the command left may not be served; empty when it may."""
        after = self._do.read(lineage.certificate)
        if before and after and before[0].fingerprint == after[0].fingerprint:
            return (
                f"{lineage.command[0]} said that all is well, and the certificate is the one from before. It may not think it due, then "
                f"it must be forced; it said: {ran.last_words()}"
            )
        key_problem = self._do.key_problem(lineage.certificate, lineage.key) if after else ""
        found = problems(lineage, before=before, after=after, key_problem=key_problem, now=self._do.now())
        return f"the new certificate may not be served: {'; '.join(found)}" if found else ""

    def _undo(self, action: Action, lineage: Lineage, attempt: Attempt, why: str) -> Action:
        if not backup.differences(attempt.entries, attempt.paths):
            attempt.close(FAILED, now=self._do.now().timestamp(), why=why)
            self._journal.prune(attempt.lineage)
            return action.with_outcome(actions.FAILED, why=why, files="unchanged")
        at_work = self._at_work(lineage, attempt)
        if at_work:
            # The attempt stays open: the next run judges what is there then.
            return action.with_outcome(actions.FAILED, why=f"{why}; nothing is put back while {at_work} is at work", files="in use")
        return self._roll_back(action, attempt, why, wanted=actions.FAILED)

    def _roll_back(self, action: Action, attempt: Attempt, why: str, *, wanted: str) -> Action:
        """Put the old files back and measure that they are there; `wanted` is the outcome when they are."""
        self._validated.clear()
        try:
            backup.put_back(attempt.entries, attempt.paths, copies=attempt.copies, aside=attempt.aside)
            left = backup.differences(attempt.entries, attempt.paths)
        except OSError as exc:
            left = [f"{exc.filename}: {exc.strerror}"]
        if left:
            # The attempt stays open: the next run tries again.
            return action.with_outcome(actions.FAILED, why=f"{why}; putting the old files back failed", files="not restored",
                                       backup=attempt.directory, different=left[:20])
        attempt.close(ROLLED_BACK, now=self._do.now().timestamp(), why=why)
        self._journal.prune(attempt.lineage)
        return action.with_outcome(wanted, why=why, files="restored", backup=attempt.directory)

    def _validate(self, lineage: Lineage, *, remembered: bool = False) -> str:
        """Why the server would not take its configuration; empty when it would, or when there is nothing to ask."""
        if not lineage.validate:
            return ""
        if not remembered or lineage.validate not in self._validated:
            self._validated[lineage.validate] = self._do.run(lineage.validate, timeout=self._bounds.validate_timeout)
        ran = self._validated[lineage.validate]
        if ran.ok:
            return ""
        how = "did not end in time" if ran.timed_out else f"status {ran.status}"
        return f"the server's configuration is not valid ({' '.join(lineage.validate)}: {how}): {ran.last_words()}"

    def _result(self, done: t.Sequence[Action], *, check_mode: bool) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        result = actions.result(done, check_mode=check_mode, limits=self._bounds.as_dict())
        failed = actions.failed_actions(done)
        if not failed:
            return result, None
        said = [f"{action.target['name']}: {action.detail.get('why', action.outcome)}" for action in failed]
        return result, IncidentError(f"{len(failed)} of {len(done)} failed. " + " ".join(f"{one.rstrip('.')}." for one in said))


def _failure(lineage: Lineage, ran: Ran) -> str:
    """What a command said that failed; empty when it did not."""
    if ran.ok:
        return ""
    how = "did not end in time and was ended" if ran.timed_out else f"ended with status {ran.status}"
    return f"{lineage.command[0]} {how}: {ran.last_words()}"


def _facts(cert: Cert) -> dict[str, t.Any]:
    return {"serial": cert.serial, "fingerprint_sha256": cert.fingerprint, "not_after": iso(cert.not_after)}


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.timezone.utc)
