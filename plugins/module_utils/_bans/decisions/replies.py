# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fail2ban's replies mean, over its socket or printed by fail2ban-client; versions 0.11 to 1.1.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import ast
import dataclasses
import re
import time
import typing as t

from ..._core.addresses import Span, read_network
from .pickled import NotData, Stub

# "192.0.2.1 \t2026-11-24 11:00:00 + 600 = 2026-11-24 11:10:00", fail2ban's BanManager.getBanList; an end of year 9999 is never.
_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
_WITH_TIME = re.compile(rf"(?P<entry>\S.*?)\s*\t(?P<at>{_TIME}) \+ (?P<seconds>-?\d+) = (?P<end>{_TIME})\Z")
NUMBER = re.compile(r"-?[0-9]{1,18}\Z")
_JAIL_NAME = re.compile(r"[^\s,<>]+\Z")


@dataclasses.dataclass(frozen=True)
class Ban:
    """One entry of a jail, in the server's own spelling.

    Attributes:
        entry: as the server stores it; only this spelling unbans it.
        span: the addresses it means, None where it is not an address (a jail can ban users).
        banned_at, ends_at: seconds since the epoch; None where not known, or for an end that never comes.
        seconds: of the ban, -1 for one without an end; None where not known.
        id: the daemon's own identity of it, where it has one (CrowdSec's decisions).
    """

    jail: str
    entry: str
    span: t.Optional[Span]
    banned_at: t.Optional[float] = None
    seconds: t.Optional[int] = None
    ends_at: t.Optional[float] = None
    id: str = ""

    @property
    def permanent(self) -> bool:
        """Whether it never ends by itself."""
        return self.seconds is not None and self.seconds < 0

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from every other ban at one moment."""
        return self.jail, self.entry, self.id


def named(entry: str, *, jail: str) -> str:
    """An address in words, with the jail that bans it: CrowdSec's decisions need none."""
    return f"{entry} in {jail}" if jail else entry


class ServerSaidNo(ValueError):
    """The server answered with an error: the command, and what it said."""

    def __init__(self, said: str, *, kind: str = "") -> None:
        super().__init__(said)
        self.kind = kind


def answer_of(reply: t.Any) -> t.Any:
    """The value of a reply, which is a pair of 0 and a value, or of 1 and an exception.

    Raises:
        ServerSaidNo: it is an error.
        NotData: it is not a reply.
    """
    if isinstance(reply, str):
        raise ServerSaidNo(reply)
    if not isinstance(reply, list) or len(reply) != 2 or reply[0] not in (0, 1):
        raise NotData("not a pair of a state and a value")
    if reply[0] == 1:
        said = reply[1]
        raise ServerSaidNo(str(said), kind=said.name.rpartition(".")[2] if isinstance(said, Stub) else "")
    return reply[1]


def jails_of(status: t.Any) -> list[str]:
    """The names of the jails, from the answer to `status`.

    Raises:
        NotData: it does not say.
    """
    pairs = {str(one[0]): one[1] for one in status if isinstance(one, list) and len(one) == 2} if isinstance(status, list) else {}
    if "Jail list" not in pairs:
        raise NotData("the answer to status has no list of jails")
    listed = pairs["Jail list"]
    names = listed if isinstance(listed, list) else str(listed or "").split(",")
    return sorted(name for name in (str(one).strip() for one in names) if name and _JAIL_NAME.match(name))


def bans_of(jail: str, lines: t.Any, *, epoch: t.Callable[[str], float] | None = None) -> list[Ban]:
    """The bans of a jail, from the answer to `get JAIL banip --with-time`.

    Args:
        epoch: turns the server's local time into seconds since the epoch.
    """
    found = []
    for line in texts_of(lines):
        match = _WITH_TIME.match(line.rstrip("\n"))
        entry = match["entry"].strip() if match else line.strip()
        if not entry:
            continue
        network = read_network(entry)
        seconds = int(match["seconds"]) if match else None
        tell = epoch or local_epoch
        found.append(Ban(
            jail=jail, entry=entry, span=Span.of(network) if network is not None else None, seconds=seconds,
            banned_at=tell(match["at"]) if match else None,
            ends_at=tell(match["end"]) if match and seconds is not None and seconds >= 0 else None,
        ))
    return found


def texts_of(value: t.Any) -> list[str]:
    """A list of texts, whatever single values or nested ones it came as."""
    if value is None:
        return []
    if isinstance(value, list):
        return [str(one) if not isinstance(one, list) else " ".join(str(part) for part in one) for one in value]
    return [str(value)]


def local_epoch(text: str) -> float:
    """Seconds since the epoch of a local time such as 2026-11-24 11:00:00; the server runs on this host."""
    try:
        return time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S"))
    except (ValueError, OverflowError):
        return 0.0


def from_client(words: t.Sequence[str], text: str) -> t.Any:
    """What fail2ban-client printed, in the shape that the socket gives for the commands that we send.

    The client prints for people and has no other way. Unknown commands give their text.
    """
    words, text = list(words), text.rstrip("\n")
    rest = text.split("\n")
    if words == ["status"]:
        return [part.split(":\t", 1) for part in (re.sub(r"^[|`]-\s*", "", line) for line in rest) if ":\t" in part]
    if words[:1] == ["get"] and words[2:3] == ["banip"]:
        return [line for line in rest if line.strip()]
    if words[:1] == ["get"] and words[1:2] == ["dbfile"]:
        return _tree(rest)[0] if _tree(rest) else None
    if len(words) > 2 and words[2] in ("ignoreip", "addignoreip", "delignoreip", "logpath"):
        return _tree(rest)
    if words[:1] == ["get"] and words[2:3] == ["actions"]:
        return [name.strip() for name in rest[-1].split(",")] if len(rest) > 1 else []
    if NUMBER.match(text.strip()):
        return int(text)
    if text[:1] in "[{(":
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return text
    return text


def _tree(lines: t.Sequence[str]) -> list[str]:
    return [line[3:] for line in lines if line.startswith(("|- ", "`- "))]
