# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports: one tar, the same bytes every time; a timeline that Timesketch reads."""

from __future__ import annotations

import json
import subprocess
import tarfile
from datetime import datetime
from pathlib import Path

import pytest

from oncall_incident.evidence import checks, exporting
from tests.support.advice import advised
from tests.support.wrapper import command

from .conftest import Case


@pytest.mark.parametrize("name", ["bundle.tar", "bundle.tar.gz"])
def test_a_tar_is_the_same_every_time_and_is_a_bundle(name: str, case: Case, tmp_path: Path) -> None:
    first, second = tmp_path / "a" / name, tmp_path / "b" / name
    first.parent.mkdir()
    second.parent.mkdir()
    digest = exporting.tar(case.incident, first)
    for path in case.bundle.rglob("*"):
        path.touch()
    assert exporting.tar(case.incident, second) == digest
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as archive:
        members = archive.getmembers()
    assert {(member.uid, member.gid, member.uname, member.mode) for member in members} == {(0, 0, "", 0o644)}
    assert all(member.name.startswith(f"{case.incident.id}/") for member in members)
    done = command(case.home, "verify", str(first))
    assert done.returncode == 0, done.stdout + done.stderr
    inside = tmp_path / "inside"
    inside.mkdir()
    assert checks.check(exporting.unpack(first, inside), allowed=case.allowed, authority=None).status == checks.PROVEN


def test_a_cut_tar_is_said(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar.gz"
    exporting.tar(case.incident, path)
    path.write_bytes(path.read_bytes()[:-2000])
    done = command(case.home, "verify", str(path))
    assert done.returncode == 1 and "not a whole tar" in done.stderr and "Traceback" not in done.stderr


def test_what_is_in_a_tar_that_cannot_be_unpacked_is_listed(case: Case, tmp_path: Path) -> None:
    """A file of it is a directory too."""
    whole, odd = tmp_path / "whole.tar", tmp_path / "odd.tar"
    assert command(case.home, "export", case.incident.id, "--tar", str(whole)).returncode == 0
    with tarfile.open(whole) as source, tarfile.open(odd, "w") as target:
        for member in source.getmembers():
            target.addfile(member, source.extractfile(member) if member.isfile() else None)
        below = f"{next(one.name for one in source.getmembers() if one.isfile())}/below"
        target.addfile(tarfile.TarInfo(below))
    done = command(case.home, "verify", str(odd))
    assert done.returncode == 1 and advised(done.stderr) == ["tar -tvf"], done.stderr
    listed = subprocess.run(["tar", "-tvf", odd], capture_output=True, text=True, check=True, timeout=60).stdout
    assert f" {below}\n" in listed


def test_what_is_not_sealed_is_no_tar(tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    done = command(case.home, "export", case.incident.id, "--tar", str(tmp_path / "x.tar"))
    assert done.returncode == 2 and "not sealed yet" in done.stderr and not (tmp_path / "x.tar").exists()


def test_the_timeline_is_what_timesketch_wants(case: Case) -> None:
    done = command(case.home, "export", case.incident.id, "--timesketch", "-")
    assert done.returncode == 0, done.stderr
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    for entry in entries:
        assert {"message", "datetime", "timestamp_desc"} <= set(entry)
        assert datetime.fromisoformat(entry["datetime"]).tzinfo is not None
    times = [entry["datetime"] for entry in entries]
    assert times == sorted(times)
    said = "\n".join(entry["message"] for entry in entries)
    assert "incident opened: Logins hang (P0)" in said and "connections is critical (97)" in said
    assert "terminate pid 42 app@shop" in said and "incident closed: a session was left open" in said


def test_the_timeline_goes_to_a_file_that_timesketch_takes(case: Case, tmp_path: Path) -> None:
    assert command(case.home, "export", case.incident.id, "--timesketch", str(tmp_path / "t.jsonl")).returncode == 0
    assert (tmp_path / "t.jsonl").read_text().count("\n") > 10
    wrong = command(case.home, "export", case.incident.id, "--timesketch", str(tmp_path / "t.json"))
    assert wrong.returncode == 2 and ".jsonl" in wrong.stderr
