# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban's own ban actions as they come: the daemon bans and lifts, access_health says so, and a connection shows it.

A chosen number of them, all of them when exhaustive (tests/support/exhaustive.py).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.exhaustive import chosen
from tests.support.fail2ban import Fail2ban, fail2ban
from tests.support.firewalls import firewalld, ufw
from tests.support.two_hosts import CLIENT, CLIENT6, TwoHosts

from .judged import CLOSED, OPEN, is_right

PLAIN = (
    "iptables", "iptables[type=oneport]", "iptables-allports", "iptables-ipset", "iptables-ipset-proto4", "iptables-ipset-proto6",
    "iptables-ipset-proto6-allports", "iptables-multiport", "iptables-multiport-log", "iptables-new", "iptables-xt_recent-echo",
    "nftables", "nftables[type=allports]", "nftables-allports", "nftables-multiport", "nftables[blocktype=drop]", "route",
)
UFW = ("ufw", "ufw[blocktype=deny]", "ufw[add=insert 1]")
FIREWALLD = (
    "firewallcmd-allports", "firewallcmd-ipset", "firewallcmd-multiport", "firewallcmd-new", "firewallcmd-rich-logging",
    "firewallcmd-rich-rules",
)
#: fail2ban 1.0's command for it is one that firewalld refuses: the daemon says that it bans, and nothing drops.
IN_VAIN = "firewallcmd-ipset[ipsettype=firewalld]"
#: They know no IPv6, or do nothing with it.
ONLY_IPV4 = ("iptables-ipset-proto4", "iptables-xt_recent-echo", "route", "ufw[add=insert 1]")
ADDRESSES = {4: CLIENT, 6: CLIENT6}


def jails(actions: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """One for each action, named by its number, since names of chains are short."""
    return {f"j{number}": {"banaction": action, "chain": "<known/chain>"} for number, action in enumerate(actions)}


def cases(actions: tuple[str, ...], some: int) -> list[tuple[str, str, int]]:
    """Each action with its jail, over both versions of IP; some of them."""
    every = [(f"j{number}", action, version) for number, action in enumerate(actions)
             for version in ((4,) if action in ONLY_IPV4 else (4, 6))]
    return chosen(every, some)


@pytest.fixture(scope="class")
def plain(both: TwoHosts) -> Iterator[Fail2ban]:
    """A host without rules of its own."""
    both.clear()
    with fail2ban(jails(PLAIN), net=both.host) as server:
        yield server


@pytest.fixture(scope="class")
def under_ufw(both: TwoHosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fail2ban]:
    """A host with `ufw allow 22; ufw enable`."""
    both.clear()
    with ufw(both.host, tmp_path_factory.mktemp("ufw")) as net:
        net.run("ufw", "allow", "22")
        net.run("ufw", "--force", "enable")
        with fail2ban(jails(UFW), net=net) as server:
            yield server


@pytest.fixture(scope="class")
def under_firewalld(both: TwoHosts) -> Iterator[Fail2ban]:
    """A host with firewalld's default zone."""
    both.clear()
    with tempfile.TemporaryDirectory(prefix="fw-", dir="/tmp") as place, firewalld(both.host, Path(place)) as net:
        with fail2ban({**jails(FIREWALLD), "vain": {"banaction": IN_VAIN, "chain": "<known/chain>"}}, net=net) as server:
            yield server


def bans_and_lifts(both: TwoHosts, server: Fail2ban, jail: str, version: int) -> None:
    """The daemon bans, and lifts the ban, and each time the rules and a connection are asked."""
    address = ADDRESSES[version]
    server.ban(jail, address)
    try:
        banned = is_right(both, 22, CLOSED, version=version)
        assert banned.let_in.detail["blocks"], banned
        lifted = server.module("fail2ban_unban", addresses=[address], observe="0.3s")
        assert [one["outcome"] for one in lifted.get("actions", ())] == ["done"], lifted
        is_right(both, 22, OPEN, version=version)
    finally:
        server.client("unban", address)


class TestWithoutRulesOfItsOwn:
    @pytest.mark.parametrize(("jail", "action", "version"), cases(PLAIN, 8))
    def test_it_is_right(self, jail: str, action: str, version: int, both: TwoHosts, plain: Fail2ban) -> None:
        bans_and_lifts(both, plain, jail, version)


class TestWithUfw:
    @pytest.mark.parametrize(("jail", "action", "version"), cases(UFW, 3))
    def test_it_is_right(self, jail: str, action: str, version: int, both: TwoHosts, under_ufw: Fail2ban) -> None:
        bans_and_lifts(both, under_ufw, jail, version)


class TestWithFirewalld:
    @pytest.mark.parametrize(("jail", "action", "version"), cases(FIREWALLD, 5))
    def test_it_is_right(self, jail: str, action: str, version: int, both: TwoHosts, under_firewalld: Fail2ban) -> None:
        bans_and_lifts(both, under_firewalld, jail, version)

    def test_a_ban_that_drops_nothing(self, both: TwoHosts, under_firewalld: Fail2ban) -> None:
        under_firewalld.ban("vain", CLIENT)
        assert under_firewalld.banned("vain") == [CLIENT]
        is_right(both, 22, OPEN)
        under_firewalld.client("unban", CLIENT)
