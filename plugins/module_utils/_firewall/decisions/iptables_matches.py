# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the matches of iptables ask (iptables-extensions(8)), as steps.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.addresses import Span, read_network
from .ipsets import IpSet, match_of
from .packet import FLAGS, ICMP6_TYPES, LOCAL, MULTICAST, PROTOCOLS, STATES, STATUSES, UNICAST, Packet
from .packet_filter import Hit, Source, Step, asks, asks_address, doubts
from .sets import AddressSet
from .truths import Doubt, Range, Truth, holds, inverted, number, some, within

#: Bits of a match on states that are not states of the connection.
_TRANSLATED = {"SNAT", "DNAT"}


@dataclasses.dataclass(frozen=True)
class Option:
    """One option of a match, with its values."""

    name: str
    values: tuple[str, ...] = ()
    negated: bool = False

    @property
    def first(self) -> str:
        """Its first value."""
        return self.values[0] if self.values else ""

    @property
    def text(self) -> str:
        """As it is written."""
        return " ".join([*(["!"] if self.negated else []), self.name, *self.values])


@dataclasses.dataclass(frozen=True)
class Group:
    """A match with its options."""

    name: str
    options: tuple[Option, ...]

    @property
    def text(self) -> str:
        """As it is written."""
        return " ".join([*(["-m", self.name] if self.name else []), *(one.text for one in self.options)])

    def get(self, *names: str) -> t.Optional[Option]:
        """The option of one of these names."""
        return next((one for one in self.options if one.name in names), None)

    def only(self, *names: str) -> bool:
        """Whether it has no options but these."""
        return all(one.name in names for one in self.options)


@dataclasses.dataclass
class Asked:
    """The steps of a match, and the addresses and sets that they name."""

    steps: list[Step] = dataclasses.field(default_factory=list)
    sources: list[Source] = dataclasses.field(default_factory=list)
    sets: set[str] = dataclasses.field(default_factory=set)
    plain: bool = True

    def add(self, other: Asked) -> None:
        """Take what another one has."""
        self.steps += other.steps
        self.sources += other.sources
        self.sets |= other.sets
        self.plain = self.plain and other.plain


def one_step(test: t.Callable[[Packet], Truth]) -> Asked:
    """A match of one step that names no address."""
    return Asked([asks(test)])


def addresses(text: str, *, side: str, negated: bool, said: str) -> Asked:
    """-s and -d.

    Raises:
        ValueError: it is not an address.
    """
    networks = [read_network(one) for one in text.split(",")]
    if any(network is None for network in networks):
        raise ValueError("no address")
    return _about([Span.of(network) for network in networks if network is not None], side=side, negated=negated, said=said)


def _about(spans: t.Sequence[Span], *, side: str, negated: bool, said: str) -> Asked:
    source = Source(AddressSet(spans), negated=negated, side=side)
    return Asked([asks_address(source, said)], [source])


def protocol(option: Option) -> Asked:
    """-p."""
    name = option.first.lower()
    if name in ("all", "0"):
        return one_step(lambda packet: not option.negated)
    wanted = PROTOCOLS.get(name, number(name))

    def test(packet: Packet) -> Truth:
        if packet.protocol is None or wanted is None:
            return Doubt(f"protocol {name}" if not option.negated else option.text)
        return (PROTOCOLS.get(packet.protocol) == wanted) != option.negated

    return one_step(test)


def interface(option: Option) -> Asked:
    """-i and -o."""
    wanted = option.first[:-1] + "*" if option.first.endswith("+") else option.first

    def test(packet: Packet) -> Truth:
        name = packet.iif if option.name in ("-i", "--in-interface") else packet.oif
        if name is None and wanted == "lo" and not packet.is_loopback_only():
            return option.negated
        found = holds(wanted, name)
        return Doubt(option.text) if found is None else found != option.negated

    return one_step(test)


def asked_by(group: Group, sets: t.Mapping[str, IpSet]) -> Asked:
    """The steps of one match. What is not known here leaves a doubt."""
    if group.name == "set":
        return _sets(group, sets)
    made = _MATCHES.get(group.name)
    return made(group) if made is not None else Asked([doubts(group.text)])


def _nothing(group: Group) -> Asked:
    return Asked()


