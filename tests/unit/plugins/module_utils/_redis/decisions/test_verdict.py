# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Redis servers are judged: tables of what INFO said and what that means."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import COULD_NOT_LOOK, NOT_APPLICABLE
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import judge_look
from ansible_collections.oncall.incident.plugins.module_utils._core.thresholds import limits_from, threshold_spec
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions import verdict
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions import verdict_speed as speed
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions import verdict_storage as storage
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.absent import harmless_write
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.facts import Facts, Request
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.state import (
    RECOVERIES,
    durable,
    most_pressing,
    pause_untold,
    recovery_from,
    state_of,
    unreachable_state,
)
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.thresholds import THRESHOLDS

DEFAULTS = limits_from({name: spec["default"] for name, spec in threshold_spec(THRESHOLDS).items()}, THRESHOLDS)
REQUEST = Request(checks=(), limits=DEFAULTS)
WELL = {"role": "master", "loading": "0", "used_memory": "1000", "maxmemory": "0", "rdb_last_bgsave_status": "ok"}


def facts(info: dict[str, Any] | None = None, *, before: dict[str, Any] | None = None, **more: Any) -> Facts:
    """A server that says this beside what a healthy one says."""
    after = {**WELL, **{name: str(value) for name, value in (info or {}).items()}}
    earlier = {**after, **{name: str(value) for name, value in (before or {}).items()}}
    usual = {"ping": "PONG", "between": 1.0, "config": {"save": "3600 1"}, "now": 1_000_000.0}
    return Facts(before=earlier, after=after, **{**usual, **more})


def statuses(answer: Any) -> dict[str, str]:
    """Status by subject."""
    return {finding.subject: finding.status for finding in answer.findings}


@pytest.mark.parametrize(
    ("info", "status"),
    [
        ({"maxmemory": 0}, "ok"),
        ({"maxmemory": 2000}, "ok"),
        ({"maxmemory": 1250}, "warning"),
        ({"maxmemory": 1100}, "critical"),
        ({"maxmemory": 1000, "maxmemory_policy": "allkeys-lru"}, "ok"),
        ({"maxmemory": 1000, "maxmemory_policy": "volatile-lru", "db0": "keys=5,expires=0"}, "critical"),
        ({"maxmemory": 1000, "maxmemory_policy": "volatile-lru", "db0": "keys=5,expires=5"}, "ok"),
        ({"maxmemory": 1100, "mem_not_counted_for_evict": 500}, "ok"),
    ],
)
def test_memory(info: dict[str, Any], status: str) -> None:
    assert statuses(verdict.memory(facts(info), REQUEST)) == {"": status}


@pytest.mark.parametrize(
    ("ratio", "wasted", "used", "rss", "found"),
    [
        (6.36, 5_000_000, 945_000, 6_000_000, {"": "ok"}),
        (1.6, 200 * 2**20, 300 * 2**20, 500 * 2**20, {"": "warning"}),
        (1.1, 200 * 2**20, 2000 * 2**20, 2200 * 2**20, {"": "ok"}),
        (0.5, -500 * 2**20, 1000 * 2**20, 500 * 2**20, {"swapped": "warning"}),
    ],
)
def test_fragmentation_needs_ratio_and_bytes(ratio: float, wasted: int, used: int, rss: int, found: dict[str, str]) -> None:
    info = {"mem_fragmentation_ratio": ratio, "mem_fragmentation_bytes": wasted, "used_memory": used, "used_memory_rss": rss}
    assert statuses(verdict.fragmentation(facts(info), REQUEST)) == found


def test_counters_count_by_their_growth() -> None:
    old = facts({"evicted_keys": 10**9}, before={"evicted_keys": 10**9})
    assert statuses(verdict.evictions(old, REQUEST)) == {"": "ok"}, "a billion since the start says nothing of now"
    assert statuses(verdict.evictions(facts({"evicted_keys": 50}, before={"evicted_keys": 0}), REQUEST)) == {"": "warning"}
    once = facts({"evicted_keys": 50}, between=0.0)
    assert verdict.evictions(once, REQUEST).skipped and not verdict.evictions(once, REQUEST).findings


