# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sessions of an incident, really made: the guilty ones, and those that must survive.

Every function returns one `Held` (or a list) with pid, backend_start, alive() and close(). alive() asks the operating
system, not the server, so it works when every connection is taken and does not disturb what is measured.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from demo.postgres import Server

APPLICATION_ROLE = "app"
READY_TIMEOUT = 20.0
CLIENT_STOP_TIMEOUT = 10.0

_PREPARE = """
DO $$ BEGIN
  PERFORM pg_advisory_xact_lock(77120);
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'app') THEN CREATE ROLE app LOGIN PASSWORD 'demo-app'; END IF;
  CREATE TABLE IF NOT EXISTS public.incident_orders (id int PRIMARY KEY, note text NOT NULL DEFAULT '');
  INSERT INTO public.incident_orders SELECT generate_series(1, 100) ON CONFLICT DO NOTHING;
  GRANT SELECT, INSERT, UPDATE, DELETE ON public.incident_orders TO app;
END $$
"""
# Larger than the buffers of a pipe and a socket together, so that a client which does not read holds the server back.
_BIG_TABLE = """
CREATE TABLE IF NOT EXISTS public.incident_archive AS
SELECT id, repeat(md5(id::text), 8) AS body FROM generate_series(1, 40000) AS id
"""


@dataclass
class Held:
    """One session of the server, with whatever keeps it open on the client's side.

    Attributes:
        pid, backend_start: the backend's identity as pg_stat_activity gives it.
        connection: the psycopg connection, where we are the client ourselves.
        process: the client program, where one holds the session.
    """

    label: str
    pid: int
    backend_start: datetime
    connection: psycopg.Connection[Any] | None = None
    process: subprocess.Popen[bytes] | None = None
    on_close: Callable[[], None] | None = None
    birth: str | None = field(init=False)

    def __post_init__(self) -> None:
        self.birth = _birth(self.pid)

    def alive(self) -> bool:
        """Whether the very backend process that was made is still there."""
        return self.birth is not None and _birth(self.pid) == self.birth

    def wait_gone(self, timeout: float = 10.0) -> bool:
        """Wait until the backend has ended; whether it has."""
        return _await(lambda: not self.alive(), timeout)

    def execute(self, sql: str) -> Any:
        """Run a statement in this session and wait for its end."""
        if self.connection is None:
            raise RuntimeError(f"{self.label} is held by a client program")
        return self.connection.execute(sql)

    def send(self, sql: str) -> None:
        """Start a statement without waiting for its result."""
        if self.connection is None:
            raise RuntimeError(f"{self.label} is held by a client program")
        self.connection.pgconn.send_query(sql.encode())
        self.connection.pgconn.flush()

    def close(self) -> None:
        """End the session as a client does; never raises because it is already gone."""
        if self.process is not None:
            _end(self.process)
        if self.connection is not None:
            with contextlib.suppress(Exception):
                self.connection.pgconn.get_cancel().cancel()
            with contextlib.suppress(Exception):
                self.connection.close()
        if self.on_close is not None:
            self.on_close()
            self.on_close = None

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.close()


def close_all(sessions: Sequence[Held]) -> None:
    """Close every session."""
    for session in sessions:
        session.close()


def prepare(server: Server, *, dbname: str = "postgres") -> None:
    """The application's role and table; once per database of a server."""
    if dbname not in server.prepared:
        server.execute(_PREPARE, dbname=dbname)
        server.prepared.add(dbname)


def session(
    server: Server,
    *,
    user: str = APPLICATION_ROLE,
    dbname: str = "postgres",
    application: str = "web",
    tcp: bool = False,
    label: str = "",
    **more: Any,
) -> Held:
    """An idle session. `more` are further libpq parameters such as password."""
    prepare(server, dbname=dbname)
    connection = server.connect(user=user, dbname=dbname, tcp=tcp, application_name=application, **more)
    row = connection.execute("SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()").fetchone()
    assert row is not None, "a session always sees its own row"
    return Held(label=label or application, pid=row[0], backend_start=row[1], connection=connection)


def idle_in_transaction(server: Server, *, row: int = 1, lock: bool = True, application: str = "web", **more: Any) -> Held:
    """A transaction left open; with `lock` it holds the lock of incident_orders' row `row`."""
    held = session(server, application=application, label="idle in transaction", **more)
    held.execute("BEGIN")
    held.execute(f"UPDATE incident_orders SET note = 'held' WHERE id = {int(row)}" if lock else "SELECT 1")
    return held


