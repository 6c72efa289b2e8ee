# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the tests of redis_health ask it."""

from __future__ import annotations

from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._frame.again import again

from tests.support.run_module import run_module

#: Checks that say the same on every machine: `host` depends on its kernel's settings.
DATA = (
    "availability", "writes", "memory", "fragmentation", "evictions", "connections", "blocked_clients", "errors", "persistence", "aof",
    "replication", "slow_log", "latency", "keyspace",
)
#: The least that all checks need, as the module's documentation says.
LEAST = (
    "+ping", "+info", "+select", "+scan", "+ttl", "+client|setname", "+config|get", "+slowlog|get", "+latency|latest", "+cluster|info",
    "+cluster|nodes", "+pfcount",
)


def look(server: Any, **args: Any) -> dict[str, Any]:
    """One run of redis_health, and its decision again; short samples, and a patience that a busy machine needs."""
    wanted = {"sample_seconds": "200ms", "latency_warning": "5s", "latency_critical": "off", "checks": list(DATA), **args}
    found = run_module("redis_health", **server.args(**wanted))
    if not found.get("failed"):
        assert found["contract"] == "oncall.incident/verdict/1"
        assert found["changed"] is False
        # Whatever a test makes of the server, its verdict can be had again from the record.
        if found["reading"]["complete"]:
            assert again(found["reading"]).checks == found["checks"]
    return found


def only(result: dict[str, Any], check: str, subject: str = "") -> dict[str, Any]:
    """The one finding of a check about a subject."""
    [found] = [one for one in result["findings"] if one["check"] == check and one["subject"] == subject]
    return dict(found)


def skipped(result: dict[str, Any], check: str) -> str:
    """Why a check was skipped; empty when it was not."""
    return "; ".join(one["reason"] for one in result["skipped_checks"] if one["check"] == check)


def split(result: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    """The split verdict."""
    return result["alive"], result["ready"], result["writable"], result["durable"]
