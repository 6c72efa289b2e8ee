# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hints about Redis tell people to run: the fault, the command as the hint has it, and that it helps. See tests/advice.yml."""

from __future__ import annotations

import contextlib
import resource
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from demo.ports import free_port
from tests.integration.redis.redis_support import LEAST, look, only, skipped
from tests.support.advice import advised
from tests.support.need import need
from tests.support.redis_acting import connections, outcomes
from tests.support.redis_servers import SOURCES, RedisServer, cluster, find_binary, start_replica, start_sentinel
from tests.support.run_module import run_module
from tests.support.until import until


def run(server: RedisServer, command: str, *more: Any) -> Any:
    """A command of a hint, as somebody would type it into redis-cli."""
    return server.execute(*command.split(), *more)


@contextlib.contextmanager
def spinning(server: RedisServer, *command: str) -> Iterator[None]:
    """A script that never ends, until it is killed."""

    def spin() -> None:
        with server.client() as client, contextlib.suppress(redis.exceptions.RedisError):
            client.execute_command(*command)

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        yield
    finally:
        for kind in ("SCRIPT", "FUNCTION"):
            with contextlib.suppress(redis.exceptions.RedisError):
                server.execute(kind, "KILL")
        thread.join(20)


SPIN = "#!lua name=endless\nredis.register_function('spin', function() while true do end end)"


@pytest.mark.parametrize(("command", "kill"), [
    (("EVAL", "while true do end", "0"), "SCRIPT KILL"), (("FCALL", "spin", "0"), "FUNCTION KILL"),
])
def test_a_script_or_function_that_blocks_everything_is_killed(one_server: RedisServer, command: tuple[str, ...], kill: str) -> None:
    one_server.execute("CONFIG", "SET", "busy-reply-threshold", "100")
    one_server.execute("FUNCTION", "LOAD", SPIN)
    with spinning(one_server, *command):
        said = until(lambda: (one := only(look(one_server), "availability"))["observed"] == "BUSY" and one, what="BUSY")
        assert kill in advised(said["hint"])
        run(one_server, kill)
        until(lambda: look(one_server, checks=["availability"])["healthy"], what="the server to answer")


def test_a_save_after_the_directory_can_be_written_again(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "save", "3600 1")
    (server.data / "dump.rdb").mkdir()
    server.execute("SET", "unsaved", "x")
    server.execute("BGSAVE")
    until(lambda: server.execute("INFO", "persistence")["rdb_last_bgsave_status"] == "err", what="the save to fail")
    found = look(server)
    hints = [only(found, check, subject)["hint"] for check, subject in (("availability", ""), ("writes", ""), ("persistence", "last_save"))]
    assert [advised(hint) for hint in hints] == [["BGSAVE"]] * 3
    (server.data / "dump.rdb").rmdir()
    run(server, "BGSAVE")
    until(lambda: server.execute("INFO", "persistence")["rdb_last_bgsave_status"] == "ok", what="the save")
    assert look(server, checks=["availability", "writes", "persistence"])["healthy"] is True


def test_a_rewrite_after_the_disk_was_freed(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "aof-use-rdb-preamble", "no")
    server.execute("DEBUG", "POPULATE", "2000", "key", "100")
    server.execute("CONFIG", "SET", "appendonly", "yes")

    def persistence() -> dict[str, Any]:
        return dict(server.execute("INFO", "persistence"))

    until(lambda: not persistence()["aof_rewrite_in_progress"] and not persistence()["aof_rewrite_scheduled"], what="the first rewrite")
    _soft, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (8192, hard))  # a disk that is full for it alone
    server.execute("BGREWRITEAOF")
    until(lambda: persistence()["aof_last_bgrewrite_status"] == "err", what="the rewrite to fail")
    assert advised(only(look(server, checks=["aof"]), "aof", "last_rewrite")["hint"]) == ["BGREWRITEAOF"]
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (hard, hard))
    run(server, "BGREWRITEAOF")
    until(lambda: persistence()["aof_last_bgrewrite_status"] == "ok", what="the rewrite")
    assert look(server, checks=["aof"])["healthy"] is True


