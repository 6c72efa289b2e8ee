# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Yes, no, or a doubt that says what is not known; and values that are compared with what a rule wants.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.addresses import Span

#: Whole numbers from the first to the last, both included.
Range = tuple[int, int]
#: What is compared: addresses, numbers, or a name; None where it is not known.
Value = t.Union[Span, Range, str, None]
#: What a rule wants of a value. A name may end in an asterisk.
Part = t.Union[Span, Range, str]
ANY_NAME = "*"


@dataclasses.dataclass(frozen=True)
class Doubt:
    """Neither yes nor no.

    Attributes:
        why: what is not known, as the rule says it.
        kind: PART or UNSEEN of packet_filter.py, where it is one of these.
        name: of the set that could not be read.
        ports: ports that would tell, where only a port is missing.
    """

    why: str
    kind: str = ""
    name: str = ""
    ports: tuple[Range, ...] = ()


Truth = t.Union[bool, Doubt]


def inverted(truth: Truth, negated: bool) -> Truth:
    """The opposite where the rule negates."""
    return truth if isinstance(truth, Doubt) else truth != negated


def every(truths: t.Iterable[Truth]) -> Truth:
    """Whether all hold: one that does not decides, and then the first doubt."""
    doubt: t.Optional[Doubt] = None
    for truth in truths:
        if isinstance(truth, Doubt):
            doubt = doubt or truth
        elif not truth:
            return False
    return doubt or True


def some(truths: t.Iterable[Truth]) -> Truth:
    """Whether one holds: one that does decides, and then the first doubt."""
    doubt: t.Optional[Doubt] = None
    for truth in truths:
        if isinstance(truth, Doubt):
            doubt = doubt or truth
        elif truth:
            return True
    return doubt or False


def within(value: t.Optional[Range], wanted: t.Sequence[Range]) -> t.Optional[bool]:
    """Whether a number, of which only a range may be known, is in one of the wanted ranges; None where that is open."""
    if value is None:
        return None
    low, touched = value[0], False
    for first, last in sorted(wanted):
        touched = touched or (first <= value[1] and value[0] <= last)
        if first <= low <= last:
            low = last + 1
    return True if low > value[1] else None if touched else False


def holds(part: Part, value: Value) -> t.Optional[bool]:
    """Whether a value is what an element of a set wants; None where that is open."""
    if part == ANY_NAME:
        return True
    if value is None:
        return None
    if isinstance(part, Span) and isinstance(value, Span):
        return True if part.covers(value) else None if part.touches(value) else False
    if isinstance(part, tuple) and isinstance(value, tuple):
        return within(value, [part])
    if isinstance(part, str) and isinstance(value, str):
        return value.startswith(part[:-1]) if part.endswith("*") else part == value
    return None


def number(text: t.Any) -> t.Optional[int]:
    """A whole number, decimal or as 0x..; None where it is none."""
    if isinstance(text, bool) or not isinstance(text, (int, str)):
        return None
    try:
        return int(text) if isinstance(text, int) else int(text, 0)
    except ValueError:
        return None
