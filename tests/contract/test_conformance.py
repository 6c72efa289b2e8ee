# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mitigating and every health module runs through the conformance kit, and what is left out has a reason."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import ACTIONS_CONTRACT
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import VERDICT_CONTRACT
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.again import DECISIONS

from tests.conformance.drivers import DRIVERS, HEALTH, MITIGATING
from tests.conformance.holders import ALONE, CASES, OUTSIDE
from tests.conformance.kit import HEALTH_STEPS, MITIGATING_STEPS, Mitigating

ROOT = Path(__file__).resolve().parents[2]
AGAIN = "decides_again_from_the_record"
#: The fragment of an engine, and the contract of what its modules return.
ENGINES = {"mitigating": ("oncall.incident.approved", ACTIONS_CONTRACT), "health": ("oncall.incident.verdict", VERDICT_CONTRACT)}
#: Modules that return such a contract and do not run through the engine, with the reason and what proves them.
BESIDE = {
    "conclude": "its actions are answers to what others left open, and it changes nothing: "
                "tests/unit/plugins/plugin_utils/_frame/test_conclusion.py",
    "firewall_trace": "it explains one address for a person, and nothing is concluded from its verdict: verify asks access_health, which "
                      "traces the same way: tests/integration/fail2ban/test_tracing.py",
    "log_excerpt": "it asks nothing: a log that cannot be read is a skipped check, so that it stands on the screen: "
                   "tests/unit/plugins/module_utils/_module/test_logs.py",
    "recent_change": "it asks nothing: what changed says of no target whether it is well: "
                     "tests/unit/plugins/module_utils/_release/decisions/test_changes.py",
    "in_force": "it sums up what the modules that take changes back say in check mode: tests/integration/playbooks/test_undo.py",
}


def documented(path: Path, what: str) -> dict[str, Any]:
    """One of the documents of a module."""
    text = path.read_text(encoding="utf-8").partition(f'{what} = r"""')[2].partition('"""')[0]
    found: dict[str, Any] = yaml.safe_load(text) or {}
    return found


def members(fragment: str, contract: str) -> tuple[set[str], set[str]]:
    """The modules whose documentation has the fragment of an engine, and those that say that they return its contract."""
    modules = sorted((ROOT / "plugins" / "modules").glob("*.py"))
    having = {path.stem for path in modules if fragment in documented(path, "DOCUMENTATION").get("extends_documentation_fragment", [])}
    return having, {path.stem for path in modules if contract in str(documented(path, "RETURN").get("contract"))}


@pytest.mark.parametrize("kind", ENGINES)
def test_every_module_of_the_engines_has_a_driver(kind: str) -> None:
    """A module is of an engine by what it returns: who reads the contract reads all of it as measured by the engine."""
    having, returning = members(*ENGINES[kind])
    there = {one.module for one in (MITIGATING if kind == "mitigating" else HEALTH)}
    assert sorted(having ^ there) == []
    assert sorted(returning - having - set(BESIDE)) == [], "through the engine, or named with the reason"
    assert sorted(having - returning) == [], "what it returns is not documented"


def test_what_is_beside_the_engines_is_still_so() -> None:
    assert set().union(*(members(*engine)[1] - members(*engine)[0] for engine in ENGINES.values())) == set(BESIDE)


def test_what_is_left_out_is_a_step_and_has_a_reason() -> None:
    wrong = [
        f"{one.module}: {step}" for one in DRIVERS for step, reason in one.absent.items()
        if step not in (MITIGATING_STEPS if issubclass(one, Mitigating) else HEALTH_STEPS) or len(reason.split()) < 4
    ]
    assert wrong == []


def test_how_much_is_left_out_is_known() -> None:
    """An excuse more is a decision: somebody changes this number, and says why."""
    left_out = {"steps": sum(len(one.absent) for one in DRIVERS), "rights": sum(len(case.unproven) for case in CASES),
                "rights proven alone": len(ALONE), "rights of no module of the engines": len(OUTSIDE), "modules": len(BESIDE)}
    assert left_out == {"steps": 17, "rights": 18, "rights proven alone": 15, "rights of no module of the engines": 4, "modules": 5}


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
    named = [name for reason in (*reasons, *OUTSIDE.values(), *ALONE.values(), *BESIDE.values()) for name in named_in(reason)]
    assert "tests/integration/action/test_real_systemd.py::test_who_may_not_make_a_timer_is_told_what_it_takes" in named
    assert [name for name in named if not is_there(name)] == []


@pytest.mark.parametrize(("name", "there"), [
    ("tests/integration/redis", True), ("tests/integration/nobody", False), ("tests/contract/test_conformance.py::test_no_such", False),
    ("tests/contract/test_nothing.py::test_x", False), ("tests/contract/test_conformance.py::is_there", True),
])
def test_a_name_is_resolved(name: str, there: bool) -> None:
    assert named_in(f"the kit has none: {name}.") == [name] and is_there(name) is there
