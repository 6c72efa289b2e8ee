# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the tests of pg_health ask it."""

from __future__ import annotations

from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._frame.again import again

from demo.postgres import Server
from tests.support.run_module import run_module

ALL_CHECKS = (
    "availability",
    "connections",
    "long_queries",
    "long_transactions",
    "idle_in_transaction",
    "blocking",
    "ungranted_locks",
    "prepared_transactions",
    "replication",
    "replication_slots",
    "wraparound",
    "vacuum",
    "backups",
    "timeouts",
    "database_size",
    "statements",
    "invalid_indexes",
    "unused_indexes",
    "duplicate_indexes",
    "sequential_scans",
)
#: Checks that a server does not have enough numbers for as long as it is as young as those of the tests.
YOUNG = {"unused_indexes", "sequential_scans"}


def look(server: Server, *, check: bool = False, **args: Any) -> dict[str, Any]:
    """One run of pg_health over the server's socket, as the superuser unless said otherwise, and its decision again."""
    found = run_module("pg_health", check=check, **{"login_unix_socket": str(server.socket_dir), "login_port": server.port, **args})
    if not found.get("failed"):
        assert found["contract"] == "oncall.incident/verdict/1"
        assert found["changed"] is False
        # Whatever a test makes of the server, its verdict can be had again from the record.
        if found["reading"]["complete"]:
            assert again(found["reading"]).checks == found["checks"]
    return found


def findings(result: dict[str, Any], check: str, *, subject: str | None = None) -> list[dict[str, Any]]:
    """The findings of a check."""
    return [one for one in result["findings"] if one["check"] == check and (subject is None or one["subject"] == subject)]


def only(result: dict[str, Any], check: str, *, subject: str | None = None) -> dict[str, Any]:
    """The one finding of a check."""
    [found] = findings(result, check, subject=subject)
    return found


def make_role(server: Server, name: str, *, grants: str = "", options: str = "") -> str:
    """A login role, made once per server."""
    if not server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)):
        server.execute(f"CREATE ROLE {name} LOGIN {options}")
        if grants:
            server.execute(f"GRANT {grants} TO {name}")
    return name
