# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One rule of nft's JSON (libnftables-json(5)) as steps and a verdict.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.addresses import Span, read_network
from .nft_sets import Read, Sets, read_elements
from .nft_values import ADDRESS, BITS, PORT, PRESENCE, PROTOCOL, Operand, bits, calculate, literal, operand
from .nft_words import say, short
from .packet import PROTOCOLS, Packet
from .packet_filter import (
    ACCEPT,
    COVERING,
    DROP,
    EXACT,
    GO_ON,
    GOTO,
    JUMP,
    PART,
    PERHAPS,
    RETURN,
    Hit,
    Rule,
    Source,
    Step,
    asks,
    asks_address,
    does,
    doubts,
)
from .sets import AddressSet, Elements
from .truths import ANY_NAME, Doubt, Part, Range, Truth, Value, inverted, number, within

_VERDICTS = {"drop": DROP, "reject": DROP, "accept": ACCEPT, "return": RETURN, "continue": GO_ON}
#: Statements that change or count packets and decide nothing here.
_NEUTRAL = frozenset({
    "counter", "log", "comment", "dup", "flow", "ct helper", "ct timeout", "ct expectation", "last", "secmark", "reset", "tcp option",
})
#: Statements that hold or not, and nobody knows which.
_OPEN = frozenset({"limit", "quota", "ct count", "meter"})
#: Statements that send the packet elsewhere: what becomes of it is decided there.
_ELSEWHERE = frozenset({"queue", "tproxy", "synproxy", "fwd"})
#: Targets of iptables that decide nothing, where nft shows them.
_NEUTRAL_TARGETS = frozenset({"LOG", "NFLOG", "ULOG", "TRACE", "TCPMSS", "CHECKSUM", "CLASSIFY", "TOS", "DSCP", "AUDIT", "TEE"})


