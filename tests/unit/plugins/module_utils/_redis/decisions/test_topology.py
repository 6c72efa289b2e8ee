# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster's nodes and sentinels say of the others."""

from __future__ import annotations

from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Skipped
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.facts import Request
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.topology import (
    judge_cluster,
    judge_sentinel,
    member_from_sentinel,
    parse_cluster_nodes,
    unreached,
)

NODES = """\
aaaa :6379@16379 myself,master - 0 0 1 connected 0-5460
bbbb 192.0.2.2:6380@16380,node2.example.org master - 0 1 2 connected 5461-10922 [10923->-cccc]
cccc 192.0.2.3:6379@16379 master,fail - 1 1 3 disconnected 10923-16383
dddd 2001:db8::4:6379@16379 slave aaaa 0 1 1 connected
eeee 192.0.2.5:6379 slave,fail? cccc 0 1 3 connected
ffff :0@0 master,noaddr - 0 0 0 disconnected
gggg 192.0.2.7:6379@16379 handshake - 0 0 0 connected
a line that is none
"""
REQUEST = Request(checks=(), expected_replicas=1)


def test_nodes_by_address_role_and_slots() -> None:
    members = parse_cluster_nodes(NODES, seed_host="192.0.2.1", seed_port=6379)
    assert [(one.address, one.role, one.slots, one.failed, one.suspected) for one in members] == [
        ("192.0.2.1:6379", "primary", 5461, False, False),
        ("192.0.2.2:6380", "primary", 5462, False, False),
        ("192.0.2.3:6379", "primary", 5461, True, False),
        ("[2001:db8::4]:6379", "replica", 0, False, False),
        ("192.0.2.5:6379", "replica", 0, False, True),
    ]


def test_nodes_without_an_address_are_named_as_not_looked_at() -> None:
    """A node that is stuck in its handshake is in no list of nodes."""
    found = unreached(NODES)
    assert [(one.check, one.kind) for one in found] == [("nodes", "could_not_look")] * 2
    assert "node ffff (master,noaddr)" in found[0].reason and "node gggg (handshake)" in found[1].reason
    assert "CLUSTER FORGET" in found[0].hint


def test_what_is_not_told_is_not_ok() -> None:
    found = {finding.subject: finding.status for finding in judge_cluster({}, [], Request(checks=()))}
    assert found == {"state": "unknown", "slots": "unknown"}
    findings, _skipped = judge_sentinel("m", {"name": "m"}, "", [], Request(checks=()))
    assert {finding.subject: finding.status for finding in findings} == {"m: quorum": "ok", "m: primary": "unknown"}


def test_announced_names_are_kept_for_tls() -> None:
    assert [one.hostname for one in parse_cluster_nodes(NODES, seed_host="192.0.2.1", seed_port=6379)][:2] == ["", "node2.example.org"]


def test_a_cluster_is_judged() -> None:
    members = parse_cluster_nodes(NODES, seed_host="192.0.2.1", seed_port=6379)
    info = {"cluster_state": "fail", "cluster_slots_ok": "10923", "cluster_slots_fail": "5461", "cluster_slots_pfail": "0"}
    found = {finding.subject: finding.status for finding in judge_cluster(info, members, REQUEST)}
    assert found == {
        "state": "critical", "slots": "critical", "192.0.2.3:6379": "critical", "192.0.2.5:6379": "warning",
        "192.0.2.2:6380: replicas": "critical",
    }


def test_a_state_that_is_ok_with_slots_missing() -> None:
    """cluster-require-full-coverage no."""
    info = {"cluster_state": "ok", "cluster_slots_ok": "16000", "cluster_slots_fail": "384"}
    findings = judge_cluster(info, [], Request(checks=()))
    assert {finding.subject: finding.status for finding in findings} == {"state": "ok", "slots": "critical"}


def test_sentinels_words() -> None:
    primary = {"name": "m", "ip": "192.0.2.1", "port": "6379", "flags": "master,o_down", "num-slaves": "0", "quorum": "2"}
    findings, skipped = judge_sentinel("m", primary, "NOQUORUM 1 usable", [], REQUEST)
    assert {finding.subject: finding.status for finding in findings} == {
        "m: quorum": "critical", "m: primary": "critical", "m: replicas": "critical"}
    assert not skipped
    why = Skipped("sentinel", "not_permitted: SENTINEL CKQUORUM")
    findings, skipped = judge_sentinel("m", {**primary, "flags": "master"}, why, [], Request(checks=()))
    assert skipped == [why] and {finding.subject for finding in findings} == {"m: primary"}, "a quorum that was not asked for is not one"


def test_members_of_a_sentinel() -> None:
    one = member_from_sentinel({"ip": "192.0.2.1", "port": "6379", "flags": "slave,s_down"}, role="replica")
    assert one is not None and one.failed and one.suspected
    assert member_from_sentinel({"ip": "?", "port": "0"}, role="replica") is None
