# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry points of the roles as data: their tasks, what they include however far, and whether they can change something."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"
#: The loop of rungs, as a role imports it.
LOOP = "../../incident/tasks/rungs.yml"
#: Ours that return actions and obey `approved`, `act` among them.
ACTING = {
    "oncall.incident.act",
    "oncall.incident.alert_silence",
    "oncall.incident.cert_renew",
    "oncall.incident.config_restore",
    "oncall.incident.disk_clean",
    "oncall.incident.fail2ban_ban",
    "oncall.incident.fail2ban_unban",
    "oncall.incident.firewall_remove",
    "oncall.incident.pg_maintain",
    "oncall.incident.pg_terminate_long_queries",
    "oncall.incident.redis_cache_clear",
    "oncall.incident.redis_client_kill",
    "oncall.incident.redis_repair",
}


def tasks(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The tasks of a file, blocks opened."""
    for task in found:
        if "block" in task:
            for part in ("block", "rescue", "always"):
                yield from tasks(task.get(part, []))
        yield task


@functools.cache
def load(path: Path) -> list[dict[str, Any]]:
    """The tasks of a file, blocks as they are."""
    found: list[dict[str, Any]] = yaml.safe_load(path.read_text()) or []
    return found


def named(entry: Path) -> str:
    """An entry point as people call it."""
    return f"{entry.parents[1].name}/{entry.stem}"


def only_checks(told: Any) -> bool:
    """Whether an include says that all it includes is run in check mode."""
    return isinstance(told, dict) and told.get("apply", {}).get("check_mode") is True


def included_by(path: Path, task: dict[str, Any], *, role: str = "") -> Iterator[Path]:
    """The files that a task of a file includes, by any name that a template may have; not what is only run in check mode.

    Args:
        role: that the file is of, where that is not where it lies.
    """
    top = ROLES / (role or path.relative_to(ROLES).parts[0]) / "tasks"
    for way in ("include_tasks", "import_tasks"):
        told = task.get(f"ansible.builtin.{way}")
        if told and not only_checks(told):
            name = re.sub(r"{{.*?}}", "*", told["file"] if isinstance(told, dict) else told)
            yield from (found for base in {path.parent, top} for found in base.glob(name) if found.suffix == ".yml")
    for way in ("include_role", "import_role"):
        told = task.get(f"ansible.builtin.{way}")
        if told and not only_checks(told):
            name = re.sub(r"{{.*?}}", "*", told.get("tasks_from", "main"))
            yield from (ROLES / told["name"].rpartition(".")[2] / "tasks").glob(f"{name.removesuffix('.yml')}.yml")


def ladders_of(path: Path) -> Iterator[Path]:
    """The files of the rungs that it runs; the role's variables name them."""
    role = path.relative_to(ROLES).parts[0]
    if LOOP in path.read_text():
        variables = yaml.safe_load((ROLES / role / "vars" / "main.yml").read_text())
        yield from (ROLES / role / "tasks" / file for rung in variables[f"__{role}_ladder"]["rungs"] for file in rung.get("files", {}))


def reached(entry: Path) -> set[Path]:
    """An entry point's file and all that it includes, however far."""
    found: set[Path] = set()
    open_: list[Path] = [entry]
    while open_:
        path = open_.pop().resolve()
        if path not in found:
            found.add(path)
            open_ += [one for task in tasks(load(path)) for one in included_by(path, task)]
            open_ += ladders_of(path)
    return found


def acts(entry: Path) -> bool:
    """Whether it can change something."""
    found = (task for path in reached(entry) for task in tasks(load(path)))
    return any(map(_acts_itself, found))


def _acts_itself(task: dict[str, Any]) -> bool:
    return not ACTING.isdisjoint(task) and task.get("check_mode") is not True


def remedies(entry: Path, *, role: str = "") -> list[str]:
    """The names of an entry point's own tasks that change something; one with a loop of includes stands there twice, since it is several.

    What it does after a failure and at the end is left out, and so are the rungs of a ladder.

    Args:
        role: see included_by().
    """
    def own(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for task in found:
            yield from own(task["block"]) if "block" in task else [task]

    names = []
    for task in own(load(entry)):
        if task.get("ansible.builtin.import_tasks") == LOOP:
            continue
        into = any(acts(path) for path in included_by(entry, task, role=role))
        names += [str(task["name"])] * (1 if _acts_itself(task) or (into and "loop" not in task) else 2 if into else 0)
    return names
