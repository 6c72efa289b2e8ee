# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the drill, seen from outside: there is room, the database takes writes, and nothing of it or beside the list was touched.

The order matters: what was noted is compared before anything here writes to the database."""

from __future__ import annotations

from tests.support.drilled import Lab
from tests.support.until import until

LAB = Lab(__file__)
SMALL, PG = "/srv/small", "/srv/small/pg"
BIN = "/usr/lib/postgresql/15/bin"


def psql(sql: str, *, database: str = "postgres") -> str:
    """What a query gives."""
    return LAB.said("disk1", f"su postgres -c \"psql -AtXqp 5433 --set ON_ERROR_STOP=1 -c \\\"{sql}\\\" {database}\"").strip()


def now(command: str) -> dict[str, str]:
    """What a command lists: a value (a hash, an inode) by path."""
    lines = [line.split(maxsplit=1) for line in LAB.said("disk1", command).splitlines()]
    return {path: value for value, path in lines}


def noted(name: str) -> dict[str, str]:
    """The same, as prepare.yml noted it."""
    return now(f"cat /root/{name}")


def test_every_file_of_the_database_is_the_one_that_it_was() -> None:
    """By inode, so that one which was removed and made again is seen. The server itself makes some, and removes none here."""
    before = noted("drill.pg-inodes")
    assert sum("/pg_wal/0000" in path for path in before) >= 5 and sum("/base/" in path for path in before) > 500
    after = now(f"find {PG} -type f -printf '%i %p\\n'")
    assert {path: after.get(path, "is gone") for path in before} == before


def test_no_byte_of_the_databases_files_has_changed() -> None:
    """Of all but those that a server changes by itself, although nobody writes to it: prepare.yml names them."""
    before = noted("drill.pg-hashes")
    assert sum("/pg_wal/0000" in path for path in before) >= 4 and sum("/base/" in path for path in before) > 500
    after = now("cut -c67- /root/drill.pg-hashes | xargs -d '\\n' sha256sum")
    assert {path: after.get(path, "is gone") for path in before} == before


def test_what_is_beside_the_list_survived() -> None:
    """Old, big, of the right name: in another directory, behind a link to a file or to a directory, and open for writing."""
    before = noted("drill.baits")
    assert sorted(before) == sorted([
        f"{SMALL}/kept/kept.log.1", "/srv/outside/linked.log.1", "/srv/outside/0000bait", f"{SMALL}/log/held.log.1",
    ])
    assert now("sha256sum " + " ".join(before)) == before
    links = LAB.said("disk1", f"readlink {SMALL}/log/linked.log.1 {SMALL}/elsewhere").split()
    assert links == ["/srv/outside/linked.log.1", "/srv/outside"]
    # It is the writer's still, and not another one of the same name.
    held = LAB.said("disk1", "stat -L --format=%i /proc/$(systemctl show --property=MainPID --value bystander-writer)/fd/3")
    assert LAB.said("disk1", f"stat --format=%i {SMALL}/log/held.log.1") == held


def test_the_database_and_who_writes_were_never_restarted() -> None:
    LAB.check_never_restarted("disk1", "postgresql@15-small", "bystander-writer")
    assert psql("SELECT pg_postmaster_start_time()") == LAB.said("disk1", "cat /root/drill.pg-start").strip()


def test_there_is_room() -> None:
    used = LAB.said("disk1", f"df --output=pcent {SMALL} | tail -n 1")
    assert int(used.strip().rstrip("%")) < 80


def test_the_steps_went_as_far_as_they_had_to() -> None:
    """The journal was not enough, the log that logrotate drops was: nothing had to go from the package cache."""
    archived = LAB.said("disk1", "find /var/log/journal -name '*@*.journal' -printf '%s\\n'").split()
    assert sum(int(size) for size in archived) <= 16 << 20 < int(LAB.said("disk1", "cat /root/drill.journal"))
    assert "/var/cache/apt/archives/shop_1.0_all.deb" in LAB.said("disk1", "find /var/cache/apt/archives -name '*.deb'").split()


def test_the_database_takes_writes_and_has_every_row() -> None:
    assert psql("CREATE TABLE IF NOT EXISTS after (id int); INSERT INTO after VALUES (1) RETURNING id") == "1"
    rows = "SELECT count(*), md5(string_agg(line, '' ORDER BY id)) FROM ledger"
    assert psql(rows) == LAB.said("disk1", "cat /root/drill.ledger").strip()


def test_its_pages_are_whole() -> None:
    options = "--port 5433 --all --install-missing --heapallindexed --rootdescend"
    assert LAB.said("disk1", f"cd / && su postgres -c '{BIN}/pg_amcheck {options}'") == ""
    LAB.said("disk1", "systemctl stop postgresql@15-small")
    try:
        summed = LAB.said("disk1", f"cd / && su postgres -c '{BIN}/pg_checksums --check --pgdata {PG}'")
        assert "Bad checksums:  0" in summed
        assert "shut down" in LAB.said("disk1", f"cd / && su postgres -c '{BIN}/pg_controldata {PG}'")
    finally:
        LAB.said("disk1", "systemctl start postgresql@15-small")
    assert psql("SELECT 1") == "1"


def test_nothing_of_a_fault_is_left() -> None:
    logs = LAB.said("disk1", f"ls -A {SMALL}/log").split()
    assert sorted(logs) == ["held.log.1", "linked.log.1"]
    LAB.check_nothing_left()


def test_faults_that_nobody_takes_back_go_by_themselves_the_last_one_first() -> None:
    """On systemd itself: the controller injects two and is never seen again."""
    faults = [
        {"fault": "touch_file", "hosts": "servers", "params": {
            # It ends with a word, in place of what it has broken.
            "path": f"/run/{name}", "seen": "/run/systemd/system", "undo": f"echo {name} >> /run/drill-went"}}
        for name in ("first", "second")
    ]
    LAB.said("disk1", "rm -f /run/drill-went")
    # The lifetime outlasts the arming and the injection of both on a busy controller.
    LAB.play("inject", {"drill_id": "alone", "drill_lifetime": "20s", "drill_faults": faults})
    for name in ("first", "second"):
        LAB.said("disk1", f"test -e /run/{name} || grep {name} /run/drill-went")
    until(lambda: LAB.host("disk1").run("cat /run/drill-went").stdout.split() == ["second", "first"], seconds=90, what="the ways back")
    until(lambda: LAB.host("disk1").run("systemctl list-units --all --no-legend 'oncall-drill-*'").stdout == "", seconds=30, what="the end")
    LAB.said("disk1", "! ls /run/first && ! ls /run/second")
    LAB.check_nothing_left()
