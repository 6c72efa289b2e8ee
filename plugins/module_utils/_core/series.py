# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A number over time, kept with a verdict so that a report can draw it.

This module util is PRIVATE to the collection: it may change at any time.

A health module that has more than a moment returns `series`, a list of these, beside its findings.
"""

from __future__ import annotations

import dataclasses
import math
import typing as t

from .errors import BadInput
from .reading import Reading

#: Of one series, how many points are kept. Of more, each of these is the largest of those that it stands for.
MOST_POINTS = 240
#: The key of a result.
SERIES = "series"

Point = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Series:
    """What was measured over time.

    Attributes:
        name: of the check or metric; with `subject`, the same in every look.
        points: pairs of seconds since the epoch and a number, in the order of time. A gap is a time without a point.
        unit: of the numbers, as in a finding.
        subject: what it is of, where a check has several things.
        warning, critical: from where on it is too much, or None.
        step: seconds between two points; what is further apart than two of them has a gap between. 0 where nobody says it.
    """

    name: str
    points: tuple[Point, ...]
    unit: str = ""
    subject: str = ""
    warning: t.Optional[float] = None
    critical: t.Optional[float] = None
    step: float = 0.0

    def as_dict(self) -> dict[str, t.Any]:
        """The series as it appears in results and records."""
        return {**dataclasses.asdict(self), "points": [list(point) for point in self.points]}

    @classmethod
    def from_dict(cls, data: t.Mapping[str, t.Any]) -> Series:
        """Read a series of a result or a record; unknown keys are ignored, and points without a number.

        Raises:
            BadInput: names the key that is missing or of another type.
        """
        given = Reading("series", data)
        points = data.get("points")
        if not isinstance(points, (list, tuple)):
            raise BadInput("series: points is missing or not a list.", hint="See the contract of its module.", key="points")
        return cls(
            name=given.text("name"), points=thinned(point for item in points if (point := _point(item)) is not None),
            unit=given.text("unit", ""), subject=given.text("subject", ""),
            warning=_number(data.get("warning")), critical=_number(data.get("critical")), step=_number(data.get("step")) or 0.0,
        )


def thinned(points: t.Iterable[Point], *, most: int = MOST_POINTS) -> tuple[Point, ...]:
    """The points in the order of time, each moment once; of too many the largest of each stretch, so that no peak is lost."""
    found = sorted(dict(points).items())
    if len(found) <= most:
        return tuple(found)
    size = math.ceil(len(found) / most)
    return tuple(max(found[start:start + size], key=lambda point: point[1]) for start in range(0, len(found), size))


def _point(item: t.Any) -> t.Optional[Point]:
    if not isinstance(item, (list, tuple)) or len(item) != 2:
        return None
    at, value = (_number(part) for part in item)
    return None if at is None or value is None else (at, value)


def _number(value: t.Any) -> t.Optional[float]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None
