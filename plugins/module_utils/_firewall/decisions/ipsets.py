# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ipsets, as `ipset save` prints them (ipset(8)), and whether one holds a packet.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import functools
import shlex
import typing as t

from ..._core.addresses import Span
from .packet import PROTOCOLS, Packet
from .packet_filter import UNSEEN, Hit
from .sets import COVERING, EXACT, PART, AddressSet, Elements, read_span
from .truths import Doubt, Part, Truth, Value, number, some

_ADDRESSES = ("ip", "net")
_SINGLE = (("ip",), ("net",))


@dataclasses.dataclass(frozen=True)
class IpSet:
    """One set.

    Attributes:
        kinds: what each part of an element is, such as ip and port; empty for a list of sets.
        addresses: the addresses of its elements, by their first address.
        elements: those of several parts, or of none that is an address.
        excepted: elements that are not in it, though others hold them.
        members: of a list of sets.
        unclear: elements that could not be read.
    """

    name: str
    kinds: tuple[str, ...]
    addresses: AddressSet
    elements: Elements
    excepted: Elements
    members: tuple[IpSet, ...] = ()
    unclear: bool = False

    @functools.cached_property
    def whole(self) -> AddressSet:
        """The addresses in it, or in its members: made once, however many rules use it."""
        if self.kinds:
            return self.addresses
        return AddressSet(span for one in self.members for span in one.whole.spans())

    def holds(self, packet: Packet, sides: t.Sequence[str]) -> tuple[Truth, t.Optional[Hit]]:
        """Whether it holds a packet, looked at from these sides (src, dst)."""
        if not self.kinds:
            found = [one.holds(packet, sides) for one in self.members]
            hit = next((Hit(COVERING, said.span, self.name) for truth, said in found if said is not None and truth is not False), None)
            return some(truth for truth, _hit in found), hit
        if len(sides) < len(self.kinds):
            return False, None
        why = f"match-set {self.name} {','.join(sides)}"
        values = [_value(kind, side, packet, bare=self.kinds == ("port",)) for kind, side in zip(self.kinds, sides)]
        truth, hit = self._found(values, packet, sides, why)
        if self.unclear and not isinstance(truth, Doubt):
            truth = Doubt(why)
        return truth, hit

    def _found(self, values: t.Sequence[Value], packet: Packet, sides: t.Sequence[str], why: str) -> tuple[Truth, t.Optional[Hit]]:
        if len(self.kinds) == 1 and self.kinds[0] in _ADDRESSES:
            return self._address(values[0], _is_asked(sides[0], packet), why)
        truth, entry = self.elements.find(values, why)
        if len(self.excepted) and truth is not False and self.excepted.find(values, why)[0] is not False:
            truth = Doubt(why)
        if truth is False or entry is None:
            return truth, None
        for kind, side, part, value in zip(self.kinds, sides, entry[0], values):
            if kind in _ADDRESSES and isinstance(part, Span) and isinstance(value, Span) and _is_asked(side, packet):
                return truth, Hit(EXACT if part == value else COVERING if part.covers(value) else PART, part, self.name, entry[1])
        return truth, None

    def _address(self, value: Value, asked: bool, why: str) -> tuple[Truth, t.Optional[Hit]]:
        if not isinstance(value, Span):
            return Doubt(why), None
        found = self.addresses.find(value)
        if found is None:
            return False, None
        truth: Truth = Doubt(f"{found[1]} alone", PART) if found[0] == PART else True
        for parts, _text in self.excepted:
            # The narrower one of the two decides.
            if isinstance(parts[0], Span) and parts[0].touches(value) and not parts[0].covers(found[1]):
                if parts[0].covers(value):
                    return False, None
                truth = Doubt(why, PART)
        return truth, Hit(found[0], found[1], self.name, str(found[1])) if asked else None


def parse_ipsets(text: str) -> dict[str, IpSet]:
    """The ipsets of `ipset save`, by name."""
    drafts: dict[str, _Draft] = {}
    for line in text.splitlines():
        words = _words(line)
        if len(words) < 3:
            continue
        if words[0] == "create":
            kinds = tuple(words[2].partition(":")[2].split(",")) if not words[2].startswith("list:") else ()
            drafts[words[1]] = _Draft(kinds, dict(zip(words[3:], words[4:])))
        elif words[0] == "add" and words[1] in drafts:
            drafts[words[1]].add(words[2], excepted="nomatch" in words[3:], wildcard="wildcard" in words[3:])
    found = {name: draft.made(name) for name, draft in drafts.items() if draft.kinds}
    for name, draft in drafts.items():
        if not draft.kinds:
            members = tuple(found[one] for one in draft.members if one in found)
            found[name] = dataclasses.replace(draft.made(name), members=members, unclear=len(members) < len(draft.members))
    return found


