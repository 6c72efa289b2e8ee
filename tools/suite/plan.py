# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs next: decisions without side effects.

CI has a fixed part and a queue. The queue's order puts first what the last hours' commits touched and draws the rest by a hash of
unit and commit, so that over a few submissions everything runs. Nothing starts that would not end before the deadline.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

#: Lanes: tests are bound by the processor, drills mostly wait for services to stop and start.
TESTS, DRILLS = "tests", "drills"


@dataclass(frozen=True, kw_only=True)
class Unit:
    """The smallest thing that CI starts by itself.

    Attributes:
        name: as it stands in the cost file, for example `tests/integration/pg` or `drill disk-full`.
        argv: the command.
        seconds: measured wall time in its lane; the estimate that decides whether it still fits.
        lane: TESTS or DRILLS.
        fixed: runs in every CI run, before the queue.
    """

    name: str
    argv: tuple[str, ...]
    seconds: float
    lane: str = TESTS
    fixed: bool = False


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Which units a change concerns. Both are lists of prefixes: of paths, and of names of units."""

    name: str
    paths: tuple[str, ...]
    units: tuple[str, ...]

    @classmethod
    def from_dict(cls, name: str, value: Mapping[str, Sequence[str]]) -> Subject:
        """One entry of tests/units.yml."""
        return cls(name=name, paths=tuple(value["paths"]), units=tuple(value["units"]))


def concerned(name: str, *, touched: Iterable[str], subjects: Iterable[Subject]) -> bool:
    """Whether a unit is concerned by changes to these paths: its own files, or a subject that lists both."""
    own = _own_paths(name)
    paths = tuple(touched)
    if any(path.startswith(own) for path in paths):
        return True
    return any(
        name.startswith(subject.units) and any(path.startswith(subject.paths) for path in paths) for subject in subjects
    )


def _own_paths(name: str) -> tuple[str, ...]:
    if name.startswith("drill "):
        drill = name.removeprefix("drill ")
        # More rounds of a drill, on its hosts.
        return (f"molecule/{drill}/", f"molecule/{drill.removesuffix('-more')}/")
    return (name,) if name.endswith(".py") else (f"{name}/",)


def ordered(units: Iterable[Unit], *, touched: Iterable[str], subjects: Iterable[Subject], commit: str) -> list[Unit]:
    """The queue: concerned units first; within both groups by the hash of unit and commit."""
    paths, known = tuple(touched), tuple(subjects)

    def key(unit: Unit) -> tuple[bool, str]:
        drawn = hashlib.sha256(f"{unit.name}\0{commit}".encode()).hexdigest()
        return not concerned(unit.name, touched=paths, subjects=known), drawn

    return sorted(units, key=key)


def next_unit(waiting: Sequence[Unit], *, lane: str, now: float, deadline: float | None, slowness: float) -> Unit | None:
    """The first unit of a lane that would end in time.

    Args:
        waiting: in their order.
        now, deadline: seconds since CI began; without a deadline everything fits.
        slowness: this machine's time over the measured time, from what has run already.
    """
    for unit in waiting:
        if unit.lane == lane and (deadline is None or now + unit.seconds * slowness <= deadline):
            return unit
    return None


def slowness(measured: Iterable[tuple[float, float]]) -> float:
    """How much slower than the cost file this machine is: (expected, spent) seconds of what has ended; at least 1."""
    pairs = [(expected, spent) for expected, spent in measured if expected > 0]
    expected_sum = sum(expected for expected, _ in pairs)
    return max(1.0, sum(spent for _, spent in pairs) / expected_sum) if expected_sum else 1.0
