# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The suite stays affordable: what CI's fixed part and each scenario may cost, from what was measured (tests/costs.yml)."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from tools.matrix import CONTROLLERS
from tools.suite import units
from tools.suite.plan import DRILLS, TESTS

ROOT = Path(__file__).resolve().parents[2]
#: CI's fixed part: minutes on two cores.
FIXED_MINUTES = 25
#: Of one scenario: seconds of its drill alone, starts of Ansible in its integration tests.
DRILL_SECONDS, PLAYS = 180, 8


def scenarios() -> set[str]:
    return {path.stem.replace("_", "-") for path in (ROOT / "playbooks").glob("[a-z]*.yml")}


def test_every_unit_was_measured() -> None:
    found, costs = units.Catalogue(), units.costs()
    # The Python that measures has no smoke of its own. On another one it stands in the catalogue.
    (measuring,) = {f"smoke on Python {version}" for version in CONTROLLERS} - set(costs)
    wanted = [unit.name for unit in (*found.fixed(), *found.tests(), *found.drills()) if unit.name != measuring]
    unmeasured = [name for name in wanted if name not in costs]
    assert unmeasured == [], "measure them: make all RECORD=1, or put the seconds that the unit took into tests/costs.yml"


def test_the_fixed_part_fits() -> None:
    fixed = units.Catalogue().fixed()
    drills = sum(unit.seconds for unit in fixed if unit.lane == DRILLS)
    tests = [unit.seconds for unit in fixed if unit.lane == TESTS]
    assert max(drills, sum(tests) / 2, *tests) <= FIXED_MINUTES * 60


def test_every_subject_names_paths_and_units_that_exist() -> None:
    found = units.Catalogue()
    names = [unit.name for unit in (*found.fixed(), *found.tests(), *found.drills(), *found.matrix())]
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    stale = [
        f"{subject.name}: {prefix}"
        for subject in found.definitions.subjects
        for prefixes, known in ((subject.paths, files), (subject.units, names))
        for prefix in prefixes
        if not any(name.startswith(prefix) for name in known)
    ]
    assert stale == []


def test_every_file_of_the_product_belongs_to_a_subject() -> None:
    """Else nothing runs first when it is changed."""
    listed = ["git", "ls-files", "incident", "playbooks", "plugins", "roles", "src"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    subjects = units.definitions().subjects
    assert [path for path in files if not any(path.startswith(subject.paths) for subject in subjects)] == []


def drills_of(scenario: dict[str, Any]) -> list[str]:
    """Its drills. One without says why: `without_drill`."""
    assert ("drill" in scenario) != bool(scenario.get("without_drill"))
    return [*([scenario["drill"]] if "drill" in scenario else []), *scenario.get("more_drills", {})]


def test_every_scenario_keeps_its_budget() -> None:
    definitions, costs = units.definitions(), units.costs()
    assert set(definitions.scenarios) == scenarios()
    over = []
    for name, scenario in definitions.scenarios.items():
        for drill in drills_of(scenario):
            cost = costs[f"drill {drill}"]
            # With tests beside it a drill takes longer: where that is short enough, nobody need measure it alone.
            seconds = cost.get("alone", cost["seconds"])
            if seconds > DRILL_SECONDS:
                over.append(f"{name}: drill {drill} takes {seconds} s, {DRILL_SECONDS} are allowed; measure it alone: make drills RECORD=1")
        plays = sum(costs[test].get("plays", 0) for test in scenario["tests"])
        if plays > PLAYS:
            over.append(f"{name}: its tests start Ansible {plays:.0f} times, {PLAYS} are allowed")
    assert over == []


def test_every_drill_is_of_a_scenario() -> None:
    of_scenarios = sorted(drill for scenario in units.definitions().scenarios.values() for drill in drills_of(scenario))
    assert of_scenarios == units.drills(), "list it with its scenario in tests/units.yml"


def test_what_starts_ansible_is_in_a_budget_or_says_why_not() -> None:
    """Else a scenario's tests could be split into files that nobody counts."""
    definitions, costs = units.definitions(), units.costs()
    budgeted = {test for scenario in definitions.scenarios.values() for test in scenario["tests"]}
    names = {unit.name for unit in (*units.Catalogue().fixed(), *units.Catalogue().tests())}
    starting = {name for name in names if name.startswith(("tests/integration", "conformance")) and costs.get(name, {}).get("plays")}
    assert sorted(starting - budgeted - set(definitions.frame)) == []
    assert sorted((budgeted | set(definitions.frame)) - names) == [], "no such unit"
    assert sorted(budgeted & set(definitions.frame)) == []
