# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens between the look and the signal: each test changes the world in exactly that moment."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action
from ansible_collections.oncall.incident.plugins.module_utils._core.deadline import Deadline
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import Locked
from ansible_collections.oncall.incident.plugins.module_utils._module import lease
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.backends import Backend
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.protection import (
    BEGINS_BACKUP,
    KEEP,
    UTILITY,
    runs_utility,
)
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.sessions import Candidate
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.signals import Look, act, acting_alone
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.termination import terminate_long_queries

from demo import faults
from demo.postgres import Server
from tests.integration.pg.health_support import make_role
from tests.support.cutting import cutting
from tests.support.terminating import look_at, open_session, request, rules_for, terminate

from .conftest import Hold

Chosen = list[tuple[Candidate, Action]]


def choose(look: Look) -> Chosen:
    found = look.select(look.read()).candidates
    return [(candidate, candidate.action(verb="terminate", resource=look.session.resource)) for candidate in found]


def signal_all(look: Look, chosen: Chosen, **more: Any) -> dict[int, Action]:
    done = act(look, chosen, **{
        "strategy": "escalate", "approved": None, "grace": 1.0, "verify_timeout": 5.0, "deadline": Deadline(20), **more,
    })
    return {candidate.backend.pid: action for (candidate, _planned), action in zip(chosen, done, strict=True)}


TRANSACTIONS = {"min_query_age": None, "min_idle_in_transaction_age": None}


def test_honest_new_work_is_left_alone(server: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server, application="s-moved"))
    with open_session(server) as session:
        look = look_at(session, rules_for("s-moved", min_idle_in_transaction_age="1h", min_transaction_age="0", min_query_age="1h"))
        chosen = choose(look)
        held.execute("COMMIT")
        held.execute("SELECT 1")
        action = signal_all(look, chosen)[held.pid]
    assert (action.outcome, action.detail["why"], action.detail["now"]["state"]) == ("moved_on", "no_longer_matches", "idle")
    assert held.alive()


def test_a_session_that_is_a_victim_for_its_new_work_too_is_judged_anew(server18: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server18, application="s-anew"))
    with open_session(server18) as session:
        look = look_at(session, rules_for("s-anew"))
        chosen = choose(look)
        held.execute("COMMIT")
        held.execute("BEGIN")
        held.execute("SELECT 1")
        action = signal_all(look, chosen)[held.pid]
    assert (action.outcome, action.detail["judged_anew"]) == ("gone", True)


def test_with_an_approval_its_new_work_was_not_approved(server18: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server18, application="s-approved"))
    with open_session(server18) as session:
        look = look_at(session, rules_for("s-approved"))
        chosen = choose(look)
        held.execute("COMMIT")
        held.execute("BEGIN")
        held.execute("SELECT 1")
        action = signal_all(look, chosen, approved=[identity for _c, planned in chosen for identity in planned.detail["ids"]])[held.pid]
    assert action.outcome == "moved_on"
    assert held.alive()


@pytest.mark.parametrize("statement", ["SELECT 1 /* incident:keep */", "CREATE TEMP TABLE s AS SELECT 1 FROM pg_sleep(60)"])
def test_a_session_that_became_protected_is_left_alone(server: Server, hold: Hold, statement: str) -> None:
    held = hold(faults.idle_in_transaction(server, application="s-protected"))
    with open_session(server) as session:
        look = look_at(session, rules_for("s-protected"))
        chosen = choose(look)
        held.send(statement)
        faults.await_sql(server, "SELECT query = %s FROM pg_stat_activity WHERE pid = %s", (statement, held.pid))
        action = signal_all(look, chosen)[held.pid]
    assert (action.outcome, len(action.detail["protected"])) == ("moved_on", 1)
    assert held.alive()


def test_a_session_that_changed_its_name_is_judged_by_the_filters_again(server18: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server18, application="s-name"))
    with open_session(server18) as session:
        look = look_at(session, rules_for("s-name", **TRANSACTIONS))
        chosen = choose(look)
        held.execute("SET application_name = 'nightly'")
        action = signal_all(look, chosen)[held.pid]
    assert action.outcome == "moved_on"
    assert held.alive()


def test_a_query_filter_holds_for_the_statement_that_is_there_at_the_signal(server18: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server18, application="s-query"))
    with open_session(server18) as session:
        look = look_at(session, rules_for("s-query", query="incident_orders", **TRANSACTIONS))
        chosen = choose(look)
        held.execute("SELECT 'another statement of the same transaction'")
        action = signal_all(look, chosen)[held.pid]
    assert action.outcome == "moved_on"
    assert held.alive()


