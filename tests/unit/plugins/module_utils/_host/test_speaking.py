# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process is the one that answered when it, or a child of it that is new, has the number that was said."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._host.speaking import has_child, is_itself, now

TICKS = os.sysconf("SC_CLK_TCK")
Make = Callable[..., str]


@pytest.fixture
def processes(tmp_path: Path) -> Make:
    """A directory as /proc: each process with its parent, its numbers and the second of its start."""

    def make(**known: tuple[int, str, int]) -> str:
        for name, (parent, numbers, start) in known.items():
            place = tmp_path / name.lstrip("p")
            place.mkdir()
            (place / "stat").write_text(f"{place.name} (a ) b) S {parent} {'0 ' * 17}{start * TICKS} 0\n")
            (place / "status").write_text(f"Name:\ta ) b\nPid:\t{place.name}\n{numbers}")
        return str(tmp_path)

    return make


def test_a_process_and_its_numbers(processes: Make) -> None:
    proc = processes(p10=(1, "NSpid:\t10\n", 5), p20=(1, "NSpid:\t20\t1\n", 5), p30=(1, "", 5))
    assert (is_itself(10, 10, proc=proc), is_itself(10, 11, proc=proc)) == (True, False)
    assert (is_itself(20, 1, proc=proc), is_itself(20, 20, proc=proc)) == (True, False), "in a pid namespace of its own"
    assert is_itself(30, 30, proc=proc) is True, "a kernel without them"
    assert is_itself(99, 99, proc=proc) is None


def test_a_child_that_is_new(processes: Make) -> None:
    proc = processes(p10=(1, "NSpid:\t10\n", 5), p11=(10, "NSpid:\t11\n", 100), p12=(10, "NSpid:\t12\n", 50), p13=(1, "NSpid:\t13\n", 100))
    assert has_child(10, 11, since=100.05, proc=proc) is True
    assert has_child(10, 12, since=100.05, proc=proc) is False, "it was there before we connected"
    assert has_child(10, 13, since=100.05, proc=proc) is False, "another's child"
    assert has_child(10, 14, since=100.05, proc=proc) is False
    assert has_child(99, 11, since=100.05, proc=proc) is None


def test_of_this_system() -> None:
    before = now()
    assert has_child(os.getppid(), os.getpid(), since=0) is True
    assert has_child(os.getppid(), os.getpid(), since=now() + 60) is False
    assert before <= now() < before + time.monotonic()
