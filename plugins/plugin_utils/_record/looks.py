# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several looks saw of one thing: two targets of a host, or two items of a loop, never hide each other.

This plugin util is PRIVATE to the collection: it may change at any time.

A look takes the place of another one only where the same task looks again at the same item and target: a handler that two targets notify
is one task. Records from before 0.2 do not tell the task of a finding: there the last look counts.
"""

from __future__ import annotations

import collections
import itertools
import typing as t

from ...module_utils._core.findings import OK, Finding
from .phases import INVESTIGATE, MITIGATE, VERIFY
from .told import Seen, T

#: Who looked, and at what: the task, of a loop which item, and the target. They are empty where the record does not tell.
Source = tuple[str, int, str]
#: What was looked at: the item of a loop, and the target as the arguments name it; each empty where it has no name.
Whom = tuple[str, str]
#: What was looked at: host and check, of a finding also its subject.
Slot = tuple[str, ...]


def source_of(event: t.Mapping[str, t.Any]) -> Source:
    """Who looked, as an event tells it."""
    index = event.get("item_index")
    return str(event.get("task_id") or ""), index if isinstance(index, int) else -1, str(event.get("target") or "")


class Looks(t.Generic[T]):
    """The looks of one kind, by slot and by who looked.

    Args:
        most: more of them are not kept.
        first: the first look of each slot counts, not the last one.
    """

    def __init__(self, most: int, *, first: bool = False) -> None:
        self._most = most
        self._first = first
        self._by_slot: dict[Slot, tuple[t.Any, dict[Source, Seen[T]]]] = {}
        self._count = 0

    def put(self, slot: Slot, epoch: t.Any, source: Source, seen: Seen[T], *, beyond: int = 0) -> bool:
        """Keep a look.

        Args:
            epoch: looks of another one are no longer of interest.
            beyond: so many more are kept where this one matters.

        Returns:
            Whether there was room for it.
        """
        known, found = self._by_slot.get(slot, (epoch, {}))
        if known != epoch:
            if self._first:
                return True
            self._count -= len(found)
            del self._by_slot[slot]
            found = {}
        if source in found:
            if not self._first:
                found[source] = seen
            return True
        if self._count >= self._most + beyond:
            return False
        found[source] = seen
        self._by_slot[slot] = (epoch, found)
        self._count += 1
        return True

    def of(self, slot: Slot) -> list[Seen[T]]:
        """The looks at a slot, in their order."""
        return list(self._by_slot.get(slot, (None, {}))[1].values())

    def epoch(self, slot: Slot) -> t.Any:
        """That of the looks at a slot; None where nobody looked."""
        return self._by_slot[slot][0] if slot in self._by_slot else None

    def values(self) -> list[Seen[T]]:
        """All looks."""
        return [seen for _epoch, found in self._by_slot.values() for seen in found.values()]


class Findings:
    """The findings of a run by phase.

    Args:
        most: so many looks of each phase are kept; of those that are not ok twice as many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._investigated: Looks[Finding] = Looks(most)
        self._verified: Looks[Finding] = Looks(most)
        self._between: Looks[Finding] = Looks(most)
        self._first: Looks[Finding] = Looks(most, first=True)
        self._order: dict[Slot, None] = {}

    def put(self, seen: Seen[Finding], *, segment: int, source: Source) -> bool:
        """Keep a finding; whether there was room for it."""
        slot = (seen.host, seen.what.check, seen.what.subject)
        beyond = 0 if seen.what.status == OK else self._most
        if seen.phase == INVESTIGATE:
            kept = self._investigated.put(slot, segment, source, seen, beyond=beyond)
        elif seen.phase == VERIFY:
            kept = self._verified.put(slot, segment, source, seen, beyond=beyond)
        else:
            # Mitigate looks again and again, each time by another task: only the items of one task are different targets.
            epoch = (segment, seen.phase, source[0] if seen.phase == MITIGATE else "")
            kept = self._between.put(slot, epoch, source, seen, beyond=beyond)
            self._first.put(slot, epoch, source, seen, beyond=beyond)
        if kept:
            self._order[slot] = None
        return kept

    def before(self) -> dict[str, Seen[Finding]]:
        """As investigate saw them, or without it the first look."""
        return self._keyed(lambda slot: self._investigated.of(slot) or self._first.of(slot))

    def after(self) -> dict[str, Seen[Finding]]:
        """As verify saw them."""
        return self._keyed(self._verified.of)

    def last(self) -> list[Seen[Finding]]:
        """The last look at each of them. Where fewer targets were looked at than before, nobody knows which: what was not ok stays."""
        return [seen for slot in self._order for seen in self._last(slot)]

    def _last(self, slot: Slot) -> list[Seen[Finding]]:
        early, later, verified = self._investigated.of(slot), self._between.of(slot), self._verified.of(slot)
        if verified and not (early and self._investigated.epoch(slot) > self._verified.epoch(slot)):
            return [*_not_looked_at_again(early, verified), *verified]
        if not later or (early and later[-1].seq < early[-1].seq):
            return early
        return [*_not_looked_at_again(early, later), *later]

    def _keyed(self, looks: t.Callable[[Slot], list[Seen[Finding]]]) -> dict[str, Seen[Finding]]:
        """By "host|check|subject"; of several targets with the item, and from the second one with its number."""
        found: dict[str, Seen[Finding]] = {}
        for slot in self._order:
            by_item: dict[str, list[Seen[Finding]]] = {}
            for seen in looks(slot):
                by_item.setdefault(seen.item, []).append(seen)
            for item, group in by_item.items():
                early = [seen.target for seen in self._investigated.of(slot) or self._first.of(slot) if seen.item == item]
                for seen, number in zip(group, _numbers([seen.target for seen in group], early=early), strict=True):
                    found["|".join([*slot, *([item] if item else []), *([f"#{number}"] if number > 1 else [])])] = seen
        return found


