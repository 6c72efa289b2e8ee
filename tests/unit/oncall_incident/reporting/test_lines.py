# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A number over time is drawn to scale, with its gaps and limits; what is no number draws nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.series import Series

from oncall_incident.reporting import document, lines
from oncall_incident.reporting import run as report
from tests.support.story import Story

START = 1_767_323_000.0


def series(*values: float, step: float = 15.0, **more: float) -> Series:
    points = tuple((START + number * step, value) for number, value in enumerate(values))
    return Series(name="error_share", points=points, unit="percent", step=step, **more)


def corners(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(" ") for pair in path[1:].split("L"))]


def test_it_is_to_scale_from_zero() -> None:
    drawn = lines.line(series(0.0, 5.0, 10.0))
    (first, second, third) = corners(drawn.paths[0])
    assert first[1] == drawn.axis and third[1] == drawn.top and second[1] == pytest.approx((drawn.axis + drawn.top) / 2)
    assert second[0] - first[0] == pytest.approx(third[0] - second[0], abs=0.2)
    assert (drawn.most, drawn.last) == ("10 %", "10 %")


def test_a_gap_is_not_drawn_over() -> None:
    whole = series(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0)
    gap = Series(name="x", points=(*whole.points[:2], whole.points[-1]), step=15.0)
    drawn = lines.line(gap)
    assert [len(corners(path)) for path in drawn.paths] == [2]
    assert len(drawn.dots) == 1, "a point alone is a dot"


def test_limits_are_in_the_picture_unless_they_press_the_line_flat() -> None:
    drawn = lines.line(series(0.5, 0.6, warning=1.0, critical=500.0))
    assert [tone for _y, tone in drawn.limits] == ["warn"]
    assert all(drawn.top <= y <= drawn.axis for y, _tone in drawn.limits)
    assert [tone for _y, tone in lines.line(series(2.0, 9.0, warning=1.0, critical=5.0)).limits] == ["warn", "bad"]


@pytest.mark.parametrize("values", [(0.0,), (7.0,), (0.0, 0.0), (-3.0, 4.0)])
def test_odd_numbers_stay_in_the_picture(values: tuple[float, ...]) -> None:
    drawn = lines.line(series(*values, warning=0.0))
    shown = [*drawn.dots, *(corner for path in drawn.paths for corner in corners(path))]
    assert shown and all(drawn.top <= y <= drawn.axis and drawn.left <= x <= drawn.right for x, y in shown)


def test_only_what_was_done_meanwhile_is_marked() -> None:
    drawn = lines.line(series(1.0, 2.0, 3.0), marks=[(START - 60, "before"), (START + 20, "restart service: web"), (START + 99, "after")])
    assert [title for _x, title in drawn.marks] == ["restart service: web"]


def test_a_run_draws_each_metric_once_over_all_its_looks(tmp_path: Path) -> None:
    told = Story(tmp_path)
    with told.segment(check_mode=False):
        told.tell("series", host="app1", phase="investigate", series=series(9.0, 8.0, warning=1.0).as_dict())
        later = {**series(9.0, 8.0, 0.5, warning=1.0).as_dict(), "points": [[START + 15 * number, 0.5] for number in (2, 3)]}
        told.tell("series", host="app1", phase="verify", series=later)
        told.tell("series", host="app1", phase="verify", series={"name": "broken", "points": "none"})
        told.tell("series", host="app1", phase="verify", series={"name": "empty", "points": [["never", 1], [1, None]]})
        told.stats(app1=0)
    (chart,) = document.run_content(told.run_dir)["series"]
    assert (chart["name"], chart["host"], chart["line"].most, chart["line"].last) == ("error_share", "app1", "9 %", "0.5 %")
    assert len(corners(chart["line"].paths[0])) == 4
    page = document.text(document.run_content(told.run_dir), document.HTML)
    assert page.count('class="course"') == 1 and 'class="threshold warn"' in page
    assert "| app1 | error\\_share |  | 9 % | 0.5 % |" in report.render(told.run_dir)
