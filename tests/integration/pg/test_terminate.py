# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pg_terminate_long_queries against real servers: choosing, sparing, limits, plans, measured outcomes."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import psycopg
import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action

from demo import faults
from demo.postgres import Server
from tests.support.need import need
from tests.support.run_module import start_module
from tests.support.terminating import (
    ANYTHING,
    MODULE,
    ROOTS,
    answers,
    login,
    open_session,
    outcomes,
    planned,
    planned_ids,
    reasons,
    rules_for,
    terminate,
)
from tests.support.until import BUSY

from .conftest import Hold

# -- check mode, second run, chains -----------------------------------------------------------------------------------


def test_check_mode_touches_nothing_and_a_second_look_gives_the_same_plan(server: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server, application="t-check"))
    first = terminate(server, check=True, rules=rules_for("t-check"))
    second = terminate(server, check=True, rules=rules_for("t-check"))
    assert outcomes(first) == {held.pid: "planned"}
    assert first["changed"] is True
    assert first["executed"] == {"cancel": 0, "terminate": 0, "rollback_prepared": 0}
    assert first["plan_sha256"] == second["plan_sha256"]
    assert planned_ids(first) == planned_ids(second)
    assert held.alive()
    held.execute("COMMIT")


def test_a_second_run_changes_nothing(server: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server, application="t-again"))
    first = terminate(server, rules=rules_for("t-again"))
    second = terminate(server, rules=rules_for("t-again"))
    assert (first["changed"], outcomes(first)) == (True, {held.pid: "gone"})
    assert (second["changed"], second["actions"]) == (False, [])
    assert held.wait_gone()


def test_a_lock_chain_has_one_victim_and_the_released_waiters_are_counted(server: Server, hold: Hold) -> None:
    chain = hold(faults.lock_chain(server, depth=3, application="t-chain"))
    result = terminate(server, rules=[{**ROOTS[0], "application_names": ["t-chain"]}])
    assert outcomes(result) == {chain[0].pid: "gone"}
    assert result["actions"][0]["detail"]["blocks"] == 3
    assert result["waiters_before"] == 3
    # The second in the chain goes on and then holds its own lock: the two behind it still wait.
    assert result["waiters_unblocked"] == result["actions"][0]["detail"]["unblocked"] == 1
    assert [held.alive() for held in chain[1:]] == [True, True, True]


def test_all_waiters_that_go_on_are_counted(server18: Server, hold: Hold) -> None:
    root = hold(faults.idle_in_transaction(server18, row=21, application="t-root"))
    waiters = hold([faults.session(server18, application="t-wait") for _ in range(3)])
    for waiter in waiters:
        waiter.send("UPDATE incident_orders SET note = 'mine' WHERE id = 21")
    pids = [waiter.pid for waiter in waiters]
    faults.await_sql(server18, "SELECT count(*) = 3 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid = ANY(%s)", (pids,))
    result = terminate(server18, rules=[{**ROOTS[0], "min_blocked": 3}])
    assert outcomes(result) == {root.pid: "gone"}
    assert result["waiters_unblocked"] == 3


def test_the_default_rules_leave_young_sessions_alone(server18: Server, hold: Hold) -> None:
    held = hold([faults.young_query(server18), faults.idle_in_transaction(server18, row=22)])
    result = terminate(server18)
    assert result["actions"] == []
    assert all(one.alive() for one in held)


def test_the_default_rules_with_ages_of_the_caller(server18: Server, hold: Hold) -> None:
    chain = hold(faults.lock_chain(server18, depth=1, application="t-ages"))
    age = "SELECT clock_timestamp() - state_change > interval '300 ms' FROM pg_stat_activity WHERE pid = %s"
    faults.await_sql(server18, age, (chain[0].pid,), what="the root to be old enough")
    result = terminate(server18, check=True, min_idle_in_transaction_age="200ms")
    assert outcomes(result) == {chain[0].pid: "planned"}
    assert result["actions"][0]["detail"]["rule"] == "root_blockers"


# -- who is never touched ---------------------------------------------------------------------------------------------


def test_survivors_are_protected_and_alive(server18: Server, hold: Hold) -> None:
    _survive(server18, hold)


def test_survivors_are_protected_and_alive_on_15(server15: Server, hold: Hold) -> None:
    _survive(server15, hold)


