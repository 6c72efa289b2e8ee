# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a rule goes away that drops one address and nobody else, and why one must stay.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import functools
import shlex
import typing as t

from ..._core.acting import Candidate, Sight
from ..._core.actions import Action, Spared
from ..._core.limits import Budget
from ..._core.recorded import Basis
from .packet_filter import EXACT, LIMITS, Block

VERB = "remove_rule"
#: A block without its place in the chain, which moves when another rule goes.
Key = tuple[str, str, str, str, str, str, str]
_IDENTITY = ("where", "family", "table", "chain", "handle", "rule", "source")

_IPTABLES = ("iptables", "ip6tables", "iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy")
#: How long iptables waits for the lock of another iptables: seconds.
_LOCK = "5"


@dataclasses.dataclass(frozen=True)
class Remedy:
    """What removes a block, or why we do not.

    Attributes:
        argv: the command that removes exactly this rule or entry; empty where there is none of ours.
        why_not: why it stays; empty where it may go.
        advice: what a person can do about it.
    """

    argv: tuple[str, ...] = ()
    why_not: str = ""
    advice: str = ""


def remedy(block: Block) -> Remedy:
    """What removes this block. Only what names the one address is removed, by an identity that no other rule has.

    iptables deletes by the rule's whole text (-D with a specification, iptables(8)), nftables by the handle, which is never given
    again within a table's life (nft(8)), sets and routes by the entry itself.
    """
    if block.owner:
        return Remedy(why_not=f"it is {block.owner}'s own", advice=_OWNERS.get(block.owner, f"Let {block.owner} remove it."))
    if block.matched != EXACT or not block.source:
        return Remedy(why_not="it is about more than this address", advice=f"Change it by hand: {block.where_text}: {block.rule}")
    doubts = [condition for condition in block.conditions if not condition.startswith(LIMITS)]
    if doubts:
        return Remedy(why_not=f"it is not known whether it applies: {'; '.join(doubts)}",
                      advice=f"Change it by hand: {block.where_text}: {block.rule}")
    if block.shared:
        return Remedy(why_not=f"its set {block.set} does more than drop: {block.shared}",
                      advice=f"Change it by hand: {block.where_text}: {block.rule}")
    argv = _argv(block)
    if argv:
        return Remedy(argv=argv, advice=shlex.join(argv))
    return Remedy(why_not="it cannot be removed by itself", advice=_PLACES.get(block.where, f"Change it by hand: {block.where_text}"))


_OWNERS = {
    "fail2ban": "fail2ban_unban lifts the ban; with repair it removes what the daemon has forgotten.",
    "crowdsec": "cscli decisions delete lifts it.",
    "firewalld": "firewall-cmd removes it.",
    "ufw": "ufw delete removes it; ufw status numbered shows it.",
    "docker": "Docker writes it again whenever it starts; rules of one's own belong in DOCKER-USER.",
}
_PLACES = {
    "hosts_deny": "Take the line out of /etc/hosts.deny.",
    "firewalld": "firewall-cmd --remove-rich-rule removes it.",
}


def _argv(block: Block) -> tuple[str, ...]:
    if block.where in _IPTABLES:
        return _of_iptables(block)
    if block.where == "nftables":
        return _of_nftables(block)
    if block.where == "route":
        return ("ip", "-6" if ":" in block.source else "-4", "route", "del", *block.rule.split())
    return ()


def _of_iptables(block: Block) -> tuple[str, ...]:
    if block.set:
        return ("ipset", "del", block.set, block.element or block.source)
    words = _words(block.rule)
    if words[:2] != ["-A", block.chain] or not block.sole:
        return ()
    return (block.where, "-w", _LOCK, "-t", block.table, "-D", *words[1:])


def _of_nftables(block: Block) -> tuple[str, ...]:
    where = (block.family, block.table)
    if block.set:
        return ("nft", "delete", "element", *where, block.set, "{", block.element or block.source, "}")
    # A rule with several addresses in it, or with a map of verdicts, decides about others as well.
    if block.handle is None or not block.sole or "vmap" in block.rule:
        return ()
    return ("nft", "delete", "rule", *where, block.chain, "handle", str(block.handle))


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []


@dataclasses.dataclass(frozen=True)
class Found:
    """What keeps an address out: the address as it was asked for, and how often the chain has this very rule."""

    asked: str
    block: Block
    copies: int = 1

    @functools.cached_property
    def cure(self) -> Remedy:
        """What removes it, or why we do not."""
        return remedy(self.block)

    @property
    def named(self) -> str:
        """For people."""
        return f"{self.asked} in {self.block.where_text}"


def key_of(block: Block) -> Key:
    """What tells a block from the others."""
    handle = "" if block.handle is None else str(block.handle)
    return block.where, block.family, block.table, block.chain or block.set, handle, block.rule, block.element or block.source


def address_in(source: str) -> str:
    """The address of an element of several parts, as nftables or ipset write it."""
    return source.partition(" . ")[0].partition(",")[0]


def action_for(one: Found, *, resource: str) -> Action:
    """Removing it."""
    return Action(
        verb=VERB, resource=resource, identity={name: value for name, value in zip(_IDENTITY, key_of(one.block)) if value},
        name=one.named, target={"address": one.asked, "where": one.block.where_text, "rule": one.block.rule},
        reason=f"It drops {one.asked} and nobody else.",
        detail={"command": one.cure.advice, "hook": one.block.hook, "copies": one.copies},
    )


def sight(found: t.Sequence[Found], *, budget: Budget, resource: str) -> Sight[Key]:
    """What could be removed, of what keeps addresses out, each once."""
    wanted = [one for one in found if one.cure.argv]
    return Sight(
        candidates=[Candidate(key_of(one.block), action_for(one, resource=resource), uses={"max_rules": one.copies}) for one in wanted],
        protected=tuple(_spared(one) for one in found if not one.cure.argv),
        limits=(budget.limit(sum(one.copies for one in wanted), name="max_rules"),),
        basis=Basis("firewall_remove", {"found": found, "budget": budget, "resource": resource}),
    )


def _spared(one: Found) -> Spared:
    return Spared(
        target={"address": one.asked, "where": one.block.where_text, "rule": one.block.rule},
        reasons=(one.cure.why_not, one.cure.advice), would_match=True, name=one.named,
    )
