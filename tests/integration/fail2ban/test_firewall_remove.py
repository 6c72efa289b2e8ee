# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that people made by hand, in a network namespace: what drops one address goes, everything else stays."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.netns import Namespace, namespace

ADDRESS = "192.0.2.7"
SIX = "2001:db8::7"


@pytest.fixture
def net() -> Iterator[Namespace]:
    with namespace() as made:
        yield made


def rules(net: Namespace) -> str:
    """What the packet filter and the routes are."""
    return net.run("nft", "-s", "list", "ruleset") + net.run("ip", "route", "show", "table", "all") + net.run("ip", "-6", "route")


def outcomes(result: dict[str, Any]) -> list[str]:
    return [action["outcome"] for action in result["actions"]]


MADE_BY_HAND = [
    (["iptables -A INPUT -s 192.0.2.7 -j DROP"], ADDRESS),
    (["iptables -I INPUT -s 192.0.2.7 -p tcp -m multiport --dports 22,443 -m comment --comment night -j REJECT"], ADDRESS),
    (["iptables-legacy -A INPUT -s 192.0.2.7 -j DROP"], ADDRESS),
    (["ip6tables -A INPUT -s 2001:db8::7 -j DROP"], SIX),
    (["nft add table inet hand", "nft add chain inet hand in { type filter hook input priority 0 ; }",
      "nft add rule inet hand in ip saddr 192.0.2.7 drop"], ADDRESS),
    (["nft add table inet hand", "nft add set inet hand deny { type ipv4_addr ; }",
      "nft add element inet hand deny { 192.0.2.7, 192.0.2.8 }",
      "nft add chain inet hand in { type filter hook input priority 0 ; }", "nft add rule inet hand in ip saddr @deny drop"], ADDRESS),
    (["ipset create deny hash:ip", "ipset add deny 192.0.2.7", "ipset add deny 192.0.2.8",
      "iptables -A INPUT -m set --match-set deny src -j DROP"], ADDRESS),
    (["ip route add blackhole 192.0.2.7"], ADDRESS),
    (["ip -6 route add prohibit 2001:db8::7"], SIX),
]


@pytest.mark.parametrize(("commands", "address"), MADE_BY_HAND, ids=[commands[-1][:50] for commands, _address in MADE_BY_HAND])
def test_what_was_made_by_hand_goes(commands: list[str], address: str, net: Namespace) -> None:
    for command in commands:
        net.run(*command.split())
    before = rules(net)
    planned = net.module("firewall_remove", check=True, addresses=[address], ports=[22])
    assert outcomes(planned) == ["planned"] and planned["changed"], planned
    assert rules(net) == before, "check mode touches nothing"
    refused = net.module("firewall_remove", addresses=[address], ports=[22], approved=[])
    assert outcomes(refused) == ["refused"] and rules(net) == before
    done = net.module("firewall_remove", addresses=[address], ports=[22], approved=[planned["actions"][0]["id"]])
    assert outcomes(done) == ["done"] and done["changed"], done
    again = net.module("firewall_remove", addresses=[address], ports=[22])
    assert (outcomes(again), again["changed"], again["blocks"]) == ([], False, [])


@pytest.mark.parametrize(("command", "why"), [
    ("iptables -A INPUT -s 192.0.2.0/24 -j DROP", "more than this address"),
    ("iptables -P INPUT DROP", "more than this address"),
    ("ip route add blackhole 192.0.2.0/24", "more than this address"),
])
def test_what_is_about_others_too_stays(command: str, why: str, net: Namespace) -> None:
    net.run(*command.split())
    before = rules(net)
    found = net.module("firewall_remove", addresses=[ADDRESS])
    assert outcomes(found) == [] and not found["changed"]
    assert why in found["protected"][0]["reasons"][0]
    assert rules(net) == before


NOT_DECISIVE = [
    # Port 22 is open before, and forwarding is not for a service of this host.
    (["iptables -A INPUT -p tcp --dport 22 -j ACCEPT", "iptables -A INPUT -s 192.0.2.7 -j DROP",
      "iptables -A FORWARD -s 192.0.2.7 -j DROP"],
     ""),
    (["ipset create vip hash:ip", "ipset add vip 192.0.2.7", "iptables -A INPUT -p tcp --dport 443 -m set --match-set vip src -j ACCEPT",
      "iptables -A INPUT -p tcp --dport 22 -m set --match-set vip src -j DROP"], "its set vip does more than drop"),
    (["nft add table inet hand", "nft add set inet hand vip { type ipv4_addr ; }", "nft add element inet hand vip { 192.0.2.7 }",
      "nft add chain inet hand in { type filter hook input priority 0 ; }", "nft add rule inet hand in tcp dport 443 ip saddr @vip accept",
      "nft add rule inet hand in tcp dport 22 ip saddr @vip drop"], "its set vip does more than drop"),
    (["iptables -A INPUT -s 192.0.2.7 -m limit --limit 1/min -j DROP"], "not known whether it applies"),
    (["iptables -A INPUT -s 192.0.2.7 -p tcp --dport 443 -j DROP"], ""),
    (["iptables -A INPUT -s 192.0.2.7 -i lo -j DROP"], ""),
]


