# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every subject knows what others call its variables, and says where it looks before it looks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.oncall.incident.plugins.module_utils._bans.client import DEFAULT_SOCKET
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import specs

ROOT = Path(__file__).resolve().parents[2]
ROLES = ROOT / "roles"
TABLES = sorted(path.parents[1].name for path in ROLES.glob("*/meta/other_names.yml"))
ROLE_NAMES = sorted(path.parents[1].name for path in ROLES.glob("*/meta/argument_specs.yml"))
DOCUMENTED = {role: set(specs.load_options(ROLES, role)) for role in ROLE_NAMES}
PLAYBOOKS = sorted((ROOT / "playbooks").glob("[!_]*.yml"))
INVESTIGATE = sorted(ROLES.glob("*/tasks/investigate*.yml"))
#: Roles that a guard checks: those of the scenarios' subjects, and what every scenario has.
GUARDED = {
    role for path in PLAYBOOKS for role in re.findall(r"^ +role: (\w+)$", path.read_text(), flags=re.MULTILINE)
} | {"incident", "evidence"}


def tasks(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All tasks of a file, those of blocks too."""
    found = []
    for entry in entries:
        inner = [task for part in ("block", "rescue", "always") for task in tasks(entry.get(part) or [])]
        found += inner or [entry]
    return found


def test_every_guarded_role_has_a_table() -> None:
    assert set(TABLES) == GUARDED


@pytest.mark.parametrize("role", TABLES)
def test_names_of_others_are_none_of_ours_and_ours_exist(role: str) -> None:
    table = yaml.safe_load((ROLES / role / "meta" / "other_names.yml").read_text())
    assert set(table) <= DOCUMENTED[role]
    theirs = [name for names in table.values() for name in names]
    assert len(theirs) == len(set(theirs)), "a name stands twice"
    assert not set(theirs) & set().union(*DOCUMENTED.values())


@pytest.mark.parametrize("subject", ["postgres", "redis"])
@pytest.mark.parametrize(("theirs", "ours"), [
    ("host", "login_host"), ("port", "login_port"), ("user", "login_user"), ("username", "login_user"), ("password", "login_password"),
    ("socket", "login_unix_socket"), ("unix_socket", "login_unix_socket"),
])
def test_the_usual_names_of_a_login(subject: str, theirs: str, ours: str) -> None:
    assert specs.load_other_names(ROLES, subject)[f"{subject}_{theirs}"] == f"{subject}_{ours}"


def test_no_reference_inventory_uses_a_name_of_others() -> None:
    theirs = {name for role in TABLES for name in specs.load_other_names(ROLES, role)}
    files = [path for room in ("inventories", "molecule", "demo") for path in (ROOT / room).rglob("*.yml")]
    used = {name for path in files for name in re.findall(r"^ *(\w+):", path.read_text(), flags=re.MULTILINE)}
    assert files and not used & theirs


@pytest.mark.parametrize("path", INVESTIGATE, ids=lambda path: f"{path.parents[1].name}/{path.stem}")
def test_investigate_says_first_where_it_looks(path: Path) -> None:
    entries = yaml.safe_load(path.read_text())
    first, *rest = entries
    assert first["name"] == "Say where it looks, and as whom" and "when" not in first
    assert set(first) - {"become", "become_user"} == {"name", "oncall.incident.place"}
    # It names the user on the host, so it must become whom those become that look.
    becoming = [{key: task[key] for key in ("become", "become_user") if key in task}
                for task in tasks(rest) if any(key.startswith("oncall.incident.") for key in task)]
    assert {key: first[key] for key in ("become", "become_user") if key in first} in becoming


def test_every_scenario_that_investigates_uses_such_an_entry_point() -> None:
    known = {(path.parents[1].name, path.stem) for path in INVESTIGATE}
    for path in PLAYBOOKS:
        plays = [play for play in yaml.safe_load(path.read_text()) if play.get("tags") == ["investigate"]]
        doors = [task["ansible.builtin.import_role"] for play in plays for task in play["tasks"]]
        assert doors and {(door["name"].rpartition(".")[2], door["tasks_from"]) for door in doors} <= known


def test_the_role_and_the_module_mean_the_same_socket() -> None:
    assert f"fail2ban_socket or '{DEFAULT_SOCKET}'" in (ROLES / "fail2ban" / "vars" / "main.yml").read_text()
