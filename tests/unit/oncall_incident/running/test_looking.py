# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the record of a look says about temporary changes: what it does not tell is unknown."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Finding
from ansible_collections.oncall.incident.plugins.module_utils._core.temporary import CHECK, Temporary
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import Summary
from ansible_collections.oncall.incident.plugins.plugin_utils._record.told import Seen

from oncall_incident.evidence.changes import Change
from oncall_incident.running.looking import judged

ACTION = Action(verb="raise_maxclients", resource="redis:1", identity={"maxclients": 40}, target={}, reason="")
CHANGE = Change("1f0c22ab", "run", "cache1", ACTION, Temporary(way_back="CONFIG SET maxclients 12"), made="", state="in_force", seen="")


def summary(observed: str = "", **more: Any) -> Summary:
    finding = Finding(CHECK, "warning", observed=observed, detail={"ref": CHANGE.ref, "reason": "no permission"})
    return Summary(run="look", looks=[Seen(finding, "cache1")] if observed else [], **more)


@pytest.mark.parametrize(("record", "options", "found", "reason"), [
    (summary("in_force"), {}, "in_force", ""), (summary("gone"), {}, "gone", ""), (summary("unknown"), {}, "unknown", "no permission"),
    (summary(unreachable=[{"host": "cache1", "msg": "timed out"}]), {}, "unknown", "timed out"),
    (summary(unreachable=[{"host": "cache1", "msg": "timed out"}]), {"limited": True}, "unknown", "timed out"),
    (summary(failures=[{"host": "cache1", "msg": "no python"}]), {}, "unknown", "no python"),
    (summary(), {}, "unknown", "no such host"),
    (summary(hosts=["cache1"]), {}, "unknown", "collection undoes raise_maxclients; its way back: CONFIG SET maxclients 12"),
    (summary(), {"limited": True}, "not_asked", ""),
    (summary(), {"limited": True, "said": "no inventory"}, "unknown", "no inventory"),
])
def test_a_change_is_what_was_measured(record: Summary, options: dict[str, Any], found: str, reason: str) -> None:
    looked = judged("look", [CHANGE], record, [], **options)
    assert looked.found == {CHANGE.ref: found}
    assert reason in looked.reasons.get(CHANGE.ref, "")


def test_units_are_told_by_host_and_a_host_without_an_answer_is_named() -> None:
    files = [{"path": "/etc/a/unit-1.timer"}]
    event = {"type": "result", "task": "Find units that undo changes", "host": "app1", "result": {"files": files}}
    looked = judged("look", [], summary(unreachable=[{"host": "app2", "msg": "timed out"}]), [event])
    assert (looked.units, looked.blind) == ({"app1": ["unit-1"]}, {"app2": "timed out"})


def test_a_directory_of_units_that_could_not_be_searched_is_named() -> None:
    skipped = {"/etc/systemd/system": "[Errno 13] Permission denied: b'/etc/systemd/system'",
               "/run/systemd/transient": "'/run/systemd/transient' is not a directory"}
    event = {"type": "result", "task": "Find units that undo changes", "host": "app1", "result": {"files": [], "skipped_paths": skipped}}
    looked = judged("look", [], summary(), [event])
    assert list(looked.blind) == ["app1"] and "Permission denied" in looked.blind["app1"] and "transient" not in looked.blind["app1"]
    del skipped["/etc/systemd/system"]
    assert judged("look", [], summary(), [event]).blind == {}
