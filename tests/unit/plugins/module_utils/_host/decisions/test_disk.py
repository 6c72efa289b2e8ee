# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk of a server, judged."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import Blind
from ansible_collections.oncall.incident.plugins.module_utils._host.decisions.disk import judge_disk, nearest, room, told


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
    found = judge_disk("/data", usage, warning=80, critical=90)
    assert (found["status"], found["findings"][0]["observed"]) == (status, space)


def test_no_inodes_to_count() -> None:
    found = judge_disk("/data", Usage(f_files=0, f_favail=0), warning=80, critical=90)
    assert [one["check"] for one in found["findings"]] == ["disk_space"]
    assert [one["check"] for one in found["skipped_checks"]] == ["disk_inodes"]


def test_the_nearest_that_can_be_reached() -> None:
    def statvfs(path: str) -> Usage:
        if path.startswith("/var/lib/db/"):
            raise PermissionError(13, "no")
        return Usage()

    assert nearest("/var/lib/db/data/base", statvfs)[0] == "/var/lib/db"
    assert nearest(os.getcwd(), os.statvfs)[0] == os.getcwd()


def test_nothing_can_be_reached() -> None:
    def statvfs(path: str) -> Usage:
        raise OSError(5, "no")

    with pytest.raises(Blind):
        nearest("/data", statvfs)


def found(check: str, status: str, subject: str, observed: float = 50.0) -> dict[str, Any]:
    """A finding as in results."""
    return {"check": check, "status": status, "subject": subject, "observed": observed}


ROOMY, FULL = found("disk_space", "ok", "/"), found("disk_space", "critical", "/srv", 97.2)
INODES, GROWTH = found("disk_inodes", "critical", "/srv", 99.0), found("disk_growth", "critical", "/", 100.0)


@pytest.mark.parametrize(("findings", "full", "reason"), [
    ([ROOMY, GROWTH, found("disk_space", "warning", "/var", 85.0)], [], ""),
    ([ROOMY, FULL], ["/srv"], "/srv is at 97.2 percent."),
    ([FULL, INODES, found("disk_space", "critical", "/var", 93.0)], ["/srv", "/var"], "/srv, /var is at 99.0 percent."),
])
def test_who_is_full(findings: list[Any], full: list[str], reason: str) -> None:
    result = {"findings": findings, "status": "x"}
    assert told(result) == {**result, "full": full, "full_reason": reason}


UNSEEN = {"check": "disk_space", "reason": "/b: Permission denied", "hint": ""}
NO_INODES = {"check": "disk_inodes", "reason": "not_applicable: the file system states no total.", "hint": ""}


@pytest.mark.parametrize(("held", "findings", "skipped", "text"), [
    (True, [ROOMY, GROWTH], [NO_INODES], ""),
    (True, [ROOMY, FULL], [], "Not recovered within 60 s: no room on /srv."),
    (False, [found("disk_space", "unknown", "/a"), FULL, INODES], [], "Not recovered within 60 s: no room on /a, /srv."),
    (False, [FULL], [UNSEEN], "Not recovered within 60 s: no room on /srv; could not look at /b: Permission denied."),
    (False, [ROOMY], [], "Not recovered within 60 s: it did not stay so."),
])
def test_why_there_is_no_room(held: bool, findings: list[Any], skipped: list[Any], text: str) -> None:
    assert told({"findings": findings, "skipped_checks": skipped, "held": held, "waited": 60.02})["not_recovered"] == text


@pytest.mark.parametrize(("findings", "skipped", "roomy"), [
    ([ROOMY, GROWTH], [NO_INODES], True), ([found("disk_space", "warning", "/")], [], True), ([ROOMY, FULL], [], False),
    ([ROOMY, INODES], [], False), ([ROOMY], [UNSEEN], False), ([found("disk_space", "unknown", "/")], [], False), ([], [], False),
    ([GROWTH], [NO_INODES], False),
])
def test_room_is_what_was_seen_to_be_there(findings: list[Any], skipped: list[Any], roomy: bool) -> None:
    assert room({"findings": findings, "skipped_checks": skipped}).good is roomy
