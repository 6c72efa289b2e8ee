# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import format_duration, parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (30, 30.0), (0, 0.0), (1.5, 1.5), ("90", 90.0), ("0", 0.0), ("30s", 30.0), ("5m", 300.0), ("2h", 7200.0), ("1d", 86400.0),
        ("1h30m", 5400.0), ("250ms", 0.25), ("1.5h", 5400.0), (" 5 M ", 300.0), ("1m30s", 90.0),
    ],
)
def test_what_people_type(text: object, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "five", "5 minutes ago", "-5m", -1, "5x", "m5", None, True, [], float("inf"), float("nan"), "1h-5m", "5m\n;"],
)
def test_bad_input_names_the_argument_and_says_what_to_write(text: object) -> None:
    with pytest.raises(BadInput) as caught:
        parse_duration(text, name="min_query_age")
    assert "min_query_age" in caught.value.message
    assert "5m" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.4s"), (9.96, "10.0s"), (42, "42s"), (310, "5m10s"), (300, "5m"), (7380, "2h3m"), (7200, "2h"),
     (360000, "4d4h"), (86400, "1d"), (-5, "-5.0s")],
)
def test_brief_for_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
