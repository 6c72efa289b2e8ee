# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles only wire: they rename values, pass them on, look them up and test flags. What decides is Python, where unit tests reach it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest
import yaml
from jinja2 import nodes

from tests.support.entry_points import load, tasks

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path for place in ("incident/*.yml", "playbooks/*.yml", "roles/*/defaults/*.yml", "roles/*/vars/*.yml", "roles/*/tasks/**/*.yml")
    for path in ROOT.glob(place)
)
#: What may stay although it computes: a file, a part of the expression, and why. An entry that is no longer needed fails the test.
ALLOWED = {
    ("playbooks/firewall_unblock.yml", "fail2ban_resolve"): "names stand for addresses only where they are resolved",
    ("roles/drill/tasks/state.yml", "map('quote')"): "each word of a command line is quoted",
    ("roles/service/tasks/optional/restore_pool.yml", "item.temporary.undo.file"): "is it the setting that was changed",
}
#: Keys whose value is an expression without braces.
CONDITIONS = {"when", "that", "until", "changed_when", "failed_when", "needed", "looked"}
#: Filters that convert, give a default, or lay lists and dictionaries together. Those of the collection have unit tests.
FILTERS = {
    "bool", "combine", "default", "first", "flatten", "human_to_bytes", "int", "join", "length", "list", "quote", "reverse", "to_json",
    "trim", "truncate",
}
OURS = "oncall.incident."
CALLS = {"lookup", "splitlines"}
JINJA = jinja2.Environment(autoescape=False)
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
ARITHMETIC = (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.Neg)


def scalars(node: yaml.Node | None, key: str = "") -> Iterator[tuple[str, yaml.ScalarNode]]:
    """Every text of a file with the key that it stands under; an item of a list with the list's."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            yield from scalars(value, name.value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from scalars(item, key)
    elif isinstance(node, yaml.ScalarNode):
        yield key, node


def is_constant(node: nodes.Node) -> bool:
    """Whether an operand is written out."""
    return isinstance(node, nodes.Const) or (isinstance(node, (nodes.List, nodes.Tuple)) and all(map(is_constant, node.items)))


def computing(node: nodes.Node, *, in_vars: bool) -> str:
    """What a node of an expression computes; empty when it only wires."""
    if isinstance(node, nodes.CondExpr):
        return "if ... else"
    if isinstance(node, (*ARITHMETIC, nodes.Concat)):
        return "arithmetic or text put together"
    if isinstance(node, nodes.Filter) and node.name not in FILTERS and not node.name.startswith(OURS):
        return f"filter {node.name}"
    if isinstance(node, nodes.Call):
        name = node.node.name if isinstance(node.node, nodes.Name) else getattr(node.node, "attr", "?")
        return "" if name in CALLS else f"call of {name}"
    if isinstance(node, nodes.Test) and node.name == "changed":
        return ""  # a flag of a result
    if isinstance(node, (nodes.Compare, nodes.And, nodes.Not, nodes.Test)) and in_vars:
        return "a comparison or a test"
    if isinstance(node, nodes.Compare) and not (len(node.ops) == 1 and (is_constant(node.expr) or is_constant(node.ops[0].expr))):
        return "a comparison with something computed"
    return ""


def problems(text: str, *, condition: bool = False, in_vars: bool = False) -> list[str]:
    """What an expression, or a text with expressions, holds that is more than wiring."""
    if "{%" in text:
        return ["a statement"]
    if not condition and "{{" not in text:
        return []
    tree = JINJA.parse(f"{{{{ ({text}) }}}}" if condition else text)
    words = [data for data in tree.find_all(nodes.TemplateData) if " " in data.data.strip()] if in_vars else []
    found = ["a sentence put together"] if words else []
    return found + [said for node in tree.find_all(nodes.Node) if (said := computing(node, in_vars=in_vars))]


def test_playbooks_and_roles_only_wire() -> None:
    offenders, used = [], set()
    for path in FILES:
        name = str(path.relative_to(ROOT))
        for key, node in scalars(yaml.compose(path.read_text(encoding="utf-8"), Loader=LOADER)):
            found = problems(node.value, condition=key in CONDITIONS, in_vars="/tasks/" not in name and name.startswith("roles/"))
            excuses = {entry for entry in ALLOWED if entry[0] == name and entry[1] in node.value} if found else set()
            used |= excuses
            if found and not excuses:
                offenders.append(f"{name}:{node.start_mark.line + 1}: {key}: {', '.join(dict.fromkeys(found))}")
    assert offenders == []
    assert sorted(set(ALLOWED) - used) == [], "no longer needed"


def test_what_is_said_of_a_recovery_is_made_once() -> None:
    """By the engine's module for it, and not in a role."""
    assert [str(path.relative_to(ROOT)) for path in FILES if "Not recovered" in path.read_text(encoding="utf-8")] == []
    sources = [path for path in (ROOT / "plugins").rglob("*.py") if path.parent.name != "modules"]  # these have it in samples
    assert [path.name for path in sources if '"Not recovered' in path.read_text(encoding="utf-8")] == ["recovery.py"]


