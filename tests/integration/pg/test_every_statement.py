# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every statement that we send to PostgreSQL runs on every version there is; behaviour is tested on one of them.

A statement is a call of Session.rows, Session.value or Session.foreign. Where they are is read from the source, so that a new one is
missed here until it is run as well.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils import _postgresql
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.connection import Session
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.health_queries import read_archiver
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.signals import ADVISORY_KEY

from demo import faults
from demo.postgres import Server
from tests.support.run_module import run_module
from tests.support.terminating import ROOTS, login, open_session, outcomes, rules_for, terminate

from .health_support import look, make_role
from .test_maintain import TABLE, maintain

HOME = Path(next(iter(_postgresql.__path__))).resolve()
SENDS = ("rows", "value", "foreign")
#: Statements that cannot run on these versions, and why.
ELSEWHERE = {
    ("health_queries.py", "read_exclusive_backup"): "asks pg_is_in_backup, which is gone since 15",
}
#: Without the extension there is nothing to ask: the wheel of PostgreSQL 16 is built without it.
OF_THE_EXTENSION = ("health_statements.py", "_read")


@dataclass(frozen=True)
class Place:
    """A call that sends a statement."""

    file: str
    function: str
    first: int
    last: int


@dataclass
class Spy:
    """Which places sent a statement that the server answered."""

    reached: set[Place] = field(default_factory=set)

    def note(self, places: list[Place]) -> None:
        """Note the place that the running statement comes from: the nearest caller outside Session itself."""
        frame = sys._getframe(2)
        while frame is not None:
            path = Path(frame.f_code.co_filename)
            for place in places:
                if place.file == path.name and path.parent.name == HOME.name and place.first <= frame.f_lineno <= place.last:
                    self.reached.add(place)
                    return
            frame = frame.f_back  # type: ignore[assignment]


def places() -> list[Place]:
    """Every call of rows, value or foreign in the adapter, those of Session itself aside."""
    found = []
    for path in sorted(HOME.glob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SENDS:
                    receiver = node.func.value
                    name = receiver.attr if isinstance(receiver, ast.Attribute) else getattr(receiver, "id", "")
                    if name == "session":
                        found.append(Place(path.name, function.name, node.lineno, node.end_lineno or node.lineno))
    return found


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spy]:
    made, known = Spy(), places()
    assert len(known) > 30, "the calls are still found in the source"
    real = Session._run

    def run(session: Session, sql: str, params: Any, **how: Any) -> Any:
        rows = real(session, sql, params, **how)
        made.note(known)
        return rows

    monkeypatch.setattr(Session, "_run", run)
    yield made


def recovering(server: Server) -> None:
    """Turn a server into a standby that follows nobody."""
    server._halt()
    signal = server.data / "standby.signal"
    signal.touch()
    owner = server.data.stat()
    os.chown(signal, owner.st_uid, owner.st_gid)
    server.launch()


