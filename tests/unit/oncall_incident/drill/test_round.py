# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The course of a round, with executions that are made up: what is demanded, and what counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Finding
from ansible_collections.oncall.incident.plugins.plugin_utils._record.told import Seen

from oncall_incident.drill import definition
from oncall_incident.drill.course import Broken, Drilling, _Course
from oncall_incident.drill.definition import Round
from oncall_incident.drill.executions import Executions
from oncall_incident.drill.severity import Severity
from oncall_incident.evidence import policy
from oncall_incident.exits import Exit
from oncall_incident.running.stopping import Stopper
from oncall_incident.running.view import View


class Made:
    """Executions that end as they are told to."""

    def __init__(self, ends: Sequence[Any] = (), problems: Sequence[str] = ()) -> None:
        self.ends = list(ends)
        self.problems = problems
        self.asked: list[tuple[str, Sequence[str]]] = []

    def recover(self, scenario: str, *, extra_vars: Sequence[str] = (), **_more: Any) -> Any:
        self.asked.append((scenario, extra_vars))
        return self.ends.pop(0)

    def play(self, entry_points: Sequence[str], variables: dict[str, Any], **_more: Any) -> Any:
        self.asked.append((" ".join(entry_points), [probe["name"] for probe in variables["drill_probes"]]))
        return SimpleNamespace(run="r", problems=self.problems, failed="probe" if self.problems else "")


def ended(status: Exit, *, findings: Sequence[Any] = (), actions: Sequence[Any] = ()) -> Any:
    summary = SimpleNamespace(run="r", findings=findings, actions=actions)
    return SimpleNamespace(outcome=SimpleNamespace(status=status, sentence="It says so.", reasons=[]), summary=summary)


def part(**more: Any) -> Round:
    return Round(name="r", faults=[], findings=["let_in"], actions=[], **more)


def drilling(made: Made, one: Round) -> Drilling:
    drill = definition.Drill(
        name="d", description="d", scenario="firewall-unblock", rounds=[one], state={},
        targets={"detect": 1.0, "mitigate": 1.0, "recover": 1.0},
    )
    rules = policy.load("default")
    view = cast("View", SimpleNamespace(say=lambda *_a, **_k: None))
    return Drilling(
        drill, executions=cast("Executions", made), view=view, stopper=Stopper(), home=Path("/nowhere"), name="d", lifetime="15m",
        severity=Severity(rules, rules.require(rules.default)),
    )


def course(made: Made, one: Round) -> _Course:
    return _Course(one, drilling(made, one), 1)


WARNED = Seen(Finding("let_in", "warning"), host="gate1")
CALM = Seen(Finding("let_in", "ok"), host="gate1")


def test_what_was_counted_may_fade_before_the_steady_state_counts() -> None:
    ends = [ended(Exit.NOTHING_TO_DO, findings=[found]) for found in (WARNED, WARNED, CALM)]
    assert drilling(Made(ends), part()).steady(patience=60).ok
    assert not drilling(Made([ended(Exit.NOTHING_TO_DO, findings=[WARNED])]), part()).steady().ok


def test_a_second_run_that_finds_nothing_needed_has_done_nothing() -> None:
    signalled = {"signals": ["cancel"]}
    for outcome, more, fine in (("not_needed", {}, True), ("done", {}, False), ("moved_on", {}, True), ("moved_on", signalled, False)):
        action = Action("unban", "gate1", {}, {}, "because", outcome=outcome, detail=more)
        made = course(Made([ended(Exit.NOTHING_TO_DO, actions=[Seen(action, host="gate1", seq=1)])]), part())
        made._again()
        assert made.steps[-1].ok is fine, outcome


def test_a_run_in_vain_must_not_be_called_a_recovery() -> None:
    one = part(extra_vars=["a=1"], in_vain=["repair=false"])
    made = Made([ended(Exit.FAILED)])
    course(made, one)._in_vain()
    assert made.asked == [("firewall-unblock", ["a=1", "repair=false"])]
    with pytest.raises(Broken):
        course(Made([ended(Exit.RECOVERED)]), one)._in_vain()


def test_what_must_be_true_is_tried() -> None:
    one = part(afterwards=[{"name": "the innocent gets in", "hosts": "client", "command": "true"}])
    for problems in ([], ["client1: the innocent gets in: refused"]):
        made = Made(problems=problems)
        tried = course(made, one)
        tried._afterwards()
        assert made.asked == [("probe remove", ["the innocent gets in"])]
        assert tried.steps[-1].ok is not bool(problems)
