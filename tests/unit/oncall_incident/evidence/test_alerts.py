# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an Alertmanager alert becomes an incident's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oncall_incident.errors import Stop
from oncall_incident.evidence import alerts, policy, times

RULES = policy.load("chitlaq")


def alert(name: str = "PgDown", *, starts: str = "2026-01-05T11:00:00Z", severity: str = "critical", **more: Any) -> dict[str, Any]:
    labels = {"alertname": name, "severity": severity, "service": "db"}
    return {"labels": labels, "annotations": {"summary": f"{name}!"}, "startsAt": starts, **more}


@pytest.mark.parametrize("given", [
    alert(), [alert()], {"status": "firing", "alerts": [alert()]},
], ids=["one alert", "the API's list", "a webhook"])
def test_the_forms_in_which_it_comes(given: Any) -> None:
    found = alerts.read(json.dumps(given), policy=RULES, source="x")
    assert (found.title, found.severity, found.services) == ("PgDown!", "P0", ("db",))
    assert times.text(found.began) == "2026-01-05T11:00:00.000Z"


def test_a_byte_order_mark_is_no_part_of_it() -> None:
    assert alerts.read("\ufeff" + json.dumps(alert()), policy=RULES, source="x").title == "PgDown!"


def test_the_earliest_that_still_fires_counts() -> None:
    given = [
        alert("Old", starts="2026-01-05T09:00:00Z", status="resolved"), alert("Late", starts="2026-01-05T12:00:00Z"),
        alert("First", starts="2026-01-05T10:00:00Z", severity="warning", status={"state": "active"}),
    ]
    found = alerts.read(json.dumps(given), policy=RULES, source="x")
    assert (found.title, found.severity) == ("First!", "P2") and found.data["alerts"] == 3


@pytest.mark.parametrize(("label", "level"), [("P1", "P1"), ("high", "P1"), ("whatever", ""), ("", "")])
def test_a_severity_label_is_a_level_by_the_policy_or_none(label: str, level: str) -> None:
    assert alerts.read(json.dumps(alert(severity=label)), policy=RULES, source="x").severity == level


@pytest.mark.parametrize("text", [
    "", "nope", "[]", "{}", '{"labels": {}}', '[{"labels": {"a": 1}, "startsAt": "soon"}]', "[" * 100_000, "7",
], ids=range(8))
def test_what_is_no_alert_is_said(text: str) -> None:
    with pytest.raises(Stop, match="--alert x"):
        alerts.read(text, policy=RULES, source="x")
