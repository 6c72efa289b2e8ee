# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.attack import attackers, kept_out

A, B, C = "192.0.2.7", "198.51.100.9", "2001:db8::7"


def seen(address: str, failed: int) -> dict[str, Any]:
    """An entry of `worst` of failed_logins."""
    return {"address": address, "failed": failed, "users": ["root"]}


@pytest.mark.parametrize(("named", "worst", "min_failures", "found"), [
    ([], [], 20, []),
    ([A], [seen(B, 31), seen(C, 20), seen("203.0.113.1", 19)], 20, [A, B, C]),
    ([A, B], [seen(B, 31), seen(A, 30)], 20, [A, B]),
    (f"{A}, {B}", [], 20, [A, B]),
    ("", [seen(A, 1)], "1", [A]),
])
def test_the_named_come_first_then_the_worst(named: Any, worst: list[Any], min_failures: Any, found: list[str]) -> None:
    assert attackers(named, worst=worst, min_failures=min_failures) == found


def guessed(address: str, guesses: int, *, attacker: bool = True) -> dict[str, Any]:
    """The same, as failed_logins tells it now."""
    return {"address": address, "failed": guesses + 100, "guesses": guesses, "attacker": attacker}


def net(network: str, guesses: int, *, addresses: int = 9, accepted: int = 0) -> dict[str, Any]:
    """An entry of `networks` of failed_logins."""
    return {"network": network, "guesses": guesses, "addresses": addresses, "accepted": accepted}


def test_offered_keys_and_people_at_work_make_no_attacker() -> None:
    worst = [guessed(A, 400, attacker=False), guessed(B, 20), guessed(C, 19)]
    assert attackers([], worst=worst, min_failures=20) == [B]


@pytest.mark.parametrize(("network", "worst", "found"), [
    (net("203.0.113.0/24", 20), [], True),
    (net("203.0.113.0/24", 19), [], False),
    (net("203.0.113.0/24", 90, addresses=4), [], False),
    (net("2001:db8::/64", 20, addresses=2), [], True),
    (net("2001:db8::/64", 90, addresses=1), [], False),
    # Somebody gets in from there.
    (net("203.0.113.0/24", 90, accepted=1), [], False),
    # What is left without those that are banned by themselves.
    (net("203.0.113.0/24", 90), [guessed("203.0.113.7", 71)], False),
    (net("203.0.113.0/24", 90), [guessed("203.0.113.7", 70), guessed("198.51.100.7", 60)], True),
])
def test_a_network_is_banned_where_its_addresses_are_no_use(network: Any, worst: list[Any], found: bool) -> None:
    single = [one["address"] for one in worst]
    given = {"worst": worst, "min_failures": 20, "networks": [network]}
    assert attackers([], **given, max_networks=1) == single + ([network["network"]] if found else [])
    assert attackers([], **given) == single, "nobody asked for it"


def test_as_many_networks_as_were_allowed() -> None:
    networks = [net(f"203.0.{number}.0/24", 50 - number) for number in range(5)]
    assert attackers([A], worst=[guessed(B, 30)], min_failures=20, networks=networks, max_networks=2) == [
        A, B, "203.0.0.0/24", "203.0.1.0/24"]


def acted(address: str, outcome: str, verb: str = "ban") -> dict[str, Any]:
    """An action of fail2ban_ban."""
    return {"verb": verb, "outcome": outcome, "target": {"address": address, "jail": "sshd"}}


def test_where_nobody_was_to_be_banned_those_in_the_logs_must_be_kept_out() -> None:
    assert kept_out([], named=[A], found=[B, "10.1.2.3"], never_ban=["10.0.0.0/8"]) == [A, B]
    assert kept_out([acted(C, "done")], named=[A], found=[B]) == [C]
    assert kept_out([], named=[A], found=[B], banned={"skipped": True}) == [A], "it was asked, and banned nobody"


@pytest.mark.parametrize(("actions", "named", "out"), [
    ([], [], []),
    ([], f"{A},{B}", [A, B]),
    ([acted(A, "done"), acted(B, "not_needed"), acted(A, "not_needed")], [C], [A, B]),
    ([acted(A, "refused"), acted(B, "failed"), acted(C, "planned"), acted(C, "done", verb="unban")], [A], [A]),
    ([{"verb": "restart_service", "outcome": "done", "target": {"name": "fail2ban"}}], [A], [A]),
])
def test_who_was_banned_must_be_kept_out(actions: list[Any], named: Any, out: list[str]) -> None:
    assert kept_out(actions, named=named) == out
