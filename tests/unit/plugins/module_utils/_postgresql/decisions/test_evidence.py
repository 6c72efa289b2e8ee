# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.thresholds import Limit
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions import evidence
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.backends import Backend
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.blocking import waits_of
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.thresholds import (
    THRESHOLDS,
    limits_from,
    threshold_spec,
)


@pytest.mark.parametrize(
    "query, shown",
    [
        ("ALTER ROLE app PASSWORD 'geheim'", "ALTER ROLE app PASSWORD '***'"),
        (
            "alter user app with encrypted password E'ge''heim' valid until 'x'",
            "alter user app with encrypted password '***' valid until 'x'",
        ),
        ("CREATE ROLE a PASSWORD 'cut in the mid", "CREATE ROLE a PASSWORD '***'"),
        ("SELECT 'password'", "SELECT 'password'"),
    ],
)
def test_passwords_are_hidden(query: str, shown: str) -> None:
    assert evidence.hide_passwords(query) == shown


def waiter(pid: int, *blocked_by: int, **more: Any) -> Backend:
    return Backend(pid=pid, state="active", wait_event_type="Lock", wait_event="tuple", blocked_by=blocked_by, **more)


def test_snapshot_puts_the_guilty_first() -> None:
    backends = [
        Backend(pid=1, state="idle", state_age=9000.0),
        waiter(2, 3, transaction_age=5.0),
        Backend(pid=3, state="idle in transaction", transaction_age=9.0),
        Backend(pid=4, state="active", query_age=1.0, transaction_age=1.0),
        Backend(pid=5, backend_type="walsender", state="active"),
    ]
    found = evidence.snapshot(backends, protected={5: ("backend_type:walsender",)})
    assert [line["pid"] for line in found["sessions"]] == [3, 2, 4, 1, 5]
    assert found["sessions"][-1]["protected"] == ["backend_type:walsender"]
    assert (found["total"], found["shown"]) == (5, 5)


def test_snapshot_is_bounded_in_rows_and_bytes() -> None:
    backends = [Backend(pid=pid, user="app", state="active", query="x" * 1024, transaction_age=float(pid)) for pid in range(1000)]
    found = evidence.snapshot(backends, protected={})
    assert found["total"] == 1000 and 0 < found["shown"] <= 200
    assert len(json.dumps(found)) < 40_000
    assert len(found["sessions"][0]["query"]) == 1000 and len(found["sessions"][50]["query"]) == 160


def test_connections_are_counted_by_who_opened_them() -> None:
    backends = [Backend(pid=pid, user="app", application_name="web", state="idle", backend_age=float(pid)) for pid in range(3)] + [
        Backend(pid=9, user="job", application_name="batch", state="active")
    ]
    rows = evidence.by_application(backends)
    assert [(row["application_name"], row["count"], row["idle"], row["oldest"]) for row in rows] == [
        ("web", 3, 3, 2.0),
        ("batch", 1, 0, 0.0),
    ]
    assert evidence.by_state(backends) == {"idle": 3, "active": 1}


def test_blocking_tree_is_bounded() -> None:
    chain = [Backend(pid=1), waiter(2, 1), waiter(3, 2)]
    assert evidence.blocking_tree(chain, waits_of(chain)) == [
        {"pid": 1, "prepared": False, "blocks": 2, "waiters": [{"pid": 2, "waiters": [{"pid": 3, "waiters": []}]}]},
    ]
    crowd = [Backend(pid=1)] + [waiter(pid, 1) for pid in range(2, 500)]
    [tree] = evidence.blocking_tree(crowd, waits_of(crowd))
    assert tree["blocks"] == 498 and len(tree["waiters"]) == 100


def test_every_threshold_has_both_arguments() -> None:
    spec = threshold_spec()
    assert set(spec) == {f"{name}_{level}" for name in THRESHOLDS for level in ("warning", "critical")}


def test_thresholds_as_numbers() -> None:
    params = {name: value["default"] for name, value in threshold_spec().items()}
    limits = limits_from({**params, "replication_bytes_critical": "off", "blocking_warning": "False", "blocking_critical": "1m30s"})
    assert limits["connections"] == Limit(80.0, 90.0)
    assert limits["long_queries"] == Limit(60.0, 300.0)
    assert limits["replication_bytes"] == Limit(2**30, None)
    assert limits["blocking"] == Limit(None, 90.0)
    assert limits["vacuum"] == Limit(5.0, None)
    assert limits["database_size"] == Limit(None, None)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1024", 1024),
        ("1.5K", 1536),
        ("500M", 500 * 2**20),
        ("2 GiB", 2**31),
        ("1gb", 2**30),
        ("1T", 2**40),
        (4096, 4096),
        ("off", None),
    ],
)
def test_sizes(text: object, size: float | None) -> None:
    assert limits_from({"replication_slots_warning": text})["replication_slots"].warning == size


@pytest.mark.parametrize(
    "wrong",
    [
        {"long_queries_warning": "soon"},
        {"long_queries_warning": "10m"},
        {"connections_warning": "-1"},
        {"connections_warning": "2G"},
        {"connections_warning": "90%"},
        {"replication_slots_warning": "much"},
    ],
)
def test_wrong_thresholds(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="_warning"):
        limits_from({"long_queries_critical": "5m", "connections_critical": "90", **wrong})
