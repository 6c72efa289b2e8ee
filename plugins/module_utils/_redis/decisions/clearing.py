# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the keys of a pattern, or all of a database, may be cleared, from what was seen of the server.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core import why
from ..._core.acting import Candidate, Sight
from ..._core.actions import NOT_NEEDED, REFUSED, Action, Spared
from ..._core.errors import IncidentError
from ..._core.limits import Limit
from ..._core.recorded import Basis
from .cache import CacheEvidence, not_a_cache, unexpected_count

MODULE = "redis_cache_clear"
CLEAR, FLUSH = "clear_pattern", "flush_database"
_CLUSTER = "cluster"


@dataclasses.dataclass(frozen=True)
class Request:
    """What to clear, and the limits.

    Attributes:
        database: its number.
        pattern: of Redis; empty for a flush.
        exclude: patterns of keys that stay.
        max_keys, spent: how many keys a run may clear, and how many it has.
        batch: keys by step.
        per_second: keys by second, 0 for no limit.
        time_limit: of the deletion, seconds.
        expected_keys, tolerance_percent: what a flush must find.
        sample, min_ttl_percent, cache_types: how a database shows itself to be a cache.
        accept_no_cache: flush whatever it shows.
        this_node_only: in a cluster, clear what this node holds.
    """

    database: int = 0
    pattern: str = ""
    exclude: tuple[str, ...] = ()
    max_keys: int = 10000
    spent: int = 0
    batch: int = 500
    per_second: float = 5000.0
    time_limit: float = 30.0
    expected_keys: t.Optional[int] = None
    tolerance_percent: float = 20.0
    sample: int = 500
    min_ttl_percent: float = 90.0
    cache_types: tuple[str, ...] = ()
    accept_no_cache: bool = False
    this_node_only: bool = False

    @property
    def allowed(self) -> int:
        """How many keys of a pattern may be cleared now."""
        return max(self.max_keys - self.spent, 0)

    @property
    def limits(self) -> dict[str, t.Any]:
        """The limits as they enter results and the plan's hash."""
        if not self.pattern:
            return {"expected_keys": self.expected_keys, "expected_keys_tolerance_percent": self.tolerance_percent}
        return {"max_keys": self.max_keys, "max_keys_per_second": self.per_second, "time_limit": self.time_limit}


class Refused(IncidentError):
    """A rule of ours forbids it; nothing was done. `error` in facts says which."""

    kind = "refused"


@dataclasses.dataclass(frozen=True)
class ServerSeen:
    """Where the keys would be cleared.

    Attributes:
        sentinel: it is a Sentinel.
        role: master or slave.
        primary: host:port of its primary, for a replica.
        clustered: it is a node of a cluster.
    """

    sentinel: bool = False
    role: str = ""
    primary: str = "?:?"
    clustered: bool = False


@dataclasses.dataclass(frozen=True)
class PatternSeen:
    """Keys of a pattern: how many there are, as far as they were counted, and how many each exclusion keeps."""

    found: int
    kept: tuple[tuple[str, int], ...] = ()


@dataclasses.dataclass(frozen=True)
class DatabaseSeen:
    """A whole database: how many keys it has, and what says whether they are a cache; None where there are none."""

    found: int
    evidence: t.Optional[CacheEvidence] = None


def wrong_server(server: ServerSeen, *, this_node_only: bool) -> t.Optional[Refused]:
    """Why keys are not cleared on this server: only on a primary, and of a cluster only where each node is named."""
    if server.sentinel:
        return Refused("This is a Sentinel, it has no data.", hint="Name the primary that it watches.", error="sentinel")
    if server.role != "master":
        return Refused(
            f"This server is a replica of {server.primary}: data are never changed on a replica.",
            hint=f"Name the primary, {server.primary}.", error="replica",
        )
    if server.clustered and not this_node_only:
        return Refused(
            "This server is a node of a cluster and holds only a part of the keys; nothing was touched.",
            hint="Call the module for every primary of the cluster, with this_node_only: true.", error=_CLUSTER,
        )
    return None


