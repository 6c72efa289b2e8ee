# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance of named objects counts when the server's own counters and files show it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.limits import Budget
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.maintenance import Named
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
    return run_module("pg_maintain", check=check, objects=wanted, **{**where, **more})


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
