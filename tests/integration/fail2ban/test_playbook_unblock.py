# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""firewall-unblock against a real fail2ban whose rules really drop packets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fail2ban import fail2ban

from .playsite import IN_VAIN, PlaySite

#: The clients' addresses on the other end of the wire, and the server's.
INNOCENT, ATTACKER, SERVER = "198.18.0.2", "198.18.0.3", "198.18.0.1"
INNOCENT6, SERVER6 = "2001:db8:f2b::2", "2001:db8:f2b::1"
PORT = 2222
#: Several plays each, on a machine that may be busy.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[PlaySite]:
    """Two jails that ban the innocent over IPv4 and IPv6, one of them the attacker too, and a service behind them."""
    jails = {
        "sshd": {"port": str(PORT)},
        "login": {"port": str(PORT), "banaction": "iptables-multiport"},
        "broken": {"port": str(PORT), "banaction": "oncall-broken"},
    }
    with fail2ban(jails, peer=True) as server:
        made = PlaySite(server=server, place=tmp_path, host={"fail2ban_ports": [PORT]})
        service = made.serve(PORT)
        try:
            assert made.reaches(INNOCENT, SERVER, PORT)
            server.ban("sshd", INNOCENT, INNOCENT6, ATTACKER)
            server.ban("login", INNOCENT)
            assert not made.reaches(INNOCENT, SERVER, PORT)
            yield made
        finally:
            service.kill()
            service.communicate()


def test_an_innocent_address_is_freed_in_every_jail_and_the_attacker_stays_out(site: PlaySite) -> None:
    assert not site.reaches(INNOCENT6, SERVER6, PORT)
    before = site.state()
    checked = site.play("firewall-unblock", "--check", fail2ban_addresses=[INNOCENT, "2001:DB8:F2B:0::2"])
    assert checked.status == 0, checked.output
    assert site.state() == before, "check mode touches nothing"
    assert checked.findings("investigate")
    plan = checked.plan()
    assert len(plan["actions"]["fw1"]) == 3

    done = site.play("firewall-unblock", fail2ban_addresses=[INNOCENT, "2001:DB8:F2B:0::2"], incident_approved_plan=site.approve(plan))
    assert done.status == 0, done.output
    done.assert_record_verifies()
    assert done.outcomes() == ["done"] * 3
    assert site.reaches(INNOCENT, SERVER, PORT) and site.reaches(INNOCENT6, SERVER6, PORT)
    assert not site.reaches(ATTACKER, SERVER, PORT)
    assert site.server.banned("sshd") == [ATTACKER]

    again = site.play("firewall-unblock", fail2ban_addresses=[INNOCENT])
    assert again.status == 0, again.output
    assert again.outcomes() == ["not_needed"] and "changed=0" in again.output


def test_only_the_approved_plan_is_carried_out(site: PlaySite) -> None:
    plan = site.play("firewall-unblock", "--check", "--tags", "mitigate", fail2ban_addresses=[INNOCENT]).plan()
    done = site.play("firewall-unblock", "--tags", "mitigate", fail2ban_addresses=[INNOCENT, ATTACKER],
                     incident_approved_plan=site.approve(plan))
    assert site.server.banned("sshd").count(ATTACKER) == 1, done.output
    assert not site.reaches(ATTACKER, SERVER, PORT)
    assert site.reaches(INNOCENT, SERVER, PORT)
    assert done.outcomes() == ["done", "done", "refused"]


def test_more_than_the_limit_frees_nobody(site: PlaySite) -> None:
    before = site.state()
    done = site.play("firewall-unblock", fail2ban_addresses=[INNOCENT], fail2ban_max_addresses=1, **IN_VAIN)
    assert done.status == 2
    assert site.state() == before


def test_an_unban_whose_action_fails_is_no_success_until_it_is_repaired(site: PlaySite) -> None:
    site.server.client("unban", INNOCENT)
    site.server.ban("broken", INNOCENT)
    site.server.broken.touch()
    done = site.play("firewall-unblock", fail2ban_addresses=[INNOCENT], **IN_VAIN)
    assert done.status == 2, done.output
    assert "still drops it" in done.said
    assert INNOCENT not in site.server.banned("broken"), "the daemon has forgotten it"
    assert not site.reaches(INNOCENT, SERVER, PORT)
    assert done.findings("verify")["let_in"] == "critical"

    healed = site.play("firewall-unblock", fail2ban_addresses=[INNOCENT], fail2ban_repair=True)
    assert healed.status == 0, healed.output
    assert site.reaches(INNOCENT, SERVER, PORT)


