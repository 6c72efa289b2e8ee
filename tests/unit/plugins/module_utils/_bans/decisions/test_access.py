# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let in, kept out, not banned: what bans and rules say of an address."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.access import (
    CHECKS,
    Answered,
    Seen,
    decide,
    judge_kept_out,
    judge_let_in,
    judge_not_banned,
)
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.replies import Ban
from ansible_collections.oncall.incident.plugins.module_utils._core.addresses import Span, parse_network
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Skipped
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.packet_filter import Block
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.verdict import Verdict

from tests.support.decided import decided_again

ASKED = "192.0.2.7"


def span(text: str) -> Span:
    return Span.of(parse_network(text))


def ban(entry: str) -> Ban:
    return Ban(jail="sshd", entry=entry, span=span(entry))


def block(**more: Any) -> Block:
    return Block(**{"where": "iptables", "table": "filter", "chain": "INPUT", "number": 1, "rule": "-A INPUT -s 192.0.2.7/32 -j DROP",
                    "source": ASKED, "sole": True, **more})


EVERYONE = {"matched": "everyone", "source": "", "sole": False}


def verdict(*blocks: Block, outcome: str = "", port: int | None = 22, **more: Any) -> Verdict:
    sure = [one for one in blocks if one.certain and one.matched != "part"]
    by = f"{sure[0].where_text}: {sure[0].rule}" if sure else ""
    decided = outcome or ("dropped" if sure else "undecided" if blocks else "accepted")
    unknown = ("some rule (not known: recent)",) if decided == "undecided" else ()
    return Verdict(decided, port=port, by=by, blocks=blocks, **{"unknown": unknown, **more})


@pytest.mark.parametrize(("bans", "verdicts", "status", "cause", "said"), [
    ([], [verdict()], "ok", "none", ""),
    (["192.0.2.7"], [verdict()], "critical", "none", "Lift the ban"),
    (["192.0.2.0/24"], [verdict()], "critical", "none", "Lift the ban"),
    (["192.0.2.8"], [verdict()], "ok", "none", ""),
    ([], [verdict(block())], "critical", "firewall", "iptables -w 5 -t filter -D INPUT -s 192.0.2.7/32 -j DROP"),
    # At each of the ports.
    ([], [verdict(), verdict(block(), port=443)], "critical", "firewall", "iptables"),
    ([], [verdict(block(conditions=("-m limit",)))], "unknown", "unknown", ""),
    ([], [verdict(block(owner="fail2ban", jail="sshd"))], "critical", "fail2ban", "fail2ban_unban"),
    ([], [verdict(block(matched="covering", source="192.0.2.0/24"))], "critical", "firewall", "by hand"),
    ([], [verdict(block(where="route", rule="blackhole 192.0.2.7", verdict="blackhole"))], "critical", "route", "ip -4 route del"),
    ([], [verdict(block(**EVERYONE, rule="policy drop"))], "critical", "firewall", "by hand"),
    # A rate limit about everybody: nobody knows.
    ([], [verdict(block(**EVERYONE, rule="-m recent --update -j DROP", conditions=("recent",)))], "unknown", "unknown", ""),
    ([], [verdict(block(matched="part"))], "warning", "firewall", "single addresses"),
    ([], [], "unknown", "unknown", ""),
    ([], [verdict(outcome="undecided", unknown=("nftables cannot be read",))], "unknown", "unknown", "become"),
])
def test_let_in(bans: list[str], verdicts: list[Verdict], status: str, cause: str, said: str) -> None:
    found = judge_let_in(ASKED, span(ASKED), bans=[ban(entry) for entry in bans], verdicts=verdicts)
    assert (found.status, found.detail["cause"]) == (status, cause)
    assert said in found.hint
    assert status != "unknown" or not verdicts or "not known" in found.observed or "cannot be read" in found.observed


def test_all_that_keeps_an_address_out_is_named() -> None:
    route = block(where="route", rule="blackhole 192.0.2.7", table="", chain="", number=None)
    found = judge_let_in(ASKED, span(ASKED), bans=[], verdicts=[verdict(block(), route)])
    assert found.observed.count("-j DROP") == 1 and "route: blackhole 192.0.2.7" in found.observed


def test_a_line_of_hosts_deny_leaves_a_doubt() -> None:
    line = block(where="hosts_deny", rule="sshd: 192.0.2.7", conditions=("service sshd",))
    found = judge_let_in(ASKED, span(ASKED), bans=[], verdicts=[verdict()], blocks=[line])
    assert found.status == "unknown" and "sshd: 192.0.2.7" in found.observed


def test_a_line_that_its_service_reads_keeps_an_address_out() -> None:
    line = block(where="hosts_deny", rule="sshd: 192.0.2.7", table="", chain="", number=None)
    found = judge_let_in(ASKED, span(ASKED), bans=[], verdicts=[verdict()], blocks=[line])
    assert found.status == "critical" and "hosts_deny: sshd: 192.0.2.7" in found.observed and found.detail["cause"] == "hosts_deny"


@pytest.mark.parametrize(("verdicts", "status"), [
    # A port that nobody may use says nothing about this address, a rule about it does.
    ([verdict(), verdict(block(**EVERYONE, rule="policy drop"), port=1, rest=True)], "unknown"),
    ([verdict(block()), verdict(port=1, rest=True)], "critical"),
    ([verdict(block(**EVERYONE)), verdict(block(**EVERYONE), port=1, rest=True)], "critical"),
])
def test_let_in_at_no_port_that_was_named(verdicts: list[Verdict], status: str) -> None:
    found = judge_let_in(ASKED, span(ASKED), bans=[], verdicts=verdicts, ports_named=False)
    assert found.status == status and ("Name the ports" in found.hint) == (status == "unknown")


