# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""redis_repair, redis_probe and redis_restart_check against real servers."""

from __future__ import annotations

import contextlib
import os
import pwd
import resource
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from ansible_collections.oncall.incident.plugins.module_utils._module import lease
from ansible_collections.oncall.incident.plugins.module_utils._module.lock import acting_alone
from ansible_collections.oncall.incident.plugins.module_utils._redis import args as args_utils
from ansible_collections.oncall.incident.plugins.module_utils._redis import repairing

from demo.ports import free_port
from tests.support.cutting import cutting, leading
from tests.support.need import need
from tests.support.redis_acting import answers, connections, fingerprint, ids, outcomes, said, why
from tests.support.redis_servers import SOURCES, RedisServer, any_binary, cluster, find_binary, start_replica, start_sentinel
from tests.support.run_module import run_module, start_module
from tests.support.until import until

CHECKS = ("probe_write", "probe_read", "probe_replication", "probe_delete")


@pytest.fixture(params=["valkey", "redis"])
def binary(request: pytest.FixtureRequest) -> str:
    """Each flavour's binary."""
    found = find_binary(request.param)
    need(found, SOURCES[request.param])
    assert found is not None
    return found


@pytest.fixture
def server(binary: str) -> Iterator[RedisServer]:
    """A server of the test's own."""
    with RedisServer.start(binary) as running:
        yield running


def repair(server: RedisServer, operation: str, *, check: bool = False, **args: Any) -> dict[str, Any]:
    return run_module("redis_repair", check=check, operation=operation, **{**server.args(timeout="20s"), **args})


def setting(server: RedisServer, name: str) -> str:
    return str(server.execute("CONFIG", "GET", name)[name])


def break_saving(server: RedisServer) -> None:
    """A directory stands where the dump should go: saving fails, and the server refuses writes."""
    server.execute("CONFIG", "SET", "save", "3600 1")  # first: a server that listens may still have to load
    (server.data / "dump.rdb").mkdir()
    server.execute("SET", "unsaved", "x")
    server.execute("BGSAVE")
    until(lambda: server.execute("INFO", "persistence")["rdb_last_bgsave_status"] == "err", what="the save to fail")


# maxclients

def test_maxclients_is_raised_and_the_old_value_kept(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "maxclients", "50")
    before = fingerprint(server)
    plan = repair(server, "raise_maxclients", maxclients=80, check=True)
    assert (outcomes(plan), plan["changed"]) == (["planned"], True)
    assert fingerprint(server) == before
    assert ids(repair(server, "raise_maxclients", maxclients=80, check=True)) == ids(plan)
    assert outcomes(repair(server, "raise_maxclients", maxclients=80, approved=[])) == ["refused"]
    for approved, told in ((ids(plan), "Only its id is known"), (plan["actions"], "maxclients 70")):
        other = repair(server, "raise_maxclients", maxclients=70, approved=approved)
        assert list(answers(other).values()) == [("refused", "not_approved"), ("moved_on", "no_longer_matches")]
        assert other["actions"][1]["id"] == ids(plan)[0] and told in other["actions"][1]["detail"]["error"]
    assert setting(server, "maxclients") == "50"
    result = repair(server, "raise_maxclients", maxclients=80, approved=ids(plan))
    assert (outcomes(result), result["changed"]) == (["done"], True), result
    detail = result["actions"][0]["detail"]
    assert (detail["before"], detail["after"], setting(server, "maxclients")) == (50, 80, "80")
    for again in (80, 60):
        result = repair(server, "raise_maxclients", maxclients=again)
        assert (outcomes(result), result["changed"], setting(server, "maxclients")) == (["not_needed"], False, "80")


def test_two_runs_never_act_on_one_server_at_once(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "maxclients", "50")
    with acting_alone(f"redis:{server.execute('INFO', 'server')['run_id']}"):
        plan = repair(server, "raise_maxclients", maxclients=60, check=True)
        assert outcomes(plan) == ["planned"]
        result = repair(server, "raise_maxclients", maxclients=60, approved=plan["actions"])
        assert (result["failed"], result["error"], answers(result)) == (True, "locked", {ids(plan)[0]: ("refused", "locked")})
    assert outcomes(repair(server, "raise_maxclients", maxclients=60)) == ["done"]


