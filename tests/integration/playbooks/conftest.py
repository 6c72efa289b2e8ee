# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site with a sick PostgreSQL, and the playbook against it in every way it can be called."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo import faults
from demo.postgres import Server
from tests.support.site import Site

#: Ages of a second: nobody waits five minutes in a test.
QUICK: Mapping[str, Any] = {
    "postgres_min_query_age": "1s", "postgres_min_transaction_age": "1s", "postgres_min_idle_in_transaction_age": "1s",
    "postgres_max_percent": 100, "postgres_grace": "1s", "postgres_verify_hold": "500ms", "postgres_verify_timeout": "5s",
    "postgres_connect_retry": "1s", "service_hold": "500ms",
    # test_evidence.py takes them: they cost seconds on a busy machine.
    "evidence_snapshot": False,
    "postgres_thresholds": {
        "idle_in_transaction_warning": "500ms", "idle_in_transaction_critical": "1s", "blocking_warning": "500ms",
        "blocking_critical": "1s", "long_queries_warning": "1s", "long_queries_critical": "2s",
    },
}


def database_site(place: Path, server: Server, **more: Any) -> Site:
    """A site whose database is this server, and that has no application yet."""
    site = Site(place, common=QUICK, **more)
    site.group("db", db1={"postgres_login_unix_socket": str(server.socket_dir), "postgres_login_port": server.port})
    site.group("app")
    return site


@pytest.fixture
def site(tmp_path: Path, server18: Server) -> Site:
    """A site whose database is the shared server."""
    return database_site(tmp_path, server18)


@dataclass
class Sick:
    """The sessions of an incident: who is to be ended, and who is not."""

    root: faults.Held
    waiters: list[faults.Held]

    @property
    def untouched(self) -> bool:
        """Whether everybody is still there."""
        return all(held.alive() for held in (self.root, *self.waiters))


def renewed(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The plan as if it had just been made, and for an hour: on a busy machine what comes before takes longer than a plan holds."""
    now = time.time()
    return {**plan, "created": now, "expires": now + 3600}


@contextmanager
def sickness(server: Server) -> Iterator[Sick]:
    """A session idle in transaction with two waiters behind it, for longer than the tests' ages."""
    chain = faults.lock_chain(server, depth=2, then_commit=True)
    try:
        until_old(server, chain[0])
        yield Sick(root=chain[0], waiters=chain[1:])
    finally:
        faults.close_all(chain)


def until_old(server: Server, held: faults.Held) -> None:
    """Wait until a session that does nothing does so for longer than the tests' ages."""
    age = "SELECT clock_timestamp() - state_change > interval '1.1 s' FROM pg_stat_activity WHERE pid = %s"
    faults.await_sql(server, age, (held.pid,), what="the session to be old enough")


@pytest.fixture
def sick(server18: Server) -> Iterator[Sick]:
    """The shared server is sick."""
    with sickness(server18) as found:
        yield found
