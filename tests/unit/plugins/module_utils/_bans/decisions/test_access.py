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


@pytest.mark.parametrize(("bans", "blocks", "status", "cause", "said"), [
    ([], [], "ok", "none", ""),
    (["192.0.2.7"], [], "critical", "none", "Lift the ban"),
    (["192.0.2.0/24"], [], "critical", "none", "Lift the ban"),
    (["192.0.2.8"], [], "ok", "none", ""),
    ([], [block()], "critical", "firewall", "iptables -w 5 -t filter -D INPUT -s 192.0.2.7/32 -j DROP"),
    ([], [block(conditions=("interface eth0",))], "critical", "firewall", "iptables"),
    ([], [block(owner="fail2ban", jail="sshd")], "critical", "fail2ban", "fail2ban_unban"),
    ([], [block(matched="covering", source="192.0.2.0/24")], "critical", "firewall", "by hand"),
    ([], [block(where="route", rule="blackhole 192.0.2.7", verdict="blackhole")], "critical", "route", "ip -4 route del"),
    ([], [block(**EVERYONE, rule="policy drop")], "critical", "firewall", "by hand"),
    # A rate limit about everybody keeps nobody out by itself.
    ([], [block(**EVERYONE, rule="-m recent --update -j DROP", conditions=("recent",))], "ok", "none", ""),
    ([], [block(matched="part")], "warning", "firewall", "single addresses"),
])
def test_let_in(bans: list[str], blocks: list[Block], status: str, cause: str, said: str) -> None:
    found = judge_let_in(ASKED, span(ASKED), bans=[ban(entry) for entry in bans], blocks=blocks)
    assert (found.status, found.detail["cause"]) == (status, cause)
    assert said in found.hint


def test_a_network_of_which_one_is_banned() -> None:
    found = judge_let_in("192.0.2.0/24", span("192.0.2.0/24"), bans=[ban(ASKED)], blocks=[])
    assert found.status == "warning" and "192.0.2.7 banned by sshd" in found.observed


@pytest.mark.parametrize(("blocks", "status"), [
    ([], "critical"), ([block()], "ok"), ([block(matched="covering")], "ok"), ([block(matched="part")], "critical"),
    ([block(**EVERYONE)], "critical"),
])
def test_kept_out(blocks: list[Block], status: str) -> None:
    assert judge_kept_out(ASKED, blocks=blocks).status == status


@pytest.mark.parametrize(("entry", "left", "status"), [
    (None, None, "ok"), ("192.0.2.7", None, "critical"), ("192.0.2.0/24", None, "critical"), ("192.0.2.8", None, "ok"),
    (None, block(owner="fail2ban"), "critical"),
    # What else keeps it out is nobody's ban.
    (None, block(), "ok"),
])
def test_not_banned(entry: str | None, left: Block | None, status: str) -> None:
    found = judge_not_banned(ASKED, span(ASKED), bans=[ban(entry)] if entry else [], blocks=[left] if left else [])
    assert found.status == status


@pytest.mark.parametrize(("daemon", "friend", "other", "skipped", "wanted"), [
    (Answered(jails=1), {}, {"blocks": (block(),)}, (), "ok ok ok ok"),
    (Answered(message="It does not answer."), {}, {"blocks": (block(),)}, (), "critical ok ok ok"),
    (None, {"bans": (ban(ASKED),)}, {}, (), "- critical critical critical"),
    (Answered(), {"blocks": (block(matched="part"),)}, {"blocks": (block(matched="covering"),)}, (), "ok warning ok ok"),
    (Answered(), {"blind": "nftables cannot be read"}, {"blocks": (block(matched="unseen", set="bad"),)}, (), "ok unknown unknown unknown"),
    (Answered(), {}, {"blocks": (block(),)}, (Skipped("iptables", "It takes root."),), "ok ok ok ok"),
])
def test_each_verdict_is_made_again(
    daemon: Answered | None, friend: dict[str, Any], other: dict[str, Any], skipped: tuple[Skipped, ...], wanted: str,
) -> None:
    asked, kept_out = (Seen(ASKED, span(ASKED), **friend),), (Seen("192.0.2.8", span("192.0.2.8"), **other),)
    judged = decide(daemon, asked, asked, kept_out, skipped, False, CHECKS if daemon else CHECKS[1:])
    statuses = judged.verdict.statuses()
    assert " ".join(statuses.get(check, "-") for check in CHECKS) == wanted
    assert decided_again(judged.basis).checks == statuses


def test_nobody_is_logged_in() -> None:
    judged = decide(None, (), (), (), (), True, ("not_banned",))
    assert judged.verdict.healthy is None and decided_again(judged.basis).checks == {} == judged.verdict.statuses()
