# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sets hold: addresses, and elements of several parts.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import bisect
import typing as t

from ..._core.addresses import Span, read_network
from .truths import Doubt, Part, Range, Truth, Value, holds

EXACT, COVERING, PART, EVERYONE = "exact", "covering", "part", "everyone"


def read_span(text: str) -> t.Optional[Span]:
    """The addresses that a text means; None where it means none. Single addresses of IPv4, of which sets hold many, are read quickly."""
    parts = text.split(".")
    if len(parts) == 4 and all(part.isdecimal() and len(part) <= 3 for part in parts):
        one, two, three, four = map(int, parts)
        if max(one, two, three, four) < 256:
            number = (one << 24) + (two << 16) + (three << 8) + four
            return Span(4, number, number)
    network = read_network(text)
    return None if network is None else Span.of(network)


class AddressSet:
    """Addresses and ranges, asked quickly."""

    def __init__(self, spans: t.Iterable[Span], *, except_for: t.Iterable[Span] = ()) -> None:
        self._single: set[Span] = set()
        wide: list[Span] = []
        for span in spans:
            if span.single:
                self._single.add(span)
            else:
                wide.append(span)
        self._wide = sorted(set(wide))
        self._furthest: list[tuple[int, int]] = []
        for span in self._wide:
            reach = (span.version, span.last)
            self._furthest.append(max(self._furthest[-1], reach) if self._furthest else reach)
        self._except = AddressSet(except_for) if except_for else None

    def __len__(self) -> int:
        return len(self._single) + len(self._wide)

    def spans(self) -> list[Span]:
        """What is in it."""
        return sorted([*self._single, *self._wide])

    def find(self, wanted: Span) -> tuple[str, Span] | None:
        """The entry that holds an address or network, and how: EXACT, COVERING, or PART when it holds only some of it."""
        if self._except is not None and self._except.find(wanted) is not None:
            return None
        if wanted in self._single:
            return EXACT, wanted
        part: Span | None = None
        index = bisect.bisect_right(self._wide, Span(wanted.version, wanted.last, 1 << 130)) - 1
        best: Span | None = None
        while index >= 0 and self._furthest[index] >= (wanted.version, wanted.first):
            span = self._wide[index]
            if span.covers(wanted) and (best is None or best.covers(span)):
                best = span
                if span == wanted:
                    return EXACT, span
            elif best is None and span.touches(wanted):
                part = span
            index -= 1
        if best is not None:
            return COVERING, best
        if part is None and not wanted.single:
            part = next((one for one in self._single if wanted.covers(one)), None)
        return (PART, part) if part is not None else None


class Elements:
    """Elements of several parts, such as an address and a port."""

    def __init__(self, entries: t.Iterable[tuple[tuple[Part, ...], str]]) -> None:
        """Elements, each with its text."""
        self._entries: list[tuple[tuple[Part, ...], str]] = list(entries)
        self._by_first: dict[Part, list[tuple[tuple[Part, ...], str]]] = {}
        self._others: list[tuple[tuple[Part, ...], str]] = []
        for entry in self._entries:
            first = entry[0][0] if entry[0] else ""
            if (isinstance(first, Span) and first.single) or (isinstance(first, tuple) and first[0] == first[1]):
                self._by_first.setdefault(first, []).append(entry)
            else:
                self._others.append(entry)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> t.Iterator[tuple[tuple[Part, ...], str]]:
        return iter(self._entries)

    def find(self, values: t.Sequence[Value], why: str) -> tuple[Truth, t.Optional[tuple[tuple[Part, ...], str]]]:
        """Whether an element holds these values, and which one does or may."""
        first = values[0] if values else None
        known = (isinstance(first, Span) and first.single) or (isinstance(first, tuple) and first[0] == first[1])
        ports: list[Range] = []
        perhaps: t.Optional[tuple[tuple[Part, ...], str]] = None
        for entry in [*self._by_first.get(t.cast(Part, first), ()), *self._others] if known else self._entries:
            said = [holds(part, value) for part, value in zip(entry[0], values)]
            if len(entry[0]) != len(values) or False in said:
                continue
            if None not in said:
                return True, entry
            perhaps = perhaps or entry
            ports += [
                part for part, value, one in zip(entry[0], values, said) if one is None and isinstance(part, tuple) and value is not None
            ]
        return (Doubt(why, ports=tuple(ports)), perhaps) if perhaps is not None else (False, None)
