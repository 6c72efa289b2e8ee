# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fills the disks, told from real numbers."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import COULD_NOT_LOOK, NOT_APPLICABLE
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import judge_look
from ansible_collections.oncall.incident.plugins.module_utils._host import looking
from ansible_collections.oncall.incident.plugins.module_utils._host.below import biggest
from ansible_collections.oncall.incident.plugins.module_utils._host.decisions.disk import ABSENT, DECISIVE
from ansible_collections.oncall.incident.plugins.module_utils._host.survey import look


def test_a_file_system_that_cannot_be_looked_at_makes_what_is_asked_of_it_unknown() -> None:
    def statvfs(path: str) -> Any:
        raise PermissionError(13, "Permission denied")

    findings, skipped = look(["/srv"], warning=80, critical=90, sample=0, full_within=1, statvfs=statvfs)
    seen = judge_look(findings, skipped, asked=DECISIVE)
    assert seen.healthy is None and set(seen.not_good().values()) == {"unknown"} and "/srv: Permission denied" in skipped[0].reason


@pytest.mark.parametrize(("line", "named", "kind"), [
    ("2 1 0:2 / {point} rw - fuse.s3fs gone rw", False, NOT_APPLICABLE),
    ("2 1 0:2 / {point} rw - overlay overlay rw", False, NOT_APPLICABLE),
    ("2 1 0:2 / {point} rw - fuse /dev/fuse rw", False, NOT_APPLICABLE),
    ("2 1 0:2 / {point} rw - fuse.s3fs gone rw", True, COULD_NOT_LOOK),
    ("2 1 8:1 / {point} rw - ext4 /dev/vdz rw", False, COULD_NOT_LOOK),
])
def test_a_mount_that_may_not_be_entered_is_unknown_where_it_is_named_or_on_a_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, named: bool, kind: str,
) -> None:
    """Each point is looked at: the one that works is real, the other is not there."""
    point = str(tmp_path / "gone")
    text = f"1 0 0:1 / {tmp_path} rw - tmpfs tmpfs rw\n{line.format(point=point)}\n"
    monkeypatch.setattr(looking, "_read", lambda path: text if path == "/proc/self/mountinfo" else "")
    seen = looking.survey(looking.Survey(
        file_systems=[str(tmp_path), point] if named else [], asked=DECISIVE, warning_percent=101, critical_percent=102, sample=0.0,
        full_within=1, deleted_warning_bytes=2**62, look_below=(), look_for=0.0, most=1,
    )).verdict
    left = [one for one in seen.skipped if one.check in DECISIVE]
    assert [(one.check, one.kind) for one in left] == [(check, kind) for check in DECISIVE]
    assert all(point in one.reason and "No such file" in one.reason for one in left)
    assert seen.healthy is (True if kind == NOT_APPLICABLE else None)
    if kind == NOT_APPLICABLE:
        assert {one.reason.partition(":")[0] for one in left} <= set(ABSENT)


def test_a_read_only_file_system_is_critical_with_the_kernels_words() -> None:
    usage = SimpleNamespace(f_frsize=4096, f_blocks=10, f_bavail=9, f_files=10, f_favail=9, f_flag=os.ST_RDONLY)
    findings, _skipped = look(
        ["/srv"], warning=80, critical=90, sample=0, full_within=1, statvfs=lambda path: usage,
        kernel=lambda mount: ["EXT4-fs error (device vdz)"],
    )
    (found,) = [one for one in findings if one.check == "disk_writable"]
    assert found.status == "critical" and found.detail == {"kernel": ["EXT4-fs error (device vdz)"]}
    assert "read-only" in found.hint and "The kernel said last: EXT4-fs error (device vdz)." in found.hint


def test_what_is_biggest(tmp_path: Path) -> None:
    for name, size in (("a/x.log", 40000), ("a/b/y.log", 90000), ("z.log", 10)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    (tmp_path / "link.log").symlink_to("/etc/passwd")
    os.link(tmp_path / "a" / "b" / "y.log", tmp_path / "again.log")
    found = biggest(str(tmp_path), deadline=1e18, most=2)
    assert len(found["files"]) == 2 and found["files"][0]["bytes"] >= 90000
    assert found["directories"][0]["path"] == str(tmp_path)
    assert found["complete"] and found["entries"] == 7


def test_out_of_time_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert not biggest(str(tmp_path), deadline=-1.0)["complete"]
    assert not biggest(str(tmp_path / "nowhere"), deadline=1e18)["complete"]


def test_a_device_under_a_mount_that_does_not_apply_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was mounted first may hold data of this host."""
    point = str(tmp_path / "gone")
    table = (
        f"1 0 0:1 / {tmp_path} rw - tmpfs tmpfs rw\n2 1 8:1 / {point} rw - ext4 /dev/vdz rw\n"
        f"3 2 0:3 / {point} rw - fuse.s3fs gone rw\n"
    )
    monkeypatch.setattr(looking, "_read", lambda path: table if path == "/proc/self/mountinfo" else "")
    seen = looking.survey(looking.Survey(
        file_systems=[], asked=DECISIVE, warning_percent=101, critical_percent=102, sample=0.0, full_within=1,
        deleted_warning_bytes=2**62, look_below=(), look_for=0.0, most=1,
    )).verdict
    assert seen.healthy is None
    assert {one.reason.rpartition(": ")[2] for one in seen.skipped if one.kind == COULD_NOT_LOOK} == {
        "another file system is mounted over it",
    }
