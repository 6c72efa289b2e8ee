# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer to `nft -j list ruleset` (libnftables-json(5)) as tables, chains and rules.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from .nft_rules import RuleReader
from .nft_sets import Sets
from .packet_filter import ACCEPT, DROP, Chain, Rule, Table

#: What iptables-nft writes without a match or target of iptables' own, and reads again.
_PLAIN = frozenset({"counter", "accept", "drop", "return", "jump", "goto", "xt", "limit", "log", "comment"})
_FIELDS = frozenset({"saddr", "daddr", "protocol", "nexthdr", "dport", "sport", "flags", "type", "code", "ttl", "hoplimit", "frag-off"})
_KEYS = frozenset({"l4proto", "iifname", "oifname", "mark"})


class Unreadable(ValueError):
    """It is not what nft prints."""


@dataclasses.dataclass(frozen=True)
class Heads:
    """What nft's JSON leaves out, of the heads of tables and chains.

    Attributes:
        dormant: tables that sleep: family and name.
        devices: the interfaces of chains that are bound to some: by family, table and chain.
    """

    dormant: frozenset[tuple[str, str]] = frozenset()
    devices: t.Mapping[tuple[str, str, str], tuple[str, ...]] = dataclasses.field(default_factory=dict)


def parse_heads(text: str) -> Heads:
    """The heads in what `nft -t list ruleset` prints."""
    dormant: set[tuple[str, str]] = set()
    devices: dict[tuple[str, str, str], tuple[str, ...]] = {}
    table, chain = ("", ""), ""
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "table" and len(words) >= 3:
            table, chain = (words[1], words[2]), ""
        elif words[0] == "flags" and not chain and "dormant" in line:
            dormant.add(table)
        elif words[0] in ("chain", "set", "map") and len(words) >= 2:
            chain = words[1]
        elif words[0] == "type" and " hook " in line and " device" in line:
            devices[(*table, chain)] = _devices(line)
    return Heads(frozenset(dormant), devices)


def _devices(line: str) -> tuple[str, ...]:
    """The interfaces in the head of a chain: `device "a"`, or `devices = { a, "b" }`."""
    several = re.search(r"\bdevices? = \{([^}]*)\}", line)
    if several:
        return tuple(name.strip('" ') for name in several[1].split(",") if name.strip())
    return tuple(re.findall(r'\bdevices? =? ?"?([^\s";]+)"?', line))


def parse_nft(text: str, *, dumped: t.Optional[t.Mapping[tuple[str, str], Table]] = None, heads: Heads = Heads()) -> list[Table]:
    """The tables of a ruleset.

    Args:
        text: JSON.
        heads: what it leaves out.
        dumped: by family and name tables that iptables-nft has dumped, whose matches nft's JSON does not tell. They are left out, unless
            something else than iptables writes there too: of sets, maps and more the dump shows less than there is. Then only what the
            JSON does not tell comes from it.

    Raises:
        Unreadable: it is not nft's JSON.
    """
    dumped = dumped or {}
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise Unreadable(f"no JSON: {exc}") from exc
    items = said.get("nftables") if isinstance(said, dict) else None
    if not isinstance(items, list):
        raise Unreadable("it has no list named nftables")
    sets = Sets()
    chains: dict[tuple[str, str], dict[str, dict[str, t.Any]]] = {}
    rules: dict[tuple[str, str, str], list[dict[str, t.Any]]] = {}
    dormant = set(heads.dormant)
    for item in items:
        for kind, body in item.items() if isinstance(item, dict) else ():
            if not isinstance(body, dict):
                continue
            table = (str(body.get("family", "")), str(body.get("table", body.get("name", ""))))
            if kind == "table":
                chains.setdefault(table, {})
                if "dormant" in (body.get("flags") or ()):
                    dormant.add(table)
            elif kind in ("set", "map"):
                sets.add(table, body)
            elif kind == "chain":
                chains.setdefault(table, {})[str(body.get("name", ""))] = body
            elif kind == "rule":
                rules.setdefault((*table, str(body.get("chain", ""))), []).append(body)
    found = []
    for (family, name), listed in chains.items():
        dump = dumped.get((family, name))
        own = {chain: rules.get((family, name, chain), []) for chain in listed}
        if (family, name) in dormant or (dump is not None and _tells_all(dump, own)):
            continue
        reader = RuleReader(sets, (family, name))
        made = {
            chain: _chain(chain, body, own[chain], reader, heads.devices.get((family, name, chain), ())) for chain, body in listed.items()
        }
        if dump is not None:
            made = {chain: _with_matches(one, own[chain], dump.chains.get(chain)) for chain, one in made.items()}
        found.append(Table("nftables", family, name, made))
    return found


def _tells_all(dump: Table, rules: t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]]) -> bool:
    """Whether what iptables-save printed of a table is all that is there: each rule is one that iptables can have written."""
    return all(
        len(found) == len(dump.chains[chain].rules if chain in dump.chains else ()) and all(
            _by_iptables(one) for rule in found for one in rule.get("expr") or ()) for chain, found in rules.items()
    )


def _by_iptables(expression: t.Any) -> bool:
    """Whether iptables-nft writes such expressions, and reads them again as they are."""
    ((kind, detail),) = expression.items() if isinstance(expression, dict) and len(expression) == 1 else (("", None),)
    if kind != "match" or not isinstance(detail, dict):
        return kind in _PLAIN
    left, right = detail.get("left"), detail.get("right")
    if isinstance(left, dict) and isinstance(left.get("&"), list):
        left = left["&"][0]
    payload, meta = (left.get(name) for name in ("payload", "meta")) if isinstance(left, dict) else (None, None)
    known = (isinstance(payload, dict) and payload.get("field") in _FIELDS) or (isinstance(meta, dict) and meta.get("key") in _KEYS)
    held = (isinstance(right, dict) and "set" in right) or (isinstance(right, str) and right.startswith("@"))
    return known and not held


def _with_matches(chain: Chain, rules: t.Sequence[t.Mapping[str, t.Any]], dump: t.Optional[Chain]) -> Chain:
    """A chain with what only iptables tells of its rules."""
    if dump is None or len(dump.rules) != len(rules):
        return chain
    told = {
        place: dataclasses.replace(dump.rules[place - 1], handle=rule.get("handle")) for place, rule in enumerate(rules, start=1)
        if any(isinstance(one, dict) and "xt" in one for one in rule.get("expr") or ())
    }
    others = [rule for rule in chain.rules if rule.number not in told]
    return dataclasses.replace(chain, rules=tuple(sorted([*others, *told.values()], key=lambda rule: rule.number)))


def _chain(
    name: str, body: t.Mapping[str, t.Any], rules: t.Sequence[t.Mapping[str, t.Any]], reader: RuleReader, bound: tuple[str, ...],
) -> Chain:
    made: list[Rule] = []
    for number, rule in enumerate(rules, start=1):
        made.extend(reader.read(number, rule))
    priority, devices = body.get("prio", 0), body.get("dev", [])
    return Chain(
        name=name, rules=tuple(made), hook=str(body.get("hook", "")), priority=priority if isinstance(priority, int) else 0,
        policy=DROP if body.get("policy") == "drop" else ACCEPT, kind=str(body.get("type", "filter")),
        devices=tuple(str(one) for one in (devices if isinstance(devices, list) else [devices])) or bound,
    )
