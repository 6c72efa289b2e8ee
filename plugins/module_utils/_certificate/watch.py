# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look once, or until checks are ok and stay so: what verify does.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from .._core.recovery import compare, not_ok
from .._core.waiting import wait_from, watch

#: A look; what it is given is the time it has, seconds, None for all that it wants.
Look = t.Callable[[t.Optional[float]], dict[str, t.Any]]


@dataclasses.dataclass(frozen=True)
class _Seen:
    """A look's result, as the waiting takes it."""

    result: dict[str, t.Any]

    def statuses(self) -> dict[str, str]:
        return dict(self.result["checks"])


def run(
    look: Look, *, wait_for: t.Optional[t.Mapping[str, t.Any]], baseline: t.Optional[t.Mapping[str, str]],
    clock: t.Callable[[], float] = time.monotonic, sleep: t.Callable[[float], None] = time.sleep,
) -> dict[str, t.Any]:
    """The result of one look, or of the last of several.

    Raises:
        BadInput: what is waited for is not usable.
    """
    if wait_for is None:
        judged: tuple[str, ...] = ()
        result = look(None)
    else:
        wait = wait_from(wait_for)
        judged = wait.checks
        watched = watch(lambda left: _Seen(look(left)), wait=wait, clock=clock, sleep=sleep)
        result = {**watched.last.result, **watched.as_dict()}
    if baseline is not None:
        compared = compare(result["checks"], baseline=baseline, judged=judged)
        result.update(remaining=dict(compared.remaining), new=dict(compared.new))
    return result


def troubled(result: t.Mapping[str, t.Any], wait_for: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The checks that were waited for and are not ok."""
    return not_ok(wait_for["checks"], result["checks"])
