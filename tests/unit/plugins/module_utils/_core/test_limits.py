# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.limits import Budget


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
