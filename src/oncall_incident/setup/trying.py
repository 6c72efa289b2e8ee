# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Try an answer: what a run would do with it, looking only. The record of a trial is private and gone afterwards."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ansible_collections.oncall.incident.plugins.module_utils._core.findings import CRITICAL, OK, UNKNOWN, Finding
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout
from ansible_collections.oncall.incident.plugins.plugin_utils._record.phases import INVESTIGATE, MITIGATE
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Summary

from ..errors import Stop
from ..exits import Exit
from ..private import private_dir
from ..record import outcome
from ..record.recording import Recording
from ..running import ansible_cfg, collection, environment, extravars, scenarios
from ..running.collection import Collection
from ..running.execution import Executor
from ..running.programs import ansible_playbook
from ..running.request import Request
from ..running.stopping import INTERRUPT, Stopper, signals
from ..running.view import View
from ..terminal import words
from ..terminal.console import PatientConsole
from . import inventory
from .answers import HERE
from .inventory import Answers

#: Seconds that a trial may take, and one that asks a single program.
SECONDS, SECONDS_OF_A_PROGRAM = 120.0, 30
#: A trial keeps nothing, so it takes no snapshot either.
_NO_EVIDENCE = ("evidence_snapshot=false", "postgres_snapshot=false")
_SHOWN = 500


@dataclasses.dataclass(frozen=True)
class Trial:
    """What came of it.

    Attributes:
        problem: why the answer does not work; empty where it does.
        said: what was found.
    """

    problem: str = ""
    said: str = ""


class Trier:
    """Tries answers with the collection of this installation."""

    def __init__(self, found: Collection) -> None:
        self._found = found

    def reach(self, answers: Answers) -> Trial:
        """Does the host let us in, and is the container or target there? The server itself is the next question's."""
        way = answers.reach
        if way.via == "kubernetes":
            return _program(["kubectl", "--namespace", way.namespace, "get", way.name, "--output=name"])
        if way.via == "container":
            return self._on_host(way.host, "ansible.builtin.command", f"docker container inspect {way.name}", f"{way.name} is there")
        if way.via == "host" and way.host != HERE:
            return self._on_host(way.host, "ansible.builtin.ping", "", f"{way.host} answers over SSH")
        return Trial(said="is tried with the next answer")

    def database(self, answers: Answers) -> Trial:
        """Does the server take this login?"""
        return self._looked(dataclasses.replace(answers, application=Answers().application), "db-recovery", _first("availability"))

    def probe(self, answers: Answers) -> Trial:
        """Does the query give an answer to this login?"""
        return self._looked(dataclasses.replace(answers, application=Answers().application), "db-recovery", _first("probe"))

    def application(self, answers: Answers) -> Trial:
        """Is there such a service?"""
        return self._looked(dataclasses.replace(answers, database=None, health=""), "service-outage", _worst)

    def health(self, answers: Answers) -> Trial:
        """Does the URL answer as it should?"""
        return self._looked(dataclasses.replace(answers, database=None), "service-outage", _worst)

    def plan(self, place: Path, scenario: str) -> Trial:
        """Does a run with this inventory make a plan?"""
        summary, said = self._run(place, scenario, [INVESTIGATE, MITIGATE])
        problem = _failed(summary) or ("" if summary.plan is not None else said or "no plan was made")
        checks, actions = words.count(len(summary.findings), "check"), words.count(len(outcome.planned(summary)), "action")
        return Trial(problem, f"{checks}, {actions} planned")

    def _looked(self, answers: Answers, scenario: str, judge: Callable[[Sequence[Finding]], Trial]) -> Trial:
        with private_dir() as private:
            inventory.write(answers, private / "inventory")
            summary, said = self._run(private / "inventory", scenario, [INVESTIGATE])
        problem = _failed(summary)
        if problem:
            return Trial(problem)
        found = [seen.what for seen in summary.findings]
        return judge(found) if found else Trial(said or "nothing was looked at")

    def _run(self, place: Path, scenario: str, tags: Sequence[str]) -> tuple[Summary, str]:
        """The record of one execution in check mode, and Ansible's last words where it did not end well."""
        cwd = Path.cwd()
        asked = Request(scenario=scenario, inventories=[str(place)], check=True, timeout=SECONDS)
        stopper = Stopper(timeout=SECONDS)
        with private_dir() as private, signals(stopper):
            record = Recording(
                home=private / "home", run=layout.new_run_id("init", now=time.time()), versions=collection.versions(self._found),
            )
            record.redactor.learn_environment(os.environ)
            executor = Executor(
                asked, scenario=scenarios.choose(scenario, collection=self._found.path, cwd=cwd), found=self._found,
                settings=ansible_cfg.read(environ=os.environ, cwd=cwd), record=record, home=private / "home", program=ansible_playbook(),
                cwd=cwd, view=View(PatientConsole(stderr=True, highlight=False, quiet=True)), stopper=stopper,
            )
            variables = extravars.as_files(_NO_EVIDENCE, directory=private, cwd=cwd)
            ended = executor.run(private / "look", tags=tags, check=True, variables=variables, own={}, doing="trying")
            if stopper.reason == INTERRUPT:
                raise Stop("Stopped. Nothing was written.", hint="Begin again with incident init.", status=Exit.INTERRUPTED)
            if stopper.reason:
                return record.summary, f"it took more than {SECONDS:g} s"
            said = record.redactor.text(" ".join(_errors(ended.output))) if ended.status != 0 else ""
            return record.summary, words.one_line(said, limit=_SHOWN)

    def _on_host(self, host: str, module: str, arguments: str, said: str) -> Trial:
        """One module on the host, in its own process of Ansible."""
        program = str(Path(ansible_playbook()).with_name("ansible"))
        way = ["--connection=local"] if host == HERE else []
        name = "localhost" if host == HERE else host
        tried = _program([program, name, "-i", f"{name},", *way, "-m", module, *(["-a", arguments] if arguments else [])])
        return dataclasses.replace(tried, said="" if tried.problem else said)