class RuleReader:
    """Reads the rules of one table."""

    def __init__(self, sets: Sets, table: tuple[str, str]) -> None:
        self._sets, self._table = sets, table

    def read(self, place: int, body: t.Mapping[str, t.Any]) -> t.Iterator[Rule]:
        """The rule; several where a map of verdicts decides, and where something that is not known here may decide."""
        expressions = body.get("expr", [])
        expressions = expressions if isinstance(expressions, list) else []
        handle = body.get("handle")
        draft = _Draft(number=place, text=say(expressions), handle=handle if isinstance(handle, int) else None)
        for expression in expressions:
            pairs = expression.items() if isinstance(expression, dict) else [("", expression)]
            for kind, detail in pairs:
                if kind == "vmap":
                    yield from self._from_map(draft, detail)
                    return
                verdict, target = _ending(kind, detail)
                if verdict:
                    yield draft.rule(verdict, target)
                    return
                if kind in ("dnat", "redirect", "masquerade", "snat"):
                    draft.steps += [*self._dependent(detail), *([does(_translation(kind, detail))] if kind in ("dnat", "redirect") else [])]
                    yield draft.rule(ACCEPT)
                    return
                unknown = not self._take(draft, kind, detail)
                if unknown:
                    yield draft.rule(PERHAPS, more=[doubts(say([expression]) or str(expression)[:100])])
                    draft.steps.append(doubts(say([expression]) or str(expression)[:100]))
        yield draft.rule(GO_ON)

    def _take(self, draft: _Draft, kind: str, detail: t.Any) -> bool:
        """Add what an expression asks or does; whether it is known here."""
        if kind == "match":
            self._match(draft, detail)
        elif kind in ("set", "map") and isinstance(detail, dict):
            self._write(draft, detail)
        elif kind == "mangle" and isinstance(detail, dict):
            return self._mangle(draft, detail)
        elif kind == "notrack":
            draft.steps.append(does(_untrack))
        elif kind in _OPEN:
            draft.steps.append(doubts(say([{kind: detail}])))
        elif kind == "xt" and isinstance(detail, dict) and detail.get("type") == "match":
            draft.steps.append(doubts(f"iptables' match {detail.get('name')}"))
        elif kind == "xt" and isinstance(detail, dict) and detail.get("name") in _NEUTRAL_TARGETS:
            pass
        elif kind not in _NEUTRAL:
            return False
        return True

    def _match(self, draft: _Draft, match: t.Any) -> None:
        text = say([{"match": match}])
        left, right, op = (match.get(name) for name in ("left", "right", "op")) if isinstance(match, dict) else (None, None, None)
        inner = left.get("concat") if isinstance(left, dict) else None
        found = [operand(one) for one in (inner if isinstance(inner, list) else [left])]
        operands = [one for one in found if one is not None]
        if isinstance(right, str) and right.startswith("@"):
            draft.sets.add(Sets.key(self._table, right[1:]))
        if len(operands) != len(found):
            draft.steps.append(doubts(text))
            return
        draft.steps += [step for one in operands for step in one.needs]
        if (isinstance(right, str) and right.startswith("@")) or (isinstance(right, dict) and "set" in right):
            draft.take(self._held(operands, right, text, negated=op in ("!=", "!")))
        elif len(operands) == 1:
            draft.take(_compared(operands[0], right, str(op or "=="), text))
        else:
            draft.take(self._held(operands, {"set": [right]}, text, negated=op in ("!=", "!")))

    def _held(self, operands: t.Sequence[Operand], right: t.Any, text: str, *, negated: bool) -> _Taken:
        """Whether a set holds what these operands read."""
        name = right[1:] if isinstance(right, str) else ""
        key = Sets.key(self._table, name) if name else ""
        read = self._sets.read(key, operands) if name else read_elements(right.get("set", []), operands)
        if read is None:
            return _Taken(doubts(f"set {name}, which could not be read"))
        if len(operands) == 1 and operands[0].kind == ADDRESS and operands[0].side:
            source = Source(read.addresses, name, negated, side=operands[0].side)
            return _Taken(_clouded(_named(asks_address(source, text), key, name), read, text), source)
        held = next((Source(read.addresses, name, negated, side=one.side) for one in operands if one.side), None) if name else None
        ports = _port_text(read, operands) if not negated and not name else ""
        return _Taken(_in_elements(read, operands, name=name, key=key, text=ports or text, negated=negated), held)

    def _from_map(self, draft: _Draft, detail: t.Any) -> t.Iterator[Rule]:
        """A rule for each element, since each may have its own verdict."""
        data = detail.get("data") if isinstance(detail, dict) else None
        key = detail.get("key") if isinstance(detail, dict) else None
        inner = key.get("concat") if isinstance(key, dict) else None
        found = [operand(one) for one in (inner if isinstance(inner, list) else [key])]
        operands = [one for one in found if one is not None]
        name = data[1:] if isinstance(data, str) and data.startswith("@") else ""
        if name:
            draft.sets.add(Sets.key(self._table, name))
            draft.plain = False
        known = len(operands) == len(found)
        read = None
        if known:
            raw = data.get("set", []) if isinstance(data, dict) else []
            read = self._sets.read(Sets.key(self._table, name), operands) if name else read_elements(raw, operands)
        if read is None or read.unclear:
            yield draft.rule(PERHAPS, more=[doubts(f"{short(key)} vmap {short(data)}"[:200])])
            return
        draft.steps += [step for one in operands for step in one.needs]
        others = [item for item in read.keys if item != ANY_NAME]
        for item, value in sorted(zip(read.keys, read.values), key=lambda pair: pair[0] == ANY_NAME):
            for kind, target in value.items() if isinstance(value, dict) else ():
                verdict, chain = _ending(kind, target)
                one = draft.copy()
                if item == ANY_NAME:
                    one.take(self._held(operands, {"set": others}, f"{short(key)} none of the map's", negated=True))
                else:
                    one.take(self._held(operands, {"set": [item]}, f"{short(key)} {short(item)}", negated=False))
                yield one.rule(verdict or PERHAPS, chain)

    def _write(self, draft: _Draft, detail: t.Mapping[str, t.Any]) -> None:
        """A rule that adds to a set, or takes from it."""
        name = str(detail.get("set", detail.get("map", ""))).lstrip("@")
        key = Sets.key(self._table, name)
        draft.sets.add(key)
        draft.plain = False
        said = say([{"set": detail}])[:100]
        draft.steps.append(does(lambda packet, sure: packet.written.add(key)))
        if any(isinstance(one, dict) and set(one) - {"counter", "last"} for one in detail.get("stmt", None) or []):
            draft.steps.append(doubts(said))
        elif detail.get("op") == "delete" or self._sets.may_be_full(key):
            draft.steps.append(doubts(said))

    def _mangle(self, draft: _Draft, detail: t.Mapping[str, t.Any]) -> bool:
        """What a rule writes into the packet; whether it is known here what becomes of it then."""
        key = detail.get("key")
        payload, ct = (key.get(kind) for kind in ("payload", "ct")) if isinstance(key, dict) else (None, None)
        if isinstance(payload, dict) and payload.get("field") in (None, "saddr", "daddr", "sport", "dport"):
            return False
        if isinstance(ct, dict) and ct.get("key") == "zone":
            draft.steps.append(does(lambda packet, sure: packet.rezone()))
        for kind in ("meta", "ct"):
            what = key.get(kind) if isinstance(key, dict) else None
            if isinstance(what, dict) and what.get("key") == "mark":
                value, connection = calculate(detail.get("value")), kind == "ct"
                draft.steps.append(does(
                    lambda packet, sure, value=value, connection=connection: packet.set_mark(  # type: ignore[misc]
                        value(packet), sure=sure, connection=connection)))
        return True

    def _dependent(self, detail: t.Any) -> list[Step]:
        """What a translation reads from a map: without an element there the rule does not apply."""
        address = detail.get("addr") if isinstance(detail, dict) else None
        return [doubts("a map of addresses")] if isinstance(address, dict) and "map" in address else []


