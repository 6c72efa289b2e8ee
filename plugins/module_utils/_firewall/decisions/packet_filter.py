# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rule of a packet filter drops what comes from an address: the model, and the walk through it.

This module util is PRIVATE to the collection: it may change at any time.

nftables and iptables are read into the same model (nft_ruleset.py, iptables_rules.py). A rule matches an address yes, no or
perhaps: what cannot be told from the address alone (an interface, a mark, a port that was not given) is a condition, and a rule
with one blocks only perhaps. A chain that was not reached from a hook blocks nobody.
"""

from __future__ import annotations

import bisect
import dataclasses
import re
import typing as t

from ..._core.addresses import Span

DROP, ACCEPT, RETURN, JUMP, GOTO, GO_ON = "drop", "accept", "return", "jump", "goto", "go_on"
#: Hooks that a packet to this host, or through it, passes.
HOOKS = ("ingress", "prerouting", "input", "forward")
EXACT, COVERING, PART, EVERYONE = "exact", "covering", "part", "everyone"
#: A set that nobody could read decides: whom it holds is not known.
UNSEEN = "unseen"
FAIL2BAN = "fail2ban"
#: What whoever cannot read the packet filter needs.
SEE = "Use become: reading the packet filter takes root, or CAP_NET_ADMIN."
_MAX_DEPTH = 32
#: Names that fail2ban's own actions give: chains and ipsets f2b-JAIL (fail2ban-JAIL before 0.9.5), nftables sets addr-set-JAIL.
_FAIL2BAN_NAME = re.compile(r"(?:f2b|fail2ban|addr6?-set)-(?P<name>.+)\Z")


class AddressSet:
    """Addresses and ranges, asked quickly."""

    def __init__(self, spans: t.Iterable[Span], *, except_for: t.Iterable[Span] = ()) -> None:
        self._single: set[Span] = set()
        wide: list[Span] = []
        for span in spans:
            if span.single:
                self._single.add(span)
            else:
                wide.append(span)
        self._wide = sorted(set(wide))
        self._furthest: list[tuple[int, int]] = []
        for span in self._wide:
            reach = (span.version, span.last)
            self._furthest.append(max(self._furthest[-1], reach) if self._furthest else reach)
        self._except = AddressSet(except_for) if except_for else None

    def __len__(self) -> int:
        return len(self._single) + len(self._wide)

    def spans(self) -> list[Span]:
        """What is in it."""
        return sorted([*self._single, *self._wide])

    def find(self, wanted: Span) -> tuple[str, Span] | None:
        """The entry that holds an address or network, and how: EXACT, COVERING, or PART when it holds only some of it."""
        if self._except is not None and self._except.find(wanted) is not None:
            return None
        if wanted in self._single:
            return EXACT, wanted
        part: Span | None = None
        index = bisect.bisect_right(self._wide, Span(wanted.version, wanted.last, 1 << 130)) - 1
        best: Span | None = None
        while index >= 0 and self._furthest[index] >= (wanted.version, wanted.first):
            span = self._wide[index]
            if span.covers(wanted) and (best is None or best.covers(span)):
                best = span
                if span == wanted:
                    return EXACT, span
            elif best is None and span.touches(wanted):
                part = span
            index -= 1
        if best is not None:
            return COVERING, best
        if part is None and not wanted.single:
            part = next((one for one in self._single if wanted.covers(one)), None)
        return (PART, part) if part is not None else None


@dataclasses.dataclass(frozen=True)
class Source:
    """What a rule asks of where a packet comes from.

    Attributes:
        name: of the set, empty for addresses that stand in the rule.
        negated: it must not be from there.
        unseen: the set of this name could not be read.
    """

    addresses: AddressSet
    name: str = ""
    negated: bool = False
    unseen: bool = False


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        number: its place in the chain, from 1.
        handle: nftables' own identity of it.
        text: as people write it.
        verdict: DROP (reject is one), ACCEPT, RETURN, JUMP, GOTO or GO_ON.
        target: the chain of a jump.
        sources: all must hold.
        protocols: it is only about these; None for every one.
        ports: it is only about these destination ports; None for every one.
        conditions: what else it asks, and cannot be told from an address.
    """

    number: int
    verdict: str
    text: str = ""
    target: str = ""
    handle: t.Optional[int] = None
    sources: tuple[Source, ...] = ()
    protocols: t.Optional[frozenset[str]] = None
    ports: t.Optional[tuple[tuple[int, int], ...]] = None
    conditions: tuple[str, ...] = ()
    family: t.Optional[int] = None


