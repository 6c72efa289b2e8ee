# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real packets of a client are traced while it tries: the rule that is named is the rule that dropped them."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.fail2ban.playsite import IN_VAIN, PlaySite
from tests.support.advice import advised
from tests.support.fail2ban import fail2ban
from tests.support.netns import Namespace, namespace, peer_of
from tests.support.run_module import Running, start_module
from tests.support.until import until

HOST, CLIENT, OTHER, HOST6, CLIENT6 = "198.18.0.1", "198.18.0.2", "198.18.0.3", "2001:db8:f2b::1", "2001:db8:f2b::2"
PORT = 22
NOBODY = 65534
#: Somebody who tries again and again.
TRYING = """
import socket, sys, time
while True:
    try:
        socket.create_connection((sys.argv[2], int(sys.argv[3])), timeout=1.5, source_address=(sys.argv[1], 0)).close()
    except OSError:
        pass
    time.sleep(0.2)
"""
SERVICE = """
import socket, sys
with socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True) as server:
    print("ready", flush=True)
    while True:
        client = server.accept()[0]
        try:
            client.sendall(b"SSH-2.0-service\\r\\n")
        except OSError:
            pass
        client.close()
"""
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[2], int(sys.argv[3])), timeout=1.5, source_address=(sys.argv[1], 0)).close()
    print("open")
except OSError as exc:
    print("closed")
