# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident run`: look, plan, ask, act, measure, report. Two executions of one playbook, one record."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.errors import PlanRefused
from ansible_collections.oncall.incident.plugins.module_utils._core.plan import load_plan
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, provenance
from ansible_collections.oncall.incident.plugins.plugin_utils._record.errors import CannotRecord
from ansible_collections.oncall.incident.plugins.plugin_utils._record.phases import MITIGATE, VERIFY
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Summary
from ansible_collections.oncall.incident.plugins.plugin_utils._record.told import Seen

from .. import who
from ..errors import Stop
from ..evidence import membership, sources, times
from ..evidence.membership import Membership
from ..exits import Exit
from ..private import private_dir, write_private
from ..record import outcome
from ..record.outcome import Outcome
from ..record.recording import Recording, answer_the_rest, unknown
from ..reporting.run import write_report
from . import ansible_cfg, approval, collection, endings, environment, extravars, request, scenarios
from .collection import Collection
from .execution import Executor
from .programs import ansible_playbook
from .request import Request
from .scenarios import Scenario
from .stopping import Stopper, signals
from .view import View

_NOT_ASKED = {
    "no_terminal": "Nobody can be asked: the input is not a terminal. --yes approves without a question, --check only shows the plan.",
    "expired": "The plan expired before it was approved. Run it again for a new look.",
}


@dataclasses.dataclass(frozen=True)
class Finished:
    """The end of `incident run`, for the screen and --json. `report` is None when it could not be written."""

    outcome: Outcome
    summary: Summary
    run_dir: Path
    report: Path | None
    incident: str = ""
    incident_notes: Sequence[str] = ()


