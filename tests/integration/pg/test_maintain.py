# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance of named objects, and of those that need it most, counts when the server's own counters and files show it."""

from __future__ import annotations

import contextlib
from typing import Any

import psycopg
import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.limits import Budget
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.maintenance import Named
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.maintenance import maintain as maintain_on

from demo import faults
from demo.postgres import Server
from tests.support.cutting import cutting
from tests.support.run_module import run_module
from tests.support.terminating import answers, open_session

TABLE = "public.incident_orders"


def maintain(server: Server, *objects: tuple[str, str], check: bool = False, user: str = "postgres", **more: Any) -> dict[str, Any]:
    """Run the module."""
    faults.prepare(server)
    wanted = [{"operation": operation, "name": name} for operation, name in objects]
    where = {"login_unix_socket": str(server.socket_dir), "login_port": server.port, "login_user": user}
    given = {"objects": wanted or None, **where, **more}
    return run_module("pg_maintain", check=check, **{name: value for name, value in given.items() if value is not None})


def table(server: Server, name: str) -> str:
    """A fresh table of the test's own."""
    faults.prepare(server)
    server.execute(f"DROP TABLE IF EXISTS public.{name}; CREATE TABLE public.{name} (id int PRIMARY KEY)")
    return f"public.{name}"


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


def test_a_second_run_is_refused_and_what_it_was_to_do_is_answered(server18: Server) -> None:
    from ansible_collections.oncall.incident.plugins.module_utils._postgresql.signals import ADVISORY_KEY

    plan = maintain(server18, ("analyze", TABLE), check=True)
    assert answers(plan) == answers(maintain(server18, ("analyze", TABLE), check=True)), "planned again, it is the same"
    with faults.superuser_session(server18, state="idle") as other:
        other.execute(f"SELECT pg_advisory_lock({ADVISORY_KEY})")
        result = maintain(server18, ("analyze", TABLE), approved=plan["actions"])
        assert (result["failed"], result["error"]) == (True, "locked")
        assert answers(result) == dict.fromkeys(answers(plan), ("refused", "locked"))
        assert not maintain(server18, ("analyze", TABLE), check=True).get("failed"), "a plan takes no lock"


def test_a_server_that_is_not_there_answers_what_was_approved(server18: Server) -> None:
    plan = maintain(server18, ("analyze", TABLE), check=True)
    result = maintain(server18, ("analyze", TABLE), approved=plan["actions"], connect_retry="0", login_db="nowhere")
    assert (result["failed"], result["error"]) == (True, "no_such_database")
    assert answers(result) == dict.fromkeys(answers(plan), ("failed", "not_tried"))


def test_what_became_of_approved_objects(server18: Server) -> None:
    gone, replaced, dropped = (table(server18, name) for name in ("m_gone", "m_replaced", "m_unnamed"))
    objects = [("analyze", "public.M_Gone"), ("analyze", replaced), ("analyze", TABLE)]
    plan = maintain(server18, *objects, ("analyze", dropped), check=True)
    server18.execute(f"DROP TABLE {gone}, {replaced}; CREATE TABLE {replaced} ()")
    result = maintain(server18, *objects, approved=[*plan["actions"], "an id alone"])
    names = {action["id"]: action["name"] for action in plan["actions"]}
    assert {names[key]: said for key, said in answers(result).items() if key in names} == {
        gone: ("not_needed", "gone_already"), replaced: ("moved_on", "identity_changed"), TABLE: ("done", None),
        dropped: ("moved_on", "no_longer_matches"),
    }
    assert answers(result)["an id alone"] == ("moved_on", "no_longer_matches")
    [other] = [action for action in result["actions"] if action["id"] not in {*names, "an id alone"}]
    assert (other["outcome"], other["detail"]["why"], other["name"]) == ("refused", "not_approved", replaced)
    assert not result.get("failed")


def test_a_plan_of_before_a_restart_is_answered(fresh_server: Server) -> None:
    plan = maintain(fresh_server, ("analyze", TABLE), check=True)
    fresh_server.restart()
    result = maintain(fresh_server, ("analyze", TABLE), approved=plan["actions"])
    assert answers(result)[plan["actions"][0]["id"]] == ("moved_on", "no_longer_matches")
    assert (outcomes(result), result["changed"]) == (["refused", "moved_on"], False)


