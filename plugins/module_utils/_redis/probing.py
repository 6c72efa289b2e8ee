# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write, read, replicate and delete a probe key: what an application does, in small.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
import typing as t

from .._core import judging
from .._core.deadline import Deadline
from .._core.durations import parse_duration
from .._core.errors import BadInput, CannotReach, IncidentError
from .._core.findings import CRITICAL, OK, UNKNOWN, WARNING, Finding, Skipped, must_fail
from .._core.judging import answer, judge_look, question_from
from .._core.waiting import Wait, until
from .args import Way, way_from
from .connection import Client, CommandRefused
from .decisions.absent import does_not_apply
from .decisions.availability import is_sick
from .decisions.info import integer, replicas
from .decisions.state import PROBE_PREFIX, why_writes_hang
from .gather import reason
from .resp import ErrorReply

CHECKS = ("probe_write", "probe_read", "probe_replication", "probe_delete")
POLL = 0.05
#: Between two probes, seconds.
RETRY_PAUSE = 0.5
#: In a cluster a node takes the keys of its slots only: names to try until one is its own.
TRIES = 200
#: What a command without an answer is called.
_NO_ANSWER = ("frozen", "timeout")
#: How long a server is asked why it gave no answer, seconds.
_ASKED_AGAIN = 3.0
#: What an ACL user needs.
_GRANT = f"+set +get +del +exists +wait ~{PROBE_PREFIX}* to this user"


@dataclasses.dataclass(frozen=True)
class Probe:
    """What to probe.

    Attributes:
        ttl: of the key, whole seconds: it goes by itself if we cannot delete it.
        replication_timeout: how long replicas may take, seconds.
        expected_replicas: how many must have it; None takes those that are attached.
    """

    ttl: int = 30
    replication_timeout: float = 5.0
    expected_replicas: t.Optional[int] = None


Found = tuple[list[Finding], list[Skipped]]
Judged = t.Union[Finding, Skipped]


def probed(params: t.Mapping[str, t.Any], *, check_mode: bool) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """Do what the arguments say, again until all is ok or the time is up.

    Returns:
        The result by contract, and the error that the task must fail with, if any.

    Raises:
        BadInput: an argument is not usable.
        CannotReach: the server refused us for a reason that says nothing about its health.
    """
    way = way_from(params)
    times = {name: parse_duration(params[name], name=name) for name in ("ttl", "replication_timeout", "retry")}
    if times["ttl"] < 1:
        raise BadInput("ttl: it is under a second.", hint="Give 1s or more, above replication_timeout.", argument="ttl")
    asked = Probe(
        ttl=int(times["ttl"]), replication_timeout=times["replication_timeout"], expected_replicas=params["expected_replicas"],
    )
    question = question_from(params, checks=CHECKS, default=CHECKS, what="The probe key")
    if times["retry"] and question.wait:
        raise BadInput("retry and wait_for are given.", hint="Give one of them: retry is wait_for without a hold.", argument="retry")
    if times["retry"]:
        wait = Wait(checks=question.asked or CHECKS, hold=0.0, timeout=times["retry"], interval=RETRY_PAUSE)
        question = dataclasses.replace(question, wait=wait)
    if check_mode:
        question = dataclasses.replace(question, wait=None, fail_on="never")

    def one() -> judging.Judged:
        findings, skipped = _nothing() if check_mode else _once(way, asked, Deadline(way.max_seconds))
        return judging.Judged(judge_look(findings, skipped, asked=question.asked))

    result, problem = answer(question, one)
    if problem is not None and times["retry"] and not must_fail(result["status"], fail_on=question.fail_on):
        problem = None
    return result, problem


def _nothing() -> Found:
    return [], [Skipped(name, "check_mode: it writes nothing") for name in CHECKS]


def _once(way: Way, asked: Probe, wall: Deadline) -> Found:
    try:
        with way.open(wall) as client:
            return probe(client, way, asked)
    except CannotReach as exc:
        kind = str(exc.facts.get("error", ""))
        if not is_sick(kind):
            raise
        why = f"the server could not be used: {kind}"
        hint = (_why_it_hangs(way) if kind in _NO_ANSWER else "") or exc.hint or ""
        return [Finding(CHECKS[0], CRITICAL, observed=kind, hint=hint)], [Skipped(name, why) for name in CHECKS[1:]]
    except CommandRefused as exc:
        return [], [Skipped(name, reason(exc), f"Allow +info and {_GRANT}.") for name in CHECKS]


def _why_it_hangs(way: Way) -> str:
    """What a server says that left a probe without an answer; empty where it answers nothing at all."""
    try:
        with way.open(Deadline(_ASKED_AGAIN)) as client:
            return why_writes_hang(client.info("clients"))
    except IncidentError:
        return ""


def probe(client: Client, way: Way, asked: Probe) -> Found:
    """Probe the server; a replica by its primary, since nobody writes to a replica.

    Returns:
        The findings, and what could not be probed.
    """
    info = client.info()
    if info.get("role") != "slave":
        return _on_primary(client, asked, attached=len(replicas(info)))
    host, port = info.get("master_host", ""), integer(info, "master_port") or 0
    try:
        with way.open(client.deadline, login=way.login.at(host, port)) as primary:
            return _on_replica(client, primary, asked)
    except CannotReach as exc:
        if info.get("master_link_status") != "up":
            return [Finding("probe_replication", CRITICAL, observed="no link to the primary", hint=exc.message)], [
                Skipped(name, f"this is a replica, and its primary {host}:{port} cannot be reached") for name in CHECKS if name != CHECKS[2]
            ]
        why = f"this is a replica, and its primary {host}:{port} cannot be reached from here"
        return [], [Skipped(name, why, hint="Probe the primary.") for name in CHECKS]


