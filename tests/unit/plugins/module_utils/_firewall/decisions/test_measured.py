# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What real packets say, beside what the rules say."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.access import Seen, decide
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.traced import Trace
from ansible_collections.oncall.incident.plugins.module_utils._core.addresses import Span, parse_network
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Finding
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.measured import (
    Measured,
    Packet,
    Request,
    Traced,
    blocked_measured,
    judge_kept_traced,
    judge_traced,
    kept_out_measured,
    known_rules,
    let_in_measured,
)
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.packet_filter import Block

from tests.support.decided import decided_again

ASKED = "192.0.2.7"
RULE = Block(where="nftables", family="inet", table="mine", chain="in", handle=7, rule="ip ttl 64 drop", matched="everyone")
LEGACY = Block(where="iptables-legacy", family="ip", table="filter", chain="INPUT", number=2, rule="-A INPUT -m ttl --ttl-gt 1 -j DROP",
               matched="everyone", conditions=("its counter rose",))


def packet(fate: str = "arrived", **more: Any) -> Packet:
    return Packet(**{"source": ASKED, "target": "192.0.2.1", "protocol": "tcp", "port": 22, "fate": fate, **more})


def traced(*packets: Packet, **more: Any) -> Traced:
    return Traced(**{"waited": 30.0, "packets": packets, "ports": (22,), **more})


DROPPED = packet("dropped", rule=RULE)
ANSWERED = packet(reply="accepted", reply_fate="arrived")
KEPT = packet(reply="accepted", reply_fate="dropped", reply_rule=RULE)


@pytest.mark.parametrize(("seen", "status", "said", "kept"), [
    (traced(), "unknown", "nobody tried", "unknown"),
    (traced(problem="nft is not installed"), "unknown", "nft is not installed", "unknown"),
    (traced(problem="no nft", likely=(LEGACY,)), "unknown", "likely dropped by iptables-legacy ip filter INPUT rule 2", "unknown"),
    (traced(DROPPED), "critical", "dropped by nftables inet mine in handle 7: ip ttl 64 drop", "ok"),
    (traced(DROPPED, ports=(22, 443)), "critical", "nobody tried 443", "unknown"),
    (traced(ANSWERED), "ok", "let in and answered", "critical"),
    (traced(ANSWERED, DROPPED), "critical", "dropped by", "critical"),
    (traced(KEPT), "critical", "the answer is dropped by nftables inet mine in handle 7", "critical"),
    (traced(packet("queued", rule=RULE)), "unknown", "taken from the packet filter", "unknown"),
    (traced(packet("lost")), "critical", "no rule of nftables dropped it", "unknown"),
    (traced(packet("lost"), likely=(LEGACY,)), "critical", "likely dropped by iptables-legacy", "unknown"),
    (traced(packet("lost"), missed=True), "unknown", "not everything was told", "unknown"),
    (traced(packet(reply="refused", reply_fate="arrived")), "critical", "nothing listens at 192.0.2.1 port 22", "critical"),
    (traced(packet()), "critical", "answered nothing", "critical"),
    (traced(packet(forwarded=True)), "unknown", "no answer was seen", "critical"),
    (traced(packet(protocol="udp")), "ok", "let in", "critical"),
    (traced(packet(reply="accepted", reply_fate="lost")), "critical", "did not leave the host", "critical"),
    (traced(packet(reply="accepted", reply_fate="lost"), likely=(LEGACY,)), "critical", "likely dropped by iptables-legacy", "critical"),
    (traced(packet(reply="accepted", reply_fate="lost"), missed=True), "unknown", "not everything was told", "critical"),
    (traced(packet(reply="accepted", reply_fate="queued", reply_rule=RULE)), "unknown", "the answer is taken", "critical"),
])
def test_what_was_traced(seen: Traced, status: str, said: str, kept: str) -> None:
    found = judge_traced(ASKED, seen)
    assert (found.check, found.subject, found.status) == ("traced", ASKED, status)
    assert said in found.observed and bool(found.hint) == (status != "ok")
    assert judge_kept_traced(ASKED, seen).status == kept


