# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request that nobody answered is a failure."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action, Approved
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.conclusion import left_open, sum_up, unanswered

REQUEST = {"verb": "restart_service", "reason": "No slot is free.", "hint": "Set service_name."}


def action(verb: str, outcome: str) -> Action:
    return Action(verb, "host:a", {}, {}, "because", outcome=outcome)


@pytest.mark.parametrize("outcome", ["planned", "done", "gone", "not_needed"])
def test_answered(outcome: str) -> None:
    assert unanswered([REQUEST], [action("restart_service", outcome)]) == []


@pytest.mark.parametrize("actions", [
    [], [action("restart_service", "refused")], [action("restart_service", "failed")], [action("terminate", "gone")],
])
def test_unanswered(actions: list[Action]) -> None:
    assert unanswered([REQUEST], actions) == [{"phase": "mitigate", "message": "No slot is free.", "hint": "Set service_name."}]


def test_one_message() -> None:
    assert sum_up([{"phase": "mitigate", "message": "A.", "hint": "B."}, {"message": "C."}]) == "mitigate: A. B. run: C."


def test_what_was_approved_and_nothing_asked_for_any_more_is_answered() -> None:
    answered, left = action("restart_service", "done"), action("vacuum", "planned")
    approved = [Approved.read(one.as_dict()) for one in (answered, left, left)]
    (found,) = left_open(approved, [answered], [{"phase": "verify", "message": "Not back."}])
    assert (found.id, found.outcome, found.detail["why"], found.was_touched) == (left.id, "moved_on", "no_longer_matches", False)
    (found,) = left_open(approved, [answered], [{"phase": "mitigate", "message": "The disk is full."}])
    assert (found.id, found.outcome, found.detail) == (left.id, "failed", {"why": "not_tried", "error": "The disk is full."})
    (found,) = left_open(approved, [answered], [{"phase": "mitigate", "message": "Run 7 is acting on it.", "error": "locked"}])
    assert (found.outcome, found.detail) == ("refused", {"why": "locked", "error": "Run 7 is acting on it."})
    assert left_open([], [answered], []) == []
