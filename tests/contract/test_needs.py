# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scenario needs is said in the head of its playbook, in lines that the guard understands, of variables that there are."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import needs
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.specs import load_options

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = sorted(path for path in (ROOT / "playbooks").glob("*.yml") if not path.name.startswith("_"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_line_is_understood(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(needs.read(text)) == len(needs.lines(text)), needs.lines(text)
    roles = [one.name for one in (ROOT / "roles").iterdir() if (one / "meta" / "argument_specs.yml").is_file()]
    options = {name: spec for role in roles for name, spec in load_options(ROOT / "roles", role).items()}
    for need in needs.read(text):
        named = [need.variable.partition(".")[0], need.name.strip("{}") if need.name.startswith("{") else ""]
        assert [name for name in named if name and name not in options] == []
        choices = options.get(need.variable, {}).get("choices")
        assert not choices or set(need.values) <= set(choices), need


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_with_the_plays_of_another_file_says_its_name(path: Path) -> None:
    """The guard reads the head of that file, not of the one with the plays."""
    for play in yaml.safe_load(path.read_text(encoding="utf-8")):
        if play.get("ansible.builtin.import_playbook") == "_subject.yml":
            assert play["vars"]["scenario_name"] == path.stem


def test_an_execution_environment_has_what_the_controller_needs() -> None:
    python = (ROOT / "meta" / "ee-requirements.txt").read_text(encoding="utf-8")
    system = (ROOT / "meta" / "ee-bindep.txt").read_text(encoding="utf-8")
    packages = {"ssh": "openssh-client", "kubectl": "kubernetes-client"}
    wanted = {(need.kind, str(need).split(" ")[0]) for path in SCENARIOS for need in needs.read(path.read_text(encoding="utf-8"))
              if need.place == needs.CONTROLLER}
    for kind, name in sorted(wanted):
        assert kind != needs.COLLECTION, f"{name}: name it in meta/execution-environment.yml, and here"
        there = python if kind == needs.LIBRARY else system
        assert packages.get(name, name) in there, name
