# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A packet's walk through the chains of a packet filter: surely dropped, surely let pass, or undecided.

This module util is PRIVATE to the collection: it may change at any time.

What a rule asks is answered yes, no, or with a doubt (truths.py). With a doubt the packet goes both ways: the rule's verdict is one of
those that are possible, and the walk goes on behind it. What is possible at the end decides: a chain where only a drop is possible drops.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.addresses import Span
from .packet import STATES, Packet
from .packet_filter import (
    ACCEPT,
    DROP,
    EVERYONE,
    GO_ON,
    GOTO,
    JUMP,
    PART,
    PERHAPS,
    RETURN,
    UNSEEN,
    Block,
    Chain,
    Hit,
    Rule,
    Table,
    owner_of,
)
from .truths import Doubt, Range

INGRESS, PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING, EGRESS = (
    "ingress", "prerouting", "input", "forward", "output", "postrouting", "egress",
)
#: Hooks that a packet to this host, or through it, passes.
HOOKS = (INGRESS, PREROUTING, INPUT, FORWARD)
#: As deep as the kernel lets chains jump, and more.
_MAX_DEPTH = 32
#: So many rules are looked at for one packet; then what is left is not known.
_MAX_RULES = 2_000_000
_NAT = "nat"
#: The priority at which the kernel looks up connections, as packets come in or leave (NF_IP_PRI_CONNTRACK).
_TRACKING = -200


@dataclasses.dataclass
class Walked:
    """What became of a packet.

    Attributes:
        may_pass, may_drop: which of the two is possible; one alone is sure.
        blocks: what drops it, or may.
        doubtful: the rules that could not be decided, with what is not known, in their order.
        accepted: the rule that let it pass, in the last chain where one did.
        policy: the policy that drops it, where no rule does.
        ports: ports that rules on the way ask for, where the packet's port is not known.
    """

    may_pass: bool = True
    may_drop: bool = False
    blocks: list[Block] = dataclasses.field(default_factory=list)
    doubtful: list[str] = dataclasses.field(default_factory=list)
    accepted: str = ""
    policy: str = ""
    ports: list[Range] = dataclasses.field(default_factory=list)

    @property
    def dropped(self) -> bool:
        """Surely."""
        return not self.may_pass

    @property
    def passed(self) -> bool:
        """Surely."""
        return not self.may_drop

    def add(self, exits: t.Collection[str]) -> None:
        """Add what a base chain may do."""
        self.may_pass = self.may_pass and ACCEPT in exits
        self.may_drop = self.may_drop or DROP in exits


