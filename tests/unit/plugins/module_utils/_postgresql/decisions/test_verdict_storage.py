# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.thresholds import NO_LIMIT, Limit
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions import verdict_storage
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.settings import parse_setting

MIB = 2**20
SECONDS, SIZE = Limit(30, 300), Limit(1024 * MIB, 10240 * MIB)


def replica(name: str = "db2", **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "standby", "state": "streaming", "sync_state": "async", "lag_seconds": 0.1, "lag_bytes": 0, **more}


@pytest.mark.parametrize(
    "row, status, unit",
    [
        (replica(), "ok", "seconds"),
        (replica(lag_seconds=None, lag_bytes=None), "unknown", "bytes"),
        (replica(lag_seconds=None, lag_bytes=8), "ok", "bytes"),
        (replica(lag_seconds=31.0, lag_bytes=8), "warning", "seconds"),
        (replica(lag_seconds=301.0, lag_bytes=8), "critical", "seconds"),
        (replica(lag_seconds=301.0, lag_bytes=0), "ok", "seconds"),
        (replica(lag_bytes=2048 * MIB), "warning", "bytes"),
        (replica(lag_seconds=31.0, lag_bytes=20480 * MIB), "critical", "bytes"),
        (replica(lag_seconds=301.0, lag_bytes=2048 * MIB), "critical", "seconds"),
        (replica(state="catchup"), "warning", "seconds"),
    ],
)
def test_lag_of_a_standby(row: dict[str, Any], status: str, unit: str) -> None:
    [found] = verdict_storage.judge_replicas(replicas=[row], expected=0, synchronous=False, seconds=SECONDS, size=SIZE)
    assert (found.check, found.subject, found.status, found.unit) == ("replication", "db2", status, unit)
    assert bool(found.hint) == (status != "ok")


@pytest.mark.parametrize(
    "replicas, expected, synchronous, critical",
    [
        ([], 0, False, []),
        ([], 1, False, ["standbys"]),
        ([replica()], 1, False, []),
        ([replica(kind="archive"), replica("sub", kind="logical")], 1, False, ["standbys"]),
        ([replica(state="catchup")], 1, False, ["standbys"]),
        ([replica()], 1, True, ["synchronous standbys"]),
        ([replica(sync_state="sync")], 1, True, []),
        ([replica(sync_state="quorum")], 2, True, ["standbys"]),
        ([], 1, True, ["synchronous standbys", "standbys"]),
    ],
)
def test_missing_standbys(replicas: list[dict[str, Any]], expected: int, synchronous: bool, critical: list[str]) -> None:
    found = verdict_storage.judge_replicas(replicas=replicas, expected=expected, synchronous=synchronous, seconds=SECONDS, size=SIZE)
    assert [one.subject for one in found if one.status == "critical"] == critical


def test_a_base_backup_is_no_standby() -> None:
    [found] = verdict_storage.judge_replicas(
        replicas=[replica(kind="backup", state="backup", lag_bytes=None)],
        expected=0,
        synchronous=False,
        seconds=SECONDS,
        size=SIZE,
    )
    assert found.status == "ok" and found.subject == "standbys"


@pytest.mark.parametrize(
    "lag, behind, receiving, paused, streaming, status",
    [
        (0.0, 0, True, False, True, "ok"),
        (40.0, 0, True, False, True, "warning"),
        (0.0, 20480 * MIB, True, False, True, "critical"),
        (0.0, 0, False, False, True, "critical"),
        (0.0, 0, False, False, False, "ok"),
        (0.0, 0, True, True, True, "warning"),
        (400.0, 0, True, True, True, "critical"),
        (None, None, True, False, True, "unknown"),
        (None, 0, True, False, True, "ok"),
    ],
)
def test_being_a_standby(lag: float | None, behind: int | None, receiving: bool, paused: bool, streaming: bool, status: str) -> None:
    found = verdict_storage.judge_standby(
        lag_seconds=lag,
        lag_bytes=behind,
        receiving=receiving,
        paused=paused,
        streaming=streaming,
        seconds=SECONDS,
        size=SIZE,
    )
    assert found.status == status and found.subject == "this standby"
    assert bool(found.hint) == (status != "ok")


