# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ban is lifted, and a hold ended, by undo only where it is shown to be the one that was made."""

from __future__ import annotations

import contextlib
import fnmatch
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans import unban as unbanning
from ansible_collections.oncall.incident.plugins.module_utils._bans import undoing
from ansible_collections.oncall.incident.plugins.module_utils._bans.ban import ban_made
from ansible_collections.oncall.incident.plugins.module_utils._bans.client import Clock
from ansible_collections.oncall.incident.plugins.module_utils._bans.daemons import Fail2ban
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.replies import Ban
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.unbanning import Chosen, Wish, action_for
from ansible_collections.oncall.incident.plugins.module_utils._bans.hold import (
    UNIT,
    Hold,
    HoldLeft,
    HoldRefused,
    begin,
    description,
    lifting_command,
)
from ansible_collections.oncall.incident.plugins.module_utils._bans.unban import Order, iso
from ansible_collections.oncall.incident.plugins.module_utils._core import temporary
from ansible_collections.oncall.incident.plugins.module_utils._core.acting import Candidate
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import DONE, Action
from ansible_collections.oncall.incident.plugins.module_utils._core.addresses import Span, read_network
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import CannotReach, IncidentError
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
        self.clock, self.ignored, self.timers, self.stopped = Clock(30.0), list(ignored), dict(timers), list[str]()
        self.kind, self.stuck, self.deaf = "timer", False, set[str]()

    def jails(self) -> list[str]:
        return ["sshd"]

    def texts(self, _jail: str, _what: str) -> list[str]:
        return self.ignored

    def ask(self, *words: str) -> None:
        assert words[:2] == ("set", "sshd")
        if words[2] in self.deaf:
            raise CannotReach("No answer.", hint="", reason="timeout")
        (self.ignored.append if words[2] == "addignoreip" else self.ignored.remove)(words[3])

    def systemctl(self, argv: Sequence[str]) -> Ran:
        """Of a unit that is not there, systemctl stop says so and fails."""
        if argv[0] == "systemd-run":
            said = dict(word.partition("=")[::2] for word in argv[:argv.index("--")])
            unit, says = said["--unit"], said["--description"]
            self.timers[unit] = [(pair[0], pair[1]) for pair in (one.split() for one in says.rpartition(": ")[2].split(", "))]
        elif argv[1] in ("stop", "reset-failed") and not self.stuck:
            # A service that failed is not there any more only when that is said.
            unit = argv[2].rpartition(".")[0]
            if unit in self.timers and (argv[1] == "reset-failed") is (self.kind == "service"):
                del self.timers[unit]
                self.stopped.append(unit)
            return Ran(problem=f"Failed to stop {unit}: not loaded." if argv[1] == "stop" else "")
        elif argv[1] == "stop":
            return Ran(problem="Access denied")
        elif argv[1] == "is-active":
            return Ran("active")
        elif argv[1] == "show":
            found = {unit: held for unit, held in self.timers.items() if fnmatch.fnmatch(f"{unit}.{self.kind}", argv[2])}
            state = "active" if self.kind == "timer" else "failed"
            return Ran("\n\n".join(
                f"Id={unit}.{self.kind}\nDescription={description(self.path, held)}\nActiveState={state}" for unit, held in found.items()))
        return Ran()


OURS, OTHER = f"{UNIT}11111111", f"{UNIT}22222222"
LATER, OVER = "2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z"


def end_hold_result(server: Ignoring, *, until: str = LATER, check: bool = False) -> dict[str, Any]:
    action = Action(verb="unban", resource="", identity={"entry": ADDRESS}, target={}, reason="", outcome=DONE)
    made = temporary.with_temporary(action, Temporary(
        way_back="A timer takes it out", ends=temporary.UNIT, expires=until, armed_as=OURS,
        undo={"verb": "end_hold", "jail": "sshd", "address": ADDRESS}))
    result, problem = undoing.undo(
        Fail2ban(server), made, Order(verify=()), run=server.systemctl, approved=None, check_mode=check)  # type: ignore[arg-type]
    return {**result, "problem": problem}