class Walker:
    """Sends packets through tables."""

    def __init__(self, tables: t.Sequence[Table], *, jails: t.Collection[str] = ()) -> None:
        self._tables = tables
        self._jails = jails
        self._indexes: dict[tuple[int, str], _Index] = {}
        self._uses: t.Optional[dict[str, list[tuple[Table, Chain, Rule]]]] = None

    def walk(self, packet: Packet, hooks: t.Sequence[str], *, known_device: bool = True) -> Walked:
        """Send a packet through all chains of these hooks, in the order in which it meets them.

        Args:
            known_device: only chains of the packet's interface count, of those that are bound to interfaces.
        """
        walked = Walked()
        hooked = [
            (table, chain) for table in self._tables for chain in table.chains.values()
            if chain.hook in hooks and _family_fits(table.family, packet) and not (chain.kind == _NAT and _skips_nat(packet))
        ]
        for table, chain in sorted(hooked, key=lambda one: (hooks.index(one[1].hook), one[1].priority)):
            device = _device_fits(chain, packet) if known_device else True
            if device is False:
                continue
            doubts = (Doubt(f"whether it passes {', '.join(chain.devices) or 'the interface of the chain'}"),) if device is None else ()
            if table.family == "bridge":
                doubts = (*doubts, Doubt("whether it passes the bridge's filter"))
            packet.early = _is_early(chain, packet)
            _Walk(table, chain, packet, walked, self).run(doubts)
        return walked

    def blocks(self, packet: Packet) -> list[Block]:
        """Everything that drops packets like this one, or may, at any hook on the way to this host or through it."""
        return self.walk(packet, HOOKS, known_device=False).blocks

    def filters_arp(self) -> bool:
        """Whether a filter of ARP may keep neighbours from finding one another."""
        return any(
            chain.policy == DROP or any(rule.verdict not in (ACCEPT, GO_ON) for rule in chain.rules)
            for table in self._tables if table.family == "arp" for chain in table.chains.values() if chain.hook
        )

    def owned(self, owner: str) -> list[tuple[Span, str, str]]:
        """Every address that a rule or set of one owner drops, with the jail and where: whoever is asked about."""
        found: dict[tuple[Span, str], str] = {}
        for table in self._tables:
            for chain in table.chains.values():
                for rule in chain.rules:
                    for source in rule.sources if rule.verdict == DROP else ():
                        by, jail = owner_of(source.name, chain.name, table.name, jails=self._jails)
                        spans = source.addresses.spans() if by == owner and not source.negated and source.side == "saddr" else ()
                        for span in spans:
                            found.setdefault((span, jail), f"{table.where} {table.family} {table.name} {source.name or chain.name}")
        return [(span, jail, where) for (span, jail), where in found.items()]

    def index(self, chain: Chain, side: str) -> _Index:
        """The chain's rules by the address that they are about."""
        key = (id(chain), side)
        if key not in self._indexes:
            self._indexes[key] = _Index(chain, side)
        return self._indexes[key]

    def block(self, table: Table, base: Chain, chain: Chain, rule: Rule | None, doubts: t.Sequence[Doubt], hit: Hit | None, packet: Packet,
              ) -> Block:
        """What to say of a rule that blocks, or of a chain's policy."""
        name = hit.set if hit else ""
        source = str(hit.span) if hit and hit.span else ""
        unseen = next((doubt for doubt in doubts if doubt.kind == UNSEEN), None)
        if unseen is not None:
            name, source = unseen.name, ""
        owner, jail = owner_of(name, chain.name, table.name, jails=self._jails)
        matched = UNSEEN if unseen else PART if any(doubt.kind == PART for doubt in doubts) else hit.how if hit else EVERYONE
        return Block(
            where=table.where, family=table.family, table=table.name, chain=chain.name, hook=base.hook, set=name, matched=matched,
            rule=rule.text if rule else f"policy {chain.policy}", handle=rule.handle if rule else None,
            number=rule.number if rule else None, source=source,
            conditions=tuple(dict.fromkeys(doubt.why for doubt in doubts if doubt.kind != PART)), owner=owner, jail=jail,
            sole=rule is not None and rule.is_sole(packet.asked),
            element=hit.element if hit and name and hit.element != source else "",
            shared=self._shared(table, name) if name and not unseen else "",
            ports=tuple(dict.fromkeys(ports for doubt in doubts for ports in doubt.ports)),
        )

    def _shared(self, table: Table, name: str) -> str:
        """A rule that uses a set for something else than dropping whom it holds; empty where none does."""
        if self._uses is None:
            self._uses = {}
            for one in self._tables:
                for chain in one.chains.values():
                    for rule in chain.rules:
                        for key in rule.sets:
                            self._uses.setdefault(key, []).append((one, chain, rule))
        for where, chain, rule in self._uses.get(_set_key(table, name), ()):
            if rule.verdict != DROP or not rule.plain:
                return f"{_place(where, chain, rule)}: {rule.text}"[:300]
        return ""


class _Index:
    """Chains of fail2ban hold a rule per address: only those that can match are looked at."""

    def __init__(self, chain: Chain, side: str) -> None:
        self.rules = chain.rules
        self._by_address: dict[Span, list[int]] = {}
        self._others: list[int] = []
        for place, rule in enumerate(chain.rules):
            only = rule.only(side)
            if only is not None:
                self._by_address.setdefault(only, []).append(place)
            else:
                self._others.append(place)

    def candidates(self, span: Span | None) -> t.Iterable[Rule]:
        """The rules that may match, in order."""
        if span is None or not span.single or not self._by_address:
            return self.rules
        own = self._by_address.get(span)
        places = sorted([*own, *self._others]) if own else self._others
        return [self.rules[place] for place in places]


