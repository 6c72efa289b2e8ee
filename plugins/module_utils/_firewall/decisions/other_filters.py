# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps an address out beside the packet filter: hosts.deny, routes, firewalld's rich rules.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from ..._core.addresses import Span, read_network
from .packet_filter import COVERING, DROP, EVERYONE, EXACT, PART, AddressSet, Block

#: Where a line of /etc/hosts.deny stands, as `where` of a block has it.
HOSTS_DENY = "hosts_deny"
#: Route types that answer nobody (ip-route(8)).
DEAD_ROUTES = ("blackhole", "unreachable", "prohibit", "throw")
_RICH = re.compile(r'source\s+(?P<not>NOT\s+)?address="?(?P<address>[^"\s]+)"?.*\b(?P<verdict>drop|reject)\b', re.IGNORECASE)


#: Of those that are linked with libwrap, the ones that ask it whatever their configuration says.
_ALWAYS_ASK = frozenset({"sshd"})


@dataclasses.dataclass(frozen=True)
class Service:
    """A process that listens.

    Attributes:
        names: those by which hosts.deny may mean it; empty where they are not known.
        asks: whether it is linked with libwrap, which reads hosts.deny; None where that is not known.
    """

    names: tuple[str, ...] = ()
    asks: t.Optional[bool] = None


class _Line(t.NamedTuple):
    """One of hosts.allow or hosts.deny (hosts_access(5), hosts_options(5))."""

    daemons: list[str]
    clients: list[str]
    excepted: list[str]
    options: list[str]
    text: str


def hosts_access(text: str) -> list[_Line]:
    """The lines of hosts.allow or hosts.deny."""
    found = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        parts = _split_outside_brackets(line)
        if len(parts) < 2:
            continue
        clients, _word, excepted = parts[1].partition(" EXCEPT ")
        found.append(_Line(_words(parts[0]), _words(clients), _words(excepted), [part.strip().lower() for part in parts[2:]], line))
    return found


def hosts_deny_blocks(span: Span, *, deny: str, allow: str, services: t.Sequence[Service] = (Service(),)) -> list[Block]:
    """The lines that keep an address out of these services, unless one before them lets it in."""
    lines = [("deny" not in one.options, one) for one in hosts_access(allow)]
    lines += [("allow" in one.options, one) for one in hosts_access(deny)]
    return list(dict.fromkeys(block for service in services if service.asks is not False for block in _refusing(span, lines, service)))


def _refusing(span: Span, lines: t.Sequence[tuple[bool, _Line]], service: Service) -> list[Block]:
    blocks: list[Block] = []
    for lets_in, line in lines:
        meant, how = _is_meant(line.daemons, service), _matches(line.clients, span)
        if meant is False or how is None or _covers(line.excepted, span):
            continue
        if lets_in:
            if meant and how[0] != PART:
                break
            continue
        asked = () if service.asks and _ALWAYS_ASK & set(service.names) else (
            f"{service.names[0]} asks hosts.deny" if service.names else "the service asks hosts.deny",)
        named = () if meant else (f"service {', '.join(line.daemons)}",)
        blocks.append(Block(
            where=HOSTS_DENY, rule=line.text[:300], matched=how[0], source=how[1], conditions=(*named, *asked), verdict=DROP,
        ))
    return blocks


def _is_meant(daemons: t.Sequence[str], service: Service) -> t.Optional[bool]:
    """Whether a line is about a service; None where that is not known."""
    at = next((place for place, word in enumerate(daemons) if word.upper() == "EXCEPT"), len(daemons))
    meant, excepted = daemons[:at], daemons[at + 1:]
    if not service.names:
        return True if "ALL" in meant and not excepted else None

    def named(words: t.Sequence[str]) -> bool:
        return any(word == "ALL" or word.partition("@")[0] in service.names for word in words)

    return named(meant) and not named(excepted)


