# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's incident: which sessions are made, and what must have become of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from demo import faults
from demo.faults import Held
from demo.postgres import Server

DATABASE = "shop"
#: What the incident command logs in as: no superuser, but sees everybody, may signal, and has reserved connections.
ONCALL_ROLE = "oncall"
#: What its probe query runs as: it may read that one table.
PROBE_ROLE = "oncall_probe"
SETTINGS = {"max_connections": "40", "superuser_reserved_connections": "3", "reserved_connections": "2"}
HOLDERS = 8


@dataclass
class Scene:
    """All sessions of the incident, by what must become of them.

    Attributes:
        guilty: must be gone.
        runaway: its query must have ended; a cancelled query leaves its session, which is well.
        waiters: must live, and must have got their locks.
        survivors: must live, whatever the rules match.
        idle: the application's pool; nobody may touch it.
    """

    guilty: list[Held] = field(default_factory=list)
    runaway: list[Held] = field(default_factory=list)
    waiters: list[Held] = field(default_factory=list)
    survivors: list[Held] = field(default_factory=list)
    idle: list[Held] = field(default_factory=list)

    def close(self) -> None:
        """End every session from the client's side."""
        faults.close_all([*self.guilty, *self.runaway, *self.waiters, *self.survivors, *self.idle])


def start_server() -> Server:
    """A server with pgbench's tables, a role for the incident command and one for its probe query."""
    server = Server.start(settings=SETTINGS)
    try:
        server.execute(f"CREATE DATABASE {DATABASE}")
        server.execute(f"CREATE ROLE {ONCALL_ROLE} LOGIN")
        server.execute(f"GRANT pg_monitor, pg_signal_backend, pg_use_reserved_connections TO {ONCALL_ROLE}")
        server.execute(f"CREATE ROLE {PROBE_ROLE} LOGIN")
        server.run("pgbench", "--initialize", "--quiet", "--scale", "1", DATABASE)
        server.execute(f"GRANT SELECT ON pgbench_accounts TO {PROBE_ROLE}", dbname=DATABASE)
        faults.prepare(server, dbname=DATABASE)
    except BaseException:
        server.stop()
        raise
    return server


def make(server: Server, scene: Scene, *, say: Callable[[str], None]) -> None:
    """Make the incident. What is already made is in `scene`, so that it can be closed when this fails half-way."""
    say("sessions that must survive: pg_dump, pg_receivewal, a superuser's query, an application with short queries")
    scene.survivors.append(faults.pg_dump(server, dbname=DATABASE))
    scene.survivors.append(faults.pg_receivewal(server))
    # Marked to be kept, or the superuser's query would rightly be named as what is still long after the recovery.
    query = "SELECT pg_sleep(3600) /* incident:keep */"
    scene.survivors.append(faults.superuser_session(server, state="active", query=query, dbname=DATABASE))
    scene.survivors.append(faults.young_query(server, dbname=DATABASE))
    say(f"the incident: {HOLDERS} sessions idle in transaction with locks, a chain of 3 waiters behind another, a runaway query")
    for number in range(HOLDERS):
        scene.guilty.append(faults.idle_in_transaction(server, row=51 + number, application="checkout", dbname=DATABASE))
    root, *waiters = faults.lock_chain(server, depth=3, application="checkout", then_commit=True, dbname=DATABASE)
    scene.guilty.append(root)
    scene.waiters.extend(waiters)
    scene.runaway.append(faults.runaway_query(server, busy=True, dbname=DATABASE))
    scene.idle.extend(faults.fill_connections(server, application="web-pool", dbname=DATABASE))
    say(f"and a pool of {len(scene.idle)} idle connections that takes the last slot")


def judge(server: Server, scene: Scene) -> list[tuple[bool, str]]:
    """What became of the sessions: (as it must be, in words)."""
    verdicts = [(not held.alive(), f"{held.label} (pid {held.pid}) is gone") for held in scene.guilty]
    blocked = {row[0] for row in server.execute("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'")}
    running = {row[0] for row in server.execute("SELECT pid FROM pg_stat_activity WHERE state = 'active'")}
    verdicts += [(held.pid not in running, f"{held.label} (pid {held.pid}) runs no more") for held in scene.runaway]
    verdicts += [
        (held.alive() and held.pid not in blocked, f"{held.label} (pid {held.pid}) lives and got its lock") for held in scene.waiters
    ]
    verdicts += [(held.alive(), f"{held.label} (pid {held.pid}) lives") for held in scene.survivors]
    verdicts.append((all(held.alive() for held in scene.idle), f"the pool's {len(scene.idle)} idle connections live"))
    return verdicts
