# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does an application say by its own health URLs that it is well?

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core import ranges
from ..._core.errors import BadInput
from ..._core.findings import CRITICAL, OK, UNKNOWN, Finding
from ..._core.hosts import plain
from ..._core.judging import Judged, judge_look
from ..._core.recorded import Basis

CHECK = "application"


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is asked.

    Attributes:
        expected: the status codes that are good.
        timeout: how long one answer may take, seconds.
        validate_certs: whether the certificate must be valid.
    """

    urls: tuple[str, ...]
    expected: tuple[int, ...]
    timeout: float
    validate_certs: bool

    @classmethod
    def of(cls, urls: t.Sequence[str], *, expected: t.Sequence[int], timeout: float, validate_certs: bool) -> Wanted:
        """Checked.

        Raises:
            BadInput: nothing is asked, something that HTTP cannot ask, or no time is left to answer.
        """
        if not urls:
            raise BadInput("urls is empty, so nothing would be asked.", hint="Name the application's health URLs.", argument="urls")
        urls = [plain(url) for url in urls]
        for url in urls:
            if url.partition("://")[0].lower() not in ("http", "https"):
                raise BadInput(f"urls: {url!r} is not an HTTP URL.", hint="Give URLs that begin with http:// or https://.", argument="urls")
        ranges.read(timeout, name="timeout")
        return cls(tuple(dict.fromkeys(urls)), tuple(expected), timeout, validate_certs)


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
            f"{answer.url} gave no answer: {answer.problem}. Check whether the application runs, and ask from where it can be reached."
        ))
    if answer.status in expected:
        return Finding(CHECK, OK, observed=answer.status, subject=answer.url, detail=detail)
    return Finding(CHECK, CRITICAL, observed=answer.status, subject=answer.url, detail=detail, hint=(
        f"{answer.url} answered {answer.status}. Look at the application's own log: what it lacks may be something else."
    ))