def _survive(server: Server, hold: Hold) -> None:
    survivors = {
        "pg_dump": hold(faults.pg_dump(server)), "pg_receivewal": hold(faults.pg_receivewal(server)),
        "pg_basebackup": hold(faults.pg_basebackup(server)), "logical": hold(faults.pg_recvlogical(server)),
        "superuser": hold(faults.superuser_session(server, state="active")),
    }
    other_run = hold(faults.session(server, user="postgres", application="oncall.incident/another"))
    result = terminate(server, rules=ANYTHING, max_victims=50)
    assert result.get("failed") is not True
    assert not set(outcomes(result)) & {held.pid for held in survivors.values()}
    assert {name: held.alive() for name, held in survivors.items()} == dict.fromkeys(survivors, True)
    assert {"backup_tool", "utility_statement"} <= set(reasons(result, survivors["pg_dump"]))
    for name in ("pg_receivewal", "pg_basebackup", "logical"):
        assert "backend_type:walsender" in reasons(result, survivors[name]), name
    assert reasons(result, survivors["superuser"]) == ["superuser"]
    assert "own_run" in reasons(result, other_run)
    spared = {one["target"]["pid"]: one for one in result["protected"]}
    assert [one for one in spared.values() if "own_session" in one["reasons"]]
    assert spared[survivors["pg_dump"].pid]["would_match"] is True


@pytest.mark.parametrize("statement", ["SELECT 1 /* incident:keep */", "-- incident:keep\nSELECT 1"])
def test_a_session_can_ask_to_be_kept(server: Server, hold: Hold, statement: str) -> None:
    held = hold(faults.session(server, application="t-keep"))
    held.execute("BEGIN")
    held.execute(statement)
    result = terminate(server, rules=rules_for("t-keep"))
    assert (result["actions"], reasons(result, held)) == ([], ["keep_comment"])
    # Only the last statement is seen: a session that is to be kept whatever it executes is so by its name.
    held.execute("SELECT 1")
    assert outcomes(terminate(server, check=True, rules=rules_for("t-keep"))) == {held.pid: "planned"}
    named = terminate(server, rules=rules_for("t-keep"), protect_application_names=["pg_dump", "T-Keep"])
    assert (named["actions"], reasons(named, held)) == ([], ["backup_tool"])
    assert held.alive()


def test_a_running_utility_statement_is_protected_and_an_idle_one_is_not(server18: Server, hold: Hold) -> None:
    running, idle = hold([faults.session(server18, application="t-ddl") for _ in range(2)])
    running.send("CREATE TEMP TABLE slow AS SELECT 1 FROM pg_sleep(60)")
    idle.execute("BEGIN")
    idle.execute("CREATE TEMP TABLE idle ()")
    faults.await_sql(server18, "SELECT state = 'active' FROM pg_stat_activity WHERE pid = %s", (running.pid,))
    result = terminate(server18, rules=rules_for("t-ddl"))
    assert reasons(result, running) == ["utility_statement"]
    assert outcomes(result) == {idle.pid: "gone"}
    assert running.alive()


def test_members_of_protected_roles_are_spared(server18: Server, hold: Hold) -> None:
    server18.execute("DROP ROLE IF EXISTS t_vip; DROP ROLE IF EXISTS t_vips; CREATE ROLE t_vips; CREATE ROLE t_vip LOGIN IN ROLE t_vips")
    server18.execute("GRANT SELECT, UPDATE ON incident_orders TO t_vip")
    held = hold(faults.idle_in_transaction(server18, row=23, user="t_vip", application="t-vip"))
    result = terminate(server18, rules=rules_for("t-vip"), protect_roles=["t_vips"])
    assert (result["actions"], reasons(result, held)) == ([], ["member_of:t_vips"])
    assert held.alive()


def test_a_protected_root_blocker_is_a_finding_and_its_waiters_are_left_alone(server18: Server, hold: Hold) -> None:
    root = hold(faults.superuser_session(server18, application="t-admin"))
    root.execute("UPDATE incident_orders SET note = 'admin' WHERE id = 24")
    waiter = hold(faults.session(server18, application="t-behind"))
    waiter.send("UPDATE incident_orders SET note = 'mine' WHERE id = 24")
    faults.await_sql(server18, "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", (waiter.pid,))
    result = terminate(server18, rules=[*ROOTS, *rules_for("t-behind")])
    assert result["actions"] == []
    finding = next(one for one in result["findings"] if one["check"] == "protected_blocker")
    assert (finding["status"], finding["detail"]["target"]["pid"], finding["detail"]["waiters"]) == ("critical", root.pid, [waiter.pid])
    assert finding["detail"]["reasons"] == ["superuser"]
    assert root.alive() and waiter.alive()


