# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nft's expressions mean for a packet: the values that they read, and the values that they are compared with.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.addresses import Span, read_network
from .packet import FLAGS, ICMP6_TYPES, PROTOCOLS, STATES, STATUSES, Packet
from .packet_filter import Step, asks
from .sets import read_span
from .truths import ANY_NAME, Doubt, Part, Truth, Value, number

#: Kinds of values.
ADDRESS, PORT, PROTOCOL, NUMBER, BITS, NAME, PRESENCE, TYPE = "address", "port", "protocol", "number", "bits", "name", "presence", "type"
_PORTED = ("tcp", "udp", "udplite", "sctp", "dccp")
_NO_EXTENSIONS = ("hbh", "rt", "rt0", "rt2", "rt4", "frag", "dst", "mh", "srh")


@dataclasses.dataclass(frozen=True)
class Operand:
    """The left side of a comparison.

    Attributes:
        kind: of its values.
        read: its value in a packet.
        needs: what the packet must be for it to be there at all. nft leaves these out of what it prints.
        side: saddr or daddr, of an address.
        names: the bits by name.
        whole: `read` gives bits of which all are known.
        incoming: it is the interface that the packet comes in by.
    """

    kind: str
    read: t.Callable[[Packet], Value]
    needs: tuple[Step, ...] = ()
    side: str = ""
    names: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    whole: bool = True
    incoming: bool = False


def of_version(version: int) -> Step:
    """Only packets of this version of IP."""
    return asks(lambda packet: packet.version == version)


def of_protocols(*names: str) -> Step:
    """Only packets of these protocols."""
    def test(packet: Packet) -> Truth:
        if packet.protocol is None:
            return Doubt(f"protocol {', '.join(names)}")
        return PROTOCOLS.get(packet.protocol) in [PROTOCOLS.get(name) for name in names]

    return asks(test)


def operand(expression: t.Any) -> t.Optional[Operand]:
    """What an expression reads; None where it is not known here."""
    if not isinstance(expression, dict) or len(expression) != 1:
        return None
    ((kind, detail),) = expression.items()
    made = _KINDS.get(kind)
    return made(detail) if made is not None else None


def _payload(detail: t.Any) -> t.Optional[Operand]:
    if not isinstance(detail, dict):
        return None
    protocol, field = str(detail.get("protocol", "")), str(detail.get("field", ""))
    if protocol in ("ip", "ip6"):
        needs: tuple[Step, ...] = (of_version(4 if protocol == "ip" else 6),)
        if field in ("saddr", "daddr"):
            return Operand(ADDRESS, lambda packet: packet.address(field), needs, side=field)
        if field in ("protocol", "nexthdr"):
            return Operand(PROTOCOL, _protocol, needs)
        if field == "version":
            return Operand(NUMBER, lambda packet: (packet.version, packet.version), needs)
        if field == "hdrlength":
            return Operand(NUMBER, lambda packet: (5, 5), needs)
        return Operand(NUMBER, _unknown, needs)
    if protocol in _PORTED or protocol == "th":
        needs = (of_protocols(*([protocol] if protocol != "th" else _PORTED)),)
        if field in ("dport", "sport"):
            return Operand(PORT, (lambda packet: packet.port) if field == "dport" else (lambda packet: packet.source_port), needs)
        if protocol == "tcp" and field == "flags":
            return Operand(BITS, lambda packet: (packet.flags, packet.flags), needs, names=FLAGS)
        return Operand(NUMBER, _unknown, needs)
    if protocol == "ether" and field == "saddr":
        return Operand(NAME, lambda packet: packet.hardware or None)
    if protocol == "icmpv6" and field == "type":
        return Operand(TYPE, lambda packet: _exactly(packet.icmp), (of_protocols("icmpv6"),), names=ICMP6_TYPES)
    if protocol in ("icmp", "icmpv6", "igmp", "ah", "esp", "comp", "gre", "geneve", "vxlan", "gretap"):
        return Operand(NUMBER, _unknown, (of_protocols(protocol),) if protocol not in ("geneve", "vxlan") else (of_protocols("udp"),))
    if protocol == "arp":
        return Operand(NUMBER, _unknown, (asks(lambda packet: False),))
    return None