@pytest.mark.parametrize(
    ("info", "found"),
    [
        ({"connected_clients": 10, "maxclients": 100, "rejected_connections": 5}, {"": "ok", "rejected": "ok"}),
        ({"connected_clients": 85, "maxclients": 100, "rejected_connections": 5}, {"": "warning", "rejected": "ok"}),
        ({"connected_clients": 95, "max_clients": 100}, {"": "critical"}),
        ({"connected_clients": 95}, {}),
    ],
)
def test_connections(info: dict[str, Any], found: dict[str, str]) -> None:
    assert statuses(verdict.connections(facts(info), REQUEST)) == found


@pytest.mark.parametrize(
    ("info", "found"),
    [
        ({}, {"last_save": "ok"}),
        ({"rdb_last_bgsave_status": "err"}, {"last_save": "critical"}),
        ({"rdb_bgsave_in_progress": 1, "rdb_current_bgsave_time_sec": 700}, {"last_save": "ok", "save_running": "warning"}),
        ({"rdb_bgsave_in_progress": 1, "rdb_current_bgsave_time_sec": 1300}, {"last_save": "ok", "save_running": "critical"}),
        ({"rdb_changes_since_last_save": 5, "rdb_last_save_time": 1_000_000 - 7200}, {"last_save": "ok", "unsaved": "warning"}),
        ({"rdb_changes_since_last_save": 0, "rdb_last_save_time": 1_000_000 - 7200}, {"last_save": "ok"}),
        ({"rdb_changes_since_last_save": 5, "rdb_last_save_time": 1_000_000 - 7200, "aof_enabled": 1}, {"last_save": "ok"}),
    ],
)
def test_persistence(info: dict[str, Any], found: dict[str, str]) -> None:
    assert statuses(storage.persistence(facts(info), REQUEST)) == found


def test_dragonfly_tells_of_failed_saves_by_their_times() -> None:
    info = {"last_success_save": 100, "last_failed_save": 200}
    one = Facts(ping="PONG", before=info, after={"role": "master", **{key: str(value) for key, value in info.items()}}, between=1.0)
    assert statuses(storage.persistence(one, REQUEST)) == {"last_save": "critical"}
    assert durable(one) is False


@pytest.mark.parametrize(
    ("info", "found"),
    [
        ({}, {}),
        ({"aof_enabled": 0}, {"": "ok"}),
        ({"aof_enabled": 1, "aof_last_write_status": "err", "aof_last_bgrewrite_status": "ok"},
         {"last_write": "critical", "last_rewrite": "ok"}),
        ({"aof_enabled": 1, "aof_last_write_status": "ok", "aof_last_bgrewrite_status": "err"},
         {"last_write": "ok", "last_rewrite": "warning"}),
        ({"aof_enabled": 1, "aof_last_write_status": "err"}, {"last_write": "critical"}),
    ],
)
def test_aof(info: dict[str, Any], found: dict[str, str]) -> None:
    assert statuses(storage.aof(facts(info), REQUEST)) == found


REPLICA = {"role": "slave", "master_host": "192.0.2.1", "master_port": 6379, "slave_repl_offset": 5, "slave_read_repl_offset": 5}


@pytest.mark.parametrize(
    ("info", "found", "observed"),
    [
        ({"master_link_status": "up", "master_last_io_seconds_ago": 3}, {"link": "ok", "last_io": "ok", "not_applied": "ok"}, "up"),
        ({"master_link_status": "up", "master_last_io_seconds_ago": 25}, {"link": "ok", "last_io": "warning", "not_applied": "ok"}, "up"),
        ({"master_link_status": "up", "master_last_io_seconds_ago": 3, "slave_read_repl_offset": 2**30},
         {"link": "ok", "last_io": "ok", "not_applied": "critical"}, "up"),
        ({"master_link_status": "down", "master_link_down_since_seconds": 4}, {"link": "critical"}, "down"),
        ({"master_link_status": "down", "master_link_down_since_seconds": -1}, {"link": "critical"}, "never_connected"),
        ({"master_link_status": "down", "master_sync_in_progress": 1}, {"link": "warning"}, "syncing"),
    ],
)
def test_a_replicas_link(info: dict[str, Any], found: dict[str, str], observed: str) -> None:
    answer = storage.replication(facts({**REPLICA, **info}), REQUEST)
    assert statuses(answer) == found
    assert answer.findings[0].observed == observed


