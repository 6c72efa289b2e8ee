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

from .._core.deadline import Deadline
from .._core.durations import parse_duration
from .._core.errors import BadInput, CannotReach, IncidentError
from .._core.findings import CRITICAL, OK, UNKNOWN, WARNING, Finding, Skipped, must_fail, verdict
from .._core.recovery import status_by_check
from .args import Way, way_from
from .connection import Client
from .decisions.availability import is_sick
from .decisions.info import integer, replicas
from .resp import ErrorReply

PREFIX = "oncall.incident:probe:"
CHECKS = ("probe_write", "probe_read", "probe_replication", "probe_delete")
POLL = 0.05
#: Between two probes, seconds.
RETRY_PAUSE = 0.5
#: In a cluster a node takes the keys of its slots only: names to try until one is its own.
TRIES = 200


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


class ProbeFailed(IncidentError):
    """A check is as bad as the caller's fail_on."""

    kind = "status"


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
    if check_mode:
        return _result([], [Skipped(name, "check mode writes nothing") for name in CHECKS], "never")
    wall = Deadline(way.max_seconds)
    patience = wall.part(times["retry"])
    while True:
        findings, skipped = _once(way, asked, wall)
        if all(finding.status == OK for finding in findings) or patience.remaining() <= RETRY_PAUSE:
            return _result(findings, skipped, params["fail_on"])
        time.sleep(RETRY_PAUSE)


def _once(way: Way, asked: Probe, wall: Deadline) -> Found:
    try:
        with way.open(wall) as client:
            return probe(client, way, asked)
    except CannotReach as exc:
        kind = str(exc.facts.get("error", ""))
        if not is_sick(kind):
            raise
        why = f"the server could not be used: {kind}"
        return [Finding(CHECKS[0], CRITICAL, observed=kind, hint=exc.hint or "")], [Skipped(name, why) for name in CHECKS[1:]]


def _result(findings: list[Finding], skipped: list[Skipped], fail_on: str) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    result = {**verdict(findings, skipped), "checks": status_by_check(findings, skipped), "changed": False}
    bad = ", ".join(f"{one.check} {one.status} ({one.hint or one.observed})" for one in findings if one.status != OK)
    failed = must_fail(result["status"], fail_on=fail_on)
    return result, ProbeFailed(f"The probe key did not make its way: {bad or 'nothing was probed'}.") if failed else None


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
    findings = [wrote]
    if wrote.status != OK:
        return findings, [Skipped(name, "the probe key could not be written") for name in CHECKS[1:]]
    try:
        findings.append(_read(client, key, value))
        wanted = attached if asked.expected_replicas is None else asked.expected_replicas
        skipped = []
        if wanted:
            findings.append(_wait(client, key, wanted, asked))
        else:
            skipped.append(Skipped("probe_replication", "no replica is attached and none is expected"))
    finally:
        gone = _delete(client, key)
    return [*findings, gone], skipped


def _on_replica(replica: Client, primary: Client, asked: Probe) -> Found:
    value = secrets.token_hex(8)
    wrote, key = _write(primary, value, asked.ttl)
    findings = [wrote]
    if wrote.status != OK:
        return findings, [Skipped(name, "the probe key could not be written") for name in CHECKS[1:]]
    try:
        findings.append(_read(primary, key, value))
        start, bound = time.monotonic(), replica.deadline.part(asked.replication_timeout)
        while True:
            reply = replica.replies([("GET", key)])[0]
            if reply == value.encode():
                findings.append(Finding("probe_replication", OK, observed=round(time.monotonic() - start, 3), unit="seconds"))
                break
            if bound.passed():
                hint = f"{reply.code} {reply.message}" if isinstance(reply, ErrorReply) else "Look at the link to the primary."
                findings.append(Finding("probe_replication", CRITICAL, observed=asked.replication_timeout, unit="seconds", hint=hint))
                break
            time.sleep(POLL)
    finally:
        gone = _delete(primary, key)
    return [*findings, gone], []


def _write(client: Client, value: str, ttl: int) -> tuple[Finding, str]:
    key = ""
    for _try in range(TRIES):
        key = PREFIX + secrets.token_hex(8)
        start = time.monotonic()
        reply = client.replies([("SET", key, value, "EX", ttl, "NX")])[0]
        if not (isinstance(reply, ErrorReply) and reply.code in ("MOVED", "ASK")):
            break
    seconds = round(time.monotonic() - start, 4)
    if reply == b"OK":
        return Finding("probe_write", OK, observed=seconds, unit="seconds"), key
    return Finding("probe_write", CRITICAL, hint=_said(reply), unit="seconds"), key


def _read(client: Client, key: str, value: str) -> Finding:
    start = time.monotonic()
    reply = client.replies([("GET", key)])[0]
    seconds = round(time.monotonic() - start, 4)
    if reply == value.encode():
        return Finding("probe_read", OK, observed=seconds, unit="seconds")
    return Finding("probe_read", CRITICAL, hint=_said(reply, "What was written is not what is read."), unit="seconds")


def _wait(client: Client, key: str, wanted: int, asked: Probe) -> Finding:
    """WAIT counts the replicas that acknowledged everything this connection has written."""
    milliseconds = max(int(client.deadline.within(asked.replication_timeout) * 1000), 1)
    reply = client.replies([("WAIT", wanted, milliseconds)], timeout=asked.replication_timeout + 2)[0]
    if isinstance(reply, ErrorReply):
        return Finding("probe_replication", UNKNOWN, threshold=wanted, unit="count", hint=_said(reply))
    status = OK if reply >= wanted else CRITICAL if reply == 0 else WARNING
    hint = "" if status == OK else f"{reply} of {wanted} replicas had the probe key in time."
    return Finding("probe_replication", status, observed=reply, threshold=wanted, unit="count", hint=hint)


def _delete(client: Client, key: str) -> Finding:
    removed, there = client.replies([("DEL", key), ("EXISTS", key)])
    if removed == 1 and there == 0:
        return Finding("probe_delete", OK)
    return Finding("probe_delete", CRITICAL, hint=_said(removed, "The probe key could not be deleted; it goes by itself."))


def _said(reply: t.Any, otherwise: str = "The server did not answer OK.") -> str:
    return f"{reply.code} {reply.message}" if isinstance(reply, ErrorReply) else otherwise
