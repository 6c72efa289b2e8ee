# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An address asked about at 10,000 rules and a set of 100,000 elements, against the listing and the grep that runbooks hold.

Real rules in a network namespace of its own, of nftables, and of iptables with an ipset. The grep prints the lines that hold the address's
text, and no more. Ours reads the same listings, and sends one connection through them. Needs root, nftables, iptables and ipset.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys

from tests.bench import harness
from tests.support.two_hosts import CLIENT, TwoHosts, two_hosts

RULES, ELEMENTS = 10_000, 100_000
PORT = 22
#: Each rule of so many uses the set.
SHARING = 200
BACKENDS = ("nftables", "iptables and ipset")
RUNBOOK = {
    "nftables": "nft -j list ruleset | tr '{' '\\n' | grep -F %s; iptables-save | grep -F %s; true",
    "iptables and ipset": "iptables-save | grep -F %s; ipset save | grep -F %s; nft -j list ruleset | tr '{' '\\n' | grep -F %s; true",
}


def load(hosts: TwoHosts, backend: str) -> None:
    """Rules about others in front of the set that holds the client: about addresses, networks, ports, interfaces and states."""
    dice = random.Random(7)
    elements = [f"{dice.randrange(11, 100)}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}" for number in range(ELEMENTS - 1)]
    elements.append(CLIENT)
    dice.shuffle(elements)
    hosts.clear()
    if backend == "nftables":
        lines = [
            "table inet big {", f"set banned {{ type ipv4_addr; flags interval; elements = {{ {', '.join(elements)} }}; }}",
            "chain input {", "type filter hook input priority 0; policy accept;", "ct state established,related accept",
            *(_nft_rule(dice, number) for number in range(RULES - 2)), "ip saddr @banned drop", "}", "}",
        ]
        hosts.host.run("nft", "-f", "-", input="\n".join(lines) + "\n", timeout=600)
        return
    sets = [f"create banned hash:net family inet maxelem {2 * ELEMENTS}", *(f"add banned {one}" for one in elements)]
    hosts.host.run("ipset", "restore", input="\n".join(sets) + "\n", timeout=600)
    rules = [
        "*filter", ":INPUT ACCEPT [0:0]", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        *(f"-A INPUT {_iptables_rule(dice, number)}" for number in range(RULES - 2)),
        "-A INPUT -m set --match-set banned src -j DROP", "COMMIT",
    ]
    hosts.host.run("iptables-restore", input="\n".join(rules) + "\n", timeout=600)


def _other(dice: random.Random) -> str:
    return f"203.0.{dice.randrange(256)}.{dice.randrange(256)}"


def _nft_rule(dice: random.Random, number: int) -> str:
    if number % SHARING == 0:
        return f"ip saddr @banned tcp dport {1000 + number} drop"
    return (
        f"ip saddr {_other(dice)} drop", f"ip saddr {_other(dice)} tcp dport {dice.randrange(1, 999)} drop",
        f"tcp dport {{ {1000 + number}, {2000 + number} }} counter drop", f'iifname "eth{number % 9}" ip saddr {_other(dice)} accept',
    )[number % 4]


def _iptables_rule(dice: random.Random, number: int) -> str:
    if number % SHARING == 0:
        return f"-p tcp -m tcp --dport {1000 + number} -m set --match-set banned src -j DROP"
    return (
        f"-s {_other(dice)}/32 -j DROP", f"-s {_other(dice)}/32 -p tcp -m tcp --dport {dice.randrange(1, 999)} -j REJECT",
        f"-p tcp -m multiport --dports {1000 + number},{2000 + number} -j DROP",
        f"-i eth{number % 9} -s {_other(dice)}/32 -m conntrack --ctstate NEW -j ACCEPT",
    )[number % 4]


def ours(hosts: TwoHosts) -> None:
    """One call of the module, in a process of its own as Ansible runs it."""
    result = hosts.host.module("access_health", daemon=False, ports=[PORT], let_in=[CLIENT], kept_out=[CLIENT], wait=900)
    found = {one["check"]: one["status"] for one in result.get("findings", ())}
    if found != {"let_in": "critical", "kept_out": "ok"}:
        raise RuntimeError(json.dumps(result)[:2000])


def runbook(hosts: TwoHosts, backend: str) -> None:
    """What a runbook holds."""
    said = hosts.host.run("sh", "-c", RUNBOOK[backend].replace("%s", CLIENT), timeout=900)
    if CLIENT not in said:
        raise RuntimeError("the address was not found")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    tables = []
    with two_hosts() as hosts:
        for backend in BACKENDS:
            load(hosts, backend)
            samples = harness.alternate({
                "list and grep": lambda backend=backend: harness.measured(lambda: runbook(hosts, backend)),  # type: ignore[misc]
                "oncall.incident.access_health": lambda: harness.measured(lambda: ours(hosts)),
            }, rounds=options.rounds)
            tables.append(f"### {backend}\n\n{harness.table(samples, against='list and grep')}")
    both = "\n\n".join(tables)
    harness.publish("access_health", f"""{RULES:,} rules in one chain, {RULES // SHARING} of them with one set of {ELEMENTS:,} elements,
which holds the asked address; the last rule drops whom it holds.

{both}

The grep prints the lines that hold the text of the address: not a network that covers it, and not whether a rule is reached. Ours reads all
packet filters and ipsets, ways of routing and neighbours, walks one connection in and its answer out, and judges both questions, whether
it is let in and whether it is kept out. CPU seconds include those of the programs that list. `make bench ARGS=firewall` measures it.""")


if __name__ == "__main__":
    try:
        main()
    except subprocess.TimeoutExpired as exc:
        sys.exit(str(exc))