@pytest.mark.parametrize(("change", "expected"), [
    ("DROP TABLE {0}", ("not_needed", "gone_already")), ("DROP TABLE {0}; CREATE TABLE {0} ()", ("moved_on", "identity_changed")),
])
@pytest.mark.parametrize("operation", ["analyze", "reindex"])
def test_what_changes_between_look_and_statement_is_left_alone(
    server18: Server, operation: str, change: str, expected: tuple[str, str],
) -> None:
    name = table(server18, "m_changes")
    with open_session(server18) as session:
        plain, changed = session.rows, []

        def rows(sql: str, params: Any = None) -> Any:
            if "relkind" not in sql and params == [name] and not changed:
                changed.append(True)
                server18.execute(change.format(name))
            return plain(sql, params)

        session.rows = rows  # type: ignore[method-assign]
        result, problem = maintain_on(
            lambda: session, [Named(operation, name)], budget=Budget(max_count=5), approved=None, check_mode=False,
        )
    assert changed and problem is None and list(answers(result).values()) == [expected]
    assert result["changed"] is False


def test_a_table_without_an_index_needs_no_rebuild(server18: Server) -> None:
    server18.execute("DROP TABLE IF EXISTS public.m_bare; CREATE TABLE public.m_bare (id int)")
    result = maintain(server18, ("reindex", "public.m_bare"))
    assert (outcomes(result), result["changed"], result.get("failed")) == (["not_needed"], False, None)


def test_a_rebuild_that_fails_names_what_removes_its_remains_and_that_does(server18: Server) -> None:
    name = table(server18, "m_remains")
    with faults.session(server18, user="postgres", application="m-old") as old:
        old.execute("BEGIN")
        old.execute(f"SELECT * FROM {name}")
        result = maintain(server18, ("reindex", name), ("analyze", name), timeout="1s")
    [failed, analyzed] = result["actions"]
    assert (failed["outcome"], failed["detail"]["why"], analyzed["outcome"]) == ("failed", "target_refused", "done")
    assert (result["failed"], result["error"], result["hint"]) == (True, "actions_failed", failed["detail"]["hint"])
    command = result["hint"][result["hint"].index("DROP INDEX"):]
    invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid AND indrelid = %s::regclass"
    assert server18.execute(invalid, (name,)) == [(1,)]
    server18.execute(command)
    assert server18.execute(invalid, (name,)) == [(0,)]
    assert outcomes(maintain(server18, ("reindex", name))) == ["done"]


def test_a_statement_without_an_answer_is_unknown_and_the_next_is_not_tried(server18: Server) -> None:
    objects = [(operation, TABLE) for operation in ("analyze", "vacuum", "vacuum_analyze")]
    with cutting(server18.port, word=b"vacuum public") as port:
        result = maintain(server18, *objects, login_unix_socket="", login_host="127.0.0.1", login_port=port)
    assert list(answers(result).values()) == [("done", None), ("unknown", "no_answer"), ("failed", "not_tried")]
    assert [action["touched"] for action in result["actions"]] == [True, None, False]
    assert (result["failed"], result["error"]) == (True, "actions_failed")


def test_of_what_is_approved_only_so_many_as_the_limit_says(server18: Server) -> None:
    plan = maintain(server18, ("analyze", TABLE), ("vacuum", TABLE), check=True)
    one = maintain(server18, ("analyze", TABLE), ("vacuum", TABLE), approved=plan["actions"][:1], max_objects=1)
    assert outcomes(one) == ["done", "refused"]
    used = maintain(server18, ("analyze", TABLE), approved=plan["actions"][:1], max_objects=1, spent=1)
    assert list(answers(used).values()) == [("refused", "limit_exceeded")] and used["error"] == "limit_exceeded"


def needy(server: Server) -> None:
    """Tables of which autovacuum keeps off: one full of dead rows, one that was never analyzed, one with an index that is not valid."""
    server.execute("DROP TABLE IF EXISTS public.w_dead, public.w_stale, public.w_invalid")
    off = "WITH (autovacuum_enabled = off)"
    rows_of = {"w_dead": "generate_series(1, 4000)", "w_stale": "generate_series(1, 500)", "w_invalid": "unnest('{1, 1}'::int[])"}
    for name, rows in rows_of.items():
        server.execute(f"CREATE TABLE public.{name} (id int) {off}; INSERT INTO public.{name} SELECT {rows}")
    server.execute("ANALYZE public.w_dead")
    server.execute("DELETE FROM public.w_dead WHERE id % 2 = 0")
    with contextlib.suppress(psycopg.errors.UniqueViolation):
        server.execute("CREATE UNIQUE INDEX CONCURRENTLY w_index ON public.w_invalid (id)")
    server.execute("DELETE FROM public.w_invalid WHERE ctid = '(0,1)'")
    dead = "SELECT n_dead_tup >= 2000 FROM pg_stat_user_tables WHERE relname = 'w_dead'"
    faults.await_sql(server, dead, what="the dead rows to be counted")