class Run:
    """One run of one scenario; making it checks the input. Use go().

    Args:
        accept: called with what was found and planned before --yes approves the plan; false refuses it.
        scenario: a playbook that is not a scenario to choose; the request's otherwise.
        changes: earlier actions by host that this run is about; they are handed over in a private file.

    Attributes:
        scenario, record: which, and where it is written.
    """

    def __init__(
        self, asked: Request, *, found: Collection, view: View, stopper: Stopper, accept: Callable[[Summary], bool] | None = None,
        scenario: Scenario | None = None, changes: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    ) -> None:
        cwd = Path.cwd()
        settings = ansible_cfg.read(environ=os.environ, cwd=cwd)
        passed_on = environment.allowed(os.environ, also=[*asked.pass_env, *environment.looked_up(asked.inventories, cwd=cwd)])
        request.check_text(asked, cwd=cwd, environ=passed_on)
        request.check_passed(asked.passed)
        request.check_tags(asked)
        self.scenario = scenario or scenarios.choose(asked.scenario, collection=found.path, cwd=cwd)
        asked = request.within(asked, scenario=self.scenario.name, phases=self.scenario.phases)
        self._changes = changes
        request.check_inventory(asked, configured=settings.get("inventory"), cwd=cwd)
        request.check_files(asked, cwd=cwd)
        request.check_answer(asked, can_ask=approval.can_ask(view.console))
        program = ansible_playbook()
        home = layout.default_home(os.environ).absolute()
        membership.check(home, asked.incident)
        self._home, self._settings = home, settings
        self._membership: Membership | None = None
        self._at = times.now()
        self.record = Recording(home=home, run=layout.new_run_id(self.scenario.name, now=time.time()), versions=collection.versions(found))
        self._asked = asked
        self._accept = accept
        self._collection = found
        self._cwd = cwd
        self._view = view
        self._stopper = stopper
        self._executor = Executor(
            asked, scenario=self.scenario, found=found, settings=settings, record=self.record, home=home, program=program, cwd=cwd,
            view=view, stopper=stopper,
        )
        self._teach()

    def go(self) -> Finished:
        """Everything, from the first segment to the report.

        Raises:
            Stop: bad input, or no record can be begun.
        """
        with private_dir() as private, signals(self._stopper):
            try:
                variables = extravars.as_files(self._asked.extra_vars, directory=private, cwd=self._cwd)
            except OSError as exc:
                raise Stop(f"Cannot write into {private}: {exc.strerror}.", hint="Free space there, or point TMPDIR elsewhere.") from exc
            self._open()
            try:
                end = self._phases(private, variables)
            except CannotRecord as exc:
                end = _not_recorded(exc)
            return self._leave(self._close(end))

    # The wrapper's own side of the record

    def _teach(self) -> None:
        """Tell the redactor the secrets that are known here."""
        redactor = self.record.redactor
        redactor.learn_environment(os.environ)
        redactor.learn(dict(self._asked.secrets))
        for value in self._asked.extra_vars:
            redactor.learn_named(extravars.values(value, cwd=self._cwd))

    def _open(self) -> None:
        asked, found = self._asked, self._collection
        try:
            with self.record.segment() as segment:
                segment.append("run.open", {
                    "scenario": self.scenario.name, "playbook": self.scenario.playbook, "by": who.user(),
                    "collection": {
                        "path": str(found.path), "origin": found.origin, "version": found.version,
                        "source": provenance.git_revision(found.path.resolve()),
                    },
                    "project": provenance.git_revision(self._cwd),
                    "inventories": list(asked.inventories), "limit": asked.limit, "check": asked.check, "yes": asked.yes,
                    "timeout": asked.timeout, "phases": list(asked.phases), "tags": list(asked.further_tags),
                    "skip_tags": list(asked.skip_tags), "variables": [_names(value) for value in asked.extra_vars],
                    "passed": self.record.redactor.argv(list(asked.passed)),
                    "inventory_sha256": sources.inventories(asked.inventories, cwd=self._cwd), "configuration": dict(self._settings),
                })
            self._executor.also = self._tick
            began: datetime.datetime | None = self._at
            if asked.incident:
                began = self._join().incident.state().began
            self._executor.began = times.text(began) if began is not None else ""
        except CannotRecord as exc:
            raise Stop(exc.message, hint=exc.hint or "", status=Exit.NOT_RECORDED) from exc

    def _join(self) -> Membership:
        """The run's incident; one of its own is opened when something was looked at, so that a mistyped run leaves none.

        Raises:
            Stop: there is no such incident, or it is closed.
            CannotRecord: it cannot be written.
        """
        if self._membership is None:
            asked, found = self._asked, self._collection
            about = ", ".join(part for part in (asked.limit or "", "check only" if asked.check else "") if part)
            self._membership = Membership.begin(
                home=self._home, given=asked.incident, scenario=self.scenario.name, playbook=self.scenario.playbook, run=self.record.run,
                run_dir=self.record.run_dir, about=about, collection=found.path, versions=collection.versions(found), cwd=self._cwd,
                at=self._at,
            )
        return self._membership

    def _tick(self) -> None:
        """Called several times a second while Ansible runs; raises nothing. What cannot be written now is said before anything is done."""
        if self._membership is not None:
            self._membership.tick()
        elif not self.scenario.only_looks and endings.looked_at_something(self.record.summary):
            with contextlib.suppress(CannotRecord, Stop, OSError):
                self._join()

    def _close(self, end: Outcome) -> Finished:
        """Write how it ended, and the report."""
        record, summary = self.record, self.record.summary
        report: Path | None = None
        try:
            with record.segment() as segment:
                if self._stopper.reason and outcome.ansible_segments(summary):
                    segment.append("interrupted", {"reason": self._stopper.reason, "unknown": unknown(summary)})
                end = dataclasses.replace(end, reasons=[*end.reasons, *outcome.without_answer(summary)])
                answer_the_rest(segment, summary)
                segment.append("outcome", outcome_event(end, record.summary))
            report = write_report(record.run_dir)
        except CannotRecord as exc:
            if end.status != Exit.NOT_RECORDED:
                end = _not_recorded(exc, before=end.sentence)
        except OSError as exc:
            end = dataclasses.replace(end, reasons=[*end.reasons, f"the report could not be written: {exc.filename}: {exc.strerror}"])
        return Finished(end, record.summary, record.run_dir, report)

    def _leave(self, finished: Finished) -> Finished:
        """Tell the incident how the run ended, and give it the record."""
        if self._membership is None and (finished.outcome.status == Exit.USAGE or self.scenario.only_looks):
            return finished
        try:
            notes = self._join().end(finished.outcome, finished.summary)
        except (CannotRecord, Stop, OSError) as exc:
            said = getattr(exc, "message", exc)
            if self._membership is None:
                return dataclasses.replace(finished, incident_notes=[f"the run belongs to no incident: {said}"])
            notes = [f"the incident {self._membership.incident.id} does not have all of it: {said}"]
        return dataclasses.replace(finished, incident=self._join().incident.id, incident_notes=notes)

    # The phases

    def _phases(self, private: Path, variables: Sequence[str]) -> Outcome:
        looking = [phase for phase in self._asked.phases if phase != VERIFY]
        if self._changes is not None:
            self._executor.own = {"incident_changes": str(write_private(private / "changes.json", json.dumps(self._changes)))}
        if not looking:
            return self._act(private / "verify", variables, [VERIFY], {})
        doing = "looking" if self.scenario.only_looks else "looking and planning"
        ended = self._executor.run(private / "look", tags=looking, check=True, variables=variables, own={}, doing=doing)
        problem = self._problem(ended.status, ended.output, first=True)
        if problem is not None:
            return problem
        summary = self.record.summary
        if self.scenario.only_looks:
            return outcome.after_looking(summary)
        first = outcome.after_planning(summary, plan_asked=MITIGATE in self._asked.phases)
        plan, actions = summary.plan, outcome.planned(summary)
        if plan is None or not actions:
            if not first.to_verify or self._asked.check or VERIFY not in self._asked.phases:
                return first
            return outcome.after_verifying(self._act(private / "verify", variables, [VERIFY], {}), self.record.summary)
        approval.show_plan(self._view.console, plan=plan, actions=actions, protected=[seen.what for seen in outcome.spared(summary)])
        if self._asked.check or MITIGATE not in self._asked.phases:
            return first
        if first.status == Exit.FAILED:
            self._view.say(f"{first.sentence} Only the hosts named above are covered.", style="yellow")
        refused = self._decide(plan, len(actions))
        if refused is not None:
            return refused
        try:
            self._join()
        except Stop as exc:
            raise CannotRecord(exc.message, hint=exc.hint) from exc
        path = write_private(private / "plan.json", json.dumps(plan))
        return self._act(private / "act", variables, [MITIGATE, VERIFY], {"incident_approved_plan": str(path)})

    def _act(self, directory: Path, variables: Sequence[str], tags: Sequence[str], own: Mapping[str, Any]) -> Outcome:
        doing = "carrying out the plan" if MITIGATE in tags else "measuring"
        ended = self._executor.run(directory, tags=tags, check=False, variables=variables, own=own, doing=doing)
        return self._problem(ended.status, ended.output, first=not own) or outcome.after_acting(self.record.summary)

    def _problem(self, status: int | None, output: Sequence[str], *, first: bool) -> Outcome | None:
        said = [self.record.redactor.text(line) for line in output]
        return endings.after_execution(
            self.record.summary, status=status, said=said, stopped=self._stopper.reason, limit=self._asked.limit or "", first=first,
        )

    def _decide(self, plan: Mapping[str, Any], count: int) -> Outcome | None:
        """Check the plan, ask, and record the answer; None goes on."""
        try:
            load_plan(plan, now=time.time(), run=self.record.run, source="The plan")
        except PlanRefused as exc:
            return Outcome("failed", Exit.FAILED, f"{exc.message} Nothing was changed.", [exc.hint or ""])
        self._stopper.check_deadline()
        if self._stopper.reason:
            decision = approval.Decision(False, self._stopper.reason)
        elif self._asked.yes:
            accepted = self._accept is None or self._accept(self.record.summary)
            decision = approval.Decision(accepted, "--yes" if accepted else "not_accepted")
        else:
            decision = approval.ask(self._view.console, plan=plan, count=count, stopper=self._stopper)
        with self.record.segment() as segment:
            segment.append("plan.approved" if decision.approved else "plan.refused", {
                "by": who.user(), "how": decision.how, "hash": plan.get("hash"), "count": count,
            })
        if decision.approved:
            self._view.say(f"Approved by {who.user()} ({decision.how}).", style="green")
            return None
        if self._stopper.reason:
            return outcome.stopped(self._stopper.reason, self.record.summary)
        why = _NOT_ASKED.get(decision.how, "The plan was not approved.")
        return Outcome("refused", Exit.REFUSED, f"{why} Nothing was changed.", not_measured=outcome.not_measured(self.record.summary))


