# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""redis_restart_check against servers in other network namespaces: who answers there is not the unit here, and is not stopped either."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
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
def redis_in(where: Namespace, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server on all addresses of a namespace."""
    binary = any_binary()
    need(binary, "a Redis or Valkey binary")
    assert binary
    silent = subprocess.DEVNULL
    process = where.start(
        binary, "--port", str(PORT), "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", *words, stdout=silent, stderr=silent,
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
        assert "not on this host" in theirs["obstacles"][0]


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
