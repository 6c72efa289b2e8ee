# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report of an incident says: its own events, and the records of its runs."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.durations import format_duration
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, verify

from ..evidence import checks, due, engines, model, places, times
from ..evidence.incident import Incident
from ..evidence.model import State
from ..terminal import words
from . import clock, measures
from .content import UNSEALED, Source, about, chain, changed, drawing, in_time, moments, of_sources
from .timeline import Band, Happening, draw

#: More events of the incident itself, or more entries in all, are in the record only: the first and the last are shown.
MOST_ENTRIES = 1000
_TONES = {"open": "bad", "mitigated": "warn", "resolved": "good", "closed": "good"}
_STATE_TONES = {"met": "good", "missed": "bad", "overdue": "bad", "pending": "warn", "": "info"}
_PROOF_TONES = {checks.PROVEN: "good", checks.UNPROVEN: "unknown", checks.BROKEN: "bad"}
_METER = 144


@dataclasses.dataclass(frozen=True)
class Read:
    """An incident's own events, read once.

    Attributes:
        entries: the first and the last of them in words.
        people: who took part.
        checked: whether their chain is whole, of what was read; None when nobody asked.
    """

    state: State
    entries: Sequence[dict[str, Any]]
    people: Sequence[str]
    checked: verify.Report | None


def of_incident(incident: Incident, read: Read, *, now: datetime | None = None, verdict: checks.Verdict | None = None) -> dict[str, Any]:
    """The content of an incident's report.

    Args:
        read: what its own events say.
        verdict: what `incident verify` says about the bundle; without one only the chains are checked.
    """
    moment = now or times.now()
    state, own = read.state, read.entries
    sources, missing = _sources(incident, state)
    said = of_sources(sources)
    runs = [about(source) for source in sources]
    row = measures.measure(state, now=moment)
    told = moments(engines.of_all(source.path for source in sources), since=state.began.timestamp() if state.began else 0.0)
    marks = [
        Happening(at=entry["ts"], lane=entry["host"], tone=entry["tone"], shape=entry["shape"], label=entry["what"])
        for entry in (*own, *told) if entry["shape"]
    ]
    milestones = [{"name": item.name, "at": times.text(item.at), "ref": f"i#{item.seq}"} for item in state.milestones.values()]
    ended = times.text(state.closed) if state.closed else None
    entries = in_time([*own, *(entry for entry in said["entries"] if entry["kind"] != "play.start"), *told])
    return {
        **said,
        "kind": "incident",
        "title": state.title or state.id,
        "id": state.id,
        "severity": _severity(state),
        "services": list(state.services),
        "headline": {
            "label": state.status,
            "tone": _TONES.get(state.status, "unknown"),
            "sentence": _sentence(state, moment),
            "reasons": [*_overdue(state, moment), *(f"The record of run {name} is not here." for name in missing)],
        },
        "started": times.text(state.began) if state.began else "",
        "ended": ended,
        "took": _took(state, moment),
        "people": list(read.people),
        "runs": runs,
        "changes": changed(sources, now=moment.timestamp(), left=state.left, looked=state.looked),
        "run": {},
        "milestones": sorted(milestones, key=lambda item: item["at"]),
        "targets": _targets(row, state, moment),
        "entries": _bounded(entries),
        "dropped": said["dropped"] + max(len(entries) - MOST_ENTRIES, 0),
        "tiles": [("lasted", _took(state, moment), ""), ("runs", str(len(state.runs)), ""), *said["tiles"]],
        "drawing": draw(
            bands=_bands(state),
            happenings=marks,
            milestones=milestones,
            started=times.text(state.began) if state.began else None,
            ended=ended,
            unnamed="people",
        ),
        "drawings_of_runs": [
            {**run, "title": run["scenario"] or "playbook", "drawing": drawing(source)} for run, source in zip(runs, sources, strict=True)
        ],
        "verification": _verified(verdict) if verdict is not None else [
            *([_own_chain(read.checked)] if read.checked is not None else []), *(chain(source) for source in sources), *_seals(state),
        ],
        "verify_with": f"incident verify {state.id}",
        "resolution": state.resolution,
    }


