# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions that a test makes, and that are gone after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from demo import faults
from demo.faults import Held

Hold = Callable[[Any], Any]


@pytest.fixture
def hold() -> Iterator[Hold]:
    """Close what a test has made, whatever became of it."""
    made: list[Held] = []

    def keep(one: Any) -> Any:
        made.extend(one if isinstance(one, list) else [one])
        return one

    yield keep
    faults.close_all(made)
