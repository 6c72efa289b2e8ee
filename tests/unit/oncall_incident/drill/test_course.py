# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The course of a round whose host goes away and comes back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Finding
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Summary
from ansible_collections.oncall.incident.plugins.plugin_utils._record.told import Seen
from rich.console import Console

from oncall_incident.drill.course import Drilling
from oncall_incident.drill.definition import Drill, Expected, Round
from oncall_incident.drill.executions import Played
from oncall_incident.drill.severity import Severity
from oncall_incident.errors import Stop
from oncall_incident.evidence import policy
from oncall_incident.exits import Exit
from oncall_incident.record.outcome import Outcome
from oncall_incident.running.run import Finished
from oncall_incident.running.stopping import Stopper
from oncall_incident.running.view import View

FINDING = Seen(Finding("expired", "critical"), host="web1", ts="2026-01-02T03:04:05.000Z")
UNKNOWN: dict[str, Any] = {"type": "outcome", "reasons": ["unknown outcome on web1: Act"]}
RENEW, RESTART = (Action(verb, "host:web1", {}, {}, "because").as_dict() for verb in ("renew", "restart"))
PLAN = {"actions": {"web1": [RENEW]}}


class AwayForAWhile:
    """Executions on a host that is not reached for some runs after it was cut off, and for some attempts to take the fault back."""

    def __init__(self, *, runs: int, removals: int) -> None:
        self._away, self._removals = runs, removals
        self._acted = False
        self.removed = False

    def play(self, entry_points: Sequence[str], variables: Any, **_how: Any) -> Played:
        """Entry points of the role."""
        if "remove" in entry_points and self._removals:
            self._removals -= 1
            return Played(run="r", ended={}, problems=["web1: not reached"], output={}, lost=True, failed="remove")
        self.removed = self.removed or "remove" in entry_points
        return Played(run="r", ended={"inject": 0.0}, problems=[], output={"web1": ["line"]})

    def record(self, _run_dir: Path) -> tuple[list[dict[str, Any]], str]:
        """What the run that was cut off has left."""
        intent = {"type": "intent", "host": "web1", "task": "Act", "task_id": "1", "phase": "mitigate", "args": {"approved": []}}
        return [intent, {**intent, "type": "result", "status": "unreachable"}, UNKNOWN], "- outcome unknown: web1: Act (#1)"

    def recover(self, scenario: str, *, accept: Callable[[Summary], bool] | None = None, **_how: Any) -> Finished:
        """One run of the scenario."""
        planned = finished(Exit.REFUSED, findings=[FINDING], plan=PLAN)
        if accept is not None and not accept(planned.summary):
            return planned
        if not self._acted:
            self._acted = True
            lost = {"host": "web1", "task": "Act", "msg": "", "seq": 1, "ts": ""}
            return finished(Exit.NOT_RECOVERED, UNKNOWN["reasons"], unanswered=[lost], unreachable=[lost])
        if self._away:
            self._away -= 1
            return finished(Exit.NOT_RECOVERED, unreachable=[{"host": "web1"}])
        return finished(Exit.NOTHING_TO_DO)


def finished(status: Exit, reasons: Sequence[str] = (), **said: Any) -> Finished:
    """The end of a run."""
    return Finished(outcome=Outcome("x", status, "So it ended.", reasons), summary=Summary(run="r", **said), run_dir=Path("r"), report=None)


def drilling(executions: Any, part: Round, home: Path) -> Drilling:
    """A drill of this one round."""
    drill = Drill("d", "", "s", targets={"detect": 9.0, "mitigate": 9.0, "recover": 9.0}, rounds=[part], state={})
    rules = policy.load("default")
    return Drilling(
        drill, executions=executions, view=View(Console(quiet=True)), stopper=Stopper(), home=home, name="n", lifetime="1m",
        severity=Severity(rules, rules.require(rules.default)),
    )


CUT = Round("cut", faults=[], findings=["expired"], actions=[Expected("renew", {})], interrupt="host", again=False)


def test_a_host_that_is_away_uses_up_no_try_and_its_fault_is_taken_back_when_it_is_there_again(tmp_path: Path) -> None:
    executions = AwayForAWhile(runs=20, removals=3)
    steps = {step.name: step for step in drilling(executions, CUT, tmp_path).round(CUT, 1).steps}
    assert steps[NAMED].ok and steps[NAMED].detail == "unknown: Act on web1; not reached: web1"
    assert steps["recovered, by measurement"].ok and "at the 21. try" in steps["recovered, by measurement"].detail
    assert steps["nothing of the fault is left"].ok and executions.removed


NAMED = "what was begun is named, and what is known to be done is recorded"


def test_a_run_that_does_not_name_what_it_had_begun_fails_the_round(tmp_path: Path) -> None:
    class Silent(AwayForAWhile):
        """Something else is unknown."""

        def record(self, run_dir: Path) -> tuple[list[dict[str, Any]], str]:
            events, report = super().record(run_dir)
            return [*events[:-1], {"type": "outcome", "reasons": ["unknown outcome on web1: Look"]}], report

    executions = Silent(runs=0, removals=0)
    steps = {step.name: step for step in drilling(executions, CUT, tmp_path).round(CUT, 1).steps}
    assert not steps[NAMED].ok and "not named in the record: Act on web1" in steps[NAMED].detail and executions.removed


