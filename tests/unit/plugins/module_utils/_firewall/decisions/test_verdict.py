# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection in and its answer out: by which rule, policy or route it fails, and what is not known of it."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.addresses import Span, read_network
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.iptables_rules import parse_save
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.packet import Host
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.routing import (
    Neighbour,
    Reach,
    dead_rule,
    has_marks,
    parse_host,
    parse_neighbour,
    parse_reach,
    parse_recent,
)
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.verdict import Verdict, judge_connection, ports_to_ask
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.walk import Walker


def span(text: str) -> Span:
    network = read_network(text)
    assert network is not None
    return Span.of(network)


CLIENT, LOCAL, INNER = span("192.0.2.7"), span("198.51.100.1"), span("203.0.113.80")

HOST = Host(own=frozenset({LOCAL}), names={LOCAL: ("eth0",)})
BY_ETH0, TO_US, NOBODY = Reach(device="eth0", local=LOCAL), Reach(device="lo"), Neighbour()


@dataclasses.dataclass
class Ways:
    """A host whose ways are as they are said to be."""

    host: Host = HOST
    dead: t.Sequence[tuple[Span, str, str]] = ()
    there: Reach = BY_ETH0
    answered: Reach = BY_ETH0
    comes: Reach = TO_US
    next: Neighbour = NOBODY
    more: str = ""

    def reach(self, to: Span) -> Reach:
        return self.there

    def back(self, to: Span, **asked: t.Any) -> Reach:
        return self.answered

    def incoming(self, source: Span, *, local: Span, **asked: t.Any) -> Reach:
        return Reach(device="docker0") if local == INNER else self.comes

    def neighbour(self, reach: Reach, to: Span) -> Neighbour:
        return self.next

    def others(self, device: str) -> str:
        return self.more

    def dead_rule(self, span: Span) -> str:
        return ""


def judge(rules: str = "", ways: Ways | None = None, *, port: int | None = 22, source: Span = CLIENT, blind: str = "") -> Verdict:
    tables, unread = parse_save(rules, where="iptables", family="ip" if source.version == 4 else "ip6")
    assert not unread
    return judge_connection(Walker(tables), ways or Ways(), source, protocol="tcp", port=port, blind=blind)


def filters(chain: str, *lines: str, policy: str = "ACCEPT") -> str:
    return "\n".join(["*filter", f":{chain} {policy} [0:0]", *(f"-A {chain} {line}" for line in lines), "COMMIT", ""])


@pytest.mark.parametrize(("rules", "outcome", "way", "by"), [
    ("", "accepted", "", ""), (filters("INPUT", "-s 192.0.2.7 -j DROP"), "dropped", "in", "INPUT rule 1: -A INPUT -s 192.0.2.7 -j DROP"),
    (filters("INPUT", "-p tcp --dport 80 -j ACCEPT", policy="DROP"), "dropped", "in", "INPUT: policy drop; no rule accepts tcp port 22"),
    (filters("INPUT", "-p tcp --dport 22 -j ACCEPT", policy="DROP"), "accepted", "", "INPUT rule 1"),
    (filters("INPUT", "-m state --state ESTABLISHED -j ACCEPT", "-p tcp --dport 22 -j ACCEPT", policy="DROP"), "accepted", "",
     "INPUT rule 2: -A INPUT -p tcp --dport 22 -j ACCEPT"),
    (filters("FORWARD", policy="DROP"), "accepted", "", ""),
    (filters("OUTPUT", "-d 192.0.2.7 -j DROP"), "dropped", "back", "OUTPUT rule 1"),
    (filters("OUTPUT", "-m state --state NEW -j DROP"), "accepted", "", ""),
    (filters("POSTROUTING", policy="DROP"), "dropped", "back", "policy"),
    (filters("INPUT", "-m limit --limit 1/min -j DROP"), "undecided", "", ""),
])
def test_rules(rules: str, outcome: str, way: str, by: str) -> None:
    found = judge(rules)
    assert (found.outcome, found.way) == (outcome, way) and by in found.by
    assert bool(found.unknown) == (outcome == "undecided")


def test_what_follows_the_first_packet_counts_too() -> None:
    found = judge(filters("INPUT", "-m state --state NEW -j ACCEPT", policy="DROP"))
    assert found.outcome == "undecided" and "next packets" in found.unknown[0]


DNAT = "*nat\n:PREROUTING ACCEPT\n-A PREROUTING -p tcp --dport 22 -j DNAT --to-destination 203.0.113.80:80\nCOMMIT\n"


@pytest.mark.parametrize(("rules", "outcome"), [
    (filters("INPUT", policy="DROP"), "accepted"), (filters("FORWARD", policy="DROP"), "dropped"),
    (filters("FORWARD", "-o docker0 -p tcp --dport 80 -j ACCEPT", "-m state --state ESTABLISHED -j ACCEPT", policy="DROP"), "accepted"),
    (filters("FORWARD", "-i docker0 -d 192.0.2.7 -j DROP"), "dropped"),
])
def test_a_published_container(rules: str, outcome: str) -> None:
    assert judge(DNAT + rules).outcome == outcome


@pytest.mark.parametrize(("ways", "outcome", "said"), [
    (Ways(there=Reach(dead="no route")), "dropped", "no route"), (Ways(answered=Reach(dead="a blackhole route")), "dropped", "blackhole"),
    (Ways(comes=Reach(dead="the reverse path filter (rp_filter)")), "dropped", "rp_filter"),
    (Ways(there=Reach(dead="a blackhole route"), dead=[(CLIENT, "blackhole", "blackhole 192.0.2.7")]), "dropped", "blackhole 192.0.2.7"),
    (Ways(there=Reach(unknown="ip is not installed")), "undecided", "ip is not installed"),
    (Ways(next=Neighbour(unsure="the neighbour does not answer (FAILED)")), "undecided", "FAILED"),
    (Ways(more="filters of tc at eth0 ingress"), "undecided", "tc"), (Ways(answered=Reach(unknown="its mark")), "undecided", "its mark"),
])
def test_ways(ways: Ways, outcome: str, said: str) -> None:
    found = judge("", ways)
    assert found.outcome == outcome and said in f"{found.by} {found.unknown}"