def test_fragmented_memory_is_left_behind_by_a_failover() -> None:
    """Debian's server uses jemalloc, and is not built with the one that can defragment: it refuses, as the hint says."""
    binary = find_binary("redis")
    need(binary, SOURCES["redis"])
    with RedisServer.start(binary) as server:
        server.execute("DEBUG", "POPULATE", "150000", "key", "400")
        server.execute("EVAL", "for n = 0, 149999 do if n % 8 ~= 0 then redis.call('UNLINK', 'key:' .. n) end end", "0")
        strict = {"checks": ["fragmentation"], "fragmentation_bytes": "30M", "fragmentation_warning": "3"}
        said = until(lambda: (one := only(look(server, **strict), "fragmentation"))["status"] == "warning" and one, what="fragmentation")
        [command] = advised(said["hint"])
        with contextlib.suppress(redis.exceptions.ResponseError):
            run(server, command)
            pytest.skip("this server can defragment")
        with start_replica(server) as replica:
            replica.execute("REPLICAOF", "NO", "ONE")
            assert replica.execute("DBSIZE") == server.execute("DBSIZE") and look(replica, **strict)["healthy"] is True


def test_a_pause_of_writes_is_ended(server: RedisServer) -> None:
    """Where the server tells of it, and where it does not and the pause is only found."""
    server.execute("CLIENT", "PAUSE", "600000", "WRITE")
    said = only(look(server, checks=["writes"]), "writes")
    assert said["observed"] == "paused" and "CLIENT UNPAUSE" in advised(said["hint"])
    run(server, "CLIENT UNPAUSE")
    assert look(server, checks=["writes"])["healthy"] is True


def test_latency_is_watched_and_explained(server: RedisServer) -> None:
    [told] = [one for one in look(server, checks=["latency_events"])["skipped_checks"] if one["check"] == "latency_events"]
    [command] = advised(told["hint"])
    assert command == "CONFIG SET latency-monitor-threshold 100"
    run(server, command)
    server.execute("DEBUG", "SLEEP", "0.7")
    said = only(look(server, checks=["latency_events"]), "latency_events")
    assert (said["status"], said["detail"]["event"], advised(said["hint"])) == ("warning", "command", ["LATENCY DOCTOR"])
    assert "command" in str(run(server, "LATENCY DOCTOR"))


def test_a_leak_of_connections_is_seen_in_the_list_of_clients(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "maxclients", "20")
    with connections(server, 17):
        said = only(look(server, checks=["connections"]), "connections")
        assert said["status"] != "ok" and "CLIENT LIST" in advised(said["hint"])
        with server.client() as client:
            assert len(client.client_list()) >= 17


def test_raised_maxclients_are_set_back_as_the_action_says(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "maxclients", "50")
    raised = run_module("redis_repair", operation="raise_maxclients", maxclients=60, **server.args())
    assert outcomes(raised) == ["done"] and server.execute("CONFIG", "GET", "maxclients")["maxclients"] == "60"
    [command] = {one for one in advised(str(raised["actions"][0])) if one.startswith("CONFIG SET maxclients")}
    run(server, command)
    assert server.execute("CONFIG", "GET", "maxclients")["maxclients"] == "50"


def test_rights_that_are_missing_are_granted(one_server: RedisServer) -> None:
    """Each rule alone: without it a check is unknown and names it; with it the check is answered."""
    one_server.execute("CONFIG", "SET", "latency-monitor-threshold", "100")
    user = {"login_user": "poor", "login_password": "secret"}
    for missing, check in (
        ("+ping", "availability"), ("+info", "memory"), ("+config|get", "persistence"), ("+slowlog|get", "slow_log"),
        ("+latency|latest", "latency_events"),
    ):
        one_server.execute("ACL", "SETUSER", "poor", "reset", "on", ">secret", "~*", *(one for one in LEAST if one != missing))
        found = look(one_server, checks=[check], **user)
        [told] = {one["hint"] for one in found["skipped_checks"] if one["check"] == check}
        assert (found["checks"][check], advised(told)) == ("unknown", [missing])
        one_server.execute("ACL", "SETUSER", "poor", *advised(told))
        assert look(one_server, checks=[check], **user)["healthy"] is True, missing