def test_that_another_run_acts_is_worded_once() -> None:
    sources = [path for path in (ROOT / "plugins").rglob("*.py") if path.parent.name != "modules"]
    assert [path.name for path in sources if "is acting on" in path.read_text(encoding="utf-8")] == ["errors.py"]


@pytest.mark.parametrize("text", [
    "{{ a.b or omit }}", "{{ table[name] | default([]) }}", "{{ a | bool }}", "plain text if it is", "{{ directory }}/live",
    "{{ a | oncall.incident.spent(verbs=['x']) }}", "{{ a is changed }}", "{{ a | combine({'b': c}) }}",
])
def test_wiring_is_wiring_everywhere(text: str) -> None:
    assert problems(text, in_vars=True) == []


@pytest.mark.parametrize("text", [
    "x | length > 0 and not ansible_check_mode", "backend != 'none'", "'drillable' in group_names", "measured.rc in [0, 1]",
    "a is defined or b | bool", "x is match('^a')",
])
def test_a_condition_tests_flags(text: str) -> None:
    assert problems(text, condition=True) == []


@pytest.mark.parametrize(("text", "said"), [
    ("{% for one in all %}x{% endfor %}", "a statement"), ("{{ a if b else c }}", "if ... else"), ("{{ a + [b] }}", "arithmetic"),
    ("{{ 'x' ~ a }}", "put together"), ("{{ all | selectattr('x') | list }}", "filter selectattr"), ("{{ all | map('x') }}", "filter map"),
    ("{{ a.split(',') }}", "call of split"), ("{{ range(3) }}", "call of range"), ("{{ a == 'x' }}", "comparison"), ("{{ not a }}", "test"),
    ("It serves {{ a }}.", "sentence"),
])
def test_more_than_wiring_is_found_in_vars(text: str, said: str) -> None:
    assert any(said in problem for problem in problems(text, in_vars=True))


@pytest.mark.parametrize(("text", "said"), [
    ("a | length > b | length", "something computed"), ("0 < a < b", "something computed"), ("a + 1 == 2", "arithmetic"),
    ("all | selectattr('x') | length > 0", "filter selectattr"), ("a if b else c", "if ... else"),
])
def test_more_than_flags_is_found_in_conditions(text: str, said: str) -> None:
    assert any(said in problem for problem in problems(text, condition=True))


def test_what_a_module_decided_from_is_kept_when_it_fails() -> None:
    """It stands in the result's invocation, which ansible-core leaves out since 2.21 where nobody asks for it."""
    recording = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if "\nreading:\n" in path.read_text()}
    assert recording
    silent = []
    for role in sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir()):
        told = "".join(path.read_text() for path in role.glob("tasks/**/*.yml"))
        variables = role / "vars" / "main.yml"
        known = yaml.load(variables.read_text(), Loader=LOADER) if variables.exists() else {}
        if any(f"{OURS}{name}:" in told for name in recording) and not (known or {}).get("ansible_inject_invocation"):
            silent.append(role.name)
    assert silent == []


def test_who_names_one_service_is_not_narrowed_by_a_host_s_service_names() -> None:
    """`service_names` of an inventory or a command line chooses from the host's list; another role's service is not of it."""
    named = [
        (path, task["vars"]) for path in sorted(ROOT.glob("roles/*/tasks/**/*.yml")) if path.relative_to(ROOT).parts[1] != "service"
        for task in tasks(load(path)) if "service_name" in task.get("vars", {})
    ]
    assert len(named) >= 5
    assert [str(path.relative_to(ROOT)) for path, given in named if "service_names" not in given] == []
