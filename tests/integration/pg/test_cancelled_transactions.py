# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cancel inside an explicit transaction, as every driver with autocommit off has it: with and without a savepoint.

What counts is what the session was chosen for: whether its transaction still holds the locks that others wait for.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from demo import faults
from demo.faults import Held
from demo.postgres import Server
from tests.support.terminating import ROOTS, rules_for, terminate

ROW = 61
LOCK = f"UPDATE incident_orders SET note = 'held' WHERE id = {ROW}"
WORK = "SELECT pg_sleep(3600)"
WAITING = "SELECT count(*) = %s FROM pg_stat_activity WHERE application_name = 'c-wait' AND wait_event_type = 'Lock'"
BY_WAITERS = [{**ROOTS[0], "application_names": ["c-client"]}]
BY_BLOCKED = rules_for("c-client", min_blocked=1, min_transaction_age=None, min_idle_in_transaction_age=None)
BY_TRANSACTION = rules_for("c-client", min_query_age=None, min_idle_in_transaction_age=None)
BY_STATEMENT = rules_for("c-client", min_transaction_age=None, min_idle_in_transaction_age=None)
BY_ANYTHING = rules_for("c-client")

React = Callable[[psycopg.Connection[Any]], Any]


def stay(connection: psycopg.Connection[Any]) -> None:
    """The application hangs: nobody rolls back."""


def roll_back(connection: psycopg.Connection[Any]) -> None:
    connection.rollback()


def begin_again(connection: psycopg.Connection[Any]) -> None:
    connection.rollback()
    connection.execute(WORK)


def insist(connection: psycopg.Connection[Any]) -> None:
    """It sends on into the aborted transaction."""
    with contextlib.suppress(psycopg.errors.InFailedSqlTransaction):
        connection.execute("SELECT 1")


def back_to_savepoint(connection: psycopg.Connection[Any]) -> None:
    connection.execute("ROLLBACK TO SAVEPOINT s")


def on_from_savepoint(connection: psycopg.Connection[Any]) -> None:
    connection.execute("ROLLBACK TO SAVEPOINT s")
    connection.execute(WORK)


Blocked = Callable[..., Held]


@pytest.fixture
def blocked() -> Iterator[Blocked]:
    """A client with autocommit off that works in its transaction and blocks two others."""
    made: list[Held] = []
    threads: list[threading.Thread] = []

    def make(server: Server, begin: list[str], react: React, *, wait_for: str = LOCK) -> Held:
        held = faults.session(server, application="c-client")
        made.append(held)
        connection = held.connection
        assert connection is not None
        connection.autocommit = False
        for statement in begin:
            connection.execute(statement)

        def work() -> None:
            with contextlib.suppress(psycopg.Error):
                try:
                    connection.execute(WORK)
                except psycopg.errors.QueryCanceled:
                    react(connection)

        threads.append(threading.Thread(target=work, daemon=True))
        threads[-1].start()
        faults.await_sql(server, "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = %s", (held.pid,))
        for _ in range(2):
            waiter = faults.session(server, application="c-wait")
            made.append(waiter)
            waiter.send(wait_for)
        faults.await_sql(server, WAITING, (2,))
        return held

    yield make
    faults.close_all(made)
    for thread in threads:
        thread.join(timeout=10)


def only(result: dict[str, Any]) -> dict[str, Any]:
    [action] = result["actions"]
    assert isinstance(action, dict)
    return action


@pytest.mark.parametrize("strategy", ["cancel", "escalate"])
@pytest.mark.parametrize("react", [stay, roll_back, begin_again, insist])
def test_the_transaction_is_over_and_its_waiters_go_on(server18: Server, blocked: Blocked, react: React, strategy: str) -> None:
    _is_over(server18, blocked, BY_WAITERS, react=react, strategy=strategy)


@pytest.mark.parametrize("rules", [BY_WAITERS, BY_BLOCKED, BY_TRANSACTION, BY_STATEMENT, BY_ANYTHING])
@pytest.mark.parametrize("react", [stay, begin_again])
def test_whatever_it_was_chosen_for(server18: Server, blocked: Blocked, react: React, rules: list[dict[str, Any]]) -> None:
    _is_over(server18, blocked, rules, react=react, strategy="escalate")


def test_each_version_shows_the_aborted_transaction_alike(server: Server, blocked: Blocked) -> None:
    _is_over(server, blocked, BY_WAITERS, react=stay, strategy="cancel")