@pytest.mark.parametrize(
    ("slave0", "worst"),
    [
        ("ip=192.0.2.2,port=1,state=online,offset=100,lag=0", "ok"),
        ("ip=192.0.2.2,port=1,state=online,offset=100,lag=20", "warning"),
        ("ip=192.0.2.2,port=1,state=online,offset=100,lag=-1", "critical"),
        ("ip=192.0.2.2,port=1,state=online,offset=-1000000000,lag=0", "critical"),
        ("ip=192.0.2.2,port=1,state=wait_bgsave,offset=0,lag=0", "warning"),
        ("ip=192.0.2.2,port=1,state=stable_sync,lag=4000", "ok"),
    ],
)
def test_a_primarys_replicas(slave0: str, worst: str) -> None:
    answer = storage.replication(facts({"connected_slaves": 1, "master_repl_offset": 100, "slave0": slave0}), REQUEST)
    found = [finding.status for finding in answer.findings if finding.subject == "192.0.2.2:1"]
    assert found and (worst in found if worst != "ok" else set(found) == {"ok"})


def test_keydbs_active_replica_is_both() -> None:
    info = {**REPLICA, "role": "active-replica", "master_link_status": "down", "connected_slaves": 1, "slave_read_only": 1}
    one = facts(info)
    assert statuses(storage.replication(one, REQUEST)) == {"link": "critical", "connected_replicas": "ok"}
    assert state_of(one, REQUEST).writable is True


def test_replicas_expected_and_needed_to_write() -> None:
    one = facts({"connected_slaves": 1, "min_slaves_good_slaves": 1}, config={"min-replicas-to-write": "2", "save": ""})
    answer = storage.replication(one, Request(checks=(), limits=DEFAULTS, expected_replicas=2))
    assert statuses(answer) == {"connected_replicas": "critical", "min_replicas_to_write": "critical"}
    assert state_of(one, REQUEST).writable is False and state_of(one, REQUEST).why_not_writable == "min_replicas"


#: A replica without a link, and one that is being sent a copy.
LOST = {**REPLICA, "master_link_status": "down", "master_link_down_since_seconds": -1}
COPYING = {**LOST, "master_sync_in_progress": 1}


def without(*fields: str) -> Facts:
    """A server that does not say this."""
    one = facts()
    return dataclasses.replace(one, after={name: value for name, value in one.after.items() if name not in fields})


