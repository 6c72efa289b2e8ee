# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Redis check is left out of a verdict only for a reason of the closed list."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils import _redis
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import NOT_APPLICABLE
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.absent import ABSENT, does_not_apply, product_lacks

HOME = Path(next(iter(_redis.__path__))).resolve()
SOURCES = [*sorted(HOME.rglob("*.py")), *sorted((HOME.parents[1] / "modules").glob("redis_*.py"))]


def calls_of(path: Path, name: str) -> list[ast.Call]:
    found = ast.walk(ast.parse(path.read_text()))
    return [node for node in found if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name]


def test_a_reason_is_told_in_a_sentence() -> None:
    found = does_not_apply("errors", "not_counted", of="total_error_replies")
    assert found.kind == NOT_APPLICABLE
    assert found.reason == "not_counted: this product or version does not count it (total_error_replies)"
    with pytest.raises(KeyError):
        does_not_apply("errors", "not_permitted")


def test_nothing_else_calls_a_check_not_applicable() -> None:
    assert len(SOURCES) > 25
    made = [path.name for path in SOURCES for call in calls_of(path, "Skipped") if any(word.arg == "kind" for word in call.keywords)]
    assert made == ["absent.py"] and all(len(call.args) <= 3 for path in SOURCES for call in calls_of(path, "Skipped"))


def test_every_reason_of_the_list_is_used_and_no_other() -> None:
    codes = [call.args[1] for path in SOURCES for call in calls_of(path, "does_not_apply")]
    assert all(isinstance(code, ast.Constant) for code in codes)
    assert {code.value for code in codes if isinstance(code, ast.Constant)} == set(ABSENT)


@pytest.mark.parametrize(("info", "field", "lacks"), [
    ({"redis_version": "6.0.16"}, "total_error_replies", True),
    ({"redis_version": "6.2.0"}, "total_error_replies", False),
    ({"redis_version": "7.2.4", "valkey_version": "8.1.0"}, "total_error_replies", False),
    ({"redis_version": "7.0.15"}, "rejected_connections", False),
    ({"redis_version": "7.4.0", "dragonfly_version": "df-v1.36.0"}, "rejected_connections", True),
    ({"redis_version": "new"}, "total_error_replies", False),
    ({}, "total_error_replies", False),
])
def test_only_a_product_that_is_known_to_lack_a_field_lacks_it(info: dict[str, str], field: str, lacks: bool) -> None:
    """A field that is hidden could not be looked at."""
    assert product_lacks(info, field) is lacks
