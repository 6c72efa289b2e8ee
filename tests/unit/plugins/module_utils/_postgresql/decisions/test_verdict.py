# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.thresholds import Limit
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions import verdict
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.availability import availability_hint, is_sick, tried

PERCENT = Limit(80, 90)
AGES = Limit(60, 300)


def session(pid: int, age: float, **more: object) -> dict[str, object]:
    return {"pid": pid, "user": "app", "database": "shop", "age": age, "query": "SELECT 1", **more}


@pytest.mark.parametrize(
    "used, maximum, superuser, reserved, percent, status",
    [
        (0, 100, 3, 0, 0.0, "ok"),
        (50, 100, 3, 0, 51.5, "ok"),
        (79, 103, 3, 0, 79.0, "ok"),
        (80, 103, 3, 0, 80.0, "warning"),
        (90, 103, 3, 0, 90.0, "critical"),
        # 17 of 20 are 85 percent of max_connections, but nobody but a superuser gets in any more.
        (17, 20, 3, 0, 100.0, "critical"),
        # reserved_connections take theirs as well
        (15, 20, 3, 2, 100.0, "critical"),
        # superusers are in the reserved slots too
        (20, 20, 3, 0, 117.6, "critical"),
        # nothing is left to ordinary roles
        (1, 3, 3, 0, 100.0, "critical"),
    ],
)
def test_connections(used: int, maximum: int, superuser: int, reserved: int, percent: float, status: str) -> None:
    found = verdict.judge_connections(
        used=used,
        max_connections=maximum,
        superuser_reserved=superuser,
        reserved=reserved,
        by_state={"idle": used},
        limit=PERCENT,
    )
    assert (found.check, found.observed, found.status, found.unit) == ("connections", percent, status, "percent")
    assert bool(found.hint) == (status != "ok")
    assert found.detail["usable"] == max(maximum - superuser - reserved, 1)
    assert status == "ok" or "postgres_min_idle_age" in found.hint


def test_only_limits_of_roles_and_databases_that_run_out_are_findings() -> None:
    limits = [
        {"kind": "role", "name": "app", "used": 9, "allowed": 10},
        {"kind": "role", "name": "batch", "used": 1, "allowed": 10},
        {"kind": "database", "name": "closed", "used": 1, "allowed": 0},
    ]
    found = verdict.judge_connection_limits(limits=limits, limit=PERCENT)
    assert [(one.subject, one.status, one.observed) for one in found] == [
        ("role app", "critical", 90.0),
        ("database closed", "critical", 100.0),
    ]


@pytest.mark.parametrize(
    "ages, limit, status, observed, over",
    [
        ([], AGES, "ok", 0.0, 0),
        ([59.9], AGES, "ok", 59.9, 0),
        ([60.0, 3.0], AGES, "warning", 60.0, 1),
        ([61.0, 299.0, 5.0], AGES, "warning", 299.0, 2),
        ([300.0], AGES, "critical", 300.0, 1),
        ([3600.0], Limit(), "ok", 3600.0, 0),
        # nobody is not as old as 0
        ([], Limit(0, 0), "ok", 0.0, 0),
        ([0.0], Limit(0, None), "warning", 0.0, 1),
        ([3600.0], Limit(None, 60), "critical", 3600.0, 1),
    ],
)
def test_ages(ages: list[float], limit: Limit, status: str, observed: float, over: int) -> None:
    found = verdict.judge_ages("long_queries", [session(pid, age) for pid, age in enumerate(ages)], limit=limit, hint="Cancel it.")
    assert (found.status, found.observed, found.detail["over_threshold"], found.detail["count"]) == (status, observed, over, len(ages))
    assert found.hint == ("" if status == "ok" else "Cancel it.")


def test_a_protected_session_is_told_and_not_judged() -> None:
    dump = session(7, 5000.0, protected=("backup_tool",))
    found = verdict.judge_ages(
        "long_queries", [session(1, 2.0)], limit=AGES, hint="x", spared=[dump, session(8, 1.0, protected=("x",))], elsewhere=2
    )
    assert found.status == "ok" and found.observed == 2.0
    assert [(one["pid"], one["protected"]) for one in found.detail["protected"]] == [(7, ["backup_tool"])]
    assert found.detail["waiting_for_a_lock"] == 2


def test_findings_stay_small() -> None:
    many = [session(pid, 400.0, query="x" * 9000) for pid in range(300)]
    found = verdict.judge_ages("long_queries", many, limit=AGES, hint="x")
    assert len(found.detail["sessions"]) == 5 and found.detail["count"] == 300
    assert all(len(one["query"]) == 200 for one in found.detail["sessions"])


def test_who_holds_most_connections_is_named() -> None:
    busiest = {"application_name": "leaky", "user": "app", "database": "shop", "client_address": "192.0.2.7", "count": 14, "idle": 9}
    found = verdict.judge_connections(
        used=15, max_connections=20, superuser_reserved=3, reserved=2, by_state={"idle": 9}, limit=PERCENT, by_application=[busiest],
    )
    assert "most by leaky (14, 9 idle)" in found.hint


def test_who_waits_longest_for_a_lock_is_named() -> None:
    first = {"pid": 7, "mode": "AccessExclusiveLock", "locktype": "relation", "relation": "orders"}
    found = verdict.judge_ungranted(count=30, oldest=9.0, limit=Limit(5, 20), first=first)
    assert found.hint.endswith("Longest waits pid 7, for AccessExclusiveLock on orders.")
    assert verdict.judge_ungranted(count=30, oldest=9.0, limit=Limit(5, 20), first={"pid": 7}).hint.endswith("Longest waits pid 7.")


