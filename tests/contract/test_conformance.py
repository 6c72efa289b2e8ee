# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mitigating and every health module runs through the conformance kit, and what is left out has a reason."""

from __future__ import annotations

from pathlib import Path

import yaml
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.again import DECISIONS

from tests.conformance.drivers import DRIVERS, HEALTH, MITIGATING
from tests.conformance.kit import HEALTH_STEPS, MITIGATING_STEPS, Mitigating

ROOT = Path(__file__).resolve().parents[2]
#: Modules of the engines that the kit does not run, and why.
OUTSIDE = {
    "act": "an action plugin that runs other modules: tests/integration/action plays its steps through Ansible",
}


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
    assert {kind: sorted(names - there[kind] - set(OUTSIDE)) for kind, names in wanted.items()} == {"mitigating": [], "health": []}
    assert {kind: sorted(there[kind] - names) for kind, names in wanted.items()} == {"mitigating": [], "health": []}


def test_what_is_left_out_is_a_step_and_has_a_reason() -> None:
    wrong = [
        f"{one.module}: {step}" for one in DRIVERS for step, reason in one.absent.items()
        if step not in (MITIGATING_STEPS if issubclass(one, Mitigating) else HEALTH_STEPS) or len(reason.split()) < 4
    ]
    assert wrong == []


def test_every_decision_can_be_made_again() -> None:
    assert sorted({one.module for one in DRIVERS}) == sorted(DECISIONS)
