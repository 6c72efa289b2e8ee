# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rungs of a plan on the screen and in words."""

from __future__ import annotations

import io
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action
from ansible_collections.oncall.incident.plugins.module_utils._core.plan import Rung, make_plan
from rich.console import Console

from oncall_incident.record import rungs
from oncall_incident.running.approval import show_plan

CLEAR = Action("clear_pattern", "redis:1", {"pattern": "page:*"}, {}, "The memory is full.", "page:*")
RESTART = Action("restart_cache", "redis:1", {"unit": "redis"}, {}, "Its restart was asked for.", "redis")
ACTIONS = [(host, action) for host in ("cache1", "cache2") for action in (CLEAR, RESTART)]


def plan(wait: str = "20s", **changes: Any) -> dict[str, Any]:
    """Two hosts with the same two rungs, of which one is a host of another list too."""
    stated = [Rung("redis", "repair", (CLEAR.id,)), Rung("redis", "restart", (RESTART.id,), ("memory", "writes"), wait)]
    hosts = ("cache1", "cache2")
    made = make_plan(run="r", now=1.0, actions={host: [CLEAR, RESTART] for host in hosts}, rungs=dict.fromkeys(hosts, stated))
    return {**made.as_dict(), **changes}


def test_each_rung_is_a_line_with_its_condition() -> None:
    assert rungs.lines(plan(), ACTIONS) == [
        "1. clear pattern (cache1, cache2)",
        "2. only if still failing after 20 s (memory, writes): restart cache (cache1, cache2)",
    ]
    assert rungs.lines(plan("0s"), ACTIONS)[1].startswith("2. only if still failing (memory, writes): ")


@pytest.mark.parametrize("stated", [None, "x", {"cache1": "x"}, {"cache1": [{}]}, {"cache1": 1}, {}])
def test_what_is_damaged_or_not_there_shows_nothing(stated: Any) -> None:
    assert rungs.places(plan(rungs=stated)) == {}
    assert rungs.lines(plan(rungs=stated), ACTIONS) == []
    assert rungs.places(None) == {}


def test_the_plan_on_the_screen_shows_the_rungs() -> None:
    shown = io.StringIO()
    show_plan(Console(file=shown, width=160), plan=plan(), actions=ACTIONS, protected=[])
    text = shown.getvalue()
    assert "1. clear pattern" in text and "2. restart cache" in text
    assert "2. only if still failing after 20 s (memory, writes): restart cache (cache1, cache2)" in text
    without = io.StringIO()
    show_plan(Console(file=without, width=160), plan=plan(rungs={}), actions=ACTIONS, protected=[])
    assert "rungs" not in without.getvalue() and "1. " not in without.getvalue()