def _each(group: Group, made: t.Callable[[Option], t.Optional[Asked]]) -> Asked:
    """The steps of all options; a doubt where one is not known here."""
    asked = Asked()
    for option in group.options:
        found = made(option)
        asked.add(found if found is not None else Asked([doubts(f"{group.name} {option.text}".strip())]))
    return asked


def _ports(text: str) -> t.Optional[tuple[Range, ...]]:
    found = []
    for part in text.split(","):
        low, colon, high = part.partition(":")
        first, last = number(low or "0"), number((high or "65535") if colon else low)
        if first is None or last is None:
            return None
        found.append((first, last))
    return tuple(found)


def port(option: Option, *sides: str) -> t.Optional[Asked]:
    """Ports of one side, or of either."""
    ranges = _ports(option.first)
    if ranges is None:
        return None
    said = f"port {', '.join(str(low) if low == high else f'{low}-{high}' for low, high in ranges)}"

    def test(packet: Packet) -> Truth:
        found = [within(packet.port if side == "dst" else packet.source_port, ranges) for side in sides]
        plain = sides == ("dst",) and not option.negated
        ports = ranges if "dst" in sides else ()
        return inverted(some(
            Doubt(said if plain else option.text, ports=ports) if one is None else one for one in found), option.negated)

    return one_step(test)


def _tcp_option(option: Option) -> t.Optional[Asked]:
    if option.name in ("--dport", "--destination-port"):
        return port(option, "dst")
    if option.name in ("--sport", "--source-port"):
        return port(option, "src")
    if option.name == "--syn":
        return _flags(option, FLAGS["fin"] | FLAGS["syn"] | FLAGS["rst"] | FLAGS["ack"], FLAGS["syn"])
    if option.name == "--tcp-flags" and len(option.values) == 2:
        mask, wanted = (_flag_bits(text) for text in option.values)
        return None if mask is None or wanted is None else _flags(option, mask, wanted)
    return None


def _flags(option: Option, mask: int, wanted: int) -> Asked:
    return one_step(lambda packet: Doubt(option.text) if packet.protocol is None else (packet.flags & mask == wanted) != option.negated)


def _flag_bits(text: str) -> t.Optional[int]:
    total = 0
    for name in text.lower().split(","):
        if name == "none":
            continue
        if name == "all":
            total |= 63
        elif name in FLAGS:
            total |= FLAGS[name]
        else:
            return None
    return total


def _multiport(group: Group) -> Asked:
    sides = {"--dports": ("dst",), "--destination-ports": ("dst",), "--sports": ("src",), "--source-ports": ("src",),
             "--ports": ("dst", "src")}
    return _each(group, lambda option: port(option, *sides[option.name]) if option.name in sides else None)


def _state_option(option: Option) -> t.Optional[Asked]:
    names = set(option.first.upper().split(","))
    translated, states = names & _TRANSLATED, list(names - _TRANSLATED)
    if any(name.lower() not in STATES for name in states):
        return None
    mask = sum(STATES[name.lower()] for name in states)

    def test(packet: Packet) -> Truth:
        state = packet.connection_state()
        truths: list[Truth] = [Doubt(option.text) if state is None else state & mask != 0]
        for name in translated:
            status = packet.status()
            known = packet.connected is False or status is not None
            truths.append((status or 0) & STATUSES[name.lower()] != 0 if known and name == "DNAT" else Doubt(option.text))
        return inverted(some(truths), option.negated)

    return one_step(test)


def _conntrack_option(option: Option) -> t.Optional[Asked]:
    if option.name in ("--ctstate", "--state"):
        return _state_option(option)
    if option.name == "--ctdir":
        wanted = option.first.lower() == "reply"
        return one_step(lambda packet: Doubt(option.text) if not packet.connected else (packet.reply == wanted) != option.negated)
    if option.name in ("--ctorigsrc", "--ctorigdst"):
        network = read_network(option.first)
        return None if network is None else _original(option, Span.of(network))
    if option.name == "--ctorigdstport":
        ranges = _ports(option.first)
        return None if ranges is None else one_step(
            lambda packet: _open(option, None if not packet.connected or packet.reply else within(packet.first_port, ranges)))
    return None


def _original(option: Option, wanted: Span) -> Asked:
    def test(packet: Packet) -> Truth:
        value = packet.source if option.name == "--ctorigsrc" else packet.first_destination
        return _open(option, None if not packet.connected or packet.reply else holds(wanted, value))

    return one_step(test)


