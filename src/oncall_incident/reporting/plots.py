# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before and after as geometry: one row for each check that was measured as a number."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.findings import CRITICAL, OK, WARNING, Finding

WIDTH = 300
HEIGHT = 26
ROOM = 9


@dataclasses.dataclass(frozen=True)
class Plot:
    """A measurement's line from zero, with where it was, where it is, and from where on it is too much.

    Attributes:
        width, height: of the view box.
        left, right, y: of the line.
        limit: x of the threshold, or None.
        worse: which side of the threshold is bad: more or less; empty when that is not known.
        points: x, tone, label, first, last.
    """

    width: int
    height: int
    left: float
    right: float
    y: float
    limit: float | None
    worse: str
    points: list[dict[str, Any]]


def plot(measurements: Sequence[Finding]) -> Plot | None:
    """The geometry of one check's measurements in their order; None when they are not numbers or there is nothing to compare.

    Args:
        measurements: the findings.
    """
    numbers = [(float(item.observed), item) for item in measurements if is_number(item.observed)]
    limits = [float(item.threshold) for item in measurements if is_number(item.threshold)]
    if not numbers:
        return None
    values = [value for value, _item in numbers]
    low, high = min(0.0, *values, *limits), max(0.0, *values, *limits)
    if high <= low:
        return None
    right = WIDTH - ROOM
    space = (right - ROOM) / 1.06

    def x(value: float) -> float:
        return round(ROOM + (value - low) / (high - low) * space, 1)

    limit = limits[-1] if limits else None
    points = [
        {"x": x(value), "status": item.status, "first": number == 0, "last": number == len(numbers) - 1}
        for number, (value, item) in enumerate(numbers)
    ]
    return Plot(
        width=WIDTH, height=HEIGHT, left=ROOM, right=right, y=HEIGHT / 2, limit=None if limit is None else x(limit),
        worse=_worse(numbers, limit), points=points,
    )


def is_number(value: Any) -> bool:
    """Whether a value can be drawn."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value and abs(value) != float("inf")


def _worse(numbers: Sequence[tuple[float, Finding]], limit: float | None) -> str:
    """Learned from what was judged: the contract does not say which side of a threshold is bad."""
    if limit is None:
        return ""
    for value, item in numbers:
        if item.status in (WARNING, CRITICAL) and value != limit:
            return "more" if value > limit else "less"
        if item.status == OK and value != limit:
            return "less" if value > limit else "more"
    return "more"
