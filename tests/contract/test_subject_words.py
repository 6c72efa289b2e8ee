# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A subject names its own targets: the wrapper knows none of their keys, and nobody takes an action's id apart."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Keys of targets that are no other thing's name too.
KEYS = frozenset(
    "usename datname application_name client_addr client_port backend_start gid jail inode maxclients expected_keys primary".split(),
)
#: What takes an id apart. Its parts are data: Action.verb, resource, identity.
TAKEN_APART = re.compile(
    r"""(?:split|partition|startswith|endswith)\(\s*f?["'][^"']*\||\bid(?:\.(?:r?split|r?partition|startswith|endswith)\(|\[)""",
)


def test_the_wrapper_names_no_keys_of_a_subject() -> None:
    offenders = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}" for path in sorted((ROOT / "src").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant) and node.value in KEYS
    ]
    assert not offenders, "Give the action or the spared target a name where its subject makes it:\n" + "\n".join(offenders)


def test_ids_are_not_taken_apart() -> None:
    offenders = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}" for room in ("plugins", "src") for path in sorted((ROOT / room).rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1) if TAKEN_APART.search(line)
    ]
    assert not offenders, "\n".join(offenders)