def test_another_runs_entry_point_is_not_interrupted(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.execute("CONFIG", "SET", "maxclients", "50")
    resource = f"redis:{server.execute('INFO', 'server')['run_id']}"
    plan = repair(server, "raise_maxclients", maxclients=60, check=True)
    lease.take(resource, run="run-1", holder="ann", seconds=300)
    try:
        result = repair(server, "raise_maxclients", maxclients=60, approved=plan["actions"])
        assert (result["failed"], result["error"], answers(result)) == (True, "locked", {ids(plan)[0]: ("refused", "locked")})
        assert "Run run-1 of ann is acting on" in result["msg"]
        monkeypatch.setenv(lease.VARIABLE, lease.token("run-1", "ann"))
        assert outcomes(repair(server, "raise_maxclients", maxclients=60, approved=plan["actions"])) == ["done"]
        assert os.path.exists(lease.lease_path(resource)), "the entry point gives it back"
    finally:
        assert lease.give_back(resource, run="run-1", holder="ann")


def test_what_was_approved_is_answered_where_nobody_gets_in_and_after_a_restart(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "maxclients", "50")
    plan = repair(server, "raise_maxclients", maxclients=60, check=True)
    server.kill()
    for approved in (ids(plan), plan["actions"]):
        silent = repair(server, "raise_maxclients", maxclients=60, approved=approved)
        assert (silent["failed"], silent["error"], answers(silent)) == (True, "refused", {ids(plan)[0]: ("failed", "not_tried")})
    server.run()
    result = repair(server, "raise_maxclients", maxclients=60, approved=plan["actions"])
    assert list(answers(result).values()) == [("not_needed", "already_so"), ("moved_on", "restarted")] and not result["changed"]


def test_maxclients_beyond_the_files_that_the_process_may_open(binary: str) -> None:
    server = RedisServer(binary, settings={"maxclients": "50"})
    try:
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            for path in (server.base, server.data):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
            become: dict[str, Any] = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        else:
            become = {}
        argv = [binary, "--port", str(server.port), "--bind", "127.0.0.1", "--dir", str(server.data), "--save", "", "--maxclients", "50"]
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200)), **become,
        )
        try:
            until(server.answers, what="the server")
            result = repair(server, "raise_maxclients", maxclients=5000)
            assert (outcomes(result), result["changed"]) == (["refused"], False), result
            assert why(result) == "cannot_help" and "5032 open files" in said(result)
            assert setting(server, "maxclients") == "50"
            with cutting(server.port, word=b"never") as port:
                # What listens there is another process, whatever number the server gives.
                plan = repair(server, "raise_maxclients", maxclients=5000, check=True, login_port=port)
                assert (outcomes(plan), plan["actions"][0]["detail"]["descriptor_limit"]) == (["planned"], None), plan
            assert outcomes(repair(server, "raise_maxclients", maxclients=100)) == ["done"]
        finally:
            process.terminate()
            process.wait(timeout=20)
    finally:
        server.stop()


def test_maxclients_with_a_single_place_left(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "maxclients", "6")
    with connections(server, 5):
        assert outcomes(repair(server, "raise_maxclients", maxclients=20)) == ["done"]
        assert setting(server, "maxclients") == "20"


# The save

def test_a_save_after_the_disk_was_freed(server: RedisServer) -> None:
    assert outcomes(repair(server, "save")) == ["not_needed"]
    break_saving(server)
    before = fingerprint(server)
    plan = repair(server, "save", check=True)
    assert (outcomes(plan), fingerprint(server)) == (["planned"], before)
    still = repair(server, "save")
    assert (still["failed"], outcomes(still), still["changed"]) == (True, ["failed"], False)
    assert "still full" in still["msg"] and why(still) == "not_measured"
    (server.data / "dump.rdb").rmdir()
    result = repair(server, "save", approved=ids(plan))
    assert (outcomes(result), result["changed"]) == (["done"], True), result
    assert (server.data / "dump.rdb").is_file()
    server.execute("SET", "works", "again")
    assert outcomes(repair(server, "save")) == ["not_needed"]


def test_a_save_that_waits_is_not_one_that_failed(server: RedisServer) -> None:
    """The append-only file is rewritten, slowly: until that has ended, nobody knows whether the save works."""
    break_saving(server)
    server.execute("CONFIG", "SET", "rdb-key-save-delay", "100000000")
    server.execute("BGREWRITEAOF")
    try:
        result = repair(server, "save", timeout="300ms")
        assert (result["failed"], outcomes(result), why(result)) == (True, ["unknown"], "still_at_work"), result
        assert "waits" in said(result)
    finally:
        with contextlib.suppress(redis.exceptions.ConnectionError):
            server.execute("SHUTDOWN", "NOSAVE")  # which ends the rewriter too


