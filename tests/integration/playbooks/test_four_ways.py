# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenario does the same whichever way it is called: what is ended, what is spared, what is recorded."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.need import need
from tests.support.site import ROOT, Ended, Site

from .conftest import Sick

# What differs between Pythons and versions of ansible-core is met here first.
pytestmark = pytest.mark.smoke

Way = Callable[..., Ended]


@pytest.fixture(scope="session")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection as it is published."""
    place = tmp_path_factory.mktemp("build")
    build = [str(Path(sys.executable).with_name("ansible-galaxy")), "collection", "build", str(ROOT), "--output-path", str(place)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    (built,) = place.glob("oncall-incident-*.tar.gz")
    return built


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, tarball: Path) -> Path:
    """The collection, installed from its tarball."""
    place = tmp_path_factory.mktemp("installed")
    install = [str(Path(sys.executable).with_name("ansible-galaxy")), "collection", "install", "--offline", str(tarball), "-p", str(place)]
    subprocess.run(install, check=True, capture_output=True, timeout=120)
    return place


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as AWX has it: a clone, its own collection installed from collections/requirements.yml."""
    place = tmp_path_factory.mktemp("project") / "project"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "dist", "output", "bench", "*.tar.gz")
    shutil.copytree(ROOT, place, ignore=ignored, symlinks=True)
    install = [
        str(Path(sys.executable).with_name("ansible-galaxy")), "collection", "install", "--offline", "-r", "collections/requirements.yml",
        "-p", str(place.parent / "requirements_collections"),
    ]
    subprocess.run(install, check=True, capture_output=True, cwd=place, timeout=120)
    return place


@pytest.fixture(params=["checkout", "collection", "awx", "wrapper"])
def way(request: pytest.FixtureRequest, site: Site) -> Way:
    """The four ways, each called with ansible-playbook's own arguments."""
    if request.param == "checkout":
        return site.play
    if request.param == "collection":
        path: Path = request.getfixturevalue("installed")
        return lambda *arguments: site.play(*arguments, playbook="oncall.incident.db_recovery", ANSIBLE_COLLECTIONS_PATH=str(path))
    if request.param == "awx":
        place: Path = request.getfixturevalue("project")
        return lambda *arguments: _runner(site, place, arguments)
    return lambda *arguments: _wrapper(site, arguments)


def _runner(site: Site, project: Path, arguments: tuple[str, ...]) -> Ended:
    """As an AWX job: ansible-runner, the playbook by path, collections where AWX puts them. The record goes on in its environment."""
    data = site.place / f"runner{site.runs}"
    code = (
        "import json, sys, ansible_runner\n"
        "given = json.loads(sys.argv[1])\n"
        "run = ansible_runner.run(**given)\n"
        "sys.exit(run.rc)\n"
    )
    given = {
        "private_data_dir": str(data), "project_dir": str(project), "playbook": "incident/db-recovery.yml",
        "inventory": str(site.inventory()), "cmdline": " ".join(arguments), "quiet": False,
    }
    data.mkdir()
    collections = str(project.parent / "requirements_collections")
    return site.call([site.python, "-c", code, json.dumps(given)], ANSIBLE_COLLECTIONS_PATH=collections)


def _wrapper(site: Site, arguments: tuple[str, ...]) -> Ended:
    """The wrapper. Its --yes is the approval that the other ways have by themselves."""
    need((site.bin / "incident").exists(), "the command incident in this Python's environment")
    argv = [str(site.bin / "incident"), "run", "db-recovery", "-i", str(site.inventory()), *arguments]
    return site.call(argv if "--check" in arguments else [*argv, "--yes"])


def test_the_incident_is_ended_and_recorded(way: Way, sick: Sick) -> None:
    done = way()
    assert done.status == 0, done.output
    assert not sick.root.alive()
    assert all(waiter.alive() for waiter in sick.waiters), "waiters are no victims"
    gone = [action for action in done.actions() if action["outcome"] == "gone"]
    assert [action["target"]["pid"] for action in gone] == [sick.root.pid]
    assert "Wait until the checks stay ok" in done.tasks()
    done.assert_record_verifies()


def test_a_check_shows_the_plan_and_touches_nothing(way: Way, sick: Sick) -> None:
    done = way("--check")
    assert done.status == 0, done.output
    assert sick.untouched
    plan = done.plan()
    assert [action["target"]["pid"] for action in plan["actions"]["db1"]] == [sick.root.pid]
    assert plan["baseline"]["db1"]["blocking"] == "critical"
    # Found and planned means shown, whichever way it is called.
    named = f"pid {sick.root.pid} "
    assert re.search(rf"blocking.*{named}", done.said, re.IGNORECASE) and re.search(rf"terminate.*{named}", done.said), done.output
    assert done.outcomes() == ["planned"]
    assert "Wait until the checks stay ok" not in done.tasks()
    done.assert_record_verifies()


def test_investigate_only_looks(way: Way, sick: Sick) -> None:
    done = way("--tags", "investigate")
    assert done.status in (0, 3, 5), done.output
    assert sick.untouched
    statuses = {event["finding"]["check"]: event["finding"]["status"] for event in done.events("finding")}
    assert statuses["blocking"] == "critical"
    assert "disk_space" in statuses
    assert done.actions() == []
    done.assert_record_verifies()
