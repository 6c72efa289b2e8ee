# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the drill, seen from outside: there is room, the database takes writes, and nothing of it was touched."""

from __future__ import annotations

from pathlib import Path

import testinfra

INVENTORY = Path(__file__).resolve().parents[1] / "inventory"


def host() -> testinfra.host.Host:
    """The host of the drill."""
    return testinfra.get_host(f"ansible://disk1?ansible_inventory={INVENTORY}&force_ansible=True")


def test_there_is_room() -> None:
    used = host().run("df --output=pcent /srv/small | tail -n 1").stdout
    assert int(used.strip().rstrip("%")) < 80


def test_the_database_takes_writes() -> None:
    sql = "CREATE TABLE IF NOT EXISTS after (id int); INSERT INTO after VALUES (1) RETURNING id"
    done = host().run(f"su postgres -c \"psql -AtXqp 5433 -c '{sql}' postgres\"")
    assert done.stdout.strip() == "1", done.stderr


def test_it_was_never_restarted_and_its_files_are_whole() -> None:
    shown = host().run("systemctl show --property=NRestarts postgresql@15-small").stdout
    assert shown.strip() == "NRestarts=0"
    checked = host().run("systemctl stop postgresql@15-small && su postgres -c '/usr/lib/postgresql/15/bin/pg_controldata /srv/small/pg'")
    assert "shut down" in checked.stdout
    assert host().run("systemctl start postgresql@15-small").rc == 0
    assert host().run("su postgres -c 'psql -AtXqp 5433 -c \"SELECT 1\" postgres'").stdout.strip() == "1"


def test_nothing_of_a_fault_is_left() -> None:
    logs, faults = host().run("ls -A /srv/small/log"), host().run("ls -A /var/lib/oncall-drill")
    assert logs.rc == 0 and not [name for name in logs.stdout.split() if name.startswith(("shop.log", "app.log"))]
    assert faults.rc == 0 and "oncall-drill-" not in faults.stdout
    assert host().run("systemctl list-units --all --no-legend 'oncall-drill-*'").stdout == ""
