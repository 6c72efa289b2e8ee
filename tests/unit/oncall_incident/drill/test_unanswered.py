# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the record of an interrupted run has to name, and what it must not."""

from __future__ import annotations

from typing import Any

import pytest

from oncall_incident.drill.unanswered import begun_and_unanswered, named, problems


def step(task: str, *, kind: str = "intent", **more: Any) -> dict[str, Any]:
    """An event of a step that acts."""
    return {"type": kind, "host": "db1", "task": task, "task_id": task, "phase": "mitigate", "args": {"approved": ["x"]}, **more}


def answer(task: str, status: str = "ok", **more: Any) -> dict[str, Any]:
    return step(task, kind="result", status=status, **more)


def interrupted(*tasks: str) -> dict[str, Any]:
    return {"type": "interrupted", "unknown": [{"host": "db1", "task": task} for task in tasks]}


LOOK = {"type": "intent", "host": "db1", "task": "Look", "task_id": "Look", "phase": "mitigate", "args": {}}
ACTION = {"type": "action", "host": "db1", "task": "Act_1", "action": {"outcome": "done"}}
REPORT = "- outcome unknown: db1: Act\\_2 (#9)\n"


@pytest.mark.parametrize(("events", "acting", "others"), [
    ([step("Act"), LOOK], ["Act"], ["Look"]),
    ([step("Act"), answer("Act"), LOOK, {**LOOK, "type": "result", "status": "ok"}], [], []),
    ([step("Act"), answer("Act", "failed")], [], []),
    # One item of a loop has answered, the task has not.
    ([step("Act"), answer("Act", item_index=0)], ["Act"], []),
    # Cut off in the middle, and nobody was told that it looked.
    ([step("Act"), answer("Act", "unreachable"), LOOK, {**LOOK, "type": "result", "status": "unreachable"}], ["Act"], []),
    # What only looks, or only plans, has touched nothing.
    ([step("Act", check_mode=True), step("Ask", phase="verify")], [], ["Act", "Ask"]),
])
def test_what_was_begun_and_never_answered(events: list[dict[str, Any]], acting: list[str], others: list[str]) -> None:
    found = begun_and_unanswered(events)
    assert [[task for _host, task in steps] for steps in found] == [acting, others]


def test_what_a_record_calls_unknown() -> None:
    ended = {"type": "outcome", "reasons": ["unknown outcome on db2: a : b", "db1: unreachable: gone"]}
    assert named([interrupted("Act"), ended]) == {("db1", "Act"), ("db2", "a : b")}


BEGUN = [step("Act_1"), answer("Act_1", result={"actions": "[1 lifted]"}), ACTION, step("Act_2")]
REASON = "unknown outcome on db1: Act_2"


@pytest.mark.parametrize(("events", "report", "printed", "found"), [
    ([*BEGUN, interrupted("Act_2")], REPORT, None, []),
    ([*BEGUN, {"type": "outcome", "reasons": [REASON]}], REPORT, ["It ended.", REASON], []),
    # Something unknown is named, and not what was begun.
    ([*BEGUN, interrupted("Look")], REPORT, None,
     ["not named in the record: Act_2 on db1", "called unknown, and it answered: Look on db1"]),
    ([*BEGUN, interrupted()], REPORT, None, ["not named in the record: Act_2 on db1"]),
    ([*BEGUN, interrupted("Act_1", "Act_2")], REPORT, None, ["called unknown, and it answered: Act_1 on db1"]),
    ([*BEGUN, interrupted("Act_2")], "outcome unknown: db1: Act\\_1 (#3)", None, ["not in the report: Act_2 on db1"]),
    ([*BEGUN, interrupted("Act_2")], REPORT, ["It ended."], ["not printed: Act_2 on db1"]),
    # What answered that it was done, and is not in the record.
    ([event for event in [*BEGUN, interrupted("Act_2")] if event is not ACTION], REPORT, None,
     ["lost: 1 actions of Act_1 on db1, 0 in the record"]),
    # A step that only looks may be named as well: it never answered.
    ([*BEGUN, LOOK, interrupted("Act_2", "Look")], REPORT, None, []),
])
def test_what_was_begun_is_named_exactly(
    events: list[dict[str, Any]], report: str, printed: list[str] | None, found: list[str],
) -> None:
    assert problems(events, report=report, printed=printed) == found
