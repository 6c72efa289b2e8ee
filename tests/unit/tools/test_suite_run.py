# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running units: what is said of each, what is left out, and that nothing of a unit outlives it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.support.processes import alive
from tests.support.until import until
from tools.suite import run
from tools.suite.plan import DRILLS, Unit
from tools.suite.run import Suite, beside


def unit(name: str, code: str, *, seconds: float = 1, **more: object) -> Unit:
    return Unit(name=name, argv=(sys.executable, "-c", code), seconds=seconds, **more)  # type: ignore[arg-type]


def suite(tmp_path: Path, *units: Unit, **more: float) -> Suite:
    made = Suite(units, root=tmp_path, logs=tmp_path / "logs", **more)  # type: ignore[arg-type]
    made.run()
    return made


def test_each_unit_ends_with_its_status_its_starts_and_its_last_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = "print('Ansible was started 3 times'); print('===== 5 passed, 1 skipped in 2.00s =====')"
    ran = suite(tmp_path, unit("good", told), unit("bad/one", "print('the reason'); raise SystemExit(1)"), unit("a drill", "", lane=DRILLS))
    found = {ended.unit.name: ended for ended in ran.ended}
    assert found["good"].ok and found["good"].plays == 3 and found["good"].closing == "5 passed, 1 skipped in 2.00s"
    assert found["bad/one"].status == 1 and ran.failed == [found["bad/one"]] and found["a drill"].ok and ran.left_out == []
    said = capsys.readouterr().out
    assert "FAILED bad/one" in said and "    the reason" in said and "5 passed, 1 skipped" in said


def test_the_fixed_part_runs_whatever_the_time_and_the_queue_only_what_fits(tmp_path: Path) -> None:
    fixed = unit("fixed", "", seconds=1000, fixed=True)
    ran = suite(tmp_path, unit("long", "", seconds=1000), unit("short", "", seconds=5), fixed, spent=90, deadline=100)
    assert {ended.unit.name for ended in ran.ended} == {"fixed", "short"}
    assert [one.name for one in ran.left_out] == ["long"] and 90 < ran.fixed_until < 100


def test_a_unit_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "PATIENCE", 2.0)
    child = "import subprocess, sys, time; p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True); time.sleep(600)"
    ran = suite(tmp_path, unit("hangs", child, seconds=0.1))
    (ended,) = ran.ended
    assert ended.status is None and ran.failed == [ended]
    pid = int(ended.log.read_text())
    until(lambda: not alive(pid), what="the child's end")


def test_what_a_unit_left_running_is_ended(tmp_path: Path) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True)"
    (ended,) = suite(tmp_path, unit("leaves", code)).ended
    assert ended.ok
    pid = int(ended.log.read_text())
    until(lambda: not alive(pid), what="the child's end")


@pytest.mark.parametrize(("first", "second", "expected"), [(0, 0, 0), (0, 3, 3), (2, 0, 2), (2, 3, 2)])
def test_beside_gives_the_worse_status_and_shows_the_output_at_the_end(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], first: int, second: int, expected: int,
) -> None:
    def on_screen() -> int:
        os.write(1, b"on the screen\n")
        return first

    argv = [sys.executable, "-c", f"print('beside'); raise SystemExit({second})"]
    assert beside(on_screen, argv, root=tmp_path, log=tmp_path / "log") == expected
    assert capfd.readouterr().out == "on the screen\nbeside\n"
