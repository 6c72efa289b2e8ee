# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clear keys of a Redis database: those of a pattern, in batches, or all of a database that is a cache.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import time
import typing as t

from .._core import actions
from .._core.deadline import Deadline
from .._core.durations import parse_duration
from .._core.errors import BadInput, CannotReach, IncidentError, LimitExceeded
from .._module.lock import acting_alone
from .acting import Refused, failure, require_primary, resource
from .connection import Client
from .decisions.cache import CacheEvidence, Pace, glob, not_a_cache, require_pattern, unexpected_count
from .decisions.info import integer
from .resp import ErrorReply, text

CLEAR, FLUSH = "clear_pattern", "flush_database"
#: How many steps of SCAN may look for streams, the type whose loss hurts most: keys beyond are covered by the sample alone.
STREAM_STEPS = 200
#: Of how many keys the type is looked at.
MAX_TYPED = 50_000
#: How many groups of keys the result names.
MAX_GROUPS = 20
#: What one step may ask of a server that serves others too.
MAX_BATCH, MAX_SAMPLE = 10_000, 10_000


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
        approved: action ids of an approved plan.
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
    approved: t.Optional[t.Sequence[str]] = None

    @property
    def limits(self) -> dict[str, t.Any]:
        """The limits as they enter results and the plan's hash."""
        if not self.pattern:
            return {"expected_keys": self.expected_keys, "expected_keys_tolerance_percent": self.tolerance_percent}
        return {"max_keys": self.max_keys, "max_keys_per_second": self.per_second, "time_limit": self.time_limit}


def request_from(params: t.Mapping[str, t.Any]) -> Request:
    """The request the arguments describe; every argument is judged here, before anything is connected.

    Raises:
        BadInput: an argument is not usable.
    """
    pattern, flush = params["pattern"] or "", params["flush"]
    if bool(pattern) == flush:
        raise BadInput("Give either pattern or flush.", hint="A flush clears the whole database.", argument="pattern")
    if pattern:
        require_pattern(pattern)
    elif params["expected_keys"] is None:
        raise BadInput(
            "flush wants expected_keys.", hint="Say how many keys the cache should have; DBSIZE tells how many it has.",
            argument="expected_keys",
        )
    if "stream" in params["cache_types"]:
        raise BadInput("cache_types: a stream is no cache.", hint="Leave it out.", argument="cache_types")
    for name, least in (("database", 0), ("max_keys", 0), ("spent", 0), ("batch", 1), ("sample", 1), ("max_keys_per_second", 0)):
        if params[name] < least:
            raise BadInput(f"{name}: {params[name]} is less than {least}.", hint=f"Give {least} or more.", argument=name)
    return Request(
        database=params["database"], pattern=pattern, exclude=tuple(require_pattern(one, name="exclude") for one in params["exclude"]),
        max_keys=params["max_keys"], spent=params["spent"], batch=min(params["batch"], MAX_BATCH), per_second=params["max_keys_per_second"],
        time_limit=parse_duration(params["time_limit"], name="time_limit"), expected_keys=params["expected_keys"],
        tolerance_percent=params["expected_keys_tolerance_percent"], sample=min(params["sample"], MAX_SAMPLE),
        min_ttl_percent=params["min_ttl_percent"], cache_types=tuple(params["cache_types"]),
        accept_no_cache=params["i_know_this_is_not_a_cache"], this_node_only=params["this_node_only"], approved=params["approved"],
    )


def clear(client: Client, request: Request, *, check_mode: bool) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """Clear what the request says.

    Returns:
        The result by contract, and the error that the task must fail with, if any.

    Raises:
        Refused: a replica, a Sentinel, a cluster without this_node_only, or a database that is no cache; nothing was touched.
        LimitExceeded: more keys than allowed; nothing was touched.
    """
    info = client.info()
    require_primary(info)
    clustered = info.get("cluster_enabled") == "1"
    if clustered and not request.this_node_only:
        raise Refused(
            "This server is a node of a cluster and holds only a part of the keys; nothing was touched.",
            hint="Call the module for every primary of the cluster, with this_node_only: true.", error="cluster",
        )
    if request.database:
        client.call("SELECT", request.database)
    before = integer(info, "used_memory")
    work = _clear_pattern if request.pattern else _flush
    action, removed, more = work(client, request, resource(info), clustered=clustered, check_mode=check_mode)
    result = actions.result([action], check_mode=check_mode, limits=request.limits, protected=more.pop("protected", ()))
    result.update(more, keys_removed=removed, changed=result["changed"] or removed > 0)
    if removed:
        result["used_memory"] = {"before": before, "after": _used_memory(client)}
    return result, failure([action])