def test_a_superuser_application_role_is_a_victim_only_when_it_is_named_and_we_are_one(server18: Server, hold: Hold) -> None:
    for role, what in (("t_boss", "SUPERUSER"), ("t_helper", "IN ROLE pg_signal_backend, pg_read_all_stats")):
        server18.execute(f"DROP ROLE IF EXISTS {role}")
        server18.execute(f"CREATE ROLE {role} LOGIN {what}")
    held = hold(faults.idle_in_transaction(server18, row=25, user="t_boss", application="t-boss"))
    unnamed = terminate(server18, rules=rules_for("t-boss"))
    no_superuser = terminate(server18, rules=rules_for("t-boss"), allow_superuser_roles=["t_boss"], login_user="t_helper")
    assert (unnamed["actions"], reasons(unnamed, held)) == ([], ["superuser"])
    assert (no_superuser["actions"], reasons(no_superuser, held)) == ([], ["superuser", "not_permitted"])
    assert held.alive()
    named = terminate(server18, rules=rules_for("t-boss"), allow_superuser_roles=["t_boss"])
    assert outcomes(named) == {held.pid: "gone"}


# -- limits and plans -------------------------------------------------------------------------------------------------


def test_more_candidates_than_the_limit_and_nothing_is_signalled(server: Server, hold: Hold) -> None:
    held = hold([faults.idle_in_transaction(server, row=row, application="t-many") for row in (1, 2, 3)])
    for limit in ({"max_victims": 2}, {"max_percent": 1}, {"max_victims": 3, "spent": 1}):
        result = terminate(server, rules=rules_for("t-many"), **limit)
        assert (result["failed"], result["error"], result["changed"]) == (True, "limit_exceeded", False)
        assert outcomes(result) == dict.fromkeys((one.pid for one in held), "refused")
        assert result["contract"] == "oncall.incident/actions/1"
        seen = set(terminate(server, check=True, rules=rules_for("t-many")))
        assert set(result) - {"candidates", "allowance", "limit", "count", "msg", "error", "hint", "failed"} == seen - {"reading"}
        assert result["invocation"]["reading"]["complete"], "all that was seen is in it"
    assert all(one.alive() for one in held)


def test_only_what_was_approved_is_signalled(server: Server, hold: Hold) -> None:
    first = hold(faults.idle_in_transaction(server, row=4, application="t-approve"))
    plan = terminate(server, check=True, rules=rules_for("t-approve"))
    second = hold(faults.idle_in_transaction(server, row=5, application="t-approve"))
    result = terminate(server, rules=rules_for("t-approve"), approved=planned_ids(plan), max_victims=1)
    assert result.get("failed") is not True
    assert outcomes(result) == {first.pid: "gone", second.pid: "refused"}
    assert next(a for a in result["actions"] if a["outcome"] == "refused")["detail"]["why"] == "not_approved"
    assert second.alive()


@pytest.mark.parametrize("password", ["postgres", "incident", "terminate", "1"])
def test_a_weak_password_does_not_change_ids_and_contract(server18: Server, hold: Hold, password: str) -> None:
    held = hold(faults.idle_in_transaction(server18, row=37, application="t-weak"))
    held.execute(f"SELECT 'my password is {password}'")
    plan = terminate(server18, check=True, rules=rules_for("t-weak"), login_password=password)
    assert plan["contract"] == "oncall.incident/actions/1"
    assert f"password is {password}" not in str(plan)
    result = terminate(server18, rules=rules_for("t-weak"), login_password=password, approved=planned_ids(plan))
    assert outcomes(result) == {held.pid: "gone"}


def test_an_empty_approval_allows_nothing(server: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server, row=6, application="t-empty"))
    result = terminate(server, rules=rules_for("t-empty"), approved=[])
    assert (result["changed"], outcomes(result), result.get("failed")) == (False, {held.pid: "refused"}, None)
    assert held.alive()


