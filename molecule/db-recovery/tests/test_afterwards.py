# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the drill, seen from outside: the application answers, and who did nothing wrong never noticed."""

from __future__ import annotations

from tests.support.drilled import Lab
from tests.support.unharmed import check_unharmed

LAB = Lab(__file__)


def test_the_application_answers() -> None:
    page = LAB.host("app1").run("curl --silent --max-time 5 --output /dev/null --write-out '%{http_code}' http://localhost:8080/")
    assert page.stdout == "200"


def test_the_bystanders_and_the_server_are_those_of_before() -> None:
    """Nobody was ended, restarted, or reconnected: neither the server, nor the backup in the middle of it, nor who receives the WAL."""
    check_unharmed(LAB.host("db1"), [
        "unit postgresql@15-main", "unit bystander-backup", "unit bystander-archive",
        "server postmaster", "works pg_dump", "sends pg_receivewal", "slot drill_archive",
    ])


def test_nothing_of_a_fault_is_left() -> None:
    LAB.check_nothing_left()


def test_the_database_takes_writes() -> None:
    written = LAB.host("db1").run("su postgres -c \"psql -AtXqc \\\"UPDATE orders SET note = 'after' WHERE id = 1 RETURNING id\\\" shop\"")
    assert written.stdout.strip() == "1"


def test_no_session_table_or_transaction_of_a_fault_is_left() -> None:
    sql = """SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'drill-%'
        UNION ALL SELECT count(*) FROM pg_class WHERE relname LIKE 'oncall_drill%' UNION ALL SELECT count(*) FROM pg_prepared_xacts"""
    found = LAB.host("db1").run("echo %s | su postgres -c 'psql --no-psqlrc -AtXq -v ON_ERROR_STOP=1 shop'", sql)
    assert found.stdout.split() == ["0", "0", "0"], found.stderr
