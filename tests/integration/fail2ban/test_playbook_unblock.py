# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""firewall-unblock against a real fail2ban whose rules really drop packets.

Runs with several hosts, that the tests read: one in which every host is refused, a check, the run that was approved, and two of the
command incident afterwards. The hosts share one packet filter and one daemon; each has addresses of its own. What costs is a module on
a host: only the runs that are asked about it investigate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.fail2ban import fail2ban
from tests.support.netns import peer_of
from tests.support.site import Ended

from .playsite import IN_VAIN, PlaySite

#: The clients' addresses on the other end of the wire, and the server's.
INNOCENT, ATTACKER, SERVER = "198.18.0.2", "198.18.0.3", "198.18.0.1"
INNOCENT6, SERVER6 = "2001:db8:f2b::2", "2001:db8:f2b::1"
APPROVED, BY_HAND, BROKEN, DOWN, SEEN, WRAPPED = (f"198.18.0.{number}" for number in range(4, 10))
CLIENTS = (INNOCENT, ATTACKER, APPROVED, BY_HAND, BROKEN, DOWN, SEEN, WRAPPED)
PORT = 2222
#: One host after the other: they share a daemon, which serves one run at a time.
IN_TURN = {"ANSIBLE_FORKS": "1"}
ACTING = ("--tags", "mitigate,verify")
#: Several plays each, on a machine that may be busy.
pytestmark = pytest.mark.timeout(2700)


@dataclass(frozen=True)
class Played:
    """A play, and what the host was like before and after.

    Attributes:
        before, after: the packet filter and the daemon's answer.
        reached: the clients that got a connection afterwards.
        banned: what each jail banned afterwards.
    """

    ended: Ended
    before: tuple[str, str]
    after: tuple[str, str]
    reached: set[str]
    banned: dict[str, list[str]]


def played(site: PlaySite, hosts: dict[str, dict[str, Any]], *arguments: str, command: bool = False, **variables: Any) -> Played:
    """Run the scenario with these hosts, with Ansible's or with our own command."""
    site.group("firewall", **hosts)
    before = site.state()
    ended = (site.incident if command else site.play)(*arguments, variables=variables, **IN_TURN)
    reached = {client for client in CLIENTS if site.reaches(client, SERVER, PORT)}
    if site.reaches(INNOCENT6, SERVER6, PORT):
        reached.add(INNOCENT6)
    return Played(ended, before, site.state(), reached, {jail: site.server.banned(jail) for jail in site.server.jails})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlaySite]:
    """Two jails that ban the innocent over IPv4 and IPv6, one of them the attacker too, and a service behind them."""
    jails = {
        "sshd": {"port": str(PORT)},
        "login": {"port": str(PORT), "banaction": "iptables-multiport"},
        "broken": {"port": str(PORT), "banaction": "oncall-broken"},
    }
    with fail2ban(jails, peer=True) as server:
        made = PlaySite(server, tmp_path_factory.mktemp("unblock"), playbook="firewall-unblock", fail2ban_ports=[PORT])
        for address in set(CLIENTS) - {INNOCENT, ATTACKER}:
            peer_of(server.net).run("ip", "address", "add", f"{address}/24", "dev", "outside")
        made.hosts["other"] = {"client": {"ansible_connection": "local", "ansible_python_interpreter": str(made.client_python())}}
        service = made.serve(PORT)
        try:
            assert all(made.reaches(client, SERVER, PORT) for client in CLIENTS)
            assert made.reaches(INNOCENT6, SERVER6, PORT)
            server.ban("sshd", INNOCENT, INNOCENT6, ATTACKER, APPROVED, DOWN, SEEN, WRAPPED)
            server.ban("login", INNOCENT, APPROVED, SEEN)
            server.ban("broken", BROKEN)
            server.broken.touch()
            made.net.run("iptables", "-I", "INPUT", "-s", BY_HAND, "-j", "DROP")
            made.net.run("ip", "route", "add", "blackhole", BY_HAND)
            assert not any(made.reaches(client, SERVER, PORT) for client in CLIENTS)
            assert not made.reaches(INNOCENT6, SERVER6, PORT)
            yield made
        finally:
            service.kill()
            service.communicate()