def _used_memory(client: Client) -> t.Optional[int]:
    """None when the server does not tell any more: what went is told all the same."""
    try:
        return integer(client.info("memory"), "used_memory")
    except IncidentError:
        return None


# A pattern.

def _clear_pattern(
    client: Client, request: Request, where: str, *, clustered: bool, check_mode: bool,
) -> tuple[actions.Action, int, dict[str, t.Any]]:
    target = {"database": request.database, "pattern": request.pattern}
    name = f"database {request.database}, pattern {request.pattern}"
    action = _action(CLEAR, where, target, name, "The keys of this pattern were named.")
    allowed = max(request.max_keys - request.spent, 0)
    keys, kept = _collect(client, request, most=allowed + 1)
    groups = _groups(keys)
    more: dict[str, t.Any] = {"groups": groups, "protected": tuple(
        actions.Spared({"pattern": pattern, "keys": count}, ("excluded",), True, f"pattern {pattern}")
        for pattern, count in kept.items() if count
    )}
    if len(keys) > allowed:
        raise LimitExceeded(
            f"More than {allowed} keys match {request.pattern}; nothing was touched.", hint="Name a narrower pattern, or raise max_keys.",
            contract=actions.ACTIONS_CONTRACT, actions=[action.with_outcome(actions.REFUSED, why="limit").as_dict()],
        )
    action = dataclasses.replace(action, detail={"keys": len(keys), "groups": groups})
    if not keys:
        return action.with_outcome(actions.NOT_NEEDED), 0, more
    if not actions.is_approved([action.id], request.approved):
        return action.with_outcome(actions.REFUSED, why="not approved"), 0, more
    if check_mode:
        return action, 0, more
    with acting_alone(where):
        done = _unlink(client, keys, request, one_by_one=clustered)
    return action.with_outcome(done.outcome, **done.detail(len(keys))), done.removed, more


def _collect(client: Client, request: Request, *, most: int) -> tuple[list[bytes], dict[str, int]]:
    """The keys of the pattern that are not excluded, at most so many; and how many each exclusion kept."""
    exclude = {pattern: glob(pattern) for pattern in request.exclude}
    kept = dict.fromkeys(exclude, 0)
    found: dict[bytes, None] = {}
    seen: set[bytes] = set()
    for names in _scan(client, "MATCH", request.pattern, "COUNT", request.batch):
        for name in names:
            said = text(name)
            keeper = next((pattern for pattern, test in exclude.items() if test.fullmatch(said)), None)
            if keeper is None:
                found[name] = None
            elif name not in seen:  # a scan may name a key twice
                seen.add(name)
                kept[keeper] += 1
        if len(found) >= most:
            break
    return list(itertools.islice(found, most)), kept


def _scan(client: Client, *options: t.Union[str, int]) -> t.Iterator[list[bytes]]:
    cursor: bytes = b"0"
    while True:
        cursor, names = client.call("SCAN", cursor, *options)
        yield names
        if cursor == b"0":
            return


@dataclasses.dataclass
class _Unlinked:
    removed: int = 0
    gone_before: int = 0
    there_again: int = 0
    unanswered: int = 0
    steps: int = 0
    outcome: str = actions.DONE
    why: str = ""

    def detail(self, planned: int) -> dict[str, t.Any]:
        found: dict[str, t.Any] = {"removed": self.removed, "gone_before": self.gone_before, "written_again": self.there_again,
                                   "steps": self.steps, "left": planned - self.removed - self.gone_before}
        if self.unanswered:  # some of those that are left may be gone
            found["unanswered"] = self.unanswered
        return {**found, "why": self.why} if self.why else found


