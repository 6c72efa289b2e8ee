# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's many faces say the same: versions, names, tables, action groups, argument specs."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from ansible_collections.oncall.incident.plugins.doc_fragments import postgresql, redis
from ansible_collections.oncall.incident.plugins.module_utils._postgresql import args as postgresql_args
from ansible_collections.oncall.incident.plugins.module_utils._redis import args as redis_args
from typer.core import TyperGroup

from oncall_incident import cli

ROOT = Path(__file__).resolve().parents[2]
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text())
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
PAGES = ["README.md", *sorted(f"roles/{path.parent.name}/README.md" for path in (ROOT / "roles").glob("*/README.md"))]
SCENARIOS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml") if not path.name.startswith("_"))
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if (path / "tasks").is_dir())


# A file without main() is the documentation of the action plugin of the same name.
RUNNABLE = [name for name in MODULES if "def main(" in (ROOT / "plugins" / "modules" / f"{name}.py").read_text()]


def documentation(module: str) -> dict[str, Any]:
    """A module's DOCUMENTATION, read without importing it."""
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "DOCUMENTATION":
            found: dict[str, Any] = yaml.safe_load(ast.literal_eval(node.value))
            return found
    raise AssertionError(f"{module} has no DOCUMENTATION")


def first_column(heading: str) -> list[str]:
    """The names in the first column of the reference's first table under a heading."""
    section = REFERENCE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0].split("\n### ", 1)[0]
    return re.findall(r"^\| \[?`([^`]+)`(?:\]\([^)]*\))? \|", section, flags=re.MULTILINE)


def test_versions_are_one() -> None:
    versions = {"galaxy.yml": GALAXY["version"], "pyproject.toml": PYPROJECT["project"]["version"]}
    released = ROOT / "changelogs" / "changelog.yaml"
    if released.is_file():
        versions["changelog"] = list(yaml.safe_load(released.read_text())["releases"])[-1]
    assert len(set(versions.values())) == 1, versions


def test_galaxy_takes_the_metadata() -> None:
    """What Galaxy's importer refuses and ansible-galaxy builds all the same."""
    assert all(len(author) <= 64 for author in GALAXY["authors"])
    assert len(GALAXY["tags"]) <= 20 and GALAXY["description"] and GALAXY["license"]
    assert all((ROOT / "roles" / role / "README.md").is_file() for role in ROLES)


def version(text: object) -> list[int]:
    """A version's numbers."""
    return [int(part) for part in str(text).split(".")]


def test_nothing_was_added_in_a_version_to_come() -> None:
    added = {module: documentation(module)["version_added"] for module in MODULES}
    assert {module: said for module, said in added.items() if version(said) > version(GALAXY["version"])} == {}


def commands(group: TyperGroup, before: str) -> list[str]:
    """The commands below a group, as they are typed."""
    found = []
    for name, command in group.commands.items():
        inner = commands(command, f"{before} {name}") if isinstance(command, TyperGroup) else []
        found += inner or [f"{before} {name}"]
    return found


def test_the_reference_lists_every_command() -> None:
    app = typer.main.get_command(cli.app)
    assert isinstance(app, TyperGroup)
    assert sorted(first_column("Commands")) == sorted(commands(app, "incident"))


def test_the_reference_lists_every_role() -> None:
    assert sorted(first_column("Roles")) == ROLES


def test_the_reference_lists_every_scenario() -> None:
    assert sorted(first_column("Scenarios")) == [name.replace("_", "-") for name in SCENARIOS]


def test_the_reference_lists_every_module_and_plugin() -> None:
    actions = {path.stem for path in (ROOT / "plugins" / "action").glob("*.py")}
    callbacks = {path.stem for path in (ROOT / "plugins" / "callback").glob("*.py")}
    assert sorted(first_column("Modules and plugins")) == sorted({*MODULES, *actions, *callbacks})


def test_the_reference_lists_every_filter_and_lookup() -> None:
    plugins = {path.stem for pattern in ("filter/*.yml", "lookup/*.py") for path in (ROOT / "plugins").glob(pattern)}
    assert sorted(first_column("Filters and lookups")) == sorted(plugins)


def test_every_scenario_can_be_called_by_path() -> None:
    by_path = {scenario: yaml.safe_load((ROOT / "incident" / f"{scenario.replace('_', '-')}.yml").read_text()) for scenario in SCENARIOS}
    imported = {
        scenario: [play["ansible.builtin.import_playbook"] for play in plays if "ansible.builtin.import_playbook" in play]
        for scenario, plays in by_path.items()
    }
    assert imported == {scenario: [f"../playbooks/{scenario}.yml"] for scenario in SCENARIOS}
    # AWX lists only files in which a line begins a play of its own; older ones do not know the long form of the import.
    assert [scenario for scenario, plays in by_path.items() if not any("hosts" in play for play in plays)] == []


def test_every_scenario_describes_itself() -> None:
    texts = {scenario: (ROOT / "playbooks" / f"{scenario}.yml").read_text() for scenario in SCENARIOS}
    assert [scenario for scenario, text in texts.items() if not re.search(r"(?m)^# description: \S", text)] == []


