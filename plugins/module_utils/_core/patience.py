# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look again and again until what is seen is ok and stays so, bounded.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from .durations import parse_duration
from .errors import BadInput
from .findings import OK, WARNING, Finding, Skipped
from .findings import worst as _worst
from .recovery import Hold, status_by_check

#: One look: what was judged, and what could not be.
Look = t.Callable[[], tuple[t.Sequence[Finding], t.Sequence[Skipped]]]
_ALL = "all"


@dataclasses.dataclass(frozen=True)
class Patience:
    """How long ok must hold, how long it is waited for at most (the holding included), and the pause between two looks: seconds."""

    hold: float
    timeout: float
    interval: float


@dataclasses.dataclass(frozen=True)
class Waited:
    """The last look, and what the waiting came to."""

    findings: t.Sequence[Finding]
    skipped: t.Sequence[Skipped]
    held: bool
    waited: float
    polls: int
    history: t.Sequence[t.Mapping[str, t.Any]]

    def as_dict(self) -> dict[str, t.Any]:
        """As it appears in results, beside the verdict."""
        return {"held": self.held, "waited": round(self.waited, 3), "polls": self.polls, "history": [dict(one) for one in self.history]}


def patience_from(found: t.Mapping[str, t.Any]) -> Patience:
    """The waiting that the argument `wait_for` describes.

    Raises:
        BadInput: no durations, or a hold that does not fit into the time.
    """
    hold, timeout, interval = (parse_duration(found[name], name=f"wait_for.{name}") for name in ("hold", "timeout", "interval"))
    if hold > timeout:
        raise BadInput("wait_for.hold is longer than wait_for.timeout.", hint="Give more time than what must hold.", argument="wait_for")
    return Patience(hold=hold, timeout=timeout, interval=max(interval, 0.1))


def await_ok(
    look: Look, *, patience: Patience, minds_warnings: bool = True,
    clock: t.Callable[[], float] = time.monotonic, sleep: t.Callable[[float], None] = time.sleep,
) -> Waited:
    """Look until every check has been ok without a break for long enough, or the time is up; at least once.

    What was skipped or is unknown is not ok. A look in which nothing was judged is not ok either. A warning is, unless it is minded.
    """
    hold = Hold(checks=(_ALL,), seconds=patience.hold)
    started = clock()
    while True:
        findings, skipped = look()
        status = _worst(status_by_check(findings, skipped).values())
        now = clock() - started
        held = hold.see({_ALL: OK if status == WARNING and not minds_warnings else status}, at=now)
        if held or now >= patience.timeout:
            return Waited(findings=findings, skipped=skipped, held=held, waited=now, polls=hold.polls, history=_brief(hold.history))
        sleep(max(min(patience.interval, patience.timeout - now), 0.0))


def _brief(history: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    return [{"at": one["at"], "status": one["checks"][_ALL]} for one in history]
