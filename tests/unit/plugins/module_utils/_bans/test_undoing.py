# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ban is lifted by undo only where it is shown to be the one that was made."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans import undoing
from ansible_collections.oncall.incident.plugins.module_utils._bans.ban import ban_made
from ansible_collections.oncall.incident.plugins.module_utils._bans.client import Clock
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.replies import Ban
from ansible_collections.oncall.incident.plugins.module_utils._bans.unban import Order, iso
from ansible_collections.oncall.incident.plugins.module_utils._core import temporary
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import DONE, Action
from ansible_collections.oncall.incident.plugins.module_utils._core.addresses import Span, read_network
from ansible_collections.oncall.incident.plugins.module_utils._core.temporary import Temporary

ADDRESS = "192.0.2.7"
NETWORK = read_network(ADDRESS)
assert NETWORK is not None


def ban(jail: str = "by hand", *, at: float | None = None, number: str = "") -> Ban:
    assert NETWORK is not None
    return Ban(jail, ADDRESS, Span.of(NETWORK), banned_at=at, id=number)


class Daemon:
    """One that bans this address."""

    name, resource, shared, settles_within = "crowdsec", "crowdsec:here", "/nonexistent", 0.0

    def __init__(self, bans: Sequence[Ban]) -> None:
        self.there, self.clock = list(bans), Clock(30.0)

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "resource": self.resource}

    def jails(self) -> list[str]:
        return sorted({one.jail for one in self.there})

    def bans(self, jails: Sequence[str]) -> list[Ban]:
        return [one for one in self.there if one.jail in jails]

    bans_again = bans

    def unban(self, bans: Sequence[Ban]) -> set[tuple[str, str, str]]:
        self.there = [one for one in self.there if one.key not in {ban.key for ban in bans}]
        return {ban.key for ban in bans}

    def stored(self, bans: Sequence[Ban]) -> dict[Any, Any]:
        return {}

    def lines(self, bans: Sequence[Ban]) -> dict[Any, Any]:
        return {}

    def is_recidive(self, jail: str) -> bool:
        return False

    def reopen(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def _no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def alone(_backend: Any) -> Iterator[None]:
        yield

    monkeypatch.setattr("ansible_collections.oncall.incident.plugins.module_utils._bans.unban.alone", alone)


def change(**which: str) -> Action:
    action = Action(verb="ban", resource="crowdsec:here", identity={"entry": ADDRESS}, target={}, reason="", outcome=DONE)
    return temporary.with_temporary(action, Temporary(
        way_back="It is over", ends=temporary.API, undo={"verb": "unban", "jail": "by hand", "address": ADDRESS, **which}))


def undo(daemon: Daemon, made: Action, *, check: bool = False) -> tuple[list[tuple[str, str, str]], bool]:
    """Outcome, reason and what it says of the change, of each action; and whether the task fails."""
    result, problem = undoing.undo(
        daemon, made, Order(verify=(), observe=0.0), run=lambda *_a, **_k: None, approved=None, check_mode=check)
    actions = [Action.from_dict(one) for one in result["actions"]]
    return [(one.outcome, str(one.detail.get("why", "")), temporary.looked(one)) for one in actions], problem is not None


AT = 1_790_000_000.0


@pytest.mark.parametrize(("there", "which", "expected", "fails"), [
    ([ban(number="5")], {"id": "5"}, [("planned", "", "in_force")], False),
    ([ban(number="5"), ban("ssh-bf", number="6")], {"id": "5"}, [("planned", "", "in_force")], False),
    ([ban("ssh-bf", number="6")], {"id": "5"}, [("moved_on", "identity_changed", "gone")], False),
    ([ban(number="5")], {}, [("unknown", "cannot_look", "unknown")], True),
    ([], {}, [("not_needed", "already_so", "gone")], False),
    ([ban(at=AT)], {"banned_at": iso(AT)}, [("planned", "", "in_force")], False),
    ([ban(at=AT + 60)], {"banned_at": iso(AT)}, [("moved_on", "identity_changed", "gone")], False),
    ([ban(at=AT)], {}, [("unknown", "cannot_look", "unknown")], True),
    ([ban()], {"banned_at": iso(AT)}, [("unknown", "cannot_look", "unknown")], True),
])
def test_only_the_ban_that_was_made(there: list[Ban], which: dict[str, str], expected: list[Any], fails: bool) -> None:
    assert undo(Daemon(there), change(**which), check=True) == (expected, fails)


def test_the_decisions_of_others_stay() -> None:
    daemon = Daemon([ban(number="5"), ban("ssh-bf", number="6")])
    assert undo(daemon, change(id="5")) == ([("done", "", "gone")], False)
    assert [one.id for one in daemon.there] == ["6"]
    for which in ({}, {"id": "5"}):
        undo(daemon, change(**which))
    assert [one.id for one in daemon.there] == ["6"]


@pytest.mark.parametrize(("before", "now", "made"), [
    ([], [ban(number="5")], "5"), ([ban("ssh-bf", number="4")], [ban("ssh-bf", number="4"), ban(number="5")], "5"),
    ([ban("ssh-bf", number="4")], [ban("ssh-bf", number="4")], None), ([], [ban("ssh-bf", number="6"), ban(number="5")], "5"),
    ([], [ban(number="6"), ban(number="5")], ""), ([], [], None),
])
def test_which_decision_was_made(before: list[Ban], now: list[Ban], made: str | None) -> None:
    assert NETWORK is not None
    found = ban_made(now, before, NETWORK, jail="by hand")
    assert (None if found is None else found.id) == made
