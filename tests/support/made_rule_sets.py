# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rule sets made by a seed: whatever an administrator may write, for nftables, iptables over nf_tables, legacy iptables, with ipsets."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from .two_hosts import PORTS

BACKENDS = ("nftables", "iptables-nft", "iptables-legacy", "ipset")
#: For four of five rule sets the kernel decides by rules alone; in the fifth there is something that only the kernel knows.
_OPEN_IN = 5


@dataclass(frozen=True)
class RuleSet:
    """One, with the port that is asked about.

    Attributes:
        is_open: something in it cannot be decided from the rules, or it may keep neighbours from finding one another.
        version: of IP.
    """

    seed: int
    backend: str
    version: int
    port: int
    commands: tuple[str, ...] = ()
    nft: str = ""
    is_open: bool = False


def made(seed: int) -> RuleSet:
    """The rule set of a seed."""
    chance = random.Random(seed)
    backend = BACKENDS[seed % len(BACKENDS)]
    version = 6 if chance.random() < 0.2 else 4
    is_open = seed // len(BACKENDS) % _OPEN_IN == 0
    port = chance.choice(PORTS)
    finds = version == 4 or chance.random() < 0.7
    if backend == "nftables":
        nft = _Nft(chance, version=version, is_open=is_open, finds=finds).text()
        return RuleSet(seed, backend, version, port, nft=nft, is_open=is_open or not finds)
    commands = _Iptables(chance, version=version, is_open=is_open, finds=finds, backend=backend).commands()
    return RuleSet(seed, backend, version, port, commands=commands, is_open=is_open or not finds)


class _Maker:
    def __init__(self, chance: random.Random, *, version: int, is_open: bool, finds: bool) -> None:
        # Neighbours find one another by ICMPv6, whatever the rules say of the rest.
        self.accepts_icmp = version == 6 and finds
        self.chance, self.version, self.is_open = chance, version, is_open
        self.client, self.host = ("%client%", "%host%") if version == 4 else ("%client6%", "%host6%")
        self.net = "%net%" if version == 4 else "2001:db8:77::/64"
        self.others = ["203.0.113.9", "203.0.113.0/24", "192.0.2.0/25"] if version == 4 else ["2001:db8:99::9", "2001:db8:98::/48"]

    def pick(self, *choices: str) -> str:
        return self.chance.choice(choices)

    def source(self) -> str:
        return self.chance.choice([self.client, self.client, self.net, *self.others])

    def destination(self) -> str:
        return self.chance.choice([self.host, self.host, self.net, self.others[0]])

    def port(self) -> int:
        return self.chance.choice([*PORTS, *PORTS, 21, 853])

    def ports(self) -> list[int]:
        return sorted(set(self.chance.choices([*PORTS, 25, 636], k=3)))


