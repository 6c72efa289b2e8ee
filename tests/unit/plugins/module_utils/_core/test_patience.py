# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting: bounded, broken by anything but ok, never satisfied by blindness."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Finding, Skipped
from ansible_collections.oncall.incident.plugins.module_utils._core.patience import Patience, Waited, await_ok, patience_from


def waited(statuses: str, *, hold: float = 2, timeout: float = 10) -> Waited:
    """Look once a second: o is ok, c critical, w warning, s skipped, n nothing judged; the last one stays."""
    time = [0.0]
    looks = iter(statuses)
    last = ["n"]

    def look() -> tuple[list[Finding], list[Skipped]]:
        last[0] = next(looks, last[0])
        words = {"o": "ok", "c": "critical", "w": "warning"}
        found = [Finding("x", words[last[0]])] if last[0] in words else []
        return found, [Skipped("x", "why")] if last[0] == "s" else []

    def sleep(seconds: float) -> None:
        time[0] += seconds

    return await_ok(look, patience=Patience(hold=hold, timeout=timeout, interval=1), clock=lambda: time[0], sleep=sleep)


@pytest.mark.parametrize(("statuses", "held", "seconds"), [
    ("o", True, 2), ("co", True, 3), ("oco", True, 4), ("c", False, 10), ("w", False, 10), ("s", False, 10), ("n", False, 10),
    ("ococococococo", False, 10),
])
def test_waiting(statuses: str, held: bool, seconds: float) -> None:
    found = waited(statuses)
    assert (found.held, found.waited) == (held, seconds)


def test_without_time_it_still_looks_once() -> None:
    assert waited("o", hold=0, timeout=0).held
    found = waited("c", hold=0, timeout=0)
    assert (found.held, found.polls) == (False, 1)


def test_the_history_says_when_it_changed() -> None:
    said = waited("coco").as_dict()["history"]
    assert said == [{"at": 0, "status": "critical"}, {"at": 1, "status": "ok"}, {"at": 2, "status": "critical"}, {"at": 3, "status": "ok"}]


@pytest.mark.parametrize("found", [
    {"hold": "2m", "timeout": "1m", "interval": "1s"}, {"hold": "x", "timeout": "1m", "interval": "1s"},
])
def test_what_cannot_be(found: dict[str, str]) -> None:
    with pytest.raises(BadInput, match=r"wait_for\.hold"):
        patience_from(found)
