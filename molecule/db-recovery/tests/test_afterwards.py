# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the drill, seen from outside: the application answers, and who did nothing wrong never noticed."""

from __future__ import annotations

from pathlib import Path

import testinfra

INVENTORY = Path(__file__).resolve().parents[1] / "inventory"


def host(name: str) -> testinfra.host.Host:
    """A host of the drill."""
    return testinfra.get_host(f"ansible://{name}?ansible_inventory={INVENTORY}&force_ansible=True")


def test_the_application_answers() -> None:
    page = host("app1").run("curl --silent --max-time 5 --output /dev/null --write-out '%{http_code}' http://localhost:8080/")
    assert page.stdout == "200"


def test_the_bystanders_never_stopped() -> None:
    for unit in ("bystander-backup", "bystander-archive"):
        shown = host("db1").run(f"systemctl show --property=ActiveState,NRestarts {unit}").stdout
        assert "ActiveState=active" in shown and "NRestarts=0" in shown


def test_nothing_of_a_fault_is_left() -> None:
    for name in ("db1", "app1"):
        assert host(name).run("ls -A /var/lib/oncall-drill").stdout == ""
        assert host(name).run("systemctl list-units --all --no-legend 'oncall-drill-*'").stdout == ""


def test_the_database_was_never_restarted_and_takes_writes() -> None:
    database = host("db1")
    assert database.run("systemctl show --property=NRestarts postgresql@15-main").stdout.strip() == "NRestarts=0"
    written = database.run("su postgres -c \"psql -AtXqc \\\"UPDATE orders SET note = 'after' WHERE id = 1 RETURNING id\\\" shop\"")
    assert written.stdout.strip() == "1"
