# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request that nobody answered is a failure."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action, Approved
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.conclusion import left_open, sum_up, unanswered

REQUEST = {"verb": "restart_service", "reason": "No slot is free.", "hint": "Set service_name."}


def action(verb: str, outcome: str) -> Action:
    return Action(verb, "host:a", {}, {}, "because", outcome=outcome)


@pytest.mark.parametrize("outcome", ["planned", "done", "gone", "not_needed"])
def test_answered(outcome: str) -> None:
    assert unanswered([REQUEST], [("app1", action("restart_service", outcome))], host="db1") == []


@pytest.mark.parametrize("actions", [
    [], [action("restart_service", "refused")], [action("restart_service", "failed")], [action("terminate", "gone")],
])
def test_unanswered(actions: list[Action]) -> None:
    left = unanswered([REQUEST], [("app1", one) for one in actions], host="db1")
    assert left == [{"phase": "mitigate", "message": "No slot is free.", "hint": "Set service_name."}]


def restart(service: str) -> Action:
    return Action("restart_service", "host:a", {"service": service}, {"service": service}, "because", outcome="not_needed")


@pytest.mark.parametrize(("request_of", "by", "service", "answers"), [
    ({"hosts": ["app1", "app2"]}, "app2", "shop", True),
    ({"hosts": ["app1"]}, "web1", "shop", False),  # another group
    ({"hosts": ["app1"]}, "app1", "billing", False),  # another service of the same host
    ({"hosts": []}, "app1", "shop", True),  # nobody knows who was asked
    ({"hosts": []}, "app1", "billing", False),
    ({"rung": {"of": "pg", "name": "restart"}}, "db1", "postgresql", True),
    ({"rung": {"of": "pg", "name": "restart"}}, "db2", "postgresql", False),  # another server was restarted
])
def test_only_who_was_asked_answers(request_of: dict[str, Any], by: str, service: str, answers: bool) -> None:
    configured = {"app1": "shop", "app2": "shop", "web1": "shop", "db1": "shop"}
    assert (unanswered([{**REQUEST, **request_of}], [(by, restart(service))], host="db1", services=configured) == []) is answers


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


@pytest.mark.parametrize(("failures", "said"), [
    ([], ("refused", {"why": "cannot_look", "error": "No slot is free."})),
    ([{"phase": "verify", "message": "Not back."}], ("refused", {"why": "cannot_look", "error": "No slot is free."})),
    ([{"phase": "mitigate", "message": "The disk is full."}], ("failed", {"why": "not_tried", "error": "The disk is full."})),
])
def test_what_nobody_could_look_at_has_not_moved_on(failures: list[dict[str, str]], said: tuple[str, dict[str, str]]) -> None:
    """The server is full, so another host was asked to help: nobody has seen that the action is not needed."""
    (found,) = left_open([Approved.read(action("kill_client", "planned").as_dict())], [], failures, requests=[REQUEST])
    assert (found.outcome, found.detail, found.was_touched) == (*said, False)
