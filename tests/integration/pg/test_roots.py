# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is at the root of a chain and is no candidate, or has no clock of its own; and idle connections that fill the server."""

from __future__ import annotations

from typing import Any

import pytest

from demo import faults
from demo.faults import Held
from demo.postgres import Server
from tests.integration.pg.health_support import look, only
from tests.support.terminating import outcomes, terminate

from .conftest import Hold


def leaked_lock(server: Server, hold: Hold, key: int, application: str = "r-leak") -> tuple[Held, Held]:
    """A session that is idle and has the lock of pg_advisory_lock, and one that waits for it."""
    root = hold(faults.session(server, application=application))
    root.execute(f"SELECT pg_advisory_lock({key})")
    waiter = hold(faults.session(server, application="r-waits"))
    waiter.send(f"SELECT pg_advisory_lock({key})")
    faults.await_sql(server, "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", (waiter.pid,))
    return root, waiter


def root_findings(result: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {one["detail"]["target"]["pid"]: one for one in result["findings"] if one["check"] in ("root_blocker", "protected_blocker")}


def test_a_leaked_lock_of_an_idle_session_is_named_while_it_is_young(server18: Server, hold: Hold) -> None:
    root, waiter = leaked_lock(server18, hold, 501)
    found = terminate(server18)
    assert found["actions"] == []
    told = root_findings(found)[root.pid]
    assert (told["detail"]["reasons"], told["detail"]["waiters"]) == (["too_young"], [waiter.pid])
    assert told["hint"].startswith(f"pid {root.pid} app@postgres (r-leak), idle for ") and "min_query_age is 5m" in told["hint"]
    [spared] = [one for one in found["protected"] if one["target"]["pid"] == root.pid]
    assert (spared["reasons"], spared["would_match"]) == (["too_young"], True)
    health = only(look(server18, blocking_warning="0s"), "blocking")
    assert f"pid {root.pid} app@postgres (r-leak), idle for " in health["hint"]


def test_the_longest_wait_behind_it_is_its_clock(server: Server, hold: Hold) -> None:
    root, waiter = leaked_lock(server, hold, 502, "r-clock")
    rules = [{"name": "roots", "victims": "root_blockers", "min_query_age": "0", "application_names": ["r-clock"]}]
    refused = terminate(server, rules=rules, strategy="cancel")
    assert outcomes(refused) == {root.pid: "refused"} and "terminate or escalate" in refused["actions"][0]["detail"]["error"]
    plan = terminate(server, check=True, rules=rules)
    done = terminate(server, rules=rules, approved=plan["actions"])
    assert outcomes(done) == {root.pid: "gone"} and done["waiters_unblocked"] == 1
    assert done["actions"][0]["identity"]["clock"] == "blocking" and waiter.alive()


def test_a_young_root_in_a_transaction_is_named(server18: Server, hold: Hold) -> None:
    chain = hold(faults.lock_chain(server18, depth=2, first_row=61, application="r-young"))
    told = root_findings(terminate(server18))[chain[0].pid]
    assert told["observed"] == 2 and "min_idle_in_transaction_age is 5m" in told["hint"]
    assert f"pid {chain[0].pid} app@postgres (r-young), idle in transaction for " in told["hint"]


def test_a_prepared_transaction_in_the_way_is_named(fresh_server: Server, hold: Hold) -> None:
    fresh_server.execute("ALTER SYSTEM SET max_prepared_transactions = 5")
    fresh_server.restart()
    gid = faults.prepared_transaction(fresh_server, row=62)
    try:
        waiter = hold(faults.session(fresh_server, application="r-behind"))
        waiter.send("UPDATE incident_orders SET note = 'mine' WHERE id = 62")
        faults.await_sql(fresh_server, "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", (waiter.pid,))
        health = only(look(fresh_server, blocking_warning="0s"), "blocking")["hint"]
        act = only(terminate(fresh_server), "prepared_transaction")["hint"]
        assert "ROLLBACK PREPARED" in health and "rollback_prepared" in act
        assert all(f"transaction {gid} of app@postgres" in hint for hint in (health, act))
    finally:
        fresh_server.execute(f"ROLLBACK PREPARED '{gid}'")


@pytest.mark.parametrize("age", [None, "0"])
def test_idle_connections_that_fill_the_server(fresh_server: Server, hold: Hold, age: str | None) -> None:
    """They are ended where that is asked for, as many as the limits allow, and the switch is named."""
    fillers = hold(faults.fill_connections(fresh_server, leave=1))
    found = terminate(fresh_server, min_idle_age=age, max_victims=3, check=True)
    hint = only(look(fresh_server), "connections")["hint"]
    assert "postgres_min_idle_age" in hint and "most by leaky-pool" in hint
    if age is None:
        assert found["actions"] == []
        return
    assert len(found["actions"]) == 3 and {action["detail"]["rule"] for action in found["actions"]} == {"idle_connections"}
    assert {action["target"]["pid"] for action in found["actions"]} <= {one.pid for one in fillers}
    left = [one for one in found["protected"] if one["reasons"] == ["limit_exceeded"]]
    assert left and all(one["would_match"] for one in left)
    done = terminate(fresh_server, min_idle_age=age, max_victims=3, approved=found["actions"])
    approved = {action["target"]["pid"] for action in found["actions"]}
    assert {pid for pid, outcome in outcomes(done).items() if outcome == "gone"} == approved
    assert {one.pid for one in fillers if not one.alive()} == approved
