# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL check is left out of a verdict only for a reason of the closed list."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils import _postgresql
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import NOT_APPLICABLE
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.absent import ABSENT, does_not_apply

HOME = Path(next(iter(_postgresql.__path__))).resolve()
SOURCES = [*sorted(HOME.rglob("*.py")), *sorted((HOME.parents[1] / "modules").glob("pg_*.py"))]
#: The kind of an error that stands for a reason.
BY_ERROR = {"not_installed"}


def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


def test_a_reason_is_told_in_a_sentence() -> None:
    found = does_not_apply("statements", "not_installed", of="shop", hint="Create it.")
    assert found.kind == NOT_APPLICABLE and found.hint == "Create it."
    assert found.reason == "not_installed: the extension pg_stat_statements is not in the database that is looked at (shop)"
    with pytest.raises(KeyError):
        does_not_apply("statements", "permission_denied")


def test_nothing_else_calls_a_check_not_applicable() -> None:
    assert len(SOURCES) > 40
    others = [
        path.name for path in SOURCES if path.name != "absent.py"
        and any(NOT_APPLICABLE in (str(getattr(node, "id", "")).lower(), getattr(node, "value", "")) for node in nodes(path))
    ]
    assert others == []


def test_every_reason_of_the_list_is_used_and_no_other() -> None:
    calls = [
        node for path in SOURCES for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "does_not_apply"
    ]
    codes = {call.args[1].value for call in calls if isinstance(call.args[1], ast.Constant)}
    assert len(calls) >= len(ABSENT) and codes | BY_ERROR == set(ABSENT)
