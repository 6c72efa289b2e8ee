# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that anything else runs: their commands, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput, Blind
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.calls import Call, call_of
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.command import fingerprint, is_up, pid_said
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import Service

WHERE = {"start": ["sv", "start", "web"], "stop": "sv stop web", "restart": ["sh", "-c", "sv restart 'a b'"], "status": ["sv", "status"]}


def call(verb: str, *, up: bool | None = None, where: Any = None, **more: Any) -> Call:
    """The call for a service that is up, down, or of which nothing is known."""
    service = Service(name="web", runtime="command", identity="web", where=WHERE if where is None else where, **more)
    return call_of(service, verb, instances=[] if up is None else [{"id": "web", "state": "up" if up else "down", "up": up}])


def test_the_commands_of_the_inventory() -> None:
    assert call("start", up=False).args == {"argv": ["sv", "start", "web"]}
    assert call("stop", up=True).args == {"argv": ["sv", "stop", "web"]}
    assert call("restart").args == {"argv": ["sh", "-c", "sv restart 'a b'"]}, "also where nothing is known: it is measured from outside"
    assert call("reload", up=True, where={"reload": "nginx -s reload"}).module == "ansible.builtin.command"


@pytest.mark.parametrize(("found", "why"), [
    (call("reload", up=True), "where.reload is not set"), (call("scale", up=True), "cannot scale"), (call("rollback"), "cannot rollback"),
    (call("start", up=True), "up already"), (call("reload", up=False, where={"reload": "x"}), "nothing to reload"),
    (call("restart", up=True, one_shot=True), "a job with an end"),
])
def test_what_is_refused(found: Call, why: str) -> None:
    (said,) = found.forbidden
    assert why in said and not found.module


@pytest.mark.parametrize(("where", "why"), [
    ({"strat": "x"}, "Did you mean start?"), ({"stop": "sh -c 'a b'"}, "where.stop is not a command"), ({"stop": [1]}, "where.stop"),
    ({"stop": {"a": 1}}, "where.stop"), ({"pid_file": 5}, "where.pid_file is not a text"),
    ({"pid_file": "/run/x.pid", "process": "x"}, "pid_file and process"),
])
def test_bad_input_is_named(where: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput) as caught:
        call("stop", where=where)
    assert why in f"{caught.value.message} {caught.value.hint}" and "web" in caught.value.message


@pytest.mark.parametrize(("status", "up"), [(0, True), (3, False), (1, None), (4, None), (-9, None), (None, None)])
def test_the_exit_status_of_a_status_command(status: int | None, up: bool | None) -> None:
    if up is None:
        with pytest.raises(Blind, match="web"):
            is_up(status, service="web", said="")
    else:
        assert is_up(status, service="web", said="") is up


@pytest.mark.parametrize(("text", "pid"), [
    ("run: web: (pid 123) 5s; run: log: (pid 99) 70s", 123), ("web   RUNNING   pid 4711, uptime 0:00:05", 4711), ("nginx is running", 0),
    ("PID: 12", 12), ("rapid 12", 0), ("pid=7", 7),
])
def test_the_process_that_a_text_names(text: str, pid: int) -> None:
    assert pid_said(text) == pid


def test_the_fingerprint_of_a_text_has_no_times() -> None:
    assert fingerprint("up for 5 s") == fingerprint("up for 125 s") != fingerprint("up, and draining for 5 s")