def _unlink(client: Client, keys: t.Sequence[bytes], request: Request, *, one_by_one: bool) -> _Unlinked:
    """Remove the keys in batches. The server counts what it really removed; what is there right after was written again."""
    done, pace, limit = _Unlinked(), Pace(request.per_second), Deadline(request.time_limit)
    start = time.monotonic()
    for index in range(0, len(keys), request.batch):
        pause = pace.pause(elapsed=time.monotonic() - start)
        if limit.remaining() <= pause or client.deadline.remaining() <= pause:
            done.outcome, done.why = actions.FAILED, f"the time limit of {request.time_limit:g} s is over"
            return done
        time.sleep(pause)
        batch = keys[index:index + request.batch]
        units = [[key] for key in batch] if one_by_one else [list(batch)]
        try:
            replies = client.replies([(verb, *unit) for unit in units for verb in ("UNLINK", "EXISTS")])
        except CannotReach as exc:
            # What went before is gone, and of this step nobody knows: the result must say both.
            done.outcome, done.why, done.unanswered = actions.UNKNOWN, exc.message, len(batch)
            return done
        for unit, removed, there in zip(units, replies[::2], replies[1::2]):
            if isinstance(removed, ErrorReply):
                refused = client.refused(("UNLINK",), removed)
                done.outcome = actions.NOT_PERMITTED if refused.not_permitted else actions.FAILED
                done.why = f"{removed.code} {removed.message}"
                return done
            done.removed += removed
            done.gone_before += len(unit) - removed
            done.there_again += there if isinstance(there, int) else 0
        pace.done += len(batch)
        done.steps += 1
    return done


