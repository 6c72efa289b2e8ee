# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do what a test user does, request after request. What the answers give is kept here alone, and told nowhere.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from .._core.errors import BadInput
from .._core.judging import Judged
from .decisions.answers import NO_ANSWER, TIMEOUT, Answer, Heard, weigh
from .decisions.requests import Request
from .decisions.smoke import CHECKS, Step, Went, decide, not_saved, saved_of
from .exchange import TrustStores
from .web import ask_all


def look(
    steps: t.Sequence[Step], *, timeout: float, scope: str, for_real: bool, asked: t.Optional[t.Sequence[str]] = CHECKS,
) -> Judged:
    """Ask one after the other, up to the first that is not answered as it should be.

    Args:
        timeout: for all of them, seconds.
        scope: who asks.
        for_real: in check mode nothing is sent.
        asked: the checks that must be answered.

    Raises:
        BadInput: a CA is not usable; nothing was asked.
    """
    went = list(_course(steps, time.monotonic() + timeout)) if for_real else []
    return decide(went, steps=len(steps), scope=scope, for_real=for_real, asked=asked)


def _course(steps: t.Sequence[Step], until: float) -> t.Iterator[Went]:
    stores = TrustStores()
    for step in steps:
        stores.of(step.request({}))
    saved: dict[str, str] = {}
    for step in steps:
        try:
            request = step.request(saved)
        except BadInput:
            problem = "what an earlier step has saved cannot be sent in it"
            yield Went(step.name, step.url, (), Answer(stage=NO_ANSWER, problem=problem, sure=True))
            return
        asking = _Asking(request, step, tuple(saved.values()))
        left = until - time.monotonic()
        answer = ask_all([asking], timeout=left, stores=stores)[0] if left > 0 else Answer(stage=TIMEOUT, problem="no time was left for it")
        yield Went(step.name, step.url, request.status, answer)
        if answer.stage:
            return
        saved.update(asking.saved)


@dataclasses.dataclass
class _Asking:
    """A step on its way.

    Attributes:
        hidden: what must not be shown, also where a server repeats it.
        saved: what its answer gave.
    """

    request: Request
    step: Step
    hidden: tuple[str, ...]
    saved: dict[str, str] = dataclasses.field(default_factory=dict)

    def weigh(self, heard: Heard) -> Answer:
        """See Asking."""
        kept, problem = saved_of(self.step, heard)
        answer = weigh(heard, request=self.request, wanted=self.step.wanted, secrets=(*self.hidden, *kept.values()))
        if answer.stage:
            return answer
        self.saved = kept
        return not_saved(answer, problem) if problem else answer
