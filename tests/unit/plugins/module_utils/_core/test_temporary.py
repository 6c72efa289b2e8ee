# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Temporary changes as data."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core import actions, temporary
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.temporary import Temporary

RAISED = Temporary(
    way_back="CONFIG SET maxclients 100", survives="the server's restart", undo={"verb": "restore_maxclients", "before": 100, "set": 200},
)
HELD = Temporary(way_back="The timer takes it off the ignore list", ends=temporary.UNIT, lasts=600.0)
CHANGE = Action(verb="raise_maxclients", resource="redis:1", identity={"maxclients": 200}, target={}, reason="It is full.")


def test_an_action_keeps_how_its_change_ends_and_its_id() -> None:
    change = temporary.with_temporary(CHANGE, RAISED)
    assert change.id == CHANGE.id
    again = Action.from_dict(change.as_dict())
    assert temporary.of(again) == RAISED
    assert again.as_dict() == change.as_dict()


def test_an_action_that_is_meant_to_stay_has_no_such_key() -> None:
    assert "temporary" not in CHANGE.as_dict()
    assert temporary.of(Action.from_dict(CHANGE.as_dict())) is None


@pytest.mark.parametrize(("wrong", "named"), [({"way_back": "x", "ends": "luck"}, "luck"), ({"ends": "unit"}, "way_back")])
def test_what_cannot_be_read_is_named(wrong: dict[str, str], named: str) -> None:
    with pytest.raises(BadInput, match=named):
        Temporary.from_dict(wrong)


def test_how_it_ends_is_said() -> None:
    assert temporary.say(RAISED) == "nobody will undo it, and it ends with the server's restart"
    assert temporary.say(HELD, planned=True) == "it ends after 10m by its timer"
    assert temporary.say(HELD.armed(until=1764477600.0, unit="u")) == "until 2025-11-30T04:40:00Z by its timer"


def test_the_time_is_over_only_where_there_is_one() -> None:
    held = HELD.armed(until=1000.0, unit="u")
    assert (temporary.over(held, now=999.0), temporary.over(held, now=1000.0)) == (False, True)
    assert not temporary.over(RAISED, now=1e12)
    assert not temporary.over(dataclasses.replace(held, expires="soon"), now=1e12)


@pytest.mark.parametrize(("outcome", "found"), [
    (actions.DONE, temporary.GONE), (actions.NOT_NEEDED, temporary.GONE), (actions.MOVED_ON, temporary.GONE),
    (actions.PLANNED, temporary.IN_FORCE), (actions.FAILED, temporary.UNKNOWN), (actions.UNKNOWN, temporary.UNKNOWN),
    (actions.REFUSED, temporary.IN_FORCE), (actions.NOT_PERMITTED, temporary.UNKNOWN),
])
def test_what_undoes_a_change_says_whether_it_ended(outcome: str, found: str) -> None:
    undo = CHANGE.with_outcome(outcome)
    assert temporary.looked(undo) == found
    assert temporary.undoing(undo, "the id").detail == {"undoes": "the id", "ended": found == temporary.GONE}


@pytest.mark.parametrize(("outcome", "touched", "made"), [
    (actions.DONE, None, True), (actions.FAILED, None, True), (actions.FAILED, False, False), (actions.UNKNOWN, None, True),
    (actions.PLANNED, None, False), (actions.REFUSED, None, False), (actions.NOT_NEEDED, None, False),
])
def test_what_may_have_been_made_counts(outcome: str, touched: bool | None, made: bool) -> None:
    change = dataclasses.replace(temporary.with_temporary(CHANGE, RAISED), outcome=outcome, touched=touched)
    assert temporary.is_change(change) is made
    assert not temporary.is_change(dataclasses.replace(change, temporary=None))
