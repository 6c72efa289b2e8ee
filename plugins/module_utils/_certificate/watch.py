# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look once, or until checks are ok and stay so: what verify does.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import time
import typing as t

from .._core.durations import parse_duration
from .._core.errors import BadInput
from .._core.recovery import Hold, compare, not_ok

#: A look; what it is given is the time it has, seconds, None for all that it wants.
Look = t.Callable[[t.Optional[float]], dict[str, t.Any]]


def run(
    look: Look, *, wait_for: t.Optional[t.Mapping[str, t.Any]], baseline: t.Optional[t.Mapping[str, str]],
    clock: t.Callable[[], float] = time.monotonic, sleep: t.Callable[[float], None] = time.sleep,
) -> dict[str, t.Any]:
    """The result of one look, or of the last of several.

    Raises:
        BadInput: what is waited for is not usable.
    """
    judged = list((wait_for or {}).get("checks") or ())
    result = look(None) if wait_for is None else _watch(look, judged, wait_for, clock, sleep)
    if baseline is not None:
        compared = compare(result["checks"], baseline=baseline, judged=judged)
        result.update(remaining=dict(compared.remaining), new=dict(compared.new))
    return result


def _watch(
    look: Look, checks: t.Sequence[str], stated: t.Mapping[str, t.Any], clock: t.Callable[[], float], sleep: t.Callable[[float], None],
) -> dict[str, t.Any]:
    """Look again and again. A hold of no time needs one good look; what ends after the time is up counts as it is."""
    seconds, timeout, interval = (parse_duration(stated[name], name=f"wait_for.{name}") for name in ("hold", "timeout", "interval"))
    if not checks:
        raise BadInput("wait_for.checks is empty.", hint="Name the checks that must be ok.", argument="wait_for")
    if seconds > timeout:
        raise BadInput("wait_for.hold is longer than wait_for.timeout.", hint="Give more time than what must hold.", argument="wait_for")
    hold, started = Hold(checks=checks, seconds=seconds), clock()
    while True:
        result = look(timeout - (clock() - started))
        held = hold.see(result["checks"], at=clock() - started)
        left = timeout - (clock() - started)
        if held or left <= 0:
            waited = round(clock() - started, 3)
            return {**result, "held": held, "waited": waited, "polls": hold.polls, "history": hold.history}
        sleep(max(min(interval, left), 0.05))


def troubled(result: t.Mapping[str, t.Any], wait_for: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The checks that were waited for and are not ok."""
    return not_ok(wait_for["checks"], result["checks"])
