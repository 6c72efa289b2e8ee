# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One concrete packet through rules: surely dropped, surely let pass, or undecided. What a kernel makes of such rules is tried in
tests/integration/firewall."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.addresses import Span, read_network
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.ipsets import parse_ipsets
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.iptables_rules import parse_save
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.nft_ruleset import parse_heads, parse_nft
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.packet import Host, Packet, Ticks, ticks
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.packet_filter import Table
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.truths import Doubt, every, inverted, some, within
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.walk import INGRESS, INPUT, PREROUTING, Walked, Walker


def span(text: str) -> Span:
    network = read_network(text)
    assert network is not None
    return Span.of(network)


CLIENT, LOCAL = span("192.0.2.7"), span("198.51.100.1")
#: Seen 10, 50 and 5000 seconds ago.
RECENT = {"bad": {CLIENT: (999_000, 995_000, 500_000)}, "none": {}}
HOST = Host(own=frozenset({LOCAL}), names={LOCAL: ("eth0",)}, below={"bond0": ("eth1",)}, recent=RECENT, clock=Ticks(1_000_000, 100))


def packet(**more: t.Any) -> Packet:
    return Packet(**{"source": CLIENT, "destination": LOCAL, "protocol": "tcp", "port": (22, 22), "iif": "eth0", "host": HOST, **more})


def walked(rules: str, **more: t.Any) -> Walked:
    """Rules of iptables' INPUT, with a policy of accept."""
    lines = [f"-A {line}" if line.startswith("X ") else f"-A INPUT {line}" for line in rules.split("; ")]
    text = "\n".join(["*filter", ":INPUT ACCEPT [0:0]", ":X - [0:0]", *lines, "COMMIT"])
    tables, unread = parse_save(text, where="iptables", family="ip", sets=parse_ipsets(more.pop("sets", "")))
    assert not unread
    return Walker(tables).walk(packet(**more), (INGRESS, PREROUTING, INPUT))


def outcome(found: Walked) -> str:
    return "dropped" if found.dropped else "passed" if found.passed else "open"


