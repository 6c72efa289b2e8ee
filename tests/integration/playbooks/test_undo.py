# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident undo` and `in-force` against real targets: what a run raised holds its incident open until it is measured to be gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.need import need
from tests.support.redis_acting import connections
from tests.support.redis_servers import SOURCES, RedisServer, find_binary
from tests.support.site import Ended, Site
from tests.support.units import Units

from .conftest import QUICK as COMMON

pytestmark = pytest.mark.timeout(900)
QUICK: dict[str, Any] = {
    "redis_connect_timeout": "2s", "redis_socket_timeout": "2s", "redis_max_seconds": "20s", "redis_connect_retry": "1s",
    "redis_verify_hold": "500ms", "redis_verify_timeout": "10s", "redis_probe": False,
}


class UndoSite(Site):
    """One cache, one home for all calls."""

    def __init__(self, place: Path, cache: RedisServer) -> None:
        super().__init__(place, playbook="redis-recovery", common=COMMON)
        self.cache = cache
        self.group("cache", cache1={**QUICK, "redis_login_port": cache.port})
        self.group("app")
        self.home = {"INCIDENT_HOME": str(place / "home")}

    @property
    def maxclients(self) -> str:
        return str(self.cache.execute("CONFIG", "GET", "maxclients")["maxclients"])

    def command_of(self, *words: str) -> Ended:
        """A command of `incident` that is no run."""
        return self.call([*self.incident_words(), *words], **self.home)

    def incident_words(self) -> list[str]:
        return [self.python, "-m", "oncall_incident"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[UndoSite]:
    binary = find_binary("valkey") or find_binary("redis")
    need(binary, SOURCES["valkey"])
    assert binary is not None
    with RedisServer.start(binary) as server:
        server.execute("CONFIG", "SET", "maxclients", "12")
        yield UndoSite(tmp_path, server)


def raised(site: UndoSite) -> str:
    """A run that raised maxclients; the id of its incident."""
    with connections(site.cache, 11):
        done = site.call(
            [*site.incident_words(), "run", "redis-recovery", "-i", str(site.inventory()), "--yes", "--json",
             "-e", json.dumps({"redis_raise_maxclients": 40})], **site.home)
    assert done.status == 0, done.output
    assert site.maxclients == "40"
    assert any("cannot be closed" in note for note in done.data["incident_notes"]), done.output
    assert "nobody will undo it" in done.said
    return str(done.data["incident"])


def test_what_was_raised_is_taken_back_and_only_then_the_incident_can_be_closed(site: UndoSite) -> None:
    incident = raised(site)
    (change,) = site.command_of("status", incident, "--json").data["changes"]
    assert (change["state"], change["host"], change["verb"]) == ("in_force", "cache1", "raise_maxclients")
    shown = site.command_of("status", incident).said
    assert f"change {change['ref']} cache1 raise maxclients" in shown and "in force, nobody will undo it" in shown
    refused = site.command_of("close", incident, "-m", "It was full.", "--sign-key", "none")
    assert refused.status == 2
    assert change["ref"] in refused.output and "incident undo" in refused.output and "nobody will undo it" in refused.said
    assert site.command_of("milestone", incident, "resolved").status == 2

    looked = site.command_of("undo", incident, "-i", str(site.inventory()), "--check", "--json")
    assert (looked.status, looked.data["outcome"], site.maxclients) == (0, "planned", "40"), looked.output
    undone = site.command_of("undo", incident, change["ref"], "-i", str(site.inventory()), "--yes", "--json")
    assert (undone.status, undone.data["outcome"], site.maxclients) == (0, "recovered", "12"), undone.output
    assert [(action["verb"], action["outcome"]) for action in undone.data["actions"]] == [("restore_maxclients", "done")]

    (change,) = site.command_of("status", incident, "--json").data["changes"]
    assert (change["state"], change["undone"]) == ("gone", True)
    again = site.command_of("undo", incident, "-i", str(site.inventory()), "--json")
    assert again.status == 5, again.output
    assert site.command_of("close", incident, "-m", "It was full.", "--sign-key", "none").status == 0


def test_a_change_is_left_only_with_a_reason_and_the_report_says_so(site: UndoSite) -> None:
    incident = raised(site)
    (change,) = site.command_of("status", incident, "--json").data["changes"]
    assert site.command_of("close", incident, "--leave", change["ref"], "--sign-key", "none").status == 2
    closed = site.command_of("close", incident, "--leave", change["ref"], "--why", "The new size is right.", "--sign-key", "none")
    assert closed.status == 0, closed.output
    state = site.command_of("status", incident, "--json").data
    assert (state["status"], state["left"]) == ("closed", {change["ref"]: "The new size is right."})
    said = site.command_of("report", incident, "--format", "markdown", "-o", "-").stdout
    assert "## Temporary changes" in said and "nobody will undo it" in said and "The new size is right." in said


def test_a_server_that_cannot_be_looked_at_is_not_called_undone(site: UndoSite) -> None:
    incident = raised(site)
    port = site.hosts["cache"]["cache1"]["redis_login_port"]
    site.hosts["cache"]["cache1"]["redis_login_port"] = 1
    failed = site.command_of("undo", incident, "-i", str(site.inventory()), "--yes", "--json")
    assert failed.status not in (0, 5), failed.output
    site.hosts["cache"]["cache1"]["redis_login_port"] = port
    (change,) = site.command_of("status", incident, "--json").data["changes"]
    assert change["state"] != "gone"
    assert site.command_of("close", incident, "--sign-key", "none").status == 2


def test_a_value_that_somebody_has_set_since_is_left_alone_and_the_change_is_gone(site: UndoSite) -> None:
    incident = raised(site)
    site.cache.execute("CONFIG", "SET", "maxclients", "50")
    looked = site.command_of("undo", incident, "-i", str(site.inventory()), "--yes", "--json")
    assert (looked.status, site.maxclients) == (5, "50"), looked.output
    (change,) = site.command_of("status", incident, "--json").data["changes"]
    assert (change["state"], change["undone"]) == ("gone", False)


class PoolSite(Site):
    """An application's pool in a file, and a scenario that only raises it."""

    def __init__(self, place: Path, **more: Any) -> None:
        super().__init__(place, common=COMMON)
        self.file = place / "app.env"
        self.file.write_text("PORT=1\nPOOL=5\n")
        self.wanted = {"service_pool_file": str(self.file), "service_pool_key": "POOL", "service_pool_limit": 100, **more}
        self.group("app", app1=self.wanted)
        self.home = {"INCIDENT_HOME": str(place / "home")}

        def role(name: str, entry: str) -> dict[str, Any]:
            return {"ansible.builtin.import_role": {"name": f"oncall.incident.{name}", "tasks_from": entry}}

        (place / "raise-pool.yml").write_text(json.dumps([
            {"name": "Mitigate", "hosts": "app", "gather_facts": False, "tags": ["mitigate"],
             "tasks": [role("service", "mitigate"), role("incident", "publish")]},
        ]))

    def command_of(self, *words: str, **environ: str) -> Ended:
        return self.call([self.python, "-m", "oncall_incident", *words], **{**self.home, **environ})

    def raised(self, size: int, incident: str | None = None, **environ: str) -> Ended:
        also = ["--incident", incident] if incident else []
        return self.command_of(
            "run", str(self.place / "raise-pool.yml"), "-i", str(self.inventory()), "--yes", "--json", *also,
            "-e", json.dumps({"service_pool_size": size}), **environ)

    def changes(self, incident: str) -> list[dict[str, Any]]:
        return list(self.command_of("status", incident, "--json").data["changes"])


def test_pools_that_were_raised_twice_are_taken_back_in_turn(tmp_path: Path) -> None:
    site = PoolSite(tmp_path)
    first = site.raised(12)
    incident = str(first.data["incident"])
    assert "POOL=12\n" in site.file.read_text(), first.output
    site.raised(20, incident)
    assert "POOL=20\n" in site.file.read_text()
    assert [(one["state"], one["temporary"]["undo"]["before"]) for one in site.changes(incident)] == [("in_force", 5), ("in_force", 12)]
    undo = ("undo", incident, "-i", str(site.inventory()), "--yes", "--json")
    once = site.command_of(*undo)
    assert "POOL=12\n" in site.file.read_text(), once.output
    assert once.data["outcome"] == "not_recovered", "the first change is in force again"
    assert [one["state"] for one in site.changes(incident)] == ["in_force", "gone"]
    twice = site.command_of(*undo)
    # The file is as before, and the application is not until somebody restarts it.
    assert (twice.status, site.file.read_text()) == (3, "PORT=1\nPOOL=5\n"), twice.output
    assert "keeps it until it is restarted" in twice.said
    assert [one["state"] for one in site.changes(incident)] == ["gone", "gone"]


def test_a_pool_is_not_raised_for_a_while_where_nothing_can_take_it_back(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "systemctl").write_text("#!/bin/sh\necho offline\nexit 1\n")
    (tmp_path / "bin" / "systemctl").chmod(0o755)
    site = PoolSite(tmp_path, service_pool_expires="1h")
    done = site.raised(12, PATH=f"{tmp_path / 'bin'}:{site.bin}:/usr/bin:/bin")
    assert "POOL=5\n" in site.file.read_text()
    assert "systemd: offline" in done.said and "Nothing was changed" in done.said, done.output


def test_a_pool_that_is_in_another_file_now_is_not_called_gone(tmp_path: Path) -> None:
    site = PoolSite(tmp_path)
    incident = str(site.raised(12).data["incident"])
    other = tmp_path / "other.env"
    other.write_text("POOL=5\n")
    site.group("app", app1={**site.wanted, "service_pool_file": str(other)})
    looked = site.command_of("undo", incident, "-i", str(site.inventory()), "--yes", "--json")
    assert looked.status == 3, looked.output
    assert [one["state"] for one in site.changes(incident)] == ["not_known"]


def test_what_is_in_force_is_read_from_the_targets(site: UndoSite) -> None:
    incident = raised(site)
    look = ("in-force", "-i", str(site.inventory()), "--json")
    (change,) = site.command_of("status", incident, "--json").data["changes"]
    seen = site.command_of(*look)
    (row,) = seen.data["changes"]
    assert (seen.status, row["ref"], row["incident"], row["found"]) == (0, change["ref"], incident, "in_force"), seen.output
    (later,) = site.command_of("status", incident, "--json").data["changes"]
    assert later["state"] == "in_force" and later["seen"] > change["seen"]

    site.hosts["cache"]["cache1"]["redis_login_port"] = 1
    blind = site.command_of("in-force", "-i", str(site.inventory()))
    assert blind.status == 3 and "unknown" in blind.said and change["ref"] in blind.said
    site.hosts["cache"]["cache1"]["redis_login_port"] = site.cache.port
    elsewhere = site.command_of("in-force", "-i", "other.example.org,", "-e", "ansible_connection=local", "--json")
    assert elsewhere.status == 3 and elsewhere.data["changes"][0]["reason"] == "the inventory has no such host"

    site.group("app", app1={})
    limited = site.command_of("in-force", "-i", str(site.inventory()), "--limit", "app1", "--json")
    assert (limited.status, limited.data["changes"][0]["found"]) == (0, "not_asked"), limited.output

    site.cache.execute("CONFIG", "SET", "maxclients", "12")
    gone = site.command_of(*look)
    assert (gone.status, gone.data["changes"][0]["found"]) == (0, "gone"), gone.output
    assert site.command_of("close", incident, "-m", "It was full.", "--sign-key", "none").status == 0
    assert site.command_of(*look).data["changes"] == []


def test_a_pool_for_a_while_is_taken_back_by_hand_or_by_its_unit(tmp_path: Path) -> None:
    units = Units(tmp_path)
    site = PoolSite(tmp_path, service_pool_expires="1h")
    site.prefix = units.prefix
    site.home |= {**units.environ, "INCIDENT_PASS_ENV": "UNITS_DOUBLE", "PATH": f"{units.environ['PATH']}:{site.bin}"}
    done = site.raised(12)
    incident = str(done.data["incident"])
    assert "POOL=12\n" in site.file.read_text(), done.output
    assert "it ends after 1h by its timer" in done.said
    (change,) = site.changes(incident)
    unit = change["temporary"]["armed_as"]
    assert f"{unit}.timer" in units.names() and "by its timer" in change["said"]
    (units.files / "oncall-incident-undo-0123456789ab.timer").write_text("[Timer]\n")
    seen = site.command_of("in-force", "-i", str(site.inventory()), "--json")
    assert (seen.status, seen.data["changes"][0]["found"]) == (0, "in_force"), seen.output
    assert seen.data["units"] == [{"host": "app1", "unit": "oncall-incident-undo-0123456789ab"}], "the other one is known"
    (units.files / "oncall-incident-undo-0123456789ab.timer").unlink()
    undone = site.command_of("undo", incident, "-i", str(site.inventory()), "--yes", "--json")
    assert (undone.status, site.file.read_text(), units.names()) == (3, "PORT=1\nPOOL=5\n", []), undone.output
    assert [one["state"] for one in site.changes(incident)] == ["gone"]

    again = site.raised(12)
    assert "POOL=12\n" in site.file.read_text(), again.output
    further = site.raised(20)
    assert "POOL=12\n" in site.file.read_text() and "takes back an earlier change" in further.said, further.output
    assert units.fire().returncode == 0
    assert (site.file.read_text(), units.names()) == ("PORT=1\nPOOL=5\n", [])
