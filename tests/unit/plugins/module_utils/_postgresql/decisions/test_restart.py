# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a PostgreSQL server must not be restarted: what cannot be seen counts as there, but for a server without a process."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Skipped
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.restart import (
    CHECK,
    COMMITS,
    Dependants,
    RestartSeen,
    decide,
    restart_obstacles,
    restart_request,
    unseen,
)
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.restart_cost import Cost, Open
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.identity import Judged

from tests.support.decided import decided_again

NOBODY = Dependants(backups=0, replicas=0, commits=0)
BOTH = {"despite_backup": True, "despite_replica": True}


@pytest.mark.parametrize(("seen", "given", "count"), [
    (NOBODY, {}, 0), (Dependants(1, 0, 0), {}, 1), (Dependants(0, 2, 0), {}, 1), (Dependants(0, 0, 3), {}, 1), (Dependants(), {}, 3),
    (Dependants(commits=0), {"despite_backup": True}, 1), (Dependants(commits=0), {"despite_replica": True}, 1),
    (Dependants(commits=0), BOTH, 0), (Dependants(1, 1, 0), BOTH, 0), (Dependants(1, 1, 1), BOTH, 1), (Dependants(), BOTH, 1),
])
def test_who_depends_on_it(seen: Dependants, given: dict[str, Any], count: int) -> None:
    assert len(restart_obstacles(seen, stopped=False, not_shown="", **given)) == count


@pytest.mark.parametrize(("seen", "given", "count"), [
    (Dependants(), {}, 3), (Dependants(), {"despite_backup": True}, 2), (Dependants(), {"despite_replica": True}, 2),
    (Dependants(), BOTH, 0), (Dependants(commits=1), BOTH, 1),
])
def test_a_server_that_answers_nobody(seen: Dependants, given: dict[str, Any], count: int) -> None:
    assert len(restart_obstacles(seen, stopped=False, not_shown="", silent=True, **given)) == count


def test_another_server_is_never_accepted() -> None:
    assert restart_obstacles(NOBODY, stopped=False, not_shown="it is another", **BOTH) == ["it is another"]


def test_nobody_depends_on_a_stopped_server() -> None:
    assert restart_obstacles(Dependants(), stopped=True, not_shown="") == []


def test_what_is_seen_to_be_there_is_told_apart_from_what_cannot_be_seen() -> None:
    obstacles = restart_obstacles(Dependants(backups=1, commits=0), stopped=False, not_shown="it is another")
    assert obstacles == ["it is another", "a backup runs", "whether a replica is attached cannot be seen"]
    assert unseen(obstacles) == obstacles[2:]


@pytest.mark.parametrize(("check", "via", "request_"), [
    ({"obstacles": ["a backup runs"], "stopped": False}, "host",
     {"forbidden": ["a backup runs"], "start_only": False, "reason": "The restart of the server was asked for as the last resort."}),
    ({"obstacles": ["a backup runs"], "stopped": False, "loses": "It cuts 42 connections."}, "host",
     {"forbidden": ["a backup runs"], "start_only": False,
      "reason": "The restart of the server was asked for as the last resort. It cuts 42 connections."}),
    ({"obstacles": [], "stopped": True, "loses": ""}, "host",
     {"forbidden": [], "start_only": True, "reason": "The server is stopped, and its start was asked for."}),
    ({"skipped": True}, "controller", {
        "forbidden": ["only with postgres_via=host (here: controller) can it be shown that unit pg is this server. Restart it by hand"],
        "start_only": False, "reason": "The restart of the server was asked for as the last resort."}),
])
def test_how_the_restart_is_asked_for(check: dict[str, Any], via: str, request_: dict[str, Any]) -> None:
    assert restart_request(check, via=via, service="pg") == request_


HERE, GONE = Judged(listening=True, process=812, speaks=True), Judged(listening=False, answered=False)
BLIND = (Skipped(CHECK, "Nobody answers.", "Look whether it runs."),)


@pytest.mark.parametrize(("seen", "pid", "given", "status", "said"), [
    (RestartSeen(NOBODY, HERE), 812, {}, "ok", "nothing is in the way"),
    (RestartSeen(Dependants(1, 0, 0), HERE), 812, {}, "critical", "a backup runs"),
    (RestartSeen(Dependants(1, 0, 0), HERE), 812, BOTH, "ok", "nothing is in the way"),
    (RestartSeen(Dependants(0, 0, 2), HERE), 812, BOTH, "critical", COMMITS),
    (RestartSeen(NOBODY, HERE), 813, {}, "critical", "it is not shown that pg.service is this server"),
    (RestartSeen(Dependants(), HERE, blind=BLIND, silent=True), 812, {}, "unknown", "None"),
    (RestartSeen(Dependants(), HERE, blind=BLIND, silent=True), 812, BOTH, "ok", "nothing is in the way"),
    (RestartSeen(Dependants(), GONE, blind=BLIND, ports=(5432,), configured=(5432,)), 0, {}, "ok", "nothing is in the way"),
    (RestartSeen(Dependants(), GONE, blind=BLIND, ports=(5432,), configured=(5433,)), 0, BOTH, "critical", "port 5433"),
])
def test_each_verdict_is_made_again(seen: RestartSeen, pid: int, given: dict[str, bool], status: str, said: str) -> None:
    service = {"instances": [{"id": "pg.service", "type": "notify", "state": "active", "main_pid": pid, "paths": []}], "changed": False}
    judged = decide(seen, service, **{"despite_backup": False, "despite_replica": False, **given})
    assert judged.verdict.statuses() == {CHECK: status} and said in str(judged.verdict.findings[0].observed)
    assert decided_again(judged.basis).checks == {CHECK: status}


COST = Cost(connections=42, transactions=1, oldest=(Open("pid 7 app@shop", 900.0),), prepared=0, temporary=0, unlogged=0, replayed=0)


@pytest.mark.parametrize(("seen", "pid", "loses"), [
    (RestartSeen(NOBODY, HERE, cost=COST), 812, "It cuts 42 connections and rolls back 1 open transaction (oldest pid 7 app@shop 15m)."),
    (RestartSeen(Dependants(1, 0, 0), HERE, cost=COST), 812, "It cuts 42 connections"),
    (RestartSeen(Dependants(), HERE, blind=BLIND), 812, "What it would end cannot be seen."),
    (RestartSeen(Dependants(), GONE, blind=BLIND, ports=(5432,), configured=(5432,)), 0, ""),
])
def test_what_is_lost_is_told_whether_it_is_refused_or_not(seen: RestartSeen, pid: int, loses: str) -> None:
    service = {"instances": [{"id": "pg.service", "type": "notify", "state": "active", "main_pid": pid, "paths": []}], "changed": False}
    judged = decide(seen, service, False, False)
    assert str(judged.more["loses"]).startswith(loses) and bool(judged.more["loses"]) is bool(loses)
    assert all(one.detail.get("loses", "") == judged.more["loses"] for one in judged.verdict.findings if one.status != "unknown")
    assert decided_again(judged.basis).checks == judged.verdict.statuses()
