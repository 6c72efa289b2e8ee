# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tiers of the test suite.

unit     unit and contract tests, without any Ansible on PATH: a start of Ansible fails the test
test     linters beside every test of this Python; more arguments go to pytest
drills   every drill, one after another with nothing beside it
matrix   every test on the other supported Pythons, sanity on the other ansible-cores
all      everything there is: the fixed part of CI, every test, drill and part of the matrix
ci       the fixed part, then what fits until minute 45: first what the last six hours' commits touched, then by a hash
list     every unit with its cost, in the order that `ci` would take
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import yaml

from tools.matrix import all_required
from tools.suite import units
from tools.suite.plan import DRILLS, Unit, ordered
from tools.suite.run import Suite, beside

ROOT = units.ROOT
LOGS = ROOT / ".cache" / "suite"
#: Minute of CI after which nothing may still run, by the costs.
DEADLINE = 45 * 60
#: Commits this much older than HEAD's date count as this submission's: hours.
RECENT = 6


def git(*arguments: str) -> str:
    """What git says; nothing outside a repository."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def touched() -> list[str]:
    """The paths that the commits of the hours before HEAD's own date changed."""
    date = git("log", "-1", "--format=%ct")
    if not date:
        return []
    found = git("log", "--format=", "--name-only", f"--since=@{int(date) - RECENT * 3600}", "HEAD")
    return sorted(set(found.splitlines()) - {""})


def without_ansible() -> dict[str, str]:
    """The environment of `make unit`: whatever of Ansible is on PATH, these come first and fail."""
    place = LOGS / "no-ansible"
    place.mkdir(parents=True, exist_ok=True)
    for name in ("ansible", "ansible-config", "ansible-doc", "ansible-galaxy", "ansible-inventory", "ansible-playbook", "ansible-runner",
                 "ansible-test", "ansible-vault"):
        script = place / name
        script.write_text(f"#!/bin/sh\necho '{name}: unit and contract tests start no Ansible' >&2\nexit 97\n")
        script.chmod(0o755)
    return {**os.environ, "PATH": os.pathsep.join((str(place), os.environ.get("PATH", os.defpath)))}


def unit(arguments: list[str]) -> int:
    """`make unit`."""
    argv = [sys.executable, "-m", "pytest", "-n", _jobs(), "-m", "not slow", "tests/unit", "tests/contract", *arguments]
    return subprocess.run(argv, cwd=ROOT, env=without_ansible(), check=False).returncode


def test(arguments: list[str]) -> int:
    """`make test`."""
    LOGS.mkdir(parents=True, exist_ok=True)

    def pytest() -> int:
        argv = [sys.executable, "-m", "pytest", "-n", _jobs(), "--dist", "loadfile", *arguments]
        # Of unit and contract tests alone CI proves as well that they start no Ansible.
        env = without_ansible() if units.is_quick(arguments) else None
        return subprocess.run(argv, cwd=ROOT, env=env, check=False).returncode

    return beside(pytest, [sys.executable, "tools/lint.py"], root=ROOT, log=LOGS / "lint.log")


def _jobs() -> str:
    return os.environ.get("JOBS", "2")


def _queue(found: units.Catalogue) -> list[Unit]:
    everything = [*found.tests(), *found.drills(), *found.matrix()]
    return ordered(everything, touched=touched(), subjects=found.definitions.subjects, commit=git("rev-parse", "HEAD"))


def ci(*, spent: float) -> int:
    """`.ci/run` after it has installed what the machine lacks."""
    found = units.Catalogue()
    _say_absent(found)
    if found.absent and all_required():
        print("INCIDENT_TEST_REQUIRE_ALL=1: put these Pythons where tools/matrix.py finds them, on PATH or below ~/.pyenv", flush=True)
        return 1
    # Other injected faults with every commit.
    os.environ.setdefault("INCIDENT_TEST_SEED", git("rev-parse", "HEAD"))
    return _run(Suite([*found.fixed(), *_queue(found)], root=ROOT, logs=LOGS, spent=spent, deadline=DEADLINE))


def everything(*, record: bool, only_matrix: bool) -> int:
    """`make all` and `make matrix`: no deadline."""
    if only_matrix or not record:  # what `make all RECORD=1` measures is what CI runs: a chosen number of faults
        os.environ["INCIDENT_TEST_EXHAUSTIVE"] = "1"
    found = units.Catalogue()
    _say_absent(found)
    chosen = found.matrix() if only_matrix else [*found.fixed(), *found.tests(), *found.drills(), *found.matrix()]
    suite = Suite(chosen, root=ROOT, logs=LOGS)
    try:
        return _run(suite)
    finally:  # also what was measured before somebody ended it
        if record:
            write_costs({ended.unit.name: {"seconds": round(ended.seconds), "plays": ended.plays} for ended in suite.ended if ended.ok})


