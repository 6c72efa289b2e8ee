# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import (
    STATUSES,
    Finding,
    Skipped,
    judge,
    must_fail,
    worst,
)
from hypothesis import given
from hypothesis import strategies as st


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


@pytest.mark.parametrize(
    ("status", "fail_on", "fails"),
    [
        ("critical", "never", False), ("critical", "critical", True), ("unknown", "critical", True), ("warning", "critical", False),
        ("warning", "warning", True), ("unknown", "warning", True), ("ok", "warning", False), ("ok", "critical", False),
    ],
)
def test_must_fail(status: str, fail_on: str, fails: bool) -> None:
    assert must_fail(status, fail_on=fail_on) is fails


@given(st.builds(
    Finding, check=st.text(), status=st.sampled_from(STATUSES), observed=st.none() | st.integers() | st.text() | st.booleans(),
    threshold=st.none() | st.integers(), unit=st.text(), hint=st.text(), subject=st.text(),
    detail=st.dictionaries(st.text(), st.integers()),
))
def test_a_finding_is_read_back(finding: Finding) -> None:
    assert Finding.from_dict(json.loads(json.dumps({**finding.as_dict(), "host": "db1"}))) == finding


@given(st.builds(Skipped, check=st.text(), reason=st.text(), hint=st.text()))
def test_a_skipped_check_is_read_back(skipped: Skipped) -> None:
    assert Skipped.from_dict(json.loads(json.dumps({**skipped.as_dict(), "phase": "verify"}))) == skipped


@pytest.mark.parametrize(("kind", "data", "said"), [
    (Finding, {"status": "ok"}, "finding: check is missing."), (Finding, {"check": "x"}, "finding: status is missing."),
    (Skipped, {"reason": "x"}, "skipped check: check is missing."), (Skipped, {"check": "x"}, "skipped check: reason is missing."),
])
def test_what_is_missing_is_named(kind: type[Finding] | type[Skipped], data: dict[str, str], said: str) -> None:
    with pytest.raises(BadInput) as raised:
        kind.from_dict(data)
    assert raised.value.message == said
