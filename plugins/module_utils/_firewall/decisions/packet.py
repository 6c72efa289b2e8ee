# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One packet on its way, as far as it is known: the first of a connection, or the answer to it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.addresses import Span
from .truths import Range

#: Numbers of protocols (IANA), by the names that nft and iptables print.
PROTOCOLS = {
    "icmp": 1, "igmp": 2, "ipip": 4, "ipencap": 4, "tcp": 6, "udp": 17, "dccp": 33, "ipv6": 41, "gre": 47, "esp": 50, "ah": 51,
    "ipv6-icmp": 58, "icmpv6": 58, "ospf": 89, "pim": 103, "comp": 108, "ipcomp": 108, "vrrp": 112, "l2tp": 115, "sctp": 132, "mh": 135,
    "udplite": 136,
}
#: Bits of a connection's state, of its status and of TCP's flags, as the kernel has them.
STATES = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
STATUSES = {"expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32, "dying": 512}
FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "ece": 64, "cwr": 128}
#: Types of ICMPv6 by which neighbours find one another.
SOLICIT, ADVERTISE = 135, 136
#: Types of ICMPv6 by name.
ICMP6_TYPES = {
    "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4, "echo-request": 128, "echo-reply": 129,
    "mld-listener-query": 130, "mld-listener-report": 131, "mld-listener-done": 132, "mld-listener-reduction": 132,
    "nd-router-solicit": 133, "router-solicitation": 133, "nd-router-advert": 134, "router-advertisement": 134,
    "nd-neighbor-solicit": SOLICIT, "neighbour-solicitation": SOLICIT, "neighbor-solicitation": SOLICIT,
    "nd-neighbor-advert": ADVERTISE, "neighbour-advertisement": ADVERTISE, "neighbor-advertisement": ADVERTISE, "nd-redirect": 137,
    "redirect": 137, "ind-neighbor-solicit": 141, "ind-neighbor-advert": 142, "mld2-listener-report": 143,
}
ANY_PORT: Range = (0, 65535)
#: A client's own port: whoever connects gets one of these.
CLIENT_PORTS: Range = (1024, 65535)
LOCAL, UNICAST, MULTICAST = "local", "unicast", "multicast"


#: A stamp this close to the end of the time that a rule gives it may be too old for a packet that comes now: seconds.
_MARGIN = 5
#: CONFIG_HZ of kernels, and the seconds before the overflow of 32 bits at which they begin to count.
_PER_SECOND, _BEFORE_OVERFLOW = (100, 250, 300, 1000), 300


class Ticks(t.NamedTuple):
    """The clock of xt_recent: what it says, and by how much it goes on in a second."""

    now: int
    per_second: int


def ticks(now: int, uptime: float) -> t.Optional[Ticks]:
    """The clock that says `now` so many seconds after the kernel's start; None where it may be any of several."""
    found = [
        per_second for per_second in _PER_SECOND
        if abs((1 << 32) + (uptime - _BEFORE_OVERFLOW) * per_second - now) <= _MARGIN * per_second
    ]
    return Ticks(now, found[0]) if len(found) == 1 else None


