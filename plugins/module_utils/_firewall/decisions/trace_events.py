# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel tells of traced packets (nf_tables' trace messages over netlink), and what became of each packet.

This module util is PRIVATE to the collection: it may change at any time.

The messages are those that `nft monitor trace` prints. They are read as they are, since they name the rule by its handle, and since
whoever reads them knows from when on none is missed.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import struct
import typing as t

from ..._core.addresses import Span, parse_network
from .trace_table import ARRIVED_CHAIN, ENTER_CHAIN, LEAVE_CHAIN, LEFT_CHAIN

#: (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_TRACE, linux/netfilter/nfnetlink.h and nf_tables.h.
_MESSAGE = (10 << 8) | 17
_HEADER, _FAMILY = struct.Struct("=IHHII"), struct.Struct("=BBH")
_ATTRIBUTE = struct.Struct("=HH")
_NESTED = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
#: NFTA_TRACE_*.
_TABLE, _CHAIN, _HANDLE, _TYPE, _VERDICT, _ID, _NETWORK, _TRANSPORT, _POLICY = 1, 2, 3, 4, 5, 6, 8, 9, 16
_FAMILIES = {1: "inet", 2: "ip", 5: "netdev", 7: "bridge", 10: "ip6"}
#: NFT_TRACETYPE_*.
POLICY, RETURN, RULE = "policy", "return", "rule"
_KINDS = {1: POLICY, 2: RETURN, 3: RULE}
_PROTOCOLS = {6: "tcp", 17: "udp"}
#: Codes of verdicts that end a packet's way (linux/netfilter.h).
_DROP, _STOLEN, _QUEUE = 0, 2, 3
_SYN, _RST, _ACK = 0x02, 0x04, 0x10

#: What became of a packet. LOST: nothing more was told of it, so something that nf_tables does not know has it.
DROPPED, ARRIVED, QUEUED, LOST = "dropped", "arrived", "queued", "lost"
#: What the host answered.
ACCEPTED, REFUSED, ANSWERED = "accepted", "refused", "answered"
#: So long nothing more is told of a packet before it counts as lost, or its answer as missing: seconds.
QUIET = 1.0
_MOST = 500


@dataclasses.dataclass(frozen=True)
class Packet:
    """The headers of a packet. Ports are None where the protocol has none that we read."""

    source: str
    target: str
    protocol: str
    source_port: int
    port: int
    flags: int = 0


@dataclasses.dataclass(frozen=True)
class Event:
    """One message: what one rule, or the end of one chain, did with a packet.

    Attributes:
        id: of the packet, until its memory is used for another one.
        verdict: its code; negative for what goes on.
    """

    id: int
    family: str
    table: str
    chain: str
    kind: str
    handle: t.Optional[int] = None
    verdict: int = -1
    packet: t.Optional[Packet] = None


@dataclasses.dataclass(frozen=True)
class Place:
    """A rule, by its handle; or the policy of its chain, where there is none."""

    family: str
    table: str
    chain: str
    handle: t.Optional[int] = None


@dataclasses.dataclass(frozen=True)
class Reply:
    """What the host answered, and what became of that.

    Attributes:
        kind: ACCEPTED, REFUSED or, where the protocol has no such thing, ANSWERED.
        fate: DROPPED, ARRIVED (it left the host), QUEUED or LOST.
        place: what dropped it.
    """

    kind: str
    fate: str = LOST
    place: t.Optional[Place] = None


@dataclasses.dataclass(frozen=True)
class Followed:
    """One packet that really came.

    Attributes:
        source, target, port: as it came, before any translation of addresses.
        fate: DROPPED, ARRIVED, QUEUED or LOST.
        place: what dropped it.
        forwarded: it went through this host, to a container for example.
        reply: None where nothing was answered.
    """

    source: str
    target: str
    protocol: str
    port: int
    fate: str
    place: t.Optional[Place] = None
    forwarded: bool = False
    reply: t.Optional[Reply] = None


def parse_events(data: bytes) -> list[Event]:
    """The trace messages of a datagram; what is none, or cannot be read, is left out."""
    found, at = [], 0
    while at + _HEADER.size <= len(data):
        length, kind = _HEADER.unpack_from(data, at)[:2]
        if length < _HEADER.size:
            break
        body = data[at + _HEADER.size:at + length]
        if kind == _MESSAGE and len(body) >= _FAMILY.size:
            try:
                found.append(_event(body))
            except (ValueError, KeyError, struct.error, UnicodeDecodeError):
                pass  # of a kernel that says more than we know
        at += (length + 3) & ~3
    return found


def _event(body: bytes) -> Event:
    parts = dict(_attributes(body[_FAMILY.size:]))
    kind = _KINDS[_number(parts[_TYPE])]
    verdict = -1
    if kind == POLICY:
        verdict = _number(parts[_POLICY]) if _POLICY in parts else 1
    elif _VERDICT in parts:
        verdict = struct.unpack(">i", dict(_attributes(parts[_VERDICT]))[1])[0]
    return Event(
        id=_number(parts[_ID]), family=_FAMILIES.get(body[0], str(body[0])), table=_text(parts[_TABLE]), chain=_text(parts[_CHAIN]),
        kind=kind, handle=_number(parts[_HANDLE]) if _HANDLE in parts else None, verdict=verdict,
        packet=_packet(parts.get(_NETWORK, b""), parts.get(_TRANSPORT, b"")),
    )


