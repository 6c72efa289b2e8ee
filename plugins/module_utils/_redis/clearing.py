# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clear keys of a Redis database: those of a pattern, in batches, or all of a database that is a cache.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import itertools
import time
import typing as t

from .._core import why
from .._core.acting import Candidate, Sight, Target, act, answered, unanswered
from .._core.actions import DONE, FAILED, MOVED_ON, NOT_NEEDED, NOT_PERMITTED, REFUSED, UNKNOWN, Action, Approved, Spared
from .._core.deadline import Deadline
from .._core.durations import parse_duration
from .._core.errors import BadInput, CannotReach, IncidentError
from .._core.limits import Limit
from .acting import OnServer
from .connection import Client, explained
from .decisions.cache import CacheEvidence, Pace, glob, not_a_cache, require_pattern, unexpected_count
from .decisions.info import integer
from .resp import ErrorReply, Reply, text

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
        accept_no_cache=params["i_know_this_is_not_a_cache"], this_node_only=params["this_node_only"],
    )


class Refused(IncidentError):
    """A rule of ours forbids it; nothing was done. `error` in facts says which."""

    kind = "refused"


def clear(
    params: t.Mapping[str, t.Any], request: Request, *, approved: t.Optional[t.Sequence[Approved]], check_mode: bool,
) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """Clear what the request says.

    Args:
        params: of the connection.

    Returns:
        The result by contract, and the error that the task must fail with, if any: also where a rule of ours refuses, as of a replica,
        of a cluster without this_node_only, or of a database that is no cache.
    """
    subject: Clearing[t.Any] = (Pattern if request.pattern else Database)(params, request)
    with contextlib.closing(subject):
        done = act(subject, approved=approved, check_mode=check_mode)
        result = {**done.as_result(limits=request.limits), **subject.seen, "keys_removed": subject.removed}
        if subject.removed:
            result["used_memory"] = {"before": subject.memory, "after": _used_memory(subject.entered())}
    return result, done.problem or subject.refusal


def _used_memory(client: Client) -> t.Optional[int]:
    """None when the server does not tell any more: what went is told all the same."""
    try:
        return integer(client.info("memory"), "used_memory")
    except IncidentError:
        return None


class Clearing(OnServer[Target]):
    """Keys of one database: there is one candidate, all that are to be cleared.

    Attributes:
        removed: how many keys went, as the server counted them.
        memory: bytes that were used before.
        seen: further keys of the result.
        refusal: the rule of ours that refuses.
        clustered: whether the server is a node of a cluster.
    """

    noun, done = "keys", "cleared"
    advice = "Name a narrower pattern, or raise max_keys."

    def __init__(self, params: t.Mapping[str, t.Any], request: Request) -> None:
        super().__init__(params)
        self.request = request
        self.removed = 0
        self.memory: t.Optional[int] = None
        self.seen: dict[str, t.Any] = {}
        self.refusal: t.Optional[Refused] = None
        self.clustered = False

    def look(self) -> Sight[Target]:
        client = self.entered()
        info = client.info()
        self.memory, self.clustered = integer(info, "used_memory"), info.get("cluster_enabled") == "1"
        self.refusal = _wrong_server(info, this_node_only=self.request.this_node_only)
        if self.refusal is not None:
            return Sight([Candidate(self.nothing(), self.refused(self.action()))])
        if self.request.database:
            client.call("SELECT", self.request.database)
        return self.find(client)

    def refused(self, action: Action) -> Action:
        """The action as the refusal leaves it."""
        if self.refusal is None:
            raise ValueError("nothing was refused")
        code = why.OPTION_OFF if self.refusal.facts["error"] == "cluster" else why.PROTECTED
        return action.with_outcome(REFUSED, why=code, error=self.refusal.message)

    def answer_here(self, one: Approved) -> Action:
        return answered(one, MOVED_ON, why.NO_LONGER_MATCHES, error=f"What is asked for now is {self.action().name}")

    def action(self) -> Action:
        """What would be done."""
        raise NotImplementedError

    def nothing(self) -> Target:
        """The target where nothing was looked at."""
        raise NotImplementedError

    def find(self, client: Client) -> Sight[Target]:
        """What there is to be cleared in the database, which is selected."""
        raise NotImplementedError


