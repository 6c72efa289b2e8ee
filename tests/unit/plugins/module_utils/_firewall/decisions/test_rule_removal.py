# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only what drops one address and nobody else is removed, by an identity that no other rule has."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.packet_filter import Block
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.rule_removal import remedy


def block(**more: Any) -> Block:
    return Block(**{"where": "iptables", "family": "ip", "table": "filter", "chain": "INPUT", "hook": "input", "number": 1,
                    "rule": "-A INPUT -s 192.0.2.7/32 -j DROP", "source": "192.0.2.7", "sole": True, **more})


NFT = {"where": "nftables", "family": "inet", "chain": "input", "handle": 7, "number": None}


@pytest.mark.parametrize(("found", "argv"), [
    (block(), "iptables -w 5 -t filter -D INPUT -s 192.0.2.7/32 -j DROP"),
    (block(rule='-A INPUT -s 192.0.2.7/32 -m comment --comment "by hand" -j DROP'),
     "iptables -w 5 -t filter -D INPUT -s 192.0.2.7/32 -m comment --comment by hand -j DROP"),
    (block(where="ip6tables-legacy", family="ip6", rule="-A INPUT -s 2001:db8::7/128 -j REJECT", source="2001:db8::7"),
     "ip6tables-legacy -w 5 -t filter -D INPUT -s 2001:db8::7/128 -j REJECT"),
    (block(set="deny", rule="-A INPUT -m set --match-set deny src -j DROP"), "ipset del deny 192.0.2.7"),
    (block(**NFT, rule="ip saddr 192.0.2.7 drop"), "nft delete rule inet filter input handle 7"),
    (block(**NFT, set="deny", rule="ip saddr @deny drop"), "nft delete element inet filter deny { 192.0.2.7 }"),
    (block(where="route", rule="blackhole 192.0.2.7", chain="", table=""), "ip -4 route del blackhole 192.0.2.7"),
    (block(where="route", rule="prohibit 2001:db8::7 table 100", source="2001:db8::7"), "ip -6 route del prohibit 2001:db8::7 table 100"),
])
def test_what_removes_it(found: Block, argv: str) -> None:
    said = remedy(found)
    assert (" ".join(said.argv), said.why_not) == (argv, "")


@pytest.mark.parametrize(("found", "why"), [
    (block(owner="fail2ban", jail="sshd"), "fail2ban's own"),
    (block(owner="ufw"), "ufw's own"),
    (block(matched="covering", source="192.0.2.0/24", rule="-A INPUT -s 192.0.2.0/24 -j DROP"), "more than this address"),
    (block(matched="everyone", source="", rule="policy drop"), "more than this address"),
    (block(**NFT, rule="ip saddr { 192.0.2.7, 192.0.2.8 } drop", sole=False), "cannot be removed by itself"),
    (block(**NFT, rule="ip saddr vmap { 192.0.2.7 : drop }"), "cannot be removed by itself"),
    (block(**{**NFT, "handle": None}, rule="ip saddr 192.0.2.7 drop"), "cannot be removed by itself"),
    (block(rule="-A OTHER -s 192.0.2.7/32 -j DROP"), "cannot be removed by itself"),
    (block(rule="-A INPUT -s 192.0.2.7/32 -m comment --comment \"open"), "cannot be removed by itself"),
    (block(rule="-A INPUT -m iprange --src-range 192.0.2.1-192.0.2.9 -j DROP", sole=False), "cannot be removed by itself"),
    (block(where="hosts_deny", rule="ALL: 192.0.2.7"), "cannot be removed by itself"),
])
def test_what_stays(found: Block, why: str) -> None:
    said = remedy(found)
    assert said.argv == () and why in said.why_not and said.advice
