# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folding a record into a summary, and lifting contracts out of results."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import summary
from ansible_collections.oncall.incident.plugins.plugin_utils._record.lift import lift


def _fold(*events: dict[str, Any]) -> summary.Summary:
    fold = summary.Fold()
    for seq, event in enumerate(events, start=1):
        fold.add({"seq": seq, "ts": f"2026-11-21T12:00:{seq:02d}.000Z", "run": "r", "segment": 1, "prev": "0", **event})
    return fold.summary()


def _finding(status: str, phase: str, **more: Any) -> dict[str, Any]:
    finding = {"check": "connections", "subject": "", "status": status, **more}
    return {"type": "finding", "host": "db1", "phase": phase, "finding": finding}


def _action(outcome: str, identity: str = "a1", host: str = "db1", **more: Any) -> dict[str, Any]:
    action = {"id": identity, "verb": "terminate", "outcome": outcome}
    return {"type": "action", "host": host, "phase": "mitigate", "action": action, **more}


def _intent(task_id: str, host: str = "db1", **more: Any) -> dict[str, Any]:
    return {"type": "intent", "host": host, "task": f"task {task_id}", "task_id": task_id, "phase": "mitigate", "action": "x", **more}


def _result(task_id: str, status: str = "ok", host: str = "db1", **more: Any) -> dict[str, Any]:
    return {"type": "result", "host": host, "task": f"task {task_id}", "task_id": task_id, "phase": "mitigate", "status": status, **more}


def test_before_and_after() -> None:
    looks = [("critical", "investigate", 97), ("critical", "mitigate", 96), ("ok", "verify", 12)]
    found = _fold(*[_finding(status, phase, observed=observed) for status, phase, observed in looks])
    key = "db1|connections|"
    assert found.before[key].what.observed == 97 and found.after[key].what.observed == 12
    assert [seen.what.status for seen in found.findings] == ["ok"]
    assert [entry["type"] for entry in found.timeline] == ["finding", "finding"]  # what is ok is no news


def _verdict(task_id: str, phase: str, target: str, status: str = "ok") -> list[dict[str, Any]]:
    """What a look leaves, of a task at a target."""
    who = {"task_id": task_id, "task": "Judge", "target": target}
    said = {"asked": ["connections"], "healthy": status == "ok", "status": status, "checks": {"connections": status}}
    return [{**_finding(status, phase), **who}, {"type": "verdict", "host": "db1", "phase": phase, **who, "verdict": said}]


def test_one_task_at_two_targets_is_two_looks() -> None:
    """A handler is one task, however often and by whom it is notified."""
    found = _fold(*_verdict("1", "verify", "a", "critical"), *_verdict("1", "verify", "b"))
    assert [one["target"] for one in found.unmet] == ["a"]
    assert [(seen.target, seen.what.status) for seen in found.findings] == [("a", "critical"), ("b", "ok")]
    again = _fold(*_verdict("1", "verify", "a", "critical"), *_verdict("1", "verify", "a"))
    assert again.unmet == [] and [seen.what.status for seen in again.findings] == ["ok"]


def test_a_target_that_is_verified_twice_stands_for_no_other() -> None:
    before = [*_verdict("1", "investigate", "a"), *_verdict("2", "investigate", "b", "critical")]
    found = _fold(*before, *_verdict("3", "verify", "a"), *_verdict("4", "verify", "a"))
    assert found.left_out == [{"host": "db1", "check": "connections", "before": 2, "after": 1}]
    assert [(seen.target, seen.what.status) for seen in found.findings] == [("b", "critical"), ("a", "ok"), ("a", "ok")]
    assert _fold(*before, *_verdict("3", "verify", "a"), *_verdict("4", "verify", "b")).left_out == []
    # Looked at twice before, it is still one target; and the way there may be another one later.
    assert _fold(*_verdict("1", "investigate", "a"), *_verdict("2", "investigate", "a"), *_verdict("3", "verify", "a")).left_out == []
    assert _fold(*before, *_verdict("3", "verify", "c"), *_verdict("4", "verify", "d")).left_out == []
    # Of looks without a target each counts, as in older records.
    assert _fold(*_verdict("1", "investigate", ""), *_verdict("2", "investigate", ""), *_verdict("3", "verify", "")).left_out != []


@pytest.mark.parametrize(("verified", "keys"), [
    ((("a", "ok"), ("b", "ok")), {"": "ok", "|#2": "ok"}),
    # In another order, and with one that investigate did not see.
    ((("b", "warning"), ("a", "ok")), {"": "ok", "|#2": "warning"}), ((("b", "ok"), ("c", "warning")), {"|#2": "ok", "|#3": "warning"}),
    ((("b", "ok"), ("b", "warning")), {"|#2": "ok", "|#3": "warning"}),
    # By another way: their order counts.
    ((("c", "ok"), ("d", "warning")), {"": "ok", "|#2": "warning"}), ((("", "ok"), ("", "warning")), {"": "ok", "|#2": "warning"}),
])
def test_a_target_has_one_number_before_and_after(verified: tuple[tuple[str, str], ...], keys: dict[str, str]) -> None:
    after = [event for number, (target, status) in enumerate(verified) for event in _verdict(f"v{number}", "verify", target, status)]
    found = _fold(*_verdict("1", "investigate", "a", "critical"), *_verdict("2", "investigate", "b"), *after)
    assert {key.removeprefix("db1|connections|"): seen.what.status for key, seen in found.before.items()} == {"": "critical", "|#2": "ok"}
    assert {key.removeprefix("db1|connections|"): seen.what.status for key, seen in found.after.items()} == keys


