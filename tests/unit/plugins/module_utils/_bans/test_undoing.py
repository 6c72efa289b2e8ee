# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ban is lifted, and a hold ended, by undo only where it is shown to be the one that was made."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans import undoing
from ansible_collections.oncall.incident.plugins.module_utils._bans.ban import ban_made
from ansible_collections.oncall.incident.plugins.module_utils._bans.client import Clock
from ansible_collections.oncall.incident.plugins.module_utils._bans.daemons import Fail2ban
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.replies import Ban
from ansible_collections.oncall.incident.plugins.module_utils._bans.hold import UNIT, description
from ansible_collections.oncall.incident.plugins.module_utils._bans.unban import Order, iso
from ansible_collections.oncall.incident.plugins.module_utils._core import temporary
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import DONE, Action
from ansible_collections.oncall.incident.plugins.module_utils._core.addresses import Span, read_network
from ansible_collections.oncall.incident.plugins.module_utils._core.temporary import Temporary
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import Ran

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

    for name in ("unban", "undoing"):
        monkeypatch.setattr(f"ansible_collections.oncall.incident.plugins.module_utils._bans.{name}.alone", alone)


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


PAIR = ("sshd", ADDRESS)


class Ignoring:
    """A fail2ban server with one jail, and what systemctl says and is told.

    Args:
        timers: what each active timer of a hold takes out.
    """

    path = "/run/f/s"

    def __init__(self, ignored: Sequence[str], timers: dict[str, Sequence[tuple[str, str]]]) -> None:
        self.clock, self.ignored, self.timers, self.stopped = Clock(30.0), list(ignored), timers, list[str]()

    def jails(self) -> list[str]:
        return ["sshd"]

    def texts(self, _jail: str, _what: str) -> list[str]:
        return self.ignored

    def ask(self, *words: str) -> None:
        assert words[:3] == ("set", "sshd", "delignoreip")
        self.ignored.remove(words[3])

    def systemctl(self, argv: Sequence[str]) -> Ran:
        if argv[1] == "stop":
            self.stopped.append(argv[2])
            return Ran()
        return Ran("\n\n".join(
            f"Id={unit}.timer\nDescription={description(self.path, held)}\nActiveState=active" for unit, held in self.timers.items()))


OURS, OTHER = f"{UNIT}11111111", f"{UNIT}22222222"
LATER, OVER = "2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z"


def end_hold(server: Ignoring, *, until: str = LATER, check: bool = False) -> tuple[str, str, str, bool]:
    action = Action(verb="unban", resource="", identity={"entry": ADDRESS}, target={}, reason="", outcome=DONE)
    made = temporary.with_temporary(action, Temporary(
        way_back="A timer takes it out", ends=temporary.UNIT, expires=until, armed_as=OURS,
        undo={"verb": "end_hold", "jail": "sshd", "address": ADDRESS}))
    result, problem = undoing.undo(
        Fail2ban(server), made, Order(verify=()), run=server.systemctl, approved=None, check_mode=check)  # type: ignore[arg-type]
    one = Action.from_dict(result["actions"][0])
    return one.outcome, str(one.detail.get("why", "")), temporary.looked(one), problem is not None


@pytest.mark.parametrize(("ignored", "timers", "until", "expected"), [
    ([ADDRESS], {OURS: [PAIR]}, LATER, ("planned", "", "in_force", False)),
    ([], {}, LATER, ("not_needed", "already_so", "gone", False)),
    # Somebody's own entry, after ours was taken out.
    ([ADDRESS], {}, OVER, ("moved_on", "identity_changed", "gone", False)),
    # Our timer was stopped, or a reload of fail2ban took ours out and its configuration has one: nobody can tell.
    ([ADDRESS], {}, LATER, ("unknown", "cannot_look", "unknown", True)),
    ([ADDRESS], {OURS: [("sshd", "192.0.2.8")]}, LATER, ("unknown", "cannot_look", "unknown", True)),
    ([ADDRESS], {OTHER: [PAIR]}, LATER, ("moved_on", "identity_changed", "gone", False)),
    ([ADDRESS], {OURS: [PAIR], OTHER: [PAIR]}, LATER, ("refused", "protected", "in_force", False)),
])
def test_only_the_entry_that_our_timer_takes_out(
    ignored: list[str], timers: dict[str, Sequence[tuple[str, str]]], until: str, expected: tuple[str, str, str, bool],
) -> None:
    assert end_hold(Ignoring(ignored, timers), until=until, check=True) == expected
    server = Ignoring(ignored, timers)
    done = end_hold(server, until=until)
    if expected[0] == "planned":
        assert done == ("done", "", "gone", False) and (server.ignored, server.stopped) == ([], [f"{OURS}.timer"])
    else:
        assert done == expected and (server.ignored, server.stopped) == (ignored, [])


def test_a_timer_that_takes_out_another_one_too_goes_on() -> None:
    server = Ignoring([ADDRESS, "192.0.2.8"], {OURS: [PAIR, ("sshd", "192.0.2.8")]})
    assert end_hold(server)[0] == "done" and (server.ignored, server.stopped) == (["192.0.2.8"], [])
