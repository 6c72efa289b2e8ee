# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the drill, seen from outside: the innocent gets in, both jails are at work as they were, and nobody of the drill is banned.

That the attacker stays out while the fault is there is a probe of the drill: with the fault its ban goes too."""

from __future__ import annotations

import pytest

from tests.support.drilled import Lab

LAB = Lab(__file__)
GATE = ("10.213.60.11", "fd42:213:60::11")
STRANGERS = ("10.213.60.12", "fd42:213:60::12", "10.213.60.13", "fd42:213:60::13")
LOGIN = ("sshpass -p drill-right ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=5"
         " -o PubkeyAuthentication=no customer@{gate} echo in")


@pytest.mark.parametrize("gate", GATE)
def test_the_innocent_logs_in_and_reads_the_page(gate: str) -> None:
    assert LAB.said("client1", LOGIN.format(gate=gate)).strip() == "in"
    page = f"http://[{gate}]/" if ":" in gate else f"http://{gate}/"
    assert LAB.said("client1", f"curl --silent --fail --globoff --max-time 5 {page}").strip() == "open"


def test_nobody_of_the_drill_is_banned_or_in_the_packet_filter() -> None:
    said = LAB.said("gate1", "fail2ban-client banned")
    assert "sshd" in said and "web" in said
    said += LAB.said("gate1", "set -e; nft list ruleset; iptables-save; ip6tables-save; ipset save")
    assert not [address for address in STRANGERS if address in said]


def test_the_jails_are_as_they_were() -> None:
    assert LAB.said("gate1", "fail2ban-client get sshd maxretry").strip() == "3"
    assert "-D" in LAB.said("gate1", "fail2ban-client get web action iptables-multiport actionunban")
    again = LAB.said("gate1", "fail2ban-client set web banip 192.0.2.7 && fail2ban-client set web unbanip 192.0.2.7")
    assert again.split() == ["1", "1"]
    # The daemon acts a moment after it has answered.
    LAB.said("gate1", "for i in $(seq 100); do iptables-save | grep -qF 192.0.2.7 || exit 0; sleep 0.1; done; exit 1")


def test_the_daemons_of_the_gate_were_never_restarted() -> None:
    LAB.check_never_restarted("gate1", "fail2ban", "ssh", "nginx")


def test_nothing_of_a_fault_is_left() -> None:
    LAB.check_nothing_left()
