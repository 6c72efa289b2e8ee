# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restart of a PostgreSQL server would end, lose and take, in words for whoever decides on it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.durations import format_duration
from ..._core.words import format_bytes
from .facts import Seen

UNSEEN = "What it would end cannot be seen."
#: So many of the open transactions are named.
_NAMED = 2


@dataclasses.dataclass(frozen=True)
class Open:
    """An open transaction: whose, and for how many seconds."""

    named: str
    age: float


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a restart would end, lose and take. None: it could not be read.

    Attributes:
        connections: of clients, ours aside.
        transactions: those of them with a transaction open.
        oldest: the oldest of these, the first ones by name.
        untold: sessions of which nobody can say whether they have one.
        prepared: transactions that are prepared; they stay as they are.
        standbys, logical, archives: who receives WAL, and reconnects.
        temporary, unlogged: tables in `database`. The first are lost; the second only in a crash.
        replayed: bytes of WAL since the last checkpoint, which are replayed at the start where the stop is not a clean one.
    """

    connections: int = 0
    transactions: int = 0
    oldest: tuple[Open, ...] = ()
    untold: int = 0
    prepared: t.Optional[int] = None
    standbys: int = 0
    logical: int = 0
    archives: int = 0
    temporary: t.Optional[int] = None
    unlogged: t.Optional[int] = None
    replayed: t.Optional[int] = None
    database: str = ""

    def as_dict(self) -> dict[str, t.Any]:
        """For results."""
        return {**dataclasses.asdict(self), "oldest": [dataclasses.asdict(one) for one in self.oldest]}


def cost_of(looked: Seen, *, receivers: t.Sequence[t.Mapping[str, t.Any]], stored: t.Mapping[str, t.Any]) -> Cost:
    """What a restart of a server that answers would end.

    Args:
        looked: the sessions, and the prepared transactions.
        receivers: who receives WAL: mappings with kind.
        stored: temporary, unlogged and replayed, as far as they could be read.
    """
    clients = looked.connected
    running = sorted((one for one in clients if one.transaction_age is not None), key=lambda one: -(one.transaction_age or 0.0))
    kinds = [str(one.get("kind")) for one in receivers]
    return Cost(
        connections=len(clients), transactions=len(running),
        oldest=tuple(Open(one.named, round(one.transaction_age or 0.0, 1)) for one in running[:_NAMED]), untold=len(looked.silent),
        prepared=None if looked.facts.hides_prepared else len(looked.facts.prepared),
        standbys=kinds.count("standby"), logical=kinds.count("logical"), archives=kinds.count("archive"),
        temporary=stored.get("temporary"), unlogged=stored.get("unlogged"), replayed=stored.get("replayed"), database=looked.facts.database,
    )


def say(cost: t.Optional[Cost]) -> str:
    """What it comes to, in sentences; what there is none of is left out, and what could not be read is said."""
    if cost is None:
        return UNSEEN
    said = [f"It cuts {_count(cost.connections, 'connection')}{_transactions(cost)}."]
    if cost.prepared:
        said.append(f"{_count(cost.prepared, 'prepared transaction')} {_are(cost.prepared)} kept with all locks.")
    receivers = [_count(number, name) for number, name in (
        (cost.standbys, "standby"), (cost.logical, "logical receiver"), (cost.archives, "archive of WAL"),
    ) if number]
    if receivers:
        said.append(f"To reconnect: {', '.join(receivers)}.")
    if cost.temporary:
        said.append(f"{_count(cost.temporary, 'temporary table')} of database {cost.database} {_are(cost.temporary)} lost.")
    if cost.unlogged:
        said.append(f"{_count(cost.unlogged, 'unlogged table')} of database {cost.database} would be emptied by an unclean stop.")
    if cost.replayed is not None:
        said.append(f"WAL since the last checkpoint, which a start after an unclean stop replays: {format_bytes(cost.replayed)}.")
    blind = [name for name, value in (
        ("temporary and unlogged tables", cost.temporary), ("the WAL to be replayed", cost.replayed),
    ) if value is None]
    if blind:
        said.append(f"Not known: {', '.join(blind)}.")
    return " ".join(said)


def _transactions(cost: Cost) -> str:
    parts = []
    if cost.transactions:
        oldest = "; ".join(f"{one.named} {format_duration(one.age)}" for one in cost.oldest)
        parts.append(f" and rolls back {_count(cost.transactions, 'open transaction')} (oldest {oldest})")
    if cost.untold:
        parts.append(f"; of {_count(cost.untold, 'session')} it cannot be seen whether a transaction is open")
    return "".join(parts)


def _count(number: int, what: str) -> str:
    plural = {"standby": "standbys", "archive of WAL": "archives of WAL"}.get(what, f"{what}s")
    return f"{number} {what if number == 1 else plural}"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
