# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long an incident took to its milestones, against its targets: derived from its events each time, stored nowhere.

Definitions. Time to acknowledge counts from the alert (else the detection, else the opening): it measures people. Times to
mitigate, verify and resolve count from the detection (else the alert, else the opening): they measure the service. Targets
count from where the policy counts them, which is the alert. Closing resolves, but not where the last run of a scenario did not
measure that it recovered: then only somebody's own word (the milestone) does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..evidence import times
from ..evidence.model import State

ACKNOWLEDGE, MITIGATE, VERIFY, RESOLVE = "acknowledge", "mitigate", "verify", "resolve"
METRICS = (ACKNOWLEDGE, MITIGATE, VERIFY, RESOLVE)
MET, MISSED, OVERDUE, PENDING, NO_TARGET = "met", "missed", "overdue", "pending", ""
#: Every state that counts as a target that was not kept.
NOT_KEPT = (MISSED, OVERDUE)

_REACHED = {ACKNOWLEDGE: "acknowledged", MITIGATE: "mitigated", VERIFY: "verified", RESOLVE: "resolved"}


@dataclasses.dataclass(frozen=True)
class Measure:
    """One metric of one incident.

    Attributes:
        seconds: how long it took; None while it is not reached.
        target: seconds allowed, None without a target.
        state: met, missed, overdue (not reached, and too late), pending (not reached yet), or empty without a target.
    """

    seconds: float | None
    target: float | None
    state: str


@dataclasses.dataclass(frozen=True)
class Row:
    """One incident in numbers.

    Attributes:
        began: what its targets count from.
        scenarios: of its runs, each once, in their order.
        measures: by metric.
        counts: not of an incident in which only was looked: a rehearsal has no time to resolve.
    """

    id: str
    title: str
    severity: str
    status: str
    began: datetime
    scenarios: tuple[str, ...]
    services: tuple[str, ...]
    measures: Mapping[str, Measure]
    counts: bool = True

    @property
    def month(self) -> str:
        """`2026-01`, UTC."""
        return self.began.strftime("%Y-%m")

    def as_dict(self) -> dict[str, Any]:
        """As data."""
        return {
            "id": self.id, "title": self.title, "severity": self.severity, "status": self.status, "began": times.text(self.began),
            "month": self.month, "scenarios": list(self.scenarios), "services": list(self.services), "counts": self.counts,
            "time_to": {name: {"seconds": item.seconds, "target": item.target, "state": item.state or None}
                        for name, item in self.measures.items()},
        }


def measure(state: State, *, now: datetime) -> Row | None:
    """The incident in numbers; None for one whose beginning is not known (it is empty or damaged)."""
    alerted = state.reached("alerted") or state.reached("detected") or state.opened
    detected = state.reached("detected") or state.reached("alerted") or state.opened
    began = state.began
    if alerted is None or detected is None or began is None:
        return None
    level = None if state.only_looked else state.level
    allowed = {ACKNOWLEDGE: level.response, RESOLVE: level.resolution} if level is not None else {}
    found = {}
    for name in METRICS:
        done = None if state.only_looked else state.reached(_REACHED[name])
        if name == RESOLVE and not state.only_looked and done is None and state.measured and not state.not_recovered:
            done = state.closed
        since = alerted if name == ACKNOWLEDGE else detected
        limit = state.policy.due(allowed.get(name), since=began) if state.policy is not None else None
        found[name] = Measure(
            # Reached before it began, by a clock or a minute typed: no time at all, never less.
            seconds=None if done is None else max(round((done - since).total_seconds(), 3), 0.0),
            target=None if limit is None else (limit - began).total_seconds(), state=_state(done, limit, now),
        )
    return Row(
        id=state.id, title=state.title, severity=state.severity, status=state.status, began=began,
        scenarios=tuple(dict.fromkeys(run.scenario for run in state.runs.values() if run.scenario)),
        services=tuple(dict.fromkeys(str(item) for item in state.services)), measures=found,
        counts=not state.only_looked,
    )


def _state(done: datetime | None, limit: datetime | None, now: datetime) -> str:
    if limit is None:
        return NO_TARGET
    if done is not None:
        return MET if done <= limit else MISSED
    return OVERDUE if now > limit else PENDING
