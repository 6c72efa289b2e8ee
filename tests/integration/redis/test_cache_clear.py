# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""redis_cache_clear against real servers: the right keys go and no others, a database that is no cache stays."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from ansible_collections.oncall.incident.plugins.module_utils._module.lock import acting_alone
from ansible_collections.oncall.incident.plugins.module_utils._redis import clearing
from ansible_collections.oncall.incident.plugins.module_utils._redis.args import connection_spec
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.cache import glob
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.cutting import cutting
from tests.support.need import need
from tests.support.redis_acting import answers, fingerprint, ids, outcomes, said, why
from tests.support.redis_servers import SOURCES, RedisServer, any_binary, cluster, find_binary, start_replica
from tests.support.run_module import run_module
from tests.support.until import until

#: The module's options as they are when nobody sets them.
DEFAULTS: dict[str, Any] = {
    **{name: option.get("default") for name, option in connection_spec().items()}, "connect_retry": "0", "pattern": "", "flush": False,
    "database": 0, "exclude": [], "max_keys": 10, "spent": 0, "batch": 10, "max_keys_per_second": 0.0, "time_limit": "30s",
    "expected_keys_tolerance_percent": 20.0, "sample": 50, "min_ttl_percent": 90.0, "cache_types": ["string"],
    "i_know_this_is_not_a_cache": False, "this_node_only": False,
}


