# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions of an application that has gone wrong: on an application's host, against its database.

Several hosts may do it to one database: the table, the names of the sessions (drill-holder-..., drill-waiter-..., drill-runaway-...,
drill-pool-...) and of the prepared transactions are each host's own.
"""

from __future__ import annotations

import os
import pwd
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import psycopg.sql
from _common import Asked, main, stop

Connection = psycopg.Connection[Any]


def table(asked: Asked) -> str:
    return f"oncall_drill_{asked.mark}"


def gid(asked: Asked, number: object = "") -> str:
    """The name of a prepared transaction; without a number, how all of them begin."""
    return f"{asked.unit}-{asked.mark}-{number}"


def named(asked: Asked, role: str) -> str:
    return f"drill-{role}-{asked.mark}"


def connect(asked: Asked, role: str) -> Connection:
    """As the fault's user, whoever takes it back: a server that knows its clients by their user, and ~/.pgpass, know that one alone."""
    user = pwd.getpwnam(asked.user)
    own, home = os.geteuid(), os.environ.get("HOME", "/")
    if own == 0:
        os.seteuid(user.pw_uid)
    os.environ["HOME"] = user.pw_dir
    try:
        return psycopg.connect(asked.params["conninfo"], application_name=named(asked, role), autocommit=True, connect_timeout=5)
    finally:
        os.seteuid(own)
        os.environ["HOME"] = home


def execute(connection: Connection, sql: str, *values: object) -> list[Any]:
    """Names in `sql` are this file's own, or checked by the role: they hold nothing that would have to be quoted."""
    cursor = connection.execute(sql.encode(), values or None)
    return cursor.fetchall() if cursor.description else []


def in_background(connection: Connection, sql: str) -> None:
    def run() -> None:
        try:
            execute(connection, sql)
        except psycopg.Error:
            pass  # it was ended, as it should be

    threading.Thread(target=run, daemon=True).start()


def wait_until(connection: Connection, sql: str, wanted: int) -> None:
    for _attempt in range(200):
        if execute(connection, sql)[0][0] >= wanted:
            return
        threading.Event().wait(0.05)
    sys.exit("the sessions did not come to be")


def inject(asked: Asked) -> None:
    with connect(asked, "setup") as setup:
        execute(setup, f"CREATE TABLE IF NOT EXISTS {table(asked)} (id int PRIMARY KEY, note text)")
        execute(setup, f"INSERT INTO {table(asked)} SELECT generate_series(1, 100) ON CONFLICT DO NOTHING")
        kept = [*hold(asked), *wait_and_run(asked, setup)]
    kept += fill_pool(asked)
    ready()
    signal.sigwait({signal.SIGTERM})
    os._exit(0)  # a thread may still wait for its statement


def hold(asked: Asked) -> list[Connection]:
    """Sessions that are idle in transaction, and prepared transactions, each on its own row."""
    kept = []
    for row in range(1, asked.params["holders"] + 1):
        holder = connect(asked, "holder")
        execute(holder, "BEGIN")
        execute(holder, f"UPDATE {table(asked)} SET note = 'held' WHERE id = {row}")
        kept.append(holder)
    for number in range(1, asked.params["prepared"] + 1):
        prepare(asked, number)
    return kept


def wait_and_run(asked: Asked, setup: Connection) -> list[Connection]:
    """Sessions that wait for the first row, and queries that run on; all of them seen active."""
    kept = []
    for role, sql in (
        ("waiter", f"UPDATE {table(asked)} SET note = 'waits' WHERE id = 1"),
        ("runaway", "SELECT count(*) FROM generate_series(1, 1000000000000)"),
    ):
        for _number in range(asked.params["waiters" if role == "waiter" else "runaway"]):
            connection = connect(asked, role)
            in_background(connection, sql)
            kept.append(connection)
    names = f"'{named(asked, 'waiter')}', '{named(asked, 'runaway')}'"
    active = f"SELECT count(*) FROM pg_stat_activity WHERE application_name IN ({names}) AND state = 'active'"
    wait_until(setup, active, asked.params["waiters"] + asked.params["runaway"])
    return kept


def fill_pool(asked: Asked) -> list[Connection]:
    """Connections that do nothing: as many as asked for, or every ordinary slot."""
    kept: list[Connection] = []
    idle = asked.params["idle"]
    try:
        while idle < 0 or len(kept) < idle:
            kept.append(connect(asked, "pool"))
    except psycopg.OperationalError:
        if idle >= 0:
            raise
    return kept


def prepare(asked: Asked, number: int) -> None:
    """A transaction that outlives its session, and the server's restarts."""
    with connect(asked, "setup") as connection:
        execute(connection, "BEGIN")
        execute(connection, f"UPDATE {table(asked)} SET note = 'prepared' WHERE id = {asked.params['holders'] + number}")
        # 1024 rows of 1000 bytes, which is too little to be compressed, are a MiB of WAL.
        rows = asked.params["prepared_mib"] * 1024
        execute(connection, f"INSERT INTO {table(asked)} SELECT {number}000000 + n, repeat('x', 1000) FROM generate_series(1, {rows}) AS n")
        execute(connection, f"PREPARE TRANSACTION '{gid(asked, number)}'")


def ready() -> None:
    """As systemd-notify does, without a process that inherits the blocked signal."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        address = os.environ["NOTIFY_SOCKET"]
        notify.connect("\0" + address[1:] if address.startswith("@") else address)
        notify.send(b"READY=1")


def remove(asked: Asked) -> None:
    stop(asked)
    with connect(asked, "setup") as connection:
        for (name,) in execute(connection, "SELECT gid FROM pg_prepared_xacts WHERE starts_with(gid, %s)", gid(asked)):
            connection.execute(psycopg.sql.SQL("ROLLBACK PREPARED {}").format(name))
        # What the server still holds of us, for example behind a connection that it has not noticed to be gone.
        execute(
            connection, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE %s AND pid <> pg_backend_pid() AND usename = current_user", named(asked, "%"),
        )
        execute(connection, "SET lock_timeout = '10s'")
        execute(connection, f"DROP TABLE IF EXISTS {table(asked)}")


def left(asked: Asked) -> Iterator[str]:
    with connect(asked, "setup") as connection:
        rows = execute(
            connection, "SELECT 'session ' || pid || ' ' || application_name FROM pg_stat_activity"
            " WHERE application_name LIKE %s AND pid <> pg_backend_pid()"
            f" UNION ALL SELECT 'table ' || to_regclass('{table(asked)}')::text WHERE to_regclass('{table(asked)}') IS NOT NULL"
            " UNION ALL SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts WHERE starts_with(gid, %s)",
            named(asked, "%"), gid(asked),
        )
    yield from (text for (text,) in rows)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main(inject=inject, remove=remove, left=left)
