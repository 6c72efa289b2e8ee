# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in network namespaces of their own: one with services and rules, a container behind it, a client that really connects."""

from __future__ import annotations

import ctypes
import functools
import os
import socket
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ansible_collections.oncall.incident.plugins.module_utils._bans.access import Question, look
from ansible_collections.oncall.incident.plugins.module_utils._bans.daemons import Backend
from ansible_collections.oncall.incident.plugins.module_utils._core.addresses import parse_network
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Finding
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import run

from .need import need
from .netns import Namespace

T = TypeVar("T")

HOST, CLIENT, NET, OTHER = "198.51.100.1", "198.51.100.2", "198.51.100.0/24", "203.0.113.9"
HOST6, CLIENT6 = "2001:db8:77::1", "2001:db8:77::2"
#: Behind the host: port 80 of the container, by the host's interface `cont0`.
CONTAINER, BRIDGE = "192.0.2.10", "192.0.2.1"
DEVICE = "srv0"
PORTS = (22, 80, 443)
#: Rules as firewall products wrote them.
PRODUCTS = Path(__file__).resolve().parents[1] / "integration" / "firewall" / "products"
#: A connection between the two is made at once, or a rule drops it; on a busy machine it is waited for longer: seconds.
PATIENCE, MORE_PATIENCE = 0.3, 5.0
_CLONE_NEWNET = 0x40000000
_CLEAN = (
    "nft flush ruleset", "iptables-legacy -P INPUT ACCEPT", "iptables-legacy -P OUTPUT ACCEPT", "iptables-legacy -P FORWARD ACCEPT",
    "ip6tables-legacy -P INPUT ACCEPT", "ip6tables-legacy -P OUTPUT ACCEPT", "ip6tables-legacy -P FORWARD ACCEPT",
    *(f"{program} -t {table} -{verb}" for program in ("iptables-legacy", "ip6tables-legacy")
      for table in ("filter", "nat", "mangle", "raw") for verb in ("F", "X")),
    "ipset flush", "ipset destroy", "ip rule flush", "ip rule add priority 32766 table main", "ip rule add priority 32767 table default",
    "ip -6 rule flush", "ip -6 rule add priority 32766 table main", "ip neigh flush nud permanent", "ip neigh flush all",
    "ip route flush table 100",
)


@dataclass
class TwoHosts:
    """The two of them.

    Attributes:
        host: where rules are loaded and services listen.
        client: what connects.
        container: what the host forwards to, where a rule says so.
    """

    host: Namespace
    client: Namespace
    container: Namespace
    _listening: list[socket.socket] = field(default_factory=list)

    @property
    def roles(self) -> dict[str, str]:
        """Words that stand for addresses and names in rule sets."""
        link = self.client.run("cat", "/sys/class/net/cli0/address").strip()
        return {
            "%host%": HOST, "%client%": CLIENT, "%other%": OTHER, "%net%": NET, "%iface%": DEVICE, "%host6%": HOST6,
            "%client6%": CLIENT6, "%client_mac%": link, "%container%": CONTAINER, "%products%": str(PRODUCTS),
        }

    def said(self, text: str) -> str:
        """A text with its words replaced."""
        for word, meant in self.roles.items():
            text = text.replace(word, meant)
        return text

    def clear(self) -> None:
        """Remove all rules, sets, routes and neighbours."""
        # One shell for all: what is not there is no fault.
        self.host.run("sh", "-c", "; ".join(f"{command} 2>/dev/null" for command in _CLEAN), check=False)
        self.host.run("sh", "-c", "ip route show type blackhole | while read -r route; do ip route del $route; done; "
                      "for kind in unreachable prohibit; do ip route flush type $kind; ip -6 route flush type $kind; done 2>/dev/null; "
                      "true")

    def load(self, commands: Sequence[str] = (), nft: str = "") -> None:
        """Load a rule set.

        Raises:
            AssertionError: something of it does not work here.
        """
        if nft:
            self.host.run("nft", "-f", "-", input=self.said(nft))
        for command in commands:
            self.host.run("sh", "-c", self.said(command))

    def connects(self, port: int, *, to: str = HOST, expected: bool) -> bool:
        """Whether the client's connection is made. Where none is, though one is expected, it is tried again with more patience."""
        def connect(patience: float) -> bool:
            with socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET) as one:
                one.settimeout(patience)
                return one.connect_ex((to, port)) == 0

        found = inside(self.client, lambda: connect(PATIENCE))
        return found or (expected and inside(self.client, lambda: connect(MORE_PATIENCE)))

    def access(self, address: str, port: int) -> dict[str, Finding]:
        """What access_health says of an address that should be let in, and of the same one as one that should be kept out."""
        networks = {address: [parse_network(address)]}
        question = Question(let_in=networks, not_banned={}, kept_out=networks, operators=False, ports=[port], protocol="tcp", daemon=False)
        judged = inside(self.host, lambda: look(question, open_daemon=_no_daemon, run=run, asked=None))
        return {one.check: one for one in judged.verdict.findings}

    def listen(self) -> None:
        """Start services at PORTS."""
        for port in PORTS:
            for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                self._listening.append(inside(self.host, functools.partial(_listen, family, address, port)))

        self._listening.append(inside(self.container, lambda: _listen(socket.AF_INET, "0.0.0.0", 80)))

    def close(self) -> None:
        """End the services."""
        for one in self._listening:
            one.close()