def end_hold(server: Ignoring, *, until: str = LATER, check: bool = False) -> tuple[str, str, str, bool]:
    result = end_hold_result(server, until=until, check=check)
    one = Action.from_dict(result["actions"][0])
    return one.outcome, str(one.detail.get("why", "")), temporary.looked(one), result["problem"] is not None


@pytest.mark.parametrize(("ignored", "timers", "until", "expected"), [
    ([ADDRESS], {OURS: [PAIR]}, LATER, ("planned", "", "in_force", False)),
    ([], {}, LATER, ("not_needed", "already_so", "gone", False)),
    # Somebody's own entry, after ours was taken out; or ours, which the timer failed to take out.
    ([ADDRESS], {}, OVER, ("unknown", "cannot_look", "unknown", True)),
    # The service that failed to take it out is still there.
    ([ADDRESS], {OURS: [PAIR]}, OVER, ("planned", "", "in_force", False)),
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
        assert done == ("done", "", "gone", False) and (server.ignored, server.stopped) == ([], [OURS])
    else:
        assert done == expected and (server.ignored, server.stopped) == (ignored, [])


def test_a_service_that_failed_to_lift_it_is_known_to_be_ours() -> None:
    server = Ignoring([ADDRESS], {OURS: [PAIR]})
    server.kind = "service"
    assert end_hold(server, until=OVER) == ("done", "", "gone", False) and (server.ignored, server.stopped) == ([], [OURS])


def test_a_unit_that_cannot_be_stopped_is_named() -> None:
    server = Ignoring([ADDRESS], {OURS: [PAIR]})
    server.stuck = True
    (action,) = end_hold_result(server)["actions"]
    assert action["outcome"] == "done" and action["detail"]["timers_stopped"] == [] and server.ignored == []
    assert OURS in action["detail"]["unit_left"] and "Access denied" in action["detail"]["unit_left"]


def test_a_timer_that_takes_out_another_one_too_goes_on() -> None:
    server = Ignoring([ADDRESS, "192.0.2.8"], {OURS: [PAIR, ("sshd", "192.0.2.8")]})
    assert end_hold(server)[0] == "done" and (server.ignored, server.stopped) == (["192.0.2.8"], [])


def begun(server: Ignoring, *pairs: tuple[str, str]) -> IncidentError:
    with pytest.raises(IncidentError) as refused:
        begin(server, pairs, 900, run=server.systemctl, client_command=())  # type: ignore[arg-type]
    return refused.value


def test_what_a_hold_that_could_not_be_made_has_left() -> None:
    """What was put in and cannot be taken out again is a change, whose unit goes on; what was taken out is none, and the unit goes too."""
    other = ("sshd", "192.0.2.8")
    server = Ignoring([], {})
    server.texts = lambda _jail, _what: [] if server.ignored == [ADDRESS] else list(server.ignored)  # type: ignore[method-assign]
    assert isinstance(begun(server, PAIR), HoldRefused) and server.timers == {}

    server = Ignoring([], {})
    server.deaf = {"delignoreip"}
    server.ask = refuse_second(server)  # type: ignore[method-assign]
    left = begun(server, PAIR, other)
    assert isinstance(left, HoldLeft) and left.hold.entries == (PAIR,) and list(server.timers) == [left.hold.unit] and left.hold.until
    assert ADDRESS in left.message and left.hold.unit in left.message


def test_an_unban_names_what_a_hold_that_could_not_be_made_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its entry may still be there it is a change, which the timer ends; where nothing is left it is none."""
    other = "192.0.2.8"
    left = HoldLeft("hold: no answer.", hold=Hold(900, OURS, (PAIR,), until=AT))
    monkeypatch.setattr(unbanning.holding, "begin", lambda *_a, **_k: (_ for _ in ()).throw(left))
    server = Ignoring([], {})
    order = Order(verify=(), hold=900)
    bans = unbanning.Bans(Fail2ban(server), Wish(targets={}), order, server.systemctl, False)  # type: ignore[arg-type]
    chosen = [Chosen(Ban("sshd", address, Span.of(network)), address, Span.of(network), "exact") for address in (ADDRESS, other)
              if (network := read_network(address)) is not None]
    done = list(bans.carry_out_all([Candidate(one, action_for(one, resource="", hold=900)) for one in chosen]))
    assert [(one.outcome, one.detail["why"], one.was_touched, temporary.is_change(one)) for one in done] == [
        ("failed", "not_tried", None, True), ("failed", "not_tried", False, False)]
    known = temporary.of(done[0])
    assert known is not None and (known.armed_as, known.expires) == (OURS, temporary.moment(AT))


def refuse_second(server: Ignoring) -> Any:
    """A daemon that takes the first entry and answers nothing after that."""
    ask = server.ask

    def asked(*words: str) -> None:
        if words[2] == "addignoreip" and server.ignored:
            raise CannotReach("No answer.", hint="", reason="timeout")
        ask(*words)

    return asked


def test_an_earlier_hold_that_cannot_be_stopped_stays_as_it_is() -> None:
    server = Ignoring([ADDRESS], {OURS: [PAIR]})
    server.stuck = True
    assert isinstance(begun(server, PAIR), HoldRefused) and server.ignored == [ADDRESS] and OURS in server.timers


CLIENT = """#!/bin/sh
echo "$@" >>{place}/asked
test ! -e {place}/away || {{ echo 'ERROR Failed to access socket path: /run/f/s. Is fail2ban running?' >&2; exit 255; }}
case "$5" in
delignoreip) test ! -e {place}/stuck && grep -qxF "$6" {place}/list || exit 255
  grep -vxF "$6" {place}/list >{place}/new; mv {place}/new {place}/list ;;
ignoreip) test "$4" = sshd || {{ echo "Sorry but the jail '$4' does not exist" >&2; exit 255; }}
  echo 'These IP addresses/networks are ignored:'; sed 's/^/|- /' {place}/list ;;
