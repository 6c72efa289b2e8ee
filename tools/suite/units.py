# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which units there are, found in the checkout, with their costs from tests/costs.yml.

A folder below tests/integration is a unit, or each of its files where tests/units.yml lists the folder under `by_file`. Each runs
once more on every other supported Python (the matrix). A folder of molecule/ with an inventory is a drill.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from tools.matrix import CONTROLLERS, SANITY, find
from tools.suite.plan import DRILLS, Subject, Unit

ROOT = Path(__file__).resolve().parents[2]
COSTS = ROOT / "tests" / "costs.yml"
DEFINITIONS = ROOT / "tests" / "units.yml"
#: Expected of a unit that was never measured: seconds.
UNMEASURED = 120.0
#: The Python of `make test`; the controllers' others are the matrix.
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
#: What `make unit` leaves out, and the queue runs as a unit of its own.
SLOW = "slow unit tests"
_QUICK = ("tests/unit", "tests/contract")


@dataclass(frozen=True)
class Definitions:
    """tests/units.yml."""

    by_file: tuple[str, ...]
    subjects: tuple[Subject, ...]
    scenarios: dict[str, dict[str, Any]]
    frame: dict[str, str]


def definitions(path: Path = DEFINITIONS) -> Definitions:
    """Read tests/units.yml."""
    found = yaml.safe_load(path.read_text())
    return Definitions(
        by_file=tuple(found["by_file"]), scenarios=found["scenarios"], frame=found["frame"],
        subjects=tuple(Subject.from_dict(name, value) for name, value in found["subjects"].items()),
    )


def costs(path: Path = COSTS) -> dict[str, dict[str, float]]:
    """Read tests/costs.yml: `seconds` and, for tests, `plays` by name of the unit."""
    found: dict[str, dict[str, float]] = yaml.safe_load(path.read_text())["units"] if path.is_file() else {}
    return found


def test_paths(by_file: Iterable[str]) -> list[str]:
    """The units among the integration tests, as paths relative to the checkout."""
    split, found = set(by_file), set()
    for path in sorted((ROOT / "tests" / "integration").rglob("test_*.py")):
        folder = path.parent.relative_to(ROOT).as_posix()
        found.add(path.relative_to(ROOT).as_posix() if folder in split else folder)
    # A folder of folders would run what is below it twice.
    nested = {name for name in found if not name.endswith(".py") and any(other.startswith(f"{name}/") for other in found)}
    if nested:
        raise ValueError(f"list these under by_file in tests/units.yml, they have units below them: {', '.join(sorted(nested))}")
    return sorted(found)


def is_quick(arguments: Iterable[str]) -> bool:
    """Whether pytest is told to run unit and contract tests only."""
    paths = [one for one in arguments if one.startswith("tests/")]
    return bool(paths) and all(path.startswith(_QUICK) for path in paths)


def drills() -> list[str]:
    """The drills of the lab."""
    return sorted(path.parent.parent.name for path in (ROOT / "molecule").glob("*/inventory/hosts.yml"))


class Catalogue:
    """Every unit of this checkout, with its cost."""

    def __init__(self) -> None:
        self.definitions = definitions()
        self._costs = costs()
        self.pythons = {version: found for version in CONTROLLERS if version != HERE and (found := find(version))}
        self.absent = [version for version in CONTROLLERS if version != HERE and version not in self.pythons]

    def _unit(self, name: str, *argv: str, **more: Any) -> Unit:
        # A part of the matrix that was never measured costs what it costs here.
        cost = self._costs.get(name) or self._costs.get(name.partition(": ")[2]) or {}
        return Unit(name=name, argv=argv, seconds=cost.get("seconds", UNMEASURED), **more)

    def fixed(self) -> list[Unit]:
        """What every CI run does, in this order."""
        return [
            self._unit("drill db-recovery", sys.executable, "tools/drill.py", "db-recovery", lane=DRILLS, fixed=True),
            self._unit(
                "lint, unit and contract tests", "make", "test", "ARGS=-q -m 'not slow' tests/unit tests/contract", fixed=True,
            ),
            self._unit("conformance", sys.executable, *PYTEST, "tests/conformance", fixed=True),
            self._unit("demo as root", "make", "demo", fixed=True),
            self._unit("demo as a plain user", "bash", ".ci/demo-as-nobody", fixed=True),
            *(
                self._unit(
                    f"smoke on Python {version}", sys.executable, "-m", "tools.matrix", "on", version, "-q", "-n", "2", "-m", "smoke",
                    "tests/integration", fixed=True,
                )
                for version in self.pythons
            ),
            self._unit("managed hosts' Python 3.9", "make", "unit39", fixed=True),
            self._unit("build", "make", "build", fixed=True),
        ]

    def tests(self) -> list[Unit]:
        """The integration tests and the slow unit tests, on this Python."""
        return [
            *(self._unit(path, sys.executable, *PYTEST, path) for path in test_paths(self.definitions.by_file)),
            self._unit(SLOW, sys.executable, *PYTEST, "-m", "slow", *_QUICK),
        ]

    def drills(self) -> list[Unit]:
        """The drills beside the fixed one."""
        return [
            self._unit(f"drill {name}", sys.executable, "tools/drill.py", name, lane=DRILLS) for name in drills() if name != "db-recovery"
        ]

    def matrix(self) -> list[Unit]:
        """Every test on the other Pythons, and sanity on the other ansible-cores."""
        return [
            *(
                self._unit(f"Python {version}: {path}", sys.executable, "-m", "tools.matrix", "on", version, "-q", *paths)
                for version in self.pythons
                for path, paths in (
                    *((path, (path,)) for path in test_paths(self.definitions.by_file)),
                    ("unit and contract tests", _QUICK), ("conformance", ("tests/conformance",)),
                )
            ),
            *(
                self._unit(f"sanity on ansible-core {core}", sys.executable, "-m", "tools.matrix", "sanity", core)
                for core, (version, _names) in SANITY.items()
                if version in self.pythons and not metadata.version("ansible-core").startswith(f"{core}.")
            ),
        ]