def test_a_root_blocker_that_blocks_nobody_any_more_is_left_alone(server18: Server, hold: Hold) -> None:
    chain = hold(faults.lock_chain(server18, depth=1, application="s-root"))
    with open_session(server18) as session:
        look = look_at(session, rules_for("s-root", victims="root_blockers"))
        chosen = choose(look)
        chain[1].close()
        assert chain[1].wait_gone()
        action = signal_all(look, chosen)[chain[0].pid]
    assert action.outcome == "moved_on"
    assert chain[0].alive()


def test_a_session_that_ends_by_itself_is_no_change(server18: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server18, application="s-gone"))
    with open_session(server18) as session:
        look = look_at(session, rules_for("s-gone"))
        chosen = choose(look)
        held.close()
        assert held.wait_gone()
        action = signal_all(look, chosen)[held.pid]
    assert (action.outcome, action.detail["why"]) == ("not_needed", "gone_already")


def test_another_session_with_the_same_pid_is_not_signalled(server: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server, application="s-pid"))
    with open_session(server) as session:
        look = look_at(session, rules_for("s-pid"))
        before = "2026-01-01T00:00:00.000000+00:00"
        chosen = [(dataclasses.replace(c, backend=dataclasses.replace(c.backend, backend_start=before)), a) for c, a in choose(look)]
        action = signal_all(look, chosen)[held.pid]
    assert action.outcome == "pid_reused"
    assert held.alive()


def test_privileges_lost_since_the_preflight_hide_nothing(server: Server, hold: Hold) -> None:
    for role, what in (("s_other", ""), ("s_helper", "IN ROLE pg_read_all_stats, app")):
        server.execute(f"DROP ROLE IF EXISTS {role}")
        faults.prepare(server)
        server.execute(f"CREATE ROLE {role} LOGIN {what}")
    server.execute("GRANT SELECT, UPDATE ON incident_orders TO s_other")
    server.execute("GRANT pg_signal_backend TO s_helper")
    first = hold(faults.idle_in_transaction(server, row=1, application="s-revoke"))
    other = hold(faults.idle_in_transaction(server, row=2, application="s-revoke", user="s_other"))
    last = hold(faults.idle_in_transaction(server, row=3, application="s-revoke"))
    with open_session(server, user="s_helper") as session:
        look = look_at(session, rules_for("s-revoke"))
        chosen = choose(look)
        assert len(chosen) == 3
        server.execute("REVOKE pg_signal_backend FROM s_helper")
        done = signal_all(look, chosen)
    assert {pid: action.outcome for pid, action in done.items()} == {first.pid: "gone", other.pid: "not_permitted", last.pid: "gone"}
    assert done[other.pid].detail["sqlstate"] == "42501"
    assert other.alive()


def test_a_role_that_became_a_superuser_is_left_alone(server18: Server, hold: Hold) -> None:
    server18.execute("DROP ROLE IF EXISTS s_rises")
    server18.execute("CREATE ROLE s_rises LOGIN")
    held = hold(faults.idle_in_transaction(server18, lock=False, application="s-rises", user="s_rises"))
    with open_session(server18) as session:
        look = look_at(session, rules_for("s-rises"))
        chosen = choose(look)
        server18.execute("ALTER ROLE s_rises SUPERUSER")
        action = signal_all(look, chosen)[held.pid]
    assert (action.outcome, action.detail["protected"]) == ("moved_on", ["superuser"])
    assert held.alive()


def test_new_work_between_cancel_and_terminate_is_left_alone(server: Server, hold: Hold) -> None:
    held = hold(faults.runaway_query(server, application="s-between"))
    connection = held.connection
    assert connection is not None
    with open_session(server) as session:
        look = look_at(session, [{"name": "queries", "min_query_age": "0", "application_names": ["s-between"]}])
        chosen = choose(look)
        # The server cancels; the application has begun its next statement before anybody looks again.
        plain, cancelled = session.rows, []

        def rows(sql: str, params: Any = None) -> Any:
            found = plain(sql, params)
            if "pg_cancel_backend" in sql and not cancelled:
                cancelled.append(True)
                while connection.pgconn.get_result() is not None:
                    pass
                held.send("SELECT pg_sleep(61)")
                runs = "SELECT query LIKE '%%61%%' AND state = 'active' FROM pg_stat_activity WHERE pid = %s"
                faults.await_sql(server, runs, (held.pid,))
            return found

        session.rows = rows  # type: ignore[method-assign]
        action = signal_all(look, chosen)[held.pid]
    assert (action.outcome, action.detail["signals"]) == ("moved_on", ["cancel"])
    assert (action.detail["why"], action.touched) == ("no_longer_matches", True)
    assert held.alive()