def test_a_save_that_can_only_fail_again_is_not_planned(server: RedisServer) -> None:
    """Nothing made room before it, and its directory is measured. Root, or the server's own user, sees that."""
    break_saving(server)
    before = fingerprint(server)
    in_the_way = repair(server, "save", after=[{}, {"actions": [{"outcome": "not_needed"}]}], check=True)
    assert (outcomes(in_the_way), why(in_the_way)) == (["refused"], "cannot_help"), in_the_way
    assert f"{server.data}/dump.rdb is a directory" in said(in_the_way) and fingerprint(server) == before
    made = repair(server, "save", after=[{"actions": [{"outcome": "planned"}]}], check=True)
    assert outcomes(made) == ["planned"], "what comes before it would make room"
    (server.data / "dump.rdb").rmdir()
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))
    small = repair(server, "save", after=[], check=True)
    assert outcomes(small) == ["refused"] and "may write files of 64 bytes" in said(small)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    with cutting(server.port, word=b"never") as port:
        elsewhere = repair(server, "save", after=[], check=True, login_port=port)
    assert (outcomes(elsewhere), why(elsewhere)) == (["refused"], "cannot_look") and "cannot be measured from here" in said(elsewhere)
    assert outcomes(repair(server, "save", after=[])) == ["done"]


# The script

FUNCTION = "#!lua name=ours\nredis.register_function('spin', function() while true do end end)"


@contextlib.contextmanager
def blocked(server: RedisServer, *command: Any) -> Iterator[None]:
    """A command that blocks the server until somebody ends it, or the server."""
    server.execute("CONFIG", "SET", "busy-reply-threshold", "100")

    def run() -> None:
        with contextlib.suppress(redis.exceptions.RedisError):
            server.execute(*command)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        until(lambda: is_busy(server), what="the script to be noticed")
        yield
    finally:
        for family in ("SCRIPT", "FUNCTION"):
            with contextlib.suppress(redis.exceptions.RedisError):
                server.execute(family, "KILL")
        with contextlib.suppress(redis.exceptions.RedisError):
            if is_busy(server):
                server.kill()
        thread.join(20)


def is_busy(server: RedisServer) -> bool:
    try:
        server.execute("PING")
    except redis.exceptions.RedisError as exc:
        return "BUSY" in str(exc)
    return False


@pytest.mark.parametrize("kind", ["script", "function"])
def test_what_blocks_the_server_is_ended(kind: str, server: RedisServer) -> None:
    assert outcomes(repair(server, "kill_script")) == ["not_needed"]
    command: tuple[Any, ...] = ("EVAL", "while true do end", 0)
    if kind == "function":
        server.execute("FUNCTION", "LOAD", FUNCTION)
        command = ("FCALL", "spin", 0)
    server.execute("ACL", "SETUSER", "narrow", "on", ">pw", "+@all", "-script|kill", "-function|kill")
    with blocked(server, *command):
        plan = repair(server, "kill_script", check=True)
        assert (outcomes(plan), plan["actions"][0]["detail"]["command"]) == (["planned"], f"{kind.upper()} KILL"), plan
        assert "NOSAVE" in plan["actions"][0]["detail"]["note"] and is_busy(server)
        assert outcomes(repair(server, "kill_script", approved=[])) == ["refused"] and is_busy(server)
        forbidden = repair(server, "kill_script", approved=plan["actions"], login_user="narrow", login_password="pw")
        assert (forbidden["failed"], outcomes(forbidden)) == (True, ["not_permitted"]) and is_busy(server), forbidden
        assert f"+{kind}|kill" in said(forbidden)
        result = repair(server, "kill_script", approved=plan["actions"])
        assert (outcomes(result), result["changed"], is_busy(server)) == (["done"], True, False), result
    late = repair(server, "kill_script", approved=plan["actions"])
    assert (outcomes(late), late["changed"]) == (["not_needed"], False)


def test_a_script_that_has_written_is_never_ended(server: RedisServer) -> None:
    with blocked(server, "EVAL", "redis.call('SET', KEYS[1], 'x') while true do end", 1, "written"):
        result = repair(server, "kill_script")
        assert (outcomes(result), why(result), result["changed"]) == (["refused"], "target_refused", False), result
        assert "UNKILLABLE" in said(result) and "only SHUTDOWN NOSAVE ends it" in said(result) and is_busy(server)


# The orphan

