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
import typing as t

#: The key of a result.
READING = "reading"
VERSION = 1
#: So many bytes of JSON a reading takes at most. A result has one of them, and a run many results.
MOST_BYTES = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Basis:
    """What one decision was made from.

    Attributes:
        of: whose decision it is: the name of the module.
        given: what its function was called with, by parameter.
    """

    of: str
    given: t.Mapping[str, t.Any]

    def as_reading(self, **engine: t.Any) -> dict[str, t.Any]:
        """The reading for a result, within MOST_BYTES.

        What is left out is named in `left_out`, with how many of its members there were; the decision cannot be made again then, and
        `complete` says so.

        Args:
            engine: what the engine itself decided by, such as the approved ids.
        """
        given, left_out = _bounded(self.given, most=MOST_BYTES)
        return {"version": VERSION, "of": self.of, "given": given, "complete": not left_out, "left_out": left_out, **engine}


def plain(value: t.Any) -> t.Any:
    """A value as JSON has it: of objects their fields, of mappings with other keys than texts their pairs.

    Left out are fields that have their default, since there may be thousands of objects, and those that their repr() hides.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)  # what is no number is not below it either
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = ((field, getattr(value, field.name)) for field in dataclasses.fields(value) if field.repr)
        return {field.name: plain(item) for field, item in found if not (type(item) is type(field.default) and item == field.default)}
    if isinstance(value, t.Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: plain(item) for key, item in value.items()}
        return [[plain(key), plain(item)] for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item) for item in value), key=str)
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, datetime.datetime) else str(value)


def _bounded(given: t.Mapping[str, t.Any], *, most: int) -> tuple[dict[str, t.Any], dict[str, int]]:
    """As much as fits: the largest of its parts are left out, whole, since a part of a list would only look like all of it."""
    parts = {name: _within(value, most) for name, value in given.items()}
    left_out = {name: _count(given[name]) for name, part in parts.items() if part is None}
    kept = {name: part for name, part in parts.items() if part is not None}
    for name in sorted(kept, key=lambda one: -kept[one][1]):
        if sum(size for _value, size in kept.values()) <= most:
            break
        left_out[name] = _count(given[name])
        del kept[name]
    return {name: value for name, (value, _size) in kept.items()}, left_out


def _within(value: t.Any, most: int) -> t.Optional[tuple[t.Any, int]]:
    """A part as JSON, and its size; None where it is larger. A long list is not read further than that: it would cost a run its time."""
    if not isinstance(value, (list, tuple)) or hasattr(value, "_fields"):
        said = plain(value)
        size = len(json.dumps(said))
        return (said, size) if size <= most else None
    found, size = [], 2
    for item in value:
        found.append(plain(item))
        size += len(json.dumps(found[-1])) + 2
        if size > most:
            return None
    return found, size


def _count(value: t.Any) -> int:
    return len(value) if isinstance(value, t.Sized) else 1
