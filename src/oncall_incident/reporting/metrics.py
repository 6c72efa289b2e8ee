# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics over incidents: medians and nine of ten rather than means, since times to recover are skewed."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from ..evidence import times
from ..evidence.store import Store
from .measures import MET, METRICS, NOT_KEPT, Row, measure

#: What incidents can be put together by.
BY = ("severity", "scenario", "month", "service", "incident")
#: The group of an incident that has none of what is asked for.
NONE = "none"
ALL = "all"


@dataclasses.dataclass(frozen=True)
class Spread:
    """The distribution of one metric in one group.

    Attributes:
        count: incidents that reached the milestone.
        waiting: incidents that did not.
        median, p90: seconds; p90 is by nearest rank, so a time that was measured. None where there is none.
        least, most, total: seconds.
        met, missed: targets kept and not kept; what has no target or is not due is in neither.
    """

    count: int
    waiting: int
    median: float | None
    p90: float | None
    least: float | None
    most: float | None
    total: float
    met: int
    missed: int

    def as_dict(self) -> dict[str, Any]:
        """As data."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Group:
    """Incidents that have something in common."""

    by: str
    name: str
    incidents: int
    spreads: dict[str, Spread]

    def as_dict(self) -> dict[str, Any]:
        """As data."""
        return {"by": self.by, "name": self.name, "incidents": self.incidents,
                "time_to": {name: spread.as_dict() for name, spread in self.spreads.items()}}


def rows(store: Store, *, since: datetime | None = None, now: datetime | None = None) -> Iterator[Row]:
    """The incidents that began since then, in the order of their names; one incident's events are in memory at a time."""
    moment = now or times.now()
    for incident in store.incidents():
        row = measure(incident.state(), now=moment)
        if row is not None and (since is None or row.began >= since):
            yield row


def groups(found: Sequence[Row], *, by: str) -> list[Group]:
    """The incidents that count, put together by one of BY. One with several scenarios or services is in each of their groups."""
    members: dict[str, list[Row]] = {}
    for row in counted(found):
        for name in _names(row, by):
            members.setdefault(name, []).append(row)
    order = sorted(members) if by != "incident" else list(members)
    return [Group(by=by, name=name, incidents=len(members[name]), spreads=spreads(members[name])) for name in order]


def overall(found: Sequence[Row]) -> Group:
    """All that count."""
    kept = counted(found)
    return Group(by=ALL, name=ALL, incidents=len(kept), spreads=spreads(kept))


def counted(found: Iterable[Row]) -> list[Row]:
    """Those that count: without the ones in which only was looked."""
    return [row for row in found if row.counts]


def spreads(found: Sequence[Row]) -> dict[str, Spread]:
    """The distribution of each metric."""
    return {name: _spread(row.measures[name] for row in found) for name in METRICS}


def nearest_rank(values: Sequence[float], share: float) -> float:
    """The least of the values that at least this share of them does not exceed. The values are sorted, and there is one."""
    return values[max(math.ceil(share * len(values)) - 1, 0)]


def _spread(measured: Iterable[Any]) -> Spread:
    values: list[float] = []
    waiting = met = missed = 0
    for item in measured:
        if item.seconds is None:
            waiting += 1
        else:
            values.append(item.seconds)
        met += item.state == MET
        missed += item.state in NOT_KEPT
    values.sort()
    return Spread(
        count=len(values), waiting=waiting, median=statistics.median(values) if values else None,
        p90=nearest_rank(values, 0.9) if values else None, least=values[0] if values else None, most=values[-1] if values else None,
        total=math.fsum(values), met=met, missed=missed,
    )


def _names(row: Row, by: str) -> Sequence[str]:
    if by == "scenario":
        return row.scenarios or (NONE,)
    if by == "service":
        return row.services or (NONE,)
    return ({"severity": row.severity, "month": row.month, "incident": row.id}[by] or NONE,)
