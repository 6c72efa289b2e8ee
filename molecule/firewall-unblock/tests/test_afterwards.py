# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the drill, seen from outside: the innocent gets in, both jails are at work as they were, and nobody of the drill is banned.

That the attacker stays out while the fault is there is a probe of the drill: with the fault its ban goes too."""

from __future__ import annotations

from pathlib import Path

import pytest
import testinfra

INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
GATE = ("10.213.60.11", "fd42:213:60::11")
STRANGERS = ("10.213.60.12", "fd42:213:60::12", "10.213.60.13", "fd42:213:60::13")
LOGIN = ("sshpass -p drill-right ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=5"
         " -o PubkeyAuthentication=no customer@{gate} echo in")


def host(name: str) -> testinfra.host.Host:
    """A host of the drill."""
    return testinfra.get_host(f"ansible://{name}?ansible_inventory={INVENTORY}&force_ansible=True")


@pytest.mark.parametrize("gate", GATE)
def test_the_innocent_logs_in_and_reads_the_page(gate: str) -> None:
    client = host("client1")
    assert client.run(LOGIN.format(gate=gate)).stdout.strip() == "in"
    page = f"http://[{gate}]/" if ":" in gate else f"http://{gate}/"
    assert client.run(f"curl --silent --globoff --max-time 5 {page}").stdout.strip() == "open"


def test_nobody_of_the_drill_is_banned_or_in_the_packet_filter() -> None:
    gate = host("gate1")
    said = gate.run("fail2ban-client banned").stdout
    assert "sshd" in said and "web" in said
    said += gate.run("nft list ruleset; iptables-save; ip6tables-save; ipset save").stdout
    assert not [address for address in STRANGERS if address in said]


def test_the_jails_are_as_they_were() -> None:
    gate = host("gate1")
    assert gate.run("fail2ban-client get sshd maxretry").stdout.strip() == "3"
    assert "-D" in gate.run("fail2ban-client get web action iptables-multiport actionunban").stdout
    assert "NRestarts=0" in gate.run("systemctl show --property=NRestarts fail2ban").stdout
    again = gate.run("fail2ban-client set web banip 192.0.2.7 && fail2ban-client set web unbanip 192.0.2.7")
    assert again.stdout.split() == ["1", "1"]
    # The daemon acts a moment after it has answered.
    assert gate.run("for i in $(seq 100); do iptables-save | grep -qF 192.0.2.7 || exit 0; sleep 0.1; done; exit 1").rc == 0


def test_nothing_of_a_fault_is_left() -> None:
    for name in ("gate1", "client1", "attacker1"):
        assert host(name).run("ls -A /var/lib/oncall-drill").stdout == ""
        assert host(name).run("systemctl list-units --all --no-legend 'oncall-drill-*'").stdout == ""
