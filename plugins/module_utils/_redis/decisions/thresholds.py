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

import typing as t

from ..._core import ranges
from ..._core.errors import BadInput
from ..._core.suggest import suggest
from ..._core.thresholds import DURATION, NUMBER, OFF, SHARE, SIZE, Thresholds, limits_from, threshold, threshold_spec

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
#: What else of redis_health may be stated beside the thresholds.
OTHERS = (
    "login_host", "login_port", "login_user", "login_password", "login_unix_socket", "tls", "ca_cert", "client_cert", "client_key",
    "validate_certs", "tls_check_hostname", "connect_timeout", "socket_timeout", "max_seconds", "run_id", "asked", "fail_on", "wait_for",
    "baseline",
    "checks", "topology", "node_login_user", "node_login_password", "workers", "sample_seconds", "expected_replicas",
    "min_replicas_to_write", "fragmentation_bytes", "slow_log_entries", "sample_keys", "sample_budget", "pings",
)


def require_stated(stated: t.Mapping[str, t.Any], *, name: str) -> None:
    """Refuse options of redis_health that cannot be, before anything is looked at.

    Args:
        stated: by the name of the option.
        name: of the variable that states them.

    Raises:
        BadInput: names the variable and the option.
    """
    spec = threshold_spec(THRESHOLDS)
    for option, value in stated.items():
        if option not in spec and option not in OTHERS:
            hint = f"{suggest(option, (*spec, *OTHERS))}Name options of oncall.incident.redis_health."
            raise BadInput(f"{name}: {option} is unknown.", hint=hint, argument=name)
        if option == "fragmentation_bytes":
            threshold(value, kind=SIZE, name=f"{name}: {option}")
    try:
        ranges.require({option: value for option, value in stated.items() if option in OTHERS})
        limits_from({option: stated.get(option, one["default"]) for option, one in spec.items()}, THRESHOLDS)
    except BadInput as exc:
        raise BadInput(f"{name}: {exc.message}", hint=exc.hint, argument=name) from None