def test_a_network_of_which_one_is_banned() -> None:
    found = judge_let_in("192.0.2.0/24", span("192.0.2.0/24"), bans=[ban(ASKED)], verdicts=[verdict()])
    assert found.status == "warning" and "192.0.2.7 banned by sshd" in found.observed


@pytest.mark.parametrize(("verdicts", "status"), [
    ([verdict()], "critical"), ([verdict(block())], "ok"), ([verdict(block(matched="covering"))], "ok"),
    ([verdict(block(matched="part"))], "critical"), ([verdict(block(**EVERYONE))], "ok"), ([], "unknown"),
    ([verdict(block(), outcome="accepted", unknown=())], "critical"), ([verdict(block()), verdict(port=443)], "critical"),
    ([verdict(block(conditions=("-m limit",)))], "unknown"), ([verdict(block()), verdict(outcome="undecided", port=443)], "unknown"),
])
def test_kept_out(verdicts: list[Verdict], status: str) -> None:
    assert judge_kept_out(ASKED, verdicts=verdicts).status == status


@pytest.mark.parametrize(("verdicts", "status"), [
    # The ports are those of the ban, which are named; a ban for every port is one for those that are accepted before it, too.
    ([verdict(block()), verdict(port=1, rest=True)], "ok"), ([verdict(), verdict(block(), port=1, rest=True)], "critical"),
    ([verdict(block(), port=None)], "ok"), ([verdict(port=None)], "critical"),
    # What is not known may be its ban.
    ([verdict(block(matched="unseen", set="bad", conditions=("x",))), verdict(port=1, rest=True)], "unknown"),
])
def test_kept_out_at_no_port_that_was_named(verdicts: list[Verdict], status: str) -> None:
    found = judge_kept_out(ASKED, verdicts=verdicts, ports_named=False)
    assert found.status == status and (status != "ok" or "port" in found.observed)


@pytest.mark.parametrize(("verdicts", "listening", "status"), [
    ([verdict(block())], (22, 443), "ok"),
    ([verdict(block())], (), "ok"),
    ([verdict(block())], (443, 2222), "warning"),
    ([verdict(block()), verdict(block(), port=2222)], (2222,), "ok"),
    ([verdict(block()), verdict(block(), port=1, rest=True)], (2222,), "ok"),
    ([verdict(block(), port=None)], (2222,), "ok"),
    ([verdict(block(hook="forward"))], (2222,), "ok"),
    ([verdict()], (2222,), "critical"),
])
def test_a_ban_of_a_port_at_which_nothing_listens(verdicts: list[Verdict], listening: tuple[int, ...], status: str) -> None:
    found = judge_kept_out(ASKED, verdicts=verdicts, ports_named=False, listening=listening)
    assert found.status == status and ("Nothing listens at 22," in found.hint) == (status == "warning")
    named = judge_kept_out(ASKED, verdicts=verdicts, listening=listening)
    assert named.status == ("ok" if status == "warning" else status), "whoever names the ports knows them"


@pytest.mark.parametrize(("entry", "left", "status"), [
    (None, None, "ok"), ("192.0.2.7", None, "critical"), ("192.0.2.0/24", None, "critical"), ("192.0.2.8", None, "ok"),
    (None, block(owner="fail2ban"), "critical"),
    # What else keeps it out is nobody's ban.
    (None, block(), "ok"),
])
def test_not_banned(entry: str | None, left: Block | None, status: str) -> None:
    found = judge_not_banned(ASKED, span(ASKED), bans=[ban(entry)] if entry else [], blocks=[left] if left else [])
    assert found.status == status


@pytest.mark.parametrize(("daemon", "against", "friend", "others", "skipped", "wanted"), [
    (Answered(jails=1), [], {}, [block()], (), "ok ok ok ok"),
    (Answered(message="It does not answer."), [], {}, [block()], (), "critical ok ok ok"),
    (None, [], {"bans": (ban(ASKED),)}, [], (), "- critical critical critical"),
    (Answered(), [block(matched="part")], {}, [block(matched="covering")], (), "ok warning ok ok"),
    (Answered(), [block(conditions=("x",))], {"blind": "nftables cannot be read"}, [block(matched="unseen", set="bad", conditions=("x",))],
     (), "ok unknown unknown unknown"),
    (Answered(), [], {}, [block()], (Skipped("iptables", "It takes root."),), "ok ok ok ok"),
])
def test_each_verdict_is_made_again(
    daemon: Answered | None, against: list[Block], friend: dict[str, Any], others: list[Block], skipped: tuple[Skipped, ...], wanted: str,
) -> None:
    asked = (Seen(ASKED, span(ASKED), verdicts=(verdict(*against),), **friend),)
    kept_out = (Seen("192.0.2.8", span("192.0.2.8"), verdicts=(verdict(*others),)),)
    judged = decide(daemon, asked, asked, kept_out, skipped, False, CHECKS if daemon else CHECKS[1:])
    statuses = judged.verdict.statuses()
    assert " ".join(statuses.get(check, "-") for check in CHECKS) == wanted
    assert decided_again(judged.basis).checks == statuses


def test_nobody_is_logged_in() -> None:
    judged = decide(None, (), (), (), (), True, ("not_banned",))
    assert judged.verdict.healthy is None and decided_again(judged.basis).checks == {} == judged.verdict.statuses()
