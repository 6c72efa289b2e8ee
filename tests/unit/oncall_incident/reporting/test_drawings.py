# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timeline is to scale, marks that would cover each other are counted, and before and after are where they belong."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Finding

from oncall_incident.reporting import plots
from oncall_incident.reporting.scale import MOST_TICKS, Scale
from oncall_incident.reporting.timeline import GUTTER, MOST_LANES, ROOM, WIDTH, Band, Happening, draw


def at(second: float) -> str:
    return f"2026-01-02T03:{int(second // 60):02d}:{second % 60:06.3f}Z"


def test_it_is_to_scale() -> None:
    drawing = draw(
        bands=[Band("a", at(0), at(10), "run"), Band("b", at(10), at(40), "run"), Band("c", at(100), at(200), "run")], happenings=[]
    )
    assert drawing is not None
    first, second, third = drawing.bands
    assert second["width"] == pytest.approx(3 * first["width"], abs=0.3) and third["width"] == pytest.approx(10 * first["width"], abs=0.3)
    assert third["x"] - second["x"] == pytest.approx(9 * first["width"], abs=0.3)
    assert first["x"] >= GUTTER and third["x"] + third["width"] <= WIDTH - ROOM


def test_marks_that_would_cover_each_other_are_one_with_the_worst_tone() -> None:
    found = [
        Happening(at(1.0 + number / 1000), "db1", tone, "circle", f"thing {number}") for number, tone in enumerate(["good", "bad", "warn"])
    ]
    drawing = draw(bands=[], happenings=[*found, Happening(at(500), "db1", "good", "flag", "end")])
    assert drawing is not None
    (crowd, alone) = drawing.lanes[0]["marks"]
    assert (crowd["number"], crowd["tone"], alone["number"]) == (3, "bad", 0)
    assert "thing 2" in crowd["title"]


def test_lanes_without_room_are_named() -> None:
    drawing = draw(bands=[], happenings=[Happening(at(1), f"host{number}", "good", "circle", "x") for number in range(MOST_LANES + 2)])
    assert drawing is not None and len(drawing.lanes) == MOST_LANES and drawing.left_out == [f"host{MOST_LANES}", f"host{MOST_LANES + 1}"]


def test_milestones_do_not_cover_each_other() -> None:
    drawing = draw(
        bands=[], happenings=[], milestones=[{"name": f"milestone {number}", "at": at(number)} for number in range(4)], ended=at(3000)
    )
    assert drawing is not None
    assert len({flag["row"] for flag in drawing.flags}) == 4
    assert draw(bands=[], happenings=[], milestones=[{"name": "late", "at": at(3000)}], started=at(0)).flags[0]["anchor"] == "end"  # type: ignore[union-attr]


@pytest.mark.parametrize("times", [[], ["not a time"], [None]])
def test_without_times_there_is_no_drawing(times: list[str | None]) -> None:
    assert draw(bands=[], happenings=[Happening(time, "", "good", "circle", "x") for time in times]) is None


def test_a_moment_can_be_drawn() -> None:
    drawing = draw(bands=[Band("now", at(1), at(1), "run")], happenings=[])
    assert drawing is not None and drawing.bands[0]["width"] > 0


@pytest.mark.parametrize("length", [0.2, 3, 59, 600, 4000, 86400, 12 * 86400, 400 * 86400, 40 * 365 * 86400])
def test_ticks_are_few_and_in_order(length: float) -> None:
    ticks = Scale.over(1e9, 1e9 + length, left=0, width=800).ticks()
    assert 1 <= len(ticks) <= MOST_TICKS + 2
    assert [x for x, _label in ticks] == sorted(x for x, _label in ticks)


def measured(*values: object, limit: object = 90, last: str = "ok") -> list[Finding]:
    statuses = ["critical"] * (len(values) - 1) + [last]
    return [Finding("connections", status, observed=value, threshold=limit) for value, status in zip(values, statuses, strict=True)]


def test_before_and_after_on_one_line() -> None:
    plot = plots.plot(measured(100, 50))
    assert plot is not None and plot.limit is not None and plot.worse == "more"
    before, after = plot.points
    assert before["x"] > plot.limit > after["x"] and before["first"] and after["last"]
    assert (before["x"] - plot.left) == pytest.approx(2 * (after["x"] - plot.left), abs=0.2)


def test_where_less_is_worse_the_other_side_is_shaded() -> None:
    plot = plots.plot(measured(3, 40, limit=14))
    assert plot is not None and plot.worse == "less"


@pytest.mark.parametrize("values", [(0, 0), ("text", "other"), (True, False), (None, None), (float("nan"), float("inf"))])
def test_what_cannot_be_drawn_is_not(values: tuple[object, object]) -> None:
    assert plots.plot(measured(*values, limit=None)) is None
