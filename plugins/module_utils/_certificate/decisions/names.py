# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a certificate is for a name: RFC 9525 (subject alternative names only, a wildcard is the whole leftmost label).

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import ipaddress
import typing as t

from .model import Cert


def matches(name: str, cert: Cert) -> bool:
    """Whether one of the certificate's alternative names covers a host name or an address."""
    address = as_address(name)
    if address is not None:
        return any(as_address(one) == address for one in cert.ip_addresses)
    wanted = _canonical(name)
    return bool(wanted) and any(_covers(_canonical(one), wanted) for one in cert.dns_names)


def missing(names: t.Iterable[str], cert: Cert) -> list[str]:
    """Those of the names that it is not for."""
    return [name for name in names if not matches(name, cert)]


def as_address(text: str) -> t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address, None]:
    """The address that a text is, with or without brackets and zone; None when it is none."""
    try:
        return ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None


def to_ascii(name: str) -> str:
    """A host name as it travels: punycode for what is not ASCII. Returned as it is where that can't be."""
    try:
        return name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        return name


def _canonical(name: str) -> str:
    return to_ascii(name.strip()).rstrip(".").lower()


def _covers(pattern: str, name: str) -> bool:
    if not pattern.startswith("*."):
        return pattern == name
    label, _dot, rest = name.partition(".")
    return bool(label) and rest == pattern[2:] and "." in rest