def _is_over(server: Server, blocked: Blocked, rules: list[dict[str, Any]], *, react: React, strategy: str) -> None:
    held = blocked(server, [LOCK], react)
    result = terminate(server, rules=rules, strategy=strategy)
    action = only(result)
    assert (action["outcome"], action["detail"]["signals"], action["touched"]) == ("done", ["cancel"], True), action["detail"]
    assert (result["changed"], result["waiters_unblocked"], action["detail"]["unblocked"]) == (True, 2, 2)
    assert result["executed"]["cancel"] == 1 and not result.get("failed") and "transaction_open" not in action["detail"]
    assert held.alive()


@pytest.mark.parametrize("rules", [BY_WAITERS, BY_BLOCKED, BY_TRANSACTION])
@pytest.mark.parametrize("react", [stay, back_to_savepoint, on_from_savepoint])
def test_a_lock_from_before_the_savepoint_stays(
    server18: Server, blocked: Blocked, react: React, rules: list[dict[str, Any]],
) -> None:
    held = blocked(server18, [LOCK, "SAVEPOINT s"], react)
    cancelled = terminate(server18, rules=rules, strategy="cancel", verify_timeout="1s")
    action = only(cancelled)
    assert (action["outcome"], action["detail"]["transaction_open"], action["touched"]) == ("still_running", True, True), action["detail"]
    assert "savepoint" in action["detail"]["hint"] and "savepoint" in cancelled["hint"]
    assert (cancelled["failed"], cancelled["changed"], cancelled["waiters_unblocked"]) == (True, True, 0)
    assert held.alive() and server18.execute(WAITING, (2,)) == [(True,)]


@pytest.mark.parametrize("rules", [BY_WAITERS, BY_BLOCKED, BY_TRANSACTION])
@pytest.mark.parametrize("react", [stay, back_to_savepoint, on_from_savepoint])
def test_escalate_ends_who_keeps_its_locks_below_a_savepoint(
    server18: Server, blocked: Blocked, react: React, rules: list[dict[str, Any]],
) -> None:
    held = blocked(server18, [LOCK, "SAVEPOINT s"], react)
    result = terminate(server18, rules=rules, strategy="escalate", grace="500ms")
    action = only(result)
    assert (action["outcome"], action["detail"]["signals"], action["detail"]["unblocked"]) == ("gone", ["cancel", "terminate"], 2)
    assert held.wait_gone()


@pytest.mark.parametrize("strategy", ["cancel", "escalate"])
@pytest.mark.parametrize("react", [stay, back_to_savepoint, on_from_savepoint])
def test_a_lock_from_after_the_savepoint_goes(server18: Server, blocked: Blocked, react: React, strategy: str) -> None:
    held = blocked(server18, ["SELECT 1", "SAVEPOINT s", LOCK], react)
    action = only(terminate(server18, rules=BY_WAITERS, strategy=strategy))
    assert (action["outcome"], action["detail"]["signals"], action["detail"]["unblocked"]) == ("done", ["cancel"], 2), action["detail"]
    assert action["detail"]["transaction_open"] is True
    assert held.alive()


def test_who_was_chosen_for_its_statement_alone_keeps_its_transaction(server18: Server, blocked: Blocked) -> None:
    held = blocked(server18, [LOCK, "SAVEPOINT s"], back_to_savepoint)
    result = terminate(server18, rules=BY_STATEMENT, strategy="escalate", grace="500ms")
    action = only(result)
    assert (action["outcome"], action["detail"]["signals"], action["detail"]["transaction_open"]) == ("done", ["cancel"], True)
    assert (result["changed"], result["waiters_unblocked"]) == (True, 0), "its locks were not what the rule is about; the result says so"
    assert held.alive()


SESSION_LOCK = "SELECT pg_advisory_lock(61)"


@pytest.mark.parametrize(("strategy", "outcome", "signals", "unblocked"), [
    ("cancel", "still_running", ["cancel"], 0), ("escalate", "gone", ["cancel", "terminate"], 1),
])
@pytest.mark.parametrize("react", [stay, roll_back, begin_again])
def test_a_lock_of_the_session_outlives_the_transaction(
    server18: Server, blocked: Blocked, react: React, strategy: str, outcome: str, signals: list[str], unblocked: int,
) -> None:
    held = blocked(server18, [SESSION_LOCK], react, wait_for=SESSION_LOCK)
    action = only(terminate(server18, rules=BY_WAITERS, strategy=strategy, verify_timeout="1s", grace="500ms"))
    detail = action["detail"]
    assert (action["outcome"], detail["signals"], detail["unblocked"]) == (outcome, signals, unblocked), detail
    assert held.alive() if outcome == "still_running" else held.wait_gone()
