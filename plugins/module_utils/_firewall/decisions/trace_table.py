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
_SETS = {4: ("from4", "ipv4_addr", "ip"), 6: ("from6", "ipv6_addr", "ip6")}


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
    for version, (of, kind, _family) in _SETS.items():
        elements = ", ".join(f"{one} timeout {seconds}s" for one in _networks(spans, version))
        lines.append(f"set {of} {{ type {kind}; flags interval, timeout;" + (f" elements = {{ {elements} }}" if elements else "") + "\n}")
    versions = sorted({span.version for span in spans})
    coming = [f"{_SETS[version][2]} saddr @{_SETS[version][0]} {what}" for version in versions for what in _new(ports, protocol)]
    going = [f"{_SETS[version][2]} daddr @{_SETS[version][0]} {what}" for version in versions for what in _answers(protocol)]
    # What a container answers enters the host as well.
    for chain, hook, priority, matches in (
        (ENTER_CHAIN, "prerouting", _FIRST, coming + going), (ARRIVED_CHAIN, "input", _LAST, []),
        (LEAVE_CHAIN, "output", _FIRST, going), (LEFT_CHAIN, "postrouting", _LAST, []),
    ):
        rules = [f"{match} {_LIMIT} meta nftrace set 1" for match in matches]
        lines += [f"chain {chain} {{ type filter hook {hook} priority {priority}; policy accept;", *rules, "}"]
    return "\n".join([*lines, "}"])


def _networks(spans: t.Sequence[Span], version: int) -> list[str]:
    """Without those that lie in one another: a set of intervals refuses them."""
    kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    parts: list[t.Any] = []
    for span in spans:
        if span.version == version:
            parts += ipaddress.summarize_address_range(t.cast(t.Any, kind(span.first)), t.cast(t.Any, kind(span.last)))
    return [str(one.network_address) if one.num_addresses == 1 else str(one) for one in ipaddress.collapse_addresses(parts)]


def _new(ports: t.Sequence[int], protocol: str | None) -> list[str]:
    """What a packet looks like that begins something. Discovery of neighbours, which is no attempt to connect, is left out."""
    to = f" dport {{ {', '.join(map(str, ports))} }}" if ports else ""
    tcp = (f"tcp{to} " if to else "") + "tcp flags & (syn | ack) == syn"
    udp = f"udp{to}" if to else "meta l4proto udp"
    return {"tcp": [tcp], "udp": [udp], None: [tcp, udp]}[protocol]


def _answers(protocol: str | None) -> list[str]:
    tcp, udp = "tcp flags & (syn | rst) != 0", "meta l4proto udp"
    return {"tcp": [tcp], "udp": [udp], None: [tcp, udp]}[protocol]


def forgotten(tables: t.Iterable[t.Mapping[str, t.Any]], sets: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """Our tables that trace nobody any more, left by who was killed before it could remove them.

    Args:
        tables, sets: as nft lists them in JSON.
    """
    ours = [str(one.get("name", "")) for one in tables if one.get("family") == "inet" and str(one.get("name", "")).startswith(PREFIX)]
    busy = {one.get("table") for one in sets if one.get("elem")}
    return [name for name in ours if name not in busy]
