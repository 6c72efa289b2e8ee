# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Finding, Skipped, judge, must_fail, verdict, worst


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["ok"], "ok"), (["ok", "warning"], "warning"), (["warning", "unknown"], "unknown"),
        (["unknown", "critical"], "critical"), (["ok", "ok", "critical", "warning"], "critical"), ([], "unknown"),
    ],
)
def test_worst(statuses: list[str], expected: str) -> None:
    assert worst(statuses) == expected


@pytest.mark.parametrize(
    ("observed", "status", "threshold"),
    [(10, "ok", 80), (79.9, "ok", 80), (80, "warning", 80), (94, "warning", 80),
     (95, "critical", 95), (100, "critical", 95), (None, "unknown", 80)],
)
def test_judge(observed: float | None, status: str, threshold: float) -> None:
    finding = judge("connections", observed, warning=80, critical=95, unit="percent", hint="restart")
    assert (finding.status, finding.threshold) == (status, threshold)
    assert finding.hint == ("" if status == "ok" else "restart")


def test_judge_without_warning_uses_critical_alone() -> None:
    assert judge("x", 5, critical=5).status == "critical"
    assert judge("x", 4, critical=5).status == "ok"


def test_a_skipped_check_never_counts_as_ok() -> None:
    result = verdict([], [Skipped(check="replication", reason="no permission")])
    assert result["status"] == "unknown"
    assert result["skipped_checks"][0]["check"] == "replication"


def test_verdict_is_plain_data() -> None:
    result = verdict([Finding(check="a", status="ok", detail={"k": 1}), Finding(check="b", status="warning")])
    assert result["contract"] == "oncall.incident/verdict/1"
    assert result["status"] == "warning"
    assert result["findings"][0]["detail"] == {"k": 1}


@pytest.mark.parametrize(
    ("status", "fail_on", "fails"),
    [
        ("critical", "never", False), ("critical", "critical", True), ("unknown", "critical", True), ("warning", "critical", False),
        ("warning", "warning", True), ("unknown", "warning", True), ("ok", "warning", False), ("ok", "critical", False),
    ],
)
def test_must_fail(status: str, fail_on: str, fails: bool) -> None:
    assert must_fail(status, fail_on=fail_on) is fails
