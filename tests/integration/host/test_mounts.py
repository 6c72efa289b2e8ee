# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""disk_survey and disk_health on real mounts: binds, overlays, and file systems that the kernel has made read-only."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.ext4 import broken, ext4
from tests.support.need import need
from tests.support.run_module import run_module, start_module
from tests.support.tmpfs import mounted


def survey(setup: str, **more: Any) -> dict[str, Any]:
    """In a mount namespace of its own, after some commands."""
    need(os.geteuid() == 0, "root, for a mount namespace")
    prefix = ["unshare", "--mount", "sh", "-ec", f'{setup}\nexec "$@"', "sh"]
    return start_module("disk_survey", prefix=prefix, sample="0s", look_for="0s", **more).result()


def subjects(said: dict[str, Any], *, below: Path) -> list[str]:
    return sorted({one["subject"] for one in said["findings"] if one["subject"].startswith(str(below))})


def test_binds_and_the_overlays_of_containers_are_counted_once(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    said = survey(f"""
        mkdir {disk} {tmp_path}/b {tmp_path}/merged
        mount -t tmpfs -o size=4m,nr_inodes=1000 oncall-test {disk}
        mkdir {disk}/upper {disk}/work {disk}/lower {disk}/inside
        mount --bind {disk}/inside {tmp_path}/b
        mount -t overlay -o lowerdir={disk}/lower,upperdir={disk}/upper,workdir={disk}/work overlay {tmp_path}/merged
    """)
    assert subjects(said, below=tmp_path) == [str(disk)]


@pytest.mark.parametrize(("fstab", "found"), [("rw,errors=remount-ro", ["critical"]), ("ro", [])])
def test_read_only_although_fstab_says_otherwise(tmp_path: Path, fstab: str, found: list[str]) -> None:
    disk, table = tmp_path / "disk", tmp_path / "fstab"
    table.write_text(f"oncall-test {disk} tmpfs {fstab} 0 0\n")
    said = survey(f"""
        mkdir {disk}
        mount -t tmpfs -o ro,size=4m oncall-test {disk}
        mount --bind {table} /etc/fstab
    """)
    assert [one["status"] for one in said["findings"] if one["check"] == "disk_writable" and one["subject"] == str(disk)] == found


def test_what_the_kernel_has_made_read_only_is_critical_with_its_last_lines(tmp_path: Path) -> None:
    """It is in no fstab, and nobody has named it. Whether statvfs(2) tells it depends on the kernel."""
    with ext4(tmp_path / "disk", size="32M", options="errors=remount-ro") as place:
        before = run_module("disk_survey", sample="0s", look_for="0s")
        assert {one["status"] for one in before["findings"] if one["subject"] == str(place) and one["check"] == "disk_writable"} == {"ok"}
        broken(place)
        with pytest.raises(OSError):
            (place / "file").touch()
        for said in (
            run_module("disk_survey", sample="0s", look_for="0s"), run_module("disk_survey", file_systems=[str(place)], sample="0s"),
            run_module("disk_health", path=str(place / "lost+found")),
        ):
            assert said["healthy"] is False and said["checks"]["disk_writable"] == "critical"
            (one,) = [one for one in said["findings"] if one["status"] == "critical" and one["subject"].startswith(str(place))]
            assert one["check"] == "disk_writable" and "every write fails" in one["hint"]
            if subprocess.run(["dmesg"], capture_output=True, check=False).returncode == 0:
                assert "Remounting filesystem read-only" in one["hint"], "the kernel's words stand in the finding itself"


def test_a_bind_of_a_disk_that_may_be_written_to_elsewhere_is_no_fault(tmp_path: Path) -> None:
    """Read-only on purpose, for a container."""
    with mounted(tmp_path / "disk", size="4m") as disk:
        said = survey(f"""
            mkdir {tmp_path}/b
            mount --bind {disk} {tmp_path}/b
            mount -o remount,ro,bind {tmp_path}/b
        """)
        assert subjects(said, below=tmp_path) == [str(disk)]
        assert [one["status"] for one in said["findings"] if one["check"] == "disk_writable" and one["subject"] == str(disk)] == ["ok"]


def test_a_disk_under_another_mount_is_not_left_out(tmp_path: Path) -> None:
    """Nobody can look at it there, and it may be as full as it likes."""
    with ext4(tmp_path / "disk", size="8M") as disk:
        said = survey(f"mount -t tmpfs -o size=4m oncall-test {disk}")
        assert said["healthy"] is not True
        (why,) = {one["reason"] for one in said["skipped_checks"] if one["reason"].startswith(f"unreadable: {disk}")}
        assert why.endswith("another file system is mounted over it")
        # It can be seen elsewhere.
        said = survey(f"mkdir {tmp_path}/b; mount --bind {disk} {tmp_path}/b; mount -t tmpfs -o size=4m oncall-test {disk}")
        assert subjects(said, below=tmp_path) == [f"{tmp_path}/b", str(disk)]
        assert not [one for one in said["skipped_checks"] if str(tmp_path) in one["reason"]]
