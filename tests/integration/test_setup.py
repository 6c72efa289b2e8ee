# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set-up on machines as they are: dead interpreters on PATH, no ensurepip, a broken environment, a second call."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FINDER = ROOT / "tools" / "find-python.sh"


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def find(*arguments: str, path: Path, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{path}:/usr/bin:/bin", "HOME": str(home), **more}
    return subprocess.run(["/bin/sh", FINDER, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_a_dead_interpreter_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path / "python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127")
    program(tmp_path / "python3.12", f"exec '{sys.executable}' \"$@\"")
    done = find(path=tmp_path, home=tmp_path)
    assert done.stdout.strip() == sys.executable


def test_no_interpreter_says_what_to_install(tmp_path: Path) -> None:
    program(tmp_path / "old", "exit 1")
    done = find(path=tmp_path, home=tmp_path, PYTHON=str(tmp_path / "old"))
    assert done.returncode == 1
    assert "3.11 or newer" in done.stderr


def test_an_exact_version_or_none(tmp_path: Path) -> None:
    assert find("3.5", path=tmp_path, home=tmp_path).returncode == 1


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the set-up alone, and a requirement set that needs no network."""
    copy = tmp_path / "check out"
    copy.mkdir()
    shutil.copytree(ROOT / "tools", copy / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "pyproject.toml", copy)
    (copy / "requirements").mkdir()
    (copy / "requirements" / "run.txt").write_text("# nothing\n")
    return copy


def bootstrap(checkout: Path, *names: str) -> subprocess.CompletedProcess[str]:
    # An ensurepip that can't be used, as on Debian without python3-venv.
    broken = checkout / "broken"
    broken.mkdir(exist_ok=True)
    (broken / "ensurepip.py").write_text("raise ImportError('no ensurepip here')\n")
    environment = {**os.environ, "PYTHONPATH": str(broken), "PIP_NO_INDEX": "1", "HOME": str(checkout.parent)}
    argv = [sys.executable, "tools/bootstrap.py", *names]
    return subprocess.run(argv, cwd=checkout, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_set_up_without_ensurepip_then_again(checkout: Path) -> None:
    first = bootstrap(checkout, "run")
    assert first.returncode == 0, first.stdout + first.stderr
    python = checkout / ".venv" / "bin" / "python"
    listed = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout
    assert listed.splitlines()[-1].startswith("pip ")
    assert os.readlink(checkout / ".collections" / "ansible_collections" / "oncall" / "incident") == "../../.."
    assert os.access(checkout / ".venv" / "bin" / "incident", os.X_OK)
    second = bootstrap(checkout, "run")
    assert second.returncode == 0
    assert second.stdout == ""


def test_a_dead_environment_is_made_again(checkout: Path) -> None:
    assert bootstrap(checkout, "run").returncode == 0
    python = checkout / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nonexistent/python")
    again = bootstrap(checkout, "run")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "no longer runs" in again.stdout


def test_a_changed_pin_is_noticed_and_a_failure_is_clear(checkout: Path) -> None:
    assert bootstrap(checkout, "run").returncode == 0
    (checkout / "requirements" / "run.txt").write_text("no-such-package-of-ours==1.0\n")
    failed = bootstrap(checkout, "run")
    assert failed.returncode == 1
    assert "no-such-package-of-ours" in failed.stderr
    assert "PIP_INDEX_URL" in failed.stderr


def test_something_else_in_the_way_is_left_alone(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "precious").touch()
    failed = bootstrap(checkout, "run")
    assert failed.returncode == 1
    assert "is in the way" in failed.stderr
    assert (checkout / ".venv" / "precious").exists()