@dataclasses.dataclass
class _Taken:
    """A step, and the address that it asks for."""

    step: Step
    source: t.Optional[Source] = None


@dataclasses.dataclass
class _Draft:
    number: int
    text: str
    handle: t.Optional[int]
    steps: list[Step] = dataclasses.field(default_factory=list)
    sources: list[Source] = dataclasses.field(default_factory=list)
    sets: set[str] = dataclasses.field(default_factory=set)
    plain: bool = True

    def copy(self) -> _Draft:
        return dataclasses.replace(self, steps=list(self.steps), sources=list(self.sources), sets=set(self.sets))

    def take(self, taken: _Taken) -> None:
        self.steps.append(taken.step)
        if taken.source is not None:
            self.sources.append(taken.source)
            if taken.source.negated and taken.source.name:
                self.plain = False

    def rule(self, verdict: str, target: str = "", more: t.Sequence[Step] = ()) -> Rule:
        return Rule(
            number=self.number, verdict=verdict, text=self.text, target=target, handle=self.handle, steps=(*self.steps, *more),
            sources=tuple(self.sources), sets=frozenset(self.sets), plain=self.plain,
        )


def _ending(kind: str, detail: t.Any) -> tuple[str, str]:
    """The verdict that an expression is, and the chain of a jump; an empty text where it is none."""
    if kind in _VERDICTS:
        return _VERDICTS[kind], ""
    if kind in ("jump", "goto") and isinstance(detail, dict):
        return JUMP if kind == "jump" else GOTO, str(detail.get("target", ""))
    if kind == "xt" and isinstance(detail, dict) and detail.get("type") == "target" and detail.get("name") in ("DROP", "REJECT", "TARPIT"):
        return DROP, ""
    return (PERHAPS, "") if kind in _ELSEWHERE else ("", "")


def _named(step: Step, key: str, name: str) -> Step:
    """A step about a named set, which rules may have written on the way."""
    if not name or step.test is None:
        return step
    test = step.test

    def again(packet: Packet) -> tuple[Truth, t.Optional[Hit]]:
        truth, hit = test(packet)
        if key in packet.written and hit is None:
            return Doubt(f"set {name}, which rules write on the way"), None
        return truth, hit

    return Step(test=again)


def _clouded(step: Step, read: Read, text: str) -> Step:
    """A step about a set of which not everything could be read."""
    if not read.unclear or step.test is None:
        return step
    test = step.test

    def again(packet: Packet) -> tuple[Truth, t.Optional[Hit]]:
        truth, hit = test(packet)
        return (truth if isinstance(truth, Doubt) else Doubt(text)), hit

    return Step(test=again)


def _in_elements(read: Read, operands: t.Sequence[Operand], *, name: str, key: str, text: str, negated: bool) -> Step:
    elements = read.elements
    sided = next((number for number, one in enumerate(operands) if one.side), None)
    only_loopback = len(operands) == 1 and operands[0].incoming and set(read.keys) == {"lo"}

    def test(packet: Packet) -> tuple[Truth, t.Optional[Hit]]:
        if only_loopback and packet.iif is None and not packet.is_loopback_only():
            return negated, None
        truth, entry = elements.find([one.read(packet) for one in operands], text)
        if truth is False and name and key in packet.written:
            truth = Doubt(f"set {name}, which rules write on the way")
        if read.unclear and not isinstance(truth, Doubt):
            truth = Doubt(text)
        hit = None
        if entry is not None and sided is not None and not negated:
            span = entry[0][sided]
            if isinstance(span, Span):
                wanted = packet.address(operands[sided].side)
                hit = Hit(EXACT if span == wanted else COVERING if wanted and span.covers(wanted) else PART, span, name, entry[1])
        return inverted(truth, negated), hit

    return Step(test=test)


