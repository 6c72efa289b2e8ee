# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk of a server, judged."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Finding
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import judge_look
from ansible_collections.oncall.incident.plugins.module_utils._host.decisions.disk import (
    ABSENT,
    PointSeen,
    Space,
    judge_disk,
    judge_path,
    told,
)


@dataclasses.dataclass
class Usage:
    """As os.statvfs() says it."""

    f_frsize: int = 4096
    f_blocks: int = 1000
    f_bavail: int = 500
    f_files: int = 100
    f_favail: int = 50


@pytest.mark.parametrize(("usage", "status", "space"), [
    (Usage(), "ok", 50.0), (Usage(f_bavail=200), "warning", 80.0), (Usage(f_bavail=100), "critical", 90.0),
    (Usage(f_favail=1), "critical", 50.0),
    (Usage(f_bavail=0), "critical", 100.0),
])
def test_judged(usage: Usage, status: str, space: float) -> None:
    found = judge_look(*judge_disk("/data", usage, warning=80, critical=90))
    assert (found.status, found.findings[0].observed) == (status, space)


def test_no_inodes_to_count() -> None:
    findings, skipped = judge_disk("/data", Usage(f_files=0, f_favail=0), warning=80, critical=90)
    assert [one.check for one in findings] == ["disk_space"]
    assert [(one.check, one.kind, one.reason.partition(":")[0] in ABSENT) for one in skipped] == [("disk_inodes", "not_applicable", True)]


@pytest.mark.parametrize(("seen", "reason", "hint"), [
    (PointSeen("/data", trouble="Permission denied", grant="search of the directory /"), "not_permitted: /data: Permission denied",
     "Allow search of the directory /, or run with become: true."),
    (PointSeen("/data", trouble="No such file or directory"), "unreadable: /data: No such file or directory",
     "Name a path that is there, and mount what belongs there."),
])
def test_a_path_that_cannot_be_looked_at_is_unknown(seen: PointSeen, reason: str, hint: str) -> None:
    verdict = judge_path(seen, warning=80, critical=90, asked=["disk_space"]).verdict
    assert (verdict.status, verdict.healthy, verdict.statuses()["disk_space"]) == ("unknown", None, "unknown")
    assert {(one.reason, one.hint, one.kind) for one in verdict.skipped} == {(reason, hint, "could_not_look")}


def test_a_path_is_judged_itself() -> None:
    found = judge_path(PointSeen("/data", Space.of(Usage()), read_only=True), warning=80, critical=90, asked=None)
    assert found.more == {"path": "/data"}
    assert found.verdict.statuses() == {"disk_space": "ok", "disk_inodes": "ok", "disk_writable": "critical"}


def found(check: str, status: str, subject: str, observed: float = 50.0) -> Finding:
    return Finding(check=check, status=status, subject=subject, observed=observed)


ROOMY, FULL = found("disk_space", "ok", "/"), found("disk_space", "critical", "/srv", 97.2)
INODES, GROWTH = found("disk_inodes", "critical", "/srv", 99.0), found("disk_growth", "critical", "/", 100.0)


@pytest.mark.parametrize(("findings", "full", "reason"), [
    ([ROOMY, GROWTH, found("disk_space", "warning", "/var", 85.0)], [], ""),
    ([ROOMY, FULL], ["/srv"], "/srv is at 97.2 percent."),
    ([FULL, INODES, found("disk_space", "critical", "/var", 93.0)], ["/srv", "/var"], "/srv, /var is at 99.0 percent."),
])
def test_who_is_full(findings: list[Finding], full: list[str], reason: str) -> None:
    assert told(findings) == {"full": full, "full_reason": reason}
