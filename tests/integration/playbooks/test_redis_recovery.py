# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenario redis-recovery against real servers: by recovery code, in check mode, approved, refused where data would be lost.

There is no systemd in a test: `systemctl` is a stand-in that really starts and stops the process.
"""

from __future__ import annotations

import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.plan import make_plan
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.again import of_event

from tests.support.need import need
from tests.support.redis_acting import connections, fingerprint, idle_ids, idle_seconds
from tests.support.redis_servers import SOURCES, RedisServer, find_binary, start_replica
from tests.support.site import DOUBLES, Ended, Site
from tests.support.until import until

from .conftest import QUICK as COMMON
from .test_via import FAR, Sshd, sshd

# Several plays each, on a machine that may be busy.
pytestmark = pytest.mark.timeout(900)
PASSWORD = "zeppelin-quartz-91"
__all__ = ["sshd"]  # a fixture
QUICK: dict[str, Any] = {
    "redis_connect_timeout": "2s", "redis_socket_timeout": "2s", "redis_max_seconds": "20s", "redis_connect_retry": "1s",
    "redis_verify_hold": "500ms", "redis_verify_timeout": "10s", "redis_probe_timeout": "5s",
    "redis_kill_min_idle": "1s", "redis_kill_max_percent": 100,
}
#: For a run that must end as not recovered: how long verify goes on looking makes no difference to what it says.
LOST = {"redis_verify_timeout": "2s", "redis_verify_hold": "0s"}
#: A restart that is asked for, of a server of which a check fails and nothing else is to be done: without that it is left alone.
RESTART: dict[str, Any] = {
    "redis_restart": "always", "redis_thresholds": {"connections_warning": "0", "connections_critical": "off"}, "incident_rung_wait": "0s",
}


class RedisSite(Site):
    """Hosts, a home for records, and a Redis behind them that a stand-in for systemd runs."""

    def __init__(self, place: Path, cache: RedisServer) -> None:
        super().__init__(place, playbook="redis-recovery", common=COMMON)
        self.cache, self.services = cache, place / "redis-service"
        self.group("cache", cache1=self.login(self.cache))
        self.group("app")
        self.services.mkdir(exist_ok=True)
        self.adopt()

    @property
    def environ(self) -> dict[str, str]:
        """Where the stand-ins are, and what they stand in for."""
        path = f"{DOUBLES}:{self.bin}:/usr/bin:/bin"
        return {"PATH": path, "SYSTEMCTL_DOUBLE": str(self.services), "DOCKER_DOUBLE_ADDRESS": "127.0.0.1"}

    def login(self, server: RedisServer, **more: Any) -> dict[str, Any]:
        """The variables of a host that is this server."""
        return {**QUICK, "redis_login_port": server.port, **more}

    def adopt(self) -> None:
        """Put the running server below the stand-in."""
        (self.services / "command").write_text(json.dumps([self.cache.binary, str(self.cache.base / "server.conf")]))
        (self.services / "pid").write_text(str(self.cache.pid))
        (self.services / "invocation").write_text("0")
        (self.services / "calls").write_text("")

    @property
    def restarts(self) -> int:
        """How often a restart was asked for."""
        return sum("restart" in line for line in (self.services / "calls").read_text().splitlines())

    def recover(self, *arguments: str, **variables: Any) -> Ended:
        """Run the scenario with the stand-in on PATH."""
        return self.play(*arguments, variables=variables, **self.environ)

    def end(self) -> None:
        """End what the stand-in started."""
        with suppress(OSError, ValueError):
            os.kill(int((self.services / "pid").read_text()), signal.SIGKILL)


def binary() -> str:
    """The server of the tests: Valkey, since its binary is always there; the modules' own tests take Redis too."""
    found = find_binary("valkey")
    need(found, SOURCES["valkey"])
    assert found is not None
    return found


@pytest.fixture
def site(tmp_path: Path) -> Iterator[RedisSite]:
    """A site whose cache saves nothing by itself, with some keys."""
    with RedisServer.start(binary()) as server:
        fill(server, "good:", 20)
        made = RedisSite(tmp_path, server)
        try:
            yield made
        finally:
            made.end()