@pytest.mark.parametrize(("commands", "why"), NOT_DECISIVE, ids=[commands[-1][:60] for commands, _why in NOT_DECISIVE])
def test_what_does_not_keep_it_out_stays(commands: list[str], why: str, net: Namespace) -> None:
    for command in commands:
        net.run(*command.split())
    before = rules(net)
    found = net.module("firewall_remove", addresses=[ADDRESS], ports=[22])
    assert outcomes(found) == [] and not found["changed"] and rules(net) == before
    assert [why in one["reasons"][0] for one in found["protected"]] == ([True] if why else [])


@pytest.mark.parametrize("commands", [
    ["nft add table inet hand", "nft add set inet hand pairs { type ipv4_addr . inet_service ; }",
     "nft add element inet hand pairs { 192.0.2.7 . 22, 192.0.2.7 . 443, 192.0.2.8 . 22 }",
     "nft add chain inet hand in { type filter hook input priority 0 ; }", "nft add rule inet hand in ip saddr . tcp dport @pairs drop"],
    ["ipset create pairs hash:ip,port", "ipset add pairs 192.0.2.7,tcp:22", "ipset add pairs 192.0.2.7,tcp:443",
     "ipset add pairs 192.0.2.8,tcp:22", "iptables -A INPUT -m set --match-set pairs src,dst -j DROP"],
], ids=["nftables", "ipset"])
def test_an_element_of_several_parts_goes_whole_and_alone(commands: list[str], net: Namespace) -> None:
    for command in commands:
        net.run(*command.split())
    assert outcomes(net.module("firewall_remove", addresses=[ADDRESS], ports=[22])) == ["done"]
    left = net.run("nft", "list", "ruleset") + net.run("ipset", "save")
    assert left.count("192.0.2.7") == 1 and left.count("192.0.2.8") == 1 and "443" in left


def test_a_rule_about_the_answer_goes(net: Namespace) -> None:
    net.run("iptables", "-A", "OUTPUT", "-d", ADDRESS, "-j", "DROP")
    assert outcomes(net.module("firewall_remove", addresses=[ADDRESS], ports=[22])) == ["done"]
    assert ADDRESS not in net.run("iptables-save")


def test_every_approved_rule_is_answered_also_one_that_is_gone_or_is_another_by_now(net: Namespace) -> None:
    for command in (
        "nft add table inet hand", "nft add chain inet hand in { type filter hook input priority 0 ; }",
        "nft add rule inet hand in ip saddr 192.0.2.7 drop", "iptables -A INPUT -s 192.0.2.7 -j DROP", "ip route add blackhole 192.0.2.7",
    ):
        net.run(*command.split())
    plan, again = (net.module("firewall_remove", check=True, addresses=[ADDRESS])["actions"] for _time in range(2))
    assert plan == again and len(plan) == 3
    net.run("nft", "flush", "chain", "inet", "hand", "in")
    net.run(*"nft add rule inet hand in ip saddr 192.0.2.7 drop".split())
    net.run(*"ip route del blackhole 192.0.2.7".split())
    before = rules(net)
    # The third one is there still, and this call is for somebody else.
    other = net.module("firewall_remove", addresses=["192.0.2.8"], approved=plan)
    assert not other["changed"] and rules(net) == before
    said = {one["identity"]["where"]: (one["outcome"], one["detail"]["why"], one["touched"]) for one in other["actions"]}
    assert said == {
        "nftables": ("moved_on", "identity_changed", False), "route": ("not_needed", "gone_already", False),
        "iptables": ("moved_on", "no_longer_matches", False),
    }
    done = net.module("firewall_remove", addresses=[ADDRESS], approved=plan)
    assert {one["id"] for one in plan} < {one["id"] for one in done["actions"]} and ADDRESS not in net.run("iptables-save")
    assert sorted(outcomes(done)) == ["done", "moved_on", "not_needed", "refused"], "the new rule is not the approved one"