"""


def connect(net: Namespace, *, source: str = CLIENT, target: str = HOST, port: int = PORT) -> str:
    """Try it as the client: open or closed."""
    return peer_of(net).run(sys.executable, "-c", CONNECT, source, target, str(port)).strip()


@contextmanager
def serving(net: Namespace, port: int = PORT) -> Iterator[None]:
    service = net.start(sys.executable, "-c", SERVICE, str(port), stdout=subprocess.PIPE)
    try:
        assert service.stdout is not None and service.stdout.readline() == b"ready\n"
        yield
    finally:
        service.kill()
        service.communicate()


def begin(net: Namespace, module: str = "firewall_trace", **args: Any) -> Running:
    """Start a module that traces, and wait until it does."""
    running = net.start_module(module, **{"trace_for": "20s", **args})
    until(lambda: "incident_trace_" in net.run("nft", "list", "tables"), what="our table")
    return running


def traced(net: Namespace, *, source: str = CLIENT, target: str = HOST, **args: Any) -> tuple[str, dict[str, Any]]:
    """Whether the client got in, and what firewall_trace says of it."""
    running = begin(net, addresses=[source], port=PORT, protocol="tcp", bans=False, **args)
    reality = connect(net, source=source, target=target)
    return reality, running.result(timeout=60)


def finding(result: dict[str, Any], check: str) -> dict[str, Any]:
    (found,) = [one for one in result["findings"] if one["check"] == check]
    return dict(found)


def rules(net: Namespace) -> str:
    """All that the packet filters hold, without counters."""
    return net.run("nft", "-s", "list", "ruleset") + "".join(
        "".join(line for line in net.run(program).splitlines(keepends=True) if not line.startswith("#"))
        for program in ("iptables-legacy-save", "ip6tables-legacy-save")
    )


NFT = ("nft add table inet mine", "nft add chain inet mine in { type filter hook input priority 0; policy accept; }")
ASKED: Mapping[str, Mapping[str, Any]] = {
    "firewall_trace": {"addresses": [CLIENT], "port": PORT, "protocol": "tcp", "bans": False},
    "access_health": {"let_in": [CLIENT], "ports": [PORT], "daemon": False},
}
#: What is set up, and where and with which text the rule is that drops.
DROPPING: dict[str, tuple[Sequence[str], str, str]] = {
    "nft: a set behind a jump": (
        (*NFT, "nft add chain inet mine more", "nft add set inet mine addr-set-sshd { type ipv4_addr; }",
         f"nft add element inet mine addr-set-sshd {{ {CLIENT} }}", "nft add rule inet mine in tcp dport 80 drop",
         "nft add rule inet mine in tcp dport 22 counter jump more", "nft add rule inet mine more tcp dport 443 drop",
         "nft add rule inet mine more ip saddr @addr-set-sshd counter reject"),
        "nftables inet mine more", "ip saddr @addr-set-sshd",
    ),
    "nft: a policy": ((NFT[0], NFT[1].replace("policy accept", "policy drop"), "nft add rule inet mine in tcp dport 80 accept"),
                      "nftables inet mine in", "policy drop"),
    "nft: what no walk can know": ((*NFT, "nft add rule inet mine in ip ttl 64 meta mark 0 drop"), "nftables inet mine in", "ip ttl 64"),
    "iptables: the second rule": (
        ("iptables -A INPUT -p tcp --dport 23 -j DROP", "iptables -A INPUT -m addrtype --dst-type LOCAL -p tcp --dport 22 -j DROP",
         f"iptables -A INPUT -s {CLIENT} -j DROP"),
        "iptables ip filter INPUT rule 2", "--dst-type LOCAL",
    ),
    "nft: a set in a chain of iptables": (
        ("iptables -A INPUT -p tcp --dport 23 -j DROP", "nft add rule ip filter INPUT tcp dport { 22, 80 } drop"),
        "nftables ip filter INPUT handle", "tcp dport { 22, 80 } drop",
    ),
    "iptables: a reset": ((f"iptables -A INPUT -s {CLIENT} -p tcp -j REJECT --reject-with tcp-reset",), "iptables ip filter INPUT rule 1",
                          "--reject-with tcp-reset"),
    "iptables: raw": ((f"iptables -t raw -A PREROUTING -s {CLIENT} -j DROP",), "iptables ip raw PREROUTING rule 1", f"-s {CLIENT}/32"),
    "iptables: a policy": (("iptables -P INPUT DROP",), "iptables ip filter INPUT", "policy drop"),
    "iptables: the way back": ((f"iptables -A OUTPUT -d {CLIENT} -j DROP",), "iptables ip filter OUTPUT rule 1", f"-d {CLIENT}/32"),
}


@pytest.mark.parametrize("name", DROPPING)
def test_the_rule_that_dropped_a_real_packet_is_named(name: str) -> None:
    commands, where, text = DROPPING[name]
    with namespace(peer=True) as net, serving(net):
        assert connect(net) == "open"
        for command in commands:
            net.run(*command.split())
        before = rules(net)
        reality, result = traced(net)
        assert reality == "closed"
        (packet,) = result["addresses"][0]["traced"]["packets"]
        rule = packet["rule"] or packet["reply_rule"]
        named = finding(result, "traced")
        assert named["status"] == finding(result, "blocked")["status"] == "critical"
        assert where in named["observed"] and text in named["observed"] and text in rule["rule"], named
        assert where in finding(result, "blocked")["hint"]
        assert result["addresses"][0]["cause"] == ("fail2ban" if "addr-set" in text else "firewall")
        assert rules(net) == before and not result["changed"] and result["trace"]["removed"]
        # The proof that it was this rule: without it the client gets in, or the next one drops it.
        assert result["trace"]["expires"] and "by itself, in the kernel" in result["trace"]["ends"]


def test_who_is_let_in_is_measured_too() -> None:
    with namespace(peer=True) as net, serving(net):
        net.run("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-m", "limit", "--limit", "100/second", "-j", "ACCEPT")
        net.run("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "DROP")
        reality, result = traced(net)
        assert reality == "open"
        assert finding(result, "traced")["status"] == "ok" and finding(result, "traced")["observed"] == "tcp/22: let in and answered"
        assert finding(result, "blocked")["status"] != "critical"
    with namespace(peer=True) as net, serving(net):
        net.run("ip6tables", "-A", "INPUT", "-s", CLIENT6, "-p", "tcp", "-j", "DROP")
        reality, result = traced(net, source=CLIENT6, target=HOST6)
        assert reality == "closed" and "ip6tables ip6 filter INPUT rule 1" in finding(result, "traced")["observed"]


def test_let_in_and_refused_is_the_service() -> None:
    with namespace(peer=True) as net:
        _reality, result = traced(net)
        assert finding(result, "traced")["status"] == "critical" and "nothing listens" in finding(result, "traced")["observed"]
        assert result["addresses"][0]["cause"] == "service"


def test_what_the_kernel_drops_by_itself_is_no_rule() -> None:
    """A route to nowhere for the answer; a source that does not come from where it should."""
    with namespace(peer=True) as net, serving(net):
        net.run("ip", "route", "add", "blackhole", CLIENT)
        reality, result = traced(net)
        assert reality == "closed" and finding(result, "traced")["status"] == "critical"
        assert "answered nothing" in finding(result, "traced")["observed"]
        assert advised(finding(result, "traced")["hint"]) == ["ip route get", "ss -ltn"]
        # As the hint says: the route back shows what it is, and the queue shows that it is not the service.
        assert net.run("ip", "route", "get", CLIENT, check=False) == "" and ":22 " in net.run("ss", "-ltn")
        assert finding(result, "blocked")["status"] == "critical"
        net.run("ip", "route", "del", "blackhole", CLIENT)
        net.run("ip", "route", "add", CLIENT, "dev", "lo")
        net.run("sysctl", "-w", "net.ipv4.conf.all.rp_filter=1")
        reality, result = traced(net)
        assert reality == "closed" and finding(result, "traced")["status"] == "critical"
        assert "did not arrive" in finding(result, "traced")["observed"] and "rp_filter" in finding(result, "traced")["hint"]
        assert result["addresses"][0]["traced"]["packets"][0]["rule"] is None


def test_legacy_iptables_is_likely() -> None:
    with namespace(peer=True) as net, serving(net):
        net.run("iptables-legacy", "-A", "INPUT", "-s", OTHER, "-j", "DROP")
        net.run("iptables-legacy", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-m", "ttl", "--ttl-gt", "1", "-j", "DROP")
        net.run("iptables-legacy", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "DROP")
        before = rules(net)
        reality, result = traced(net)
        assert reality == "closed"
        named = finding(result, "traced")
        assert named["status"] == "critical" and "no rule of nftables dropped it" in named["observed"]
        assert "likely dropped by iptables-legacy ip filter INPUT rule 2: " in named["observed"] and "Likely, not certain." in named["hint"]
        assert [one["number"] for one in named["detail"]["likely"]] == [2]
        assert rules(net) == before


def test_nobody_tried() -> None:
    with namespace(peer=True) as net, serving(net):
        running = begin(net, addresses=[CLIENT], port=PORT, protocol="tcp", bans=False, trace_for="1s")
        assert connect(net, source=OTHER) == "open", "somebody else, whom nobody traces"
        result = running.result(timeout=60)
        assert finding(result, "traced")["status"] == "unknown" and "nobody tried" in finding(result, "traced")["observed"]
        assert result["status"] == "unknown"


@contextmanager
def monitored(net: Namespace, place: Path) -> Iterator[Callable[[], str]]:
    """Everything that changes in nftables meanwhile, however short it is there."""
    said = place / "monitored"
    with said.open("wb") as file:
        monitor = net.start("nft", "monitor", stdout=file)
    names = (f"mark{number}" for number in itertools.count())

    def known() -> str:
        name = next(names)
        net.run("nft", "add", "table", "inet", name)
        return said.read_text() if f"add table inet {name}" in said.read_text() else ""

    try:
        until(known, what="the monitor")
        yield lambda: str(until(known, what="the monitor"))
    finally:
        monitor.kill()
        monitor.wait()


@pytest.mark.parametrize("module", ["firewall_trace", "access_health"])
def test_check_mode_traces_nobody(module: str, tmp_path: Path) -> None:
    with namespace(peer=True) as net, monitored(net, tmp_path) as changes:
        result = net.module(module, check=True, wait=30, trace_for="5m", **ASKED[module])
        assert result.get("trace") is None and not result["changed"]
        assert "traced" not in result["checks"]
        assert "incident_trace" not in changes()
        net.module(module, trace_for="100ms", **ASKED[module])
        assert "incident_trace" in changes(), "what the monitor says when something is traced"


def test_whoever_is_killed_leaves_nobody_traced() -> None:
    """Ended politely it removes its table. Killed it cannot: the kernel forgets whom to trace, and the next trace removes the table."""
    with namespace(peer=True) as net, serving(net):
        for number in (signal.SIGTERM, signal.SIGKILL):
            running = begin(net, addresses=[CLIENT], port=PORT, protocol="tcp", bans=False, trace_for="1s")
            listed = json.loads(net.run("nft", "-j", "list", "tables"))["nftables"]
            name = next(one["table"]["name"] for one in listed if "table" in one)
            running.kill(number)
            tables = net.run("nft", "list", "tables")
            assert (name in tables) == (number == signal.SIGKILL)
        assert CLIENT in net.run("nft", "list", "set", "inet", name, "from4"), "for a while"
        until(lambda: CLIENT not in net.run("nft", "list", "set", "inet", name, "from4"), what="the kernel forgets", seconds=15)
        assert connect(net) == "open"
        assert traced(net)[0] == "open"
        assert "incident_trace_" not in net.run("nft", "list", "tables")


def access(net: Namespace, *, source: str = CLIENT, **args: Any) -> tuple[str, dict[str, Any]]:
    """Whether the client got in, and what access_health says of it."""
    running = begin(net, "access_health", ports=[PORT], daemon=False, **args)
    reality = connect(net, source=source)
    return reality, running.result(timeout=60)


def test_who_should_be_let_in_is_measured() -> None:
    with namespace(peer=True) as net, serving(net):
        for command in (*NFT, "nft add rule inet mine in tcp dport 22 meta skuid 0 drop", "nft add rule inet mine in ip ttl 64 drop"):
            net.run(*command.split())
        reality, result = access(net, let_in=[CLIENT])
        said = finding(result, "let_in")
        assert reality == "closed" and said["status"] == "critical", said
        assert said["observed"].startswith("measured: ") and "ttl 64" in said["observed"] and said["detail"]["cause"] == "firewall"
        assert [one["handle"] for one in said["detail"]["blocks"]] == [3]
        assert result["asked"] == ["let_in", "traced"] and result["checks"]["traced"] == "critical" and result["healthy"] is False
        net.run("nft", "flush", "chain", "inet", "mine", "in")
        reality, result = access(net, let_in=[CLIENT])
        assert reality == "open" and result["healthy"] is True and finding(result, "let_in")["status"] == "ok"


def test_who_should_be_kept_out_is_measured() -> None:
    with namespace(peer=True) as net, serving(net):
        net.run("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-m", "ttl", "--ttl-gt", "1", "-j", "ACCEPT")
        net.run("iptables", "-A", "INPUT", "-s", CLIENT, "-j", "DROP")
        reality, result = access(net, kept_out=[CLIENT])
        assert reality == "open" and finding(result, "kept_out")["status"] == "critical"
        assert f"{CLIENT} got in to tcp/22" in finding(result, "kept_out")["observed"]
        net.run("iptables", "-D", "INPUT", "1")
        reality, result = access(net, kept_out=[CLIENT])
        assert reality == "closed" and finding(result, "kept_out")["status"] == finding(result, "traced")["status"] == "ok"


def test_waiting_goes_on_until_somebody_tries() -> None:
    """Nobody tries at first; then it is measured, and held."""
    with namespace(peer=True) as net, serving(net):
        running = begin(net, "access_health", ports=[PORT], daemon=False, let_in=[CLIENT], trace_for="500ms",
                        wait_for={"hold": "1s", "timeout": "60s", "interval": "200ms"})
        first = net.run("nft", "list", "tables")
        until(lambda: first != net.run("nft", "list", "tables"), what="the next look")
        until(lambda: connect(net) == "open" and running.ended, what="a connection while it traced", seconds=60)
        result = running.result(timeout=60)
        assert result["held"] and result["not_recovered"] == "" and result["checks"]["traced"] == "ok", result
        assert result["polls"] > 1


@contextmanager
def published(net: Namespace) -> Iterator[Namespace]:
    """A container's port, as Docker publishes it: 8080 of the host is 80 of somebody behind it."""
    with namespace() as inner:
        net.run("ip", "link", "add", "bridge", "type", "veth", "peer", "name", "eth0", "netns", inner.name)
        for where, device, address in ((net, "bridge", "203.0.113.1/24"), (inner, "eth0", "203.0.113.2/24")):
            where.run("ip", "address", "add", address, "dev", device)
            where.run("ip", "link", "set", device, "up")
        inner.run("ip", "route", "replace", "default", "via", "203.0.113.1")
        net.run("sysctl", "-w", "net.ipv4.ip_forward=1")
        net.run("iptables", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "8080", "-j", "DNAT", "--to", "203.0.113.2:80")
        with serving(inner, 80):
            yield inner