def test_approved_sessions_that_are_gone_or_moved_on_are_named_and_left_alone(server18: Server, hold: Hold) -> None:
    gone = hold(faults.idle_in_transaction(server18, row=7, application="t-overtaken"))
    moved = hold(faults.idle_in_transaction(server18, row=8, application="t-overtaken"))
    plan = terminate(server18, check=True, rules=rules_for("t-overtaken", min_query_age=None))
    gone.close()
    assert gone.wait_gone()
    moved.execute("COMMIT")
    result = terminate(server18, rules=rules_for("t-overtaken"), approved=planned(plan))
    assert (result["changed"], outcomes(result)) == (False, {gone.pid: "not_needed", moved.pid: "moved_on"})
    assert moved.alive()


def test_a_pid_that_now_belongs_to_another_session_is_not_signalled(server18: Server, hold: Hold) -> None:
    held = hold(faults.session(server18, application="t-reused"))
    old = hold(faults.idle_in_transaction(server18, row=9, application="t-reused"))
    plan = terminate(server18, check=True, rules=rules_for("t-reused"))
    # The plan of a session whose pid the system has meanwhile given to another one.
    approved = [Action(one["verb"], one["resource"], {**one["identity"], "pid": held.pid}, {}, "").as_dict() for one in planned(plan)]
    result = terminate(server18, rules=rules_for("t-reused"), approved=approved)
    assert outcomes(result)[held.pid] == "pid_reused"
    assert outcomes(result)[old.pid] == "refused"
    assert held.alive() and old.alive()


def test_the_plan_of_a_server_that_was_restarted_finds_nothing(fresh_server: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(fresh_server, application="t-restart"))
    plan = terminate(fresh_server, check=True, rules=rules_for("t-restart"))
    fresh_server.restart()
    result = terminate(fresh_server, rules=rules_for("t-restart"), approved=planned(plan))
    assert outcomes(result) == {held.pid: "moved_on"}
    assert result["actions"][0]["detail"]["why"] == "restarted"


def test_each_approved_id_is_answered_where_nothing_could_be_begun(server18: Server, hold: Hold) -> None:
    from ansible_collections.oncall.incident.plugins.module_utils._postgresql.signals import take_lock

    held = hold(faults.idle_in_transaction(server18, row=10, application="t-answers"))
    plan = terminate(server18, check=True, rules=rules_for("t-answers"))
    other = Action("terminate", "pg:1:1", {"pid": 1}, {}, "").as_dict()  # of another server
    approved = {"rules": rules_for("t-answers"), "approved": [*planned(plan), other, "an id alone"]}
    ids = [*planned_ids(plan), other["id"], "an id alone"]
    with open_session(server18) as first:
        take_lock(first)
        assert answers(terminate(server18, **approved)) == dict.fromkeys(ids, ("refused", "locked"))
    server18.execute("DROP ROLE IF EXISTS t_answers; CREATE ROLE t_answers LOGIN IN ROLE pg_signal_backend")
    blind = terminate(server18, **approved, login_user="t_answers")
    assert (blind["error"], answers(blind)) == ("blind", dict.fromkeys(ids, ("failed", "not_tried")))
    away = terminate(server18, **approved, login_db="nowhere")
    assert (away["error"], answers(away)) == ("no_such_database", dict.fromkeys(ids, ("failed", "not_tried")))
    assert held.alive()
    done = answers(terminate(server18, **approved))
    assert [done[key] for key in ids] == [("gone", None), ("moved_on", "restarted"), ("moved_on", "no_longer_matches")]


def test_who_is_a_victim_by_another_clock_now_is_answered_by_the_approved_one(server18: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server18, row=11, application="t-clock"))
    by_state = rules_for("t-clock", min_query_age=None, min_transaction_age=None)
    by_transaction = rules_for("t-clock", min_query_age=None, min_idle_in_transaction_age=None)
    plan = terminate(server18, check=True, rules=by_state)
    held.execute("SELECT 1")  # the same transaction, idle anew
    result = terminate(server18, rules=by_transaction, approved=planned(plan))
    [now] = [key for key in answers(result) if key not in planned_ids(plan)]
    assert answers(result) == {now: ("refused", "not_approved"), planned_ids(plan)[0]: ("moved_on", "no_longer_matches")}
    assert held.alive() and not result["changed"]


def test_of_a_session_only_the_approved_clock_counts(server18: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server18, row=12, application="t-second"))
    plan = terminate(server18, check=True, rules=rules_for("t-second", min_query_age=None))
    _first, second = plan["actions"][0]["detail"]["ids"]
    result = terminate(server18, rules=rules_for("t-second"), approved=[second])
    assert answers(result) == {second: ("gone", None)} and result["actions"][0]["detail"]["ids"] == [second]
    assert held.wait_gone()


