# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether keys of a Redis server may be cleared: what a pattern covers, and whether a database shows itself to be a cache.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..._core.errors import BadInput

#: What caches hold. A stream, list, set or sorted set is somebody's queue, session index or ranking until its owner says otherwise.
CACHE_TYPES: tuple[str, ...] = ("string", "hash")
#: https://redis.io/docs/latest/develop/reference/eviction/: under these any key may be gone at any time, with a TTL or without.
_ANY_KEY = "allkeys-"
_KEEP_ALL = "noeviction"
_WILD = frozenset("*?[]^\\-")


@dataclasses.dataclass(frozen=True)
class CacheEvidence:
    """What was seen of a database.

    Attributes:
        sampled: how many keys were looked at, at random.
        with_ttl: how many of them have a time to live.
        types: how many keys of which type were met.
        typed: of how many keys the type was looked at.
        policy: maxmemory-policy; None when it cannot be seen.
        maxmemory: bytes, 0 for no limit; None when it cannot be seen.
    """

    sampled: int
    with_ttl: int
    types: t.Mapping[str, int]
    policy: t.Optional[str]
    maxmemory: t.Optional[int]
    typed: int = 0

    @property
    def ttl_percent(self) -> float:
        """The share of sampled keys with a time to live."""
        return round(100.0 * self.with_ttl / self.sampled, 1) if self.sampled else 0.0

    def as_dict(self) -> dict[str, t.Any]:
        """For results."""
        return {**dataclasses.asdict(self), "types": dict(self.types), "ttl_percent": self.ttl_percent}


def not_a_cache(
    seen: CacheEvidence, *, min_ttl_percent: float = 90.0, cache_types: t.Sequence[str] = CACHE_TYPES,
) -> list[str]:
    """Why the database does not show itself to be a cache; empty when it does.

    Every key may be lost by the server's own settings (an allkeys policy with a limit), or nearly every key has a time to live. And no
    key is of a type that caches do not have, and the server was not told to refuse writes rather than lose keys. What cannot be seen
    speaks against it.
    """
    against = []
    unexpected = sorted(kind for kind in seen.types if kind not in cache_types)
    if not seen.sampled:
        against.append("no key could be looked at")
    if unexpected:
        counted = ", ".join(f"{kind} ({seen.types[kind]} of {seen.typed or seen.sampled} looked at)" for kind in unexpected)
        against.append(f"it holds keys of type {counted}")
    if seen.policy is None or seen.maxmemory is None:
        against.append("maxmemory and its policy cannot be seen")
    elif seen.maxmemory > 0 and seen.policy == _KEEP_ALL:
        against.append("maxmemory-policy noeviction: the server was told to refuse writes rather than lose a key")
    disposable = bool(seen.policy and seen.policy.startswith(_ANY_KEY) and seen.maxmemory)
    if seen.sampled and not disposable and seen.ttl_percent < min_ttl_percent:
        against.append(f"only {seen.ttl_percent:g} % of the sampled keys have a time to live, less than {min_ttl_percent:g} %")
    return against


def unexpected_count(keys: int, *, expected: int, tolerance_percent: float = 20.0) -> str:
    """Why the number of keys is not the one that the caller expects; empty when it is.

    Far fewer are as suspicious as far more: it may be another database.
    """
    slack = max(expected * tolerance_percent / 100.0, 1.0)
    if abs(keys - expected) <= slack:
        return ""
    return f"{keys} keys are there, {expected} were expected (within {tolerance_percent:g} %)"


def require_pattern(pattern: str, *, name: str = "pattern") -> str:
    """A pattern that names something.

    Raises:
        BadInput: it is empty, or covers every key: that is a flush, and has conditions of its own.
    """
    if not pattern:
        raise BadInput(f"{name}: it is empty.", hint="Give the keys' common part, for example session:*.", argument=name)
    inside = re.sub(r"\\.", "x", re.sub(r"\[[^\]]*\]", "", pattern, flags=re.DOTALL), flags=re.DOTALL)
    if not [sign for sign in inside if sign not in _WILD]:
        raise BadInput(
            f"{name}: {pattern} names no part of a key and could cover all of them.",
            hint="Give the keys' common part, or clear the whole database with flush and expected_keys.", argument=name,
        )
    return pattern


def glob(pattern: str) -> t.Pattern[str]:
    """A pattern of Redis (https://redis.io/docs/latest/commands/keys/) as a regular expression over the whole key."""
    out: list[str] = []
    i = 0
    while i < len(pattern):
        sign = pattern[i]
        i += 1
        if sign == "*":
            if out[-1:] != [".*"]:  # several in a row are one, and would cost time
                out.append(".*")
        elif sign == "?":
            out.append(".")
        elif sign == "\\" and i < len(pattern):
            out.append(re.escape(pattern[i]))
            i += 1
        elif sign == "[":
            piece, i = _bracket(pattern, i)
            out.append(piece)
        else:
            out.append(re.escape(sign))
    return re.compile("".join(out), re.DOTALL)


def _bracket(pattern: str, i: int) -> tuple[str, int]:
    """The set that begins after the bracket at i - 1, and where it ends. One that never ends takes the rest, as the server does."""
    negated = pattern[i:i + 1] == "^"
    i += int(negated)
    inside = []
    while i < len(pattern) and pattern[i] != "]":
        if pattern[i] == "\\" and i + 1 < len(pattern):
            i += 1
            inside.append(re.escape(pattern[i]))
        elif i + 2 < len(pattern) and pattern[i + 1] == "-":
            low, high = sorted((pattern[i], pattern[i + 2]))
            inside.append(f"{re.escape(low)}-{re.escape(high)}")
            i += 2
        else:
            inside.append(re.escape(pattern[i]))
        i += 1
    if not inside:
        return ("." if negated else "(?!)"), i + 1
    return f"[{'^' if negated else ''}{''.join(inside)}]", i + 1


@dataclasses.dataclass
class Pace:
    """How fast keys may go: never more than `per_second` on average since the start.

    Attributes:
        per_second: 0 for no limit.
    """

    per_second: float
    done: int = 0

    def pause(self, *, elapsed: float) -> float:
        """Seconds to wait before the next batch, `elapsed` seconds after the start."""
        return max(self.done / self.per_second - elapsed, 0.0) if self.per_second > 0 else 0.0