def _open(option: Option, found: t.Optional[bool]) -> Truth:
    return Doubt(option.text) if found is None else found != option.negated


def _addrtype(group: Group) -> Asked:
    def made(option: Option) -> t.Optional[Asked]:
        if option.name in ("--limit-iface-in", "--limit-iface-out"):
            return Asked()
        side = {"--src-type": "saddr", "--dst-type": "daddr"}.get(option.name)
        if side is None:
            return None
        names = set(option.first.lower().split(","))

        def test(packet: Packet) -> Truth:
            span = packet.address(side or "")
            found = packet.host.type_of(span)
            if group.get("--limit-iface-in") and found == LOCAL and span is not None:
                found = LOCAL if packet.iif in packet.host.names.get(span, ()) else None
            if group.get("--limit-iface-out") or found not in (LOCAL, UNICAST, MULTICAST):
                return Doubt(option.text)
            return (found in names) != option.negated

        return one_step(test)

    return _each(group, made)


def _iprange(group: Group) -> Asked:
    def made(option: Option) -> t.Optional[Asked]:
        low, _dash, high = option.first.partition("-")
        first, last = read_network(low), read_network(high or low)
        side = {"--src-range": "saddr", "--dst-range": "daddr"}.get(option.name)
        if first is None or last is None or first.version != last.version or side is None:
            raise ValueError("no range")
        span = Span(first.version, int(first.network_address), int(last.broadcast_address))
        return _about([span], side=side, negated=option.negated, said=option.text)

    return _each(group, made)


def _marked(group: Group) -> Asked:
    def made(option: Option) -> t.Optional[Asked]:
        value, _slash, mask = option.first.partition("/")
        wanted, bits = number(value), number(mask or "0xffffffff")
        if option.name != "--mark" or wanted is None or bits is None:
            return None

        def test(packet: Packet) -> Truth:
            if group.name == "connmark" and packet.connected is False:
                return False
            mark = packet.mark if group.name == "mark" else packet.ct_mark if packet.connected else None
            return _open(option, None if mark is None else mark & bits == wanted)

        return one_step(test)

    return _each(group, made)


def _mac(group: Group) -> Asked:
    def made(option: Option) -> t.Optional[Asked]:
        wanted = option.first.lower()
        return one_step(lambda packet: _open(option, packet.hardware == wanted if packet.hardware else None))

    return _each(group, made)


def _pkttype(group: Group) -> Asked:
    def made(option: Option) -> Asked:
        to_us = option.first.lower() in ("unicast", "host")
        # An answer is to one host too, but not to this one.
        return one_step(
            lambda packet: Doubt(option.text) if packet.icmp or (packet.reply and to_us) else to_us != option.negated)

    return _each(group, made)


def _rpfilter(group: Group) -> Asked:
    # The interface was taken from the way back to the address, so the way back is by it.
    negated = group.get("--invert") is not None
    return one_step(lambda packet: Doubt(group.text) if packet.iif is None or packet.reply else not negated)


def _physdev(group: Group) -> Asked:
    def test(packet: Packet) -> Truth:
        plain = all(not option.negated for option in group.options)
        return False if plain and packet.iif and packet.iif not in packet.host.bridges else Doubt(group.text)

    return one_step(test)


def _icmp6(group: Group) -> Asked:
    def made(option: Option) -> t.Optional[Asked]:
        said = option.first.lower().partition("/")[0]
        wanted = ICMP6_TYPES.get(said, number(said))

        def test(packet: Packet) -> Truth:
            if packet.protocol is not None and packet.icmp is None:
                return False
            whole = option.name == "--icmpv6-type" and wanted is not None and "/" not in option.first
            return (packet.icmp == wanted) != option.negated if whole and packet.icmp is not None else Doubt(group.text)

        return one_step(test)

    return _each(group, made)


def _hop_limit(group: Group) -> Asked:
    """Neighbours' own packets have the highest one (RFC 4861)."""
    return _each(group, lambda option: one_step(
        lambda packet: (option.first == "255") != option.negated if packet.icmp is not None and option.name == "--hl-eq"
        else Doubt(group.text)))


