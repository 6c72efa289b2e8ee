# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask first, wait a bounded time, then kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from oncall_incident.running.stopping import Stopper, signals


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_nothing_happens_without_a_reason() -> None:
    assert not Stopper().poll(lambda: None)


def test_the_group_gets_sigint_first_and_is_killed_after_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "killpg", lambda group, number: sent.append((group, number)))
    clock = Clock()
    stopper = Stopper(grace=10, clock=clock)
    stopper.interrupt()
    assert not stopper.poll(lambda: None)  # not started yet: nobody to ask
    assert not stopper.poll(lambda: 42)
    assert not stopper.poll(lambda: 42)
    assert sent == [(42, signal.SIGINT)]
    clock.now += 9.9
    assert not stopper.poll(lambda: 42)
    clock.now += 0.2
    assert stopper.poll(lambda: 42)
    assert stopper.reason == "interrupt"


def test_the_second_signal_kills_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "killpg", lambda group, number: None)
    stopper = Stopper(clock=Clock())
    stopper.interrupt()
    assert not stopper.poll(lambda: 42)
    stopper.interrupt()
    assert stopper.poll(lambda: 42)


def test_the_deadline_is_a_reason_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "killpg", lambda group, number: None)
    clock = Clock()
    stopper = Stopper(timeout=5, clock=clock)
    assert not stopper.poll(lambda: 42)
    assert stopper.remaining == 5
    clock.now += 5
    stopper.poll(lambda: 42)
    assert stopper.reason == "timeout"


def test_a_group_that_is_gone_is_no_error() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"], start_new_session=True)
    child.wait()
    stopper = Stopper()
    stopper.interrupt()
    assert not stopper.poll(lambda: child.pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_ask_within_the_block_and_are_given_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    stopper = Stopper()
    with signals(stopper):
        os.kill(os.getpid(), number)
        assert stopper.reason == "interrupt"
    assert signal.getsignal(number) == before
