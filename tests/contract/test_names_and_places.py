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
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import names, specs

from tests.support.scenarios import SCENARIOS, plays, tasks

ROOT = Path(__file__).resolve().parents[2]
ROLES = ROOT / "roles"
TABLES = sorted(path.parents[1].name for path in ROLES.glob("*/meta/other_names.yml"))
ROLE_NAMES = sorted(path.parents[1].name for path in ROLES.glob("*/meta/argument_specs.yml"))
DOCUMENTED = {role: set(specs.load_options(ROLES, role)) for role in ROLE_NAMES}
INVESTIGATE = sorted(ROLES.glob("*/tasks/investigate*.yml"))


def subjects(path: Path) -> list[dict[str, Any]]:
    """Whom a scenario's guard checks."""
    return [subject for play in plays(path) for task in play["tasks"] for subject in task.get("vars", {}).get("incident_subjects", [])]


def test_every_guarded_role_has_a_table() -> None:
    guarded = {subject["role"] for path in SCENARIOS for subject in subjects(path)}
    assert set(TABLES) == guarded | {"incident", "evidence"}, "and what every scenario has"


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_guard_checks_the_hosts_of_every_play(path: Path) -> None:
    guard, *others = plays(path)
    assert guard["hosts"] == "all,localhost" and guard["name"] == "Guard"
    known = {subject["hosts"] for subject in subjects(path)}
    assert known and {part.strip() for play in others for part in re.sub(r"\}\}:\s?\{\{", "}}\n{{", play["hosts"]).splitlines()} == known


@pytest.mark.parametrize(("scenario", "slip", "meant", "wrong"), [
    ("brute_force", "fail2ban_max_victim", "fail2ban_max_victims", {"fail2ban_max_victims": "many"}),
    ("certificate_renewal", "certificate_max_renewal", "certificate_max_renewals", {"certificate_service_runtime": "swarm"}),
    ("firewall_unblock", "fail2ban_member_of", "fail2ban_members_of", {"fail2ban_covering": "all"}),
])
def test_a_guard_knows_the_slips_and_the_wrong_values_of_its_role(scenario: str, slip: str, meant: str, wrong: dict[str, Any]) -> None:
    """What it makes of them is shown with db-recovery and firewall-unblock."""
    (subject,) = subjects(ROOT / "playbooks" / f"{scenario}.yml")
    known = specs.load_accepted(ROLES, subject["role"])
    assert names.near_misses([slip], known=known, prefix=f"{subject['role']}_") == {slip: meant}
    (said,) = specs.value_errors(wrong, known)
    assert next(iter(wrong)) in said


def test_names_of_others_are_none_of_ours_and_ours_exist() -> None:
    ours = set().union(*DOCUMENTED.values())
    for role in TABLES:
        table = yaml.safe_load((ROLES / role / "meta" / "other_names.yml").read_text())
        assert set(table) - DOCUMENTED[role] == set(), role
        theirs = [name for others in table.values() for name in others]
        assert sorted(theirs) == sorted(set(theirs)), f"{role}: a name stands twice"
        assert set(theirs) & ours == set(), role


def test_the_usual_names_of_a_login() -> None:
    meant = {
        "host": "login_host", "port": "login_port", "user": "login_user", "username": "login_user", "password": "login_password",
        "socket": "login_unix_socket", "unix_socket": "login_unix_socket",
    }
    for subject in ("postgres", "redis"):
        wanted = {f"{subject}_{theirs}": f"{subject}_{ours}" for theirs, ours in meant.items()}
        assert wanted.items() <= specs.load_other_names(ROLES, subject).items()


def test_no_reference_inventory_uses_a_name_of_others() -> None:
    theirs = {name for role in TABLES for name in specs.load_other_names(ROLES, role)}
    files = [path for room in ("inventories", "molecule", "demo") for path in (ROOT / room).rglob("*.yml")]
    used = {name for path in files for name in re.findall(r"^ *(\w+):", path.read_text(), flags=re.MULTILINE)}
    assert files and not used & theirs


@pytest.mark.parametrize("path", INVESTIGATE, ids=lambda path: f"{path.parents[1].name}/{path.stem}")
def test_investigate_says_first_where_it_looks(path: Path) -> None:
    entries = yaml.safe_load(path.read_text())
    first, *rest = entries
    assert first["name"] == "Report the target and the user" and "when" not in first
    assert set(first) - {"become", "become_user"} == {"name", "oncall.incident.place"}
    # It names the user on the host, so it must become whom those become that look.
    becoming = [{key: task[key] for key in ("become", "become_user") if key in task}
                for task in tasks(rest) if any(key.startswith("oncall.incident.") for key in task)]
    assert {key: first[key] for key in ("become", "become_user") if key in first} in becoming


def test_every_scenario_that_investigates_uses_such_an_entry_point() -> None:
    known = {(path.parents[1].name, path.stem) for path in INVESTIGATE}
    for path in SCENARIOS:
        looking = [play for play in plays(path) if play.get("tags") == ["investigate"]]
        entries = [task["ansible.builtin.import_role"] for play in looking for task in tasks(play["tasks"])
                   if "ansible.builtin.import_role" in task]
        entries = [entry for entry in entries if entry["tasks_from"] != "conclude"]
        assert entries and {(entry["name"].rpartition(".")[2], entry["tasks_from"]) for entry in entries} <= known
