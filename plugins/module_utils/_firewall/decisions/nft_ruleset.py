# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer to `nft -j list ruleset` (libnftables-json(5)) as tables, chains and rules.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import json
import typing as t

from ..._core.addresses import Span, read_network
from .packet_filter import ACCEPT, DROP, GO_ON, GOTO, JUMP, RETURN, AddressSet, Chain, Rule, Source, Table

_MAX_SAID = 300
_VERDICTS = {"drop": DROP, "reject": DROP, "accept": ACCEPT, "return": RETURN, "queue": GO_ON, "continue": GO_ON}
#: Statements that change or count packets and decide nothing.
_NEUTRAL = frozenset({"counter", "log", "comment", "mangle", "notrack", "quota", "set", "map", "ct helper", "dup", "flow", "synproxy"})


class Unreadable(ValueError):
    """It is not what nft prints."""


class _Sets:
    """The named sets and maps of the ruleset, as addresses."""

    def __init__(self) -> None:
        self.raw: dict[tuple[str, str, str], list[t.Any]] = {}
        self._made: dict[tuple[tuple[str, str, str], int], AddressSet] = {}

    def get(self, key: tuple[str, str, str], place: int) -> AddressSet:
        if (key, place) not in self._made:
            self._made[key, place] = AddressSet(spans_of(self.raw.get(key, []), place=place))
        return self._made[key, place]


def parse_nft(text: str, *, skip: t.Collection[tuple[str, str]] = ()) -> list[Table]:
    """The tables of a ruleset.

    Args:
        text: JSON.
        skip: (family, name) of tables that are read in another way: iptables-nft's, whose matches nft's JSON does not tell.

    Raises:
        Unreadable: it is not nft's JSON.
    """
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise Unreadable(f"no JSON: {exc}") from exc
    items = said.get("nftables") if isinstance(said, dict) else None
    if not isinstance(items, list):
        raise Unreadable("it has no list named nftables")
    sets = _Sets()
    chains: dict[tuple[str, str], dict[str, dict[str, t.Any]]] = {}
    rules: dict[tuple[str, str, str], list[dict[str, t.Any]]] = {}
    for item in items:
        for kind, body in item.items() if isinstance(item, dict) else ():
            if not isinstance(body, dict):
                continue
            table = (str(body.get("family", "")), str(body.get("table", body.get("name", ""))))
            if kind == "table":
                chains.setdefault((table[0], str(body.get("name", ""))), {})
            elif kind in ("set", "map"):
                elements = body.get("elem", [])
                sets.raw[(*table, str(body.get("name", "")))] = elements if isinstance(elements, list) else [elements]
            elif kind == "chain":
                chains.setdefault(table, {})[str(body.get("name", ""))] = body
            elif kind == "rule":
                rules.setdefault((*table, str(body.get("chain", ""))), []).append(body)
    return [
        Table("nftables", family, name, {
            chain: _chain(chain, body, rules.get((family, name, chain), []), sets, (family, name)) for chain, body in listed.items()
        })
        for (family, name), listed in chains.items() if (family, name) not in skip
    ]


def _chain(name: str, body: t.Mapping[str, t.Any], rules: t.Sequence[t.Mapping[str, t.Any]], sets: _Sets, table: tuple[str, str]) -> Chain:
    made: list[Rule] = []
    for number, rule in enumerate(rules, start=1):
        made.extend(_rules(number, rule, sets, table))
    priority = body.get("prio", 0)
    return Chain(
        name=name, rules=tuple(made), hook=str(body.get("hook", "")), priority=priority if isinstance(priority, int) else 0,
        policy=DROP if body.get("policy") == "drop" else ACCEPT,
    )


class _Draft:
    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.conditions: list[str] = []
        self.protocols: t.Optional[frozenset[str]] = None
        self.ports: t.Optional[tuple[tuple[int, int], ...]] = None
        self.family: t.Optional[int] = None


