# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blast-radius limits: one budget for a run, fail closed.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .ranges import require


@dataclasses.dataclass(frozen=True)
class Limit:
    """How much may be changed now.

    Attributes:
        name: of the option.
        most: how much, after what the run has used already.
        stated: how that came about, for the message: "max_files 100, 3 used already".
        unit: of what is counted, where it is not the targets: bytes.
    """

    name: str
    most: int
    stated: str
    unit: str = ""


@dataclasses.dataclass(frozen=True)
class Budget:
    """How many targets a run may change.

    Attributes:
        max_count: absolute limit, 0 allows nothing.
        max_percent: limit as a share of the population in percent; None applies none. At least one target is
            allowed by it, or a small system could never be helped.
        spent: how many this run has changed already, in earlier modules and retries.
    """

    max_count: int
    max_percent: float | None = None
    spent: int = 0

    def __post_init__(self) -> None:
        require({"max_victims": self.max_count, "spent": self.spent, "max_percent": self.max_percent})

    def allowance(self, population: int) -> int:
        """How many more of a population of this size may be changed now."""
        allowed = self.max_count
        if self.max_percent is not None:
            share = int((population + self.spent) * self.max_percent / 100)
            allowed = min(allowed, max(share, 1 if self.max_percent > 0 else 0))
        return max(allowed - self.spent, 0)

    def limit(self, population: int, *, name: str = "max_victims") -> Limit:
        """What may be changed now of a population of this size.

        Args:
            name: of the option that gives the absolute limit.
        """
        share = "" if self.max_percent is None else f", max_percent {self.max_percent:g} of {population}"
        return Limit(
            name=name, most=self.allowance(population), stated=f"{name} {self.max_count}{share}, {self.spent} used already",
        )

    def as_dict(self) -> dict[str, t.Any]:
        """The limits as they enter results and the plan's hash (not what is spent: that is not a limit)."""
        return {"max_victims": self.max_count, "max_percent": self.max_percent}


def spent(
    actions: t.Iterable[t.Mapping[str, t.Any]], *, verbs: t.Collection[str], outcomes: t.Optional[t.Collection[str]] = None,
    touched: bool = True, detail: str = "", default: int = 1,
) -> int:
    """How much of a limit the actions of a run have used already.

    Args:
        actions: as in results; those of older records have no `touched`.
        verbs: the actions that the limit is for.
        outcomes: only these outcomes count; None counts all.
        touched: leave out actions that are known not to have touched their target. What may have been touched counts.
        detail: the key of an action's detail that says how much it used; empty counts each action once.
        default: what an action without this key used.
    """
    counted = [
        action for action in actions
        if action.get("verb") in verbs and (outcomes is None or action.get("outcome") in outcomes)
        and not (touched and action.get("touched") is False)
    ]
    if not detail:
        return len(counted)
    return sum(int((action.get("detail") or {}).get(detail, default)) for action in counted)
