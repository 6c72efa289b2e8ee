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

from .._core import ranges, why
from .._core.acting import Candidate, Sight, Target, act, answered, unanswered
from .._core.actions import DONE, FAILED, MOVED_ON, NOT_PERMITTED, UNKNOWN, Action, Approved
from .._core.deadline import Deadline
from .._core.durations import parse_duration
from .._core.errors import BadInput, CannotReach, IncidentError
from .acting import OnServer
from .connection import Client, explained
from .decisions.cache import CacheEvidence, Pace, glob, require_pattern
from .decisions.clearing import (
    CLEAR,
    FLUSH,
    DatabaseSeen,
    PatternSeen,
    Refused,
    Request,
    ServerSeen,
    action_for,
    refusal,
    sight,
    surprise,
)
from .decisions.info import integer
from .resp import ErrorReply, Reply, text

#: How many steps of SCAN may look for streams, the type whose loss hurts most: keys beyond are covered by the sample alone.
STREAM_STEPS = 200
#: Of how many keys the type is looked at.
MAX_TYPED = 50_000
#: How many groups of keys the result names.
MAX_GROUPS = 20
#: What one step may ask of a server that serves others too.
MAX_BATCH, MAX_SAMPLE = 10_000, 10_000


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
        raise BadInput("cache_types: a stream is not a cache.", hint="Leave it out.", argument="cache_types")
    ranges.require(params)
    ranges.POSITIVE.require(params["sample"], name="sample")
    return Request(
        database=params["database"], pattern=pattern, exclude=tuple(require_pattern(one, name="exclude") for one in params["exclude"]),
        max_keys=params["max_keys"], spent=params["spent"], batch=min(params["batch"], MAX_BATCH), per_second=params["max_keys_per_second"],
        time_limit=parse_duration(params["time_limit"], name="time_limit"), expected_keys=params["expected_keys"],
        tolerance_percent=params["expected_keys_tolerance_percent"], sample=min(params["sample"], MAX_SAMPLE),
        min_ttl_percent=params["min_ttl_percent"], cache_types=tuple(params["cache_types"]),
        accept_no_cache=params["i_know_this_is_not_a_cache"], this_node_only=params["this_node_only"],
    )


def clear(
    params: t.Mapping[str, t.Any], request: Request, *, approved: t.Optional[t.Sequence[Approved]], check_mode: bool,
) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """Clear what the request says.

    Args:
        params: of the connection.

    Returns:
        The result by contract, and the error that the task must fail with, if any: also where a rule of ours refuses, as of a replica,
        of a cluster without this_node_only, or of a database that is not a cache.
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
        server: where keys would be cleared.
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
        self.server = ServerSeen()

    def look(self) -> Sight[Target]:
        client = self.entered()
        info = client.info()
        self.memory = integer(info, "used_memory")
        self.server = ServerSeen(
            sentinel=info.get("redis_mode") == "sentinel", role=info.get("role", ""),
            primary=f"{info.get('master_host', '?')}:{info.get('master_port', '?')}", clustered=info.get("cluster_enabled") == "1",
        )
        self.refusal = refusal(self.request, self.server)
        if self.refusal is not None:
            return self.sight()
        if self.request.database:
            client.call("SELECT", self.request.database)
        return self.find(client)

    def sight(self, **seen: t.Any) -> Sight[Target]:
        """What could be cleared, of what was seen; see decisions.clearing."""
        return sight(self.request, self.resource, self.server, **{"target": self.nothing(), **seen})

    def answer_here(self, one: Approved) -> Action:
        asked = action_for(self.request, self.resource).name
        return answered(one, MOVED_ON, why.NO_LONGER_MATCHES, error=f"What is asked for now is {asked}")

    def nothing(self) -> Target:
        """The target where nothing was looked at."""
        raise NotImplementedError

    def find(self, client: Client) -> Sight[Target]:
        """What there is to be cleared in the database, which is selected."""
        raise NotImplementedError


# A pattern.

class Pattern(Clearing[t.Sequence[bytes]]):
    """The keys of a pattern, but for those that are excluded."""

    verbs = (CLEAR,)

    def __init__(self, params: t.Mapping[str, t.Any], request: Request) -> None:
        super().__init__(params, request)
        self.seen["groups"] = {}

    def nothing(self) -> t.Sequence[bytes]:
        return ()

    def find(self, client: Client) -> Sight[t.Sequence[bytes]]:
        # One more tells that it is too many; how many more is not counted.
        keys, kept = _collect(client, self.request, most=self.request.allowed + 1)
        self.seen["groups"] = _groups(keys)
        return self.sight(pattern=PatternSeen(len(keys), tuple(kept.items())), target=keys, told=self.seen)

    def carry_out(self, candidate: Candidate[t.Sequence[bytes]]) -> Action:
        done = _unlink(self.entered(), candidate.target, self.request, one_by_one=self.server.clustered)
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

    def nothing(self) -> int:
        return 0

    def find(self, client: Client) -> Sight[int]:
        keys = int(client.call("DBSIZE"))
        seen = DatabaseSeen(keys, _evidence(client, self.request) if keys else None)
        if seen.evidence is not None:
            self.seen["cache"] = seen.evidence.as_dict()
        self.refusal = refusal(self.request, self.server, database=seen)
        return self.sight(database=seen, target=keys)

    def carry_out(self, candidate: Candidate[int]) -> Action:
        """Flush in one transaction, so that the count after it is not of keys that were written since."""
        client, action = self.entered(), candidate.action
        before = int(client.call("DBSIZE"))
        unexpected = surprise(before, self.request)
        if unexpected:
            return action.with_outcome(MOVED_ON, why=why.NO_LONGER_MATCHES, error=unexpected)
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
    """The replies, none of which says that we may not look: what is hidden is not evidence of anything.

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