def test_what_somebody_made_by_hand_is_named_and_removed_only_when_asked(site: PlaySite) -> None:
    site.server.client("unban", INNOCENT)
    site.net.run("iptables", "-I", "INPUT", "-s", INNOCENT, "-j", "DROP")
    site.net.run("ip", "route", "add", "blackhole", INNOCENT)
    before = site.state()
    done = site.play("firewall-unblock", fail2ban_addresses=[INNOCENT], **IN_VAIN)
    assert done.status == 2, done.output
    assert site.state() == before
    assert "iptables -w 5 -t filter -D INPUT -s 198.18.0.2/32 -j DROP" in done.said, "the command that removes it"
    assert "blackhole 198.18.0.2" in done.said
    assert not site.reaches(INNOCENT, SERVER, PORT)

    plan = site.play("firewall-unblock", "--check", fail2ban_addresses=[INNOCENT], fail2ban_remove_rules=True).plan()
    assert site.state() == before
    done = site.play("firewall-unblock", fail2ban_addresses=[INNOCENT], fail2ban_remove_rules=True,
                     incident_approved_plan=site.approve(plan))
    assert done.status == 0, done.output
    assert done.outcomes() == ["done", "done", "not_needed"]
    assert site.reaches(INNOCENT, SERVER, PORT)


def test_a_hold_that_the_restart_would_wipe_is_refused(site: PlaySite) -> None:
    before = site.state()
    done = site.play("firewall-unblock", fail2ban_addresses=[INNOCENT], fail2ban_hold="15m", fail2ban_service_action="reload", **IN_VAIN)
    assert done.status == 2 and "a reload wipes the hold" in done.said, done.output
    assert site.state() == before


def test_a_service_that_is_down_is_no_ban(site: PlaySite) -> None:
    """The address is let in, and gets nowhere: that is said, and not called recovered."""
    done = site.play("firewall-unblock", fail2ban_addresses=[ATTACKER], fail2ban_ports=[PORT + 1], **IN_VAIN)
    assert done.findings("investigate")["port"] == "critical"
    assert done.status == 2, done.output
    assert ATTACKER not in site.server.banned("sshd")


def test_seen_from_the_client(site: PlaySite) -> None:
    """A vantage host on the other end of the wire tries the port itself."""
    site.others["client"] = {
        "ansible_connection": "local", "ansible_python_interpreter": str(site.client_python()),
    }
    wanted = {"fail2ban_addresses": [INNOCENT], "fail2ban_vantage": "client", "fail2ban_vantage_target": SERVER}
    done = site.play("firewall-unblock", "--tags", "verify", **wanted, **IN_VAIN)
    assert done.status == 2 and f"{SERVER} {PORT}/tcp" in done.said, done.output
    done = site.play("firewall-unblock", **wanted)
    assert done.status == 0, done.output


def test_the_wrapper(site: PlaySite) -> None:
    refused = site.incident("firewall-unblock", "--yes")
    assert refused.status == 2 and "fail2ban_addresses (fw1) is not given" in refused.said, refused.output
    done = site.incident("firewall-unblock", "--yes", fail2ban_addresses=[INNOCENT])
    assert done.status == 0, done.output
    assert site.reaches(INNOCENT, SERVER, PORT) and not site.reaches(ATTACKER, SERVER, PORT)
    again = site.incident("firewall-unblock", "--yes", fail2ban_addresses=[INNOCENT])
    assert again.status == 5, again.output


@pytest.mark.parametrize(("variables", "said"), [
    ({}, "fail2ban_addresses (fw1) is not given"),
    ({"fail2ban_addresses": []}, "fail2ban_addresses (fw1) is not given"),
    ({"fail2ban_addresses": ["192.0.2.777"]}, "192.0.2.777 is neither an IP address nor a network"),
    ({"fail2ban_addresses": ["www.example.org"]}, "www.example.org is neither an IP address nor a network"),
    ({"fail2ban_adresses": [INNOCENT]}, "did you mean fail2ban_addresses?"),
    ({"fail2ban_addresses": [INNOCENT], "fail2ban_covering": "all"}, "must be one of: report, remove, fail, got: all"),
])
def test_wrong_input_is_an_error_before_anything_runs(variables: dict[str, object], said: str, site: PlaySite) -> None:
    before = site.state()
    done = site.play("firewall-unblock", **variables)
    assert done.status == 2, done.output
    assert said in done.said
    assert site.state() == before


def test_nothing_is_changed_unrecorded(site: PlaySite) -> None:
    before = site.state()
    done = site.play("firewall-unblock", environ={"ANSIBLE_CALLBACKS_ENABLED": ""}, fail2ban_addresses=[INNOCENT])
    assert done.status == 2 and "callbacks_enabled" in done.output
    assert site.state() == before
