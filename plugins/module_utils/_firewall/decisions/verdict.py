# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether one new packet of an address gets in, and the answer back out: surely, surely not, or undecided.

This module util is PRIVATE to the collection: it may change at any time.

Outside the question are what stands between the two hosts, IPsec, and programs that the kernel runs for a process or its control group.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.addresses import Span
from .other_filters import route_blocks
from .packet import ADVERTISE, ANY_PORT, CLIENT_PORTS, FLAGS, LOCAL, SOLICIT, STATES, Host, Packet
from .packet_filter import EVERYONE, Block
from .routing import Neighbour, Reach
from .truths import Range
from .walk import EGRESS, FORWARD, INGRESS, INPUT, OUTPUT, POSTROUTING, PREROUTING, Walker

DROPPED, ACCEPTED, UNDECIDED = "dropped", "accepted", "undecided"
IN, BACK = "in", "back"
_MOST_NAMED = 5
#: So many ports are asked about where rules name many.
_MOST_ASKED = 64


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What becomes of a new connection from one address to one port.

    Attributes:
        port: None for every one.
        by: the rule, policy or route that drops it, or the rule that accepts it; empty where nothing was about it.
        unknown: the rules that could not be decided, each with what is not known.
        blocks: what drops it; where it is undecided, what may.
        way: whether the packet is dropped on its way in, or the answer on its way back.
        ports: the ports that rules on its way name, where it is about every one.
        rest: its port stands for all that no rule names.
    """

    outcome: str
    protocol: str = "tcp"
    port: t.Optional[int] = None
    by: str = ""
    unknown: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    way: str = ""
    ports: tuple[Range, ...] = ()
    rest: bool = False

    @property
    def at(self) -> str:
        """Where it wants to go."""
        return f"every other {self.protocol} port" if self.rest else said_port(self.protocol, self.port)

    def as_dict(self) -> dict[str, t.Any]:
        """As it appears in results."""
        return {
            "outcome": self.outcome, "protocol": self.protocol, "port": self.port, "by": self.by, "way": self.way,
            "unknown": list(self.unknown),
        }


class Routes(t.Protocol):
    """What the host says of its ways."""

    @property
    def host(self) -> Host:
        """The host itself."""

    @property
    def dead(self) -> t.Sequence[tuple[Span, str, str]]:
        """Routes that answer nobody: addresses, type and text."""

    def reach(self, to: Span) -> Reach:
        """The way to an address."""

    def back(self, to: Span, *, local: Span, protocol: t.Optional[str], port: t.Optional[int], mark: t.Optional[int]) -> Reach:
        """The way of the answer; a mark of None is not known."""

    def incoming(
        self, source: Span, *, local: Span, device: str, protocol: t.Optional[str], port: t.Optional[int], mark: t.Optional[int],
    ) -> Reach:
        """The way of a packet that comes in; a mark of None is not known."""

    def neighbour(self, reach: Reach, to: Span) -> Neighbour:
        """The next host on a way."""

    def others(self, device: str) -> str:
        """What else decides at an interface, and is not read here; empty where nothing does."""

    def dead_rule(self, span: Span) -> str:
        """The rule of routing that keeps an address from being answered; empty where there is none."""


def judge_connection(
    walker: Walker, routes: Routes, span: Span, *, protocol: t.Optional[str], port: t.Optional[int], blind: str = "",
) -> Verdict:
    """Send a packet of an address to a port, and the answer back.

    Args:
        span: the address. Of a network each rule must be about all of it, and its first address has the way of all.
        protocol: None for any.
        blind: what of the packet filter could not be read.
    """
    connection = _Connection(walker, routes, span, protocol, port)
    if blind:
        connection.unknown.append(blind)
    return connection.judge()


class _Connection:
    """One, while it is judged."""

    def __init__(self, walker: Walker, routes: Routes, span: Span, protocol: t.Optional[str], port: t.Optional[int]) -> None:
        self._walker, self._routes, self._span, self._protocol, self._port = walker, routes, span, protocol, port
        self._one = span if span.single else Span(span.version, span.first + 1, span.first + 1)
        self._blocks: list[Block] = []
        self._ports: list[Range] = []
        self._accepted = ""
        self.unknown: list[str] = []

    def judge(self) -> Verdict:
        """What becomes of it."""
        reach = self._routes.reach(self._one)
        if reach.unknown:
            self.unknown.append(f"the way to {self._one}: {reach.unknown}")
        neighbour = self._routes.neighbour(reach, self._one)
        packet = Packet(
            self._span, reach.local, self._protocol, ANY_PORT if self._port is None else (self._port, self._port),
            iif=reach.device or None, host=self._routes.host, hardware=neighbour.hardware,
        )
        # What drops it does not end the walk: each chain must let it pass, so each drop decides.
        comes_in = self._comes_in(packet, reach)
        goes_back = self._goes_back(packet, reach)
        if comes_in and goes_back:
            self._go_on(packet, reach)
        self._find_neighbour(reach)
        others = self._routes.others(reach.device) if reach.device else ""
        self.unknown += [said for said in (neighbour.unsure, others) if said]
        if not comes_in or not goes_back:
            return self._verdict(DROPPED, BACK if comes_in else IN)
        return self._verdict(UNDECIDED if self.unknown else ACCEPTED, "")

    def _comes_in(self, packet: Packet, reach: Reach) -> bool:
        """Whether the packet may come in."""
        passes = True
        if reach.own:  # from this host itself
            packet.iif, packet.oif = "", reach.device
            passes = self._pass(packet, OUTPUT, POSTROUTING)
            packet.iif, packet.oif = reach.device, ""
        passes = self._pass(packet, INGRESS, PREROUTING) and passes
        if packet.translated is None or (packet.translated and packet.destination is None):
            self.unknown.append("where a rule sends it instead")
        elif packet.translated and self._routes.host.type_of(packet.destination) != LOCAL:
            return self._forwarded(packet) and passes
        if not reach.own and reach.device and packet.destination is not None and not reach.dead:
            way = self._incoming(packet, reach.device)
            if way.dead:
                passes = self._no_way(way.dead, f"packets from {self._one} by {reach.device}")
        return self._pass(packet, INPUT) and passes

    def _forwarded(self, packet: Packet) -> bool:
        """Through this host, as to a container."""
        way = self._incoming(packet, packet.iif) if packet.iif else Reach(unknown="its interface")
        passes = not way.dead or self._no_way(way.dead, f"packets from {self._one} to {packet.destination}")
        if way.unknown:
            self.unknown.append(f"the way to {packet.destination}: {way.unknown}")
        packet.oif = way.device or None
        return self._pass(packet, FORWARD, POSTROUTING, EGRESS) and passes

    def _incoming(self, packet: Packet, device: str) -> Reach:
        return self._routes.incoming(
            self._one, local=t.cast(Span, packet.destination), device=device, protocol=self._protocol,
            port=packet.port[0] if packet.ports_known else None, mark=packet.mark,
        )

    def _goes_back(self, packet: Packet, reach: Reach) -> bool:
        """Whether the answer may go back."""
        passes = not reach.dead or self._no_way(reach.dead, f"the answer to {self._one}")
        through = packet.oif or ""
        source = packet.destination or _everywhere(self._span)
        known = through or packet.translated is False
        answer = Packet(
            source, self._span, self._protocol, CLIENT_PORTS, source_port=packet.port if known else ANY_PORT, iif=through,
            oif=reach.device or None, reply=True, state=STATES["established" if packet.tracked is not False else "invalid"],
            flags=FLAGS["syn"] | FLAGS["ack"], ct_mark=packet.ct_mark, tracked=None if packet.tracked is None else True, asked="daddr",
            translated=packet.translated, host=self._routes.host,
        )
        if through:
            return self._pass(answer, PREROUTING, FORWARD, POSTROUTING, EGRESS) and passes
        passes = self._routed_back(answer, reach) and passes
        passes = self._pass(answer, OUTPUT) and passes
        if answer.mark != 0:  # it is routed once more, by its mark
            passes = self._routed_back(answer, reach) and passes
        passes = self._pass(answer, POSTROUTING, EGRESS) and passes
        if reach.own:
            answer.iif, answer.oif = reach.device, ""
            passes = self._pass(answer, PREROUTING, INPUT) and passes
        return passes

    def _routed_back(self, answer: Packet, reach: Reach) -> bool:
        """Whether there is a way for the answer."""
        if reach.own or reach.unknown or reach.dead or not answer.source.single:
            return True
        way = self._routes.back(self._one, local=answer.source, protocol=self._protocol, port=self._port, mark=answer.mark)
        if way.dead:
            return self._no_way(way.dead, f"the answer to {self._one} from {answer.source}")
        if way.unknown:
            self.unknown.append(f"the way of the answer: {way.unknown}")
        answer.oif = way.device or None
        return True

    def _go_on(self, first: Packet, reach: Reach) -> None:
        """Note what keeps out the packets that follow: a client is connected by then, and of no use to anybody."""
        packet = Packet(
            self._span, reach.local, self._protocol, first.first_port, iif=reach.device or None, host=self._routes.host,
            hardware=first.hardware, state=STATES["established" if first.tracked is not False else "new"], flags=FLAGS["ack"],
            ct_mark=first.ct_mark, translated=first.translated,
        )
        before = self._walker.walk(packet, (INGRESS, PREROUTING))
        packet.destination, packet.port, packet.oif = first.destination, first.port, first.oif
        after = self._walker.walk(packet, (FORWARD, POSTROUTING, EGRESS) if first.oif and not reach.own else (INPUT,))
        for walked in (before, after):
            if walked.may_drop:
                block = next(iter(walked.blocks), None)
                said = f"{block.where_text}: {block.rule}" if block else next(iter(walked.doubtful), "")
                self.unknown.append(f"whether the connection's next packets get in: {said}")

    def _find_neighbour(self, reach: Reach) -> None:
        """Note what may keep the two, or the gateway, from finding each other on the link."""
        if reach.own or not reach.device:
            return
        if self._span.version == 4:
            if self._walker.filters_arp():
                self.unknown.append("the filter of ARP, which is not walked through")
            return
        other, local = reach.gateway or self._one, reach.local or _everywhere(self._span)
        for number, source, to, leaves in (
            (SOLICIT, other, _solicited(reach.local), False), (ADVERTISE, local, other, True), (SOLICIT, local, _solicited(other), True),
            (ADVERTISE, other, reach.local, False),
        ):
            found = Packet(
                source, to, "ipv6-icmp", iif="" if leaves else reach.device, oif=reach.device if leaves else "", icmp=number, tracked=False,
                flags=0, host=self._routes.host,
            )
            walked = self._walker.walk(found, (OUTPUT, POSTROUTING, EGRESS) if leaves else (INGRESS, PREROUTING, INPUT))
            if walked.may_drop:
                block = next(iter(walked.blocks), None)
                said = f"{block.where_text}: {block.rule}" if block else next(iter(walked.doubtful), "")
                self.unknown.append(f"whether neighbours are found without ICMPv6, type {number}: {said}")
                return

    def _pass(self, packet: Packet, *hooks: str) -> bool:
        """Send it through these hooks; whether it may pass them."""
        walked = self._walker.walk(packet, hooks)
        self._blocks += walked.blocks
        self._ports += walked.ports
        self._accepted = walked.accepted or self._accepted
        if walked.may_pass and walked.may_drop:
            self.unknown += walked.doubtful
        return walked.may_pass

    def _no_way(self, why: str, what: str) -> bool:
        """Note that routing keeps it out."""
        rule = self._routes.dead_rule(self._span)
        said = f"{rule or what} ({why})"
        found = route_blocks(self._span, self._routes.dead)
        self._blocks += found or [Block("route", said, verdict="dead", matched=EVERYONE)]
        return False

    def _verdict(self, outcome: str, way: str) -> Verdict:
        by = self._accepted
        blocks = tuple(dict.fromkeys(self._blocks))
        if outcome == DROPPED:
            first = next((block for block in blocks if block.certain), blocks[0])
            by = f"{first.where_text}: {first.rule}"
            if first.rule.startswith("policy "):
                by += f"; no rule accepts {said_port(self._protocol or 'any', self._port)}"
        unknown = tuple(dict.fromkeys(self.unknown))[:_MOST_NAMED] if outcome == UNDECIDED else ()
        return Verdict(outcome, self._protocol or "any", self._port, by, unknown, blocks, way, tuple(dict.fromkeys(self._ports)))


def _solicited(span: t.Optional[Span]) -> t.Optional[Span]:
    """The group at which a neighbour is asked for (RFC 4291 section 2.7.1)."""
    if span is None:
        return None
    group = (0xFF020000000000000000000100000000 | 0xFF000000) + (span.first & 0xFFFFFF)
    return Span(6, group, group)


def _everywhere(span: Span) -> Span:
    """Any address of the same version."""
    return Span(span.version, 0, (1 << (32 if span.version == 4 else 128)) - 1)


def ports_to_ask(ranges: t.Iterable[Range]) -> tuple[list[int], t.Optional[int]]:
    """Ports that stand for all: the ends of each range that rules name, and one that none names; None where every one is named."""
    found = sorted({end for low, high in ranges for end in (max(low, 1), high)})
    other = next((port for port in range(1, 65536) if not any(low <= port <= high for low, high in ranges)), None)
    return found[:_MOST_ASKED], other


def said_port(protocol: str, port: t.Optional[int]) -> str:
    """A port, for people."""
    return f"{protocol} port {port}" if port is not None else f"every {protocol} port"
