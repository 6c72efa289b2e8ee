# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users install: the collection's tarball, and one wheel that carries command and collection."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
INSIDE = "ansible_collections/oncall/incident/"
# Nothing callable lives elsewhere: the collection must work with these alone.
CALLABLE = {"meta", "playbooks", "plugins", "roles"}


def run(argv: list[str | Path], *, home: Path, **more: str) -> str:
    """Run a program in a home of its own, without the checkout's settings; what it said."""
    environment: Mapping[str, str] = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "INCIDENT_", "PYTHON"))},
        "HOME": str(home),
        "NO_COLOR": "1",
        "COLUMNS": "200",
        **more,
    }
    done = subprocess.run(
        argv, cwd=home, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT], home=out)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of an environment that has the wheel, and its dependencies from the environment of the tests."""
    directory = tmp_path_factory.mktemp("installed")
    venv.EnvBuilder(with_pip=False, symlinks=True).create(directory)
    python = directory / "bin" / "python"
    (pip,) = sorted((ROOT / "tools").glob("pip-*.whl"))[-1:]
    run([python, f"{pip}/pip", "install", "--no-index", "--no-deps", "--quiet", wheel], home=directory)
    ours = run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], home=directory).strip()
    lent = run([sys.executable, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], home=directory).strip()
    # Plain directories on a .pth line: the lender's own .pth file, which leads to the checkout, is not read.
    (Path(ours) / "lent.pth").write_text(f"{lent}\n")
    for program in ("ansible", "ansible-doc", "ansible-galaxy", "ansible-playbook", "ansible-config"):
        script = directory / "bin" / program
        script.write_text(f"#!/bin/sh\nexec '{python}' '{BIN / program}' \"$@\"\n")
        script.chmod(0o755)
    return directory / "bin"


def test_wheel_carries_the_collection(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    collection = {name.removeprefix(INSIDE).split("/")[0] for name in names if name.startswith(INSIDE)}
    assert collection >= {*CALLABLE, "galaxy.yml", "README.md", "LICENSE"}
    assert {name.split("/")[0] for name in names} == {"ansible_collections", "oncall_incident", names[-1].split("/")[0]}
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_wheel_gives_the_command(installed: Path, tmp_path: Path) -> None:
    said = run([installed / "incident", "scenarios"], home=tmp_path, PATH=f"{installed}:{os.environ['PATH']}")
    assert "db-recovery" in said


def test_ansible_finds_the_collection_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    said = run([installed / "ansible-doc", "-t", "module", "oncall.incident.pg_health"], home=tmp_path)
    assert str(installed.parent) in said, "found elsewhere"
    run([installed / "ansible-doc", "-t", "callback", "oncall.incident.evidence"], home=tmp_path)
    run([installed / "ansible-playbook", "oncall.incident.db_recovery", "--syntax-check"], home=tmp_path)


def test_tarball_carries_what_works_alone(tmp_path: Path) -> None:
    run([BIN / "ansible-galaxy", "collection", "build", "--output-path", tmp_path, ROOT], home=tmp_path)
    (built,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(built) as tar:
        names = tar.getnames()
    top = {name.split("/")[0] for name in names}
    assert top >= CALLABLE
    allowed = {*CALLABLE, "FILES.json", "MANIFEST.json", "README.md", "LICENSE", "CHANGELOG.md", "CHANGELOG.rst", "CONTRIBUTING.md"}
    assert top <= {*allowed, "changelogs", "docs", "execution-environment", "extensions", "LICENSES"}
    assert sum(1 for _name in names) < 1000


def test_collections_requirements_install_the_checkout(tmp_path: Path) -> None:
    """As AWX does it when it updates the project: a plain clone, without the link that make puts into the checkout."""
    clone = tmp_path / "project"
    for name in _listed_by_git():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, clone / name)
    # By force, since the environment of the tests has the checkout on Python's path, where Ansible looks as well.
    argv = [BIN / "ansible-galaxy", "collection", "install", "--force", "-r", "collections/requirements.yml", "-p", tmp_path / "there"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        argv, cwd=clone, env={**environment, "HOME": str(tmp_path)}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "there" / INSIDE / "plugins" / "modules" / "pg_health.py").is_file()


def _listed_by_git() -> list[str]:
    argv = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in listed if (ROOT / name).is_file()]
