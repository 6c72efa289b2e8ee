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


def parse_nft(text: str, *, skip: t.Collection[tuple[str, str]] = (), heads: Heads = Heads()) -> list[Table]:
    """The tables of a ruleset.

    Args:
        text: JSON.
        heads: what it leaves out.
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
        if (family, name) in skip or (family, name) in dormant:
            continue
        reader = RuleReader(sets, (family, name))
        found.append(Table("nftables", family, name, {
            chain: _chain(chain, body, rules.get((family, name, chain), []), reader, heads.devices.get((family, name, chain), ()))
            for chain, body in listed.items()
        }))
    return found


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
