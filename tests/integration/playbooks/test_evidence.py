# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""db-recovery keeps what is known before it mitigates, once, and never fails over it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import reader

from demo.postgres import Server
from tests.support.site import Ended, Site

from .conftest import Sick

#: Of a busy machine that other tests run on as well.
WITH: dict[str, Any] = {
    "evidence_snapshot": True,
    "evidence_local": True,
    "evidence_skip": ["open_files"],
    "evidence_budget": "120s",
    "evidence_command_timeout": "60s",
    "postgres_snapshot_budget": "60s",
}


@pytest.fixture
def snapped(site: Site) -> Site:
    """The site with snapshots, which other tests do without."""
    site.hosts["db"]["db1"].update(WITH)
    return site


def sessions(done: Ended) -> dict[int, str]:
    """The server's sessions as they were kept: state by process id."""
    path = done.run_dir / "hosts" / "db1" / "25-database" / "postgresql_activity.txt"
    return {row["pid"]: row["state"] for row in map(json.loads, path.read_text().splitlines())}


def test_a_check_keeps_host_and_database_and_touches_nothing(snapped: Site, sick: Sick) -> None:
    done = snapped.play("--check")
    assert done.status == 0, done.output
    assert sick.untouched and done.outcomes() == ["planned"]
    assert [line["part"] for line in done.index("db1", "begin")] == ["first", "postgresql"] and all(
        line["check_mode"] for line in done.index("db1", "begin")
    )
    assert sessions(done)[sick.root.pid] == "idle in transaction" and {waiter.pid for waiter in sick.waiters} <= set(sessions(done))
    taken = {item["name"] for item in done.index("db1", "item") if item["status"] == "collected"}
    assert {"processes", "memory", "mounts", "postgresql_locks", "postgresql_blocking", "postgresql_databases"} <= taken
    done.assert_record_verifies()


@pytest.mark.parametrize("tags", ["all", "mitigate,verify"])
def test_it_is_kept_before_anything_is_ended_and_the_rest_afterwards(
    snapped: Site, sick: Sick, server18: Server, tags: str,
) -> None:
    snapped.hosts["db"]["db1"]["evidence_files"] = [str(server18.log)]
    done = snapped.play("--tags", tags)
    assert done.status == 0, done.output
    assert not sick.root.alive() and sick.root.pid in sessions(done)
    (ended,) = [event for event in reader.read(done.run_dir) if event["type"] == "action" and event["action"]["outcome"] == "gone"]
    kept = [event for event in reader.read(done.run_dir) if event["type"] == "result" and "snapshot" in event["action"]]
    assert [event["seq"] < ended["seq"] for event in kept] == [True, True, False]
    (log,) = [item for item in done.index("db1", "item") if item["name"].startswith("log01_")]
    assert log["status"] == "collected" and (done.run_dir / log["path"]).stat().st_size == log["bytes"] > 0


def test_nothing_of_this_machine_is_kept_as_another_hosts(snapped: Site, sick: Sick) -> None:
    """As with an inventory of port-forwards: what the database says is its own, wherever it is asked from."""
    del snapped.hosts["db"]["db1"]["evidence_local"]
    done = snapped.incident("--check", "--json")
    assert done.status == 0, done.output
    assert [line["part"] for line in done.index("db1", "refused")] == ["first"]
    assert [line["part"] for line in done.index("db1", "begin")] == ["postgresql"] and sick.root.pid in sessions(done)
    assert sorted(path.name for path in (done.run_dir / "hosts" / "db1").iterdir()) == ["25-database", "index.jsonl"]
    assert '"not_captured": [{"host": "db1", "refused": "controller"' in done.output and "not kept of db1" in done.output
    assert "not kept" in (done.run_dir / "report.md").read_text()
    done.assert_record_verifies()


def test_the_wrapper_takes_one_snapshot_in_its_two_executions(snapped: Site, sick: Sick) -> None:
    done = snapped.incident("--yes")
    assert done.status == 0, done.output
    assert [line["part"] for line in done.index("db1", "begin")] == ["first", "postgresql"]
    (units,) = [item for item in done.index("db1", "item") if item["name"] == "journal"]
    assert any(word.startswith("--since=@") for word in units["argv"]), "from when on, the incident says"
    html = (done.run_dir / "report.html").read_text()
    assert "hosts/db1/25-database/postgresql_activity.txt" in html and str(sick.root.pid) in html


def test_a_snapshot_that_fails_stops_nothing(snapped: Site, sick: Sick) -> None:
    snapped.hosts["db"]["db1"].update(evidence_units=["--vacuum-size=1"])
    done = snapped.play()
    assert done.status == 0, done.output
    assert not sick.root.alive()
    results = [event for event in reader.read(done.run_dir) if event["type"] == "result" and event["status"] == "failed"]
    assert any("is not the name of a systemd unit" in str(event["result"]) for event in results)


def test_none_is_taken_where_none_is_wanted(site: Site, sick: Sick) -> None:
    done = site.play("--check")
    assert done.status == 0, done.output
    assert not (done.run_dir / "hosts" / "db1" / "10-net").exists()