@dataclasses.dataclass(frozen=True)
class Host:
    """What is known of the host itself.

    Attributes:
        own: its addresses; empty where they could not be read.
        names: the interface of each of these addresses.
        below: of each interface those that it is made of: ports of a bridge, slaves of a bond, the device of a VLAN.
        bridges: interfaces that are bridges.
        recent: lists of iptables' match `recent`: when each address was seen, in ticks; None where the list could not be read.
        clock: what ticks; None where it is not known.
    """

    own: frozenset[Span] = frozenset()
    names: t.Mapping[Span, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    below: t.Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    bridges: frozenset[str] = frozenset()
    recent: t.Mapping[str, t.Optional[t.Mapping[Span, t.Sequence[int]]]] = dataclasses.field(default_factory=dict)
    clock: t.Optional[Ticks] = None

    def seen(self, stamps: t.Sequence[int], *, hits: int, within: int, more: int) -> t.Optional[bool]:
        """Whether an address was seen so often; None where that is not known.

        Args:
            within: so many seconds; 0 is ever.
            more: how often just now.
        """
        if not within or len(stamps) + more < hits or not stamps:
            return len(stamps) + more >= hits
        if self.clock is None:
            return True if more >= hits else None
        ages = [(self.clock.now - stamp) / self.clock.per_second for stamp in stamps]
        if sum(age <= within - _MARGIN for age in ages) + more >= hits:
            return True
        return None if sum(age <= within for age in ages) + more >= hits else False

    def type_of(self, span: t.Optional[Span]) -> t.Optional[str]:
        """Whether addresses are the host's own, others', or of a group; None where that is not known."""
        if span is not None and _is_multicast(span):
            return MULTICAST
        if span is None or not self.own:
            return None
        if span in self.own or _is_loopback(span):
            return LOCAL
        return None if any(span.touches(one) for one in self.own) else UNICAST


@dataclasses.dataclass
class Packet:
    """One packet. What rules change while it is on its way is changed here.

    Attributes:
        source, destination: its addresses; a destination of None is not known.
        protocol: None for any.
        port, source_port: a range where it is not one.
        iif, oif: names of interfaces; None where that is not known, empty where there is none at this hook.
        reply: it is the answer.
        state: bits of STATES.
        flags: bits of FLAGS.
        mark, ct_mark: None where they are not known.
        tracked: whether its connection is tracked, and `translated` whether its destination was changed; None where that is not known.
        hardware: the hardware address that it comes from; empty where it is not known.
        icmp: the type of one of ICMPv6.
        asked: which of its addresses is the one that was asked about: saddr or daddr.
        written: sets and lists that rules changed on the way.
        first_port: the port before its destination was changed.
        parted: whether it may have gone different ways.
        early: whether it is where its connection has not been looked up yet; None where that is not known.
    """

    source: Span
    destination: t.Optional[Span] = None
    protocol: t.Optional[str] = None
    port: Range = ANY_PORT
    source_port: Range = CLIENT_PORTS
    iif: t.Optional[str] = None
    oif: t.Optional[str] = ""
    reply: bool = False
    state: int = STATES["new"]
    flags: int = FLAGS["syn"]
    mark: t.Optional[int] = 0
    ct_mark: t.Optional[int] = 0
    tracked: t.Optional[bool] = True
    translated: t.Optional[bool] = False
    hardware: str = ""
    icmp: t.Optional[int] = None
    asked: str = "saddr"
    host: Host = Host()
    written: set[str] = dataclasses.field(default_factory=set)
    first_destination: t.Optional[Span] = None
    first_port: Range = ANY_PORT
    parted: bool = False
    early: t.Optional[bool] = False

    def __post_init__(self) -> None:
        self.first_destination, self.first_port = self.destination, self.port

    @property
    def version(self) -> int:
        """Of IP."""
        return self.source.version

    @property
    def ports_known(self) -> bool:
        """Whether it is about one port."""
        return self.port[0] == self.port[1]

    def address(self, side: str) -> t.Optional[Span]:
        """saddr or daddr."""
        return self.source if side == "saddr" else self.destination

    def is_loopback_only(self) -> bool:
        """Whether it can come from this host alone."""
        return _is_loopback(self.source)

    @property
    def connected(self) -> t.Optional[bool]:
        """Whether rules find a connection of it; None where that is not known."""
        if self.early or self.tracked is False:
            return False
        return None if self.early is None else self.tracked

    def connection_state(self) -> t.Optional[int]:
        """Bits of STATES."""
        # A rule took it out of tracking, or else tracking itself does so later.
        if self.tracked is False and (self.icmp is None or self.early is False):
            return STATES["untracked"]
        if self.early:
            return STATES["invalid"]
        return self.state if self.connected else None

    def status(self) -> t.Optional[int]:
        """Bits of STATUSES."""
        if self.translated is None or not self.connected:
            return None
        answered = self.state == STATES["established"]
        return (STATUSES["dnat"] if self.translated else 0) | (STATUSES["seen-reply"] | STATUSES["confirmed"] if answered else 0)

    def set_mark(self, value: t.Optional[int], *, sure: bool, connection: bool = False) -> None:
        """Note that a rule set the mark, or the connection's."""
        name = "ct_mark" if connection else "mark"
        if connection and self.connected is not True:
            if self.connected is False:
                return
            sure = False
        if (not sure or self.parted) and value != getattr(self, name):
            value = None
        setattr(self, name, value)

    def untrack(self, *, sure: bool) -> None:
        """Note that a rule took it out of connection tracking."""
        self.tracked = False if sure and not self.parted else self.tracked and None

    def rezone(self) -> None:
        """Note that a rule may have put its connection into another zone: whether the answer is found to be of it is not known."""
        self.tracked = None

    def redirect(self, to: t.Optional[Span], port: t.Optional[Range], *, sure: bool) -> None:
        """Note that a rule changed where it goes; an address of None is not known, a port of None stays."""
        if not sure or self.parted:
            self.translated = None
            return
        self.destination, self.translated = to, True
        if port is not None:
            self.port = port


def _is_multicast(span: Span) -> bool:
    return span.first >> (28 if span.version == 4 else 120) == (0xE if span.version == 4 else 0xFF)


def _is_loopback(span: Span) -> bool:
    return (span.version == 4 and span.first >> 24 == 127 == span.last >> 24) or (span.version == 6 and span.first == span.last == 1)
