# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.recovery import compare, reasons, say_not_recovered


@pytest.mark.parametrize(
    "before, now, judged, remaining, new",
    [
        # nothing new under the sun
        ({"a": "ok"}, {"a": "ok"}, [], {}, {}),
        # was so before: remains
        ({"a": "warning"}, {"a": "warning"}, [], {"a": "warning"}, {}),
        # better than before, not yet well
        ({"a": "critical"}, {"a": "warning"}, [], {"a": "warning"}, {}),
        # worse than before
        ({"a": "ok", "b": "warning"}, {"a": "warning", "b": "critical"}, [], {}, {"a": "warning", "b": "critical"}),
        # what can no longer be seen is worse than ok and than a warning, and not worse than critical
        ({"a": "ok", "b": "critical"}, {"a": "unknown", "b": "unknown"}, [], {"b": "unknown"}, {"a": "unknown"}),
        # judged by itself: not told as remaining; told where it got worse
        ({"a": "critical", "b": "ok"}, {"a": "critical", "b": "critical"}, ["a", "b"], {}, {"b": "critical"}),
        # not measured at the start: nobody can say that it got worse
        ({}, {"a": "critical"}, [], {"a": "critical"}, {}),
        # gone from the look: nothing to say
        ({"a": "critical"}, {}, [], {}, {}),
        # a word we do not know must not make things look better
        ({"a": "dire"}, {"a": "warning"}, [], {}, {"a": "warning"}),
    ],
)
def test_compare(before: dict[str, str], now: dict[str, str], judged: list[str], remaining: dict[str, str], new: dict[str, str]) -> None:
    compared = compare(now, baseline=before, judged=judged)
    found: tuple[Any, Any] = (dict(compared.remaining), dict(compared.new))
    assert found == (remaining, new)


@pytest.mark.parametrize(("found", "text"), [
    ([], ""), ([""], ""), (["A.", "", "B."], "A. B."),
    ([{"text": "A.", "there": False}, {"text": "B.", "there": True}, {"text": "", "there": True}], "B."),
])
def test_reasons_are_those_that_apply(found: list[Any], text: str) -> None:
    assert reasons(found) == text


@pytest.mark.parametrize(("troubled", "held", "worse", "text"), [
    ([], True, {}, ""),
    (["availability unknown", "blocking critical"], False, {}, "Not recovered within 120 s: availability unknown, blocking critical."),
    ([], False, {}, "Not recovered within 120 s: the checks did not hold."),
    ([], True, {"vacuum": "critical", "aof": "warning"}, "Worse than at the start: aof warning, vacuum critical."),
    (["blocking warning"], False, {"blocking": "warning"},
     "Not recovered within 120 s: blocking warning. Worse than at the start: blocking warning."),
])
def test_why_it_is_not_recovered(troubled: list[str], held: bool, worse: dict[str, str], text: str) -> None:
    assert say_not_recovered(troubled, held=held, waited=120.004, worse=worse) == text
