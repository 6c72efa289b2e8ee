# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An incident as its events tell it: a fold, nothing stored twice."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from . import times
from .policy import Level, Policy, parse_recorded

SCHEMA = "oncall.incident/incident/1"

#: The milestones that metrics know, in the order an incident passes them; a name of one's own is allowed as well.
MILESTONES = (
    "impact_start", "detected", "alerted", "acknowledged", "awareness", "mitigation_start", "contained", "mitigated", "verified",
    "resolved", "reviewed",
)
#: The types of an incident's own events.
OPENED, MILESTONE, NOTE, ATTACHMENT = "opened", "milestone", "note", "attachment"
RUN_STARTED, RUN_ENDED = "run.started", "run.ended"
UPDATE, ESCALATED, SEVERITY, CLOSED, REOPENED, SEALED = "update.sent", "escalated", "severity", "closed", "reopened", "sealed"
LEFT, LOOKED = "change.left", "change.looked"

OPEN, MITIGATED, RESOLVED, IS_CLOSED = "open", "mitigated", "resolved", "closed"
#: The outcome of a run that never came to look at anything.
BAD_INPUT = "bad_input"
#: Outcomes of runs that could not have ended an incident: only a plan was made, or not even that.
ONLY_LOOKED = frozenset({"planned", BAD_INPUT})
#: The scenario of a run that takes back temporary changes: it says nothing of what the incident was about.
UNDO = "undo"
#: Outcomes of runs that measured every check that decides, and found it good.
MEASURED_GOOD = frozenset({"recovered", "nothing_to_do"})
#: A look at everything finds what has nothing to do with the incident too: it speaks neither for it nor against it.
BESIDE = frozenset({"healthy", "not_healthy"})
#: Milestones that a run's measurement may stand behind.
_MEASURED = frozenset({"mitigated", "verified", "resolved"})

Event = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Milestone:
    """When something was reached: `at` as somebody says (`source`: manual, alert, auto), `seq` of the event that says so."""

    name: str
    at: datetime.datetime
    by: str
    source: str
    seq: int


@dataclasses.dataclass
class Run:
    """A run of a scenario that belongs to the incident. `outcome` is "" while it goes on or when nobody saw its end.

    Attributes:
        well: the hosts that it measured to be well, and those that it was not about; None where its end does not say so.
        unwell: the hosts that it did not measure to be well.
    """

    run: str
    scenario: str
    started: datetime.datetime
    ended: datetime.datetime | None = None
    outcome: str = ""
    exit_status: int | None = None
    source: str = "wrapper"
    by: str = ""
    well: Sequence[str] | None = None
    unwell: Sequence[str] = ()


