# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rule sets made by a seed: what access_health says is never wrong, whatever they say.

A chosen number of them, all of them when exhaustive (tests/support/exhaustive.py).
"""

from __future__ import annotations

import pytest

from tests.support.exhaustive import EXHAUSTIVE, chosen
from tests.support.made_rule_sets import made
from tests.support.two_hosts import CLIENT, CLIENT6, HOST, HOST6, TwoHosts

MANY, SOME = 200, 30
#: Of those that were tried: how many, and those of which nothing is said.
TRIED: list[int] = []
UNDECIDED: list[int] = []


@pytest.mark.parametrize("seed", chosen(range(MANY), SOME))
def test_it_is_never_wrong(seed: int, hosts: TwoHosts) -> None:
    rules = made(seed)
    hosts.load(rules.commands, rules.nft)
    found = hosts.access(CLIENT6 if rules.version == 6 else CLIENT, rules.port)
    said = {check: finding.status for check, finding in found.items()}
    gets_in = hosts.connects(rules.port, to=HOST6 if rules.version == 6 else HOST, expected=said["let_in"] == "ok")
    right = {"let_in": "ok", "kept_out": "critical"} if gets_in else {"let_in": "critical", "kept_out": "ok"}
    TRIED.append(seed)
    if said != {"let_in": "unknown", "kept_out": "unknown"}:
        assert said == right, (rules, found)
    else:
        UNDECIDED.append(seed)
        # A client is connected before its next packets are dropped.
        assert rules.is_open or "next packets" in found["let_in"].observed, (rules, found)


@pytest.mark.skipif(not EXHAUSTIVE, reason="thirty say little of all")
def test_few_are_left_undecided() -> None:
    assert len(TRIED) == MANY and len(UNDECIDED) <= MANY / 10, UNDECIDED
