# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a packet filter is made of, and what keeps an address out.

This module util is PRIVATE to the collection: it may change at any time.

nftables and iptables are read into the same model (nft_ruleset.py, iptables_rules.py), which walk.py sends a packet through.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..._core.addresses import Span
from .packet import Packet
from .sets import COVERING, EVERYONE, EXACT, PART, AddressSet
from .truths import Doubt, Range, Truth, inverted

__all__ = ["COVERING", "EVERYONE", "EXACT", "PART", "AddressSet"]

DROP, ACCEPT, RETURN, JUMP, GOTO, GO_ON = "drop", "accept", "return", "jump", "goto", "go_on"
#: What decides is not known: it may drop, accept, or let the packet go on.
PERHAPS = "perhaps"
#: A set that nobody could read decides: whom it holds is not known.
UNSEEN = "unseen"
FAIL2BAN = "fail2ban"
#: Beginnings of conditions that limit what is kept out, not whether.
LIMITS = ("protocol ", "port ", "service")
#: What whoever cannot read the packet filter needs.
SEE = "Use become: reading the packet filter takes root, or CAP_NET_ADMIN."
#: Names that fail2ban's own actions give: chains and ipsets f2b-JAIL (fail2ban-JAIL before 0.9.5), nftables sets addr-set-JAIL.
_FAIL2BAN_NAME = re.compile(r"(?:f2b|fail2ban|addr6?-set)-(?P<name>.+)\Z")


@dataclasses.dataclass(frozen=True)
class Hit:
    """By which address a rule is about a packet.

    Attributes:
        how: EXACT, COVERING, PART or UNSEEN.
        span: the address or network, as the filter knows it.
        set: the set that holds it.
        element: its text in the set.
    """

    how: str
    span: t.Optional[Span] = None
    set: str = ""
    element: str = ""


@dataclasses.dataclass(frozen=True)
class Source:
    """What a rule asks of where a packet comes from, or goes.

    Attributes:
        name: of the set, empty for addresses that stand in the rule.
        negated: it must not be one of these.
        unseen: the set of this name could not be read.
        side: saddr or daddr.
    """

    addresses: AddressSet
    name: str = ""
    negated: bool = False
    unseen: bool = False
    side: str = "saddr"


@dataclasses.dataclass(frozen=True)
class Step:
    """One thing that a rule asks or does, in order.

    Attributes:
        test: whether it holds, and by which address.
        effect: what it does to the packet; its second parameter is whether it surely does.
    """

    test: t.Optional[t.Callable[[Packet], tuple[Truth, t.Optional[Hit]]]] = None
    effect: t.Optional[t.Callable[[Packet, bool], None]] = None


def asks(test: t.Callable[[Packet], Truth]) -> Step:
    """A step about anything but addresses."""
    return Step(test=lambda packet: (test(packet), None))


def doubts(why: str) -> Step:
    """A step of which nobody knows whether it holds."""
    return asks(lambda packet: Doubt(why))


def does(effect: t.Callable[[Packet, bool], None]) -> Step:
    """A step that changes the packet."""
    return Step(effect=effect)