@dataclasses.dataclass(frozen=True)
class Chain:
    """A chain with its rules in order; `hook` is empty for one that is only jumped to."""

    name: str
    rules: tuple[Rule, ...] = ()
    hook: str = ""
    priority: int = 0
    policy: str = ACCEPT


@dataclasses.dataclass(frozen=True)
class Table:
    """A table: where it lives (nftables, iptables, ip6tables-legacy, ...), its family (inet, ip, ip6, ...) and its chains."""

    where: str
    family: str
    name: str
    chains: t.Mapping[str, Chain]


@dataclasses.dataclass(frozen=True)
class Probe:
    """Whose packets are asked about: from where, and optionally to which port over which protocol."""

    span: Span
    protocol: t.Optional[str] = None
    port: t.Optional[int] = None


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
            if name.startswith(prefix):
                return owner, ""
    return "", ""


class Walker:
    """Goes through tables for one address after another."""

    def __init__(self, tables: t.Sequence[Table], *, jails: t.Collection[str] = ()) -> None:
        self._tables = tables
        self._jails = jails
        self._indexes: dict[int, _Index] = {}

    def blocks(self, probe: Probe) -> list[Block]:
        """Everything in the tables that keeps the probe out, in the order in which a packet meets it."""
        found: list[Block] = []
        hooked = [(table, chain) for table in self._tables for chain in table.chains.values() if chain.hook in HOOKS]
        for table, chain in sorted(hooked, key=lambda one: (HOOKS.index(one[1].hook), one[1].priority)):
            if not _family_fits(table.family, probe.span.version):
                continue
            walk = _Walk(table, chain, probe, found, self)
            walk.enter(chain, (), depth=0)
            if not walk.ended and chain.policy == DROP and not walk.perhaps_accepted:
                found.append(self.block(table, chain, chain, None, (), EVERYONE, None))
        return found

    def owned(self, owner: str) -> list[tuple[Span, str, str]]:
        """Every address that a rule or set of one owner drops, with the jail and where: whoever is asked about."""
        found: dict[tuple[Span, str], str] = {}
        for table in self._tables:
            for chain in table.chains.values():
                for rule in chain.rules:
                    for source in rule.sources if rule.verdict == DROP else ():
                        by, jail = owner_of(source.name, chain.name, table.name, jails=self._jails)
                        for span in source.addresses.spans() if by == owner and not source.negated else ():
                            found.setdefault((span, jail), f"{table.where} {table.family} {table.name} {source.name or chain.name}")
        return [(span, jail, where) for (span, jail), where in found.items()]

    def index(self, chain: Chain) -> _Index:
        """The chain's rules by the address that they are about."""
        return self._indexes.setdefault(id(chain), _Index(chain)) if id(chain) not in self._indexes else self._indexes[id(chain)]

    def block(
        self, table: Table, base: Chain, chain: Chain, rule: Rule | None, conditions: tuple[str, ...], matched: str,
        source: tuple[Source, Span | None] | None,
    ) -> Block:
        """What to say of a rule that blocks, or of a chain's policy."""
        name = source[0].name if source else ""
        where = source[1] if source else None
        owner, jail = owner_of(name, chain.name, table.name, jails=self._jails)
        return Block(
            where=table.where, family=table.family, table=table.name, chain=chain.name, hook=base.hook, set=name, matched=matched,
            rule=rule.text if rule else f"policy {chain.policy}", handle=rule.handle if rule else None,
            number=rule.number if rule else None, source=str(where or ""), conditions=conditions, owner=owner, jail=jail,
            sole=rule is not None and len(rule.sources) == 1 and not name and len(rule.sources[0].addresses) == 1,
        )


