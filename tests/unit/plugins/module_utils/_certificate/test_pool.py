# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many jobs within a wall of time."""

from __future__ import annotations

import threading
import time
import typing as t

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._certificate.pool import bounded, run_all


def late(job: int) -> str:
    return f"late {job}"


def test_results_keep_their_order() -> None:
    found = run_all(list(range(50)), str, workers=7, until=time.monotonic() + 30, late=late)
    assert found == [str(job) for job in range(50)] and run_all([], str, workers=3, until=time.monotonic() + 1, late=late) == []


def test_what_hangs_is_late_and_the_others_are_there() -> None:
    release = threading.Event()

    def work(job: int) -> str:
        if job == 1:
            release.wait(30)
        return str(job)

    try:
        found = run_all([0, 1, 2, 3], work, workers=2, until=time.monotonic() + 1.5, late=late)
    finally:
        release.set()
    assert found == ["0", "late 1", "2", "3"]


def test_what_no_worker_came_to_is_late() -> None:
    release = threading.Event()
    try:
        found = run_all([0, 1], lambda job: str(release.wait(30)), workers=1, until=time.monotonic() + 0.3, late=late)
    finally:
        release.set()
    assert found == ["late 0", "late 1"]


def test_a_mistake_of_ours_is_not_swallowed() -> None:
    def work(job: int) -> str:
        raise KeyError(job)

    with pytest.raises(KeyError):
        run_all([1], work, workers=1, until=time.monotonic() + 30, late=late)


def test_bounded() -> None:
    release = threading.Event()
    assert bounded(lambda: 5, seconds=30) == 5
    with pytest.raises(TimeoutError):
        bounded(lambda: release.wait(30), seconds=0.1)
    release.set()

    def fail() -> t.NoReturn:
        raise OSError("no such name")

    with pytest.raises(OSError, match="no such name"):
        bounded(fail, seconds=30)
