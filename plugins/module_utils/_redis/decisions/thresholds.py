# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The thresholds of redis_health: their names, kinds and defaults, stated once.

Sources of the defaults: a save that runs for ten or twenty minutes is netdata's alarm; fragmentation needs a ratio and bytes as in
Redis' own MEMORY DOCTOR; memory at 80 and 90 percent is the reference teams' guide. What is normal for a cache (evictions, misses,
keys without a TTL) is judged only where that says something, or where the caller gives a threshold.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from ..._core.thresholds import DURATION, NUMBER, OFF, SHARE, SIZE, Thresholds

#: By name: kind, default of `<name>_warning`, default of `<name>_critical`.
THRESHOLDS: Thresholds = {
    "memory": (SHARE, "80", "90"),
    "fragmentation": (NUMBER, "1.5", OFF),
    "evictions": (NUMBER, "10", "1000"),
    "connections": (SHARE, "80", "90"),
    "blocked_clients": (NUMBER, "100", OFF),
    "errors": (NUMBER, "10", "100"),
    "save_running": (DURATION, "10m", "20m"),
    "unsaved": (DURATION, "1h", OFF),
    "replication_lag": (DURATION, "10s", "1m"),
    "replication_bytes": (SIZE, "64M", "512M"),
    "slow_log": (NUMBER, "5", OFF),
    "latency": (DURATION, "100ms", "1s"),
    "latency_events": (DURATION, "500ms", "5s"),
    "misses": (SHARE, OFF, OFF),
    "no_ttl": (SHARE, OFF, OFF),
}
