# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked when the recovery of a Redis server is verified: redis_health, the probe key, and the application.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.findings import CRITICAL, OK, UNKNOWN
from ..._core.words import words_list

#: The checks of redis_probe, and the one of the application's health URLs.
PROBE = ("probe_write", "probe_read", "probe_replication", "probe_delete")
APPLICATION = "application"


def verify_asks(named: t.Union[str, t.Sequence[str]], *, probe: bool, urls: t.Sequence[str]) -> dict[str, list[str]]:
    """The names of all checks (`all`), and of those that redis_health answers (`health`).

    Args:
        named: the checks of redis_health that the operator names.
        probe: whether a probe key is written.
        urls: the application's health URLs.
    """
    health = list(words_list(named))
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


def app_verdict(answers: t.Iterable[t.Mapping[str, t.Any]], *, expected: t.Sequence[int]) -> dict[str, t.Any]:
    """What the application's health URLs say, as a verdict of one check; empty where they were not asked.

    An answer with another status is a failure. No answer at all says nothing: it may be the way from who asks.

    Args:
        answers: of ansible.builtin.uri; what was skipped was not asked.
        expected: the status codes that are an answer.
    """
    found = [answer.get("status") for answer in answers if not answer.get("skipped")]
    if not found:
        return {}
    other = [status for status in found if status not in expected]
    failing = [status for status in other if isinstance(status, int) and status > 0]
    status, healthy = (CRITICAL, False) if failing else (UNKNOWN, None) if other else (OK, True)
    return {"healthy": healthy, "asked": [APPLICATION], "checks": {APPLICATION: status}}
