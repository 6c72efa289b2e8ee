# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The score of a drill, judged from what was measured. Pure."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import CRITICAL, OK, WARNING, Finding
from ansible_collections.oncall.incident.plugins.plugin_utils._record.told import Seen

from .definition import Expected, Round

CARD_CONTRACT = "oncall.incident/scorecard/1"
#: How state.sh begins the line of a look that failed.
_INCOMPARABLE = "incomparable "
_NOT_FOUND = "LoadState=not-found"

Json = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Step:
    """One thing that a drill demands.

    Attributes:
        ok: whether it was measured to be so.
        detail: what was seen.
        seconds: how long it took; None where that says nothing.
    """

    name: str
    ok: bool
    detail: str = ""
    seconds: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The step as it appears in the card."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Scored:
    """A round's result.

    Attributes:
        times: seconds from the fault: detect, mitigate, recover; None where it did not happen.
        touched: actions that were carried out: host, verb, target, outcome.
        unexpected: of these and of the plan, those that nothing in the drill expected.
        runs: run ids.
    """

    name: str
    steps: Sequence[Step]
    times: Mapping[str, float | None]
    touched: Sequence[Json] = ()
    unexpected: Sequence[Json] = ()
    runs: Sequence[str] = ()

    @property
    def passed(self) -> bool:
        """Whether everything that was demanded was measured."""
        return bool(self.steps) and all(step.ok for step in self.steps)

    def as_dict(self) -> dict[str, Any]:
        """The round as it appears in the card."""
        return {
            "name": self.name, "passed": self.passed, "times": dict(self.times), "steps": [step.as_dict() for step in self.steps],
            "touched": [dict(item) for item in self.touched], "unexpected": [dict(item) for item in self.unexpected],
            "runs": list(self.runs),
        }


def matches(expected: Expected, *, host: str, action: Action) -> bool:
    """Whether a planned or carried out action is one that the drill expected."""
    return (
        expected.verb == action.verb and fnmatch.fnmatchcase(host, expected.host)
        and all(fnmatch.fnmatchcase(str(action.target.get(key, "")), pattern) for key, pattern in expected.target.items())
    )


def unexpected(part: Round, actions: Sequence[tuple[str, Action]]) -> list[dict[str, Any]]:
    """The actions that nothing in the round expected."""
    return [
        {"host": host, "verb": action.verb, "target": dict(action.target)} for host, action in actions
        if not any(matches(one, host=host, action=action) for one in part.actions)
    ]


def detected(part: Round, findings: Sequence[Finding]) -> list[str]:
    """The checks that the round is about and that are not ok."""
    return sorted({finding.check for finding in findings if finding.check in part.findings and finding.status in (WARNING, CRITICAL)})


def unsteady(findings: Sequence[Seen[Finding]], *, checks: Collection[str], demanded: Collection[str]) -> tuple[list[str], list[str]]:
    """Which of the checks were measured, and what speaks against a steady state.

    Args:
        checks: what must be ok where it is measured.
        demanded: what must be measured, too.
    """
    seen = {one.what.check for one in findings} & set(checks)
    bad = {
        f"{one.host}: {one.what.check} is {one.what.status}" for one in findings if one.what.check in checks and one.what.status != OK
    }
    return sorted(seen), [*sorted(bad), *(f"{check} was not measured" for check in sorted(set(demanded) - seen))]


def begun(carried_out: Sequence[Action], unanswered: Sequence[tuple[str, str]]) -> list[str]:
    """What the record of an interrupted run says of its acts: what came of them, and of which nobody knows it.

    Args:
        unanswered: host and task.
    """
    return [
        *dict.fromkeys(f"{action.verb} {action.outcome}" for action in carried_out),
        *(f"unknown: {task} on {host}" for host, task in unanswered),
    ]


def incomparable(before: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]]) -> list[str]:
    """Why two states cannot be compared: a look that failed or saw nothing, twice, is not a sign that nothing has changed.

    Args:
        before, after: lines by host, as the role's state.sh prints them.
    """
    found = {f"{host}: was written down once only": None for host in sorted(set(before) ^ set(after))}
    for state in (before, after):
        found.update({f"{host}: nothing was written down": None for host, lines in state.items() if not lines})
        found.update({
            f"{host}: {line.removeprefix(_INCOMPARABLE)}": None
            for host, lines in state.items() for line in lines if line.startswith(_INCOMPARABLE)
        })
    units = [line for lines in before.values() for line in lines if line.startswith("unit ")]
    there = {line.split()[1] for line in units if _NOT_FOUND not in line}
    found.update({f"no host has a unit {unit}": None for line in units if (unit := line.split()[1]) not in there})
    return list(found)


def differences(before: Sequence[str], after: Sequence[str], *, most: int = 10) -> list[str]:
    """Lines that are in one state and not in the other, the first `most` of them."""
    old, new = set(before), set(after)
    found = [f"- {line}" for line in before if line not in new] + [f"+ {line}" for line in after if line not in old]
    return found[:most] + ([f"and {len(found) - most} more"] if len(found) > most else [])


def timing(name: str, seconds: float | None, target: float) -> Step:
    """A time against its target."""
    if seconds is None:
        return Step(f"time to {name}", False, "it did not happen")
    return Step(f"time to {name}", seconds <= target, f"target {target:g} s", round(seconds, 2))


def card(
    *, drill: str, scenario: str, started: str, ended: str, by: str, hosts: Sequence[str], targets: Mapping[str, float],
    rounds: Sequence[Scored], complete: bool, versions: Mapping[str, str], severity: Json, partial: bool = False, stopped: str = "",
) -> dict[str, Any]:
    """The score card as data.

    Args:
        complete: false when the drill was broken off.
        partial: whether only some of the drill's rounds were asked for: its times say nothing beside those of a whole one.
        stopped: why it could not go on; empty when it went on.
    """
    complete = complete and not stopped
    return {
        "contract": CARD_CONTRACT, "drill": drill, "scenario": scenario, "started": started, "ended": ended, "by": by,
        "hosts": list(hosts), "targets": dict(targets), "severity": dict(severity), "versions": dict(versions),
        "rounds": [part.as_dict() for part in rounds],
        "complete": complete, "partial": partial, "stopped": stopped,
        "passed": complete and bool(rounds) and all(part.passed for part in rounds),
    }
