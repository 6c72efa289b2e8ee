# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A check does not apply for a reason of its subject's closed list alone.

One that is asked counts as answered then, so free text would hide blindness.
"""

from __future__ import annotations

import ast
import functools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "plugins" / "module_utils"
#: The engine, which passes on what a subject says.
ENGINE = "_core"
#: A function that says it looks the reason up in the list, or says one of it by its name.
LIST, BY_NAME = "ABSENT", "NO_TARGET"
#: The certificate's copies of files have a kind of that name too.
OTHERS = {"_certificate/renewal/backup.py"}
SOURCES = [path for path in sorted([*HOME.rglob("*.py"), *(ROOT / "plugins" / "modules").glob("*.py")])
           if path.relative_to(ROOT).parts[2] != ENGINE and not str(path).endswith(tuple(OTHERS))]


@functools.cache
def tree(path: Path) -> ast.Module:
    """A file, parsed once."""
    return ast.parse(path.read_text(encoding="utf-8"))


def says_it(node: ast.AST) -> bool:
    """Whether this is the word."""
    return getattr(node, "id", "") == "NOT_APPLICABLE" or getattr(node, "value", "") == "not_applicable"


def free(module: ast.Module) -> Iterator[str]:
    """The functions that make such a verdict, or the kind of one, and do not look into a list. Comparing with the word makes none."""
    for function in (node for node in ast.walk(module) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))):
        compared = {id(one) for node in ast.walk(function) if isinstance(node, ast.Compare) for one in ast.walk(node)}
        names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
        if any(says_it(node) and id(node) not in compared for node in ast.walk(function)) and names.isdisjoint({LIST, BY_NAME}):
            yield function.name


def test_no_subject_calls_a_check_not_applicable_for_another_reason() -> None:
    assert {str(path.relative_to(ROOT)): found for path in SOURCES if (found := list(free(tree(path))))} == {}


def lists() -> dict[str, list[ast.expr]]:
    """The keys of each list, by its file."""
    found = {}
    for path in SOURCES:
        for node in tree(path).body:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target if isinstance(node, ast.AnnAssign) else None
            if isinstance(target, ast.Name) and target.id == LIST and isinstance(node, (ast.Assign, ast.AnnAssign)):
                value = node.value
                found[str(path.relative_to(HOME))] = [
                    key for key in (value.keys if isinstance(value, ast.Dict) else getattr(value, "elts", [])) if key is not None
                ]
    return found


def test_every_subject_that_needs_one_has_a_list() -> None:
    assert {name.partition("/")[0] for name in lists()} == {
        "_bans", "_certificate", "_firewall", "_host", "_logins", "_postgresql", "_probe", "_redis", "_service",
    }


@pytest.mark.parametrize("name", lists())
def test_every_reason_of_a_list_is_used(name: str) -> None:
    subject = name.partition("/")[0]
    files = [path for path in SOURCES if subject in path.parts or (subject == "_postgresql" and path.name.startswith("pg_"))]
    nodes = [node for path in files for node in ast.walk(tree(path)) if isinstance(node, (ast.Constant, ast.Name))]
    words = Counter(str(node.value if isinstance(node, ast.Constant) else node.id) for node in nodes)
    unused = [ast.unparse(key) for key in lists()[name] if words[str(getattr(key, "value", None) or getattr(key, "id", ""))] < 2]
    assert unused == []


@pytest.mark.parametrize(("source", "found"), [
    ('def f():\n    return Skipped("a", "It is so.", kind=NOT_APPLICABLE)', ["f"]),
    ('def f(gone):\n    return Skipped("a", gone, kind=NOT_APPLICABLE if gone else COULD_NOT_LOOK)', ["f"]),
    ('def f(code):\n    return Skipped("a", ABSENT[code], kind="not_applicable")', []),
    ("def f(one):\n    return one.kind == NOT_APPLICABLE", []),
])
def test_free_text_is_found(source: str, found: list[str]) -> None:
    assert list(free(ast.parse(source))) == found
