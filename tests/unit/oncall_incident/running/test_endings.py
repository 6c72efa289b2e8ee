# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run ends where an execution does not let it go on."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record.summary import summarise

from oncall_incident.exits import Exit
from oncall_incident.running.endings import after_execution, was_killed
from tests.support.story import Story


@pytest.mark.parametrize(("status", "killed"), [
    (None, True), (-9, True), (137, True), (143, True), (0, False), (1, False), (2, False), (4, False), (99, False), (250, False),
])
def test_who_was_killed(status: int | None, killed: bool) -> None:
    assert was_killed(status) is killed


@pytest.mark.parametrize(("status", "name", "end"), [
    (None, "failed", Exit.FAILED), (137, "failed", Exit.FAILED), (1, "bad_input", Exit.USAGE), (250, "bad_input", Exit.USAGE),
])
def test_a_kill_before_anything_was_looked_at_is_no_fault_of_the_input(status: int | None, name: str, end: Exit, tmp_path: Path) -> None:
    story = Story(tmp_path)
    with story.segment(check_mode=True):
        story.intent("db1", "Check the input", phase="")
    found = after_execution(summarise(story.run_dir), status=status, said=[], stopped="", limit="", first=True)
    assert found is not None and (found.name, found.status) == (name, end)
    assert ("nothing was touched" in found.sentence.lower()) is (name == "bad_input")