def test_rights_to_find_a_pause_are_granted() -> None:
    binary = find_binary("redis")
    need(binary, SOURCES["redis"])
    with RedisServer.start(binary) as server:
        if "paused_actions" in server.execute("INFO", "clients"):
            pytest.skip("this version tells of CLIENT PAUSE")
        user = {"login_user": "poor", "login_password": "secret"}
        server.execute("ACL", "SETUSER", "poor", "reset", "on", ">secret", *(one for one in LEAST if one != "+pfcount"))
        [told] = {one["hint"] for one in look(server, checks=["writes"], **user)["skipped_checks"] if one["check"] == "writes"}
        assert advised(told) == ["+pfcount", "~oncall.incident:probe:*"]
        server.execute("ACL", "SETUSER", "poor", *advised(told))
        assert look(server, checks=["writes"], **user)["healthy"] is True


def test_rights_of_a_probe_are_granted(one_server: RedisServer) -> None:
    user = one_server.args(login_user="poor", login_password="secret")
    one_server.execute("ACL", "SETUSER", "poor", "reset", "on", ">secret", "+ping")
    for _step in range(2):  # whoever may not INFO is told of the others too
        found = run_module("redis_probe", **user)
        for rule in {rule for one in found["skipped_checks"] if one["kind"] == "could_not_look" for rule in advised(one["hint"])}:
            one_server.execute("ACL", "SETUSER", "poor", rule)
    assert run_module("redis_probe", **user)["healthy"] is True
    with start_replica(one_server):
        one_server.execute("ACL", "SETUSER", "poor", "-wait")
        [told] = {one["hint"] for one in run_module("redis_probe", **user)["skipped_checks"] if one["check"] == "probe_replication"}
        assert "+wait" in advised(told)
        one_server.execute("ACL", "SETUSER", "poor", *advised(told))
        assert run_module("redis_probe", **user)["healthy"] is True


def test_rights_to_see_a_sentinels_nodes_are_granted(one_server: RedisServer) -> None:
    with start_sentinel(one_server, quorum=1) as sentinel:
        sentinel.execute("ACL", "SETUSER", "poor", "on", ">secret", "-@all", "+ping", "+info")
        user = {"login_user": "poor", "login_password": "secret", "checks": ["sentinel"]}
        [told] = {one["hint"] for one in look(sentinel, **user)["skipped_checks"] if one["check"] == "sentinel"}
        assert advised(told) == ["+sentinel|masters", "+sentinel|replicas", "+sentinel|sentinels", "+sentinel|ckquorum"]
        sentinel.execute("ACL", "SETUSER", "poor", *advised(told))
        assert look(sentinel, **user)["checks"]["sentinel"] == "ok"


def test_rights_to_see_a_cluster_are_granted(one_binary: str) -> None:
    with cluster(binary=one_binary) as servers:
        for server in servers:
            server.execute("ACL", "SETUSER", "poor", "on", ">secret", "~*", *(one for one in LEAST if not one.startswith("+cluster")))
        user = {"login_user": "poor", "login_password": "secret", "checks": ["cluster", "writes"]}
        [told] = {one["hint"] for one in look(servers[0], **user)["skipped_checks"] if one["check"] == "cluster"}
        assert advised(told) == ["+cluster|info", "+cluster|nodes"]
        for server in servers:
            server.execute("ACL", "SETUSER", "poor", *advised(told))
        assert until(lambda: look(servers[0], **user)["healthy"], what="the cluster to be seen well")


