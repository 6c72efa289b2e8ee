# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core import actions
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.limits import Budget, spent


@pytest.mark.parametrize(
    ("count", "percent", "spent", "population", "allowed"),
    [
        (10, 25, 0, 100, 10), (10, 25, 0, 20, 5), (10, 25, 0, 3, 1), (10, 0, 0, 100, 0), (0, 25, 0, 100, 0),
        (10, None, 0, 3, 10), (10, 25, 4, 96, 6), (10, 25, 10, 90, 0), (10, 25, 99, 90, 0), (10, 25, 5, 15, 0), (10, 100, 0, 0, 1),
    ],
)
def test_allowance(count: int, percent: float | None, spent: int, population: int, allowed: int) -> None:
    assert Budget(max_count=count, max_percent=percent, spent=spent).allowance(population) == allowed


@pytest.mark.parametrize("kwargs", [
    {"max_count": -1}, {"max_count": 1, "spent": -1}, {"max_count": 1, "max_percent": 101}, {"max_count": 1, "max_percent": -0.1},
])
def test_senseless_limits_are_refused(kwargs: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        Budget(**kwargs)  # type: ignore[arg-type]


def test_what_is_spent_is_no_limit_and_not_in_the_hash() -> None:
    assert Budget(max_count=1, spent=3).as_dict() == Budget(max_count=1).as_dict()


def acted(verb: str, outcome: str, *, touched: bool | None = None, **detail: Any) -> dict[str, Any]:
    """An action as a module returns it."""
    return actions.Action(
        verb=verb, resource="server", identity={"id": 1}, target={}, reason="because", outcome=outcome, detail=detail, touched=touched,
    ).as_dict()


@pytest.mark.parametrize(("found", "used"), [
    ([], 0),
    ([acted("terminate", "gone"), acted("cancel", "still_running"), acted("cancel", "unknown"), acted("cancel", "failed")], 4),
    ([acted("cancel", "not_permitted", signals=["cancel"])], 1),
    ([acted("terminate", "failed", touched=False), acted("terminate", "refused"), acted("terminate", "planned")], 0),
    ([acted("vacuum", "done")], 0),
    ([{"verb": "terminate"}, {"verb": "terminate", "touched": None}], 2),
])
def test_what_may_have_been_touched_is_charged(found: list[dict[str, Any]], used: int) -> None:
    assert spent(found, verbs=["cancel", "terminate"]) == used


@pytest.mark.parametrize(("found", "options", "used"), [
    ([acted("clear", "gone"), acted("clear", "failed"), acted("clear", "refused")], {"outcomes": ["gone", "refused"], "touched": False}, 2),
    ([acted("clear", "gone"), acted("clear", "refused")], {"outcomes": ["gone", "refused"]}, 1),
    ([acted("clear", "done", removed=3), acted("clear", "done"), acted("clear", "refused", removed=9)], {"detail": "removed"}, 4),
    ([acted("clear", "done", removed="3"), acted("clear", "done"), acted("clear", "not_permitted", removed=9)],
     {"detail": "removed", "default": 0, "touched": False}, 12),
    ([{"verb": "clear", "detail": None}], {"detail": "removed", "default": 2}, 2),
])
def test_how_it_is_counted_can_be_said(found: list[dict[str, Any]], options: dict[str, Any], used: int) -> None:
    assert spent(found, verbs=["clear"], **options) == used
