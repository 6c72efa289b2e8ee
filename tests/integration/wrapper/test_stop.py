# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stopping in the middle: bounded, and the record is readable, verifiable, and says what is unknown."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time

import pytest

from tests.support.processes import pending
from tests.support.until import until

from .conftest import World


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_acting(number: signal.Signals, world: World) -> None:
    world.set(sick=1, slow=60)
    process = world.start("--yes")
    until(world.acting)
    begun = time.monotonic()
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=40)
    assert process.returncode == 130, out + err
    assert time.monotonic() - begun < 50, "the cure alone takes a minute"
    assert "unknown outcome on earth: Cure the world" in out
    assert world.verified() == "ok"
    interrupted = world.events("interrupted")[0]
    assert interrupted["reason"] == "interrupt"
    assert [(entry["host"], entry["task"]) for entry in interrupted["unknown"]] == [("earth", "Cure the world")]
    assert "outcome unknown: earth: Cure the world" in (world.run_dir / "report.md").read_text()
    assert [(one["action"]["outcome"], one["action"]["detail"]["why"], one["action"]["touched"]) for one in world.events("action")[1:]] == [
        ("unknown", "no_answer", None)]
    assert world.leftovers() == []
    assert world.sick == 1


def test_the_deadline_while_acting(world: World) -> None:
    world.set(sick=1, slow=300)
    begun = time.monotonic()
    done = world.run("--yes", "--timeout", "8s")
    assert done.returncode == 124, done.stdout
    assert time.monotonic() - begun < 150, "the cure alone takes five minutes"
    assert world.events("interrupted")[0]["reason"] == "timeout"
    assert world.events("outcome")[0]["outcome"] == "timed_out"
    assert world.verified() == "ok"


def test_an_ansible_that_does_not_listen_is_killed_and_its_segment_closed_by_ours(world: World) -> None:
    world.set(sick=1, slow=60)
    process = world.start("--yes")
    until(world.acting)
    ansible = world.ansible()
    os.kill(ansible, signal.SIGSTOP)  # a stopped process never sees SIGINT
    os.kill(process.pid, signal.SIGINT)
    until(lambda: signal.SIGINT in pending(ansible), what="the first one to be passed on")
    os.kill(process.pid, signal.SIGINT)  # the second one does not wait for the ten seconds
    out, err = process.communicate(timeout=40)
    assert process.returncode == 130, out + err
    assert world.verified() == "ok"
    assert world.events("recovered")[0]["of"] == 4
    assert world.events("interrupted")[0]["unknown"]


def test_an_ansible_that_is_killed_from_outside_is_never_said_to_have_changed_nothing(world: World) -> None:
    world.set(sick=1, slow=60)
    process = world.start("--yes", "--json")
    until(world.acting)
    os.kill(world.ansible(), signal.SIGKILL)
    out, err = process.communicate(timeout=40)
    assert process.returncode == 1, out + err
    data = json.loads(out)
    assert "nothing was changed" not in data["sentence"] and "unknown" in data["sentence"]
    assert data["unknown_outcomes"] and any("Cure the world" in reason for reason in data["reasons"])
    assert world.verified() == "ok"


def test_an_ansible_that_is_killed_before_it_looked_is_no_fault_of_the_input(world: World) -> None:
    world.set(sick=1)
    process = world.start("--check", "--json")

    def kill() -> bool:
        with contextlib.suppress(IndexError, OSError, ValueError):  # it is not there yet
            os.kill(world.ansible("look"), signal.SIGKILL)
            return True
        return False

    until(kill)
    out, err = process.communicate(timeout=40)
    assert process.returncode == 1, out + err
    data = json.loads(out)
    assert data["outcome"] == "failed" and "ended by a signal" in data["sentence"], data


def test_a_killed_wrapper_leaves_a_record_that_says_it_is_incomplete(world: World) -> None:
    world.set(sick=1, slow=60)
    process = world.start("--yes")
    until(world.acting)
    ansible = world.ansible()
    process.kill()
    process.wait()
    os.killpg(ansible, signal.SIGKILL)
    until(lambda: world.incident("verify", "latest").returncode == 3)
    done = world.incident("verify", "latest")
    assert done.returncode == 3, done.stdout
    assert "did not finish" in done.stdout
    report = world.incident("report", "latest", "--output", "-")
    assert "outcome unknown: earth: Cure the world" in report.stdout
    assert world.verified() == "incomplete", "reading changes nothing"
    assert world.incident("report", "latest").returncode == 0
    assert world.verified() == "ok"
    assert (world.events("recovered")[0]["of"], world.events("interrupted")[0]["reason"]) == (4, "found_unfinished")
    assert world.events("action")[-1]["action"]["outcome"] == "unknown", "every approved action has an answer"


def test_a_record_that_cannot_be_written_any_more_stops_the_run(world: World) -> None:
    world.set(sick=1, slow=3)
    process = world.start("--yes")
    until(world.acting)
    (world.run_dir / "record" / "000004.jsonl").rename(world.run_dir / "gone")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 6, out + err
