# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time drawn to scale: from seconds to pixels, and where to put the ticks."""

from __future__ import annotations

import dataclasses
import math

from .clock import said

_STEPS = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 2 * 86400, 7 * 86400, 14 * 86400, 28 * 86400,
)
MOST_TICKS = 9


@dataclasses.dataclass(frozen=True)
class Scale:
    """A stretch of time on a stretch of pixels.

    Attributes:
        start, end: seconds since the epoch; end is later than start.
        left, width: pixels.
    """

    start: float
    end: float
    left: float
    width: float

    @classmethod
    def over(cls, start: float, end: float, *, left: float, width: float) -> Scale:
        """A scale with a little room at both ends; at least a second, so that a moment has a width."""
        room = max((end - start) * 0.015, 0.5)
        return cls(start=start - room, end=end + room, left=left, width=width)

    def x(self, at: float) -> float:
        """Where a time is; what is outside is put on the border."""
        share = (at - self.start) / (self.end - self.start)
        return round(self.left + min(max(share, 0.0), 1.0) * self.width, 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Round times inside, with what to write at them."""
        wanted = (self.end - self.start) / MOST_TICKS
        step = next((size for size in _STEPS if size >= wanted), None) or math.ceil(wanted / 86400 / 28) * 28 * 86400
        form = "%H:%M:%S" if step < 60 else "%H:%M" if step < 43200 else "%m-%d"
        first = math.ceil(self.start / step)
        return [(self.x(number * step), said(number * step, form)) for number in range(first, math.floor(self.end / step) + 1)]
