# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of pg_terminate_long_queries share."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.limits import Budget
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.connection import Login, Session, connect
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.protection import BACKUP_TOOLS, Policy
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.rules import parse_rules
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.signals import Look
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.termination import Request

from demo.faults import Held
from demo.postgres import Server
from tests.support.run_module import run_module

MODULE = "pg_terminate_long_queries"
#: Everybody who does anything, however young: what is spared then is spared for its own sake.
ANYTHING = [{"name": "anything", "min_query_age": "0", "min_transaction_age": "0", "min_idle_in_transaction_age": "0"}]
ROOTS = [{"name": "roots", "victims": "root_blockers", "min_transaction_age": "0"}]


def rules_for(application: str, **more: Any) -> list[dict[str, Any]]:
    """One rule for one application's sessions, however young."""
    return [{**ANYTHING[0], "name": "test", "application_names": [application], **more}]


def login(server: Server, **more: Any) -> dict[str, Any]:
    """The options that reach the server over its socket."""
    return {"login_unix_socket": str(server.socket_dir), "login_port": server.port, "connect_retry": "0", **more}


def terminate(server: Server, **args: Any) -> dict[str, Any]:
    """Run the module with a share that fits a small server."""
    return run_module(MODULE, **{**login(server), "max_percent": 100, "verify_timeout": "5s", "grace": "2s", **args})


def outcomes(result: dict[str, Any]) -> dict[int, str]:
    """The outcome by pid."""
    return {action["target"]["pid"]: action["outcome"] for action in result["actions"]}


def answers(result: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    """Outcome and reason by the action's id."""
    return {action["id"]: (action["outcome"], action["detail"].get("why")) for action in result["actions"]}


def planned(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What a check run planned, as `approved` takes it."""
    return [action for action in result["actions"] if action["outcome"] == "planned"]


def planned_ids(result: dict[str, Any]) -> list[str]:
    """The same by id alone."""
    return [action["id"] for action in planned(result)]


def reasons(result: dict[str, Any], held: Held) -> list[str]:
    """Why a session was spared; empty when it is not among the protected."""
    return [reason for spared in result["protected"] if spared["target"]["pid"] == held.pid for reason in spared["reasons"]]


def open_session(server: Server, *, user: str = "postgres", database: str = "postgres", **more: Any) -> Session:
    """A session of the adapter, as the module opens it."""
    where = Login(unix_socket=str(server.socket_dir), port=server.port, user=user, database=database)
    return connect([where], connect_retry=0, **more)


def look_at(session: Session, rules: list[dict[str, Any]], **policy: Any) -> Look:
    """The adapter's look with the rules, before any signal."""
    who = Policy(own_pid=session.backend_pid, own_superuser=session.is_superuser, protect_application_names=BACKUP_TOOLS, **policy)
    return Look(session, parse_rules(rules), who, (), 40)


def request(rules: list[dict[str, Any]], **more: Any) -> Request:
    """A request without a limit that matters."""
    return Request(**{"rules": parse_rules(rules), "budget": Budget(max_count=50), "verify_timeout": 5.0, "grace": 2.0, **more})


def free_a_slot_while_it_waits(fillers: list[Held], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """End the last of the fillers when our module, in this process, pauses for the first time; gives its pauses."""
    pauses: list[float] = []
    sleep = time.sleep

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            fillers[-1].close()
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", pause)
    return pauses
