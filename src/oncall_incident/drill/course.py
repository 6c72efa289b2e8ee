# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The course of a drill. Whatever happens, the faults are taken back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.actions import (
    CHANGED_OUTCOMES,
    MOVED_ON,
    NOT_NEEDED,
    PID_REUSED,
    REFUSED,
    Action,
)
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import format_duration, parse_duration
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, verify
from ansible_collections.oncall.incident.plugins.plugin_utils._record.errors import CannotRecord
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Summary
from ansible_collections.oncall.incident.plugins.plugin_utils._record.told import Seen

from ..errors import Stop
from ..exits import Exit
from ..record import outcome
from ..record.recording import close_unfinished
from ..running.run import Finished
from ..running.stopping import Stopper
from ..running.view import View
from .definition import Drill, Round, probes
from .executions import Executions, Played
from .score import Scored, Step, begun, detected, differences, incomparable, timing, unexpected, unsteady
from .severity import Severity
from .unanswered import begun_and_unanswered, problems

#: A fault that is not seen within so many times its target never will be.
PATIENCE = 3
#: How often an interrupted recovery is begun again: the first run's module may still hold its lock on the host.
MOST_TRIES = 6
#: Seconds for which a host that was cut off may be away: a run that did not reach it is not a try.
LONGEST_ABSENCE = 120.0
#: Seconds that a killed Ansible's last worker may go on.
LAST_WORKER = 90.0
#: Outcomes of actions that touched nothing, unless they say that they did.
_NOTHING = (NOT_NEEDED, REFUSED, MOVED_ON, PID_REUSED)
_HEALTHY = (Exit.RECOVERED, Exit.NOTHING_TO_DO)


class Broken(Exception):
    """The drill cannot go on; the message says why."""


class Drilling:
    """A drill in progress.

    Args:
        name: of this drill, part of unit names on the hosts.
        lifetime: after which the hosts take the faults back by themselves; as typed.
        severity: whose promises are held against the times.
    """

    def __init__(
        self, drill: Drill, *, executions: Executions, view: View, stopper: Stopper, home: Path, name: str, lifetime: str,
        severity: Severity,
    ) -> None:
        self._drill = drill
        self._executions = executions
        self._view = view
        self._stopper = stopper
        self._home = home
        self._name = name
        self._lifetime = lifetime
        self.lifetime = parse_duration(lifetime, name="--lifetime")
        self.severity = severity
        #: What the drill cannot go on after, such as a record that cannot be written; None while it can.
        self.stopped: Stop | CannotRecord | None = None

    def steady(self, *, patience: float = 0.0) -> Step:
        """Measure that the system is well before anybody breaks it.

        Args:
            patience: seconds in which it may become so: what was counted while the fault was there is counted for a while.
        """
        began = time.monotonic()
        while True:
            step = self._steady(began)
            if step.ok or time.monotonic() - began >= patience or self._stopper.reason:
                return step

    def _steady(self, began: float) -> Step:
        finished = self._executions.recover(self._drill.scenario, tags=["investigate"])
        checks = {*self._drill.steady, *(check for part in self._drill.rounds for check in part.findings)}
        seen, bad = unsteady(finished.summary.findings, checks=checks, demanded=self._drill.steady)
        if not seen:
            bad.append(f"none of {', '.join(sorted(checks))} was measured: {finished.outcome.sentence}")
        return Step("steady state", not bad, "; ".join(bad) or f"ok: {', '.join(sorted(seen))}", round(time.monotonic() - began, 2))

    def round(self, part: Round, number: int) -> Scored:
        """Break, see, plan, recover, see again, remove."""
        course = _Course(part, self, number)
        try:
            course.go()
        except Broken as exc:
            course.steps.append(Step("the round", False, str(exc)))
        except (Stop, CannotRecord) as exc:
            self.stopped = exc
            course.steps.append(Step("the round", False, exc.message))
        finally:
            self._heal(course)
        return course.scored()

    def _heal(self, course: _Course) -> None:
        try:
            course.heal()
        except (Stop, CannotRecord) as exc:
            self.stopped = self.stopped or exc
            course.steps.append(Step("nothing of the fault is left", False, exc.message))

    # What a course needs of the drill

    def variables(self, part: Round, number: int) -> dict[str, Any]:
        """The variables of role drill for a round."""
        return {
            "drill_id": f"{self._name}-{number}", "drill_faults": [dict(fault) for fault in part.faults],
            "drill_lifetime": self._lifetime, "drill_probes": probes(part, "says"),
            "drill_state_commands": [look.asked(part.name) for look in self._drill.looks],
            **{f"drill_state_{key}": value for key, value in self._drill.state.items()},
        }

    @property
    def drill(self) -> Drill:
        """What is drilled."""
        return self._drill

    @property
    def executions(self) -> Executions:
        """What starts Ansible."""
        return self._executions

    @property
    def home(self) -> Path:
        """The recorder's home."""
        return self._home

    def say(self, text: str) -> None:
        """A line for the operator."""
        self._view.say(text, style="bold")

    def check_stopped(self) -> None:
        """Raise when the operator wants the drill to end."""
        self._stopper.check_deadline()
        if self._stopper.reason:
            raise Broken(f"stopped: {self._stopper.reason}")


