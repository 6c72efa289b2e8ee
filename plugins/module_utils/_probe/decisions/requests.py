# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request by HTTP as people write it, checked.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from ..._core import hosts, ranges
from ..._core.errors import BadInput
from ..._core.hosts import plain
from ..._core.shown import shown_url
from .conditions import Condition, pattern

HOST, CONTROLLER = "host", "controller"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
#: Asking by these changes nothing.
SAFE = ("GET", "HEAD")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SCHEME = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_URL = re.compile(
    r"(?P<scheme>[a-zA-Z]+)://(?P<user>[^/?@]*@)?(?P<host>\[[0-9a-fA-F:.]+\]|[^/?@:\[\]]+)(?::(?P<port>\d{1,5}))?"
    r"(?P<path>/[^?]*)?(?P<query>\?.*)?\Z",
)
_CONTROL = re.compile(r"[\s\x00-\x1f\x7f]")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
#: Words in a header that are no secrets.
_SCHEMES = ("basic", "bearer", "digest", "negotiate", "token", "apikey")


@dataclasses.dataclass(frozen=True)
class Origin:
    """Whom a URL asks.

    Attributes:
        host: without brackets, lower case.
    """

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """As a URL has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{self.authority if self.port != _DEFAULT_PORTS[self.scheme] else host}"

    @property
    def authority(self) -> str:
        """The host and its port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def host_header(self) -> str:
        """RFC 9110 section 7.2: without the port where it is the scheme's own."""
        return str(self).partition("://")[2]

    def may_have_secrets_of(self, other: Origin) -> bool:
        """Whether what was said to the other may be said to this one, to which it redirects: the same, or its TLS."""
        upgraded = (other.scheme, other.port, self.scheme, self.port) == ("http", 80, "https", 443)
        return self.host == other.host and ((self.scheme, self.port) == (other.scheme, other.port) or upgraded)


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked, and of whom. The values of headers and what is sent are secrets.

    Attributes:
        url: in full; its query may hold a secret.
        connect_to: host and port to connect to, instead of the URL's; None, or a port of 0, takes the URL's.
        send: the body of the request.
        websocket: ask for the upgrade of RFC 6455.
        status: the codes that are good.
        max_time: seconds.
        ca: a file or directory of CAs; "" takes the system's.
    """

    url: str = dataclasses.field(repr=False)
    connect_to: t.Optional[tuple[str, int]] = None
    method: str = "GET"
    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    send: bytes = dataclasses.field(default=b"", repr=False)
    status: tuple[int, ...] = (200,)
    max_time: float = 5.0
    validate_certs: bool = True
    ca: str = ""
    websocket: bool = False

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown of it."""
        words = [word for value in self.headers.values() for word in (value, *value.split()) if word.lower() not in _SCHEMES]
        query = [one.partition("=")[2] for one in self.url.partition("?")[2].split("&")]
        sent = [self.send.decode("utf-8", "replace"), *leaves(_json(self.send))]
        return tuple(dict.fromkeys(one for one in (*words, *query, *sent) if one))


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the body of an answer must say.

    Attributes:
        contains: a text that must be in it.
        matches: a regular expression that must be found in it.
    """

    contains: str = ""
    matches: str = ""
    json: tuple[Condition, ...] = ()


def request_of(entry: t.Mapping[str, t.Any], *, place: str, sends: bool = False) -> Request:
    """The request of an entry.

    Args:
        sends: whether it may use methods that change something.

    Raises:
        BadInput: names the key. It repeats no header and no query.
    """
    url = read_url(entry.get("url"), place=place)
    websocket = _flag(entry, "websocket", False, place)
    method = str(entry.get("method") or "GET").upper()
    allowed = METHODS if sends else SAFE
    if method not in allowed:
        raise BadInput(f"{place}: method {method} is not allowed here.", hint=f"Choose one of {', '.join(allowed)}.", argument="method")
    if websocket and method != "GET":
        raise BadInput(f"{place}: a WebSocket is asked for by GET.", hint="Leave method out.", argument="method")
    status = entry.get("status")
    codes = list(status) if isinstance(status, (list, tuple)) else [] if status is None else [status]
    for code in codes:
        ranges.ARGUMENTS["status_code"].read(code, name=f"{place}: status")
    ca = plain(entry.get("ca") or "")
    return Request(
        url=url, connect_to=_connect_to(entry.get("connect_to"), place=place), method=method, headers=_headers(entry, place),
        send=_send(entry, method, place), status=tuple(int(code) for code in codes) or ((101,) if websocket else (200,)),
        max_time=ranges.ARGUMENTS["max_time"].read(entry.get("max_time", "5s"), name=f"{place}: max_time"),
        validate_certs=_flag(entry, "validate_certs", True, place), ca=ca, websocket=websocket,
    )


def wanted_of(entry: t.Mapping[str, t.Any], *, place: str) -> Wanted:
    """What the body must say.

    Raises:
        BadInput: names the key.
    """
    given = entry.get("json") or {}
    if not isinstance(given, t.Mapping):
        raise BadInput(f"{place}: json is not a mapping.", hint="Write FIELD: VALUE for each condition.", argument="json")
    regex = str(entry.get("body_regex") or "")
    pattern(regex, place=f"{place}: body_regex")
    conditions = tuple(Condition.of(path, wanted, place=place) for path, wanted in given.items())
    return Wanted(contains=str(entry.get("body") or ""), matches=regex, json=conditions)


def read_url(value: t.Any, *, place: str) -> str:
    """An HTTP URL: RFC 3986 section 3, with what is not ASCII encoded, and without its fragment.

    Raises:
        BadInput: it is none, or holds a password.
    """
    url = plain(value if value is not None else "").partition("#")[0]
    found = _URL.match(url)
    scheme = _SCHEME.get(found["scheme"].lower(), "") if found else ""
    if not found or not scheme or _CONTROL.search(url) or not 0 < int(found["port"] or 80) <= ranges.PORT.most:  # type: ignore[operator]
        raise BadInput(
            f"{place}: url {shown_url(url)!r} is not an HTTP URL.", hint="Give one that begins with http:// or https://.", argument="url",
        )
    if found["user"]:
        raise BadInput(f"{place}: url has a user or a password in it.", hint="Give them in headers: Authorization.", argument="url")
    port = f":{found['port']}" if found["port"] else ""
    return f"{scheme}://{found['host'].lower()}{port}{_ascii(found['path'] or '/')}{_ascii(found['query'] or '')}"


def origin(url: str) -> Origin:
    """Whom a URL asks that read_url() has read."""
    found = _URL.match(url)
    if not found:
        raise BadInput(f"{shown_url(url)!r} is not an HTTP URL.", argument="url")
    scheme = found["scheme"]
    return Origin(scheme, found["host"].strip("[]").rstrip("."), int(found["port"] or _DEFAULT_PORTS[scheme]))


def target(url: str) -> str:
    """What of a URL that read_url() has read is asked of a server."""
    found = _URL.match(url)
    return f"{found['path']}{found['query'] or ''}" if found else "/"


def _ascii(text: str) -> str:
    return "".join(char if char.isascii() else "".join(f"%{one:02X}" for one in char.encode()) for char in text)


def leaves(value: t.Any) -> list[str]:
    """The texts and numbers in a JSON value."""
    if isinstance(value, t.Mapping):
        return [leaf for one in value.values() for leaf in leaves(one)]
    if isinstance(value, (list, tuple)):
        return [leaf for one in value for leaf in leaves(one)]
    return [] if value is None or isinstance(value, bool) else [str(value)]


def _json(data: bytes) -> t.Any:
    try:
        return json.loads(data) if data else None
    except (ValueError, RecursionError):
        return None


def _headers(entry: t.Mapping[str, t.Any], place: str) -> dict[str, str]:
    given = entry.get("headers") or {}
    if not isinstance(given, t.Mapping):
        raise BadInput(f"{place}: headers is not a mapping.", hint="Write NAME: VALUE for each header.", argument="headers")
    found = {}
    for name, value in given.items():
        text = str(value).strip()
        if not _HEADER_NAME.match(str(name)):
            raise BadInput(f"{place}: headers: {name!r} is not a header's name.", hint="Correct it.", argument="headers")
        try:
            text.encode("latin-1")
        except UnicodeError:
            raise BadInput(f"{place}: headers: the value of {name} is not Latin-1.", hint="Encode it.", argument="headers") from None
        if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text):
            raise BadInput(f"{place}: headers: the value of {name} has more than one line.", hint="Correct it.", argument="headers")
        found[str(name)] = text
    return found


def _send(entry: t.Mapping[str, t.Any], method: str, place: str) -> bytes:
    given = entry.get("send")
    if given is None:
        return b""
    if method in SAFE:
        raise BadInput(f"{place}: {method} sends no body.", hint="Set method to POST, or leave send out.", argument="send")
    return (given if isinstance(given, str) else json.dumps(given)).encode()


def _connect_to(value: t.Any, *, place: str) -> t.Optional[tuple[str, int]]:
    text = plain(value or "")
    if not text:
        return None
    more = hosts.more_than_host(text)
    if more is None:
        return hosts.read_host(text, name=f"{place}: connect_to"), 0
    url, host, port = more
    if url:
        raise BadInput(f"{place}: connect_to is a URL.", hint="Give an address, or ADDRESS:PORT.", argument="connect_to")
    return hosts.read_host(host, name=f"{place}: connect_to"), int(ranges.PORT.read(port, name=f"{place}: connect_to"))


def _flag(entry: t.Mapping[str, t.Any], key: str, default: bool, place: str) -> bool:
    value = entry.get(key)
    if value is None:
        return default
    if isinstance(value, str) and value.strip().lower() in ("true", "yes", "on", "false", "no", "off"):
        return value.strip().lower() in ("true", "yes", "on")
    if not isinstance(value, bool):
        raise BadInput(f"{place}: {key} is neither true nor false.", hint="Write true or false.", argument=key)
    return value