class _Nft(_Maker):
    """Tables with chains at several hooks, chains that are jumped to, sets, maps of verdicts, marks."""

    def text(self) -> str:
        self.family = self.pick("inet", "inet", "ip" if self.version == 4 else "ip6")
        # Chains that postrouting reaches as well may not reject.
        self.refusal = "drop"
        self.address = "ip" if self.version == 4 else "ip6"
        kind = "ipv4_addr" if self.version == 4 else "ipv6_addr"
        inner = ["one", "two"]
        lines = [f"table {self.family} made {{"]
        lines += [f"  set some {{ type {kind}; flags interval; elements = {{ {', '.join(self._apart())} }}; }}"]
        lines += [f"  set pairs {{ type {kind} . inet_service; elements = {{ {self._pairs()} }}; }}"]
        lines += [f"  map ways {{ type inet_service : verdict; elements = {{ {self._ways()} }}; }}"]
        for name in reversed(inner):
            targets = inner[inner.index(name) + 1:]
            body = "\n".join(f"    {self.rule(targets)}" for _number in range(self.chance.randint(1, 4)))
            lines += [f"  chain {name} {{\n{body}\n  }}"]
        for number in range(self.chance.randint(1, 4)):
            hook, priority = self.chance.choice([("prerouting", -300), ("prerouting", -150), ("input", -10), ("input", 0), ("input", 10),
                                                 ("input", 0), ("output", 0), ("output", -300), ("postrouting", 0), ("forward", 0)])
            policy = "drop" if self.chance.random() < 0.3 else "accept"
            self.refusal = "reject" if hook == "input" else "drop"
            rules = [self.rule(inner, leaving=hook in ("output", "postrouting")) for _number in range(self.chance.randint(1, 7))]
            if policy == "drop":
                rules.insert(0, "ct state established,related accept")
                rules += [f"tcp dport {{ {', '.join(map(str, self.ports()))} }} accept"] if self.chance.random() < 0.6 else []
            if self.accepts_icmp:
                rules.insert(0, "meta l4proto ipv6-icmp accept")
            body = "\n".join(f"    {rule}" for rule in rules)
            lines += [f"  chain base{number} {{\n    type filter hook {hook} priority {priority}; policy {policy};\n{body}\n  }}"]
        return "\n".join([*lines, "}", ""])

    def _apart(self) -> list[str]:
        first = self.chance.choice([self.client, self.net])
        return self.chance.choice([[first, self.others[-1]], [self.others[0]], [first]])

    def _pairs(self) -> str:
        return ", ".join(sorted({f"{self.chance.choice([self.client, self.others[0]])} . {self.port()}" for _number in range(3)}))

    def _ways(self) -> str:
        verdicts = ("accept", "drop", "continue", "accept")
        return ", ".join(f"{port} : {self.pick(*verdicts)}" for port in sorted({self.port() for _number in range(3)}))

    def rule(self, targets: list[str], *, leaving: bool = False) -> str:
        found = [self.match(leaving=leaving) for _number in range(self.chance.choice([0, 1, 1, 1, 2, 2, 3]))]
        # nft refuses a rule about two protocols.
        of_tcp = any("tcp" in one for one in found)
        if self.family == "inet" and not any(self.address in one for one in found) and self.chance.random() < 0.1:
            found.insert(0, f"meta nfproto {self.pick('ipv4', 'ipv6')}")
            return f"{found[0]} {self.pick('drop', 'accept', 'counter')}"
        asked = " ".join(one for one in found if not of_tcp or ("udp" not in one and "l4proto" not in one))
        if self.chance.random() < 0.08 and "udp" not in asked and "l4proto" not in asked:
            return f"{asked} tcp dport vmap @ways"
        if self.chance.random() < 0.1:
            way = f"{self.client} : {self.pick('drop', 'accept')}, {self.others[0]} : {self.pick('drop', 'accept')}"
            return f"{asked} {self.address} saddr vmap {{ {way} }}"
        verdicts = ["drop", "accept", "accept", "drop", "drop" if leaving or not targets else self.refusal, "return", "counter",
                    f"meta mark set {self.chance.randint(0, 3)}",
                    *(f"{self.pick('jump', 'goto')} {target}" for target in targets), f"ct mark set {self.chance.randint(0, 2)}",
                    "notrack"]
        if leaving or not asked:
            mild = ["accept", "counter", "return", *(f"jump {target}" for target in targets)]
            verdicts = mild if self.chance.random() < 0.7 else verdicts
        verdict = self.chance.choice(verdicts)
        return f"{asked} {verdict}"

    def match(self, *, leaving: bool) -> str:
        address, operator = self.address, self.pick("", "", "!= ")
        choices: list[Callable[[], str]] = [
            lambda: f"{address} saddr {operator}{self.source()}", lambda: f"{address} daddr {operator}{self.destination()}",
            lambda: f"tcp dport {operator}{self.port()}", lambda: f"tcp dport {{ {', '.join(map(str, self.ports()))} }}",
            lambda: f"tcp dport {self.pick('1-100', '400-500', '1024-65535')}", lambda: f"{address} saddr {operator}@some",
            lambda: f"{address} saddr . tcp dport @pairs", lambda: f"ct state {self.pick('new', 'established,related', 'invalid')}",
            lambda: f"ct state {operator}{{ new, established }}", lambda: f"meta l4proto {operator}{self.pick('tcp', 'udp')}",
            lambda: f"tcp flags & (fin|syn|rst|ack) {self.pick('==', '!=')} syn",
            lambda: f"meta mark {operator}{self.chance.randint(0, 3)}",
            lambda: f"ct mark {self.chance.randint(0, 2)}", lambda: f"fib daddr type {operator}local",
            lambda: "meta l4proto tcp", lambda: f"udp dport {self.port()}",
            lambda: f"tcp sport {self.pick('1024-65535', '1-1023')}", lambda: f"ct direction {self.pick('original', 'reply')}",
        ]
        if not leaving:
            choices += [lambda: f"iifname {operator}{self.pick('lo', '%iface%', 'srv*', 'eth0')}", lambda: "iif lo"]
        if self.is_open and self.chance.random() < 0.3:
            return self.pick("limit rate 10/second", "limit rate over 5/minute", "meta length > 60", "numgen random mod 2 0")
        return self.chance.choice(choices)()


