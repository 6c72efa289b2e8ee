# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a server says, there is a verdict: no crash, no hang, and what is not told is never ok."""

from __future__ import annotations

import json

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import STATUSES
from ansible_collections.oncall.incident.plugins.module_utils._core.thresholds import limits_from, threshold_spec
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions import verdict, verdict_speed, verdict_storage
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.facts import PING_CLASSES, Facts, Request
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.info import flavor, keyspace, parse_info, replicas
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.state import RECOVERIES, recovery_from, state_of
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.thresholds import THRESHOLDS
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.topology import (
    judge_cluster,
    judge_sentinel,
    member_from_sentinel,
    parse_cluster_nodes,
)

hypothesis = pytest.importorskip("hypothesis")
st = pytest.importorskip("hypothesis.strategies")
given = hypothesis.given
# A busy machine is no finding: neither a slow example nor slow making of examples.
patient = hypothesis.settings(deadline=None, suppress_health_check=list(hypothesis.HealthCheck), max_examples=200)

REQUEST = Request(
    checks=(), limits=limits_from({name: spec["default"] for name, spec in threshold_spec(THRESHOLDS).items()}, THRESHOLDS),
    expected_replicas=1, min_replicas_to_write=1,
)
CHECKS = (
    verdict.availability, verdict.writes, verdict.memory, verdict.fragmentation, verdict.evictions,
    verdict.connections, verdict.blocked_clients, verdict.errors, verdict_storage.persistence,
    verdict_storage.aof, verdict_storage.replication, verdict_speed.slow_log, verdict_speed.latency,
    verdict_speed.latency_events, verdict_speed.keys, verdict_speed.host,
)
FIELDS = (
    "role", "loading", "async_loading", "used_memory", "used_memory_rss", "maxmemory", "maxmemory_policy",
    "mem_fragmentation_ratio", "mem_fragmentation_bytes", "mem_not_counted_for_evict", "evicted_keys", "connected_clients",
    "maxclients", "max_clients", "rejected_connections", "blocked_clients", "total_error_replies", "errorstat_OOM",
    "rdb_last_bgsave_status", "rdb_last_save_time", "rdb_changes_since_last_save", "rdb_bgsave_in_progress",
    "rdb_current_bgsave_time_sec", "aof_enabled", "aof_last_write_status", "aof_last_bgrewrite_status", "aof_rewrite_in_progress",
    "aof_current_rewrite_time_sec", "aof_delayed_fsync", "master_link_status", "master_link_down_since_seconds",
    "master_last_io_seconds_ago", "master_sync_in_progress", "slave_repl_offset", "slave_read_repl_offset", "slave_read_only",
    "connected_slaves", "min_slaves_good_slaves", "slave0", "slave1", "master_repl_offset", "db0", "db15", "redis_version",
    "keyspace_hits", "keyspace_misses", "last_success_save", "last_failed_save", "redis_mode", "cluster_enabled",
    "loading_eta_seconds",
)
VALUES = st.one_of(
    st.integers().map(str), st.floats().map(str), st.text(max_size=30),
    st.sampled_from(["master", "slave", "0", "1", "-1", "ok", "err", "up", "down", "noeviction", "volatile-lru", "allkeys-lru", "",
                     "keys=1,expires=0", "keys=x,expires=", "ip=192.0.2.1,port=1,state=online,offset=-5,lag=-1", "count=5", "sentinel"]),
)
INFOS = st.dictionaries(st.sampled_from(FIELDS), VALUES)


def judge_everything(facts: Facts) -> None:
    findings = []
    for check in CHECKS:
        answer = check(facts, REQUEST)
        assert answer.findings or answer.skipped, check
        assert all(finding.status in STATUSES for finding in answer.findings)
        json.dumps([[one.as_dict() for one in answer.findings], [one.as_dict() for one in answer.skipped], dict(answer.data)])
        findings.extend(answer.findings)
    state = state_of(facts, REQUEST)
    assert {type(value) for value in state.as_dict().values()} <= {bool, type(None)}
    assert recovery_from(findings, facts, state) in ("", *RECOVERIES)


@patient
@given(INFOS, INFOS, st.sampled_from([*PING_CLASSES, ""]), st.floats(0, 10), st.one_of(st.none(), st.dictionaries(
    st.sampled_from(["save", "min-replicas-to-write", "latency-monitor-threshold", "tcp-backlog", "maxclients"]), VALUES)))
def test_any_fields_come_to_a_verdict(
    before: dict[str, str], after: dict[str, str], ping: str, between: float, config: dict[str, str] | None,
) -> None:
    judge_everything(Facts(before=before, after=after, ping=ping, between=between, config=config, now=1_800_000_000.0))


@patient
@given(st.one_of(st.binary(max_size=2000), st.text(max_size=2000)))
def test_any_text_is_parsed(said: bytes | str) -> None:
    fields = parse_info(said)
    flavor(fields), keyspace(fields), replicas(fields)
    judge_everything(Facts(before=fields, after=fields, between=1.0, ping="PONG"))


@patient
@given(st.text(max_size=500), st.lists(st.tuples(
    st.text(max_size=20), st.sampled_from(["10.0.0.1:6379@16379", "[::1]:1@2,host", ":0@0", "x", "192.0.2.1:99999"]),
    st.sampled_from(["master", "myself,master", "slave", "master,fail", "slave,fail?", "noaddr", ""]), st.text(max_size=5),
    st.lists(st.sampled_from(["0-5", "7", "[9->-x]", "a-b", "5-", "-"]), max_size=3))))
def test_any_nodes_are_parsed(junk: str, lines: list[tuple[str, str, str, str, list[str]]]) -> None:
    text = junk + "\n" + "\n".join(" ".join([ident, address, flags, primary, "0", "0", "1", "connected", *slots])
                                   for ident, address, flags, primary, slots in lines)
    members = parse_cluster_nodes(text, seed_host="192.0.2.9", seed_port=6379)
    assert all(0 < one.port < 65536 and one.host for one in members)
    judge_cluster(parse_info(junk), members, REQUEST)


@patient
@given(st.dictionaries(st.sampled_from(["ip", "port", "flags", "runid", "num-slaves", "quorum", "name"]), VALUES))
def test_any_sentinel_reply_is_judged(fields: dict[str, str]) -> None:
    member_from_sentinel(fields, role="primary")
    judge_sentinel("mymaster", fields, "", [], REQUEST)


def test_nothing_told_is_never_ok() -> None:
    facts = Facts(ping="NOPERM", denied={"INFO": "not_permitted: INFO"})
    for check in CHECKS:
        assert not check(facts, REQUEST).findings, check
