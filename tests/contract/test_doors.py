# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mitigate door changes the world only through what returns actions: no bare changing task, no handler.

Other people's modules return no actions; in a door they run through oncall.incident.act, which plans, limits and measures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOORS = sorted((ROOT / "roles").glob("*/tasks/mitigate.yml"))
OURS = "oncall.incident."
#: Builtins that change nothing but the play's own variables and course.
HARMLESS = {f"ansible.builtin.{name}" for name in ("assert", "debug", "fail", "set_fact", "set_stats", "validate_argument_spec")}
TASK_FILES = {f"ansible.builtin.{name}_tasks" for name in ("import", "include")}
ROLES = {f"ansible.builtin.{name}_role" for name in ("import", "include")}
META = "ansible.builtin.meta"
BLOCKS = ("block", "rescue", "always")


class Loader(yaml.SafeLoader):
    """YAML as Ansible writes it: its own tags are plain text here."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))
Loader.add_constructor("!vault", lambda loader, node: loader.construct_scalar(node))


def tasks_in(path: Path, seen: set[Path]) -> Iterator[dict[str, Any]]:
    """Every task that a task file leads to, includes followed; a template in a name stands for every file it may mean."""
    if path in seen:
        return
    seen.add(path)
    yield from _walk(yaml.load(path.read_text(), Loader) or [], path=path, seen=seen)


def _walk(tasks: list[dict[str, Any]], *, path: Path, seen: set[Path]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        for part in BLOCKS:
            yield from _walk(task.get(part) or [], path=path, seen=seen)
        if any(part in task for part in BLOCKS):
            continue
        for target in _targets(task, path=path):
            yield from tasks_in(target, seen)
        yield task


def _targets(task: dict[str, Any], *, path: Path) -> list[Path]:
    for name in TASK_FILES & set(task):
        value = task[name]
        return _files(path.parent, value["file"] if isinstance(value, dict) else value)
    for name in ROLES & set(task):
        role = task[name]["name"]
        assert role.startswith(OURS), f"{path}: a door calls a role of others: {role}"
        return _files(ROOT / "roles" / role.removeprefix(OURS) / "tasks", task[name].get("tasks_from", "main"))
    return []


def _files(directory: Path, name: str) -> list[Path]:
    pattern = re.sub(r"\{\{.*?\}\}", "*", name)
    pattern = pattern if pattern.endswith(".yml") else f"{pattern}.yml"
    found = [path for path in sorted((directory / pattern).parent.resolve().glob(Path(pattern).name)) if path.is_file()]
    assert found, f"{directory} has no {name}"
    return found


def module_of(task: dict[str, Any]) -> str:
    """The full name of a task's module."""
    names = [key for key in task if "." in key]
    assert len(names) == 1, f"one module by its full name is wanted in {task.get('name', task)}"
    return names[0]


def faults_of(task: dict[str, Any]) -> list[str]:
    """Why a task has no place in a mitigate door."""
    module = module_of(task)
    faults = []
    if "notify" in task:
        faults.append("notifies a handler, which runs outside the phase and in no plan")
    if module == META and task[module] == "flush_handlers":
        faults.append("runs handlers")
    reads_only = task.get("check_mode") is False and task.get("changed_when") is False
    if not (module.startswith(OURS) or module in HARMLESS | TASK_FILES | ROLES | {META} or reads_only):
        faults.append(f"{module} may change something and returns no actions: run it through {OURS}act")
    return faults


@pytest.mark.parametrize("door", DOORS, ids=lambda path: path.parent.parent.name)
def test_nothing_changes_the_world_beside_the_contract(door: Path) -> None:
    tasks = list(tasks_in(door, set()))
    assert len(tasks) > 1
    found = {task.get("name", "?"): faults for task in tasks if (faults := faults_of(task))}
    assert not found


def test_roles_have_no_handlers() -> None:
    assert not list((ROOT / "roles").glob("*/handlers"))


@pytest.mark.parametrize(
    "task",
    [
        {"name": "Restart", "ansible.builtin.service": {"name": "x", "state": "restarted"}},
        {"name": "Edit", "ansible.builtin.copy": {"dest": "/x"}, "check_mode": False},
        {"name": "Act", "oncall.incident.act": {"verb": "x"}, "notify": "Restart"},
        {"name": "Flush", "ansible.builtin.meta": "flush_handlers"},
    ],
    ids=lambda task: task["name"],
)
def test_a_bare_change_is_found(task: dict[str, Any]) -> None:
    assert faults_of(task)