@pytest.mark.parametrize(
    ("one", "state", "recovery"),
    [
        (facts(), (True, True, True, True), ""),
        (facts(config={"save": ""}), (True, True, True, False), ""),
        (facts(config=None), (True, True, True, None), ""),
        (facts({"loading": 1}, ping="LOADING"), (True, False, False, True), "loading"),
        (facts(ping="MISCONF"), (True, True, False, True), "misconf_disk"),
        (facts({"rdb_last_bgsave_status": "err"}), (True, True, False, False), "misconf_disk"),
        (facts({"rdb_last_bgsave_status": "err"}, config={"save": "1 1", "stop-writes-on-bgsave-error": "no"}), (True, True, True, False),
         "misconf_disk"),
        (facts({"aof_enabled": 1, "aof_last_write_status": "err"}), (True, True, False, False), "misconf_disk"),
        (facts({"maxmemory": 1000}), (True, True, False, True), "oom_noeviction"),
        (facts({"maxmemory": 1010, "errorstat_OOM": "count=2"}, before={"errorstat_OOM": "count=1"}), (True, True, False, True),
         "oom_noeviction"),
        (facts({"evicted_keys": 99}, before={"evicted_keys": 0}), (True, True, True, True), "evicting"),
        (facts({**REPLICA, "master_link_status": "down", "master_link_down_since_seconds": -1}), (True, False, False, True),
         "replica_orphan"),
        (facts({**REPLICA, "master_link_status": "up"}), (True, True, False, True), ""),
        (facts(REPLICA, ping="MASTERDOWN"), (True, False, False, True), "replica_orphan"),
        (facts(ping="BUSY"), (True, False, False, True), "busy"),
        (facts(cluster={"cluster_state": "fail"}), (True, False, False, True), ""),
        (Facts(ping="PONG"), (True, None, None, None), ""),
        (Facts(ping="NOPERM"), (True, None, None, None), ""),
        (Facts(ping="MISCONF"), (True, None, False, None), "misconf_disk"),
        (facts({"cluster_enabled": 1}), (True, None, None, True), ""),
        (facts({"cluster_enabled": 1}, cluster={"cluster_state": "ok"}), (True, True, True, True), ""),
        (facts({"min_slaves_good_slaves": 1}, config=None), (True, True, None, None), ""),
        (facts(ping="OTHER"), (True, None, None, True), ""),
        (facts({"aof_enabled": 1}), (True, True, True, None), ""),
        (facts({"paused_actions": "write"}), (True, True, False, True), "paused"),
        (facts(held_back=True), (True, True, False, True), "paused"),
        (facts({"role": "active-replica", "master_link_status": "up"}, held_back=True), (True, True, False, True), "paused"),
        (Facts(ping="PONG", denied={"INFO": "not_permitted: INFO: ERR unknown command 'INFO'"}, knows_client=False),
         (True, None, None, None), ""),
        (facts(held_back=False), (True, True, True, True), ""),
        (facts(denied={"PFCOUNT": "not_permitted: PFCOUNT"}), (True, True, None, True), ""),
        (without("loading"), (True, None, True, True), ""),
        (without("role"), (True, None, None, True), ""),
        (without("maxmemory"), (True, True, None, True), ""),
        (without("rdb_last_bgsave_status"), (True, True, True, None), ""),
        (facts({"sync_full": 9, "connected_slaves": 0}, before={"sync_full": 7}), (True, True, True, True), "sync_loop"),
        (facts({**LOST, "total_net_repl_input_bytes": 500}, before={"total_net_repl_input_bytes": 0}), (True, False, False, True),
         "sync_loop"),
        (facts(LOST, before={"master_sync_in_progress": 1}), (True, False, False, True), "sync_loop"),
        (facts({**COPYING, "master_sync_read_bytes": 5}, before={**COPYING, "master_sync_read_bytes": 9}), (True, False, False, True),
         "sync_loop"),
        (facts({**COPYING, "master_sync_read_bytes": 9}, before={**COPYING, "master_sync_read_bytes": 5}), (True, False, False, True), ""),
        (facts(LOST, before={"master_link_status": "up"}), (True, False, False, True), "replica_orphan"),
        (facts({"connected_clients": 99, "maxclients": 100}), (True, True, True, True), "maxclients"),
    ],
)
def test_the_split_verdict_and_what_to_recover_from(one: Facts, state: tuple[Any, ...], recovery: str) -> None:
    found = state_of(one, REQUEST)
    assert (found.alive, found.ready, found.writable, found.durable) == state
    checks = (
        verdict.availability, verdict.memory, verdict.evictions, verdict.connections, storage.persistence, storage.aof, storage.replication,
    )
    findings = [finding for check in checks for finding in check(one, REQUEST).findings]
    assert recovery_from(findings, one, found) == recovery


@pytest.mark.parametrize(("one", "untold"), [
    (facts({"redis_version": "7.0.15"}), True), (facts({"redis_version": "6.2.7"}), True), (facts(), True),
    (facts({"valkey_version": "8.0.1"}), True), (facts({"redis_version": "6.0.16"}), False),
    (facts({"redis_version": "7.2.4", "valkey_version": "8.1.0", "paused_actions": "none"}), False),
    (facts({"redis_version": "7.0.15", "role": "slave"}), False), (facts({"redis_version": "7.0.15"}, ping="LOADING"), False),
    (facts({"redis_version": "7.2.0", "dragonfly_version": "df-v1.27.1"}), True),
    (facts({"redis_version": "6.3.4", "mvcc_depth": "0", "role": "active-replica"}), True),
])
def test_who_is_asked_whether_it_holds_writes_back(one: Facts, untold: bool) -> None:
    assert pause_untold(one) is untold


def test_what_a_pause_holds_back_and_changes_nothing() -> None:
    """Dragonfly takes PFCOUNT for a read."""
    assert harmless_write({"redis_version": "7.0.15"}) == "PFCOUNT"
    assert harmless_write({"redis_version": "7.2.0", "dragonfly_version": "df-v1.27.1"}) == "DEL"
    dragonfly = facts({"dragonfly_version": "df-v1.27.1"}, denied={"PFCOUNT": "not_permitted: DEL: NOPERM no"})
    assert "Allow +del ~oncall.incident:probe:*" in verdict.writes(dragonfly, REQUEST).skipped[0].hint


