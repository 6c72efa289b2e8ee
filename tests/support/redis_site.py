# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts for the scenario redis-recovery: each has a server and a stand-in for systemd of its own, so that one play has many faults."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.need import need
from tests.support.redis_servers import SOURCES, RedisServer, find_binary, start_replica
from tests.support.site import DOUBLES, Ended, Site
from tests.support.until import until

#: Variables of every host: nobody waits in a test.
QUICK: Mapping[str, Any] = {
    "evidence_snapshot": False, "service_hold": "500ms",
    "redis_connect_timeout": "2s", "redis_socket_timeout": "2s", "redis_max_seconds": "20s", "redis_connect_retry": "1s",
    "redis_verify_hold": "500ms", "redis_verify_timeout": "10s", "redis_probe_timeout": "5s",
    "redis_kill_min_idle": "1s", "redis_kill_max_percent": 100,
}
PATH = f"{DOUBLES}:{Path(sys.executable).parent}:/usr/bin:/bin"


def binary(flavor: str = "valkey") -> str:
    """The server of the tests: Valkey, since its binary is always there; the modules' own tests take Redis too."""
    found = find_binary(flavor)
    need(found, SOURCES[flavor])
    assert found is not None
    return found


def fill(server: RedisServer, prefix: str, count: int) -> None:
    """Set some keys that expire."""
    with server.client() as client, client.pipeline(transaction=False) as pipe:
        for index in range(count):
            pipe.set(f"{prefix}{index}", "x", ex=3600)
        pipe.execute()


def fill_memory(server: RedisServer) -> None:
    """The server refuses to take more."""
    used = int(server.execute("INFO", "memory")["used_memory"])
    server.execute("CONFIG", "SET", "maxmemory", str(used + 2_000_000))
    with server.client() as client:
        for index in range(10_000):
            try:
                client.set(f"page:{index}", "x" * 1000, ex=3600)
            except Exception as exc:
                assert "used memory" in str(exc), exc
                return
    raise AssertionError("the memory did not become full")


def count(server: RedisServer, pattern: str) -> int:
    """How many keys match."""
    with server.client() as client:
        return sum(1 for _key in client.scan_iter(match=pattern, count=1000))


def written(server: RedisServer) -> int:
    """How many writes a server has executed that changed something, of one that never saved."""
    return int(server.execute("INFO", "persistence")["rdb_changes_since_last_save"])


def verbs(done: Ended, host: str | None = None) -> list[tuple[str, str]]:
    """Verb and outcome of every recorded action."""
    return [(action["verb"], action["outcome"]) for action in done.actions(host)]


def lasting(plan: Mapping[str, Any]) -> dict[str, Any]:
    """An approved plan that is still valid when several long plays are over, on a machine that may be busy."""
    return {**plan, "expires": time.time() + 3600}


@dataclass
class Cache:
    """A host: a server, and a unit below a stand-in for systemd of its own.

    Attributes:
        home: where the stand-in keeps what it knows.
        own: the host's variables, beside those of every host.
    """

    server: RedisServer
    home: Path
    own: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home.mkdir()
        self.adopt(self.server.pid)
        self.command(self.server.binary, str(self.server.base / "server.conf"))
        (self.home / "calls").write_text("")
        # The stand-in has what it needs from this host's interpreter alone.
        environ = f"PATH={PATH} SYSTEMCTL_DOUBLE={self.home} DOCKER_DOUBLE_ADDRESS=127.0.0.1"
        self.python.write_text(f'#!/bin/sh\nexec env {environ} {sys.executable} "$@"\n')
        self.python.chmod(0o755)

    @property
    def python(self) -> Path:
        """The host's interpreter."""
        return self.home / "python"

    def adopt(self, pid: int) -> None:
        """Put a running process below the stand-in."""
        (self.home / "pid").write_text(str(pid))
        (self.home / "invocation").write_text("0")

    def command(self, *argv: str) -> None:
        """What the unit runs."""
        (self.home / "command").write_text(json.dumps(argv))

    def start(self) -> None:
        """Start the unit as an administrator would."""
        environ = {"SYSTEMCTL_DOUBLE": str(self.home), "PATH": "/usr/bin:/bin"}
        subprocess.run([str(DOUBLES / "systemctl"), "start", "unit"], env=environ, check=True, timeout=30)

    @property
    def restarts(self) -> int:
        """How often the stand-in for systemctl was asked for a restart, whoever asked: that for Compose does too."""
        calls = (self.home / "calls").read_text().splitlines()
        return sum("restart" in line and not line.startswith("docker ") for line in calls)

    def variables(self, **more: Any) -> dict[str, Any]:
        """The host's."""
        return {**QUICK, "ansible_python_interpreter": str(self.python), "redis_login_port": self.server.port, **self.own, **more}

    def end(self) -> None:
        """End what the stand-in started."""
        with suppress(OSError, ValueError):
            os.kill(int((self.home / "pid").read_text()), signal.SIGKILL)