def fill(server: RedisServer, prefix: str, count: int) -> None:
    with server.client() as client, client.pipeline(transaction=False) as pipe:
        for index in range(count):
            pipe.set(f"{prefix}{index}", "x", ex=600)
        pipe.execute()


def count(server: RedisServer, pattern: str) -> int:
    with server.client() as client:
        return sum(1 for _key in client.scan_iter(match=pattern, count=1000))


def verbs(done: Ended) -> list[tuple[str, str]]:
    """Verb and outcome of every recorded action."""
    return [(action["verb"], action["outcome"]) for action in done.actions()]


@dataclass
class Application:
    """An application that answers, and counts who asked."""

    url: str
    asked: list[str] = field(default_factory=list)
    status: int = 200


@pytest.fixture
def application() -> Iterator[Application]:
    """A health URL on the loopback."""
    made = Application(url="")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            self.send_response(made.status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_port}/health"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield made
        server.shutdown()
        thread.join()


def written(server: RedisServer) -> int:
    """How many writes a server has executed that changed something, of one that never saved."""
    return int(server.execute("INFO", "persistence")["rdb_changes_since_last_save"])


# Healthy.

def test_a_healthy_cache_is_left_alone(site: RedisSite) -> None:
    before = fingerprint(site.cache)
    checked = site.recover("--check")
    assert checked.status == 0, checked.output
    assert checked.plan()["actions"] in ({}, {"cache1": []})
    assert fingerprint(site.cache) == before
    done = site.recover()
    assert done.status == 0, done.output
    assert (verbs(done), site.restarts, count(site.cache, "*")) == ([], 0, 20)
    assert "Write, read, replicate and delete a probe key" in done.tasks()
    done.assert_record_verifies()


def test_writes_that_hang_are_not_healthy(tmp_path: Path) -> None:
    """Also on a version that does not tell of the pause, also where it only plans, and nothing is written to find it out."""
    found = find_binary("redis")
    need(found, SOURCES["redis"])
    assert found
    with RedisServer.start(found) as server:
        site = RedisSite(tmp_path, server)
        for only_plan in ((), ("--check",)):
            server.execute("CLIENT", "PAUSE", "600000", "WRITE")
            done = site.incident("--json", "--yes", *only_plan, **site.environ)
            assert (done.status, done.data["outcome"], done.data["actions"]) == (3, "not_recovered", []), done.stderr
            assert "UNPAUSE" in done.stderr and "writes is critical (paused" in done.data["reasons"][0], done.stderr
            server.execute("CLIENT", "UNPAUSE")
            assert written(server) == 0


def test_looking_writes_a_probe_key_only_where_it_was_asked_for(tmp_path: Path) -> None:
    found = find_binary("redis")
    need(found, SOURCES["redis"])
    assert found
    with RedisServer.start(found) as server:
        site = RedisSite(tmp_path, server)
        for only_plan in ((), ("--check",)):
            healthy = site.incident("--json", "--yes", *only_plan, **site.environ)
            assert (healthy.status, written(server)) == (5, 0), healthy.stderr
        site.hosts["cache"]["cache1"]["redis_probe_in_investigate"] = True
        asked = site.incident("--json", "--check", **site.environ)
        assert (asked.status, written(server)) == (5, 2), asked.stderr


# Evidence.