@pytest.fixture
def orphan(binary: str) -> Iterator[tuple[RedisServer, RedisServer]]:
    """A replica whose primary died, and the sibling that took over."""
    primary = RedisServer.start(binary)
    replica, heir = start_replica(primary), start_replica(primary)
    try:
        primary.execute("SET", "kept", "yes")
        until(lambda: replica.execute("GET", "kept") == heir.execute("GET", "kept") == "yes", what="the data everywhere")
        primary.stop()
        heir.execute("REPLICAOF", "NO", "ONE")
        until(lambda: replica.execute("INFO", "replication")["master_link_status"] == "down", what="the link to be down")
        yield replica, heir
    finally:
        for one in (primary, replica, heir):
            one.stop()


def repoint(replica: RedisServer, target: RedisServer, **args: Any) -> dict[str, Any]:
    return repair(replica, "repoint_replica", primary_host="127.0.0.1", primary_port=target.port, **args)


def test_an_orphan_gets_the_one_that_took_over(orphan: tuple[RedisServer, RedisServer]) -> None:
    replica, heir = orphan
    before = fingerprint(replica), fingerprint(heir)
    plan = repoint(replica, heir, check=True)
    assert (outcomes(plan), plan["changed"]) == (["planned"], True), plan
    assert (fingerprint(replica), fingerprint(heir)) == before
    assert outcomes(repoint(replica, heir, approved=[])) == ["refused"]
    assert fingerprint(replica) == before[0]
    result = repoint(replica, heir, approved=ids(plan))
    assert (outcomes(result), result["changed"]) == (["done"], True), result
    assert replica.execute("GET", "kept") == "yes"
    heir.execute("SET", "new", "1")
    until(lambda: replica.execute("GET", "new") == "1", what="replication")
    assert outcomes(repoint(replica, heir)) == ["not_needed"]


def test_a_link_that_does_not_come_up_is_undone(orphan: tuple[RedisServer, RedisServer]) -> None:
    """The named primary lets us in and not the replica, which knows no password."""
    replica, heir = orphan
    for one in orphan:
        one.execute("CONFIG", "SET", "requirepass", "pw")
    old = replica.execute("INFO", "replication", password="pw")["master_port"]
    result = repoint(replica, heir, timeout="1s", login_password="pw")
    assert (result["failed"], outcomes(result), result["changed"]) == (True, ["failed"], False), result
    assert "again, as before" in said(result)
    assert replica.execute("INFO", "replication", password="pw")["master_port"] == old
    assert replica.execute("GET", "kept", password="pw") == "yes"


def test_a_link_that_cannot_be_undone_is_a_change(orphan: tuple[RedisServer, RedisServer]) -> None:
    replica, heir = orphan
    for one in orphan:
        one.execute("CONFIG", "SET", "requirepass", "pw")
    with cutting(replica.port, word=b"REPLICAOF", after=1) as port:
        result = repoint(replica, heir, timeout="1s", login_password="pw", login_port=port)
    assert (result["failed"], outcomes(result), result["changed"]) == (True, ["unknown"], True), result


def test_silence_after_the_orphan_took_it_is_told(orphan: tuple[RedisServer, RedisServer]) -> None:
    replica, heir = orphan
    word = b"$11\r\nreplication\r\n"
    with cutting(replica.port, word=word) as port:
        result = repoint(replica, heir, login_port=port)
    assert (result["failed"], outcomes(result), why(result), result["changed"]) == (True, ["failed"], "cannot_look", False), result
    assert replica.execute("INFO", "replication")["master_port"] != heir.port
    with cutting(replica.port, word=word, after=1) as port:
        result = repoint(replica, heir, login_port=port)
    assert (result["failed"], outcomes(result), result["changed"]) == (True, ["unknown"], True), result
    assert replica.execute("INFO", "replication")["master_port"] == heir.port


def test_an_empty_orphan_gets_one_that_never_had_a_replica(binary: str) -> None:
    """For its first replica a server begins another history: that is no other server."""
    with RedisServer.start(binary) as replica, RedisServer.start(binary) as primary:
        primary.execute("SET", "kept", "yes")
        replica.execute("REPLICAOF", "127.0.0.1", free_port())
        until(lambda: replica.execute("INFO", "replication")["master_link_status"] == "down", what="the link to be down")
        result = repoint(replica, primary)
        assert (outcomes(result), result["changed"]) == (["done"], True), result
        assert replica.execute("GET", "kept") == "yes"


