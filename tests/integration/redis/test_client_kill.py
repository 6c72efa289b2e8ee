# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""redis_client_kill against real servers: the worst go, inside limits, by id; others never."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from ansible_collections.oncall.incident.plugins.module_utils._core.deadline import Deadline
from ansible_collections.oncall.incident.plugins.module_utils._module.lock import acting_alone
from ansible_collections.oncall.incident.plugins.module_utils._redis import killing
from ansible_collections.oncall.incident.plugins.module_utils._redis.args import connection_spec

from tests.support.cutting import cutting
from tests.support.need import need
from tests.support.redis_acting import answers, connections, fingerprint, idle_ids, ids, outcomes
from tests.support.redis_servers import SOURCES, RedisServer, find_binary, start_replica, start_sentinel
from tests.support.run_module import run_module
from tests.support.until import until


@pytest.fixture(scope="module", params=["valkey", "redis"])
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """One server of each flavour for the file; tests leave no clients behind."""
    binary = find_binary(request.param)
    need(binary, SOURCES[request.param])
    with RedisServer.start(binary) as running:
        yield running


def kill(server: RedisServer, *, check: bool = False, **args: Any) -> dict[str, Any]:
    return run_module("redis_client_kill", check=check, **{**server.args(), "min_idle": "1s", "max_percent": 100, **args})


def idle(server: RedisServer, *, count: int, seconds: int = 1) -> None:
    """Wait until so many named clients have been idle for so long."""
    def enough() -> bool:
        with server.client() as client:
            found = [int(one["idle"]) for one in client.client_list() if str(one["name"]).startswith("idler-")]
        return len(found) == count and min(found) >= seconds

    until(enough, what="clients to be idle")


def test_the_idle_go_and_the_second_run_finds_nobody(server: RedisServer) -> None:
    with connections(server, 3):
        idle(server, count=3)
        result = kill(server)
        assert outcomes(result) == ["gone"] * 3, result
        assert (result["changed"], result["population"], result["left_alone"]) == (True, 3, 0)
        assert idle_ids(server) == []
        again = kill(server)
        assert (outcomes(again), again["changed"]) == ([], False)


def test_check_mode_touches_nobody(server: RedisServer) -> None:
    with connections(server, 2):
        idle(server, count=2)
        before = fingerprint(server)
        result = kill(server, check=True)
        assert (outcomes(result), result["changed"]) == (["planned"] * 2, True)
        assert fingerprint(server) == before


def test_no_more_than_the_limits(server: RedisServer) -> None:
    with connections(server, 4):
        idle(server, count=4)
        result = kill(server, max_victims=1)
        assert (outcomes(result), result["left_alone"], len(idle_ids(server))) == (["gone"], 3, 3)
        assert [one["reasons"] for one in result["protected"] if one["would_match"]] == [["over_limit"]] * 3
        plan = kill(server, check=True)
        result = kill(server, max_victims=1, spent=1, approved=plan["actions"])
        assert set(answers(result)) == set(ids(plan)) and set(answers(result).values()) == {("refused", "limit_exceeded")}
        assert (result["left_alone"], result.get("failed"), len(idle_ids(server))) == (3, None, 3)
        result = kill(server, max_victims=10, max_percent=40)
        assert (outcomes(result), len(idle_ids(server))) == (["gone"], 2)
        assert outcomes(kill(server, max_victims=3, spent=3)) == []
        assert outcomes(kill(server, max_victims=0)) == []
        assert len(idle_ids(server)) == 2


def test_limits_count_what_is_approved_and_name_no_more_others_than_they_allow(server: RedisServer) -> None:
    with connections(server, 5):
        idle(server, count=5)
        last = ids(kill(server, check=True))[-1]
        result = kill(server, max_victims=2, approved=[last])
        assert [(action["id"] == last, action["outcome"]) for action in result["actions"]] == [(True, "gone"), (False, "refused")]
        assert (result["left_alone"], len(idle_ids(server))) == (3, 4)


def test_who_was_ended_before_the_connection_was_lost_is_told_and_who_was_not_reached_too(server: RedisServer) -> None:
    with connections(server, 4):
        idle(server, count=4)
        plan = kill(server, check=True)
        with cutting(server.port, word=b"KILL", after=1) as port:
            result = kill(server, login_port=port, approved=plan["actions"])
        assert (result["failed"], result["error"], result["changed"]) == (True, "actions_failed", True), result
        assert list(answers(result).values()) == [("gone", ""), ("unknown", "no_answer"), *[("failed", "not_tried")] * 2]
        assert [action["touched"] for action in result["actions"]] == [True, None, False, False]
        until(lambda: len(idle_ids(server)) == 2, what="the second to be gone too")


