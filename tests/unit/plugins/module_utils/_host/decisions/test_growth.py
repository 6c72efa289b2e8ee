# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast a disk fills up, from samples of hours."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import COULD_NOT_LOOK, Finding, Skipped
from ansible_collections.oncall.incident.plugins.module_utils._host.decisions.growth import (
    KEPT,
    STRETCH,
    Sample,
    judge_growth,
    kept,
    trend,
)

GIB = 1 << 30
NOW, SIZE = 1_000_000.0, 100 * GIB
DAY = 86400.0


def history(hours: float, available: Callable[[float], float], *, every: float = STRETCH) -> list[Sample]:
    """Samples, from what was available so many hours ago."""
    count = int(hours * 3600 / every)
    return [Sample(NOW - place * every, SIZE, int(available(place * every / 3600))) for place in range(count, 0, -1)]


def judged(samples: list[Sample], available: float) -> Finding | Skipped:
    now = Sample(NOW, SIZE, int(available))
    return judge_growth("/", now.available, trend(kept(samples, now), now), full_within=DAY)


@pytest.mark.parametrize(("samples", "available", "status"), [
    # A slow leak: in two seconds nobody sees it, and it is full in ten hours.
    (history(72, lambda ago: 10 * GIB + ago * GIB), 10 * GIB, "warning"),
    (history(1, lambda ago: GIB + ago * GIB), GIB, "warning"),
    # One burst that is over: two hours ago ten were written at once.
    (history(24, lambda ago: 12 * GIB if ago >= 2 else 2 * GIB), 2 * GIB, "ok"),
    # It was cleaned ten hours ago, and fills again.
    (history(72, lambda ago: 10 * GIB + ago * GIB if ago <= 10 else 1 * GIB), 10 * GIB, "warning"),
    # Rotated every night, as much as comes by day.
    (history(72, lambda ago: 60 * GIB + (ago % 24) * GIB), 60 * GIB, "ok"),
    (history(72, lambda ago: 50 * GIB), 50 * GIB, "ok"), (history(72, lambda ago: 10 * GIB), 50 * GIB, "ok"),
])
def test_predicted(samples: list[Sample], available: float, status: str) -> None:
    found = judged(samples, available)
    assert isinstance(found, Finding) and found.status == status, found
    assert ("find who writes" in found.hint) is (status == "warning")


@pytest.mark.parametrize(("samples", "said"), [
    ([], "/: no earlier sample"), (history(0.5, lambda ago: GIB * (1 + ago)), "/: samples of 30m"),
    # Of another disk, and of a clock that went wrong.
    ([Sample(NOW - 9000, SIZE // 2, GIB), Sample(NOW + 9000, SIZE, GIB)], "/: no earlier sample"),
])
def test_less_than_an_hour_is_no_prediction_and_says_how_long_it_has(samples: list[Sample], said: str) -> None:
    found = judged(samples, GIB)
    assert isinstance(found, Skipped) and found.kind == COULD_NOT_LOOK
    assert found.reason == f"too_short: {said}, and growth is predicted from 1h on."
    assert found.hint == "Look again later, or every hour by a schedule."


def test_samples_are_bounded() -> None:
    many = history(200, lambda ago: GIB, every=60)
    found = kept(many, Sample(NOW, SIZE, GIB))
    assert len(found) <= KEPT / STRETCH + 1 and NOW - found[0].at <= KEPT
    assert min(found[place + 1].at - found[place].at for place in range(len(found) - 1)) >= STRETCH