def of_needy(result: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """The actions on those tables by operation and name; the database has others."""
    return {(one["verb"], one["name"]): one for one in result["actions"] if ".w_" in one["name"]}


NEEDY = {("reindex", "public.w_index"), ("vacuum", "public.w_dead"), ("analyze", "public.w_stale")}


def test_the_worst_of_the_database_are_found_planned_maintained_and_measured(server: Server) -> None:
    needy(server)
    where = {"worst": 20, "max_objects": 60}
    plan = maintain(server, check=True, **where)
    planned = of_needy(plan)
    assert set(planned) >= NEEDY and {one["outcome"] for one in planned.values()} == {"planned"}
    assert plan["needing"]["reindex"] >= 1
    assert server.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'public.w_index'::regclass") == [(False,)], "a check"
    assert server.execute("SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'w_dead'") == [(0,)]
    vacuum = planned["vacuum", "public.w_dead"]
    assert vacuum["reason"].startswith("It has 2000 dead rows; autovacuum comes at 850.") and "VACUUM FULL" in vacuum["reason"]
    approved = [one for key, one in planned.items() if key in NEEDY]
    done = maintain(server, **where, approved=approved)
    assert {key: one["outcome"] for key, one in of_needy(done).items()} == dict.fromkeys(NEEDY, "done"), done
    assert of_needy(done)["vacuum", "public.w_dead"]["detail"]["after"]["dead_rows"] == 0
    assert server.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'public.w_index'::regclass") == [(True,)]
    later = maintain(server, **where, approved=approved)
    # A rebuild that is concurrent makes another index of the same name.
    assert sorted(answers(later).values()) == [("moved_on", "identity_changed"), *[("not_needed", "already_so")] * 2]


def test_the_worst_are_bounded_in_number_size_and_time(server18: Server) -> None:
    needy(server18)
    one = maintain(server18, check=True, worst=1, worst_operations=["vacuum"])
    assert [action["name"] for action in one["actions"]] == ["public.w_dead"]
    assert maintain(server18, check=True, worst=9, max_objects=0)["actions"] == []
    small = maintain(server18, check=True, worst=9, worst_operations=["analyze", "vacuum"], max_bytes=0)
    assert "public.w_dead" not in {action["name"] for action in small["actions"]}
    late = maintain(server18, worst=1, worst_operations=["vacuum"], time_limit="1ms")
    assert (late["failed"], answers(late)[one["actions"][0]["id"]]) == (True, ("failed", "out_of_time"))


def test_what_a_failed_rebuild_left_is_named_and_not_rebuilt(server18: Server) -> None:
    name = table(server18, "w_remains")
    with faults.session(server18, user="postgres", application="w-old") as old:
        old.execute(f"BEGIN; SELECT * FROM {name}")
        maintain(server18, ("reindex", name), timeout="500ms")
    found = maintain(server18, check=True, worst=20, worst_operations=["reindex"], max_objects=60)
    [left] = [one for one in found["protected"] if one["name"].startswith("public.w_remains_pkey_cc")]
    assert left["name"] not in {action["name"] for action in found["actions"]}
    command = left["reasons"][0].rpartition("with ")[2]
    server18.execute(command)
    assert server18.execute("SELECT to_regclass(%s)", (left["name"],)) == [(None,)]


def test_an_index_that_is_being_built_is_left_alone(server18: Server) -> None:
    name = table(server18, "w_builds")
    with faults.session(server18, user="postgres", application="w-old") as old, faults.session(server18, user="postgres") as builder:
        old.execute(f"BEGIN; INSERT INTO {name} VALUES (1)")
        builder.send(f"CREATE INDEX CONCURRENTLY w_building ON {name} (id)")
        faults.await_sql(server18, "SELECT count(*) = 1 FROM pg_index WHERE indexrelid = to_regclass('public.w_building')")
        found = maintain(server18, check=True, worst=20, worst_operations=["reindex"], max_objects=60)
        old.execute("ROLLBACK")
    [left] = [one for one in found["protected"] if one["name"] == "public.w_building"]
    assert left["reasons"][0].startswith("busy:")


def test_what_is_not_ours_is_named_and_a_vacuum_that_removes_nothing_says_why(server18: Server) -> None:
    needy(server18)
    where = {"worst": 20, "worst_operations": ["vacuum"], "max_objects": 60}
    other = maintain(server18, check=True, user="app", **where)
    assert [one["reasons"][0].partition(":")[0] for one in other["protected"] if one["name"] == "public.w_dead"] == ["not_permitted"]
    server18.execute("VACUUM public.w_dead")
    with faults.session(server18, user="postgres", application="w-snapshot") as old:
        old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        server18.execute("DELETE FROM public.w_dead")
        faults.await_sql(server18, "SELECT n_dead_tup >= 2000 FROM pg_stat_user_tables WHERE relname = 'w_dead'")
        held = maintain(server18, ("vacuum", "public.w_dead"))
    assert outcomes(held) == ["done"] and "held_back_by" in held["actions"][0]["detail"]["hint"]


def test_neither_objects_nor_worst_is_refused(server18: Server) -> None:
    assert "one of the following is required: objects, worst" in maintain(server18)["msg"]
