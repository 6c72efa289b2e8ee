# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples of real file systems, kept in a real file."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.again import of_event

from tests.conformance.kit import recorded
from tests.support.run_module import run_module, start_module
from tests.support.tmpfs import mounted

MIB = 1 << 20


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "small", size="16m") as place:
        yield place


def survey(place: Path, samples: Path, *, check: bool = False) -> dict[str, Any]:
    return run_module("disk_survey", check=check, file_systems=[str(place)], sample="1ms", samples=str(samples), look_for="0s")


def about(said: dict[str, Any]) -> tuple[str, str]:
    """Its status, and what it says."""
    for one in said["findings"]:
        if one["check"] == "disk_growth":
            return one["status"], one["hint"]
    (skipped,) = [one for one in said["skipped_checks"] if one["check"] == "disk_growth"]
    return skipped["kind"], skipped["reason"]


def age(samples: Path, hours: float) -> None:
    """Let time go by for the samples."""
    said = json.loads(samples.read_text())
    samples.write_text(json.dumps({point: [[at - hours * 3600, *rest] for at, *rest in found] for point, found in said.items()}))


def test_growth_is_predicted_from_what_was_kept_an_hour_ago(small: Path, tmp_path: Path) -> None:
    samples = tmp_path / "state" / "samples.json"
    assert about(survey(small, samples)) == (
        "could_not_look", f"too_short: {small}: no earlier sample, and growth is predicted from 1h on.")
    assert samples.stat().st_mode & 0o777 == 0o600
    age(samples, 0.5)
    assert about(survey(small, samples))[1].startswith(f"too_short: {small}: samples of 30m")
    (small / "grows.log").write_bytes(b"x" * 8 * MIB)
    age(samples, 1)
    said = survey(small, samples)
    status, hint = about(said)
    assert status == "warning" and hint.startswith("At the rate of the last 1h") and "find who writes" in hint
    assert of_event(recorded(said)).checks == said["checks"]
    (small / "grows.log").unlink()
    assert about(survey(small, samples))[0] == "ok"


def test_check_mode_writes_nothing(small: Path, tmp_path: Path) -> None:
    samples = tmp_path / "state" / "samples.json"
    survey(small, samples, check=True)
    assert not samples.parent.exists()
    survey(small, samples)
    age(samples, 2)
    before = samples.read_bytes()
    assert about(survey(small, samples, check=True))[0] == "ok" and samples.read_bytes() == before
    assert os.listdir(samples.parent) == [samples.name]


def test_the_samples_of_other_file_systems_stay(small: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples.json"
    survey(small, samples)
    with mounted(tmp_path / "other", size="4m") as other:
        survey(other, samples)
        assert set(json.loads(samples.read_text())) == {str(small), str(other)}


@pytest.mark.parametrize("content", ["{", "[]", '{"/": [[1, 2]]}', '{"/": 3}', "\x00"])
def test_a_file_that_is_not_ours_is_left_alone_and_said(small: Path, tmp_path: Path, content: str) -> None:
    samples = tmp_path / "samples.json"
    samples.write_text(content)
    kind, reason = about(survey(small, samples))
    assert kind == "could_not_look" and f"No sample was kept: {samples}: " in reason and samples.read_text() == content


def test_neither_a_link_nor_another_users_file_is_read_or_replaced(small: Path, tmp_path: Path) -> None:
    samples, precious = tmp_path / "samples.json", tmp_path / "precious"
    precious.write_text("{}")
    samples.symlink_to(precious)
    assert "No sample was kept" in about(survey(small, samples))[1] and samples.is_symlink() and precious.read_text() == "{}"
    samples.unlink()
    samples.write_text("{}")
    os.chown(samples, 65534, 65534)
    assert "not a file of this user" in about(survey(small, samples))[1] and samples.read_text() == "{}"


def test_a_full_disk_keeps_the_samples_that_it_has(small: Path) -> None:
    samples = small / "samples.json"
    survey(small, samples)
    age(samples, 2)
    before = samples.read_bytes()
    with (small / "fill").open("wb") as file, pytest.raises(OSError):
        while True:
            os.write(file.fileno(), b"x" * 4096)
    said = survey(small, samples)
    assert about(said)[0] == "warning" and "No sample was kept" in about(said)[1]
    assert samples.read_bytes() == before and sorted(os.listdir(small)) == ["fill", "samples.json"]


def test_who_may_not_write_there_is_told(small: Path, tmp_path: Path) -> None:
    said = start_module(
        "disk_survey", user=65534, file_systems=["/"], sample="0s", look_for="0s", samples="/var/lib/oncall-nobody/samples.json",
    ).result()
    assert "Permission denied" in about(said)[1] and not os.path.exists("/var/lib/oncall-nobody")


def test_the_file_stays_small(tmp_path: Path) -> None:
    from ansible_collections.oncall.incident.plugins.module_utils._host.decisions.growth import Sample
    from ansible_collections.oncall.incident.plugins.module_utils._host.samples import trends
    from ansible_collections.oncall.incident.plugins.module_utils._module.kept import MOST_BYTES

    samples, now = tmp_path / "samples.json", time.time()
    many = {f"/data/{number}": [[now - place * 900, 10**12, 10**11 + place] for place in range(280)] for number in range(190)}
    text = json.dumps({point: found[:90] for point, found in many.items()})
    assert len(text) < MOST_BYTES
    samples.write_text(text)
    for step in range(3):
        trends(str(samples), {point: Sample(now + (step + 1) * 1000, 10**12, 10**11) for point in many}, keep=True)
        assert samples.stat().st_size <= MOST_BYTES and json.loads(samples.read_text())
    trends(str(samples), {f"/new/{number}": Sample(now + 9999, 1, 1) for number in range(300)}, keep=True)
    assert len(json.loads(samples.read_text())) == 200
