# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real server that dies at its start says in its log why, and the finding that it is down says the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.remedies import remedies_for

from tests.integration.redis.redis_support import look, only
from tests.support.redis_servers import RedisServer
from tests.support.run_module import run_module
from tests.support.until import until

#: A file of a version that no server has.
NEWER_RDB = b"REDIS0099\xff" + bytes(8)


def of_newer_version(server: RedisServer) -> None:
    (server.data / "dump.rdb").write_bytes(NEWER_RDB)


def cut_off(server: RedisServer) -> None:
    """An append-only file whose last command is half there, and that must be whole."""
    server.execute("CONFIG", "SET", "appendonly", "yes")
    until(lambda: server.execute("INFO", "persistence")["aof_rewrite_in_progress"] == 0, what="the append-only file")
    server.execute("SET", "key", "a value that is cut off")
    server.kill()
    part = next(path for path in server.data.rglob("*.incr.aof"))
    part.write_bytes(part.read_bytes()[:-8])
    with (server.base / "server.conf").open("a") as config:
        config.write("appendonly yes\naof-load-truncated no\n")


def wrong_setting(server: RedisServer) -> None:
    with (server.base / "server.conf").open("a") as config:
        config.write(f"unixsocket {server.base}/none/there\n")


def die(server: RedisServer, fault: Callable[[RedisServer], None]) -> None:
    """Give the server a fault, and start it until it has ended."""
    fault(server)
    server.kill()
    server.run_until_it_ends()


@pytest.mark.parametrize(("fault", "words"), [
    (of_newer_version, "Can't handle RDB format version 99"), (cut_off, "Unexpected end of file reading the append only file"),
    (wrong_setting, "Failed opening Unix socket"),
])
def test_why_it_died(server: RedisServer, fault: Callable[[RedisServer], None], words: str) -> None:
    die(server, fault)
    found = look(server, server_log=str(server.log))
    availability = only(found, "availability")
    assert availability["observed"] == "refused"
    assert availability["hint"].startswith(f"Its log {server.log} says: ") and words in availability["hint"], availability["hint"]
    assert words in availability["detail"]["log"]["last"]
    assert found["recovery"] == "down" and found["remedies"] == list(remedies_for("down"))
    excerpt = run_module("log_excerpt", path=str(server.log), product="redis")
    assert words in excerpt["last_fatal"] and any(words in line for line in excerpt["lines"])
    waited = look(server, server_log=str(server.log), wait_for={"checks": ["availability"], "timeout": "0s", "hold": "0s"})
    assert words in waited["not_recovered"]


def test_a_server_that_was_killed_gave_no_reason(one_server: RedisServer) -> None:
    one_server.kill()
    assert "gives no reason since the server was last up" in only(look(one_server, server_log=str(one_server.log)), "availability")["hint"]


def test_a_server_that_was_told_to_end(server: RedisServer) -> None:
    with server.client() as client:
        client.shutdown(nosave=True)
    hint = only(look(server, server_log=str(server.log)), "availability")["hint"]
    assert "User requested shutdown" in hint