@dataclass
class Caches:
    """Many hosts and the scenario that is played against them."""

    site: Site
    stack: ExitStack
    hosts: dict[str, Cache] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Cache:
        return self.hosts[name]

    def server(self, *, flavor: str = "valkey", **settings: str) -> RedisServer:
        """A server of its own, which saves nothing by itself and is empty."""
        return self.stack.enter_context(RedisServer.start(binary(flavor), settings=settings))

    def replica(self, primary: RedisServer) -> RedisServer:
        """A server that follows another one."""
        return self.stack.enter_context(start_replica(primary))

    def add(self, name: str, server: RedisServer | None = None, **own: Any) -> Cache:
        """A host with a server that has some keys, or with this server."""
        if server is None:
            server = self.server()
            fill(server, "good:", 20)
        made = self.hosts[name] = Cache(server, self.site.place / f"host-{name}", own)
        self.stack.callback(made.end)
        return made

    def group(self, *names: str, **own: Mapping[str, Any]) -> None:
        """Let the next play have these hosts, and those with variables of this play alone."""
        self.site.group("cache", **{name: self.hosts[name].variables(**own.get(name, {})) for name in (*names, *own)})

    def play(self, *arguments: str) -> Ended:
        """Run the scenario with the stand-ins on PATH."""
        return self.site.play(*arguments, PATH=PATH, DOCKER_DOUBLE_ADDRESS="127.0.0.1")

    def incident(self, *arguments: str) -> Ended:
        """Run it with the command."""
        return self.site.incident("--json", *arguments, PATH=PATH)


@contextmanager
def caches(place: Path) -> Iterator[Caches]:
    """Hosts that end with the test."""
    site = Site(place, playbook="redis-recovery")
    site.group("app")
    with ExitStack() as stack:
        yield Caches(site, stack)


class RedisSite(Site):
    """One host with a Redis that a stand-in for systemd runs."""

    def __init__(self, place: Path, cache: RedisServer) -> None:
        super().__init__(place, playbook="redis-recovery")
        self.cache, self.unit = cache, Cache(cache, place / "redis-service")
        self.group("cache", cache1=self.unit.variables())
        self.group("app")

    @property
    def environ(self) -> dict[str, str]:
        """Where the stand-ins are, and what they stand in for."""
        return {"PATH": PATH, "DOCKER_DOUBLE_ADDRESS": "127.0.0.1"}

    @property
    def restarts(self) -> int:
        """How often a restart was asked for."""
        return self.unit.restarts

    def recover(self, *arguments: str, **variables: Any) -> Ended:
        """Run the scenario with the stand-in on PATH."""
        return self.play(*arguments, variables=variables, **self.environ)

    def end(self) -> None:
        """End what the stand-in started."""
        self.unit.end()


@contextmanager
def one_cache(place: Path) -> Iterator[RedisSite]:
    """A site whose cache is a real server with 20 keys."""
    with RedisServer.start(binary()) as server:
        fill(server, "good:", 20)
        made = RedisSite(place, server)
        try:
            yield made
        finally:
            made.end()


@dataclass
class Application:
    """An application that answers, and counts who asked.

    Attributes:
        url: its health URL.
        asked: the paths that were asked for.
        status: what it answers with.
        others: what it answers with for some paths.
    """

    url: str
    asked: list[str] = field(default_factory=list)
    status: int = 200
    others: dict[str, int] = field(default_factory=dict)

    def at(self, path: str, status: int = 200) -> str:
        """Another health URL of it."""
        self.others[f"/{path}"] = status
        return self.url.replace("/health", f"/{path}")


@contextmanager
def answering() -> Iterator[Application]:
    """A health URL on the loopback."""
    made = Application(url="")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            self.send_response(made.others.get(self.path, made.status))
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_port}/health"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


ON_A_SMALL_DISK = """#!/bin/sh
directory=$(sed -n 's/^dir //p' "$1")
exec unshare --mount {more} sh -c 'mount -t tmpfs -o size=2m,mode=777 none "$1" && shift && exec "$@"' sh "$directory" {binary} "$@"
"""


def small_disk(place: Path) -> str:
    """A program that runs a server whose directory is a small file system of its own."""
    more = "" if os.geteuid() == 0 else "--map-root-user"
    can = subprocess.run(
        ["sh", "-c", f"unshare --mount {more} mount -t tmpfs none {place}"], capture_output=True, timeout=30, check=False,
    ).returncode == 0
    need(can, "a mount namespace of our own (util-linux' unshare, and a kernel and container that allow it)")
    wrapper = place / "small-disk"
    wrapper.write_text(ON_A_SMALL_DISK.format(more=more, binary=binary()))
    wrapper.chmod(0o755)
    return str(wrapper)


@contextmanager
def full_disk(program: str) -> Iterator[tuple[RedisServer, Path]]:
    """A server that cannot save, since the file system of its directory is full, and that directory as the host sees it."""
    with RedisServer.start(program, settings={"save": "3600 1"}) as server:
        until(lambda: Path(f"/proc/{server.pid}/comm").read_text().startswith("valkey"), what="the server behind the wrapper")
        inside = Path(f"/proc/{server.pid}/root{server.data}")
        fill(server, "kept:", 2000)
        with suppress(OSError), (inside / "other.log").open("wb", buffering=0) as filler:
            while filler.write(b"x" * 65536):
                pass
        server.execute("BGSAVE")
        until(lambda: server.execute("INFO", "persistence")["rdb_last_bgsave_status"] == "err", what="the save to fail")
        yield server, inside


#: Takes every connection of a server when it is started first, later two.
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
time.sleep(3600)
"""