def test_action_groups_name_every_module() -> None:
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
    assert groups["all"] == RUNNABLE
    fragments = {name: documentation(name).get("extends_documentation_fragment", []) for name in RUNNABLE}
    for subject, prefix in {"postgresql": "pg_", "redis": "redis_"}.items():
        members = [name for name in RUNNABLE if f"oncall.incident.{subject}" in fragments[name]]
        assert groups.get(subject, []) == members
        assert all(name in members for name in MODULES if name.startswith(prefix))


@pytest.mark.parametrize(("fragment", "args"), [(postgresql, postgresql_args), (redis, redis_args)])
def test_connection_arguments_are_documented_as_they_are(fragment: Any, args: Any) -> None:
    documented = yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"]

    def essence(options: dict[str, Any]) -> dict[str, Any]:
        kept = ("type", "elements", "default", "choices", "required")
        return {
            name: {
                **{key: option[key] for key in kept if key in option},
                "options": essence(option.get("suboptions") or option.get("options") or {}),
            }
            for name, option in options.items()
        }

    assert essence(documented) == essence(args.connection_spec())


@pytest.mark.parametrize("role", ROLES)
def test_role_defaults_are_documented_as_they_are(role: str) -> None:
    base = ROOT / "roles" / role
    defaults = yaml.safe_load((base / "defaults" / "main.yml").read_text()) or {}
    entry_points = yaml.safe_load((base / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    seen: dict[str, Any] = {}
    for entry_point, spec in entry_points.items():
        for name, option in spec.get("options", {}).items():
            if "default" in option:
                assert seen.setdefault(name, option["default"]) == option["default"], f"{entry_point}: {name} has another default elsewhere"
    plain = {name: value for name, value in defaults.items() if "{{" not in str(value)}
    shared = {name for name in seen if name.startswith(f"{role}_")}
    assert {name: seen.get(name) for name in plain} == plain
    assert shared <= set(defaults), "documented defaults that are not set"


def test_every_entry_point_of_a_role_is_documented() -> None:
    undocumented = {}
    for role in ROLES:
        entries = {path.stem for path in (ROOT / "roles" / role / "tasks").glob("*.yml")} & {"investigate", "mitigate", "verify"}
        specs = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
        undocumented[role] = entries - set(specs)
    assert {role: entries for role, entries in undocumented.items() if entries} == {}


def test_the_wheel_asks_for_what_is_tested() -> None:
    """Every dependency of the wheel has its pin, and the execution environment asks for no more than the wheel."""
    pins = {
        _name(line): line for line in (ROOT / "requirements" / "run.txt").read_text().splitlines() if line and line[0] not in "#-"
    }
    asked = {_name(line) for line in PYPROJECT["project"]["dependencies"]}
    assert asked <= set(pins), "dependencies without a pin"
    in_environment = {
        _name(line) for line in (ROOT / "meta" / "ee-requirements.txt").read_text().splitlines() if line and not line.startswith("#")
    }
    assert in_environment <= asked


def test_the_faults_of_drills_alone_need_the_extra_drill() -> None:
    extra = {_name(line) for line in PYPROJECT["project"]["optional-dependencies"]["drill"]}
    assert extra == {"redis"} and not extra & {_name(line) for line in PYPROJECT["project"]["dependencies"]}
    importing = re.compile(rf"^\s*(?:import|from) (?:{'|'.join(extra)})\b", flags=re.MULTILINE)
    shipped = [path for room in ("plugins", "roles", "src", "demo") for path in (ROOT / room).rglob("*.py")]
    faults = ROOT / "roles" / "drill" / "files" / "faults"
    assert {path for path in shipped if importing.search(path.read_text())} == {faults / "redis_cut_off.py", faults / "redis_poison.py"}


def test_every_dependency_is_explained() -> None:
    explained = (ROOT / "docs" / "dependencies.md").read_text()
    for path in (ROOT / "requirements").glob("*.txt"):
        for line in path.read_text().splitlines() if path.stem not in {"constraints", "unit39"} else ():
            if line and line[0] not in "#-":
                assert f"`{_name(line)}`" in explained, f"{path.name}: {line}"


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=;~! ]", requirement, maxsplit=1)[0].lower()


@pytest.mark.parametrize("page", PAGES)
def test_examples_of_a_page_are_real(page: str) -> None:
    """They parse and their variables exist; tests/integration/guards has Ansible's own syntax check of those that are playbooks."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    assert blocks
    playbooks = "".join((ROOT / "playbooks" / f"{scenario}.yml").read_text() for scenario in SCENARIOS)
    known = set(re.findall(r"\bvariable: (incident_\w+)", playbooks))
    for role in ROLES:
        entry_points = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
        known |= {name for entry_point in entry_points.values() for name in entry_point.get("options", {})}
    for block in blocks:
        yaml.safe_load(block)
        assert set(re.findall(rf"\b((?:{'|'.join(ROLES)})_\w+):", block)) <= known
