# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pg_health and servers that are hard to reach: what is a finding about the server, and what says that we ask wrongly."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from demo import faults
from demo.postgres import Server, ServerError
from tests.integration.pg.health_support import ALL_CHECKS, look, make_role, only
from tests.support.run_module import run_module
from tests.support.terminating import free_a_slot_while_it_waits
from tests.support.until import BUSY


def test_ordinary_slots_taken_and_a_reserved_login_gets_in(fresh_server: Server) -> None:
    role = make_role(fresh_server, "monitor", grants="pg_monitor")
    fillers = faults.fill_connections(fresh_server)
    try:
        found = look(fresh_server, login_user=role, alternate_logins=[{"login_user": "postgres"}], connect_retry="0s")
    finally:
        faults.close_all(fillers)
    availability = only(found, "availability")
    assert (availability["status"], availability["observed"]) == ("critical", "slots_exhausted")
    assert availability["detail"]["login"].startswith("postgres@")
    assert [attempt["error"] for attempt in availability["detail"]["attempts"]] == ["slots_exhausted"]
    connections = only(found, "connections")
    assert connections["status"] == "critical" and connections["observed"] == 100.0
    assert (found["connections"]["used"], found["connections"]["usable"]) == (len(fillers), 22)
    assert found["connections"]["by_application"][0]["application_name"] == "leaky-pool"
    assert found["connections"]["by_state"] == {"idle": len(fillers)}
    assert found["reachable"] is True


def test_every_slot_taken_is_a_finding_with_the_restart_as_the_way_out(fresh_server: Server) -> None:
    fillers = faults.fill_connections(fresh_server, reserved=True)
    try:
        started = time.monotonic()
        found = look(fresh_server, connect_retry="1s", alternate_logins=[{"login_user": "app"}])
        took = time.monotonic() - started
        failed = look(fresh_server, connect_retry="0s", fail_on="critical")
    finally:
        faults.close_all(fillers)
    assert 0.5 < took < BUSY
    assert found["reachable"] is False and found["status"] == "critical"
    availability = only(found, "availability")
    assert availability["observed"] == "slots_exhausted" and "restart the application" in availability["hint"]
    assert len(availability["detail"]["attempts"]) == 2
    assert {one["check"] for one in found["skipped_checks"]} == set(ALL_CHECKS) - {"availability"}
    assert {one["kind"] for one in found["skipped_checks"]} == {"could_not_look"} and found["healthy"] is False
    assert failed["failed"] and failed["error"] == "unhealthy" and failed["checks"]["connections"] == "unknown"


def test_a_slot_that_comes_free_is_enough(fresh_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    fillers = faults.fill_connections(fresh_server, reserved=True)
    pauses = free_a_slot_while_it_waits(fillers, monkeypatch)
    try:
        found = look(fresh_server, connect_retry=f"{BUSY:g}s", checks=["availability", "connections"])
    finally:
        faults.close_all(fillers)
    assert pauses, "the first try found no slot"
    assert found["reachable"] is True and found["checks"]["connections"] == "critical"


def test_limits_of_a_role(server18: Server) -> None:
    role = make_role(server18, "few", options="CONNECTION LIMIT 2")
    with faults.session(server18, user=role), faults.session(server18, user=role):
        found = look(server18, checks=["connections"])
    finding = only(found, "connections", subject="role few")
    assert (finding["status"], finding["observed"]) == ("critical", 100.0)
    assert only(look(server18, checks=["connections"]), "connections")["status"] == "ok"


def test_a_frozen_server_is_a_finding_in_bounded_time(fresh_server: Server) -> None:
    os.kill(fresh_server.pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        found = look(fresh_server, connect_timeout="2s", connect_retry="0s")
        took = time.monotonic() - started
    finally:
        os.kill(fresh_server.pid, signal.SIGCONT)
    assert took < BUSY
    assert found["reachable"] is False and only(found, "availability")["observed"] == "timeout"


def test_a_stopped_server_is_a_finding(fresh_server: Server) -> None:
    fresh_server.stop()
    found = look(fresh_server, connect_retry="0s")
    assert found["reachable"] is False and found["status"] == "critical"
    assert only(found, "availability")["observed"] in ("no_socket", "refused")


def misspell(server: Server) -> None:
    with (server.data / "postgresql.conf").open("a") as config:
        config.write("shared_bufers = 1\n")


def make_old(server: Server) -> None:
    (server.data / "PG_VERSION").write_text("9.6\n")


@pytest.mark.parametrize(("fault", "words"), [
    (misspell, 'unrecognized configuration parameter "shared_bufers"'), (make_old, "initialized by PostgreSQL version 9.6"),
])
def test_a_server_that_cannot_start_says_why(fresh_server: Server, fault: Callable[[Server], None], words: str) -> None:
    asked = {"connect_retry": "0s", "server_log": str(fresh_server.log)}
    fault(fresh_server)
    with pytest.raises(ServerError):
        fresh_server.restart()
    hint = only(look(fresh_server, **asked), "availability")["hint"]
    assert hint.startswith(f"Its log {fresh_server.log} says: ") and words in hint, hint
    assert words in run_module("log_excerpt", path=str(fresh_server.log), product="postgresql")["last_fatal"]
    waited = look(fresh_server, **asked, wait_for={"checks": ["connections"], "timeout": "0s", "hold": "0s"})
    assert words in waited["not_recovered"]


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ({"login_user": "nobody_knows"}, "no_such_role"),
        ({"login_db": "nowhere"}, "no_such_database"),
    ],
)
def test_asking_wrongly_is_a_failure(server18: Server, args: dict[str, str], error: str) -> None:
    found = look(server18, **args)
    assert found["failed"] and found["error"] == error and "findings" not in found


def test_wrong_password_and_missing_tls(tls_server: Server) -> None:
    tls_server.execute("CREATE ROLE monitor LOGIN PASSWORD 'a-good-one' IN ROLE pg_monitor")
    args = {"login_host": "127.0.0.1", "login_unix_socket": "", "login_user": "monitor", "checks": ["availability"]}
    right = look(tls_server, **args, login_password="a-good-one", ssl_mode="require")
    wrong = look(tls_server, **args, login_password="a-bad-one", ssl_mode="require")
    plain = look(tls_server, **args, login_password="a-good-one", ssl_mode="disable")
    assert right["status"] == "ok"
    assert (wrong["error"], plain["error"]) == ("wrong_password", "tls_required")
