# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets in and who is kept out, of ordinary rule sets: what access_health says against what a client's connection does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.two_hosts import CLIENT, CLIENT6, HOST, HOST6, TwoHosts

CASES = yaml.safe_load((Path(__file__).parent / "rule_sets.yml").read_text())
RIGHT = {"open": {"let_in": "ok", "kept_out": "critical"}, "closed": {"let_in": "critical", "kept_out": "ok"}}
UNKNOWN = {"let_in": "unknown", "kept_out": "unknown"}


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_rule_set(case: dict[str, Any], hosts: TwoHosts) -> None:
    address, to = (CLIENT6, HOST6) if case.get("address") == "client6" else (CLIENT, HOST)
    hosts.load(case.get("commands", ()), case.get("nft", ""))
    real = "open" if hosts.connects(case["port"], to=to, expected=case["reality"] == "open") else "closed"
    assert real == case["reality"], "the rule set does not do here what it is there for"
    found = hosts.access(address, case["port"])
    statuses = {check: finding.status for check, finding in found.items()}
    # What the rules alone do not tell may be known at one moment and not at another: a neighbour's hardware address.
    assert statuses in [RIGHT[real], *([UNKNOWN] if case.get("unknown") else [])], found
    if statuses == UNKNOWN:
        assert all(finding.observed and finding.detail["walk"][0]["unknown"] for finding in found.values())


def test_few_rule_sets_are_left_undecided() -> None:
    assert sum(case.get("unknown", False) for case in CASES) <= len(CASES) / 10


@pytest.mark.parametrize(("address", "status"), [(CLIENT, "critical"), ("203.0.113.9", "ok")])
def test_the_module_says_so_too(address: str, status: str, hosts: TwoHosts) -> None:
    hosts.host.run("ip", "route", "add", "default", "via", CLIENT)
    hosts.load(["iptables -A INPUT -s %client% -j DROP"])
    found = hosts.host.module("access_health", daemon=False, ports=[22, 80], let_in=[address])
    hosts.host.run("ip", "route", "del", "default")
    (finding,) = found["findings"]
    assert finding["status"] == status and [one["port"] for one in finding["detail"]["walk"]] == [22, 80]


def test_what_is_not_known_is_named(hosts: TwoHosts) -> None:
    hosts.load(["iptables -A INPUT -p tcp --dport 22 -m limit --limit 5/min -j ACCEPT", "iptables -P INPUT DROP"])
    finding = hosts.access(CLIENT, 22)["let_in"]
    assert finding.status == "unknown" and "-m limit --limit 5/min" in finding.observed and "INPUT rule 1" in finding.observed


def test_the_policy_and_the_missing_accept_are_named(hosts: TwoHosts) -> None:
    hosts.load(["iptables -A INPUT -p tcp --dport 22 -j ACCEPT", "iptables -P INPUT DROP"])
    finding = hosts.access(CLIENT, 443)["let_in"]
    assert finding.status == "critical" and "policy drop; no rule accepts tcp port 443" in finding.observed


def test_the_accept_that_lets_a_banned_one_in_is_named(hosts: TwoHosts) -> None:
    hosts.load(["iptables -A INPUT -p tcp --dport 22 -j ACCEPT", "iptables -A INPUT -s %client% -j DROP"])
    finding = hosts.access(CLIENT, 22)["kept_out"]
    assert finding.status == "critical" and "INPUT rule 1: -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT lets it in" in finding.observed
