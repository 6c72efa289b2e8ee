# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A statement that waits for a lock and holds up others: it is named, and cancelled where that is asked for."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.deadline import Deadline
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.rules import lock_queue_rule
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.signals import Look, act
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.again import again as decided_again

from demo import faults
from demo.faults import Held
from demo.postgres import Server
from tests.integration.pg.health_support import look, only
from tests.support.terminating import look_at, open_session, outcomes, planned, terminate

from .conftest import Hold

CANCEL: dict[str, Any] = {"cancel_lock_queue": True, "min_lock_wait_age": "0", "rules": []}


@dataclass
class Queue:
    """Who has the lock, who waits for it, and who waits behind that."""

    holder: Held
    head: Held
    behind: list[Held]

    def ended(self) -> None:
        """The statements behind the head have their answers, and the holder still has its transaction."""
        for one in self.behind:
            assert one.connection is not None
            assert one.connection.pgconn.get_result() is not None
        assert self.holder.execute("SELECT 1").fetchone() == (1,)


def make_queue(server: Server, hold: Hold, **more: Any) -> Queue:
    """A dump reads a table, an ALTER TABLE waits behind it, and three queries wait behind that one."""
    holder, head, *behind = hold(faults.lock_queue(server, **more))
    return Queue(holder, head, behind)


def test_the_statement_at_the_head_is_cancelled_and_the_others_go_on(server: Server, hold: Hold) -> None:
    queue = make_queue(server, hold)
    plan, again = (terminate(server, check=True, **CANCEL) for _time in range(2))
    [action] = plan["actions"]
    assert (action["verb"], action["target"]["pid"], action["outcome"]) == ("cancel", queue.head.pid, "planned")
    assert (action["detail"]["blocks"], action["detail"]["awaits"]) == (3, "AccessExclusiveLock on public.queue_orders")
    assert decided_again(plan["reading"]).actions == {action["id"]: "planned"}
    assert plan["plan_sha256"] == again["plan_sha256"] and plan["executed"]["cancel"] == 0
    assert "lock_queue" not in [one["check"] for one in plan["findings"]], "it is dealt with"
    done = terminate(server, approved=planned(plan), **CANCEL)
    assert outcomes(done) == {queue.head.pid: "done"}
    assert (done["waiters_unblocked"], done["executed"]["cancel"], done["executed"]["terminate"]) == (3, 1, 0)
    queue.ended()
    with pytest.raises(psycopg.errors.QueryCanceled):
        _answer_of(queue.head)
    assert queue.head.alive() and queue.holder.alive()
    after = terminate(server, **CANCEL)
    assert (after["changed"], after["actions"]) == (False, [])


def _answer_of(held: Held) -> None:
    """The answer to the statement that was sent."""
    assert held.connection is not None
    result = held.connection.pgconn.get_result()
    assert result is not None
    if result.status == psycopg.pq.ExecStatus.FATAL_ERROR:
        raise psycopg.errors.error_from_result(result)


@pytest.mark.parametrize("strategy", ["cancel", "terminate", "escalate"])
def test_its_session_is_never_ended(server18: Server, hold: Hold, strategy: str) -> None:
    queue = make_queue(server18, hold)
    done = terminate(server18, strategy=strategy, **CANCEL)
    assert outcomes(done) == {queue.head.pid: "done"} and done["executed"]["terminate"] == 0
    assert queue.head.alive()


def test_not_even_where_it_does_not_react(server18: Server, hold: Hold) -> None:
    queue = make_queue(server18, hold)
    os.kill(queue.head.pid, signal.SIGSTOP)
    try:
        done = terminate(server18, strategy="escalate", grace="200ms", verify_timeout="300ms", **CANCEL)
    finally:
        os.kill(queue.head.pid, signal.SIGCONT)
    assert (done["error"], outcomes(done)) == ("actions_failed", {queue.head.pid: "still_running"})
    assert done["executed"] == {"cancel": 1, "terminate": 0, "rollback_prepared": 0}
    queue.ended()
    assert queue.head.alive()


def test_without_the_option_it_is_named_and_the_command_helps(server18: Server, hold: Hold) -> None:
    queue = make_queue(server18, hold)
    found = terminate(server18)
    assert found["actions"] == []
    [told] = [one for one in found["findings"] if one["check"] == "lock_queue"]
    assert (told["subject"], told["observed"]) == (f"pid {queue.head.pid}", 3)
    health = only(look(server18, blocking_warning="0s"), "blocking")
    for hint in (told["hint"], health["hint"]):
        assert f"pid {queue.head.pid} app@postgres (migrate)" in hint and "AccessExclusiveLock on public.queue_orders" in hint
        assert "holds up 3 sessions" in hint and "postgres_cancel_lock_queue" in hint
    assert f"pid {queue.holder.pid} app@postgres (pg_dump), idle in transaction for" in health["hint"]
    commands = re.findall(r"SELECT pg_cancel_backend[^;]+;", told["hint"])
    assert commands == re.findall(r"SELECT pg_cancel_backend[^;]+;", health["hint"])
    server18.execute(commands[0])
    queue.ended()


