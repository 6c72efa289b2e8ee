# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the drill, seen from outside: the operator never noticed, the jail is as it was, and the drill's own bans went with it.

That the attacker is dropped while it attacks is a probe of the drill."""

from __future__ import annotations

from pathlib import Path

import pytest
import testinfra

INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
GATE = ("10.213.70.11", "fd42:213:70::11")
STRANGERS = ("10.213.70.12", "fd42:213:70::12", "10.213.70.13", "fd42:213:70::13")


def host(name: str) -> testinfra.host.Host:
    """A host of the drill."""
    return testinfra.get_host(f"ansible://{name}?ansible_inventory={INVENTORY}&force_ansible=True")


def test_the_operators_session_was_never_broken() -> None:
    operator = host("operator1")
    shown = operator.run("systemctl show --property=ActiveState,NRestarts bystander-session").stdout
    assert "ActiveState=active" in shown and "NRestarts=0" in shown
    assert operator.run("find /run/bystander-session -newermt '-5 seconds'").stdout.strip() == "/run/bystander-session"


@pytest.mark.parametrize("gate", GATE)
def test_the_operator_gets_in(gate: str) -> None:
    assert host("operator1").run(f"ssh -o BatchMode=yes oncall@{gate} echo in").stdout.strip() == "in"


def test_the_jail_is_as_it_was_and_the_drills_bans_are_gone() -> None:
    gate = host("gate1")
    assert gate.run("fail2ban-client get sshd maxretry").stdout.strip() == "3"
    said = gate.run("fail2ban-client banned").stdout
    assert "sshd" in said
    said += gate.run("nft list ruleset; iptables-save; ip6tables-save; ipset save").stdout
    assert not [address for address in STRANGERS if address in said]
    assert "oncall-drill" not in said


def test_nothing_of_a_fault_is_left() -> None:
    for name in ("gate1", "attacker1", "operator1"):
        assert host(name).run("ls -A /var/lib/oncall-drill").stdout == ""
        assert host(name).run("systemctl list-units --all --no-legend 'oncall-drill-*'").stdout == ""
    assert host("attacker1").run("pgrep -x ssh").stdout == ""