def test_an_orphan_whose_primary_came_back_is_left_alone(orphan: tuple[RedisServer, RedisServer]) -> None:
    """Between the look and the act, where the named server may have been slow to answer."""
    replica, heir = orphan
    spec = {**args_utils.connection_spec(), "connect_retry": {"default": "0"}}
    params = {name: option.get("default") for name, option in spec.items()}
    asked = {"operation": "repoint_replica", "primary_host": "127.0.0.1", "primary_port": heir.port}
    subject = repairing.repair_from({**params, **replica.args(), **asked}, timeout=20)
    with contextlib.closing(subject):
        (candidate,) = subject.look().candidates
        replica.execute("REPLICAOF", "NO", "ONE")
        action = subject.carry_out(candidate)
    assert (action.outcome, action.detail["why"], action.was_touched) == ("moved_on", "no_longer_matches", False)
    assert replica.execute("INFO", "replication")["role"] == "master"


def test_an_orphan_that_reached_another_server_by_this_name_is_not_done(orphan: tuple[RedisServer, RedisServer]) -> None:
    """From the replica's host the name leads elsewhere: the link is up, and it is not to whom was named."""
    replica, heir = orphan
    with RedisServer.start(replica.binary) as stranger, leading(heir.port, then=stranger.port) as port:
        result = repair(replica, "repoint_replica", primary_host="127.0.0.1", primary_port=port)
    assert (result["failed"], outcomes(result), why(result), result["changed"]) == (True, ["failed"], "not_measured", True), result
    assert "reached another server" in said(result)
    assert replica.execute("INFO", "replication")["master_port"] != port, "it follows the stranger no longer"


def test_silence_instead_of_an_answer_is_told(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "maxclients", "50")
    with cutting(server.port, word=b"$3\r\nSET\r\n") as port:
        result = repair(server, "raise_maxclients", maxclients=60, login_port=port)
    assert (result["failed"], outcomes(result)) == (True, ["unknown"]), result
    until(lambda: setting(server, "maxclients") == "60", what="the server to do what it was told last")


def test_an_orphan_keeps_its_data_from_a_stranger(orphan: tuple[RedisServer, RedisServer]) -> None:
    replica, heir = orphan
    with RedisServer.start(replica.binary) as stranger:
        before = fingerprint(replica)
        result = repoint(replica, stranger)
        assert (outcomes(result), result["changed"]) == (["refused"], False)
        assert "another history" in said(result)
        dead = stranger.port
    assert outcomes(result := repair(replica, "repoint_replica", primary_host="127.0.0.1", primary_port=dead)) == ["refused"]
    assert "cannot be reached (refused)" in said(result)
    assert fingerprint(replica) == before
    assert "not a replica" in said(repoint(heir, replica)), "a primary is never demoted"


def test_a_linked_replica_is_left_alone(server: RedisServer) -> None:
    with start_replica(server) as replica, RedisServer.start(server.binary) as other:
        assert outcomes(repoint(replica, server)) == ["not_needed"]
        result = repoint(replica, other)
        assert outcomes(result) == ["refused"]
        assert "it has its primary" in said(result)


def test_not_under_sentinel(orphan: tuple[RedisServer, RedisServer]) -> None:
    replica, heir = orphan
    with start_sentinel(heir, quorum=1):
        until(lambda: "Sentinel" in said(repoint(replica, heir, check=True)), what="the sentinel to be seen")
        result = repoint(replica, heir)
        assert outcomes(result) == ["refused"]
        assert "Sentinel manages the named server" in said(result)


def test_not_in_a_cluster(orphan: tuple[RedisServer, RedisServer]) -> None:
    replica, _heir = orphan
    with cluster(nodes=3, binary=replica.binary) as nodes:
        result = repoint(replica, nodes[0])
        assert outcomes(result) == ["refused"]
        assert "Cluster manages the named server" in said(result)


def test_not_when_sentinel_cannot_be_seen(orphan: tuple[RedisServer, RedisServer]) -> None:
    replica, heir = orphan
    for one in orphan:
        one.execute("ACL", "SETUSER", "narrow", "on", ">pw", "+@all", "-client|list")
    result = repoint(replica, heir, login_user="narrow", login_password="pw")
    assert outcomes(result) == ["refused"]
    assert "cannot be seen" in said(result)


# The probe

def test_a_healthy_server_takes_reads_replicates_and_forgets(server: RedisServer) -> None:
    with start_replica(server) as replica:
        result = run_module("redis_probe", **server.args(expected_replicas=1, retry="10s", fail_on="warning"))
        assert (result["status"], result["checks"]) == ("ok", dict.fromkeys(CHECKS, "ok")), result
        assert server.execute("DBSIZE") == 0
        result = run_module("redis_probe", **replica.args(fail_on="warning"))
        assert result["checks"]["probe_replication"] == "ok", "written to the primary, read here"
        assert server.execute("DBSIZE") == 0
        more = run_module("redis_probe", **server.args(expected_replicas=2, replication_timeout="500ms"))
        assert more["checks"]["probe_replication"] == "warning"