def _recent(group: Group) -> Asked:
    """A list of addresses that were seen (xt_recent), as it is now, and as rules before this one have changed it."""
    named = group.get("--name")
    name = named.first if named else "DEFAULT"
    mask = group.get("--mask")
    hits, within = (number(option.first) if option else 0 for option in (group.get("--hitcount"), group.get("--seconds")))
    verb = next((one for one in group.options if one.name in ("--set", "--rcheck", "--update", "--remove")), None)
    more = group.get("--rttl", "--reap") is not None or hits is None or within is None
    whole = mask is None or mask.first in ("255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
    added, removed = f"recent {name} + ", f"recent {name} -"

    def test(packet: Packet) -> Truth:
        if verb is None:
            return Doubt(group.text)
        side = packet.address("daddr" if group.get("--rdest") else "saddr")
        before = sum(one.startswith(added) for one in packet.written)
        if verb.name == "--set":
            packet.written.add(f"{added}{before}")
            return not verb.negated
        listed = packet.host.recent.get(name)
        if listed is None or side is None or not side.single or not whole or removed in packet.written:
            return Doubt(f"recent list {name}")
        stamps = listed.get(side, ())
        found = packet.host.seen(stamps, hits=max(hits or 1, 1), within=within or 0, more=before)
        if (more and stamps) or (found is not False and before and packet.parted):
            found = None
        if verb.name == "--remove":
            packet.written.add(removed)
        elif verb.name == "--update" and found is not False:
            packet.written.add(f"{added}{before}")
        return inverted(Doubt(f"how long ago the recent list {name} saw it") if found is None else found, verb.negated)

    return one_step(test)


def _sets(group: Group, sets: t.Mapping[str, IpSet]) -> Asked:
    option = group.get("--match-set")
    if option is None or len(option.values) != 2:
        return Asked([doubts(group.text)])
    name, sides = option.first, option.values[1].split(",")
    found = sets.get(name)
    test = match_of(found, name, sides)
    extra = not group.only("--match-set")
    # With it the exceptions match, and nothing else does.
    of_exceptions = group.get("--return-nomatch") is not None

    def negatable(packet: Packet) -> tuple[Truth, t.Optional[Hit]]:
        truth, hit = test(packet)
        if of_exceptions or (extra and truth is not False):
            truth = Doubt(group.text)
        return inverted(truth, option.negated), None if option.negated else hit

    place = next((one for one, kind in zip(sides, found.kinds or ("ip",)) if kind in ("ip", "net")), sides[0]) if found else sides[0]
    source = Source(
        found.whole if found else AddressSet(()), name, option.negated, unseen=found is None, side="saddr" if place == "src" else "daddr")
    return Asked([Step(test=negatable)], [source], {name, *(one.name for one in (found.members if found else ()))},
                 plain=not option.negated and not extra)


def _ported(group: Group) -> Asked:
    asked = _each(group, _tcp_option)
    if group.name in ("tcp", "udp", "sctp", "dccp", "udplite"):
        asked.steps.insert(0, asks(lambda packet: True if packet.protocol is None else packet.protocol == group.name))
    return asked


_MATCHES: t.Mapping[str, t.Callable[[Group], Asked]] = {
    "": _ported, "tcp": _ported, "udp": _ported, "sctp": _ported, "dccp": _ported, "udplite": _ported, "multiport": _multiport,
    "conntrack": lambda group: _each(group, _conntrack_option), "state": lambda group: _each(group, _conntrack_option),
    "addrtype": _addrtype, "iprange": _iprange, "mark": _marked, "connmark": _marked, "mac": _mac, "pkttype": _pkttype,
    "comment": _nothing, "rpfilter": _rpfilter, "physdev": _physdev, "recent": _recent,
    **{name: (lambda group: one_step(lambda packet: False if packet.protocol in ("tcp", "udp") else Doubt(group.text)))
       for name in ("icmp", "ah", "esp")},
    "icmp6": _icmp6, "icmpv6": _icmp6, "hl": _hop_limit,
    # Headers of IPv6 that a packet that opens a connection does not have.
    **{name: (lambda group: one_step(lambda packet: False)) for name in ("rt", "frag", "hbh", "dst", "mh")},
}


def fragment(option: Option) -> Asked:
    """-f: no packet that opens a connection is a later part of one."""
    return one_step(lambda packet: option.negated)