def drills(*, record: bool) -> int:
    """`make drills`: alone, which is what a scenario's budget is about."""
    found = units.Catalogue()
    chosen = [unit for unit in (*found.fixed(), *found.drills()) if unit.lane == DRILLS]
    if (made := subprocess.run([sys.executable, "tools/drill_rig.py", "image"], cwd=ROOT, check=False).returncode) != 0:
        return made
    suite = Suite(chosen, root=ROOT, logs=LOGS, lanes=(DRILLS,))
    try:
        return _run(suite)
    finally:
        if record:
            write_costs({ended.unit.name: {"alone": round(ended.seconds)} for ended in suite.ended if ended.ok})


def _run(suite: Suite) -> int:
    try:
        suite.run()
    finally:  # also when CI's own time is up: what ran and what did not is said in any case
        status = _conclude(suite)
    return status


def _say_absent(found: units.Catalogue) -> None:
    for version in found.absent:
        print(f"==> Python {version} is not on this machine: its part of the matrix is left out", flush=True)


def _conclude(suite: Suite) -> int:
    print("\nTime by step, longest first (seconds: spent, cost, Ansible starts)")
    for ended in sorted(suite.ended, key=lambda ended: -ended.seconds):
        print(f"  {ended.seconds:6.0f} {ended.unit.seconds:6.0f} {ended.plays:4d}  {ended.unit.name}")
    left = suite.left_out
    print(f"\nThe fixed part ended at minute {suite.fixed_until / 60:.1f}, everything at minute {suite.clock() / 60:.1f}.")
    print(f"{len(suite.ended)} units ran, {len(suite.failed)} failed, {len(left)} were left out" + (":" if left else "."))
    for unit_left in left:
        print(f"  left out: {unit_left.name} ({unit_left.seconds:.0f} s)")
    for ended in suite.failed:
        print(f"  FAILED: {ended.unit.name}: {shlex.join(ended.unit.argv)}")
    print(f"{len(suite.ended) - len(suite.failed)} passed, {len(suite.failed)} failed", flush=True)
    return 1 if suite.failed else 0


def write_costs(measured: dict[str, dict[str, float]]) -> None:
    """Put what was measured into tests/costs.yml; what did not run keeps its figures, what is no longer there goes."""
    found = units.Catalogue()
    known = {unit.name for unit in (*found.fixed(), *found.tests(), *found.drills(), *found.matrix())}
    before = units.costs()
    merged = {name: {**before.get(name, {}), **measured.get(name, {})} for name in {*before, *measured}}
    text = (
        "# Wall seconds of each unit in its lane on two cores, and its starts of Ansible: written by `make all RECORD=1`.\n"
        "# `alone`: a drill's seconds with nothing beside it, written by `make drills RECORD=1`.\n---\n"
    )
    kept = {name: cost for name, cost in merged.items() if name in known}
    units.COSTS.write_text(text + yaml.safe_dump({"units": kept}, sort_keys=True, width=140))


def show() -> int:
    """The queue as it would be now."""
    found = units.Catalogue()
    for chosen in (*found.fixed(), *_queue(found)):
        print(f"{chosen.seconds:6.0f}  {'fixed' if chosen.fixed else chosen.lane:6}  {chosen.name}")
    return 0


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.suite", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tier", choices=("unit", "test", "drills", "matrix", "all", "ci", "list"))
    parser.add_argument("pytest", nargs="*", help="unit and test: pytest's arguments")
    parser.add_argument("--began", type=float, metavar="EPOCH", help="when CI began: seconds since 1970; now if omitted")
    parser.add_argument("--record", action="store_true", help="write what was measured into tests/costs.yml")
    # A shell's background job ignores SIGINT and so would its children, to whom tests send it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.argv[1:2] in (["unit"], ["test"]) and not {"-h", "--help"} & set(sys.argv):
        return (unit if sys.argv[1] == "unit" else test)(sys.argv[2:])
    arguments = parser.parse_args()
    # So that the units' processes end with us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tiers: dict[str, Callable[[], int]] = {
        "list": show, "ci": lambda: ci(spent=time.time() - arguments.began if arguments.began else 0.0),
        "drills": lambda: drills(record=arguments.record),
        "matrix": lambda: everything(record=arguments.record, only_matrix=True),
        "all": lambda: everything(record=arguments.record, only_matrix=False),
    }
    return tiers[arguments.tier]()


if __name__ == "__main__":
    sys.exit(main())
