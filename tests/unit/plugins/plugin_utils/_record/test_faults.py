# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults by the hundred, in this process: the n-th system call of a writer fails, or it is killed after the n-th byte.

A chosen number of them by a seed, all of them when exhaustive (tests/support/exhaustive.py).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader, verify, writer
from ansible_collections.oncall.incident.plugins.plugin_utils._record.errors import CannotRecord

from tests.support.exhaustive import chosen

from .conftest import Opener

EVENTS = 40
#: The calls that can fail between an event and the disk, and how.
CALLS = [("write", errno.ENOSPC), ("write", errno.EIO), ("sync", errno.EIO), ("short write", errno.ENOSPC)]
#: The opening line and one for each event; each is one write and one sync.
FAILING = [(call, number, at) for call, number in CALLS for at in range(2, EVENTS + 2)]


class Failing:
    """The n-th call of one kind fails, once; a short write first takes half of the data."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, call: str, number: int, at: int) -> None:
        self.call, self.number, self.at, self.calls = call, number, at, 0
        self.real = writer._sync if call == "sync" else os.write
        if call == "sync":
            monkeypatch.setattr(writer, "_sync", self)
        else:
            monkeypatch.setattr(writer.os, "write", self)

    def __call__(self, fd: int, *data: Any) -> Any:
        self.calls += 1
        short = self.call == "short write"
        if short and self.calls == self.at:
            return self.real(fd, data[0][:len(data[0]) // 2])
        # Of a short write the rest fails.
        if self.calls == self.at + short:
            raise OSError(self.number, os.strerror(self.number))
        return self.real(fd, *data)


@pytest.mark.parametrize(("call", "number", "at"), chosen(FAILING, 24, always=[FAILING[0], FAILING[-1]]))
def test_the_nth_call_of_a_writer_fails(
    call: str, number: int, at: int, open_segment: Opener, run_dir: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever asked is told, no half of a line stays, and the next writer goes on with the same chain."""
    with monkeypatch.context() as patched:
        Failing(patched, call=call, number=number, at=at)
        segment = open_segment()
        written = 0
        with pytest.raises(CannotRecord) as caught:
            for place in range(EVENTS):
                segment.append("result", {"place": place})
                written += 1
        assert caught.value.facts["errno"] == number
        assert written == at - 2, "nothing went on after it"
        segment.abandon()
    places = [event["place"] for event in reader.read(run_dir) if event["type"] == "result"]
    # A line whose sync failed is there: it may be on the disk or not.
    assert places == list(range(written + (call == "sync")))
    assert {problem.kind for problem in verify.check(run_dir).problems} == {"unclosed"}
    _goes_on(open_segment, run_dir)


def _killed_after(open_segment: Opener, run_dir: Path, cut: Callable[[int], int]) -> bytes:
    """A segment of which a killed writer left only so much; what was left."""
    segment = open_segment()
    for place in range(6):
        segment.append("result", {"place": place})
    segment.abandon()
    ((_number, path),) = layout.segments(run_dir)
    whole = path.read_bytes()
    left = whole[:cut(len(whole))]
    path.write_bytes(left)
    return left


@pytest.mark.parametrize("thousandth", chosen(range(1, 1001), 24, always=[1, 1000]))
def test_killed_after_any_byte(thousandth: int, open_segment: Opener, run_dir: Path) -> None:
    """Every whole line counts, half of one is torn and nothing worse, and the next writer goes on with the same chain."""
    left = _killed_after(open_segment, run_dir, lambda size: size * thousandth // 1000)
    report = verify.check(run_dir)
    assert report.status == verify.INCOMPLETE and {problem.kind for problem in report.problems} <= {"unclosed", "torn"}
    assert report.events == left.count(b"\n")
    _goes_on(open_segment, run_dir)


def _goes_on(open_segment: Opener, run_dir: Path) -> None:
    with open_segment() as following:
        following.append("result", {"place": "after"})
    report = verify.check(run_dir)
    assert report.status == verify.OK and report.recovered == (1,), report
