# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The incident as one timeline, in the order of time, with bounded memory: what Timesketch reads."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader

from .. import words
from . import model, places, times

Entry = dict[str, Any]
_LONGEST = 2000
_dumps = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
_OWN = {
    "opened": "incident opened: {title} ({severity})", "note": "note: {text}", "attachment": "attached: {name} ({bytes} bytes)",
    "run.started": "run of {scenario} begun: {record}", "run.ended": "run ended: {outcome}", "update.sent": "update: {text}",
    "escalated": "escalated to {to}", "severity": "severity is {severity} now", "closed": "incident closed: {resolution}",
    "reopened": "incident opened again: {why}", "sealed": "sealed, number {number}",
}


def entries(data: Path) -> Iterator[Entry]:
    """Every event that says something to a reader, from the incident and its runs, the earliest first.

    Timesketch wants `message`, `datetime` (ISO 8601) and `timestamp_desc`; the rest helps to search.
    """
    sources = [_own(data)]
    runs = data / "runs"
    for path in sorted(runs.iterdir()) if runs.is_dir() else ():
        if layout.segments(path):
            sources.append(_run(path))
    # A milestone may be told later than it happened, so the incident's own are sorted; they are few.
    return heapq.merge(sorted(sources[0], key=_when), *sources[1:], key=_when)


def lines(data: Path) -> Iterator[str]:
    """The same as JSON lines."""
    return map(_dumps, entries(data))


def _when(entry: Entry) -> str:
    return str(entry["datetime"])


def _own(data: Path) -> Iterator[Entry]:
    for event in reader.read(data, places.EVENTS):
        kind = str(event.get("type"))
        if kind == model.MILESTONE:
            said = f"{event.get('name')}" + (" withdrawn" if event.get("withdrawn") else "")
        elif kind in _OWN:
            said = _OWN[kind].format_map(_Fields(event))
        else:
            continue
        at = times.text(model.when(event)) if "at" in event else str(event.get("ts"))
        described = f"milestone {event.get('name')}" if kind == model.MILESTONE else kind
        yield _entry(event, said, described, at, origin="events", by=event.get("by"))


def _run(run_dir: Path) -> Iterator[Entry]:
    for event in reader.read(run_dir):
        kind = str(event.get("type"))
        said = _said(kind, event)
        if said:
            at = str(event.get("at") or event.get("ts"))
            yield _entry(event, said, kind, at, origin=f"runs/{run_dir.name}", host=event.get("host"), phase=event.get("phase"))


def _entry(event: Mapping[str, Any], said: str, described: str, at: str, **more: Any) -> Entry:
    return {
        # Most are one plain line already, and there may be very many.
        "message": said if _is_plain(said) else words.one_line(said, limit=_LONGEST),
        "datetime": at, "timestamp_desc": described, "seq": event.get("seq"),
        **{key: value for key, value in more.items() if value},
    }


def _said(kind: str, event: Mapping[str, Any]) -> str:
    finding, action = event.get("finding"), event.get("action")
    if kind == "result":
        return f"{event.get('task')}: {event.get('status')}"
    if kind == "finding" and isinstance(finding, dict):
        return f"{finding.get('check')} {finding.get('subject') or ''} is {finding.get('status')} ({finding.get('observed')})"
    if kind == "action" and isinstance(action, dict):
        return f"{action.get('verb')} {words.target(action.get('target') or {})}: {action.get('outcome')}"
    said = {
        "run.open": f"run of {event.get('scenario')} opened by {event.get('by')}", "plan": "plan made",
        "plan.approved": f"plan approved by {event.get('by')} ({event.get('how')})",
        "plan.refused": f"plan not approved ({event.get('how')})",
        "play.start": f"play {event.get('play')}", "no_hosts": f"no host matched {event.get('hosts')}",
        "interrupted": f"stopped: {event.get('reason')}", "outcome": f"outcome: {event.get('outcome')}: {event.get('sentence')}",
        "record.degraded": f"{event.get('lost')} events were not recorded", "awx.event": f"{event.get('event')} {event.get('task') or ''}",
    }
    return said.get(kind, "")


def _is_plain(said: str) -> bool:
    return said.isprintable() and said.isascii() and "  " not in said and said[-1:] != " " and len(said) <= _LONGEST


class _Fields(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""
