# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection is found from a checkout, from the wheel's place and from Galaxy's, and is the one that is used."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.site import ROOT, SRC

from .conftest import World

PARTS = ("galaxy.yml", "meta", "playbooks", "plugins", "roles")


# As if nothing were installed beside this Python but its packages: a development environment puts this checkout on the path.
START = (
    "import sys\n"
    f"sys.path[:] = [entry for entry in sys.path if not entry.startswith({str(ROOT / '.collections')!r}) and entry != {SRC!r}"
    " or entry in __import__('os').environ['PYTHONPATH'].split(':')]\n"
    "from oncall_incident.cli import main\nmain()"
)


def copy_collection(root: Path) -> None:
    target = root / "ansible_collections" / "oncall" / "incident"
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / part)


def copy_wrapper(root: Path) -> None:
    shutil.copytree(ROOT / "src" / "oncall_incident", root / "oncall_incident", ignore=shutil.ignore_patterns("__pycache__"))


def run(world: World, python_path: Path, **environ: str) -> tuple[str, subprocess.CompletedProcess[str]]:
    env = {**world.environ(**environ), "PYTHONPATH": str(python_path)}
    version = subprocess.run(
        [sys.executable, "-c", START, "--version"], cwd=world.place, env=env, capture_output=True, text=True, check=True, timeout=60,
    ).stdout
    done = subprocess.run(
        [sys.executable, "-c", START, "run", "scenario/fake-recovery.yml", "-i", "hosts.json", "--yes"], cwd=world.place, env=env,
        capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL,
    )
    return version, done


def assert_used(world: World, version: str, done: subprocess.CompletedProcess[str], *, origin: str, place: Path) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"({origin}: {place}" in version
    assert world.events("run.open")[0]["collection"]["origin"] == origin


def test_the_checkout(world: World) -> None:
    version, done = run(world, ROOT / "src")
    assert_used(world, version, done, origin="checkout", place=ROOT)


def test_a_checkout_that_nobody_linked(world: World) -> None:
    checkout = world.place / "checkout"
    checkout.mkdir()
    for part in PARTS:
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, checkout / part)
    copy_wrapper(checkout / "src")
    version, done = run(world, checkout / "src")
    assert_used(world, version, done, origin="checkout", place=checkout)


def test_the_wheel(world: World) -> None:
    site = world.place / "site"
    copy_collection(site)
    copy_wrapper(site)
    version, done = run(world, site)
    assert_used(world, version, done, origin="wheel", place=site)


def test_galaxys_place(world: World) -> None:
    site = world.place / "site"
    copy_wrapper(site)
    copy_collection(world.place / ".ansible" / "collections")
    version, done = run(world, site)
    assert_used(world, version, done, origin="installed", place=world.place)


def test_a_configured_place_comes_first(world: World) -> None:
    copy_collection(world.place / "chosen")
    version, done = run(world, ROOT / "src", ANSIBLE_COLLECTIONS_PATH=str(world.place / "chosen"))
    assert_used(world, version, done, origin="configured", place=world.place / "chosen")


def test_nowhere(world: World) -> None:
    site = world.place / "site"
    copy_wrapper(site)
    done = subprocess.run(
        [sys.executable, "-c", START, "scenarios"], cwd=world.place, env={**world.environ(), "PYTHONPATH": str(site)},
        capture_output=True, text=True, check=False, timeout=60,
    )
    assert done.returncode == 2
    assert "The collection oncall.incident was not found." in done.stderr