@pytest.fixture(scope="module")
def refused(site: PlaySite) -> Played:
    """Everybody is refused, each for a reason of its own; nobody waits for what is not to come."""
    return played(site, {
        "held": {"fail2ban_addresses": [INNOCENT], "fail2ban_hold": "15m", "fail2ban_service_action": "reload", **IN_VAIN},
        "hand": {"fail2ban_addresses": [BY_HAND], **IN_VAIN},
        "seen": {"fail2ban_addresses": [SEEN], "fail2ban_max_addresses": 1, "fail2ban_vantage": "client",
                 "fail2ban_vantage_target": SERVER, **IN_VAIN},
    }, *ACTING)


PLANNED: dict[str, dict[str, Any]] = {
    "fw1": {"fail2ban_addresses": [INNOCENT, "2001:DB8:F2B:0::2"]},
    "approved": {"fail2ban_addresses": [APPROVED], **IN_VAIN},
    "hand": {"fail2ban_addresses": [BY_HAND], "fail2ban_remove_rules": True, "incident_rung_wait": "0s"},
    "broken": {"fail2ban_addresses": [BROKEN], **IN_VAIN},
    # Nobody listens there.
    "down": {"fail2ban_addresses": [DOWN], "fail2ban_ports": [PORT + 1], **IN_VAIN},
}


@pytest.fixture(scope="module")
def checked(refused: Played, site: PlaySite) -> Played:
    """The plan for five hosts, and what is seen of them before."""
    return played(site, PLANNED, "--check")


@pytest.fixture(scope="module")
def done(checked: Played, site: PlaySite) -> Played:
    """That plan, carried out; one host wants more by now."""
    more = {**PLANNED, "approved": {**PLANNED["approved"], "fail2ban_addresses": [APPROVED, ATTACKER]}}
    return played(site, more, *ACTING, incident_approved_plan=site.approve(checked.ended.plan()))


AFTERWARDS: dict[str, dict[str, Any]] = {
    "fw1": {"fail2ban_addresses": [INNOCENT]},
    "broken": {"fail2ban_addresses": [BROKEN], "fail2ban_repair": True},
    "seen": {"fail2ban_addresses": [SEEN], "fail2ban_vantage": "client", "fail2ban_vantage_target": SERVER},
    "wrapped": {"fail2ban_addresses": [WRAPPED]},
}


@pytest.fixture(scope="module")
def afterwards(done: Played, site: PlaySite) -> Played:
    """Once more where it worked, what was missing where it did not, and somebody who was not asked about."""
    return played(site, AFTERWARDS, "--yes", "--json", command=True)


def test_an_innocent_address_is_freed_in_every_jail_and_the_attacker_stays_out(checked: Played, done: Played, afterwards: Played) -> None:
    assert checked.ended.status == 0, checked.ended.output
    assert checked.before == checked.after, "check mode touches nothing"
    assert len(checked.ended.plan()["actions"]["fw1"]) == 3

    assert "fw1" not in done.ended.failed, done.ended.output
    done.ended.assert_record_verifies()
    assert done.ended.outcomes("fw1") == ["done"] * 3
    assert {INNOCENT, INNOCENT6} <= done.reached
    assert ATTACKER not in done.reached
    assert ATTACKER in done.banned["sshd"] and not {INNOCENT, INNOCENT6} & set(done.banned["sshd"])

    assert set(afterwards.ended.outcomes("fw1")) == {"not_needed"}, afterwards.ended.output
    assert [event["task"] for event in afterwards.ended.events("result") if (event["host"], event["status"]) == ("fw1", "changed")] == []
    assert {INNOCENT, INNOCENT6} <= afterwards.reached


def test_only_the_approved_plan_is_carried_out(done: Played) -> None:
    assert done.banned["sshd"].count(ATTACKER) == 1, done.ended.output
    assert ATTACKER not in done.reached
    assert APPROVED in done.reached
    assert done.ended.outcomes("approved") == ["done", "done", "refused"]


def test_more_than_the_limit_frees_nobody(refused: Played) -> None:
    assert refused.ended.status == 2 and "seen" in refused.ended.failed
    assert "2 bans would be lifted and 1 may be" in refused.ended.said
    assert refused.before == refused.after


def test_an_unban_whose_action_fails_is_no_success_until_it_is_repaired(done: Played, afterwards: Played) -> None:
    assert done.ended.status == 2 and "broken" in done.ended.failed, done.ended.output
    assert "still drops it" in done.ended.said
    assert BROKEN not in done.banned["broken"], "the daemon has forgotten it"
    assert BROKEN not in done.reached
    assert done.ended.findings("verify", "broken")["let_in"] == "critical"

    assert BROKEN in afterwards.reached, afterwards.ended.output


