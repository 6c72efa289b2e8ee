# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input: one clear message that names it, exit status 2, before anything is touched."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import World

#: Each command line in a fork of a process that has imported everything: what ends before Ansible starts costs little more than that.
COMMANDS = """
import json, os, sys, traceback
import ansible_collections, oncall_incident.commands.run
from oncall_incident.cli import main

place, commands = sys.argv[1], json.load(sys.stdin)
for name, arguments, environ in commands:
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os.environ.update(environ)
        for number in (1, 2):
            os.dup2(os.open(os.path.join(place, f"{name}.{number}"), os.O_WRONLY | os.O_CREAT, 0o600), number)
        sys.argv[1:] = arguments
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
        except BaseException:
            traceback.print_exc()
            status = 99
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    print(json.dumps([name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])]))
"""
RUN = ("run", "scenario/fake-recovery.yml", "-i", "hosts.json")
NO_RECORD = {"INCIDENT_HOME": "/proc/nowhere"}


@dataclass(frozen=True)
class Said:
    """What became of a command that ended before Ansible started."""

    status: int
    stdout: str
    stderr: str


class Refused:
    """Commands that are to end before Ansible starts, and their world."""

    def __init__(self, world: World, place: Path) -> None:
        self.world = world
        self.unwritable = world.place / "a file, not a directory"
        self.unwritable.write_text("")
        commands: dict[str, tuple[tuple[str, ...], Mapping[str, str]]] = {
            "inventory": (("run", "scenario/fake-recovery.yml", "-i", "nowhere.yml"), {}),
            "scenario": (("run", "db-recovry", "-i", "hosts.json"), {}),
            "passed": ((*RUN, "--", "--start-at-task", "x"), {}),
            "timeout": ((*RUN, "--timeout", "soon"), {}),
            "record": ((*RUN, "--yes"), {"INCIDENT_HOME": str(self.unwritable)}),
            "json scenario": (("run", "nosuch", "--json"), {}),
            "json inventory": (("run", "scenario/fake-recovery.yml", "-i", "nosuch", "--json"), {}),
            "json nobody": ((*RUN, "--json"), {}),
            "json record": ((*RUN, "--yes", "--json"), NO_RECORD),
            "json verify": (("verify", "nosuch", "--json"), {}),
        }
        done = subprocess.run(
            [sys.executable, "-c", COMMANDS, str(place)], input=json.dumps([[name, *given] for name, given in commands.items()]),
            cwd=world.place, env=world.environ(), capture_output=True, text=True, timeout=600, check=True,
        )
        self._said = {
            name: Said(status, (place / f"{name}.1").read_text(), (place / f"{name}.2").read_text())
            for name, status in map(json.loads, done.stdout.splitlines())
        }

    def __getitem__(self, name: str) -> Said:
        return self._said[name]


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refused]:
    """All of them."""
    world = World(tmp_path_factory.mktemp("refused"))
    yield Refused(world, tmp_path_factory.mktemp("said"))
    world.end()


def test_nothing_was_begun(refused: Refused) -> None:
    assert not refused.world.home.exists() and refused.world.leftovers() == [] and refused.world.sick == 2


def test_an_inventory_that_is_not_there(refused: Refused) -> None:
    assert refused["inventory"].status == 2
    assert refused["inventory"].stderr.startswith("incident: -i nowhere.yml: there is no such inventory.")


def test_a_scenario_that_is_not_there(refused: Refused) -> None:
    assert refused["scenario"].status == 2
    assert "Did you mean db-recovery?" in refused["scenario"].stderr


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


def test_what_may_not_be_passed_through(refused: Refused) -> None:
    assert refused["passed"].status == 2
    assert "--start-at-task cannot be passed through" in refused["passed"].stderr


def test_what_is_passed_through(world: World) -> None:
    done = world.run("--check", "-v", "--", "--diff")
    assert done.returncode == 0
    argv = world.events("segment.open")[1]["argv"]
    assert "--diff" in argv


def test_a_record_that_cannot_be_written_is_found_before_ansible_starts(refused: Refused) -> None:
    assert refused["record"].status == 6, refused["record"]
    assert str(refused.unwritable) in refused["record"].stderr


def test_a_timeout_that_is_none(refused: Refused) -> None:
    assert refused["timeout"].status == 2
    assert "--timeout: 'soon' is not a duration" in refused["timeout"].stderr


@pytest.mark.parametrize(("name", "status", "outcome"), [
    ("json scenario", 2, "bad_input"), ("json inventory", 2, "bad_input"), ("json nobody", 2, "bad_input"),
    ("json record", 6, "not_recorded"),
    ("json verify", 2, "bad_input"),
])
def test_json_even_when_nothing_begins(name: str, status: int, outcome: str, refused: Refused) -> None:
    data = json.loads(refused[name].stdout)
    assert (refused[name].status, data["exit_status"], data["outcome"]) == (status, status, outcome)
    assert data["sentence"] in refused[name].stderr


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
