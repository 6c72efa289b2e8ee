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

from .durations import parse_duration
from .errors import BadInput
from .pg_verdict import Limit

DURATION, SIZE, NUMBER = "duration", "size", "number"

#: By name: kind, default of `<name>_warning`, default of `<name>_critical`. None applies none.
THRESHOLDS: t.Mapping[str, tuple[str, t.Any, t.Any]] = {
    "connections": (NUMBER, 80.0, 90.0),
    "long_queries": (DURATION, "1m", "5m"),
    "long_transactions": (DURATION, "5m", "15m"),
    "idle_in_transaction": (DURATION, "1m", "5m"),
    "blocking": (DURATION, "10s", "1m"),
    "ungranted_locks": (NUMBER, 5.0, 20.0),
    "prepared_transactions": (DURATION, "5m", "15m"),
    "replication_lag": (DURATION, "30s", "5m"),
    "replication_bytes": (SIZE, "1G", "10G"),
    "replication_slots": (SIZE, "1G", "10G"),
    "wraparound": (NUMBER, 1.0e9, 1.6e9),
    "vacuum": (NUMBER, 5.0, None),
    "database_size": (SIZE, None, None),
    "statements": (DURATION, "1s", None),
    "probe": (DURATION, "2s", "5s"),
}

_TYPES = {DURATION: "str", SIZE: "bytes", NUMBER: "float"}
_LEVELS = ("warning", "critical")


def threshold_spec() -> dict[str, dict[str, t.Any]]:
    """The argument spec of all thresholds."""
    spec: dict[str, dict[str, t.Any]] = {}
    for name, (kind, *defaults) in THRESHOLDS.items():
        for level, default in zip(_LEVELS, defaults):
            spec[f"{name}_{level}"] = {"type": _TYPES[kind], **({} if default is None else {"default": default})}
    return spec


def limits_from(params: t.Mapping[str, t.Any]) -> dict[str, Limit]:
    """The thresholds as numbers: seconds, bytes, percent, counts.

    Raises:
        BadInput: not a duration, negative, or a warning beyond its critical.
    """
    limits = {}
    for name, (kind, *_defaults) in THRESHOLDS.items():
        warning, critical = (_number(params.get(f"{name}_{level}"), kind=kind, name=f"{name}_{level}") for level in _LEVELS)
        if warning is not None and critical is not None and warning > critical:
            hint = "Give the lower value as the warning."
            raise BadInput(f"{name}_warning is beyond {name}_critical.", hint=hint, argument=f"{name}_warning")
        limits[name] = Limit(warning, critical)
    return limits


def _number(value: t.Any, *, kind: str, name: str) -> t.Optional[float]:
    if value is None or value == "":
        return None
    number = parse_duration(value, name=name) if kind == DURATION else float(value)
    if number < 0:
        raise BadInput(f"{name}: {value} is negative.", hint="Give 0 or more.", argument=name)
    return number