def _wrong_server(info: t.Mapping[str, str], *, this_node_only: bool) -> t.Optional[Refused]:
    """Why keys are not cleared on this server: only on a primary, and of a cluster only where each node is named."""
    if info.get("redis_mode") == "sentinel":
        return Refused("This is a Sentinel, it has no data.", hint="Name the primary that it watches.", error="sentinel")
    if info.get("role") != "master":
        primary = f"{info.get('master_host', '?')}:{info.get('master_port', '?')}"
        return Refused(
            f"This server is a replica of {primary}: data are never changed on a replica.", hint=f"Name the primary, {primary}.",
            error="replica",
        )
    if info.get("cluster_enabled") == "1" and not this_node_only:
        return Refused(
            "This server is a node of a cluster and holds only a part of the keys; nothing was touched.",
            hint="Call the module for every primary of the cluster, with this_node_only: true.", error="cluster",
        )
    return None


# A pattern.

class Pattern(Clearing[t.Sequence[bytes]]):
    """The keys of a pattern, but for those that are excluded."""

    verbs = (CLEAR,)

    def __init__(self, params: t.Mapping[str, t.Any], request: Request) -> None:
        super().__init__(params, request)
        self.seen["groups"] = {}

    def action(self) -> Action:
        target = {"database": self.request.database, "pattern": self.request.pattern}
        name = f"database {self.request.database}, pattern {self.request.pattern}"
        return _action(CLEAR, self.resource, target, name, "The keys of this pattern were named.")

    def nothing(self) -> t.Sequence[bytes]:
        return ()

    def find(self, client: Client) -> Sight[t.Sequence[bytes]]:
        request = self.request
        allowed = max(request.max_keys - request.spent, 0)
        # One more tells that it is too many; how many more is not counted.
        keys, kept = _collect(client, request, most=allowed + 1)
        self.seen["groups"] = _groups(keys)
        action = dataclasses.replace(self.action(), detail={"keys": len(keys), **self.seen})
        if not keys:
            action = action.with_outcome(NOT_NEEDED, why=why.ALREADY_SO)
        unit = "or more keys" if len(keys) > allowed else "keys"
        return Sight(
            candidates=[Candidate(keys, action, uses={"max_keys": len(keys)})],
            protected=tuple(
                Spared({"pattern": pattern, "keys": count}, ("excluded",), True, f"pattern {pattern}") for pattern, count in kept.items()
                if count
            ),
            limits=(Limit("max_keys", allowed, f"max_keys {request.max_keys}, {request.spent} used already", unit=unit),),
        )

    def carry_out(self, candidate: Candidate[t.Sequence[bytes]]) -> Action:
        done = _unlink(self.entered(), candidate.target, self.request, one_by_one=self.clustered)
        self.removed = done.removed
        # Of a step without an answer nobody knows; what went before is known.
        action = dataclasses.replace(candidate.action, touched=bool(done.removed) or (None if done.unanswered else False))
        return action.with_outcome(done.outcome, **done.detail(len(candidate.target)))


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
    there_again: t.Optional[int] = 0  # None: it cannot be seen
    unanswered: int = 0
    steps: int = 0
    outcome: str = DONE
    why: str = ""
    error: str = ""

    def detail(self, planned: int) -> dict[str, t.Any]:
        found: dict[str, t.Any] = {"removed": self.removed, "gone_before": self.gone_before, "written_again": self.there_again,
                                   "steps": self.steps, "left": planned - self.removed - self.gone_before}
        if self.unanswered:  # some of those that are left may be gone
            found["unanswered"] = self.unanswered
        return {**found, "why": self.why, "error": self.error} if self.why else found

    def ended(self, outcome: str, code: str, error: str) -> _Unlinked:
        """The same with the reason why it ended early."""
        return dataclasses.replace(self, outcome=outcome, why=code, error=error)