class _Draft:
    """A set that is being read."""

    def __init__(self, kinds: tuple[str, ...], options: t.Mapping[str, str]) -> None:
        self.kinds = kinds
        #: Of each address so many bits are looked at; None for all.
        self._netmask = number(options.get("netmask"))
        self.members: list[str] = []
        self._addresses: list[Span] = []
        self._elements: list[tuple[tuple[Part, ...], str]] = []
        self._excepted: list[tuple[tuple[Part, ...], str]] = []
        # These change what an element is compared with.
        self._unclear = "bitmask" in options or "markmask" in options

    def add(self, text: str, *, excepted: bool, wildcard: bool) -> None:
        """Add an element; with a wildcard its interface is the beginning of a name."""
        if not self.kinds:
            self.members.append(text)
            return
        # Most sets hold addresses alone, and many of them.
        span = read_span(text) if self.kinds in _SINGLE and not excepted else None
        if span is not None:
            self._addresses.append(span if self._netmask is None else _widened_span(span, self._netmask))
            return
        parts = self._parts(text)
        if parts is not None and wildcard:
            parts = tuple(f"{part}*" if kind == "iface" else part for kind, part in zip(self.kinds, parts))
        if parts is None:
            self._unclear = True
        elif excepted:
            self._excepted.append((parts, text))
        else:
            self._addresses += [part for part in parts if isinstance(part, Span)][:1]
            if self.kinds not in _SINGLE:
                self._elements.append((parts, text))

    def _parts(self, text: str) -> t.Optional[tuple[Part, ...]]:
        given = text.split(",")
        if len(given) != len(self.kinds):
            return None
        found = [_widened(_part(kind, one), self._netmask) for kind, one in zip(self.kinds, given)]
        return None if any(part is None for part in found) else tuple(t.cast("list[Part]", found))

    def made(self, name: str) -> IpSet:
        return IpSet(name, self.kinds, AddressSet(self._addresses), Elements(self._elements), Elements(self._excepted),
                     unclear=self._unclear)


def _words(line: str) -> list[str]:
    if '"' not in line:
        return line.split()
    try:
        words = shlex.split(line)
    except ValueError:
        return []
    return words[:words.index("comment")] if "comment" in words else words


def _widened(part: t.Optional[Part], netmask: t.Optional[int]) -> t.Optional[Part]:
    """What an address stands for in a set that looks at so many of its bits."""
    return part if netmask is None or not isinstance(part, Span) else _widened_span(part, netmask)


def _widened_span(span: Span, netmask: int) -> Span:
    rest = (1 << max((32 if span.version == 4 else 128) - netmask, 0)) - 1
    return Span(span.version, span.first & ~rest, span.last | rest)


def _part(kind: str, text: str) -> t.Optional[Part]:
    if kind in _ADDRESSES:
        low, dash, high = text.partition("-")
        first = read_span(low)
        if not dash or first is None:
            return first
        last = read_span(high)
        return Span(first.version, first.first, last.last) if last is not None and first.version == last.version else None
    if kind == "port":
        protocol, colon, port = text.rpartition(":")
        value = number(port)
        if value is None or (colon and protocol not in PROTOCOLS):
            return None
        # With its protocol in front, as one number; a bitmap of ports knows none.
        return (value, value) if not colon else (_ported(protocol, value),) * 2
    if kind == "mark":
        value = number(text)
        return None if value is None else (value, value)
    if kind == "iface":
        return None if ":" in text else text
    return text.lower() if kind == "mac" else None


def _ported(protocol: str, port: int) -> int:
    return (PROTOCOLS[protocol] << 16) + port


def _value(kind: str, side: str, packet: Packet, *, bare: bool) -> Value:
    if kind in _ADDRESSES:
        return packet.address("saddr" if side == "src" else "daddr")
    if kind == "port":
        low, high = packet.port if side == "dst" else packet.source_port
        if bare:
            return low, high
        if packet.protocol not in PROTOCOLS:
            return None
        return _ported(packet.protocol, low), _ported(packet.protocol, high)
    if kind == "iface":
        return (packet.iif if side == "src" else packet.oif) or None
    if kind == "mark":
        return None if packet.mark is None else (packet.mark, packet.mark)
    return (packet.hardware or None) if kind == "mac" and side == "src" else None


def _is_asked(side: str, packet: Packet) -> bool:
    return packet.asked == ("saddr" if side == "src" else "daddr")


def match_of(found: t.Optional[IpSet], name: str, sides: t.Sequence[str]) -> t.Callable[[Packet], tuple[Truth, t.Optional[Hit]]]:
    """Whether a set holds a packet; one that rules have written on the way may."""
    def test(packet: Packet) -> tuple[Truth, t.Optional[Hit]]:
        if found is None:
            return Doubt(f"set {name}, which could not be read", UNSEEN, name), Hit(UNSEEN, None, name)
        truth, hit = found.holds(packet, sides)
        if name in packet.written and truth is not True:
            return Doubt(f"set {name}, which rules write on the way"), None
        return truth, hit

    return test