def test_what_stops_the_drill_in_a_round_is_part_of_its_score(tmp_path: Path) -> None:
    class Stopped(AwayForAWhile):
        """The disk of the controller is full, say, when the plan is judged."""

        def play(self, entry_points: Sequence[str], variables: Any, **how: Any) -> Played:
            if entry_points == ["state"]:
                raise Stop("no room for a record")
            return super().play(entry_points, variables, **how)

    executions = Stopped(runs=0, removals=0)
    made = drilling(executions, CUT, tmp_path)
    scored = made.round(CUT, 1)
    assert made.stopped is not None and made.stopped.message == "no room for a record"
    assert not scored.passed and scored.times["detect"] is not None and executions.removed
    assert [step.detail for step in scored.steps if step.name == "the round"] == ["no room for a record"]
    # What stops the way back, too, is said of it.
    executions.play = lambda tags, *_a, **_k: (_ for _ in ()).throw(Stop(f"cannot {tags[0]}"))  # type: ignore[method-assign,assignment]
    steps = {step.name: step for step in made.round(CUT, 2).steps}
    assert steps["nothing of the fault is left"].detail == "cannot remove" and steps["the round"].detail == "cannot inject"


def test_states_that_cannot_be_compared_are_not_equal(tmp_path: Path) -> None:
    class Blind(AwayForAWhile):
        """The database answers nothing, before and after."""

        def play(self, entry_points: Sequence[str], variables: Any, **how: Any) -> Played:
            output = {"web1": ["line", "incomparable command 1 printed nothing"]}
            return dataclasses.replace(super().play(entry_points, variables, **how), output=output)

    steps = {step.name: step for step in drilling(Blind(runs=0, removals=0), CUT, tmp_path).round(CUT, 1).steps}
    assert not steps["--check touches nothing"].ok
    assert steps["--check touches nothing"].detail == "cannot compare: web1: command 1 printed nothing"


def test_a_probe_that_cannot_see_anything_else_ends_the_round_before_anything_is_broken(tmp_path: Path) -> None:
    class Broken(AwayForAWhile):
        """Its probe says the same with and without the fault."""

        def play(self, entry_points: Sequence[str], variables: Any, **how: Any) -> Played:
            played.append((entry_points, [probe["name"] for probe in variables["drill_probes"]]))
            return dataclasses.replace(super().play(entry_points, variables, **how), problems=["web1: it said: dropped"], failed="probe")

    played: list[tuple[Sequence[str], list[str]]] = []
    probe = {"name": "kept out", "hosts": "web1", "command": "knock", "says": "dropped", "before": "open"}
    part = dataclasses.replace(CUT, afterwards=[{"name": "other", "hosts": "web1", "command": "true"}, probe])
    scored = drilling(Broken(runs=0, removals=0), part, tmp_path).round(part, 1)
    assert played == [(["probe", "inject", "state"], ["kept out"])] and not scored.passed


def test_a_plan_that_is_not_what_was_expected_is_not_carried_out(tmp_path: Path) -> None:
    class Careless(AwayForAWhile):
        """It would restart something, too."""

        def recover(self, scenario: str, *, accept: Callable[[Summary], bool] | None = None, **how: Any) -> Finished:
            if accept is None:
                return super().recover(scenario, **how)
            plan = {"actions": {"web1": [RENEW, RESTART]}}
            answers.append(accept(finished(Exit.REFUSED, findings=[FINDING], plan=plan).summary))
            return finished(Exit.REFUSED)

    answers: list[bool] = []
    executions = Careless(runs=0, removals=0)
    scored = drilling(executions, CUT, tmp_path).round(CUT, 1)
    assert answers == [False] and not scored.passed and [item["verb"] for item in scored.unexpected] == ["restart"]
    assert executions.removed


def test_what_is_too_young_to_be_acted_on_is_planned_again(tmp_path: Path) -> None:
    class Young(AwayForAWhile):
        """At first nothing is seen, then nothing is planned."""

        def recover(self, scenario: str, *, accept: Callable[[Summary], bool] | None = None, **how: Any) -> Finished:
            if accept is not None and looks:
                return looks.pop(0)
            return super().recover(scenario, accept=accept, **how)

    looks = [finished(Exit.NOTHING_TO_DO), finished(Exit.NOTHING_TO_DO, findings=[FINDING])]
    scored = drilling(Young(runs=0, removals=0), CUT, tmp_path).round(CUT, 1)
    steps = {step.name: step for step in scored.steps}
    assert looks == [] and steps["the plan is what was expected"].ok and steps["recovered, by measurement"].ok
    assert [step.name for step in scored.steps].count("the fault is seen") == 1


def test_faults_that_went_with_the_last_probes_are_not_taken_back_again(tmp_path: Path) -> None:
    class Tried(AwayForAWhile):
        """The last probes fail or not."""

        def __init__(self, failed: str) -> None:
            super().__init__(runs=0, removals=0)
            self._acted = True
            self._failed = failed
            self.played: list[str] = []

        def play(self, entry_points: Sequence[str], variables: Any, **how: Any) -> Played:
            self.played.append(" ".join(entry_points))
            failed = self._failed if "probe" in entry_points else ""
            problems = ["web1: well: no"] if failed else []
            return dataclasses.replace(super().play(entry_points, variables, **how), problems=problems, failed=failed)

    part = dataclasses.replace(CUT, interrupt="", afterwards=[{"name": "well", "hosts": "web1", "command": "true"}])
    for failed, last in (("", ["state", "probe remove"]), ("probe", ["state", "probe remove", "remove"])):
        executions = Tried(failed)
        steps = {step.name: step for step in drilling(executions, part, tmp_path).round(part, 1).steps}
        assert executions.played == ["inject state", *last]
        assert steps["what must be true is"].ok is not bool(failed) and steps["nothing of the fault is left"].ok
