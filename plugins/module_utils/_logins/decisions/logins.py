# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failed logins in what sshd and others write, counted by address and user.

This module util is PRIVATE to the collection: it may change at any time.

sshd writes several lines for one attempt. A connection (address and port) counts as often as it has a line that says "Failed",
or once where it was given up before that. What PAM says through sshd has no port: it counts where "Failed keyboard-interactive" is not
said as often.

Every line of sshd is a login, a scan (a connection without a login), known to be neither, or not understood. The last might be a failed
login in words that are not known here, so the counts are then a lower bound.
"""

from __future__ import annotations

import calendar
import dataclasses
import datetime
import heapq
import json
import re
import time
import typing as t

from ..._core.addresses import canonical, read_network
from ..._core.findings import OK, WARNING, Finding, Skipped, judge
from ..._core.judging import Judged, judge_look
from ..._core.recorded import Basis

CHECKS = ("failed_logins", "login_after_failures")
#: That somebody tries passwords is the rule on the Internet; whoever is kept out by now is counted too.
GOOD = (OK, WARNING)
#: Why a source has nothing to say.
ABSENT = {"no_journal": "this host keeps no journal", "no_log": "none of the usual logs is there"}

_USER = r"(?P<user>.{0,100}?)"
_FROM = r"from (?P<address>[0-9A-Fa-f:.%\w]{3,64})(?: port (?P<port>\d{1,5}))?"
# The user is what the client sent and may hold anything, so the address is looked for at the end of the line.
# What follows it is only what sshd adds: a looser end would let a name of the client's choosing stand in its place.
_END = r"(?: ssh\d?)?(?:: [A-Z0-9-]{2,30} (?:SHA256|MD5):\S{1,100})?(?: \[preauth\])?\Z"
_HOW = r"(?P<how>password|publickey|keyboard-interactive\S*|hostbased|gssapi\S*)"
_FAILED = re.compile(rf"Failed {_HOW} for (?:invalid user )?{_USER} {_FROM}{_END}")
_GIVEN_UP = (
    re.compile(rf"Invalid user {_USER} {_FROM}\Z"),
    re.compile(rf"(?:error: )?maximum authentication attempts exceeded for (?:invalid user )?{_USER} {_FROM}{_END}"),
    re.compile(r"(?:Connection (?:closed|reset) by|Disconnected from) (?:authenticating|invalid) user "
               rf"{_USER} (?P<address>[0-9A-Fa-f:.%]{{3,64}}) port (?P<port>\d{{1,5}})(?: \[preauth\])?\Z"),
    re.compile(rf"(?:error: )?Disconnecting (?:authenticating|invalid) user {_USER} (?P<address>[0-9A-Fa-f:.%]{{3,64}}) "
               r"port (?P<port>\d{1,5}): Too many authentication failures(?: \[preauth\])?\Z"),
)
_ASKED_PAM = re.compile(rf"error: PAM: [A-Za-z ]{{1,60}} for (?:illegal user |invalid user )?{_USER} {_FROM}{_END}")
_DROPBEAR = re.compile(
    r"(?:Bad (?:PAM )?password attempt for|Login attempt for nonexistent user)(?: '(?P<user>[^']{0,100})')?"
    r" from (?P<address>[0-9A-Fa-f:.]{3,64}):(?P<port>\d{1,5})\Z"
)
_ACCEPTED = re.compile(rf"Accepted \S{{1,40}} for {_USER} {_FROM}{_END}")
_PAM = re.compile(
    r"pam_\w{1,40}\([^)]{1,60}\): authentication failure;.{0,200}? rhost=(?P<address>[0-9A-Fa-f:.]{3,64})(?:\s+user=(?P<user>\S{0,100}))?"
)
_DOVECOT = re.compile(r"(?:auth failed|Aborted login).{0,300}?user=<(?P<user>[^>]{0,100})>.{0,200}?rip=(?P<address>[0-9A-Fa-f:.]{3,64})")
_SCAN = re.compile(
    r"(?:Unable to negotiate with|Did not receive identification string from|Bad protocol version identification .{0,200} from"
    r"|banner exchange: Connection from|(?:fatal: )?Timeout before authentication for(?: connection from)?"
    r"|Protocol major versions differ for) (?P<address>[0-9A-Fa-f:.]{3,64}?)(?= |: |\Z)"
)
#: What sshd says that is no failed login, or that it says beside one that is counted.
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
)))
_REPEATED = re.compile(r"message repeated (?P<times>\d{1,6}) times: \[ ?(?P<message>.*)\]\Z")
# "2026-11-24T11:30:32.123456+00:00 host sshd[4711]: ..." or "Nov 24 11:30:32 host sshd[4711]: ...", as rsyslog writes them.
_ISO_TIME = r"(?P<iso>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)"
_OLD_TIME = r"(?P<month>[A-Z][a-z]{2}) +(?P<day>\d{1,2}) (?P<clock>\d\d:\d\d:\d\d)"
_STAMP = re.compile(rf"(?:{_ISO_TIME}|{_OLD_TIME})(?!\S)")
_LINE = re.compile(rf"(?:{_ISO_TIME}|{_OLD_TIME}) \S+ (?P<program>[^\s:\[]{{1,64}})(?:\[\d+\])?: (?P<message>.*)\Z")
# "<38>1 2026-11-24T11:30:32Z host sshd 4711 - - ...", as of RFC 5424. Structured data is passed over where it is simple.
_NEW_LINE = re.compile(
    rf"<\d{{1,3}}>1 (?:{_ISO_TIME}|{_OLD_TIME}) \S+ (?P<program>\S{{1,64}}) \S{{1,32}} \S{{1,32}} "
    r"(?:-|\[[^\]]{0,300}\]) ?(?P<message>.*)\Z"
)
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_LOGINS = ("failed", "given_up", "asked_pam", "accepted")
_SSH = ("sshd", "sshd-session", "sshd-auth")
MAX_LINE = 2000
#: Lines that were not understood and are told, and how much of each.
_SAMPLES, _MOST_SAMPLE = 3, 200


@dataclasses.dataclass(frozen=True)
class Event:
    """One thing that a line says of a login.

    Attributes:
        at: seconds since the epoch, None where the line has no time that can be read.
        kind: failed, given_up, asked_pam, accepted, scan, known or other. The last two have no address.
        user: what was tried; of `other` the line.
        how: of a failed one, how it was tried.
        port: of the client, which tells its connections apart; empty where the line has none.
        times: how often, where the log says that a message was repeated.
    """

    at: t.Optional[float]
    kind: str
    address: str
    user: str
    port: str = ""
    times: int = 1
    how: str = ""


@dataclasses.dataclass(frozen=True)
class Lines:
    """How much of what sshd wrote was understood.

    Attributes:
        seen, understood: lines.
        samples: some that were not.
        scans: connections without a login, by address.
    """

    seen: int = 0
    understood: int = 0
    samples: tuple[str, ...] = ()
    scans: t.Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Lines that may each be a failed login."""
        return self.seen - self.understood