def _rules(number: int, body: t.Mapping[str, t.Any], sets: _Sets, table: tuple[str, str]) -> t.Iterator[Rule]:
    """The rule, or several where a verdict map decides."""
    expressions = body.get("expr", [])
    expressions = expressions if isinstance(expressions, list) else []
    handle = body.get("handle") if isinstance(body.get("handle"), int) else None
    text = say(expressions)
    draft = _Draft()

    def rule(verdict: str, target: str = "", more: t.Sequence[Source] = (), conditions: t.Sequence[str] = ()) -> Rule:
        return Rule(
            number=number, verdict=verdict, text=text, target=target, handle=handle, sources=(*draft.sources, *more),
            protocols=draft.protocols, ports=draft.ports, conditions=(*draft.conditions, *conditions), family=draft.family,
        )

    for expression in expressions:
        for kind, detail in expression.items() if isinstance(expression, dict) else ():
            if kind == "match":
                _take_match(draft, detail, sets, table)
            elif kind == "vmap" and isinstance(detail, dict):
                yield from _from_map(detail, rule, sets, table)
                return
            elif kind in _VERDICTS:
                yield rule(_VERDICTS[kind])
                return
            elif kind in ("jump", "goto") and isinstance(detail, dict):
                yield rule(JUMP if kind == "jump" else GOTO, str(detail.get("target", "")))
                return
            elif kind == "xt" and isinstance(detail, dict) and detail.get("type") == "target":
                name = str(detail.get("name"))
                yield rule(DROP if name in ("DROP", "REJECT", "TARPIT") else GO_ON)
                return
            elif kind not in _NEUTRAL:
                draft.conditions.append(say([expression]))


def _take_match(draft: _Draft, match: t.Any, sets: _Sets, table: tuple[str, str]) -> None:
    if not isinstance(match, dict):
        draft.conditions.append(say([{"match": match}]))
        return
    left, right, negated = match.get("left"), match.get("right"), match.get("op") == "!="
    place = _source_place(left)
    if place is not None:
        draft.sources.append(_source(right, place, sets, table, negated=negated))
        if isinstance(left, dict) and "concat" in left:
            draft.conditions.append(say([{"match": match}]))
        return
    kind = _left(left)
    if not negated and kind == "dport":
        ports = _ports(right, sets, table)
        if ports is not None:
            draft.ports = ports
            protocol = _payload(left).get("protocol")
            if protocol in ("tcp", "udp", "sctp", "dccp"):
                draft.protocols = frozenset({protocol})
            return
    if not negated and kind in ("l4proto", "protocol", "nexthdr"):
        names = _names(right)
        if names:
            draft.protocols = frozenset(names)
            return
    if not negated and kind == "nfproto" and right in ("ipv4", "ipv6"):
        draft.family = 4 if right == "ipv4" else 6
        return
    draft.conditions.append(say([{"match": match}]))


def _from_map(detail: t.Mapping[str, t.Any], rule: t.Callable[..., Rule], sets: _Sets, table: tuple[str, str]) -> t.Iterator[Rule]:
    data = detail.get("data")
    if isinstance(data, str) and data.startswith("@"):
        pairs = sets.raw.get((*table, data[1:]), [])
    else:
        pairs = data.get("set", []) if isinstance(data, dict) else []
    place = _source_place(detail.get("key"))
    for pair in pairs if isinstance(pairs, list) else ():
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[1], dict):
            continue
        for kind, target in pair[1].items():
            name = str(target.get("target", "")) if isinstance(target, dict) else ""
            verdict = {"jump": JUMP, "goto": GOTO}.get(kind) or _VERDICTS.get(kind, GO_ON)
            if place is not None:
                yield rule(verdict, name, [Source(AddressSet(spans_of([pair[0]], place=place)))])
            else:
                yield rule(verdict, name, (), [f"{say([detail.get('key')])} {_short(pair[0])}"])


def _source_place(left: t.Any) -> int | None:
    """Where the source address stands in what is compared: 0 alone, its place in a concatenation, None where it is not."""
    inner = left.get("concat") if isinstance(left, dict) else None
    for place, part in enumerate(inner if isinstance(inner, list) else [left]):
        payload = _payload(part)
        if payload.get("field") == "saddr" and payload.get("protocol") in ("ip", "ip6"):
            return place
    return None


def _source(right: t.Any, place: int, sets: _Sets, table: tuple[str, str], *, negated: bool) -> Source:
    if isinstance(right, str) and right.startswith("@"):
        return Source(sets.get((*table, right[1:]), place), name=right[1:], negated=negated)
    return Source(AddressSet(spans_of([right], place=place)), negated=negated)


def spans_of(elements: t.Any, *, place: int = 0) -> list[Span]:
    """The addresses in a set's elements, which may be prefixes, ranges, nested sets, concatenations, and carry timeouts."""
    found: list[Span] = []
    pending = list(elements) if isinstance(elements, list) else [elements]
    while pending:
        one = pending.pop()
        if isinstance(one, str):
            if one == "*":
                found += [Span(4, 0, (1 << 32) - 1), Span(6, 0, (1 << 128) - 1)]
            network = read_network(one)
            if network is not None:
                found.append(Span.of(network))
        elif isinstance(one, list) and one:
            pending.append(one[0])  # an element of a map: key and value
        elif isinstance(one, dict):
            pending += _inside(one, place, found)
    return found


