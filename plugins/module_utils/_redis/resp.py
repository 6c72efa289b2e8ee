# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RESP2, the protocol of Redis and of all that speak as it does: commands to bytes, bytes to replies.

https://redis.io/docs/latest/develop/reference/protocol-spec/. RESP2 is what every server speaks first, from Redis 2 to
Valkey 9, KeyDB and Dragonfly, without HELLO, which an ACL may forbid.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

#: What a caller may send: text goes out as UTF-8, and bytes that were no UTF-8 as they came in (surrogateescape).
Argument = t.Union[str, bytes, int, float]
#: What comes back: bytes, a number, a list, None for nil, or ErrorReply.
Reply = t.Any

#: Replies beyond these are no answer of a server in order: bytes of one string, elements of one list, nesting.
MAX_BULK = 512 * 1024 * 1024
MAX_ELEMENTS = 4_000_000
MAX_DEPTH = 32
#: A line (a status, an error, a number, a length) is short; without this a server that never ends one would fill memory.
MAX_LINE = 64 * 1024


@dataclasses.dataclass(frozen=True)
class ErrorReply:
    """An error as the server said it: `code` is its first word (MISCONF, LOADING, NOPERM, ...; ERR for all others), `message` the rest."""

    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.code} {self.message}"


class NotRedis(Exception):
    """The bytes that came are not this protocol."""


class Source(t.Protocol):
    """Where bytes come from."""

    def line(self) -> bytes:
        """The next line without its CRLF."""

    def exactly(self, size: int) -> bytes:
        """The next `size` bytes."""


def pack(*args: Argument) -> bytes:
    """One command as bytes."""
    parts = [b"*%d\r\n" % len(args)]
    for one in args:
        data = one if isinstance(one, bytes) else str(one).encode("utf-8", "surrogateescape")
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


def read_reply(source: Source, *, depth: int = 0) -> Reply:
    """Read one reply.

    Raises:
        NotRedis: the bytes are not RESP2, or ask for more memory than any honest reply.
        Whatever the source raises when nothing comes.
    """
    line = source.line()
    kind, rest = line[:1], line[1:]
    if kind == b"+":
        return rest
    if kind == b"-":
        return error_from(shown(rest, length=1000))
    if kind == b":":
        return _number(rest)
    if kind == b"$":
        size = _number(rest)
        if size > MAX_BULK:
            raise NotRedis(f"a string of {size} bytes was announced")
        return None if size < 0 else source.exactly(size + 2)[:-2]
    if kind == b"*":
        size = _number(rest)
        if size > MAX_ELEMENTS or depth >= MAX_DEPTH:
            raise NotRedis(f"a list of {size} elements at depth {depth} was announced")
        return None if size < 0 else [read_reply(source, depth=depth + 1) for _member in range(size)]
    raise NotRedis(f"a reply began with {line[:40]!r}")


def error_from(said: str) -> ErrorReply:
    """An error reply taken apart: the code is the first word where that is in capitals, else ERR."""
    first, _space, rest = said.partition(" ")
    code = first if first.isupper() and first.isalnum() else "ERR"
    return ErrorReply(code=code, message=rest if code == first else said)


def text(value: Reply) -> t.Any:
    """A reply with text for bytes, lists included. Bytes that are not UTF-8 survive and go out again as they came."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return [text(item) for item in value] if isinstance(value, list) else value


def shown(value: t.Any, *, length: int = 200) -> str:
    """Text for a result: what is not UTF-8 as escapes, cut to a length."""
    found = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
    said = found.decode("utf-8", "backslashreplace")
    return said if len(said) <= length else said[: length - 1] + "…"


def _number(digits: bytes) -> int:
    try:
        return int(digits)
    except ValueError:
        raise NotRedis(f"a number was announced and {digits[:40]!r} came") from None