def test_what_was_done_is_reported_when_our_own_session_is_lost(server18: Server, hold: Hold) -> None:
    hold([faults.idle_in_transaction(server18, row=row, application="s-lost") for row in (1, 2, 3)])
    with open_session(server18) as session:
        look = look_at(session, rules_for("s-lost"))
        chosen = choose(look)
        plain, signalled = session.rows, []

        def rows(sql: str, params: Any = None) -> Any:
            found = plain(sql, params)
            if "pg_terminate_backend" in sql and not signalled:
                signalled.append(params["pid"])
                server18.execute("SELECT pg_terminate_backend(%s)", (session.backend_pid,))
            return found

        session.rows = rows  # type: ignore[method-assign]
        done = signal_all(look, chosen)
    assert sorted(((action.outcome, action.touched) for action in done.values()), key=str) == [
        ("failed", False), ("unknown", None), ("unknown", True),
    ], "the second was tried in the lost session"
    assert {pid for pid, action in done.items() if action.touched} == set(signalled)


@pytest.mark.parametrize(("strategy", "word"), [("terminate", b"pg_terminate_backend"), ("cancel", b"pg_cancel_backend")])
def test_a_signal_without_an_answer_may_have_been_sent(server18: Server, hold: Hold, strategy: str, word: bytes) -> None:
    """Our session is lost in the statement that signals: the server does it all the same."""
    held = hold([faults.runaway_query(server18, application="s-untold") for _ in range(2)])
    with cutting(server18.port, word=word) as port:
        where = {"login_unix_socket": "", "login_host": "127.0.0.1", "login_port": port}
        result = terminate(server18, rules=rules_for("s-untold"), strategy=strategy, **where)
    untold, later = sorted(result["actions"], key=lambda action: action["outcome"] != "unknown")
    assert (untold["outcome"], untold["touched"], "signals" in untold["detail"]) == ("unknown", None, False), untold
    assert (later["outcome"], later["touched"]) == ("failed", False)
    assert (result["failed"], result["changed"]) == (True, True)
    [signalled] = [one for one in held if one.pid == untold["target"]["pid"]]
    query = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND state = 'active')"
    faults.await_sql(server18, query, (signalled.pid,), what="what nobody heard of")


def test_a_statement_that_fails_after_the_signal_may_have_sent_it(server18: Server, hold: Hold) -> None:
    held = hold([faults.idle_in_transaction(server18, row=row, application="s-after") for row in (1, 2)])
    with open_session(server18) as session:
        look = look_at(session, rules_for("s-after"))
        chosen = choose(look)
        plain, failed = session.rows, []

        def rows(sql: str, params: Any = None) -> Any:
            found = plain(sql, params)
            if "pg_terminate_backend" in sql and not failed:
                failed.append(params["pid"])
                plain("SELECT 1 / 0")
            return found

        session.rows = rows  # type: ignore[method-assign]
        done = signal_all(look, chosen, strategy="terminate")
    assert {pid: (action.outcome, action.as_dict()["touched"]) for pid, action in done.items()} == {
        one.pid: ("unknown", None) if one.pid in failed else ("gone", True) for one in held
    }
    [untold] = [done[pid].detail for pid in failed]
    assert (untold["sqlstate"], "run again" in untold["hint"]) == ("22012", True)


def test_a_signal_that_is_not_permitted_was_not_sent(server18: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server18, application="s-forbidden"))
    with open_session(server18, user=make_role(server18, "s_forbidden", grants="pg_monitor")) as session:
        look = look_at(session, rules_for("s-forbidden"))
        backends = [dataclasses.replace(backend, may_signal=True) for backend in look.read()]
        chosen = [(one, one.action(verb="terminate", resource=session.resource)) for one in look.select(backends).candidates]
        action = signal_all(look, chosen, strategy="terminate")[held.pid]
    assert (action.outcome, action.touched, action.detail["sqlstate"]) == ("not_permitted", False, "42501")
    assert held.alive()


def test_a_rollback_without_an_answer_may_have_been_done(server18: Server) -> None:
    gid = faults.prepared_transaction(server18, row=62, name="s_untold")
    with cutting(server18.port, word=f"ROLLBACK PREPARED '{gid}".encode()) as port:
        where = {"login_unix_socket": "", "login_host": "127.0.0.1", "login_port": port}
        result = terminate(server18, rules=rules_for("nobody"), rollback_prepared=True, min_transaction_age="0", **where)
    [action] = result["actions"]
    assert (action["outcome"], action["touched"], result["changed"], result["failed"]) == ("unknown", None, True, True), action
    faults.await_sql(server18, "SELECT NOT EXISTS (SELECT FROM pg_prepared_xacts WHERE gid = %s)", (gid,), what="what nobody heard of")


