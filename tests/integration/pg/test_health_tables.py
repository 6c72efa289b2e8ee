# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes and the reading of tables, really made: each is found, named with what cures it, and the cure is run."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import psycopg
import pytest
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.health_tables import read_counted

from demo import faults
from demo.postgres import Server
from tests.integration.pg.health_support import look, only
from tests.support.terminating import open_session

AT_ONCE = {"unused_indexes_min_age": "0s", "sequential_scans_min_age": "0s"}


def statements(hint: str) -> list[str]:
    """The statements that a hint names."""
    return re.findall(r"(?:DROP|REINDEX) INDEX CONCURRENTLY [^;]+;", hint)


def names(found: dict[str, Any], check: str) -> set[str]:
    """The indexes of a check."""
    return {row["name"] for row in found[check]}


def table(server: Server, name: str, *more: str) -> None:
    """A fresh table with enough rows that an index is used."""
    server.execute(f"DROP TABLE IF EXISTS public.{name}; CREATE TABLE public.{name} (id int PRIMARY KEY, other int, text text)")
    server.execute(f"INSERT INTO public.{name} SELECT g, g, repeat('x', 300) FROM generate_series(1, 40000) g")
    for statement in more:
        server.execute(statement)
    server.execute(f"VACUUM ANALYZE public.{name}")


def test_unused_and_duplicate_indexes_are_named_and_what_is_needed_is_not(server: Server) -> None:
    table(
        server, "h_used", "CREATE INDEX h_unused ON public.h_used (other)", "CREATE INDEX h_expression ON public.h_used ((id + other))",
        "CREATE INDEX h_twice ON public.h_used (id)", "CREATE UNIQUE INDEX h_unique ON public.h_used (other, id)",
        "CREATE INDEX h_descending ON public.h_used (other DESC)", "CREATE INDEX h_part ON public.h_used (other) WHERE id > 9",
    )
    given = {"checks": ["unused_indexes", "duplicate_indexes"], **AT_ONCE, "unused_indexes_warning": "1", "duplicate_indexes_warning": "1"}
    found = look(server, **given)
    unused = {name for name in names(found, "unused_indexes") if ".h_" in name}
    assert unused == {f"public.h_{name}" for name in ("unused", "expression", "twice", "descending", "part")}
    assert {name for name in names(found, "duplicate_indexes") if ".h_" in name} == {"public.h_twice"}
    [twice] = [row for row in found["duplicate_indexes"] if row["name"] == "public.h_twice"]
    assert twice["same_as"] == "public.h_used_pkey"
    for check in given["checks"]:
        assert only(found, check)["status"] == "warning"
        for statement in statements(only(found, check)["hint"]):
            with contextlib.suppress(psycopg.errors.UndefinedObject):  # both hints may name the same
                server.execute(statement)
    left = look(server, **given)
    assert not {name for name in names(left, "duplicate_indexes") if ".h_" in name}
    assert len({name for name in names(left, "unused_indexes") if ".h_" in name}) < len(unused)


def test_an_index_that_is_used_is_not_named(server18: Server) -> None:
    table(server18, "h_reads", "CREATE INDEX h_read ON public.h_reads (other)")
    server18.execute("SELECT text FROM public.h_reads WHERE other = 7")
    faults.await_sql(server18, "SELECT idx_scan > 0 FROM pg_stat_user_indexes WHERE indexrelname = 'h_read'")
    assert "public.h_read" not in names(look(server18, checks=["unused_indexes"], **AT_ONCE), "unused_indexes")


def test_young_counters_say_nothing(server18: Server) -> None:
    found = look(server18, checks=["unused_indexes", "sequential_scans"])
    assert {one["kind"] for one in found["skipped_checks"]} == {"not_applicable"} and found["checks"] == {}
    assert all(one["reason"].startswith("counted_too_briefly: ") for one in found["skipped_checks"])


