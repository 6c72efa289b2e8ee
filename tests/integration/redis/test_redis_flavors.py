# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""redis_health on every real server at hand, through one standalone, one replica, one sentinel and the least rights."""

from __future__ import annotations

import pytest

from tests.integration.redis.redis_support import DATA, LEAST, look
from tests.support.need import need
from tests.support.redis_servers import SOURCES, RedisServer, find_binary, start_replica, start_sentinel
from tests.support.until import until

VERSIONS = {"valkey": ("valkey", "9."), "valkey8": ("valkey", "8."), "redis": ("redis", "7.")}


@pytest.mark.parametrize("name", VERSIONS)
def test_everything_is_judged_on_every_flavour(name: str) -> None:
    binary = find_binary(name)
    need(binary, SOURCES[name])
    with RedisServer.start(binary) as primary:
        primary.execute("CONFIG", "SET", "latency-monitor-threshold", "1000")
        primary.execute("CONFIG", "SET", "save", "3600 1")
        primary.execute("ACL", "SETUSER", "monitor", "on", ">secret", "~*", "-@all", *LEAST)
        found = look(primary, checks=[*DATA, "latency_events"], login_user="monitor", login_password="secret")
        flavor, version = VERSIONS[name]
        assert found["server"]["flavor"] == flavor and found["server"]["version"].startswith(version)
        assert found["skipped_checks"] == [] and set(found["checks"].values()) == {"ok"}
        with start_replica(primary) as replica, start_sentinel(primary, quorum=1) as sentinel:
            assert look(replica)["replication"]["link"] == "up"
            walked = until(lambda: (one := look(sentinel, checks=["nodes", "sentinel"])) and len(one["nodes"]) == 3 and one,
                           what="the sentinel to know the replica", seconds=60)
            assert walked["status"] == "ok"
