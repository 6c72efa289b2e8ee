# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a record keeps of the samples of a server: everything, and nothing twice."""

from __future__ import annotations

import dataclasses
import json

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.facts import Facts, Request
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.topology import Member
from ansible_collections.oncall.incident.plugins.module_utils._redis.health import judged as look_of
from ansible_collections.oncall.incident.plugins.module_utils._redis.health_run import judged
from ansible_collections.oncall.incident.plugins.module_utils._redis.topology import Node, Raw, Topology, made

from tests.support.decided import again

WELL = {
    "role": "master", "loading": "0", "maxmemory": "100", "used_memory": "90", "maxmemory_policy": "noeviction", "redis_version": "7.0.15",
    "run_id": "5" * 40,
}
CHECKS = ("availability", "writes", "errors")


@pytest.mark.parametrize(("before", "after"), [
    (WELL, WELL), ({}, {}), ({**WELL, "used_memory": "80"}, WELL), (WELL, {**WELL, "errorstat_OOM": "count=3"}),
    ({**WELL, "db0": "keys=1"}, WELL), (WELL, {}),
])
def test_a_sample_is_whole_again(before: dict[str, str], after: dict[str, str]) -> None:
    one = Facts(before=before, after=after, between=1.0)
    kept = one.recalled()
    assert kept.whole() == one and (not after or len(kept.before) <= 1)


def test_a_refusal_between_the_samples_counts_again_and_no_node_is_told_twice() -> None:
    seen = Facts(ping="PONG", before=WELL, after={**WELL, "errorstat_OOM": "count=3"}, between=1.0, config={"save": ""}, held_back=False)
    request = Request(checks=CHECKS)
    members = tuple(Member(host="192.0.2.7", port=port, role="primary") for port in (6379, 6380))
    one = look_of(seen, request)
    for topology, nodes in ((Topology(), ()), (Topology("cluster", members), tuple(Node.of(one, member=member) for member in members))):
        raw = Raw(Node.of(one), topology, nodes)
        found = judged(dataclasses.replace(made(raw, request), raw=raw), request, CHECKS)
        assert found.basis is not None
        text = json.dumps(found.basis.as_reading())
        assert again(json.loads(text)).checks == found.verdict.statuses() and found.verdict.statuses()["writes"] == "critical"
        assert text.count("5" * 40) == 1 + len(nodes) and text.count("6380") == len(nodes) // 2
