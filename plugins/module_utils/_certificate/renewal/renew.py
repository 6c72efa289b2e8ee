# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renew certificates: back up, renew, check, validate, and put back what may not be served.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import typing as t

from ..._core import actions, ranges, why
from ..._core.acting import Candidate, Sight, Subject, act, answered, unanswered, untouched
from ..._core.actions import Action, Approved
from ..._core.errors import BadInput, CannotReach, IncidentError
from ..._core.limits import Budget
from ..._module.lease import acting_alone
from ..decisions.model import Cert
from ..decisions.renewal import RENEW, SETTLE, Lineage, problems
from ..decisions.renewing import NOTHING_NEW, Earlier, Held, Patience, as_before, facts_of, identity_of, rejected, sight
from . import backup
from .commands import Ran
from .journal import ACCEPTED, FAILED, ROLLED_BACK, Attempt, Journal

Read = t.Callable[[str], t.Sequence[Cert]]
Run = t.Callable[..., Ran]


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
            ranges.read(value, name=name)

    def as_dict(self) -> dict[str, t.Any]:
        """As they enter results and the plan's hash."""
        return {"max_renewals": self.budget.max_count, "max_failures": self.max_failures}


@dataclasses.dataclass(frozen=True)
class _Job:
    """One certificate to renew, or an attempt of an earlier run to settle."""

    lineage: Lineage
    action: Action
    present: t.Sequence[Cert]
    attempt: t.Optional[Attempt] = None


def subject(config_dir: str) -> str:
    """What is locked, as the role names it too: what is acted on."""
    return f"certificates of {os.path.realpath(config_dir)}"


def renew(
    lineages: t.Sequence[Lineage], *, host: str, config_dir: str, journal: Journal, effects: Effects, bounds: Bounds,
    approved: t.Optional[t.Sequence[Approved]], check_mode: bool,
) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """Renew what is due, one after the other; a failure of one does not keep the others from theirs.

    Args:
        host: identity of the host, for action ids.
        config_dir: what is acted on: nobody else renews there meanwhile, wherever the backups are.

    Returns:
        The result and the problem that fails the task.

    Raises:
        BadInput, CannotReach, Locked: before anything was touched.
    """
    done = act(_Certificates(lineages, host, config_dir, journal, effects, bounds), approved=approved, check_mode=check_mode)
    return done.as_result(limits=bounds.as_dict()), done.problem


