# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is due, and what was missed."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import pytest

from oncall_incident.evidence import due, model, policy, times

BEGAN = datetime.datetime(2026, 1, 5, 8, 0, tzinfo=datetime.UTC)


def at(minutes: float) -> datetime.datetime:
    return BEGAN + datetime.timedelta(minutes=minutes)


def state(*events: Mapping[str, Any], severity: str = "P0", name: str = "chitlaq") -> model.State:
    opened = {"type": "opened", "run": "INC-1", "severity": severity, "at": times.text(BEGAN), "policy": policy.load(name).data}
    return model.fold([opened, *events])


def event(kind: str, minutes: float, **more: Any) -> dict[str, Any]:
    return {"type": kind, "at": times.text(at(minutes)), **more}


def found(items: list[due.Due], what: str) -> list[tuple[str, float, str]]:
    return [(item.who, (item.at - BEGAN).total_seconds() / 60, item.status) for item in items if item.what == what]


def test_nothing_done_yet() -> None:
    items = due.due(state(), now=at(20))
    assert found(items, "response") == [("", 15, "overdue")]
    assert found(items, "resolution") == [("", 60, "pending")]
    assert found(items, "update") == [("", 15, "overdue")]
    assert [entry[2] for entry in found(items, "escalation")] == ["overdue", "overdue", "pending", "pending"]
    assert [item.at for item in items] == sorted(item.at for item in items)


def test_nothing_is_due_where_only_was_looked() -> None:
    run = {"record": "r", "scenario": "db-recovery"}
    looked = [event("run.started", 0, **run), event("run.ended", 1, **run, outcome="planned", exit_status=0)]
    assert due.due(state(*looked), now=at(100))
    assert due.due(state(*looked, event("closed", 1, resolution="planned")), now=at(100)) == []


def test_in_time_and_too_late() -> None:
    acknowledged = event("milestone", 10, name="acknowledged")
    resolved = event("milestone", 90, name="resolved")
    items = due.due(state(acknowledged, resolved), now=at(100))
    assert found(items, "response") == [("", 15, "met")] and found(items, "resolution") == [("", 60, "missed")]
    assert found(items, "update") == []


def test_a_correction_counts() -> None:
    events = [event("milestone", 30, name="acknowledged"), event("milestone", 5, name="acknowledged")]
    assert found(due.due(state(*events), now=at(40)), "response") == [("", 15, "met")]
    withdrawn = event("milestone", 6, name="acknowledged", withdrawn=True)
    assert found(due.due(state(*events, withdrawn), now=at(40)), "response") == [("", 15, "overdue")]


def test_each_update_puts_the_next_one_off() -> None:
    items = due.due(state(event("update.sent", 10, text="x"), event("update.sent", 22, text="y")), now=at(30))
    assert found(items, "update") == [("", 37, "pending")]


def test_the_first_update_is_the_communication_target() -> None:
    items = due.due(state(event("update.sent", 40, text="x"), severity="P1", name="prism-dns"), now=at(50))
    assert found(items, "communication") == [("", 30, "missed")] or found(items, "communication") == [("", 60, "met")]
    assert found(due.due(state(severity="P1", name="prism-dns"), now=at(50)), "communication") == [("", 30, "overdue")]


def test_when_it_is_over_nothing_is_due_any_more() -> None:
    """But what was not done in time stays said."""
    early = due.due(state(event("milestone", 5, name="resolved")), now=at(1000))
    late = due.due(state(event("closed", 90)), now=at(1000))
    assert not [item for item in early if item.what != "review" and item.status in (due.PENDING, due.OVERDUE)]
    assert found(early, "response") == []
    assert found(late, "response") == [("", 15, "missed")]
    assert not [item for item in late if item.what != "review" and item.status in (due.PENDING, due.OVERDUE)]


def test_steps_that_are_no_longer_needed_are_not_asked_for() -> None:
    items = due.due(state(event("milestone", 20, name="resolved")), now=at(100))
    # Those before it was resolved were due and not taken; those after it are not needed.
    assert [(who, status) for who, _at, status in found(items, "escalation")] == [
        ("Incident Commander (phone)", "missed"), ("Technical Lead (phone)", "missed"),
    ]


def test_a_step_that_was_taken() -> None:
    items = due.due(state(event("escalated", 1, to="incident commander"), event("escalated", 40, to="CTO")), now=at(45))
    found_steps = {who: status for who, _at, status in found(items, "escalation")}
    assert found_steps["Incident Commander (phone)"] == "met" and found_steps["CTO (phone)"] == "missed"


def test_unless_acknowledged() -> None:
    items = due.due(state(event("milestone", 5, name="acknowledged"), severity="SEV1", name="default"), now=at(45))
    assert "secondary on call" not in [who for who, _at, _status in found(items, "escalation")]


def test_targets_count_from_the_alert() -> None:
    alerted = {"type": "milestone", "name": "alerted", "at": times.text(BEGAN - datetime.timedelta(minutes=30))}
    items = due.due(state(alerted), now=at(0))
    assert found(items, "response") == [("", -15, "overdue")]


def test_the_review_is_due_after_the_end() -> None:
    resolved = event("milestone", 60, name="resolved")
    items = due.due(state(resolved, severity="P1", name="prism-dns"), now=at(70))
    assert found(items, "review") == [("", 60 + 48 * 60, "pending")]


@pytest.mark.parametrize("severity", ["nonsense", ""])
def test_a_severity_that_the_policy_does_not_know_has_nothing_due(severity: str) -> None:
    assert due.due(state(severity=severity), now=at(10)) == []
