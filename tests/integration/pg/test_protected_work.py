# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions that are spared for what only the server's own views show: slots, progress, parallel work, waiting."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.deadline import Deadline
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.signals import act

from demo import faults
from demo.faults import Held
from demo.postgres import Server
from tests.support.terminating import look_at, open_session, outcomes, reasons, rules_for, terminate

#: Names no utility statement, and builds an index for a minute.
HIDDEN_INDEX = "DO $$ BEGIN EXECUTE 'CRE' || 'ATE INDEX ON w_work.slow (w_work.wait(a))'; END $$"


@pytest.fixture
def worker(server18: Server) -> Iterator[Held]:
    """A session whose role may have replication slots and a table that is slow to index."""
    server18.execute("DROP SCHEMA IF EXISTS w_work CASCADE; DROP ROLE IF EXISTS w_worker; CREATE ROLE w_worker LOGIN REPLICATION")
    server18.execute("CREATE SCHEMA w_work AUTHORIZATION w_worker")
    body = "BEGIN PERFORM pg_sleep(60); RETURN a; END"
    server18.execute(f"CREATE FUNCTION w_work.wait(a int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS '{body}'")
    server18.execute("CREATE TABLE w_work.slow AS SELECT 1 AS a")
    server18.execute("ALTER TABLE w_work.slow OWNER TO w_worker")
    held = faults.session(server18, user="w_worker", application="w-work")
    try:
        held.execute("BEGIN")
        held.execute("SELECT 1")
        yield held
    finally:
        faults.close_all([held])
        server18.execute("DROP OWNED BY w_worker CASCADE")


def take_slot(held: Held, server: Server) -> None:
    """An ordinary session that consumes a slot, and looks idle."""
    held.execute("SELECT pg_create_physical_replication_slot('w_slot', true, true)")
    held.execute("SELECT 1")


def build_index(held: Held, server: Server) -> None:
    """An index build that its query text does not show."""
    held.send(HIDDEN_INDEX)
    faults.await_sql(server, "SELECT count(*) > 0 FROM pg_stat_progress_create_index WHERE pid = %s", (held.pid,))


WORK = [(take_slot, ["replication"]), (build_index, ["progress:pg_stat_progress_create_index"])]


@pytest.mark.parametrize(("begin", "why"), WORK)
def test_who_does_such_work_is_no_victim(worker: Held, server18: Server, begin, why: list[str]) -> None:  # type: ignore[no-untyped-def]
    begin(worker, server18)
    result = terminate(server18, rules=rules_for("w-work"))
    assert (result["actions"], reasons(result, worker)) == ([], why)
    assert worker.alive()


@pytest.mark.parametrize(("begin", "why"), WORK)
def test_who_begins_such_work_before_the_signal_is_left_alone(  # type: ignore[no-untyped-def]
    worker: Held, server18: Server, begin, why: list[str],
) -> None:
    with open_session(server18) as session:
        look = look_at(session, rules_for("w-work", min_query_age=None, min_idle_in_transaction_age=None))
        chosen = [(c, c.action(verb="terminate", resource=session.resource)) for c in look.select(look.read()).candidates]
        assert [candidate.backend.pid for candidate, _action in chosen] == [worker.pid]
        begin(worker, server18)
        (action,) = act(look, chosen, strategy="terminate", approved=None, grace=1, verify_timeout=5, deadline=Deadline(20))
    assert (action.outcome, action.detail["protected"]) == ("moved_on", why)
    assert worker.alive()


def test_the_leader_is_taken_and_not_its_workers(server18: Server) -> None:
    with faults.session(server18, application="w-parallel") as leader:
        leader.execute("SET debug_parallel_query = on")
        leader.send("SELECT pg_sleep(60)")
        workers = "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'parallel worker' AND leader_pid = %s"
        faults.await_sql(server18, workers, (leader.pid,), what="a parallel worker")
        result = terminate(server18, rules=rules_for("w-parallel"), strategy="terminate")
        assert outcomes(result) == {leader.pid: "gone"}
        spared = [one["reasons"] for one in result["protected"] if one["target"]["backend_type"] == "parallel worker"]
        assert spared == [["backend_type:parallel worker", "parallel_worker"]]
        assert result["executed"]["terminate"] == 1


def test_who_begins_to_wait_before_the_signal_is_left_alone(worker: Held, server18: Server) -> None:
    server18.execute("GRANT SELECT, UPDATE ON incident_orders TO w_worker")
    with faults.idle_in_transaction(server18, row=51, application="w-holder"), open_session(server18) as session:
        look = look_at(session, rules_for("w-work", min_query_age=None, min_idle_in_transaction_age=None))
        chosen = [(c, c.action(verb="terminate", resource=session.resource)) for c in look.select(look.read()).candidates]
        worker.send("UPDATE incident_orders SET note = 'mine' WHERE id = 51")
        faults.await_sql(server18, "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", (worker.pid,))
        (action,) = act(look, chosen, strategy="terminate", approved=None, grace=1, verify_timeout=5, deadline=Deadline(20))
        assert action.outcome == "moved_on"
        assert worker.alive()