def test_what_cannot_be_read_leaves_a_doubt_of_who_is_let_in_alone() -> None:
    assert judge("", blind="nftables cannot be read").unknown == ("nftables cannot be read",)
    assert judge(filters("INPUT", "-j DROP"), blind="nftables cannot be read").outcome == "dropped"


def test_neighbours_over_ipv6_find_each_other_by_icmp() -> None:
    ways = Ways(host=Host(), there=Reach(device="eth0", local=span("2001:db8::1")))
    ssh, echo = "-p tcp --dport 22 -j ACCEPT", "-p ipv6-icmp -j ACCEPT"
    established = "-m state --state ESTABLISHED -j ACCEPT"
    assert judge(filters("INPUT", established, ssh, echo, policy="DROP"), ways, source=span("2001:db8::7")).outcome == "accepted"
    found = judge(filters("INPUT", established, ssh, policy="DROP"), ways, source=span("2001:db8::7"))
    assert found.outcome == "undecided" and "ICMPv6" in found.unknown[0]


def test_a_network_is_asked_as_a_whole() -> None:
    found = judge(filters("INPUT", "-s 192.0.2.7 -j DROP"), source=span("192.0.2.0/24"))
    assert found.outcome == "undecided" and found.blocks[0].matched == "part"
    assert judge(filters("INPUT", "-s 192.0.2.0/24 -j DROP"), source=span("192.0.2.0/24")).outcome == "dropped"


def test_every_port() -> None:
    found = judge(filters("INPUT", "-p tcp -m multiport --dports 22,80:90 -j DROP"), port=None)
    assert found.outcome == "undecided" and set(found.ports) == {(22, 22), (80, 90)} == set(found.blocks[0].ports)
    assert ports_to_ask(found.ports) == ([22, 80, 90], 1) and ports_to_ask([(1, 65535)]) == ([1, 65535], None)


@pytest.mark.parametrize(("out", "problem", "wanted"), [
    ('[{"dst":"192.0.2.7","gateway":"198.51.100.9","dev":"eth0","prefsrc":"198.51.100.1"}]', "",
     Reach("eth0", LOCAL, span("198.51.100.9"))),
    ('[{"dst":"192.0.2.7","via":{"family":"inet6","host":"fe80::1"},"dev":"eth0"}]', "", Reach("eth0", None, span("fe80::1"))),
    ('[{"type":"local","dst":"198.51.100.1","dev":"lo","prefsrc":"198.51.100.1"}]', "", Reach("lo", LOCAL, own=True)),
    ('[{"type":"prohibit","dst":"192.0.2.7"}]', "", Reach(dead="a route of type prohibit")),
    ("", "RTNETLINK answers: Network is unreachable", Reach(dead="no route")),
    ("", "RTNETLINK answers: Invalid cross-device link", Reach(dead="the reverse path filter (rp_filter)")),
    ("", "ip is not installed", Reach(unknown="ip is not installed")), ("nonsense", "", Reach(unknown="ip gave no route")),
])
def test_what_ip_says_of_a_way(out: str, problem: str, wanted: Reach) -> None:
    assert parse_reach(out, problem) == wanted


def test_what_ip_says_of_the_host() -> None:
    said = [
        {"ifname": "br0", "linkinfo": {"info_kind": "bridge"}, "addr_info": [{"local": "198.51.100.1"}, {"local": "2001:db8::1"}]},
        {"ifname": "eth0", "master": "br0"}, {"ifname": "eth0.7", "link": "eth0", "xdp": {"mode": 1}},
    ]
    host, others = parse_host(json.dumps(said), {})
    assert host.own == {LOCAL, span("2001:db8::1")} and host.names[LOCAL] == ("br0",) and host.bridges == {"br0"}
    assert host.below == {"br0": ("eth0",), "eth0.7": ("eth0",)} and others == {"eth0.7": "an XDP program at eth0.7"}
    assert [host.type_of(one) for one in (LOCAL, CLIENT, span("127.0.0.1"), span("224.0.0.1"), None)] == [
        "local", "unicast", "local", "multicast", None]
    assert Host().type_of(CLIENT) is None


def test_what_else_ip_and_the_kernel_say() -> None:
    assert parse_neighbour('[{"dst":"192.0.2.7","lladdr":"02:00:5E:00:00:01","state":["REACHABLE"]}]') == Neighbour("02:00:5e:00:00:01")
    assert "FAILED" in parse_neighbour('[{"dst":"192.0.2.7","state":["FAILED"]}]').unsure and parse_neighbour("[]") == Neighbour()
    assert "by hand" in parse_neighbour('[{"dst":"192.0.2.7","lladdr":"02:00:5e:00:00:01","state":["PERMANENT"]}]').unsure
    rules = '[{"priority":0,"src":"all","table":"local"},{"priority":9,"src":"all","dst":"192.0.2.0","dstlen":24,"action":"prohibit"}]'
    assert dead_rule(rules, CLIENT) == "to 192.0.2.0/24 prohibit" and not dead_rule(rules, LOCAL)
    assert has_marks('[{"fwmark":"0x1","table":"100"}]') and not has_marks(rules)
    assert parse_recent("src=192.0.2.7 ttl: 64 last_seen: 5 oldest_pkt: 3 3, 4, 5\nnonsense\n") == {CLIENT: (3, 4, 5)}
