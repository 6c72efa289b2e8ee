# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records and a bundle of an earlier version verify and report as they did when they were made."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.site import ROOT
from tests.support.wrapper import command

MADE = ROOT / "tests" / "fixtures" / "records-0.1"
RUNS = {"recovered": "20261129T181441Z-db-recovery-7cecab", "not-recovered": "20261129T181459Z-db-recovery-0790aa"}
BUNDLE = "CHECKOUT-1"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The INCIDENT_HOME as it was kept."""
    made = tmp_path / "home"
    made.mkdir()
    # Not tarfile: the argument that its newer versions ask for is unknown to the oldest Python 3.11.
    subprocess.run(["tar", "-x", "-p", "--no-same-owner", "-f", MADE / "home.tar.gz", "-C", made], check=True, timeout=60)
    return made


def expected(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((MADE / f"{name}.verify.json").read_text())
    return found


def cells(report: str) -> set[str]:
    """What the tables of a report say."""
    rows = [line for line in report.splitlines() if line.startswith("| ")]
    return {cell.strip() for row in rows for cell in row.strip("|").split(" | ") if cell.strip()}


def assert_reports(home: Path, what: str, name: str) -> None:
    """Everything that its report said then is in it now; more may be."""
    then = (MADE / f"{name}.report.md").read_text()
    done = command(home, "report", what, "--format", "markdown", "--output", "-")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:3] == then.splitlines()[:3], "title and verdict"
    assert len(cells(then)) > 15
    missing = {cell for cell in cells(then) if cell not in done.stdout}
    assert not missing


@pytest.mark.parametrize("name", RUNS)
def test_a_record(home: Path, name: str) -> None:
    run = home / "runs" / RUNS[name]
    done = command(home, "verify", str(run), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    now = json.loads(done.stdout)
    assert {key: now[key] for key in expected(name)} == expected(name)
    assert_reports(home, str(run), name)


def test_a_bundle_in_its_store(home: Path) -> None:
    done = command(home, "verify", BUNDLE, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    now, then = json.loads(done.stdout), expected("bundle")
    told = ("exit_status", "incident", "status", "seals", "files", "events", "signers", "times")
    assert {key: now[key] for key in told} == {key: then[key] for key in told}
    states = {statement["what"]: statement["status"] for statement in now["statements"]}
    assert {statement["what"]: statement["status"] for statement in then["statements"]}.items() <= states.items()
    assert "broken" not in states.values()
    assert_reports(home, BUNDLE, "bundle")


def test_a_bundle_of_somebody_else(home: Path, tmp_path: Path) -> None:
    """As a third party has it: the bag alone, and a list of signers of his own."""
    shutil.copytree(home / "incidents" / BUNDLE / "bundle", tmp_path / "copy")
    done = command(
        tmp_path / "other", "verify", str(tmp_path / "copy"), "--allowed-signers", str(home / "allowed_signers"), "--json",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads(done.stdout)
    assert (verdict["status"], verdict["signers"]) == ("proven", ["responder@example.org"])


def test_the_bundle_goes_on(home: Path) -> None:
    """Opened again, added to and closed: the new seal covers what the old one did."""
    for argv in (["reopen", BUNDLE, "--why", "it is slow again"], ["note", BUNDLE, "looked again"], ["close", BUNDLE, "-m", "over"]):
        done = command(home, *argv)
        assert done.returncode == 0, done.stderr
    done = command(home, "verify", BUNDLE, "--json")
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["seals"] == 2