def test_lifting_names_what_a_health_module_was_told_to_look_at() -> None:
    said = {"contract": "oncall.incident/verdict/1", "asked": ["x"], "findings": [{"check": "x"}], "skipped_checks": [{"check": "y"}]}

    def target(args: Any) -> set[Any]:
        events, rest = lift({**said, "invocation": {"module_args": args}})
        assert [kind for kind, _payload in events] == ["finding", "skipped_check", "verdict"] and "invocation" not in rest
        return {payload.get("target") for _kind, payload in events}

    login = {"login_host": "192.0.2.7", "login_port": 5432, "login_unix_socket": "", "login_user": "app", "asked": ["x"]}
    assert target(login) == {"login_host=192.0.2.7 login_port=5432"} == target({**login, "asked": [], "wait_for": {}})
    probes = {"probes": [{"url": "http://192.0.2.7/?key=staple", "headers": {"X": "staple"}}, {"name": "shop", "url": "http://192.0.2.8/"}]}
    assert target(probes) == {"probes=http://192.0.2.7/?..., shop"}
    assert target({"probes": [{"url": "x" * 400}]}) == target({"asked": ["x"]}) == target(None) == {None}


def test_without_an_investigation_the_first_look_is_before() -> None:
    found = _fold(_finding("warning", "mitigate", observed=1), _finding("critical", "mitigate", observed=2))
    assert found.before["db1|connections|"].what.observed == 1


def test_the_last_outcome_of_an_action_counts_and_planning_again_does_not_undo_it() -> None:
    found = _fold(_action("planned", check_mode=True), _action("gone"), _action("planned", check_mode=True), _action("planned", "a2"))
    assert [(seen.what.id, seen.what.outcome) for seen in found.actions] == [("a1", "gone"), ("a2", "planned")]


def test_an_intent_without_a_result_is_unanswered_with_the_actions_it_was_to_take() -> None:
    found = _fold(
        _action("planned"), _action("planned", "other", host="db2"), _intent("1"), _result("1"), _intent("2"),
        _intent("3", host="db2", check_mode=True), _result("2", item_index=0),
    )
    assert [(entry["host"], entry["task"], [action["id"] for action in entry["actions"]]) for entry in found.unanswered] == [
        ("db1", "task 2", ["a1"]), ("db2", "task 3", [])]


def test_a_task_that_acts_and_loses_its_host_is_unanswered() -> None:
    acts: dict[str, Any] = {"args": {"approved": ["a1"]}}
    found = _fold(
        _action("planned"), _intent("1", **acts), _result("1", "unreachable"),
        _intent("2"), _result("2", "unreachable"),  # it was to look
        _intent("3", **acts, check_mode=True), _result("3", "unreachable"), _intent("4", args="censored"), _result("4", "unreachable"),
    )
    assert [(entry["task"], [action["id"] for action in entry["actions"]]) for entry in found.unanswered] == [("task 1", ["a1"])]
    assert len(found.unreachable) == 4


def test_the_same_task_in_another_execution_is_another_intent() -> None:
    assert len(_fold(_intent("1"), {**_intent("1"), "segment": 2}, {**_result("1"), "segment": 2}).unanswered) == 1


def test_failures_unreachable_and_ignored() -> None:
    found = _fold(
        _intent("1"), _result("1", "failed", result={"msg": "no"}), _result("2", "failed", ignored=True),
        _result("3", "unreachable", host="db2"),
    )
    assert [entry["msg"] for entry in found.failures] == ["no"]
    assert [entry["host"] for entry in found.unreachable] == ["db2"] and found.hosts == ["db1"]


@pytest.mark.parametrize(("errors", "output", "wanted"), [
    ("pyenv: python3.13: command not found\n\nThe command exists in ...", "", "pyenv: python3.13: command not found"),
    ("Shared connection to 192.0.2.1 closed.\r\n", "/bin/sh: python3: not found\r\n", "/bin/sh: python3: not found"),
    ("Traceback (most recent call last):\n  File ...\nImportError: no ssl\n", "", "ImportError: no ssl"),
])
def test_of_an_unreadable_answer_the_host_is_heard(errors: str, output: str, wanted: str) -> None:
    result = {"msg": "No start of json char found", "module_stderr": errors, "module_stdout": output}
    said = summary.message(_result("1", "failed", result=result))
    assert said.startswith(f"No start of json char found. The host said: {wanted}. ") and "ansible_python_interpreter" in said


