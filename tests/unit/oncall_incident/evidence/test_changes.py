# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The temporary changes of an incident: nothing is gone that nobody has looked at."""

from __future__ import annotations

import dataclasses
import datetime

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core import actions, temporary
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action
from ansible_collections.oncall.incident.plugins.module_utils._core.temporary import Temporary
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Summary
from ansible_collections.oncall.incident.plugins.plugin_utils._record.told import Seen

from oncall_incident.errors import Stop
from oncall_incident.evidence import changes
from oncall_incident.evidence.changes import Change

T0, T1, T2, T3 = (f"2026-11-30T02:{minute}:00.000Z" for minute in ("40", "51", "58", "59"))
NOW = datetime.datetime(2026, 11, 30, 3, 0, tzinfo=datetime.UTC)
DAY = NOW.date()
NOBODYS = Temporary(way_back="CONFIG SET maxclients 12", survives="the server's restart", undo={"verb": "restore_maxclients"})
TIMED = dataclasses.replace(NOBODYS, ends=temporary.UNIT, expires="2026-11-30T03:40:00Z", armed_as="u")


def made(ends: Temporary = NOBODYS, outcome: str = actions.DONE) -> Action:
    action = Action(verb="raise_maxclients", resource="redis:1", identity={"maxclients": 40}, target={}, reason="", name="maxclients 40")
    return temporary.with_temporary(action, ends).with_outcome(outcome)


def undo(outcome: str, *, touched: bool | None = None, of: Action | None = None) -> Action:
    action = Action(verb="restore_maxclients", resource="redis:1", identity={"maxclients": 12}, target={}, reason="", touched=touched)
    return temporary.undoing(action.with_outcome(outcome), (of or made()).id)


def run(name: str, *seen: tuple[Action, str], host: str = "cache1") -> tuple[str, Summary]:
    return name, Summary(run=name, changes=[Seen(action, host, ts=ts) for action, ts in seen])


def only(*records: tuple[str, Summary], now: datetime.datetime = NOW) -> Change:
    (change,) = changes.fold(records, now=now.timestamp())
    return change


def test_a_change_is_in_force_until_somebody_looks() -> None:
    change = only(run("a", (made(), T0)))
    assert (change.state, change.made, change.seen) == ("in_force", T0, T0)
    assert changes.say(change, today=DAY) == (
        "in force, nobody will undo it, and it ends with the server's restart, last seen 02:40:00Z")


def test_one_that_ends_by_itself_says_when() -> None:
    assert changes.say(only(run("a", (made(TIMED), T0))), today=DAY) == "in force, until 03:40:00Z by its timer, last seen 02:40:00Z"


def test_a_time_that_is_over_is_no_look() -> None:
    late = NOW + datetime.timedelta(hours=1)
    change = only(run("a", (made(TIMED), T0)), now=late)
    assert not change.gone
    assert changes.say(change, today=DAY) == "expired at 03:40:00Z, not looked at since"
    assert changes.still([change]) == [change]


LATE, LATER_STILL = "2026-11-30T04:10:00.000Z", NOW + datetime.timedelta(hours=2)


def test_one_that_was_to_have_ended_and_has_not() -> None:
    change = only(run("a", (made(TIMED), T0)), run("b", (undo(actions.PLANNED, of=made(TIMED)), LATE)), now=LATER_STILL)
    assert change.state == "in_force" and not changes.ends_by_itself(change)
    assert changes.say(change, today=DAY) == "in force, it was to end at 03:40:00Z by its timer, which it did not, last seen 04:10:00Z"
    served = dataclasses.replace(TIMED, ends=temporary.API, armed_as="")
    change = only(run("a", (made(served), T0)), run("b", (undo(actions.PLANNED, of=made(served)), LATE)), now=LATER_STILL)
    assert not changes.ends_by_itself(change)


def test_a_look_after_its_time_that_came_to_nothing_is_a_look() -> None:
    change = only(run("a", (made(TIMED), T0)), run("b", (undo(actions.UNKNOWN, of=made(TIMED)), LATE)), now=LATER_STILL)
    assert change.state == "not_known" and not changes.ends_by_itself(change)
    assert "not looked at since" not in changes.say(change, today=DAY)


