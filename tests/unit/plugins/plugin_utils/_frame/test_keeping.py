# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.keeping import (
    kept,
    kept_actions,
    kept_baseline,
    kept_limits,
    limits_of,
)

ONE, TWO = {"id": "one"}, {"id": "two"}


@pytest.mark.parametrize(("actions", "results", "now"), [
    ([], [], []),
    ([ONE], [{}, {"skipped": True}], [ONE]),
    ([ONE], [{"actions": [TWO]}, {"actions": []}, {"actions": [ONE]}], [ONE, TWO, ONE]),
])
def test_actions_of_results_follow_those_so_far(actions: list[Any], results: list[Any], now: list[Any]) -> None:
    assert [{"id": one["id"]} for one in kept_actions(actions, results=results)] == now


def test_each_action_keeps_the_limits_of_its_own_call() -> None:
    first = kept_actions([], results=[{"actions": [{**ONE, "resource": "pg:1"}], "limits": {"max_victims": 10}}], of="postgres a")
    both = kept_actions(first, results=[{"actions": [{**TWO, "resource": "pg:2"}], "limits": {"max_victims": 3}}])
    assert [(one["of"], one["limits"]) for one in both] == [("postgres a", {"max_victims": 10}), ("pg:2", {"max_victims": 3})]


def of(target: str, name: str, **limits: Any) -> dict[str, Any]:
    return {"id": name, "of": target, "limits": limits}


@pytest.mark.parametrize(("actions", "stated"), [
    ([], {"max_victims": 3, "max_files": 1}),
    ([of("a", "1", max_victims=3), of("b", "2", max_victims=3), {"id": "of an older entry point"}], {"max_victims": 3, "max_files": 1}),
    # The later target's limit is not the one of what is done on the first.
    ([of("a", "2", max_victims=10), of("a", "1", max_victims=10), of("b", "3", max_victims=3)], {
        "max_files": 1,
        "max_victims": [{"limit": 10, "of": "a", "actions": ["1", "2"]}, {"limit": 3, "of": "b", "actions": ["3"]}],
    }),
    # Two calls for one target, and a limit that only one of them has.
    ([of("a", "1", max_victims=10), of("a", "2", max_victims=3, max_percent=None), of("a", "2", max_victims=3, max_percent=None)], {
        "max_files": 1,
        "max_victims": [{"limit": 10, "of": "a", "actions": ["1"]}, {"limit": 3, "of": "a", "actions": ["2"]}],
    }),
])
def test_targets_that_differ_each_have_their_own_limit(actions: list[Any], stated: dict[str, Any]) -> None:
    assert limits_of(actions, limits={"max_victims": 3, "max_files": 1}) == stated


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