@pytest.fixture(scope="module", params=["valkey", "redis"])
def running(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """One server of each flavour for the file."""
    binary = find_binary(request.param)
    need(binary, SOURCES[request.param])
    with RedisServer.start(binary) as server:
        yield server


@pytest.fixture
def server(running: RedisServer) -> RedisServer:
    """It, empty."""
    running.execute("FLUSHALL")
    running.execute("CONFIG", "SET", "maxmemory", "0")
    running.execute("CONFIG", "SET", "maxmemory-policy", "noeviction")
    return running


def clear(server: RedisServer, *, check: bool = False, **args: Any) -> dict[str, Any]:
    return run_module("redis_cache_clear", check=check, **{**server.args(max_keys_per_second=0), **args})


def fill(server: RedisServer, prefix: str, count: int, *, ttl: int | None = 600, database: int = 0) -> None:
    with server.client(db=database) as client, client.pipeline(transaction=False) as pipe:
        for index in range(count):
            pipe.set(f"{prefix}{index}", "x" * 20, ex=ttl)
        pipe.execute()


def keys(server: RedisServer, pattern: str = "*", *, database: int = 0) -> int:
    with server.client(db=database) as client:
        client.connection_pool.connection_kwargs["decode_responses"] = False
        return sum(1 for _key in client.scan_iter(match=pattern, count=1000))


def test_the_poisoned_pattern_goes_and_the_rest_stays(server: RedisServer) -> None:
    fill(server, "bad:", 1200)
    fill(server, "good:", 300)
    fill(server, "bad:lock:", 3)
    result = clear(server, pattern="bad:*", exclude=["bad:lock:*"], batch=100)
    assert outcomes(result) == ["done"], result
    assert (result["changed"], result["keys_removed"], result["groups"]) == (True, 1200, {"bad": 1200})
    assert (keys(server, "bad:*"), keys(server, "good:*")) == (3, 300)
    assert result["protected"] == [{
        "target": {"pattern": "bad:lock:*", "keys": 3}, "name": "pattern bad:lock:*", "reasons": ["excluded"], "would_match": True,
    }]
    again = clear(server, pattern="bad:*", exclude=["bad:lock:*"])
    assert (outcomes(again), again["changed"], again["keys_removed"]) == (["not_needed"], False, 0)


def test_check_mode_counts_and_touches_nothing(server: RedisServer) -> None:
    fill(server, "bad:", 50)
    before = fingerprint(server)
    result = clear(server, check=True, pattern="bad:*")
    assert (outcomes(result), result["changed"], result["actions"][0]["detail"]["keys"]) == (["planned"], True, 50)
    flush = clear(server, check=True, flush=True, expected_keys=50)
    assert (outcomes(flush), flush["changed"]) == (["planned"], True)
    assert fingerprint(server) == before


def test_more_than_the_limit_and_nothing_is_touched(server: RedisServer) -> None:
    fill(server, "bad:", 101)
    result = clear(server, pattern="bad:*", max_keys=100)
    assert (result["failed"], result["error"], outcomes(result)) == (True, "limit_exceeded", ["refused"])
    assert keys(server) == 101
    assert (why(result), result["limit"], result["allowance"]) == ("limit_exceeded", "max_keys", 100)
    assert "101 or more keys" in result["msg"]
    spent = clear(server, pattern="bad:*", max_keys=150, spent=50)
    assert (spent["error"], keys(server)) == ("limit_exceeded", 101)
    unapproved = clear(server, pattern="bad:*", max_keys=100, approved=[])
    assert (unapproved.get("failed"), why(unapproved)) == (None, "not_approved"), "a limit counts what is approved"
    assert outcomes(clear(server, pattern="bad:*", max_keys=101)) == ["done"]


def test_an_approved_plan_restricts(server: RedisServer) -> None:
    fill(server, "bad:", 10)
    plan = clear(server, check=True, pattern="bad:*")
    assert ids(clear(server, check=True, pattern="bad:*")) == ids(plan)
    assert outcomes(clear(server, pattern="bad:*", approved=[])) == ["refused"]
    other = clear(server, pattern="bad:1*", approved=plan["actions"])
    assert answers(other)[ids(plan)[0]] == ("moved_on", "no_longer_matches") and outcomes(other) == ["refused", "moved_on"]
    assert keys(server) == 10
    assert outcomes(clear(server, pattern="bad:*", approved=ids(plan))) == ["done"]
    assert keys(server) == 0
    assert answers(clear(server, pattern="bad:*", approved=plan["actions"])) == {ids(plan)[0]: ("not_needed", "already_so")}


def test_two_runs_never_clear_at_once(server: RedisServer) -> None:
    fill(server, "bad:", 10)
    plan = clear(server, check=True, pattern="bad:*")
    with acting_alone(plan["actions"][0]["resource"]):
        result = clear(server, pattern="bad:*", approved=plan["actions"])
        assert (result["failed"], result["error"], answers(result)) == (True, "locked", {ids(plan)[0]: ("refused", "locked")})
        assert ids(clear(server, check=True, pattern="bad:*")) == ids(plan), "check mode needs no lock"
    assert keys(server) == 10


def test_what_was_approved_is_answered_where_nobody_gets_in(server: RedisServer) -> None:
    fill(server, "bad:", 10)
    plan = clear(server, check=True, pattern="bad:*")
    with server.frozen():
        result = clear(server, pattern="bad:*", approved=plan["actions"], socket_timeout="300ms")
    assert (result["failed"], result["error"], answers(result)) == (True, "frozen", {ids(plan)[0]: ("failed", "not_tried")})


def test_the_time_limit_leaves_the_rest_and_says_so(server: RedisServer) -> None:
    fill(server, "bad:", 100)
    result = run_module("redis_cache_clear", **server.args(pattern="bad:*", batch=10, max_keys_per_second=20, time_limit="1s"))
    assert (result["failed"], result["error"], outcomes(result)) == (True, "actions_failed", ["failed"])
    assert why(result) == "out_of_time" and "time_limit" in said(result)
    assert result["changed"] is True, "what went, went"
    assert 0 < result["keys_removed"] < 100
    assert keys(server) == 100 - result["keys_removed"] == result["actions"][0]["detail"]["left"]


def test_another_database_and_strange_names(server: RedisServer) -> None:
    fill(server, "bad:", 3)
    fill(server, "bad:", 4, database=5)
    server.execute("SET", b"bad:\xff\x00 \n", "x")
    assert clear(server, pattern="bad:*", database=5)["keys_removed"] == 4
    assert keys(server, "bad:*") == 4
    assert clear(server, pattern="bad:*")["keys_removed"] == 4


@pytest.mark.parametrize(("args", "said"), [
    ({}, "either pattern or flush"), ({"pattern": "a*", "flush": True}, "either pattern or flush"), ({"flush": True}, "expected_keys"),
    ({"pattern": "*"}, "names no part of a key"), ({"pattern": "a*", "exclude": ["*"]}, "exclude"), ({"pattern": "a", "batch": 0}, "batch"),
    ({"pattern": "a", "spent": -1}, "spent"),
    ({"pattern": "a", "time_limit": "soon"}, "time_limit"), ({"pattern": "a", "cache_types": ["stream"]}, "cache_types"),
])
def test_bad_input(args: dict[str, Any], said: str) -> None:
    result = run_module("redis_cache_clear", login_port=1, **args)
    assert (result["failed"], result["error"]) == (True, "bad_input")
    assert said in result["msg"]


def test_a_cache_is_flushed(server: RedisServer) -> None:
    fill(server, "page:", 500)
    fill(server, "other:", 7, database=3)
    result = clear(server, flush=True, expected_keys=450)
    assert (outcomes(result), result["changed"], result["keys_removed"]) == (["done"], True, 500), result
    assert result["cache"]["ttl_percent"] == 100
    assert (keys(server), keys(server, database=3)) == (0, 7), "the named database and no other"
    assert outcomes(clear(server, flush=True, expected_keys=450)) == ["not_needed"]


def test_an_allkeys_policy_makes_every_key_disposable(server: RedisServer) -> None:
    fill(server, "page:", 50, ttl=None)
    assert clear(server, flush=True, expected_keys=50)["error"] == "not_a_cache"
    server.execute("CONFIG", "SET", "maxmemory", "100mb")
    server.execute("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    assert outcomes(clear(server, flush=True, expected_keys=50)) == ["done"]


@pytest.mark.parametrize(("make", "said"), [
    (("XADD", "events", "*", "a", "1"), "stream"), (("LPUSH", "queue", "job"), "list"), (("ZADD", "rank", "1", "a"), "zset"),
])
def test_what_is_no_cache_stays(make: tuple[str, ...], said: str, server: RedisServer) -> None:
    fill(server, "page:", 200)
    server.execute(*make)
    result = clear(server, flush=True, expected_keys=201)
    assert (result["failed"], result["error"], outcomes(result)) == (True, "not_a_cache", ["refused"])
    assert said in result["msg"]
    assert keys(server) == 201
    assert outcomes(clear(server, flush=True, expected_keys=201, i_know_this_is_not_a_cache=True)) == ["done"]


def test_keys_without_a_ttl_are_no_cache(server: RedisServer) -> None:
    fill(server, "page:", 50)
    fill(server, "account:", 50, ttl=None)
    result = clear(server, flush=True, expected_keys=100)
    assert result["error"] == "not_a_cache"
    assert "have a time to live" in result["msg"]
    assert keys(server) == 100


@pytest.mark.parametrize("expected", [0, 60, 200])
def test_another_number_of_keys_is_another_database(expected: int, server: RedisServer) -> None:
    fill(server, "page:", 100)
    result = clear(server, flush=True, expected_keys=expected, i_know_this_is_not_a_cache=True)
    assert (result["error"], outcomes(result), keys(server)) == ("unexpected_keys", ["refused"], 100)


def test_never_on_a_replica(server: RedisServer) -> None:
    fill(server, "bad:", 5)
    with start_replica(server) as replica:
        replica.execute("CONFIG", "SET", "replica-read-only", "no")
        before = fingerprint(replica)
        for args in ({"pattern": "bad:*"}, {"flush": True, "expected_keys": 5}):
            result = clear(replica, **args)
            assert (result["failed"], result["error"]) == (True, "replica")
            assert f"127.0.0.1:{server.port}" in result["msg"] and why(result) == "protected"
        assert fingerprint(replica) == before


def test_in_a_cluster_each_primary_is_asked_for_itself() -> None:
    need(any_binary(), "a Redis or Valkey server")
    with cluster(nodes=3) as nodes:
        for index in range(60):
            for node in nodes:
                with contextlib.suppress(redis.exceptions.MovedError):
                    node.execute("SET", f"bad:{index}", "x", "EX", 600)
        assert sum(node.execute("DBSIZE") for node in nodes) == 60
        refused = clear(nodes[0], pattern="bad:*")
        assert (refused["failed"], refused["error"]) == (True, "cluster")
        assert "this_node_only" in refused["msg"] and why(refused) == "option_off"
        assert sum(node.execute("DBSIZE") for node in nodes) == 60
        removed = [clear(node, pattern="bad:*", this_node_only=True)["keys_removed"] for node in nodes]
        assert sum(removed) == 60 and all(removed)


def test_a_user_who_may_not(server: RedisServer) -> None:
    fill(server, "bad:", 5)
    server.execute("ACL", "SETUSER", "looker", "on", ">pw", "~*", "+@read", "+ping", "+info", "+select", "+client|setname", "-@write")
    result = clear(server, pattern="bad:*", login_user="looker", login_password="pw")
    assert (result["failed"], outcomes(result)) == (True, ["not_permitted"]), result
    assert (result["changed"], keys(server)) == (False, 5)


def test_no_flush_outside_a_transaction(server: RedisServer) -> None:
    """MULTI is refused and FLUSHDB is not: nothing may go."""
    fill(server, "page:", 50)
    server.execute("ACL", "SETUSER", "single", "on", ">pw", "~*", "+@all", "-multi", "-exec")
    result = clear(server, flush=True, expected_keys=50, login_user="single", login_password="pw")
    assert (result["failed"], outcomes(result), result["keys_removed"]) == (True, ["not_permitted"], 0), result
    assert (result["changed"], keys(server)) == (False, 50)


@pytest.mark.parametrize("without", ["-exec", "-flushdb"])
def test_a_flush_that_is_refused_later_is_counted(without: str, server: RedisServer) -> None:
    fill(server, "page:", 50)
    server.execute("ACL", "SETUSER", "half", "on", ">pw", "~*", "+@all", without)
    result = clear(server, flush=True, expected_keys=50, login_user="half", login_password="pw")
    assert (result["failed"], outcomes(result), result["changed"]) == (True, ["not_permitted"], False), result
    assert (result["actions"][0]["detail"]["left"], result["keys_removed"], keys(server)) == (50, 0, 50)
    server.execute("ACL", "DELUSER", "half")


def test_keys_that_went_before_the_connection_was_lost_are_told(server: RedisServer) -> None:
    fill(server, "bad:", 100)
    with cutting(server.port, word=b"UNLINK", after=3) as port:
        result = clear(server, pattern="bad:*", batch=10, login_port=port)
    assert (result["failed"], outcomes(result), result["changed"]) == (True, ["unknown"], True), result
    assert (result["keys_removed"], result["actions"][0]["detail"]["unanswered"]) == (30, 10)
    until(lambda: keys(server) == 60, what="the server to do what it was told last")


def test_a_flush_whose_answer_was_lost_is_told(server: RedisServer) -> None:
    fill(server, "page:", 50)
    with cutting(server.port, word=b"FLUSHDB") as port:
        result = clear(server, flush=True, expected_keys=50, login_port=port)
    assert (result["failed"], outcomes(result), result["changed"]) == (True, ["unknown"], True), result
    assert "not known" in said(result)
    until(lambda: keys(server) == 0, what="the server to do what it was told last")


def test_what_was_written_again_is_not_told_where_it_cannot_be_seen(server: RedisServer) -> None:
    fill(server, "bad:", 10)
    assert clear(server, pattern="bad:*")["actions"][0]["detail"]["written_again"] == 0
    fill(server, "bad:", 10)
    server.execute("ACL", "SETUSER", "blind", "on", ">pw", "~*", "+@all", "-exists")
    result = clear(server, pattern="bad:*", login_user="blind", login_password="pw")
    assert (outcomes(result), result["keys_removed"], result["actions"][0]["detail"]["written_again"]) == (["done"], 10, None), result


def test_a_database_that_grew_since_the_look_is_not_flushed(server: RedisServer) -> None:
    fill(server, "page:", 50)
    options = {"flush": True, "expected_keys": 50}
    params = {**DEFAULTS, **server.args(), **options}
    subject = clearing.Database(params, clearing.request_from(params))
    with contextlib.closing(subject):
        (candidate,) = subject.look().candidates
        fill(server, "new:", 100)
        action = subject.carry_out(candidate)
    assert (action.outcome, action.detail["why"], action.was_touched) == ("moved_on", "no_longer_matches", False)
    assert keys(server) == 150


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pattern=st.text(alphabet="ab*?[]^-\\", min_size=1, max_size=8))
def test_exclusions_match_as_the_server_does(pattern: str, server: RedisServer) -> None:
    """What `exclude` keeps is decided here, and must be what the server would call a match."""
    names = ["a", "b", "ab", "ba", "a*", "[a]", "a-b", "a]b", "^", "aab", "abb", "-", "\\", "a?", "bb", "]", "["]
    with server.client() as client:
        client.mset(dict.fromkeys(names, "x"))
        theirs = set(client.keys(pattern))
    assert {name for name in names if glob(pattern).fullmatch(name)} == theirs
