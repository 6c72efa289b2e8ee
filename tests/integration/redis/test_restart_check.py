# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""redis_restart_check against servers in other network namespaces: who answers there is not the unit here, and is not stopped either."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.need import need
from tests.support.netns import Namespace, namespace, peer_of
from tests.support.redis_servers import any_binary
from tests.support.run_module import start_module
from tests.support.until import until

#: In a namespace of its own any port is free.
PORT = 6379
OTHER_NODE = "198.18.0.2"


def unit(pid: int) -> dict[str, Any]:
    """What service_instances says of a unit with this main process."""
    state = "active" if pid else "inactive"
    return {"instances": [{"id": "redis-server.service", "type": "notify", "state": state, "main_pid": pid, "members": [], "paths": []}]}


@contextmanager
def redis_in(where: Namespace, *words: str, before: Sequence[str] = ()) -> Iterator[subprocess.Popen[bytes]]:
    """A server on all addresses of a namespace."""
    binary = any_binary()
    need(binary, "a Redis or Valkey binary")
    assert binary
    silent = subprocess.DEVNULL
    process = where.start(
        *before, binary, "--port", str(PORT), "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", *words,
        stdout=silent, stderr=silent,
    )
    try:
        until(lambda: f":{PORT}" in where.run("ss", "-Hltn"), what="the server to listen")
        yield process
    finally:
        process.kill()
        process.wait(20)


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Namespace]:
    """This node, where every address can be bound, as beside keepalived; the other one has the address that floats."""
    with namespace(peer=True) as here:
        for family in ("ipv4", "ipv6"):
            here.run("sysctl", "-qw", f"net.{family}.ip_nonlocal_bind=1")
        yield here


def test_an_address_of_another_node_is_not_ours_because_it_can_be_bound(two_nodes: Namespace) -> None:
    with redis_in(two_nodes) as standby, redis_in(peer_of(two_nodes)):
        ours = two_nodes.module("redis_restart_check", login_host="198.18.0.1", login_port=PORT, service=unit(standby.pid))
        assert (ours["obstacles"], ours["process_id"]) == ([], standby.pid)
        theirs = two_nodes.module("redis_restart_check", login_host=OTHER_NODE, login_port=PORT, service=unit(standby.pid))
        assert (theirs["seen"]["role"], theirs["listening"], theirs["process_id"]) == ("master", None, None), theirs
        assert "the server is not on this host or cannot be seen there, the unit's process is" in theirs["obstacles"][0]
        assert theirs["findings"][0]["hint"] == "Give the name of the unit that is this server, or restart it by hand."


def test_ipv6_that_is_off_makes_no_other_host_of_localhost(two_nodes: Namespace, tmp_path: Path) -> None:
    two_nodes.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.ip_nonlocal_bind=0")
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n::1 localhost\n")
    # `ip netns exec` gives it mounts of its own.
    with_hosts = [*two_nodes.prefix, "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(hosts)]
    with redis_in(two_nodes) as server:
        args = {"login_host": "localhost", "login_port": PORT, "service": unit(server.pid)}
        found = start_module("redis_restart_check", prefix=with_hosts, **args).result(timeout=120)
        assert (found["obstacles"], found["process_id"]) == ([], server.pid), found


def test_who_answers_by_a_socket_file_from_another_namespace_is_not_stopped(two_nodes: Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="oncall-") as place, redis_in(peer_of(two_nodes), "--unixsocket", f"{place}/s") as server:
        Path(place, "link").symlink_to(f"{place}/s")
        for path in (f"{place}/s", f"{place}/link"):
            found = two_nodes.module("redis_restart_check", login_unix_socket=path, service=unit(0))
            assert (found["seen"]["role"], found["process_id"], found["stopped"]) == ("master", server.pid, False), found
            assert "the unit has no process" in found["obstacles"][0]
            same = two_nodes.module("redis_restart_check", login_unix_socket=path, service=unit(server.pid))
            assert (same["obstacles"], same["process_id"]) == ([], server.pid), "a unit with a network of its own"


def test_who_answers_behind_a_rule_of_the_packet_filter_is_not_stopped(two_nodes: Namespace) -> None:
    """As a port that Docker publishes without its proxy: nobody here listens to it."""
    need(shutil.which("nft", path=f"{os.environ['PATH']}:/usr/sbin"), "nft")
    rules = f"""table ip published {{
        chain output {{ type nat hook output priority -100; ip daddr 198.18.0.1 tcp dport {PORT} dnat to {OTHER_NODE}; }}
    }}"""
    two_nodes.run("nft", "-f", "-", input=rules)
    try:
        with redis_in(peer_of(two_nodes)) as server:
            asked = {"login_host": "198.18.0.1", "login_port": PORT, "service": unit(0)}
            found = two_nodes.module("redis_restart_check", **asked)
            assert (found["seen"]["role"], found["listening"], found["stopped"]) == ("master", False, False), found
            assert "somebody may answer there" in found["obstacles"][0]
            with redis_in(two_nodes) as ours:
                behind = two_nodes.module("redis_restart_check", **{**asked, "service": unit(ours.pid)})
                assert (behind["process_id"], behind["stopped"]) == (ours.pid, False)
                assert f"process {ours.pid} listens there, but another server answers" in behind["obstacles"][0]
            os.kill(server.pid, signal.SIGSTOP)
            frozen = two_nodes.module("redis_restart_check", connect_timeout="1s", socket_timeout="1s", **asked)
            assert (frozen["seen"]["role"], frozen["stopped"]) == (None, False), frozen
    finally:
        two_nodes.run("nft", "delete", "table", "ip", "published")


def test_a_server_in_a_pid_namespace_says_its_own_number(two_nodes: Namespace) -> None:
    with redis_in(two_nodes, before=["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]) as outer:
        (pid,) = map(int, Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split())
        found = two_nodes.module("redis_restart_check", login_host="198.18.0.1", login_port=PORT, service=unit(pid))
        assert (found["obstacles"], found["process_id"]) == ([], pid), found