# -- privileges -------------------------------------------------------------------------------------------------------


def test_a_role_that_may_only_signal_is_blind_and_fails(server: Server, hold: Hold) -> None:
    server.execute("DROP ROLE IF EXISTS t_blind")
    server.execute("CREATE ROLE t_blind LOGIN IN ROLE pg_signal_backend")
    held = hold(faults.idle_in_transaction(server, application="t-blind"))
    result = terminate(server, rules=rules_for("t-blind"), login_user="t_blind")
    assert (result["failed"], result["error"]) == (True, "blind")
    assert result["grant"] == 'GRANT pg_read_all_stats TO "t_blind";'
    assert result["grant"] in result["msg"]
    assert held.alive()


def test_a_role_that_may_only_see_shows_it_in_the_plan(server18: Server, hold: Hold) -> None:
    server18.execute("DROP ROLE IF EXISTS t_sees")
    server18.execute("CREATE ROLE t_sees LOGIN IN ROLE pg_monitor")
    held = hold(faults.idle_in_transaction(server18, row=26, application="t-sees"))
    result = terminate(server18, check=True, rules=rules_for("t-sees"), login_user="t_sees")
    assert (result["changed"], result["actions"], reasons(result, held)) == (False, [], ["not_permitted"])
    finding = next(one for one in result["findings"] if one["check"] == "signal_privilege")
    assert "GRANT pg_signal_backend" in finding["hint"]


# -- strategies and outcomes ------------------------------------------------------------------------------------------


def test_escalate_is_content_when_the_cancel_was_enough(server: Server, hold: Hold) -> None:
    held = hold(faults.runaway_query(server, application="t-run"))
    result = terminate(server, rules=[{"name": "queries", "min_query_age": "0", "application_names": ["t-run"]}])
    action = result["actions"][0]
    assert (action["outcome"], action["detail"]["signals"], result["changed"]) == ("done", ["cancel"], True)
    assert held.alive()


def test_escalate_terminates_what_survives_the_cancel(server18: Server, hold: Hold) -> None:
    held = hold(faults.session(server18, application="t-stubborn"))
    held.send("DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$")
    faults.await_sql(server18, "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = %s", (held.pid,))
    result = terminate(server18, rules=rules_for("t-stubborn"), grace="300ms")
    action = result["actions"][0]
    assert (action["outcome"], action["detail"]["signals"]) == ("gone", ["cancel", "terminate"])
    assert result["executed"] == {"cancel": 1, "terminate": 1, "rollback_prepared": 0}
    assert held.wait_gone()


def test_a_cancelled_transaction_that_stays_open_is_terminated(server18: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server18, row=27, application="t-open"))
    held.execute("SAVEPOINT before")  # the lock is outside of what the cancel rolls back
    held.send("SELECT pg_sleep(60)")
    faults.await_sql(server18, "SELECT state = 'active' FROM pg_stat_activity WHERE pid = %s", (held.pid,))
    result = terminate(server18, rules=rules_for("t-open"), grace="300ms")
    assert (outcomes(result), result["actions"][0]["detail"]["signals"]) == ({held.pid: "gone"}, ["cancel", "terminate"])


def test_a_session_that_begins_new_work_after_the_cancel_is_left_alone(server18: Server, hold: Hold) -> None:
    held = hold(faults.session(server18, application="t-retry"))
    began = threading.Event()

    def application() -> None:
        try:
            held.execute("SELECT pg_sleep(60)")
        except psycopg.errors.QueryCanceled:
            began.set()
            held.send("SELECT pg_sleep(61)")

    worker = threading.Thread(target=application, daemon=True)
    worker.start()
    faults.await_sql(server18, "SELECT state = 'active' FROM pg_stat_activity WHERE pid = %s", (held.pid,))
    result = terminate(server18, rules=[{"name": "queries", "min_query_age": "0", "application_names": ["t-retry"]}], max_seconds="10s")
    worker.join(timeout=10)
    assert began.is_set()
    assert result["actions"][0]["outcome"] in ("moved_on", "done")  # done: seen idle in the moment between the two
    assert (result["executed"]["terminate"], result["changed"]) == (0, True)
    assert held.alive()