@pytest.mark.parametrize(("rules", "wanted"), [
    ("-j DROP", "dropped"), ("-j ACCEPT; -j DROP", "passed"), ("-j LOG; -j REJECT", "dropped"), ("-p udp -j DROP", "passed"),
    ("-i eth+ -j DROP", "dropped"), ("! -i eth0 -j DROP", "passed"), ("-i lo -j ACCEPT; -j DROP", "dropped"),
    ("-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; -j DROP", "dropped"), ("-m state --state NEW -j DROP", "dropped"),
    ("-m conntrack ! --ctstate NEW -j DROP", "passed"), ("-m addrtype --dst-type LOCAL -j RETURN; -j DROP", "passed"),
    ("-m addrtype --dst-type BROADCAST -j DROP", "passed"), ("-d 198.51.100.2 -j DROP", "passed"),
    ("-d 198.51.100.0/24 -j DROP", "dropped"),
    ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP", "dropped"), ("-p tcp ! --syn -j DROP", "passed"),
    ("-p tcp -m multiport --dports 22,80:90 -j DROP", "dropped"), ("-p tcp --sport 1024:65535 -j DROP", "dropped"),
    ("-p tcp --sport 1024:2000 -j DROP", "open"), ("-m limit --limit 1/min -j DROP", "open"),
    ("-m limit --limit 1/min -j LOG; -j ACCEPT", "passed"), ("-m limit --limit 1/min -j DROP; -j DROP", "dropped"),
    ("-m limit --limit 1/min -j ACCEPT; -j DROP", "open"), ("-m never-heard-of --it x -j DROP", "open"), ("-j NEVERHEARD", "open"),
    ("-p tcp --dport 22 -j X; -j ACCEPT; X -s 192.0.2.0/24 -j RETURN; X -j DROP", "passed"),
    ("-j X; -j ACCEPT; X -s 203.0.113.9 -j RETURN; X -j DROP", "dropped"), ("-g X; -j DROP; X -s 203.0.113.9 -j DROP", "passed"),
    ("-m limit --limit 1/min -j X; -j ACCEPT; X -j DROP", "open"), ("-m recent --name bad --rcheck -j DROP", "dropped"),
    ("-m recent --name bad --rcheck --seconds 60 -j DROP", "dropped"), ("-m recent --name none --rcheck -j DROP", "passed"),
    ("-m recent --name bad --update --seconds 60 --hitcount 9 -j DROP", "passed"), ("-m recent --name unread --rcheck -j DROP", "open"),
    ("-m recent --name none --set; -m recent --name none --update --hitcount 2 -j DROP", "passed"),
    ("-m recent --name none --set; -m recent --name none --rcheck -j DROP", "dropped"),
    ("-m recent --name bad --rcheck --seconds 60 --hitcount 2 -j DROP", "dropped"),
    ("-m recent --name bad --rcheck --seconds 60 --hitcount 3 -j DROP", "passed"),
    ("-m recent --name bad --rcheck --seconds 8 -j DROP", "passed"), ("-m recent --name bad --rcheck --seconds 12 -j DROP", "open"),
    ("-m recent --name bad --set; -m recent --name bad --update --seconds 60 --hitcount 3 -j DROP", "dropped"),
    ("-m recent --name bad --update; -m recent --name bad --rcheck --hitcount 4 -j DROP", "dropped"),
    ("-m recent --name bad --remove; -m recent --name bad --rcheck -j DROP", "open"),
    ("-m recent --name bad --rcheck --seconds 60 --rttl -j DROP", "open"),
    ("-m limit --limit 1/min -j ACCEPT; -m recent --name none --set; -m recent --name none --rcheck -j DROP", "open"),
    ("-j MARK --set-xmark 0x8/0xf; -m mark --mark 0x8/0x8 -j DROP", "dropped"), ("-m mark ! --mark 0 -j DROP", "passed"),
    ("-m limit --limit 1/min -j MARK --set-mark 1; -m mark --mark 1 -j DROP", "open"),
    ("-j NOTRACK; -m conntrack --ctstate NEW -j DROP", "passed"),
    ("-m mac --mac-source 02:00:00:00:00:01 -j DROP", "open"), ("-m physdev --physdev-in x -j DROP", "passed"), ("-f -j DROP", "passed"),
    ("-j CT --zone 5; -m conntrack --ctstate NEW -j DROP", "open"), ("-j CT --helper ftp; -m state --state NEW -j DROP", "dropped"),
    ("-m comment --comment 'a -j ACCEPT' -j DROP", "dropped"), ("-m set --match-set unread src -j DROP", "open"),
])
def test_iptables(rules: str, wanted: str) -> None:
    found = walked(rules)
    assert outcome(found) == wanted
    assert bool(found.doubtful) == (wanted == "open") or wanted == "dropped"


SETS = """create net hash:net family inet
add net 192.0.2.0/24
add net 192.0.2.7 nomatch
create pair hash:ip,port family inet
add pair 192.0.2.7,tcp:22
create port bitmap:port range 0-1024
add port 22
create noted hash:ip family inet comment
add noted 203.0.113.9 comment "nomatch 192.0.2.7"
create all list:set size 8
add all pair
create strange hash:ip,what family inet
add strange 192.0.2.7,x
create part hash:ip family inet hashsize 1024 maxelem 65536 netmask 24
add part 192.0.2.0
create bits hash:ip family inet bitmask 255.255.0.255
add bits 192.0.0.9
create marks hash:ip,mark family inet markmask 0xff00
add marks 192.0.2.7,0x00000200
create begin hash:net,iface family inet
add begin 192.0.2.0/24,eth wildcard
"""


@pytest.mark.parametrize(("match", "more", "wanted"), [
    ("net src", {}, "passed"), ("net src", {"source": span("192.0.2.8")}, "dropped"), ("pair src,dst", {}, "dropped"),
    ("pair src,dst", {"port": (443, 443)}, "passed"), ("pair src,dst", {"protocol": "udp"}, "passed"), ("pair src", {}, "passed"),
    ("pair dst,dst", {}, "passed"), ("port dst", {}, "dropped"), ("noted src", {}, "passed"), ("all src,dst", {}, "dropped"),
    ("strange src,src", {}, "open"), ("pair src,dst", {"port": (0, 65535)}, "open"), ("part src", {}, "dropped"),
    ("part src", {"source": span("192.0.3.7")}, "passed"), ("bits src", {}, "open"), ("marks src,src", {"mark": 0x255}, "open"),
    ("begin src,src", {}, "dropped"), ("begin src,src", {"iif": "wlan0"}, "passed"), ("net src --return-nomatch", {}, "open"),
])
def test_ipsets(match: str, more: dict[str, t.Any], wanted: str) -> None:
    assert outcome(walked(f"-m set --match-set {match} -j DROP", sets=SETS, **more)) == wanted


