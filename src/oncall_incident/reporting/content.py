# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report says, as data: from the records of one run or of several, and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.actions import (
    CHANGED_OUTCOMES,
    MOVED_ON,
    NOT_NEEDED,
    PID_REUSED,
    PLANNED,
    Action,
)
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import OK, STATUSES, Finding
from ansible_collections.oncall.incident.plugins.module_utils._core.series import Series, thinned
from ansible_collections.oncall.incident.plugins.plugin_utils._record import keeping, verify
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Summary
from ansible_collections.oncall.incident.plugins.plugin_utils._record.told import Seen

from ..evidence import changes, engines
from ..record import outcome, rungs
from ..record.recording import summarise_and_check
from ..terminal import words
from . import clock, lines, plots, story
from .timeline import Band, Happening, draw

Json = Mapping[str, Any]

#: How the end of a run is meant: good, bad, unknown, or neither.
TONES = {"recovered": "good", "nothing_to_do": "good", "healthy": "good", "planned": "info", "refused": "info", "not_recovered": "bad",
         "not_healthy": "bad", "failed": "bad",
         "timed_out": "bad", "interrupted": "bad", "not_recorded": "bad"}
STATUS_TONES = {"ok": "good", "warning": "warn", "critical": "bad"}


#: What engines said of the time before a run is told from so many seconds before it.
_BEFORE = 3600.0
UNSEALED: Json = {
    "state": "not sealed", "tone": "unknown", "what": "Nobody has signed this record.",
    "detail": "The chain shows that nothing inside was changed, removed or added; not that its end was not cut off, nor that all of it was "
              "not rewritten.",
}


@dataclasses.dataclass(frozen=True)
class Source:
    """One run's record, folded.

    Attributes:
        number: from 1 where there are several, 0 for the only one.
        summary, checked: its record's content and state.
        path: its directory.
    """

    number: int
    summary: Summary
    checked: verify.Report
    path: Path

    @classmethod
    def read(cls, run_dir: Path, *, number: int = 0) -> Source:
        """Fold and check the record of a run."""
        summary, checked = summarise_and_check(run_dir)
        return cls(number=number, summary=summary, checked=checked, path=run_dir)

    def at(self, seq: Any) -> str:
        """How the report cites an event: `#12`, of several runs `2#12`."""
        return f"{self.number or ''}#{seq}" if seq is not None else ""

    @property
    def ended_how(self) -> str:
        """The outcome's name, `unknown` when nobody judged it."""
        return str((self.summary.outcome or {}).get("outcome") or "unknown")


def of_run(source: Source) -> dict[str, Any]:
    """The content of one run's report."""
    summary = source.summary
    end = summary.outcome or {}
    run = about(source)
    said = of_sources([source])
    name = source.ended_how
    since = (clock.seconds(summary.started) or 0.0) - _BEFORE
    return {
        **said,
        "kind": "run",
        "title": run["scenario"] or "a run without the wrapper",
        "id": summary.run,
        "run": run,
        "runs": [run],
        "headline": {
            "label": name.replace("_", " "),
            "tone": TONES.get(name, "unknown"),
            "sentence": end.get("sentence") or _without_wrapper(summary),
            "reasons": [str(item) for item in end.get("reasons") or []],
        },
        "entries": in_time([*said["entries"], *moments(engines.of_run(source.path), since=since)]),
        "started": summary.started,
        "ended": summary.ended,
        "took": clock.between(summary.started, summary.ended),
        "targets": [],
        "milestones": [],
        "changes": changed([source], now=clock.seconds(summary.ended) or 0.0),
        "verification": [chain(source), UNSEALED],
        "verify_with": f"incident verify {summary.run}",
        "tiles": [("took", clock.between(summary.started, summary.ended), ""), *said["tiles"]],
        "drawing": drawing(source),
    }