def parse_journal(lines: t.Iterable[str]) -> list[Event]:
    """The events in lines of `journalctl -o json` (systemd.journal-fields(7)); lines that are none are left out."""
    found = []
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(entry, dict):
            continue
        message = entry.get("MESSAGE")
        if isinstance(message, list):  # bytes that are no UTF-8
            message = bytes(one for one in message if isinstance(one, int) and 0 <= one < 256).decode("utf-8", "replace")
        stamp = re.match(r"[0-9]{1,18}\Z", str(entry.get("__REALTIME_TIMESTAMP", "")))
        found += read_message(
            str(message or ""), program=str(entry.get("SYSLOG_IDENTIFIER", "")), at=int(stamp[0]) / 1e6 if stamp else None,
        )
    return found


def parse_log(lines: t.Iterable[str], *, now: float) -> list[Event]:
    """The events in lines of auth.log or secure."""
    found = []
    for line in lines:
        line = line[:MAX_LINE].rstrip("\r\n")
        match = _LINE.match(line) or _NEW_LINE.match(line)
        if match:
            found += read_message(match["message"], program=match["program"], at=_time_of(match, now))
    return found


def first_time(lines: t.Iterable[str], *, now: float) -> float | None:
    """When a log begins: the time of its first line that has one, whatever that line tells. None where no line has one."""
    stamps = (_STAMP.match(line[:MAX_LINE]) for line in lines)
    return next((at for at in (_time_of(match, now) for match in stamps if match) if at is not None), None)


