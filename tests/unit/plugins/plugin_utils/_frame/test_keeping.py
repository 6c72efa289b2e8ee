# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.keeping import kept, kept_actions, kept_baseline, kept_limits

ONE, TWO = {"id": "one"}, {"id": "two"}


@pytest.mark.parametrize(("actions", "results", "now"), [
    ([], [], []),
    ([ONE], [{}, {"skipped": True}], [ONE]),
    ([ONE], [{"actions": [TWO]}, {"actions": []}, {"actions": [ONE]}], [ONE, TWO, ONE]),
])
def test_actions_of_results_follow_those_so_far(actions: list[Any], results: list[Any], now: list[Any]) -> None:
    assert kept_actions(actions, results=results) == now


@pytest.mark.parametrize(("limits", "results", "now"), [
    ({}, [], {}),
    ({"max_files": 3}, [{"skipped": True}, {"limits": {"max_bytes": 5}}], {"max_files": 3, "max_bytes": 5}),
    ({"max_files": 3}, [{"limits": {"max_files": 4}}, {"limits": {"max_files": 5}}], {"max_files": 5}),
])
def test_the_later_limit_holds(limits: dict[str, Any], results: list[Any], now: dict[str, Any]) -> None:
    before = dict(limits)
    assert kept_limits(limits, results=results) == now
    assert limits == before


def test_only_what_is_there_is_kept() -> None:
    assert kept([ONE], entry={}) == [ONE] and kept([], entry=TWO) == [TWO]


@pytest.mark.parametrize(("baseline", "seen", "now"), [
    ({}, {}, {}),
    ({"memory": "ok"}, {"disk_space": "critical"}, {"memory": "ok", "disk_space": "critical"}),
    # Another target of the host: what is worse than on one of them is never hidden by the other.
    ({"memory": "critical", "writes": "ok"}, {"memory": "ok", "writes": "unknown"}, {"memory": "ok", "writes": "ok"}),
    ({"memory": "warning"}, {"memory": "something else"}, {"memory": "warning"}),
])
def test_of_two_targets_neither_hides_the_other(baseline: dict[str, str], seen: dict[str, str], now: dict[str, str]) -> None:
    before = dict(baseline)
    assert kept_baseline(baseline, seen=seen) == now and baseline == before
