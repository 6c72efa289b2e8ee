# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import time

from ansible_collections.oncall.incident.plugins.module_utils._certificate.renewal.commands import Ran, alive, find, run, start_time


def test_how_it_ended() -> None:
    ran = run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout=30)
    assert (ran.status, ran.ok, ran.output) == (3, False, "out\nerr\n")
    assert run(["true"], timeout=30).ok


def test_a_program_that_is_not_there() -> None:
    ran = run(["/nowhere/certbot"], timeout=30)
    assert (ran.status, ran.ok) == (None, False)
    assert "No such file" in ran.output
    assert find("/nowhere/certbot") is None
    assert find("sh")


def test_output_is_bounded_and_its_end_is_kept() -> None:
    ran = run(["sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x; echo end"], timeout=60)
    assert len(ran.output) <= 64 * 1024 and ran.output.endswith("end\n")
    words = Ran(status=1, output="a\n" * 5000 + "end\n").last_words(21)
    assert words == "(...) " + "a " * 9 + "end"


def test_a_daemon_that_keeps_the_output_open_is_not_waited_for() -> None:
    begin = time.monotonic()
    ran = run(["sh", "-c", "sleep 30 & echo started"], timeout=60)
    assert ran.ok and time.monotonic() - begin < 20


def test_time_is_up() -> None:
    pids: list[int] = []
    ran = run(["sleep", "60"], timeout=0.5, started=pids.append)
    assert (ran.timed_out, ran.ok, ran.status) == (True, False, None)
    assert start_time(pids[0]) == ""


def test_who_runs() -> None:
    since = start_time(os.getpid())
    assert alive(os.getpid(), since)
    assert not alive(os.getpid(), "1")
    assert not alive(os.getpid(), "")