def read_message(message: str, *, program: str, at: float | None) -> list[Event]:
    """What a message is: of sshd always something, of others a login or nothing."""
    found = parse_message(message, program=program, at=at)
    if found or program not in _SSH:
        return found
    message = message[:MAX_LINE].strip()
    scan = _SCAN.match(message)
    network = read_network(scan["address"]) if scan else None
    if network is not None and network.num_addresses == 1:
        return [Event(at, "scan", canonical(network), "")]
    known = not message or scan or _KNOWN.match(message)
    return [Event(at, "known" if known else "other", "", "" if known else _printable(message)[:_MOST_SAMPLE])]


def parse_message(message: str, *, program: str, at: float | None) -> list[Event]:
    """The event that a message is, if any."""
    message, times = message[:MAX_LINE].strip(), 1
    repeated = _REPEATED.match(message)
    if repeated:
        message, times = repeated["message"].strip(), int(repeated["times"])
    is_ssh = program in _SSH
    patterns: list[tuple[str, re.Pattern[str]]] = [
        ("failed", _FAILED), *(("given_up", one) for one in _GIVEN_UP), ("asked_pam", _ASKED_PAM), ("accepted", _ACCEPTED),
    ]
    for kind, pattern in patterns if is_ssh else (("failed", _PAM), ("failed", _DOVECOT), ("failed", _DROPBEAR)):
        match = pattern.match(message) if is_ssh else pattern.search(message)
        if match:
            named = match.groupdict()
            network = read_network(named["address"] or "")
            if network is None or network.num_addresses != 1:
                return []
            return [Event(
                at, kind, canonical(network), _tidy(named.get("user") or ""), named.get("port") or "", times, named.get("how") or "",
            )]
    return []


@dataclasses.dataclass
class Tally:
    """What one address did."""

    address: str
    failed: int = 0
    accepted: int = 0
    first: t.Optional[float] = None
    last: t.Optional[float] = None
    users: dict[str, int] = dataclasses.field(default_factory=dict)

    def see(self, at: float | None) -> None:
        """Take a time into account."""
        if at is not None:
            self.first = at if self.first is None else min(self.first, at)
            self.last = at if self.last is None else max(self.last, at)


def count(sources: t.Sequence[t.Sequence[Event]], *, since: float) -> dict[str, Tally]:
    """The failed logins by address since a time. Sources that tell of the same events are not added up: the larger number counts.

    Args:
        since: seconds since the epoch; events without a time count.
    """
    found: dict[str, Tally] = {}
    for events in sources:
        one = _count_one([event for event in _recent(events, since) if event.kind in _LOGINS])
        for address, tally in one.items():
            known = found.get(address)
            if known is None or (tally.failed, tally.accepted) > (known.failed, known.accepted):
                found[address] = tally
    return found


def told_lines(sources: t.Sequence[t.Sequence[Event]], *, since: float) -> Lines:
    """How much was understood of the source with most lines of sshd: sources often tell the same."""
    found = [Lines()]
    for events in sources:
        recent = [event for event in _recent(events, since) if event.kind not in _LOGINS or event.port or event.kind == "asked_pam"]
        others = [event.user for event in recent if event.kind == "other"]
        scans: dict[str, int] = {}
        for event in recent:
            if event.kind == "scan":
                scans[event.address] = scans.get(event.address, 0) + event.times
        found.append(Lines(len(recent), len(recent) - len(others), tuple(dict.fromkeys(others))[:_SAMPLES], scans))
    return max(found, key=lambda one: (one.seen, one.missing))


