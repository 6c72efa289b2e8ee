# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read this host's packet filters, and everything else that keeps an address out. It only reads.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.addresses import Span
from .._core.errors import Blind
from .._core.findings import COULD_NOT_LOOK, NOT_APPLICABLE, Skipped
from .._module.files import text_of
from .._module.programs import Ran, Run
from .decisions.ipsets import IpSet, parse_ipsets
from .decisions.iptables_rules import parse_save, variant_of
from .decisions.nft_ruleset import Unreadable, parse_heads, parse_nft
from .decisions.other_filters import (
    DEAD_ROUTES,
    HOSTS_DENY,
    firewalld_runs,
    hosts_deny_blocks,
    parse_routes,
    rich_rule_blocks,
    route_blocks,
    route_is_dead,
)
from .decisions.packet import ANY_PORT, Packet
from .decisions.packet_filter import COVERING, EXACT, SEE, Block, Table
from .decisions.verdict import DROPPED, UNDECIDED, Verdict, judge_connection, ports_to_ask
from .decisions.walk import FORWARD, Walker
from .services import Services
from .ways import Ways

AUTO, NFTABLES, IPSET, IPTABLES, FIREWALLD, ROUTE = "auto", "nftables", "ipset", "iptables", "firewalld", "route"
KINDS = (AUTO, NFTABLES, IPSET, IPTABLES, FIREWALLD, HOSTS_DENY, ROUTE)
#: Those that drop packets by themselves; hosts.deny and routes are always readable and prove nothing about these.
_PACKET_FILTERS = (NFTABLES, IPTABLES)
_FAMILIES = {"iptables": "ip", "ip6tables": "ip6"}
_VERSIONS = {"ip": (4,), "ip6": (6,)}
_MAX_FILE = 1024 * 1024
#: Why a kind does not apply.
NOT_INSTALLED, NOT_RUNNING = "not_installed", "not_running"
ABSENT = {NOT_INSTALLED: "its program is not on this host", NOT_RUNNING: "it does not run"}


