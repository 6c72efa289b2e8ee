# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drill the lab: hosts up, prepared, broken, recovered, looked at from outside.

Usage: python tools/drill.py [--keep] [SCENARIO...]     all of molecule/ without names

The same as `molecule test -s SCENARIO`, but what happens is seen while it happens.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
HOME = ROOT / ".cache" / "drill" / "home"
INVENTORY = "molecule/inventory"
#: Seconds for one drill, preparation and all.
TIMEOUT = 1200


def scenarios() -> list[str]:
    """The drills of the lab."""
    return sorted(path.parent.name for path in (ROOT / "molecule").glob("*/converge.yml"))


def environment() -> dict[str, str]:
    """The environment of every step: records beside the drill's other files, the collection of this checkout."""
    return {
        **os.environ, "INCIDENT_HOME": str(HOME), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_HOME": str(ROOT / ".cache" / "ansible"), "ANSIBLE_PIPELINING": "true",
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }


def step(title: str, argv: list[str]) -> bool:
    """One step; whether it succeeded."""
    print(f"==> {title}", flush=True)
    began = time.monotonic()
    done = subprocess.run(argv, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, timeout=TIMEOUT, check=False)
    print(f"==> {title}: {'ok' if done.returncode == 0 else f'FAILED ({done.returncode})'} ({time.monotonic() - began:.0f} s)", flush=True)
    return done.returncode == 0


def drill(name: str) -> bool:
    """Prepare, drill, look from outside."""
    place = ROOT / "molecule" / name
    steps = [(f"{name}: drill", [str(BIN / "incident"), "drill", name, "-i", INVENTORY, "--yes"])]
    if (place / "prepare.yml").is_file():
        # Quiet: what is prepared interests only when it fails.
        steps.insert(0, (f"{name}: prepare", [str(BIN / "ansible-playbook"), "-i", INVENTORY, str(place / "prepare.yml")]))
    if (place / "tests").is_dir():
        steps.append((f"{name}: look from outside", [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(place / "tests")]))
    return all(step(title, argv) for title, argv in steps)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="leave the hosts running")
    parser.add_argument("names", nargs="*", metavar="SCENARIO")
    arguments = parser.parse_args()
    known = scenarios()
    unknown = [name for name in arguments.names if name not in known]
    if unknown:
        parser.error(f"no drill named {', '.join(unknown)}; there are {', '.join(known)}")
    rig = [sys.executable, "tools/drill_rig.py"]
    if not step("hosts", [*rig, "up"]):
        return 1
    began, failed = time.monotonic(), []
    try:
        for name in arguments.names or known:
            if not drill(name):
                failed.append(name)
    finally:
        if not arguments.keep:
            step("remove the hosts", [*rig, "down"])
    print(f"==> {len(arguments.names or known)} drills, {len(failed)} failed, {time.monotonic() - began:.0f} s"
          + (f": {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