def _recent(events: t.Sequence[Event], since: float) -> t.Iterator[Event]:
    return (event for event in events if event.at is None or event.at >= since)


def _count_one(events: t.Sequence[Event]) -> dict[str, Tally]:
    found: dict[str, Tally] = {}
    with_failure = {(event.address, event.port) for event in events if event.kind == "failed" and event.port}
    given_up: set[tuple[str, str]] = set()
    by_keyboard: dict[str, int] = {}
    for event in events:
        if event.how.startswith("keyboard"):
            by_keyboard[event.address] = by_keyboard.get(event.address, 0) + event.times
    for event in events:
        tally = found.setdefault(event.address, Tally(event.address))
        times = event.times
        if event.kind == "accepted":
            tally.accepted += times
            continue
        if event.kind == "given_up":
            connection = (event.address, event.port)
            if connection in with_failure or (event.port and connection in given_up):
                continue
            given_up.add(connection)
        if event.kind == "asked_pam":  # beside each of these sshd may say that it failed, with the port
            counted = min(by_keyboard.get(event.address, 0), times)
            by_keyboard[event.address] = by_keyboard.get(event.address, 0) - counted
            times -= counted
            if not times:
                continue
        tally.failed += times
        tally.users[event.user] = tally.users.get(event.user, 0) + times
        tally.see(event.at)
    return found


def judge_logins(
    tallies: t.Sequence[Tally], *, warning: int, critical: int, max_addresses: int, since: float, skipped: t.Sequence[Skipped],
    suspicious: t.Optional[int] = None, asked: t.Optional[t.Sequence[str]] = CHECKS, lines: Lines = Lines(),
    read: t.Sequence[str] = (), others: tuple[int, int] = (0, 0),
) -> Judged:
    """The verdict: the address with most failures decides. From `suspicious` failures on (`critical`) a login that got in is critical.

    Where the lines that were not understood could make it another one, nobody knows it.

    Args:
        asked: the checks that must be answered.
        read: what was read.
        others: how many addresses with failed logins are not among the tallies, and how many failed logins they have.
    """
    kept = _that_decide(tallies, most=max_addresses)
    left = [one.failed for one in tallies if one.failed and one.address not in kept]
    basis = Basis("failed_logins", {
        "tallies": list(kept.values()), "warning": warning, "critical": critical, "max_addresses": max_addresses, "since": since,
        "skipped": skipped, "suspicious": suspicious, "asked": asked, "lines": Lines(lines.seen, lines.understood), "read": read,
        "others": (others[0] + len(left), others[1] + sum(left)),
    })
    guessed = critical if suspicious is None else suspicious
    worst = sorted((one for one in tallies if one.failed), key=_most_failed)
    addresses, total = len(worst) + others[0], sum(one.failed for one in worst) + others[1]
    users: dict[str, int] = {}
    for one in worst:
        for user, times in one.users.items():
            users[user] = users.get(user, 0) + times
    most = worst[0] if worst else None
    findings: list[Finding] = [judge(
        "failed_logins", most.failed if most else 0, warning=warning, critical=critical, unit="count",
        subject=most.address if most else "", hint="Somebody tries passwords. fail2ban_ban keeps the worst out.",
        detail={"total": total, "addresses": addresses},
    )]
    succeeded = [one for one in worst if one.accepted and one.failed >= guessed]
    if succeeded:
        findings.append(Finding(
            "login_after_failures", "critical", observed=succeeded[0].failed, threshold=guessed, unit="count",
            subject=succeeded[0].address, hint="It failed often and got in: find out whether a password was guessed.",
            detail={"addresses": [one.address for one in succeeded[:max_addresses]]},
        ))
    else:
        findings.append(Finding("login_after_failures", OK, observed=0, threshold=guessed, unit="count"))
    unclear = _unclear(tallies, findings, warning=warning, critical=critical, guessed=guessed, lines=lines)
    return Judged(judge_look(findings, [*skipped, *unclear], asked=asked, good=GOOD), {
        "read": list(read), "lines_seen": lines.seen, "lines_understood": lines.understood, "not_understood": list(lines.samples),
        "scans": [
            {"address": address, "times": times}
            for address, times in sorted(lines.scans.items(), key=lambda item: (-item[1], item[0]))[:max_addresses]
        ],
        "total": total, "addresses": addresses, "since": _iso(since),
        "worst": [_describe(one) for one in worst[:max_addresses]], "left_out": max(addresses - max_addresses, 0),
        "users": [{"user": user, "failed": times} for user, times in sorted(users.items(), key=lambda i: (-i[1], i[0]))[:max_addresses]],
    }, basis)


