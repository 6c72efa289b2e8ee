# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis: a real server with real clients, keys and settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

from ansible_collections.oncall.incident.plugins.module_utils._module.lock import acting_alone

from tests.conformance.kit import Args, Driver, Health, Mitigating
from tests.support.need import need
from tests.support.redis_acting import connections, fingerprint, idle_seconds
from tests.support.redis_servers import SOURCES, RedisServer, any_binary
from tests.support.run_module import run_module
from tests.support.until import until

NO_RIGHTS = ("ACL", "SETUSER", "nothing", "reset", "on", ">none", "+ping", "+hello", "+client|setname")


class OfRedis(Driver):
    """A module that talks to one server."""

    server: RedisServer

    @classmethod
    @contextmanager
    def stage(cls) -> Iterator[RedisServer]:
        need(any_binary(), SOURCES["valkey"])
        with RedisServer.start() as server:
            server.execute(*NO_RIGHTS)
            yield server

    def __init__(self, stage: RedisServer) -> None:
        super().__init__(stage)
        self.server = stage

    def args(self) -> Args:
        return self.server.args()


class _Acting(OfRedis, Mitigating):
    def world(self) -> Any:
        return fingerprint(self.server)

    def locked(self) -> AbstractContextManager[Any]:
        return acting_alone(f"redis:{self.server.execute('INFO', 'server')['run_id']}")

    def no_time(self) -> Args:
        return {"max_seconds": "0.01ms"}


class RedisClientKill(_Acting):
    """Three clients that have been idle for a second."""

    module = "redis_client_kill"
    absent: ClassVar = {
        "over_the_limit": "the first ones that the limits allow go, and the rest is left: "
                          "tests/integration/redis/test_client_kill.py::test_no_more_than_the_limits",
    }

    @contextmanager
    def scene(self) -> Iterator[None]:
        with connections(self.server, 3) as self.clients:
            until(lambda: min(idle_seconds(self.server), default=0) >= 1, what="clients to be idle")
            yield

    def args(self) -> Args:
        return {**super().args(), "min_idle": "1s", "max_percent": 100}

    def leave(self) -> None:
        self.clients[0].close()
        until(lambda: len(idle_seconds(self.server)) == 2, what="a client to leave")


class RedisCacheClear(_Acting):
    """Five keys of a pattern."""

    module = "redis_cache_clear"
    absent: ClassVar = {"gone_meanwhile": "its target is a pattern, which is there whatever keys there are"}

    @contextmanager
    def scene(self) -> Iterator[None]:
        for number in range(5):
            self.server.execute("SET", f"page:{number}", "x", "EX", 600)
        yield
        self.server.execute("FLUSHALL")

    def args(self) -> Args:
        return {**super().args(), "pattern": "page:*", "max_keys": 10, "max_keys_per_second": 0}

    def limits(self) -> Args:
        return {"max_keys": 4}


class RedisRepair(_Acting):
    """Few clients are allowed, and more are wanted."""

    module = "redis_repair"
    absent: ClassVar = {
        "over_the_limit": "it makes one change, to the value that the call names",
        "gone_meanwhile": "its target is the server itself: what was approved before a restart is in "
                          "tests/integration/redis/test_repair.py::test_what_was_approved_is_answered_where_nobody_gets_in_and_after_a_restart",
    }

    @contextmanager
    def scene(self) -> Iterator[None]:
        self.server.execute("CONFIG", "SET", "maxclients", "50")
        yield
        self.server.execute("CONFIG", "SET", "maxclients", "10000")

    def args(self) -> Args:
        return {**super().args(), "operation": "raise_maxclients", "maxclients": 60}


class RedisRestore(_Acting):
    """More clients are allowed than before a change of ours."""

    module = "redis_repair"
    absent: ClassVar = {"over_the_limit": "it makes one change, to the value that the change names"}

    @contextmanager
    def scene(self) -> Iterator[None]:
        self.server.execute("CONFIG", "SET", "maxclients", "50")
        (self.change,) = run_module(self.module, **self.server.args(), operation="raise_maxclients", maxclients=60)["actions"]
        yield
        self.server.execute("CONFIG", "SET", "maxclients", "10000")

    def args(self) -> Args:
        return {**super().args(), "operation": "restore_maxclients", "change": self.change}

    def leave(self) -> None:
        """Somebody sets another value."""
        self.server.execute("CONFIG", "SET", "maxclients", "70")


class _Health(OfRedis, Health):
    @contextmanager
    def scene(self) -> Iterator[None]:
        yield

    def denied(self) -> Args:
        """A user who may say hello and nothing else."""
        return {"login_user": "nothing", "login_password": "none"}

    def freeze(self) -> AbstractContextManager[Any]:
        return self.server.frozen()

    def patient(self) -> Args:
        return {"max_seconds": "3s"}

    def culprits(self) -> list[str]:
        return ["maxmemory"]

    @contextmanager
    def sicken(self) -> Iterator[None]:
        """It takes no more writes: its memory is full, and nothing may be evicted."""
        self.server.execute("CONFIG", "SET", "maxmemory-policy", "noeviction")
        self.server.execute("CONFIG", "SET", "maxmemory", "1")
        try:
            yield
        finally:
            self.server.execute("CONFIG", "SET", "maxmemory", "0")


class RedisHealth(_Health):
    """What a scenario asks."""

    module = "redis_health"
    awaited = ("availability", "writes", "memory", "connections")

    def args(self) -> Args:
        return {**super().args(), "asked": list(self.awaited)}


class RedisProbe(_Health):
    """Write, read and delete a key."""

    module = "redis_probe"
    writes = True


class RedisRestartCheck(_Health):
    """What a restart would lose."""

    module = "redis_restart_check"

    @contextmanager
    def scene(self) -> Iterator[None]:
        need(os.geteuid() == 0, "root, to see who listens")
        yield

    def args(self) -> Args:
        unit = {"id": "redis-server.service", "type": "notify", "state": "active", "main_pid": self.server.pid, "members": [], "paths": []}
        return {**super().args(), "service": {"instances": [unit]}}

    def culprits(self) -> list[str]:
        return ["20 keys"]

    @contextmanager
    def sicken(self) -> Iterator[None]:
        """Keys that nothing has saved."""
        for number in range(20):
            self.server.execute("SET", f"order:{number}", "x")
        try:
            yield
        finally:
            self.server.execute("FLUSHALL")
