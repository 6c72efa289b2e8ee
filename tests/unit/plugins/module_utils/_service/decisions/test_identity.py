# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A unit is the server that was judged only where that is shown."""

from __future__ import annotations

import os
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import CannotReach
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.identity import (
    Judged,
    Proof,
    answered,
    compare,
    configured_elsewhere,
    essence,
    not_skipped,
    unit_of,
)
from ansible_collections.oncall.incident.plugins.module_utils._service.identity import unit_of_process


def looked(**unit: Any) -> dict[str, Any]:
    """What service_instances returned."""
    return {"instances": [{"id": "db.service", "type": "simple", "state": "active", "main_pid": 812, "members": [], **unit}]}


def test_the_same_process() -> None:
    proof = compare(Judged(listening=True, process=812), looked())
    assert (proof.same, proof.stopped, proof.why) == (True, False, "")


@pytest.mark.parametrize(("judged", "unit", "said"), [
    (Judged(listening=True, process=813), {}, "the server's process is 813, the unit's process is 812"),
    (Judged(listening=True, process=813), {"main_pid": 0}, "the unit has no process"),
    (Judged(listening=True), {}, "not ours to see"),
    (Judged(listening=None), {}, "not on this host"),
    (Judged(listening=None, process=812), {}, "not on this host"),
    (Judged(listening=None), {"main_pid": 0, "state": "inactive"}, "not on this host"),
    (Judged(listening=False, answered=False), {}, "nobody listens where it should be, the unit's process is 812"),
    (Judged(listening=False), {"main_pid": 0, "state": "inactive"}, "nobody listens where it should be, though somebody may answer there"),
    (Judged(listening=None, unclear="several hosts"), {}, "several hosts, the unit's process"),
    (Judged(listening=True, process=0), {"main_pid": 0}, "not ours to see"),
])
def test_another_or_nobody_knows(judged: Judged, unit: dict[str, Any], said: str) -> None:
    proof = compare(judged, looked(**unit))
    assert not (proof.same or proof.stopped)
    assert said in proof.why


@pytest.mark.parametrize("state", ["inactive", "failed"])
def test_a_stopped_server(state: str) -> None:
    proof = compare(Judged(listening=False, answered=False), looked(main_pid=0, state=state))
    assert (proof.same, proof.stopped, proof.why) == (False, True, "")


@pytest.mark.parametrize(("proof", "configured", "shown"), [
    (Proof(stopped=True), set(), True), (Proof(stopped=True), {5432}, True), (Proof(stopped=True), {5433}, False),
    (Proof(stopped=True), {6380, 5432}, True), (Proof(same=True), {5433}, True), (Proof(why="x"), {5432}, False),
])
def test_a_stopped_unit_that_is_configured_for_another_port(proof: Proof, configured: set[int], shown: bool) -> None:
    found = configured_elsewhere(proof, name="db.service", configured=configured, wanted={5432})
    assert (found == proof) is (shown or not proof.stopped)
    assert ("configured for port 5433" in found.why) is (proof.stopped and not shown)


@pytest.mark.parametrize(("error", "open_question"), [
    ({"error": "refused"}, False), ({"error": "no_socket"}, False), ({"error": "timeout"}, True), ({"error": "wrong_password"}, True),
    ({}, True),
    ({"error": "refused", "attempts": [{"error": "refused"}, {"error": "no_socket"}]}, False),
    ({"error": "refused", "attempts": [{"error": "refused"}, {"error": "timeout"}]}, True),
])
def test_only_a_refused_connection_shows_that_nobody_answers(error: dict[str, Any], open_question: bool) -> None:
    assert answered(CannotReach("no", **error)) is open_question


@pytest.mark.parametrize("state", ["activating", "deactivating", "reloading"])
def test_what_systemd_is_at_is_left_to_it(state: str) -> None:
    proof = compare(Judged(listening=False, answered=False), looked(main_pid=0, state=state))
    assert (proof.same, proof.stopped, f"is {state}" in proof.why) == (False, False, True)


def test_a_unit_that_only_groups_others_is_never_the_server() -> None:
    umbrella = {
        "id": "postgresql.service", "type": "oneshot", "main_pid": 0,
        "members": ["postgresql@13-old.service", "postgresql@15-main.service"],
    }
    running = compare(Judged(listening=True, process=9, unit="postgresql@15-main.service"), looked(**umbrella))
    assert not (running.same or running.stopped)
    assert "belongs to postgresql@15-main.service, so name that unit" in running.why
    for listening in (True, False):
        proof = compare(Judged(listening=listening, answered=listening), looked(**umbrella))
        assert not (proof.same or proof.stopped)
        assert "groups postgresql@13-old.service, postgresql@15-main.service: name one of those" in proof.why


@pytest.mark.parametrize("result", [{}, {"instances": []}, {"msg": "systemctl is not installed", "error": "blind"}, {"skipped": True}])
def test_a_unit_that_nobody_could_look_at(result: dict[str, Any]) -> None:
    proof = compare(Judged(listening=False, answered=False), result)
    assert not (proof.same or proof.stopped)
    assert "could not be looked at" in proof.why
    assert result.get("msg", "") in proof.why


@pytest.mark.parametrize(("text", "unit"), [
    ("0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n", "postgresql@15-main.service"),
    ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/redis.service\n", "redis.service"),
    ("4:memory:/system.slice/other.service\n1:name=systemd:/system.slice/redis-server.service\n", "redis-server.service"),
    ("4:memory:/system.slice/other.service\n", ""), ("0::/\n", ""), ("0::/user.slice/session-2.scope", ""), ("", ""), ("rubbish", ""),
])
def test_the_unit_of_a_process(text: str, unit: str) -> None:
    assert unit_of(text) == unit


def test_a_process_that_is_gone_has_none() -> None:
    assert unit_of_process(None) == ""
    assert unit_of_process(0) == ""
    assert isinstance(unit_of_process(os.getpid()), str)


@pytest.mark.parametrize(("looked", "found"), [
    (None, None), ({"skipped": True, "changed": False}, None), ({"instances": []}, {"instances": []}),
    ({"failed": True, "msg": "x"}, {"failed": True, "msg": "x"}),
])
def test_a_task_that_was_skipped_has_looked_at_nothing(looked: dict[str, Any] | None, found: dict[str, Any] | None) -> None:
    assert not_skipped(looked) == found


def test_the_essence_proves_the_same() -> None:
    told = {**looked(paths=["/etc/db.conf"], cgroup="/x"), "changed": False}
    assert essence(told) == {"instances": [{"id": "db.service", "type": "simple", "state": "active", "main_pid": 812}]}
    judged = Judged(listening=True, process=812)
    assert compare(judged, essence(told) or {}) == compare(judged, told)
    failed = {"failed": True, "msg": "There is no systemd here."}
    assert compare(judged, essence(failed) or {}).why == compare(judged, failed).why and essence(None) is None
