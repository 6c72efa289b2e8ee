# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every scenario keeps what its hosts know before it changes any of them, and the rest when it is over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.scenarios import LOOKING, SCENARIOS, plays, tasks

EVIDENCE = "oncall.incident.evidence"


def entry_points(play: dict[str, Any]) -> list[tuple[str, str]]:
    """The entry points that a play runs: role and tasks_from."""
    return [(given["name"], given["tasks_from"]) for task in play["tasks"] if (given := task.get("ansible.builtin.import_role"))]


def hosts(play: dict[str, Any]) -> set[str]:
    """The patterns of a play's hosts."""
    parts = play["hosts"].replace("}}:{{", "}}\n{{").splitlines()
    return {part.strip() for part in parts}


@pytest.mark.parametrize("path", [path for path in SCENARIOS if path not in LOOKING], ids=lambda path: path.stem)
def test_hosts_are_kept_before_they_are_changed_and_the_rest_after_they_were_measured(path: Path) -> None:
    numbered = [(number, play, entry) for number, play in enumerate(plays(path)) for entry in entry_points(play)]
    changing = [(number, play) for number, play, (_role, entry) in numbered if entry.startswith(("mitigate", "help"))]
    measuring = [number for number, _play, (_role, entry) in numbered if entry.startswith("verify")]
    first = [(number, play) for number, play, entry in numbered if entry == (EVIDENCE, "snapshot")]
    rest = [(number, play) for number, play, entry in numbered if entry == (EVIDENCE, "rest")]
    (last,) = [number for number, _play, entry in numbered if entry == ("oncall.incident.incident", "conclude")]
    assert changing and measuring and first and rest
    assert max(number for number, _play in first) < min(number for number, _play in changing)
    assert max(measuring) < min(number for number, _play in rest) and max(number for number, _play in rest) < last
    changed = set().union(*(hosts(play) for _number, play in changing))
    for kept, tag in ((first, "mitigate"), (rest, "verify")):
        assert set().union(*(hosts(play) for _number, play in kept)) == changed
        assert all(play["tags"] == [tag] for _number, play in kept)
        # Without a condition: evidence_snapshot alone decides.
        assert not any("when" in task for _number, play in kept for task in play["tasks"])


@pytest.mark.parametrize("path", LOOKING, ids=lambda path: path.stem)
def test_who_only_looks_changes_nothing(path: Path) -> None:
    guard, *others = plays(path)
    assert all(task["tags"] == ["always"] for task in guard["tasks"]) and others
    assert all(play["tags"] == ["investigate"] for play in others)
    entries = [task["ansible.builtin.import_role"]["tasks_from"] for play in others for task in tasks(play["tasks"])
               if "ansible.builtin.import_role" in task]
    assert {entry for entry in entries if not entry.startswith("investigate")} == {"conclude"}