def _program(argv: Sequence[str]) -> Trial:
    """Run it, bounded and without an input; its own words where it fails. What it prints otherwise is not shown: it may hold secrets."""
    try:
        done = subprocess.run(
            list(argv), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
            timeout=SECONDS_OF_A_PROGRAM, env={**environment.allowed(os.environ), "ANSIBLE_NOCOLOR": "1"},
        )
    except subprocess.TimeoutExpired:
        return Trial(f"{Path(argv[0]).name} did not answer within {SECONDS_OF_A_PROGRAM} s")
    except OSError as exc:
        return Trial(f"{argv[0]} cannot be run here: {exc.strerror}. Install it, or choose another way.")
    if done.returncode == 0:
        return Trial(said="is there")
    return Trial(words.one_line(_message(done.stdout) or " ".join(done.stderr.split()) or f"exit status {done.returncode}", limit=_SHOWN))


def _message(output: str) -> str:
    """What Ansible's answer says in a field for people."""
    found = re.search(r"=> (\{.*\})", output, re.DOTALL)
    try:
        answer = json.loads(found[1]) if found else {}
    except ValueError:
        return ""
    return str(answer.get("stderr") or answer.get("msg") or "")


def _errors(output: Iterable[str]) -> list[str]:
    lines = [line.strip() for line in output if line.strip()]
    told = [line for line in lines if re.match(r"\[ERROR\]|ERROR!|fatal:", line)]
    return (told or lines)[-3:]


def _failed(summary: Summary) -> str:
    """What stopped it on a host, in its own words."""
    for entry in [*summary.unreachable, *summary.failures]:
        return words.one_line(str(entry.get("msg") or entry.get("task") or "it failed"), limit=_SHOWN)
    return ""


def _first(check: str) -> Callable[[Sequence[Finding]], Trial]:
    """By one check alone: the database may be sick for other reasons."""
    def judge(found: Sequence[Finding]) -> Trial:
        named = [one for one in found if one.check == check]
        return _by(named[0]) if named else Trial(f"the check {check} was not made")
    return judge


def _worst(found: Sequence[Finding]) -> Trial:
    return _by(next((one for status in (CRITICAL, UNKNOWN) for one in found if one.status == status), found[0]))


def _by(finding: Finding) -> Trial:
    observed = words.one_line(f"{words.plain(finding.observed)} {finding.unit or ''}".strip(), limit=_SHOWN)
    if finding.status in (CRITICAL, UNKNOWN):
        return Trial(words.one_line(f"{finding.check} is {finding.status}: {observed}. {finding.hint or ''}", limit=_SHOWN))
    return Trial(said=f"{finding.check} {observed}" if finding.status == OK else f"{finding.check}: {finding.status}, {observed}")
