# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pm2 says of its apps, and what it is asked to do with them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput, Blind
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.calls import Call, call_of
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.pm2 import App, Place, apps_of
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import Service

SECRET = "canary-of-an-environment"
WHERE = {"user": "shop", "home": "/home/shop/.pm2"}


def listed(number: Any = 0, *, name: str = "web", pid: int = 7, memory: int = 5, **env: Any) -> dict[str, Any]:
    """One of `pm2 jlist`."""
    usual = {
        "status": "online", "restart_time": 0, "unstable_restarts": 0, "exec_mode": "cluster_mode", "pm_uptime": 1_000_000,
        "created_at": 1_000_000, "SECRET_TOKEN": SECRET, "env": {"SECRET_TOKEN": SECRET}, "pm_out_log_path": "/l/out",
        "pm_err_log_path": "/l/err",
    }
    return {"pid": pid, "name": name, "pm_id": number, "monit": {"memory": memory, "cpu": 0}, "pm2_env": {**usual, **env}}


def one(*args: Any, **env: Any) -> App:
    """It, as it is read."""
    (found,) = apps_of(json.dumps([listed(*args, **env)]), name="web")
    return found


def test_only_the_app_of_that_name_and_nothing_of_its_environment() -> None:
    banner = "[PM2] In-memory PM2 is out-of-date, do:\n>>>> In memory PM2 version: 5.0.0\n"
    found = apps_of(banner + json.dumps([listed(0), listed(1, name="web2"), listed(2, pid=0, status="errored", exit_code=3)]), name="web")
    assert [(app.number, app.pid, app.state, app.up, app.exit_code) for app in found] == [
        ("0", 7, "online", True, None), ("2", 0, "errored", False, 3),
    ]
    assert (found[0].mode, found[0].memory, found[0].logs, found[0].version) == ("cluster", 5, ("/l/out", "/l/err"), "")
    assert SECRET not in repr(found) and apps_of("[]", name="web") == []
    assert one(version="2.1.0").version == "2.1.0" and one(version="N/A").version == ""


@pytest.mark.parametrize("text", [
    "", "use --update-env", f'[{{"name": "web", "token": "{SECRET}"}}]', f'[{{"name": "web", "token": "{SECRET}"', f'["{SECRET}"]',
    f'[{{"name": "web", "pm_id": 0, "pid": 1, "pm2_env": {{"status": "online", "restart_time": "{SECRET}", "exec_mode": "x"}}}}]',
])
def test_what_is_no_list_is_not_read_and_not_quoted(text: str) -> None:
    with pytest.raises(Blind) as caught:
        apps_of(text, name="web")
    assert SECRET not in json.dumps(caught.value.as_result()) and caught.value.__suppress_context__ is False


@pytest.mark.parametrize(("env", "by_itself"), [
    ({}, 0), ({"restart_time": 4, "pm_uptime": 1_030_000}, 4),
    ({"restart_time": 4, "pm_uptime": 1_001_700}, None), ({"restart_time": 4, "pm_uptime": 1_030_000, "kill_timeout": 60_000}, None),
    ({"restart_time": 15, "created_at": None}, 15),
])
def test_who_started_it_again(env: dict[str, Any], by_itself: int | None) -> None:
    assert one(**env).by_itself == by_itself


def test_the_start_of_a_worker_that_is_replaced_stays_its_own() -> None:
    assert one("_old_0").start == one(0).start != one(0, pm_uptime=2_000_000).start != one(1).start


def call(verb: str, *instances: dict[str, Any], count: int | None = None, where: Any = None, **more: Any) -> Call:
    """The call for an app."""
    service = Service(name="web", runtime="pm2", identity="web", where=WHERE if where is None else where, **more)
    return call_of(service, verb, instances=instances, count=count)


def process(number: str, state: str = "online", mode: str = "cluster") -> dict[str, Any]:
    """As service_instances has it."""
    return {"id": number, "state": state, "type": mode}


def test_the_calls() -> None:
    both = (process("0"), process("1", "errored"))
    usual = {"name": "web", "where": WHERE}
    assert call("restart", *both).args == {**usual, "verb": "reload", "numbers": ["0", "1"]}, "a cluster loses no request then"
    assert call("restart", process("3", mode="fork")).args == {**usual, "verb": "restart", "numbers": ["3"]}
    assert call("start", *both).args == {**usual, "verb": "start", "numbers": ["1"]}
    assert call("stop", *both).args == {**usual, "verb": "stop", "numbers": ["0"]}
    more, fewer = call("scale", *both, count=3), call("scale", *both, count=1)
    assert (more.args, more.notes, len(fewer.notes)) == ({**usual, "verb": "scale", "count": 3}, (), 1)
    assert more.module == "oncall.incident.service_pm2"


@pytest.mark.parametrize(("found", "why"), [
    (call("restart"), "pm2 has no app web"), (call("start"), "pm2 resurrect"), (call("rollback", process("0")), "no earlier release"),
    (call("reload", process("0", mode="fork")), "no reload"), (call("scale", process("0", mode="fork"), count=2), "the same port"),
    (call("scale", process("0"), count=0), "at least 1"), (call("scale", process("0")), "at least 1"),
    (call("scale", process("0"), count=1), "1 processes already"), (call("start", process("0")), "runs already"),
    (call("stop", process("0", "stopped")), "is stopped already"), (call("reload", process("0", "stopped")), "nothing to reload"),
    (call("restart", process("0"), one_shot=True), "a job with an end"),
])
def test_what_is_refused(found: Call, why: str) -> None:
    (said,) = found.forbidden
    assert why in said and not found.module


@pytest.mark.parametrize(("identity", "where", "why"), [
    ("all", WHERE, "not the name of an app"), ("0", WHERE, "not the name of an app"), ("--update-env", WHERE, "not the name of an app"),
    ("web", {"usr": "shop"}, "Did you mean user?"), ("web", {"home": ".pm2"}, "where.home is not an absolute path"),
    ("web", {"user": 5}, "where.user is not a text"), ("web", {"command": "'my pm2'"}, "where.command"),
])
def test_bad_input_is_named(identity: str, where: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput) as caught:
        Place.of(Service(name="shop", runtime="pm2", identity=identity, where=where))
    assert why in f"{caught.value.message} {caught.value.hint}" and "service shop" in caught.value.message
