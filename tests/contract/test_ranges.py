# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every number and duration of a role has a range, which is that of the argument it becomes: the guard and the module agree."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.oncall.incident.plugins.module_utils._core import ranges
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import specs

from tests.support.run_module import run_module

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.parents[1].name for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"))
DURATION = re.compile(r"\d+(ms|s|m|h|d)\Z")
NUMBERS = ("int", "float")
#: Numbers that may be anything, and why.
WITHOUT: Mapping[str, str] = {}


def numeric(option: Mapping[str, Any]) -> bool:
    """Whether an option is a number or a duration, or a list of them; a duration that is off by default has one as an example."""
    if option.get("type", "str") in NUMBERS or option.get("elements") in NUMBERS:
        return True
    if option.get("type", "str") != "str" or option.get("choices"):
        return False
    examples = re.findall(r"V\(([^)]*)\)", str(option.get("description"))) if option.get("default") == "" else []
    return any(DURATION.match(text) for text in (str(option.get("default", "")), *examples))


def all_options() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Role, name and documentation of every variable."""
    for role in ROLES:
        for name, option in specs.load_options(ROOT / "roles", role).items():
            yield role, name, option


def test_every_number_and_duration_of_a_role_has_a_range() -> None:
    names = {name for _, name, option in all_options() if numeric(option)}
    assert sorted(name for name in names if specs.range_of(name) is None and name not in WITHOUT) == []
    assert sorted(WITHOUT.keys() - names) == []


def test_numbers_inside_of_a_variable_have_one() -> None:
    inside = {
        f"{name}.{member}": specs.MEMBERS.get(name, "") for _, name, option in all_options()
        for member, sub in (option.get("options") or {}).items() if numeric(sub)
    }
    known = ranges.ARGUMENTS
    assert sorted(name for name, of in inside.items() if not {name.partition(".")[2], f"{of}{name.partition('.')[2]}"} & known.keys()) == []


def test_the_tables_name_variables_that_exist() -> None:
    known = {name for _, name, _ in all_options()}
    ordered = {name for pair in specs.IN_ORDER for name in pair}
    assert sorted((specs.VARIABLES.keys() | specs.MEMBERS.keys() | ordered) - known) == []


@pytest.mark.parametrize("role", ROLES)
def test_a_default_is_within_its_range(role: str) -> None:
    options = specs.load_options(ROOT / "roles", role)
    defaults = {name: option["default"] for name, option in options.items() if "default" in option}
    assert specs.value_errors(defaults, options) + specs.order_errors(defaults, options) == []


def test_the_argument_of_a_variable_is_one_that_it_becomes() -> None:
    """Else the guard would judge by another range than the module."""
    strange = []
    for role in ROLES:
        given = dict(arguments_of(role))
        for name, stated in specs.VARIABLES.items():
            if name in specs.load_options(ROOT / "roles", role) and isinstance(stated, str):
                member = stated.rpartition(".")[2]
                if member not in given.get(name, {member} if name.startswith("incident_") else set()):
                    strange.append(f"{name}: {stated}, becomes {sorted(given.get(name, ()))}")
    assert not strange, "\n".join(strange)


def arguments_of(role: str) -> Iterator[tuple[str, set[str]]]:
    """By variable, the names of the arguments (and of the variables of included roles) whose values it stands in."""
    pairs: list[tuple[str, str]] = []
    for path in sorted((ROOT / "roles" / role).glob("*/**/*.yml")) + sorted((ROOT / "roles" / role / "vars").glob("*.yml")):
        if path.parent.name not in ("meta", "defaults"):
            pairs += members(yaml.safe_load(path.read_text(encoding="utf-8")))
    for name in specs.load_options(ROOT / "roles", role):
        keys = {key for key, value in pairs if re.search(rf"\b{name}\b", value)}
        # A variable of the role that finds the way, which has an argument itself.
        yield name, {str(specs.VARIABLES.get(key, key.removeprefix("reach_"))) for key in keys}


def members(found: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text below a YAML document with the key that it stands under."""
    if isinstance(found, dict):
        for name, value in found.items():
            yield from members(value, str(name))
    elif isinstance(found, list):
        for value in found:
            yield from members(value, key)
    elif isinstance(found, str):
        yield key, found


@pytest.mark.parametrize(("module", "given", "wrong"), [
    ("pg_terminate_long_queries", {}, {"max_victims": -1}), ("pg_terminate_long_queries", {}, {"max_percent": 101.5}),
    ("pg_health", {}, {"connect_timeout": "0s"}), ("redis_health", {}, {"login_port": 65536}),
    ("redis_client_kill", {}, {"max_victims": -1}),
    ("redis_cache_clear", {"pattern": "a:*"}, {"max_keys": -1}), ("cert_expiry", {"endpoints": ["192.0.2.1:443"]}, {"workers": 513}),
    ("disk_health", {"path": "/"}, {"warning_percent": -1.5}), ("port_health", {"ports": [22]}, {"timeout": "0s"}),
    ("port_health", {}, {"ports": [0]}), ("http_health", {}, {"probes": [{"url": "http://192.0.2.1/", "max_time": "0s"}]}),
    ("service_instances", {"name": "x", "runtime": "systemd"}, {"timeout": "2d"}), ("failed_logins", {}, {"warning_count": -1}),
])
def test_a_module_refuses_what_the_table_does(module: str, given: dict[str, Any], wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as caught:
        ranges.require(wrong)
    result = run_module(module, **given, **wrong)
    assert result.get("failed") and result["error"] == "bad_input"
    assert result["msg"] == f"{caught.value.message} {caught.value.hint}"


def test_an_argument_of_the_table_is_a_number_or_a_time_in_every_module() -> None:
    """One that is something else somewhere is named in the table, so that it is not judged there."""
    found = {
        f"{path.stem}.{name}: {kind}"
        for path in (ROOT / "plugins" / "modules").glob("*.py")
        for name, option in (documentation(path).get("options") or {}).items() if name in ranges.ARGUMENTS
        for kind in [option.get("elements") if option.get("type") == "list" else option.get("type", "str")]
        if kind not in NUMBERS and not (kind == "str" and ranges.ARGUMENTS[name].time) and not (kind == "bool" and name in ranges.FLAGS)
    }
    assert found == set()


def documentation(path: Path) -> dict[str, Any]:
    """What a module says of itself."""
    text = re.search(r'^DOCUMENTATION = r"""$(.*?)^"""$', path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert text, path
    found: dict[str, Any] = yaml.safe_load(text[1])
    return found


def test_nobody_writes_a_range_down_again() -> None:
    """A port or a share in percent is judged by the table; these files read ports from what others wrote."""
    reading = {"_certificate/decisions/targets.py", "_core/addresses.py", "_redis/decisions/topology.py"}
    again = []
    for path in sorted((ROOT / "plugins" / "module_utils").rglob("*.py")):
        here = path.relative_to(ROOT / "plugins" / "module_utils").as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            numbers = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)} if isinstance(node, ast.Compare) else set()
            if numbers & {65535, 65536} and here not in reading and not here.startswith("_firewall/"):
                again.append(f"{here}:{node.lineno}")
    assert again == []
