# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timeline as geometry: phases as bands, what happened as marks in one lane for each host, milestones as flags."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..terminal.words import one_line
from .clock import said, seconds, time_of_day
from .scale import Scale

WIDTH = 960
GUTTER = 132
ROOM = 12
BAND = 22
LANE = 30
FLAG = 17
AXIS = 22
#: Lanes beyond this are in the table only.
MOST_LANES = 14
#: Marks nearer than this are one mark with a number.
NEAR = 13
#: Letters of a lane's name, and pixels of a letter.
NAME_LETTERS = 18
LETTER = 6.4
#: Letters of a milestone that is a sentence of somebody's.
FLAG_LETTERS = 32
#: From what a reader must see to what can stand behind it.
TONES = ("bad", "unknown", "warn", "act", "good", "info")


@dataclasses.dataclass(frozen=True)
class Band:
    """A stretch of time: a phase, or a run."""

    label: str
    started: Any
    ended: Any
    kind: str
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Happening:
    """Something at a moment, in the lane of a host (or of the run itself, where it has none)."""

    at: Any
    lane: str
    tone: str
    shape: str
    label: str


@dataclasses.dataclass(frozen=True)
class Drawing:
    """What a template turns into SVG without any arithmetic but its own text.

    Attributes:
        width, height: of the view box.
        left, right: where the time axis begins and ends.
        axis: y of the axis line.
        ticks: x and label.
        bands: x, y, width, label, kind, title.
        lanes: y, name, marks; a mark has x, tone, shape, number, title.
        flags: x, y, label, anchor, title.
        left_out: names of lanes that had no room.
    """

    width: int
    height: int
    left: float
    right: float
    top: float
    axis: float
    ticks: list[tuple[float, str]]
    bands: list[dict[str, Any]]
    lanes: list[dict[str, Any]]
    flags: list[dict[str, Any]]
    left_out: list[str]
    spoken: str


def draw(
    *, bands: Sequence[Band], happenings: Sequence[Happening], milestones: Sequence[Mapping[str, Any]] = (), lanes: Sequence[str] = (),
    started: Any = None, ended: Any = None, unnamed: str = "run",
) -> Drawing | None:
    """The geometry, or None when there is no time to draw on.

    Args:
        bands: phases or runs; they may not overlap.
        happenings: what happened.
        milestones: name and at.
        lanes: names of lanes in the order in which they are wanted; what happened elsewhere comes after them.
        started, ended: the least that the axis covers.
        unnamed: what to call the lane of what happened nowhere in particular.
    """
    times = [at for at in map(seconds, _times(bands, happenings, milestones, started, ended)) if at is not None]
    if not times:
        return None
    scale = Scale.over(min(times), max(times), left=GUTTER, width=WIDTH - GUTTER - ROOM)
    flags, flag_rows = _flags(milestones, scale)
    top = ROOM + flag_rows * FLAG
    drawn_bands = _bands(bands, scale, top)
    y = top + (BAND + 8 if drawn_bands else 0)
    names = list(dict.fromkeys([*lanes, *(item.lane for item in happenings)]))
    busy = [name for name in names if any(item.lane == name for item in happenings)]
    drawn = []
    for name in busy[:MOST_LANES]:
        drawn.append(
            {"y": y + LANE / 2, "name": _short(name or unnamed), "full": name or unnamed, "marks": _marks(happenings, name, scale)}
        )
        y += LANE
    axis = y + 4
    return Drawing(
        width=WIDTH,
        height=int(axis + AXIS),
        left=GUTTER,
        right=WIDTH - ROOM,
        top=top - 4,
        axis=axis,
        ticks=scale.ticks(),
        bands=drawn_bands,
        lanes=drawn,
        flags=flags,
        left_out=busy[MOST_LANES:],
        spoken=f"{len(drawn_bands)} stretches and {len(happenings)} events "
        f"from {said(min(times), '%H:%M:%S')} to {said(max(times), '%H:%M:%S')} UTC",
    )


