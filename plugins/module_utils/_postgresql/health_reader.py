# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what the checks of one look need: each thing once, when the first of them wants it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import functools
import typing as t

from .._core.findings import Skipped
from . import activity, health_queries, health_replication, health_statements, health_tables, maintenance_needs
from .connection import Session
from .decisions.backends import Backend, PreparedTransaction
from .decisions.blocking import PREPARED, roots, waits_of
from .decisions.facts import Collected, Facts, Probed, Request, Seen
from .decisions.health_server import archives_nothing
from .decisions.probe import is_built_in
from .decisions.protection import auxiliary
from .health_probe import Prober, run_probe

#: Rows that one statement reads, by their name.
_ROWS: t.Mapping[str, t.Callable[[Session], t.Sequence[t.Mapping[str, t.Any]]]] = {
    "connection_limits": health_queries.read_connection_limits,
    "ungranted": health_queries.read_ungranted,
    "replicas": health_replication.read_replicas,
    "standby": lambda session: [health_replication.read_standby(session)],
    "slots": health_replication.read_slots,
    "wraparound": health_queries.read_wraparound,
    "holders": health_queries.read_holders,
    "tables": health_queries.read_tables,
    "vacuums": health_queries.read_vacuums,
    "base_backups": health_queries.read_base_backups,
    "archiver": lambda session: [health_queries.read_archiver(session)],
    "sizes": health_queries.read_sizes,
    "counted": health_tables.read_counted,
    "invalid_indexes": maintenance_needs.read_invalid_indexes,
    "unused_indexes": health_tables.read_unused_indexes,
    "duplicate_indexes": health_tables.read_duplicate_indexes,
    "sequential_scans": health_tables.read_sequential_scans,
}
#: What a check needs, where that is the same for every server: names of _ROWS, and attributes of Reader.
_NEEDS: t.Mapping[str, tuple[str, ...]] = {
    "availability": ("server",),
    "connections": ("backends", "settings", "connection_limits"),
    "long_queries": ("backends",),
    "long_transactions": ("backends",),
    "idle_in_transaction": ("backends",),
    "blocking": ("backends", "blocked"),
    "ungranted_locks": ("ungranted",),
    "prepared_transactions": ("prepared_where_shown",),
    "replication": ("replicas", "server", "settings", "standby_where_one"),
    "replication_slots": ("slots",),
    "wraparound": ("wraparound", "holders"),
    "vacuum": ("server", "vacuum_where_done"),
    "backups": ("base_backups", "backends", "exclusive_backup", "settings", "archiver_where_one"),
    "timeouts": ("overrides", "settings"),
    "database_size": ("sizes",),
    "statements": ("statements",),
    "invalid_indexes": ("server", "invalid_where_made"),
    "unused_indexes": ("server", "counted", "unused_where_made"),
    "duplicate_indexes": ("server", "duplicates_where_made"),
    "sequential_scans": ("server", "counted", "sequential_scans"),
    "probe": ("probed",),
}