def test_no_replica_is_no_success_of_replication(server: RedisServer) -> None:
    result = run_module("redis_probe", **server.args())
    assert [skipped["check"] for skipped in result["skipped_checks"]] == ["probe_replication"]
    assert result["status"] == "ok"
    missing = run_module("redis_probe", **server.args(expected_replicas=1, replication_timeout="300ms", fail_on="critical"))
    assert (missing["failed"], missing["error"], missing["checks"]["probe_replication"]) == (True, "unhealthy", "critical")
    assert result["healthy"] is True and result["skipped_checks"][0]["kind"] == "not_applicable"
    assert server.execute("DBSIZE") == 0, "the key goes all the same"


def test_check_mode_writes_nothing(server: RedisServer) -> None:
    before = fingerprint(server)
    result = run_module("redis_probe", check=True, **server.args(fail_on="critical"))
    assert len(result["skipped_checks"]) == 4 and result["status"] == "unknown" and result["healthy"] is None
    assert fingerprint(server) == before


def test_a_server_that_refuses_writes(server: RedisServer) -> None:
    break_saving(server)
    result = run_module("redis_probe", **server.args())
    assert (result["status"], result["checks"]["probe_write"]) == ("critical", "critical")
    assert "MISCONF" in str(result["findings"])


def test_a_write_that_hangs_is_said_to_be_paused(server: RedisServer) -> None:
    """Where this version tells of it, for how long; where it does not, that a pause is what looks like this."""
    told = "paused_actions" in server.execute("INFO", "clients")
    server.execute("CLIENT", "PAUSE", "600000", "WRITE")
    try:
        result = run_module("redis_probe", **server.args(socket_timeout="500ms"))
    finally:
        server.execute("CLIENT", "UNPAUSE")
    assert (result["checks"]["probe_write"], result["healthy"]) == ("critical", False)
    (finding,) = [one for one in result["findings"] if one["check"] == "probe_write"]
    assert finding["observed"] == "frozen" and "CLIENT UNPAUSE ends" in finding["hint"], finding
    assert ("for another 9m" in finding["hint"], "does not tell of it" in finding["hint"]) == (told, not told)


def test_whoever_may_not_probe_calls_nothing_sick_and_nothing_well(server: RedisServer) -> None:
    for rights, unknown, grant in (
        ((), CHECKS, "+info"), (("+info",), CHECKS, "+set"), (("+info", "+set"), ("probe_read", "probe_delete"), "+get"),
        (("+info", "+set", "+get"), ("probe_delete",), "+del"), (("+info", "+set", "+get", "+del"), ("probe_delete",), "+exists"),
    ):
        server.execute("ACL", "SETUSER", "poor", "reset", "on", ">pw", "~oncall.incident:probe:*", "-@all", *rights)
        found = run_module("redis_probe", **server.args(login_user="poor", login_password="pw", fail_on="critical"))
        assert found["failed"] and found["error"] == "unhealthy" and grant in found["hint"], rights
        assert (found["status"], found["healthy"]) == ("unknown", None)
        assert {check for check, status in found["checks"].items() if status == "unknown"} == set(unknown), rights


def test_a_probe_is_tried_again_and_no_oftener_than_needed(server: RedisServer) -> None:
    well = run_module("redis_probe", **server.args(retry="10s", fail_on="warning"))
    assert (well["held"], well["polls"], well["not_recovered"]) == (True, 1, "")
    assert server.execute("INFO", "commandstats")["cmdstat_set"]["calls"] == 1
    server.execute("CONFIG", "SET", "maxmemory-policy", "noeviction")
    server.execute("CONFIG", "SET", "maxmemory", "1")
    sick = run_module("redis_probe", **server.args(retry="1s", fail_on="critical"))
    assert sick["failed"] and sick["error"] == "not_recovered" and sick["polls"] > 2
    assert "probe_write critical" in sick["not_recovered"] and "OOM" in sick["msg"] and sick["healthy"] is False
    both = run_module("redis_probe", **server.args(retry="1s", wait_for={"hold": "0s"}))
    assert both["error"] == "bad_input" and both["argument"] == "retry"


def test_nobody_there_and_frozen(server: RedisServer) -> None:
    with server.frozen():
        result = run_module("redis_probe", **server.args(socket_timeout="1s", max_seconds="5s", fail_on="critical"))
        assert (result["failed"], result["findings"][0]["observed"]) == (True, "frozen")
    server.kill()
    assert run_module("redis_probe", **server.args())["findings"][0]["observed"] == "refused"


