# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for a condition, bounded; never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

#: Seconds in which anything that works is done, on a machine at load 20 too: a bound only for what would never end.
BUSY = 60.0


def until(condition: Callable[[], Any], *, what: str = "a condition", seconds: float = BUSY * 2) -> Any:
    """Wait for something to be true, and give it; the test fails when the time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    pytest.fail(f"waited {seconds:g} s in vain for {what}")