@dataclasses.dataclass
class State:
    """The incident now.

    Attributes:
        milestones: by name; the last event that names one counts (a correction is a later event).
        updates, escalations, attachments, seals: events of these types, in order.
        notes: how many; there may be very many, and nobody needs them all at once.
        runs: by run id, in the order they began.
        looked: events that say how temporary changes were found.
        left: why a temporary change was left as it is, by its ref.
        outlasting: refs of the temporary changes that were in force when it was closed, and end by themselves.
    """

    id: str = ""
    title: str = ""
    severity: str = ""
    services: Sequence[str] = ()
    channel: str = ""
    opened: datetime.datetime | None = None
    opened_by: str = ""
    closed: datetime.datetime | None = None
    resolution: str = ""
    alert: Mapping[str, Any] | None = None
    policy: Policy | None = None
    milestones: dict[str, Milestone] = dataclasses.field(default_factory=dict)
    runs: dict[str, Run] = dataclasses.field(default_factory=dict)
    notes: int = 0
    attachments: list[Event] = dataclasses.field(default_factory=list)
    updates: list[Event] = dataclasses.field(default_factory=list)
    escalations: list[Event] = dataclasses.field(default_factory=list)
    seals: list[Event] = dataclasses.field(default_factory=list)
    looked: list[Event] = dataclasses.field(default_factory=list)
    left: dict[str, str] = dataclasses.field(default_factory=dict)
    outlasting: Sequence[str] = ()
    events: int = 0
    last: str = ""

    @property
    def status(self) -> str:
        """open, mitigated, resolved or closed."""
        if self.closed:
            return IS_CLOSED
        return RESOLVED if self.reached("resolved") else MITIGATED if self.reached("mitigated") else OPEN

    @property
    def only_looked(self) -> bool:
        """Whether it was a rehearsal: nothing was resolved, and no run of it could have done so. It has no times and no targets."""
        outcomes = {run.outcome for run in self.runs.values()}
        return self.closed is not None and "resolved" not in self.milestones and bool(outcomes) and outcomes <= ONLY_LOOKED

    @property
    def measured(self) -> bool:
        """Whether a run measured anything of it to be good."""
        return any(run.outcome in MEASURED_GOOD and run.scenario != UNDO for run in self.runs.values())

    @property
    def not_recovered(self) -> dict[str, str]:
        """The scenarios of which a run was not measured to be good, and none was later: its outcome, and the hosts where it says them."""
        return {
            scenario: f"{outcome.replace('_', ' ')}{': ' if hosts else ''}{', '.join(hosts[:10])}{', ...' if len(hosts) > 10 else ''}"
            for scenario, (outcome, hosts) in self._open().items()
        }

    def _open(self) -> dict[str, tuple[str, list[str]]]:
        """By scenario, how the last run that was not good ended, and of which hosts that is all that is known."""
        left: dict[str, dict[str, str]] = {}
        for run in self.runs.values():
            if run.scenario == UNDO or run.outcome in (BAD_INPUT, *BESIDE):
                continue
            hosts = left.setdefault(run.scenario, {})
            good = run.outcome in MEASURED_GOOD
            if good and run.well is None:
                hosts.clear()
            for host in run.well or ():
                hosts.pop(host, None)
            if good:
                hosts.pop("", None)
            else:  # without names: any later measurement answers it
                hosts.update(dict.fromkeys(run.unwell or ("",), run.outcome or "without an end"))
        return {
            scenario: (list(hosts.values())[-1], sorted(host for host in hosts if host)) for scenario, hosts in left.items() if hosts
        }

    @property
    def began(self) -> datetime.datetime | None:
        """What targets count from: the alert, else the detection, else the opening."""
        for name in ("alerted", "detected"):
            if name in self.milestones:
                return self.milestones[name].at
        return self.opened

    @property
    def level(self) -> Level | None:
        """The severity's level in the policy."""
        return self.policy.level(self.severity) if self.policy else None

    def reached(self, name: str) -> datetime.datetime | None:
        """When a milestone was reached; None when it was not, or when a run that says so was not the last word on each host."""
        found = self.milestones.get(name)
        if found and name in _MEASURED and found.source == "auto" and any(hosts for _outcome, hosts in self._open().values()):
            return None
        return found.at if found else None

    def as_dict(self) -> dict[str, Any]:
        """For incident.json and --json."""
        return {
            "schema": SCHEMA, "id": self.id, "title": self.title, "status": self.status, "severity": self.severity,
            "services": list(self.services), "channel": self.channel, "opened": _text(self.opened), "opened_by": self.opened_by,
            "closed": _text(self.closed), "resolution": self.resolution,
            "milestones": [
                {"name": item.name, "at": times.text(item.at), "by": item.by, "source": item.source, "event": item.seq}
                for item in sorted(self.milestones.values(), key=lambda item: (item.at, item.seq))
            ],
            "runs": [
                {
                    "run": run.run, "scenario": run.scenario, "started": _text(run.started), "ended": _text(run.ended),
                    "outcome": run.outcome, "exit_status": run.exit_status, "source": run.source, "by": run.by,
                }
                for run in self.runs.values()
            ],
            "notes": self.notes, "attachments": len(self.attachments), "updates": len(self.updates),
            "escalations": len(self.escalations), "seals": len(self.seals), "left": dict(self.left),
            "alert": self.alert, "policy": self.policy.data if self.policy else None,
        }


