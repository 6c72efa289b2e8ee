# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rule keeps an address out: nftables, iptables, ipsets, hosts.deny, routes, firewalld.

The rulesets are what nft 1.0.6, iptables 1.8.9 and ipset of Debian 12 printed, shortened.
"""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.addresses import Span, read_network
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.filter_repair import removal
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.ipsets import parse_ipsets
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.iptables_rules import parse_save, variant_of
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.nft_ruleset import Unreadable, parse_nft
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.other_filters import (
    Service,
    firewalld_runs,
    hosts_deny_blocks,
    parse_routes,
    rich_rule_blocks,
    route_blocks,
    route_is_dead,
)
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.packet import ANY_PORT, Packet
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.packet_filter import (
    AddressSet,
    Block,
    owner_of,
)
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.tracing import cause_of, is_perhaps, judge_trace
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.walk import Walker

JAILS = ("sshd", "recidive", "ipt")


def span(text: str) -> Span:
    network = read_network(text)
    assert network is not None
    return Span.of(network)


def payload(field: str, protocol: str = "ip") -> dict[str, t.Any]:
    return {"payload": {"protocol": protocol, "field": field}}


def match(left: t.Any, right: t.Any, op: str = "==") -> dict[str, t.Any]:
    return {"match": {"op": op, "left": left, "right": right}}


REJECT = {"reject": {"type": "icmp", "expr": "port-unreachable"}}
BASE = {"type": "filter", "hook": "input", "prio": 0, "policy": "accept"}


def ruleset(*rules: list[dict[str, t.Any]], sets: dict[str, list[t.Any]] | None = None, family: str = "inet", **chain: t.Any) -> str:
    items: list[dict[str, t.Any]] = [{"metainfo": {"json_schema_version": 1}}, {"table": {"family": family, "name": "t", "handle": 1}}]
    items += [
        {"set": {"family": family, "name": name, "table": "t", "type": "ipv4_addr", "elem": elements}}
        for name, elements in (sets or {}).items()
    ]
    items.append({"chain": {"family": family, "table": "t", "name": "c", "handle": 2, **BASE, **chain}})
    items += [
        {"rule": {"family": family, "table": "t", "chain": "c", "handle": 10 + number, "expr": rule}} for number, rule in enumerate(rules)
    ]
    return json.dumps({"nftables": items})


def packet(address: str, protocol: str | None = None, port: int | None = None) -> Packet:
    return Packet(span(address), protocol=protocol, port=ANY_PORT if port is None else (port, port))


def nft(text: str, address: str, **probe: t.Any) -> list[Block]:
    return Walker(parse_nft(text), jails=JAILS).blocks(packet(address, **probe))


def ipt(text: str, address: str, *, sets: str = "", family: str = "ip", **probe: t.Any) -> list[Block]:
    tables, _unread = parse_save(text, where="iptables", family=family, sets=parse_ipsets(sets))
    return Walker(tables, jails=JAILS).blocks(packet(address, **probe))


def test_a_set_of_fail2ban() -> None:
    text = ruleset(
        [match(payload("dport", "tcp"), 22), match(payload("saddr"), "@addr-set-sshd"), REJECT],
        sets={"addr-set-sshd": ["192.0.2.7", {"elem": {"val": "192.0.2.8", "timeout": 60}}]},
    )
    for address in ("192.0.2.7", "192.0.2.8"):
        (block,) = nft(text, address)
        assert (block.owner, block.jail, block.set, block.matched, block.handle) == ("fail2ban", "sshd", "addr-set-sshd", "exact", 10)
        assert block.conditions == ("protocol tcp", "port 22")
        assert "tcp dport 22 ip saddr @addr-set-sshd reject" in block.rule
    assert not nft(text, "192.0.2.9")
    assert not nft(text, "2001:db8::7")
    assert nft(text, "192.0.2.7", protocol="tcp", port=22)[0].certain
    assert not nft(text, "192.0.2.7", protocol="tcp", port=443)
    assert not nft(text, "192.0.2.7", protocol="udp", port=22)


@pytest.mark.parametrize(("right", "inside", "outside"), [
    ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
    ({"prefix": {"addr": "192.0.2.0", "len": 24}}, "192.0.2.200", "192.0.3.1"),
    ({"range": ["192.0.2.4", "192.0.2.6"]}, "192.0.2.5", "192.0.2.7"),
    ({"set": ["192.0.2.1", {"prefix": {"addr": "198.51.100.0", "len": 25}}]}, "198.51.100.1", "198.51.100.200"),
    ({"set": [{"range": ["192.0.2.4", "192.0.2.6"]}]}, "192.0.2.6", "192.0.2.3"),
])
def test_addresses_in_a_rule(right: t.Any, inside: str, outside: str) -> None:
    text = ruleset([match(payload("saddr"), right), {"drop": None}])
    assert [block.certain for block in nft(text, inside)] == [True]
    assert not nft(text, outside)
    negated = ruleset([match(payload("saddr"), right, "!="), {"drop": None}])
    assert not nft(negated, inside)
    assert nft(negated, outside)


def test_an_earlier_accept_protects() -> None:
    accept, drop = [match(payload("saddr"), "192.0.2.7"), {"accept": None}], [match(payload("saddr"), "192.0.2.7"), {"drop": None}]
    assert not nft(ruleset(accept, drop), "192.0.2.7")
    assert nft(ruleset(drop, accept), "192.0.2.7")


def test_an_accept_on_a_condition_protects_perhaps() -> None:
    established = [match({"ct": {"key": "state"}}, {"set": ["established", "related"]}), {"accept": None}]
    (block,) = nft(ruleset(established, [{"drop": None}]), "192.0.2.7")
    assert block.matched == "everyone"


def test_a_policy_of_drop_blocks_those_whom_nothing_accepts() -> None:
    text = ruleset([match(payload("saddr"), "192.0.2.7"), {"accept": None}], policy="drop")
    assert not nft(text, "192.0.2.7")
    (block,) = nft(text, "192.0.2.8")
    assert (block.rule, block.matched) == ("policy drop", "everyone")


def test_a_chain_without_a_hook_blocks_nobody() -> None:
    text = json.loads(ruleset([match(payload("saddr"), "192.0.2.7"), {"drop": None}]))
    for item in text["nftables"]:
        item.get("chain", {}).pop("hook", None)
    assert not nft(json.dumps(text), "192.0.2.7")
    assert not nft(ruleset([{"drop": None}], hook="output"), "192.0.2.7")


def test_jumps_carry_their_conditions() -> None:
    text = json.loads(ruleset([match(payload("dport", "tcp"), 80), {"jump": {"target": "d"}}]))
    text["nftables"] += [
        {"chain": {"family": "inet", "table": "t", "name": "d", "handle": 3}},
        {"rule": {"family": "inet", "table": "t", "chain": "d", "handle": 30, "expr": [{"return": None}]}},
        {"rule": {"family": "inet", "table": "t", "chain": "d", "handle": 31, "expr": [{"drop": None}]}},
    ]
    assert not nft(json.dumps(text), "192.0.2.7"), "what is behind a return is not reached"
    text["nftables"].pop(-2)
    (block,) = nft(json.dumps(text), "192.0.2.7")
    assert block.conditions == ("protocol tcp", "port 80")


def test_chains_that_jump_to_each_other_end() -> None:
    text = json.loads(ruleset([{"jump": {"target": "c"}}], [match(payload("saddr"), "192.0.2.7"), {"drop": None}]))
    assert nft(json.dumps(text), "192.0.2.7")


def test_verdict_maps() -> None:
    text = ruleset([{"vmap": {"key": payload("saddr"), "data": {"set": [["192.0.2.7", {"drop": None}], ["192.0.2.8", {"accept": None}]]}}}])
    assert nft(text, "192.0.2.7")
    assert not nft(text, "192.0.2.8")
    assert removal(nft(text, "192.0.2.7")[0], span("192.0.2.7")) is None


def test_concatenations() -> None:
    left = {"concat": [payload("saddr"), payload("dport", "tcp")]}
    text = ruleset([match(left, "@s"), {"drop": None}], sets={"s": [{"concat": ["192.0.2.7", 22]}]})
    (block,) = nft(text, "192.0.2.7")
    assert block.conditions and not nft(text, "192.0.2.8")


def test_an_interface_is_a_condition() -> None:
    (block,) = nft(ruleset([match({"meta": {"key": "iifname"}}, "eth1"), {"drop": None}]), "192.0.2.7")
    assert block.conditions == ("iifname eth1",) and is_perhaps(block)


def test_a_network_is_blocked_in_part() -> None:
    text = ruleset([match(payload("saddr"), "192.0.2.7"), {"drop": None}])
    assert [block.matched for block in nft(text, "192.0.2.0/24")] == ["part"]
    assert [block.matched for block in nft(ruleset([match(payload("saddr"), {"prefix": {"addr": "192.0.0.0", "len": 16}}), {"drop": None}]),
                                           "192.0.2.0/24")] == ["covering"]


@pytest.mark.parametrize("text", ["", "nft: not found", "[]", "{}", '{"nftables": 5}', "[" * 100000])
def test_what_is_no_ruleset(text: str) -> None:
    with pytest.raises(Unreadable):
        parse_nft(text)


SAVE = """# Generated by iptables-save v1.8.9 (nf_tables) on Tue Nov 24 11:18:15 2026
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:f2b-ipt - [0:0]
-A INPUT -p tcp -m multiport --dports 22,8000:8010 -j f2b-ipt
-A INPUT -s 203.0.113.9/32 -m comment --comment "a colleague's -s 192.0.2.1" -j ACCEPT
-A INPUT -s 203.0.113.0/24 -j DROP
-A INPUT ! -s 198.51.100.0/24 -i eth1 -j DROP
-A INPUT -m set --match-set blocklist src -j DROP
-A INPUT -m iprange --src-range 192.0.2.100-192.0.2.110 -j DROP
-A f2b-ipt -s 192.0.2.8/32 -j REJECT --reject-with icmp-port-unreachable
-A f2b-ipt -j RETURN
COMMIT
"""
IPSET = """create blocklist hash:net family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0xe8e10979
add blocklist 192.0.2.64/27
add blocklist 192.0.2.77 nomatch
create ports hash:ip,port family inet hashsize 1024 maxelem 65536
add ports 192.0.2.50,tcp:22 timeout 5
create all list:set size 8
add all blocklist
"""


def test_a_chain_of_fail2ban() -> None:
    blocks = [block for block in ipt(SAVE, "192.0.2.8") if block.owner]
    assert [(b.chain, b.jail, b.number, b.conditions) for b in blocks] == [("f2b-ipt", "ipt", 1, ("protocol tcp", "port 22, 8000-8010"))]
    assert not [block for block in ipt(SAVE, "192.0.2.8", protocol="tcp", port=443) if block.owner]
    assert [block.certain for block in ipt(SAVE, "192.0.2.8", protocol="tcp", port=8005) if block.owner] == [True]


def test_an_accept_before_the_drop() -> None:
    assert [block.source for block in ipt(SAVE, "203.0.113.8") if block.certain and block.hook == "input"] == ["203.0.113.0/24"]
    assert not [block for block in ipt(SAVE, "203.0.113.9") if block.hook == "input"]


def test_an_ipset_and_a_range() -> None:
    def hits(address: str) -> list[str]:
        return [b.set or b.source for b in ipt(SAVE, address, sets=IPSET) if b.hook == "input" and b.certain]

    assert hits("192.0.2.70") == ["blocklist"]
    assert hits("192.0.2.77") == [], "an exception of the set"
    assert hits("192.0.2.105") == ["192.0.2.100-192.0.2.110"]
    unknown = [block for block in ipt(SAVE, "192.0.2.1") if block.matched == "unseen"]
    assert unknown and is_perhaps(unknown[0]), "a set that could not be read blocks perhaps"


def test_a_set_that_nobody_read_in_front_of_a_chain() -> None:
    text = "*filter\n:INPUT ACCEPT [0:0]\n:LOG - [0:0]\n-A INPUT -m set --match-set bad src -j LOG\n-A LOG -j DROP\nCOMMIT\n"
    (block,) = ipt(text, "192.0.2.1")
    assert (block.matched, block.set, block.certain) == ("unseen", "bad", False)


def test_ipsets() -> None:
    sets = parse_ipsets(IPSET)
    assert sets["ports"].addresses.find(span("192.0.2.50")) and sets["all"].whole.find(span("192.0.2.64/27"))
    assert sets["all"].whole is sets["all"].whole, "rules that use it share it"
    assert parse_ipsets("garbage\nadd nothing 1.2.3.4\ncreate\n") == {}


def test_only_hooks_on_the_way_count() -> None:
    assert [block.hook for block in ipt(SAVE, "192.0.2.1") if block.rule == "policy DROP" or block.rule == "policy drop"] == ["forward"]


def test_lines_that_cannot_be_read_are_told() -> None:
    text = '*filter\n:INPUT ACCEPT\n-A INPUT -s nonsense -j DROP\n-A\n-A INPUT "\n-X\nCOMMIT\n'
    _tables, unread = parse_save(text, where="iptables", family="ip")
    assert len(unread) == 4


def test_variants() -> None:
    assert variant_of(SAVE) == "nf_tables"
    assert variant_of("# Generated by iptables-save v1.8.9 on Tue") == "legacy"


@pytest.mark.parametrize(("names", "owner"), [
    (("f2b-sshd",), ("fail2ban", "sshd")), (("fail2ban-sshd",), ("fail2ban", "sshd")), (("addr-set-recidive",), ("fail2ban", "recidive")),
    (("addr6-set-sshd",), ("fail2ban", "sshd")), (("f2b-sshd6",), ("fail2ban", "sshd")), (("", "INPUT", "f2b-table"), ("fail2ban", "")),
    (("", "ufw-user-input"), ("ufw", "")), (("", "c", "firewalld"), ("firewalld", "")), (("", "INPUT", "filter"), ("", "")),
    (("f2b-unknown",), ("fail2ban", "")),
])
def test_whose_rule_it_is(names: tuple[str, ...], owner: tuple[str, str]) -> None:
    assert owner_of(*names, jails=JAILS) == owner


def test_what_may_be_taken_out() -> None:
    text = ruleset([match(payload("saddr"), "@addr-set-sshd"), REJECT], sets={"addr-set-sshd": ["192.0.2.7"]})
    assert removal(nft(text, "192.0.2.7")[0], span("192.0.2.7")) == [
        "nft", "delete", "element", "inet", "t", "addr-set-sshd", "{ 192.0.2.7 }"]
    (own,) = [block for block in ipt(SAVE, "192.0.2.8") if block.owner]
    assert removal(own, span("192.0.2.8")) == [
        "iptables", "-w", "-t", "filter", "-D", "f2b-ipt", "-s", "192.0.2.8/32", "-j", "REJECT", "--reject-with", "icmp-port-unreachable"]
    admin = next(block for block in ipt(SAVE, "203.0.113.8") if block.certain)
    assert removal(admin, span("203.0.113.8")) is None, "nobody else's rule, and no network for an address"
    assert removal(own, span("192.0.2.9")) is None


def test_a_set_with_many() -> None:
    spans = [span(f"192.0.2.{n}") for n in range(1, 200)] + [span("198.51.100.0/24"), span("198.51.0.0/16"), span("2001:db8::/32")]
    found = AddressSet(spans)
    assert found.find(span("192.0.2.100")) == ("exact", span("192.0.2.100"))
    assert found.find(span("198.51.100.9")) == ("covering", span("198.51.100.0/24"))
    assert found.find(span("198.51.0.0/16")) == ("exact", span("198.51.0.0/16"))
    assert found.find(span("2001:db8:1::9")) == ("covering", span("2001:db8::/32"))
    assert found.find(span("203.0.113.1")) is None
    assert found.find(span("198.0.0.0/8")) is not None and found.find(span("198.0.0.0/8"))[0] == "part"  # type: ignore[index]


DENY = """# a comment
ALL: 192.0.2.7
sshd, vsftpd : 198.51.100. [2001:db8::]/64 : spawn (echo "x: y")
ALL: 203.0.113.0/255.255.255.0 EXCEPT 203.0.113.9
"""


@pytest.mark.parametrize(("address", "count"), [
    ("192.0.2.7", 1), ("192.0.2.8", 0), ("198.51.100.77", 1), ("2001:db8::5", 1), ("2001:db8:1::5", 0), ("203.0.113.8", 1),
    ("203.0.113.9", 0),
])
def test_hosts_deny(address: str, count: int) -> None:
    blocks = hosts_deny_blocks(span(address), deny=DENY, allow="")
    assert len(blocks) == count and all(block.where == "hosts_deny" and block.conditions for block in blocks)
    assert not hosts_deny_blocks(span(address), deny=DENY, allow="ALL: ALL\n")


@pytest.mark.parametrize(("names", "asks", "deny", "certain"), [
    (("sshd",), True, "sshd: 192.0.2.7", True), (("sshd",), False, "ALL: 192.0.2.7", None), (("nginx",), False, "sshd: 192.0.2.7", None),
    (("sshd",), None, "sshd: 192.0.2.7", False), (("vsftpd",), True, "ALL: ALL", False), (("vsftpd",), True, "sshd: ALL", None),
    (("sshd",), True, "sshd@192.0.2.1: 192.0.2.7", True), (("sshd",), True, "ALL EXCEPT in.telnetd: 192.0.2.7", True),
    (("sshd",), True, "ALL EXCEPT sshd: 192.0.2.7", None), ((), None, "sshd: 192.0.2.7", False), ((), None, "ALL: ALL", False),
    (("sshd",), True, "ALL: ALL: allow", None), (("sshd",), True, "sshd: ALL EXCEPT 192.0.2.0/24", None),
])
def test_hosts_deny_counts_for_who_reads_it(names: tuple[str, ...], asks: bool | None, deny: str, certain: bool | None) -> None:
    """None: it is not in the question."""
    blocks = hosts_deny_blocks(span("192.0.2.7"), deny=deny, allow="", services=[Service(names, asks)])
    assert [block.certain for block in blocks] == ([] if certain is None else [certain])
    assert not hosts_deny_blocks(span("192.0.2.7"), deny=deny, allow="", services=[])


@pytest.mark.parametrize(("allow", "count"), [
    ("sshd: 192.0.2.7", 0), ("vsftpd: 192.0.2.7", 1), ("sshd: 192.0.2.8", 1), ("ALL: 192.0.2.", 0), ("sshd: 192.0.2.7: deny", 2),
])
def test_hosts_allow_comes_first(allow: str, count: int) -> None:
    services = [Service(("sshd",), True)]
    assert len(hosts_deny_blocks(span("192.0.2.7"), deny="sshd: ALL", allow=allow, services=services)) == count


def test_dead_routes() -> None:
    routes = parse_routes('[{"type":"blackhole","dst":"192.0.2.200","flags":[]},{"type":"unreachable","dst":"192.0.2.0/24","table":"7"},'
                          '{"type":"unicast","dst":"default"},{"type":"prohibit","dst":"default"}]')
    assert [(block.verdict, block.matched) for block in route_blocks(span("192.0.2.200"), routes)] == [
        ("blackhole", "exact"), ("unreachable", "covering"), ("prohibit", "covering")]
    with pytest.raises(ValueError, match="list"):
        parse_routes('{"a": 1}')


@pytest.mark.parametrize(("text", "problem", "dead"), [
    ("", "RTNETLINK answers: Invalid argument", True), ("", "RTNETLINK answers: No route to host", True),
    ("", "RTNETLINK answers: Permission denied", True), ("", "RTNETLINK answers: Network is unreachable", True),
    ('[{"dst":"192.0.2.7","gateway":"198.51.100.1","dev":"eth0"}]', "", False), ("nonsense", "", None), ("[]", "", None),
])
def test_what_the_kernel_says_of_a_route(text: str, problem: str, dead: bool | None) -> None:
    assert route_is_dead(text, problem) is dead


def test_rich_rules_of_firewalld() -> None:
    text = ('public (active)\n  target: default\n  rich rules: \n\trule family="ipv4" source address="192.0.2.7" reject\n'
            '\trule family="ipv4" source address="198.51.100.0/24" port port="22" protocol="tcp" drop\n'
            '\trule family="ipv4" source NOT address="203.0.113.7" drop\n\trule family="ipv4" source address="192.0.2.8" accept\n')
    assert [block.table for block in rich_rule_blocks(span("192.0.2.7"), text)] == ["public"]
    assert [block.matched for block in rich_rule_blocks(span("198.51.100.7"), text)] == ["covering"]
    assert not rich_rule_blocks(span("192.0.2.8"), text) and not rich_rule_blocks(span("203.0.113.7"), text)


def test_causes() -> None:
    own = Block(where="nftables", rule="x", owner="fail2ban")
    rule, route, perhaps = Block("iptables", "x"), Block("route", "x"), Block("nftables", "x", conditions=("iifname eth1",))
    ban = [{"jail": "sshd", "backend": "crowdsec"}]
    assert cause_of([rule, own], bans=[], listening=True, blind=False) == "fail2ban"
    assert cause_of([rule], bans=ban, listening=True, blind=False) == "crowdsec"
    assert cause_of([rule, route], bans=[], listening=True, blind=False) == "route"
    assert cause_of([rule], bans=[], listening=None, blind=False) == "firewall"
    assert cause_of([], bans=[], listening=False, blind=False) == "service"
    assert cause_of([], bans=[], listening=None, blind=False) == "none"
    assert cause_of([], bans=[], listening=None, blind=True) == "unknown"
    assert judge_trace("a", [perhaps], bans=[], cause="firewall").status == "warning"
    undecided = judge_trace("a", [], bans=[], cause="unknown", unknown=["INPUT rule 1: -j NFQUEUE"])
    assert undecided.status == "unknown" and undecided.hint == "Not known: INPUT rule 1: -j NFQUEUE"
    assert judge_trace("a", [], bans=[], cause="none").status == "ok"
    # Where no port was asked about, a default deny with exceptions is about everybody, and a ban of some ports about the address.
    for matched, status in (("everyone", "warning"), ("exact", "critical")):
        block = Block("iptables", "x", matched=matched, conditions=("port or protocol other than: port 22",))
        assert judge_trace("a", [block], bans=[], cause="firewall").status == status


@pytest.mark.parametrize(("problem", "runs"), [
    ("FirewallD is not running", False),
    ("Error: DBUS_ERROR: Failed to connect to socket /run/dbus/system_bus_socket: No such file or directory", False),
    ("Error: DBUS_ERROR: Failed to connect to socket /run/dbus/system_bus_socket: Permission denied", True),
    ("firewall-cmd did not end within 20 s", True),
])
def test_a_firewalld_that_is_installed_and_stopped_leaves_nothing_unknown(problem: str, runs: bool) -> None:
    assert firewalld_runs(problem) is runs
