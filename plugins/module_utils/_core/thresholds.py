# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thresholds as arguments: two texts each, `<name>_warning` and `<name>_critical`, as numbers of their kind.

A threshold is text: `off` applies none, so that one with a default can be switched off (Ansible has no null for such an option).

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import re
import typing as t

from .durations import parse_duration
from .errors import BadInput

#: A share is a number of percent, of a whole that it cannot exceed.
DURATION, SIZE, NUMBER, SHARE = "duration", "size", "number", "share"
OFF = "off"

#: By name: kind, default of `<name>_warning`, default of `<name>_critical`.
Thresholds = t.Mapping[str, tuple[str, str, str]]

_WHOLE = 100
_LEVELS = ("warning", "critical")
_BYTES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\Z")


class Limit(t.NamedTuple):
    """Two thresholds of one check; None applies none."""

    warning: t.Optional[float] = None
    critical: t.Optional[float] = None


NO_LIMIT = Limit()


def threshold_spec(thresholds: Thresholds) -> dict[str, dict[str, t.Any]]:
    """The argument spec of all thresholds."""
    spec: dict[str, dict[str, t.Any]] = {}
    for name, (_kind, *defaults) in thresholds.items():
        for level, default in zip(_LEVELS, defaults):
            spec[f"{name}_{level}"] = {"type": "str", "default": default}
    return spec


def limits_from(params: t.Mapping[str, t.Any], thresholds: Thresholds) -> dict[str, Limit]:
    """The thresholds as numbers: seconds, bytes, percent, counts.

    Raises:
        BadInput: not a number of its kind, or a warning beyond its critical.
    """
    limits = {}
    for name, (kind, *_defaults) in thresholds.items():
        warning, critical = (threshold(params.get(f"{name}_{level}"), kind=kind, name=f"{name}_{level}") for level in _LEVELS)
        if warning is not None and critical is not None and warning > critical:
            hint = "Give the lower value as the warning."
            raise BadInput(f"{name}_warning is beyond {name}_critical.", hint=hint, argument=f"{name}_warning")
        limits[name] = Limit(warning, critical)
    return limits


def threshold(value: t.Any, *, kind: str, name: str) -> t.Optional[float]:
    """One value of a kind; None for `off`.

    Raises:
        BadInput: not a number of its kind, or a share of more than the whole.
    """
    # YAML reads an unquoted off as false, which Ansible makes the text False.
    if str(value).strip().lower() in (OFF, "false", "none", ""):
        return None
    if kind == DURATION:
        return parse_duration(value, name=name)
    match = _SIZE.match(str(value).strip().lower())
    if match is None or (kind in (NUMBER, SHARE) and match.group(2)):
        wanted = "bytes, for example 500M or 2G" if kind == SIZE else "a number"
        raise BadInput(f"{name}: {value!r} is not usable.", hint=f"Give {wanted}, or off.", argument=name)
    found = float(match.group(1)) * _BYTES[match.group(2)]
    if kind == SHARE and found > _WHOLE:
        raise BadInput(f"{name}: {value} is out of range.", hint=f"Allowed: 0 to {_WHOLE}, or off.", argument=name)
    return found
