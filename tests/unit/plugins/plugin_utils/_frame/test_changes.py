# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes that are handed over to a run, and what looks at them say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core import actions, temporary
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput, PlanRefused
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import changes

NOBODYS = temporary.Temporary(way_back="x", undo={"verb": "restore_maxclients"})
CHANGE = temporary.with_temporary(
    Action(verb="raise_maxclients", resource="redis:1", identity={"maxclients": 40}, target={}, reason="", outcome=actions.DONE), NOBODYS)
HANDED = {**CHANGE.as_dict(), "ref": "1f0c22ab"}


def looked(outcome: str, **detail: Any) -> dict[str, Any]:
    undo = Action(verb="restore_maxclients", resource="redis:1", identity={"maxclients": 12}, target={}, reason="")
    return {"actions": [temporary.undoing(undo.with_outcome(outcome, **detail), CHANGE.id).as_dict()]}


def private(path: Path, data: Any, mode: int = 0o600) -> str:
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    path.chmod(mode)
    return str(path)


def test_a_host_gets_its_own_changes_of_its_roles_verbs(tmp_path: Path) -> None:
    given = {"cache1": [HANDED], "cache2": [{**HANDED, "temporary": None}]}
    for handed in (given, private(tmp_path / "changes", given)):
        assert changes.changes_of(handed, host="cache1", verbs=["restore_maxclients"]) == [HANDED]
        assert changes.changes_of(handed, host="cache1", verbs=["restore_pool"]) == []
        assert changes.changes_of(handed, host="cache2", verbs=["restore_maxclients", ""]) == [{**HANDED, "temporary": None}]
        assert changes.changes_of(handed, host="cache3", verbs=["restore_maxclients"]) == []
    assert changes.changes_of("", host="cache1", verbs=["restore_maxclients"]) == []


def test_what_others_can_write_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanRefused):
        changes.changes_of(private(tmp_path / "open", {}, 0o644), host="a", verbs=[])
    for wrong in ("[]", "nonsense"):
        with pytest.raises(BadInput, match="incident_changes"):
            changes.changes_of(private(tmp_path / "wrong", wrong), host="a", verbs=[])


@pytest.mark.parametrize(("results", "status", "observed", "reason"), [
    ([looked(actions.PLANNED)], "warning", "in_force", None), ([looked(actions.DONE)], "ok", "gone", None),
    ([looked(actions.NOT_NEEDED)], "ok", "gone", None), ([], "unknown", "unknown", "nobody has looked"),
    ([looked(actions.UNKNOWN, error="no permission")], "unknown", "unknown", "no permission"),
    ([{"msg": "connection refused"}], "unknown", "unknown", "connection refused"), ([{"skipped": True}], "unknown", "unknown", "nobody"),
])
def test_what_nobody_looked_at_is_never_gone(results: list[Any], status: str, observed: str, reason: str | None) -> None:
    verdict = changes.judge([HANDED], results)
    (finding,) = verdict.findings
    assert (verdict.status, finding.status, finding.observed, bool(verdict.healthy)) == (status, status, observed, status == "ok")
    assert "1f0c22ab" in finding.subject and finding.detail["change"] == CHANGE.id
    assert reason is None or reason in finding.detail["reason"]


def test_without_changes_nothing_is_asked() -> None:
    verdict = changes.judge([], [])
    assert (verdict.asked, list(verdict.findings)) == ((), [])