PROXIED = {"INFO": "not_permitted: INFO: ERR unknown command 'INFO'"}


@pytest.mark.parametrize(("one", "statuses_", "hint"), [
    (Facts(ping="PONG", denied=PROXIED, knows_client=False), {"": "unknown"}, "Ask the server itself"),
    (Facts(ping="PONG", denied=PROXIED), {"": "ok"}, "Ask the server itself"),
    (Facts(ping="PONG", denied={"INFO": "not_permitted: INFO: NOPERM no"}, knows_client=False), {"": "ok"}, "Allow +info"),
    (Facts(ping="BUSY", denied={"INFO": "refused: INFO: BUSY Redis is busy"}), {"": "critical"}, "See availability"),
])
def test_who_knows_neither_client_nor_info_is_a_proxy(one: Facts, statuses_: dict[str, str], hint: str) -> None:
    """Whoever hides INFO alone is a server; the hint grants nothing that nobody can grant."""
    assert statuses(verdict.availability(one, REQUEST)) == statuses_
    assert verdict.memory(one, REQUEST).skipped[0].hint.startswith(hint)


def test_a_replica_that_is_being_copied_to_has_not_been_without_a_link_for_ever() -> None:
    for info, never in ((LOST, True), (COPYING, False), ({**LOST, "master_link_down_since_seconds": 4}, False)):
        assert storage.replication(facts(info), REQUEST).data["replication"]["never_connected"] is never
    broken = facts(LOST, before={"master_sync_in_progress": 1})
    assert storage.replication(broken, REQUEST).data["replication"]["never_connected"] is False


def test_a_refusal_of_us_is_a_sign_of_life() -> None:
    kept = {"maxclients", "auth_required"}
    assert unreachable_state("paused", alive_all_the_same=kept).as_dict() == {
        "alive": True, "ready": False, "writable": False, "durable": None}
    assert unreachable_state("auth_required", alive_all_the_same=kept).as_dict() == {
        "alive": True, "ready": None, "writable": None, "durable": None}
    assert unreachable_state("maxclients", alive_all_the_same=kept).as_dict() == {
        "alive": True, "ready": False, "writable": None, "durable": None}
    assert unreachable_state("frozen", alive_all_the_same=kept).alive is False


def test_the_most_pressing_comes_first() -> None:
    assert most_pressing(["evicting", "no_quorum", "down"]) == "down"
    assert most_pressing([]) == "" and len(set(RECOVERIES)) == 12


def test_latency_is_judged_by_its_99th_percentile() -> None:
    one = facts(round_trips=[0.001] * 98 + [0.5, 0.6])
    answer = speed.latency(one, REQUEST)
    assert answer.data["latency"] == {"p50": 0.001, "p99": 0.5, "pings": 100}
    assert statuses(answer) == {"": "warning"}
    assert speed.percentile([1.0], 0.99) == 1.0


def test_an_unarmed_monitor_is_not_health() -> None:
    assert "not_armed" in speed.latency_events(facts(latency=[], config={"latency-monitor-threshold": "0"}), REQUEST).skipped[0].reason
    assert speed.latency_events(facts(latency=[], config=None), REQUEST).skipped
    event = {"event": "fork", "at": 1_000_000, "latest": 0.9, "max": 2.0}
    armed = {"latency-monitor-threshold": "100"}
    assert statuses(speed.latency_events(facts(latency=[event], config=armed), REQUEST)) == {"": "warning"}
    assert statuses(speed.latency_events(facts(latency=[{**event, "at": 900_000}], config=armed), REQUEST)) == {"": "ok"}


def hint(answer: Any) -> str:
    """The advice of the one finding that is not ok."""
    (found,) = (one for one in answer.findings if one.status != "ok")
    return str(found.hint)