def test_executions_outcome_and_the_rest() -> None:
    found = _fold(
        {"type": "segment.open", "check_mode": True, "argv": ["x"]}, {"type": "plan", "plan": {"hash": "h"}},
        {"type": "stats", "hosts": {"db1": {}}},
        {"type": "segment.close", "ended": "normal"}, {"type": "plan.approved", "by": "me"}, {"type": "record.degraded", "lost": 3},
        {"type": "record.degraded", "lost": 2}, {"type": "interrupted", "signal": "SIGINT"}, {"type": "outcome", "status": "recovered"},
        {"type": "no_hosts", "play": "p"}, {"type": "recovered", "of": 1}, {"type": "something new"},
        {"type": "segment.close", "ended": "aborted"},
    )
    (execution,) = found.executions
    assert execution["check_mode"] and execution["stats"] == {"db1": {}} and execution["ended_how"] == "aborted"
    assert found.plan == {"hash": "h"} and found.approval is not None and found.approval["type"] == "plan.approved"
    assert found.lost_events == 5 and found.interrupted is not None and found.outcome is not None
    assert found.no_hosts[0]["play"] == "p" and found.recovered[0]["of"] == 1 and found.complete
    assert found.counts["something new"] == 1
    json.dumps(found.as_dict())


def test_it_stays_bounded() -> None:
    found = _fold(*[_action("gone", f"a{number}") for number in range(summary.MOST_KEPT + 7)])
    assert len(found.actions) == summary.MOST_KEPT and found.counts["dropped"] == 14  # seven actions, seven lines of the timeline


def test_lifting_leaves_other_results_alone() -> None:
    result = {"findings": [{"check": "x"}], "actions": [1], "_ansible_no_log": False, "invocation": {}, "rc": 0}
    events, rest = lift(result)
    assert events == [] and rest == {"findings": [{"check": "x"}], "actions": [1], "rc": 0}


@pytest.mark.parametrize("findings", [None, "text", [1, "x", None]])
def test_lifting_survives_nonsense(findings: Any) -> None:
    assert lift({"contract": "oncall.incident/verdict/1", "findings": findings})[0] == []


def test_a_plan_that_is_the_result_itself() -> None:
    plan = {"contract": "oncall.incident/plan/1", "actions": {"db1": []}, "limits": {}, "baseline": {}, "hash": "h"}
    events, rest = lift(plan)
    assert events == [("plan", {"plan": plan})] and rest["actions"] == "[lifted]" and rest["hash"] == "h"


def test_a_place_is_an_event_of_its_own() -> None:
    assert lift({"contract": "oncall.incident/place/1", "msg": "PostgreSQL at x (from db1)", "changed": False}) == (
        [("place", {"place": "PostgreSQL at x (from db1)"})],
        {"contract": "oncall.incident/place/1", "msg": "PostgreSQL at x (from db1)", "changed": False},
    )


def test_a_place_is_kept_once_for_each_host() -> None:
    places = [{"type": "place", "host": host, "phase": "investigate", "place": place}
              for host, place in (("db1", "a"), ("db2", "a"), ("db1", "a"), ("db1", "b"))]
    assert [(one["host"], one["place"], one["seq"]) for one in _fold(*places).places] == [("db1", "a", 1), ("db2", "a", 2), ("db1", "b", 4)]


@pytest.mark.parametrize(("given", "kept"), [(["a", 1], ["a", "1"]), ([], None), ("a", None), (None, None)])
def test_the_problems_of_refused_input_are_kept_one_by_one(given: Any, kept: list[str] | None) -> None:
    (failure,) = _fold(_result("a", "failed", result={"msg": "m", "problems": given})).failures
    assert failure.get("problems") == kept


def test_of_temporary_changes_and_looks_none_is_dropped() -> None:
    count = summary.MOST_KEPT + 50
    ends = {"way_back": "x", "ends": "nobody"}
    made = [_action("done", f"a{number}") for number in range(count)]
    for event in made:
        event["action"] |= {"temporary": ends}
    undo = {**_action("done", "undo"), "phase": "verify"}
    undo["action"] |= {"detail": {"undoes": "a1"}}
    looks = [_finding("ok", "verify", subject=f"{number}") for number in range(count)]
    for number, event in enumerate(looks):
        event["finding"] |= {"check": "temporary_change", "detail": {"change": f"a{number}", "ref": str(number)}}
    found = _fold(*made, undo, *looks)
    assert len(found.actions) == summary.MOST_KEPT and found.counts["dropped"]
    assert (len(found.changes), len(found.looks)) == (count + 1, count)


def test_a_planned_change_beyond_what_is_kept_is_unknown_where_its_answer_is_lost() -> None:
    planned = [_action("planned", f"a{number}", check_mode=True) for number in range(summary.MOST_KEPT + 5)]
    for event in planned:
        event["action"] |= {"temporary": {"way_back": "x"}}
    (intent,) = _fold(*planned, _intent("t1", check_mode=False)).unanswered
    assert len(intent["actions"]) == summary.MOST_KEPT + 5
