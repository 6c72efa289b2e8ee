# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rungs run in one loop, the frame's, and what is asked between them is exactly what verify asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import rungs

ROOT = Path(__file__).resolve().parents[2]
ROLES = ROOT / "roles"
LOOP = "../../incident/tasks/rungs.yml"
#: Role by role the ladder that its variables state.
LADDERS: dict[str, dict[str, Any]] = {
    path.parents[1].name: variables[f"__{path.parents[1].name}_ladder"] for path in sorted(ROLES.glob("*/vars/main.yml"))
    if f"__{path.parents[1].name}_ladder" in (variables := yaml.safe_load(path.read_text()))
}


def tasks(path: Path) -> Iterator[dict[str, Any]]:
    """All tasks of a file, blocks opened."""
    def opened(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for task in found:
            inner = [one for part in ("block", "rescue", "always") for one in task.get(part) or []]
            yield from opened(inner) if inner else [task]
    yield from opened(yaml.safe_load(path.read_text()))


def waits(path: Path) -> list[dict[str, Any]]:
    """What the tasks of a file wait for."""
    return [arguments["wait_for"] for task in tasks(path) for arguments in task.values()
            if isinstance(arguments, dict) and "wait_for" in arguments]


def test_who_has_rungs() -> None:
    assert set(LADDERS) == {"postgres", "redis"}
    importing = {
        path.parents[1].name: task["vars"] for path in ROLES.glob("*/tasks/mitigate*.yml") for task in tasks(path)
        if task.get("ansible.builtin.import_tasks") == LOOP
    }
    assert importing == {role: {"incident_ladder": f"{{{{ __{role}_ladder }}}}"} for role in LADDERS}


def test_there_is_one_loop() -> None:
    deciding = {str(path.relative_to(ROLES)) for path in ROLES.glob("*/*/**/*.yml") if "oncall.incident.rung" in path.read_text()}
    assert deciding == {"incident/tasks/rungs.yml", "incident/tasks/next_rung.yml"}
    assert (ROLES / "redis" / "tasks" / rungs.ASKING).is_file()
    modules = {key for name in deciding for task in tasks(ROLES / name) for key in task if "." in key}
    assert modules == {"ansible.builtin.include_tasks", "ansible.builtin.set_fact", "ansible.builtin.debug"}, "it changes nothing itself"


@pytest.mark.parametrize("role", LADDERS)
def test_between_rungs_is_asked_what_verify_asks(role: str) -> None:
    ladder, directory = LADDERS[role], ROLES / role / "tasks"
    (verified,) = waits(directory / "verify.yml")
    assert ladder["checks"] == verified["checks"]
    (asked,) = waits(directory / ladder["look"])
    assert asked == {"checks": "{{ incident_rung.checks }}", "hold": "0s", "timeout": "{{ incident_rung.wait }}"}
    (look,) = [task for task in tasks(directory / ladder["look"]) if "register" in task]
    assert ladder["seen"] == f"{{{{ {look['register']} | default({{}}) }}}}"
    assert look["failed_when"] is False, "a look that fails is answered by the loop"


@pytest.mark.parametrize("role", LADDERS)
def test_a_ladder_says_everything_and_its_files_are_there(role: str) -> None:
    ladder = LADDERS[role]
    assert set(ladder) - {"down"} == {"of", "look", "seen", "checks", "wait", "results", "rungs"}
    assert (ladder["of"], ladder["wait"]) == (role, "{{ incident_rung_wait | default('20s') }}")
    assert "__service_restarted | default({})" in ladder["results"], "what the role service did for a rung"
    names = [rung["name"] for rung in ladder["rungs"]]
    assert len(names) == len(set(names)) > 1
    assert [rung["name"] for rung in ladder["rungs"] if rung.get("here")] in ([], names[:1])
    missing = [path for rung in ladder["rungs"] for path in rung.get("files", {}) if not (ROLES / role / "tasks" / path).is_file()]
    assert missing == []