@pytest.mark.parametrize("major", [18, 16, 15])
def test_every_statement_runs(
    major: int, spy: Spy, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    server: Server = request.getfixturevalue(f"server{major}")
    faults.prepare(server)
    excused = set(ELSEWHERE)
    if major == 16:
        excused.add(OF_THE_EXTENSION)
    else:
        server.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")

    # Health, as the superuser and as the role that is meant for it; a probe; a wait.
    everything = look(server, probe_query="SELECT 1")
    assert everything["reachable"] is True and not everything.get("failed"), everything
    look(server, login_user=make_role(server, "every_statement", grants="pg_monitor"))
    probed = look(server, checks=["probe"], probe_query="SELECT 2", probe_login_user=make_role(server, "every_probe"))
    assert probed["probe"]["first"] == 2
    # A service file's options hide ours: the path is set by a statement.
    services = tmp_path / "services"
    services.write_text("[every]\noptions=-c search_path=public\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    assert not look(server, checks=["availability"], connect_params={"service": "every"}).get("failed")
    look(server, checks=["connections"], wait_for={"checks": ["connections"], "hold": "0s", "timeout": "60s"})

    # The restart check; what it asks is health's.
    asked = run_module("pg_restart_check", **login(server), service={"instances": []})
    assert None not in asked["seen"].values(), asked

    # What health asks a server that archives, and one in recovery.
    with open_session(server) as session:
        read_archiver(session)
    with Server.start(bin_dir=server.bin_dir) as standby:
        recovering(standby)
        assert look(standby)["server"]["in_recovery"] is True

    # A chain whose root is ended, one that is cancelled first, a prepared transaction that is rolled back.
    chain = faults.lock_chain(server, depth=1, application="t-every")
    try:
        plan = terminate(server, check=True, rules=ROOTS)
        assert set(outcomes(plan).values()) == {"planned"}
        done = terminate(server, rules=ROOTS)
        assert outcomes(done) == {chain[0].pid: "gone"} and done["waiters_unblocked"] == 1
    finally:
        faults.close_all(chain)
    busy = faults.runaway_query(server, application="t-every-cancel")
    try:
        done = terminate(server, rules=rules_for("t-every-cancel"), strategy="escalate")
        assert set(outcomes(done)) == {busy.pid}, done
    finally:
        faults.close_all([busy])
    queue = faults.lock_queue(server)
    try:
        done = terminate(server, rules=[], cancel_lock_queue=True, min_lock_wait_age="0")
        assert outcomes(done) == {queue[1].pid: "done"} and done["waiters_unblocked"] == 3, done
    finally:
        faults.close_all(queue)
    gid = faults.prepared_transaction(server, row=67, name=f"every_{major}")
    waiter = faults.session(server, application="t-every-prepared")
    try:
        waiter.send("UPDATE incident_orders SET note = 'mine' WHERE id = 67")
        faults.await_sql(server, "SELECT 0 = ANY(pg_blocking_pids(%s))", (waiter.pid,))
        done = terminate(server, rules=ROOTS, rollback_prepared=True)
        assert [(action["target"]["gid"], action["outcome"]) for action in done["actions"]] == [(gid, "done")]
    finally:
        faults.close_all([waiter])

    # Another run that acts on this server, seen from another database.
    with server.connect(dbname="template1") as other:
        other.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_KEY])
        assert maintain(server, ("analyze", TABLE))["error"] == "locked"

    # Maintenance, and the snapshot.
    objects = [("analyze", TABLE), ("vacuum", TABLE), ("vacuum_analyze", TABLE), ("reindex", f"{TABLE}_pkey"), ("reindex", TABLE)]
    assert not maintain(server, *objects).get("failed")
    # A rebuild that fails, and an object that is gone since it was planned.
    server.execute("DROP TABLE IF EXISTS public.every_table; CREATE TABLE public.every_table (id int PRIMARY KEY)")
    of_table = ("reindex", "public.every_table")
    with faults.session(server, user="postgres", application="t-every-old") as old:
        old.execute("BEGIN; SELECT * FROM public.every_table")
        assert "DROP INDEX" in maintain(server, of_table, timeout="500ms")["hint"]
    plan = maintain(server, of_table, check=True)
    server.execute("DROP TABLE public.every_table")
    assert [action["outcome"] for action in maintain(server, of_table, approved=plan["actions"])["actions"]] == ["not_needed"]
    # What needs it, and what of a plan is gone since.
    assert maintain(server, check=True, worst=5)["needing"].keys() == {"reindex", "vacuum", "analyze"}
    assert [action["outcome"] for action in maintain(server, worst=5, approved=plan["actions"])["actions"]] == ["not_needed"]
    taken = run_module("pg_snapshot", **login(server), spool=str(tmp_path / "spool"))
    assert not taken.get("failed"), taken

    missed = [
        f"{place.file}:{place.first} {place.function}" for place in places()
        if place not in spy.reached and (place.file, place.function) not in excused
    ]
    assert not missed, f"not run on {major}: {', '.join(missed)}; run them here, or say in ELSEWHERE where they are run"
