# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The course of a round whose host goes away and comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Summary
from rich.console import Console

from oncall_incident.drill.course import Drilling
from oncall_incident.drill.definition import Drill, Expected, Round
from oncall_incident.drill.executions import Played
from oncall_incident.drill.severity import Severity
from oncall_incident.evidence import policy
from oncall_incident.exits import Exit
from oncall_incident.outcome import Outcome
from oncall_incident.run import Finished
from oncall_incident.stopping import Stopper
from oncall_incident.view import View

FINDING = {"host": "web1", "check": "expired", "status": "critical"}
PLAN = {"actions": {"web1": [{"verb": "renew", "target": {}}]}}


class AwayForAWhile:
    """Executions on a host that is not reached for some runs after it was cut off, and for some attempts to take the fault back."""

    def __init__(self, *, runs: int, removals: int) -> None:
        self._away, self._removals = runs, removals
        self._acted = False
        self.removed = False

    def play(self, door: str, variables: Any, **_how: Any) -> Played:
        """One door of the role."""
        if door == "remove" and self._removals:
            self._removals -= 1
            return Played(run="r", ended=0.0, problems=["web1: not reached"], output={}, lost=True)
        self.removed = self.removed or door == "remove"
        return Played(run="r", ended=0.0, problems=[], output={"web1": ["line"]})

    def recover(self, scenario: str, *, tags: Any = (), check: bool = False, **_how: Any) -> Finished:
        """One run of the scenario."""
        if tags or check:
            return finished(Exit.RECOVERED, findings=[FINDING], plan=PLAN)
        if not self._acted:
            self._acted = True
            lost = {"host": "web1", "task": "Act", "msg": "", "seq": 1, "ts": ""}
            return finished(Exit.NOT_RECOVERED, unanswered=[lost], unreachable=[lost])
        if self._away:
            self._away -= 1
            return finished(Exit.NOT_RECOVERED, unreachable=[{"host": "web1"}])
        return finished(Exit.NOTHING_TO_DO)


def finished(status: Exit, **said: Any) -> Finished:
    """The end of a run."""
    return Finished(outcome=Outcome("x", status, "So it ended."), summary=Summary(run="r", **said), run_dir=Path("r"), report=None)


def test_a_host_that_is_away_uses_up_no_try_and_its_fault_is_taken_back_when_it_is_there_again(tmp_path: Path) -> None:
    part = Round("cut", faults=[], findings=["expired"], actions=[Expected("renew", {})], interrupt="host", again=False)
    drill = Drill("d", "", "s", targets={"detect": 9.0, "mitigate": 9.0, "recover": 9.0}, rounds=[part], state={})
    executions = AwayForAWhile(runs=20, removals=3)
    rules = policy.load("default")
    drilling = Drilling(
        drill, executions=executions, view=View(Console(quiet=True)), stopper=Stopper(), home=tmp_path, name="n",  # type: ignore[arg-type]
        lifetime="1m", severity=Severity(rules, rules.require(rules.default)),
    )
    steps = {step.name: step for step in drilling.round(part, 1).steps}
    assert steps["recovered, by measurement"].ok and "at the 21. try" in steps["recovered, by measurement"].detail
    assert steps["nothing of the fault is left"].ok and executions.removed