class _Course:
    """One round."""

    def __init__(self, part: Round, drilling: Drilling, number: int) -> None:
        self.part = part
        self.steps: list[Step] = []
        self._drilling = drilling
        self._executions = drilling.executions
        self._variables = drilling.variables(part, number)
        self._scenario = drilling.drill.scenario
        self._times: dict[str, float | None] = {"detect": None, "mitigate": None, "recover": None}
        self._touched: list[Seen[Action]] = []
        self._unexpected: list[Mapping[str, Any]] = []
        self._runs: list[str] = []
        self._began = 0.0
        self._before: Mapping[str, Sequence[str]] = {}
        self._injected = False
        #: The first try to take the faults back.
        self._removed: Played | None = None

    def go(self) -> None:
        """Everything up to the removal."""
        self._drilling.say(f"Round {self.part.name}")
        self._inject()
        # A controller that is killed, and a run without effect, are other runs than the one whose plan is judged.
        apart = self.part.interrupt == "controller" or bool(self.part.in_vain)
        finished: Finished | None = self._judged(check=apart)
        if self.part.interrupt:
            self._interrupted(None if apart else finished)
        if self.part.in_vain:
            self._in_vain()
        self._recover(None if apart or self.part.interrupt else finished)
        if self.part.again:
            self._again()
        if self.part.afterwards:
            self._afterwards()

    def heal(self) -> None:
        """Take the faults back, and see that nothing of them is left."""
        if not self._injected:
            return
        back = time.monotonic() + LONGEST_ABSENCE
        played = self._removed
        while True:
            if played is None:
                played = self._executions.play(["remove"], self._variables, doing="taking the faults back", whatever=True)
                self._runs.append(played.run)
            if not played.lost or time.monotonic() > back:
                break
            played = None
        self.steps.append(Step("nothing of the fault is left", not played.problems, "; ".join(played.problems)))
        # A fault that goes by itself makes any recovery look good.
        lasted = time.time() - (self._began or time.time())
        given = self._drilling.lifetime
        self.steps.append(Step(
            "the hosts did not take it back by themselves", lasted < given, f"after {format_duration(lasted)} of {format_duration(given)}",
        ))

    def scored(self) -> Scored:
        """The result."""
        broken = [run for run in self._runs if verify.check(layout.runs_dir(self._drilling.home) / run).status != verify.OK]
        self.steps.append(Step("every record verifies", not broken, ", ".join(broken) or f"{len(self._runs)} records"))
        targets = self._drilling.drill.targets
        self.steps += [timing(name, self._times[name], targets[name]) for name in ("detect", "mitigate", "recover")]
        self.steps += self._drilling.severity.steps(self._times)
        return Scored(
            name=self.part.name, steps=self.steps, times=self._times, touched=[_brief(seen) for seen in self._touched],
            unexpected=self._unexpected, runs=self._runs,
        )

    # The steps

    def _inject(self) -> None:
        """The probes that say what they must see before the faults, the faults, and what the hosts are like with them.

        A probe that cannot see anything else proves nothing afterwards.
        """
        before = probes(self.part, "before")
        entry_points = ["probe", "inject", "state"] if before else ["inject", "state"]
        self._injected = True
        played = self._executions.play(entry_points, {**self._variables, "drill_probes": before}, doing="injecting the fault")
        self._runs.append(played.run)
        wrong = "; ".join(played.problems)
        if before:
            # None is injected where a probe fails.
            self._injected = played.failed != "probe"
            said = "; ".join(probe["name"] for probe in before)
            self._demand(self._injected, "before the fault the probes see what they should", said if self._injected else wrong)
        self._began = played.ended.get("inject", time.time())
        there = not wrong or played.failed == "state"
        self._demand(there, "fault injected", "its way back is armed on the host" if there else wrong)
        self._before = self._read(played)

    def _judged(self, *, check: bool) -> Finished:
        """The run that sees the fault and plans what was expected; it goes on to act unless it is to `check` only.

        What is young is seen before it is old enough to be acted on, so that it may take several.
        """
        verdict: list[bool] = []

        def accept(summary: Summary, said: str = "") -> bool:
            # What is wrong ends the round once the run has ended: its record is to be whole.
            try:
                verdict.append(self._accepted(summary, late=time.time() > limit, said=said))
            except (Broken, Stop, CannotRecord) as exc:
                trouble.append(exc)
                verdict.append(False)
            return verdict[-1]

        trouble: list[Broken | Stop | CannotRecord] = []
        limit = time.time() + self._drilling.drill.targets["detect"] * PATIENCE
        while True:
            verdict.clear()
            finished = self._run(check=check, accept=accept)
            if not verdict:  # a check, or nothing was planned
                accept(finished.summary, f": {finished.outcome.sentence} {'; '.join(finished.outcome.reasons)}")
            if trouble:
                raise trouble[0]
            if verdict[-1]:
                return finished

    def _accepted(self, summary: Summary, *, late: bool, said: str) -> bool:
        """Check mode: the fault is seen, the hosts are as they were, and the plan is what was expected; false while it is too early."""
        self._see(summary)
        actions = outcome.planned(summary)
        if not late and (self._times["detect"] is None or len(actions) < self.part.at_least):
            return False
        if self._times["detect"] is None:
            raise Broken(f"none of {', '.join(self.part.findings)} was seen not ok in time{said}")
        self._compare()
        extra = unexpected(self.part, actions)
        self._unexpected += extra
        wanted = len(actions) >= self.part.at_least
        self._demand(wanted and not extra, "the plan is what was expected", (
            f"not expected: {extra[:5]}" if extra else f"{len(actions)} actions planned, at least {self.part.at_least} expected"
            + ("" if wanted else said)
        ))
        return True

    def _see(self, summary: Summary) -> None:
        """Note when the fault was seen first."""
        looks = [*summary.before.values(), *summary.findings]
        seen = detected(self.part, [look.what for look in looks])
        if not seen or self._times["detect"] is not None:
            return
        first = min(_moment(look.ts) for look in looks if detected(self.part, [look.what]))
        self._times["detect"] = max(first - self._began, 0.0)
        self.steps.append(Step("the fault is seen", True, ", ".join(seen)))

    def _compare(self) -> None:
        """The hosts are as they were before somebody looked and planned."""
        before = self._before
        played = self._executions.play(["state"], self._variables, doing="writing down what the hosts are like")
        self._runs.append(played.run)
        after = self._read(played)
        changed = {host: differences(lines, after.get(host, ())) for host, lines in before.items()}
        said = [f"{host}: {line}" for host, lines in changed.items() for line in lines]
        compared = sum(len(lines) for lines in before.values())
        blind = [f"cannot compare: {why}" for why in incomparable(before, after)]
        self.steps.append(Step(
            "--check touches nothing", not said and not blind and compared > 0,
            "; ".join([*blind, *said][:10]) or f"{compared} lines compared, none differs",
        ))

    def _interrupted(self, finished: Finished | None) -> None:
        """Something goes wrong in the middle; the record names what is known and what is not.

        Args:
            finished: the run that was cut off; None for one that is killed here.
        """
        if finished is None:
            self._drilling.say("killing the controller while it acts")
            try:
                run_dir, summary = self._executions.killed(
                    self._scenario, at=self.part.interrupt_at, extra_vars=self.part.extra_vars,
                )
            except Stop as exc:
                raise Broken(exc.message) from exc
            # A worker of the killed Ansible may still hold the record's lock while its module ends on the host.
            patience = time.monotonic() + LAST_WORKER
            while not close_unfinished(run_dir) and verify.check(run_dir).status != verify.OK and time.monotonic() < patience:
                time.sleep(0.5)
            self._runs.append(run_dir.name)
            printed = None
        else:
            run_dir, summary = finished.run_dir, finished.summary
            printed = [finished.outcome.sentence, *finished.outcome.reasons]
            self._demand(finished.outcome.status not in _HEALTHY, "a recovery cut off is not called one", finished.outcome.sentence)
        self._touched += _acted(summary)
        events, report = self._executions.record(run_dir)
        acting, _others = begun_and_unanswered(events)
        said = begun([seen.what for seen in _acted(summary)], acting)
        wrong = problems(events, report=report, printed=printed)
        self._demand(bool(said) and not wrong, "what was begun is named, and what is known to be done is recorded", "; ".join(
            wrong or [*said, *_unreached(summary)] or ["neither done nor unknown"],
        ))

    def _in_vain(self) -> None:
        """A run that cannot succeed says so: it measures, and does not believe what it was told."""
        finished = self._run(extra_vars=self.part.in_vain)
        self._touched += _acted(finished.summary)
        said = f"{finished.outcome.sentence} {'; '.join(finished.outcome.reasons)}".strip()
        self._demand(finished.outcome.status not in _HEALTHY, "what did not help is not called a recovery", said)

    def _recover(self, finished: Finished | None) -> None:
        """Measured recovery; `finished` is the run that has come to it already, if one has."""
        finished = finished or self._run()
        tries, counted, back = 1, 1, time.monotonic() + LONGEST_ABSENCE
        while self.part.interrupt and finished.outcome.status not in _HEALTHY and counted < MOST_TRIES:
            self._drilling.check_stopped()
            tries += 1
            if not finished.summary.unreachable or time.monotonic() > back:
                counted += 1
            finished = self._run()
        summary = finished.summary
        self._touched += _acted(summary)
        done = [seen for seen in self._touched if seen.what.outcome in CHANGED_OUTCOMES]
        if done:
            self._times["mitigate"] = max(_moment(seen.ts) for seen in done) - self._began
        elif self.part.interrupt and finished.outcome.status in _HEALTHY:
            # The interrupted run's module finished on its own, and the next run found nothing left to do.
            self._times["mitigate"] = time.time() - self._began
        recovered = finished.outcome.status in _HEALTHY
        if recovered:
            self._times["recover"] = time.time() - self._began
        said = f"{finished.outcome.sentence} {'; '.join(finished.outcome.reasons)}".strip()
        self._demand(recovered, "recovered, by measurement", said + (f" (at the {tries}. try)" if tries > 1 else ""))
        extra = unexpected(self.part, [(seen.host, seen.what) for seen in self._touched])
        self._unexpected += extra
        self.steps.append(Step("only what was expected was touched", not extra, f"{extra[:5]}" if extra else f"{len(done)} actions"))

    def _again(self) -> None:
        finished = self._run()
        done = _acted(finished.summary)
        self.steps.append(Step(
            "a second run finds nothing to do", finished.outcome.status == Exit.NOTHING_TO_DO and not done,
            f"{finished.outcome.sentence} {len(done)} actions",
        ))

    def _afterwards(self) -> None:
        """What must be true, tried from the hosts where it matters, before the faults go: later it would prove nothing."""
        played = self._executions.play(
            ["probe", "remove"], self._variables, doing="measuring what must be true, and taking the faults back", whatever=True,
        )
        self._runs.append(played.run)
        wrong = bool(played.problems) and played.failed != "remove"
        said = "; ".join(played.problems if wrong else [str(probe["name"]) for probe in self.part.afterwards])
        self.steps.append(Step("what must be true is", not wrong, said))
        if not wrong:
            self._removed = played

    # Helpers

    def _run(
        self, *, check: bool = False, extra_vars: Sequence[str] = (), accept: Callable[[Summary], bool] | None = None,
    ) -> Finished:
        variables = [*self.part.extra_vars, *extra_vars]
        finished = self._executions.recover(self._scenario, check=check, extra_vars=variables, accept=accept)
        self._runs.append(finished.summary.run)
        if finished.outcome.status == Exit.USAGE:
            raise Broken(f"{finished.outcome.sentence} {'; '.join(finished.outcome.reasons)}")
        self._drilling.check_stopped()
        return finished

    def _read(self, played: Played) -> Mapping[str, Sequence[str]]:
        if played.problems:
            raise Broken(f"the hosts' state could not be read: {'; '.join(played.problems)}")
        return played.output

    def _demand(self, holds: bool, name: str, detail: str) -> None:
        """Note a step; the round ends where it does not hold."""
        self.steps.append(Step(name, holds, detail))
        if not holds:
            raise Broken(f"{name}: no")


def _acted(summary: Summary) -> list[Seen[Action]]:
    """The actions that touched something."""
    return [seen for seen in outcome.carried_out(summary) if seen.what.outcome not in _NOTHING or seen.what.was_touched]


def _brief(seen: Seen[Action]) -> dict[str, Any]:
    action = seen.what
    return {"host": seen.host, "verb": action.verb, "target": dict(action.target), "outcome": action.outcome, "at": _moment(seen.ts)}


def _moment(ts: str) -> float:
    return datetime.fromisoformat(ts).timestamp()


def _unreached(summary: Summary) -> list[str]:
    """Who was not reached: that alone does not say what was begun there."""
    return [f"not reached: {entry['host']}" for entry in summary.unreachable]