class _Index:
    """Chains of fail2ban hold a rule per address: only those that can match are looked at."""

    def __init__(self, chain: Chain) -> None:
        self.rules = chain.rules
        self._by_address: dict[Span, list[int]] = {}
        self._others: list[int] = []
        for place, rule in enumerate(chain.rules):
            singles = [source for source in rule.sources if not source.negated and not source.name and len(source.addresses) == 1]
            only = next(iter(singles[0].addresses._single), None) if singles else None
            if only is not None:
                self._by_address.setdefault(only, []).append(place)
            else:
                self._others.append(place)

    def candidates(self, span: Span) -> t.Iterable[Rule]:
        """The rules that may match, in order."""
        if not span.single:
            return self.rules
        own = self._by_address.get(span)
        places = sorted([*own, *self._others]) if own else self._others
        return [self.rules[place] for place in places]


class _Walk:
    def __init__(self, table: Table, base: Chain, probe: Probe, found: list[Block], walker: Walker) -> None:
        self.table, self.base, self.probe, self.found, self.walker = table, base, probe, found, walker
        self.ended = False
        self.perhaps_accepted = False

    def enter(self, chain: Chain, outer: tuple[str, ...], *, depth: int, unseen: tuple[Source, None] | None = None) -> None:
        """Go through a chain; `outer` are the conditions of the jumps that led here, `unseen` a set on the way that nobody read."""
        for rule in self.walker.index(chain).candidates(self.probe.span):
            match = _match(rule, self.probe)
            if match is None:
                continue
            matched, source, own = match
            conditions = (*outer, *own)
            if matched == UNSEEN and source is not None:
                unseen_here: tuple[Source, None] | None = (source[0], None)
            else:
                unseen_here = unseen
                if unseen is not None:
                    matched, source = UNSEEN, unseen
            if rule.verdict == DROP:
                self.found.append(self.walker.block(self.table, self.base, chain, rule, conditions, matched, source))
                self.ended = self.ended or (not conditions and matched != PART)
            elif rule.verdict == ACCEPT:
                self.perhaps_accepted = True
                self.ended = self.ended or (not conditions and matched != PART)
            elif rule.verdict in (JUMP, GOTO) and rule.target in self.walker_chains() and depth < _MAX_DEPTH:
                self.enter(self.walker_chains()[rule.target], conditions, depth=depth + 1, unseen=unseen_here)
            if self.ended or (rule.verdict in (RETURN, GOTO) and not own):
                return

    def walker_chains(self) -> t.Mapping[str, Chain]:
        return self.table.chains


def _match(rule: Rule, probe: Probe) -> tuple[str, tuple[Source, Span | None] | None, tuple[str, ...]] | None:
    """How a rule matches: what of it, by which source, and under which further conditions; None where it does not."""
    if rule.family is not None and rule.family != probe.span.version:
        return None
    matched: str = EVERYONE
    by: tuple[Source, Span | None] | None = None
    unseen: Source | None = None
    for source in rule.sources:
        if source.unseen:
            unseen = source
            continue
        found = source.addresses.find(probe.span)
        if source.negated:
            if found is not None and found[0] != PART:
                return None
            continue
        if found is None:
            return None
        matched, by = found[0], (source, found[1])
    conditions = list(rule.conditions)
    if unseen is not None:
        matched, by = UNSEEN, (unseen, None)
        conditions.append(f"set {unseen.name}, which could not be read")
    if rule.protocols is not None:
        if probe.protocol is None:
            conditions.append(f"protocol {', '.join(sorted(rule.protocols))}")
        elif probe.protocol not in rule.protocols:
            return None
    if rule.ports is not None:
        if probe.port is None:
            conditions.append(f"port {', '.join(str(low) if low == high else f'{low}-{high}' for low, high in rule.ports)}")
        elif not any(low <= probe.port <= high for low, high in rule.ports):
            return None
    return matched, by, tuple(conditions)


def _family_fits(family: str, version: int) -> bool:
    return {"ip": version == 4, "ip6": version == 6}.get(family, family in ("inet", "bridge", "netdev"))
