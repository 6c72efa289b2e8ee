# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way to run a program of a host: bounded in time and output, whatever the program does."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._module import programs
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import execute, find, run

from tests.support.until import until


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in ("Z", "X")
    except OSError:
        return True


def test_what_it_says_and_how_it_ends() -> None:
    done = execute(["sh", "-c", "echo out; echo err >&2; exit 3"], seconds=60)
    assert (done.status, done.out, done.err, done.problem, done.late, done.cut) == (3, b"out\n", b"err\n", "", False, False)
    assert execute(["sh", "-c", "kill -9 $$"], seconds=60).status == -9


@pytest.mark.parametrize(("argv", "problem"), [(["/nowhere/program"], "No such file"), (["sh\0"], "null byte"), (["/etc"], "denied")])
def test_what_cannot_be_started_is_told(argv: list[str], problem: str) -> None:
    done = execute(argv, seconds=60)
    assert done.status is None and problem in done.problem


def test_endless_output_is_cut() -> None:
    done = execute(["yes"], seconds=60, most=100_000)
    assert (len(done.out), done.cut, done.late) == (100_000, True, False)


def test_exactly_as_much_as_is_wanted_is_not_cut() -> None:
    done = execute(["printf", "12345"], seconds=60, most=5)
    assert (done.out, done.cut, done.status) == (b"12345", False, 0)


def test_much_on_stderr_neither_blocks_nor_is_kept() -> None:
    done = execute(["sh", "-c", "head -c 3000000 /dev/zero >&2; echo done"], seconds=60)
    assert done.out == b"done\n" and len(done.err) == programs.MAX_ERRORS


def test_output_is_handed_on_in_parts() -> None:
    parts: list[bytes] = []
    done = execute(["head", "-c", "300000", "/dev/zero"], seconds=60, take=parts.append)
    assert done.out == b"" and sum(map(len, parts)) == 300_000 and max(map(len, parts)) <= 64 * 1024


@pytest.mark.parametrize("own_group", [False, True])
def test_time_is_up(own_group: bool) -> None:
    pids: list[int] = []
    argv = ["sh", "-c", "trap '' TERM; echo begun; while :; do :; done"]
    done = execute(argv, seconds=1.0, started=pids.append, own_group=own_group, grace=0.2)
    assert (done.late, done.out, done.status) == (True, b"begun\n", -9) and gone(pids[0])


def test_a_program_that_closes_its_outputs_is_still_waited_for() -> None:
    done = execute(["sh", "-c", "exec >&- 2>&-; sleep 0.3; exit 5"], seconds=60)
    assert (done.status, done.late) == (5, False)
    assert execute(["sh", "-c", "exec >&- 2>&-; exec sleep 60"], seconds=0.3).late


def test_its_group_ends_with_it(tmp_path: Path) -> None:
    said = tmp_path / "child"
    done = execute(["sh", "-c", f"sleep 600 & echo $! > {said}; wait"], seconds=1.0, own_group=True)
    assert done.late
    until(lambda: gone(int(said.read_text())), what="the end of its child")


def test_what_it_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    said, begin = tmp_path / "child", time.monotonic()
    done = execute(["sh", "-c", f"sleep 300 & echo $! > {said}; echo started"], seconds=200)
    assert (done.status, done.out, done.late) == (0, b"started\n", False) and time.monotonic() - begin < 100
    os.kill(int(said.read_text()), 9)


def test_an_error_of_the_callers_ends_it() -> None:
    pids: list[int] = []

    def started(pid: int) -> None:
        pids.append(pid)
        raise RuntimeError("no journal")

    with pytest.raises(RuntimeError):
        execute(["sleep", "600"], seconds=600, started=started)
    assert gone(pids[0])


def test_in_a_language_that_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert run(["sh", "-c", "echo $LC_ALL"]).out == "C\n"
    assert run(["sh", "-c", "printf '\\377'"]).out == "\ufffd"


def test_problems_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["no-such-program"]).missing
    assert run(["sh", "-c", "echo why >&2; exit 1"]).problem == "why"
    assert run(["sh", "-c", "exit 4"]).problem == "status 4"
    assert run(["sleep", "60"], seconds=0.2).problem == "sleep did not end within 0.2 s"
    assert find("/nowhere") is None and find("sh")