def test_limits_count_what_is_approved(net: Namespace) -> None:
    for address in (ADDRESS, "192.0.2.8"):
        net.run("iptables", "-A", "INPUT", "-s", address, "-j", "DROP")
    both = {"addresses": [ADDRESS, "192.0.2.8"], "max_rules": 1}
    ids = [one["id"] for one in net.module("firewall_remove", check=True, **{**both, "max_rules": 2})["actions"]]
    done = net.module("firewall_remove", approved=ids[1:], **both)
    assert not done.get("failed") and sorted(outcomes(done)) == ["done", "refused"], done
    assert ADDRESS in net.run("iptables-save") and "192.0.2.8" not in net.run("iptables-save")


def test_a_rule_that_comes_back_is_a_failure(net: Namespace, tmp_path: Path) -> None:
    """As where a script of somebody's adds it again at once: the measurement counts, not the command's word."""
    net.run("iptables", "-A", "INPUT", "-s", ADDRESS, "-j", "DROP")
    real, double = shutil.which("iptables"), tmp_path / "iptables"
    double.write_text(f'#!/bin/sh\n{real} "$@" && case "$*" in *" -D "*) {real} -A INPUT -s {ADDRESS} -j DROP;; esac\n')
    double.chmod(0o755)
    found = net.module("firewall_remove", addresses=[ADDRESS], env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"})
    assert (found["failed"], found["error"], found["changed"], outcomes(found)) == (True, "actions_failed", True, ["failed"])
    assert found["actions"][0]["detail"]["why"] == "came_back" and "is there again" in found["msg"]


def test_a_command_that_does_not_work_is_told_in_its_own_words(net: Namespace, tmp_path: Path) -> None:
    net.run("iptables", "-A", "INPUT", "-s", ADDRESS, "-j", "DROP")
    double = tmp_path / "iptables"
    double.write_text("#!/bin/sh\necho 'iptables: Permission denied (you must be root).' >&2; exit 4\n")
    double.chmod(0o755)
    found = net.module("firewall_remove", addresses=[ADDRESS], env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"})
    assert (found["error"], found["changed"], found["actions"][0]["touched"]) == ("actions_failed", False, False)
    assert found["actions"][0]["detail"]["why"] == "target_refused" and "you must be root" in found["msg"]


def test_the_same_rule_twice(net: Namespace) -> None:
    for _unused in range(2):
        net.run("iptables", "-A", "INPUT", "-s", ADDRESS, "-j", "DROP")
    assert outcomes(net.module("firewall_remove", addresses=[ADDRESS])) == ["done"]


def test_every_copy_counts(net: Namespace) -> None:
    for _unused in range(4):
        net.run("iptables", "-A", "INPUT", "-s", ADDRESS, "-j", "DROP")
    before = rules(net)
    found = net.module("firewall_remove", addresses=[ADDRESS], max_rules=3)
    assert found["failed"] and found["error"] == "limit_exceeded" and found["count"] == 4 and rules(net) == before
    done = net.module("firewall_remove", addresses=[ADDRESS], max_rules=4)
    assert outcomes(done) == ["done"] and done["actions"][0]["detail"]["copies"] == 4 and ADDRESS not in rules(net)


def test_one_run_at_a_time(net: Namespace) -> None:
    net.run("iptables", "-A", "INPUT", "-s", ADDRESS, "-j", "DROP")
    before = rules(net)
    with open(f"/run/netns/{net.name}", "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        plan = net.module("firewall_remove", check=True, addresses=[ADDRESS])["actions"]
        found = net.module("firewall_remove", addresses=[ADDRESS], approved=plan)
        assert found["failed"] and found["error"] == "locked" and rules(net) == before, found
        assert [(one["id"], one["outcome"], one["detail"]["why"]) for one in found["actions"]] == [(plan[0]["id"], "refused", "locked")]
        with namespace() as elsewhere:
            assert not elsewhere.module("firewall_remove", addresses=[ADDRESS]).get("failed"), "another network namespace's filter"
    assert outcomes(net.module("firewall_remove", addresses=[ADDRESS])) == ["done"]


def test_more_than_the_limit_removes_nothing(net: Namespace) -> None:
    for address in (ADDRESS, "192.0.2.8"):
        net.run("iptables", "-A", "INPUT", "-s", address, "-j", "DROP")
    before = rules(net)
    found = net.module("firewall_remove", addresses=[ADDRESS, "192.0.2.8"], max_rules=1)
    assert found["failed"] and found["error"] == "limit_exceeded"
    assert [one["detail"]["why"] for one in found["actions"]] == ["limit_exceeded"] * 2
    found = net.module("firewall_remove", addresses=[ADDRESS], max_rules=1, spent=1)
    assert found["failed"] and rules(net) == before


def test_wrong_input_is_an_error_before_anything_is_read(net: Namespace) -> None:
    found = net.module("firewall_remove", addresses=[ADDRESS, "192.0.2.777"])
    assert found["failed"] and "192.0.2.777" in found["msg"]
