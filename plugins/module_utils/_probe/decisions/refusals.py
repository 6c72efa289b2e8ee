# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a service itself turned somebody away, in the words of its log.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
import time
import typing as t

from ..._core.addresses import Span, read_network
from ..._core.findings import OK, WARNING, Finding

CHECK = "refusals"
#: A line of a log: RFC 3339 or syslog's own time, the host, the program, its process, the message.
_LINE = re.compile(
    r"(?:<\d+>\d? ?)?(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) "
    r"\S+ (?P<program>[\w./-]+?)(?:\[(?P<process>\d+)\])?: (?P<message>.*)"
)
_ADDRESS = re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4}:[0-9a-fA-F:]*:[0-9a-fA-F.:]*)(?![\w:])")
#: What is read of a time that names no year.
_SYSLOG = "%Y %b %d %H:%M:%S"
_UNKNOWN_USER = re.compile(r"((?:invalid|illegal) user )\S+")
_MOST_TEXT = 240
_MOST_SHOWN = 5


class _Kind(t.NamedTuple):
    """One reason: its name, how a line says it, and what to do. `everybody`: it need not name an address."""

    name: str
    pattern: t.Pattern[str]
    hint: str
    everybody: bool = False


_KINDS = (
    _Kind("max_startups", re.compile(r"drop connection #\d+ from .* past MaxStartups|(?P<all>beginning MaxStartups throttling)"),
          "sshd has more unauthenticated connections than MaxStartups allows: see who makes them, or raise it.", everybody=True),
    _Kind("penalty", re.compile(r"drop connection #\d+ from .* penalty: "),
          "sshd's PerSourcePenalties keep the address out for a while: find what failed, or exempt it."),
    _Kind("not_allowed", re.compile(r"[Uu]ser \S+ from \S+ not allowed because |ROOT LOGIN REFUSED FROM |root login refused"),
          "sshd's configuration leaves the user out: look at AllowUsers, DenyUsers, AllowGroups, PermitRootLogin and the shell."),
    _Kind("too_many_failures", re.compile(r"Too many authentication failures|maximum authentication attempts exceeded"),
          "More keys or passwords were tried than MaxAuthTries allows: ssh -o IdentitiesOnly=yes -i KEY offers one."),
    _Kind("hosts_deny", re.compile(r"refused connect from "), "hosts.deny or hosts.allow keeps it out."),
    _Kind("no_common_algorithm", re.compile(r"[Uu]nable to negotiate with .* no matching "),
          "Client and server have no algorithm in common: one of them is too old."),
    _Kind("bad_permissions", re.compile(r"Authentication refused: bad ownership or modes"),
          "sshd does not read keys from a file that others may write: correct its owner and mode."),
    _Kind("access_denied", re.compile(r"pam_access\(\S+\): access denied|account .*has expired|Access denied for user .* by PAM account"),
          "PAM refuses the account: look at access.conf, and whether the account has expired."),
    _Kind("login_failed", re.compile(r"Failed (?:password|publickey|keyboard-interactive\S*) for |[Ll]ogin attempt .* failed"),
          "The service let it in, and the login failed: password, key or user are wrong."),
    _Kind("rejected", re.compile(r"reject: |rate limit exceeded|limiting (?:requests|connections)|access forbidden by rule"),
          "The service's own rules or limits turn it away."),
)


@dataclasses.dataclass(frozen=True)
class Refusal:
    """One line of a log that says why somebody was turned away.

    Attributes:
        address: who; empty where it was everybody.
        at: seconds since the epoch; None where the line does not say.
    """

    kind: str
    address: str
    program: str
    text: str
    at: t.Optional[float] = None


@dataclasses.dataclass(frozen=True)
class Read:
    """What the logs say.

    Attributes:
        clients: who was asked about.
        since: seconds since the epoch.
        refusals: the newest last.
        read: the logs that were read.
        problems: why others were not.
    """

    clients: tuple[Span, ...]
    since: float
    refusals: tuple[Refusal, ...] = ()
    read: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def find_refusals(lines: t.Iterable[str], clients: t.Sequence[Span], *, since: float, now: float) -> list[Refusal]:
    """The lines that turn one of these away, or everybody.

    A line without an address is about the one that the same process names in another line.

    Args:
        since, now: seconds since the epoch. A time without a year is the last one before `now`.
    """
    told: list[tuple[str, str, str, t.Optional[float]]] = []
    whose: dict[str, str] = {}
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        process = f"{match['program']}[{match['process']}]" if match["process"] else ""
        address = next((found for found in _addresses(match["message"]) if _is_of(found, clients)), "")
        if address and process:
            whose[process] = address
        if _kind_of(match["message"]) is not None:
            told.append((address, process or match["program"], match["message"], _time(match["time"], now)))
    found = []
    for address, process, message, at in told:
        kind = _kind_of(message)
        if kind is None or (at is not None and at < since):
            continue
        who = address or ("" if _addresses(message) else whose.get(process, ""))
        if who or (kind.everybody and "beginning" in message):
            found.append(Refusal(kind.name, who, process.partition("[")[0], _printable(message), at))
    return found


def judge_refusals(read: Read) -> Finding:
    """The finding on what the logs say of those who want to come in."""
    kinds = list(dict.fromkeys(one.kind for one in reversed(read.refusals)))
    detail = {"read": list(read.read), "refusals": [dataclasses.asdict(one) for one in read.refusals[-_MOST_SHOWN * 2:]], "kinds": kinds}
    if not read.refusals:
        return Finding(CHECK, OK, observed=0, threshold=1, unit="count", detail=detail)
    newest = read.refusals[-1]
    hints = [kind.hint for name in kinds for kind in _KINDS if kind.name == name]
    return Finding(
        CHECK, WARNING, observed=len(read.refusals), threshold=1, unit="count", subject=newest.address, detail=detail,
        hint=f"{newest.program} said: {newest.text}. {' '.join(hints[:2])}",
    )


def _kind_of(message: str) -> t.Optional[_Kind]:
    return next((kind for kind in _KINDS if kind.pattern.search(message)), None)


def _addresses(message: str) -> list[str]:
    return _ADDRESS.findall(message)


def _is_of(address: str, clients: t.Sequence[Span]) -> bool:
    network = read_network(address)
    return network is not None and any(span.covers(Span.of(network)) for span in clients)


def _time(text: str, now: float) -> t.Optional[float]:
    try:
        if text[0].isdigit():
            return datetime.datetime.fromisoformat(_iso(text)).timestamp()
        this_year = time.localtime(now).tm_year
        # Tomorrow's date is last year's: clocks may differ by some hours.
        found = (time.mktime(time.strptime(f"{year} {text}", _SYSLOG)) for year in (this_year, this_year - 1))
        return next((at for at in found if at < now + 86400), None)
    except (ValueError, OverflowError):
        return None


def _iso(text: str) -> str:
    """What Python 3.9 reads: no Z, six digits of a second or none, a colon in the offset."""
    text = re.sub(r"\.\d+", "", text.replace("Z", "+00:00"))
    return re.sub(r"([+-]\d\d)(\d\d)\Z", r"\1:\2", text)


def _printable(text: str) -> str:
    """A message that can be shown. Somebody may have typed a password where the name belongs."""
    text = _UNKNOWN_USER.sub(r"\1***", text)
    return "".join(char if char.isprintable() else "." for char in text)[:_MOST_TEXT]