def test_what_is_to_blame_stands_in_the_hint() -> None:
    event = {"event": "aof-fsync-always", "at": 1_000_000, "latest": 0.9, "max": 2.0}
    assert "aof-fsync-always" in hint(speed.latency_events(facts(latency=[event], config={"latency-monitor-threshold": "100"}), REQUEST))
    slow = [{"command": "KEYS", "seconds": 0.25, "client": "192.0.2.7:5000"}, {"command": "GET", "seconds": 0.1, "client": ""}]
    assert "The slowest was KEYS, 0.25 s, from 192.0.2.7:5000." in hint(speed.slow_log(facts(slow_ids=(1, 30), slow_entries=slow), REQUEST))
    refused = facts({"total_error_replies": 90, "errorstat_OOM": "count=90"}, before={"total_error_replies": 0, "errorstat_OOM": "count=0"})
    assert "(90 OOM)" in hint(verdict.errors(refused, REQUEST))
    config = {"save": "3600 1", "dir": "/srv/redis"}
    assert "/srv/redis" in hint(storage.persistence(facts({"rdb_last_bgsave_status": "err"}, config=config), REQUEST))
    broken = {"aof_enabled": 1, "aof_last_write_status": "err", "aof_last_bgrewrite_status": "ok", "aof_delayed_fsync": 0}
    assert "/srv/redis" in hint(storage.aof(facts(broken, config=config), REQUEST))


@pytest.mark.parametrize(("ids", "grown"), [((-1, -1), 0), ((4, 6), 2), ((-1, 0), 1), ((9, 1), 2)])
def test_the_slow_logs_growth_survives_a_reset(ids: tuple[int, int], grown: int) -> None:
    assert speed.slow_log(facts(slow_ids=ids), REQUEST).data["slow_log"]["grown"] == grown


def test_keys_and_hit_rate() -> None:
    info = {"db0": "keys=100,expires=25,avg_ttl=1,subexpiry=0", "db3": "keys=1,expires=0", "keyspace_hits": 80, "keyspace_misses": 20}
    one = facts(info, before={"keyspace_hits": 0, "keyspace_misses": 0})
    limits = limits_from({**{name: spec["default"] for name, spec in threshold_spec(THRESHOLDS).items()},
                          "misses_warning": "10", "no_ttl_warning": "70"}, THRESHOLDS)
    answer = speed.keys(one, Request(checks=(), limits=limits))
    assert statuses(answer) == {"": "ok", "no_ttl": "warning", "misses": "warning"}
    assert answer.data["keyspace"]["hit_rate"] == 80.0 and answer.data["keyspace"]["without_ttl_percent"] == 75.2


def test_a_hosts_settings() -> None:
    found = {"overcommit_memory": 0, "transparent_hugepage": "always", "somaxconn": 128}
    one = facts(host=found, config={"tcp-backlog": "511"})
    assert statuses(speed.host(one, REQUEST)) == {"overcommit_memory": "warning", "transparent_hugepage": "warning", "somaxconn": "warning"}
    fine = facts(host={"overcommit_memory": 1, "transparent_hugepage": "madvise", "somaxconn": 4096}, config={"tcp-backlog": "511"})
    assert set(statuses(speed.host(fine, REQUEST)).values()) == {"ok"}
    assert speed.host(facts(), REQUEST).skipped


DRAGONFLY = {"dragonfly_version": "df-v1.36.0", "rejected_connections": -1}
COUNTED = {"rejected_connections": 1, "total_error_replies": 1, "sync_full": 3, "connected_clients": 1, "maxclients": 9}