def _numbers(targets: t.Sequence[str], *, early: t.Sequence[str]) -> list[int]:
    """Numbers of the looks of one phase, each another one, from 1: a target has the one that it had in the phase before.

    Args:
        targets: of the looks, in their order; an empty one has no name.
        early: those of the phase before. Where none of them is met again, the way there is another one, and the order counts.
    """
    known = list(dict.fromkeys(target for target in early if target))
    met = [target for target in targets if target in known]
    free = itertools.count(len(known) + 1 if met else 1)
    left = list(known)
    found = []
    for target in targets:
        if target in left:
            left.remove(target)
            found.append(known.index(target) + 1)
        else:
            found.append(next(free))
    return found


def whom(seen: Seen[Finding]) -> Whom:
    """What a look was at."""
    return seen.item, seen.target


def count(looks: t.Iterable[Whom]) -> int:
    """How many targets were looked at: one that is looked at again is no further one. Of those without a name each look counts."""
    found = collections.Counter(looks)
    return sum(1 if target else times for (_item, target), times in found.items())


def fewer(early: t.Iterable[Whom], later: t.Iterable[Whom]) -> bool:
    """Whether later fewer targets of one check were looked at, or others.

    By the items of a loop, which have the same names in each phase; else by their number: the way to a target may be another one later.
    """
    before, after = list(early), list(later)
    if all(item for item, _target in (*before, *after)):
        return bool(collections.Counter(item for item, _target in before) - collections.Counter(item for item, _target in after))
    return count(after) < count(before)


def _not_looked_at_again(early: t.Sequence[Seen[Finding]], later: t.Sequence[Seen[Finding]]) -> list[Seen[Finding]]:
    items = [seen.item for seen in later]
    if not fewer(map(whom, early), map(whom, later)):
        return []
    named = all(items) and all(seen.item for seen in early)
    return [seen for seen in early if seen.what.status != OK and not (named and seen.item in items)]