def test_only_approved_ones_and_only_while_they_are_what_they_were(server: RedisServer) -> None:
    with connections(server, 4) as clients:
        idle(server, count=4)
        plan = kill(server, check=True)
        assert ids(kill(server, check=True)) == ids(plan)
        assert outcomes(kill(server, approved=[])) == ["refused"] * 4
        first, second, third, _fourth = ids(plan)
        by_id = {action["id"]: clients[int(action["target"]["name"].rpartition("-")[2])] for action in plan["actions"]}
        by_id[second].ping()
        by_id[third].close()
        until(lambda: len(idle_ids(server)) == 3, what="one to leave by itself")
        # An id alone does not tell whose it was: that the client has gone is known of a whole action only.
        left = ("not_needed", "gone_already")
        for approved, of_third in (([first, second, third], ("moved_on", "no_longer_matches")), (plan["actions"][:3], left)):
            found = answers(kill(server, check=True, approved=approved))
            assert (found[first][0], found[second], found[third]) == ("planned", ("moved_on", "no_longer_matches"), of_third)
        result = kill(server, approved=plan["actions"][:3])
        assert sorted(answers(result).values()) == [
            ("gone", ""), ("moved_on", "no_longer_matches"), ("not_needed", "gone_already"), ("refused", "not_approved"),
        ]
        assert len(idle_ids(server)) == 2
        again = answers(kill(server, approved=plan["actions"][:1], protect_names=["idler-"]))
        assert again == {first: ("not_needed", "gone_already")}
        assert answers(kill(server, approved=plan["actions"][1:2], protect_names=["idler-"])) == {second: ("moved_on", "protected")}


def test_two_runs_never_end_clients_at_once(server: RedisServer) -> None:
    with connections(server, 1):
        idle(server, count=1)
        plan = kill(server, check=True)
        with acting_alone(plan["actions"][0]["resource"]):
            result = kill(server, approved=plan["actions"])
            assert (result["failed"], result["error"], answers(result)) == (True, "locked", {ids(plan)[0]: ("refused", "locked")})
            assert outcomes(kill(server, check=True)) == ["planned"]
        assert len(idle_ids(server)) == 1


def test_clients_of_another_start_are_left_to_it() -> None:
    """Whether that was this server before its restart, or another one behind the same name, cannot be told."""
    with RedisServer.start() as server:
        with connections(server, 1):
            idle(server, count=1)
            plan = kill(server, check=True)
            server.kill()
            silent = kill(server, approved=plan["actions"])
            assert (silent["failed"], silent["error"], answers(silent)) == (True, "refused", {ids(plan)[0]: ("failed", "not_tried")})
        server.run()
        for approved, why in ((ids(plan), "no_longer_matches"), (plan["actions"], "restarted")):
            result = kill(server, approved=approved)
            assert (answers(result), result["changed"]) == ({ids(plan)[0]: ("moved_on", why)}, False)


@contextlib.contextmanager
def clients_of(server: RedisServer) -> Iterator[killing.Clients]:
    """The subject of the module, in this process: what happens between its steps is ours to say."""
    options = {
        "connect_retry": "0", "min_idle": "1s", "min_output_bytes": 0, "max_victims": 10, "max_percent": 100.0, "spent": 0,
        "include_pubsub": False, "protect_names": [], "protect_users": [], "protect_addresses": [], "verify_timeout": "1s",
    }
    params = {**{name: option.get("default") for name, option in connection_spec().items()}, **server.args(), **options}
    with contextlib.closing(killing.Clients(params, killing.request_from(params), None)) as subject:
        yield subject


def test_who_left_right_before_was_not_ended_by_us(server: RedisServer) -> None:
    """The kill ends nobody: that the client is gone then shows nothing of ours."""
    with connections(server, 1) as clients, clients_of(server) as subject:
        idle(server, count=1)
        (candidate,) = subject.look().candidates
        client = subject.entered()
        asked = client.replies

        def leaving(commands: Any, **more: Any) -> Any:
            if commands[0][:2] == ("CLIENT", "KILL"):
                clients[0].close()
                until(lambda: idle_ids(server) == [], what="the client to leave")
            return asked(commands, **more)

        client.replies = leaving  # type: ignore[method-assign]
        action = subject.carry_out(candidate)
    assert (action.outcome, action.detail["why"], action.was_touched) == ("not_needed", "gone_already", False)


