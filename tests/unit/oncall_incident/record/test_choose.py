# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding a record, checking it, and where it breaks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from oncall_incident.cli import app
from oncall_incident.errors import Stop
from oncall_incident.record.choose import run_directory
from tests.support.story import RUN, Story


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INCIDENT_HOME", str(tmp_path))
    story = Story(tmp_path)
    with story.segment("wrapper"):
        story.tell("run.open", scenario="db-recovery", by="ann")
    with story.segment():
        story.stats(db1=0)
    return tmp_path


@pytest.mark.parametrize("name", [RUN, RUN[:10], "latest"])
def test_a_run_is_found_by_its_id(name: str, home: Path, tmp_path: Path) -> None:
    assert run_directory(name, environ={"INCIDENT_HOME": str(home)}, cwd=tmp_path) == home / "runs" / RUN


@pytest.mark.parametrize("part", ["", "record", "record/000001.jsonl"])
def test_a_run_is_found_by_its_place(part: str, home: Path) -> None:
    assert run_directory(str(home / "runs" / RUN / part), environ={}, cwd=home) == home / "runs" / RUN


def test_a_record_that_is_not_there_is_named(home: Path) -> None:
    with pytest.raises(Stop, match="nothing: there is no such record") as stopped:
        run_directory("nothing", environ={"INCIDENT_HOME": str(home)}, cwd=home)
    assert RUN in stopped.value.hint


def test_an_intact_record(home: Path) -> None:
    shown = CliRunner().invoke(app, ["verify", "latest"])
    assert shown.exit_code == 0
    assert "checked 6 events in 2 segments" in shown.output


def test_a_changed_byte_is_found_at_its_line(home: Path) -> None:
    segment = home / "runs" / RUN / "record" / "000001.jsonl"
    segment.write_bytes(segment.read_bytes().replace(b'"by":"ann"', b'"by":"bob"'))
    shown = CliRunner().invoke(app, ["verify", RUN])
    assert shown.exit_code == 1
    assert "record/000001.jsonl, line 3: The line before was changed" in shown.output
    data = json.loads(CliRunner().invoke(app, ["verify", RUN, "--json"]).output)
    assert (data["status"], data["problems"][0]["segment"], data["problems"][0]["line"]) == ("broken", 1, 3)


def test_a_torn_record_is_incomplete(home: Path) -> None:
    segment = home / "runs" / RUN / "record" / "000002.jsonl"
    segment.write_bytes(segment.read_bytes()[:-30])
    shown = CliRunner().invoke(app, ["verify", RUN])
    assert shown.exit_code == 3
    assert "torn" in shown.output


def test_the_report_goes_where_it_is_wanted(home: Path, tmp_path: Path) -> None:
    on_screen = CliRunner().invoke(app, ["report", "latest", "--output", "-"])
    assert on_screen.output.startswith("# Incident report: db-recovery")
    assert not (home / "runs" / RUN / "report.md").exists()
    CliRunner().invoke(app, ["report", "latest", "-o", str(tmp_path / "out.md")])
    assert (tmp_path / "out.md").read_text() == (home / "runs" / RUN / "report.md").read_text() == on_screen.output
