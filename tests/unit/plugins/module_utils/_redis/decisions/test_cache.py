# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.cache import (
    CacheEvidence,
    Pace,
    glob,
    not_a_cache,
    require_pattern,
    unexpected_count,
)


def seen(**more: object) -> CacheEvidence:
    """A cache as it should be, with changes."""
    usual = {"sampled": 100, "with_ttl": 95, "types": {"string": 100}, "policy": "volatile-lru", "maxmemory": 1000}
    return CacheEvidence(**{**usual, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("evidence", [
    seen(), seen(with_ttl=90), seen(types={"string": 60, "hash": 40}), seen(policy="noeviction", maxmemory=0),
    seen(with_ttl=0, policy="allkeys-lru"), seen(with_ttl=0, policy="allkeys-random"),
])
def test_a_cache(evidence: CacheEvidence) -> None:
    assert not_a_cache(evidence) == []


@pytest.mark.parametrize(("evidence", "said"), [
    (seen(with_ttl=89), "only 89 %"),
    (seen(with_ttl=0, policy="allkeys-lru", maxmemory=0), "only 0 %"),
    (seen(policy="noeviction"), "noeviction"),
    (seen(types={"string": 99, "stream": 1}), "stream (1 of 100 looked at)"),
    (seen(types={"string": 99, "list": 1}, policy="allkeys-lru"), "list"),
    (seen(types={"string": 99, "ReJSON-RL": 1}), "ReJSON-RL"),
    (seen(sampled=0, with_ttl=0, types={}), "no key could be looked at"),
    (seen(policy=None), "cannot be seen"),
    (seen(maxmemory=None), "cannot be seen"),
])
def test_no_cache(evidence: CacheEvidence, said: str) -> None:
    assert said in " ".join(not_a_cache(evidence))


@pytest.mark.parametrize(("keys", "expected", "fits"), [
    (100, 100, True), (120, 100, True), (80, 100, True), (121, 100, False), (79, 100, False), (1, 0, True), (2, 0, False), (0, 1000, False),
])
def test_expected_keys(keys: int, expected: int, fits: bool) -> None:
    assert (unexpected_count(keys, expected=expected) == "") is fits


@pytest.mark.parametrize("pattern", ["a", "session:*", "*:cart", "[*]x", r"\*", "?ser:*"])
def test_patterns_that_name_something(pattern: str) -> None:
    assert require_pattern(pattern) == pattern


@pytest.mark.parametrize("pattern", ["", "*", "**", "?*", "[a-z]*", "[^a]*", "*?*"])
def test_patterns_that_could_be_everything(pattern: str) -> None:
    with pytest.raises(BadInput):
        require_pattern(pattern)


@pytest.mark.parametrize(("pattern", "matching", "other"), [
    ("a*", ["a", "ab", "a\nb", "a:*"], ["b", "ba", ""]),
    ("a?c", ["abc", "a?c"], ["ac", "abbc"]),
    ("h[ae]llo", ["hello", "hallo"], ["hillo", "hllo"]),
    ("h[^e]llo", ["hallo", "hbllo"], ["hello"]),
    ("h[a-b]llo", ["hallo", "hbllo"], ["hcllo"]),
    ("h[b-a]llo", ["hallo", "hbllo"], ["hcllo"]),
    (r"a\*", ["a*"], ["ab", r"a\b"]),
    ("a.b", ["a.b"], ["axb"]),
    ("a[*]", ["a*"], ["ab"]),
    ("a[", [], ["a", "ab"]),
    ("[^]x", ["ax"], ["x"]),
])
def test_globs_are_the_servers(pattern: str, matching: list[str], other: list[str]) -> None:
    assert all(glob(pattern).fullmatch(key) for key in matching)
    assert not any(glob(pattern).fullmatch(key) for key in other)


def test_the_pace() -> None:
    pace = Pace(per_second=100)
    assert pace.pause(elapsed=0) == 0
    pace.done = 50
    assert pace.pause(elapsed=0.1) == pytest.approx(0.4)
    assert pace.pause(elapsed=2) == 0
    assert Pace(per_second=0, done=10).pause(elapsed=0) == 0