def _most_failed(one: Tally) -> tuple[int, str]:
    return -one.failed, one.address


def _that_decide(tallies: t.Sequence[Tally], *, most: int) -> dict[str, Tally]:
    """The worst addresses, and the worst of those that got in: no other one changes the verdict.

    Without the names that were tried: people type passwords there, and no name decides.
    """
    worst = heapq.nsmallest(most, tallies, key=_most_failed)
    got_in = heapq.nsmallest(most, (one for one in tallies if one.accepted), key=_most_failed)
    return {one.address: Tally(one.address, one.failed, one.accepted) for one in (*worst, *got_in)}


def _unclear(
    tallies: t.Sequence[Tally], findings: t.Sequence[Finding], *, warning: int, critical: int, guessed: int, lines: Lines,
) -> list[Skipped]:
    """The checks that would have another answer if each line that was not understood were a failed login of the worst address."""
    if not lines.missing:
        return []
    said = "; ".join(repr(one) for one in lines.samples)
    reason = f"not_understood: {lines.missing} of {lines.seen} lines of sshd, such as {said}"
    hint = "Read these lines: they may be failed logins that are not counted."
    most = max((one.failed for one in tallies), default=0)
    found = []
    if judge(CHECKS[0], most + lines.missing, warning=warning, critical=critical, unit="count").status != findings[0].status:
        found.append(Skipped(CHECKS[0], reason, hint))
    got_in = any(one.accepted and one.failed + lines.missing >= guessed for one in tallies)
    if got_in and findings[1].status == OK:
        found.append(Skipped(CHECKS[1], reason, hint))
    return found


def begins(at: float | None) -> str:
    """When a log begins, in words."""
    return "has no line with a time" if at is None else f"begins at {_iso(at)}"


def _describe(one: Tally) -> dict[str, t.Any]:
    users = sorted(one.users.items(), key=lambda item: (-item[1], item[0]))
    return {"address": one.address, "failed": one.failed, "accepted": one.accepted, "first": _iso(one.first), "last": _iso(one.last),
            "users": [user for user, _times in users[:10]], "user_count": len(users)}


def _iso(at: float | None) -> str | None:
    if at is None:
        return None
    return datetime.datetime.fromtimestamp(at, tz=datetime.timezone.utc).isoformat(timespec="seconds")


def _time_of(match: re.Match[str], now: float) -> float | None:
    try:
        if match["iso"]:
            text = match["iso"].replace(" ", "T").replace("Z", "+00:00")
            # Python before 3.11 wants a colon in the zone, and three or six digits of a second.
            text = re.sub(r"([+-]\d\d)(\d\d)\Z", r"\1:\2", re.sub(r"\.\d+", "", text))
            return datetime.datetime.fromisoformat(text).astimezone().timestamp()
        month, clock = _MONTHS.get(match["month"]), time.strptime(match["clock"], "%H:%M:%S")
        if month is None:
            return None
        year = time.localtime(now).tm_year
        # These lines have no year: one that would be in the future is last year's.
        for candidate in (year, year - 1):
            at = time.mktime((candidate, month, int(match["day"]), clock.tm_hour, clock.tm_min, clock.tm_sec, 0, 0, -1))
            if at <= now + 86400:
                return at
    except (ValueError, OverflowError):
        pass
    return None


def _tidy(user: str) -> str:
    return _printable(user)[:64]


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
