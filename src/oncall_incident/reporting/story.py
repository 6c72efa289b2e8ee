# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One event of a record: in words, and as a mark on the timeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..terminal import words

Json = Mapping[str, Any]


def what(event: Json) -> str:
    """An event in words; empty for what a reader need not see."""
    kind = event.get("type")
    finding, action = event.get("finding") or {}, event.get("action") or {}
    if kind == "finding":
        subject = f" {finding['subject']}" if finding.get("subject") else ""
        value = words.measured(finding.get("observed"), str(finding.get("unit") or ""))
        return f"{event.get('phase') or 'look'}: {finding.get('check')}{subject} is {finding.get('status')} ({value})"
    if kind == "action":
        done = f"{action.get('verb')}: {action.get('outcome')}".replace("_", " ")
        return "" if action.get("outcome") == "planned" else f"{done}: {words.whom(action)}"
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
        status = (event.get("finding") or {}).get("status")
        return {"ok": "good", "warning": "warn", "critical": "bad"}.get(str(status), "unknown")
    if kind == "action":
        ended = str((event.get("action") or {}).get("outcome"))
        return "act" if ended in ("done", "gone", "planned", "not_needed", "moved_on", "pid_reused") else "bad"
    if kind == "outcome":
        return {"recovered": "good", "nothing_to_do": "good", "planned": "info", "refused": "info"}.get(str(event.get("outcome")), "bad")
    return {"result": "bad", "interrupted": "bad", "record.degraded": "bad", "no_hosts": "unknown", "recovered": "unknown",
            "plan.refused": "unknown", "plan.approved": "good"}.get(str(kind), "info")


def shape(event: Json) -> str:
    """The mark of an event; empty for what the timeline does not show."""
    kind = event.get("type")
    if kind == "action":
        return "diamond" if (event.get("action") or {}).get("outcome") != "planned" else ""
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