def _compared(left: Operand, right: t.Any, op: str, text: str) -> _Taken:
    """One value against one other."""
    if left.kind == BITS:
        return _Taken(_bits(left, right, op, text))
    if left.kind == PRESENCE:
        return _Taken(_present(left, right, text, negated=op == "!="))
    many = right if isinstance(right, list) else [right]
    parts = [literal(left.kind, item, left.names) for item in many]
    if any(part is None for part in parts):
        return _Taken(doubts(text))
    known = t.cast("list[Part]", parts)
    if op in ("<", ">", "<=", ">=") and len(known) == 1 and isinstance(known[0], tuple):
        low, high = known[0]
        ranges: list[Range] = [{"<": (0, low - 1), "<=": (0, high), ">": (high + 1, 1 << 64), ">=": (low, 1 << 64)}[op]]
        return _Taken(asks(lambda packet: _ranged(left.read(packet), ranges, text)))
    negated = op in ("!=", "!")
    if left.kind == ADDRESS and left.side:
        source = Source(AddressSet(part for part in known if isinstance(part, Span)), negated=negated, side=left.side)
        return _Taken(asks_address(source, text), source)
    if left.kind == PROTOCOL and not negated:
        text = f"protocol {', '.join(_protocol_name(one) for one in known)}"
    entries = [((part,), "") for part in known]
    read = Read(Elements(entries), AddressSet(()), keys=tuple(many))
    said = _port_text(read, [left]) if not negated else ""
    return _Taken(_in_elements(read, [left], name="", key="", text=said or text, negated=negated))


def _port_text(read: Read, operands: t.Sequence[Operand]) -> str:
    """How ports are said, where ports alone are asked for."""
    if len(operands) != 1 or operands[0].kind != PORT:
        return ""
    ranges = [entry[0][0] for entry in read.elements]
    return f"port {', '.join(str(one[0]) if one[0] == one[1] else f'{one[0]}-{one[1]}' for one in ranges if isinstance(one, tuple))}"


def _protocol_name(part: Part) -> str:
    return next((name for name, value in PROTOCOLS.items() if part == (value, value)), str(part))


def _ranged(value: Value, ranges: t.Sequence[Range], text: str) -> Truth:
    found = within(value, ranges) if isinstance(value, tuple) else None
    return Doubt(text) if found is None else found


def _bits(left: Operand, right: t.Any, op: str, text: str) -> Step:
    mask = bits(right, left.names)

    def test(packet: Packet) -> Truth:
        value = left.read(packet)
        if mask is None or not isinstance(value, tuple):
            return Doubt(text)
        if op in ("in", "!"):
            return (value[0] & mask != 0) == (op == "in")
        if not left.whole or op not in ("==", "!="):
            return Doubt(text)
        return (value[0] == mask) == (op == "==")

    return asks(test)


def _present(left: Operand, right: t.Any, text: str, *, negated: bool) -> Step:
    def test(packet: Packet) -> Truth:
        value = left.read(packet)
        if not isinstance(value, str):
            return Doubt(text)
        if isinstance(right, bool):
            return ((value != "") == right) != negated
        return (value == right) != negated if isinstance(right, str) else Doubt(text)

    return asks(test)


def _untrack(packet: Packet, sure: bool) -> None:
    if packet.early is not False:  # later it is tracked already
        packet.untrack(sure=sure and packet.early is True)


def _translation(kind: str, detail: t.Any) -> t.Callable[[Packet, bool], None]:
    detail = detail if isinstance(detail, dict) else {}
    address, port = detail.get("addr"), detail.get("port")
    network = read_network(address) if isinstance(address, str) else None
    to = Span.of(network) if network is not None else None
    at = number(port)

    def effect(packet: Packet, sure: bool) -> None:
        where = packet.destination if kind == "redirect" or address is None else to
        packet.redirect(where, (at, at) if at is not None else None if port is None else (0, 65535), sure=sure)

    return effect
