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
from .._core.findings import must_fail
from .._core.judging import answer, question_from
from .._core.waiting import Wait, until
from .args import Way, way_from
from .connection import Client, CommandRefused
from .decisions.availability import is_sick
from .decisions.info import integer, replicas
from .decisions.probe import CHECKS, LostPrimary, Probed, ProbeSeen, Step, Unusable, decide
from .decisions.state import PROBE_PREFIX, why_writes_hang
from .gather import reason
from .resp import ErrorReply

POLL = 0.05
#: Between two probes, seconds.
RETRY_PAUSE = 0.5
#: In a cluster a node takes the keys of its slots only: names to try until one is its own.
TRIES = 200
#: What a command without an answer is called.
_NO_ANSWER = ("frozen", "timeout")
#: How long a server is asked why it gave no answer, seconds.
_ASKED_AGAIN = 3.0


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
        seen = ProbeSeen() if check_mode else _once(way, asked, Deadline(way.max_seconds))
        return decide(seen, asked.replication_timeout, question.asked)

    result, problem = answer(question, one)
    if problem is not None and times["retry"] and not must_fail(result["status"], fail_on=question.fail_on):
        problem = None
    return result, problem


def _once(way: Way, asked: Probe, wall: Deadline) -> ProbeSeen:
    try:
        with way.open(wall) as client:
            return probe(client, way, asked)
    except CannotReach as exc:
        kind = str(exc.facts.get("error", ""))
        if not is_sick(kind):
            raise
        hint = (_why_it_hangs(way) if kind in _NO_ANSWER else "") or exc.hint or ""
        return ProbeSeen(unusable=Unusable(kind=kind, hint=hint))
    except CommandRefused as exc:
        return ProbeSeen(unusable=Unusable(said=reason(exc)))


def _why_it_hangs(way: Way) -> str:
    """What a server says that left a probe without an answer; empty where it answers nothing at all."""
    try:
        with way.open(Deadline(_ASKED_AGAIN)) as client:
            return why_writes_hang(client.info("clients"))
    except IncidentError:
        return ""


def probe(client: Client, way: Way, asked: Probe) -> ProbeSeen:
    """Probe the server; a replica by its primary, since nobody writes to a replica."""
    info = client.info()
    if info.get("role") != "slave":
        attached = len(replicas(info))
        wanted = attached if asked.expected_replicas is None else asked.expected_replicas
        return ProbeSeen(_on_primary(client, asked, wanted=wanted))
    host, port = info.get("master_host", ""), integer(info, "master_port") or 0
    try:
        with way.open(client.deadline, login=way.login.at(host, port)) as primary:
            return ProbeSeen(_on_replica(client, primary, asked))
    except CannotReach as exc:
        linked = info.get("master_link_status") == "up"
        return ProbeSeen(lost_primary=LostPrimary(f"{host}:{port}", linked=linked, message=exc.message))


def _on_primary(client: Client, asked: Probe, *, wanted: int) -> Probed:
    value = secrets.token_hex(8)
    wrote, key = _write(client, value, asked.ttl)
    if not wrote.good:
        return Probed(wrote)
    try:
        read = _read(client, key, value)
        acknowledged = _wait(client, key, wanted, asked) if wanted else None
    finally:
        gone = _delete(client, key)
    return Probed(wrote, read, acknowledged, gone, wanted=wanted)


def _on_replica(replica: Client, primary: Client, asked: Probe) -> Probed:
    value = secrets.token_hex(8)
    wrote, key = _write(primary, value, asked.ttl)
    if not wrote.good:
        return Probed(wrote, on_replica=True)
    try:
        read = _read(primary, key, value)
        arrived = _arrived(replica, key, value, asked)
    finally:
        gone = _delete(primary, key)
    return Probed(wrote, read, arrived, gone, on_replica=True)


def _step(command: str, reply: t.Any, *, good: bool, seconds: t.Optional[float] = None) -> Step:
    if isinstance(reply, ErrorReply):
        return Step(seconds=seconds, refused=command, code=reply.code, message=reply.message)
    return Step(good=good, seconds=seconds)


def _arrived(replica: Client, key: str, value: str, asked: Probe) -> Step:
    start = time.monotonic()
    reply = until(
        lambda said: said == value.encode() or _step("GET", said, good=False).forbidden, lambda: replica.replies([("GET", key)])[0],
        seconds=replica.deadline.within(asked.replication_timeout), interval=POLL,
    )
    return _step("GET", reply, good=reply == value.encode(), seconds=round(time.monotonic() - start, 3))


def _write(client: Client, value: str, ttl: int) -> tuple[Step, str]:
    """What it came to, and the key."""
    for _try in range(TRIES):
        key = PROBE_PREFIX + secrets.token_hex(8)
        start = time.monotonic()
        reply = client.replies([("SET", key, value, "EX", ttl, "NX")])[0]
        if not (isinstance(reply, ErrorReply) and reply.code in ("MOVED", "ASK")):
            break
    return _step("SET", reply, good=reply == b"OK", seconds=round(time.monotonic() - start, 4)), key


def _read(client: Client, key: str, value: str) -> Step:
    start = time.monotonic()
    reply = client.replies([("GET", key)])[0]
    return _step("GET", reply, good=reply == value.encode(), seconds=round(time.monotonic() - start, 4))


def _wait(client: Client, key: str, wanted: int, asked: Probe) -> Step:
    """WAIT counts the replicas that acknowledged everything this connection has written."""
    milliseconds = max(int(client.deadline.within(asked.replication_timeout) * 1000), 1)
    reply = client.replies([("WAIT", wanted, milliseconds)], timeout=asked.replication_timeout + 2)[0]
    if isinstance(reply, ErrorReply):
        return _step("WAIT", reply, good=False)
    return Step(good=reply >= wanted, count=reply)


def _delete(client: Client, key: str) -> Step:
    removed, there = client.replies([("DEL", key), ("EXISTS", key)])
    steps = [_step("DEL", removed, good=removed == 1 and there == 0), _step("EXISTS", there, good=False)]
    return next((step for step in steps if step.forbidden), steps[0])
