# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""redis_health on replicas, sentinels and clusters: each node's verdict and the whole's."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from demo.ports import free_port
from tests.integration.redis.redis_support import DATA, look, only, skipped
from tests.support.redis_servers import RedisServer, cluster, start_replica, start_sentinel, wait_for_end
from tests.support.until import until

TOPOLOGY = ["cluster", "sentinel", "nodes"]
WALK = [*DATA, *TOPOLOGY]


def test_a_primary_and_its_replica(server: RedisServer) -> None:
    with start_replica(server) as replica:
        found = until(lambda: (one := look(server, expected_replicas=1)) and one["status"] == "ok" and one, what="the replica to be online")
        assert found["replication"]["connected_replicas"] == 1
        assert only(found, "replication", "connected_replicas")["threshold"] == 1
        behind = [one for one in found["findings"] if one["check"] == "replication" and one["subject"] == f"127.0.0.1:{replica.port}"]
        assert {one["unit"] for one in behind} == {"seconds", "bytes"}
        assert only(look(server, expected_replicas=2), "replication", "connected_replicas")["status"] == "critical"
        found = look(replica)
        assert found["status"] == "ok" and found["replication"]["primary"] == f"127.0.0.1:{server.port}"
        assert (found["alive"], found["ready"], found["writable"]) == (True, True, False)


def test_a_replica_whose_primary_is_gone(server: RedisServer) -> None:
    with start_replica(server) as replica:
        server.kill()
        wait_for_end(server)
        found = until(lambda: (one := look(replica)) and one["recovery"] == "replica_orphan" and one, what="the link to be down")
        assert only(found, "availability")["observed"] == "PONG", "PING is content with stale data"
        assert only(found, "replication", "link")["observed"] == "down"
        assert found["ready"] is False


def test_a_replica_that_never_connected_reports_minus_one(server: RedisServer) -> None:
    server.execute("REPLICAOF", "127.0.0.1", free_port())
    found = until(lambda: (one := look(server)) and one["replication"].get("never_connected") and one, what="the role to change")
    assert found["replication"]["down_for"] == -1
    assert only(found, "replication", "link")["status"] == "critical"
    assert only(found, "replication", "link")["observed"] == "never_connected"
    assert found["recovery"] == "replica_orphan"


def test_masterdown(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "replica-serve-stale-data", "no")
    server.execute("REPLICAOF", "127.0.0.1", free_port())
    found = until(lambda: (one := look(server)) and only(one, "availability")["observed"] == "MASTERDOWN" and one, what="MASTERDOWN")
    assert found["recovery"] == "replica_orphan" and found["ready"] is False and found["alive"] is True
    assert found["checks"]["memory"] == "ok", "INFO is read although PING refuses"


def test_too_few_replicas_to_write(one_server: RedisServer) -> None:
    one_server.execute("CONFIG", "SET", "min-replicas-to-write", "1")
    found = look(one_server)
    assert only(found, "replication", "min_replicas_to_write")["status"] == "critical"
    assert only(found, "writes")["observed"] == "min_replicas" and found["writable"] is False
    one_server.execute("CONFIG", "SET", "min-replicas-to-write", "0")
    assert look(one_server)["writable"] is True
    assert look(one_server, min_replicas_to_write=2)["writable"] is False, "said by the caller where CONFIG can't be read"


def test_sentinels_with_a_quorum(server: RedisServer) -> None:
    with start_replica(server) as replica, start_sentinel(server, quorum=2) as first, start_sentinel(server, quorum=2):
        found = until(
            lambda: (one := look(first, checks=WALK, expected_replicas=1)) and len(one["nodes"]) == 4 and one["status"] == "ok" and one,
            what="the sentinels to know each other and the replica", seconds=60,
        )
    assert found["topology"] == "sentinel"
    assert sorted(node["role"] for node in found["nodes"]) == ["primary", "replica", "sentinel", "sentinel"]
    assert {node["address"] for node in found["nodes"]} >= {f"127.0.0.1:{server.port}", f"127.0.0.1:{replica.port}"}
    assert (found["alive"], found["ready"], found["writable"]) == (True, True, True), "of the primary, not of the replica"
    assert found["sentinel"]["primaries"][0]["quorum"] == "" and found["recovery"] == ""