def _meta(detail: t.Any) -> t.Optional[Operand]:
    key = str(detail.get("key", "")) if isinstance(detail, dict) else ""
    if key in ("iif", "iifname"):
        return Operand(NAME, lambda packet: packet.iif, incoming=True)
    if key in ("oif", "oifname"):
        # Kernels differ in what it is where there is none.
        return Operand(NAME, lambda packet: packet.oif or None)
    if key == "mark":
        return Operand(NUMBER, lambda packet: _exactly(packet.mark))
    if key == "l4proto":
        return Operand(PROTOCOL, _protocol)
    if key == "nfproto":
        return Operand(NAME, lambda packet: f"ipv{packet.version}")
    if key == "protocol":
        return Operand(NAME, lambda packet: "ip" if packet.version == 4 else "ip6")
    if key == "pkttype":
        return Operand(NAME, lambda packet: None if packet.reply or packet.icmp else "host")
    return None


def _ct(detail: t.Any) -> t.Optional[Operand]:
    if not isinstance(detail, dict):
        return None
    key, direction = str(detail.get("key", "")), str(detail.get("dir", ""))
    if key == "state":
        return Operand(BITS, lambda packet: _exactly(packet.connection_state()), names=STATES)
    #: Without a connection the rule does not apply, whatever it asks.
    found: tuple[Step, ...] = (asks(lambda packet: Doubt(f"its connection's {key}") if packet.connected is None else packet.connected),)
    if key == "status":
        return Operand(BITS, lambda packet: _exactly(packet.status()), found, names=STATUSES, whole=False)
    if key == "direction":
        return Operand(NAME, lambda packet: None if not packet.connected else "reply" if packet.reply else "original", found)
    if key == "mark":
        return Operand(NUMBER, lambda packet: _exactly(packet.ct_mark) if packet.connected else None, found)
    if direction == "original" and key in ("saddr", "daddr", "ip saddr", "ip daddr", "ip6 saddr", "ip6 daddr"):
        side = key.rsplit(maxsplit=1)[-1]
        needs = (*found, of_version(4 if key.startswith("ip ") else 6)) if " " in key else found
        return Operand(ADDRESS, lambda packet: _original(packet, side), needs, side="" if side == "daddr" else side)
    if direction == "original" and key in ("proto-dst", "proto_dst"):
        return Operand(PORT, lambda packet: packet.first_port if packet.connected and not packet.reply else None, found)
    return None


def _fib(detail: t.Any) -> t.Optional[Operand]:
    if not isinstance(detail, dict) or not isinstance(detail.get("flags"), list):
        return None
    flags, result = detail["flags"], detail.get("result")
    side = "saddr" if "saddr" in flags else "daddr"
    if result == "type":
        return Operand(NAME, lambda packet: _type(packet, side, by_interface="iif" in flags))
    if result in ("oif", "oifname") and side == "saddr":
        # The interface was taken from the way back to the address, so the way back is by it.
        return Operand(PRESENCE, lambda packet: packet.iif if not packet.reply else None)
    return None


def _exthdr(detail: t.Any) -> t.Optional[Operand]:
    name = str(detail.get("name", "")) if isinstance(detail, dict) else ""
    return Operand(PRESENCE, lambda packet: "", (of_version(6),)) if name in _NO_EXTENSIONS and "field" not in detail else None


def _arithmetic(detail: t.Any, sign: str) -> t.Optional[Operand]:
    if not isinstance(detail, list) or len(detail) != 2:
        return None
    left = operand(detail[0])
    if left is None or left.kind not in (NUMBER, BITS):
        return None
    by = bits(detail[1], left.names)
    if by is None:
        return None
    if sign == "&" and _is_fragment(detail[0]) and not by & 0x4000:
        return dataclasses.replace(left, read=lambda packet: (0, 0))  # it is whole; only "do not fragment" may be set
    read = left.read
    return dataclasses.replace(left, read=lambda packet: _calculated(read(packet), sign, by), whole=left.whole or sign == "&")


def _is_fragment(expression: t.Any) -> bool:
    payload = expression.get("payload") if isinstance(expression, dict) else None
    return isinstance(payload, dict) and payload.get("field") == "frag-off"