def payload(field: str, protocol: str = "ip") -> dict[str, t.Any]:
    return {"payload": {"protocol": protocol, "field": field}}


def match(left: t.Any, right: t.Any, op: str = "==") -> dict[str, t.Any]:
    return {"match": {"op": op, "left": left, "right": right}}


SADDR, DPORT, STATE = payload("saddr"), payload("dport", "tcp"), {"ct": {"key": "state"}}
FLAGS = {"&": [payload("flags", "tcp"), ["fin", "syn", "rst", "ack"]]}
FIB = {"fib": {"result": "type", "flags": ["daddr"]}}
DROP, ACCEPT = {"drop": None}, {"accept": None}


def nft(*rules: list[t.Any], sets: t.Sequence[dict[str, t.Any]] = (), chain: dict[str, t.Any] | None = None, text: str = "", **more: t.Any,
        ) -> Walked:
    head = {"family": "inet", "table": "t", "name": "c", "type": "filter", "hook": "input", "prio": 0, "policy": "accept", **(chain or {})}
    items = [
        {"table": {"family": head["family"], "name": "t"}}, *({"set": {"family": "inet", "table": "t", **one}} for one in sets),
        {"chain": head},
        *({"rule": {"family": head["family"], "table": "t", "chain": "c", "handle": number, "expr": rule}}
          for number, rule in enumerate(rules)),
    ]
    return Walker(parse_nft(json.dumps({"nftables": items}), heads=parse_heads(text))).walk(packet(**more), (INGRESS, PREROUTING, INPUT))