def test_cancel_alone_is_refused_where_it_cannot_help(server: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server, application="t-cancel"))
    result = terminate(server, rules=rules_for("t-cancel"), strategy="cancel")
    action = result["actions"][0]
    assert (action["outcome"], action["detail"]["why"]) == ("refused", "cannot_help")
    assert held.alive()


def test_a_busy_transaction_is_known_by_its_transaction_and_not_by_its_statement(server18: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server18, row=28, application="t-busy"))

    def work() -> None:
        try:
            while True:
                held.execute("SELECT 1")
        except psycopg.Error:
            pass

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    rules = [{"name": "transactions", "min_transaction_age": "0", "application_names": ["t-busy"]}]
    result = terminate(server18, rules=rules, strategy="terminate")
    worker.join(timeout=10)
    assert outcomes(result) == {held.pid: "gone"}


def test_a_frozen_backend_is_reported_in_bounded_time(server18: Server, hold: Hold) -> None:
    frozen = hold(faults.idle_in_transaction(server18, row=29, application="t-frozen"))
    other = hold(faults.idle_in_transaction(server18, row=30, application="t-frozen"))
    os.kill(frozen.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        result = terminate(server18, rules=rules_for("t-frozen"), verify_timeout="700ms")
        assert time.monotonic() - began < BUSY
        assert frozen.alive()
    finally:
        os.kill(frozen.pid, signal.SIGCONT)
    assert (result["failed"], result["error"], result["changed"]) == (True, "actions_failed", True)
    assert outcomes(result) == {frozen.pid: "still_running", other.pid: "gone"}
    assert "restart" in result["hint"] and "SIGKILL" in result["hint"]


def test_what_cannot_be_signalled_in_time_is_said(server18: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server18, row=31, application="t-late"))
    result = terminate(server18, rules=rules_for("t-late"), max_seconds="1ms")
    assert (result["failed"], outcomes(result)) == (True, {held.pid: "failed"})
    assert (result["actions"][0]["detail"]["why"], result["actions"][0]["touched"], result["changed"]) == ("out_of_time", False, False)
    assert held.alive()


# -- two runs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("database", ["postgres", "template1"])
def test_a_second_run_at_the_same_time_is_refused_and_names_the_first(server: Server, hold: Hold, database: str) -> None:
    from ansible_collections.oncall.incident.plugins.module_utils._postgresql.signals import take_lock

    held = hold(faults.idle_in_transaction(server, application="t-two"))
    with open_session(server, database=database, application_name="oncall.incident/run-one") as first:
        take_lock(first)
        result = terminate(server, rules=rules_for("t-two"), run_id="run-two")
        looked = terminate(server, check=True, rules=rules_for("t-two"))
        assert (result["failed"], result["error"], result["holder_run"]) == (True, "locked", "run-one")
        assert result["holder"]["pid"] == first.backend_pid
        assert outcomes(looked) == {held.pid: "planned"}
        assert held.alive()
    assert held.alive()


def test_two_real_runs_end_a_session_once(server18: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server18, row=32, application="t-race"))
    os.kill(held.pid, signal.SIGSTOP)  # keeps the first run waiting
    try:
        first = start_module(MODULE, **login(server18), rules=rules_for("t-race"), max_percent=100, verify_timeout="20s", run_id="first")
        try:
            taken = """SELECT count(*) > 0 FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
                WHERE l.locktype = 'advisory' AND a.application_name = 'oncall.incident/first'"""
            faults.await_sql(server18, taken, what="the first run to act")
            second = terminate(server18, rules=rules_for("t-race"), run_id="second")
            assert (second["error"], second["holder_run"]) == ("locked", "first")
            os.kill(held.pid, signal.SIGCONT)
            assert outcomes(first.result()) == {held.pid: "gone"}
        finally:
            first.kill()
    finally:
        if held.alive():
            os.kill(held.pid, signal.SIGCONT)


# -- prepared transactions, databases, rules --------------------------------------------------------------------------


