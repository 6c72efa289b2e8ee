# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose packet filter is a network namespace's, the scenarios against it, and clients on the other end of a wire."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.fail2ban import Fail2ban
from tests.support.netns import Namespace, peer_of
from tests.support.site import Site

#: Seconds where a person would wait minutes.
QUICK: Mapping[str, Any] = {
    "fail2ban_verify_hold": "500ms", "fail2ban_verify_timeout": "30s", "fail2ban_connect_timeout": "2s",
    # tests/integration/snapshot takes them: they cost seconds on a busy machine.
    "evidence_snapshot": False,
}
#: A run with a dozen hosts, one after the other, in seconds, on a busy machine.
LONG = 1500
#: Where it is not to hold, nobody waits for it.
IN_VAIN: Mapping[str, Any] = {"fail2ban_verify_timeout": "1s"}
#: A service: says hello on every port of its arguments, until it is ended.
SERVICE = """
import selectors, socket, sys
chosen = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    chosen.register(server, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _events in chosen.select():
        key.fileobj.accept()[0].close()
"""
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[2], int(sys.argv[3])), timeout=2, source_address=(sys.argv[1], 0)).close()
except OSError as exc:
    sys.exit(str(exc))
"""


class PlaySite(Site):
    """Hosts whose firewall and daemon are those of the namespace. One play with several hosts costs much less than several plays."""

    def __init__(self, server: Fail2ban, place: Path, *, playbook: str = "brute-force", **common: Any) -> None:
        super().__init__(place, playbook=playbook, prefix=server.net.prefix, seconds=LONG, common={
            "fail2ban_socket": str(server.socket), "fail2ban_client_command": server.client_command, "fail2ban_backend": "fail2ban",
            **QUICK, **common,
        })
        self.server = server

    @property
    def net(self) -> Namespace:
        """The namespace of the host."""
        return self.server.net

    def rules(self) -> str:
        """Everything the packet filter holds, without counters, and the routes, without those that the kernel makes by itself."""
        filters = self.net.run("nft", "-s", "list", "ruleset")
        routes = self.net.run("ip", "route", "show", "table", "all") + self.net.run("ip", "-6", "route", "show", "table", "all")
        return filters + "\n".join(line for line in routes.splitlines() if "proto kernel" not in line)

    def state(self) -> tuple[str, str]:
        """The packet filter and the daemon's answer: what a check must leave alone."""
        return self.rules(), self.server.client("banned")

    # The other end of the wire.

    def reaches(self, source: str, target: str, port: int) -> bool:
        """Whether a client with that address gets a connection: real packets through the packet filter."""
        argv = [*peer_of(self.net).prefix, sys.executable, "-c", CONNECT, source, target, str(port)]
        return subprocess.run(argv, capture_output=True, timeout=30, check=False).returncode == 0

    def client_python(self) -> Path:
        """A Python that runs on the other end of the wire: a vantage host for plays."""
        path = self.place / "client-python"
        path.write_text(f"#!/bin/sh\nexec nsenter --net=/run/netns/{peer_of(self.net).name} {sys.executable} \"$@\"\n")
        path.chmod(0o755)
        return path

    def serve(self, *ports: int) -> subprocess.Popen[bytes]:
        """Start a service on these ports of the namespace, and wait until it listens."""
        process = self.net.start(sys.executable, "-c", SERVICE, *map(str, ports), stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process
