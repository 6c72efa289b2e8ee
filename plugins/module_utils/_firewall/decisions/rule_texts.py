# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule that a handle of nftables means, in the words of the program that made it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import re
import typing as t

#: Tables that iptables keeps in nftables, by family.
IPTABLES_TABLES = frozenset({"filter", "nat", "mangle", "raw", "security"})
_HANDLE = re.compile(r"(.*?)\s*# handle (\d+)\Z", re.DOTALL)
#: Lines of a chain that are not rules.
_NO_RULE = ("type ", "policy ", "comment \"", "flags ", "chain ", "table ", "}")
#: Counters differ with each look, and say nothing about which rule it is.
_COUNTER = re.compile(r"\bcounter packets \d+ bytes \d+")


class Listed(t.NamedTuple):
    """A rule of a chain: its text, and its place from 1 among how many."""

    text: str
    number: int
    among: int


def find_listed(listing: str, handle: int) -> t.Optional[Listed]:
    """The rule with this handle.

    Args:
        listing: what `nft -a list chain` printed.
    """
    rules: list[tuple[int, str]] = []
    begun = ""
    for line in listing.splitlines():
        line = line.strip()
        if not begun and (not line or line.startswith(_NO_RULE)):
            continue
        begun = f"{begun} {line}".strip()
        ended = _HANDLE.match(begun)
        if ended:
            rules.append((int(ended[2]), _COUNTER.sub("counter", ended[1])))
            begun = ""
    place = next((place for place, (number, _text) in enumerate(rules) if number == handle), None)
    return None if place is None else Listed(rules[place][1], place + 1, len(rules))


def nth_rule(dump: str, *, table: str, chain: str, number: int, among: int) -> str:
    """The text of a rule in what iptables-save printed; empty where the chain has not as many rules as it should.

    Args:
        number: its place from 1.
        among: how many rules the chain has.
    """
    rules = [line for line in _lines(dump, table) if line.startswith(f"-A {chain} ")]
    return rules[number - 1] if len(rules) == among else ""


def has_chain(dump: str, *, table: str, chain: str) -> bool:
    """Whether iptables-save printed this chain."""
    return any(line.startswith(f":{chain} ") for line in _lines(dump, table))


def _lines(dump: str, table: str) -> t.Iterator[str]:
    current = ""
    for line in dump.splitlines():
        if line.startswith("*"):
            current = line[1:].strip()
        elif current == table:
            yield line.strip()
