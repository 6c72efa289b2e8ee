# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts as people write them into arguments and variables: other spellings are taken, what is more than a host is named.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from .errors import BadInput

#: Editors put it before the first character of a file.
BOM = "\ufeff"
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_WITH_PORT = re.compile(r"(?P<host>\[[^\[\]]+\]|[^:\[\]]+):(?P<port>\d{1,5})\Z")
_NO_HOST = re.compile(r"[\s/@\\\[\]?#\x00-\x1f]")


def plain(text: t.Any) -> str:
    """A text without the blanks and the byte order mark around it."""
    return str(text).strip().strip(BOM).strip()


def read_host(value: t.Any, *, name: str, several: bool = False) -> str:
    """A host's name or address: without brackets around IPv6, without the dot at the end of a name; "" where there is none.

    Args:
        name: the argument, for the error; one that ends in `host` has a port beside it of the same name.
        several: as libpq has it: hosts with commas between them, the directory of a socket, and @ for an abstract one.

    Raises:
        BadInput: a URL, a host with its port, or no host. It names the arguments that take the parts, and repeats no password.
    """
    text = plain(value)
    if several and (text[:1] in ("/", "@") or "," in text):
        return ",".join(read_host(part, name=name, several=part[:1] in ("/", "@")) for part in text.split(",")) if "," in text else text
    port_name = f"{name[:-4]}port" if name.endswith("host") else "the port's own argument"
    more = more_than_host(text)
    if more is not None:
        url, host, port = more
        said = f"{name}: {host}" + (f" and {port_name}: {port}" if port else "")
        others = f" User, password, database and TLS have arguments of their own beside {name}." if url else ""
        wrong = "a URL is not a host" if url else f"{text} has a port in it"
        raise BadInput(f"{name}: {wrong}.", hint=f"Give {said}.{others}", argument=name)
    host = _bare(text)
    if _NO_HOST.search(host) or (":" in host and not _is_address(host)):
        raise BadInput(f"{name}: {text!r} is not a host.", hint="Give a name or an IP address.", argument=name)
    return host


def more_than_host(value: t.Any) -> t.Optional[tuple[bool, str, str]]:
    """Whether a text is a URL, the host in it, and its port or ""; None where it holds no more than a host."""
    text = plain(value)
    if _URL.match(text):
        where = re.split(r"[/?#]", text.partition("://")[2].rpartition("@")[2])[0]
        found = _WITH_PORT.match(where)
        host, port = (found["host"], found["port"]) if found else (where, "")
        return True, _bare(host), port
    found = _WITH_PORT.match(text)
    return (False, _bare(found["host"]), found["port"]) if found else None


def _bare(text: str) -> str:
    host = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
    return host[:-1] if host[-1:] == "." and host != "." else host


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True
