# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets and maps of nft's ruleset.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.addresses import Span
from .nft_values import ADDRESS, Operand, literal
from .sets import AddressSet, Elements
from .truths import ANY_NAME, Part

_ALL = (Span(4, 0, (1 << 32) - 1), Span(6, 0, (1 << 128) - 1))
#: Elements may carry these; a packet that matches one is counted, no more.
_HARMLESS = frozenset({"val", "timeout", "expires", "comment", "counter", "last"})


@dataclasses.dataclass(frozen=True)
class Read:
    """Elements, read for operands.

    Attributes:
        elements: those that could be read.
        addresses: of the first operand that is an address; as all of it where that is the only operand.
        unclear: some could not be read, or decide by more than their value, such as a limit.
        values: what each element maps to, in the order of `keys`.
    """

    elements: Elements
    addresses: AddressSet
    unclear: bool = False
    keys: tuple[t.Any, ...] = ()
    values: tuple[t.Any, ...] = ()


class Sets:
    """The named sets and maps of the ruleset."""

    def __init__(self) -> None:
        self._bodies: dict[str, t.Mapping[str, t.Any]] = {}
        self._made: dict[tuple[str, tuple[str, ...]], Read] = {}

    @staticmethod
    def key(table: tuple[str, str], name: str) -> str:
        """What tells a set from those of other tables."""
        return f"{table[0]} {table[1]} {name}"

    def add(self, table: tuple[str, str], body: t.Mapping[str, t.Any]) -> None:
        """Note a set or map."""
        self._bodies[self.key(table, str(body.get("name", "")))] = body

    def read(self, key: str, operands: t.Sequence[Operand]) -> t.Optional[Read]:
        """A named set; None where there is none of this name."""
        body = self._bodies.get(key)
        if body is None:
            return None
        kinds = (key, tuple(one.kind for one in operands))
        if kinds not in self._made:
            limited = any(set(one) - _HARMLESS if isinstance(one, dict) else True for one in body.get("stmt") or ())
            self._made[kinds] = read_elements(body.get("elem", []), operands, limited=limited)
        return self._made[kinds]

    def may_be_full(self, key: str) -> bool:
        """Whether another element may find no room."""
        body = self._bodies.get(key)
        if body is None:
            return True
        size, elements = body.get("size"), body.get("elem", [])
        return isinstance(size, int) and isinstance(elements, list) and len(elements) >= size


def read_elements(raw: t.Any, operands: t.Sequence[Operand], *, limited: bool = False) -> Read:
    """The elements of a set or map, as what these operands are compared with."""
    entries: list[tuple[tuple[Part, ...], str]] = []
    addresses: list[Span] = []
    keys: list[t.Any] = []
    values: list[t.Any] = []
    unclear = limited
    place = next((number for number, one in enumerate(operands) if one.kind == ADDRESS), None)
    for item in _flat(raw):
        value = None
        if isinstance(item, list) and len(item) == 2:
            item, value = item
        item, harmless = _bare(item)
        unclear = unclear or not harmless
        parts = _parts(item, operands)
        if parts is None:
            unclear = True
            continue
        keys.append(item)
        values.append(value)
        if place is not None:
            part = parts[place]
            addresses += _ALL if part == ANY_NAME else [part] if isinstance(part, Span) else []
        if len(operands) > 1 or place is None:
            entries.append((parts, _text(parts)))
    return Read(Elements(entries), AddressSet(addresses), unclear, tuple(keys), tuple(values))


def _flat(raw: t.Any) -> t.Iterator[t.Any]:
    """Elements, with sets in sets laid out."""
    for item in raw if isinstance(raw, list) else [raw]:
        if isinstance(item, dict) and isinstance(item.get("set"), list):
            yield from _flat(item["set"])
        else:
            yield item


def _bare(item: t.Any) -> tuple[t.Any, bool]:
    """An element without what it carries, and whether that decides nothing."""
    inner = item.get("elem") if isinstance(item, dict) else None
    if not isinstance(inner, dict) or "val" not in inner:
        return item, True
    return inner["val"], _HARMLESS.issuperset(inner)


def _parts(item: t.Any, operands: t.Sequence[Operand]) -> t.Optional[tuple[Part, ...]]:
    if item == ANY_NAME:
        return (ANY_NAME,) * len(operands)
    inner = item.get("concat") if isinstance(item, dict) else None
    given = inner if isinstance(inner, list) else [item]
    if len(given) != len(operands):
        return None
    found = [literal(one.kind, part, one.names) for one, part in zip(operands, given)]
    return None if any(part is None for part in found) else tuple(t.cast("list[Part]", found))


def _text(parts: t.Sequence[Part]) -> str:
    """An element as `nft delete element` takes it."""
    return " . ".join(
        part if isinstance(part, str) else str(part) if isinstance(part, Span) else str(part[0]) if part[0] == part[1] else
        f"{part[0]}-{part[1]}" for part in parts
    )
