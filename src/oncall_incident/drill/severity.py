# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill's times against the severity policy that a real incident of its kind would have."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..evidence.policy import Level, Policy
from .score import Step, timing

#: What a policy promises, and the time of a drill that is held against it. A drill has no people, so the time until the fault is
#: seen stands for the response: whoever is paged cannot answer sooner.
_PROMISES = {"response": "detect", "resolution": "recover"}


@dataclasses.dataclass(frozen=True)
class Severity:
    """A level of a policy."""

    policy: Policy
    level: Level

    @property
    def name(self) -> str:
        """For people: policy and level."""
        return f"{self.policy.name} {self.level.name}"

    def limits(self) -> dict[str, float]:
        """Seconds by time of a drill; without those that the policy gives no number of hours for."""
        promised = {time: getattr(self.level, promise) for promise, time in _PROMISES.items()}
        return {time: float(target) for time, target in promised.items() if isinstance(target, int | float)}

    def steps(self, times: Mapping[str, float | None]) -> list[Step]:
        """The times of a round, each against what was promised."""
        limits = self.limits()
        return [
            dataclasses.replace(timing(time, times[time], limits[time]), name=f"{promise} of {self.name}")
            for promise, time in _PROMISES.items() if time in limits
        ]

    def as_dict(self) -> dict[str, Any]:
        """The severity as it appears in the card."""
        return {"policy": self.policy.name, "level": self.level.name, "title": self.level.title, "limits": self.limits()}
