# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pg_health as verify uses it: wait until checks are ok and stay so, on servers that heal, relapse and break meanwhile."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.health import Eye, Look, Request

from demo import faults
from demo.postgres import Server
from tests.integration.pg.health_support import look, make_role, only
from tests.support.until import BUSY

from .conftest import Hold

#: Every session idle in a transaction counts at once.
STRICT = {"idle_in_transaction_warning": "0s", "idle_in_transaction_critical": "1ms"}


@pytest.fixture
def after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], object]], None]:
    """Do something between two looks of the module: after the look of that number."""
    steps: dict[int, Callable[[], object]] = {}
    numbers = itertools.count(1)
    look_once = Eye.look

    def look_and_step(eye: Eye, request: Request) -> Look:
        seen = look_once(eye, request)
        steps.pop(next(numbers), lambda: None)()
        return seen

    monkeypatch.setattr(Eye, "look", look_and_step)
    return steps.__setitem__


def wait(*checks: str, hold: str = "1s", timeout: str = f"{BUSY:g}s") -> dict[str, Any]:
    return {"checks": list(checks), "hold": hold, "timeout": timeout, "interval": "200ms"}


def test_healed_meanwhile(server18: Server, after: Any) -> None:
    with faults.idle_in_transaction(server18, row=21) as held:
        after(6, held.close)
        found = look(server18, wait_for=wait("idle_in_transaction", "probe"), probe_query="SELECT 1", **STRICT)
    assert found["held"] is True and 1.8 < found["waited"] < BUSY
    assert [entry["checks"]["idle_in_transaction"] for entry in found["history"]] == ["critical", "ok"]
    assert found["polls"] >= 6
    # The last look is at everything.
    assert found["checks"]["idle_in_transaction"] == "ok" and "replication_slots" in found["checks"]


def test_already_well_holds_for_the_time_asked(server18: Server) -> None:
    started = time.monotonic()
    found = look(server18, checks=["idle_in_transaction"], wait_for=wait("idle_in_transaction", hold="1s"))
    assert found["held"] is True and time.monotonic() - started >= 1.0
    assert len(found["history"]) == 1


def test_a_hold_broken_in_the_middle_starts_again(server18: Server, after: Any) -> None:
    relapse: list[faults.Held] = []
    after(4, lambda: relapse.append(faults.idle_in_transaction(server18, row=22)))
    after(8, lambda: faults.close_all(relapse))
    found = look(server18, checks=["idle_in_transaction"], wait_for=wait("idle_in_transaction", hold="1500ms"), **STRICT)
    statuses = [entry["checks"]["idle_in_transaction"] for entry in found["history"]]
    assert statuses[0] == "ok" and statuses[-1] == "ok" and "critical" in statuses
    assert found["held"] is True and found["waited"] > 3.0


def test_never_healed_ends_in_time_and_fails_when_told(server18: Server) -> None:
    with faults.idle_in_transaction(server18, row=23) as held:
        started = time.monotonic()
        found = look(server18, checks=["idle_in_transaction"], wait_for=wait("idle_in_transaction", timeout="1500ms"), **STRICT)
        assert time.monotonic() - started < BUSY
        failed = look(
            server18, checks=["idle_in_transaction"], wait_for=wait("idle_in_transaction", timeout="1s"), fail_on="critical", **STRICT
        )
        assert held.alive()
    assert not found.get("failed") and found["held"] is False
    assert only(found, "idle_in_transaction")["detail"]["sessions"][0]["pid"] == held.pid
    assert failed["failed"] and failed["error"] == "not_recovered" and "idle_in_transaction critical" in failed["msg"]
    assert failed["held"] is False and failed["findings"]


def test_who_sleeps_at_the_root_for_too_long_is_named_and_not_waited_on(server18: Server, hold: Hold) -> None:
    """Whoever was freed may be the next one: another run can end it, and waiting does not help."""
    chain = hold(faults.lock_chain(server18, depth=1, first_row=71, application="w-next"))
    named = f"pid {chain[0].pid} app@postgres (w-next), idle in transaction for "
    waiting = {"checks": ["blocking"], "blocking_warning": "0s"}
    young = look(server18, **waiting, wait_for=wait("blocking", timeout="1s"), give_up_idle_root="1h")
    assert (young["held"], young["polls"] > 1) == (False, True) and named in young["not_recovered"]
    found = look(server18, **waiting, wait_for=wait("blocking"), give_up_idle_root="0s")
    assert found["held"] is False and found["waited"] < BUSY / 2
    assert named in found["not_recovered"] and "Run again" in found["not_recovered"]


