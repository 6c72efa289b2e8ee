# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own table of nftables that has the kernel trace new connections of some addresses. It lets everything through.

This module util is PRIVATE to the collection: it may change at any time.

Nobody is traced for longer than the elements of its sets last, which the kernel ends by itself.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ..._core.addresses import Span

#: How the names of our tables begin.
PREFIX = "incident_trace_"
#: Before anything else sees a packet, and after everything else has seen it.
ENTER_CHAIN, ARRIVED_CHAIN, LEAVE_CHAIN, LEFT_CHAIN = "enter", "arrived", "leave", "left"
_FIRST, _LAST = -1000, 2147483000
#: More than a person who tries again sends, and little enough for a host that is flooded.
_LIMIT = "limit rate 20/second burst 20 packets"
_ANSWER = {"tcp": "tcp flags & (syn | rst) != 0", "udp": ""}
#: By version: whom we trace, and the connections whose answers we trace; their type, and how nft calls the protocol.
_SETS = {4: ("from4", "flows4", "ipv4_addr", "ip"), 6: ("from6", "flows6", "ipv6_addr", "ip6")}
#: An answer comes within this time: seconds. So many connections are kept at a time.
_FLOW_LASTS, _FLOWS = 5, 1000


def script(name: str, spans: t.Sequence[Span], *, ports: t.Sequence[int], protocol: str | None, seconds: int) -> str:
    """What nft makes the table from.

    Args:
        name: of the table.
        spans: whose packets are traced.
        ports: to which they come; none is every one.
        protocol: tcp or udp; None is both.
        seconds: after which the kernel forgets whom to trace.
    """
    lines = [f"table inet {name} {{"]
    coming, going = [], []
    for version, (sources, flows, kind, family) in _SETS.items():
        elements = ", ".join(f"{one} timeout {seconds}s" for one in _networks(spans, version))
        if not elements:
            continue
        lines += [
            f"set {sources} {{ type {kind}; flags interval, timeout; elements = {{ {elements} }}", "}",
            f"set {flows} {{ type {kind} . inet_service; flags dynamic, timeout; timeout {_FLOW_LASTS}s; size {_FLOWS};", "}",
        ]
        for transport in ("tcp", "udp") if protocol is None else (protocol,):
            flow = f"{{ {family} saddr . {transport} sport }}"
            coming.append(f"{family} saddr @{sources} {_new(transport, ports)} {_LIMIT} add @{flows} {flow} meta nftrace set 1")
            going.append(f"{family} daddr . {transport} dport @{flows} {_ANSWER[transport]} meta nftrace set 1")
    # What a container answers enters the host as well.
    for chain, hook, priority, rules in (
        (ENTER_CHAIN, "prerouting", _FIRST, coming + going), (ARRIVED_CHAIN, "input", _LAST, []),
        (LEAVE_CHAIN, "output", _FIRST, going), (LEFT_CHAIN, "postrouting", _LAST, []),
    ):
        lines += [f"chain {chain} {{ type filter hook {hook} priority {priority}; policy accept;", *rules, "}"]
    return "\n".join([*lines, "}"])


def _networks(spans: t.Sequence[Span], version: int) -> list[str]:
    """Without those that are within one another: a set of intervals refuses them."""
    kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    parts: list[t.Any] = []
    for span in spans:
        if span.version == version:
            parts += ipaddress.summarize_address_range(t.cast(t.Any, kind(span.first)), t.cast(t.Any, kind(span.last)))
    return [str(one.network_address) if one.num_addresses == 1 else str(one) for one in ipaddress.collapse_addresses(parts)]


def _new(transport: str, ports: t.Sequence[int]) -> str:
    """What a packet looks like that begins something. Discovery of neighbours, which is not an attempt to connect, is left out."""
    to = f"{transport} dport {{ {', '.join(map(str, ports))} }}" if ports else f"meta l4proto {transport}"
    return f"{to} tcp flags & (syn | ack) == syn" if transport == "tcp" else to


def forgotten(tables: t.Iterable[t.Mapping[str, t.Any]], sets: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """Our tables that trace nobody any more, left by who was killed before it could remove them.

    Args:
        tables, sets: as nft lists them in JSON.
    """
    ours = [str(one.get("name", "")) for one in tables if one.get("family") == "inet" and str(one.get("name", "")).startswith(PREFIX)]
    busy = {one.get("table") for one in sets if one.get("elem")}
    return [name for name in ours if name not in busy]
