# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who takes the space of a full file system stands in the finding itself: files, what nobody sees, and what nobody accounts for."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ext4 import ext4
from tests.support.run_module import run_module, start_module
from tests.support.site import Site
from tests.support.tmpfs import mounted

MIB = 1 << 20


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory that everybody may enter, and of whose paths a line shows all."""
    with tempfile.TemporaryDirectory(prefix="oncall-") as made:
        os.chmod(made, 0o755)
        yield Path(made)


@pytest.fixture
def disk(short: Path) -> Iterator[Path]:
    """An ext4 of 64 MiB."""
    with ext4(short / "disk", size="64M") as place:
        yield place


def fill(path: Path, mib: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(mib * MIB))
    return path


def hint(said: dict[str, Any], check: str, place: Path) -> str:
    (found,) = [one for one in said["findings"] if one["check"] == check and one["subject"] == str(place)]
    assert found["status"] == "critical", found
    return str(found["hint"])


def test_who_takes_the_space_is_named_wherever_it_is(disk: Path) -> None:
    fill(disk / "app" / "log" / "shop.log", 14)
    for number in range(8):
        fill(disk / "cache" / f"part{number}", 1)
    fill(disk / "mounted" / "below", 11)
    held = (disk / "gone.log").open("wb")
    held.write(os.urandom(9 * MIB))
    held.flush()
    (disk / "gone.log").unlink()
    # Of what the kernel keeps no process knows: here a loop device, whose file is deleted.
    with ext4(disk / "inner", size="8M") as inner:
        subprocess.run(["fallocate", "--length", "8M", str(disk / "inner.img")], check=True)
        (disk / "inner.img").unlink()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "oncall-test", str(disk / "mounted")], check=True)
        try:
            said = run_module("disk_survey", file_systems=[str(disk)], sample="0s", look_for="20s")
        finally:
            subprocess.run(["umount", str(disk / "mounted")], check=True)
        assert inner.exists()
    held.close()
    told = hint(said, "disk_space", disk)
    assert f"Biggest: {disk}/app/log/shop.log 14.0 MiB, {disk}/cache 8.0 MiB." in told
    assert f"(pid {os.getpid()}) 9.0 MiB of {disk}/gone.log." in told
    assert f"Hidden under mount points: {disk}/mounted 11.0 MiB." in told
    assert "Not accounted for: 8.0 MiB (a loop device" in told
    assert said["biggest"][str(disk)]["hidden"] == [{"path": f"{disk}/mounted", "bytes": 11 * MIB}]


def test_what_was_not_looked_at_is_said_and_nothing_is_called_missing(disk: Path) -> None:
    fill(disk / "closed" / "file", 20)
    fill(disk / "under" / "file", 33)
    (disk / "closed").chmod(0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "oncall-test", str(disk / "under")], check=True)
    try:
        args: dict[str, Any] = {"file_systems": [str(disk)], "sample": "0s"}
        readable = start_module("disk_survey", user=65534, capabilities=["CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"], **args).result()
        nobody = start_module("disk_survey", user=65534, **args).result()
        hurried = run_module("disk_survey", look_for="1ms", **args)
    finally:
        subprocess.run(["umount", str(disk / "under")], check=True)
    assert "Not looked at: what is under mount points (Operation not permitted)." in hint(readable, "disk_space", disk)
    assert "Not looked at: 2 directories that may not be read." in hint(nobody, "disk_space", disk)
    assert {one["biggest"][str(disk)]["unaccounted"] for one in (readable, nobody)} == {None}
    assert "Not accounted for" not in hint(hurried, "disk_space", disk)


def test_inodes_are_ranked_by_entries_below_the_file_system_that_has_none(short: Path) -> None:
    with ext4(short / "disk", size="16M", inodes=1024) as disk:
        (disk / "srv" / "sessions").mkdir(parents=True)
        (disk / "other").mkdir()
        for number in range(20):
            (disk / "other" / str(number)).touch()
        for number in range(os.statvfs(disk).f_favail - 2):
            (disk / "srv" / "sessions" / f"sess_{number}").touch()
        said = run_module("disk_survey", file_systems=[str(disk)], sample="0s")
    told = hint(said, "disk_inodes", disk)
    count = said["biggest"][str(disk)]["crowded"][0]["entries"]
    assert count > 900 and f"Most entries: {disk}/srv/sessions {count:,}." in told
    assert "Remove files there" in told and said["checks"]["disk_space"] == "ok"


def test_the_screen_and_the_report_name_the_culprits(tmp_path: Path, short: Path) -> None:
    """What an operator reads, with nothing said of where to look."""
    with mounted(short / "small", size="32m") as small, (small / "gone").open("wb") as held:
        fill(small / "shop" / "debug.log", 12)
        held.write(os.urandom(9 * MIB))
        held.flush()
        (small / "gone").unlink()
        with ext4(small / "inner", size="8M"):
            subprocess.run(["fallocate", "--length", "8M", str(small / "inner.img")], check=True)
            (small / "inner.img").unlink()
            site = Site(tmp_path, playbook="disk-full")
            site.group("servers", disk1={"host_become": False, "host_file_systems": [str(small)], "host_disk_samples": ""})
            done = site.incident("--check")
        (report,) = (tmp_path / "home1").glob("**/report.md")
    for told in (done.stdout, report.read_text().replace("\\", "")):
        line = " ".join(told.split())
        assert f"Biggest: {small}/shop/debug.log 12.0 MiB." in line, told
        assert f"(pid {os.getpid()}) 9.0 MiB of {small}/gone." in line, told
        assert "Not accounted for: 8.0 MiB" in line, told


def test_inodes_come_back_although_it_takes_more_files_than_else_may_go(tmp_path: Path, short: Path) -> None:
    """The scenario, as an operator runs it, with its default limits."""
    with ext4(short / "disk", size="16M", inodes=512) as disk:
        place = disk / "sessions"
        place.mkdir()
        for number in range(os.statvfs(disk).f_favail):
            (place / f"sess_{number}").touch()
            os.utime(place / f"sess_{number}", (0, 0))
        site = Site(tmp_path, playbook="disk-full")
        site.group("servers", disk1={
            "host_become": False, "host_file_systems": [str(disk)], "host_disk_samples": str(short / "samples.json"),
            "host_clean": [{"directory": str(place), "pattern": "sess_*"}], "host_verify_hold": "0s",
        })
        done = site.incident("--yes")
        assert done.status == 0, done.stdout
        assert list(place.iterdir()) == []
    screen = " ".join(done.stdout.split())
    assert f"Most entries: {place} " in screen
    assert "no earlier sample, and growth is predicted from 1h on" in screen and (short / "samples.json").exists()
