# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each entry point has few basic variables, and the READMEs' tables are what the argument specs say."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import specs

from tools import role_readmes

ROLES = Path(__file__).resolve().parents[2] / "roles"
NAMES = role_readmes.roles(ROLES)


@pytest.mark.parametrize("role", NAMES)
def test_every_entry_point_has_its_basic_variables(role: str) -> None:
    entry_points = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    for entry_point, basic in specs.load_basic(ROLES, role).items():
        options = entry_points[entry_point].get("options") or {}
        assert set(basic) <= set(options), f"{role}/{entry_point} does not have {set(basic) - set(options)}"
        assert bool(basic) == bool(options), f"{role}/{entry_point}: its description names no basic variables (docs/variables.md)"
        assert len(basic) == len(set(basic)) <= specs.MOST_BASIC, f"{role}/{entry_point}: {len(basic)} basic variables are too many"


@pytest.mark.parametrize("role", NAMES)
def test_the_tables_of_a_readme_are_up_to_date(role: str) -> None:
    text = (ROLES / role / "README.md").read_text()
    assert role_readmes.page(text, ROLES, role) == text, "run python -m tools.role_readmes"


def test_basic_ones_come_first_and_the_rest_is_advanced(tmp_path: Path) -> None:
    path = tmp_path / "some" / "meta" / "argument_specs.yml"
    path.parent.mkdir(parents=True)
    others = {f"some_{number}": {"description": "Other | rest. Not this.", "type": "int", "default": number} for number in range(11)}
    path.write_text(yaml.safe_dump({"argument_specs": {"main": {
        "description": ["What it does.", "Basic variables: O(some_10), O(some_2). All others are advanced."], "options": others,
    }}}))
    page = role_readmes.page("# Some\n", tmp_path, "some")
    first, advanced = page.split("### Advanced")
    assert [line.split("`")[1] for line in first.splitlines() if line.startswith("| `")] == ["some_10", "some_2"]
    assert advanced.count("| `some_") == 9 and "| `some_0` | `0` |" in advanced and "Other \\| rest. |" in advanced
    assert role_readmes.page(page, tmp_path, "some") == page
    assert role_readmes.page(page.replace("some_10", "some_11"), tmp_path, "some") == page
