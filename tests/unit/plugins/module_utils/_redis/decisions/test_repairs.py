# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether each repair may be made, and the same decision again from its record."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core import why
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.repairs import (
    Orphan,
    Raising,
    Restoring,
    Running,
    Saving,
    made_room,
    sight,
)
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.room import Room, why_no_save
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions.safety import Replication

from tests.support.decided import decided_again

START = "redis:4f1e"
RESTORING = Restoring(50, 60, 60, connected=7, change="raise_maxclients:1", start=START)
MINE = Replication(
    "b", "slave", primary="192.0.2.4:6379", replid="aa", offset=5, keys=3, cluster=False, sentinel=False,
)
NAMED = Replication("a", "master", replid="aa", offset=9, keys=3, cluster=False, sentinel=False)
ORPHAN = Orphan(MINE, "192.0.2.5:6379", named=NAMED)


ROOM = Room(directory="/var/lib/redis", writable=True, free=1000, files=5, data=900)


def but(seen: Any, **more: Any) -> Any:
    return dataclasses.replace(seen, **more)


@pytest.mark.parametrize(("seen", "outcome", "code"), [
    ({"raising": Raising(60, before=50)}, "planned", None),
    ({"raising": Raising(60, before=60)}, "not_needed", why.ALREADY_SO),
    ({"raising": Raising(60, before=50, hard_limit=64)}, "refused", why.CANNOT_HELP),
    ({"raising": Raising(60, before=50, hard_limit=64, privileged=True)}, "planned", None),
    ({"restoring": RESTORING}, "planned", None),
    ({"restoring": but(RESTORING, connected=51)}, "refused", why.PROTECTED),
    ({"restoring": but(RESTORING, connected=None)}, "refused", why.PROTECTED),
    ({"restoring": but(RESTORING, now=50)}, "not_needed", why.ALREADY_SO),
    ({"restoring": but(RESTORING, now=70)}, "moved_on", why.NO_LONGER_MATCHES),
    ({"restoring": but(RESTORING, now=70, start="redis:before")}, "not_needed", why.RESTARTED),
    ({"saving": Saving("err", changes=4, last_save=1, running=True)}, "planned", None),
    ({"saving": Saving("ok")}, "not_needed", why.ALREADY_SO),
    ({"saving": Saving()}, "planned", None),
    ({"saving": Saving("err", room=ROOM)}, "planned", None),
    ({"saving": Saving("err", room=but(ROOM, free=9))}, "refused", why.CANNOT_HELP),
    ({"saving": Saving("err", room=Room(unseen="it is elsewhere"))}, "refused", why.CANNOT_LOOK),
    ({"saving": Saving("ok", room=Room(unseen="it is elsewhere"))}, "not_needed", why.ALREADY_SO),
    ({"script": Running("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.")}, "planned", None),
    ({"script": Running("BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.")}, "planned", None),
    ({"script": Running("BUSY Redis is busy running a module command.")}, "refused", why.CANNOT_HELP),
    ({"script": Running()}, "not_needed", why.ALREADY_SO),
    ({"orphan": ORPHAN}, "planned", None),
    ({"orphan": but(ORPHAN, named=None, error="refused")}, "refused", why.CANNOT_LOOK),
    ({"orphan": but(ORPHAN, named=but(NAMED, replid="bb"))}, "refused", why.PROTECTED),
    ({"orphan": but(ORPHAN, named=but(NAMED, sentinel=None))}, "refused", why.CANNOT_LOOK),
    ({"orphan": but(ORPHAN, mine=but(MINE, link_up=True, primary=ORPHAN.place))}, "not_needed", why.ALREADY_SO),
])
def test_each_decision_is_made_again(seen: dict[str, Any], outcome: str, code: str | None) -> None:
    found = sight(START, **seen)
    action = found.candidates[0].action
    assert (action.outcome, action.detail.get("why")) == (outcome, code) and not action.reason.endswith("..")
    assert decided_again(found.basis, approved=None).actions == {action.id: outcome}
    unapproved = "refused" if outcome == "planned" else outcome
    assert decided_again(found.basis, approved=[]).actions == {action.id: unapproved}


@pytest.mark.parametrize(("more", "said"), [
    ({}, ""), ({"files": None}, ""), ({"writable": None}, ""), ({"free": 899}, "has 899 bytes free, and a dump may take 900"),
    ({"free": 450, "dump": 200}, ""), ({"free": 399, "dump": 200}, "a dump may take 400"),
    ({"data": None}, "how large a dump is cannot be told"), ({"files": 0}, "no inode left"), ({"most": 64}, "files of 64 bytes"),
    ({"writable": False}, "the server's user may not write to /var/lib/redis"), ({"gone": True}, "its directory was removed"),
    ({"read_only": True}, "/var/lib/redis is read-only"), ({"in_the_way": "/var/lib/redis/dump.rdb"}, "dump.rdb is a directory"),
])
def test_what_a_save_would_fail_of(more: dict[str, Any], said: str) -> None:
    code, error = why_no_save(but(ROOM, **more))
    assert (bool(error), code) == (bool(said), why.CANNOT_HELP if said else "") and said in error


def test_what_was_done_before_made_room_or_would() -> None:
    done, planned = {"actions": [{"outcome": "done"}]}, {"actions": [{"outcome": "planned"}]}
    idle = [{}, {"skipped": True}, {"actions": [{"outcome": "not_needed"}, {"outcome": "failed"}]}]
    assert [made_room([*idle, one], check_mode=False) for one in (done, planned, {})] == [True, False, False]
    assert [made_room([*idle, one], check_mode=True) for one in (done, planned, {})] == [True, True, False]


def test_a_limit_of_files_that_takes_a_restart_says_what_that_costs() -> None:
    (found,) = sight(START, raising=Raising(60, before=50, hard_limit=64, cost="9 keys are lost")).candidates
    assert found.action.detail["error"].endswith("which needs a restart. That costs: 9 keys are lost")