def _unlink(client: Client, keys: t.Sequence[bytes], request: Request, *, one_by_one: bool) -> _Unlinked:
    """Remove the keys in batches. The server counts what it really removed; what is there right after was written again."""
    done, pace, limit = _Unlinked(), Pace(request.per_second), Deadline(request.time_limit)
    start = time.monotonic()
    for index in range(0, len(keys), request.batch):
        pause = pace.pause(elapsed=time.monotonic() - start)
        if limit.remaining() <= pause or client.deadline.remaining() <= pause:
            over = f"time_limit of {request.time_limit:g} s" if limit.remaining() <= pause else "time of max_seconds"
            return done.ended(FAILED, why.OUT_OF_TIME, f"the {over} is over")
        time.sleep(pause)
        batch = keys[index:index + request.batch]
        units = [[key] for key in batch] if one_by_one else [list(batch)]
        try:
            replies = client.replies([(verb, *unit) for unit in units for verb in ("UNLINK", "EXISTS")])
        except CannotReach as exc:
            # What went before is gone, and of this step nobody knows: the result must say both.
            done.unanswered = len(batch)
            return done.ended(UNKNOWN, why.NO_ANSWER, exc.message)
        for unit, removed, there in zip(units, replies[::2], replies[1::2]):
            if isinstance(removed, ErrorReply):
                return done.ended(*_refusal(client, "UNLINK", removed), explained("UNLINK", removed))
            done.removed += removed
            done.gone_before += len(unit) - removed
            done.there_again = done.there_again + there if isinstance(there, int) and done.there_again is not None else None
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

class Database(Clearing[int]):
    """All keys of a database that shows itself to be a cache; the target is how many there are."""

    verbs = (FLUSH,)

    def __init__(self, params: t.Mapping[str, t.Any], request: Request) -> None:
        super().__init__(params, request)
        self.seen["cache"] = {}

    def action(self) -> Action:
        target = {"database": self.request.database, "expected_keys": self.request.expected_keys or 0}
        reason = "The whole database was named, with the number of keys to expect."
        return _action(FLUSH, self.resource, target, f"database {self.request.database}", reason)

    def nothing(self) -> int:
        return 0

    def find(self, client: Client) -> Sight[int]:
        request = self.request
        keys = int(client.call("DBSIZE"))
        action = dataclasses.replace(self.action(), detail={"keys": keys})
        if not keys:
            return Sight([Candidate(keys, action.with_outcome(NOT_NEEDED, why=why.ALREADY_SO))])
        seen = _evidence(client, request)
        self.seen["cache"] = seen.as_dict()
        against = [] if request.accept_no_cache else not_a_cache(
            seen, min_ttl_percent=request.min_ttl_percent, cache_types=request.cache_types,
        )
        surprise = self._surprise(keys)
        if surprise:
            against.insert(0, surprise)
        if against:
            self.refusal = Refused(
                f"Database {request.database} is not flushed: {'; '.join(against)}.",
                hint="Clear a pattern instead; or state the right number, or i_know_this_is_not_a_cache: true.",
                error="unexpected_keys" if surprise else "not_a_cache",
            )
            action = self.refused(action)
        return Sight([Candidate(keys, action)])

    def _surprise(self, keys: int) -> str:
        return unexpected_count(keys, expected=self.request.expected_keys or 0, tolerance_percent=self.request.tolerance_percent)

    def carry_out(self, candidate: Candidate[int]) -> Action:
        """Flush in one transaction, so that the count after it is not of keys that were written since."""
        client, action = self.entered(), candidate.action
        before = int(client.call("DBSIZE"))
        surprise = self._surprise(before)
        if surprise:
            return action.with_outcome(MOVED_ON, why=why.NO_LONGER_MATCHES, error=surprise)
        # Alone: where it is refused, what follows would be done at once and outside of any transaction.
        refused = _first_error(client.replies([("MULTI",)]))
        if refused is not None:
            return _flush_refused(client, action, "MULTI", refused)
        try:
            replies = client.replies([("DBSIZE",), ("FLUSHDB", "ASYNC"), ("DBSIZE",), ("EXEC",)])
            answer = replies[-1]
            problem = _first_error([*replies, *(answer if isinstance(answer, list) else ())])
            if problem is None and isinstance(answer, list) and len(answer) == 3:
                there, _ok, left = answer
                self.removed = there - left
                failed = {"why": why.NOT_MEASURED, "error": f"{left} keys are still there"} if left else {}
                return action.with_outcome(FAILED if left else DONE, removed=self.removed, left=left, **failed)
            # Whatever the errors say, what is there now tells what went. DISCARD: a transaction that is still open would only queue it.
            left = client.replies([("DISCARD",), ("DBSIZE",)])[1]
        except CannotReach as exc:
            return unanswered(action, f"{exc.message} Whether the keys are gone is not known.", hint=exc.hint)
        if not isinstance(left, int):
            said = f"{problem or 'no result'}; how many keys are left cannot be seen"
            return action.with_outcome(UNKNOWN, why=why.NO_ANSWER, error=said)
        self.removed = max(before - left, 0)
        action = dataclasses.replace(action, touched=self.removed > 0, detail={**action.detail, "removed": self.removed, "left": left})
        if problem is None:
            return action.with_outcome(FAILED, why=why.TARGET_REFUSED, error="the transaction was not carried out")
        return _flush_refused(client, action, "FLUSHDB", problem)


