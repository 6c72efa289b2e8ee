# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the drill, seen from outside: the application answers, nobody's replication was interrupted, and what lagged has caught up."""

from __future__ import annotations

import time

import pytest

from tests.support.drilled import Lab
from tests.support.unharmed import check_unharmed

LAB = Lab(__file__)
#: Seconds for what takes a moment: a change's way to the replica and to the consumer.
PATIENCE = 30


def asked(name: str, sql: str) -> str:
    """The server's answer."""
    done = LAB.host(name).run("echo %s | su postgres -c 'psql --no-psqlrc -AtXq -v ON_ERROR_STOP=1 shop'", sql)
    assert done.rc == 0, done.stderr
    return str(done.stdout.strip())


def awaited(name: str, command: str, wanted: str) -> bool:
    """Whether a command prints a text within a while."""
    until = time.monotonic() + PATIENCE
    while wanted not in LAB.host(name).run(command).stdout:
        if time.monotonic() > until:
            return False
        time.sleep(0.5)
    return True


def test_the_application_answers() -> None:
    page = LAB.host("app1").run("curl --silent --max-time 5 --output /dev/null --write-out '%{http_code}' http://localhost:8080/")
    assert page.stdout == "200"


@pytest.mark.parametrize(("name", "expected"), [
    ("db1", [
        "unit postgresql@15-main", "unit bystander-backup", "unit bystander-archive", "unit bystander-consumer",
        "server postmaster", "works pg_dump", "sends db2", "sends pg_receivewal", "sends pg_recvlogical",
        "slot drill_archive", "slot drill_consumer", "slot drill_replica",
    ]),
    ("db2", ["unit postgresql@15-main", "unit bystander-report", "server postmaster", "works report", "receives walreceiver"]),
])
def test_servers_senders_receivers_slots_and_bystanders_are_those_of_before(name: str, expected: list[str]) -> None:
    """Nobody was ended, restarted, or reconnected."""
    check_unharmed(LAB.host(name), expected)


def test_no_slot_is_lost_or_keeps_more_than_it_may() -> None:
    """The lag is under the threshold: 48 MiB, of which the prepared transaction alone had written more."""
    rows = asked("db1", """
        SELECT slot_name, wal_status, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) < 48 * 1024 * 1024
        FROM pg_replication_slots ORDER BY 1""")
    assert rows.splitlines() == [f"{slot}|reserved|t" for slot in ("drill_archive", "drill_consumer", "drill_replica")]


def test_no_prepared_transaction_holds_the_horizon() -> None:
    assert asked("db1", "SELECT count(*) FROM pg_prepared_xacts") == "0"
    assert asked("db1", "SELECT count(*) FROM pg_locks WHERE pid IS NULL") == "0"
    assert asked("db2", "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock'") == "0"


def test_a_change_reaches_the_replica_and_the_consumer() -> None:
    mark = f"after {time.time_ns()}"
    assert asked("db1", f"UPDATE orders SET note = '{mark}' WHERE id = 1 RETURNING id") == "1"
    assert awaited("db2", "su postgres -c 'psql -AtXc \"SELECT note FROM orders WHERE id = 1\" shop'", mark)
    assert awaited("db1", "tail -n 20 /tmp/consumed", mark)


def test_the_replica_is_one_still() -> None:
    assert asked("db2", "SELECT pg_is_in_recovery()") == "t"


def test_nothing_of_a_fault_is_left() -> None:
    LAB.check_nothing_left()
    assert asked("db1", "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'drill-%'") == "0"
    assert asked("db2", "SELECT count(*) FROM pg_class WHERE relname LIKE 'oncall_drill%'") == "0"
