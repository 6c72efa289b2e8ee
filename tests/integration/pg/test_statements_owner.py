# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pg_stat_statements is read only where nobody but a superuser can put something else in its place.

Between the statement that finds the view and the one that reads it, the schema's owner can rename the schema.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.connection import Session
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.health_statements import (
    UntrustedOwner,
    find_statements,
    read_statements,
)
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.snapshot import take

from demo.postgres import Server
from tests.integration.pg.health_support import look, make_role
from tests.support.terminating import open_session

TENANT, DATABASE, WATCHER = "stat_tenant", "stat_owned", "stat_watcher"
INSTEAD = """
    ALTER SCHEMA {schema} RENAME TO away;
    CREATE SCHEMA {schema};
    CREATE SEQUENCE {schema}.called;
    CREATE VIEW {schema}.pg_stat_statements AS SELECT * FROM away.pg_stat_statements WHERE nextval('{schema}.called') > 0;
    GRANT USAGE ON SCHEMA {schema} TO PUBLIC; GRANT SELECT ON {schema}.pg_stat_statements TO PUBLIC
"""


@pytest.fixture
def owned(server18: Server) -> Iterator[Server]:
    """The server with a database of the tenant's in which a superuser has made the extension."""
    make_role(server18, TENANT)
    make_role(server18, WATCHER, grants="pg_monitor")
    server18.execute(f"CREATE DATABASE {DATABASE} OWNER {TENANT} TEMPLATE template0")
    yield server18
    server18.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def extension_in(server: Server, schema: str, *, of: str = "postgres") -> None:
    if schema != "public":
        server.execute(f"CREATE SCHEMA {schema} AUTHORIZATION {of}", dbname=DATABASE)
    server.execute(f"CREATE EXTENSION pg_stat_statements SCHEMA {schema}", dbname=DATABASE)


def swap_after_the_first(server: Server, session: Session, schema: str) -> list[str]:
    """Let the tenant act between the first statement that names the extension and the next one; what became of it."""
    plain, swapped = session.rows, []

    def rows(sql: str, params: Any = None) -> Any:
        found = plain(sql, params)
        if "pg_catalog.pg_extension" in sql and not swapped:
            with server.connect(user=TENANT, dbname=DATABASE) as tenant:
                try:
                    tenant.execute(INSTEAD.format(schema=schema).encode())
                    swapped.append("done")
                except psycopg.errors.InsufficientPrivilege:
                    swapped.append("refused")
        return found

    session.rows = rows  # type: ignore[method-assign]
    return swapped


def called(server: Server, schema: str) -> bool:
    with contextlib.suppress(psycopg.errors.UndefinedTable):
        return bool(server.execute(f"SELECT is_called FROM {schema}.called", dbname=DATABASE)[0][0])
    return False


def by_health(session: Session, _spool: Path) -> str:
    try:
        read_statements(session, find_statements(session))
    except UntrustedOwner as exc:
        assert exc.hint and "CREATE SCHEMA" in exc.hint and "ALTER EXTENSION pg_stat_statements SET SCHEMA" in exc.hint
        return exc.message
    return ""


def by_snapshot(session: Session, spool: Path) -> str:
    [entry] = [one for one in take(session, spool=str(spool), seconds=60) if one["name"] == "postgresql_statements"]
    assert entry["status"] == ("not_available" if "reason" in entry else "collected"), entry
    assert "reason" not in entry or "ALTER EXTENSION pg_stat_statements SET SCHEMA" in entry["reason"]
    return str(entry.get("reason", ""))


BY = [by_health, by_snapshot]
By = Callable[[Session, Path], str]


@pytest.mark.parametrize("read", BY)
@pytest.mark.parametrize("user", ["postgres", WATCHER])
@pytest.mark.parametrize("schema", ["public", "theirs"])
def test_what_a_tenant_puts_in_its_place_is_not_called(owned: Server, tmp_path: Path, schema: str, user: str, read: By) -> None:
    extension_in(owned, schema, of=TENANT)
    with open_session(owned, user=user, database=DATABASE) as session:
        swapped = swap_after_the_first(owned, session, schema)
        said = read(session, tmp_path)
    assert swapped == ["done"] and not called(owned, schema)
    assert f"its schema belongs to {TENANT}" in said


@pytest.mark.parametrize("read", BY)
def test_a_superusers_schema_cannot_be_swapped_and_is_read(owned: Server, tmp_path: Path, read: By) -> None:
    extension_in(owned, "ours")
    with open_session(owned, database=DATABASE) as session:
        swapped = swap_after_the_first(owned, session, "ours")
        assert read(session, tmp_path) == ""
    assert swapped == ["refused"]


def test_public_is_read_where_a_superuser_owns_the_database(owned: Server) -> None:
    extension_in(owned, "public")
    owned.execute(f"ALTER DATABASE {DATABASE} OWNER TO postgres")
    found = look(owned, login_db=DATABASE, checks=["statements"])
    assert found["skipped_checks"] == [] and found["statements"]


def test_our_own_role_is_trusted(owned: Server) -> None:
    extension_in(owned, "public")
    owned.execute(f"GRANT pg_monitor TO {TENANT}")
    try:
        found = look(owned, login_db=DATABASE, login_user=TENANT, checks=["statements"])
    finally:
        owned.execute(f"REVOKE pg_monitor FROM {TENANT}")
    assert found["skipped_checks"] == [] and found["statements"]


@pytest.mark.parametrize(("given", "said"), [
    ("ALTER VIEW ours.pg_stat_statements OWNER TO {}", "its view belongs to"),
    ("ALTER FUNCTION ours.pg_stat_statements(boolean) OWNER TO {}", "its function belongs to"),
    ("UPDATE pg_extension SET extowner = '{}'::regrole WHERE extname = 'pg_stat_statements'", "the extension belongs to"),
])
def test_a_part_of_the_extension_that_is_anothers(owned: Server, given: str, said: str) -> None:
    extension_in(owned, "ours")
    owned.execute(given.format(TENANT), dbname=DATABASE)
    found = look(owned, login_db=DATABASE, checks=["statements", "timeouts"])
    [skipped] = found["skipped_checks"]
    assert skipped["reason"].startswith("untrusted_owner: ") and f"{said} {TENANT}" in skipped["reason"]
    assert (found["checks"]["statements"], "drop it" in skipped["hint"]) == ("unknown", True)
