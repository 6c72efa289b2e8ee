# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder's mark counts only when it is this run's."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.marker import MARKER, NotRecorded, Recorder, read_marker, require

HERE = Recorder(pid=41, run="run-1", segment="/var/lib/x:y/000001.jsonl")


def test_own_mark() -> None:
    assert read_marker({MARKER: "41:run-1:/var/lib/x:y/000001.jsonl"}, processes={40, 41}) == HERE


@pytest.mark.parametrize("text", ["", "41", "41:run", "41:run:", "x:run:/p", "42:run:/p", "-41:run:/p"])
def test_no_mark_or_anothers(text: str) -> None:
    assert read_marker({MARKER: text}, processes={40, 41}) is None


def test_no_variable() -> None:
    assert read_marker({}, processes={1}) is None


def test_unrecorded_changes_are_refused_with_the_line_to_set() -> None:
    with pytest.raises(NotRecorded) as raised:
        require(None, record=True, check_mode=False)
    result = raised.value.as_result()
    assert result["error"] == "not_recorded"
    assert "callbacks_enabled = oncall.incident.evidence" in result["hint"]
    assert "ANSIBLE_CALLBACKS_ENABLED=oncall.incident.evidence" in result["hint"]


@pytest.mark.parametrize(("recorder", "record", "check_mode"), [(HERE, True, False), (None, False, False), (None, True, True)])
def test_what_is_allowed(recorder: Recorder | None, record: bool, check_mode: bool) -> None:
    assert require(recorder, record=record, check_mode=check_mode)["recorded"] is (recorder is not None)
