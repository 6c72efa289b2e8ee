# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several checks of one look share: read once, when the first of them asks.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from .._core.findings import Finding, Skipped
from .._core.thresholds import Limit
from . import activity, health_queries
from .connection import Session
from .decisions.backends import Backend, PreparedTransaction
from .decisions.blocking import waits_of
from .decisions.protection import BACKUP_TOOLS, SYNCHRONOUS_COMMIT, UNTOLD, Policy, auxiliary, protections
from .health_probe import Prober

#: Protections that only say whom we would not signal; such a session harms like any other, so it is judged like any other.
_STILL_JUDGED = ("superuser", "not_permitted", "not_readable", "member_of:", SYNCHRONOUS_COMMIT, UNTOLD)


@dataclasses.dataclass(frozen=True)
class Request:
    """What a look is about.

    Attributes:
        checks: names of CHECKS.
        asked: those of them that must be answered.
        limits: thresholds by name of pg_limits.THRESHOLDS.
        probe_query, probe_expect, probe_timeout: the caller's query, what its first column must be as text, seconds.
        standbys_expected: how many standbys must stream.
        timeouts_expected: names of timeouts that must not be 0.
        vacuum_min_dead_rows: tables with fewer are no finding.
        statements_min_calls: statements called less often are no finding.
        protect_application_names: prefixes of sessions whose age is told and not judged.
        spare_users: roles of which the same is true.
    """

    checks: tuple[str, ...]
    limits: t.Mapping[str, Limit]
    asked: tuple[str, ...] = ()
    probe_query: str = ""
    probe_expect: t.Optional[str] = None
    probe_timeout: float = 5.0
    standbys_expected: int = 0
    timeouts_expected: tuple[str, ...] = ()
    vacuum_min_dead_rows: int = 10000
    statements_min_calls: int = 5
    protect_application_names: tuple[str, ...] = BACKUP_TOOLS
    spare_users: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Answer:
    """What one check has to say."""

    findings: t.Sequence[Finding] = ()
    data: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    skipped: t.Sequence[Skipped] = ()


class Reader:
    """Asks the server at most once for what several checks need."""

    def __init__(self, session: Session, request: Request, prober: Prober) -> None:
        self.session = session
        self.prober = prober
        self.request = request
        self.policy = Policy(
            own_pid=session.backend_pid, own_superuser=session.is_superuser, protect_application_names=request.protect_application_names,
        )

    @functools.cached_property
    def server(self) -> dict[str, t.Any]:
        """See read_server()."""
        return {name: value for name, value in self._server.items() if name not in health_queries.COUNTING}

    @property
    def counting(self) -> tuple[bool, t.Sequence[str]]:
        """Whether track_counts is on, and for which roles and databases it is off."""
        counts, off_for = (self._server[name] for name in health_queries.COUNTING)
        return bool(counts), tuple(off_for)

    @functools.cached_property
    def _server(self) -> dict[str, t.Any]:
        return health_queries.read_server(self.session)

    @functools.cached_property
    def settings(self) -> dict[str, str]:
        """See read_settings()."""
        return health_queries.read_settings(self.session)

    @functools.cached_property
    def backends(self) -> list[Backend]:
        """Every session beside ours and the server's own processes."""
        ours = (self.session.backend_pid, self.prober.backend_pid)
        return [one for one in activity.read_activity(self.session) if one.pid not in ours and not auxiliary(one)]

    @functools.cached_property
    def by_pid(self) -> dict[int, Backend]:
        """The sessions by pid."""
        return {backend.pid: backend for backend in self.backends}

    @functools.cached_property
    def clients(self) -> list[Backend]:
        """The ordinary clients' sessions beside ours."""
        return [backend for backend in self.backends if backend.is_client]

    @functools.cached_property
    def connected(self) -> list[Backend]:
        """The sessions that take a connection: those of clients, and those that the server hides from us."""
        return [backend for backend in self.backends if backend.is_client or backend.tells_nothing]

    @functools.cached_property
    def silent(self) -> list[Backend]:
        """The sessions of which nobody can say what they do: neither the server, nor what else is known of them."""
        return [backend for backend in self.connected if backend.tells_nothing and not self._known(backend)]

    @property
    def silent_waiters(self) -> list[Backend]:
        """Those of them that may wait for something without being seen to. Before server 14 waits are tracked with the activity."""
        tracked_apart = self.session.server_version >= 140000
        return [backend for backend in self.silent if not backend.readable or not tracked_apart]

    @functools.cached_property
    def waits(self) -> dict[int, frozenset[int]]:
        """Who waits for whom."""
        return waits_of(self.backends)

    @functools.cached_property
    def protected(self) -> dict[int, tuple[str, ...]]:
        """Why which session would never be signalled."""
        return {backend.pid: protections(backend, self.policy) for backend in self.backends}

    @functools.cached_property
    def ungranted(self) -> list[dict[str, t.Any]]:
        """See read_ungranted()."""
        return health_queries.read_ungranted(self.session)

    @functools.cached_property
    def prepared(self) -> list[PreparedTransaction]:
        """See read_prepared()."""
        return activity.read_prepared(self.session)

    def told_only(self, backend: Backend) -> bool:
        """Whether the session is meant to be long: a backup, replication, maintenance, or marked to be kept."""
        return backend.user in self.request.spare_users or self._known(backend)

    def _known(self, backend: Backend) -> bool:
        return any(not reason.startswith(_STILL_JUDGED) for reason in self.protected[backend.pid])

    def number(self, name: str) -> int:
        """A setting as a number, 0 where the server has none."""
        text = self.settings.get(name, "0")
        return int(text) if text.lstrip("-").isdigit() else 0
