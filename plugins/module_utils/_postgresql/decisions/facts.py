# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pg_health asked a server, as data, and what follows from it for several checks.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ..._core.findings import Skipped
from ..._core.thresholds import Limit
from .backends import Backend, PreparedTransaction
from .blocking import waits_of
from .protection import BACKUP_TOOLS, SYNCHRONOUS_COMMIT, UNTOLD, Policy, protections

Row = t.Mapping[str, t.Any]
#: Protections that only say whom we would not signal; such a session harms like any other, so it is judged like any other.
_STILL_JUDGED = ("superuser", "not_permitted", "not_readable", "member_of:", SYNCHRONOUS_COMMIT, UNTOLD)
#: Protections that a session's statement gives it, with the least text that does. What else is in a statement is nobody's business.
_BY_STATEMENT = {"utility_statement": "vacuum", "began_backup": "pg_backup_start()", "keep_comment": "/* incident:keep */"}
#: So many sessions surely have no room in a record.
_TOO_MANY = 500


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
        vacuum_min_dead_rows: tables with fewer are not a finding.
        statements_min_calls: statements called less often are not a finding.
        unused_indexes_min_age, sequential_scans_min_age: for how many seconds use must be counted to be judged.
        protect_application_names: prefixes of sessions whose age is told and not judged.
        spare_users: roles of which the same is true.
        give_up_idle_root: waiting does not help while somebody is at the root of a chain and idle in transaction for so long, seconds.
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
    unused_indexes_min_age: float = 604800.0
    sequential_scans_min_age: float = 3600.0
    protect_application_names: tuple[str, ...] = BACKUP_TOOLS
    spare_users: tuple[str, ...] = ()
    give_up_idle_root: t.Optional[float] = None


@dataclasses.dataclass(frozen=True)
class NotRun:
    """Why the caller's query was not run.

    Attributes:
        kind: of the refusal.
        message, hint: what was said, and what to do.
        final: waiting does not help.
        attempts: by which logins it was tried.
    """

    kind: str
    message: str
    hint: str
    final: bool = False
    attempts: tuple[Row, ...] = ()


@dataclasses.dataclass(frozen=True)
class Probed:
    """What the caller's query came to.

    Attributes:
        answer: first, row, seconds, error and sqlstate; and login, where it has one of its own.
        advice: what would be a better login.
        not_run: why there is no answer.
    """

    answer: Row = dataclasses.field(default_factory=dict)
    advice: str = ""
    not_run: t.Optional[NotRun] = None


@dataclasses.dataclass(frozen=True)
class Collected:
    """What pg_stat_statements collects: its settings, None where the server has none, and for whom one of them is off."""

    track: t.Optional[str] = None
    query_ids: t.Optional[str] = None
    off_for: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Facts:
    """What one look read. What no check wanted is empty.

    Attributes:
        user, database, login: of our session, and how it came in; `attempts` are those before.
        version, in_recovery, own_pid, own_superuser: of our session, as it was opened.
        server, counting, uncounted: see read_server().
        others: rows by what they are: replicas, standby, slots, ...
        overrides: settings of roles and databases by name.
        refused: why a check could not be looked at, by check.
    """

    user: str = ""
    database: str = ""
    login: str = ""
    attempts: tuple[Row, ...] = ()
    version: int = 0
    in_recovery: bool = False
    own_pid: int = -1
    own_superuser: bool = False
    server: Row = dataclasses.field(default_factory=dict)
    counting: bool = True
    uncounted: tuple[str, ...] = ()
    settings: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    prepared: tuple[PreparedTransaction, ...] = ()
    others: t.Mapping[str, tuple[Row, ...]] = dataclasses.field(default_factory=dict)
    overrides: t.Mapping[str, tuple[Row, ...]] = dataclasses.field(default_factory=dict)
    exclusive_backup: bool = False
    collected: t.Optional[Collected] = None
    probed: t.Optional[Probed] = None
    refused: t.Mapping[str, Skipped] = dataclasses.field(default_factory=dict)

    def rows(self, name: str) -> list[dict[str, t.Any]]:
        """The rows of this name."""
        return [dict(row) for row in self.others.get(name, ())]

    @property
    def hides_prepared(self) -> bool:
        """Whether it is a standby, which does not show prepared transactions. The session may be older than the server's promotion."""
        return self.in_recovery and bool(self.server["in_recovery"])


class Seen:
    """What the checks go by: the facts, the sessions beside ours and the server's own processes, and what the look is about."""

    def __init__(self, facts: Facts, backends: t.Sequence[Backend], request: Request) -> None:
        self.facts, self.backends, self.request = facts, backends, request

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
        tracked_apart = self.facts.version >= 140000
        return [backend for backend in self.silent if not backend.readable or not tracked_apart]

    @functools.cached_property
    def waits(self) -> dict[int, frozenset[int]]:
        """Who waits for whom."""
        return waits_of(self.backends)

    @functools.cached_property
    def protected(self) -> dict[int, tuple[str, ...]]:
        """Why which session would never be signalled."""
        policy = Policy(
            own_pid=self.facts.own_pid, own_superuser=self.facts.own_superuser,
            protect_application_names=self.request.protect_application_names,
        )
        return {backend.pid: protections(backend, policy) for backend in self.backends}

    def told_only(self, backend: Backend) -> bool:
        """Whether the session is meant to be long: a backup, replication, maintenance, or marked to be kept."""
        return backend.user in self.request.spare_users or self._known(backend)

    def _known(self, backend: Backend) -> bool:
        return any(not reason.startswith(_STILL_JUDGED) for reason in self.protected[backend.pid])

    def number(self, name: str) -> int:
        """A setting as a number, 0 where the server has none."""
        text = self.facts.settings.get(name, "0")
        return int(text) if text.lstrip("-").isdigit() else 0

    # For the record: what decides, and nothing that only people want to see.

    def recorded_backends(self) -> tuple[Backend, ...]:
        """The sessions without their moments, and of their statements only what protects them."""
        if len(self.backends) > _TOO_MANY:
            return tuple(self.backends)
        return tuple(
            dataclasses.replace(
                one, backend_start=None, usesysid=None, datid=None, client_addr=None, client_port=None, query_id=None, query_start=None,
                xact_start=None, state_change=None, backend_age=None,
                query=" ".join(text for mark, text in _BY_STATEMENT.items() if mark in self.protected[one.pid]),
            ) for one in self.backends
        )

    def recorded_facts(self) -> Facts:
        """The facts without texts of statements, answers to the caller's query that nobody expects, and locks in detail."""
        facts = self.facts
        others = {
            **facts.others,
            "ungranted": tuple({key: row.get(key) for key in ("pid", "wait", "total")} for row in facts.others.get("ungranted", ())),
            "statements": tuple({**row, "query": ""} for row in facts.others.get("statements", ())),
        }
        # By its name a recorder takes it for a secret. Where it is absent it counts as set.
        settings = {name: value for name, value in facts.settings.items() if (name, value) != ("primary_conninfo", "set")}
        probed = facts.probed
        if probed is not None and probed.answer:
            first = {} if self.request.probe_expect is not None else {"first": None}
            probed = dataclasses.replace(probed, answer={**probed.answer, "row": None, **first})
        kept = {name: rows for name, rows in others.items() if rows}
        return dataclasses.replace(facts, settings=settings, others=kept, probed=probed)
