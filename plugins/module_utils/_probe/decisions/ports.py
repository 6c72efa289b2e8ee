# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does anybody listen on a port, and does it answer?

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from ..._core.findings import CRITICAL, NOT_APPLICABLE, OK, UNKNOWN, WARNING, Finding, Skipped
from ..._core.judging import Judged, judge_look
from ..._core.recorded import Basis
from . import greetings
from .listening import CHECK as QUEUE_CHECK
from .listening import Queue, judge_queue
from .refusals import CHECK as REFUSALS
from .refusals import Read, judge_refusals

CHECK = "port"
_JOIN = "Use become, or make the user one of the groups adm and systemd-journal."
CHECKS = (CHECK, QUEUE_CHECK, REFUSALS)
#: The state of a listening TCP socket and of an unconnected UDP one in /proc/net (Linux, include/net/tcp_states.h).
LISTEN, UNCONNECTED = "0A", "07"
#: Why a check does not apply.
ABSENT = {
    "no_log": "this host has neither a journal nor a log of logins", "of_another_host": "it is of another host",
    "nobody_listens": "nobody listens here",
}


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came of one attempt to connect.

    Attributes:
        address: that was tried.
        seconds: it took.
        problem: why there is no connection; empty when there is one.
        unknown: whether the attempt says nothing about the port (its name was not found, we may not connect).
        heard: what the service's first words mean, see greetings; empty where none were expected.
        words: these, for people.
        clients: who comes in at this address.
    """

    address: str
    seconds: float
    problem: str = ""
    unknown: bool = False
    heard: str = ""
    words: str = ""
    clients: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Seen:
    """What was seen of one port.

    Attributes:
        listening: where it is open; None where that was not looked at or the kernel does not say.
        answers: the attempts.
        expected: what it should say first, see greetings.
        named: that was asked for, and does not follow from the number of the port alone.
        queues: its sockets, one look after the other, for `looked_for` seconds.
    """

    port: int
    listening: t.Optional[tuple[str, ...]] = None
    answers: tuple[Answer, ...] = ()
    expected: str = greetings.NONE
    named: bool = False
    queues: tuple[tuple[Queue, ...], ...] = ()
    looked_for: float = 0.0


def decide(
    host: str, protocol: str, seen: t.Sequence[Seen], *, asked: t.Optional[t.Sequence[str]], refusals: t.Optional[Read] = None,
) -> Judged:
    """The verdict on the ports of a host.

    Args:
        host: name or address; empty is this host.
        asked: the checks that must be answered.
        refusals: what the logs say of who wants to come in; None where nobody looked.
    """
    findings, skipped = [], []
    if refusals is not None:
        if refusals.read:
            findings.append(judge_refusals(refusals))
        skipped += [Skipped(REFUSALS, problem, _JOIN) for problem in refusals.problems]
        if not refusals.read and not refusals.problems:
            skipped.append(absent(REFUSALS, "no_log"))
    for one in seen:
        listening = None if one.listening is None else list(one.listening)
        if protocol != "udp":
            port = judge_port(one.port, one.answers, host=host, listening=listening, expected=one.expected, named=one.named)
            queue = judge_queue(one.port, one.queues, seconds=one.looked_for)
            if queue is not None and port.status == queue.status == CRITICAL:
                port = dataclasses.replace(port, hint=queue.hint)
            findings.append(port)
            if queue is not None:
                findings.append(queue)
            elif QUEUE_CHECK in (asked or ()):
                skipped.append(absent(QUEUE_CHECK, "of_another_host" if host else "nobody_listens", f"port {one.port}: "))
        elif host:
            skipped.append(skip_udp(one.port, host))
        else:
            findings.append(judge_udp(one.port, listening))
    return Judged(judge_look(findings, skipped, asked=asked), basis=Basis("port_health", {
        "host": host, "protocol": protocol, "seen": seen, "asked": asked, **({} if refusals is None else {"refusals": refusals}),
    }))


def absent(check: str, code: str, about: str = "") -> Skipped:
    """A check that does not apply.

    Args:
        code: key of ABSENT.
        about: said before the reason.
    """
    return Skipped(check, f"{code}: {about}{ABSENT[code]}.", kind=NOT_APPLICABLE)


def listeners(table: str, *, port: int, state: str = LISTEN) -> list[str]:
    """The addresses on which a port is open, from the text of /proc/net/tcp, tcp6, udp or udp6 (proc(5)).

    Args:
        table: the file's text. Addresses are hexadecimal 32-bit words in the host's byte order; Linux hosts that matter are little-endian.
        port: the port looked for.
        state: of the sockets that count.
    """
    found = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 4 or fields[3] != state:
            continue
        address, _colon, number = fields[1].partition(":")
        try:
            if int(number, 16) == port:
                found.append(_address(address))
        except ValueError:
            continue  # not a line we know
    return sorted(set(found))


def _address(text: str) -> str:
    words = [bytes.fromhex(text[start:start + 8])[::-1] for start in range(0, len(text), 8)]
    return str(ipaddress.ip_address(b"".join(words)))


def only_loopback(addresses: t.Collection[str]) -> bool:
    """Whether a port is open, and for this host alone."""
    return bool(addresses) and all(ipaddress.ip_address(address).is_loopback for address in addresses)


def to_try(addresses: t.Sequence[str]) -> list[str]:
    """Where to connect to reach a local port: its own addresses; loopback for the wildcards, and where nothing is known to listen."""
    wildcards = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    return list(dict.fromkeys(wildcards.get(address, address) for address in addresses)) or ["127.0.0.1", "::1"]


def judge_port(
    port: int, answers: t.Sequence[Answer], *, host: str = "", listening: t.Optional[t.Sequence[str]] = None,
    expected: str = greetings.NONE, named: bool = False,
) -> Finding:
    """Judge a TCP port by the attempts to connect to it: one that succeeded is enough, and one at each address at which clients come in.

    Args:
        port: the port.
        answers: at least one attempt.
        host: the name that was asked for; empty is this host.
        listening: where it is open, when that was looked at; None when not.
        expected: what it should say first, see greetings.
        named: see Seen.
    """
    good = [answer for answer in answers if not answer.problem]
    detail: dict[str, t.Any] = {"tried": [dataclasses.asdict(answer) for answer in answers], "expected": expected}
    if listening is not None:
        detail["listening"] = list(listening)
    subject = f"{host or 'this host'} {port}/tcp"
    if not good:
        return _no_connection(port, answers, subject, detail)
    # A container's port, which nobody here listens to, is sent on for those from outside alone.
    missed = [answer for answer in answers if answer.clients and answer.problem] if listening else []
    if missed:
        return _not_for_clients(missed, listening or (), subject, detail)
    where_they_come = [answer for answer in good if answer.clients]
    unwell = [answer for answer in where_they_come or good if answer.heard not in ("", greetings.WELL)]
    if unwell and (where_they_come or len(unwell) == len(good)):
        return _without_greeting(unwell[0], expected, named, subject, detail)
    if listening is not None and only_loopback(listening):
        return Finding(
            CHECK, WARNING, observed="open for this host alone", subject=subject, detail=detail,
            hint="The service listens on loopback addresses only: nobody else can reach it, whatever the firewall says.",
        )
    return Finding(CHECK, OK, observed=round(min(answer.seconds for answer in good), 4), unit="seconds", subject=subject, detail=detail)


def _no_connection(port: int, answers: t.Sequence[Answer], subject: str, detail: dict[str, t.Any]) -> Finding:
    listening = detail.get("listening")
    status = UNKNOWN if all(answer.unknown for answer in answers) else CRITICAL
    said = "; ".join(f"{answer.address}: {answer.problem}" for answer in answers)
    where = " Nothing listens there." if listening is not None and not listening else ""
    return Finding(
        CHECK, status, observed=said, subject=subject, detail=detail,
        hint=f"No connection to port {port}.{where} " + (
            "Look at the service itself." if listening is not None else "Look for what drops packets on the way, and at the service."
        ),
    )


def _not_for_clients(missed: t.Sequence[Answer], listening: t.Sequence[str], subject: str, detail: dict[str, t.Any]) -> Finding:
    said = "; ".join(f"{', '.join(one.clients)} comes in at {one.address}: {one.problem}" for one in missed)
    elsewhere = [one for one in missed if not _listens_at(one.address, listening)]
    hint = (
        f"The service listens at {', '.join(listening)}, and not where they come in: change at which address it listens." if elsewhere
        else "The service listens there, and this host does not get through to itself: look at the packet filter, and at the service."
    )
    return Finding(CHECK, CRITICAL, observed=said, subject=subject, detail=detail, hint=hint)


def _listens_at(address: str, listening: t.Sequence[str]) -> bool:
    """Whether a socket listens at an address, itself or by a wildcard. Of that for IPv6 the kernel does not say whether it is for both."""
    return address in listening or "::" in listening or (":" not in address and "0.0.0.0" in listening)


def _without_greeting(one: Answer, expected: str, named: bool, subject: str, detail: dict[str, t.Any]) -> Finding:
    name = greetings.KINDS[expected].name
    status, observed, hint = {
        greetings.SILENT: (
            CRITICAL, f"{one.address}: it accepts connections and says nothing",
            "The kernel accepts, and the service does not: it hangs, is stopped, or serves nobody new.",
        ),
        greetings.CLOSED: (
            CRITICAL, f"{one.address}: it ends the connection without a word",
            "The service refuses connections: look at its log, its limits and hosts.deny.",
        ),
        greetings.REFUSED: (
            CRITICAL, f"{one.address}: it refuses: {one.words}", "The service says itself why: look at its limits and its log.",
        ),
        greetings.OTHER: (
            CRITICAL if named else WARNING, f"{one.address}: it says {one.words!r}, which is not {name}",
            f"Something else than {name} answers there. Where that is so on purpose, set expect.",
        ),
    }[one.heard]
    return Finding(CHECK, status, observed=observed, subject=subject, hint=hint, detail=detail)


def judge_udp(port: int, listening: t.Optional[t.Sequence[str]]) -> Finding:
    """Judge a UDP port of this host by whether it is open, since UDP need not answer; None where the kernel does not say."""
    subject, detail = f"this host {port}/udp", {"listening": listening}
    if listening is None:
        return Finding(CHECK, UNKNOWN, subject=subject, hint="The kernel's table of UDP sockets cannot be read.")
    if only_loopback(listening):
        return Finding(CHECK, WARNING, observed="open for this host alone", subject=subject, detail=detail,
                       hint="The service listens on loopback addresses only.")
    if listening:
        return Finding(CHECK, OK, observed="open", subject=subject, detail=detail)
    hint = "Nothing listens there. Look at the service itself."
    return Finding(CHECK, CRITICAL, observed="closed", subject=subject, detail=detail, hint=hint)


def skip_udp(port: int, host: str) -> Skipped:
    """A UDP port of another host: it need not answer, so silence says nothing."""
    return Skipped(CHECK, f"{host} {port}/udp cannot be judged from outside: UDP need not answer.")
