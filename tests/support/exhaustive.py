# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests by the hundred: a chosen number of them by a seed, or all of them.

INCIDENT_TEST_EXHAUSTIVE=1 takes all, as `make matrix` does. INCIDENT_TEST_SEED chooses others than the usual ones.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

EXHAUSTIVE = os.environ.get("INCIDENT_TEST_EXHAUSTIVE") == "1"
SEED = os.environ.get("INCIDENT_TEST_SEED", "0")


def chosen(cases: Sequence[T], count: int, *, always: Sequence[T] = ()) -> list[T]:
    """The cases to run, in their order: all when exhaustive, else `always` and others by the seed, `count` in all.

    The choice depends on nothing but the seed and the cases, so that all workers of a run make the same one.
    """
    if EXHAUSTIVE or len(cases) <= count:
        return list(cases)
    others = [place for place, case in enumerate(cases) if case not in always]
    places = set(random.Random(f"{SEED}/{len(cases)}").sample(others, max(0, count - len(always))))
    return [case for place, case in enumerate(cases) if place in places or case in always]
