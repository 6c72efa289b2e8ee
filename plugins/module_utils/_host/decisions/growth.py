# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast a file system fills up, from samples of the last days.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.durations import format_duration
from ..._core.findings import OK, WARNING, Finding, Skipped

CHECK = "disk_growth"
#: Samples are kept so long, seconds, and one of each stretch of this length.
KEPT, STRETCH = 72 * 3600.0, 900.0
#: Of less nobody can tell what the next day brings.
SHORTEST = 3600.0


class Sample(t.NamedTuple):
    """The space of a file system at a time: seconds since the epoch, bytes."""

    at: float
    size: int
    available: int


class Past(t.NamedTuple):
    """What was available some seconds ago."""

    ago: float
    available: int


@dataclasses.dataclass(frozen=True)
class Trend:
    """What samples say about a file system.

    Attributes:
        covers: seconds since the first sample.
        start: when most was available, at least an hour ago: what was freed before that says nothing of what comes.
        middle: half-way from there until now.
        trouble: why the sample of now was not kept, or the others could not be read.
    """

    covers: float = 0.0
    start: t.Optional[Past] = None
    middle: t.Optional[Past] = None
    trouble: str = ""


def kept(samples: t.Iterable[Sample], now: Sample) -> list[Sample]:
    """The samples that are still of use beside one of now, in their order.

    A file system of another size was enlarged or is another one, and a time to come is that of a wrong clock.
    """
    found: list[Sample] = []
    for one in sorted(samples):
        if not now.at - KEPT <= one.at <= now.at or one.size != now.size:
            continue
        if not found or one.at - found[-1].at >= STRETCH:
            found.append(one)
    return found


def trend(samples: t.Sequence[Sample], now: Sample, *, trouble: str = "") -> Trend:
    """What the samples from kept() say."""
    if not samples:
        return Trend(trouble=trouble)
    covers = now.at - samples[0].at
    old = [one for one in samples if now.at - one.at >= SHORTEST]
    if not old:
        return Trend(covers, trouble=trouble)
    start = max(old, key=lambda one: (one.available, one.at))
    half = now.at - (now.at - start.at) / 2
    middle = max((one for one in samples if start.at < one.at <= half), key=lambda one: one.at, default=None)
    return Trend(covers, _past(start, now), None if middle is None else _past(middle, now), trouble)


def _past(one: Sample, now: Sample) -> Past:
    return Past(now.at - one.at, one.available)


def judge_growth(
    point: str, available: int, seen: Trend, *, full_within: float, present: t.Optional[float] = None,
) -> t.Union[Finding, Skipped]:
    """Whether a file system will be full soon.

    Args:
        available: bytes, now.
        full_within: seconds; one that would be full by then is a warning.
        present: bytes per second of this moment, where that was looked at.
    """
    trouble = f" No sample was kept: {seen.trouble}." if seen.trouble else ""
    if seen.start is None:
        has = f"samples of {format_duration(round(seen.covers))}" if seen.covers else "no earlier sample"
        return Skipped(
            CHECK, f"too_short: {point}: {has}, and growth is predicted from {format_duration(SHORTEST)} on.{trouble}",
            hint="Give its user that file and its directory, or name another one." if trouble
            else "Look again later, or every hour by a schedule.",
        )
    rate = _rate(seen.start, available)
    if seen.middle is not None:
        # One burst is over by then; a leak goes on.
        rate = min(rate, _rate(seen.middle, available))
    left = available / rate if rate > 0 else None
    detail = {
        "full_in_seconds": None if left is None else round(left), "over_seconds": round(seen.start.ago), "now": present,
        **({"trouble": seen.trouble} if seen.trouble else {}),
    }
    if left is None or left > full_within:
        return Finding(CHECK, OK, round(rate), unit="bytes per second", subject=point, detail=detail)
    return Finding(
        CHECK, WARNING, round(rate), round(available / full_within), unit="bytes per second", subject=point, detail=detail,
        hint=f"At the rate of the last {format_duration(round(seen.start.ago))} it is full in {format_duration(round(left))}: "
             f"find who writes.{trouble}",
    )


def _rate(past: Past, available: int) -> float:
    return max(past.available - available, 0) / max(past.ago, 1.0)