@dataclasses.dataclass
class Filters:
    """What was read, ready to be asked about addresses.

    Attributes:
        read: the kinds that could be read.
        skipped: the kinds that could not, and why.
        blind: what could not be read of what drops packets here, with the IP version that it is about.
        services: who listens here, and reads hosts.deny.
    """

    tables: list[Table]
    read: list[str]
    skipped: list[Skipped]
    hosts_deny: str = ""
    hosts_allow: str = ""
    routes: list[tuple[Span, str, str]] = dataclasses.field(default_factory=list)
    rich_rules: str = ""
    route_get: t.Optional[Run] = None
    jails: tuple[str, ...] = ()
    blind: list[tuple[tuple[int, ...], str]] = dataclasses.field(default_factory=list)
    ways: t.Optional[Ways] = None
    services: Services = dataclasses.field(default_factory=Services)
    _walker: t.Optional[Walker] = None

    def blind_for(self, span: Span) -> str:
        """What could not be read of what may drop an address; empty when all was."""
        return "; ".join(said for versions, said in self.blind if span.version in versions)

    def not_read(self) -> list[Skipped]:
        """What is on this host and could not be read."""
        return [one for one in self.skipped if one.kind != NOT_APPLICABLE]

    def skip(self, kind: str, reason: str, *, absent: str = "") -> None:
        """Note that a kind was not read: it could not be, or there is none on this host.

        Args:
            reason: what was said.
            absent: key of ABSENT where there is none; empty where it could not be read.
        """
        told = f"{absent}: {ABSENT[absent]} ({reason})" if absent else reason
        self.skipped.append(Skipped(kind, told, kind=NOT_APPLICABLE if absent else COULD_NOT_LOOK))

    @property
    def walker(self) -> Walker:
        """What walks through the tables."""
        if self._walker is None:
            self._walker = Walker(self.tables, jails=self.jails)
        return self._walker

    def blocks(self, span: Span, *, protocol: str | None = None, port: int | None = None) -> list[Block]:
        """Everything that keeps an address out."""
        found = self.walker.blocks(Packet(span, protocol=protocol, port=ANY_PORT if port is None else (port, port)))
        found += hosts_deny_blocks(span, deny=self.hosts_deny, allow=self.hosts_allow)
        found += self._dead_routes(span)
        return found + (rich_rule_blocks(span, self.rich_rules) if self.rich_rules else [])

    def blocks_on_the_way(self, span: Span, *, protocol: str | None = None, port: int | None = None) -> list[Block]:
        """What keeps an address out of this host. Of what is forwarded only what is about the address counts, and only where no port is
        given: to a port, it is forwarded or it is not."""
        if self.ways is None:
            return []
        found = [*self.connection(span, protocol=protocol, port=port).blocks, *self.refused(span, protocol=protocol, ports=[port])]
        if port is None:
            found += [
                dataclasses.replace(block, conditions=(*block.conditions, "what is forwarded"))
                for block in self.walker.blocks(Packet(span, protocol=protocol))
                if block.hook == FORWARD and block.matched in (EXACT, COVERING)
            ]
        return found + (rich_rule_blocks(span, self.rich_rules) if self.rich_rules else [])

    def refused(self, span: Span, *, protocol: str | None, ports: t.Sequence[int | None]) -> list[Block]:
        """The lines of hosts.deny that keep an address out of the services at these ports: those that read it, and are meant."""
        if not hosts_deny_blocks(span, deny=self.hosts_deny, allow=self.hosts_allow):
            return []  # nobody need be looked at
        services = dict.fromkeys(one for port in ports or (None,) for one in self.services.at(port, protocol))
        return hosts_deny_blocks(span, deny=self.hosts_deny, allow=self.hosts_allow, services=list(services))

    def connection(self, span: Span, *, protocol: str | None, port: int | None) -> Verdict:
        """What becomes of a new connection of an address; of one to any port where none is given.

        Raises:
            ValueError: nothing was read.
        """
        if self.ways is None:
            raise ValueError("no filters were read")
        return judge_connection(self.walker, self.ways, span, protocol=protocol, port=port, blind=self.blind_for(span))

    def connections(self, span: Span, *, protocol: str, ports: t.Sequence[int]) -> list[Verdict]:
        """The same for each of these ports. Where none is given: for every port at once, or for ports that stand for all."""
        if ports:
            return [self.connection(span, protocol=protocol, port=port) for port in ports]
        whole = self.connection(span, protocol=protocol, port=None)
        if whole.outcome != UNDECIDED or not whole.ports:
            return [whole]
        named, other = ports_to_ask(whole.ports)
        found = [self.connection(span, protocol=protocol, port=port) for port in named]
        if other is not None:
            found.append(dataclasses.replace(self.connection(span, protocol=protocol, port=other), rest=True))
        return found

    def attempts(self, span: Span, *, protocol: str, ports: t.Sequence[int]) -> list[Verdict]:
        """The same of one that wants to be served: a port is closed as well where each program there surely asks hosts.deny and refuses."""
        found = self.connections(span, protocol=protocol, ports=ports)
        refused: dict[int, Verdict] = {}
        if protocol == "tcp" and hosts_deny_blocks(span, deny=self.hosts_deny, allow=self.hosts_allow):
            for port in ports or self.services.ports():
                blocks = self._surely_refused(span, port)
                if blocks:
                    refused[port] = Verdict(DROPPED, port=port, by=f"hosts.deny: {blocks[0].rule}", blocks=tuple(blocks))
        if not ports:
            return [*found, *refused.values()]
        return [one if one.outcome == DROPPED or one.port is None else refused.get(one.port, one) for one in found]

    def _surely_refused(self, span: Span, port: int) -> list[Block]:
        """The lines that refuse it at every program of a port; none where one may serve it."""
        each = [
            [block for block in hosts_deny_blocks(span, deny=self.hosts_deny, allow=self.hosts_allow, services=[service])
             if block.certain and block.matched in (EXACT, COVERING)]
            for service in self.services.at(port)
        ]
        return list(dict.fromkeys(block for blocks in each for block in blocks)) if all(each) else []

    def _dead_routes(self, span: Span) -> list[Block]:
        found = route_blocks(span, self.routes) if self.routes else []
        if found and span.single and self.route_get is not None:
            ran = self.route_get(["ip", "-j", "route", "get", str(span)])
            if route_is_dead(ran.out, ran.problem) is False:
                return []  # a more specific route leads to it
        return found


def read_filters(kinds: t.Sequence[str], *, run: Run, jails: t.Sequence[str] = (), etc: str = "/etc") -> Filters:
    """Read the filters of these kinds; AUTO means every kind that is on this host.

    Raises:
        Blind: a kind that was named cannot be read, or with AUTO no packet filter at all.
    """
    wanted = [kind for kind in KINDS if kind != AUTO] if AUTO in kinds else list(kinds)
    filters = Filters([], [], [], jails=tuple(jails))
    filters.ways = Ways(run, dead=filters.routes)
    dumps, shared = _read_iptables(filters, run) if {IPTABLES, IPSET, FIREWALLD} & set(wanted) else ([], {})
    filters.tables += dumps
    if {NFTABLES, FIREWALLD} & set(wanted):
        _read_nft(filters, run, shared)
    if HOSTS_DENY in wanted:
        filters.hosts_deny, filters.hosts_allow = (text_of(f"{etc}/hosts.{name}", most=_MAX_FILE) for name in ("deny", "allow"))
        filters.read.append(HOSTS_DENY)
    if ROUTE in wanted:
        _read_routes(filters, run)
    if FIREWALLD in wanted:
        _read_firewalld(filters, run)
    _require(kinds, filters)
    return filters


