# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-playbook shows of findings and plans."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Finding
from ansible_collections.oncall.incident.plugins.plugin_utils._record.shown import MOST, lines


def finding(**more: Any) -> dict[str, Any]:
    return {"finding": Finding(**{"check": "blocking", "status": "critical", **more}).as_dict()}


@pytest.mark.parametrize(("payload", "said"), [
    (finding(status="ok", observed=0.0), []),
    (finding(observed=72.4, threshold=60.0, unit="seconds", hint="pid 42 holds up 3."),
     ["[db1] CRITICAL blocking: 1m12s (limit 1m). pid 42 holds up 3."]),
    (finding(subject="this standby", status="warning", observed=2, unit="sessions"), ["[db1] WARNING blocking this standby: 2 sessions."]),
    (finding(status="unknown", detail={"reason": "permission_denied: oncall"}, hint="Grant it."),
     ["[db1] UNKNOWN blocking: permission_denied: oncall. Grant it."]),
    (finding(status="unknown"), ["[db1] UNKNOWN blocking: not measured."]),
    (finding(observed="paused", hint="a name with \x1b[31m and\na line"), ["[db1] CRITICAL blocking: paused. a name with [31m and a line"]),
])
def test_a_finding_is_one_line_and_what_is_ok_none(payload: dict[str, Any], said: list[str]) -> None:
    assert lines("finding", payload, host="db1") == said


def test_a_plan_names_each_target() -> None:
    action = Action("terminate", "pg:7", {"pid": 42}, {}, "idle in transaction for 12m", "pid 42 app@shop").as_dict()
    one = {"plan": {"actions": {"db1": [action], "db2": []}}}
    assert lines("plan", one, host="localhost") == [
        "[plan] 1 planned, nothing was touched:", "[plan] db1: terminate pid 42 app@shop: idle in transaction for 12m",
    ]
    assert lines("plan", {"plan": {"actions": {"db1": []}}}, host="localhost") == ["[plan] Nothing is planned."]
    assert lines("plan", {"plan": {"actions": {"db1": [action] * (MOST + 2)}}}, host="localhost")[-1] == "[plan] and 2 more"


@pytest.mark.parametrize(("kind", "payload"), [("action", {"action": {}}), ("plan", {}), ("plan", {"plan": {"actions": None}})])
def test_others_are_not_shown(kind: str, payload: dict[str, Any]) -> None:
    assert lines(kind, payload, host="db1") == []