esac
"""


@pytest.mark.parametrize(("ignored", "obstacle", "status", "left", "said"), [
    ("192.0.2.7 192.0.2.8 192.0.2.70", "", 0, ["192.0.2.70"], ""),
    ("192.0.2.70", "", 0, ["192.0.2.70"], ""),
    ("192.0.2.7 192.0.2.8", "away", 1, ["192.0.2.7", "192.0.2.8"], "cannot be seen: ERROR Failed to access socket path"),
    ("192.0.2.7", "stuck", 1, ["192.0.2.7"], "sshd still ignores 192.0.2.7"),
])
def test_the_command_of_the_timer_fails_where_an_entry_is_still_there(
    tmp_path: Path, ignored: str, obstacle: str, status: int, left: list[str], said: str,
) -> None:
    (tmp_path / "list").write_text("".join(f"{one}\n" for one in ignored.split()))
    if obstacle:
        (tmp_path / obstacle).touch()
    client = tmp_path / "client"
    client.write_text(CLIENT.format(place=tmp_path))
    client.chmod(0o755)
    command = lifting_command(
        [PAIR, ("sshd", "192.0.2.8"), ("gone", ADDRESS)], client_command=[str(client)], path="/run/f/s", pauses=(0, 0))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, (tmp_path / "list").read_text().split()) == (status, left), done.stderr
    assert said in done.stderr
    asked = (tmp_path / "asked").read_text().count("set sshd delignoreip 192.0.2.7\n")
    assert asked == (3 if status else 1), "it tries again where it has not worked"
    # systemd replaces percent signs and dollar signs in what a unit runs.
    assert not any(taken in command[2] for taken in ("%", "${", "$$"))
