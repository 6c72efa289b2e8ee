# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection is lost at each message in turn: whatever a module says then is what the server shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.cutting import cutting
from tests.support.redis_acting import answers, connections, idle_ids, idle_seconds, ids
from tests.support.redis_servers import RedisServer
from tests.support.run_module import run_module
from tests.support.until import until

#: More messages than any of the modules sends here.
MOST = 60


@contextmanager
def idlers(server: RedisServer) -> Iterator[None]:
    """Two clients to be ended."""
    with connections(server, 2):
        until(lambda: len(idle_seconds(server)) == 2 and min(idle_seconds(server)) >= 1, what="clients to be idle")
        yield


@contextmanager
def keys(server: RedisServer) -> Iterator[None]:
    """Keys to be cleared."""
    with server.client() as client:
        client.mset({f"bad:{number}": "x" for number in range(30)})
    yield


@contextmanager
def narrow(server: RedisServer) -> Iterator[None]:
    """Room for few clients."""
    server.execute("CONFIG", "SET", "maxclients", "50")
    yield


def size(server: RedisServer) -> int:
    return int(server.execute("DBSIZE"))


FLUSH = {"flush": True, "expected_keys": 30, "i_know_this_is_not_a_cache": True}


@pytest.mark.parametrize(("module", "args", "prepared", "state"), [
    ("redis_client_kill", {"min_idle": "1s", "max_percent": 100}, idlers, lambda server: len(idle_ids(server))),
    ("redis_cache_clear", {"pattern": "bad:*", "batch": 10, "max_keys_per_second": 0}, keys, size),
    ("redis_cache_clear", FLUSH, keys, size),
    ("redis_repair", {"operation": "raise_maxclients", "maxclients": 60}, narrow,
     lambda server: server.execute("CONFIG", "GET", "maxclients")["maxclients"]),
], ids=["kill", "clear", "flush", "raise"])
def test_nothing_is_told_that_was_not_measured(
    module: str, args: dict[str, Any], prepared: Callable[[RedisServer], Any], state: Callable[[RedisServer], Any], one_server: RedisServer,
) -> None:
    seen = set()
    for number in range(MOST):
        with prepared(one_server):
            before = state(one_server)
            plan = run_module(module, check=True, **one_server.args(**args))
            with cutting(one_server.port, word=b"*", after=number) as port:
                result = run_module(module, **{**one_server.args(**args, approved=plan["actions"]), "login_port": port})
            until(lambda: ours(one_server) == 0, what="the server to have done what it was told last")
            after = state(one_server)
        assert set(answers(result)) == set(ids(plan)), f"each approved one is answered, cut at message {number}"
        outcomes = {outcome for outcome, _why in answers(result).values()}
        seen |= outcomes
        assert result.get("changed") or after == before, f"something was changed and nobody says so, cut at message {number}: {result}"
        if outcomes <= {"done", "gone"}:
            assert after != before
            if not result.get("failed"):
                break
        else:
            assert result["failed"], f"cut at message {number}: {result}"
            assert outcomes <= {"done", "gone", "failed", "unknown"}
    else:
        raise AssertionError(f"the module was cut off each time: {seen}")
    assert seen >= {"failed", "unknown"}, "silence before and after something was begun"


def ours(server: RedisServer) -> int:
    """How many connections of the module are left."""
    with server.client() as client:
        return sum(str(one["name"]).startswith("oncall.incident") for one in client.client_list())