def test_a_prepared_transaction_is_reported_and_rolled_back_only_on_request(server: Server, hold: Hold) -> None:
    gid = faults.prepared_transaction(server, row=61)
    waiter = hold(faults.session(server, application="t-prepared"))
    waiter.send("UPDATE incident_orders SET note = 'mine' WHERE id = 61")
    faults.await_sql(server, "SELECT 0 = ANY(pg_blocking_pids(%s))", (waiter.pid,))
    reported = terminate(server, rules=ROOTS)
    assert reported["actions"] == []
    assert [(one["gid"], one["blocks"]) for one in reported["prepared_transactions"]] == [(gid, [waiter.pid])]
    assert [one["subject"] for one in reported["findings"] if one["check"] == "prepared_transaction"] == [gid]
    plan = terminate(server, check=True, rules=ROOTS, rollback_prepared=True)
    assert answers(terminate(server, rules=ROOTS, approved=planned(plan))) == {planned_ids(plan)[0]: ("refused", "option_off")}
    late = terminate(server, rules=ROOTS, rollback_prepared=True, max_seconds="1ms")
    assert (answers(late), late["changed"]) == ({planned_ids(plan)[0]: ("failed", "out_of_time")}, False)
    result = terminate(server, rules=ROOTS, rollback_prepared=True, approved=planned_ids(plan), login_db="template1")
    assert [(a["verb"], a["target"]["gid"], a["outcome"]) for a in result["actions"]] == [("rollback_prepared", gid, "done")]
    assert (result["changed"], result["waiters_unblocked"]) == (True, 1)
    assert server.execute("SELECT count(*) FROM pg_prepared_xacts") == [(0,)]
    again = terminate(server, rules=ROOTS, rollback_prepared=True, approved=planned(plan))
    assert (answers(again), again["changed"]) == ({planned_ids(plan)[0]: ("not_needed", "gone_already")}, False)


def test_a_prepared_transaction_of_a_subscription_is_never_rolled_back(server15: Server) -> None:
    """Replication would stop at the COMMIT PREPARED that follows. Both ends are on one server, in two databases."""
    server15.execute("CREATE DATABASE subscriber")
    table = "CREATE TABLE replicated (id int PRIMARY KEY)"
    server15.execute(table)
    server15.execute(table, dbname="subscriber")
    server15.execute("CREATE PUBLICATION two_phased FOR TABLE replicated")
    server15.execute("SELECT pg_create_logical_replication_slot('two_phased', 'pgoutput', false, true)")
    conninfo = f"host={server15.socket_dir} port={server15.port} user={server15.superuser} dbname=postgres"
    server15.execute(
        f"CREATE SUBSCRIPTION two_phased CONNECTION '{conninfo}' PUBLICATION two_phased"
        " WITH (create_slot = false, copy_data = false, two_phase = true)", dbname="subscriber",
    )
    try:
        faults.await_sql(server15, "SELECT subtwophasestate = 'e' FROM pg_subscription", what="two_phase to be enabled")
        with server15.connect() as connection:
            connection.execute("BEGIN")
            connection.execute("INSERT INTO replicated VALUES (1)")
            connection.execute("PREPARE TRANSACTION 'published'")
        faults.await_sql(server15, "SELECT count(*) = 2 FROM pg_prepared_xacts", what="the subscription to prepare it as well")
        result = terminate(server15, rules=ROOTS, rollback_prepared=True, min_transaction_age="0s", check=True)
        assert [action["target"]["gid"] for action in result["actions"]] == ["published"]
        assert [one.get("subscription") for one in result["prepared_transactions"]] == [None, "two_phased"]
    finally:
        server15.execute("ROLLBACK PREPARED 'published'")
        faults.await_sql(server15, "SELECT count(*) = 0 FROM pg_prepared_xacts", what="the subscription to roll it back as well")
        server15.execute("DROP SUBSCRIPTION two_phased", dbname="subscriber")
        server15.execute("DROP PUBLICATION two_phased; DROP TABLE replicated")
        server15.execute("DROP DATABASE subscriber")


def test_sessions_of_two_databases_are_found_from_either(server18: Server, hold: Hold) -> None:
    server18.execute("DROP DATABASE IF EXISTS t_second WITH (FORCE)")
    server18.execute("CREATE DATABASE t_second")
    here = hold(faults.idle_in_transaction(server18, row=33, application="t-two-db"))
    there = hold(faults.idle_in_transaction(server18, row=33, application="t-two-db", dbname="t_second"))
    only = terminate(server18, check=True, rules=rules_for("t-two-db", databases=["t_sec*"]))
    assert outcomes(only) == {there.pid: "planned"}
    both = terminate(server18, rules=rules_for("t-two-db"), login_db="t_second")
    assert outcomes(both) == {here.pid: "gone", there.pid: "gone"}


