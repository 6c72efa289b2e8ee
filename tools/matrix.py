# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the tests on other Pythons: all of them on every supported controller, module_utils' on the oldest target.

Usage: python tools/matrix.py all [PYTEST ARGUMENTS]
       python tools/matrix.py unit39 [PYTEST ARGUMENTS]

Interpreters are not downloaded; which were found and which were not is said. MATRIX_SKIP names a version that was
tested already.
"""

from __future__ import annotations

import os
import subprocess
import sys

from bootstrap import CACHE, ROOT, SetupFailed, pip_environment, pip_wheel, say

# ansible-core 2.19 is the last one for 3.11; requirements/run.txt pairs them.
CONTROLLERS = ("3.11", "3.12", "3.13")
OLDEST_TARGET = "3.9"


def find(version: str) -> str | None:
    """The path of an interpreter of this version that really runs."""
    done = subprocess.run(["sh", "tools/find-python.sh", version], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def on_controllers(arguments: list[str]) -> int:
    """Every test, once per controller Python; the number of Pythons on which some failed."""
    skipped = os.environ.get("MATRIX_SKIP", "").split()
    found = {version: python for version in CONTROLLERS if version not in skipped and (python := find(version))}
    for version in CONTROLLERS:
        say(f"Python {version}: {'tested already' if version in skipped else found.get(version, 'not on this machine, skipped')}")
    failed = []
    for version, python in found.items():
        environment = CACHE / f"venv-{version}"
        made = subprocess.run([python, "tools/bootstrap.py", "--venv", str(environment), "run", "test"], cwd=ROOT, check=False)
        tested = made.returncode or subprocess.run(
            [str(environment / "bin" / "python"), "-m", "pytest", "-n", os.environ.get("JOBS", "2"), "--dist", "loadfile", *arguments],
            cwd=ROOT,
            check=False,
        ).returncode
        say(f"Python {version}: {'FAILED' if tested else 'ok'}")
        if tested:
            failed.append(version)
    return len(failed)


def on_oldest_target(arguments: list[str]) -> int:
    """module_utils' unit tests on the oldest target Python.

    pip no longer runs there, so today's pip unpacks wheels for it, and no virtual environment is made.
    """
    python = find(OLDEST_TARGET)
    if python is None:
        say(f"no Python {OLDEST_TARGET} on this machine: module_utils were checked for it by ruff only")
        return 0
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
    runs = {"all": on_controllers, "unit39": on_oldest_target}
    if len(sys.argv) < 2 or sys.argv[1] not in runs:
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
