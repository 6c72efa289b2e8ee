# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that act advise is done here, and measured: the fault, the advice, and that it helps."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import Any

import pytest

from demo import faults
from demo.postgres import Server
from tests.support.terminating import ROOTS, outcomes, reasons, rules_for, terminate

from .conftest import Hold


def statements(hint: str) -> list[str]:
    """The SQL statements that a hint names."""
    return re.findall(r"\b(?:GRANT|ALTER|DROP) [^;]+;", hint)


def role(server: Server, name: str) -> str:
    """A fresh role that may log in, and update the orders."""
    faults.prepare(server)
    quoted = '"' + name.replace('"', '""') + '"'
    if server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)):
        server.execute(f"DROP OWNED BY {quoted}; DROP ROLE {quoted}")
    server.execute(f"CREATE ROLE {quoted} LOGIN; GRANT SELECT, UPDATE ON incident_orders TO {quoted}")
    return name


def finding(result: dict[str, Any], check: str) -> dict[str, Any]:
    [found] = [one for one in result["findings"] if one["check"] == check]
    assert isinstance(found, dict)
    return found


def test_the_grants_that_a_blind_role_and_one_that_may_not_signal_are_told_of(server18: Server, hold: Hold) -> None:
    held = hold(faults.idle_in_transaction(server18, row=41, application="h-grant"))
    user = role(server18, 'h "odd" role')
    blind = terminate(server18, rules=rules_for("h-grant"), login_user=user)
    [grant] = statements(blind["hint"])
    assert (blind["error"], grant) == ("blind", blind["grant"])
    server18.execute(grant)
    weak = terminate(server18, rules=rules_for("h-grant"), login_user=user)
    assert (weak["actions"], reasons(weak, held)) == ([], ["not_permitted"])
    [grant] = statements(finding(weak, "signal_privilege")["hint"])
    server18.execute(grant)
    assert outcomes(terminate(server18, rules=rules_for("h-grant"), login_user=user)) == {held.pid: "gone"}


def test_who_is_not_tracked_is_never_passed_over_in_silence(server18: Server, hold: Hold) -> None:
    """Each of them may be the cause, and none has a clock: no rule takes it, and the result says so and names what helps."""
    user = role(server18, "h_untracked")
    server18.execute(f"ALTER ROLE {user} SET track_activities = off")
    root = hold(faults.session(server18, user=user, application="h-untracked"))
    root.execute("BEGIN")
    root.execute("UPDATE incident_orders SET note = 'held' WHERE id = 42")
    waiter = hold(faults.session(server18, application="h-waits"))
    waiter.send("UPDATE incident_orders SET note = 'mine' WHERE id = 42")
    faults.await_sql(server18, "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", (waiter.pid,))
    result = terminate(server18, rules=[*ROOTS, *rules_for("h-untracked")])
    assert (result["actions"], reasons(result, root)) == ([], ["activity_not_tracked"])
    assert finding(result, "protected_blocker")["detail"]["target"]["pid"] == root.pid
    untold = finding(result, "activity_not_tracked")
    assert (untold["detail"]["pids"], untold["detail"]["roles"]) == ([root.pid], [user])
    [command] = statements(untold["hint"])
    server18.execute(command)
    again = hold(faults.session(server18, user=user, application="h-untracked"))
    again.execute("BEGIN")
    again.execute("SELECT 1")
    assert outcomes(terminate(server18, rules=rules_for("h-untracked"))) == {again.pid: "gone"}
    assert root.alive()


@pytest.mark.parametrize("strategy", ["terminate", "escalate"])
def test_what_a_cancel_cannot_end_the_named_strategies_do(server18: Server, hold: Hold, strategy: str) -> None:
    held = hold(faults.idle_in_transaction(server18, row=43, application="h-cancel"))
    [action] = terminate(server18, rules=rules_for("h-cancel"), strategy="cancel")["actions"]
    assert action["outcome"] == "refused" and strategy in action["detail"]["error"]
    assert outcomes(terminate(server18, rules=rules_for("h-cancel"), strategy=strategy)) == {held.pid: "gone"}


@pytest.mark.parametrize("strategy", ["terminate", "escalate"])
def test_what_a_cancel_did_not_end_the_named_strategies_do(server18: Server, hold: Hold, strategy: str) -> None:
    held = hold(faults.idle_in_transaction(server18, row=44, application="h-vain"))
    held.execute("SAVEPOINT before")
    held.send("SELECT pg_sleep(3600)")
    faults.await_sql(server18, "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = %s", (held.pid,))
    rules = rules_for("h-vain", min_query_age=None, min_idle_in_transaction_age=None)
    vain = terminate(server18, rules=rules, strategy="cancel", verify_timeout="700ms")
    assert outcomes(vain) == {held.pid: "still_running"} and strategy in vain["hint"]
    assert outcomes(terminate(server18, rules=rules, strategy=strategy, grace="300ms")) == {held.pid: "gone"}


def frozen(server: Server, hold: Hold, application: str) -> tuple[faults.Held, str]:
    """A session whose process is stopped, and what the module says of it."""
    held = hold(faults.idle_in_transaction(server, row=45, application=application))
    os.kill(held.pid, signal.SIGSTOP)
    result = terminate(server, rules=rules_for(application), verify_timeout="500ms")
    assert outcomes(result) == {held.pid: "still_running"} and held.alive()
    return held, str(result["hint"])


def test_a_stopped_session_ends_when_it_goes_on(server18: Server, hold: Hold) -> None:
    held, hint = frozen(server18, hold, "h-stopped")
    try:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(held.pid)], capture_output=True, text=True, check=True).stdout
        assert "ps -o stat,wchan -p PID" in hint and "stopped (T)" in hint and state.startswith("T")
    finally:
        command = re.search(r"kill -CONT PID", hint)
        os.kill(held.pid, signal.SIGCONT)
    assert command and held.wait_gone()


def test_a_frozen_session_ends_with_an_immediate_shutdown_and_not_with_a_fast_one(fresh_server: Server, hold: Hold) -> None:
    held, hint = frozen(fresh_server, hold, "h-frozen")

    def stop(mode: str, patience: int) -> int:
        program = [str(fresh_server.bin_dir / "pg_ctl"), "stop", "-m", mode, "-t", str(patience), "-D", str(fresh_server.data)]
        return subprocess.run(program, user=fresh_server.data.stat().st_uid, cwd="/", capture_output=True, check=False).returncode

    assert "restart -m immediate" in hint
    assert stop("fast", 2) != 0 and held.alive(), "as the hint says: it waits for the session"
    assert stop("immediate", 20) == 0 and not held.alive()
    fresh_server.restart()
    assert fresh_server.execute("SELECT 1") == [(1,)]