def read(incident: Incident, *, check: bool = True, coming: Sequence[model.Event] = ()) -> Read:
    """Read an incident's own events in one pass.

    Args:
        check: whether the chain is checked as well.
        coming: events as if they were written already.
    """
    state = State()
    head: list[model.Event] = []
    tail: collections.deque[model.Event] = collections.deque(maxlen=MOST_ENTRIES // 2)
    people: dict[str, None] = {}

    def take(event: model.Event) -> None:
        model.add(state, event)
        by = event.get("by")
        if by not in (None, "", "alert") and len(people) < MOST_ENTRIES:
            people[str(by)] = None
        if str(event.get("type")) in _SAID:
            (head if len(head) < MOST_ENTRIES // 2 else tail).append(event)

    checked = verify.check(incident.data, places.EVENTS, seen=take) if check else None
    if not check:
        for event in incident.events():
            take(event)
    for event in coming:
        take(event)
    state.id = state.id or incident.id
    return Read(state, [_entry(event) for event in (*head, *tail)], list(people), checked)


def _entry(event: Mapping[str, Any]) -> dict[str, Any]:
    return {"ref": f"i#{event.get('seq')}", "ts": str(event.get("at") or event.get("ts")), "host": "", "what": _what(event),
            "kind": event.get("type"), "tone": _tone(event), "shape": _SHAPES.get(str(event.get("type")), "")}


_SHAPES = {model.NOTE: "circle", model.ATTACHMENT: "circle", model.UPDATE: "square", model.ESCALATED: "square", model.SEVERITY: "square",
           model.CLOSED: "flag"}


def _tone(event: Mapping[str, Any]) -> str:
    return {model.ESCALATED: "warn", model.SEVERITY: "warn", model.UPDATE: "act", model.CLOSED: "good"}.get(str(event.get("type")), "info")


def _what(event: Mapping[str, Any]) -> str:
    """An event of the incident's own in words."""
    return _SAID[str(event.get("type"))](event, f" by {event['by']}" if event.get("by") else "")


#: By type; a reader need not see the others.
_SAID: Mapping[str, Callable[[Mapping[str, Any], str], str]] = {
    model.OPENED: lambda event, by: f"opened{by}: {event.get('title')} ({event.get('severity')})",
    model.MILESTONE: lambda event, by: f"{str(event.get('name')).replace('_', ' ')}{' withdrawn' if event.get('withdrawn') else ''}{by}",
    model.NOTE: lambda event, by: f"note{by}: {event.get('text')}",
    model.ATTACHMENT: lambda event, by: f"attached{by}: {event.get('name')}",
    model.RUN_STARTED: lambda event, by: f"run started{by}: {event.get('scenario')}",
    model.RUN_ENDED: lambda event, _by: f"run ended: {event.get('outcome')}",
    model.UPDATE: lambda event, by: f"update sent{by} to {event.get('to')}: {event.get('text')}",
    model.ESCALATED: lambda event, by: f"escalated{by} to {event.get('to')}{' by ' + str(event['how']) if event.get('how') else ''}",
    model.SEVERITY: lambda event, by: f"severity {event.get('before')} is now {event.get('severity')}{by}: {event.get('why') or ''}",
    model.CLOSED: lambda event, by: f"closed{by}: {event.get('resolution')}",
    model.REOPENED: lambda event, by: f"reopened{by}: {event.get('why') or ''}",
    model.LEFT: lambda event, by: f"left as it is{by}: {event.get('what')} on {event.get('host')}: {event.get('why')}",
    model.LOOKED: lambda event, by: f"{words.count(len(event.get('changes') or ()), 'temporary change')} looked at{by}",
    model.SEALED: lambda event, by: f"sealed{by}: seal {event.get('number')}",
}


def _sources(incident: Incident, state: State) -> tuple[list[Source], list[str]]:
    """The records of its runs that are here, and the names of those that are not."""
    found, missing = [], []
    for number, run in enumerate(state.runs, start=1):
        path = incident.run_dir(run)
        if layout.segments(path):
            found.append(Source.read(path, number=number))
        else:
            missing.append(run)
    return found, missing


def _severity(state: State) -> str:
    level = state.level
    return f"{level.name} ({level.title})" if level is not None and level.title else state.severity


def _took(state: State, now: datetime) -> str:
    began, ended = state.began, state.reached("resolved") or state.closed
    return "unknown" if began is None else format_duration(max(((ended or now) - began).total_seconds(), 0.0))


def _sentence(state: State, now: datetime) -> str:
    if state.status == model.IS_CLOSED:
        return state.resolution or "Closed without a word on how."
    if state.status == model.RESOLVED:
        return "Resolved; not closed yet."
    since = f"since {clock.date_and_time(times.text(state.began))} UTC, as of {clock.date_and_time(times.text(now))}" if state.began else ""
    return f"{'Mitigated, not resolved' if state.status == model.MITIGATED else 'Not resolved'}; going on {since}."


def _overdue(state: State, now: datetime) -> list[str]:
    """What an open incident's policy asks for and did not get."""
    if state.closed:
        return []
    return [f"{item.what} overdue since {clock.date_and_time(times.text(item.at))}{f': {item.who}' if item.who else ''}"
            for item in due.due(state, now=now) if item.status == due.OVERDUE]


def _targets(row: measures.Row | None, state: State, now: datetime) -> list[dict[str, Any]]:
    """Each metric against its target, and the policy's other targets."""
    found = []
    for name, item in row.measures.items() if row is not None and row.counts else ():
        found.append(_target(name, item.seconds, item.target, item.state))
    began = state.began
    for other in due.due(state, now=now) if began is not None else ():
        if other.what in ("communication", "review") and began is not None:
            since = began if other.what == "communication" else state.reached("resolved") or state.closed or began
            took = None if other.done is None else (other.done - since).total_seconds()
            found.append(
                _target(
                    {"communication": "first update"}.get(other.what, other.what), took, (other.at - since).total_seconds(), other.status
                )
            )
    return found


def _target(name: str, seconds: float | None, target: float | None, state: str) -> dict[str, Any]:
    share = seconds / target if seconds is not None and target else None
    return {
        "name": name,
        "actual": "not yet" if seconds is None else format_duration(seconds),
        "target": "none" if target is None else format_duration(target),
        "state": state or "no target",
        "tone": _STATE_TONES.get(state, "unknown"),
        "share": share,
        "percent": "" if share is None else f"{share:.0%}",
        "width": 0 if share is None else round(min(max(share, 0.02), 1.0) * _METER, 1),
    }


def _bands(state: State) -> list[Band]:
    return [
        Band(label=run.scenario or "run", started=times.text(run.started), ended=times.text(run.ended or run.started), kind="run",
             note=run.outcome.replace("_", " "))
        for run in state.runs.values()
    ]


def _bounded(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(entries) <= MOST_ENTRIES:
        return list(entries)
    return [*entries[:MOST_ENTRIES // 2], *entries[-(MOST_ENTRIES // 2):]]


def _verified(verdict: checks.Verdict) -> list[dict[str, str]]:
    """What verifying the bundle came to: what is proven and what not."""
    said = {
        checks.PROVEN: "All of it is as it was when a signer whom the reader trusts sealed it.",
        checks.BROKEN: "It was changed after it was made, or is not what it says.",
        checks.UNPROVEN: "Nothing is wrong with what is here, but no signer whom the reader trusts vouches for all of it.",
    }
    whole = {"state": verdict.status, "tone": _PROOF_TONES[verdict.status], "what": said[verdict.status],
             "detail": f"As this report was written: {words.count(verdict.files, 'file')}, {words.count(verdict.events, 'event')}."}
    return [
        whole,
        *(
            {
                "state": item.status,
                "tone": _PROOF_TONES[item.status],
                "what": f"{item.what}: {item.text}",
                "detail": " ".join(item.problems[:3]),
            }
            for item in verdict.statements
        ),
    ]


def _own_chain(checked: verify.Report) -> dict[str, str]:
    """What checking the incident's own events came to. Its last segment stays open until a seal closes it."""
    broken = [problem.message for problem in checked.problems if problem.status == verify.BROKEN]
    return {
        "state": "broken" if broken else "whole", "tone": "bad" if broken else "good",
        "what": f"The incident's own {words.count(checked.events, 'event')}, checked as this report was written; head {checked.head}",
        "detail": " ".join(broken[:3]),
    }


def _seals(state: State) -> list[Mapping[str, str]]:
    """Who sealed it. Whether the seals hold is not for a page to say that is beside the bag."""
    if not state.seals:
        return [UNSEALED]
    last = state.seals[-1]
    signers = ", ".join(str(item) for item in last.get("signers") or ())
    return [
        {
            "state": "sealed",
            "tone": "good" if signers else "unknown",
            "what": f"{words.count(len(state.seals), 'seal')}; the last one "
            + (f"signed by {signers}" if signers else "by hashes alone, without a signature"),
            "detail": "Whether it holds, this page cannot prove: incident verify checks it against your own allowed signers.",
        }
    ]