_KINDS: t.Mapping[str, t.Callable[[t.Any], t.Optional[Operand]]] = {
    "payload": _payload, "meta": _meta, "ct": _ct, "fib": _fib, "exthdr": _exthdr,
    **{sign: (lambda detail, sign=sign: _arithmetic(detail, sign)) for sign in ("&", "|", "^", "<<", ">>")},  # type: ignore[misc]
}


def calculate(expression: t.Any) -> t.Callable[[Packet], t.Optional[int]]:
    """What a statement sets a mark to."""
    value = number(expression)
    if value is not None:
        fixed = value
        return lambda packet: fixed
    found = operand(expression)
    if found is not None and found.kind == NUMBER:
        read = found.read
        return lambda packet: _one(read(packet))
    return lambda packet: None


def literal(kind: str, item: t.Any, names: t.Mapping[str, int]) -> t.Optional[Part]:
    """What an operand of this kind is compared with; None where that is not known here."""
    if item == ANY_NAME and kind != NAME:
        return ANY_NAME
    ends = item.get("range") if isinstance(item, dict) else None
    if kind == ADDRESS:
        return _span(item, ends)
    if kind == BITS:
        value = bits(item, names)
        return None if value is None else (value, value)
    if kind in (NAME, PRESENCE):
        return item if isinstance(item, str) else None
    values = [_number(kind, end, names) for end in (ends if isinstance(ends, list) and len(ends) == 2 else [item, item])]
    return None if values[0] is None or values[1] is None else (values[0], values[1])


def bits(item: t.Any, names: t.Mapping[str, int]) -> t.Optional[int]:
    """Flags as a number: a name, several, or the number itself."""
    value = names.get(item) if isinstance(item, str) and item in names else number(item)
    if value is not None:
        return value
    parts = item.get("|") if isinstance(item, dict) else item
    if not isinstance(parts, list):
        return None
    found = [bits(part, names) for part in parts]
    total = 0
    for one in found:
        if one is None:
            return None
        total |= one
    return total


def _number(kind: str, item: t.Any, names: t.Mapping[str, int]) -> t.Optional[int]:
    if kind == TYPE and isinstance(item, str) and item in names:
        return names[item]
    if kind == PROTOCOL and isinstance(item, str) and item in PROTOCOLS:
        return PROTOCOLS[item]
    return number(item)


def _span(item: t.Any, ends: t.Any) -> t.Optional[Span]:
    prefix = item.get("prefix") if isinstance(item, dict) else None
    if isinstance(prefix, dict):
        item = f"{prefix.get('addr')}/{prefix.get('len')}"
    if isinstance(item, str):
        return read_span(item)
    if isinstance(ends, list) and len(ends) == 2:
        low, high = (read_network(str(end)) for end in ends)
        if low is not None and high is not None and low.version == high.version:
            return Span(low.version, int(low.network_address), int(high.network_address))
    return None


def _protocol(packet: Packet) -> Value:
    return (PROTOCOLS[packet.protocol],) * 2 if packet.protocol in PROTOCOLS else None


def _unknown(packet: Packet) -> Value:
    return None


def _exactly(value: t.Optional[int]) -> Value:
    return None if value is None else (value, value)


def _one(value: Value) -> t.Optional[int]:
    return value[0] if isinstance(value, tuple) and value[0] == value[1] else None


def _original(packet: Packet, side: str) -> Value:
    if not packet.connected or packet.reply:
        return None
    return packet.source if side == "saddr" else packet.first_destination


def _type(packet: Packet, side: str, *, by_interface: bool) -> Value:
    span = packet.address(side)
    found = packet.host.type_of(span)
    if not by_interface or found is None or span is None:
        return found
    return found if packet.iif in packet.host.names.get(span, ()) else None


def _calculated(value: Value, sign: str, by: int) -> Value:
    known = _one(value)
    if known is None:
        return None
    made = {"&": known & by, "|": known | by, "^": known ^ by, "<<": known << min(by, 64), ">>": known >> min(by, 64)}[sign] & 0xFFFFFFFF
    return made, made