def parse_routes(text: str) -> list[tuple[Span, str, str]]:
    """The routes of `ip -j route show` that answer nobody: their addresses, type and text.

    Raises:
        ValueError: it is not ip's JSON.
    """
    try:
        routes = json.loads(text or "[]")
    except RecursionError as exc:
        raise ValueError("too deep") from exc
    if not isinstance(routes, list):
        raise ValueError("no list of routes")
    found = []
    for route in routes:
        if not isinstance(route, dict) or route.get("type") not in DEAD_ROUTES:
            continue
        said = str(route.get("dst", ""))
        spans = [Span(4, 0, (1 << 32) - 1), Span(6, 0, (1 << 128) - 1)] if said == "default" else []
        network = read_network(said)
        for span in [*spans, *([Span.of(network)] if network is not None else [])]:
            table = route.get("table", "")
            found.append((span, str(route["type"]), f"{route['type']} {said}" + (f" table {table}" if table else "")))
    return found


def route_blocks(span: Span, routes: t.Sequence[tuple[Span, str, str]]) -> list[Block]:
    """The dead routes that hold an address, the most specific first."""
    found = [(route, kind, text) for route, kind, text in routes if route.covers(span) or (not span.single and span.covers(route))]
    found.sort(key=lambda one: one[0].last - one[0].first)
    return [
        Block(
            where="route", rule=text, verdict=kind, source=str(route),
            matched=EXACT if route == span else COVERING if route.covers(span) else PART,
        )
        for route, kind, text in found
    ]


def route_is_dead(text: str, problem: str) -> bool | None:
    """What `ip -j route get` says of an address: True where no packet can go back to it, None where it does not say.

    A blackhole answers "Invalid argument", unreachable "No route to host", prohibit "Permission denied"; no route at all is
    "Network is unreachable".
    """
    if any(said in problem for said in ("Invalid argument", "No route to host", "Permission denied", "Network is unreachable")):
        return True
    try:
        routes = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(routes, list) or not routes or not isinstance(routes[0], dict):
        return None
    return str(routes[0].get("type", "unicast")) in DEAD_ROUTES


def firewalld_runs(problem: str) -> bool:
    """Whether firewalld may be running, by why firewall-cmd failed. It may be installed and stopped, or there is no bus at all."""
    no_bus = "DBUS_ERROR" in problem and any(said in problem for said in ("No such file or directory", "Connection refused"))
    return not (no_bus or "not running" in problem)


def rich_rule_blocks(span: Span, text: str) -> list[Block]:
    """firewalld's rich rules that drop or reject an address, from `firewall-cmd --list-all-zones`."""
    blocks, zone = [], ""
    for line in text.splitlines():
        if line and not line[0].isspace():
            zone = line.split()[0]
        match = _RICH.search(line)
        network = read_network(match["address"]) if match else None
        if match is None or network is None or match["not"]:
            continue
        found = AddressSet([Span.of(network)]).find(span)
        if found is not None:
            said = line.strip()
            limited = tuple(word for word in ("port ", "service ", "protocol ") if word in said)
            blocks.append(Block(
                where="firewalld", rule=said[:300], table=zone, verdict=DROP, matched=found[0], source=str(found[1]), owner="firewalld",
                conditions=(f"zone {zone}", *limited),
            ))
    return blocks


def _split_outside_brackets(line: str) -> list[str]:
    parts, depth, now = [], 0, ""
    for letter in line:
        depth += {"[": 1, "]": -1}.get(letter, 0)
        if letter == ":" and depth <= 0:
            parts.append(now)
            now = ""
        else:
            now += letter
    return [*parts, now]


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,]+", text.strip()) if word]


def _covers(patterns: t.Sequence[str], span: Span) -> bool:
    how = _matches(patterns, span)
    return how is not None and how[0] != PART


def _matches(patterns: t.Sequence[str], span: Span) -> tuple[str, str] | None:
    for pattern in patterns:
        if pattern.upper() == "ALL":
            return EVERYONE, pattern
        meant = _span_of(pattern)
        found = AddressSet([meant]).find(span) if meant is not None else None
        if found is not None:
            return found[0], pattern
    return None


def _span_of(pattern: str) -> Span | None:
    if pattern.endswith(".") and re.fullmatch(r"(\d{1,3}\.){1,3}", pattern):
        count = pattern.count(".")
        network = read_network(pattern + ".".join(["0"] * (4 - count)) + f"/{8 * count}")
    else:
        network = read_network(pattern)
    return Span.of(network) if network is not None else None