def say_left(left: Mapping[str, str]) -> str:
    """What State.not_recovered says, for people."""
    return ", ".join(f"{scenario} ({said})" for scenario, said in sorted(left.items()))


def fold(events: Iterable[Event]) -> State:
    """The incident after these events."""
    state = State()
    for event in events:
        add(state, event)
    return state


def add(state: State, event: Event) -> None:
    """Take in one event. Types that are not known here are only counted."""
    state.events += 1
    state.last = str(event.get("ts", ""))
    handler = _HANDLERS.get(str(event.get("type")))
    if handler is not None:
        handler(state, event)


def when(event: Event) -> datetime.datetime:
    """When it happened: `at` where somebody said so, else when it was written."""
    try:
        return times.parse(str(event.get("at") or event.get("ts")))
    except ValueError:
        return datetime.datetime.fromtimestamp(0, tz=datetime.UTC)


def _opened(state: State, event: Event) -> None:
    state.id = str(event.get("run", ""))
    state.title = str(event.get("title", ""))
    state.severity = str(event.get("severity", ""))
    state.services = [str(item) for item in event.get("services") or ()]
    state.channel = str(event.get("channel", ""))
    state.opened, state.opened_by = when(event), str(event.get("by", ""))
    state.alert = event.get("alert")
    if event.get("policy"):
        state.policy = parse_recorded(json.dumps(event["policy"], sort_keys=True))


def _milestone(state: State, event: Event) -> None:
    name = str(event.get("name", ""))
    if event.get("withdrawn"):
        state.milestones.pop(name, None)
        return
    state.milestones[name] = Milestone(
        name=name, at=when(event), by=str(event.get("by", "")), source=str(event.get("source", "manual")), seq=int(event.get("seq", 0)),
    )


def _run_started(state: State, event: Event) -> None:
    run = str(event.get("record", ""))
    state.runs[run] = Run(
        run=run, scenario=str(event.get("scenario", "")), started=when(event), source=str(event.get("source", "wrapper")),
        by=str(event.get("by", "")),
    )


def _run_ended(state: State, event: Event) -> None:
    run = state.runs.get(str(event.get("record", "")))
    if run is not None:
        status = event.get("exit_status")
        run.ended, run.outcome = when(event), str(event.get("outcome", ""))
        run.exit_status = status if isinstance(status, int) else None
        hosts = event.get("hosts")
        if isinstance(hosts, Mapping):
            run.well, run.unwell = [str(host) for host in hosts.get("well") or ()], [str(host) for host in hosts.get("unwell") or ()]


def _left(state: State, event: Event) -> None:
    state.left[str(event.get("change", ""))] = str(event.get("why", ""))


def _note(state: State, event: Event) -> None:
    state.notes += 1


def _severity(state: State, event: Event) -> None:
    state.severity = str(event.get("severity", state.severity))


def _closed(state: State, event: Event) -> None:
    state.closed, state.resolution = when(event), str(event.get("resolution", ""))
    state.outlasting = [str(ref) for ref in event.get("in_force") or ()]


def _reopened(state: State, event: Event) -> None:
    state.closed, state.outlasting = None, ()


def _append(field: str) -> Callable[[State, Event], None]:
    def append(state: State, event: Event) -> None:
        getattr(state, field).append(event)

    return append


_HANDLERS: Mapping[str, Callable[[State, Event], None]] = {
    OPENED: _opened, MILESTONE: _milestone, RUN_STARTED: _run_started, RUN_ENDED: _run_ended, SEVERITY: _severity, CLOSED: _closed,
    REOPENED: _reopened, NOTE: _note, ATTACHMENT: _append("attachments"), UPDATE: _append("updates"),
    ESCALATED: _append("escalations"), SEALED: _append("seals"), LEFT: _left,
    LOOKED: _append("looked"),
}


def _text(moment: datetime.datetime | None) -> str | None:
    return times.text(moment) if moment else None
