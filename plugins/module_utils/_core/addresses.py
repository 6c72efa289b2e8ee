# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IP addresses and networks as people type them, and how they cover one another.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t

from .errors import BadInput
from .hosts import more_than_host, plain

Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
#: RFC 4291 section 2.5.5.2: an IPv4 address written as IPv6. The packet filter and the daemons know it as the IPv4 one.
_MAPPED = ipaddress.ip_network("::ffff:0:0/96")
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\.?\Z){_LABEL}(\.{_LABEL})*\.?\Z", re.IGNORECASE)
#: A text of these characters alone was meant to be an address, not a name.
_MEANT_AS_ADDRESS = re.compile(r"[0-9./:\s-]+\Z|[0-9a-fA-F:./%\s]*:[0-9a-fA-F:./%\s]*\Z")


@dataclasses.dataclass(frozen=True, order=True)
class Span:
    """A range of addresses of one family, both ends included.

    Attributes:
        version: 4 or 6.
        first, last: as numbers.
    """

    version: int
    first: int
    last: int

    @classmethod
    def of(cls, network: Network) -> Span:
        """The range that a network is."""
        return cls(network.version, int(network.network_address), int(network.broadcast_address))

    def covers(self, other: Span) -> bool:
        """Whether every address of the other is in this one."""
        return self.version == other.version and self.first <= other.first and other.last <= self.last

    def touches(self, other: Span) -> bool:
        """Whether they share an address."""
        return self.version == other.version and self.first <= other.last and other.first <= self.last

    @property
    def single(self) -> bool:
        """Whether it is one address."""
        return self.first == self.last

    def __str__(self) -> str:
        kind = ipaddress.IPv4Address if self.version == 4 else ipaddress.IPv6Address
        low, high = kind(self.first), kind(self.last)
        if self.single:
            return str(low)
        bits = (self.last - self.first).bit_length()
        whole = self.last - self.first + 1 == 1 << bits and self.first % (1 << bits) == 0
        return f"{low}/{(32 if self.version == 4 else 128) - bits}" if whole else f"{low}-{high}"


def read_network(text: str) -> Network | None:
    """The network that a text means, None where it means none.

    Any spelling: upper case, zeros, brackets, a zone, a netmask instead of a length, host bits set, IPv4 written as IPv6. What stands
    behind brackets is a length and never a part of the address.
    """
    text = plain(text)
    if text[:1] == "[":
        inside, bracket, behind = text[1:].partition("]")
        if not bracket or behind[:1] not in ("", "/"):
            return None
        text = f"{inside}{behind}"
    address, slash, length = text.partition("/")
    if "%" in address:
        address = address.partition("%")[0]
    try:
        found = ipaddress.ip_network(f"{address}{slash}{length}", strict=False)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Network) and found.prefixlen >= 96 and found.subnet_of(t.cast(ipaddress.IPv6Network, _MAPPED)):
        mapped = int(found.network_address) & 0xFFFFFFFF
        return ipaddress.ip_network((mapped, found.prefixlen - 96), strict=False)
    return found


def canonical(network: Network) -> str:
    """The one spelling that we use: a single address without its length."""
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def parse_network(text: t.Any, *, name: str = "addresses") -> Network:
    """Turn an input into a network.

    Args:
        name: the argument it came from, for the error.

    Raises:
        BadInput: it is neither an address nor a network. A host name is said to be one.
    """
    said = str(text)
    found = read_network(said)
    if found is not None:
        return found
    if is_host_name(plain(said)):
        raise BadInput(
            f"{name}: {said!r} is a host name.", hint="Set resolve to look it up, or give the address.", argument=name, value=said,
        )
    wrong, hint = not_a_network(said, name=name)
    raise BadInput(f"{name}: {wrong}.", hint=hint, argument=name, value=said)


def not_a_network(text: str, *, name: str) -> tuple[str, str]:
    """What is wrong with a text that is neither an address nor a network, and what to give in its place; no password is repeated.

    Args:
        name: the argument it came from.
    """
    more = more_than_host(text)
    if more is None:
        shown = text if text.strip() else repr(text)
        return f"{shown} is neither an IP address nor a network", "Write 192.0.2.7, 192.0.2.0/24, 2001:db8::7 or 2001:db8::/64."
    url, host, port = more
    what = "a URL is not an address" if url else f"{plain(text)} has a port in it"
    return what, f"Give {name}: {host}." + (f" The port {port} has no place in it." if port else "")


def is_host_name(text: str) -> bool:
    """Whether a text can be a host's name, and cannot have been meant as an address."""
    return bool(_HOST_NAME.match(text)) and not _MEANT_AS_ADDRESS.match(text)


def resolve_inputs(
    inputs: t.Sequence[t.Any], *, resolve: bool, lookup: t.Callable[[str], t.Sequence[str]], name: str = "addresses",
) -> dict[str, list[Network]]:
    """What each input means; every one is checked before any is used.

    Args:
        resolve: whether host names are looked up.
        lookup: the addresses of a host name; raises OSError where there are none.

    Raises:
        BadInput: an input means nothing, or a name cannot be looked up.
    """
    found: dict[str, list[Network]] = {}
    for one in inputs:
        text = plain(one)
        if resolve and is_host_name(text) and read_network(text) is None:
            try:
                found[text] = sorted({parse_network(address, name=name) for address in lookup(text)}, key=Span.of)
            except OSError as exc:
                raise BadInput(f"{name}: {text} cannot be resolved: {exc}.", hint="Give the address.", argument=name, value=text) from exc
            if not found[text]:
                raise BadInput(f"{name}: {text} has no address.", hint="Give the address.", argument=name, value=text)
        else:
            found[text] = [parse_network(text, name=name)]
    return found