def test_rights_to_see_whether_sentinel_manages_a_replica_are_granted(one_server: RedisServer) -> None:
    with start_replica(one_server) as replica, start_replica(one_server) as heir:
        one_server.kill()
        heir.execute("REPLICAOF", "NO", "ONE")
        until(lambda: replica.execute("INFO", "replication")["master_link_status"] == "down", what="the link to be down")
        for server in (replica, heir):
            server.execute("ACL", "SETUSER", "poor", "on", ">secret", "~*", "+@all", "-client|list", "-pubsub|numsub")

        def repoint() -> dict[str, Any]:
            [action] = run_module(
                "redis_repair", operation="repoint_replica", primary_host="127.0.0.1", primary_port=heir.port,
                **replica.args(login_user="poor", login_password="secret"),
            )["actions"]
            return dict(action)

        refused = repoint()
        rules = set(advised(str(refused["detail"])))
        assert (refused["outcome"], rules) == ("refused", {"+client|list", "+pubsub|numsub"})
        for server in (replica, heir):
            server.execute("ACL", "SETUSER", "poor", *rules)
        done = repoint()
        assert done["outcome"] == "done", done["detail"]


def test_a_sentinel_that_watches_nothing_is_given_a_primary(one_server: RedisServer) -> None:
    with start_sentinel(one_server, quorum=1) as sentinel:
        sentinel.execute("SENTINEL", "REMOVE", "mymaster")
        [command] = advised(only(look(sentinel, checks=["sentinel"]), "sentinel", "watched")["hint"])
        assert command == "SENTINEL MONITOR"
        run(sentinel, command, "mymaster", "127.0.0.1", one_server.port, 1)
        assert skipped(look(sentinel, checks=["sentinel", "memory"]), "memory") == ""
        until(lambda: look(sentinel, checks=["sentinel"])["healthy"], what="the sentinel to see its primary")


def test_a_node_without_an_address_is_forgotten_and_the_one_that_is_there_is_met(one_binary: str) -> None:
    with cluster(binary=one_binary) as servers:
        left, gone = servers[:2], servers[2]
        ident = str(gone.execute("CLUSTER", "MYID"))
        gone.kill()
        for path in gone.data.iterdir():
            path.unlink()
        gone.run()  # another node, where the old one was

        def unreached() -> list[dict[str, Any]]:
            found = look(servers[0], checks=["nodes"])
            return [one for one in found["skipped_checks"] if one["check"] == "nodes" and one["reason"].startswith("not_reached")]

        [told] = until(unreached, what="the others to lose the address", seconds=60)
        assert ident[:40] in told["reason"] and advised(told["hint"]) == ["CLUSTER MEET", "CLUSTER FORGET"]
        for server in left:
            run(server, "CLUSTER FORGET", ident)
        until(lambda: not unreached(), what="the old node to be forgotten")
        run(servers[0], "CLUSTER MEET", "127.0.0.1", gone.port, gone.settings["cluster-port"])
        until(lambda: f"127.0.0.1:{gone.port}" in {one["address"] for one in look(servers[0], checks=["nodes"])["nodes"]},
              what="the new node to be known", seconds=60)


def test_a_replica_takes_over_the_slots_of_a_primary_that_is_gone(one_binary: str) -> None:
    with cluster(binary=one_binary) as servers:
        keeper, lost = servers[0], servers[2]
        wanted = {"cluster-enabled": "yes", "cluster-node-timeout": "2000", "cluster-port": str(free_port()),
                  "cluster-replica-no-failover": "yes"}
        with RedisServer.start(one_binary, settings=wanted) as replica:
            keeper.execute("CLUSTER", "MEET", "127.0.0.1", replica.port, replica.settings["cluster-port"])
            ident = str(lost.execute("CLUSTER", "MYID"))
            until(lambda: ident in str(replica.execute("CLUSTER", "NODES")), what="the replica to know its primary", seconds=60)
            replica.execute("CLUSTER", "REPLICATE", ident)
            until(lambda: replica.execute("INFO", "replication").get("master_link_status") == "up", what="the replica's link", seconds=60)
            lost.kill()
            said = until(
                lambda: (one := only(look(keeper, checks=["cluster"]), "cluster", "state"))["observed"] == "fail" and one,
                what="the cluster to fail", seconds=60,
            )
            [command] = advised(said["hint"])
            run(replica, command)
            until(lambda: only(look(keeper, checks=["cluster"]), "cluster", "state")["observed"] == "ok", what="the takeover", seconds=60)
