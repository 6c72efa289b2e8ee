# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked when the recovery of a Redis server is verified: redis_health, the probe key, and the application.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.durations import parse_duration
from ..._core.errors import BadInput
from ..._core.words import words_list

#: The checks of redis_probe, and the one of http_health.
PROBE = ("probe_write", "probe_read", "probe_replication", "probe_delete")
APPLICATION = "application"


def verify_asks(named: t.Union[str, t.Sequence[str]], *, probe: bool, urls: t.Sequence[str]) -> dict[str, list[str]]:
    """The names of all checks (`all`), and of those that redis_health answers (`health`).

    Args:
        named: the checks of redis_health that the operator names.
        probe: whether a probe key is written.
        urls: the application's health URLs.

    Raises:
        BadInput: no check is named. The server would be called healthy without a look at it.
    """
    health = list(dict.fromkeys(words_list(named)))
    if not health:
        raise BadInput("redis_verify_checks names no check.", hint="Name the checks that must hold, for example availability,writes.")
    return {"health": health, "all": [*health, *(PROBE if probe else ()), *([APPLICATION] if urls else [])]}


def asked_of(checks: t.Sequence[str]) -> dict[str, t.Any]:
    """Who is asked for these checks, as verify_asks() names all.

    Returns:
        health: those of redis_health. probe, application: whether these are asked.
    """
    return {
        "health": [check for check in checks if check not in (*PROBE, APPLICATION)], "probe": any(check in PROBE for check in checks),
        "application": APPLICATION in checks,
    }


def time_left(wait: str, *, looks: t.Iterable[t.Mapping[str, t.Any]]) -> str:
    """What is left of a time after the looks that have waited in it, as a duration.

    Args:
        wait: the time for all looks.
        looks: the results so far; what was skipped has not waited.
    """
    waited = sum(float(look.get("waited") or 0.0) for look in looks)
    return f"{max(parse_duration(wait) - waited, 0.0):.3f}s"