@pytest.mark.parametrize(
    "slot, status",
    [
        ({"active": True, "retained_bytes": 5}, "ok"),
        ({"active": True, "retained_bytes": 2048 * MIB}, "warning"),
        ({"active": True, "retained_bytes": 20480 * MIB}, "critical"),
        ({"active": False, "retained_bytes": 5}, "warning"),
        ({"active": False, "retained_bytes": None}, "warning"),
        ({"active": False, "retained_bytes": 20480 * MIB}, "critical"),
        ({"active": True, "retained_bytes": 5, "wal_status": "unreserved"}, "critical"),
        ({"active": False, "retained_bytes": None, "wal_status": "lost"}, "critical"),
    ],
)
def test_slots(slot: dict[str, Any], status: str) -> None:
    [found] = verdict_storage.judge_slots(slots=[{"name": "s1", "type": "physical", "wal_status": "reserved", **slot}], limit=SIZE)
    assert (found.status, found.subject) == (status, "s1")
    assert ("pg_drop_replication_slot('s1')" in found.hint) == (status != "ok" and not (slot["active"] and "wal_status" not in slot))


@pytest.mark.parametrize(("unconfirmed", "said"), [
    (MIB, "confirmed all but 1.0 MiB: not the consumer but a transaction"), (2048 * MIB, "its consumer lags"), (None, "its consumer lags"),
])
def test_who_holds_a_slot_back(unconfirmed: int | None, said: str) -> None:
    row = {"name": "s1", "type": "logical", "active": True, "wal_status": "extended", "retained_bytes": 2048 * MIB}
    [found] = verdict_storage.judge_slots(slots=[{**row, "unconfirmed_bytes": unconfirmed}], limit=SIZE)
    assert found.status == "warning" and said in found.hint


def test_no_slots_is_ok() -> None:
    assert [one.status for one in verdict_storage.judge_slots(slots=[], limit=SIZE)] == ["ok"]


@pytest.mark.parametrize(
    "xid, multi, status, observed",
    [
        (100, 5, "ok", 100),
        (1_000_000_000, 5, "warning", 1_000_000_000),
        (5, 1_700_000_000, "critical", 1_700_000_000),
    ],
)
def test_wraparound(xid: int, multi: int, status: str, observed: int) -> None:
    databases = [{"name": "young", "xid_age": 1, "multixact_age": 1}, {"name": "old", "xid_age": xid, "multixact_age": multi}]
    holders = [{"kind": "slot", "name": "s1", "xmin_age": 3}, {"kind": "session", "name": "pid 7 (app)", "xmin_age": 90}]
    found = verdict_storage.judge_wraparound(databases=databases, holders=holders, limit=Limit(1.0e9, 1.6e9))
    assert (found.status, found.observed, found.subject) == (status, observed, "old")
    assert found.detail["held_back_by"][0]["kind"] == "session"
    assert ("session pid 7 (app)" in found.hint) == (status != "ok")


@pytest.mark.parametrize(
    "tables, status, subject",
    [
        ([], "ok", ""),
        ([{"name": "a", "dead_rows": 60_000, "live_rows": 1, "due": 20_000, "enabled": True}], "ok", "a"),
        ([{"name": "a", "dead_rows": 100_000, "live_rows": 1, "due": 20_000, "enabled": True}], "warning", "a"),
        # many times due, but tiny
        ([{"name": "tiny", "dead_rows": 500, "live_rows": 1, "due": 50, "enabled": True}], "ok", ""),
        ([{"name": "off", "dead_rows": 200_000, "live_rows": 1, "due": 50, "enabled": False}], "warning", "off"),
    ],
)
def test_vacuum(tables: list[dict[str, Any]], status: str, subject: str) -> None:
    found = verdict_storage.judge_vacuum(tables=tables, running=[{}], min_dead=10_000, limit=Limit(5, None))
    assert (found.status, found.subject, found.detail["running"]) == (status, subject, 1)
    assert ("switched off" in found.hint) == (subject == "off")


