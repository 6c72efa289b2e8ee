# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""README's inventory as it is printed fits the playbooks and the roles; tests/integration/test_readme.py runs it.

A newcomer knows the names of groups and variables from two places: README, and `ansible-doc -t role`. Both are read here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import specs

from tests.support.scenarios import LOOKING

ROOT = Path(__file__).resolve().parents[2]
ROLES = ROOT / "roles"
README = (ROOT / "README.md").read_text()
#: The groups of each scenario: name, and the variable that names another one.
GROUPS = {
    path.stem.replace("_", "-"): {(group, variable) for variable, group in re.findall(
        r"(incident_\w+) \| default\('(\w+)'\)", path.read_text())}
    for path in sorted((ROOT / "playbooks").glob("[a-z]*.yml"))
}
#: The role whose documentation a newcomer reads, by group.
ROLE_OF = {"db": "postgres", "cache": "redis", "web": "certificate", "firewall": "fail2ban", "servers": "host", "app": "service"}


[INVENTORY_TEXT] = re.findall(r"^```yaml\n# inventories/.*?\n(.*?)^```$", README, re.M | re.S)
INVENTORY: dict[str, dict[str, Any]] = yaml.safe_load(INVENTORY_TEXT)


def scenarios() -> list[str]:
    """Those that README runs against its inventory."""
    return re.findall(r"^incident run ([\w-]+) -i inventories/prod", README, re.M)


def test_the_groups_of_its_inventory_are_those_of_the_scenarios_that_it_runs() -> None:
    assert scenarios() and set(scenarios()) <= set(GROUPS)
    for scenario in scenarios():
        assert set(INVENTORY) & {group for group, _variable in GROUPS[scenario]}, scenario
    known = {group for groups in GROUPS.values() for group, _variable in groups}
    assert set(INVENTORY) <= known
    assert [group for group in known if f"{group}:  " not in README and f"`{group}`" not in README] == [], "README names every group"
    assert set(ROLE_OF) == known


@pytest.mark.parametrize("group", sorted(ROLE_OF))
def test_the_documentation_of_a_role_names_its_group(group: str) -> None:
    variables = {variable for groups in GROUPS.values() for name, variable in groups if name == group}
    entry_points = yaml.safe_load((ROLES / ROLE_OF[group] / "meta" / "argument_specs.yml").read_text())["argument_specs"].values()
    said = " ".join(str(line) for entry_point in entry_points for line in entry_point["description"])
    assert f"group C({group})" in said and all(f"C({variable})" in said for variable in variables)
    for scenario, groups in GROUPS.items():
        if scenario in {path.stem.replace("_", "-") for path in LOOKING}:
            continue  # it goes to every group, and docs/health.md says to which for what
        assert group not in {name for name, _variable in groups} or f"C({scenario})" in said, scenario


@pytest.mark.parametrize("group", sorted(INVENTORY))
def test_its_variables_are_the_roles_and_have_values_that_the_guard_takes(group: str) -> None:
    given = INVENTORY[group]["vars"]
    options = specs.load_options(ROLES, ROLE_OF[group])
    assert set(given) <= set(options)
    values = {name: value for name, value in given.items() if "{{" not in str(value)}
    assert specs.value_errors(values, options) + specs.order_errors(values, options) == []


@pytest.mark.parametrize(("role", "variables"), [
    ("postgres", ("login_host", "login_port", "login_db", "login_user", "login_password")),
    ("redis", ("login_host", "login_port", "login_password")),
])
def test_where_a_server_is_stands_in_readme_and_is_a_basic_variable(role: str, variables: tuple[str, ...]) -> None:
    basic = specs.load_basic(ROLES, role)["main"]
    assert [name for name in variables if f"{role}_{name}:" not in README or f"{role}_{name}" not in basic] == []
