# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at a server: ask what each wanted check needs, judge it, keep the data as evidence.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.errors import CannotReach
from .._core.findings import Finding, Skipped
from .._core.judging import Verdict, judge_look
from . import activity, health_server, health_sessions
from .connection import Session, StatementFailed
from .decisions import verdict
from .decisions.absent import does_not_apply
from .decisions.availability import availability_hint, is_sick, tried
from .decisions.probe import refused_for_good
from .health_probe import Prober
from .health_reader import Answer, Reader, Request
from .health_statements import NotInstalled, NotReadable, UntrustedOwner

__all__ = ["CHECKS", "Eye", "Look", "Request", "look", "unreachable"]

Check = t.Callable[[Reader], Answer]

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
    "probe": health_server.probe,
}

#: What these ask is shown to every role. The others read views that hide other users' rows from a role without a grant,
#: and an empty view looks like health.
OPEN_TO_ALL = frozenset({"availability", "prepared_transactions", "replication_slots", "timeouts", "database_size", "probe"})

_REASONS = {
    "42501": "permission_denied", "57014": "timed_out", "55P03": "lock_timeout", "55000": "not_loaded", "42883": "not_supported",
    "42P01": "not_supported", "42703": "not_supported",
}
_HINTS = {
    "42501": health_server.GRANT_MONITOR,
    "57014": "Raise statement_timeout, or leave this check out.",
    "55P03": "Raise lock_timeout, or leave this check out.",
    "55000": "Add pg_stat_statements to shared_preload_libraries and restart the server.",
}


@dataclasses.dataclass(frozen=True)
class Look:
    """What one look found: the verdict, and the data behind it."""

    verdict: Verdict
    data: t.Mapping[str, t.Any]
    reachable: bool = True

    def as_result(self) -> dict[str, t.Any]:
        """What the module's result has beside the verdict."""
        refused = refused_for_good(self.verdict.findings)
        return {"changed": False, "reachable": self.reachable, "probe_refused": refused, **self.data}


class Eye:
    """Looks in one session, and opens a new one when that is lost."""

    def __init__(self, open_session: t.Callable[[], Session], prober: Prober) -> None:
        self._open = open_session
        self._prober = prober
        self._session: t.Optional[Session] = None

    def look(self, request: Request) -> Look:
        """One look. A server that lets nobody in is one too.

        Raises:
            Blind, CannotReach: see look() and unreachable().
        """
        try:
            if self._session is None:
                self._session = self._open()
            return look(self._session, request, self._prober)
        except CannotReach as error:
            self.close()
            return unreachable(error, request)

    def close(self) -> None:
        """Give the connections back."""
        self._prober.close()
        session, self._session = self._session, None
        if session is not None:
            session.close()


def look(session: Session, request: Request, prober: Prober) -> Look:
    """Judge the wanted checks. One that the server refuses is skipped with the reason; the others go on.

    Args:
        prober: where the caller's own query runs.

    Raises:
        Blind: a wanted check needs other users' sessions and our role may not see them.
        CannotReach: the session was lost.
    """
    if not OPEN_TO_ALL.issuperset(request.checks):
        activity.require_sight(session)
    reader = Reader(session, request, prober)
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    data: dict[str, t.Any] = {}
    for name, check in CHECKS.items():
        if name not in request.checks:
            continue
        try:
            answer = check(reader)
        except StatementFailed as exc:
            why = _REASONS.get(exc.sqlstate, "failed")
            skipped.append(Skipped(check=name, reason=f"{why}: {exc.message}", hint=_HINTS.get(exc.sqlstate, "")))
            continue
        except NotInstalled as exc:
            skipped.append(does_not_apply(name, exc.kind, of=session.database, hint=exc.hint or ""))
            continue
        except (NotReadable, UntrustedOwner) as exc:
            skipped.append(Skipped(check=name, reason=f"{exc.kind}: {exc.message}", hint=exc.hint or ""))
            continue
        findings.extend(answer.findings)
        skipped.extend(answer.skipped)
        data.update(answer.data)
    return Look(judge_look(findings, skipped, asked=request.asked), data)


def unreachable(error: CannotReach, request: Request) -> Look:
    """What can be said of a server that lets nobody in: that, and that nothing else was judged. Whoever asks anything asks for this too.

    Raises:
        CannotReach: the same error, where it says that we ask wrongly (a wrong password), not that the server is sick.
    """
    kind = str(error.facts.get("error", error.kind))
    if not is_sick(kind):
        raise error
    attempts = error.facts.get("attempts", [])
    finding = verdict.judge_available(
        kind=kind, hint=f"{tried(attempts) or error.message} {availability_hint(kind)}",
        detail={"attempts": attempts, "message": error.message},
    )
    skipped = [Skipped(check=name, reason=f"unreachable: {kind}") for name in CHECKS if name in request.checks and name != "availability"]
    return Look(judge_look([finding], skipped, asked=("availability", *request.asked)), {}, reachable=False)