@pytest.mark.parametrize("waits, status", [([], "ok"), ([9.9], "ok"), ([10.0, 2.0], "warning"), ([60.0], "critical")])
def test_blocking(waits: list[float], status: str) -> None:
    found = verdict.judge_blocking(
        waiters=[session(pid, age) for pid, age in enumerate(waits)],
        roots=[session(99, 100.0, blocks=len(waits))],
        root_count=1,
        limit=Limit(10, 60),
    )
    assert found.status == status
    assert found.detail["waiters"] == len(waits)


def test_the_most_blocking_root_comes_first_and_a_protected_one_is_said() -> None:
    roots = [
        session(1, 5.0, blocks=1, told="pid 1 app@shop (web), idle in transaction for 5.0s"),
        session(2, 5.0, blocks=8, protected=("superuser",), told="pid 2 postgres@shop (psql), active for 2m", advice="Decide by hand."),
        {"pid": 0, "gid": "tx1", "blocks": 3, "told": "transaction tx1 of app@shop, 3m old", "advice": "Finish it."},
    ]
    found = verdict.judge_blocking(waiters=[session(3, 70.0)], roots=roots, root_count=3, limit=Limit(10, 60), queue=["A waits.", "B."])
    assert [one["pid"] for one in found.detail["worst"]] == [2, 0, 1]
    assert found.detail["worst"][1]["gid"] == "tx1"
    assert found.hint == (
        "1 session waits behind 3 at the root: pid 2 postgres@shop (psql), active for 2m, holds up 8; transaction tx1 of app@shop, 3m old, "
        "holds up 3; pid 1 app@shop (web), idle in transaction for 5.0s, holds up 1. A waits. 1 more do so in other queues. "
        "Ending a root frees its waiters. Pid 2: Decide by hand. Finish it."
    )


def test_a_deadlock_has_waiters_and_no_root() -> None:
    found = verdict.judge_blocking(waiters=[session(1, 20.0), session(2, 20.0)], roots=[], root_count=0, limit=Limit(10, 60))
    assert found.status == "warning" and "deadlock" in found.hint


@pytest.mark.parametrize("count, status", [(0, "ok"), (4, "ok"), (5, "warning"), (20, "critical")])
def test_ungranted(count: int, status: str) -> None:
    assert verdict.judge_ungranted(count=count, oldest=1.0 if count else None, limit=Limit(5, 20)).status == status


def test_prepared_transactions_name_the_oldest() -> None:
    rows = [{"gid": gid, "owner": "app", "database": "shop", "age": age} for gid, age in (("young", 5.0), ("old", 1000.0))]
    found = verdict.judge_prepared(transactions=rows, limit=Limit(300, 900))
    assert (found.status, found.observed, found.detail["count"]) == ("critical", 1000.0, 2)
    assert "'old' of app in shop" in found.hint and "16m40s" in found.hint
    assert verdict.judge_prepared(transactions=[], limit=Limit(300, 900)).status == "ok"
    replicated = verdict.judge_prepared(transactions=[{**rows[1], "subscription": "orders"}], limit=Limit(300, 900))
    assert "the subscription orders" in replicated.hint and "ROLLBACK PREPARED" not in replicated.hint


@pytest.mark.parametrize(
    "seconds, first, expected, error, status, observed",
    [
        (0.01, 1, None, "", "ok", 0.01),
        (0.01, True, "t", "", "ok", 0.01),
        (0.01, False, "t", "", "critical", "f"),
        (0.01, None, "1", "", "critical", ""),
        (0.01, 7, "7", "", "ok", 0.01),
        (2.5, 1, None, "", "warning", 2.5),
        (6.0, 1, None, "", "critical", 6.0),
        (0.01, None, None, 'relation "x" does not exist', "critical", "failed"),
    ],
)
def test_probe(seconds: float, first: object, expected: str | None, error: str, status: str, observed: object) -> None:
    found = verdict.judge_probe(
        seconds=seconds, limit=Limit(2, 5), first=first, expected=expected, error=error, error_kind="42P01" if error else ""
    )
    assert (found.status, found.observed) == (status, observed)


@pytest.mark.parametrize(
    "kind, sick",
    [
        ("slots_exhausted", True),
        ("starting_up", True),
        ("refused", True),
        ("no_socket", True),
        ("timeout", True),
        ("connection_lost", True),
        ("wrong_password", False),
        ("no_such_role", False),
        ("tls_required", False),
        ("tls_failed", False),
        ("pooled", False),
        ("no_hba_entry", False),
        ("unknown_host", False),
        ("cannot_connect", False),
        ("", False),
    ],
)
def test_which_refusals_are_findings(kind: str, sick: bool) -> None:
    assert is_sick(kind) is sick
    assert bool(availability_hint(kind)) is sick
    assert ("postgres_via: controller" in availability_hint(kind)) is (kind in ("refused", "no_socket"))


def test_availability() -> None:
    assert verdict.judge_available().status == "ok"
    found = verdict.judge_available(kind="slots_exhausted", hint=availability_hint("slots_exhausted"))
    assert (found.check, found.status, found.observed) == ("availability", "critical", "slots_exhausted")
    assert "restart the application" in found.hint


@pytest.mark.parametrize(("attempts", "said"), [
    ([], ""),
    ([{"message": "x"}], ""),
    ([{"login": "ada@db1:5432/shop", "error": "refused"}], "Tried ada@db1:5432/shop."),
    ([{"login": "a"}, {"login": "b"}, {"login": "a"}], "Tried a, b."),
])
def test_by_which_logins_it_was_tried(attempts: list[dict[str, str]], said: str) -> None:
    assert tried(attempts) == said
