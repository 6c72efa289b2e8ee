# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident run`: look, plan, ask, act, measure, report. Two executions of one playbook, one record."""

from __future__ import annotations

import dataclasses
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.errors import PlanRefused
from ansible_collections.oncall.incident.plugins.module_utils._core.plan import load_plan
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, provenance
from ansible_collections.oncall.incident.plugins.plugin_utils._record.errors import EXIT_CANNOT_RECORD, EXIT_NO_HOSTS, CannotRecord
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Summary

from . import ansible_cfg, approval, collection, environment, extravars, launch, outcome, request, scenarios, who
from .collection import Collection
from .errors import Stop
from .exits import Exit
from .outcome import Outcome
from .private import private_dir, write_private
from .programs import ansible_playbook
from .recording import Recording
from .report import write_report
from .request import MITIGATE, VERIFY, Request
from .stopping import Stopper, signals
from .view import View

CALLBACK = "oncall.incident.evidence"
_DEFAULT_CALLBACK_PLUGINS = "~/.ansible/plugins/callback:/usr/share/ansible/plugins/callback"
_ERROR = re.compile(r"\[ERROR\]|^ERROR!|^fatal:|error:|\[WARNING\]: (?:Unable to parse|Could not match)", re.IGNORECASE)
_MISMATCH = re.compile(r"Could not match supplied host pattern, ignoring: (\S+)")


@dataclasses.dataclass(frozen=True)
class Finished:
    """The end of `incident run`, for the screen and --json."""

    outcome: Outcome
    summary: Summary
    run_dir: Path
    report: Path | None


