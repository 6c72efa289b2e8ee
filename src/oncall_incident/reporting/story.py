# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One event of a record: in words, and as a mark on the timeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.actions import (
    CHANGED_OUTCOMES,
    MOVED_ON,
    NOT_NEEDED,
    PID_REUSED,
    PLANNED,
)
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import CRITICAL, OK, WARNING
from ansible_collections.oncall.incident.plugins.plugin_utils._record import told

from ..terminal import words

Json = Mapping[str, Any]
#: How a run ends that is good, and that is neither good nor bad.
_GOOD, _NEITHER = ("recovered", "nothing_to_do", "healthy"), ("planned", "refused")
_UNTOUCHED = (PLANNED, NOT_NEEDED, MOVED_ON, PID_REUSED)


def what(event: Json) -> str:
    """An event in words; empty for what a reader need not see."""
    kind = event.get("type")
    if kind == "finding":
        finding = told.finding(event.get("finding"))
        subject = f" {finding.subject}" if finding.subject else ""
        value = words.measured(finding.observed, finding.unit)
        return f"{event.get('phase') or 'look'}: {finding.check}{subject} is {finding.status} ({value})"
    if kind == "action":
        action = told.action(event.get("action"))
        done = f"{action.verb}: {action.outcome}".replace("_", " ")
        return "" if action.outcome == PLANNED else f"{done}: {words.one_line(action.name)}"
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


def tone(event: Json) -> str:
    """How an event is meant: one of timeline.TONES."""
    kind = event.get("type")
    if kind == "finding":
        status = told.finding(event.get("finding")).status
        return {OK: "good", WARNING: "warn", CRITICAL: "bad"}.get(status, "unknown")
    if kind == "action":
        return "act" if told.action(event.get("action")).outcome in {*CHANGED_OUTCOMES, *_UNTOUCHED} else "bad"
    if kind == "outcome":
        ended = str(event.get("outcome"))
        return "good" if ended in _GOOD else "info" if ended in _NEITHER else "bad"
    return {"result": "bad", "interrupted": "bad", "record.degraded": "bad", "no_hosts": "unknown", "recovered": "unknown",
            "plan.refused": "unknown", "plan.approved": "good"}.get(str(kind), "info")


def shape(event: Json) -> str:
    """The mark of an event; empty for what the timeline does not show."""
    kind = event.get("type")
    if kind == "action":
        return "diamond" if told.action(event.get("action")).outcome != PLANNED else ""
    return {
        "finding": "circle",
        "result": "cross",
        "interrupted": "cross",
        "record.degraded": "cross",
        "plan": "square",
        "plan.approved": "square",
        "plan.refused": "square",
        "outcome": "flag",
    }.get(str(kind), "")
