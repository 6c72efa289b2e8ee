# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages, kept from one step to the next of the same driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conformance.kit import Driver

HERE = Path(__file__).parent
Staged = Callable[[type[Driver]], Driver]


@pytest.fixture(scope="session")
def staged() -> Iterator[Staged]:
    """A driver on its stage. One stage stands at a time: the steps come driver by driver."""
    with ExitStack() as standing:
        known: dict[type[Driver], Driver] = {}

        def get(driver: type[Driver]) -> Driver:
            if driver not in known:
                standing.close()
                known.clear()
                known[driver] = driver(standing.enter_context(driver.stage()))
            return known[driver]

        yield get


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Driver by driver, so that each stage is set once."""
    ours = [place for place, item in enumerate(items) if HERE in item.path.parents]
    ordered = sorted((items[place] for place in ours), key=lambda item: (item.path, item.name.partition("[")[2]))
    for place, item in zip(ours, ordered, strict=True):
        items[place] = item
