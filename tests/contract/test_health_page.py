# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/health.md says what `incident run health` looks at: neither more nor less than the playbook."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "health.md").read_text()
PLAYBOOK = yaml.safe_load((ROOT / "playbooks" / "health.yml").read_text())
GROUP = re.compile(r"default\('(\w+)'\)")
#: Roles whose entry points investigate nothing of a host's own: the frame, what only changes, and what another role looks at.
NOT_LOOKED_AT = {"evidence", "incident", "drill", "reach", "release"}


def looks() -> list[tuple[str, str, str]]:
    """Group, role and entry point of each look."""
    found = [entry["vars"]["look_at"] for entry in PLAYBOOK if "look_at" in entry.get("vars", {})]
    return [(group, look["role"], look["entry_point"]) for look in found for group in GROUP.findall(look["hosts"])]


def test_the_page_lists_what_is_looked_at() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .+ \| `(\w+)` \| `(\w+)` \|$", PAGE, flags=re.MULTILINE)
    assert rows == looks()


def test_every_role_that_investigates_is_looked_at() -> None:
    investigating = {path.parents[1].name for path in (ROOT / "roles").glob("*/tasks/investigate*.yml")}
    assert investigating - NOT_LOOKED_AT == {role for _group, role, _entry in looks()}
    assert {role for role in NOT_LOOKED_AT if not (ROOT / "roles" / role).is_dir()} == set()


def test_the_guard_checks_the_variables_of_each_look() -> None:
    (guard,) = [task for play in PLAYBOOK[:1] for task in play["tasks"]]
    subjects = guard["vars"]["incident_subjects"]
    assert sorted((group, subject["role"]) for subject in subjects for group in GROUP.findall(subject["hosts"])) == sorted(
        (group, role) for group, role, _entry in looks())
    assert all(subject["required"] is False for subject in subjects)
