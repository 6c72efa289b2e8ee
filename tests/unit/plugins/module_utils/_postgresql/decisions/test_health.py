# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sessions blind which checks, and each verdict again from its record."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Skipped
from ansible_collections.oncall.incident.plugins.module_utils._core.thresholds import Limit
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.backends import Backend, PreparedTransaction
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.facts import (
    Collected,
    Facts,
    NotRun,
    Probed,
    Request,
    Seen,
)
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.health import CHECKS, Unreached, decide
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.thresholds import limits_from, threshold_spec

from tests.support.decided import decided_again

QUIET = Backend(pid=1, user="app", state="disabled")
DUMP = Backend(pid=2, user="app", state="disabled", application_name="pg_dump")
HIDDEN = Backend(pid=3, user="theirs", backend_type=None, readable=False)
PROVIDERS = Backend(pid=4, user="rdsadmin", backend_type=None, readable=False)
WORKER = Backend(pid=5, user=None, backend_type="autovacuum worker")
PLAIN = Backend(pid=6, user="app", state="idle")

LIMITS = limits_from({name: option["default"] for name, option in threshold_spec().items()})
ALL = Request(checks=tuple(CHECKS), asked=tuple(CHECKS), limits=LIMITS, timeouts_expected=("statement_timeout",), probe_query="SELECT 1")
WELL = Facts(
    user="monitor", database="shop", login="monitor@192.0.2.4:5432/shop", version=180000, own_pid=99,
    server={"version": "18.1", "uptime": 1000.0, "in_recovery": False, "started": "2026-06-01T00:00:00+00:00"},
    settings={"max_connections": "100", "statement_timeout": "60000", "archive_mode": "off", "primary_conninfo": "set"},
    others={
        "counted": ({"age": 1e7},),
        "wraparound": ({"name": "shop", "xid_age": 1000, "multixact_age": 1},), "sizes": ({"name": "shop", "bytes": 4096},),
        "statements": ({"calls": 9, "mean_seconds": 0.01, "total_seconds": 0.09, "query": "SELECT 1", "user": "app", "database": "shop"},),
    },
    overrides=dict.fromkeys(("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"), ()),
    collected=Collected("top", "auto"), probed=Probed({"first": 1, "row": {"x": 1}, "seconds": 0.01, "error": "", "sqlstate": ""}),
)
BUSY = Backend(pid=7, user="app", database="shop", state="active", query="SELECT 2", query_age=9000.0, transaction_age=9000.0)
IDLE = Backend(pid=8, user="app", database="shop", state="idle in transaction", state_age=9000.0, transaction_age=9000.0)
WAITS = Backend(pid=9, user="app", state="active", wait_event_type="Lock", wait_event="relation", blocked_by=(8, 0), query_age=9000.0)
COPIES = dataclasses.replace(BUSY, pid=10, query="COPY orders TO STDOUT")
STANDBY = dataclasses.replace(WELL, in_recovery=True, server={**WELL.server, "in_recovery": True}, others={
    **WELL.others, "standby": ({"lag_seconds": 0.0, "lag_bytes": 0, "receiving": False, "paused": False, "last_replayed": None},),
})


UNUSED = {"name": "public.i", "of_table": "public.t", "bytes": 2**31, "all_bytes": 2**31, "number": 1}


def but(**more: Any) -> Facts:
    others = {**WELL.others, **more.pop("others", {})}
    return dataclasses.replace(WELL, others=others, **more)


@pytest.mark.parametrize(("version", "waiters"), [(130000, [1, 3]), (140000, [3]), (180000, [3])])
def test_which_sessions_tell_nothing(version: int, waiters: list[int]) -> None:
    found = Seen(Facts(version=version, own_pid=99), [QUIET, DUMP, HIDDEN, PROVIDERS, WORKER, PLAIN], Request(checks=(), limits={}))
    assert [one.pid for one in found.connected] == [1, 2, 3, 4, 6], "a hidden session takes a connection too"
    assert [one.pid for one in found.silent] == [1, 3], "a backup's and a provider's are told anyway, and not judged"
    assert [one.pid for one in found.silent_waiters] == waiters