def test_an_exclusion_wins(server18: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server18, row=34, application="t-exclude"))
    for exclusion in (
        {"exclude_users": ["app"]}, {"exclude_databases": ["post*"]}, {"exclude_client_addresses": ["local"]},
        {"exclude_query": "incident_ORDERS"}, {"exclude_states": ["idle in transaction"]},
    ):
        result = terminate(server18, rules=rules_for("t-exclude", query="update", **exclusion))
        assert result["actions"] == [], exclusion
    assert held.alive()


def test_leaked_idle_connections_are_given_back_down_to_the_target(fresh_server: Server, hold: Hold) -> None:
    rule = {"name": "leaked", "min_idle_age": "0", "idle_when_above_percent": 80, "idle_target_percent": 60}
    used = hold([faults.session(fresh_server, application="t-pool-b") for _ in range(3)])
    quiet = terminate(fresh_server, rules=[rule], max_victims=50)
    assert quiet["actions"] == []
    hold(faults.fill_connections(fresh_server, leave=0, application="t-pool-a"))
    result = terminate(fresh_server, rules=[rule], max_victims=50)
    left = fresh_server.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
    # 25 connections, 3 reserved; 60 % of 22 is 13 with the module's own, which is gone by now.
    assert left == [(12,)]
    assert result["changed"] is True
    assert set(outcomes(result).values()) == {"gone"}
    assert all(held.alive() for held in used)  # the pool that did not leak keeps its connections


def test_one_of_a_stampede_is_left(server18: Server, hold: Hold) -> None:
    crowd = hold([faults.runaway_query(server18, application="t-crowd") for _ in range(3)])
    odd = hold(faults.session(server18, application="t-crowd"))
    odd.send("SELECT pg_sleep(60), 'another query'")
    faults.await_sql(server18, "SELECT state = 'active' FROM pg_stat_activity WHERE pid = %s", (odd.pid,))
    rules = rules_for("t-crowd", group_by="query_id", min_group_size=2, victims="all_but_oldest")
    result = terminate(server18, rules=rules, strategy="terminate")
    assert outcomes(result) == dict.fromkeys((held.pid for held in crowd[1:]), "gone")
    assert crowd[0].alive() and odd.alive()


@pytest.mark.parametrize(("rule", "argument"), [
    ({"query": "("}, "query"), ({"client_addresses": ["192.0.2.0/99"]}, "client_addresses"), ({"min_query_age": "soon"}, "min_query_age"),
    ({"exclude_query": "*"}, "exclude_query"), ({"idle_target_percent": 95}, "idle_target_percent"),
])
def test_bad_rules_are_refused_before_anything_is_connected(rule: dict[str, Any], argument: str) -> None:
    from tests.support.run_module import run_module

    result = run_module(MODULE, login_host="192.0.2.1", connect_retry="0", rules=[{"name": "mine", **rule}])
    assert (result["failed"], result["error"], result["rule"], result["argument"]) == (True, "bad_input", "mine", argument)
    assert result["msg"].startswith("Rule mine: ")


def test_sessions_over_tcp_are_chosen_by_network(server18: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server18, row=35, application="t-tcp", tcp=True))
    nobody = terminate(server18, rules=rules_for("t-tcp", client_addresses=["192.0.2.0/24", "local", "2001:db8::/32"]))
    result = terminate(
        server18, rules=rules_for("t-tcp", client_addresses=["127.0.0.0/8"]), login_unix_socket="", login_host="127.0.0.1",
    )
    assert (nobody["actions"], outcomes(result)) == ([], {held.pid: "gone"})


def test_ansible_itself_runs_the_module(server18: Server, hold: Hold) -> None:
    import json
    import shutil
    import subprocess
    import sys
    from pathlib import Path

    from tests.support.site import environment

    program = Path(sys.executable).with_name("ansible")
    need(program.exists() or shutil.which("ansible"), "the ansible command")
    held = hold(faults.idle_in_transaction(server18, row=36, application="t-ansible"))
    args = json.dumps({**login(server18), "rules": rules_for("t-ansible"), "max_percent": 100})
    interpreter = f"ansible_python_interpreter={sys.executable}"
    done = subprocess.run(
        [str(program), "localhost", "-c", "local", "-m", f"oncall.incident.{MODULE}", "-a", args, "-e", interpreter],
        env=environment(server18.base, ANSIBLE_CALLBACKS_ENABLED=""), cwd=server18.base, capture_output=True, text=True, timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.partition("=>")[2])["actions"][0]["outcome"] == "gone"
    assert held.wait_gone()