def _on_primary(client: Client, asked: Probe, *, attached: int) -> Found:
    value = secrets.token_hex(8)
    wrote, key = _write(client, value, asked.ttl)
    if not key:
        return _sorted([wrote, *_not_written()])
    found = [wrote]
    try:
        found.append(_read(client, key, value))
        wanted = attached if asked.expected_replicas is None else asked.expected_replicas
        found.append(_wait(client, key, wanted, asked) if wanted else does_not_apply("probe_replication", "no_replicas"))
    finally:
        gone = _delete(client, key)
    return _sorted([*found, gone])


def _on_replica(replica: Client, primary: Client, asked: Probe) -> Found:
    value = secrets.token_hex(8)
    wrote, key = _write(primary, value, asked.ttl)
    if not key:
        return _sorted([wrote, *_not_written()])
    found = [wrote]
    try:
        found.append(_read(primary, key, value))
        found.append(_arrived(replica, key, value, asked))
    finally:
        gone = _delete(primary, key)
    return _sorted([*found, gone])


def _arrived(replica: Client, key: str, value: str, asked: Probe) -> Judged:
    start = time.monotonic()
    reply = until(
        lambda said: said == value.encode() or _is_forbidden(said), lambda: replica.replies([("GET", key)])[0],
        seconds=replica.deadline.within(asked.replication_timeout), interval=POLL,
    )
    if reply == value.encode():
        return Finding("probe_replication", OK, observed=round(time.monotonic() - start, 3), unit="seconds")
    if _is_forbidden(reply):
        return _forbidden("probe_replication", "GET", reply)
    hint = _said(reply, "Look at the link to the primary.")
    return Finding("probe_replication", CRITICAL, observed=asked.replication_timeout, unit="seconds", hint=hint)


def _not_written() -> list[Judged]:
    return [Skipped(name, "not_written: the probe key could not be written") for name in CHECKS[1:]]


def _sorted(judged: t.Sequence[Judged]) -> Found:
    return [one for one in judged if isinstance(one, Finding)], [one for one in judged if isinstance(one, Skipped)]


def _is_forbidden(reply: t.Any) -> bool:
    return isinstance(reply, ErrorReply) and reply.code in ("NOPERM", "NOAUTH")


def _forbidden(check: str, command: str, reply: t.Any) -> Skipped:
    """We may not: that says nothing of what the application may."""
    return Skipped(check, f"not_permitted: {command}: {reply}", f"Allow {_GRANT}.")


def _write(client: Client, value: str, ttl: int) -> tuple[Judged, str]:
    """The judgement, and the key; empty when it was not written."""
    key = ""
    for _try in range(TRIES):
        key = PROBE_PREFIX + secrets.token_hex(8)
        start = time.monotonic()
        reply = client.replies([("SET", key, value, "EX", ttl, "NX")])[0]
        if not (isinstance(reply, ErrorReply) and reply.code in ("MOVED", "ASK")):
            break
    seconds = round(time.monotonic() - start, 4)
    if reply == b"OK":
        return Finding("probe_write", OK, observed=seconds, unit="seconds"), key
    if _is_forbidden(reply):
        return _forbidden("probe_write", "SET", reply), ""
    return Finding("probe_write", CRITICAL, hint=_said(reply), unit="seconds"), ""


def _read(client: Client, key: str, value: str) -> Judged:
    start = time.monotonic()
    reply = client.replies([("GET", key)])[0]
    seconds = round(time.monotonic() - start, 4)
    if reply == value.encode():
        return Finding("probe_read", OK, observed=seconds, unit="seconds")
    if _is_forbidden(reply):
        return _forbidden("probe_read", "GET", reply)
    return Finding("probe_read", CRITICAL, hint=_said(reply, "What was written is not what is read."), unit="seconds")


def _wait(client: Client, key: str, wanted: int, asked: Probe) -> Judged:
    """WAIT counts the replicas that acknowledged everything this connection has written."""
    milliseconds = max(int(client.deadline.within(asked.replication_timeout) * 1000), 1)
    reply = client.replies([("WAIT", wanted, milliseconds)], timeout=asked.replication_timeout + 2)[0]
    if _is_forbidden(reply):
        return _forbidden("probe_replication", "WAIT", reply)
    if isinstance(reply, ErrorReply):
        return Finding("probe_replication", UNKNOWN, threshold=wanted, unit="count", hint=_said(reply))
    status = OK if reply >= wanted else CRITICAL if reply == 0 else WARNING
    hint = "" if status == OK else f"{reply} of {wanted} replicas had the probe key in time."
    return Finding("probe_replication", status, observed=reply, threshold=wanted, unit="count", hint=hint)


def _delete(client: Client, key: str) -> Judged:
    removed, there = client.replies([("DEL", key), ("EXISTS", key)])
    if removed == 1 and there == 0:
        return Finding("probe_delete", OK)
    for command, reply in (("DEL", removed), ("EXISTS", there)):
        if _is_forbidden(reply):
            return _forbidden("probe_delete", command, reply)
    return Finding("probe_delete", CRITICAL, hint=_said(removed, "The probe key could not be deleted; it goes by itself."))


def _said(reply: t.Any, otherwise: str = "The server did not answer OK.") -> str:
    return f"{reply.code} {reply.message}" if isinstance(reply, ErrorReply) else otherwise
