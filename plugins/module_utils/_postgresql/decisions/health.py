# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict of pg_health on what a look read, or on a server that lets nobody in.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.findings import OK, Answer, Finding, Skipped
from ..._core.judging import Verdict, judge_look
from ..._core.recorded import Basis
from . import health_server, health_sessions, health_tables, verdict
from .availability import availability_hint, tried
from .backends import Backend
from .facts import Facts, Request, Row, Seen
from .probe import refused_for_good

MODULE = "pg_health"
Check = t.Callable[[Seen], Answer]

#: Every check, in the order in which it is told.
CHECKS: t.Mapping[str, Check] = {
    "availability": health_server.availability,
    "connections": health_sessions.connections,
    "long_queries": health_sessions.long_queries,
    "long_transactions": health_sessions.long_transactions,
    "idle_in_transaction": health_sessions.idle_in_transaction,
    "blocking": health_sessions.blocking,
    "ungranted_locks": health_sessions.ungranted_locks,
    "prepared_transactions": health_sessions.prepared_transactions,
    "replication": health_server.replication,
    "replication_slots": health_server.replication_slots,
    "wraparound": health_server.wraparound,
    "vacuum": health_server.vacuum,
    "backups": health_server.backups,
    "timeouts": health_server.timeouts,
    "database_size": health_server.database_size,
    "statements": health_server.statements,
    "invalid_indexes": health_tables.invalid_indexes,
    "unused_indexes": health_tables.unused_indexes,
    "duplicate_indexes": health_tables.duplicate_indexes,
    "sequential_scans": health_tables.sequential_scans,
    "probe": health_server.probe,
}


@dataclasses.dataclass(frozen=True)
class Unreached:
    """A server that lets nobody in: the kind of its refusal, what was said, and by which logins it was tried."""

    kind: str
    message: str = ""
    attempts: tuple[Row, ...] = ()


@dataclasses.dataclass(frozen=True)
class Look:
    """What one look found: the verdict, the data behind it, and why waiting for a better one does not help, if so."""

    verdict: Verdict
    data: t.Mapping[str, t.Any]
    reachable: bool = True
    basis: t.Optional[Basis] = None
    in_vain: str = ""

    def as_result(self) -> dict[str, t.Any]:
        """What the module's result has beside the verdict."""
        refused = refused_for_good(self.verdict.findings)
        return {"changed": False, "reachable": self.reachable, "probe_refused": refused, **self.data}


def decide(
    request: Request, facts: t.Optional[Facts] = None, backends: tuple[Backend, ...] = (), unreached: t.Optional[Unreached] = None,
) -> Look:
    """The verdict on a look.

    Args:
        facts, backends: what was read; see Seen.
        unreached: why nothing was read.
    """
    if unreached is not None:
        return _unreachable(unreached, request)
    seen = Seen(facts or Facts(), backends, request)
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    data: dict[str, t.Any] = {}
    for name, check in CHECKS.items():
        if name not in request.checks:
            continue
        if name in seen.facts.refused:
            skipped.append(seen.facts.refused[name])
            continue
        answer = check(seen)
        findings.extend(answer.findings)
        skipped.extend(answer.skipped)
        data.update(answer.data)
    blocked = any(finding.check == "blocking" and finding.status != OK for finding in findings)
    in_vain = health_sessions.waiting_is_in_vain(seen) if blocked else ""
    return Look(judge_look(findings, skipped, asked=request.asked), data, basis=Basis(MODULE, {
        "request": dataclasses.replace(request, probe_query=""), "facts": seen.recorded_facts(), "backends": seen.recorded_backends(),
    }), in_vain=in_vain)


def _unreachable(seen: Unreached, request: Request) -> Look:
    """That nobody gets in, and that nothing else was judged. Whoever asks anything asks for this too."""
    attempts = [dict(one) for one in seen.attempts]
    finding = verdict.judge_available(
        kind=seen.kind, hint=f"{tried(attempts) or seen.message} {availability_hint(seen.kind)}",
        detail={"attempts": attempts, "message": seen.message},
    )
    skipped = [
        Skipped(check=name, reason=f"unreachable: {seen.kind}") for name in CHECKS if name in request.checks and name != "availability"
    ]
    basis = Basis(MODULE, {"request": dataclasses.replace(request, probe_query=""), "unreached": seen})
    return Look(judge_look([finding], skipped, asked=("availability", *request.asked)), {}, reachable=False, basis=basis)