def test_a_published_port_of_a_container() -> None:
    with namespace(peer=True) as net, published(net):
        asked = {"addresses": [CLIENT], "port": 8080, "protocol": "tcp", "bans": False}
        running = begin(net, **asked)
        assert connect(net, port=8080) == "open"
        result = running.result()
        (packet,) = result["addresses"][0]["traced"]["packets"]
        assert packet["forwarded"] and packet["port"] == 8080 and finding(result, "traced")["status"] == "ok", packet
        net.run("iptables", "-A", "FORWARD", "-p", "tcp", "--dport", "80", "-m", "ttl", "--ttl-gt", "1", "-j", "DROP")
        running = begin(net, **asked)
        assert connect(net, port=8080) == "closed"
        assert "dropped by iptables ip filter FORWARD rule 1" in finding(running.result(), "traced")["observed"]
        net.run("iptables", "-R", "FORWARD", "1", "-p", "tcp", "--sport", "80", "-j", "DROP")
        running = begin(net, **asked)
        assert connect(net, port=8080) == "closed"
        assert "the answer is dropped by iptables ip filter FORWARD rule 1" in finding(running.result(), "traced")["observed"]


def test_what_it_takes_is_one_capability() -> None:
    with namespace(peer=True) as net, serving(net):
        net.run("iptables", "-A", "INPUT", "-s", CLIENT, "-j", "DROP")
        for rights, said in ((["CAP_NET_ADMIN"], "INPUT rule 1"), ([], "blind")):
            running = start_module("firewall_trace", prefix=net.prefix, user=NOBODY, capabilities=rights, addresses=[CLIENT], bans=False,
                                   trace_for="20s")
            until(lambda running=running: connect(net) == "closed" and running.ended, what="its end", seconds=60)
            assert said in json.dumps(running.result())
        assert net.run("nft", "list", "tables").split() == ["table", "ip", "filter"]


