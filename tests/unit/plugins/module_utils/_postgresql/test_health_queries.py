# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which columns are asked of which server version; that the statements work is tested on the servers there are (15, 16, 18)."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("psycopg")

from ansible_collections.oncall.incident.plugins.module_utils._postgresql import health_queries, health_replication


class Listener:
    """Stands for a session: keeps what is asked, answers nothing."""

    def __init__(self, version: int) -> None:
        self.server_version = version
        self.in_recovery = False
        self.asked = ""

    def rows(self, sql: str, params: Any = None) -> list[dict[str, Any]]:
        self.asked += sql
        return []

    def value(self, sql: str, params: Any = None) -> Any:
        self.asked += sql


# statement, what it asks for, since which version, and before which one
@pytest.mark.parametrize(
    ("ask", "column", "since", "before"),
    [
        (health_queries.read_ungranted, "l.waitstart", 140000, 999999),
        (health_queries.read_tables, "autovacuum_vacuum_max_threshold", 180000, 999999),
        (health_queries.read_vacuums, "p.indexes_total", 170000, 999999),
        (health_queries.read_exclusive_backup, "pg_is_in_backup", 130000, 150000),
        (health_replication.read_slots, "inactive_since", 170000, 999999),
        (health_replication.read_slots, "safe_wal_size", 130000, 999999),
    ],
)
@pytest.mark.parametrize("version", [130000, 140000, 150000, 160000, 170000, 180000])
def test_columns_by_version(ask: Any, column: str, since: int, before: int, version: int) -> None:
    listener = Listener(version)
    ask(listener)
    assert (column in listener.asked) is (since <= version < before)