def _first_error(replies: t.Iterable[t.Any]) -> t.Optional[ErrorReply]:
    return next((one for one in replies if isinstance(one, ErrorReply)), None)


def _flush_refused(client: Client, action: Action, command: str, reply: ErrorReply) -> Action:
    outcome, code = (FAILED, why.TARGET_REFUSED) if action.touched else _refusal(client, command, reply)
    return action.with_outcome(outcome, why=code, error=f"{command}: {explained(command, reply)}")


def _refusal(client: Client, command: str, reply: ErrorReply) -> tuple[str, str]:
    """Outcome and reason of what the server refused."""
    return (NOT_PERMITTED, why.NOT_PERMITTED) if client.refused((command,), reply).not_permitted else (FAILED, why.TARGET_REFUSED)


def _evidence(client: Client, request: Request) -> CacheEvidence:
    names = _permitted(client, "RANDOMKEY", client.replies([("RANDOMKEY",)] * max(request.sample, 1)))
    unique = list(dict.fromkeys(name for name in names if isinstance(name, bytes)))
    lives = _permitted(client, "PTTL", client.replies([("PTTL", name) for name in unique])) if unique else []
    # -2: expired since.
    present = [life for life in lives if life != -2]
    types = _types(client, unique)
    if "stream" not in types and _has_stream(client):
        types["stream"] = 1
    info = client.info("memory")
    return CacheEvidence(
        sampled=len(present), with_ttl=sum(isinstance(life, int) and life >= 0 for life in present), types=dict(types),
        typed=sum(types.values()), policy=info.get("maxmemory_policy"), maxmemory=integer(info, "maxmemory"),
    )


def _permitted(client: Client, command: str, replies: t.Sequence[Reply]) -> t.Sequence[Reply]:
    """The replies, none of which says that we may not look: what is hidden is no evidence of anything.

    Raises:
        CommandRefused: one of them does.
    """
    for reply in replies:
        if isinstance(reply, ErrorReply):
            refused = client.refused((command,), reply)
            if refused.not_permitted:
                raise refused
    return replies


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
        kinds = [text(kind) for kind in _permitted(client, "TYPE", client.replies([("TYPE", name) for name in names]))] if names else []
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


def _action(verb: str, where: str, target: dict[str, t.Any], name: str, reason: str) -> Action:
    return Action(verb=verb, resource=where, identity=target, target=target, name=name, reason=reason)
