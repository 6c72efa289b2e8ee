# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a record tells, also one of an earlier version and one with events that lack what the contracts demand."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action
from ansible_collections.oncall.incident.plugins.plugin_utils._record import earlier, told
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Fold

SESSION = {
    "pid": 42, "backend_start": "b", "user": "app", "database": "shop", "application_name": "checkout", "client_addr": "192.0.2.4",
    "state": "idle in transaction", "query": "UPDATE t SET a = 1", "query_age": 3.0,
}


@pytest.mark.parametrize(("target", "name"), [
    (SESSION, "pid 42 app@shop (checkout) from 192.0.2.4, idle in transaction"),
    ({"pid": 7, "user": "postgres", "database": None, "application_name": "pg_receivewal"}, "pid 7 postgres (pg_receivewal)"),
    ({"address": "192.0.2.7", "jail": "sshd"}, "address 192.0.2.7, jail sshd"),
    ({"name": "shop.example.org", "names": ["shop.example.org"], "file": ""}, "name shop.example.org"),
    ({"query": "x" * 60, "database": 0}, "database 0"), ({}, ""),
])
def test_a_target_of_an_earlier_record_has_a_name(target: dict[str, Any], name: str) -> None:
    assert earlier.name_of(target) == name
    assert told.action({"id": "x", "verb": "v", "outcome": "gone", "target": target}).name == name
    assert told.spared({"target": target, "reasons": []}).name == name


def test_the_subjects_own_words_count() -> None:
    action = Action("terminate", "pg:1", {"pid": 42}, SESSION, "because", "the session of the nightly job")
    assert told.action(action.as_dict()).name == "the session of the nightly job"


@pytest.mark.parametrize("data", [None, "x", {}, {"check": 1}, {"verb": "restart"}, {"target": "x"}])
def test_what_cannot_be_read_is_unknown_and_never_left_out(data: Any) -> None:
    finding, action, skipped, spared = told.finding(data), told.action(data), told.skipped(data), told.spared(data)
    assert finding.status == "unknown" and "missing" in finding.hint
    assert (action.outcome, action.was_touched) == ("unknown", None) and "missing" in action.reason
    assert "missing" in skipped.reason and spared.name == "unreadable"
    found = Fold()
    for kind, key in (("finding", "finding"), ("action", "action"), ("skipped_check", "skipped"), ("protected", "protected")):
        found.add({"type": kind, "host": "db1", key: data})
    told_all = found.summary()
    assert [len(part) for part in (told_all.findings, told_all.actions, told_all.skipped_checks, told_all.protected)] == [1, 1, 1, 1]
