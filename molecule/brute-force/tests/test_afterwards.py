# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the drill, seen from outside: the operator never noticed, the jail is as it was, and the drill's own bans went with it.

That the attacker is dropped while it attacks is a probe of the drill."""

from __future__ import annotations

import pytest

from tests.support.drilled import Lab

LAB = Lab(__file__)
GATE = ("10.213.70.11", "fd42:213:70::11")
STRANGERS = ("10.213.70.12", "fd42:213:70::12", "10.213.70.13", "fd42:213:70::13")


def test_the_operators_session_was_never_broken() -> None:
    LAB.check_never_restarted("operator1", "bystander-session")
    assert LAB.said("operator1", "find /run/bystander-session -newermt '-30 seconds'").strip() == "/run/bystander-session"


def test_the_daemons_of_the_gate_were_never_restarted() -> None:
    LAB.check_never_restarted("gate1", "fail2ban", "ssh")


@pytest.mark.parametrize("gate", GATE)
def test_the_operator_gets_in(gate: str) -> None:
    """From the address that the drill calls the operator's."""
    came = LAB.said("operator1", f"ssh -o BatchMode=yes oncall@{gate} 'echo ${{SSH_CLIENT%% *}}'").strip()
    assert came == LAB.hosts["operator1"]["drill_address6" if ":" in gate else "ansible_host"]


@pytest.mark.parametrize("gate", GATE)
def test_the_attacker_reaches_the_gate_again(gate: str) -> None:
    """Its ban went with the fault; and so its packets were dropped by that ban, and not by anything else."""
    LAB.said("attacker1", f"timeout 5 bash -c 'exec 3<>/dev/tcp/{gate}/22'")


def test_the_jail_is_as_it_was_and_the_drills_bans_are_gone() -> None:
    assert LAB.said("gate1", "fail2ban-client get sshd maxretry").strip() == "3"
    said = LAB.said("gate1", "fail2ban-client banned")
    assert "sshd" in said
    said += LAB.said("gate1", "set -e; nft list ruleset; iptables-save; ip6tables-save; ipset save")
    assert not [address for address in STRANGERS if address in said]
    assert "oncall-drill" not in said


def test_nothing_of_a_fault_is_left() -> None:
    LAB.check_nothing_left()
    assert LAB.said("attacker1", "pgrep -x ssh || echo none") == "none\n"
