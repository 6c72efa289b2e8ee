# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other Pythons than that of `make test`: pytest on one of the controllers', ansible-test sanity on one ansible-core, module_utils' tests
on the oldest target.

Usage: python -m tools.matrix on 3.13 [PYTEST ARGUMENTS]
       python -m tools.matrix sanity 2.21
       python -m tools.matrix unit39 [PYTEST ARGUMENTS]

Interpreters are not downloaded. `make matrix` runs everything on all of them.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tools.bootstrap import CACHE, ROOT, SetupFailed, pip_environment, pip_wheel, say

#: The Pythons of controllers; which ansible-core each has stands in requirements/run.txt.
CONTROLLERS = ("3.11", "3.12", "3.13")
OLDEST_TARGET = "3.9"
#: Where ansible-test of each supported ansible-core runs: a Python, and the file of requirements/ that pins the core.
SANITY = {"2.19": ("3.11", "run"), "2.20": ("3.12", "core-2.20"), "2.21": ("3.13", "run")}


def find(version: str) -> str | None:
    """The path of an interpreter of this version that really runs."""
    done = subprocess.run(["sh", "tools/find-python.sh", version], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def environment(version: str, *names: str, directory: str = "", bare: bool = False) -> str:
    """Make the environment of a Python with these files of requirements/; its interpreter.

    Raises:
        SetupFailed: there is no such Python here, or pip could not fill the environment.
    """
    python = find(version)
    if python is None:
        raise SetupFailed(f"Python {version} is not on this machine")
    place = CACHE / (directory or f"venv-{version}")
    argv = [python, "tools/bootstrap.py", "--venv", str(place), *(["--bare"] if bare else []), *names]
    if subprocess.run(argv, cwd=ROOT, check=False).returncode:
        raise SetupFailed(f"the environment of Python {version} could not be made")
    return str(place / "bin" / "python")


def on_controller(arguments: list[str]) -> int:
    """pytest on one of the controllers' Pythons."""
    version, *rest = arguments
    argv = [environment(version, "run", "test"), "-m", "pytest", "-p", "no:cacheprovider", "--dist", "loadfile", *rest]
    return subprocess.run(argv, cwd=ROOT, check=False).returncode


def sanity(arguments: list[str]) -> int:
    """ansible-test sanity of one ansible-core."""
    (core,) = arguments
    version, names = SANITY[core]
    python = environment(version, names) if names == "run" else environment(version, names, directory=f"venv-{names}", bare=True)
    return subprocess.run([python, "tools/lint.py", "sanity"], cwd=ROOT, check=False).returncode


def all_required() -> bool:
    """Whether nothing may be left out because this machine lacks it: `.ci/run` says so."""
    return os.environ.get("INCIDENT_TEST_REQUIRE_ALL") == "1"


def on_oldest_target(arguments: list[str]) -> int:
    """module_utils' unit tests on the oldest target Python.

    pip no longer runs there, so today's pip unpacks wheels for it, and no virtual environment is made.
    """
    python = find(OLDEST_TARGET)
    if python is None:
        say(f"no Python {OLDEST_TARGET} on this machine: module_utils were checked for it by ruff only")
        return 1 if all_required() else 0
    packages = CACHE / "py39"
    if not (packages / "pytest").is_dir():
        say(f"unpacking pytest and psycopg for Python {OLDEST_TARGET}")
        argv = [sys.executable, f"{pip_wheel()}/pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"]
        argv += ["--target", str(packages), "--python-version", OLDEST_TARGET, "--implementation", "cp", "--only-binary", ":all:"]
        done = subprocess.run([*argv, "-r", "requirements/unit39.txt"], cwd=ROOT, env=pip_environment(), check=False)
        if done.returncode:
            raise SetupFailed("pip could not unpack requirements/unit39.txt")
    environment = {**os.environ, "PYTHONPATH": str(packages), "PYTHONDONTWRITEBYTECODE": "1"}
    options = ["-q", "-c", os.devnull, "--rootdir", str(ROOT), "-p", "no:cacheprovider", "--import-mode=importlib"]
    tests = "tests/unit/plugins/module_utils"
    say(f"{tests} on {python}")
    return subprocess.run([python, "-m", "pytest", *options, tests, *arguments], cwd=ROOT, env=environment, check=False).returncode


def main() -> int:
    """Command line."""
    runs = {"on": on_controller, "sanity": sanity, "unit39": on_oldest_target}
    if len(sys.argv) < 2 or sys.argv[1] not in runs or (sys.argv[1] != "unit39" and len(sys.argv) < 3):
        print(__doc__, file=sys.stderr)
        return 2
    CACHE.mkdir(exist_ok=True)
    try:
        return runs[sys.argv[1]](sys.argv[2:])
    except SetupFailed as error:
        print(f"set-up failed: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