@pytest.mark.parametrize(("rule", "wanted"), [
    ([match(STATE, ["established", "related"], "in"), DROP], "passed"), ([match(STATE, {"set": ["new", "related"]}), DROP], "dropped"),
    ([match(STATE, "invalid", "in"), DROP], "passed"), ([match(FLAGS, "syn"), DROP], "dropped"),
    ([match(FLAGS, "syn", "!="), DROP], "passed"),
    ([match({"meta": {"key": "iifname"}}, "eth*"), DROP], "dropped"), ([match({"meta": {"key": "iif"}}, "lo"), DROP], "passed"),
    ([match(FIB, "local"), DROP], "dropped"), ([match(FIB, {"set": ["broadcast", "local"]}, "!="), DROP], "passed"),
    ([match({"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, False), DROP], "passed"),
    ([match(payload("saddr", "ip6"), "2001:db8::1", "!="), DROP], "passed"), ([match(payload("dport", "udp"), 22), DROP], "passed"),
    ([match({"payload": {"protocol": "th", "field": "dport"}}, {"range": [20, 25]}), DROP], "dropped"),
    ([match({"&": [payload("frag-off"), 8191]}, 0, "!="), DROP], "passed"), ([match(DPORT, 100, "<"), DROP], "dropped"),
    ([match({"meta": {"key": "length"}}, 500, ">"), DROP], "open"), ([{"limit": {"rate": 5, "per": "second"}}, DROP], "open"),
    ([{"never heard of": 1}, DROP], "open"), ([{"never heard of": 1}], "open"), ([{"queue": {"num": 1}}], "open"), ([{"xt": None}], "open"),
    ([{"vmap": {"key": DPORT, "data": {"set": [[22, {"drop": None}], [80, {"accept": None}]]}}}], "dropped"),
    ([{"vmap": {"key": DPORT, "data": {"set": [["*", {"drop": None}], [22, {"accept": None}]]}}}], "passed"),
    ([{"vmap": {"key": DPORT, "data": {"set": [["*", {"drop": None}], [23, {"accept": None}]]}}}], "dropped"),
    ([{"vmap": {"key": {"concat": [SADDR, DPORT]}, "data": {"set": [[{"concat": ["192.0.2.7", 443]}, {"drop": None}]]}}}], "passed"),
    ([match({"concat": [SADDR, DPORT]}, "@pairs"), DROP], "dropped"), ([match(SADDR, "@gone"), DROP], "open"),
    ([match(SADDR, "@nets", "!="), DROP], "passed"), ([match(SADDR, "@limited"), DROP], "open"),
    ([match(SADDR, "@counted"), DROP], "dropped"),
    ([{"mangle": {"key": DPORT, "value": 2222}}, match(DPORT, 22), DROP], "open"),
    ([{"mangle": {"key": payload("ttl"), "value": 64}}, DROP], "dropped"),
    ([{"mangle": {"key": {"ct": {"key": "zone"}}, "value": 5}}, match(STATE, "new", "in"), DROP], "open"),
    ([{"set": {"op": "add", "elem": SADDR, "set": "@empty"}}, DROP], "dropped"),
    ([{"set": {"op": "update", "elem": SADDR, "set": "@empty", "stmt": [{"limit": {"rate": 1}}]}}, DROP], "open"),
])
def test_nftables(rule: list[t.Any], wanted: str) -> None:
    sets: list[dict[str, t.Any]] = [
        {"name": "pairs", "elem": [{"concat": ["192.0.2.7", {"range": [20, 30]}]}]}, {"name": "nets", "elem": ["192.0.2.7"]},
        {"name": "empty"}, {"name": "counted", "stmt": [{"counter": None}], "elem": ["192.0.2.7"]},
        {"name": "limited", "stmt": [{"limit": {}}], "elem": ["192.0.2.7"]},
    ]
    assert outcome(nft(rule, sets=sets)) == wanted


def test_a_set_that_a_rule_has_written_may_hold_the_packet() -> None:
    rules = [{"set": {"op": "add", "elem": SADDR, "set": "@seen"}}], [match(SADDR, "@seen"), DROP]
    assert outcome(nft(*rules, sets=[{"name": "seen"}])) == "open"


def test_a_chain_of_an_interface() -> None:
    text = 'table netdev t {\n\tchain c {\n\t\ttype filter hook ingress device "{}" priority filter; policy drop;\n\t}\n}\n'
    chain = {"family": "netdev", "hook": "ingress", "policy": "drop"}
    for device, interface, wanted in (("eth0", "eth0", "dropped"), ("eth1", "eth0", "passed"), ("eth1", "bond0", "open")):
        assert outcome(nft(chain=chain, text=text.replace("{}", device, 1), iif=interface)) == wanted
    for several in ("device = { lo, eth0 }", 'devices = { "lo", "eth0" }', "devices = { lo, eth0 }"):
        several = text.replace('device "{}"', several, 1)
        assert [outcome(nft(chain=chain, text=several, iif=name)) for name in ("eth0", "lo", "eth1")] == ["dropped", "dropped", "passed"]
    assert outcome(nft(chain=chain)) == "open", "nft's JSON may not tell the interface"


def test_a_table_that_sleeps() -> None:
    assert outcome(nft([DROP], text="table inet t {\n\tflags dormant\n\tchain c {\n")) == "passed"


def shared(dump: str, *rules: list[t.Any]) -> list[Table]:
    """A chain that iptables-save printed, and nft's JSON of the same."""
    tables, _unread = parse_save(f"*filter\n:INPUT ACCEPT [0:0]\n{dump}COMMIT\n", where="iptables", family="ip")
    items: list[dict[str, t.Any]] = [
        {"table": {"family": "ip", "name": "filter"}},
        {"chain": {"family": "ip", "table": "filter", "name": "INPUT", "type": "filter", "hook": "input", "prio": 0, "policy": "accept"}},
        *({"rule": {"family": "ip", "table": "filter", "chain": "INPUT", "handle": number, "expr": rule}}
          for number, rule in enumerate(rules, start=4)),
    ]
    return parse_nft(json.dumps({"nftables": items}), dumped={("ip", "filter"): tables[0]})


XT = {"xt": None}
TCP = match({"payload": {"protocol": "ip", "field": "protocol"}}, "tcp")
CONNTRACK = "-A INPUT -p tcp -m conntrack --ctstate NEW -j DROP\n"


@pytest.mark.parametrize(("dump", "rules"), [
    (CONNTRACK, [[TCP, XT, DROP]]), ("-A INPUT -s 192.0.2.7/32 -j DROP\n", [[match(SADDR, "192.0.2.7"), {"counter": {}}, DROP]]),
    ("-A INPUT -m mark --mark 0x1/0x3 -j DROP\n", [[match({"&": [{"meta": {"key": "mark"}}, 3]}, 1), DROP]]), ("", []),
])
def test_what_iptables_alone_writes_is_read_from_iptables(dump: str, rules: list[list[t.Any]]) -> None:
    assert shared(dump, *rules) == []


@pytest.mark.parametrize(("dump", "rules", "wanted"), [
    # iptables-save leaves out what it does not know: sets, maps, and whole rules.
    ("-A INPUT -j DROP\n", [[match(SADDR, {"set": ["203.0.113.9"]}), DROP]], "passed"),
    ("-A INPUT -p tcp -j ACCEPT\n-A INPUT -j DROP\n", [[match(DPORT, {"set": [80, 443]}), ACCEPT], [DROP]], "dropped"),
    ("-A INPUT -p tcp\n", [[{"vmap": {"key": DPORT, "data": {"set": [[22, DROP]]}}}]], "dropped"),
    ("", [[match(DPORT, 22), DROP]], "dropped"),
    # What only iptables tells comes from it, by the place in the chain.
    (f"-A INPUT -p tcp -j ACCEPT\n{CONNTRACK}", [[match(DPORT, {"set": [80]}), ACCEPT], [TCP, XT, DROP]], "dropped"),
    (CONNTRACK, [[match(DPORT, {"set": [80]}), ACCEPT], [TCP, XT, DROP]], "open"),
])
def test_a_table_of_iptables_to_which_others_write(dump: str, rules: list[list[t.Any]], wanted: str) -> None:
    tables = shared(dump, *rules)
    assert [(one.where, one.name) for one in tables] == [("nftables", "filter")]
    assert outcome(Walker(tables).walk(packet(), (INGRESS, PREROUTING, INPUT))) == wanted


def test_each_chain_must_let_it_pass() -> None:
    tables, _unread = parse_save("*raw\n:PREROUTING ACCEPT\n-A PREROUTING -j ACCEPT\nCOMMIT\n*filter\n:INPUT DROP\nCOMMIT\n*nat\n"
                                 ":PREROUTING DROP\nCOMMIT\n", where="iptables", family="ip")
    found = Walker(tables).walk(packet(), (PREROUTING, INPUT))
    assert found.dropped and [block.table for block in found.blocks] == ["nat", "filter"]
    later = Walker(tables).walk(packet(state=2), (PREROUTING,))
    assert later.passed, "only the first packet of a connection passes nat"


def test_a_translation_changes_what_follows() -> None:
    text = "\n".join([
        "*nat", ":PREROUTING ACCEPT", "-A PREROUTING -p tcp --dport 8022 -j REDIRECT --to-ports 22", "COMMIT",
        "*filter", ":INPUT ACCEPT", "-A INPUT -p tcp --dport 22 -j DROP", "COMMIT",
    ])
    tables, _unread = parse_save(text, where="iptables", family="ip")
    one = packet(port=(8022, 8022))
    assert Walker(tables).walk(one, (PREROUTING, INPUT)).dropped and one.translated and one.port == (22, 22)


def test_what_a_rule_that_may_return_leaves_behind() -> None:
    found = walked("-j X; -j DROP; X -m limit --limit 1/min -j ACCEPT")
    assert outcome(found) == "open" and found.doubtful[0].startswith("iptables ip filter X rule 1")
    assert "-m limit --limit 1/min" in found.doubtful[0] and not found.blocks[-1].certain


def test_a_recent_list_without_its_clock() -> None:
    host = dataclasses.replace(HOST, clock=None)
    assert outcome(walked("-m recent --name bad --rcheck --seconds 60 -j DROP", host=host)) == "open"
    assert outcome(walked("-m recent --name none --set; -m recent --name none --rcheck --seconds 60 -j DROP", host=host)) == "dropped"


@pytest.mark.parametrize(("now", "uptime", "found"), [
    ((1 << 32) + 250 * 72_000, 72_300.4, 250), ((1 << 32) + 100 * 72_000, 72_300.0, 100), ((1 << 32) + 1000 * -200, 100.0, 1000),
    ((1 << 32) + 10, 300.0, None), (12_345, 72_300.0, None),
])
def test_the_clock_of_the_kernel(now: int, uptime: float, found: int | None) -> None:
    assert ticks(now, uptime) == (None if found is None else Ticks(now, found))


def test_logic() -> None:
    doubt = Doubt("why")
    assert every([True, doubt, False]) is False and every([True, doubt]) is doubt and every([]) is True
    assert some([False, doubt, True]) is True and some([False, doubt]) is doubt and some([]) is False
    assert inverted(True, True) is False and inverted(doubt, True) is doubt
    assert [within((5, 8), ranges) for ranges in ([(1, 5), (6, 9)], [(1, 6)], [(9, 10)])] == [True, None, False]
    assert within(None, [(1, 2)]) is None