def _no_daemon() -> Backend:
    raise AssertionError("nobody asks it")


def _listen(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    one = socket.socket(family)
    if family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind((address, port))
    one.listen(4096)  # nobody accepts: each connection of a test waits here
    return one


def inside(where: Namespace, work: Callable[[], T]) -> T:
    """Do something in a network namespace, in a thread of its own; programs that it starts are there as well."""
    found: list[T] = []
    failed: list[BaseException] = []

    def enter() -> None:
        try:
            with open(f"/run/netns/{where.name}", "rb") as namespace:
                assert ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET) == 0, ctypes.get_errno()
            found.append(work())
        except BaseException as exc:
            failed.append(exc)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]


@contextmanager
def two_hosts() -> Iterator[TwoHosts]:
    """Make them, with services that listen, and remove them at the end."""
    need(os.geteuid() == 0, "root")
    name = f"incident-{uuid.uuid4().hex[:8]}"
    host, client, container = Namespace(name), Namespace(f"{name}-client"), Namespace(f"{name}-inner")
    made = TwoHosts(host, client, container)
    try:
        for one in (host, client, container):
            done = subprocess.run(["ip", "netns", "add", one.name], capture_output=True, text=True, check=False)
            need(done.returncode == 0, f"the right to make a network namespace ({done.stderr.strip()})")
            one.run("ip", "link", "set", "lo", "up")
        host.run("ip", "link", "add", DEVICE, "type", "veth", "peer", "name", "cli0", "netns", client.name)
        for where, device, addresses in ((host, DEVICE, (HOST, HOST6)), (client, "cli0", (CLIENT, CLIENT6))):
            for address in addresses:
                length, more = (64, ["nodad"]) if ":" in address else (24, [])
                where.run("ip", "addr", "add", f"{address}/{length}", "dev", device, *more)
            where.run("ip", "link", "set", device, "up")
        host.run("ip", "link", "add", "cont0", "type", "veth", "peer", "name", "eth0", "netns", container.name)
        for where, device, address in ((host, "cont0", BRIDGE), (container, "eth0", CONTAINER)):
            where.run("ip", "addr", "add", f"{address}/24", "dev", device)
            where.run("ip", "link", "set", device, "up")
        container.run("ip", "route", "add", "default", "via", BRIDGE)
        host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        made.listen()
        yield made
    finally:
        made.close()
        for one in (host, client, container):
            subprocess.run(["ip", "netns", "del", one.name], capture_output=True, check=False)
