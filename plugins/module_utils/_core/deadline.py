# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One end for everything a module does: the hard wall behind every single bound.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import time
import typing as t


class Deadline:
    """A point in time that no wait may cross.

    Args:
        seconds: from now.
        clock: monotonic, in seconds.
    """

    def __init__(self, seconds: float, *, clock: t.Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.seconds = seconds
        self._end = clock() + seconds

    def remaining(self) -> float:
        """Seconds left, 0 when it is over."""
        return max(self._end - self._clock(), 0.0)

    def passed(self) -> bool:
        """Whether it is over."""
        return self.remaining() <= 0

    def within(self, seconds: float) -> float:
        """The bound of one step: `seconds`, or what is left where that is less."""
        return min(seconds, self.remaining())

    def part(self, seconds: float) -> Deadline:
        """A deadline for a part of the work, never beyond this one."""
        return Deadline(self.within(seconds), clock=self._clock)