def test_what_cannot_be_judged_does_not_count_as_well(server16: Server) -> None:
    found = look(server16, checks=["statements"], wait_for=wait("statements", hold="0s", timeout="600ms"))
    assert found["held"] is False and found["healthy"] is None and found["not_recovered"]


def test_other_findings_decide_where_they_are_worse_than_at_the_start(server18: Server) -> None:
    baseline = look(server18)["checks"]
    with faults.idle_in_transaction(server18, row=24):
        found = look(server18, wait_for=wait("blocking", hold="0s"), baseline=baseline, fail_on="critical", **STRICT)
        alone = look(server18, wait_for=wait("blocking", hold="0s"), fail_on="critical", **STRICT)
    assert not alone.get("failed") and (alone["held"], alone["healthy"], alone["status"]) == (True, True, "critical")
    assert found["failed"] and found["error"] == "not_recovered" and found["held"] is True
    assert found["msg"].startswith("PostgreSQL: Worse than at the start: idle_in_transaction critical.")
    # `statements` depends on what the other tests of this server did, and how busy the machine is.
    remaining = {check: status for check, status in found["remaining"].items() if check != "statements"}
    assert found["new"] == {"idle_in_transaction": "critical"} and remaining == {"timeouts": "warning"}


def test_the_probe_decides(server18: Server, after: Any) -> None:
    server18.execute("DROP TABLE IF EXISTS comes_back")
    after(3, lambda: server18.execute("CREATE TABLE comes_back AS SELECT 1 AS n; GRANT SELECT ON comes_back TO PUBLIC"))
    found = look(
        server18,
        checks=["probe"],
        probe_query="SELECT n FROM public.comes_back",
        probe_expect="1",
        probe_login_user=make_role(server18, "prober"),
        wait_for=wait("probe", hold="400ms"),
    )
    server18.execute("DROP TABLE comes_back")
    assert found["held"] is True and [entry["checks"]["probe"] for entry in found["history"]] == ["critical", "ok"]


def test_a_restart_meanwhile_is_lived_through(fresh_server: Server, after: Any) -> None:
    after(3, fresh_server.restart)
    found = look(
        fresh_server, checks=["availability", "connections"], wait_for=wait("availability", "connections", hold="3s")
    )
    statuses = [entry["checks"] for entry in found["history"]]
    assert {"availability": "critical", "connections": "unknown"} in statuses
    assert found["held"] is True and statuses[-1] == {"availability": "ok", "connections": "ok"}


def test_no_slot_at_first(fresh_server: Server, after: Any) -> None:
    fillers = faults.fill_connections(fresh_server, reserved=True)
    after(1, lambda: faults.close_all(fillers))
    found = look(fresh_server, checks=["connections"], wait_for=wait("connections", hold="500ms"))
    assert found["held"] is True and found["reachable"] is True
    assert found["history"][0]["checks"] == {"connections": "unknown"}


def test_unreachable_to_the_end(fresh_server: Server) -> None:
    fresh_server.stop()
    found = look(fresh_server, wait_for=wait("connections", timeout="1s"))
    assert found["held"] is False and found["reachable"] is False
    assert found["checks"]["availability"] == "critical" and found["polls"] >= 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"wait_for": {"checks": []}},
        {"wait_for": {"checks": ["blocking"], "hold": "2m", "timeout": "1m"}},
        {"wait_for": {"checks": ["probe"]}},
        {"wait_for": {"checks": ["blocking"], "interval": "often"}},
    ],
)
def test_waiting_for_nonsense(server18: Server, wrong: dict[str, Any]) -> None:
    found = look(server18, **wrong)
    assert found["failed"] and found["error"] == "bad_input"