def finding(check: str, status: str, cause: str = "none") -> Finding:
    return Finding(check, status, observed="by the rules", subject=ASKED, hint="" if status == "ok" else "Look.", detail={"cause": cause})


@pytest.mark.parametrize(("by_rules", "seen", "single", "status", "cause"), [
    ("ok", traced(), True, "ok", "none"),
    ("unknown", traced(), True, "unknown", "none"),
    ("ok", traced(DROPPED), True, "critical", "firewall"),
    ("unknown", traced(KEPT), True, "critical", "firewall"),
    ("unknown", traced(packet("lost"), likely=(LEGACY,)), True, "critical", "firewall"),
    ("unknown", traced(packet("lost")), True, "critical", "unknown"),
    ("unknown", traced(ANSWERED), True, "ok", "none"),
    ("unknown", traced(ANSWERED, ports=(22, 443)), True, "unknown", "none"),
    ("unknown", traced(ANSWERED, ports=()), True, "unknown", "none"),
    ("unknown", traced(ANSWERED), False, "unknown", "none"),
    # Let in, and the service refuses: that is not the packet filter.
    ("unknown", traced(packet(reply="refused", reply_fate="arrived")), True, "ok", "none"),
    # Let in is who is answered as well.
    ("unknown", traced(packet(reply="accepted", reply_fate="lost")), True, "critical", "unknown"),
    ("unknown", traced(packet(reply="accepted", reply_fate="lost"), likely=(LEGACY,)), True, "critical", "firewall"),
    ("unknown", traced(packet(reply="accepted", reply_fate="lost"), missed=True), True, "unknown", "none"),
    ("unknown", traced(packet()), True, "critical", "service"),
    ("unknown", traced(packet(forwarded=True)), True, "unknown", "none"),
    ("unknown", traced(packet(protocol="udp")), True, "ok", "none"),
    ("ok", traced(DROPPED), False, "warning", "none"),
    ("unknown", traced(packet("queued", rule=RULE)), True, "unknown", "none"),
])
def test_who_should_be_let_in(by_rules: str, seen: Traced, single: bool, status: str, cause: str) -> None:
    found = let_in_measured(finding("let_in", by_rules), seen, single=single)
    assert (found.status, found.detail["cause"]) == (status, cause), found
    assert (found.status == "critical") <= ("measured: " in found.observed)


def test_rules_that_say_the_contrary_are_not_believed_and_a_ban_holds() -> None:
    assert let_in_measured(finding("let_in", "critical", "firewall"), traced(ANSWERED), single=True).status == "unknown"
    assert let_in_measured(finding("let_in", "critical", "fail2ban"), traced(ANSWERED), single=True).status == "critical"
    # Who reads hosts.deny lets the connection in first, and ends it then.
    assert let_in_measured(finding("let_in", "unknown"), traced(ANSWERED), single=True, more=True).status == "unknown"


@pytest.mark.parametrize(("by_rules", "seen", "single", "status"), [
    ("ok", traced(ANSWERED), True, "critical"),
    ("ok", traced(KEPT), True, "critical"),
    ("unknown", traced(DROPPED), True, "ok"),
    ("unknown", traced(DROPPED, ports=(22, 443)), True, "unknown"),
    ("unknown", traced(DROPPED), False, "unknown"),
    ("critical", traced(DROPPED), True, "critical"),
    ("ok", traced(packet("lost")), True, "ok"),
])
def test_who_should_be_kept_out(by_rules: str, seen: Traced, single: bool, status: str) -> None:
    assert kept_out_measured(finding("kept_out", by_rules), seen, single=single).status == status


