# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drill the lab: hosts up, prepared, broken, recovered, looked at from outside, hosts away.

Usage: python tools/drill.py [--keep] [--jobs N] [SCENARIO...]     all of molecule/ without names

The same as `molecule test -s SCENARIO`, but what happens is seen while it happens.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
HOME = ROOT / ".cache" / "drill" / "home"
RIG = (sys.executable, "tools/drill_rig.py")
#: Seconds for one step.
TIMEOUT = 1500


def scenarios() -> list[str]:
    """The drills of the lab."""
    return sorted(path.parent.parent.name for path in (ROOT / "molecule").glob("*/inventory/hosts.yml"))


def environment() -> dict[str, str]:
    """The environment of every step: records beside the drill's other files, the collection of this checkout."""
    return {
        **os.environ, "INCIDENT_HOME": str(HOME), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_HOME": str(ROOT / ".cache" / "ansible"), "ANSIBLE_PIPELINING": "true",
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }


def step(title: str, argv: list[str], *, prefix: str = "") -> bool:
    """One step; whether it succeeded. What it prints comes line by line, so that two at once can be told apart."""
    print(f"{prefix}==> {title}", flush=True)
    began = time.monotonic()
    with subprocess.Popen(
        argv, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace",
    ) as process:
        wall = threading.Timer(TIMEOUT, process.kill)
        wall.start()
        try:
            for line in process.stdout or ():
                print(prefix + line, end="", flush=True)
            status = process.wait()
        finally:
            wall.cancel()
    spent = time.monotonic() - began
    ending = "ok" if status == 0 else f"FAILED ({f'killed after {TIMEOUT} s' if spent >= TIMEOUT else status})"
    print(f"{prefix}==> {title}: {ending} ({spent:.0f} s)", flush=True)
    return status == 0


class Labs:
    """Scenarios that share their hosts (one inventory is a link to the other's) take turns."""

    def __init__(self, names: Sequence[str]) -> None:
        self._locks = {(ROOT / "molecule" / name / "inventory").resolve(): threading.Lock() for name in names}

    def of(self, name: str) -> threading.Lock:
        """To be held while the scenario's hosts are up."""
        return self._locks[(ROOT / "molecule" / name / "inventory").resolve()]


def drill(name: str, *, prefix: str, keep: bool) -> bool:
    """Hosts, preparation, drill, a look from outside."""
    place = ROOT / "molecule" / name
    inventory = f"molecule/{name}/inventory"
    steps = [("hosts", [*RIG, "up", name])]
    if (place / "prepare.yml").is_file():
        steps.append(("prepare", [str(BIN / "ansible-playbook"), "-i", inventory, str(place / "prepare.yml")]))
    steps.append(("drill", [str(BIN / "incident"), "drill", name, "-i", inventory, "--yes"]))
    if (place / "tests").is_dir():
        steps.append(("look from outside", [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(place / "tests")]))
    try:
        return all(step(title, argv, prefix=prefix) for title, argv in steps)
    finally:
        if not keep:
            step("remove the hosts", [*RIG, "down", name], prefix=prefix)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="leave the hosts running")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="scenarios at a time; each has hosts of its own (default 1)")
    parser.add_argument("names", nargs="*", metavar="SCENARIO")
    arguments = parser.parse_args()
    known = scenarios()
    unknown = [name for name in arguments.names if name not in known]
    if unknown:
        parser.error(f"no drill named {', '.join(unknown)}; there are {', '.join(known)}")
    names = arguments.names or known
    if not (step("check", [*RIG, "check"]) and step("image", [*RIG, "image"])):
        return 1
    began = time.monotonic()
    width = max(len(name) for name in names)
    labs = Labs(names)

    def in_turn(name: str) -> bool:
        with labs.of(name):
            return drill(name, prefix=f"{name:{width}} | " if len(names) > 1 else "", keep=arguments.keep)

    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, arguments.jobs)) as pool:
        outcomes = pool.map(in_turn, names)
        failed = [name for name, passed in zip(names, outcomes, strict=True) if not passed]
    print(f"==> {len(names)} drills, {len(failed)} failed, {time.monotonic() - began:.0f} s" + (f": {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