def moments(told: Sequence[engines.Told], *, since: float) -> list[dict[str, Any]]:
    """What engines said of services, as entries of the timeline.

    Args:
        since: seconds since the epoch; what was before says nothing of what went wrong.
    """
    return [
        {"ref": Path(one.path).stem, "ts": one.at, "host": one.host, "what": f"{one.engine}: {one.text}", "kind": "engine",
         "tone": "bad" if one.bad else "info", "shape": "circle"}
        for one in told if (clock.seconds(one.at) or 0.0) >= since
    ]


def in_time(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries of several sources in the order of time; those of one moment as they are given."""
    return sorted(entries, key=lambda entry: clock.seconds(entry["ts"]) or 0.0)


def changed(
    sources: Sequence[Source], *, now: float, left: Mapping[str, str] | None = None, looked: Sequence[Mapping[str, Any]] = (),
) -> list[dict[str, str]]:
    """The temporary changes, and whether each is known to be gone.

    Args:
        now: seconds since the epoch, for what was to end by itself.
        left: why one is left as it is, by its ref.
        looked: events of `incident in-force`.
    """
    found = changes.fold([(source.summary.run, source.summary) for source in sources], now=now, looked=looked)
    return [
        {"ref": change.ref, "host": change.host, "what": change.what, "said": changes.say(change),
         "tone": "good" if change.gone else "warn", "left": (left or {}).get(change.ref, "")}
        for change in found
    ]


def about(source: Source) -> dict[str, Any]:
    """Who, where, when and with what: the facts about a run."""
    summary = source.summary
    opened = next((entry for entry in summary.timeline if entry.get("type") == "run.open"), {})
    first = summary.executions[0] if summary.executions else {}
    ansible = outcome.ansible_segments(summary)
    approval = summary.approval or {}
    return {
        "number": source.number,
        "id": summary.run,
        "scenario": opened.get("scenario") or "",
        "playbook": opened.get("playbook") or "",
        "outcome": source.ended_how.replace("_", " "),
        "tone": TONES.get(source.ended_how, "unknown"),
        "sentence": (summary.outcome or {}).get("sentence") or _without_wrapper(summary),
        "started": summary.started,
        "ended": summary.ended,
        "took": clock.between(summary.started, summary.ended),
        "by": opened.get("by") or first.get("user") or (ansible[0].get("user") if ansible else "") or "",
        "controller": first.get("controller") or "",
        "inventories": list(opened.get("inventories") or []),
        "limit": opened.get("limit") or "",
        "approval": {
            "granted": approval.get("type") == "plan.approved",
            "by": approval.get("by") or "",
            "how": approval.get("how") or "",
            "hash": approval.get("hash") or "",
            "at": approval.get("ts") or "",
            "count": approval.get("count"),
            "ref": source.at(approval.get("seq")),
        }
        if approval
        else None,
        "versions": _versions(summary),
        "sources": _sources(opened),
        "checked": source.checked,
    }


def of_sources(sources: Sequence[Source]) -> dict[str, Any]:
    """What the runs found, did, spared and left open, in one."""
    findings = [item for source in sources for item in _findings(source)]
    lines = [line for source in sources for line in _on_many_hosts(_findings(source), *_SAME_FINDING)]
    actions = [item for source in sources for item in _actions(source)]
    spared = [item for source in sources for item in _spared(source)]
    comparison = compare(sources)
    fine = sum(1 for source in sources for seen in source.summary.before.values() if seen.what.status == OK)
    missing = [
        (source, host) for source in sources if outcome.ansible_segments(source.summary) for host in outcome.not_measured(source.summary)
    ]
    looked_at = {host for source in sources for host in _looked_at(source.summary)}
    measured = {host for source in sources for host in _measured(source.summary)}
    changed = sum(1 for item in actions if item["changed"])
    worst = max((_rank(item["status"]) for item in findings), default=0)
    return {
        "findings": sorted(findings, key=lambda item: -_rank(item["status"])), "fine": fine,
        "lines": sorted(lines, key=lambda item: -_rank(item["status"])),
        "places": _cited(sources, "places"),
        "skipped": [{**seen.as_dict(), "ref": source.at(seen.seq)} for source in sources for seen in source.summary.skipped_checks],
        "not_checked": [
            line for source in sources for line in _on_many_hosts([
                {**seen.as_dict(), "ref": source.at(seen.seq)} for seen in source.summary.skipped_checks
            ], "check", "reason")
        ],
        "actions": actions, "spared": spared,
        "approvals": [run["approval"] | {"run": run["number"]} for run in map(about, sources) if run["approval"]],
        "comparison": comparison, "changed_checks": [row for row in comparison if not row["fine"]],
        "steady_checks": [row for row in comparison if row["fine"]],
        "series": charts(sources),
        "not_measured": [{"host": host, "ref": source.number or ""} for source, host in missing],
        "nothing_unknown": _nothing_unknown(sources, looked_at),
        "unreachable": _cited(sources, "unreachable"), "unanswered": _cited(sources, "unanswered"), "failures": _cited(sources, "failures"),
        "captured": [item for source in sources for item in _captured(source)],
        "lost": sum(source.summary.lost_events for source in sources),
        "entries": [entry for source in sources for event in source.summary.timeline if (entry := _entry(source, event))["what"]],
        "dropped": sum(source.summary.counts.get("dropped", 0) for source in sources),
        "tiles": [
            ("found", words.count(len(findings), "problem"), "warn" if worst == 1 else "bad" if worst > 1 else "good")
            if looked_at else ("found", "nothing was looked at", "unknown"),
            ("changed", words.count(changed, "action"), "act" if changed else ""),
            ("spared", str(len(spared)), ""),
            ("measured", words.count(len(measured), "host"), "" if measured else "unknown"),
        ],
    }


def _looked_at(summary: Summary) -> set[str]:
    """Hosts of which something is known: a finding, or an answer of verify."""
    return {seen.host for seen in summary.findings} | outcome.measured(summary)


def _measured(summary: Summary) -> set[str]:
    """Hosts of which is known how they are: after a run that acted only those that verify measured."""
    if (summary.approval or {}).get("type") == "plan.approved" or outcome.carried_out(summary):
        return outcome.measured(summary) - set(outcome.not_measured(summary))
    return _looked_at(summary) - {str(entry["host"]) for entry in summary.unreachable}


def _nothing_unknown(sources: Sequence[Source], looked_at: set[str]) -> str:
    """What is said where nothing is known to be missing: that every host was measured only where verify did it."""
    if not looked_at:
        return "Nothing was looked at, so nothing is known."
    rest = looked_at - {host for source in sources for host in outcome.measured(source.summary)}
    if not rest:
        return "Nothing: every host was measured, every step was answered."
    return f"Every step was answered. Looked at, and not verified: {words.one_line(', '.join(sorted(rest)), limit=300)}."


def chain(source: Source) -> dict[str, str]:
    """What checking the record of a run came to, in words."""
    checked = source.checked
    where = f"Run {source.number}: " if source.number else ""
    state = {verify.OK: "whole", verify.INCOMPLETE: "not finished", verify.BROKEN: "broken"}.get(checked.status, checked.status)
    recovered = [f"Segment {number} was left open by its writer and closed by the next one." for number in checked.recovered]
    return {
        "state": state,
        "tone": {verify.OK: "good", verify.INCOMPLETE: "warn"}.get(checked.status, "bad"),
        "what": f"{where}{words.count(checked.events, 'event')} in {words.count(checked.segments, 'segment')}, "
                f"{words.count(checked.blobs, 'blob')}, checked as this report was written; head {checked.head}",
        "detail": " ".join([*recovered, *(problem.message for problem in checked.problems[:3])]),
    }


def compare(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Every check that was measured twice or was not ok: all its measurements in order, what is or was wrong first."""
    seen: dict[str, list[Seen[Finding]]] = {}
    verified: set[str] = set()
    for source in sources:
        for key in dict.fromkeys([*source.summary.before, *source.summary.after]):
            found = [item for item in (source.summary.before.get(key), source.summary.after.get(key)) if item is not None]
            seen.setdefault(key, []).extend(found)
            if key in source.summary.after:
                verified.add(key)
    rows = []
    for key, items in seen.items():
        if key not in verified and all(item.what.status == OK for item in items):
            continue
        after = items[-1] if key in verified else None
        before = items[0] if len(items) > 1 or after is None else None
        known = items[-1].what
        rows.append({
            "host": items[-1].host, "check": known.check, "subject": known.subject,
            "before": _state(before), "after": _state(after), "limit": _limit(known),
            "fine": all(item.what.status == OK for item in items), "plot": plots.plot([item.what for item in items]),
        })
    return sorted(rows, key=lambda row: (row["fine"], str(row["host"]), str(row["check"]), str(row["subject"])))


def charts(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """What was measured over time: of each host and metric one line, over all runs, with what was done meanwhile."""
    found: dict[tuple[str, str, str, str], Series] = {}
    for seen in (one for source in sources for one in source.summary.series):
        key = (seen.host, seen.target, seen.what.name, seen.what.subject)
        earlier = found[key].points if key in found else ()
        found[key] = dataclasses.replace(seen.what, points=thinned([*earlier, *seen.what.points]))
    done = [
        (at, f"{item.what.verb.replace('_', ' ')}: {words.one_line(item.what.name)}")
        for source in sources for item in source.summary.actions
        if item.what.outcome in CHANGED_OUTCOMES and (at := clock.seconds(item.ts)) is not None
    ]
    return [
        {"host": host, "target": target, "name": name, "subject": subject, "line": lines.line(series, marks=done)}
        for (host, target, name, subject), series in sorted(found.items(), key=lambda item: item[0])
    ]


def drawing(source: Source, *, milestones: Sequence[Json] = ()) -> Any:
    """The run's timeline as geometry."""
    summary = source.summary
    bands = [
        Band(label="plan" if entry["phase"] == "mitigate" and entry["check_mode"] else str(entry["phase"]), started=entry["started"],
             ended=entry["ended"], kind="plan" if entry["phase"] == "mitigate" and entry["check_mode"] else str(entry["phase"]))
        for entry in summary.phases
    ]
    marks = [mark for event in summary.timeline if (mark := _mark(event)) is not None]
    troubled = outcome.troubled(summary)
    hosts = ["", *sorted(troubled), *sorted(set(summary.hosts) - troubled)]
    return draw(bands=bands, happenings=marks, milestones=milestones, lanes=hosts, started=summary.started, ended=summary.ended)


#: What findings have in common that are one line.
_SAME_FINDING = ("status", "check", "subject", "value", "limit", "hint")


def _findings(source: Source) -> list[dict[str, Any]]:
    bad = [seen for seen in source.summary.before.values() if seen.what.status != OK]
    return [
        {
            **seen.as_dict(), "value": words.measured(seen.what.observed, seen.what.unit), "limit": _limit(seen.what),
            "tone": STATUS_TONES.get(seen.what.status, "unknown"), "ref": source.at(seen.seq),
        }
        for seen in sorted(bad, key=lambda seen: (-_rank(seen.what.status), seen.seq))
    ]


def _on_many_hosts(items: Sequence[Mapping[str, Any]], *same: str) -> list[dict[str, Any]]:
    """The lines of a list: what is said of many hosts in the same words is one.

    Args:
        same: the keys that make these words.
    """
    found: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for item in items:
        found.setdefault(tuple(str(item.get(key)) for key in same), []).append(item)
    return [
        {**members[0], "host": ", ".join(dict.fromkeys(str(one["host"]) for one in members)),
         "ref": ", ".join(dict.fromkeys(str(one["ref"]) for one in members if one["ref"]))}
        for members in found.values()
    ]


def _limit(finding: Finding) -> str:
    return "" if finding.threshold is None else words.measured(finding.threshold, finding.unit)


def _rank(status: str) -> int:
    return STATUSES.index(status) if status in STATUSES else len(STATUSES)


def _actions(source: Source) -> list[dict[str, Any]]:
    done = outcome.carried_out(source.summary)
    acted, places = {(seen.host, seen.what.id) for seen in done}, rungs.places(source.summary.plan)
    rest = [(host, action) for host, action in outcome.planned(source.summary) if (host, action.id) not in acted]
    return [
        {**_action(action), "host": host, "ref": source.at(seq), "rung": str(places.get((host, action.id), ""))}
        for host, action, seq in [*((seen.host, seen.what, seen.seq) for seen in done), *((host, action, None) for host, action in rest)]
    ]


def _action(action: Action) -> dict[str, Any]:
    ended = action.outcome
    tone = "act" if ended in CHANGED_OUTCOMES else "info" if ended in (PLANNED, NOT_NEEDED, MOVED_ON, PID_REUSED) else "bad"
    return {
        **action.as_dict(), "whom": words.one_line(action.name), "query": words.query(action.target),
        "since": words.ages(action.target, said=action.reason), "verb": action.verb.replace("_", " "),
        "outcome": ended.replace("_", " "), "changed": bool(action.was_touched), "error": action.detail.get("error") or "", "tone": tone,
    }


def _spared(source: Source) -> list[dict[str, Any]]:
    return [
        {**seen.as_dict(), "whom": words.one_line(seen.what.name), "query": words.query(seen.what.target),
         "why": words.reasons(seen.what.reasons), "ref": source.at(seen.seq)}
        for seen in outcome.spared(source.summary)
    ]


def _captured(source: Source) -> list[dict[str, Any]]:
    """Whose outputs were kept under a host's name, and of whom none were: once for a host, way and machine."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for item in source.summary.captured:
        machine = item["machine"]
        name = str(machine.get("hostname") or "a machine that does not tell its name")
        identity = f", machine id {machine['machine_id']}" if machine.get("machine_id") else ""
        own = ", the machine that incident runs on" if machine.get("controller") else ""
        if item.get("refused"):
            text = f"nothing is kept: {item.get('reason')}"
        elif not item.get("collected"):
            text = f"nothing was kept from {name}{identity}{own}: {item.get('reason') or 'it gave nothing'}"
        elif item.get("action") == keeping.OF_A_SERVER:
            text = f"what the server says, asked from {name}{identity}{own}"
        else:
            text = f"what {name} says{identity}{own}"
        entry = {"host": item.get("host"), "text": text, "kept": bool(item.get("collected")), "ref": source.at(item.get("seq"))}
        found.setdefault((str(item.get("host")), text), entry)
    return list(found.values())


def _cited(sources: Iterable[Source], name: str) -> list[dict[str, Any]]:
    return [{**item, "ref": source.at(item.get("seq"))} for source in sources for item in getattr(source.summary, name)]


def _state(seen: Seen[Finding] | None) -> dict[str, str]:
    if seen is None:
        return {"status": "", "value": "not measured", "tone": "unknown"}
    finding = seen.what
    return {"status": finding.status, "value": words.measured(finding.observed, finding.unit),
            "tone": STATUS_TONES.get(finding.status, "unknown")}


def _versions(summary: Summary) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for execution in summary.executions:
        for name, version in (execution.get("versions") or {}).items():
            found.setdefault(str(name), str(version))
    return sorted(found.items())


def _sources(opened: Json) -> list[tuple[str, str]]:
    named = (("collection", (opened.get("collection") or {}).get("source")), ("project", opened.get("project")))
    return [(name, str(source["git"])) for name, source in named if isinstance(source, Mapping) and source.get("git")]


def _entry(source: Source, event: Json) -> dict[str, Any]:
    return {"ref": source.at(event.get("seq")), "ts": event.get("ts"), "host": event.get("host") or "", "what": story.what(event),
            "tone": story.tone(event), "kind": event.get("type")}


def _mark(event: Json) -> Happening | None:
    shape = story.shape(event)
    if not shape:
        return None
    return Happening(at=event.get("ts"), lane=str(event.get("host") or ""), tone=story.tone(event), shape=shape, label=story.what(event))


def _without_wrapper(summary: Summary) -> str:
    """The sentence for a run that no wrapper judged."""
    done = len(outcome.carried_out(summary))
    return f"No `incident run` judged this run. Its record has {words.count(done, 'action')} carried out; see below what was measured."