def test_a_node_of_a_cluster_is_probed_with_a_key_of_its_own() -> None:
    need(any_binary(), "a Redis or Valkey server")
    with cluster(nodes=3) as nodes:
        for node in nodes:
            result = run_module("redis_probe", **node.args())
            assert result["checks"]["probe_write"] == result["checks"]["probe_delete"] == "ok", result


# The restart

def obstacles(server: RedisServer, **args: Any) -> str:
    result = run_module("redis_restart_check", **server.args(socket_timeout="1s", max_seconds="5s", **args))
    assert (result["status"] != "ok") is bool(result["obstacles"]) is (result["healthy"] is not True)
    return "; ".join(result["obstacles"])


def test_what_a_restart_would_lose(server: RedisServer) -> None:
    assert obstacles(server) == ""
    with start_replica(server):
        assert "persistence is off and 1 replicas are attached" in obstacles(server)
        assert obstacles(server, accept_data_loss=True) == ""
        server.execute("CONFIG", "SET", "save", "3600 1")
        assert obstacles(server) == ""
    server.execute("CONFIG", "SET", "save", "")
    break_saving(server)
    assert "changes are unsaved and the last save failed" in obstacles(server)


def test_what_cannot_be_seen_counts_as_there(server: RedisServer) -> None:
    server.execute("ACL", "SETUSER", "narrow", "on", ">pw", "+ping", "+info", "+client|setname")
    server.execute("ACL", "SETUSER", "nobody", "on", ">pw", "-@all")
    for user, grant in (("narrow", "Allow +config|get"), ("nobody", "Allow +info")):
        server.execute("SET", "key", "value")
        found = run_module("redis_restart_check", **server.args(login_user=user, login_password="pw", fail_on="critical"))
        assert found["failed"] and (found["status"], found["healthy"]) == ("unknown", None) and grant in found["hint"], found
        assert "cannot be seen" in found["obstacles"][0]
    with start_replica(server):
        assert "cannot be seen" in obstacles(server, login_user="narrow", login_password="pw")
        assert "does not answer" in obstacles(server, login_user="narrow", login_password="wrong")
    with server.frozen():
        assert "does not answer" in obstacles(server)
        assert obstacles(server, accept_data_loss=True) == ""
    server.kill()
    assert "does not answer" in obstacles(server)


def test_keys_that_nothing_saves_are_lost_unless_they_are_a_cache(server: RedisServer) -> None:
    server.execute("SET", "order:1", "x")
    server.execute("SET", "session:1", "x", "EX", "600")
    assert "nothing saves 2 keys to disk, and they are not shown to be a cache: db0: only 50 % of the sampled keys" in obstacles(server)
    assert obstacles(server, accept_data_loss=True) == ""
    server.execute("BGSAVE")
    until(lambda: server.execute("INFO", "persistence")["rdb_changes_since_last_save"] == 0, what="the save")
    assert obstacles(server) == "", "what it holds is in its file"
    server.execute("SET", "order:2", "x")
    assert "nothing saves 3 keys" in obstacles(server)
    server.execute("DEL", "order:1", "order:2")
    assert obstacles(server) == "", "what is left has a time to live"
    with server.client(db=3) as client:
        client.rpush("queue", "job")
    assert "db3: it holds keys of type list" in obstacles(server)
    server.execute("CONFIG", "SET", "appendonly", "yes")
    until(lambda: server.execute("INFO", "persistence")["aof_rewrite_in_progress"] == 0, what="the first rewrite")
    assert obstacles(server) == "", "every change is in the append-only file"


def test_a_restart_check_waits_until_nothing_is_in_the_way(server: RedisServer) -> None:
    server.execute("SET", "order:1", "x")
    wait = {"hold": "0s", "timeout": "1s", "interval": "200ms"}
    found = run_module("redis_restart_check", **server.args(wait_for=wait, fail_on="critical", baseline={"restart_data_loss": "ok"}))
    assert found["failed"] and found["error"] == "not_recovered" and found["new"] == {"restart_data_loss": "critical"}
    server.execute("DEL", "order:1")
    assert run_module("redis_restart_check", **server.args(wait_for=wait))["held"]


def process_of(args: dict[str, Any]) -> tuple[Any, Any]:
    result = run_module("redis_restart_check", socket_timeout="1s", max_seconds="5s", **args)
    return result["listening"], result["process_id"]


