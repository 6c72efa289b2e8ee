# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tiers around the runner: what counts as touched, what is written down, and that `make unit` has no Ansible."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from tests.conftest import starts_of
from tests.support.processes import alive
from tests.support.until import until
from tools.suite import __main__ as tiers
from tools.suite import units
from tools.suite.plan import Unit
from tools.suite.run import Suite


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["/venv/bin/ansible-playbook", "-i", "hosts", "x.yml"], 1),
        (["/venv/bin/python", "/venv/bin/ansible-playbook", "x.yml"], 1),
        (["/venv/bin/incident", "run", "db-recovery", "--check"], 1),
        (["/venv/bin/incident", "run", "db-recovery", "--yes"], 2),
        ([sys.executable, "-m", "oncall_incident", "run", "db-recovery", "--yes"], 2),
        (["ip", "netns", "exec", "host", "/venv/bin/python", "-m", "oncall_incident", "run", "brute-force", "--yes"], 2),
        (["/venv/bin/incident", "undo", "inc-1", "abc", "--yes"], 2),
        (["/venv/bin/incident", "undo", "inc-1", "abc", "--check"], 1),
        (["/venv/bin/incident", "in-force"], 1),
        (["sh", "-c", "incident run db-recovery --yes && ansible-playbook x.yml | cat; incident list"], 3),
        (["/venv/bin/incident", "list"], 0),
        (["git", "log"], 0),
        # Ansible in an argument is not a start of it.
        (["grep", "-r", "x", "y", "ansible-playbook"], 0),
    ],
)
def test_starts_of_ansible_are_counted(argv: Sequence[str], expected: int) -> None:
    assert starts_of(argv) == expected


@pytest.mark.parametrize(("arguments", "quick"), [
    (["-q", "-m", "not slow", "tests/unit", "tests/contract"], True),
    (["tests/unit/tools"], True),
    (["tests/unit", "tests/integration/pg"], False),
    (["-q"], False),
    ([], False),
])
def test_unit_and_contract_tests_alone_run_without_ansible(arguments: list[str], quick: bool) -> None:
    assert units.is_quick(arguments) is quick


def git(place: Path, *arguments: str, when: str) -> None:
    environment = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when, "HOME": str(place), "PATH": "/usr/bin:/bin:/usr/local/bin"}
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=place, env=environment, check=True, capture_output=True)


def test_touched_are_the_paths_of_the_six_hours_before_the_last_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "-q", when="2026-01-01T00:00:00Z")
    for name, when in (("old", "2026-01-01T00:00:00Z"), ("recent", "2026-01-01T09:00:00Z"), ("last", "2026-01-01T12:00:00Z")):
        (tmp_path / name).write_text("x")
        git(tmp_path, "add", name, when=when)
        git(tmp_path, "commit", "-qm", name, when=when)
    monkeypatch.setattr(tiers, "ROOT", tmp_path)
    assert tiers.touched() == ["last", "recent"]


def test_measured_costs_are_merged_and_those_of_units_that_are_gone_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    costs = tmp_path / "costs.yml"
    costs.write_text(yaml.safe_dump({"units": {
        "build": {"seconds": 9}, "drill disk-full": {"seconds": 100, "alone": 90}, "tests/integration/gone": {"seconds": 5},
    }}))
    monkeypatch.setattr(units, "COSTS", costs)
    # The default of costs() was bound to the real file.
    monkeypatch.setattr(units, "costs", lambda: yaml.safe_load(costs.read_text())["units"])
    tiers.write_costs({"drill disk-full": {"seconds": 120, "plays": 0}, "tests/integration/action": {"seconds": 30, "plays": 7}})
    assert yaml.safe_load(costs.read_text())["units"] == {
        "build": {"seconds": 9}, "drill disk-full": {"seconds": 120, "alone": 90, "plays": 0},
        "tests/integration/action": {"seconds": 30, "plays": 7},
    }


def test_make_unit_meets_an_ansible_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers, "LOGS", tmp_path)
    done = subprocess.run(["sh", "-c", "ansible-doc --version"], env=tiers.without_ansible(), capture_output=True, text=True, check=False)
    assert done.returncode == 97 and "start no Ansible" in done.stderr


def test_what_ran_failed_and_was_left_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = Unit(name="bad", argv=(sys.executable, "-c", "raise SystemExit(3)", "a b"), seconds=1)
    late = Unit(name="late", argv=("true",), seconds=500)
    assert tiers._run(Suite([bad, late], root=tmp_path, logs=tmp_path / "logs", deadline=100)) == 1
    said = capsys.readouterr().out
    assert "left out: late (500 s)" in said and "FAILED: bad:" in said and "'a b'" in said and "0 passed, 1 failed" in said


@pytest.mark.parametrize("late", ["", "submitting", "starting"])
def test_a_termination_ends_the_units_and_still_says_what_ran(tmp_path: Path, late: str) -> None:
    """Whenever it comes: while the lanes are being started, or between a unit's start and our knowing of it."""
    code = (
        "import signal, subprocess, sys, time, pathlib\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from tools.suite import __main__ as tiers\n"
        "from tools.suite import run\n"
        "from tools.suite.plan import Unit\n"
        "from tools.suite.run import Suite\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        f"place, late = pathlib.Path({str(tmp_path)!r}), {late!r}\n"
        "def until(known):\n"
        "    while not known():\n"
        "        time.sleep(0.01)\n"
        "class Pool(ThreadPoolExecutor):\n"
        "    def submit(self, *args):\n"
        "        known, self._threads = self._threads, set()  # as where it comes before the pool knows of the lane\n"
        "        future = super().submit(*args)\n"
        "        self._threads = known\n"
        "        time.sleep(60)  # the termination ends it\n"
        "class Popen(subprocess.Popen):\n"
        "    def __init__(self, *args, **options):\n"
        "        super().__init__(*args, **options)\n"
        "        until(lambda: suite._stopping)\n"
        "if late == 'submitting':\n"
        "    run.ThreadPoolExecutor = Pool\n"
        "if late == 'starting':\n"
        "    run.subprocess.Popen = Popen\n"
        "unit = Unit(name='long', argv=('sh', '-c', 'echo $$ > pid; exec sleep 600'), seconds=1)\n"
        "suite = Suite([unit], root=place, logs=place / 'logs')\n"
        "tiers._run(suite)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=units.ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            until(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text().strip(), what="the unit's start")
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    pid = int((tmp_path / "pid").read_text())
    until(lambda: not alive(pid), what="the unit's end")
    assert process.returncode == 143 and "1 units ran" in said
