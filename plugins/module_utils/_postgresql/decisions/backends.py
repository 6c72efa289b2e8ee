# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server process as pg_stat_activity shows it, as data.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..._core.durations import format_duration

CLIENT = "client backend"
IDLE = "idle"
ACTIVE = "active"
IDLE_IN_TRANSACTION = "idle in transaction"
IDLE_IN_TRANSACTION_ABORTED = "idle in transaction (aborted)"
#: The state of a session with track_activities off: its clocks do not run, and its statement is not told.
DISABLED = "disabled"
#: The wait event, of the type IPC, of a commit that waits for a synchronous standby.
SYNC_REP = "SyncRep"
#: Longer query texts are cut in results: characters.
QUERY_SHOWN = 1000
_TWO_PHASE = re.compile(r"\b(commit\s+prepared|prepare\s+transaction)\b", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Backend:
    """One row of pg_stat_activity, with what concerns it from other views.

    Times are ISO 8601 text with microseconds (UTC), exact enough to compare with the server's; ages are seconds by the
    server's clock at the moment of reading, None where the clock does not run.

    Attributes:
        pid: process id; reused by the system, so never an identity without backend_start.
        query_id: None when the server does not compute it; needs PostgreSQL 14.
        leader_pid: of a parallel worker, the process it works for.
        blocked_by: pids this one waits for, read only for sessions that wait for a lock; 0 is a prepared transaction.
        wait_mode: the mode of the lock it waits for, such as AccessExclusiveLock.
        wait_object: what it wants to lock, for people: public.orders.
        wait_lock: the same as a key, equal for all who queue for one lock.
        wait_age: seconds it has waited for it; needs PostgreSQL 14.
        progress: names of the pg_stat_progress_* views it is in.
        holds_slot: it consumes a replication slot or serves a subscription.
        superuser: its role is a superuser.
        roles: the protected roles its role is a member of.
        may_signal: our role has its role's privileges or pg_signal_backend's, and is a superuser where it is one.
        readable: false when our role may not see the row's contents.
    """

    pid: int
    backend_start: str | None = None
    backend_type: str | None = CLIENT
    usesysid: int | None = None
    user: str | None = None
    datid: int | None = None
    database: str | None = None
    application_name: str = ""
    client_addr: str | None = None
    client_port: int | None = None
    state: str | None = None
    query: str = ""
    query_id: int | None = None
    query_start: str | None = None
    xact_start: str | None = None
    state_change: str | None = None
    wait_event_type: str | None = None
    wait_event: str | None = None
    query_age: float | None = None
    transaction_age: float | None = None
    state_age: float | None = None
    backend_age: float | None = None
    leader_pid: int | None = None
    blocked_by: tuple[int, ...] = ()
    wait_mode: str | None = None
    wait_object: str | None = None
    wait_lock: str | None = None
    wait_age: float | None = None
    progress: tuple[str, ...] = ()
    holds_slot: bool = False
    superuser: bool = False
    roles: tuple[str, ...] = ()
    may_signal: bool = True
    readable: bool = True

    @property
    def is_client(self) -> bool:
        """An ordinary client's session; walsenders, autovacuum, workers are not."""
        return self.backend_type == CLIENT

    @property
    def tells_nothing(self) -> bool:
        """The server does not say what it does, nor since when, though it may be anything."""
        return self.state == DISABLED or (not self.readable and self.user is not None)

    @property
    def waits_for_lock(self) -> bool:
        """It waits for another session's lock now."""
        return self.wait_event_type == "Lock"

    @property
    def waits_for_standby(self) -> bool:
        """Its transaction is committed (or prepared) here and waits for its synchronous standby: a signal ends the wait, not the work."""
        return self.wait_event_type == "IPC" and self.wait_event == SYNC_REP

    @property
    def in_transaction_idle(self) -> bool:
        """It holds a transaction open and does nothing."""
        return self.state in (IDLE_IN_TRANSACTION, IDLE_IN_TRANSACTION_ABORTED)

    @property
    def untold(self) -> bool:
        """The server does not track what it does (track_activities): it has no clocks, and no query that a filter could see."""
        return self.is_client and self.state == DISABLED

    @property
    def waited(self) -> float:
        """Seconds it has waited for the lock; where the server does not say it, the age of the statement that waits."""
        return max((self.query_age if self.wait_age is None else self.wait_age) or 0.0, 0.0)

    @property
    def named(self) -> str:
        """The session in words: `pid 42 app@shop (checkout) from 192.0.2.4, idle in transaction`."""
        who = self.user or ("" if self.is_client else self.backend_type) or ""
        database = f"@{self.database}" if self.database else ""
        application = f" ({self.application_name})" if self.application_name else ""
        client = f" from {self.client_addr}" if self.client_addr else ""
        doing = f", {self.state}" if self.state else ""
        return f"pid {self.pid} {who}{database}".rstrip() + f"{application}{client}{doing}"

    @property
    def told(self) -> str:
        """The same with for how long: `pid 42 app@shop (checkout), idle in transaction for 12m`."""
        age = self.query_age if self.state == ACTIVE else self.state_age
        return self.named if age is None or not self.state else f"{self.named} for {format_duration(max(age, 0.0))}"

    def describe(self) -> dict[str, t.Any]:
        """The session for people and records; the query is cut at QUERY_SHOWN characters."""
        return {
            "pid": self.pid, "backend_start": self.backend_start, "backend_type": self.backend_type, "user": self.user,
            "database": self.database, "application_name": self.application_name, "client_addr": self.client_addr,
            "client_port": self.client_port, "state": self.state, "wait_event_type": self.wait_event_type,
            "wait_event": self.wait_event, "query": self.query[:QUERY_SHOWN], "query_id": self.query_id,
            "query_start": self.query_start, "xact_start": self.xact_start, "state_change": self.state_change,
            "query_age": self.query_age, "transaction_age": self.transaction_age, "state_age": self.state_age,
            "blocked_by": list(self.blocked_by),
        }


@dataclasses.dataclass(frozen=True)
class PreparedTransaction:
    """One row of pg_prepared_xacts: a transaction without a session, which may hold locks for ever.

    Attributes:
        transaction: its transaction id, as text.
        age: seconds since it was prepared, by the server's clock.
        blocks: pids that wait for a lock it holds.
        subscription: whose it is when logical replication has prepared it here, as its publisher did; else empty.
    """

    gid: str
    transaction: str
    prepared: str
    owner: str
    database: str
    age: float
    blocks: tuple[int, ...] = ()
    subscription: str = ""

    @property
    def quoted(self) -> str:
        """Its name as a statement has it between quotes."""
        return self.gid.replace("'", "''")

    def is_finished_by(self, backend: Backend) -> bool:
        """Whether a session that waits for the synchronous standby prepares or finishes it: its statement says so."""
        return backend.waits_for_standby and self.quoted in backend.query and _TWO_PHASE.search(backend.query) is not None

    @property
    def named(self) -> str:
        """The prepared transaction in words: `transaction app-7 of app@shop`."""
        return f"transaction {self.gid} of {self.owner}@{self.database}"

    def describe(self) -> dict[str, t.Any]:
        """The prepared transaction as it appears in results."""
        found = {**dataclasses.asdict(self), "blocks": list(self.blocks)}
        return {key: value for key, value in found.items() if key != "subscription" or value}
