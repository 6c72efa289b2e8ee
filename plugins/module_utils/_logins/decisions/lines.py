# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a line of sshd, dropbear, PAM or Dovecot says of a login.

This module util is PRIVATE to the collection: it may change at any time.

Every line of sshd and dropbear is a login, a scan (a connection without a login), known to be neither, or not understood. The last might
be a failed login in words that are not known here, so the counts are then a lower bound.
"""

from __future__ import annotations

import calendar
import datetime
import functools
import json
import re
import time
import typing as t

from ..._core.addresses import canonical, read_network
from ..._core.excerpt import redact_line
from ..._core.log_grammars import GENERIC

_USER = r"(?P<user>.{0,100}?)"
_ADDRESS = r"(?P<address>[0-9A-Fa-f:.%\w]{3,64})"
_FROM = rf"from {_ADDRESS}(?: port (?P<port>\d{{1,5}}))?"
_AT = rf"{_ADDRESS} port (?P<port>\d{{1,5}})"
# The user is what the client sent and may hold anything, so the address is looked for at the end of the line.
# What follows it is only what sshd adds: a looser end would let a name of the client's choosing stand in its place.
_END = r"(?: ssh\d?)?(?:: [A-Z0-9-]{2,30} (?:SHA256|MD5):\S{1,100})?(?: \[preauth\])?\Z"
#: Of a certificate sshd tells more: who it is for, and who signed it.
_END_OF_ACCEPTED = (
    r"(?: ssh\d?)?(?:: [A-Z0-9-]{2,40} (?:SHA256|MD5):\S{1,100}"
    r"(?: ID .{0,300}? \(serial \d+\) CA [A-Z0-9-]{2,40} (?:SHA256|MD5):\S{1,100})?)?(?: \[preauth\])?\Z"
)
_HOW = r"(?P<how>password|publickey|keyboard-interactive\S*|hostbased|gssapi\S*)"
#: How a connection was given up before sshd said that something failed: a name that is not there, too many attempts, or by the client.
INVALID, EXCEEDED, CLOSED = "invalid", "exceeded", "closed"
_MODULE = r"(?P<how>pam_\w{1,40})\([^)]{1,60}\):"
_RHOST = r".{0,200}? rhost=(?P<address>[0-9A-Fa-f:.%\w]{3,64})"
_RUSER = r"(?:\s+user=(?P<user>\S{0,100}))?\s*\Z"
_Pattern = tuple[str, str, "re.Pattern[str]"]
#: Of sshd: the words that a line begins with, what it is, how, and the whole of it.
_SSHD: tuple[tuple[str, str, str, str], ...] = (
    ("Failed", "failed", "", rf"Failed {_HOW} for (?:(?:invalid|illegal) user )?{_USER} {_FROM}{_END}"),
    ("Invalid Illegal", "given_up", INVALID, rf"(?:Invalid|Illegal) user {_USER} {_FROM}\Z"),
    ("maximum error:", "given_up", EXCEEDED,
     rf"(?:error: )?maximum authentication attempts exceeded for (?:invalid user )?{_USER} {_FROM}{_END}"),
    ("Connection Disconnected", "given_up", INVALID,
     rf"(?:Connection (?:closed|reset) by|Disconnected from) invalid user {_USER} {_AT}(?: \[preauth\])?\Z"),
    ("Connection Disconnected", "given_up", CLOSED,
     rf"(?:Connection (?:closed|reset) by|Disconnected from) authenticating user {_USER} {_AT}(?: \[preauth\])?\Z"),
    ("Disconnecting error:", "given_up", EXCEEDED,
     rf"(?:error: )?Disconnecting (?:authenticating|invalid) user {_USER} {_AT}: Too many authentication failures(?: \[preauth\])?\Z"),
    ("error: PAM:", "asked_pam", "", rf"(?:error: )?PAM: [A-Za-z ]{{1,60}} for (?:illegal user |invalid user )?{_USER} {_FROM}{_END}"),
    ("Partial", "partial", "", rf"Partial {_HOW} for {_USER} {_FROM}{_END}"),
    ("Accepted", "accepted", "", rf"Accepted (?P<how>\S{{1,40}}) for {_USER} {_FROM}{_END_OF_ACCEPTED}"),
    ("pam_", "pam", "", rf"{_MODULE} authentication failure;{_RHOST}{_RUSER}"),
    ("PAM", "pam", "", rf"(?P<how>PAM) (?P<times>\d{{1,6}}) more authentication failures?;{_RHOST}{_RUSER}"),
    ("pam_", "pam_ok", "", rf"{_MODULE} authentication success;{_RHOST}"),
)
_BY_WORD: dict[str, list[_Pattern]] = {}
for _words, _kind, _how, _text in _SSHD:
    for _word in _words.split():
        _BY_WORD.setdefault(_word, []).append((_kind, _how, re.compile(_text)))
_NAMED = r"(?: '(?P<user>[^']{0,100})')?"
_PEER = r"from <?(?P<address>[0-9A-Fa-f:.]{3,64}):(?P<port>\d{1,5})>?"
_DROPBEAR: tuple[_Pattern, ...] = tuple((kind, how, re.compile(pattern)) for kind, how, pattern in (
    ("failed", "password", rf"Bad (?:PAM )?password attempt for{_NAMED} {_PEER}\Z"),
    ("given_up", INVALID, rf"[Ll]ogin attempt (?:for nonexistent|with wrong) user{_NAMED} {_PEER}\Z"),
    ("accepted", "password", rf"(?:PAM p|P)assword auth succeeded for{_NAMED} {_PEER}\Z"),
    ("accepted", "publickey", rf"Pubkey auth succeeded for{_NAMED} with (?:\S+ )?key .{{1,200}} {_PEER}\Z"),
))
_OTHERS: tuple[_Pattern, ...] = tuple((kind, how, re.compile(pattern)) for kind, how, pattern in (
    ("failed", "password", rf"pam_\w{{1,40}}\([^)]{{1,60}}\): authentication failure;{_RHOST}(?:\s+user=(?P<user>\S{{0,100}}))?"),
    ("failed", "password", r"(?:auth failed|Aborted login).{0,300}?user=<(?P<user>[^>]{0,100})>.{0,200}?rip=(?P<address>[\da-fA-F:.]{3,})"),
))
_SCAN = re.compile(
    r"(?:Unable to negotiate with|Did not receive identification string from|Bad protocol version identification .{0,200} from"
    r"|banner exchange: Connection from|(?:fatal: )?Timeout before authentication for(?: connection from)?|refused connect from"
    r"|(?:error: )?(?:kex_exchange_identification|ssh_dispatch_run_fatal|ssh_packet_\w{1,40}): Connection from"
    r"|(?:past MaxStartups: )?drop connection #\d+ from|Protocol major versions differ for)"
    r" \[?(?P<address>[0-9A-Fa-f:.]{3,64}?)(?= |: |\]|\Z)"
)
#: What sshd says that is not a failed login, or that it says beside one that is counted.
_KNOWN = re.compile("|".join((
    r"Server listening on |Received (?:signal|SIGHUP|disconnect from )|error: Received disconnect from |Exiting on signal",
    r"Connection (?:closed|reset) by [0-9A-Fa-f:.%]{3,64} port|Connection from [0-9A-Fa-f:.%]{3,64} port |Connection closed\.?\Z",
    r"Disconnected from (?:user \S{1,100} )?[0-9A-Fa-f:.%]{3,64} port|Closing connection to |Transferred: |User child is on pid ",
    r"Starting session: |Close session: |subsystem request for |pam_\w{1,40}\(sshd(?:-session)?:|PAM service\(sshd\) ignoring max ",
    r"PAM \d{1,6} more authentication failures?;|Failed none for |Postponed |Partial |Accepted key |Accepted certificate ID ",
    r"User \S{1,100} from \S{1,64} not allowed because |input_userauth_request: |reverse mapping checking |Address \S{1,64} maps to ",
    r"(?:error: )?kex_exchange_identification: |error: kex protocol error: |drop connection #\d|(?:error: )?beginning MaxStartups",
    r"exited MaxStartups|Timeout, client not responding|rexec line |error: Could not load host key|error: Bind to port|Found matching ",
    r"Set /proc/self/oom_score_adj|debug\d: |Environment variable |syslogin_perform_logout: |Authorized to |Read error from remote ",
    r"(?:fatal: )?(?:Write failed|ssh_dispatch_run_fatal|ssh_packet_\w{1,40})\b|Could not (?:get shadow|create|write)|lastlog_",
    r"userauth_pubkey: |Authentication (?:refused: bad ownership|tried for \S{1,100} with correct key)|ROOT LOGIN REFUSED FROM ",
    r"fatal: Access denied for user \S{1,100} by PAM account|Changed root directory to |session opened for |session closed for ",
    r"srclimit_\w{1,40}: |channel \d|refused local ",
)))
#: The same of dropbear.
_KNOWN_OF_DROPBEAR = re.compile(
    r"Child connection from |Exit before auth|Exit \(|Early exit: |Not backgrounding|Running in background|Failed loading |Premature exit"
    r"|User '[^']{0,100}' |Max auth tries reached|Failed listening on|Disconnect received|Generating hostkey|\[\d+\] "
)
_REPEATED = re.compile(r"message repeated (?P<times>\d{1,6}) times: \[ ?(?P<message>.*)\]\Z")
# "2026-11-24T11:30:32.123456+00:00 host sshd[4711]: ..." or "Nov 24 11:30:32 host sshd[4711]: ...", as rsyslog writes them. A priority
# may be before it ("<38>"), BusyBox has the facility in words before the program, and OpenWrt the weekday and the year.
_ISO_TIME = r"(?P<iso>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)"
_OLD_TIME = r"(?:[A-Z][a-z]{2} )?(?P<month>[A-Z][a-z]{2}) +(?P<day>\d{1,2}) (?P<clock>\d\d:\d\d:\d\d)(?:\.\d{1,9})?(?: (?P<year>\d{4}))?"
_PRIORITY = r"(?:<\d{1,3}>)?"
_PROGRAM = r"(?P<program>[^\s:\[]{1,64})(?:\[(?P<pid>\d{1,10})\])?: "
_STAMP = re.compile(rf"{_PRIORITY}(?:1 )?(?:{_ISO_TIME}|{_OLD_TIME})(?!\S)")
_LINE = re.compile(
    rf"{_PRIORITY}(?:{_ISO_TIME}|{_OLD_TIME}) \S+ (?:(?:auth|authpriv|daemon)\.[a-z]{{3,7}} )?{_PROGRAM}(?P<message>.*)\Z"
)
# "<38>1 2026-11-24T11:30:32Z host sshd 4711 - - ...", as of RFC 5424, with its structured data passed over.
_NEW_LINE = re.compile(
    rf"{_PRIORITY}1 {_ISO_TIME} \S+ (?P<program>\S{{1,64}}) (?P<pid>\S{{1,32}}) \S{{1,32}} "
    r"(?:-|(?:\[(?:[^\]\\\"]|\"(?:[^\"\\]|\\.)*\")*\])+)(?: (?:\ufeff)?(?P<message>.*))?\Z"
)
#: sysklogd's, of the line before it.
_AGAIN = re.compile(rf"{_PRIORITY}(?:{_ISO_TIME}|{_OLD_TIME}) \S+ last message repeated (?P<times>\d{{1,6}}) times\Z")
#: A line without any of these is of other programs.
_OF_US = re.compile(r"sshd|dropbear|dovecot|pam_|rip=|last message repeated ")
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
#: The kinds of events that tell of a login.
LOGINS = ("failed", "given_up", "asked_pam", "partial", "accepted")
SSHD = ("sshd", "sshd-session", "sshd-auth")
DROPBEAR = "dropbear"
MAX_LINE = 2000
#: How much of a line that was not understood is told.
_MOST_SAMPLE = 200
#: A name that was tried may be somebody's password.
_TRIED = re.compile(r"\b(for|user)(?: (?:invalid|illegal|authenticating))?(?: user)? (?!from\b).{1,100}?(?= from | by |[:,;]|\Z)")


class Event(t.NamedTuple):
    """One thing that a line says of a login.

    Attributes:
        at: seconds since the epoch, None where the line has no time that can be read.
        kind: of LOGINS, or pam and pam_ok (what PAM says beside sshd), scan, known or other. The last two have no address.
        user: what was tried; of `other` the line.
        how: of a failed or accepted one, the method; of one that was given up, why; of PAM the module.
        port: of the client, which tells its connections apart; empty where the line has none.
        times: how often, where the log says that a message was repeated.
        pid: of the process that wrote it, which is another one for each connection.
    """

    at: t.Optional[float]
    kind: str
    address: str
    user: str
    port: str = ""
    times: int = 1
    how: str = ""
    pid: str = ""


def of_journal(lines: t.Iterable[t.Union[str, bytes]]) -> t.Iterator[Event]:
    """The events in lines of `journalctl -o json` (systemd.journal-fields(7)); lines that are none are left out."""
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(entry, dict):
            continue
        message = entry.get("MESSAGE")
        if isinstance(message, list):  # bytes that are not UTF-8
            message = bytes(one for one in message if isinstance(one, int) and 0 <= one < 256).decode("utf-8", "replace")
        stamp = re.match(r"[0-9]{1,18}\Z", str(entry.get("__REALTIME_TIMESTAMP", "")))
        event = read_message(
            str(message or ""), program=str(entry.get("SYSLOG_IDENTIFIER", "")), at=int(stamp[0]) / 1e6 if stamp else None,
            pid=str(entry.get("_PID") or entry.get("SYSLOG_PID") or ""),
        )
        if event is not None:
            yield event


def of_log(lines: t.Iterable[str], *, now: float) -> t.Iterator[Event]:
    """The events in lines of auth.log or secure."""
    last: t.Optional[Event] = None
    for line in lines:
        if not _OF_US.search(line):
            last = None
            continue
        line = line[:MAX_LINE].rstrip("\r\n")
        match = _LINE.match(line) or _NEW_LINE.match(line)
        if match:
            last = read_message(match["message"] or "", program=match["program"], at=_time_of(match, now), pid=match["pid"] or "")
            if last is not None:
                yield last
            continue
        again = _AGAIN.match(line)
        if again and last is not None:
            yield last._replace(at=_time_of(again, now), times=int(again["times"]))
        elif not again:
            last = None


def first_time(lines: t.Iterable[str], *, now: float) -> float | None:
    """When a log begins: the time of its first line that has one, whatever that line tells. None where no line has one."""
    stamps = (_STAMP.match(line[:MAX_LINE]) for line in lines)
    return next((at for at in (_time_of(match, now) for match in stamps if match) if at is not None), None)


def read_message(message: str, *, program: str, at: float | None, pid: str = "") -> t.Optional[Event]:
    """What a message is: of sshd and dropbear always something, of others a login or nothing."""
    message, times = _repeated(message)
    event = _login_in(message, program=program, at=at, times=times, pid=pid)
    if event is not None or not (program in SSHD or program == DROPBEAR):
        return event
    scan = _SCAN.match(message)
    address = _address(scan["address"]) if scan else ""
    if address:
        return Event(at, "scan", address, "", times=times)
    known = not message or scan or (_KNOWN if program in SSHD else _KNOWN_OF_DROPBEAR).match(message)
    return Event(at, "known" if known else "other", "", "" if known else _sample(message), times=times)


def _repeated(message: str) -> tuple[str, int]:
    message = message[:MAX_LINE].strip()
    if message.startswith("message repeated "):
        repeated = _REPEATED.match(message)
        if repeated:
            return repeated["message"].strip(), int(repeated["times"])
    return message, 1


def _login_in(message: str, *, program: str, at: float | None, times: int, pid: str) -> t.Optional[Event]:
    ours = program in SSHD or program == DROPBEAR
    for kind, how, pattern in _patterns(message) if program in SSHD else _DROPBEAR if ours else _OTHERS:
        match = pattern.match(message) if ours else pattern.search(message)
        if match:
            named = match.groupdict()
            address = _address(named["address"] or "")
            if not address:
                return None
            return Event(
                at, kind, address, _tidy(named.get("user") or ""), named.get("port") or "", int(named.get("times") or 1) * times,
                how or named.get("how") or "", pid,
            )
    return None


def _patterns(message: str) -> t.Sequence[_Pattern]:
    """Those that a line of sshd may be one of, by its first word."""
    word = message.partition(" ")[0]
    return _BY_WORD.get("pam_" if word.startswith("pam_") else word, ())


@functools.lru_cache(maxsize=1 << 16)
def _address(text: str) -> str:
    """One address in our spelling; empty where it is none."""
    network = read_network(text)
    return canonical(network) if network is not None and network.num_addresses == 1 else ""


def _time_of(match: re.Match[str], now: float) -> float | None:
    iso = match["iso"]
    if iso:  # fractions are of no use here, and without them most lines share their time with others
        return _iso_time(iso if len(iso) < 20 or iso[19] not in ".," else iso[:19] + iso[19:].lstrip(".,0123456789"))
    return _old_time(match["month"], match["day"], match["clock"], match["year"], now)


@functools.lru_cache(maxsize=4096)
def _iso_time(text: str) -> float | None:
    try:
        # Python before 3.11 wants a colon in the zone.
        text = re.sub(r"([+-]\d\d)(\d\d)\Z", r"\1:\2", text.replace(" ", "T").replace("Z", "+00:00"))
        return datetime.datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError):
        return None


@functools.lru_cache(maxsize=4096)
def _old_time(month: str, day: str, clock: str, year: t.Optional[str], now: float) -> float | None:
    try:
        number, at_clock = _MONTHS.get(month), time.strptime(clock, "%H:%M:%S")
        if number is None:
            return None
        this = time.localtime(now).tm_year
        # Most of these lines have no year: one that would be in the future is last year's.
        for candidate in (int(year),) if year else (this, this - 1):
            at = time.mktime((candidate, number, int(day), at_clock.tm_hour, at_clock.tm_min, at_clock.tm_sec, 0, 0, -1))
            if year or at <= now + 86400:
                return at
    except (ValueError, OverflowError):
        pass
    return None


def _sample(message: str) -> str:
    """A line that was not understood, without what somebody may have typed: of its form nothing is known."""
    return _TRIED.sub(r"\1 ***", redact_line(_printable(message), GENERIC))[:_MOST_SAMPLE]


def _tidy(user: str) -> str:
    return _printable(user)[:64]


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)