def asks_address(source: Source, why: str) -> Step:
    """A step about an address of the packet."""
    def test(packet: Packet) -> tuple[Truth, t.Optional[Hit]]:
        if source.unseen:
            return Doubt(f"set {source.name}, which could not be read", UNSEEN, source.name), Hit(UNSEEN, None, source.name)
        wanted = packet.address(source.side)
        if wanted is None:
            return Doubt(why), None
        found = source.addresses.find(wanted)
        if found is not None and found[0] == PART:
            return Doubt(f"{found[1]} alone" if not source.negated else why, PART), None if source.negated else Hit(
                PART, found[1], source.name, str(found[1]))
        if found is None and source.name and source.name in packet.written:
            return Doubt(f"set {source.name}, which rules write on the way"), None
        hit = Hit(found[0], found[1], source.name, str(found[1])) if found and not source.negated else None
        return inverted(found is not None, source.negated), hit

    return Step(test=test)


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        number: its place in the chain, from 1.
        verdict: DROP (reject is one), ACCEPT, RETURN, JUMP, GOTO, GO_ON or PERHAPS, where all steps hold.
        text: as people write it.
        target: the chain of a jump.
        handle: nftables' own identity of it.
        steps: what it asks and does, in order.
        sources: the addresses that it names.
        sets: the keys of all sets that it uses, whatever for.
        plain: it asks of each set whether it holds the packet, no more.
    """

    number: int
    verdict: str
    text: str = ""
    target: str = ""
    handle: t.Optional[int] = None
    steps: tuple[Step, ...] = ()
    sources: tuple[Source, ...] = ()
    sets: frozenset[str] = frozenset()
    plain: bool = True

    def only(self, side: str) -> t.Optional[Span]:
        """The one address that it is about, where it names one by itself."""
        for source in self.sources:
            if source.side == side and not source.negated and not source.name and len(source.addresses) == 1:
                (span,) = source.addresses.spans()
                return span if span.single else None
        return None

    def is_sole(self, side: str) -> bool:
        """Whether it is about one address or network alone."""
        about = [source for source in self.sources if source.side == side]
        return len(about) == 1 and not about[0].name and not about[0].negated and len(about[0].addresses) == 1


@dataclasses.dataclass(frozen=True)
class Chain:
    """A chain with its rules in order; `hook` is empty for one that is only jumped to.

    Attributes:
        kind: filter, nat or route.
        devices: the interfaces of one that is bound to some.
    """

    name: str
    rules: tuple[Rule, ...] = ()
    hook: str = ""
    priority: int = 0
    policy: str = ACCEPT
    kind: str = "filter"
    devices: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Table:
    """A table: where it lives (nftables, iptables, ip6tables-legacy, ...), its family (inet, ip, ip6, ...) and its chains."""

    where: str
    family: str
    name: str
    chains: t.Mapping[str, Chain]


@dataclasses.dataclass(frozen=True)
class Block:
    """One thing that keeps an address out.

    Attributes:
        where: nftables, iptables, ip6tables, iptables-legacy, ip6tables-legacy, hosts_deny, route, firewalld.
        matched: EXACT, COVERING, PART, EVERYONE, or UNSEEN where a set that could not be read decides.
        source: the address or network that matched, as the filter knows it.
        set: the set or ipset that holds it.
        conditions: it blocks only where these hold too.
        owner: fail2ban, firewalld, ufw, docker, or empty where the names do not say.
        jail: of fail2ban, where the names say.
        sole: the rule is about this source alone.
        element: the whole text of the set's element, where it is more than the address.
        shared: another rule that uses the set and does not drop; it says so in a few words.
        ports: the ports that it is about, where it was asked about every one.
    """

    where: str
    rule: str
    verdict: str = DROP
    family: str = ""
    table: str = ""
    chain: str = ""
    hook: str = ""
    handle: t.Optional[int] = None
    number: t.Optional[int] = None
    set: str = ""
    matched: str = EXACT
    source: str = ""
    conditions: tuple[str, ...] = ()
    owner: str = ""
    jail: str = ""
    sole: bool = False
    element: str = ""
    shared: str = ""
    ports: tuple[Range, ...] = ()

    @property
    def certain(self) -> bool:
        """Whether it blocks whatever else is true."""
        return not self.conditions

    @property
    def where_text(self) -> str:
        """Where it is, for people."""
        parts = [self.where, self.family, self.table, self.chain]
        said = " ".join(part for part in parts if part)
        return f"{said} handle {self.handle}" if self.handle is not None else f"{said} rule {self.number}" if self.number else said

    def as_dict(self) -> dict[str, t.Any]:
        """The block as it appears in results."""
        return {**dataclasses.asdict(self), "conditions": list(self.conditions), "certain": self.certain}


def owner_of(*names: str, jails: t.Collection[str] = ()) -> tuple[str, str]:
    """Whose rule it is, by the names of table, chain and set; and the jail where fail2ban's name says which."""
    for name in names:
        match = _FAIL2BAN_NAME.match(name)
        if match:
            said = match["name"]
            # ipsets for IPv6 end in a 6 that is not the jail's.
            jail = said if said in jails or not said.endswith("6") or said[:-1] not in jails else said[:-1]
            return FAIL2BAN, jail if not jails or jail in jails else ""
    for name in names:
        if name.startswith("f2b-") or name == "f2b-table":
            return FAIL2BAN, ""
        for prefix, owner in (("firewalld", "firewalld"), ("ufw", "ufw"), ("DOCKER", "docker"), ("crowdsec", "crowdsec")):
            if name.startswith(prefix) and name != "DOCKER-USER":  # that chain is for rules of one's own
                return owner, ""
    return "", ""