def _groups(keys: t.Iterable[bytes]) -> dict[str, int]:
    """How many keys by their first part: whole names may hold users' data."""
    counts = collections.Counter(text(key).partition(":")[0][:40] if b":" in key else "(no colon)" for key in keys)
    found = {name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"): n for name, n in counts.most_common(MAX_GROUPS)}
    rest = sum(counts.values()) - sum(found.values())
    return {**found, "(other)": rest} if rest else found


# A whole database.

def _flush(
    client: Client, request: Request, where: str, *, clustered: bool, check_mode: bool,
) -> tuple[actions.Action, int, dict[str, t.Any]]:
    expected = request.expected_keys or 0
    target = {"database": request.database, "expected_keys": expected}
    reason = "The whole database was named, with the number of keys to expect."
    action = _action(FLUSH, where, target, f"database {request.database}", reason)
    keys = int(client.call("DBSIZE"))
    action = dataclasses.replace(action, detail={"keys": keys})
    if not keys:
        return action.with_outcome(actions.NOT_NEEDED), 0, {"cache": {}}
    seen = _evidence(client, request)
    against = [] if request.accept_no_cache else not_a_cache(
        seen, min_ttl_percent=request.min_ttl_percent, cache_types=request.cache_types,
    )
    surprise = unexpected_count(keys, expected=expected, tolerance_percent=request.tolerance_percent)
    if surprise:
        against.insert(0, surprise)
    if against:
        raise Refused(
            f"Database {request.database} is not flushed: {'; '.join(against)}.",
            hint="Clear a pattern instead; or state the right number, or i_know_this_is_not_a_cache: true.",
            error="unexpected_keys" if surprise else "not_a_cache", contract=actions.ACTIONS_CONTRACT, cache=seen.as_dict(),
            actions=[action.with_outcome(actions.REFUSED, why="; ".join(against)).as_dict()],
        )
    more: dict[str, t.Any] = {"cache": seen.as_dict()}
    if not actions.is_approved([action.id], request.approved):
        return action.with_outcome(actions.REFUSED, why="not approved"), 0, more
    if check_mode:
        return action, 0, more
    with acting_alone(where):
        action, removed = _flush_now(client, action)
    return action, removed, more


def _flush_now(client: Client, action: actions.Action) -> tuple[actions.Action, int]:
    """Flush in one transaction, so that the count after it is not of keys that were written since; the outcome, and how many went."""
    before = int(client.call("DBSIZE"))
    # Alone: where it is refused, what follows would be done at once and outside of any transaction.
    refused = _first_error(client.replies([("MULTI",)]))
    if refused is not None:
        return _flush_refused(client, action, ("MULTI",), refused), 0
    try:
        replies = client.replies([("DBSIZE",), ("FLUSHDB", "ASYNC"), ("DBSIZE",), ("EXEC",)])
        answer = replies[-1]
        problem = _first_error([*replies, *(answer if isinstance(answer, list) else ())])
        if problem is None and isinstance(answer, list) and len(answer) == 3:
            there, _ok, left = answer
            why = {"why": f"{left} keys are still there"} if left else {}
            return action.with_outcome(actions.FAILED if left else actions.DONE, removed=there - left, left=left, **why), there - left
        # Whatever the errors say, what is there now tells what went. DISCARD: a transaction that is still open would only queue it.
        left = client.replies([("DISCARD",), ("DBSIZE",)])[1]
    except CannotReach as exc:
        return action.with_outcome(actions.UNKNOWN, why=f"{exc.message} Whether the keys are gone is not known."), 0
    if not isinstance(left, int):
        return action.with_outcome(actions.UNKNOWN, why=f"{problem or 'no result'}; how many keys are left cannot be seen"), 0
    removed = max(before - left, 0)
    if problem is None:
        return action.with_outcome(actions.FAILED, why="the transaction was not carried out", removed=removed, left=left), removed
    return _flush_refused(client, action, ("FLUSHDB",), problem, removed=removed, left=left), removed


def _first_error(replies: t.Iterable[t.Any]) -> t.Optional[ErrorReply]:
    return next((one for one in replies if isinstance(one, ErrorReply)), None)


def _flush_refused(client: Client, action: actions.Action, command: tuple[str], reply: ErrorReply, **detail: t.Any) -> actions.Action:
    outcome = actions.NOT_PERMITTED if client.refused(command, reply).not_permitted and not detail.get("removed") else actions.FAILED
    return action.with_outcome(outcome, why=f"{command[0]}: {reply.code} {reply.message}", **detail)


def _evidence(client: Client, request: Request) -> CacheEvidence:
    names = [name for name in client.replies([("RANDOMKEY",)] * max(request.sample, 1)) if isinstance(name, bytes)]
    unique = list(dict.fromkeys(names))
    lives = client.replies([("PTTL", name) for name in unique]) if unique else []
    # -2: expired since. An error (no permission) counts as no time to live.
    present = [life for life in lives if life != -2]
    types = _types(client, unique)
    if "stream" not in types and _has_stream(client):
        types["stream"] = 1
    info = client.info("memory")
    return CacheEvidence(
        sampled=len(present), with_ttl=sum(isinstance(life, int) and life >= 0 for life in present), types=dict(types),
        typed=sum(types.values()), policy=info.get("maxmemory_policy"), maxmemory=integer(info, "maxmemory"),
    )


def evidence(client: Client) -> CacheEvidence:
    """What of a database's keys says whether they are a cache; see not_a_cache().

    Raises:
        CommandRefused: its keys may not be looked at.
    """
    return _evidence(client, Request())


def _types(client: Client, sampled: t.Sequence[bytes]) -> collections.Counter[str]:
    """The types of every key of a database that is not large; of a large one, of its first keys and of the sample."""
    types: collections.Counter[str] = collections.Counter()
    steps = itertools.islice(_scan(client, "COUNT", 1000), MAX_TYPED // 1000)
    for names in itertools.chain(steps, [sampled]):
        kinds = [text(kind) for kind in client.replies([("TYPE", name) for name in names])] if names else []
        types.update(kind if isinstance(kind, str) else "unknown" for kind in kinds)
    types.pop("none", None)  # expired since
    return types


def _has_stream(client: Client) -> bool:
    """Whether a stream is among the keys that a bounded scan passes. Servers before 6 do not know the filter."""
    cursor: bytes = b"0"
    for _step in range(STREAM_STEPS):
        reply = client.replies([("SCAN", cursor, "COUNT", 1000, "TYPE", "stream")])[0]
        if isinstance(reply, ErrorReply):
            return False
        cursor, names = reply
        if names:
            return True
        if cursor == b"0":
            break
    return False


def _action(verb: str, where: str, target: dict[str, t.Any], name: str, reason: str) -> actions.Action:
    return actions.Action(verb=verb, resource=where, identity=target, target=target, name=name, reason=reason)
