# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which numbers and durations are allowed: one table, for the modules' arguments and for the role variables that become them.

This module util is PRIVATE to the collection: it may change at any time.

The guard judges a variable by the range of its argument before anything is looked at (`plugin_utils/_frame/specs.py` says which
argument that is), and every module judges its arguments by the same table before it begins.
"""

from __future__ import annotations

import dataclasses
import math
import typing as t

from .durations import format_duration, parse_duration
from .errors import BadInput


@dataclasses.dataclass(frozen=True)
class Range:
    """What a number or a duration may be.

    Attributes:
        least, most: the smallest and the largest value; no `most` means no limit.
        above: `least` itself is too small.
        time: a duration; `least` and `most` are seconds.
        empty: an empty text is allowed too; it switches off what the value is for.
    """

    least: float = 0
    most: t.Optional[float] = None
    above: bool = False
    time: bool = False
    empty: bool = False

    def __str__(self) -> str:
        """What is allowed, for people: `1 to 65535`, `0 or more`, `more than 0s, at most 1d`."""
        least, most = (None if bound is None else _said(bound, self.time) for bound in (self.least, self.most))
        if self.above:
            said = f"more than {least}" + (f", at most {most}" if most else "")
        else:
            said = f"{least} to {most}" if most else f"{least} or more"
        return f"{said}, or empty" if self.empty else said

    def read(self, value: t.Any, *, name: str) -> float:
        """The value as a number, of a duration the seconds.

        Raises:
            BadInput: it is neither a number nor a duration, or is out of this range.
        """
        number = parse_duration(value, name=name) if self.time else _number(value)
        too_small = number <= self.least if self.above else not number >= self.least
        if too_small or not math.isfinite(number) or (self.most is not None and number > self.most):
            shown = f"{value:g}" if isinstance(value, float) else value
            raise BadInput(f"{name}: {shown} is out of range.", hint=f"Allowed: {self}.", argument=name)
        return number

    def require(self, value: t.Any, *, name: str) -> None:
        """The same for a value that may be absent, or a list of values.

        Raises:
            BadInput: see read().
        """
        if value is None or (self.empty and value == ""):
            return
        for one in value if isinstance(value, (list, tuple)) else (value,):
            self.read(one, name=name)


_DAY = 86400.0
COUNT = Range()
POSITIVE = Range(1)
PORT = Range(1, 65535)
PERCENT = Range(0, 100)
DAYS = Range(0, 36500)
HTTP_STATUS = Range(100, 599)
WORKERS = Range(1, 512)
#: How long something may take. None at all would mean no limit, or that nothing can be done.
LIMIT = Range(0, _DAY, above=True, time=True)
#: How long something is waited for or held: not at all is a choice.
WAIT = Range(0, _DAY, time=True)
#: How old something is, or how far back or ahead is looked.
AGE = Range(0, 3650 * _DAY, time=True)
LIFETIME = Range(0, 30 * _DAY, above=True, time=True)
AGE_OR_EMPTY = dataclasses.replace(AGE, empty=True)
LIFETIME_OR_EMPTY = dataclasses.replace(LIFETIME, empty=True)

#: By the name of a module's argument, which has one meaning wherever it is an argument.
ARGUMENTS: t.Mapping[str, Range] = {
    "login_port": PORT, "port": PORT, "ports": PORT, "primary_port": PORT,
    "status_code": HTTP_STATUS,
    "workers": WORKERS,
    # Limits of what may be changed; 0 allows nothing.
    "max_bytes": COUNT, "max_entries": COUNT, "max_files": COUNT, "max_files_for_inodes": COUNT, "max_keys": COUNT,
    "max_keys_per_second": COUNT, "max_objects": COUNT,
    "max_renewals": COUNT, "max_rules": COUNT, "worst": COUNT, "max_victims": COUNT, "max_percent": PERCENT, "limit": COUNT, "spent": COUNT,
    "max_failures": POSITIVE,
    # What is expected, and from when on something is reported.
    "critical_count": COUNT, "suspicious_count": COUNT, "warning_count": COUNT, "spread_warning_count": COUNT,
    "spread_critical_count": COUNT, "warning_bans": COUNT, "deleted_warning_bytes": COUNT, "expected_keys": COUNT,
    "expected_keys_tolerance_percent": COUNT, "expected_replicas": COUNT, "min_replicas_to_write": COUNT, "standbys_expected": COUNT,
    "max_alerts": COUNT, "min_output_bytes": COUNT, "vacuum_min_dead_rows": COUNT, "statements_min_calls": COUNT,
    "min_ttl_percent": PERCENT, "warning_percent": PERCENT, "critical_percent": PERCENT, "due_percent": PERCENT,
    "warning_days": DAYS, "critical_days": DAYS, "due_days": DAYS,
    # How much of a Redis server is sampled.
    "slow_log_entries": Range(0, 32), "sample_keys": Range(0, 10000), "pings": Range(1, 1000), "sample_seconds": WAIT,
    "sample_budget": WAIT,
    # How much is kept.
    "max_addresses": COUNT, "max_kib": COUNT, "max_lines": COUNT, "max_total_mib": COUNT, "max_file_mib": COUNT,
    "batch": POSITIVE, "count": POSITIVE, "database": COUNT, "maxclients": POSITIVE,
    # Times.
    "timeout": LIMIT, "connect_timeout": LIMIT, "socket_timeout": LIMIT, "statement_timeout": LIMIT, "lock_timeout": LIMIT,
    "validate_timeout": LIMIT, "command_timeout": LIMIT, "probe_timeout": LIMIT, "service_timeout": LIMIT, "max_seconds": LIMIT,
    "status_timeout": LIMIT, "max_time": LIMIT, "warn_time": LIMIT, "time_limit": LIMIT,
    "look_for": WAIT, "verify_timeout": WAIT, "connect_retry": WAIT, "retry": WAIT, "grace": WAIT, "hold": WAIT,
    # Of a snapshot: without any, all of it is left for later.
    "budget": WAIT,
    "interval": WAIT, "observe": WAIT, "sample": WAIT, "wait": WAIT, "window": WAIT, "history": AGE, "order": Range(-10000, 10000),
    # Of services.
    "desired": COUNT, "pool": COUNT,
    "before": AGE, "age": AGE, "failure_window": AGE, "full_within": AGE, "min_age": AGE, "min_idle": AGE_OR_EMPTY, "min_query_age": AGE,
    "min_transaction_age": AGE, "min_idle_in_transaction_age": AGE, "min_idle_age": AGE, "min_lock_wait_age": AGE,
    "give_up_idle_root": AGE, "refusals_since": AGE_OR_EMPTY, "unused_indexes_min_age": AGE, "sequential_scans_min_age": AGE,
    "lifetime": LIFETIME, "lasts": LIFETIME, "bantime": AGE_OR_EMPTY,
    # A person tries again within this time.
    "trace_for": Range(0, 600, time=True, empty=True),
    "wait_for.hold": WAIT,
    # Of members that mean something else than an argument of their name: a look without waiting is one that waits 0s.
    "wait_for.timeout": WAIT, "measure.timeout": WAIT,
    "rules.keep": COUNT, "rules.min_blocked": COUNT, "rules.min_group_size": COUNT, "rules.idle_when_above_percent": PERCENT,
    "rules.idle_target_percent": PERCENT,
}
#: Arguments that are flags in some module: `workers` asks service_instances for the processes of each instance.
FLAGS = ("workers",)
#: Arguments whose members are arguments.
NESTED = ("alternate_logins", "measure", "probes", "rules", "steps", "wait_for")


def read(value: t.Any, *, name: str) -> float:
    """An argument that must be there as a number, of a duration the seconds.

    Raises:
        BadInput: see Range.read().
    """
    return ARGUMENTS[name].read(value, name=name)


def require(params: t.Mapping[str, t.Any], *, of: str = "", shown: t.Optional[str] = None) -> None:
    """Refuse arguments that are out of their range.

    Args:
        params: the arguments of a module, or the members of one.
        of: the argument whose members they are, with a full stop.
        shown: what stands before a member's name in a message; by default `of`.

    Raises:
        BadInput: names the first that is.
    """
    before = of if shown is None else shown
    for name, value in params.items():
        allowed = ARGUMENTS.get(f"{of}{name}", ARGUMENTS.get(name))
        if allowed is not None and not _is_another(name, value, allowed):
            allowed.require(value, name=f"{before}{name}")
        elif name in NESTED and value:
            for member in value if isinstance(value, list) else [value]:
                if isinstance(member, dict):
                    _require_member(member, of=name)


def _require_member(member: t.Mapping[str, t.Any], *, of: str) -> None:
    """One of a list of rules is named as its reader names it."""
    rule = member.get("name") if of == "rules" else None
    try:
        require(member, of=f"{of}.", shown="" if rule else None)
    except BadInput as exc:
        if not rule:
            raise
        raise BadInput(f"Rule {rule}: {exc.message}", hint=exc.hint, **{**exc.facts, "rule": rule}) from None


def _is_another(name: str, value: t.Any, allowed: Range) -> bool:
    # A number where the table has a time: `sample` counts keys in redis_cache_clear.
    return (allowed.time and isinstance(value, (int, float))) or (name in FLAGS and isinstance(value, bool))


def _number(value: t.Any) -> float:
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return math.nan


def _said(bound: float, time: bool) -> str:
    return ("0s" if not bound else format_duration(bound)) if time else f"{bound:g}"