@pytest.mark.parametrize(("facts", "backends", "differs"), [
    (WELL, (PLAIN,), {}),
    (WELL, (BUSY,), {"long_queries": "critical", "long_transactions": "critical"}),
    (WELL, (COPIES,), {}),  # a utility statement is told and not judged
    (WELL, (IDLE,), {"idle_in_transaction": "critical", "long_transactions": "critical"}),
    (but(others={"ungranted": ({"pid": 9, "wait": 800.0, "total": 1, "locktype": "relation"},)},
         prepared=(PreparedTransaction("app-7", "7", "when", "app", "shop", 9000.0, blocks=(9,)),)), (IDLE, WAITS),
     {"idle_in_transaction": "critical", "long_transactions": "critical", "blocking": "critical", "prepared_transactions": "critical"}),
    (WELL, (HIDDEN, QUIET), dict.fromkeys(("long_queries", "long_transactions", "idle_in_transaction", "blocking", "backups"), "unknown")),
    (WELL, tuple(dataclasses.replace(PLAIN, pid=pid) for pid in range(100, 199)), {"connections": "critical"}),
    (but(attempts=({"login": "a", "error": "slots_exhausted", "message": "too many"},)), (), {"availability": "critical"}),
    (but(others={"slots": ({"name": "s", "active": False, "retained_bytes": 0, "type": "physical"},)}), (),
     {"replication_slots": "warning"}),
    (but(others={"sizes": ({"name": "x", "bytes": None}, {"name": "y", "bytes": 1})}), (), {"database_size": "unknown"}),
    (but(settings={**WELL.settings, "statement_timeout": "0"}), (), {"timeouts": "warning"}),
    (but(counting=False), (), dict.fromkeys(("vacuum", "unused_indexes", "sequential_scans"), "unknown")),
    (but(counting=False, others={"counted": ({"age": 1.0},)}), (),
     dict.fromkeys(("vacuum", "unused_indexes", "sequential_scans"), "unknown")),
    (but(others={"counted": ({"age": 86400.0},)}), (), {"unused_indexes": None}),  # counted too briefly
    (but(others={"counted": ({"age": None},)}), (), {"unused_indexes": None, "sequential_scans": None}),
    (but(others={"unused_indexes": (UNUSED,)}), (), {"unused_indexes": "warning"}),
    (but(others={"duplicate_indexes": ({**UNUSED, "same_as": "public.other"},)}), (), {"duplicate_indexes": "warning"}),
    (but(others={"invalid_indexes": ({"name": "public.i", "left_over": False, "busy": False},)}), (), {"invalid_indexes": "warning"}),
    (but(others={"sequential_scans": ({"name": "public.t", "bytes": 2**30, "scans": 9, "bytes_read": 2e15},)}), (),
     {"sequential_scans": "warning"}),
    (but(collected=Collected("none")), (), {"statements": "unknown"}),
    (but(settings={**WELL.settings, "archive_mode": "on", "archive_command": ""}, others={"archiver": ({"archived": 0, "failed": 0},)}), (),
     {"backups": "warning"}),
    (but(refused={"vacuum": Skipped("vacuum", "permission_denied: no", "Grant it.")}), (), {"vacuum": "unknown"}),
    (but(probed=Probed(not_run=NotRun("refused", "It may not.", "Make a role.", final=True))), (), {"probe": "unknown"}),
    (but(probed=Probed({"first": None, "row": None, "seconds": 0.1, "error": "gone", "sqlstate": "42P01"})), (), {"probe": "critical"}),
    (STANDBY, (), {
        **dict.fromkeys(("vacuum", "prepared_transactions", "invalid_indexes", "unused_indexes", "duplicate_indexes")),
        "replication": "critical",
    }),
])
def test_each_verdict_is_made_again(facts: Facts, backends: tuple[Backend, ...], differs: dict[str, str | None]) -> None:
    seen = decide(ALL, facts, backends)
    wanted = {name: status for name, status in {**dict.fromkeys(CHECKS, "ok"), **differs}.items() if status}
    assert seen.verdict.statuses() == wanted
    assert decided_again(seen.basis).checks == wanted


