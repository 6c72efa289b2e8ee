# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the Redis modules that act share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from tests.support.redis_servers import RedisServer

#: Fields of INFO that say whether somebody changed something.
TELLING = ("rdb_changes_since_last_save", "expired_keys", "evicted_keys", "maxmemory", "maxclients", "role",
           "master_host", "rdb_saves", "rdb_last_save_time", "master_replid")
#: Commands that change something: how often each ran.
CHANGING = ("set", "del", "unlink", "flushdb", "flushall", "config|set", "replicaof", "slaveof", "bgsave", "client|kill", "shutdown")


def fingerprint(server: RedisServer) -> str:
    """What a look must not change: keys and their values, telling fields, settings, and who is connected."""
    with server.client() as client:
        info = client.info("everything")
        dumped = sorted((name, client.execute_command("DEBUG", "DIGEST-VALUE", name)) for name in client.scan_iter(count=1000))
        listed = client.client_list()
        own = client.client_id()
        clients = sorted(int(one["id"]) for one in listed if int(one["id"]) != own)
        calls = client.info("commandstats")
        ran = {name: calls.get(f"cmdstat_{name}", {}).get("calls", 0) for name in CHANGING}
        return json.dumps([
            ran,
            client.dbsize(), dumped, {name: info.get(name) for name in TELLING}, clients, client.config_get("*"),
        ], default=str)


@contextmanager
def connections(server: RedisServer, count: int, **options: Any) -> Iterator[list[Any]]:
    """Clients that stay connected and do nothing."""
    made: list[Any] = []
    try:
        for index in range(count):
            client = redis.Redis(
                host="127.0.0.1", port=server.port, single_connection_client=True, client_name=f"idler-{index}", socket_timeout=10,
                **options,
            )
            client.ping()
            made.append(client)
        yield made
    finally:
        for client in made:
            client.close()


def outcomes(result: dict[str, Any]) -> list[str]:
    """The outcomes of all actions."""
    assert "actions" in result, result.get("msg")
    return [action["outcome"] for action in result["actions"]]


def ids(result: dict[str, Any]) -> list[str]:
    """The ids of the planned ones."""
    return [action["id"] for action in result["actions"] if action["outcome"] == "planned"]


def why(result: dict[str, Any]) -> str:
    """The code of why the first action was not done."""
    return str(result["actions"][0]["detail"].get("why", ""))


def said(result: dict[str, Any]) -> str:
    """The same in a sentence, or as the server said it."""
    return str(result["actions"][0]["detail"].get("error", ""))


def answers(result: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Outcome and code of every action by its id."""
    assert "actions" in result, result.get("msg")
    return {action["id"]: (action["outcome"], action["detail"].get("why", "")) for action in result["actions"]}


def idle_ids(server: RedisServer, name: str = "idler-") -> list[int]:
    """The ids of connections by name."""
    with server.client() as client:
        return [int(one["id"]) for one in client.client_list() if str(one["name"]).startswith(name)]


def idle_seconds(server: RedisServer, name: str = "idler-") -> list[int]:
    """For how long connections have been idle, by name."""
    with server.client() as client:
        return [int(one["idle"]) for one in client.client_list() if str(one["name"]).startswith(name)]