def outcome_event(end: Outcome, summary: Summary) -> dict[str, Any]:
    """The `outcome` event: data, for people and scripts."""
    return {
        "contract": outcome.OUTCOME_CONTRACT, "outcome": end.name, "exit_status": int(end.status), "sentence": end.sentence,
        "reasons": list(end.reasons), "not_measured": list(end.not_measured),
        "actions": [_pick(seen, "host", "verb", "name", "target", "outcome") for seen in outcome.carried_out(summary)],
        "planned": len(outcome.planned(summary)), "spared": len(outcome.spared(summary)),
        "remaining": [_pick(seen, "host", "check", "subject", "status") for seen in outcome.not_ok(summary)],
    }


def _pick(seen: Seen[Any], *keys: str) -> dict[str, Any]:
    data = seen.as_dict()
    return {key: data[key] for key in keys}


def _not_recorded(exc: CannotRecord, *, before: str = "") -> Outcome:
    note = f" Before that: {before}" if before else ""
    return Outcome("not_recorded", Exit.NOT_RECORDED, f"{exc.message}{note}", [exc.hint] if exc.hint else [])


def _names(value: str) -> str:
    """An extra variable without its value: the record says which were given."""
    return value if value.startswith("@") else ", ".join(re.findall(r"([A-Za-z_]\w*)['\"]?\s*[=:]", value))
