# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mitigating and every health module runs through the conformance kit, and what is left out has a reason."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.again import DECISIONS

from tests.conformance.drivers import DRIVERS, HEALTH, MITIGATING
from tests.conformance.holders import ALONE, CASES, OUTSIDE
from tests.conformance.kit import HEALTH_STEPS, MITIGATING_STEPS, Mitigating

ROOT = Path(__file__).resolve().parents[2]
AGAIN = "decides_again_from_the_record"
def documented_with(fragment: str) -> set[str]:
    """Modules whose documentation has the fragment of an engine."""
    found = set()
    for path in (ROOT / "plugins" / "modules").glob("*.py"):
        text = path.read_text(encoding="utf-8").partition('DOCUMENTATION = r"""')[2].partition('"""')[0]
        if fragment in (yaml.safe_load(text) or {}).get("extends_documentation_fragment", []):
            found.add(path.stem)
    return found


def test_every_module_of_the_engines_has_a_driver() -> None:
    wanted = {"mitigating": documented_with("oncall.incident.approved"), "health": documented_with("oncall.incident.verdict")}
    there = {"mitigating": {one.module for one in MITIGATING}, "health": {one.module for one in HEALTH}}
    assert {kind: sorted(names - there[kind]) for kind, names in wanted.items()} == {"mitigating": [], "health": []}
    assert {kind: sorted(there[kind] - names) for kind, names in wanted.items()} == {"mitigating": [], "health": []}


def test_what_is_left_out_is_a_step_and_has_a_reason() -> None:
    wrong = [
        f"{one.module}: {step}" for one in DRIVERS for step, reason in one.absent.items()
        if step not in (MITIGATING_STEPS if issubclass(one, Mitigating) else HEALTH_STEPS) or len(reason.split()) < 4
    ]
    assert wrong == []


def test_every_decision_can_be_made_again() -> None:
    assert sorted({one.module for one in DRIVERS if AGAIN not in one.absent}) == sorted(DECISIONS)


def named_in(text: str) -> list[str]:
    """The tests that a reason names."""
    return re.findall(r"tests/[\w/.]*\w(?:::\w+)?", text)


def is_there(name: str) -> bool:
    """Whether there is such a directory, file, or test in a file."""
    path, _colons, test = name.partition("::")
    if not test:
        return (ROOT / path).exists()
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8")) if (ROOT / path).is_file() else ast.Module([], [])
    return any(isinstance(node, ast.FunctionDef) and node.name == test for node in tree.body)


def test_what_is_proven_elsewhere_names_tests_that_are_there() -> None:
    reasons = [reason for one in DRIVERS for reason in one.absent.values()]
    reasons += [reason for case in CASES for reason in (*case.unproven.values(), inspect.getdoc(case) or "")]
    named = [name for reason in (*reasons, *OUTSIDE.values(), *ALONE.values()) for name in named_in(reason)]
    assert "tests/integration/action/test_real_systemd.py::test_who_may_not_make_a_timer_is_told_what_it_takes" in named
    assert [name for name in named if not is_there(name)] == []


@pytest.mark.parametrize(("name", "there"), [
    ("tests/integration/redis", True), ("tests/integration/nobody", False), ("tests/contract/test_conformance.py::test_no_such", False),
    ("tests/contract/test_nothing.py::test_x", False), ("tests/contract/test_conformance.py::is_there", True),
])
def test_a_name_is_resolved(name: str, there: bool) -> None:
    assert named_in(f"the kit has none: {name}.") == [name] and is_there(name) is there
