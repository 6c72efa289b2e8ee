# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What iptables-save, ip6tables-save and ipset save print, as tables, chains and rules.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import re
import shlex
import typing as t

from ..._core.addresses import Span, read_network
from .packet_filter import ACCEPT, DROP, GO_ON, GOTO, JUMP, RETURN, AddressSet, Chain, Rule, Source, Table

#: The hook of each built-in chain on the way to this host or through it (iptables(8)).
_HOOKS = {"PREROUTING": "prerouting", "INPUT": "input", "FORWARD": "forward"}
#: Order of the tables at one hook, as netfilter's priorities have it.
_PRIORITIES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
_VERDICTS = {"DROP": DROP, "REJECT": DROP, "TARPIT": DROP, "ACCEPT": ACCEPT, "RETURN": RETURN}
#: Options that only describe, each with one value.
_SILENT = {"--comment": 1, "--reject-with": 1, "--log-prefix": 1, "--log-level": 1, "-m": 1, "--match": 1}
#: Options whose value is a list of ports.
_PORTS = frozenset({"--dport", "--dports", "--destination-port", "--destination-ports"})
_OPTION = re.compile(r"--?[a-zA-Z]")


def parse_save(text: str, *, where: str, family: str, sets: t.Mapping[str, AddressSet] | None = None) -> tuple[list[Table], list[str]]:
    """The tables of a dump, and the lines that could not be read.

    Args:
        where: the program, as blocks name it.
        family: ip or ip6.
        sets: ipsets by name; a rule with one that is not here matches perhaps.
    """
    tables: list[Table] = []
    unread: list[str] = []
    name = ""
    policies: dict[str, str] = {}
    rules: dict[str, list[Rule]] = {}

    def finish() -> None:
        if name:
            chains = {
                chain: Chain(
                    name=chain, rules=tuple(rules.get(chain, ())), hook=_HOOKS.get(chain, "") if policy != "-" else "",
                    priority=_PRIORITIES.get(name, 0), policy=DROP if policy == "DROP" else ACCEPT,
                )
                for chain, policy in policies.items()
            }
            tables.append(Table(where, family, name, chains))

    for line in text.splitlines():
        line = line.strip()
        if line.startswith("*"):
            finish()
            name, policies, rules = line[1:], {}, {}
        elif line.startswith(":"):
            parts = line[1:].split()
            if len(parts) >= 2:
                policies[parts[0]] = parts[1]
        elif line.startswith("-A "):
            try:
                chain, rule = _rule(line, rules, policies, sets or {})
            except ValueError:
                unread.append(line[:300])
            else:
                rules.setdefault(chain, []).append(rule)
        elif line and not line.startswith("#") and line != "COMMIT":
            unread.append(line[:300])
    finish()
    return tables, unread


def variant_of(text: str) -> str:
    """nf_tables or legacy: whose rules a dump shows, by its first line."""
    return "nf_tables" if "(nf_tables)" in text[:300] else "legacy"


def _rule(line: str, rules: t.Mapping[str, t.Sequence[Rule]], policies: t.Mapping[str, str], sets: t.Mapping[str, AddressSet],
          ) -> tuple[str, Rule]:
    words = shlex.split(line)
    if len(words) < 2:
        raise ValueError("too short")
    chain, rest = words[1], words[2:]
    sources: list[Source] = []
    conditions: list[str] = []
    protocols: t.Optional[frozenset[str]] = None
    ports: t.Optional[tuple[tuple[int, int], ...]] = None
    verdict, target = GO_ON, ""
    at, negated = 0, False
    while at < len(rest):
        word = rest[at]
        if word == "!":
            negated, at = True, at + 1
            continue
        end = at + 1
        while end < len(rest) and not _OPTION.match(rest[end]) and rest[end] != "!":
            end += 1
        values = rest[at + 1:end]
        first = values[0] if values else ""
        if word in ("-s", "--source", "--src"):
            sources.append(Source(AddressSet(_spans(first.split(","))), negated=negated))
        elif word == "--src-range":
            sources.append(Source(AddressSet(_range(first)), negated=negated))
        elif word == "--match-set" and len(values) == 2 and values[1].split(",")[0] == "src":
            seen = sets.get(first)
            sources.append(Source(AddressSet(()) if seen is None else seen, name=first, negated=negated, unseen=seen is None))
            if "," in values[1]:
                conditions.append(f"match-set {first} {values[1]}")
        elif word in ("-p", "--protocol") and not negated and first:
            protocols = frozenset({first.lower()})
        elif word in _PORTS and not negated and first:
            ports = _ports(first)
        elif word in ("-j", "--jump", "-g", "--goto"):
            if not first:
                raise ValueError("no target")
            verdict, target = _verdict(first, goto=word in ("-g", "--goto"), policies=policies)
        elif word not in _SILENT:
            conditions.append(" ".join([*(["!"] if negated else []), word, *values]))
        at, negated = end, False
    return chain, Rule(
        number=len(rules.get(chain, ())) + 1, verdict=verdict, text=line, target=target, sources=tuple(sources), protocols=protocols,
        ports=ports, conditions=tuple(conditions),
    )


def _verdict(target: str, *, goto: bool, policies: t.Mapping[str, str]) -> tuple[str, str]:
    if target in policies:
        return (GOTO if goto else JUMP), target
    return _VERDICTS.get(target, GO_ON), ""


def _spans(texts: t.Iterable[str]) -> list[Span]:
    networks = [read_network(text) for text in texts]
    if any(network is None for network in networks):
        raise ValueError("no address")
    return [Span.of(network) for network in networks if network is not None]


def _range(text: str) -> list[Span]:
    low, _dash, high = text.partition("-")
    first, last = read_network(low), read_network(high or low)
    if first is None or last is None or first.version != last.version:
        raise ValueError("no range")
    return [Span(first.version, int(first.network_address), int(last.broadcast_address))]


def _ports(text: str) -> tuple[tuple[int, int], ...]:
    found = []
    for part in text.split(","):
        low, colon, high = part.partition(":")
        found.append((int(low or 0), int(high or 65535) if colon else int(low)))
    return tuple(found)


def parse_ipsets(text: str) -> dict[str, AddressSet]:
    """The ipsets of `ipset save`, by name, as the addresses that they hold (ipset(8))."""
    members: dict[str, list[Span]] = {}
    excepted: dict[str, list[Span]] = {}
    lists: dict[str, list[str]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 3:
            continue
        if words[0] == "create":
            if words[2].startswith("list:"):
                lists[words[1]] = []
            else:
                members[words[1]] = []
        elif words[0] == "add" and words[1] in lists:
            lists[words[1]].append(words[2])
        elif words[0] == "add" and words[1] in members:
            where = excepted.setdefault(words[1], []) if "nomatch" in words[3:] else members[words[1]]
            try:
                entry = words[2].split(",")[0]
                where.extend(_range(entry) if "-" in entry else _spans([entry]))
            except ValueError:
                continue
    found = {name: AddressSet(spans, except_for=excepted.get(name, ())) for name, spans in members.items()}
    for name, inner in lists.items():
        found[name] = AddressSet(span for one in inner for span in members.get(one, ()))
    return found