def test_who_cannot_be_looked_at_again_is_not_touched(server: RedisServer) -> None:
    with connections(server, 2), clients_of(server) as subject:
        idle(server, count=2)
        candidates = subject.look().candidates
        subject.entered().close()
        done = list(subject.carry_out_all(candidates))
        assert [(one.outcome, one.detail["why"], one.was_touched) for one in done] == [("failed", "cannot_look", False)] * 2
        assert len(idle_ids(server)) == 2


def test_past_the_deadline_nobody_is_ended(server: RedisServer) -> None:
    with connections(server, 2), clients_of(server) as subject:
        idle(server, count=2)
        candidates = subject.look().candidates
        subject.entered().deadline = Deadline(0)
        done = list(subject.carry_out_all(candidates))
        assert [(one.outcome, one.detail["why"], one.was_touched) for one in done] == [("failed", "out_of_time", False)] * 2
        assert "max_seconds" in done[0].detail["error"] and len(idle_ids(server)) == 2


def test_who_is_never_ended(server: RedisServer) -> None:
    with server.client() as subscribing, server.client() as blocking, server.client() as protected, server.client() as web:
        subscriber = subscribing.pubsub()
        subscriber.subscribe("news")
        subscriber.get_message(timeout=5)
        waiter = threading.Thread(target=lambda: blocking.blpop("queue", timeout=10), daemon=True)
        waiter.start()
        protected.client_setname("worker-1")
        web.client_setname("idler-web")
        until(lambda: server.execute("INFO", "clients")["blocked_clients"] == 1, what="the worker to wait")
        with start_replica(server), start_sentinel(server, quorum=1) as sentinel:
            def watched() -> bool:
                with server.client() as client:
                    names = " ".join(str(one["name"]) for one in client.client_list())
                return "sentinel-" in names and "cmd" in names

            until(watched, what=f"the sentinel; its log: {sentinel.log_tail()}")
            result = kill(server, min_idle="0s", protect_names=["worker"], check=True)
            reasons = {reason for spared in result["protected"] for reason in spared["reasons"]}
            assert reasons >= {"own_session", "subscriber", "blocked", "protected_name", "replica", "sentinel"}
            done = kill(server, min_idle="0s", protect_names=["worker"], approved=ids(result))
            assert "gone" in outcomes(done)
            assert idle_ids(server) == [], "only the web client was to go"
            with server.client() as client:
                left = client.client_list()
            assert any("worker-1" in str(one["name"]) for one in left)
            assert any("S" in str(one["flags"]) for one in left)
            assert any("P" in str(one["flags"]) for one in left)
        server.execute("LPUSH", "queue", "end")
        waiter.join(timeout=10)
        assert not waiter.is_alive(), "it got its job"
        subscriber.close()
    server.execute("FLUSHALL")


def test_the_biggest_output_buffer_first(server: RedisServer) -> None:
    """A monitor that reads nothing: what it should have read stays in the server's memory."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as monitor:
        monitor.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        monitor.sendall(b"CLIENT SETNAME idler-monitor\r\nMONITOR\r\n")

        def stuck() -> bool:
            with server.client() as client:
                for _index in range(50):
                    client.set("big", "x" * 200_000)
                return any(int(one["omem"]) > 1_000_000 for one in client.client_list())

        until(stuck, what="the buffer to grow")
        with connections(server, 1):
            result = kill(server, min_idle="", min_output_bytes=1_000_000, max_victims=1)
            assert outcomes(result) == ["gone"], result
            assert "output buffer" in result["actions"][0]["reason"]
            assert len(idle_ids(server)) == 1, "the idle one was not the worst"
    server.execute("FLUSHALL")


def test_bad_input() -> None:
    result = run_module("redis_client_kill", login_port=1, min_idle="", min_output_bytes=0)
    assert (result["failed"], result["error"]) == (True, "bad_input")
    assert run_module("redis_client_kill", login_port=1, max_victims=-1)["error"] == "bad_input"


def test_a_full_server_is_tried_again_and_then_named(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "maxclients", "3")
    try:
        with connections(server, 3):
            result = kill(server, connect_retry="1s")
            assert (result["failed"], result["error"]) == (True, "maxclients")
        with connections(server, 3) as clients:
            timer = threading.Timer(1, clients[0].close)
            timer.start()
            result = kill(server, connect_retry="20s", min_idle="0s", max_victims=1)
            assert outcomes(result) == ["gone"], "a place became free, and it was taken"
            timer.join()
    finally:
        until(lambda: widened(server), what="a place")


def widened(server: RedisServer) -> bool:
    """Let more clients in again, when there is a place to say so."""
    try:
        server.execute("CONFIG", "SET", "maxclients", "100")
    except redis.exceptions.ConnectionError:
        return False
    return True