class _Walk:
    """Of one packet through one base chain."""

    def __init__(self, table: Table, base: Chain, packet: Packet, walked: Walked, walker: Walker) -> None:
        self.table, self.base, self.packet, self.walked, self.walker = table, base, packet, walked, walker
        self.left = _MAX_RULES
        #: What the packet must not have been for what follows: it may have been accepted before.
        self.unless: list[Doubt] = []

    def run(self, doubts: tuple[Doubt, ...]) -> None:
        accepted, self.walked.accepted = self.walked.accepted, ""
        exits = self.enter(self.base, doubts, depth=0)
        if doubts:
            exits.add(ACCEPT)
        if RETURN in exits:
            exits.discard(RETURN)
            exits.add(self.base.policy)
            if self.base.policy == DROP:
                self.walked.policy = self.walked.policy or f"{_place(self.table, self.base, None)}: policy drop"
                self.walked.blocks.append(
                    self.walker.block(self.table, self.base, self.base, None, [*doubts, *self.unless], None, self.packet))
        self.walked.accepted = self.walked.accepted or accepted
        self.walked.add(exits)

    def enter(self, chain: Chain, outer: tuple[Doubt, ...], *, depth: int) -> set[str]:
        """Go through a chain: which ways out of it are possible.

        Args:
            outer: the doubts of the jumps that led here.
        """
        exits: set[str] = set()
        if depth > _MAX_DEPTH:
            return {ACCEPT, DROP, RETURN}
        for rule in self.walker.index(chain, self.packet.asked).candidates(self.packet.address(self.packet.asked)):
            self.left -= 1
            if self.left < 0:
                self._note(chain, rule, [Doubt("more rules than are looked at")])
                return exits | {ACCEPT, DROP, RETURN}
            own, own_hit = self._match(rule, sure=not outer and not exits)
            if own is None or rule.verdict == GO_ON:
                continue
            if self._apply(chain, rule, (*outer, *own), own_hit, exits, sure=not own, depth=depth):
                return exits
        exits.add(RETURN)
        return exits

    def _apply(self, chain: Chain, rule: Rule, doubts: tuple[Doubt, ...], hit: Hit | None, exits: set[str], *, sure: bool, depth: int,
               ) -> bool:
        """Do what a rule says; whether nothing behind it in its chain is reached."""
        if rule.verdict == PERHAPS and not doubts:
            doubts = (Doubt("what becomes of it there"),)
        if doubts and rule.verdict in (DROP, ACCEPT, PERHAPS):
            self._note(chain, rule, doubts)
        if rule.verdict == DROP:
            exits.add(DROP)
            self.walked.blocks.append(
                self.walker.block(self.table, self.base, chain, rule, [*doubts, *self.unless], hit, self.packet))
        elif rule.verdict == ACCEPT:
            exits.add(ACCEPT)
            self.walked.accepted = self.walked.accepted or f"{_place(self.table, chain, rule)}: {rule.text}"
            if doubts:
                self.unless.append(_unless(chain, rule, doubts))
        elif rule.verdict == PERHAPS:
            exits.update((DROP, ACCEPT))
            self.unless.append(_unless(chain, rule, doubts))
        elif rule.verdict == RETURN:
            exits.add(RETURN)
            if not sure:
                self._note(chain, rule, doubts)
        elif rule.verdict in (JUMP, GOTO) and rule.target in self.table.chains:
            return self._jump(rule, doubts, exits, sure=sure, depth=depth)
        else:
            return False
        if rule.verdict == PERHAPS or (not sure and rule.verdict != DROP):
            self.packet.parted = True
        return sure and rule.verdict != PERHAPS

    def _jump(self, rule: Rule, doubts: tuple[Doubt, ...], exits: set[str], *, sure: bool, depth: int) -> bool:
        inner = self.enter(self.table.chains[rule.target], doubts, depth=depth + 1)
        comes_back = RETURN in inner
        exits.update(inner - {RETURN})
        if rule.verdict == GOTO and comes_back:
            exits.add(RETURN)
        if not sure:
            self.packet.parted = True
        return sure and (rule.verdict == GOTO or not comes_back)

    def _match(self, rule: Rule, *, sure: bool) -> tuple[t.Optional[tuple[Doubt, ...]], t.Optional[Hit]]:
        """The doubts that a rule leaves, none where it surely matches, None where it does not; and by which address."""
        doubts: list[Doubt] = []
        hit: t.Optional[Hit] = None
        for step in rule.steps:
            if step.test is not None:
                truth, found = step.test(self.packet)
                if truth is False:
                    return None, None
                if isinstance(truth, Doubt):
                    doubts.append(truth)
                    self.walked.ports += truth.ports
                hit = hit or found
            if step.effect is not None:
                step.effect(self.packet, sure and not doubts)
        return tuple(doubts), hit

    def _note(self, chain: Chain, rule: Rule, doubts: t.Sequence[Doubt]) -> None:
        why = "; ".join(dict.fromkeys(doubt.why for doubt in doubts))
        said = f"{_place(self.table, chain, rule)}: {rule.text} (not known: {why})"
        if said not in self.walked.doubtful:
            self.walked.doubtful.append(said)