def test_what_somebody_made_by_hand_is_named_and_removed_only_when_asked(refused: Played, checked: Played, done: Played) -> None:
    assert refused.ended.status == 2 and "hand" in refused.ended.failed, refused.ended.output
    assert refused.before == refused.after
    assert f"iptables -w 5 -t filter -D INPUT -s {BY_HAND}/32 -j DROP" in refused.ended.said, "the command that removes it"
    assert f"blackhole {BY_HAND}" in refused.ended.said
    assert BY_HAND not in refused.reached

    assert checked.before == checked.after
    assert "hand" not in done.ended.failed, done.ended.output
    assert done.ended.outcomes("hand") == ["done", "done", "not_needed"]
    assert BY_HAND in done.reached


def test_a_hold_that_the_restart_would_wipe_is_refused(refused: Played) -> None:
    assert "held" in refused.ended.failed and "a reload wipes the hold" in refused.ended.said, refused.ended.output
    assert refused.before == refused.after


def test_a_service_that_is_down_is_no_ban(checked: Played, done: Played) -> None:
    """The address is let in, and gets nowhere: that is said, and not called recovered."""
    assert checked.ended.findings("investigate", "down")["port"] == "critical"
    assert "down" in done.ended.failed, done.ended.output
    assert DOWN in checked.banned["sshd"] and DOWN not in done.banned["sshd"]


def test_seen_from_the_client(refused: Played, afterwards: Played) -> None:
    """A vantage host on the other end of the wire tries the port itself."""
    assert "seen" in refused.ended.failed and f"{SERVER} {PORT}/tcp" in refused.ended.said, refused.ended.output
    assert afterwards.ended.status == 0 and SEEN in afterwards.reached, afterwards.ended.output


def test_the_wrapper(afterwards: Played, site: PlaySite) -> None:
    """It recovers all of them, and then finds nothing to do."""
    assert (afterwards.ended.status, afterwards.ended.data["outcome"]) == (0, "recovered"), afterwards.ended.output
    assert set(afterwards.ended.findings("investigate", "wrapped")) >= {"port"}, "its check investigates"
    assert WRAPPED in afterwards.reached and ATTACKER not in afterwards.reached
    again = played(site, AFTERWARDS, "--check", command=True)
    assert (again.ended.status, again.before) == (5, again.after), again.ended.output


@pytest.fixture(scope="module")
def mistaken(site: PlaySite) -> Played:
    """One run of the wrapper with every mistake."""
    return played(site, {
        "nothing": {},
        "empty": {"fail2ban_addresses": []},
        "octets": {"fail2ban_addresses": ["192.0.2.777"]},
        "named": {"fail2ban_addresses": ["www.example.org"]},
        "covering": {"fail2ban_addresses": [INNOCENT], "fail2ban_covering": "all"},
        "misspelt": {"fail2ban_addresses": [INNOCENT], "fail2ban_member_of": ["192.0.2.0/24"]},
    }, "--check", command=True, fail2ban_adresses=[INNOCENT])


@pytest.mark.parametrize("said", [
    "fail2ban_addresses (nothing) is not given",
    "fail2ban_addresses (empty) is not given",
    "192.0.2.777 is neither an IP address nor a network",
    "www.example.org is neither an IP address nor a network",
    "fail2ban_adresses is unknown; did you mean fail2ban_addresses?",
    "fail2ban_member_of (misspelt) is unknown; did you mean fail2ban_members_of?",
    "must be one of: report, remove, fail, got: all",
])
def test_wrong_input_is_an_error_before_anything_runs(said: str, mistaken: Played) -> None:
    assert mistaken.ended.status == 2, mistaken.ended.output
    assert said in mistaken.ended.said
    assert mistaken.before == mistaken.after


def test_nothing_is_changed_unrecorded(site: PlaySite) -> None:
    site.group("firewall", fw1={})
    before = site.state()
    done = site.play(variables={"fail2ban_addresses": [INNOCENT]}, ANSIBLE_CALLBACKS_ENABLED="")
    assert done.status == 2 and "callbacks_enabled" in done.output
    assert site.state() == before