def test_who_arrives_at_a_service_that_refuses_has_not_got_in() -> None:
    by_rules, seen = finding("kept_out", "ok"), traced(ANSWERED)
    port = seen.packets[0].port
    assert kept_out_measured(by_rules, seen, single=True).status == "critical"
    assert kept_out_measured(by_rules, seen, single=True, refused=[port]).status == "ok"
    assert kept_out_measured(by_rules, seen, single=True, refused=[port + 1]).status == "critical"
    told = judge_kept_traced(ASKED, seen, refused=[port])
    assert told.status == "unknown" and "hosts.deny" in told.hint
    assert judge_kept_traced(ASKED, seen, refused=[port + 1]).status == "critical"


@pytest.mark.parametrize(("by_rules", "seen", "status", "cause"), [
    ("ok", traced(DROPPED), "critical", "firewall"),
    ("warning", traced(ANSWERED), "ok", "none"),
    ("critical", traced(ANSWERED), "unknown", "none"),
    ("ok", traced(packet(reply="refused", reply_fate="arrived")), "ok", "service"),
    ("warning", traced(packet(reply="accepted", reply_fate="lost")), "critical", "unknown"),
    ("ok", traced(packet()), "ok", "service"),
    ("ok", traced(), "ok", "none"),
])
def test_what_firewall_trace_says(by_rules: str, seen: Traced, status: str, cause: str) -> None:
    found = blocked_measured(finding("blocked", by_rules), seen, single=True)
    assert (found.status, found.detail["cause"]) == (status, cause)


def test_a_rule_is_told_as_the_walk_knows_it() -> None:
    known = Block(**{**vars(RULE), "rule": "ip ttl 64 drop", "source": ASKED, "matched": "exact", "sole": True, "conditions": ("ttl",)})
    seen = known_rules(traced(DROPPED), [LEGACY, known])
    assert seen.packets[0].rule is not None and seen.packets[0].rule.sole and seen.packets[0].rule.certain
    assert "nft delete rule inet mine in handle 7" in judge_traced(ASKED, seen).hint


def test_of_many_each_gets_its_own() -> None:
    one, net = Span.of(parse_network(ASKED)), Span.of(parse_network("198.51.100.0/24"))
    measured = Measured(Request((one, net), (22,), "tcp", 30), 1.0, (DROPPED, packet("lost", source="198.51.100.9")),
                        {one: (LEGACY,), net: (LEGACY,)})
    assert measured.of(one).packets == (DROPPED,) and measured.of(one).likely == (), "it is known what dropped it"
    assert measured.of(net).likely == (LEGACY,)


def test_the_decision_can_be_made_again() -> None:
    span, other = Span.of(parse_network(ASKED)), Span.of(parse_network("198.51.100.9"))
    given = {"not_banned": (), "skipped": (), "nobody_logged_in": False, "asked": ("let_in", "traced")}
    judged = decide(None, let_in=(Seen(ASKED, span), Seen("198.51.100.9", other, blind="iptables cannot be read")),
                    kept_out=(Seen(ASKED, span),), traces=(Trace(span, traced(DROPPED, KEPT, likely=(LEGACY,))),), **given)
    statuses = [(one.check, one.subject, one.status) for one in judged.verdict.findings]
    assert statuses == [("let_in", ASKED, "critical"), ("let_in", "198.51.100.9", "unknown"), ("kept_out", ASKED, "critical"),
                        ("traced", ASKED, "critical"), ("traced", ASKED, "critical")]
    assert "trace_for" in judged.verdict.findings[1].hint, "where nobody traced and the rules do not say"
    assert decided_again(judged.basis).checks == judged.verdict.statuses()
    denied = Block(where="hosts_deny", rule="ALL: 192.0.2.7", matched="unseen")
    refused = decide(None, let_in=(Seen(ASKED, span, blocks=(denied,)),), kept_out=(), traces=(Trace(span, traced(ANSWERED)),), **given)
    assert refused.verdict.statuses()["let_in"] != "ok"