def lock_chain(
    server: Server, *, depth: int = 3, first_row: int = 11, application: str = "web", then_commit: bool = False, **more: Any
) -> list[Held]:
    """A root that is idle in transaction, and `depth` waiters, each behind the one before.

    The first of the list is the root. Returns when every waiter really waits.

    Args:
        then_commit: a waiter that gets its lock commits at once, as a working application does; else it stays in its
            transaction.
    """
    end = "; COMMIT" if then_commit else ""
    chain = [idle_in_transaction(server, row=first_row, application=application, **more)]
    chain[0].label = "root of the lock chain"
    try:
        for step in range(1, depth + 1):
            waiter = idle_in_transaction(server, row=first_row + step, application=application, **more)
            waiter.label = f"waiter {step}"
            chain.append(waiter)
            waiter.send(f"UPDATE incident_orders SET note = 'waits' WHERE id = {first_row + step - 1}{end}")
            blocker = chain[step - 1].pid
            await_sql(server, "SELECT %s = ANY (pg_blocking_pids(%s))", (blocker, waiter.pid), what=f"waiter {step} to wait")
    except BaseException:
        close_all(chain)
        raise
    return chain


def lock_queue(
    server: Server, *, behind: int = 3, statement: str = "ALTER TABLE queue_orders ADD note text", user: str = APPLICATION_ROLE,
) -> list[Held]:
    """A table that a dump reads, a statement that waits for the table, and queries that wait behind that statement.

    The first of the list is the dump, an open transaction by its name, the second the head of the queue. Returns when all wait.
    """
    prepare(server)
    server.execute("DROP TABLE IF EXISTS queue_orders; CREATE TABLE queue_orders (id int)")
    server.execute(f"ALTER TABLE queue_orders OWNER TO {APPLICATION_ROLE}")
    made = [session(server, application="pg_dump", label="holder of the lock")]
    try:
        made[0].execute("BEGIN; SELECT count(*) FROM queue_orders")
        for step in range(behind + 1):
            head = step == 0
            made.append(session(server, application="migrate" if head else "web", user=user if head else APPLICATION_ROLE))
            made[-1].send(statement if head else "SELECT count(*) FROM queue_orders")
            pids = (made[0 if head else 1].pid, made[-1].pid)
            await_sql(server, "SELECT %s = ANY (pg_blocking_pids(%s))", pids, what=f"{made[-1].label} to wait")
    except BaseException:
        close_all(made)
        raise
    return made


def runaway_query(server: Server, *, busy: bool = False, seconds: int = 3600, application: str = "analytics", **more: Any) -> Held:
    """A query that would run for an hour; with `busy` it really uses a processor, else it sleeps."""
    held = session(server, application=application, label="runaway query", **more)
    if busy:
        held.send(
            "SELECT count(*) FROM pg_class a, pg_class b, pg_class c, pg_class d WHERE a.relpages + b.relpages + c.relpages < d.relpages"
        )
    else:
        held.send(f"SELECT pg_sleep({int(seconds)})")
    await_sql(server, "SELECT state = 'active' FROM pg_stat_activity WHERE pid = %s", (held.pid,), what="the runaway query to run")
    return held


def fill_connections(
    server: Server,
    *,
    leave: int = 0,
    reserved: bool = False,
    application: str = "leaky-pool",
    user: str = APPLICATION_ROLE,
    dbname: str = "postgres",
) -> list[Held]:
    """Idle sessions of the application until only `leave` ordinary slots are free.

    Args:
        reserved: take the superuser's reserved slots as well, so that nobody gets in any more.
    """
    fillers: list[Held] = []
    try:
        while True:
            try:
                fillers.append(session(server, user=user, dbname=dbname, application=application, label="filler"))
            except psycopg.OperationalError as error:
                if _refused(error):
                    break
                raise
        for _unused in range(leave):
            freed = fillers.pop()
            freed.close()
            freed.wait_gone()
        while reserved:
            try:
                fillers.append(session(server, user=server.superuser, dbname=dbname, application=application, label="filler"))
            except psycopg.OperationalError as error:
                if _refused(error):
                    break
                raise
    except BaseException:
        close_all(fillers)
        raise
    return fillers


def superuser_session(
    server: Server, *, state: str = "idle in transaction", query: str = "SELECT pg_sleep(3600)", application: str = "psql", **more: Any
) -> Held:
    """A superuser at work by hand. `state` is idle, idle in transaction or active; then it runs `query`."""
    held = session(server, user=server.superuser, application=application, label="superuser", **more)
    if state == "idle in transaction":
        held.execute("BEGIN")
        held.execute("SELECT count(*) FROM pg_class")
    elif state == "active":
        held.send(query)
    return held


def young_query(server: Server, *, seconds: float = 0.5, application: str = "web", **more: Any) -> Held:
    """An application that works as it should: one short query after the other, for as long as it is open."""
    held = session(server, application=application, label="young query", **more)
    ended = threading.Event()

    def work() -> None:
        with contextlib.suppress(psycopg.Error):
            while not ended.is_set():
                held.execute(f"SELECT pg_sleep({float(seconds)})")

    worker = threading.Thread(target=work, name="young-query", daemon=True)
    worker.start()

    def finish() -> None:
        ended.set()
        worker.join(timeout=5.0)

    held.on_close = finish
    return held