@pytest.mark.parametrize(("check", "one", "kind"), [
    (verdict.errors, facts(COUNTED, between=0.0), COULD_NOT_LOOK),
    (verdict.errors, facts({"redis_version": "6.0.16"}), NOT_APPLICABLE),
    (verdict.errors, facts({"redis_version": "7.0.15"}), COULD_NOT_LOOK),
    (verdict.connections, facts(COUNTED, between=0.0), COULD_NOT_LOOK),
    (verdict.connections, facts({**COUNTED, **DRAGONFLY}), NOT_APPLICABLE),
    (verdict.fragmentation, facts(DRAGONFLY), NOT_APPLICABLE),
    (verdict.fragmentation, facts(), COULD_NOT_LOOK),
    (verdict.memory, without("maxmemory"), COULD_NOT_LOOK),
    (verdict.writes, facts({"cluster_enabled": 1}), COULD_NOT_LOOK),
    (verdict.writes, facts({"min_slaves_good_slaves": 1}, config=None), COULD_NOT_LOOK),
    (verdict.writes, facts(ping="NOPERM"), COULD_NOT_LOOK),
    (storage.aof, facts(DRAGONFLY), NOT_APPLICABLE),
    (storage.aof, facts({"aof_enabled": 1, "aof_last_write_status": "ok", "aof_delayed_fsync": 0}), COULD_NOT_LOOK),
    (storage.aof, facts({"aof_enabled": 1, "aof_last_write_status": "ok", "aof_last_bgrewrite_status": "ok", "aof_delayed_fsync": 0},
                        between=0.0), COULD_NOT_LOOK),
    (storage.persistence, facts(), COULD_NOT_LOOK),
    (storage.persistence, facts({"rdb_changes_since_last_save": 0}, config=None), COULD_NOT_LOOK),
    (storage.replication, facts(COUNTED, between=0.0), COULD_NOT_LOOK),
    (storage.replication, facts({"connected_slaves": 2, "slave0": "ip=192.0.2.2,port=1,state=online"}), COULD_NOT_LOOK),
    (storage.replication, facts({"min_slaves_good_slaves": 1}, config=None), COULD_NOT_LOOK),
    (speed.slow_log, facts(slow_ids=(1, 1), between=0.0), COULD_NOT_LOOK),
    (speed.latency, facts(denied={"PING": "not_permitted: PING"}), COULD_NOT_LOOK),
    (speed.latency_events, facts(latency=[], config={"latency-monitor-threshold": "0"}), NOT_APPLICABLE),
    (speed.latency_events, facts(latency=[], config={}), NOT_APPLICABLE),
    (speed.latency_events, facts(latency=[], config=None), COULD_NOT_LOOK),
    (speed.host, facts(), NOT_APPLICABLE),
    (speed.host, facts(denied={"host": "not_permitted: /proc"}), COULD_NOT_LOOK),
    (speed.host, facts(host={"overcommit_memory": 1, "somaxconn": 4096}, config=None), COULD_NOT_LOOK),
    (speed.host, facts(host={"overcommit_memory": None, "somaxconn": 4096}), COULD_NOT_LOOK),
])
def test_what_a_check_cannot_see_is_told_with_its_kind(check: Any, one: Facts, kind: str) -> None:
    """Also where it sees the rest: part of the answer is missing."""
    assert [item.kind for item in check(one, REQUEST).skipped] == [kind]


@pytest.mark.parametrize(("said", "kind"), [
    # As ElastiCache 6 says it, as earlier ones do, and as Redis says it of a user who may not.
    ("not_permitted: CONFIG GET: ERR unknown command `CONFIG`, with args beginning with: `GET`, `save`, ", NOT_APPLICABLE),
    ("not_permitted: CONFIG GET: ERR unknown command 'CONFIG'", NOT_APPLICABLE),
    ("not_permitted: CONFIG GET: NOPERM User watcher has no permissions to run the 'config|get' command", COULD_NOT_LOOK),
    ("not_permitted: CONFIG GET: NOPERM this user has no permissions to run the 'config' command or its subcommand", COULD_NOT_LOOK),
])
@pytest.mark.parametrize("saved", ["ok", "err"])
def test_where_there_is_no_config_persistence_is_judged_by_info(said: str, kind: str, saved: str) -> None:
    """A managed service has no such command, so nobody can grant it. One that is forbidden can be, and the hint says how."""
    one = facts({"rdb_changes_since_last_save": 5, "rdb_last_bgsave_status": saved}, config=None, denied={"CONFIG": said})
    answer = storage.persistence(one, REQUEST)
    assert statuses(answer) == {"last_save": "ok" if saved == "ok" else "critical"}
    assert [(item.kind, "config|get" in item.hint) for item in answer.skipped] == [(kind, kind == COULD_NOT_LOOK)]
    healthy = judge_look(answer.findings, answer.skipped, asked=("persistence",)).healthy
    assert healthy is (False if saved == "err" else True if kind == NOT_APPLICABLE else None)


def test_a_rate_of_hits_needs_two_samples() -> None:
    given = {**{name: spec["default"] for name, spec in threshold_spec(THRESHOLDS).items()}, "misses_warning": "10"}
    limits = limits_from(given, THRESHOLDS)
    once = facts({"keyspace_hits": 1, "keyspace_misses": 1}, between=0.0)
    assert [item.kind for item in speed.keys(once, Request(checks=(), limits=limits)).skipped] == [COULD_NOT_LOOK]
    assert not speed.keys(once, REQUEST).skipped, "nobody asked"