@pytest.mark.parametrize(
    "archiver, statuses",
    [
        (None, ["ok"]),
        ({"last_failed_ago": None, "last_archived_ago": None}, ["ok", "ok"]),
        ({"last_failed_ago": 500.0, "last_archived_ago": 3.0}, ["ok", "ok"]),
        ({"last_failed_ago": 3.0, "last_archived_ago": 500.0}, ["ok", "warning"]),
        ({"last_failed_ago": 3.0, "last_archived_ago": None}, ["ok", "warning"]),
    ],
)
def test_backups(archiver: dict[str, Any] | None, statuses: list[str]) -> None:
    found = verdict_storage.judge_backups(running=[{"kind": "base backup", "pid": 5}], archiver=archiver)
    assert [one.status for one in found] == statuses
    assert found[0].observed == 1


@pytest.mark.parametrize(("ago", "has_way", "observed"), [
    (None, True, "not tried yet"), (5.0, True, "working"), (None, False, "not set up"), (5.0, False, "not set up"),
])
def test_what_archiving_does(ago: float | None, has_way: bool, observed: str) -> None:
    archiver = {"last_failed_ago": None, "last_archived_ago": ago}
    _running, found = verdict_storage.judge_backups(running=[], archiver=archiver, has_way=has_way)
    assert (found.observed, found.status, bool(found.hint)) == (observed, "ok" if has_way else "warning", not has_way)


def test_sizes() -> None:
    rows = [{"name": "a", "bytes": 10}, {"name": "hidden", "bytes": None}, {"name": "b", "bytes": 30}]
    found = verdict_storage.judge_sizes(databases=rows, limit=Limit(20, None))
    assert (found.status, found.subject, found.observed, found.detail["total"]) == ("warning", "b", 30, 40)
    assert verdict_storage.judge_sizes(databases=rows, limit=NO_LIMIT).status == "ok"
    assert verdict_storage.judge_sizes(databases=[rows[1]], limit=NO_LIMIT).status == "unknown"


def test_a_statement_called_once_says_nothing() -> None:
    top = [
        {"calls": 1, "mean_seconds": 90.0, "query": "nightly"},
        {"calls": 50, "mean_seconds": 1.5, "query": "SELECT slow"},
        {"calls": 5000, "mean_seconds": 0.01, "query": "SELECT fast"},
    ]
    found = verdict_storage.judge_statements(top=top, min_calls=5, limit=Limit(1, None))
    assert (found.status, found.observed, found.detail["slowest"]["query"]) == ("warning", 1.5, "SELECT slow")
    assert verdict_storage.judge_statements(top=top[2:], min_calls=5, limit=Limit(1, None)).status == "ok"
    assert verdict_storage.judge_statements(top=[], min_calls=5, limit=Limit(1, None)).status == "ok"


@pytest.mark.parametrize(
    "seconds, overrides, expected, status, fix",
    [
        (30.0, [], True, "ok", False),
        (0.0, [], True, "warning", False),
        (0.0, [], False, "ok", True),
        (0.0, [{"role": "app", "database": None, "seconds": 60.0}], True, "ok", False),
        (0.0, [{"role": "app", "database": None, "seconds": 0.0}], True, "warning", False),
    ],
)
def test_timeouts(seconds: float, overrides: list[dict[str, Any]], expected: bool, status: str, fix: bool) -> None:
    [found] = verdict_storage.judge_timeouts(
        settings={"statement_timeout": seconds, "transaction_timeout": None},
        expected=["statement_timeout"] if expected else [],
        overrides={"statement_timeout": overrides},
    )
    assert (found.subject, found.status, found.observed) == ("statement_timeout", status, seconds)
    assert bool(found.hint) == (status != "ok")
    assert ("durable_fix" in found.detail) is fix


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("0", 0.0),
        ("500", 0.5),
        ("60s", 60.0),
        ("5min", 300.0),
        ("1.5h", 5400.0),
        ("250ms", 0.25),
        ("100us", 0.0001),
        ("1d", 86400.0),
        ("'30s'", 30.0),
        (" 2 min ", 120.0),
        ("on", None),
        ("", None),
        (None, None),
        ("5 minutes", None),
        ("-1", None),
    ],
)
def test_settings(text: str | None, seconds: float | None) -> None:
    assert parse_setting(text) == seconds
