# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The incident as one timeline, in the order of time, with bounded memory: what Timesketch reads."""

from __future__ import annotations

import heapq
import json
import operator
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader, told

from ..terminal import words
from . import engines, model, places, times

Entry = dict[str, Any]
#: When, and the line.
Line = tuple[str, str]
_when = operator.itemgetter(0)
_LONGEST = 2000
_dumps = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
_quoted = json.encoder.encode_basestring
_OWN = {
    "opened": "incident opened: {title} ({severity})", "note": "note: {text}", "attachment": "attached: {name} ({bytes} bytes)",
    "run.started": "run of {scenario} begun: {record}", "run.ended": "run ended: {outcome}", "update.sent": "update: {text}",
    "escalated": "escalated to {to}", "severity": "severity is {severity} now", "closed": "incident closed: {resolution}",
    "reopened": "incident opened again: {why}", "sealed": "sealed, number {number}",
}


def lines(data: Path) -> Iterator[str]:
    """Every event that says something to a reader, from the incident, its runs and the engines of its services, as JSON lines.

    The earliest comes first.

    Timesketch wants `message`, `datetime` (ISO 8601) and `timestamp_desc`; the rest helps to search.
    """
    runs = data / "runs"
    found = [path for path in sorted(runs.iterdir()) if layout.segments(path)] if runs.is_dir() else []
    # A milestone may be told later than it happened, so the incident's own are sorted: as lines, which take the least room.
    own = sorted(map(_line, _own(data)), key=_when)
    sources = [map(_line, _run(path)) for path in found]
    told = map(_line, map(_engine, engines.of_all(found)))
    return (text for _at, text in (heapq.merge(own, *sources, told, key=_when) if sources else own))


def _line(entry: Entry) -> Line:
    # Written by hand, as the encoder would: it is asked for each entry, and takes longer than all the rest.
    texts = [
        f'"{key}": {_quoted(value) if type(value) is str else value if type(value) is int else _dumps(value)}'
        for key, value in sorted(entry.items())
    ]
    return entry["datetime"], f"{{{', '.join(texts)}}}"


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


def _engine(told: engines.Told) -> Entry:
    return {"message": told.text, "datetime": told.at, "timestamp_desc": told.engine, "host": told.host, "origin": told.path}


def _entry(event: Mapping[str, Any], said: str, described: str, at: str, **more: Any) -> Entry:
    return {
        # Most are one plain line already, and there may be very many.
        "message": said if _is_plain(said) else words.one_line(said, limit=_LONGEST),
        "datetime": at, "timestamp_desc": described, "seq": event.get("seq"),
        **{key: value for key, value in more.items() if value},
    }


def _said(kind: str, event: Mapping[str, Any]) -> str:
    if kind == "result":
        return f"{event.get('task')}: {event.get('status')}"
    if kind == "finding":
        finding = told.finding(event.get("finding"))
        return f"{finding.check} {finding.subject} is {finding.status} ({finding.observed})"
    if kind == "action":
        action = told.action(event.get("action"))
        return f"{action.verb} {words.one_line(action.name)}: {action.outcome}"
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