def test_how_long_is_counted_is_since_the_last_reset(fresh_server: Server) -> None:
    def since(view: str) -> float:
        only_here = "WHERE datname = current_database()" if view == "pg_stat_database" else ""
        [[age]] = fresh_server.execute(f"SELECT extract(epoch FROM clock_timestamp() - stats_reset)::float8 FROM {view} {only_here}")
        return float(age)

    with open_session(fresh_server) as session:
        for view, reset in (("pg_stat_archiver", "SELECT 1"), ("pg_stat_database", "SELECT pg_stat_reset()")):
            fresh_server.execute(reset)
            before, counted, after = since(view), read_counted(session)[0]["age"], since(view)
            assert before <= counted <= after, view


def test_an_invalid_index_is_named_and_its_cure_works(server: Server) -> None:
    server.execute("DROP TABLE IF EXISTS public.h_invalid; CREATE TABLE public.h_invalid (id int)")
    server.execute("INSERT INTO public.h_invalid VALUES (1), (1)")
    with contextlib.suppress(psycopg.errors.UniqueViolation):
        server.execute("CREATE UNIQUE INDEX CONCURRENTLY h_index ON public.h_invalid (id)")
    finding = only(look(server, checks=["invalid_indexes"]), "invalid_indexes")
    assert finding["status"] == "warning" and "public.h_index" in finding["hint"]
    server.execute("DELETE FROM public.h_invalid WHERE ctid = '(0,1)'")
    for statement in statements(finding["hint"]):
        server.execute(statement)
    assert "public.h_index" not in names(look(server, checks=["invalid_indexes"]), "invalid_indexes")


@pytest.mark.parametrize("operation", [
    "CREATE INDEX CONCURRENTLY h_building ON public.h_builds (id)", "REINDEX TABLE CONCURRENTLY public.h_builds",
])
def test_an_index_that_is_being_built_is_no_fault(server18: Server, operation: str) -> None:
    server18.execute("DROP TABLE IF EXISTS public.h_builds; CREATE TABLE public.h_builds (id int PRIMARY KEY)")
    with faults.session(server18, user="postgres", application="h-old") as old, faults.session(server18, user="postgres") as builder:
        old.execute("BEGIN; INSERT INTO public.h_builds VALUES (1)")
        builder.send(operation)
        faults.await_sql(server18, "SELECT count(*) > 0 FROM pg_index WHERE indrelid = 'public.h_builds'::regclass AND NOT indisvalid")
        found = look(server18, checks=["invalid_indexes"])
        old.execute("ROLLBACK")
    assert [name for name in only(found, "invalid_indexes")["detail"]["being_built"] if "h_b" in name]
    assert [row["busy"] for row in found["invalid_indexes"] if "h_b" in row["name"]] == [True]


def test_a_large_table_that_is_read_whole_is_named(server: Server) -> None:
    table(server, "h_read_whole")
    for _ in range(3):
        server.execute("SELECT count(*) FROM public.h_read_whole WHERE other = 7")
    faults.await_sql(server, "SELECT seq_scan >= 3 FROM pg_stat_user_tables WHERE relname = 'h_read_whole'")
    found = look(server, checks=["sequential_scans"], **AT_ONCE, sequential_scans_warning="0")
    [row] = [row for row in found["sequential_scans"] if row["name"] == "public.h_read_whole"]
    assert row["bytes_read"] >= 3 * row["bytes"] * 0.99 and only(found, "sequential_scans")["status"] == "warning"


def test_no_lock_on_a_table_holds_the_look_up(server18: Server) -> None:
    server18.execute("DROP TABLE IF EXISTS public.h_locked; CREATE TABLE public.h_locked (id int PRIMARY KEY, other int)")
    with faults.session(server18, user="postgres", application="h-locks") as held:
        held.execute("BEGIN; CREATE INDEX h_locked_index ON public.h_locked (other); LOCK TABLE public.h_locked")
        found = look(
            server18, checks=["invalid_indexes", "unused_indexes", "duplicate_indexes", "sequential_scans"], **AT_ONCE, lock_timeout="10ms",
        )
    assert found["skipped_checks"] == [] and len(found["checks"]) == 4