def pg_dump(server: Server, *, dbname: str = "postgres", user: str = Server.superuser) -> Held:
    """A real pg_dump in the middle of a table: its output goes to a pipe that nobody reads."""
    server.execute(_BIG_TABLE, dbname=dbname)
    return _client(
        server,
        ["pg_dump", "--username", user, "--dbname", dbname, "--table", "public.incident_archive", "--data-only"],
        where="application_name = 'pg_dump' AND query ILIKE 'COPY%%'",
        stdout=subprocess.PIPE,
    )


def pg_receivewal(server: Server) -> Held:
    """A real pg_receivewal: a physical walsender on the server."""
    return _client(server, ["pg_receivewal", "--directory", _scratch(server), "--no-loop"], where="application_name = 'pg_receivewal'")


def pg_basebackup(server: Server) -> Held:
    """A real pg_basebackup, slowed down to 32 kB/s so that it is still running when it is looked at."""
    directory = _scratch(server)
    argv = ["pg_basebackup", "--pgdata", directory, "--format", "tar", "--wal-method", "none", "--checkpoint", "fast", "--max-rate", "32"]
    return _client(server, argv, where="application_name = 'pg_basebackup' AND state = 'active'")


def pg_recvlogical(server: Server, *, dbname: str = "postgres", slot: str = "incident_slot") -> Held:
    """A real logical walsender with a slot of its own; the slot is dropped by close()."""
    server.execute("SELECT pg_create_logical_replication_slot(%s, 'test_decoding')", (slot,), dbname=dbname)
    argv = [
        "pg_recvlogical",
        "--dbname",
        dbname,
        "--slot",
        slot,
        "--start",
        "--no-loop",
        "--file",
        os.path.join(_scratch(server), "changes"),
    ]
    held = _client(server, argv, where="application_name = 'pg_recvlogical'")

    def drop() -> None:
        held.wait_gone()
        with contextlib.suppress(psycopg.Error):
            server.execute("SELECT pg_drop_replication_slot(%s)", (slot,), dbname=dbname)

    held.on_close = drop
    return held


def prepared_transaction(server: Server, *, row: int = 41, name: str = "incident_prepared", **more: Any) -> str:
    """A prepared transaction that holds a row's lock although no session belongs to it; its gid."""
    with session(server, application="transaction-manager", **more) as held:
        held.execute("BEGIN")
        held.execute(f"UPDATE incident_orders SET note = 'prepared' WHERE id = {int(row)}")
        held.execute(f"PREPARE TRANSACTION '{name}'")
    return name


def await_sql(server: Server, sql: str, params: Sequence[Any] = (), *, what: str = "a condition", timeout: float = READY_TIMEOUT) -> None:
    """Wait until a query's first value is true.

    Raises:
        TimeoutError: it was not within `timeout` seconds.
    """
    with server.connect(application_name="demo-observer") as observer:

        def holds() -> bool:
            row = observer.execute(sql, params).fetchone()
            return bool(row and row[0])

        if not _await(holds, timeout):
            raise TimeoutError(f"waited {timeout:g} s for {what}")


def _client(server: Server, argv: list[str], *, where: str, stdout: int = subprocess.DEVNULL) -> Held:
    """Start a client program and wait for its session, known by `where` and by not having been there before."""
    sessions = f"SELECT pid, backend_start FROM pg_stat_activity WHERE {where}"
    with server.connect(application_name="demo-observer") as observer:
        before = set(observer.execute(sessions).fetchall())
        with tempfile.TemporaryFile() as complaints:
            process = subprocess.Popen(
                [str(server.bin_dir / argv[0]), *argv[1:]],
                env=server.environment(),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=complaints,
                start_new_session=True,
            )
            found: list[tuple[int, datetime]] = []

            def there() -> bool:
                found[:] = set(observer.execute(sessions).fetchall()) - before
                return bool(found) or process.poll() is not None

            _await(there, READY_TIMEOUT)
            if not found:
                _end(process)
                complaints.seek(0)
                raise RuntimeError(f"{argv[0]} made no session: {complaints.read().decode(errors='replace').strip()}")
    pid, backend_start = found[0]
    return Held(label=argv[0], pid=pid, backend_start=backend_start, process=process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdout is not None:
        process.stdout.close()
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(CLIENT_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(CLIENT_STOP_TIMEOUT)


def _scratch(server: Server) -> str:
    return tempfile.mkdtemp(prefix="client-", dir=server.base)


def _refused(error: psycopg.OperationalError) -> bool:
    # A failed connect carries no SQLSTATE in psycopg 3; the sockets here are ours, so the messages are English.
    text = str(error)
    return "too many clients" in text or "remaining connection slots" in text or "too many connections" in text


def _birth(pid: int) -> str | None:
    """When the process with this pid began, as the kernel says it; None when there is none (a zombie counts as none)."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]
    done = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, timeout=30, check=False)
    state, _, began = done.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else began.strip()


def _await(condition: Callable[[], bool], timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.03)
    return condition()