def test_a_server_that_lets_nobody_in() -> None:
    seen = decide(ALL, unreached=Unreached("refused", "Nobody listens.", ({"login": "monitor", "error": "refused"},)))
    assert not seen.reachable and seen.verdict.statuses()["availability"] == "critical"
    assert decided_again(seen.basis).checks == seen.verdict.statuses()


def test_what_is_expected_of_the_query_is_recorded_and_nothing_else_of_its_answer() -> None:
    answer = {"first": "ann@example.org", "row": {"email": "ann@example.org"}, "seconds": 0.01, "error": "", "sqlstate": ""}
    facts = but(probed=Probed({**answer, "login": "probe"}, advice="Better another."))
    assert "ann@" not in str(decide(ALL, facts).basis)
    for expected, status in (("ann@example.org", "ok"), ("bob@example.org", "critical")):
        seen = decide(dataclasses.replace(ALL, probe_expect=expected), facts)
        assert seen.verdict.statuses()["probe"] == status
        assert (decided_again(seen.basis).checks or {})["probe"] == status


@pytest.mark.parametrize("query", [
    "COPY orders TO STDOUT", "SELECT pg_backup_start('nightly ann')", "/* incident:keep */ SELECT 'ann'", "SELECT 'ann'",
    "/* incident:keep */ VACUUM orders_of_ann",
])
@pytest.mark.parametrize("state", ["active", "idle", "idle in transaction"])
def test_of_a_statement_only_what_protects_is_recorded(query: str, state: str) -> None:
    found = Seen(WELL, [dataclasses.replace(BUSY, state=state, query=query)], ALL)
    kept = Seen(WELL, found.recorded_backends(), ALL)
    assert kept.protected == found.protected and "ann" not in kept.backends[0].query and "orders" not in kept.backends[0].query


def test_many_sessions_have_room_in_a_record() -> None:
    many = tuple(dataclasses.replace(BUSY, pid=pid, query="SELECT " + "x" * 900, client_addr="192.0.2.4") for pid in range(100, 300))
    seen = decide(dataclasses.replace(ALL, limits={**LIMITS, "long_queries": Limit(1.0, None)}), WELL, many)
    assert seen.basis is not None and seen.basis.as_reading()["complete"]
    assert decided_again(seen.basis).checks == seen.verdict.statuses()


@pytest.mark.parametrize(("backends", "longest", "said"), [
    ((IDLE, WAITS), 300.0, "pid 8 app@shop, idle in transaction for 2h30m, holds up 1 session. It does not go on by itself"),
    ((IDLE, WAITS), 9001.0, ""),
    ((IDLE, WAITS), None, ""),
    ((IDLE,), 300.0, ""),  # nobody waits for it
    ((dataclasses.replace(BUSY, pid=8), WAITS), 300.0, ""),  # it works, and may end
    ((dataclasses.replace(IDLE, superuser=True), WAITS), 300.0, "Decide by hand."),
])
def test_who_sleeps_at_a_root_is_not_waited_on(backends: tuple[Backend, ...], longest: float | None, said: str) -> None:
    found = decide(dataclasses.replace(ALL, give_up_idle_root=longest), WELL, backends)
    assert said in found.in_vain and bool(found.in_vain) is bool(said)


def test_the_oldest_are_named_with_the_advice() -> None:
    found = decide(ALL, WELL, (IDLE, BUSY, *(dataclasses.replace(BUSY, pid=pid) for pid in (20, 21, 22))))
    hints = {finding.check: finding.hint for finding in found.verdict.findings}
    assert hints["idle_in_transaction"].startswith("pid 8 app@shop, idle in transaction for 2h30m. Its client forgot to commit")
    long = hints["long_queries"]
    assert long.startswith("pid 7 app@shop, active for 2h30m; pid 20 ") and "; and 1 more. Cancel it" in long