class _Certificates(Subject[_Job]):
    """The certificates of a host that are due, and what earlier runs left of some."""

    verbs = (SETTLE, RENEW)
    noun, done = "certificates", "renewed"
    advice = "Raise max_renewals if this is meant, or name fewer certificates."

    def __init__(
        self, lineages: t.Sequence[Lineage], host: str, config_dir: str, journal: Journal, effects: Effects, bounds: Bounds,
    ) -> None:
        self.resource = f"host:{host}"
        self._config_dir = config_dir
        self._lineages, self._journal, self._do, self._bounds = lineages, journal, effects, bounds
        #: What the server said about its configuration before anything was changed, by the command that asked.
        self._validated: dict[tuple[str, ...], Ran] = {}
        #: Those whose earlier renewal is not settled yet.
        self._unsettled: set[str] = set()
        #: The fingerprints that are there, for answers.
        self._present: dict[str, str] = {}

    @contextlib.contextmanager
    def alone(self) -> t.Iterator[None]:
        with acting_alone(subject(self._config_dir)), self._journal.lock():
            yield

    def look(self) -> Sight[_Job]:
        now = self._do.now()
        attempts = {one.name: self._journal.open_attempt(one.name) for one in self._lineages}
        held = tuple(self._held(one, attempts[one.name], now=now) for one in self._lineages)
        self._present = {one.lineage.name: identity_of(one.present) for one in held}
        patience = Patience(self._bounds.max_failures, self._bounds.failure_window)
        seen = sight(held, self.resource, now, self._bounds.budget, patience)
        found = [
            _Job(one.target.lineage, one.action, one.target.present, attempts[one.target.lineage.name] if one.target.settles else None)
            for one in seen.candidates
        ]
        self._unsettled = {job.lineage.name for job in found if job.attempt is not None}
        self._check_tools(found)
        candidates = [Candidate(job, one.action, uses=one.uses) for job, one in zip(found, seen.candidates)]
        return Sight(candidates, limits=seen.limits, basis=seen.basis)

    def answer(self, one: Approved) -> Action:
        name = str(one.identity.get("name", ""))
        if one.verb == SETTLE and name in self._present and name not in self._unsettled:
            return answered(one, actions.NOT_NEEDED, why.GONE_ALREADY, error="it was settled meanwhile")
        if one.verb == RENEW and name in self._unsettled:
            return answered(one, actions.REFUSED, why.WAITS_FOR_ANOTHER, error="what an earlier renewal left is not settled")
        if name not in self._present:
            return answered(one, actions.MOVED_ON, why.NO_LONGER_MATCHES, error="it is not among the certificates of this call")
        if self._present[name] != one.identity.get("certificate"):
            return answered(one, actions.MOVED_ON, why.IDENTITY_CHANGED, error="another certificate is there by now")
        return answered(one, actions.MOVED_ON, why.NO_LONGER_MATCHES, error="it is not due")

    # What is to be done.

    def _held(self, lineage: Lineage, unfinished: t.Optional[Attempt], *, now: datetime.datetime) -> Held:
        present = tuple(self._do.read(lineage.certificate))
        failures = self._journal.failures(lineage.name, since=now.timestamp() - self._bounds.failure_window)
        earlier: t.Optional[Earlier] = None
        if unfinished is not None:
            earlier = Earlier(unfinished.directory, unfinished.began, at_work=bool(self._at_work(lineage, unfinished)))
            if not earlier.at_work:
                earlier = dataclasses.replace(
                    earlier, before=tuple(self._before(lineage, unfinished)), key_problem=self._key_problem(lineage, present),
                )
        return Held(lineage, present, failures=failures, earlier=earlier)

    @staticmethod
    def _real(lineage: Lineage, attempt: Attempt) -> str:
        """The file that the certificate's path led to when it was backed up, by the links of then."""
        links = {entry.path: entry.target for entry in attempt.entries if entry.kind == backup.LINK}
        return backup.resolve(lineage.certificate, links)

    def _check_tools(self, jobs: t.Sequence[_Job]) -> None:
        wanted = {job.lineage.command[0] for job in jobs if job.attempt is None}
        wanted |= {job.lineage.validate[0] for job in jobs if job.lineage.validate}
        absent = sorted(program for program in wanted if self._do.find(program) is None)
        if absent:
            raise BadInput(
                f"{', '.join(absent)} is not on this host, or may not be run; nothing was touched.",
                hint="Install it, or name the command that renews, and the one that validates, in the inventory.", missing=absent,
            )

    # Doing it.

    def carry_out(self, candidate: Candidate[_Job]) -> Action:
        # No error leaves: what cannot be reached for one certificate keeps no other from its renewal.
        job = candidate.target
        code = why.CANNOT_LOOK
        try:
            kept = self._kept(job)
            if kept is not None:
                return kept
            code = why.NOT_TRIED
            attempt = job.attempt or self._journal.begin(job.lineage.name, job.lineage.keep, now=self._do.now().timestamp())
        except IncidentError as exc:
            return untouched(job.action, code, error=exc.message, hint=exc.hint)
        try:
            return self._settle(job, attempt) if job.attempt else self._renew(job, attempt)
        except IncidentError as exc:
            return unanswered(job.action, exc.message, hint=exc.hint)

    def _kept(self, job: _Job) -> t.Optional[Action]:
        """What keeps a job from being begun, looked at again; None when nothing does."""
        if job.attempt is not None:
            at_work = self._at_work(job.lineage, job.attempt)
            return untouched(job.action, why.STILL_AT_WORK, error=f"{at_work} still renews it: wait for its end") if at_work else None
        if job.lineage.name in self._unsettled:
            return job.action.with_outcome(actions.REFUSED, why=why.WAITS_FOR_ANOTHER, error="what an earlier renewal left is not settled")
        if identity_of(self._do.read(job.lineage.certificate)) != identity_of(job.present):
            return job.action.with_outcome(actions.MOVED_ON, why=why.IDENTITY_CHANGED, error="another certificate is there by now")
        refused = self._validate(job.lineage, remembered=True)
        said = f"nothing was renewed, since the server could not be reloaded: {refused}"
        return untouched(job.action, why.CANNOT_HELP, error=said) if refused else None

    def _settle(self, job: _Job, attempt: Attempt) -> Action:
        """Finish what a killed run began: keep what it left if that may be served, put the old files back otherwise."""
        present = self._do.read(job.lineage.certificate)
        if as_before(self._before(job.lineage, attempt), present, key_problem=self._key_problem(job.lineage, present)):
            # What else differs somebody has repaired since, for all that is known here.
            attempt.close(FAILED, now=self._do.now().timestamp(), why=NOTHING_NEW)
            self._unsettled.discard(job.lineage.name)
            return job.action.with_outcome(actions.DONE, found=NOTHING_NEW, files="kept", backup=attempt.directory)
        found = "; ".join(self._rejected(job.lineage, attempt, present)) or self._validate(job.lineage)
        if found:
            failed = self._roll_back(job.action, attempt, found)
            if failed is not None:
                return failed
            self._unsettled.discard(job.lineage.name)
            return job.action.with_outcome(actions.DONE, found=found, files="restored", backup=attempt.directory)
        attempt.close(ACCEPTED, now=self._do.now().timestamp(), why="settled by a later run")
        self._unsettled.discard(job.lineage.name)
        return job.action.with_outcome(actions.DONE, kept=True, backup=attempt.directory)

    def _at_work(self, lineage: Lineage, attempt: Attempt) -> str:
        """Who may be writing the files now; empty when nobody is known to."""
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

    def _key_problem(self, lineage: Lineage, present: t.Sequence[Cert]) -> str:
        return self._do.key_problem(lineage.certificate, lineage.key) if present else ""

    def _rejected(self, lineage: Lineage, attempt: Attempt, present: t.Sequence[Cert]) -> list[str]:
        return rejected(
            lineage, before=self._before(lineage, attempt), present=present, key_problem=self._key_problem(lineage, present),
            now=self._do.now(),
        )

    def _renew(self, job: _Job, attempt: Attempt) -> Action:
        lineage, before = job.lineage, job.present
        ran = self._do.run(lineage.command, timeout=self._bounds.timeout, started=attempt.started)
        action = job.action.with_outcome(actions.UNKNOWN, backup=attempt.directory, command=list(lineage.command[:1]),
                                         seconds=round(ran.seconds, 3), before=facts_of(before[0]) if before else {})
        failure = _failure(lineage, ran)
        if failure:
            wrong = self._why_not_in_spite(lineage, attempt, failure, patience=max(self._bounds.timeout - ran.seconds, 0.0))
        else:
            wrong = self._why_not(lineage, before, ran) or self._validate(lineage)
        if wrong:
            return self._undo(action, lineage, attempt, wrong, code=why.TARGET_REFUSED if failure else why.NOT_MEASURED)
        after = self._do.read(lineage.certificate)
        attempt.close(ACCEPTED, now=self._do.now().timestamp(), why=failure)
        self._journal.prune(lineage.name)
        said = {"command_failed": failure} if failure else {}
        return action.with_outcome(actions.DONE, after=facts_of(after[0]), validated=bool(lineage.validate), **said)

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
        wrong = "; ".join(found) or self._validate(lineage)
        return f"{failure.rstrip('.')}; {wrong}" if wrong else ""

    def _why_not(self, lineage: Lineage, before: t.Sequence[Cert], ran: Ran) -> str:
        """Why what the command left may not be served; empty when it may."""
        after = self._do.read(lineage.certificate)
        if before and after and before[0].fingerprint == after[0].fingerprint:
            return (
                f"{lineage.command[0]} said that all is well, and the certificate is the one from before. It may not think it due, then "
                f"it must be forced; it said: {ran.last_words()}"
            )
        found = problems(
            lineage, before=before, after=after, key_problem=self._key_problem(lineage, after), now=self._do.now(),
        )
        return f"the new certificate may not be served: {'; '.join(found)}" if found else ""

    def _undo(self, action: Action, lineage: Lineage, attempt: Attempt, wrong: str, *, code: str) -> Action:
        if not backup.differences(attempt.entries, attempt.paths):
            attempt.close(FAILED, now=self._do.now().timestamp(), why=wrong)
            self._journal.prune(attempt.lineage)
            return action.with_outcome(actions.FAILED, why=code, error=wrong, files="unchanged")
        at_work = self._at_work(lineage, attempt)
        if at_work:
            # The attempt stays open: the next run judges what is there then.
            return action.with_outcome(
                actions.FAILED, why=why.STILL_AT_WORK, error=f"{wrong}; nothing is put back while {at_work} is at work", files="in use",
            )
        return self._roll_back(action, attempt, wrong) or action.with_outcome(actions.FAILED, why=code, error=wrong, files="restored")

    def _roll_back(self, action: Action, attempt: Attempt, wrong: str) -> t.Optional[Action]:
        """Put the old files back and measure that they are there: what failed, None when they are."""
        self._validated.clear()
        try:
            backup.put_back(attempt.entries, attempt.paths, copies=attempt.copies, aside=attempt.aside)
            left = backup.differences(attempt.entries, attempt.paths)
        except OSError as exc:
            left = [f"{exc.filename}: {exc.strerror}"]
        if left:
            # The attempt stays open: the next run tries again.
            return action.with_outcome(actions.FAILED, why=why.NOT_MEASURED, error=f"{wrong}; putting the old files back failed",
                                       files="not restored", backup=attempt.directory, different=left[:20])
        attempt.close(ROLLED_BACK, now=self._do.now().timestamp(), why=wrong)
        self._journal.prune(attempt.lineage)
        return None

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


def _failure(lineage: Lineage, ran: Ran) -> str:
    """What a command said that failed; empty when it did not."""
    if ran.ok:
        return ""
    how = "did not end in time and was ended" if ran.timed_out else f"ended with status {ran.status}"
    return f"{lineage.command[0]} {how}: {ran.last_words()}"
