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


def acted(address: str, outcome: str, verb: str = "ban") -> dict[str, Any]:
    """An action of fail2ban_ban."""
    return {"verb": verb, "outcome": outcome, "target": {"address": address, "jail": "sshd"}}


@pytest.mark.parametrize(("actions", "named", "out"), [
    ([], [], []),
    ([], f"{A},{B}", [A, B]),
    ([acted(A, "done"), acted(B, "not_needed"), acted(A, "not_needed")], [C], [A, B]),
    ([acted(A, "refused"), acted(B, "failed"), acted(C, "planned"), acted(C, "done", verb="unban")], [A], [A]),
    ([{"verb": "restart_service", "outcome": "done", "target": {"name": "fail2ban"}}], [A], [A]),
])
def test_who_was_banned_must_be_kept_out(actions: list[Any], named: Any, out: list[str]) -> None:
    assert kept_out(actions, named=named) == out
