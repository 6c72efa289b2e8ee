# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a rule goes away that drops one address and nobody else, and why one must stay.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import shlex

from .packet_filter import EXACT, Block

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
        return ("ipset", "del", block.set, block.source)
    words = _words(block.rule)
    if words[:2] != ["-A", block.chain] or not block.sole:
        return ()
    return (block.where, "-w", _LOCK, "-t", block.table, "-D", *words[1:])


def _of_nftables(block: Block) -> tuple[str, ...]:
    where = (block.family, block.table)
    if block.set:
        return ("nft", "delete", "element", *where, block.set, "{", block.source, "}")
    # A rule with several addresses in it, or with a map of verdicts, decides about others as well.
    if block.handle is None or not block.sole or "vmap" in block.rule:
        return ()
    return ("nft", "delete", "rule", *where, block.chain, "handle", str(block.handle))


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []
