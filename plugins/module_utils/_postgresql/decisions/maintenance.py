# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tables and indexes are maintained: those that are named, and the worst of those that need it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.acting import Candidate, Sight
from ..._core.actions import Action, Spared
from ..._core.limits import Budget
from ..._core.recorded import Basis
from ..._core.words import format_bytes

ANALYZE, VACUUM, VACUUM_ANALYZE, REINDEX = OPERATIONS = ("analyze", "vacuum", "vacuum_analyze", "reindex")
#: What is chosen for, by how much harm it does to wait.
NEEDED = (REINDEX, VACUUM, ANALYZE)
INDEX_KINDS, TABLE_KINDS = ("i",), ("r", "m")
_STATEMENTS = {ANALYZE: "ANALYZE {}", VACUUM: "VACUUM {}", VACUUM_ANALYZE: "VACUUM (ANALYZE) {}", REINDEX: "REINDEX {} CONCURRENTLY {}"}
_NAMED = "It was named for maintenance."
#: Said where a VACUUM is planned: who runs out of disk space must not wait for it.
NO_DISK = (
    "VACUUM frees no disk space, only room in the table for new rows. VACUUM FULL or pg_repack would; they need as much space again and "
    "an exclusive lock, and are not done here."
)

#: So many of those that are left alone are told.
_MOST_LEFT = 20
# Why an object that needs it is left alone.
LEFT_OVER, BUSY, NOT_OURS, TOO_LARGE = "left_over", "busy", "not_permitted", "too_large"


@dataclasses.dataclass(frozen=True)
class Named:
    """What the caller wants to be done to what: a name as in SQL."""

    operation: str
    name: str


@dataclasses.dataclass(frozen=True)
class Object:
    """A table or an index on this server. `name` is quoted and qualified by the server itself.

    Attributes:
        need: why it needs this, in a sentence; empty for one that was named.
        bytes: of its file, as the server last counted them.
        spared: why it is left alone although it needs it; empty where it is not.
    """

    oid: int
    name: str
    kind: str
    operation: str
    need: str = ""
    bytes: int = 0
    spared: str = ""

    def statement(self) -> str:
        """The statement that maintains it."""
        what = ["INDEX" if self.kind in INDEX_KINDS else "TABLE"] if self.operation == REINDEX else []
        return _STATEMENTS[self.operation].format(*what, self.name)

    def action(self, resource: str) -> Action:
        """What would be done to it."""
        target = {"operation": self.operation, "name": self.name, "oid": self.oid}
        vacuums = self.operation in (VACUUM, VACUUM_ANALYZE)
        return Action(
            verb=self.operation, resource=resource, identity=target, target=target, name=self.name,
            reason=f"{self.need or _NAMED} {NO_DISK}" if vacuums else self.need or _NAMED, detail={"statement": self.statement()},
        )


@dataclasses.dataclass(frozen=True)
class Worst:
    """How many of those that need it are chosen.

    Attributes:
        count: of each operation.
        max_bytes: how large they may be together.
        operations: those of NEEDED that are looked for.
    """

    count: int = 0
    max_bytes: t.Optional[int] = None
    operations: tuple[str, ...] = NEEDED


#: Nothing is chosen.
NONE = Worst()


def sight(
    objects: t.Sequence[Object], *, budget: Budget, resource: str, needy: t.Sequence[Object] = (), worst: Worst = NONE,
    approved: t.Optional[t.Sequence[str]] = None,
) -> Sight[Object]:
    """What could be maintained, of the objects that there are.

    Args:
        objects: those that were named.
        needy: those that need it, of each operation the worst first.
        approved: ids of a plan. Of these and no others is chosen then: since the plan was made others may have become worse.
    """
    chosen, left = choose(
        needy, worst=worst, named=objects, room=budget.allowance(0) - len(objects),
        approved=None if approved is None else frozenset(approved), resource=resource,
    )
    wanted = [*objects, *chosen]
    # Who was passed over without a word decides nothing, and there may be hundreds.
    told = {(one.operation, one.oid) for one in [*chosen, *left]}
    return Sight(
        candidates=[Candidate(one, one.action(resource)) for one in wanted], protected=tuple(_spared(one) for one in left),
        limits=(budget.limit(len(wanted), name="max_objects"),),
        basis=Basis("pg_maintain", {
            "objects": objects, "budget": budget, "resource": resource, "worst": worst,
            "needy": [one for one in needy if (one.operation, one.oid) in told],
        }),
    )


def choose(
    needy: t.Sequence[Object], *, worst: Worst, named: t.Sequence[Object], room: int, approved: t.Optional[t.AbstractSet[str]],
    resource: str,
) -> tuple[list[Object], list[Object]]:
    """The worst of each operation in turn, as many as there is room for, and the first of those that are left alone.

    Args:
        room: how many there may be together.
    """
    taken = {(one.operation, one.oid) for one in named}
    open_ = [
        one for one in needy
        if (one.operation, one.oid) not in taken and (approved is None or one.action(resource).id in approved)
    ]
    left = [one for one in open_ if one.spared] if worst.count else []
    ranked = [[one for one in open_ if one.operation == operation and not one.spared] for operation in NEEDED]
    chosen: list[Object] = []
    bytes_left, counts = worst.max_bytes, dict.fromkeys(NEEDED, 0)
    for one in _in_turn(ranked):
        if len(chosen) >= room or counts[one.operation] >= worst.count:
            continue
        if bytes_left is not None and one.bytes > bytes_left:
            left.append(dataclasses.replace(one, spared=TOO_LARGE))
            continue
        bytes_left = None if bytes_left is None else bytes_left - one.bytes
        counts[one.operation] += 1
        chosen.append(one)
    return chosen, left[:_MOST_LEFT]


def _in_turn(ranked: t.Sequence[t.Sequence[Object]]) -> list[Object]:
    """The first of each list, then the second of each."""
    most = max(map(len, ranked), default=0)
    return [one[place] for place in range(most) for one in ranked if place < len(one)]


def _spared(one: Object) -> Spared:
    said = {
        LEFT_OVER: f"a rebuild that failed left it; remove it with DROP INDEX CONCURRENTLY {one.name}",
        BUSY: "another session builds, rebuilds or maintains it now",
        NOT_OURS: "only its owner may do this, or from PostgreSQL 17 on who has MAINTAIN on it",
        TOO_LARGE: f"{format_bytes(one.bytes)} are more than max_bytes leaves",
    }[one.spared]
    target = {"operation": one.operation, "name": one.name, "oid": one.oid}
    return Spared(target=target, reasons=(f"{one.spared}:{said}",), would_match=True, name=one.name)
