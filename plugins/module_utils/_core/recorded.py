# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a decision was made from, as data in a result: with it the same decision can be made again later.

This module util is PRIVATE to the collection: it may change at any time.

A decision is a function without side effects. What it was called with is its reading: facts of the target, and parameters of the call.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
import typing as t

#: The key of a result.
READING = "reading"
VERSION = 1
#: So many bytes of JSON a reading takes at most. A result has one of them, and a run many results.
MOST_BYTES = 64 * 1024
#: Of these for what a reading is called and what is missing in it.
_ENVELOPE = 1024


@dataclasses.dataclass(frozen=True)
class Parts:
    """The members of a part of a reading, each made when it is written: of thousands that find no room only the first are."""

    of: t.Sequence[t.Any]
    made: t.Callable[[t.Any], t.Any]

    def __len__(self) -> int:
        return len(self.of)

    def __iter__(self) -> t.Iterator[t.Any]:
        return map(self.made, self.of)


@dataclasses.dataclass(frozen=True)
class Basis:
    """What one decision was made from.

    Attributes:
        of: whose decision it is: the name of the module.
        given: what its function was called with, by parameter.
        left_out: what could not be told in it, with how much of it there was.
    """

    of: str
    given: t.Mapping[str, t.Any]
    left_out: t.Mapping[str, int] = dataclasses.field(default_factory=dict)

    def as_reading(self, **engine: t.Any) -> dict[str, t.Any]:
        """The reading for a result, within MOST_BYTES.

        What is left out is named in `left_out`, with how many of its members there were; the decision cannot be made again then, and
        `complete` says so.

        Args:
            engine: what the engine itself decided by, such as the approved ids. A decision that takes the same by this name is not
                given it once more.
        """
        kept, too_large = _bounded({**engine, **self.given}, most=MOST_BYTES - _ENVELOPE)
        left_out = {**self.left_out, **too_large}
        return {
            "version": VERSION, "of": self.of, "given": {name: kept[name] for name in self.given if name in kept},
            "complete": not left_out, "left_out": left_out, **{name: kept[name] for name in engine if name in kept},
        }


def plain(value: t.Any) -> t.Any:
    """A value as JSON has it: of objects their fields, of mappings with other keys than texts their pairs, of expressions their text.

    Left out are fields that have their default, since there may be thousands of objects, and those that their repr() hides.
    """
    return _plain(value, _Room(None))


class _Full(Exception):
    """There is no room for the rest."""


class _Room:
    """How many bytes of JSON there still is room for; None means no bound."""

    def __init__(self, most: t.Optional[int]) -> None:
        self._most = most
        self.used = 0

    def take(self, size: int) -> None:
        """Take so many bytes.

        Raises:
            _Full: there are fewer. Nothing is read further then: a long list would cost a run its time.
        """
        self.used += size
        if self._most is not None and self.used > self._most:
            raise _Full

    def said(self, value: t.Any) -> t.Any:
        """A value that has no members, with its room taken."""
        self.take(len(json.dumps(value)))
        return value


def _plain(value: t.Any, room: _Room) -> t.Any:
    if value is None or isinstance(value, (bool, int, str)):
        return room.said(value)
    if isinstance(value, float):
        return room.said(value if abs(value) < float("inf") else str(value))  # what is not a number is not below it either
    if isinstance(value, Parts):
        return _list(value, room)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = ((field, getattr(value, field.name)) for field in dataclasses.fields(value) if field.repr)
        return _members(((field.name, item) for field, item in found if not _is_default(field, item)), room)
    if isinstance(value, t.Mapping):
        if all(isinstance(key, str) for key in value):
            return _members(value.items(), room)
        return _list(value.items(), room)
    if isinstance(value, (list, tuple)):
        return _list(value, room)
    if isinstance(value, (set, frozenset)):
        return sorted(_list(value, room), key=str)
    if isinstance(value, re.Pattern):
        return room.said(value.pattern)
    if isinstance(value, bytes):
        return room.said(value.hex())
    return room.said(value.isoformat() if isinstance(value, datetime.datetime) else str(value))


def _is_default(field: dataclasses.Field[t.Any], item: t.Any) -> bool:
    default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    return type(item) is type(default) and bool(item == default)


def _members(pairs: t.Iterable[tuple[str, t.Any]], room: _Room) -> dict[str, t.Any]:
    room.take(2)
    found = {}
    for name, item in pairs:
        room.take(len(json.dumps(name)) + 4)
        found[name] = _plain(item, room)
    return found


def _list(items: t.Iterable[t.Any], room: _Room) -> list[t.Any]:
    room.take(2)
    found = []
    for item in items:
        room.take(2)
        found.append(_plain(item, room))
    return found


def _bounded(given: t.Mapping[str, t.Any], *, most: int) -> tuple[dict[str, t.Any], dict[str, int]]:
    """As much as fits: the largest of its parts are left out, whole, since a part of a list would only look like all of it."""
    parts = {name: _within(value, most) for name, value in given.items()}
    left_out = {name: _count(given[name]) for name, part in parts.items() if part is None}
    kept = {name: part for name, part in parts.items() if part is not None}
    for name in sorted(kept, key=lambda one: -kept[one][1]):
        if sum(len(other) + size + 6 for other, (_value, size) in kept.items()) <= most:
            break
        left_out[name] = _count(given[name])
        del kept[name]
    return {name: value for name, (value, _size) in kept.items()}, left_out


def _within(value: t.Any, most: int) -> t.Optional[tuple[t.Any, int]]:
    """A part as JSON, and its size; None where it is larger."""
    room = _Room(most)
    try:
        return _plain(value, room), room.used
    except _Full:
        return None


def _count(value: t.Any) -> int:
    return len(value) if isinstance(value, t.Sized) else 1
