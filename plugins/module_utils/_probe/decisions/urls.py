# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does an application say by its own health URLs that it is well?

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.findings import CRITICAL, OK, UNKNOWN, Finding
from ..._core.judging import Judged, judge_look
from ..._core.recorded import Basis

CHECK = "application"


@dataclasses.dataclass(frozen=True)
class Answer:
    """What one URL answered.

    Attributes:
        status: of HTTP; None where there was no answer.
        seconds: it took.
        problem: why there was none.
    """

    url: str
    status: t.Optional[int]
    seconds: float
    problem: str = ""


def decide(answers: t.Sequence[Answer], *, expected: t.Sequence[int], asked: t.Optional[t.Sequence[str]]) -> Judged:
    """The verdict on an application.

    Args:
        expected: the status codes that are good.
        asked: the checks that must be answered.
    """
    return Judged(judge_look([_judge(one, expected) for one in answers], asked=asked), basis=Basis("app_health", {
        "answers": answers, "expected": expected, "asked": asked,
    }))


def _judge(answer: Answer, expected: t.Sequence[int]) -> Finding:
    """Another status is a failure. No answer at all says nothing: it may be the way from who asks."""
    detail = {"seconds": answer.seconds, "expected": list(expected)}
    if answer.status is None:
        return Finding(CHECK, UNKNOWN, observed=answer.problem, subject=answer.url, detail=detail, hint=(
            f"{answer.url} gave no answer: {answer.problem}. Look whether the application runs, and ask from where it can be reached."
        ))
    if answer.status in expected:
        return Finding(CHECK, OK, observed=answer.status, subject=answer.url, detail=detail)
    return Finding(CHECK, CRITICAL, observed=answer.status, subject=answer.url, detail=detail, hint=(
        f"{answer.url} answered {answer.status}. Look at the application's own log: what it lacks may be something else."
    ))