def _attributes(data: bytes) -> t.Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _NESTED, data[at + _ATTRIBUTE.size:at + length]
        at += (length + 3) & ~3


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode()


def _packet(network: bytes, transport: bytes) -> t.Optional[Packet]:
    if len(network) >= 20 and network[0] >> 4 == 4:
        number, source, target = network[9], network[12:16], network[16:20]
    elif len(network) >= 40 and network[0] >> 4 == 6:
        number, source, target = network[6], network[8:24], network[24:40]
    else:
        return None
    protocol = _PROTOCOLS.get(number, "")
    if not protocol or len(transport) < 4:
        return None
    ports = struct.unpack_from(">HH", transport)
    flags = transport[13] if protocol == "tcp" and len(transport) > 13 else 0
    return Packet(str(ipaddress.ip_address(source)), str(ipaddress.ip_address(target)), protocol, ports[0], ports[1], flags)


@dataclasses.dataclass
class _OnItsWay:
    packet: Packet
    seen: float
    fate: str = LOST
    place: t.Optional[Place] = None
    forwarded: bool = False
    kind: str = ""  # of a reply
    reply: t.Optional[_OnItsWay] = None


class Follower:
    """Puts together what is told, packet by packet.

    Args:
        table: the name of our own table.
        wanted: whose packets are traced.
        ports: to which they come; none is every one.
    """

    def __init__(self, table: str, wanted: t.Sequence[Span], *, ports: t.Sequence[int] = ()) -> None:
        self._table, self._wanted, self._ports = table, wanted, ports
        self._came: list[_OnItsWay] = []
        self._now: dict[int, _OnItsWay] = {}
        self._closed = False

    def close(self) -> None:
        """Let no further packet begin: what became of it would not be heard any more."""
        self._closed = True

    def take(self, event: Event, *, at: float) -> None:
        """Take what was told, at a time in seconds."""
        ours = event.table == self._table
        if ours and event.chain in (ENTER_CHAIN, LEAVE_CHAIN) and event.packet is not None:
            self._begin(event.id, event.packet, at, goes=event.chain == LEAVE_CHAIN)
        one = self._now.get(event.id)
        if one is None:
            return
        one.seen = at
        if ours:
            if event.chain in (ARRIVED_CHAIN, LEFT_CHAIN):
                one.fate = ARRIVED
                one.forwarded = event.chain == LEFT_CHAIN and not one.kind
            return
        code = event.verdict & 0xFF if event.verdict >= 0 else event.verdict
        if event.kind in (RULE, POLICY) and code in (_DROP, _STOLEN, _QUEUE):
            one.fate = DROPPED if code == _DROP else QUEUED
            one.place = Place(event.family, event.table, event.chain, event.handle if event.kind == RULE else None)

    def _begin(self, number: int, packet: Packet, at: float, *, goes: bool) -> None:
        current = self._now.get(number)
        if current is not None and current.packet == packet and at - current.seen < QUIET and current.fate == LOST:
            return  # a further message about the same one
        asked = next((one for one in reversed(self._came) if _answers(packet, one.packet)), None)
        kind = ANSWERED if packet.protocol != "tcp" else REFUSED if packet.flags & _RST else ACCEPTED if packet.flags & _ACK else ""
        if asked is not None and kind:
            asked.reply = self._now[number] = _OnItsWay(packet, at, kind=kind)
        elif not goes and self._is_wanted(packet):
            self._now[number] = _OnItsWay(packet, at)
            self._came.append(self._now[number])
            del self._came[:-_MOST]

    def _is_wanted(self, packet: Packet) -> bool:
        if self._closed or (self._ports and packet.port not in self._ports):
            return False
        return any(span.covers(_span(packet.source)) for span in self._wanted)

    def settled(self, *, at: float) -> bool:
        """Whether of everybody a packet was seen, to each of the ports, and nothing more is to be expected of it."""
        return all(
            any(self._over(one, at) for one in self._came if span.covers(_span(one.packet.source)) and port in (None, one.packet.port))
            for span in self._wanted for port in (self._ports or (None,))
        )

    @staticmethod
    def _over(one: _OnItsWay, at: float) -> bool:
        # A reset that a rule sends leaves before it is told that the rule dropped the packet.
        answered = one.fate == ARRIVED and one.reply is not None and one.reply.fate != LOST
        last = one.seen if one.reply is None else max(one.seen, one.reply.seen)
        return one.fate in (DROPPED, QUEUED) or answered or at - last >= QUIET

    def followed(self, *, at: float) -> tuple[Followed, ...]:
        """What became of each packet, in the order in which they came; without those of which more is to be expected."""
        return tuple(
            Followed(
                one.packet.source, one.packet.target, one.packet.protocol, one.packet.port, one.fate, one.place, one.forwarded,
                None if one.reply is None or one.fate != ARRIVED else Reply(one.reply.kind, one.reply.fate, one.reply.place),
            ) for one in self._came if self._over(one, at)
        )


def _span(address: str) -> Span:
    return Span.of(parse_network(address))


def _answers(packet: Packet, asked: Packet) -> bool:
    """Whether a packet goes back to where another one came from. The other end may have been translated."""
    return (packet.protocol, packet.target, packet.port) == (asked.protocol, asked.source, asked.source_port)
