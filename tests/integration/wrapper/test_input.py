# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input: one clear message that names it, exit status 2, before anything is touched."""

from __future__ import annotations

import json

import pytest

from .conftest import World


def test_an_inventory_that_is_not_there(world: World) -> None:
    done = world.incident("run", "scenario/fake-recovery.yml", "-i", "nowhere.yml")
    assert done.returncode == 2
    assert done.stderr.startswith("incident: -i nowhere.yml: there is no such inventory.")
    assert not world.home.exists()


def test_a_scenario_that_is_not_there(world: World) -> None:
    done = world.incident("run", "db-recovry", "-i", "hosts.json")
    assert done.returncode == 2
    assert "Did you mean db-recovery?" in done.stderr


@pytest.mark.parametrize(("limit", "said"), [("mars", "mars"), ("earth,marz", "marz")])
def test_a_limit_that_matches_nothing(limit: str, said: str, world: World) -> None:
    done = world.run("--yes", "--limit", limit)
    assert done.returncode == 2, done.stdout
    assert said in done.stdout
    assert world.sick == 2


def test_a_playbook_that_cannot_be_parsed(world: World) -> None:
    (world.place / "scenario" / "broken.yml").write_text("- name: Broken\n  hosts: world\n  taskz: []\n")
    done = world.run("--yes", scenario="scenario/broken.yml")
    assert done.returncode == 2, done.stdout
    assert "BAD INPUT" in done.stdout and not world.incidents
    assert "'taskz' is not a valid attribute for a Play" in done.stdout


def test_an_inventory_that_cannot_be_parsed(world: World) -> None:
    (world.place / "hosts.json").write_text("world:\n  hosts: [\n")  # "{broken" would be a host's name to the ini plugin
    done = world.run("--yes")
    assert done.returncode == 2, done.stdout
    said = " ".join(done.stdout.split())
    assert "No host" not in said and "Failed to parse inventory with 'yaml' plugin" in said, said
    assert world.sick == 2
    assert not world.incidents


def test_a_file_in_the_directory_of_the_inventory_that_is_no_inventory(world: World) -> None:
    folder = world.place / "prod"
    folder.mkdir()
    (world.place / "hosts.json").rename(folder / "hosts.json")
    (folder / "notes.yml").write_text("- call the vendor\n- then wait\n")
    done = world.incident("run", "scenario/fake-recovery.yml", "-i", "prod", "--check", "--json")
    data = json.loads(done.stdout)
    assert (done.returncode, data["outcome"], data["incident"]) == (2, "bad_input", None), done.stderr
    assert "notes.yml" in " ".join(data["reasons"] + data["ansible_said"]) and not world.incidents


def test_hosts_that_the_scenario_does_not_find(world: World) -> None:
    done = world.run("--yes", "-e", "incident_world=moons")
    assert done.returncode == 2, done.stdout
    assert "No host matched moons" in done.stdout and not world.incidents


def test_what_may_not_be_passed_through(world: World) -> None:
    done = world.incident("run", "scenario/fake-recovery.yml", "-i", "hosts.json", "--", "--start-at-task", "x")
    assert done.returncode == 2
    assert "--start-at-task cannot be passed through" in done.stderr


def test_what_is_passed_through(world: World) -> None:
    done = world.run("--check", "-v", "--", "--diff")
    assert done.returncode == 0
    argv = world.events("segment.open")[1]["argv"]
    assert "--diff" in argv


def test_a_record_that_cannot_be_written_is_found_before_ansible_starts(world: World) -> None:
    world.home.write_text("a file, not a directory")
    done = world.run("--yes")
    assert done.returncode == 6, done.stdout + done.stderr
    assert str(world.home) in done.stderr
    assert world.sick == 2
    assert world.leftovers() == []


def test_a_timeout_that_is_none(world: World) -> None:
    done = world.incident("run", "scenario/fake-recovery.yml", "-i", "hosts.json", "--timeout", "soon")
    assert done.returncode == 2
    assert "--timeout: 'soon' is not a duration" in done.stderr


@pytest.mark.parametrize(("arguments", "environ", "status", "outcome"), [
    (("run", "nosuch"), {}, 2, "bad_input"),
    (("run", "scenario/fake-recovery.yml", "-i", "nosuch"), {}, 2, "bad_input"),
    (("run", "scenario/fake-recovery.yml", "-i", "hosts.json"), {}, 2, "bad_input"),
    (("run", "scenario/fake-recovery.yml", "-i", "hosts.json", "--yes"), {"INCIDENT_HOME": "/proc/nowhere"}, 6, "not_recorded"),
    (("verify", "nosuch"), {}, 2, "bad_input"),
])
def test_json_even_when_nothing_begins(
    arguments: tuple[str, ...], environ: dict[str, str], status: int, outcome: str, world: World,
) -> None:
    done = world.incident(*arguments, "--json", **environ)
    data = json.loads(done.stdout)
    assert (done.returncode, data["exit_status"], data["outcome"]) == (status, status, outcome)
    assert data["sentence"] in done.stderr


def test_scenarios_are_listed(world: World) -> None:
    done = world.incident("scenarios")
    assert done.returncode == 0
    assert "db-recovery" in done.stdout


def test_version_says_what_takes_part(world: World) -> None:
    done = world.incident("--version")
    assert done.returncode == 0
    assert "collection oncall.incident" in done.stdout and "ansible-core 2." in done.stdout


def test_help_has_every_exit_status(world: World) -> None:
    from oncall_incident.exits import TABLE

    text = world.incident("run", "--help").stdout
    for status, name, meaning in TABLE:
        assert f"{status:>3}  {name:<17} {meaning}" in text
