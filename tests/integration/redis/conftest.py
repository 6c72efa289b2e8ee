# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Redis and Valkey servers, each test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.need import need
from tests.support.redis_servers import SOURCES, RedisServer, find_binary


@pytest.fixture(params=["valkey", "redis"])
def binary(request: pytest.FixtureRequest) -> str:
    """The same test on every server there is on this machine."""
    found = find_binary(request.param)
    need(found, SOURCES[request.param])
    assert found
    return found


@pytest.fixture
def one_binary() -> str:
    """Any server: for what does not depend on its flavour."""
    found = find_binary("valkey") or find_binary("redis")
    need(found, SOURCES["valkey"])
    assert found
    return found


@pytest.fixture
def server(binary: str) -> Iterator[RedisServer]:
    """A server of the test's own, of each flavour."""
    with RedisServer.start(binary) as found:
        yield found


@pytest.fixture
def one_server(one_binary: str) -> Iterator[RedisServer]:
    """A server of the test's own, of any flavour."""
    with RedisServer.start(one_binary) as found:
        yield found
