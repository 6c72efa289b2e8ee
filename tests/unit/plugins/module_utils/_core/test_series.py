# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a health module keeps of a number over time."""

from __future__ import annotations

import math

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.series import MOST_POINTS, Series, thinned


def test_it_comes_back_from_a_record():
    given = Series(name="errors", points=((1.0, 2.0), (16.0, 3.5)), unit="percent", subject="web", warning=1.0, critical=5.0, step=15.0)
    assert Series.from_dict(given.as_dict()) == given
    assert given.as_dict()["points"] == [[1.0, 2.0], [16.0, 3.5]]


def test_what_is_no_number_is_no_point():
    points = [[1, 2], [2, None], ["3", 4], [4, math.nan], [5, True], [6], "x", [7, math.inf], [8, 1]]
    assert Series.from_dict({"name": "x", "points": points, "warning": "high"}) == Series(name="x", points=((1.0, 2.0), (8.0, 1.0)))


@pytest.mark.parametrize("data", [{"points": []}, {"name": "x"}, {"name": "x", "points": {}}])
def test_a_key_that_is_missing_is_named(data):
    with pytest.raises(BadInput, match=r"series: (name|points) is missing"):
        Series.from_dict(data)


def test_of_too_many_points_the_peaks_stay():
    many = [(float(second), 9.0 if second == 700 else 1.0) for second in range(1000)]
    kept = thinned(many)
    assert len(kept) <= MOST_POINTS and (700.0, 9.0) in kept and kept == tuple(sorted(kept))


def test_a_moment_that_two_looks_have_seen_is_there_once():
    assert thinned([(2.0, 5.0), (1.0, 4.0), (2.0, 6.0)]) == ((1.0, 4.0), (2.0, 6.0))
