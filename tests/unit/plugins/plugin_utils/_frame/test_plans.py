# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The approved plan comes from where nobody else could have put it; the plan of a check holds what the entry points kept."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput, PlanRefused
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.plans import gather_plan, read_plan

ACTION = {"id": "terminate|s|pid=1", "verb": "terminate", "target": {"pid": 1}, "reason": "r", "outcome": "planned", "detail": {}}
NOW = 1_800_000_000.0


def plan(**more: Any) -> dict[str, Any]:
    facts = {"incident_actions": [ACTION], "incident_limits": {"max_victims": 10}, "incident_baseline": {"blocking": "critical"}}
    return {**gather_plan({"db1": facts, "db2": {}}, run="run-1", now=NOW).as_dict(), **more}


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_plan_of_all_hosts() -> None:
    made = gather_plan({"db1": {"incident_actions": [ACTION, {**ACTION, "id": "x", "outcome": "refused"}]}, "db2": {}}, run="r", now=NOW)
    assert made.ids("db1") == [ACTION["id"]]
    assert made.ids("db2") == []


def test_an_action_without_an_id_is_named_and_makes_no_plan() -> None:
    with pytest.raises(BadInput, match=r"action: id is missing\."):
        gather_plan({"db1": {"incident_actions": [{"verb": "terminate", "outcome": "planned"}]}}, run="r", now=NOW)


def test_two_looks_at_the_same_world_have_one_hash() -> None:
    facts = {"incident_actions": [{**ACTION, "reason": "older now"}], "incident_limits": {"max_victims": 10}}
    later = gather_plan({"db1": facts}, run="r", now=NOW + 60)
    assert later.hash == plan()["hash"]


def test_of_two_targets_on_a_host_each_action_has_its_own_limit() -> None:
    first = {**ACTION, "limits": {"max_victims": 10}, "of": "postgres a"}
    second = {**ACTION, "id": "terminate|t|pid=1", "limits": {"max_victims": 3}, "of": "postgres b"}
    refused = {**ACTION, "id": "terminate|u|pid=1", "outcome": "refused", "limits": {"max_victims": 99}, "of": "postgres c"}
    facts = {"incident_actions": [first, second, refused], "incident_limits": {"max_victims": 3}}
    made = gather_plan({"db1": facts}, run="r", now=NOW)
    groups = [{"limit": 10, "of": "postgres a", "actions": [first["id"]]}, {"limit": 3, "of": "postgres b", "actions": [second["id"]]}]
    assert made.limits == {"db1": {"max_victims": groups}}
    assert read_plan(made.as_dict(), now=NOW, run="r").hash == made.hash
    swapped = [{**first, "limits": second["limits"]}, {**second, "limits": first["limits"]}]
    assert gather_plan({"db1": {**facts, "incident_actions": swapped}}, run="r", now=NOW).hash != made.hash


def test_one_target_has_the_hash_that_it_had() -> None:
    known = {**ACTION, "limits": {"max_victims": 10}, "of": "postgres a"}
    made = gather_plan({"db1": {"incident_actions": [known], "incident_limits": {"max_victims": 10}}}, run="r", now=NOW)
    assert made.hash == plan()["hash"]


def test_an_empty_plan_allows_nothing() -> None:
    empty = gather_plan({"db1": {"incident_actions": []}}, run="r", now=NOW)
    assert empty.empty
    assert read_plan(empty.as_dict(), now=NOW, run=None).ids("db1") == []


@pytest.mark.parametrize("form", ["file", "dict", "text"])
def test_every_form_is_read(form: str, tmp_path: Path) -> None:
    body = plan()
    given: Any = {"file": str(written(tmp_path / "plan.json", json.dumps(body))), "dict": body, "text": "  " + json.dumps(body)}[form]
    assert read_plan(given, now=NOW + 599, run="run-1").ids("db1") == [ACTION["id"]]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_open_to_others_is_refused(mode: int, tmp_path: Path) -> None:
    path = written(tmp_path / "plan.json", json.dumps(plan()), mode)
    with pytest.raises(PlanRefused, match="open to others") as raised:
        read_plan(str(path), now=NOW, run=None)
    assert raised.value.facts["reason"] == "not_private"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "plan.json", json.dumps(plan()))
    os.chown(path, 65534, -1)
    with pytest.raises(PlanRefused, match="owner 65534"):
        read_plan(str(path), now=NOW, run=None)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(written(tmp_path / "plan.json", json.dumps(plan())))
    with pytest.raises(BadInput, match="cannot be read"):
        read_plan(str(tmp_path / "link"), now=NOW, run=None)


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(PlanRefused, match="not a regular file"):
        read_plan(str(tmp_path / "pipe"), now=NOW, run=None)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_plan(str(tmp_path / "none"), now=NOW, run=None)


def test_an_empty_variable_is_no_missing_one() -> None:
    with pytest.raises(BadInput, match="is empty"):
        read_plan("", now=NOW, run=None)


@pytest.mark.parametrize(("change", "reason"), [
    ({"expires": NOW + 9_000, "hash": "0" * 64}, "tampered"), ({"actions": {"db1": [{**ACTION, "id": "other"}]}}, "tampered"),
    ({"limits": {"db1": {"max_victims": 99}}}, "tampered"), ({"contract": "x"}, "not_a_plan"), ({"actions": 3}, "damaged"),
])
def test_a_changed_plan_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(PlanRefused) as raised:
        read_plan(plan(**change), now=NOW, run=None)
    assert raised.value.facts["reason"] == reason


def test_an_expired_plan_and_another_runs_are_refused() -> None:
    with pytest.raises(PlanRefused, match="expired"):
        read_plan(plan(), now=NOW + 601, run="run-1")
    with pytest.raises(PlanRefused, match="belongs to run run-1"):
        read_plan(plan(), now=NOW, run="run-2")
    with pytest.raises(PlanRefused, match="not JSON"):
        read_plan("{", now=NOW, run=None)