class Run:
    """One run of one scenario; making it checks the input. Use go().

    Attributes:
        scenario, record: which, and where it is written.
    """

    def __init__(self, asked: Request, *, found: Collection, view: View, stopper: Stopper) -> None:
        self._asked = asked
        self._collection = found
        self._view = view
        self._stopper = stopper
        self._cwd = Path.cwd()
        self._settings = ansible_cfg.read(environ=os.environ, cwd=self._cwd)
        self.scenario = scenarios.choose(asked.scenario, collection=found.path, cwd=self._cwd)
        request.check_passed(asked.passed)
        request.check_tags(asked)
        request.check_inventory(asked, configured=self._settings.get("inventory"), cwd=self._cwd)
        request.check_files(asked, cwd=self._cwd)
        self._program = ansible_playbook()
        home = layout.default_home(os.environ)
        run = layout.new_run_id(self.scenario.name, now=time.time())
        self._home = home.absolute()
        self.record = Recording(home=self._home, run=run, versions=collection.versions(found))
        self._teach()

    def go(self) -> Finished:
        """Everything, from the first segment to the report.

        Raises:
            Stop: bad input, or the record cannot be written; what there is of it says so too.
        """
        with private_dir() as private, signals(self._stopper):
            variables = extravars.as_files(self._asked.extra_vars, directory=private, cwd=self._cwd)
            self._open()
            end = self._phases(private, variables)
            if end.status == Exit.NOT_RECORDED:
                return Finished(end, self.record.summary, self.record.run_dir, None)
            return self._close(end)

    # The record's wrapper side

    def _open(self) -> None:
        asked, record = self._asked, self.record
        try:
            with record.segment() as segment:
                segment.append("run.open", {
                    "scenario": self.scenario.name, "playbook": self.scenario.playbook, "by": who.user(),
                    "collection": {"path": str(self._collection.path), "origin": self._collection.origin, "version": self._collection.version,
                                   "source": provenance.git_revision(self._collection.path.resolve())},
                    "project": provenance.git_revision(self._cwd),
                    "inventories": list(asked.inventories), "limit": asked.limit, "check": asked.check, "yes": asked.yes,
                    "timeout": asked.timeout, "phases": list(asked.phases), "tags": list(asked.further_tags), "skip_tags": list(asked.skip_tags),
                    # Names only: the values are what must not be here.
                    "extra_vars": [value if value.startswith("@") else ", ".join(re.findall(r"([A-Za-z_]\w*)\s*[=:]", value)) for value in asked.extra_vars],
                    "passed": record.redactor.argv(list(asked.passed)),
                })
        except CannotRecord as exc:
            raise Stop(exc.message, hint=exc.hint or "", status=Exit.NOT_RECORDED) from exc

    def _teach(self) -> None:
        redactor = self.record.redactor
        redactor.learn_environment(os.environ)
        redactor.learn(dict(self._asked.secrets))
        for value in self._asked.extra_vars:
            if value[:1] not in "@{[":
                redactor.learn_named(dict(part.partition("=")[::2] for part in value.split() if "=" in part))

    def _close(self, end: Outcome) -> Finished:
        """Write how it ended, and the report."""
        record, summary = self.record, self.record.summary
        try:
            with record.segment() as segment:
                if self._stopper.reason and ansible_ran(summary):
                    segment.append("interrupted", {"reason": self._stopper.reason, "unknown": [
                        {key: entry.get(key) for key in ("host", "task", "action", "phase", "seq", "actions")} for entry in summary.unanswered
                    ]})
                segment.append("outcome", outcome_event(end, summary))
            record.look()
            report = write_report(record.run_dir)
        except CannotRecord as exc:
            end = Outcome("not_recorded", Exit.NOT_RECORDED, f"The outcome could not be recorded: {exc.message} It was: {end.sentence}", [exc.hint or ""])
            return Finished(end, record.summary, record.run_dir, None)
        return Finished(end, record.summary, record.run_dir, report)

    # The phases

    def _phases(self, private: Path, variables: Sequence[str]) -> Outcome:
        asked, record = self._asked, self.record
        looking = [phase for phase in asked.phases if phase != VERIFY]
        if not looking:
            return self._act(private, variables, [VERIFY], {})
        ended = self._execute(private / "1", [*variables, *self._own(private, {})], tags=looking, check=True, doing="looking and planning")
        problem = self._ending(ended, first=True)
        if problem is not None:
            return problem
        first = outcome.after_planning(record.summary)
        plan = record.summary.plan
        if plan is None or not outcome.planned(record.summary):
            return first
        actions = outcome.planned(record.summary)
        approval.show_plan(self._view.console, plan=plan, actions=actions, protected=record.summary.protected)
        if asked.check or MITIGATE not in asked.phases:
            return first
        if first.status == Exit.FAILED:
            self._view.say(f"{first.sentence} This plan covers only the hosts it names.", style="yellow")
        refused = self._decide(plan, len(actions))
        if refused is not None:
            return refused
        path = write_private(private / "plan.json", _json(plan))
        return self._act(private, variables, [MITIGATE, VERIFY], {"incident_approved_plan": str(path)})

    def _act(self, private: Path, variables: Sequence[str], tags: Sequence[str], own: Mapping[str, Any]) -> Outcome:
        doing = "carrying out the plan" if MITIGATE in tags else "measuring"
        ended = self._execute(private / "2", [*variables, *self._own(private, own)], tags=tags, check=False, doing=doing)
        return self._ending(ended, first=not own) or outcome.after_acting(self.record.summary)

    def _decide(self, plan: Mapping[str, Any], count: int) -> Outcome | None:
        """Check the plan, ask, and record the answer; None goes on."""
        try:
            load_plan(plan, now=time.time(), run=self.record.run, source="The plan")
        except PlanRefused as exc:
            return Outcome("failed", Exit.FAILED, f"{exc.message} Nothing was changed.", [exc.hint or ""])
        if self._asked.yes:
            decision = approval.Decision(True, "--yes")
        else:
            decision = approval.ask(self._view.console, plan=plan, count=count, stopper=self._stopper)
        payload = {"by": who.user(), "how": decision.how, "hash": plan.get("hash"), "count": count}
        with self.record.segment() as segment:
            segment.append("plan.approved" if decision.approved else "plan.refused", payload)
        self.record.look()
        if decision.approved:
            self._view.say(f"Approved by {who.user()} ({decision.how}).", style="green")
            return None
        if self._stopper.reason:
            return outcome.stopped(self._stopper.reason, self.record.summary)
        why = {
            "no_terminal": "Nobody can be asked: the input is no terminal. Use --yes to approve without a question, or --check to only see the plan.",
            "expired": "The plan expired before it was approved. Run it again for a new look.",
        }.get(decision.how, "The plan was not approved.")
        return Outcome("refused", Exit.REFUSED, f"{why} Nothing was changed.", not_measured=outcome.not_measured(self.record.summary))

    def _own(self, private: Path, variables: Mapping[str, Any]) -> list[str]:
        own = {"incident_run_id": self.record.run, "incident_record": "on", **variables}
        return extravars.own_file("own-act.json" if variables else "own-look.json", own, directory=private)

    # One execution

    def _execute(self, directory: Path, variables: Sequence[str], *, tags: Sequence[str], check: bool, doing: str) -> launch.Ended:
        directory.mkdir(mode=0o700)
        arguments = [*self._asked.ansible_arguments(), "--tags", ",".join([*tags, *self._asked.further_tags]), *variables]
        view, record = self._view, self.record
        started = launch.Launch(
            program=self._program, playbook=self.scenario.playbook, arguments=[*arguments, *(["--check"] if check else [])],
            environ=self._environ(directory), secrets=self._asked.secrets, directory=directory, cwd=self._cwd,
            forget=[] if "ANSIBLE_HOST_KEY_CHECKING" in os.environ else ["ANSIBLE_HOST_KEY_CHECKING"],
        )

        def tick() -> None:
            record.look(view)
            view.tick()

        view.begin(doing)
        try:
            return launch.run(started, stopper=self._stopper, tick=tick, line=lambda text: view.line(record.redactor.text(text)))
        finally:
            view.end()

    def _environ(self, directory: Path) -> dict[str, str]:
        """What Ansible's process gets: the allowed part of ours, and what makes the collection and the recorder found."""
        asked, settings = self._asked, self._settings
        inventories = asked.inventories or [part.strip() for part in settings.get("inventory", "").split(",") if part.strip()]
        env = environment.allowed(os.environ, also=[*asked.pass_env, *environment.looked_up(inventories, cwd=self._cwd)])
        linked = _link(self._collection, directory) if self._collection.root is None else None
        enabled = [name.strip() for name in settings.get("callbacks_enabled", "").split(",") if name.strip()]
        env.update({
            "ANSIBLE_COLLECTIONS_PATH": collection.search_path(self._collection, linked_root=linked, configured=settings.get("collections_path")),
            "ANSIBLE_CALLBACKS_ENABLED": ",".join(dict.fromkeys([*enabled, CALLBACK])),
            "ANSIBLE_CALLBACK_PLUGINS": settings.get("callback_plugins", _DEFAULT_CALLBACK_PLUGINS),
            "ANSIBLE_NO_TARGET_SYSLOG": settings.get("no_target_syslog", "true"),
            "ANSIBLE_NOCOWS": "1",
            "PATH": f"{Path(self._program).parent}{os.pathsep}{env.get('PATH', os.defpath)}",
            layout.HOME_VARIABLE: str(self._home), layout.RUN_DIR_VARIABLE: str(self.record.run_dir), layout.RUN_ID_VARIABLE: self.record.run,
        })
        return env

    def _ending(self, ended: launch.Ended, *, first: bool) -> Outcome | None:
        """What ends the run right after an execution; None goes on."""
        summary = self.record.summary
        said = self._said(ended)
        if ended.status == EXIT_CANNOT_RECORD:
            return Outcome("not_recorded", Exit.NOT_RECORDED, "The record could not be written, so Ansible was stopped.", said)
        if self._stopper.reason:
            return outcome.stopped(self._stopper.reason, summary)
        limit = self._asked.limit or ""
        strangers = [name for name in dict.fromkeys(found.group(1) for found in map(_MISMATCH.search, ended.output) if found) if name in limit]
        if first and strangers:
            return Outcome("bad_input", Exit.USAGE, f"--limit {limit}: the inventory has no {', '.join(strangers)}; nothing was touched.", [
                "Check the name: ansible-inventory --graph shows what there is."])
        if ended.status == EXIT_NO_HOSTS or (summary.no_hosts and not summary.hosts and not summary.unreachable):
            wanted = ", ".join(sorted({str(entry.get("hosts")) for entry in summary.no_hosts})) or "the scenario's groups"
            return Outcome("bad_input", Exit.USAGE, f"No host matched {wanted}; nothing was touched.", [
                "Name the hosts in the inventory's group, or set the group: -e incident_db=GROUP", *said])
        if first and ended.status and not looked_at_something(summary):
            return Outcome("bad_input", Exit.USAGE, "Ansible could not start on this; nothing was touched.", said)
        return None

    def _said(self, ended: launch.Ended) -> list[str]:
        """The errors among Ansible's own last words, redacted."""
        lines = [self.record.redactor.text(line) for line in ended.output]
        starts = [number for number, line in enumerate(lines) if _ERROR.search(line)]
        return lines[starts[0]:][:12] if starts else lines[-6:]