def test_which_process_would_be_restarted(server: RedisServer) -> None:
    ways = [server.args(), {"login_host": "localhost", "login_port": server.port}, {"login_unix_socket": str(server.unix_socket)}]
    for args in ways:
        assert process_of(args) == (True, server.pid), args
    with server.frozen():
        for args in ways:
            assert process_of(args) == (True, server.pid), args
    server.kill()
    assert [process_of(args) for args in ways[:2]] == [(False, None)] * 2
    assert process_of({"login_host": "192.0.2.1", "login_port": server.port, "connect_timeout": "1s"}) == (None, None), "not this host"


def test_which_process_it_is_where_root_may_not_trace(binary: str) -> None:
    """Root of most containers lacks CAP_SYS_PTRACE, and sees no descriptor of a process that is another user's."""
    need(os.geteuid() == 0 and shutil.which("setpriv"), "root, to run a server as somebody else")
    server = RedisServer(binary, settings={})
    nobody = pwd.getpwnam("nobody")
    for path in (server.base, server.data):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    argv = [binary, "--port", str(server.port), "--bind", "127.0.0.1", "--dir", str(server.data), "--save", ""]
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[],
    )
    try:
        until(server.answers, what="the server")
        os.kill(process.pid, signal.SIGSTOP)
        result = start_module(
            "redis_restart_check", prefix=["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"], login_port=server.port,
            socket_timeout="1s", max_seconds="5s",
        ).result(timeout=60)
        assert (result["listening"], result["process_id"]) == (True, process.pid)
    finally:
        process.kill()
        process.wait()
        server.stop()


def raised(server: RedisServer, to: int) -> dict[str, Any]:
    """The action that raised maxclients."""
    (action,) = repair(server, "raise_maxclients", maxclients=to)["actions"]
    assert action["outcome"] == "done"
    return dict(action)


def test_raised_maxclients_say_that_nobody_takes_them_back_and_are_taken_back(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "maxclients", "50")
    change = raised(server, 60)
    assert (change["temporary"]["ends"], change["temporary"]["undo"]["before"]) == ("nobody", 50)
    before = fingerprint(server)
    planned = repair(server, "restore_maxclients", check=True, change=change)
    assert outcomes(planned) == ["planned"] and planned["actions"][0]["detail"]["ended"] is False
    assert fingerprint(server) == before
    done = repair(server, "restore_maxclients", change=change, approved=ids(planned))
    assert outcomes(done) == ["done"] and setting(server, "maxclients") == "50"
    assert {key: done["actions"][0]["detail"][key] for key in ("undoes", "ended")} == {"undoes": change["id"], "ended": True}
    again = repair(server, "restore_maxclients", change=change)
    assert outcomes(again) == ["not_needed"] and again["actions"][0]["detail"]["ended"] is True and not again["changed"]


def test_maxclients_that_somebody_has_set_since_are_left_alone(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "maxclients", "50")
    change = raised(server, 60)
    server.execute("CONFIG", "SET", "maxclients", "70")
    result = repair(server, "restore_maxclients", change=change)
    assert outcomes(result) == ["moved_on"] and setting(server, "maxclients") == "70"


def test_maxclients_are_not_put_below_the_clients_that_are_there(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "maxclients", "2")
    change = raised(server, 60)
    with connections(server, 5):
        result = repair(server, "restore_maxclients", change=change)
        assert outcomes(result) == ["refused"] and setting(server, "maxclients") == "60"
        assert "clients are connected, and 2 would be allowed" in result["actions"][0]["detail"]["error"]
        assert result["actions"][0]["detail"]["ended"] is False
    until(lambda: server.execute("INFO", "clients")["connected_clients"] <= 2, what="the clients to be gone")
    assert outcomes(repair(server, "restore_maxclients", change=change)) == ["done"]


def test_another_start_with_our_number_in_its_configuration_keeps_it(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "maxclients", "50")
    change = raised(server, 60)
    server.kill()
    server.settings["maxclients"] = "60"
    (server.base / "server.conf").unlink()
    server.run()
    result = repair(server, "restore_maxclients", change=change)
    assert outcomes(result) == ["not_needed"] and setting(server, "maxclients") == "60"
    assert {key: result["actions"][0]["detail"][key] for key in ("why", "ended")} == {"why": "restarted", "ended": True}


def test_a_change_that_does_not_say_what_was_before_is_refused(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "maxclients", "50")
    change = raised(server, 60)
    result = repair(server, "restore_maxclients", change={**change, "temporary": None})
    assert result["failed"] and "does not say what maxclients was before" in result["msg"]