@pytest.mark.parametrize(("moment", "again"), [
    ("pg_catalog.format('ROLLBACK", False), ("ROLLBACK PREPARED 's_ends", False), ("pg_catalog.format('ROLLBACK", True),
])
def test_a_prepared_transaction_that_ends_before_the_rollback_is_left_alone(server18: Server, moment: str, again: bool) -> None:
    gid = faults.prepared_transaction(server18, row=63, name="s_ends")
    with open_session(server18) as session:
        plain, ended = session.rows, []

        def rows(sql: str, params: Any = None) -> Any:
            if moment in sql and not ended:
                ended.append(True)
                server18.execute(f"COMMIT PREPARED '{gid}'")
                if again:  # another one, by the same name
                    faults.prepared_transaction(server18, row=63, name="s_ends")
            return plain(sql, params)

        session.rows = rows  # type: ignore[method-assign]
        wanted = request(rules_for("nobody"), rollback_prepared=True, prepared_min_age=0.0)
        result, problem = terminate_long_queries(
            lambda: session, wanted, check_mode=False, open_database=lambda session, name: session,
        )
    [action] = result["actions"]
    assert ended and (action["outcome"], action["detail"]["why"]) == ("not_needed", "gone_already")
    assert problem is None and (result["changed"], result["executed"]["rollback_prepared"]) == (False, 0)
    assert server18.execute("SELECT count(*) FROM pg_prepared_xacts WHERE gid = %s", (gid,)) == [(int(again),)]
    if again:
        server18.execute(f"ROLLBACK PREPARED '{gid}'")


def test_the_next_task_is_not_refused_for_the_one_before(server18: Server) -> None:
    # The server ends a closed session when it comes to it: without an explicit release about one in ten was refused.
    for _ in range(100):
        with open_session(server18) as session, acting_alone(session):
            pass


def test_another_runs_entry_point_is_not_interrupted(server18: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    who = {"run": "run-1", "holder": "ann"}
    with open_session(server18) as session, open_session(server18) as other:
        lease.take(session.resource, seconds=300, **who)
        try:
            with pytest.raises(Locked, match="Run run-1 of ann is acting on"), acting_alone(session):
                pytest.fail("it was let in")
            monkeypatch.setenv(lease.VARIABLE, lease.token(**who))
            with acting_alone(other):  # the lock in the server was given back
                pass
            assert lease.give_back(session.resource, **who), "it is the entry point's"
            with acting_alone(session):
                pass
        finally:
            assert lease.give_back_all(**who) == 1


QUERIES = [
    "SELECT 1",
    "select * from created",
    "CREATE INDEX i ON t (a)",
    "  /* by hand */ vacuum t",
    "-- note\nALTER TABLE t ADD c int",
    "DROP TABLE t",
    "COPY t TO STDOUT",
    "copy_things()",
    "REFRESH MATERIALIZED VIEW m",
    "BEGIN; ALTER TABLE t ADD c int",
    "UPDATE t SET a = 'drop'",
    "analyze",
    "SELECT pg_backup_start('x')",
    "select pg_catalog.PG_START_BACKUP ('x', true)",
    "SELECT 'pg_backup_starting'",
    "truncate t",
    "SELECT 1 /* incident:keep */",
    "/* team: x, INCIDENT:KEEP */ SELECT 1",
    "SELECT 'incident:keep'",
    "-- incident:keep\nSELECT 1",
    "SELECT 1 -- please: INCIDENT:keep",
    "SELECT 1 -- of another line\n, 'incident:keep'",
    "/**/ /***/CREATE TABLE t ()",
    "(VACUUM)",
    "select 1 -- ; drop",
    "/* a */ SELECT 1; /* b */ GRANT x TO y",
    "vacuum_log",
    "WITH a AS (SELECT 1) SELECT * FROM a",
    "",
]


@pytest.mark.parametrize("query", QUERIES)
def test_the_server_reads_the_expressions_as_we_do(server18: Server, query: str) -> None:
    from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.protection import Policy, protections

    seen = Backend(pid=1, state="active", query=query)
    with open_session(server18) as session:
        row = session.rows(
            "SELECT %(q)s::text ~* %(utility)s AS utility_statement, %(q)s::text ~* %(backup)s AS began_backup, "
            "%(q)s::text ~* %(keep)s AS keep_comment",
            {"q": query, "utility": UTILITY, "backup": BEGINS_BACKUP, "keep": KEEP},
        )[0]
    assert [name for name, holds in row.items() if holds] == list(protections(seen, Policy()))
    assert row["utility_statement"] == runs_utility(seen)