@pytest.mark.parametrize(("more", "why"), [
    ({"min_lock_wait_age": "1h"}, "less than min_lock_wait_age"), ({"protect_roles": ["app"]}, "protected (member_of:app)"),
    ({"protect_application_names": ["pg_dump", "migrate"]}, "protected (backup_tool)"),
])
def test_who_waits_for_a_short_time_or_is_protected_is_left_alone(
    server18: Server, hold: Hold, more: dict[str, Any], why: str,
) -> None:
    queue = make_queue(server18, hold)
    found = terminate(server18, **{**CANCEL, **more})
    assert (found["actions"], found["changed"]) == ([], False)
    [told] = [one for one in found["findings"] if one["check"] == "lock_queue"]
    assert told["subject"] == f"pid {queue.head.pid}" and why in told["hint"]


def test_a_statement_that_asks_to_be_kept_is_kept(server18: Server, hold: Hold) -> None:
    make_queue(server18, hold, statement="/* incident:keep */ ALTER TABLE queue_orders ADD note text")
    assert terminate(server18, **CANCEL)["actions"] == []


def test_the_limit_counts_it_and_an_approval_needs_the_option(server18: Server, hold: Hold) -> None:
    queue = make_queue(server18, hold)
    over = terminate(server18, **CANCEL, max_victims=0)
    assert (over["error"], outcomes(over)) == ("limit_exceeded", {queue.head.pid: "refused"})
    approved = planned(terminate(server18, check=True, **CANCEL))
    off = terminate(server18, **{**CANCEL, "cancel_lock_queue": False}, approved=approved)
    assert [(one["outcome"], one["detail"]["why"]) for one in off["actions"]] == [("refused", "option_off")]
    none = terminate(server18, **CANCEL, approved=[])
    assert [(one["outcome"], one["detail"]["why"]) for one in none["actions"]] == [("refused", "not_approved")]
    assert not off["changed"] and not none["changed"]


def signalled(look_now: Look, change: Any) -> list[tuple[str, bool | None]]:
    """What becomes of the head if the world changes between the look and the signal."""
    found = look_now.select(look_now.read()).candidates
    chosen = [(one, one.action(verb="cancel", resource=look_now.session.resource)) for one in found]
    assert len(chosen) == 1
    change()
    done = act(look_now, chosen, strategy="escalate", approved=None, grace=1.0, verify_timeout=5.0, deadline=Deadline(20))
    return [(one.outcome, one.touched) for one in done]


def _look(session: Any) -> Look:
    found = look_at(session, [])
    return Look(session, (lock_queue_rule(0.0),), found.policy, (), 40)


def test_a_head_that_got_its_lock_is_not_cancelled(server18: Server, hold: Hold) -> None:
    queue = make_queue(server18, hold)

    def give_way() -> None:
        queue.holder.execute("COMMIT")
        faults.await_sql(server18, "SELECT wait_event_type IS DISTINCT FROM 'Lock' FROM pg_stat_activity WHERE pid = %s", (queue.head.pid,))

    with open_session(server18) as session:
        assert signalled(_look(session), give_way) == [("moved_on", False)]
    _answer_of(queue.head)


def test_a_head_that_holds_up_nobody_any_more_is_not_cancelled(server18: Server, hold: Hold) -> None:
    queue = make_queue(server18, hold)

    def leave() -> None:
        faults.close_all(queue.behind)
        assert all(one.wait_gone() for one in queue.behind)

    with open_session(server18) as session:
        assert signalled(_look(session), leave) == [("moved_on", False)]
    faults.await_sql(server18, "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", (queue.head.pid,))


def test_a_head_that_waits_for_another_lock_is_judged_anew(server18: Server, hold: Hold) -> None:
    """One statement, two locks: what was chosen is its wait for the first one."""
    server18.execute("DROP TABLE IF EXISTS queue_second; CREATE TABLE queue_second (id int); ALTER TABLE queue_second OWNER TO app")
    second = hold(faults.session(server18, application="pg_dump"))
    second.execute("BEGIN; SELECT count(*) FROM queue_second")
    queue = make_queue(server18, hold, statement="BEGIN; LOCK TABLE queue_orders, queue_second")
    # A statement of its own transaction takes both locks, one after the other.
    with open_session(server18) as session:
        look_now = _look(session)

        def give_way() -> None:
            queue.holder.execute("COMMIT")
            faults.await_sql(
                server18, "SELECT relation = 'queue_second'::regclass FROM pg_locks WHERE pid = %s AND NOT granted", (queue.head.pid,))

        assert signalled(look_now, give_way) == [("moved_on", False)]
    assert queue.head.alive()