def test_nodes_behind_a_sentinel_have_a_login_of_their_own(one_server: RedisServer) -> None:
    with start_sentinel(one_server, quorum=1) as sentinel:
        one_server.execute("CONFIG", "SET", "requirepass", "node-secret")
        told_nothing = look(sentinel, checks=["nodes", "memory"])
        [node] = [node for node in told_nothing["nodes"] if node["role"] == "primary"]
        assert (node["error"], node["status"], node["alive"]) == ("auth_required", "unknown", True), "neither well nor sick"
        found = look(sentinel, checks=["nodes", "memory"], node_login_password="node-secret")
    assert found["status"] == "ok" and "node-secret" not in str(found)


def test_sentinels_without_a_quorum(server: RedisServer) -> None:
    with start_sentinel(server, quorum=2) as lonely:
        found = look(lonely, checks=WALK)
    assert only(found, "sentinel", "mymaster: quorum")["status"] == "critical"
    assert found["recovery"] == "no_quorum"
    assert found["writable"] is True, "its data nodes look well while nobody could fail over"


def test_a_sentinel_whose_primary_died(one_server: RedisServer) -> None:
    with start_sentinel(one_server, quorum=1, down_after=500) as sentinel:
        one_server.kill()
        found = until(
            lambda: (one := look(sentinel, checks=WALK)) and only(one, "sentinel", "mymaster: primary")["status"] == "critical" and one,
            what="the sentinel to see it", seconds=60,
        )
    assert found["recovery"] == "down"
    assert {"recovery": "down", "address": f"127.0.0.1:{one_server.port}"} in found["recoveries"]
    assert found["ready"] is False