def _times(
    bands: Iterable[Band], happenings: Iterable[Happening], milestones: Iterable[Mapping[str, Any]], started: Any, ended: Any,
) -> Iterable[Any]:
    yield started
    yield ended
    for band in bands:
        yield band.started
        yield band.ended
    for item in happenings:
        yield item.at
    for milestone in milestones:
        yield milestone.get("at")


def _bands(bands: Iterable[Band], scale: Scale, top: float) -> list[dict[str, Any]]:
    found = []
    timed = [(band, first, last) for band in bands
             if (first := seconds(band.started)) is not None and (last := seconds(band.ended)) is not None]
    for number, (band, first, last) in enumerate(timed):
        x, width = scale.x(first), max(scale.x(last) - scale.x(first), 2.0)
        wide = len(band.label) * LETTER + 8
        after = scale.x(timed[number + 1][1]) if number + 1 < len(timed) else WIDTH - ROOM
        beside = wide > width and x + width + wide <= after
        title = f"{band.label}: {time_of_day(band.started)} to {time_of_day(band.ended)}{', ' + band.note if band.note else ''}"
        found.append({"x": x, "y": top, "width": round(width, 1), "height": BAND, "label": band.label if beside or wide <= width else "",
                      "label_x": round(x + (width if beside else 0) + 5, 1), "beside": beside, "kind": band.kind,
                      "title": title})
    return found


def _marks(happenings: Iterable[Happening], lane: str, scale: Scale) -> list[dict[str, Any]]:
    """The marks of a lane; what would cover each other becomes one mark with a number and the worst tone."""
    here = sorted(((scale.x(at), item) for item in happenings if item.lane == lane and (at := seconds(item.at)) is not None),
                  key=lambda pair: pair[0])
    groups: list[list[tuple[float, Happening]]] = []
    for pair in here:
        if groups and pair[0] - groups[-1][0][0] < NEAR:
            groups[-1].append(pair)
        else:
            groups.append([pair])
    marks = []
    for group in groups:
        worst = min((item for _x, item in group), key=lambda item: TONES.index(item.tone))
        lines = [f"{time_of_day(item.at)} {item.label}" for _x, item in group[:12]]
        more = [f"and {len(group) - 12} more"] if len(group) > 12 else []
        marks.append({
            "x": group[0][0], "tone": worst.tone, "shape": worst.shape, "number": len(group) if len(group) > 1 else 0,
            "title": "\n".join([*lines, *more]),
        })
    return marks


def _flags(milestones: Iterable[Mapping[str, Any]], scale: Scale) -> tuple[list[dict[str, Any]], int]:
    """Milestones with their labels on as many rows as they need, and the number of rows."""
    placed: list[dict[str, Any]] = []
    rows: list[float] = []  # right end of the last label in each row
    for milestone in sorted(milestones, key=lambda item: seconds(item.get("at")) or 0.0):
        at = seconds(milestone.get("at"))
        if at is None:
            continue
        x, label = scale.x(at), one_line(str(milestone.get("name", "")).replace("_", " "), limit=FLAG_LETTERS)
        wide = len(label) * LETTER + 10
        left = x - wide if x + wide > WIDTH - ROOM else x
        row = next((number for number, right in enumerate(rows) if left > right), len(rows))
        if row == len(rows):
            rows.append(0.0)
        rows[row] = left + wide
        placed.append({
            "x": x, "row": row, "label": label, "anchor": "end" if left < x else "start", "tone": milestone.get("tone", ""),
            "title": f"{label}: {milestone.get('at')}",
        })
    for flag in placed:
        flag["y"] = ROOM + flag["row"] * FLAG
    return placed, len(rows)


def _short(name: str) -> str:
    return name if len(name) <= NAME_LETTERS else name[: NAME_LETTERS - 1] + "…"
