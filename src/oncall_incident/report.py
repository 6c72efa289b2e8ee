# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run in Markdown, made from its record and nothing else: the same record gives the same bytes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import format_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import STATUSES
from ansible_collections.oncall.incident.plugins.plugin_utils._record import verify
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Summary

from . import markdown, outcome, words
from .private import write_private
from .recording import summarise

FILE = "report.md"
_TEMPLATES = Path(__file__).parent / "templates"

Json = Mapping[str, Any]


def write_report(run_dir: Path) -> Path:
    """Write the report into the run's directory, in place of an older one."""
    part = write_private(run_dir / f".{FILE}.{os.getpid()}", render(run_dir))
    part.replace(run_dir / FILE)
    return run_dir / FILE


def render(run_dir: Path) -> str:
    """The report of a run."""
    summary = summarise(run_dir)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=False, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        undefined=jinja2.ChainableUndefined,  # a record may be damaged; its report must still say what there is
    )
    environment.filters.update(text=markdown.text, code=markdown.code, clock=_clock)
    return environment.get_template("report.md.j2").render(content(summary, verify.check(run_dir)))


def content(summary: Summary, checked: verify.Report) -> dict[str, Any]:
    """What the template shows."""
    end = summary.outcome or {}
    opened = next((entry for entry in summary.timeline if entry.get("type") == "run.open"), {})
    first = summary.executions[0] if summary.executions else {}
    ansible = outcome.ansible_segments(summary)
    return {
        "run": summary.run, "opened": opened, "started": summary.started, "ended": summary.ended,
        "took": _took(summary.started, summary.ended),
        "by": opened.get("by") or first.get("user") or (ansible[0].get("user") if ansible else ""),
        "controller": first.get("controller", ""),
        "outcome": str(end.get("outcome") or "unknown").replace("_", " "), "sentence": end.get("sentence") or _without_wrapper(summary),
        "reasons": end.get("reasons") or [],
        "findings": [_finding(item) for item in _by_severity(summary.before.values())],
        "fine": sum(1 for item in summary.before.values() if item.get("status") == "ok"),
        "skipped": summary.skipped_checks,
        "actions": [_action(item) for item in _actions(summary)],
        "plan": summary.plan, "approval": summary.approval,
        "spared": [_spared(item) for item in outcome.spared(summary)],
        "comparison": _comparison(summary),
        "not_measured": outcome.not_measured(summary) if ansible else [],
        "unreachable": summary.unreachable, "unanswered": summary.unanswered, "failures": summary.failures,
        "timeline": [line for line in map(_timeline, summary.timeline) if line["what"]],
        "dropped": summary.counts.get("dropped", 0), "lost": summary.lost_events,
        "versions": _versions(summary), "checked": checked, "segments": summary.executions,
    }


def _by_severity(findings: Any) -> list[Json]:
    bad = [item for item in findings if item.get("status") != "ok"]
    return sorted(bad, key=lambda item: (-_rank(item), int(item["seq"])))


def _rank(item: Json) -> int:
    status = item.get("status")
    return STATUSES.index(str(status)) if status in STATUSES else len(STATUSES)


def _finding(item: Json) -> Json:
    unit = str(item.get("unit") or "")
    limit = item.get("threshold")
    return {**item, "value": words.measured(item.get("observed"), unit), "limit": "" if limit is None else words.measured(limit, unit)}


def _actions(summary: Summary) -> list[Json]:
    done = outcome.carried_out(summary)
    seen = {(str(item["host"]), str(item.get("id"))) for item in done}
    rest = [{**action, "host": host} for host, action in outcome.planned(summary) if (host, str(action.get("id"))) not in seen]
    return [*done, *rest]


def _action(item: Json) -> Json:
    target = item.get("target") or {}
    detail = item.get("detail") or {}
    return {
        **item, "whom": words.target(target), "query": words.query(target), "since": words.ages(target, said=str(item.get("reason", ""))),
        "verb": str(item.get("verb", "")).replace("_", " "), "outcome": str(item.get("outcome", "")).replace("_", " "),
        "error": detail.get("error") or "",
    }


def _spared(item: Json) -> Json:
    target = item.get("target") or {}
    return {**item, "whom": words.target(target), "query": words.query(target), "why": words.reasons(item.get("reasons") or [])}


def _comparison(summary: Summary) -> list[Json]:
    """Every check that was measured twice or was not ok, before and after."""
    rows = []
    for key in dict.fromkeys([*summary.before, *summary.after]):
        before, after = summary.before.get(key), summary.after.get(key)
        if after is None and (before is None or before.get("status") == "ok"):
            continue
        item = after or before or {}
        fine = all(seen is None or seen.get("status") == "ok" for seen in (before, after))
        rows.append({
            **{name: item.get(name) for name in ("host", "check", "subject")},
            "before": _state(before), "after": _state(after), "fine": fine,
        })
    # What was or is wrong comes first.
    return sorted(rows, key=lambda row: (row["fine"], str(row["host"]), str(row["check"]), str(row["subject"])))


def _state(item: Json | None) -> str:
    if item is None:
        return "not measured"
    return f"{item.get('status')}: {words.measured(item.get('observed'), str(item.get('unit') or ''))}"


def _versions(summary: Summary) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for execution in summary.executions:
        for name, version in (execution.get("versions") or {}).items():
            found.setdefault(str(name), str(version))
    return sorted(found.items())


def _timeline(event: Json) -> Json:
    return {"seq": event.get("seq"), "ts": event.get("ts"), "host": event.get("host") or "", "what": _what(event)}


def _what(event: Json) -> str:
    """A timeline entry in words; empty for what a reader need not see."""
    kind = event.get("type")
    finding, action = event.get("finding") or {}, event.get("action") or {}
    if kind == "finding":
        subject = f" {finding['subject']}" if finding.get("subject") else ""
        value = words.measured(finding.get("observed"), str(finding.get("unit") or ""))
        return f"{event.get('phase') or 'look'}: {finding.get('check')}{subject} is {finding.get('status')} ({value})"
    if kind == "action":
        done = f"{action.get('verb')}: {action.get('outcome')}".replace("_", " ")
        return "" if action.get("outcome") == "planned" else f"{done}: {words.target(action.get('target') or {})}"
    if kind == "result":
        return f"{event.get('status')}: {event.get('task')}"
    said = {
        "run.open": f"run opened by {event.get('by')}", "plan": "plan made",
        "plan.approved": f"plan approved by {event.get('by')} ({event.get('how')}): {words.count(int(event.get('count') or 0), 'action')}",
        "plan.refused": f"plan not approved ({event.get('how')})",
        "play.start": f"play: {event.get('play') or event.get('name') or ''}",
        "no_hosts": "no host matched", "interrupted": f"stopped: {event.get('reason')}", "outcome": f"outcome: {event.get('sentence')}",
        "recovered": f"segment {event.get('of')} was left open by its writer and is closed here",
        "record.degraded": "events could not be recorded",
    }
    return said.get(str(kind), "")


def _without_wrapper(summary: Summary) -> str:
    """The sentence for a run that no wrapper judged."""
    done = len(outcome.carried_out(summary))
    return f"No `incident run` judged this run. Its record has {words.count(done, 'action')} carried out; see below what was measured."


def _clock(ts: Any) -> str:
    return str(ts)[11:19]


def _took(start: str, end: str) -> str:
    try:
        return format_duration((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())
    except ValueError:
        return "unknown"