def test_what_the_cache_knows_is_kept_before_it_is_cleared_and_its_password_is_not(site: RedisSite) -> None:
    need(shutil.which("redis-cli"), "redis-cli")
    site.cache.execute("CONFIG", "SET", "requirepass", PASSWORD)
    site.hosts["cache"]["cache1"].update(
        redis_login_password=PASSWORD, evidence_snapshot=True, evidence_local=True, evidence_budget="120s", evidence_command_timeout="60s",
        evidence_skip=["open_files"],
    )
    done = site.recover(redis_clear="always", redis_clear_pattern="good:*")
    assert done.status == 0, done.output
    assert verbs(done) == [("clear_pattern", "done")]
    kept = done.run_dir / "hosts" / "cache1"
    items = {item["name"]: item for item in map(json.loads, (kept / "index.jsonl").read_text().splitlines()) if item["kind"] == "item"}
    assert {items[f"redis_{name}"]["status"] for name in ("info", "clients", "slow_log", "memory")} == {"collected"}
    assert "db0:keys=20," in (done.run_dir / items["redis_info"]["path"]).read_text(), "as it was before"
    assert not [path for path in done.run_dir.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
    done.assert_record_verifies()


# Frozen.

def test_a_frozen_server_is_restarted_only_when_the_loss_is_accepted(site: RedisSite, application: Application) -> None:
    os.kill(site.cache.pid, signal.SIGSTOP)
    urls = {"redis_app_urls": [application.url]}
    refused = site.recover("--tags", "mitigate,verify", **urls, **LOST)
    assert refused.status == 2
    assert verbs(refused) == [("restart_cache", "refused")]
    assert "does not answer" in refused.actions()[0]["detail"]["error"]
    assert site.restarts == 0
    assert "Not recovered" in refused.output

    checked = site.recover("--check", "--tags", "mitigate", redis_accept_data_loss=True, **urls)
    assert checked.status == 0, checked.output
    assert [action["verb"] for action in checked.plan()["actions"]["cache1"]] == ["restart_cache"]
    assert site.restarts == 0

    asked = len(application.asked)
    done = site.recover(redis_accept_data_loss=True, incident_approved_plan=checked.plan(), **urls)
    assert done.status == 0, done.output
    assert (verbs(done), site.restarts) == ([("restart_cache", "done")], 1)
    assert len(application.asked) == asked + 3, "before, while the cache was gone, and afterwards"
    assert site.cache.execute("PING")
    done.assert_record_verifies()


def test_an_application_that_does_not_answer_meanwhile_is_a_failure(site: RedisSite, application: Application) -> None:
    application.status = 503
    done = site.recover(
        "--tags", "mitigate,verify", redis_clear="always", redis_clear_pattern="good:*", redis_app_urls=[application.url], **LOST,
    )
    assert done.status == 2
    assert verbs(done) == [("clear_pattern", "done")]
    assert "503" in done.output


def test_a_server_that_is_down_is_started_again(site: RedisSite) -> None:
    site.cache.kill()
    done = site.recover()
    assert done.status == 0, done.output
    assert verbs(done) == [("restart_cache", "done")]
    assert "holds no data, so it starts empty" in done.actions()[0]["reason"]


def test_a_service_that_is_not_the_server_is_never_restarted(site: RedisSite) -> None:
    """The variables of four servers point to one, the name of the service to another; in one play."""
    with ExitStack() as stack:
        other = stack.enter_context(RedisServer.start(binary()))
        servers = {state: stack.enter_context(RedisServer.start(binary())) for state in ("well", "frozen", "down", "elsewhere")}
        site.group("cache", **{state: site.login(server) for state, server in servers.items()})
        site.hosts["cache"]["elsewhere"]["redis_via"] = "controller"
        (site.services / "pid").write_text(str(other.pid))
        stack.enter_context(servers["frozen"].frozen())
        servers["down"].kill()
        done = site.recover("--tags", "mitigate", **RESTART, redis_accept_data_loss=True)
        actions = {event["host"]: event.get("action", event) for event in done.events("action")}
        assert set(actions) == set(servers) and len(done.actions()) == len(servers), done.output
        for state, action in actions.items():
            assert (action["verb"], action["outcome"]) == ("restart_cache", "refused"), (state, done.output)
            said = "only with redis_via=host (here: controller)" if state == "elsewhere" else f"the unit's process is {other.pid}"
            assert said in action["detail"]["error"], state
        assert site.restarts == 0
        assert other.execute("PING")


def test_a_server_of_compose_is_restarted_when_its_container_is_the_service(site: RedisSite) -> None:
    """The stand-in for Compose has one service, called nginx, in the container shop-redis."""
    wanted = {
        **RESTART, "redis_service_runtime": "compose", "redis_service_name": "nginx", "redis_via": "container",
        "redis_container_network": "shop_default",
    }
    other = site.recover("--tags", "mitigate", redis_container_name="shop-postgres", **wanted)
    assert verbs(other) == [("restart_cache", "refused")], other.output
    assert "redis_container_name is the service's only container" in other.actions()[0]["detail"]["error"]
    assert site.restarts == 0
    (site.services / "one_off").write_text("what `docker compose run` has left is no second container of the service")
    done = site.recover("--tags", "mitigate", redis_container_name="shop-redis", **wanted)
    assert verbs(done) == [("restart_cache", "done")], done.output


def test_no_restart_where_replicas_would_copy_an_empty_server(site: RedisSite) -> None:
    with start_replica(site.cache) as replica:
        done = site.recover("--tags", "mitigate", **RESTART)
        assert verbs(done) == [("restart_cache", "refused")]
        assert "persistence is off and 1 replicas are attached" in done.actions()[0]["detail"]["error"]
        assert (site.restarts, count(replica, "*")) == (0, 20)


# The disk.

ON_A_SMALL_DISK = """#!/bin/sh
directory=$(sed -n 's/^dir //p' "$1")
exec unshare --mount {more} sh -c 'mount -t tmpfs -o size=2m,mode=777 none "$1" && shift && exec "$@"' sh "$directory" {binary} "$@"
"""


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[RedisSite]:
    """A server that cannot save, since the file system of its directory is full."""
    more = "" if os.geteuid() == 0 else "--map-root-user"
    can = subprocess.run(
        ["sh", "-c", f"unshare --mount {more} mount -t tmpfs none {tmp_path}"], capture_output=True, timeout=30, check=False,
    ).returncode == 0
    need(can, "a mount namespace of our own (util-linux' unshare, and a kernel and container that allow it)")
    wrapper = tmp_path / "small-disk"
    wrapper.write_text(ON_A_SMALL_DISK.format(more=more, binary=binary()))
    wrapper.chmod(0o755)
    with RedisServer.start(str(wrapper), settings={"save": "3600 1"}) as server:
        until(lambda: Path(f"/proc/{server.pid}/comm").read_text().startswith("valkey"), what="the server behind the wrapper")
        inside = Path(f"/proc/{server.pid}/root{server.data}")
        fill(server, "kept:", 2000)
        with suppress(OSError), (inside / "other.log").open("wb", buffering=0) as filler:
            while filler.write(b"x" * 65536):
                pass
        server.execute("BGSAVE")
        until(lambda: server.execute("INFO", "persistence")["rdb_last_bgsave_status"] == "err", what="the save to fail")
        made = RedisSite(tmp_path, server)
        made.hosts["cache"]["cache1"]["redis_data_directory"] = str(inside)
        try:
            yield made
        finally:
            made.end()


def test_the_disk_is_freed_and_the_save_works_again(full_disk: RedisSite) -> None:
    site, inside = full_disk, full_disk.hosts["cache"]["cache1"]["redis_data_directory"]
    with pytest.raises(Exception, match="MISCONF"):
        site.cache.execute("SET", "a", "b")
    still = site.recover("--tags", "mitigate", redis_restart="always")
    assert (still.status, verbs(still)) == (2, [("save", "failed")]), "the disk is still full"
    nothing = make_plan(run="another", now=time.time(), actions={}).as_dict()
    unsaved = site.recover("--tags", "mitigate", redis_restart="always", incident_approved_plan=nothing, incident_rung_wait="0s")
    assert sorted(verbs(unsaved)) == [("restart_cache", "refused"), ("save", "refused")]
    said = {action["verb"]: action["detail"].get("error", "") for action in unsaved.actions()}
    assert "changes are unsaved and the last save failed" in said["restart_cache"]
    assert site.restarts == 0

    freeing = {"redis_free_disk_command": ["rm", f"{inside}/other.log"]}
    before = fingerprint(site.cache)
    checked = site.recover("--check", **freeing)
    assert checked.status == 0, checked.output
    assert [action["verb"] for action in checked.plan()["actions"]["cache1"]] == ["free_disk", "save"]
    assert fingerprint(site.cache) == before
    assert Path(inside, "other.log").exists()

    done = site.recover(incident_approved_plan=checked.plan(), **freeing)
    assert done.status == 0, done.output
    assert verbs(done) == [("free_disk", "done"), ("save", "done")]
    assert site.cache.execute("INFO", "persistence")["rdb_last_bgsave_status"] == "ok"
    assert count(site.cache, "kept:*") == 2000
    assert verbs(site.recover("--tags", "mitigate", **freeing)) == []


def test_only_what_killed_saves_left_is_removed(full_disk: RedisSite) -> None:
    inside = Path(full_disk.hosts["cache"]["cache1"]["redis_data_directory"])
    (inside / "other.log").unlink()
    for name, age in (("temp-1.rdb", 7200), ("temp-2.rdb", 0), ("dump-old.rdb", 7200)):
        (inside / name).write_text("x")
        os.utime(inside / name, (os.stat(inside).st_mtime - age,) * 2)
    done = full_disk.recover("--tags", "mitigate", redis_remove_stale_rdb=True)
    assert done.status == 0, done.output
    assert verbs(done) == [("remove_stale_rdb", "done"), ("save", "done")]
    assert {"temp-2.rdb", "dump-old.rdb"} <= {path.name for path in inside.iterdir()}
    assert not (inside / "temp-1.rdb").exists()


# Keys.

def test_a_poisoned_pattern_is_cleared_when_asked_and_no_more_than_approved(site: RedisSite, application: Application) -> None:
    fill(site.cache, "bad:", 300)
    wanted = {"redis_clear": "always", "redis_clear_pattern": "bad:*", "redis_app_urls": [application.url]}
    assert verbs(site.recover("--tags", "mitigate", redis_clear_pattern="bad:*")) == [], "nothing is wrong by itself"
    over = site.recover("--tags", "mitigate", **{**wanted, "redis_clear_max_keys": 299})
    assert (over.status, verbs(over), count(site.cache, "bad:*")) == (2, [("clear_pattern", "refused")], 300)

    before = fingerprint(site.cache)
    checked = site.recover("--check", **wanted)
    assert checked.status == 0, checked.output
    assert fingerprint(site.cache) == before
    plan = checked.plan()
    assert [action["detail"]["keys"] for action in plan["actions"]["cache1"]] == [300]
    other = site.recover("--tags", "mitigate", **{**wanted, "redis_clear_pattern": "good:*"}, incident_approved_plan=plan)
    assert (verbs(other), count(site.cache, "*")) == ([("clear_pattern", "refused"), ("clear_pattern", "moved_on")], 320)

    done = site.recover(**wanted, incident_approved_plan=plan)
    assert done.status == 0, done.output
    assert verbs(done) == [("clear_pattern", "done")]
    assert (count(site.cache, "bad:*"), count(site.cache, "good:*")) == (0, 20)
    again = site.recover("--tags", "mitigate", **wanted)
    assert (verbs(again), "changed=0" in again.output) == ([("clear_pattern", "not_needed")], True)


def test_what_earlier_tries_cleared_counts(site: RedisSite) -> None:
    fill(site.cache, "bad:", 100)
    site.hosts["cache"]["cache1"]["incident_actions"] = [
        {"verb": "clear_pattern", "outcome": "unknown", "detail": {"removed": 60, "keys": 160}},
        {"verb": "clear_pattern", "outcome": "refused", "detail": {"why": "limit"}}, {"verb": "save", "outcome": "done", "detail": {}},
    ]
    wanted = {"redis_clear": "always", "redis_clear_pattern": "bad:*"}
    over = site.recover("--tags", "mitigate", redis_clear_max_keys=159, **wanted)
    assert (verbs(over), count(site.cache, "bad:*")) == ([("clear_pattern", "refused")], 100), over.output
    done = site.recover("--tags", "mitigate", redis_clear_max_keys=160, **wanted)
    assert (verbs(done), count(site.cache, "bad:*")) == ([("clear_pattern", "done")], 0), done.output


def test_a_full_memory_is_cleared_by_the_pattern_of_the_inventory(site: RedisSite) -> None:
    used = int(site.cache.execute("INFO", "memory")["used_memory"])
    site.cache.execute("CONFIG", "SET", "maxmemory", str(used + 2_000_000))
    with site.cache.client() as client, pytest.raises(Exception, match="used memory"):
        for index in range(10_000):
            client.set(f"page:{index}", "x" * 1000, ex=600)
    done = site.recover(redis_clear_pattern="page:*")
    assert done.status == 0, done.output
    assert verbs(done) == [("clear_pattern", "done")]
    assert (count(site.cache, "page:*"), count(site.cache, "good:*")) == (0, 20)


# Clients.

def test_room_is_made_for_clients(site: RedisSite) -> None:
    site.cache.execute("CONFIG", "SET", "maxclients", "12")
    with connections(site.cache, 11):
        until(lambda: all(seconds >= 1 for seconds in idle_seconds(site.cache)), what="them to be idle")
        checked = site.recover("--check", "--tags", "mitigate", redis_raise_maxclients=40, redis_kill_max_victims=3)
        assert checked.status == 0, checked.output
        assert [action["verb"] for action in checked.plan()["actions"]["cache1"]] == ["raise_maxclients"] + ["kill_client"] * 3
        assert len(idle_ids(site.cache)) == 11
        done = site.recover(redis_raise_maxclients=40, redis_kill_max_victims=3)
        assert done.status == 0, done.output
        assert verbs(done) == [("raise_maxclients", "done")] + [("kill_client", "gone")] * 3
        raised = done.actions()[0]["detail"]
        assert (raised["before"], raised["after"], len(idle_ids(site.cache))) == (12, 40, 8)
    for ended in (checked, done):
        told = [event for event in ended.events() if '"complete"' in json.dumps(event)]
        assert told and {event["type"] for event in told} == {"result"}, "a reading is in no plan, fact or argument"
        assert '"complete"' not in ended.output and "'complete'" not in ended.output, "nor on the screen"
        decided = [of_event(event).actions for event in told if event["action"] == "oncall.incident.redis_client_kill"]
        assert [list((one or {}).values()).count("planned") for one in decided] == [3], "and it is decided again from the record"


LEAK = """
import pathlib, sys, time, redis
first = pathlib.Path(sys.argv[2])
most = 1000 if not first.exists() else 2
held = []
while len(held) < most:
    try:
        client = redis.Redis(port=int(sys.argv[1]), single_connection_client=True)
        client.ping()
    except redis.exceptions.RedisError:
        break
    held.append(client)
first.write_text(str(len(held)))
time.sleep(600)
"""


def test_nobody_gets_in_any_more_so_the_application_is_restarted(site: RedisSite) -> None:
    """Its systemd unit is the one that the stand-in runs; the cache's own is left alone."""
    site.cache.execute("CONFIG", "SET", "maxclients", "10")
    first = site.place / "first"
    (site.services / "command").write_text(json.dumps([sys.executable, "-c", LEAK, str(site.cache.port), str(first)]))
    (site.services / "pid").write_text("0")
    environ = {"SYSTEMCTL_DOUBLE": str(site.services), "PATH": "/usr/bin:/bin"}
    subprocess.run([str(DOUBLES / "systemctl"), "start", "shop"], env=environ, check=True, timeout=30)
    until(lambda: first.exists() and first.read_text(), what="the application to take every connection")
    helpless = site.recover("--check")
    assert helpless.status == 2
    assert "set service_name for the hosts of incident_app" in helpless.said
    site.group("app", app1={"service_name": "shop", "service_timeout": "60s"})
    done = site.recover()
    assert done.status == 0, done.output
    assert verbs(done) == [("restart_service", "done")]


# Ways.

def test_every_way_to_the_server(site: RedisSite, sshd: Sshd) -> None:
    """A server behind each way, all in one play."""
    far = {**FAR, "redis_login_host": "127.0.0.1"}
    ways: dict[str, dict[str, Any]] = {
        "controller": far,
        "container": {"redis_container_name": "shop-redis", "redis_container_network": "shop_default"},
        "ssh_tunnel": {**far, "redis_ssh_destination": f"{sshd.user}@127.0.0.1", "redis_ssh_args": sshd.args},
        "kubernetes": {**far, "redis_kubernetes_target": "service/redis", "redis_kubernetes_namespace": "shop"},
    }
    with ExitStack() as stack:
        servers = {way: stack.enter_context(RedisServer.start(binary())) for way in ways}
        site.group("cache", **{f"by-{way}": site.login(servers[way], redis_via=way, **more) for way, more in ways.items()})
        for server in servers.values():
            fill(server, "bad:", 5)
            fill(server, "good:", 3)
        done = site.recover("--tags", "mitigate,verify", redis_clear="always", redis_clear_pattern="bad:*")
        assert done.status == 0, done.output
        cleared = {event["host"]: event.get("action", event) for event in done.events("action")}
        assert {host: (action["verb"], action["outcome"]) for host, action in cleared.items()} == {
            f"by-{way}": ("clear_pattern", "done") for way in ways
        }
        assert len(done.actions()) == len(ways)
        assert {way: (count(server, "bad:*"), count(server, "good:*")) for way, server in servers.items()} == dict.fromkeys(ways, (0, 3))
    assert list(site.temporary.iterdir()) == [], "tunnels are closed"


# The orphan.

@pytest.fixture
def orphan(tmp_path: Path) -> Iterator[tuple[RedisSite, RedisServer]]:
    """A replica whose primary died, and the sibling that took over."""
    primary = RedisServer.start(binary())
    replica, heir = start_replica(primary), start_replica(primary)
    try:
        fill(primary, "kept:", 10)
        until(lambda: replica.execute("DBSIZE") == heir.execute("DBSIZE") == 10, what="the data everywhere")
        primary.stop()
        heir.execute("REPLICAOF", "NO", "ONE")
        until(lambda: replica.execute("INFO", "replication")["master_link_status"] == "down", what="the link to be down")
        yield RedisSite(tmp_path, replica), heir
    finally:
        for one in (primary, replica, heir):
            one.stop()


def test_an_orphan_is_re_pointed_only_when_its_primary_is_named(orphan: tuple[RedisSite, RedisServer]) -> None:
    site, heir = orphan
    before = fingerprint(site.cache)
    alone = site.recover("--tags", "mitigate")
    assert (alone.status, verbs(alone)) == (0, []), alone.output
    assert "set redis_repoint_primary_host" in alone.said
    named = {"redis_repoint_primary_host": "127.0.0.1", "redis_repoint_primary_port": heir.port}
    with RedisServer.start(binary()) as stranger:
        refused = site.recover("--tags", "mitigate", **{**named, "redis_repoint_primary_port": stranger.port})
        assert verbs(refused) == [("repoint_replica", "refused")]
    checked = site.recover("--check", "--tags", "mitigate", **named)
    assert [action["verb"] for action in checked.plan()["actions"]["cache1"]] == ["repoint_replica"]
    assert fingerprint(site.cache) == before
    done = site.recover(**named)
    assert done.status == 0, done.output
    assert verbs(done) == [("repoint_replica", "done")]
    assert site.cache.execute("INFO", "replication")["master_port"] == heir.port
    assert count(site.cache, "kept:*") == 10


# The wrapper.

def test_incident_run_recovers_and_then_finds_nothing_to_do(site: RedisSite) -> None:
    os.kill(site.cache.pid, signal.SIGSTOP)

    def run(*arguments: str) -> tuple[int, dict[str, Any], str]:
        done = site.incident("--json", "--pass-env", "SYSTEMCTL_DOUBLE", *arguments, **site.environ)
        return done.status, done.data, done.stderr

    status, data, shown = run("--yes", "-e", "redis_accept_data_loss=true")
    assert (status, data.get("outcome")) == (0, "recovered"), shown
    assert [(action["verb"], action["outcome"]) for action in data["actions"]] == [("restart_cache", "done")]
    status, data, shown = run("--yes")
    assert (status, data["outcome"], data["actions"]) == (5, "nothing_to_do", []), shown
    assert data["reasons"] == ["cache1: not looked at: probe_write, probe_read, probe_replication, probe_delete"]


def test_a_dead_application_is_never_nothing_to_do(site: RedisSite, application: Application) -> None:
    """Whatever the server itself says: verify would ask its URLs."""
    def run(url: str) -> tuple[int, str, str]:
        done = site.incident("--json", "--yes", "-e", json.dumps({"redis_app_urls": [url]}), **site.environ)
        return done.status, done.data["outcome"], " ".join(done.data["reasons"])

    assert run(application.url)[:2] == (5, "nothing_to_do")
    status, outcome, reasons = run("http://127.0.0.1:9/health")
    assert (status, outcome) == (3, "not_recovered") and "application http://127.0.0.1:9/health is unknown" in reasons, reasons
    application.status = 503
    status, outcome, reasons = run(application.url)
    assert (status, outcome) == (3, "not_recovered") and f"application {application.url} is critical" in reasons, reasons
