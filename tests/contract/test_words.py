# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person reads is usual technical English: words that were corrected once do not come back. tests/words.yml lists them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORDS: dict[str, Any] = yaml.safe_load((ROOT / "tests" / "words.yml").read_text(encoding="utf-8"))
EVERYWHERE, TASKS = WORDS["everywhere"], WORDS["tasks"]
#: Read by people, and written by us. CHANGELOG.md is of releases that are over.
PLACES = (
    "README.md", "CONTRIBUTING.md", "docs/**/*.md", "changelogs/fragments/*.yml", "roles/**/*.md", "roles/**/*.yml", "playbooks/**/*.yml",
    "plugins/**/*.yml", "inventories/**/*.yml", "inventories/**/*.md", "demo/**/*.md", "plugins/**/*.py", "src/**/*.py", "roles/**/*.py",
)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """What a file says to people, with lines: of Python its strings, which include its docstrings and its options."""
    said = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from enumerate(said.splitlines(), 1)
        return
    for node in ast.walk(ast.parse(said)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from enumerate(node.value.splitlines(), node.lineno)


@cache
def found() -> tuple[tuple[str, str], ...]:
    """Every place with such a word: the place, and what to write."""
    rules = [(re.compile(rule["pattern"], re.IGNORECASE), rule) for rule in EVERYWHERE]
    return tuple(
        (str(path.relative_to(ROOT)), f"{path.relative_to(ROOT)}:{line}: {match.group()!r}, write: {rule['instead']}: {text.strip()[:120]}")
        for place in PLACES for path in sorted(ROOT.glob(place)) for line, text in texts(path)
        for pattern, rule in rules if (match := pattern.search(text))
    )


def test_no_text_has_a_banned_word() -> None:
    assert [said for _path, said in found()] == []


def names(entries: Any) -> Iterator[str]:
    """The names of plays and tasks, those inside blocks too."""
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            yield str(entry.get("name", ""))
            for part in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers"):
                yield from names(entry.get(part))


def test_names_of_tasks_say_what_ansible_does() -> None:
    strange = []
    for path in sorted([*ROOT.glob("roles/*/tasks/**/*.yml"), *ROOT.glob("playbooks/**/*.yml")]):
        for name in names(yaml.safe_load(path.read_text(encoding="utf-8"))):
            strange += [f"{path.relative_to(ROOT)}: {name}: write {rule['instead']}" for rule in TASKS
                        if re.search(rule["pattern"], name, re.IGNORECASE)]
    assert strange == []


@pytest.mark.parametrize("rule", [*EVERYWHERE, *TASKS], ids=lambda rule: rule["wrong"])
def test_each_word_is_found_and_its_neighbour_is_not(rule: dict[str, str]) -> None:
    pattern = re.compile(rule["pattern"], re.IGNORECASE)
    assert pattern.search(rule["wrong"]) and not pattern.search(rule["right"]) and rule["instead"]
