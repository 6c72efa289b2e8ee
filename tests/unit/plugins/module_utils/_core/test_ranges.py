# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and durations that are out of their range are named with their value and with what is allowed."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core import ranges
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.ranges import Range


@pytest.mark.parametrize(("allowed", "said"), [
    (ranges.COUNT, "0 or more"), (ranges.PORT, "1 to 65535"), (ranges.LIMIT, "more than 0s, at most 1d"), (ranges.WAIT, "0s to 1d"),
    (ranges.AGE_OR_EMPTY, "0s to 3650d, or empty"), (Range(1, above=True), "more than 1"),
])
def test_what_is_allowed_is_said(allowed: Range, said: str) -> None:
    assert str(allowed) == said


@pytest.mark.parametrize(("name", "value"), [
    ("max_victims", 0), ("max_victims", "7"), ("login_port", 65535), ("timeout", "1d"), ("grace", "0s"), ("max_percent", 100.0),
    ("ports", [22, 443]), ("refusals_since", ""), ("max_percent", None), ("wait_for", {"hold": "0s", "timeout": "0.000s"}),
    ("rules", [{"name": "x", "min_query_age": None}]), ("connect_params", {"connect_timeout": "0"}), ("sample", 500), ("workers", False),
])
def test_what_is_in_range_passes(name: str, value: object) -> None:
    ranges.require({name: value})


@pytest.mark.parametrize(("name", "value", "said"), [
    ("max_victims", -1, "max_victims: -1 is out of range. Allowed: 0 or more."),
    ("login_port", 65536, "login_port: 65536 is out of range. Allowed: 1 to 65535."),
    ("ports", [22, 0], "ports: 0 is out of range."),
    ("timeout", "0s", "timeout: 0s is out of range. Allowed: more than 0s, at most 1d."),
    ("timeout", "2d", "timeout: 2d is out of range."), ("timeout", "9" * 400, "is out of range."),
    ("max_percent", 101.0, "max_percent: 101 is out of range."),
    ("max_percent", "nan", "max_percent: nan is out of range."), ("max_percent", 100.5, "Allowed: 0 to 100."),
    ("max_victims", True, "max_victims: True is out of range."),
    ("grace", "soon", "grace: 'soon' is not a duration."),
    ("wait_for", {"hold": "-1s"}, "wait_for.hold: '-1s' is not a duration."),
    ("rules", [{"min_query_age": "5m"}, {"min_query_age": "4000d"}], "rules.min_query_age: 4000d is out of range."),
    ("rules", [{"name": "x", "min_query_age": "soon"}], "Rule x: min_query_age: 'soon' is not a duration."),
    ("alternate_logins", [{"login_port": 0}], "alternate_logins.login_port: 0 is out of range."),
])
def test_what_is_out_of_range_is_named(name: str, value: object, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        ranges.require({name: value})
    assert said in f"{caught.value.message} {caught.value.hint}"
