# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A number over time as geometry: a line with its limits, and what was done meanwhile."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from ansible_collections.oncall.incident.plugins.module_utils._core.series import Point, Series

from ..terminal import words
from .clock import said
from .scale import Scale

WIDTH = 960
HEIGHT = 120
ROOM = 8
TOP = 18
AXIS = 20
#: A gap in the line is wider than so many steps.
GAP = 2.5
#: A limit that is so many times the largest number would press the line flat, and is left out.
_FLAT = 4


@dataclasses.dataclass(frozen=True)
class Line:
    """What a template turns into SVG.

    Attributes:
        width, height: of the view box.
        left, right, top, axis: of the surface that is drawn on.
        paths: the stretches of the line, each the `d` of a path.
        dots: x and y of points with gaps on both sides.
        limits: y and tone of each threshold that is within the picture.
        ticks: x of round times, and what to write there.
        marks: x and title of what was done.
        most, last: the largest and the last number in words.
        spoken: all of it in words.
    """

    width: int
    height: int
    left: float
    right: float
    top: float
    axis: float
    paths: list[str]
    dots: list[tuple[float, float]]
    limits: list[tuple[float, str]]
    ticks: list[tuple[float, str]]
    marks: list[tuple[float, str]]
    most: str
    last: str
    spoken: str


def line(series: Series, *, marks: Iterable[tuple[float, str]] = ()) -> Line:
    """The geometry of one series.

    Args:
        series: with at least one point.
        marks: seconds since the epoch and title of what was done; those outside of the series' time are left out.
    """
    points = series.points
    start, end = points[0][0], points[-1][0]
    scale = Scale.over(start, end, left=ROOM, width=WIDTH - 2 * ROOM)
    values = [value for _at, value in points]
    low, most = min(0.0, *values), max(0.0, *values)
    limits = [(limit, tone) for limit, tone in ((series.warning, "warn"), (series.critical, "bad")) if limit is not None]
    nearest = min((limit for limit, _tone in limits), default=0.0)
    high = max(most, *(limit for limit, _tone in limits if limit <= _FLAT * most or limit == nearest), 0.0)
    axis = float(HEIGHT - AXIS)

    def y(value: float) -> float:
        return round(axis if high <= low else axis - (value - low) / (high - low) * (axis - TOP), 1)

    parts = [[(scale.x(at), y(value)) for at, value in part] for part in _stretches(points, step=series.step)]
    return Line(
        width=WIDTH, height=HEIGHT, left=ROOM, right=WIDTH - ROOM, top=TOP, axis=axis,
        paths=["M" + "L".join(f"{x} {y}" for x, y in part) for part in parts if len(part) > 1],
        dots=[part[0] for part in parts if len(part) == 1],
        limits=[(y(limit), tone) for limit, tone in limits if limit <= high], ticks=scale.ticks(),
        marks=[(scale.x(at), title) for at, title in marks if start <= at <= end],
        most=words.measured(max(values), series.unit), last=words.measured(values[-1], series.unit),
        spoken=f"from {said(start, '%H:%M:%S')} to {said(end, '%H:%M:%S')} UTC, at most {words.measured(max(values), series.unit)}, "
               f"at last {words.measured(values[-1], series.unit)}",
    )


def _stretches(points: Sequence[Point], *, step: float) -> list[list[Point]]:
    """The parts between gaps: a time without numbers is not drawn over."""
    parts: list[list[Point]] = []
    for point in points:
        if parts and (step <= 0 or point[0] - parts[-1][-1][0] <= GAP * step):
            parts[-1].append(point)
        else:
            parts.append([point])
    return parts