class _Iptables(_Maker):
    """The tables of iptables with chains of one's own, matches of many kinds, marks, and ipsets."""

    def __init__(self, chance: random.Random, *, version: int, is_open: bool, finds: bool, backend: str) -> None:
        super().__init__(chance, version=version, is_open=is_open, finds=finds)
        self.with_sets = backend == "ipset"
        flavor = {"iptables-nft": "-nft", "iptables-legacy": "-legacy"}.get(backend, "")
        self.program = f"{'iptables' if version == 4 else 'ip6tables'}{flavor}"

    def commands(self) -> tuple[str, ...]:
        found = self._sets() if self.with_sets else []
        inner = ["one", "two"]
        found += [f"{self.program} -N {name}" for name in inner]
        for name in reversed(inner):
            targets = inner[inner.index(name) + 1:]
            found += [f"{self.program} -A {name} {self.rule(targets)}" for _number in range(self.chance.randint(1, 4))]
        for _number in range(self.chance.randint(2, 7)):
            found.append(f"{self.program} -A INPUT {self.rule(inner)}")
        if self.chance.random() < 0.3:
            table, chain = self.chance.choice([("raw", "PREROUTING"), ("mangle", "PREROUTING"), ("mangle", "INPUT")])
            found += [f"{self.program} -t {table} -A {chain} {self.rule([], table=table)}" for _number in range(self.chance.randint(1, 2))]
        if self.chance.random() < 0.25:
            found.append(f"{self.program} -A OUTPUT {self.rule(inner, leaving=True)}")
        if self.chance.random() < 0.2:
            found.append(f"{self.program} -A FORWARD {self.rule(inner)}")
        if self.chance.random() < 0.3:
            found.insert(2 + len(found) // 2, f"{self.program} -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT")
            found.append(f"{self.program} -P INPUT DROP")
        if self.accepts_icmp:
            found += [f"{self.program} -t {table} -I {chain} -p ipv6-icmp -j ACCEPT" for table, chain in (
                ("raw", "PREROUTING"), ("mangle", "PREROUTING"), ("mangle", "INPUT"), ("filter", "INPUT"), ("filter", "OUTPUT"))]
        return tuple(found)

    def _sets(self) -> list[str]:
        family = "inet" if self.version == 4 else "inet6"
        found = [f"ipset create some hash:net family {family}", f"ipset create pairs hash:ip,port family {family} timeout 600",
                 "ipset create ports bitmap:port range 0-1024", "ipset create all list:set", "ipset add all some"]
        found += [f"ipset -exist add some {self.source()}" for _number in range(2)]
        if self.chance.random() < 0.4:
            found.append(f"ipset -exist add some {self.source()} nomatch")
        found += [f"ipset -exist add pairs {self.chance.choice([self.client, self.others[0]])},{self.pick('tcp:', 'udp:')}{self.port()}"
                  for _number in range(3)]
        return [*found, *(f"ipset -exist add ports {port}" for port in self.ports() if port < 1024)]

    def rule(self, targets: list[str], *, table: str = "filter", leaving: bool = False) -> str:
        asked = self.pick("", "-p tcp ", "-p tcp ", "-p udp ") if self.chance.random() < 0.6 else "-p tcp "
        chosen = [self.match(asked, leaving=leaving, table=table) for _number in range(self.chance.choice([0, 1, 1, 2, 2]))]
        options = [one.split()[one.split()[0] == "!"] for one in chosen]
        same = {"--syn": "--tcp-flags", "--dport": "ports", "--sport": "ports"}
        options = ["ports" if "multiport" in one else same.get(option, option) for one, option in zip(chosen, options, strict=True)]
        kept = [one for place, one in enumerate(chosen) if options[place] not in options[:place] or options[place] == "-m"]
        targeted = ["DROP", "ACCEPT", "ACCEPT", "DROP", "RETURN", "LOG", *targets, *targets]
        if table == "filter":
            targeted.append("REJECT")
        elif table == "mangle":
            targeted += ["MARK --set-mark 1", "MARK --set-xmark 2/2", "CONNMARK --save-mark"]
        elif table == "raw":
            targeted.append("NOTRACK")
        target = self.chance.choice(targeted)
        if leaving and not kept:
            target = "ACCEPT"
        return f"{asked}{' '.join(kept)} {'-g' if target in targets and self.chance.random() < 0.3 else '-j'} {target}"

    def match(self, asked: str, *, leaving: bool, table: str) -> str:
        negated = self.pick("", "", "! ")
        state = self.pick("NEW", "ESTABLISHED,RELATED", "INVALID", "NEW,ESTABLISHED", "UNTRACKED")
        choices = [
            f"{negated}-s {self.source()}", f"{negated}-d {self.destination()}", f"-m mark {negated}--mark {self.chance.randint(0, 3)}",
            f"-m addrtype {negated}--dst-type LOCAL", "-m comment --comment 'a -j DROP of mine'", "-m pkttype --pkt-type broadcast",
        ]
        choices += [f"-m conntrack {negated}--ctstate {state}", f"-m state --state {self.pick('NEW', 'ESTABLISHED')}",
                    f"-m connmark {self.pick('', '! ')}--mark {self.chance.randint(0, 1)}"]
        if not leaving:
            choices += [f"{negated}-i {self.pick('lo', '%iface%', 'srv+', 'eth0')}"]
        if "tcp" in asked or "udp" in asked:
            choices += [f"{negated}--dport {self.port()}", f"--dport {self.pick('1:100', '400:500')}",
                        f"--sport {self.pick('1024:65535', '1:1023')}",
                        f"-m multiport {negated}--dports {','.join(map(str, self.ports()))}"]
        if "tcp" in asked:
            choices += [f"{negated}--syn", "--tcp-flags SYN,ACK SYN", "--tcp-flags ALL NONE"]
        if self.version == 4:
            choices.append(f"-m iprange {negated}--src-range {self.pick('198.51.100.1-198.51.100.3', '203.0.113.1-203.0.113.200')}")
        if self.with_sets:
            choices += [f"-m set {negated}--match-set some src", "-m set --match-set pairs src,dst", "-m set --match-set ports dst",
                        "-m set --match-set all src"] * 2
        if self.is_open and self.chance.random() < 0.3:
            return self.pick("-m limit --limit 5/min", "-m statistic --mode random --probability 0.5", "-m length --length 40:60")
        return self.chance.choice(choices)
