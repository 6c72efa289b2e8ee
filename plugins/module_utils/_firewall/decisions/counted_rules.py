# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules of legacy iptables dropped something between two readings of their counters.

This module util is PRIVATE to the collection: it may change at any time.

A counter counts everybody's packets: a rule whose counter rose is likely the one that is looked for, never certainly.
"""

from __future__ import annotations

import re
import shlex
import typing as t

from ..._core.addresses import Span, read_network
from .packet_filter import EVERYONE, EXACT, Block, owner_of

_RULE = re.compile(r"\[(\d+):\d+\] (-A (\S+) .*)")
_POLICY = re.compile(r":(\S+) DROP \[(\d+):\d+\]")
_DROPS = frozenset({"DROP", "REJECT", "TARPIT"})


class Key(t.NamedTuple):
    """A rule that drops, or a policy; `number` is 0 for a policy."""

    table: str
    chain: str
    number: int
    text: str


def counters(dump: str) -> dict[Key, int]:
    """How many packets each rule and policy that drops has counted, from what iptables-legacy-save -c printed."""
    found: dict[Key, int] = {}
    numbers: dict[tuple[str, str], int] = {}
    table = ""
    for line in dump.splitlines():
        line = line.strip()
        if line.startswith("*"):
            table = line[1:]
        policy = _POLICY.match(line)
        if policy:
            found[Key(table, policy[1], 0, "policy drop")] = int(policy[2])
        rule = _RULE.match(line)
        if rule:
            number = numbers[table, rule[3]] = numbers.get((table, rule[3]), 0) + 1
            if _value(_words(rule[2]), "-j") in _DROPS:
                found[Key(table, rule[3], number, rule[2])] = int(rule[1])
    return found


def likely(
    before: t.Mapping[Key, int], after: t.Mapping[Key, int], span: Span, *, where: str, family: str, ports: t.Sequence[int],
    protocol: str | None,
) -> list[Block]:
    """What dropped something meanwhile and may have dropped a packet of these addresses; first what is about them.

    Args:
        before, after: two readings.
        ports: to which the packets went; none is any.
        protocol: None is any.
    """
    found = []
    for key, packets in after.items():
        if packets <= before.get(key, packets):
            continue
        words = _words(key.text)
        source = _value(words, "-s")
        if not _may_be_from(source, span) or not _may_be_to(words, ports, protocol):
            continue
        network = read_network(source)
        exact = network is not None and Span.of(network) == span
        owner, jail = owner_of(key.chain, key.table)
        found.append(Block(
            where=where, family=family, table=key.table, chain=key.chain, rule=key.text, number=key.number or None, owner=owner, jail=jail,
            matched=EXACT if exact else EVERYONE, source=str(span) if exact else "", sole=exact,
            conditions=("its counter rose, which may be somebody else's packet",),
        ))
    return sorted(found, key=lambda block: (block.matched != EXACT, not block.number))


def _may_be_from(source: str, span: Span) -> bool:
    network = read_network(source) if source else None
    return network is None or Span.of(network).touches(span)


def _may_be_to(words: t.Sequence[str], ports: t.Sequence[int], protocol: str | None) -> bool:
    over, to = _value(words, "-p"), _value(words, "--dport")
    if protocol is not None and over in ("tcp", "udp", "icmp") and over != protocol:
        return False
    low, _colon, high = to.partition(":")
    if not ports or not low.isdigit():
        return True
    return any(int(low) <= port <= int(high if high.isdigit() else low) for port in ports)


def _value(words: t.Sequence[str], option: str) -> str:
    """What follows an option; empty where it is missing, or negated."""
    for at, word in enumerate(words[:-1]):
        if word == option:
            return "" if at and words[at - 1] == "!" else words[at + 1]
    return ""


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
