# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether keys may be cleared, and the same decision again from its record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core import why
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.cache import CACHE_TYPES, CacheEvidence
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.clearing import (
    DatabaseSeen,
    PatternSeen,
    Request,
    ServerSeen,
    refusal,
    sight,
)

from tests.support.decided import decided_again

PRIMARY = ServerSeen(role="master")
PATTERN = Request(pattern="session:*", exclude=("session:keep:*",), max_keys=10, spent=4)
FLUSH = Request(expected_keys=100, cache_types=CACHE_TYPES)
CACHE = CacheEvidence(sampled=100, with_ttl=100, types={"string": 100}, policy="volatile-lru", maxmemory=1000)
QUEUE = CacheEvidence(sampled=100, with_ttl=0, types={"list": 100}, policy="noeviction", maxmemory=1000)


@pytest.mark.parametrize(("request_", "server", "seen", "outcome", "code"), [
    (PATTERN, PRIMARY, {"pattern": PatternSeen(6, (("session:keep:*", 2),))}, "planned", None),
    (PATTERN, PRIMARY, {"pattern": PatternSeen(7)}, "planned", None),  # the limit is the engine's to refuse
    (PATTERN, PRIMARY, {"pattern": PatternSeen(0)}, "not_needed", why.ALREADY_SO),
    (PATTERN, ServerSeen(role="slave", primary="192.0.2.4:6379"), {}, "refused", why.PROTECTED),
    (PATTERN, ServerSeen(sentinel=True, role="sentinel"), {}, "refused", why.PROTECTED),
    (PATTERN, ServerSeen(role="master", clustered=True), {}, "refused", why.OPTION_OFF),
    (FLUSH, PRIMARY, {"database": DatabaseSeen(0)}, "not_needed", why.ALREADY_SO),
    (FLUSH, PRIMARY, {"database": DatabaseSeen(100, CACHE)}, "planned", None),
    (FLUSH, PRIMARY, {"database": DatabaseSeen(900, CACHE)}, "refused", why.PROTECTED),
    (FLUSH, PRIMARY, {"database": DatabaseSeen(100, QUEUE)}, "refused", why.PROTECTED),
    (Request(expected_keys=100, accept_no_cache=True), PRIMARY, {"database": DatabaseSeen(100, QUEUE)}, "planned", None),
])
def test_each_decision_is_made_again(
    request_: Request, server: ServerSeen, seen: dict[str, Any], outcome: str, code: str | None,
) -> None:
    found = sight(request_, "redis:4f1e", server, **seen, target=[b"session:ann@example.org"], told={"groups": {"session": 6}})
    action = found.candidates[0].action
    assert (action.outcome, action.detail.get("why")) == (outcome, code)
    assert (refusal(request_, server, database=seen.get("database")) is not None) == (outcome == "refused")
    over = outcome == "planned" and "pattern" in seen and seen["pattern"].found > request_.allowed
    assert decided_again(found.basis, approved=None).actions == {action.id: "refused" if over else outcome}


def test_no_name_of_a_key_is_recorded() -> None:
    found = sight(PATTERN, "redis:4f1e", PRIMARY, PatternSeen(1), target=[b"session:ann@example.org"])
    assert found.basis is not None and "ann" not in json.dumps(found.basis.as_reading())