def _require(kinds: t.Sequence[str], filters: Filters) -> None:
    reasons = {one.check: one.reason for one in filters.skipped}
    blind = [kind for kind in kinds if kind not in (AUTO, *filters.read)]
    if blind:
        raise Blind(f"verify: {blind[0]} cannot be read: {reasons.get(blind[0], 'it is not on this host')}.",
                    hint=f"{SEE} Or name what this host has.", argument="verify")
    if AUTO in kinds and not any(kind in filters.read for kind in _PACKET_FILTERS):
        said = "; ".join(f"{kind}: {reasons.get(kind, 'not there')}" for kind in _PACKET_FILTERS)
        raise Blind(f"No packet filter can be read on this host ({said}).",
                    hint=f"{SEE} An empty verify does without the packet filter and measures the daemon alone.", argument="verify")


def _lacking(ran: Ran) -> str:
    """The key of ABSENT of a program that is not there; empty where it is."""
    return NOT_INSTALLED if ran.missing else ""


def _read_nft(filters: Filters, run: Run, dumped: t.Mapping[tuple[str, str], Table]) -> None:
    ran = run(["nft", "-j", "list", "ruleset"])
    if ran.problem:
        filters.skip(NFTABLES, ran.problem, absent=_lacking(ran))
        if not ran.missing:
            filters.blind.append(((4, 6), f"nftables cannot be read: {ran.problem}"))
        return
    try:
        heads = parse_heads(run(["nft", "-t", "list", "ruleset"]).out)
        found = parse_nft(ran.out or '{"nftables": []}', dumped=dumped, heads=heads)
    except Unreadable as exc:
        filters.skipped.append(Skipped(NFTABLES, str(exc)))
        filters.blind.append(((4, 6), f"nftables cannot be read: {exc}"))
        return
    filters.read.append(NFTABLES)
    # A table that others write to as well is read from nftables.
    twice = [dumped[key] for one in found if (key := (one.family, one.name)) in dumped]
    filters.tables = [one for one in filters.tables if not any(one is other for other in twice)] + found


def _read_iptables(filters: Filters, run: Run) -> tuple[list[Table], dict[tuple[str, str], Table]]:
    """The tables, and those of nftables that iptables keeps: nft's JSON does not tell their matches, these dumps do."""
    sets = _read_ipsets(filters, run)
    tables: list[Table] = []
    ours: dict[tuple[str, str], Table] = {}
    problems, seen, complete, missing = [], set(), True, True
    for name, family in _FAMILIES.items():
        for program in (f"{name}-save", f"{name}-legacy-save", f"{name}-nft-save"):
            ran = run([program])
            if ran.problem:
                if program == f"{name}-save":
                    complete, missing = False, missing and ran.missing
                    problems.append(ran.problem)
                    if not ran.missing:
                        filters.blind.append((_VERSIONS[family], f"{name} cannot be read: {ran.problem}"))
                continue
            variant = variant_of(ran.out) if ran.out.strip() else program
            if (family, variant) in seen:
                continue
            seen.add((family, variant))
            found, unread = parse_save(ran.out, where=program[:-len("-save")], family=family, sets=sets)
            tables += found
            if unread:
                filters.skipped.append(Skipped(IPTABLES, f"{len(unread)} lines of {program} could not be read, such as: {unread[0]}"))
                filters.blind.append((_VERSIONS[family], f"{len(unread)} lines of {program} could not be read"))
                missing = False
            if variant == "nf_tables":
                ours.update({(family, table.name): table for table in found})
    if complete:
        filters.read.append(IPTABLES)
    else:
        filters.skip(IPTABLES, "; ".join(problems), absent=NOT_INSTALLED if missing else "")
    return tables, ours


def _read_ipsets(filters: Filters, run: Run) -> dict[str, IpSet]:
    ran = run(["ipset", "save"])
    if ran.problem:
        filters.skip(IPSET, ran.problem, absent=_lacking(ran))
        return {}  # a rule with a set that is not here is UNSEEN
    filters.read.append(IPSET)
    return parse_ipsets(ran.out)


def _read_routes(filters: Filters, run: Run) -> None:
    for family in ("-4", "-6"):
        for kind in DEAD_ROUTES:
            ran = run(["ip", family, "-j", "route", "show", "table", "all", "type", kind])
            try:
                if ran.problem:
                    raise ValueError(ran.problem)
                filters.routes += parse_routes(ran.out.strip() or "[]")
            except ValueError as exc:
                filters.skip(ROUTE, str(exc), absent=_lacking(ran))
                return
    filters.route_get = run
    filters.read.append(ROUTE)


def _read_firewalld(filters: Filters, run: Run) -> None:
    ran = run(["firewall-cmd", "--list-all-zones"])
    if ran.problem:
        filters.skip(FIREWALLD, ran.problem, absent=_lacking(ran) or ("" if firewalld_runs(ran.problem) else NOT_RUNNING))
        return
    filters.rich_rules = ran.out
    filters.read.append(FIREWALLD)
