# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The thresholds of pg_health: their names, kinds and defaults, stated once.

The defaults follow the teams' guides where these name a value (pool over 80 percent, queries over one and five minutes, answers
over two and five seconds), else PostgreSQL's own limits (vacuum_failsafe_age is 1.6e9).

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core import thresholds
from ..._core.thresholds import DURATION, NUMBER, OFF, SIZE

#: By name: kind, default of `<name>_warning`, default of `<name>_critical`.
THRESHOLDS: thresholds.Thresholds = {
    "connections": (NUMBER, "80", "90"),
    "long_queries": (DURATION, "1m", "5m"),
    "long_transactions": (DURATION, "5m", "15m"),
    "idle_in_transaction": (DURATION, "1m", "5m"),
    "blocking": (DURATION, "10s", "1m"),
    "ungranted_locks": (NUMBER, "5", "20"),
    "prepared_transactions": (DURATION, "5m", "15m"),
    "replication_lag": (DURATION, "30s", "5m"),
    "replication_bytes": (SIZE, "1G", "10G"),
    "replication_slots": (SIZE, "1G", "10G"),
    "wraparound": (NUMBER, "1000000000", "1600000000"),
    "vacuum": (NUMBER, "5", OFF),
    "database_size": (SIZE, OFF, OFF),
    "statements": (DURATION, "1s", OFF),
    "invalid_indexes": (NUMBER, "1", OFF),
    "unused_indexes": (SIZE, "1G", OFF),
    "duplicate_indexes": (SIZE, "1G", OFF),
    "sequential_scans": (NUMBER, "100", OFF),
    "probe": (DURATION, "2s", "5s"),
}


def threshold_spec() -> dict[str, dict[str, t.Any]]:
    """The argument spec of all thresholds."""
    return thresholds.threshold_spec(THRESHOLDS)


def limits_from(params: t.Mapping[str, t.Any]) -> dict[str, thresholds.Limit]:
    """The thresholds as numbers; see thresholds.limits_from()."""
    return thresholds.limits_from(params, THRESHOLDS)
