# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at a server: ask what each wanted check needs, and judge it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .._core.errors import CannotReach
from .._core.findings import Skipped
from . import activity
from .connection import Session, StatementFailed
from .decisions.absent import does_not_apply
from .decisions.availability import is_sick
from .decisions.facts import Request
from .decisions.health import CHECKS, Look, Unreached, decide
from .decisions.health_server import GRANT_MONITOR
from .health_probe import Prober
from .health_reader import Reader
from .health_statements import NotInstalled, NotReadable, UntrustedOwner

__all__ = ["CHECKS", "Eye", "Look", "Request", "look", "unreachable"]

#: What these ask is shown to every role. The others read views that hide other users' rows from a role without a grant,
#: and an empty view looks like health.
OPEN_TO_ALL = frozenset({
    "availability", "prepared_transactions", "replication_slots", "timeouts", "database_size", "invalid_indexes", "unused_indexes",
    "duplicate_indexes", "sequential_scans", "probe",
})

_REASONS = {
    "42501": "permission_denied", "57014": "timed_out", "55P03": "lock_timeout", "55000": "not_loaded", "42883": "not_supported",
    "42P01": "not_supported", "42703": "not_supported",
}
_HINTS = {
    "42501": GRANT_MONITOR,
    "57014": "Raise statement_timeout, or leave this check out.",
    "55P03": "Raise lock_timeout, or leave this check out.",
    "55000": "Add pg_stat_statements to shared_preload_libraries and restart the server.",
}


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
    refused: dict[str, Skipped] = {}
    for name in CHECKS:
        if name not in request.checks:
            continue
        try:
            reader.read(name)
        except StatementFailed as exc:
            why = _REASONS.get(exc.sqlstate, "failed")
            refused[name] = Skipped(check=name, reason=f"{why}: {exc.message}", hint=_HINTS.get(exc.sqlstate, ""))
        except NotInstalled as exc:
            refused[name] = does_not_apply(name, exc.kind, of=session.database, hint=exc.hint or "")
        except (NotReadable, UntrustedOwner) as exc:
            refused[name] = Skipped(check=name, reason=f"{exc.kind}: {exc.message}", hint=exc.hint or "")
    seen = reader.seen(refused)
    return decide(request, seen.facts, tuple(seen.backends))


def unreachable(error: CannotReach, request: Request) -> Look:
    """What can be said of a server that lets nobody in.

    Raises:
        CannotReach: the same error, where it says that we ask wrongly (a wrong password), not that the server is sick.
    """
    kind = str(error.facts.get("error", error.kind))
    if not is_sick(kind):
        raise error
    return decide(request, unreached=Unreached(kind, error.message, attempts=tuple(error.facts.get("attempts", []))))