@contextmanager
def trying(net: Namespace) -> Iterator[None]:
    person = peer_of(net).start(sys.executable, "-c", TRYING, CLIENT, HOST, str(PORT))
    try:
        yield
    finally:
        person.kill()
        person.wait()


def test_the_scenario_measures_where_the_rules_do_not_say(tmp_path: Path) -> None:
    """A set that cannot be read decides. Without a trace nobody knows; with one it is what became of the packets."""
    with fail2ban({"sshd": {}}, peer=True) as server:
        net = server.net
        site = PlaySite(server, tmp_path, playbook="firewall-unblock", fail2ban_ports=[PORT], fail2ban_addresses=[CLIENT])
        site.group("firewall", fw1={})
        double = tmp_path / "doubles" / "ipset"
        double.parent.mkdir()
        double.write_text("#!/bin/sh\necho 'Kernel error received: Operation not permitted' >&2; exit 1\n")
        double.chmod(0o755)
        net.run("ipset", "create", "doubt", "hash:ip")
        net.run("iptables", "-A", "INPUT", "-m", "set", "--match-set", "doubt", "src", "-j", "DROP")

        def play(**variables: Any) -> Any:
            return site.play("--tags", "investigate,verify", variables=variables, PATH=f"{double.parent}{os.pathsep}{os.environ['PATH']}")

        with serving(net), trying(net):
            untold = play(**IN_VAIN)
            assert untold.status == 2 and untold.findings("verify")["let_in"] == "unknown", untold.output
            assert "fail2ban_trace_for" in untold.said
            told = play(fail2ban_trace_for="30s")
            assert told.status == 0 and told.findings("verify")["let_in"] == told.findings("verify")["traced"] == "ok", told.output
            assert "ends by itself" in told.said, "what is in the kernel meanwhile"
            net.run("ipset", "add", "doubt", CLIENT)
            kept = play(fail2ban_trace_for="30s", **IN_VAIN)
            assert kept.status == 2 and kept.findings("verify")["let_in"] == "critical", kept.output
            assert "dropped by iptables ip filter INPUT rule 1: -A INPUT -m set --match-set doubt src -j DROP" in kept.said
        assert "incident_trace_" not in net.run("nft", "list", "tables")