class Reader:
    """Asks the server at most once for what several checks need."""

    def __init__(self, session: Session, request: Request, prober: Prober) -> None:
        self.session = session
        self.prober = prober
        self.request = request
        self._rows: dict[str, tuple[t.Mapping[str, t.Any], ...]] = {}

    def read(self, check: str) -> None:
        """Read what a check needs.

        Raises:
            StatementFailed: the server refused it.
            CannotReach: the session was lost.
            NotInstalled, NotReadable, UntrustedOwner: see find_statements() and read_statements().
        """
        for name in _NEEDS[check]:
            if name in _ROWS:
                self.rows(name)
            else:
                getattr(self, name)

    def seen(self, refused: t.Optional[t.Mapping[str, Skipped]] = None) -> Seen:
        """What was read, for the checks.

        Args:
            refused: why a check could not be looked at, by check.
        """
        return Seen(self.facts(refused), tuple(self._read("backends", ())), self.request)

    def facts(self, refused: t.Optional[t.Mapping[str, Skipped]] = None) -> Facts:
        """What was read beside the sessions."""
        session, server = self.session, self._read("_server", {})
        counting, uncounted = (server.get(name) for name in health_queries.COUNTING)
        return Facts(
            user=session.user, database=session.database, login=session.login.describe(),
            attempts=tuple(attempt.as_dict() for attempt in session.attempts), version=session.server_version,
            in_recovery=session.in_recovery, own_pid=session.backend_pid, own_superuser=session.is_superuser,
            server={name: value for name, value in server.items() if name not in health_queries.COUNTING},
            counting=bool(counting), uncounted=tuple(uncounted or ()), settings=self._read("settings", {}),
            prepared=tuple(self._read("prepared", ())), others=dict(self._rows), overrides=self._read("overrides", {}),
            exclusive_backup=self._read("exclusive_backup", False), collected=self._read("statements", None),
            probed=self._read("probed", None), refused=refused or {},
        )

    def _read(self, name: str, otherwise: t.Any) -> t.Any:
        """What was read under a name; `otherwise` where nobody wanted it."""
        return self.__dict__.get(name, otherwise)

    def rows(self, name: str) -> tuple[t.Mapping[str, t.Any], ...]:
        """The rows of a name of _ROWS."""
        if name not in self._rows:
            self._rows[name] = tuple(_ROWS[name](self.session))
        return self._rows[name]

    @functools.cached_property
    def _server(self) -> dict[str, t.Any]:
        return health_queries.read_server(self.session)

    @property
    def server(self) -> dict[str, t.Any]:
        """See read_server()."""
        return self._server

    @functools.cached_property
    def settings(self) -> dict[str, str]:
        """See read_settings()."""
        return health_queries.read_settings(self.session)

    @functools.cached_property
    def backends(self) -> list[Backend]:
        """Every session beside ours and the server's own processes. Of those the ones that others wait for, such as the replay of WAL."""
        ours = (self.session.backend_pid, self.prober.backend_pid)
        everybody = [one for one in activity.read_activity(self.session) if one.pid not in ours]
        waited_for = {pid for one in everybody for pid in one.blocked_by}
        return [one for one in everybody if not auxiliary(one) or one.pid in waited_for]

    @property
    def blocked(self) -> None:
        """What tells for how long those wait who wait, and behind which prepared transactions."""
        waits = waits_of(self.backends)
        if waits:
            self.rows("ungranted")
        if PREPARED in roots(waits):
            _read = self.prepared

    @functools.cached_property
    def prepared(self) -> list[PreparedTransaction]:
        """See read_prepared()."""
        return activity.read_prepared(self.session)

    @property
    def prepared_where_shown(self) -> None:
        """The same, but of a standby, which shows none."""
        if not (self.session.in_recovery and self.server["in_recovery"]):
            _read = self.prepared

    @property
    def standby_where_one(self) -> None:
        """How a standby does."""
        if self.server["in_recovery"]:
            self.rows("standby")

    @property
    def vacuum_where_done(self) -> None:
        """Tables and vacuums, but of a standby."""
        if not self.server["in_recovery"]:
            self.rows("tables")
            self.rows("vacuums")

    @property
    def invalid_where_made(self) -> None:
        """Indexes that are not valid, but of a standby."""
        self._of_primary("invalid_indexes")

    @property
    def unused_where_made(self) -> None:
        """Indexes that nobody uses, but of a standby."""
        self._of_primary("unused_indexes")

    @property
    def duplicates_where_made(self) -> None:
        """Indexes that are there twice, but of a standby."""
        self._of_primary("duplicate_indexes")

    def _of_primary(self, name: str) -> None:
        if not self.server["in_recovery"]:
            self.rows(name)

    @functools.cached_property
    def exclusive_backup(self) -> bool:
        """See read_exclusive_backup()."""
        return health_queries.read_exclusive_backup(self.session)

    @property
    def archiver_where_one(self) -> None:
        """How archiving does, where the server archives."""
        mode = self.settings.get("archive_mode", "off")
        if mode == "on" and self.session.in_recovery:
            _read = self.server
        if mode != "off" and not archives_nothing(self.facts()):
            self.rows("archiver")

    @functools.cached_property
    def overrides(self) -> dict[str, tuple[t.Mapping[str, t.Any], ...]]:
        """See read_overrides()."""
        return {name: tuple(rows) for name, rows in health_queries.read_overrides(self.session).items()}

    @functools.cached_property
    def statements(self) -> Collected:
        """What pg_stat_statements collects; its rows are read with it."""
        view = health_statements.find_statements(self.session)
        self._rows["statements"] = tuple(health_statements.read_statements(self.session, view))
        return Collected(view.track, view.query_ids, view.off_for)

    @functools.cached_property
    def probed(self) -> Probed:
        """What the caller's query came to; `SELECT 1` runs nobody's code, so it needs no connection of its own."""
        query, timeout = self.request.probe_query, self.request.probe_timeout
        if is_built_in(query):
            return Probed(run_probe(self.session, query=query, timeout=timeout))
        return self.prober.look(query=query, timeout=timeout)
