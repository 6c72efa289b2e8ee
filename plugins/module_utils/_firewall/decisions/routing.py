# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What iproute2 says of the way to an address: routes, rules of routing, neighbours, the host's own addresses.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ..._core.addresses import Span, read_network
from .other_filters import DEAD_ROUTES
from .packet import Host, Ticks

#: What the kernel answers where there is no way, and what that means.
_DEAD = {
    "Invalid argument": "a blackhole route", "No route to host": "an unreachable route", "Permission denied": "a prohibit route",
    "Network is unreachable": "no route", "Invalid cross-device link": "the reverse path filter (rp_filter)",
}
_FAILED, _BY_HAND = "FAILED", "PERMANENT"


@dataclasses.dataclass(frozen=True)
class Reach:
    """The way to an address.

    Attributes:
        device: the interface; empty where it is not known.
        local: the host's address that it would be reached from.
        gateway: the next host; None where the address itself is next.
        own: the address is the host's own.
        dead: why there is no way.
        unknown: why nothing is known of it.
    """

    device: str = ""
    local: t.Optional[Span] = None
    gateway: t.Optional[Span] = None
    own: bool = False
    dead: str = ""
    unknown: str = ""


@dataclasses.dataclass(frozen=True)
class Neighbour:
    """What is known of the next host on the way.

    Attributes:
        hardware: its hardware address.
        unsure: why it is not known whether it is reached.
    """

    hardware: str = ""
    unsure: str = ""


def parse_reach(out: str, problem: str) -> Reach:
    """The answer to `ip -j route get`."""
    for said, meaning in _DEAD.items():
        if said in problem:
            return Reach(dead=meaning)
    route = next(iter(_listed(out)), None)
    if problem or route is None:
        return Reach(unknown=problem or "ip gave no route")
    kind = str(route.get("type", "unicast"))
    if kind in DEAD_ROUTES:
        return Reach(dead=f"a route of type {kind}")
    via = route.get("via")
    return Reach(
        device=str(route.get("dev", "")), local=_span(route.get("prefsrc")), own=kind == "local",
        gateway=_span(route.get("gateway") or (via.get("host") if isinstance(via, dict) else None)),
    )


def parse_neighbour(out: str) -> Neighbour:
    """The answer to `ip -j neigh show to ADDRESS dev DEVICE`."""
    entry = next(iter(_listed(out)), None)
    if entry is None:
        return Neighbour()
    hardware, states = str(entry.get("lladdr", "")).lower(), entry.get("state") or []
    if _FAILED in states:
        return Neighbour(unsure=f"the neighbour {entry.get('dst', '')} does not answer ({_FAILED})".replace("  ", " "))
    if _BY_HAND in states:
        return Neighbour(hardware, f"the neighbour's hardware address {hardware} was entered by hand ({_BY_HAND})")
    return Neighbour(hardware)


def parse_host(
    out: str, recent: t.Mapping[str, t.Optional[t.Mapping[Span, t.Sequence[int]]]], clock: t.Optional[Ticks] = None,
) -> tuple[Host, dict[str, str]]:
    """The host, from `ip -j -d addr`; and of each interface what else decides there."""
    own: set[Span] = set()
    names: dict[Span, tuple[str, ...]] = {}
    below: dict[str, set[str]] = {}
    bridges: set[str] = set()
    others: dict[str, str] = {}
    for link in _listed(out):
        name = str(link.get("ifname", ""))
        info = link.get("linkinfo")
        if isinstance(info, dict) and info.get("info_kind") == "bridge":
            bridges.add(name)
        if link.get("xdp"):
            others[name] = f"an XDP program at {name}"
        if link.get("master"):
            below.setdefault(str(link["master"]), set()).add(name)
        if link.get("link"):
            below.setdefault(name, set()).add(str(link["link"]))
        for address in link.get("addr_info") or []:
            span = _span(address.get("local")) if isinstance(address, dict) else None
            if span is not None:
                own.add(span)
                names[span] = (*names.get(span, ()), name)
    inside = {name: tuple(_all_below(name, below)) for name in below}
    return Host(frozenset(own), names, inside, frozenset(bridges), recent, clock), others


def _all_below(name: str, below: t.Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    pending = [name]
    while pending:
        new = below.get(pending.pop(), set()) - found
        found |= new
        pending += new
    return found


def dead_rule(out: str, span: Span) -> str:
    """The rule of routing that answers nobody and is about an address, from `ip -j rule`; empty where there is none."""
    for rule in _listed(out):
        if rule.get("action") not in DEAD_ROUTES:
            continue
        for side, word in (("src", "from"), ("dst", "to")):
            address, length = rule.get(side), rule.get(f"{side}len")
            network = read_network(f"{address}/{length}" if length is not None else str(address))
            if network is not None and Span.of(network).covers(span):
                return f"{word} {network} {rule['action']}"
    return ""


def has_marks(out: str) -> bool:
    """Whether rules of routing ask for marks, from `ip -j rule`."""
    return any("fwmark" in rule for rule in _listed(out))


def parse_recent(text: str) -> dict[Span, tuple[int, ...]]:
    """A list of /proc/net/xt_recent: when each address was seen, as far as it is kept."""
    found: dict[Span, tuple[int, ...]] = {}
    for line in text.splitlines():
        words = line.replace(",", " ").split()
        span = _span(words[0][len("src="):]) if words and words[0].startswith("src=") else None
        if span is not None and "oldest_pkt:" in words:
            found[span] = tuple(int(word) for word in words[words.index("oldest_pkt:") + 2:] if word.isdigit())
    return found


def _listed(out: str) -> list[dict[str, t.Any]]:
    try:
        said = json.loads(out or "[]")
    except (ValueError, RecursionError):
        return []
    return [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []


def _span(said: t.Any) -> t.Optional[Span]:
    network = read_network(said) if isinstance(said, str) and said else None
    return Span.of(network) if network is not None else None
