# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance of named objects counts when the server's own counters and files show it."""

from __future__ import annotations

from typing import Any

import pytest

from demo import faults
from demo.postgres import Server
from tests.support.run_module import run_module

TABLE = "public.incident_orders"


def maintain(server: Server, *objects: tuple[str, str], check: bool = False, user: str = "postgres", **more: Any) -> dict[str, Any]:
    """Run the module."""
    faults.prepare(server)
    wanted = [{"operation": operation, "name": name} for operation, name in objects]
    return run_module(
        "pg_maintain", check=check, objects=wanted, login_unix_socket=str(server.socket_dir), login_port=server.port, login_user=user,
        **more,
    )


def outcomes(result: dict[str, Any]) -> list[str]:
    """Of its actions."""
    return [action["outcome"] for action in result["actions"]]


def test_every_operation(server: Server) -> None:
    objects = [("analyze", TABLE), ("vacuum", TABLE), ("vacuum_analyze", TABLE), ("reindex", f"{TABLE}_pkey"), ("reindex", TABLE)]
    planned = maintain(server, *objects, check=True)
    assert (outcomes(planned), planned["changed"]) == (["planned"] * 5, True)
    done = maintain(server, *objects)
    assert (outcomes(done), done["changed"]) == (["done"] * 5, True)
    assert done["actions"][1]["detail"]["statement"] == f"VACUUM {TABLE}"


def test_a_check_touches_nothing(server18: Server) -> None:
    faults.prepare(server18)
    count = f"SELECT pg_stat_get_analyze_count('{TABLE}'::regclass)"
    before = server18.execute(count)
    maintain(server18, ("analyze", TABLE), check=True)
    assert server18.execute(count) == before


def test_what_the_server_skips_with_a_warning_is_a_failure(server18: Server) -> None:
    faults.prepare(server18)
    server18.execute("CREATE TABLE IF NOT EXISTS of_the_superuser (id int)")
    result = maintain(server18, ("analyze", "public.of_the_superuser"), user="app")
    assert (outcomes(result), result["failed"], result["changed"]) == (["failed"], True, False)
    assert "only the owner" in result["msg"]


def test_only_what_is_approved(server18: Server) -> None:
    plan = maintain(server18, ("analyze", TABLE), check=True)
    ids = [action["id"] for action in plan["actions"]]
    result = maintain(server18, ("analyze", TABLE), ("vacuum", TABLE), approved=ids)
    assert outcomes(result) == ["done", "refused"]
    assert outcomes(maintain(server18, ("analyze", TABLE), approved=[])) == ["refused"]


def test_more_than_the_limit_and_nothing_is_done(server18: Server) -> None:
    result = maintain(server18, ("analyze", TABLE), ("vacuum", TABLE), max_objects=1)
    assert (result["failed"], result["error"], outcomes(result)) == (True, "limit_exceeded", ["refused", "refused"])


@pytest.mark.parametrize(("operation", "name", "said"), [
    ("analyze", "public.nothing", "is not in database"), ("vacuum", f"{TABLE}_pkey", "cannot be given to vacuum"),
    ("analyze", "public.nothing; DROP TABLE x", "is not in database"),
])
def test_what_cannot_be_maintained(operation: str, name: str, said: str, server18: Server) -> None:
    result = maintain(server18, (operation, name))
    assert result["failed"]
    assert said in result["msg"]


def test_a_second_run_is_refused(server18: Server) -> None:
    from ansible_collections.oncall.incident.plugins.module_utils._postgresql.signals import ADVISORY_KEY

    with faults.superuser_session(server18, state="idle") as other:
        other.execute(f"SELECT pg_advisory_lock({ADVISORY_KEY})")
        result = maintain(server18, ("analyze", TABLE))
        assert (result["failed"], result["error"]) == (True, "locked")