def told(result: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Check, subject and status of each finding."""
    return {(finding["check"], finding["subject"], finding["status"]) for finding in result["findings"]}


def test_a_cluster(binary: str) -> None:
    with cluster(binary=binary) as servers:
        found = until(lambda: (one := look(servers[1], checks=WALK)) and one["status"] == "ok" and one, what="the cluster to be well")
        assert found["topology"] == "cluster" and found["cluster"]["slots_ok"] == 16384
        assert {node["address"] for node in found["nodes"]} == {f"127.0.0.1:{server.port}" for server in servers}
        assert sum(node["slots"] for node in found["nodes"]) == 16384
        assert (found["alive"], found["ready"], found["writable"]) == (True, True, True)
        alone = look(servers[1], checks=WALK, topology="single")
        assert alone["topology"] == "single" and alone["nodes"] == [] and alone["healthy"] is True
        assert not set(alone["asked"]) & set(TOPOLOGY) and "this_server_alone" in skipped(alone, "cluster")
        stuck = until(lambda: with_a_stranger(servers[1]), what="a node that the cluster does not reach")
        assert "handshake" in skipped(stuck, "nodes") and stuck["checks"]["nodes"] == "unknown"
        missing = look(servers[1], checks=TOPOLOGY, expected_replicas=1)
        assert [one["observed"] for one in missing["findings"] if one["subject"].endswith(": replicas")] == [0, 0, 0]
        servers[2].kill()
        gone = f"127.0.0.1:{servers[2].port}"
        found = until(
            lambda: (one := look(servers[1], checks=WALK)) and ("cluster", gone, "critical") in told(one) and one,
            what="the others to call it failed", seconds=60,
        )
        assert only(found, "cluster", "state")["observed"] == "fail"
        assert only(found, "cluster", "slots")["status"] == "critical"
        assert found["recovery"] == "down" and {"recovery": "down", "address": gone} in found["recoveries"]
        assert (found["ready"], found["writable"]) == (False, False)


def with_a_stranger(server: RedisServer) -> dict[str, Any] | None:
    """A look at a cluster that is to meet a node where nobody listens, which it forgets by itself soon."""
    server.execute("CLUSTER", "MEET", "127.0.0.1", free_port())
    found = look(server, checks=TOPOLOGY)
    return found if "not_reached" in skipped(found, "nodes") else None


def test_a_frozen_node_holds_up_nobody(one_binary: str) -> None:
    with cluster(binary=one_binary, settings={"cluster-node-timeout": "60000"}) as servers:
        os.kill(servers[2].pid, signal.SIGSTOP)
        try:
            found = look(servers[0], checks=WALK, socket_timeout="2s", max_seconds="20s")
        finally:
            os.kill(servers[2].pid, signal.SIGCONT)
    by_address = {node["address"]: node for node in found["nodes"]}
    assert by_address[f"127.0.0.1:{servers[2].port}"]["recovery"] == "frozen"
    assert by_address[f"127.0.0.1:{servers[1].port}"]["status"] == "ok"
    assert found["recovery"] == "frozen" and found["status"] == "critical"


def test_a_node_that_only_we_cannot_reach_is_unknown(one_binary: str) -> None:
    """The others think well of it, so it may be the way from here: neither health nor a reason to restart it."""
    with cluster(binary=one_binary, settings={"cluster-node-timeout": "60000"}) as servers:
        servers[2].kill()
        wait_for_end(servers[2])
        found = look(servers[0], checks=["nodes", "availability"], fail_on="critical")
    assert found["failed"] and found["error"] == "unhealthy" and found["status"] == "unknown"
    [gone] = [node for node in found["nodes"] if node["address"] == f"127.0.0.1:{servers[2].port}"]
    assert gone["status"] == "unknown" and gone["error"] == "refused" and found["recovery"] == ""
    assert found["healthy"] is None and only(found, "availability", gone["address"])["status"] == "unknown"


def test_a_node_that_cannot_be_reached_leaves_no_check_healthy(one_binary: str) -> None:
    """Whoever asks for nothing of the topology is told all the same that not all of the cluster was looked at."""
    with cluster(binary=one_binary, settings={"cluster-node-timeout": "60000"}) as servers:
        servers[2].kill()
        wait_for_end(servers[2])
        found = look(servers[0], checks=["availability", "memory"])
    assert (found["status"], found["healthy"]) == ("unknown", None) and "nodes" not in found["checks"]
    assert f"127.0.0.1:{servers[2].port}: unreachable: refused" in skipped(found, "memory")


def test_a_user_who_may_not_see_the_topology(one_binary: str) -> None:
    with cluster(binary=one_binary) as servers:
        servers[0].execute("ACL", "SETUSER", "poor", "on", ">secret", "-@all", "+ping", "+info")
        found = look(servers[0], login_user="poor", login_password="secret", checks=["memory", *TOPOLOGY])
    assert found["checks"]["cluster"] == found["checks"]["nodes"] == found["checks"]["memory"] == "unknown"
    assert found["alive"] is None and found["ready"] is None, "of the other primaries nobody knows"
    assert {one["status"]: one["hint"] for one in found["findings"] if one["check"] == "memory"} == {
        "ok": "", "unknown": "Allow +cluster|info and +cluster|nodes to this user.",
    }
    assert any(one["check"] == "nodes" and "not_permitted" in one["reason"] for one in found["skipped_checks"])
    assert [node["address"] for node in found["nodes"]] == [f"127.0.0.1:{servers[0].port}"]


def test_a_node_whose_cluster_state_is_hidden_is_neither_ready_nor_writable(one_binary: str) -> None:
    with cluster(binary=one_binary) as servers:
        servers[0].execute("ACL", "SETUSER", "poor", "on", ">secret", "-@all", "+ping", "+info", "+config|get")
        found = look(servers[0], login_user="poor", login_password="secret", checks=["writes"], topology="single")
    assert (found["alive"], found["ready"], found["writable"]) == (True, None, None)
    assert "+cluster|info" in only(found, "writes")["hint"] and found["status"] == "unknown"


def test_a_sentinel_that_watches_nothing_is_not_healthy(one_server: RedisServer) -> None:
    with start_sentinel(one_server, quorum=1) as sentinel:
        sentinel.execute("SENTINEL", "REMOVE", "mymaster")
        found = look(sentinel, checks=["availability", "memory"])
        alone = look(sentinel, checks=["availability", "memory"], topology="single")
    assert found["healthy"] is None and skipped(found, "memory").startswith("watches_nothing")
    assert alone["healthy"] is True and skipped(alone, "memory").startswith("holds_no_data")


def test_a_sentinel_that_does_not_tell_of_the_others_is_not_healthy(one_server: RedisServer) -> None:
    with start_sentinel(one_server, quorum=1) as sentinel:
        sentinel.execute("ACL", "SETUSER", "poor", "on", ">secret", "-@all", "+ping", "+info")
        found = look(sentinel, login_user="poor", login_password="secret", checks=["availability", "memory", "sentinel"])
    assert (found["status"], found["healthy"]) == ("unknown", None) and set(found["checks"].values()) == {"unknown"}
    assert "Allow +sentinel|masters" in only(found, "memory")["hint"]


def test_replicas_that_are_needed_to_write_and_may_not_be_asked_for(one_server: RedisServer) -> None:
    one_server.execute("CONFIG", "SET", "min-replicas-to-write", "1")
    one_server.execute("ACL", "SETUSER", "poor", "on", ">secret", "-@all", "+ping", "+info")
    found = look(one_server, login_user="poor", login_password="secret", checks=["writes", "replication"])
    assert found["writable"] is None and found["checks"] == {"writes": "unknown", "replication": "unknown"}
    assert only(found, "writes")["hint"] == "Allow +config|get to this user."


def in_loop(server: RedisServer) -> dict[str, Any] | None:
    """A look that found a loop of full copies."""
    found = look(server, checks=["replication"], sample_seconds="3s")
    return found if found["recovery"] == "sync_loop" else None


def test_full_copies_that_begin_again_and_again(server: RedisServer) -> None:
    """The copy takes longer than the buffer for what is written meanwhile lasts: it is thrown away and begun again, for ever."""
    settings = {
        "repl-diskless-sync": "yes", "repl-diskless-sync-delay": "0", "rdb-key-save-delay": "100", "repl-backlog-size": "16kb",
        "client-output-buffer-limit": "replica 1mb 1mb 1",
    }
    for name, value in settings.items():
        server.execute("CONFIG", "SET", name, value)
    server.execute("DEBUG", "POPULATE", "20000", "key", "100")
    over = threading.Event()

    def write() -> None:
        with server.client() as client:
            while not over.wait(0.1):
                client.set("written", "x" * 200_000)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        with start_replica(server, linked=False) as replica:
            found = until(lambda: in_loop(server), what="the loop at the primary", seconds=60)
            assert only(found, "replication", "full_syncs")["observed"] >= 2
            assert "client-output-buffer-limit" in only(found, "replication", "full_syncs")["hint"]
            seen = until(lambda: in_loop(replica), what="the loop at the replica", seconds=60)
            assert only(seen, "replication", "link")["observed"] == "copy_broke_off" and seen["ready"] is False
    finally:
        over.set()
        thread.join(20)


def test_a_first_full_copy_is_no_loop(server: RedisServer) -> None:
    for name, value in {"repl-diskless-sync": "yes", "repl-diskless-sync-delay": "0", "rdb-key-save-delay": "200"}.items():
        server.execute("CONFIG", "SET", name, value)
    server.execute("DEBUG", "POPULATE", "20000", "key", "100")
    seen = set()
    with start_replica(server, linked=False) as replica:

        def linked() -> bool:
            for one in (look(replica, checks=["replication"], sample_seconds="500ms"), look(server, checks=["replication"])):
                assert one["recovery"] in ("", "replica_orphan"), one
                seen.update(finding["observed"] for finding in one["findings"] if finding["subject"] == "link")
            return "up" in seen

        until(linked, what="the copy", seconds=90)
    assert "syncing" in seen and "copy_broke_off" not in seen