def _inside(one: t.Mapping[str, t.Any], place: int, found: list[Span]) -> list[t.Any]:
    prefix, ends, inner, parts = one.get("prefix"), one.get("range"), one.get("set"), one.get("concat")
    if isinstance(prefix, dict):
        network = read_network(f"{prefix.get('addr')}/{prefix.get('len')}")
        found += [Span.of(network)] if network is not None else []
    elif isinstance(ends, list) and len(ends) == 2:
        low, high = (read_network(str(end)) for end in ends)
        if low is not None and high is not None and low.version == high.version:
            found.append(Span(low.version, int(low.network_address), int(high.network_address)))
    elif isinstance(inner, list):
        return inner
    elif isinstance(parts, list) and len(parts) > place:
        return [parts[place]]
    elif "elem" in one:
        value = one["elem"]
        return [value.get("val")] if isinstance(value, dict) else [value]
    return []


def _payload(part: t.Any) -> t.Mapping[str, t.Any]:
    payload = part.get("payload") if isinstance(part, dict) else None
    return payload if isinstance(payload, dict) else {}


def _left(left: t.Any) -> str:
    if not isinstance(left, dict):
        return ""
    meta = left.get("meta")
    return str(_payload(left).get("field", "")) or (str(meta.get("key", "")) if isinstance(meta, dict) else "")


def _ports(right: t.Any, sets: _Sets, table: tuple[str, str]) -> tuple[tuple[int, int], ...] | None:
    if isinstance(right, str) and right.startswith("@"):
        right = {"set": sets.raw.get((*table, right[1:]), [])}
    inner = right.get("set") if isinstance(right, dict) else None
    found: list[tuple[int, int]] = []
    for part in inner if isinstance(inner, list) else [right]:
        ends = part.get("range") if isinstance(part, dict) else [part, part]
        if not isinstance(ends, list) or len(ends) != 2 or not all(isinstance(end, int) for end in ends):
            return None
        found.append((ends[0], ends[1]))
    return tuple(found)


def _names(right: t.Any) -> list[str]:
    parts = right.get("set") if isinstance(right, dict) else [right]
    return [part for part in parts if isinstance(part, str)] if isinstance(parts, list) and all(isinstance(p, str) for p in parts) else []


def say(expressions: t.Any) -> str:
    """A rule, nearly as nft itself would write it."""
    words: list[str] = []
    for one in expressions if isinstance(expressions, list) else [expressions]:
        if not isinstance(one, dict):
            words.append(_short(one))
            continue
        for kind, detail in one.items():
            if kind == "match" and isinstance(detail, dict):
                operator = "" if detail.get("op") in ("==", "in", None) else f"{detail.get('op')} "
                words.append(f"{_short(detail.get('left'))} {operator}{_short(detail.get('right'))}")
            elif kind in ("jump", "goto") and isinstance(detail, dict):
                words.append(f"{kind} {detail.get('target')}")
            elif kind == "counter":
                continue
            elif kind in ("payload", "meta", "ct"):
                words.append(_short(one))
            elif detail is None or kind == "reject":
                words.append(kind)
            else:
                words.append(f"{kind} {_short(detail)}")
    said = " ".join(words)
    return said if len(said) <= _MAX_SAID else said[:_MAX_SAID] + "..."


def _short(value: t.Any, depth: int = 0) -> str:
    if depth > 6:
        return "..."
    if isinstance(value, dict):
        payload, meta, prefix, inner = (value.get(key) for key in ("payload", "meta", "prefix", "set"))
        if isinstance(payload, dict) and "field" in payload:
            return f"{payload.get('protocol')} {payload.get('field')}"
        if isinstance(meta, dict):
            return str(meta.get("key"))
        if isinstance(prefix, dict):
            return f"{prefix.get('addr')}/{prefix.get('len')}"
        if isinstance(value.get("range"), list):
            return "-".join(_short(end, depth + 1) for end in value["range"])
        if isinstance(inner, list):
            return "{ " + ", ".join(_short(item, depth + 1) for item in inner[:10]) + (", ... }" if len(inner) > 10 else " }")
        if isinstance(value.get("concat"), list):
            return " . ".join(_short(item, depth + 1) for item in value["concat"])
        return " ".join(f"{key} {_short(item, depth + 1)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_short(item, depth + 1) for item in value[:10])
    return str(value)[:_MAX_SAID]
