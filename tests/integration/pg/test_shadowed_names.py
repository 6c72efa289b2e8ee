# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No statement of ours calls what a tenant has made: every module of the group `postgresql`, on a database full of doubles.

A database's owner decides on its search_path, and whoever may create in `public` has his say on the default one too. What he makes
must never run as the role of the on-call engineer.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from demo.postgres import Server
from tests.integration.pg.health_support import ALL_CHECKS, make_role
from tests.support.run_module import ROOT, run_module
from tests.support.shadows import Calls, fill
from tests.support.terminating import login

TENANT, DATABASE, WATCHER, PROBE = "shadow_owner", "shadowed", "shadow_watcher", "shadow_probe"
IDLE = "shadow-idle"
GROUP = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]["postgresql"]

#: How each module is run: its options, in check mode or not. A module of the group that is not here fails test_every_module_is_run.
RUNS: Mapping[str, list[tuple[bool, dict[str, Any]]]] = {
    "pg_health": [
        (False, {"checks": [*ALL_CHECKS, "probe"], "probe_query": "SELECT 1"}),
        # Its connection has its role's own path, in which the tenant's query is understood; what we ask there before is not.
        (False, {"checks": ["probe"], "probe_query": "SELECT 2", "probe_login_user": PROBE, "fail_on": "warning"}),
        (False, {"wait_for": {"checks": ["availability"], "hold": "0s", "timeout": "5s"}}),
    ],
    "pg_terminate_long_queries": [
        (check, {"rules": [{"name": "idle", "application_names": [IDLE], "min_idle_in_transaction_age": "0", "min_transaction_age": "0"}],
                 "max_percent": 100, "rollback_prepared": True, "min_transaction_age": "0", "protect_roles": ["pg_write_all_data"]})
        for check in (True, False)
    ],
    "pg_restart_check": [(False, {"service": {"instances": []}})],
    "pg_snapshot": [(False, {})],
    "pg_maintain": [
        (check, {"objects": [{"operation": operation, "name": name} for operation, name in (
            ("analyze", "tenant.plain"), ("vacuum_analyze", "tenant.plain"), ("reindex", "tenant.plain"))], "worst": 2})
        for check in (True, False)
    ],
}

#: What makes the doubles come before, or beside, the real ones: statements run as the superuser, options, environment.
PATHS: Mapping[str, tuple[list[str], dict[str, Any], dict[str, str]]] = {
    "the default path": ([], {}, {}),
    "ALTER DATABASE by its owner": ([f"ALTER DATABASE {DATABASE} SET search_path = shadow, pg_catalog"], {}, {}),
    "ALTER ROLE": ([f"ALTER ROLE {role} SET search_path = shadow, pg_catalog" for role in ("postgres", WATCHER, PROBE)], {}, {}),
    "options": ([], {"connect_params": {"options": "-c search_path=shadow,pg_catalog"}}, {}),
    "PGOPTIONS": ([], {}, {"PGOPTIONS": "-csearch_path=shadow,pg_catalog"}),
    "a service": ([], {"connect_params": {"service": "shadowed"}}, {"PGSERVICEFILE": "{services}"}),
}
_UNDO = [f"ALTER DATABASE {DATABASE} RESET search_path", *(f"ALTER ROLE {role} RESET search_path" for role in ("postgres", WATCHER, PROBE))]


@pytest.fixture(scope="module")
def shadowed(server18: Server) -> Server:
    """The server, with a database of the tenant's."""
    for role in (TENANT, PROBE):
        make_role(server18, role)
    make_role(server18, WATCHER, grants="pg_monitor, pg_signal_backend, pg_maintain")
    server18.execute(f"CREATE DATABASE {DATABASE} OWNER {TENANT}")
    # In `public`, the database owner's, it is not read at all: test_statements_owner.py.
    server18.execute("CREATE SCHEMA extensions; ALTER EXTENSION pg_stat_statements SET SCHEMA extensions", dbname=DATABASE)
    server18.execute("GRANT USAGE ON SCHEMA extensions TO PUBLIC", dbname=DATABASE)
    with server18.connect(user=TENANT, dbname=DATABASE) as tenant:
        tenant.execute("CREATE SCHEMA tenant; CREATE TABLE tenant.plain (id int PRIMARY KEY); INSERT INTO tenant.plain VALUES (1)")
        # A call must not fail for a lack of rights.
        tenant.execute("CREATE SCHEMA shadow; GRANT USAGE ON SCHEMA shadow, public, tenant TO PUBLIC")
        fill(tenant, "shadow")
        fill(tenant, "public")
    return server18


@contextlib.contextmanager
def work_of_the_tenant(server: Server) -> Iterator[None]:
    """A session that is idle in transaction, and a prepared transaction: something to end."""
    with (
        contextlib.closing(server.connect(user=TENANT, dbname=DATABASE, application_name=IDLE)) as idle,
        contextlib.closing(server.connect(user=TENANT, dbname=DATABASE)) as other,  # two sessions, so that two things may be ended
    ):
        idle.execute("BEGIN; SELECT 1")
        other.execute("BEGIN; CREATE TABLE tenant.later (); PREPARE TRANSACTION 'shadow-prepared'")
        try:
            yield
        finally:
            with contextlib.suppress(psycopg.Error):  # it was ended, as it should be
                other.execute("ROLLBACK PREPARED 'shadow-prepared'")


def test_every_module_is_run() -> None:
    assert sorted(RUNS) == sorted(GROUP)


@pytest.mark.parametrize("user", ["postgres", WATCHER])
@pytest.mark.parametrize("path", PATHS)
def test_no_double_is_called(shadowed: Server, path: str, user: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statements, options, environment = PATHS[path]
    services = tmp_path / "services"
    services.write_text("[shadowed]\noptions=-c search_path=shadow,pg_catalog\n")
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(services=services))
    spool = tmp_path / "spool"
    spool.mkdir()
    there = {**login(shadowed, login_user=user, login_db=DATABASE), **options}
    calls = Calls(shadowed)
    try:
        for statement in statements:
            shadowed.execute(statement)
        # Doubles that nobody would have called anyway would prove nothing.
        where = {**options.get("connect_params", {}), "application_name": "oncall.incident/witness"}
        with shadowed.connect(user=user, dbname=DATABASE, **where) as witness, pytest.raises(psycopg.errors.RaiseException):
            witness.execute("SELECT 2::numeric * 3")
        assert calls.made() == [f"{user}: operator numeric * integer"]
        calls = Calls(shadowed)
        with work_of_the_tenant(shadowed):
            for module in GROUP:
                for check, args in RUNS[module]:
                    more = {"spool": str(spool)} if module == "pg_snapshot" else {}
                    found = run_module(module, check=check, **there, **args, **more)
                    if module == "pg_snapshot":
                        assert {one["status"] for one in found["entries"]} == {"collected"}, found["entries"]
                    if module == "pg_terminate_long_queries":
                        # Only its owner, and a superuser, may roll a prepared transaction back.
                        acted = ["done", "gone"] if user == "postgres" else ["gone", "not_permitted"]
                        assert sorted(action["outcome"] for action in found["actions"]) == (["planned"] * 2 if check else acted), found
                    else:
                        assert not found.get("failed"), json.dumps(found)
        assert calls.made() == []
    finally:
        for statement in _UNDO:
            shadowed.execute(statement)
