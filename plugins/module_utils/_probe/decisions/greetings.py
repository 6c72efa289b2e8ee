# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What services say first, and what it means: the kernel accepts connections also of a service that hangs.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

#: By the port's number, ANY for whatever a service says first, NONE where nothing is expected.
AUTO, ANY, NONE = "auto", "any", "none"
#: What was heard: as it should be, a refusal, something else, nothing at all, or the end of the connection instead of a word.
WELL, REFUSED, OTHER, SILENT, CLOSED = "well", "refused", "other", "silent", "closed"
_MOST_SHOWN = 120
#: Bytes of other lines that are read, and in which every beginning is told apart.
_MOST, _LONGEST = 4096, 32


@dataclasses.dataclass(frozen=True)
class Greeting:
    """How a protocol begins.

    Attributes:
        name: for people.
        ports: on which it usually is.
        good: what a service says that serves.
        refusal: what one says that does not.
        asks: what it has to be asked first; it asks for nothing and changes nothing.
        patience: how long a healthy service may take, seconds. Mail servers let spammers wait.
        late: other lines may come before it (RFC 4253, 4.2).
    """

    name: str
    ports: tuple[int, ...]
    good: t.Pattern[bytes]
    refusal: t.Pattern[bytes]
    asks: bytes = b""
    patience: float = 0.0
    late: bool = False


_NEVER = re.compile(rb"(?!)")
KINDS: t.Mapping[str, Greeting] = {
    "ssh": Greeting("SSH", (22,), re.compile(rb"(?:.*\r?\n)*?SSH-"), re.compile(rb"Exceeded MaxStartups|Not allowed at this time"),
                    late=True),
    "ftp": Greeting("FTP", (21,), re.compile(rb"(?:120|220)"), re.compile(rb"[45]\d\d")),
    "smtp": Greeting("SMTP", (25, 587), re.compile(rb"220"), re.compile(rb"[45]\d\d"), patience=12.0),
    "pop3": Greeting("POP3", (110,), re.compile(rb"\+OK"), re.compile(rb"-ERR")),
    "imap": Greeting("IMAP", (143,), re.compile(rb"\* (?:OK|PREAUTH)"), re.compile(rb"\* BYE")),
    # A packet: three bytes of length, its number 0, the version of the protocol; or 0xff and an error.
    "mysql": Greeting("MySQL", (3306,), re.compile(rb"...\x00[\x09\x0a]", re.DOTALL), re.compile(rb"...\x00\xff", re.DOTALL)),
    # A server that asks for a password, or lets this user not ping, is there.
    "redis": Greeting("Redis", (6379,), re.compile(rb"\+PONG|-NOAUTH|-NOPERM"),
                      re.compile(rb"-DENIED|-ERR max number of clients"), asks=b"PING\r\n"),
    ANY: Greeting("anything", (), re.compile(rb"."), _NEVER),
}


def usual(port: int) -> str:
    """The protocol that usually is on a port; NONE where its services wait for the client's first word."""
    return next((kind for kind, greeting in KINDS.items() if port in greeting.ports), NONE)


def enough(kind: str, words: bytes) -> bool:
    """Whether what was heard until now can be judged."""
    greeting = KINDS[kind]
    if greeting.good.match(words) or greeting.refusal.match(words):
        return True
    return len(words) >= _MOST if greeting.late else len(words) >= _LONGEST or b"\n" in words


def hear(kind: str, words: bytes, *, closed: bool) -> str:
    """What the first words of a service mean.

    Args:
        closed: the other end ended the connection.
    """
    greeting = KINDS[kind]
    if greeting.good.match(words):
        return WELL
    if greeting.refusal.match(words):
        return REFUSED
    return OTHER if words else CLOSED if closed else SILENT


def shown(words: bytes) -> str:
    """The first words for people: one line, with dots for what cannot be printed."""
    if words[3:5] == b"\x00\xff":
        words = words[7:]  # MySQL's error, without its packet's header and its number
    return "".join(char if char.isprintable() else "." for char in words[:_MOST_SHOWN].decode("utf-8", "replace").strip())