@pytest.mark.parametrize(("outcome", "touched", "state", "undone"), [
    (actions.DONE, True, "gone", True), (actions.NOT_NEEDED, False, "gone", False), (actions.MOVED_ON, False, "gone", False),
    (actions.PLANNED, None, "in_force", False), (actions.FAILED, None, "not_known", False), (actions.UNKNOWN, None, "not_known", False),
    (actions.NOT_PERMITTED, False, "not_known", False), (actions.REFUSED, False, "in_force", False),
])
def test_what_a_later_look_says_counts(outcome: str, touched: bool | None, state: str, undone: bool) -> None:
    change = only(run("a", (made(), T0)), run("b", (undo(outcome, touched=touched), T1)))
    assert (change.state, change.undone) == (state, undone)


def test_a_look_at_another_host_or_another_change_says_nothing() -> None:
    other = dataclasses.replace(made(), identity={"maxclients": 50}, id="")
    records = [run("a", (made(), T0)), run("b", (undo(actions.DONE), T1), host="cache2"), run("c", (undo(actions.DONE, of=other), T1))]
    assert only(*records).state == "in_force"


def test_a_change_that_is_made_again_after_it_was_undone_is_another_one() -> None:
    first, second = changes.fold(
        [run("a", (made(), T0)), run("b", (undo(actions.DONE), T1)), run("c", (made(), T2))], now=NOW.timestamp())
    assert (first.state, second.state) == ("gone", "in_force")
    assert first.ref != second.ref


@pytest.mark.parametrize("outcome", [actions.FAILED, actions.UNKNOWN, actions.STILL_RUNNING])
def test_one_of_which_nobody_knows_whether_it_was_made_counts(outcome: str) -> None:
    change = only(run("a", (made(outcome=outcome), T0)))
    assert change.state == "not_known" and not change.gone
    assert changes.say(change, today=DAY).startswith("not known whether it is in force")


def test_one_whose_answer_was_lost_counts() -> None:
    lost = {"host": "cache1", "ts": T0, "actions": [{**made(outcome=actions.PLANNED).as_dict(), "host": "cache1"}]}
    change = only(("a", Summary(run="a", unanswered=[lost])))
    assert (change.state, change.seen) == ("not_known", "")


def test_what_was_not_made_or_is_meant_to_stay_does_not_count() -> None:
    lasting = dataclasses.replace(made(), temporary=None)
    found = changes.fold(
        [run("a", (made(outcome=actions.REFUSED), T0)), run("b", (lasting, T0)), run("c", (made(outcome=actions.PLANNED), T0))],
        now=NOW.timestamp())
    assert found == []


def test_a_run_without_a_record_may_have_changed_anything() -> None:
    (change,) = changes.fold([("20261130T0240Z-x", None)], now=NOW.timestamp())
    assert (change.state, change.host, change.gone) == ("not_known", "", False)
    assert "record missing 20261130T0240Z-x" in changes.refusal("INC-1", [change], doing="closed").message
    assert "record of the run is missing" in changes.nobody_undoes(change)


@pytest.mark.parametrize(("ends", "outcome", "later", "by_itself"), [
    (NOBODYS, actions.DONE, False, False), (TIMED, actions.DONE, False, True), (TIMED, actions.DONE, True, False),
    (dataclasses.replace(TIMED, armed_as=""), actions.DONE, False, False), (TIMED, actions.FAILED, False, False),
    (dataclasses.replace(TIMED, ends=temporary.API, armed_as=""), actions.DONE, False, True),
    (dataclasses.replace(TIMED, ends=temporary.API, armed_as=""), actions.DONE, True, True),
    (dataclasses.replace(TIMED, ends=temporary.API, expires=""), actions.DONE, False, False),
])
def test_what_ends_without_anybody(ends: Temporary, outcome: str, later: bool, by_itself: bool) -> None:
    change = only(run("a", (made(ends, outcome), T0)), now=NOW + datetime.timedelta(hours=1 if later else 0))
    assert changes.ends_by_itself(change) is by_itself


def test_changes_are_named_by_the_beginning_of_their_ref() -> None:
    change = only(run("a", (made(), T0)))
    assert changes.chosen([change], [change.ref[:4]]) == [change] == changes.chosen([change], [])
    with pytest.raises(Stop, match="zzzz"):
        changes.chosen([change], ["zzzz"])


def test_a_refusal_names_each_and_what_to_do() -> None:
    change = only(run("a", (made(), T0)))
    stop = changes.refusal("INC-1", [change], doing="closed")
    assert change.ref in stop.message and "cache1" in stop.message and "raise maxclients" in stop.message
    assert f"incident undo INC-1 {change.ref}" in stop.hint and f"--leave {change.ref} --why" in stop.hint
    assert changes.still([change], left=[change.ref]) == []