def surprise(found: int, request: Request) -> str:
    """Why the number of keys of a database is not the one that the caller expects; empty when it is."""
    return unexpected_count(found, expected=request.expected_keys or 0, tolerance_percent=request.tolerance_percent)


def not_flushed(seen: DatabaseSeen, request: Request) -> t.Optional[Refused]:
    """Why a database is not flushed: it is not the one that is expected, or no cache."""
    if not seen.found or seen.evidence is None:
        return None
    against = [] if request.accept_no_cache else not_a_cache(
        seen.evidence, min_ttl_percent=request.min_ttl_percent, cache_types=request.cache_types,
    )
    unexpected = surprise(seen.found, request)
    if unexpected:
        against.insert(0, unexpected)
    if not against:
        return None
    return Refused(
        f"Database {request.database} is not flushed: {'; '.join(against)}.",
        hint="Clear a pattern instead; or state the right number, or i_know_this_is_not_a_cache: true.",
        error="unexpected_keys" if unexpected else "not_a_cache",
    )


def refusal(
    request: Request, server: ServerSeen, *, database: t.Optional[DatabaseSeen] = None,
) -> t.Optional[Refused]:
    """The rule of ours that refuses."""
    wrong = wrong_server(server, this_node_only=request.this_node_only)
    return wrong or (not_flushed(database, request) if database is not None else None)


def sight(
    request: Request, resource: str, server: ServerSeen, pattern: t.Optional[PatternSeen] = None,
    database: t.Optional[DatabaseSeen] = None, *, target: t.Any = None, told: t.Optional[t.Mapping[str, t.Any]] = None,
) -> Sight[t.Any]:
    """What could be cleared: there is one candidate.

    Args:
        resource: the server.
        pattern, database: what was looked at, if the server is one on which keys are cleared.
        target: what to clear, for whoever acts. Names of keys may hold users' data, so that they are in no record.
        told: further detail of the action.
    """
    basis = Basis(MODULE, {"request": request, "resource": resource, "server": server, "pattern": pattern, "database": database})
    action = action_for(request, resource)
    seen = pattern or database
    if seen is not None:
        action = dataclasses.replace(action, detail={"keys": seen.found, **(told or {})})
    refused = refusal(request, server, database=database)
    if refused is not None:
        code = why.OPTION_OFF if refused.facts["error"] == _CLUSTER else why.PROTECTED
        return Sight([Candidate(target, action.with_outcome(REFUSED, why=code, error=refused.message))], basis=basis)
    if seen is not None and not seen.found:
        action = action.with_outcome(NOT_NEEDED, why=why.ALREADY_SO)
    if pattern is None:
        return Sight([Candidate(target, action)], basis=basis)
    allowed = request.allowed
    unit = "or more keys" if pattern.found > allowed else "keys"
    return Sight(
        candidates=[Candidate(target, action, uses={"max_keys": pattern.found})],
        protected=tuple(
            Spared({"pattern": one, "keys": count}, ("excluded",), True, f"pattern {one}") for one, count in pattern.kept if count
        ),
        limits=(Limit("max_keys", allowed, f"max_keys {request.max_keys}, {request.spent} used already", unit=unit),),
        basis=basis,
    )


def action_for(request: Request, resource: str) -> Action:
    """Clearing what a request names."""
    target: dict[str, t.Any] = {"database": request.database}
    if request.pattern:
        target["pattern"] = request.pattern
        verb, reason = CLEAR, "The keys of this pattern were named."
        name = f"database {request.database}, pattern {request.pattern}"
    else:
        target["expected_keys"] = request.expected_keys or 0
        verb, reason = FLUSH, "The whole database was named, with the number of keys to expect."
        name = f"database {request.database}"
    return Action(verb=verb, resource=resource, identity=target, target=target, name=name, reason=reason)