def looked_at_something(summary: Summary) -> bool:
    """Whether any phase got as far as a result: before that, what fails is the input."""
    if summary.findings or summary.actions or summary.unreachable or summary.plan is not None:
        return True
    real = [entry for entry in summary.failures if "validate_argument_spec" not in str(entry.get("action"))]
    return any(entry.get("phase") for entry in real)


def ansible_ran(summary: Summary) -> bool:
    """Whether an Ansible process wrote anything."""
    return bool(outcome.ansible_segments(summary))


def outcome_event(end: Outcome, summary: Summary) -> dict[str, Any]:
    """The `outcome` event: data, for people and scripts."""
    return {
        "contract": outcome.OUTCOME_CONTRACT, "outcome": end.name, "exit_status": int(end.status), "sentence": end.sentence,
        "reasons": list(end.reasons), "not_measured": list(end.not_measured),
        "actions": [{key: action.get(key) for key in ("host", "verb", "target", "outcome")} for action in outcome.carried_out(summary)],
        "planned": len(outcome.planned(summary)), "spared": len(summary.protected),
        "remaining": [{key: item.get(key) for key in ("host", "check", "subject", "status")} for item in summary.findings if item.get("status") != "ok"],
    }


def _link(found: Collection, directory: Path) -> Path:
    """A collections directory for a bare checkout, in the private directory."""
    link = directory / "collections" / "ansible_collections" / "oncall" / "incident"
    link.parent.mkdir(parents=True)
    link.symlink_to(found.path)
    return directory / "collections"


def _json(value: Mapping[str, Any]) -> str:
    import json

    return json.dumps(value)