def _unless(chain: Chain, rule: Rule, doubts: t.Sequence[Doubt]) -> Doubt:
    """What a rule that may have accepted a packet leaves in doubt of those behind it."""
    if doubts and all(doubt.why.startswith(("port ", "protocol ")) for doubt in doubts):
        return Doubt(f"port or protocol other than: {', '.join(doubt.why for doubt in doubts)}")
    return Doubt(f"unless {chain.name} rule {rule.number} accepts it")


def _place(table: Table, chain: Chain, rule: Rule | None) -> str:
    said = " ".join(part for part in (table.where, table.family, table.name, chain.name) if part)
    if rule is None:
        return said
    return f"{said} handle {rule.handle}" if rule.handle is not None else f"{said} rule {rule.number}"


def _set_key(table: Table, name: str) -> str:
    return f"{table.family} {table.name} {name}" if table.where == "nftables" else name


def _family_fits(family: str, packet: Packet) -> bool:
    if family == "bridge":
        return packet.iif is None or packet.iif in packet.host.bridges
    return {"ip": packet.version == 4, "ip6": packet.version == 6}.get(family, family in ("inet", "netdev"))


def _skips_nat(packet: Packet) -> bool:
    """Only the first packet of a tracked connection passes the chains that translate."""
    return packet.state != STATES["new"] or packet.tracked is False


def _device_fits(chain: Chain, packet: Packet) -> t.Optional[bool]:
    """Whether a chain that is bound to interfaces sees the packet; None where that is not known."""
    if chain.hook not in (INGRESS, EGRESS):
        return True
    device = packet.oif if chain.hook == EGRESS else packet.iif
    if not device or not chain.devices:
        return None
    if any(device == one or (one.endswith("*") and device.startswith(one[:-1])) for one in chain.devices):
        return True
    return None if set(chain.devices) & set(packet.host.below.get(device, ())) else False


def _is_early(chain: Chain, packet: Packet) -> t.Optional[bool]:
    """Whether a chain sees the packet before its connection is looked up; None where that is not known."""
    if chain.hook not in (INGRESS, PREROUTING, OUTPUT) or (chain.hook != INGRESS and chain.priority > _TRACKING):
        return False
    # What comes in from the host itself has been looked up when it went out.
    sure = chain.hook == INGRESS or chain.priority < _TRACKING
    return True if sure and (chain.hook == OUTPUT or packet.iif not in (None, "", "lo")) else None
